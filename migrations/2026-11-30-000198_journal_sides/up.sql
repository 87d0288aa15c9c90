-- Where a line's change was written, how many mails Outlook sent because of it, and the user who
-- organizes the event and may read the line, too.
ALTER TABLE journal
    ADD COLUMN side text CHECK (side IN ('odoo', 'outlook')),
    ADD COLUMN mails integer NOT NULL DEFAULT 0,
    ADD COLUMN organizer_id integer;
