-- What a database had set for Odoo's own engine: the window of its mailboxes, from when on its old events are not sent any
-- more, and since when its events are made in Outlook.
ALTER TABLE databases
    ADD COLUMN days_back integer,
    ADD COLUMN days_ahead integer,
    ADD COLUMN sent_back integer,
    ADD COLUMN created_from timestamptz;
