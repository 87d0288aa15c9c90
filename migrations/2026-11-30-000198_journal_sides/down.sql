ALTER TABLE journal DROP COLUMN side, DROP COLUMN mails, DROP COLUMN organizer_id;
