-- The date of the occurrence that a conflict is about, in the zone of its series.
ALTER TABLE journal
    ADD COLUMN conflict_slot date;
