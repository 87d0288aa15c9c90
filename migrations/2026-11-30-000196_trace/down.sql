ALTER TABLE outlook_outbox DROP COLUMN trace;
