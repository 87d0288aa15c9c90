DROP TABLE mail_hours;
ALTER TABLE databases DROP COLUMN mails_an_hour, DROP COLUMN others_outside;
ALTER TABLE outlook_outbox DROP COLUMN asks;
ALTER TABLE meetings DROP COLUMN saved_by;
