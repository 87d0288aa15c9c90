ALTER TABLE troubles DROP COLUMN limited_by, DROP COLUMN limited_times, DROP COLUMN limited_until;
