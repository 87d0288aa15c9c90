ALTER TABLE journal
    DROP COLUMN conflict_slot;
