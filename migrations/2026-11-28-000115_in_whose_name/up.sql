-- Who saves what mails others from the organizer's mailbox.
ALTER TABLE meetings ADD COLUMN saved_by jsonb NOT NULL DEFAULT '[]';
-- Why a write waits for a yes, whatever the mail budget says.
ALTER TABLE outlook_outbox ADD COLUMN asks text;
ALTER TABLE databases ADD COLUMN others_outside integer NOT NULL DEFAULT 5;
ALTER TABLE databases ADD COLUMN mails_an_hour integer NOT NULL DEFAULT 200;
-- The hour in which a mailbox's mails are counted; a person's yes to more takes them off.
CREATE TABLE mail_hours (
    account_id bigint PRIMARY KEY REFERENCES accounts ON DELETE CASCADE,
    began timestamptz NOT NULL,
    mails integer NOT NULL
);
