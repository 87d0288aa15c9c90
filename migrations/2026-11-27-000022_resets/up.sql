-- The last reset of an account.
CREATE TABLE resets (
    account_id bigint PRIMARY KEY REFERENCES accounts ON DELETE CASCADE,
    -- whose mailbox it was: another one's events are never taken for its
    tenant_id text NOT NULL,
    object_id text NOT NULL,
    -- how many deletions in Outlook it began with
    total integer NOT NULL DEFAULT 0
);

-- Somebody else than before logged in, and is asked what is meant.
ALTER TABLE login_attempts ADD COLUMN other_login text;

-- What a person asked for, and no later news plans away.
ALTER TABLE outlook_outbox ADD COLUMN stands boolean NOT NULL DEFAULT false;
