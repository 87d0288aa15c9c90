ALTER TABLE meetings
    DROP COLUMN hour_noted,
    DROP COLUMN hour_writes,
    DROP COLUMN hour_began;
