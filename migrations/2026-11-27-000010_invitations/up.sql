ALTER TABLE meetings
    -- what becomes of its guests in Outlook: null: as saved; waiting: it existed with guests when its organizer
    -- connected, and nobody has chosen yet; left_out: somebody chose that it stays in Odoo alone; announced: somebody
    -- chose, or saved it after connecting; withheld: Outlook's copy is without them, and Odoo mails
    ADD COLUMN guests text CHECK (guests IN ('waiting', 'left_out', 'announced', 'withheld'));
CREATE INDEX meetings_guests ON meetings (database_id) WHERE guests IN ('waiting', 'left_out', 'withheld');
