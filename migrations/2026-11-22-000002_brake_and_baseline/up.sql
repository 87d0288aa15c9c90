-- The brake: when one sync would remove more than this many events of a user in Odoo, and more than this share of
-- them, an admin is asked first.
ALTER TABLE databases
    ADD COLUMN brake_over integer NOT NULL DEFAULT 20 CHECK (brake_over >= 0),
    ADD COLUMN brake_percent integer NOT NULL DEFAULT 20 CHECK (brake_percent BETWEEN 0 AND 100);

ALTER TABLE accounts
    -- since when an admin's answer is waited for; null: not
    ADD COLUMN brake_at timestamptz,
    -- how many events would be removed, of how many
    ADD COLUMN brake_removals integer NOT NULL DEFAULT 0,
    ADD COLUMN brake_of integer NOT NULL DEFAULT 0;

ALTER TABLE odoo_outbox
    -- a removal that waits for the end of this mailbox's sync, or for an admin's answer; null: may be delivered
    ADD COLUMN held_for bigint REFERENCES accounts ON DELETE CASCADE;
CREATE INDEX odoo_outbox_held ON odoo_outbox (held_for) WHERE held_for IS NOT NULL;

ALTER TABLE meetings
    -- deleted in Outlook, and an admin decided that Odoo keeps it
    ADD COLUMN kept boolean NOT NULL DEFAULT false,
    -- the database was paired anew, and Odoo has not said yet that it still has this record
    ADD COLUMN unconfirmed boolean NOT NULL DEFAULT false;

-- What the journal says once it is done: a message, and the event as it was before a deletion.
ALTER TABLE outlook_outbox ADD COLUMN line jsonb;
ALTER TABLE odoo_outbox ADD COLUMN line jsonb;
