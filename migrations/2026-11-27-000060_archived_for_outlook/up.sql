ALTER TABLE meetings
    -- Odoo's record is archived because Outlook had ended the meeting, and nobody has saved it since: it comes back with Outlook's
    ADD COLUMN archived_for_outlook boolean NOT NULL DEFAULT false;
