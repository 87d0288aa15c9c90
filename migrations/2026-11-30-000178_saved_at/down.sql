ALTER TABLE meetings DROP COLUMN saved_at;
