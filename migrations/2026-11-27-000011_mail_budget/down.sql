ALTER TABLE outlook_outbox DROP COLUMN collected, DROP COLUMN mails;
ALTER TABLE meetings DROP COLUMN unsent, DROP COLUMN collected;
ALTER TABLE accounts DROP COLUMN mails_held;
ALTER TABLE databases DROP COLUMN mail_budget;
