ALTER TABLE meetings DROP CONSTRAINT meetings_guests_check;
ALTER TABLE meetings ALTER COLUMN guests DROP NOT NULL, ALTER COLUMN guests DROP DEFAULT;
UPDATE meetings SET guests = NULL WHERE guests = 'as_saved';
ALTER TABLE meetings ADD CHECK (guests IN ('waiting', 'left_out', 'announced', 'withheld'));
ALTER TABLE outlook_outbox DROP CONSTRAINT outlook_outbox_asks_check;
