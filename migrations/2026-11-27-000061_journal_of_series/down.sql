ALTER TABLE journal DROP COLUMN series_key;
