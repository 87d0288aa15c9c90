ALTER TABLE databases
    DROP COLUMN days_back,
    DROP COLUMN days_ahead,
    DROP COLUMN sent_back,
    DROP COLUMN created_from;
