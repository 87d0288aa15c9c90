ALTER TABLE outlook_outbox DROP COLUMN slot;
ALTER TABLE outlook_outbox DROP COLUMN series;
ALTER TABLE meetings ADD COLUMN series boolean NOT NULL DEFAULT false;
DROP INDEX meetings_series_key;
ALTER TABLE meetings DROP COLUMN series_key;
