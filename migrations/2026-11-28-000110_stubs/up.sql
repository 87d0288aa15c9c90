ALTER TABLE meetings
    -- what is still known of a meeting that is long past, and of which the content was forgotten
    ADD COLUMN stub jsonb,
    -- Odoo is to be asked for the record of a stub
    ADD COLUMN unread boolean NOT NULL DEFAULT false,
    -- when to look whether it is long past; null: nobody has looked yet
    ADD COLUMN look_at timestamptz;
ALTER TABLE copies
    -- the digest of an event of which the content was forgotten
    ADD COLUMN stub text,
    -- the mailbox is to be asked for the event
    ADD COLUMN unread boolean NOT NULL DEFAULT false;
CREATE INDEX meetings_to_look_at ON meetings (look_at NULLS FIRST)
    WHERE stub IS NULL AND odoo_state IS NOT NULL;
CREATE INDEX meetings_unread ON meetings (database_id) WHERE unread;
CREATE INDEX copies_unread ON copies (account_id) WHERE unread;
