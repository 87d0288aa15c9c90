-- More mails than this, that no person has just asked for, wait for a person's yes.
ALTER TABLE databases ADD COLUMN mail_budget integer NOT NULL DEFAULT 25 CHECK (mail_budget >= 0);

-- How many mails wait for a person's yes; 0: none is waited for.
ALTER TABLE accounts ADD COLUMN mails_held integer NOT NULL DEFAULT 0;

ALTER TABLE meetings
    -- its last change came while the organizer's mailbox was not synced, or from a comparison of both sides
    ADD COLUMN collected boolean NOT NULL DEFAULT false,
    -- somebody decided that its collected change is not sent; until it is saved again
    ADD COLUMN unsent boolean NOT NULL DEFAULT false;

ALTER TABLE outlook_outbox
    -- how many mails Outlook sends for it
    ADD COLUMN mails integer NOT NULL DEFAULT 0,
    -- whether it passes the mail budget first
    ADD COLUMN collected boolean NOT NULL DEFAULT false;
