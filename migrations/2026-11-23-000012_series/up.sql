-- The name that a series keeps in Odoo, whatever Odoo does with its records. It stays while the series is a single event.
ALTER TABLE meetings ADD COLUMN series_key text;
CREATE UNIQUE INDEX meetings_series_key ON meetings (database_id, series_key) WHERE series_key IS NOT NULL;
-- Whether a meeting is a series is told by its states.
ALTER TABLE meetings DROP COLUMN series;
-- A write to a series: the slot of the occurrence that it is about, null: the whole.
ALTER TABLE outlook_outbox ADD COLUMN series boolean NOT NULL DEFAULT false;
ALTER TABLE outlook_outbox ADD COLUMN slot date;
-- Events of the mailbox are matched by title with what Odoo has; a series has it in what its events share.
DROP INDEX meetings_unlinked;
CREATE INDEX meetings_unlinked ON meetings
    USING hash ((coalesce(odoo_state -> 'template', odoo_state) ->> 'name'))
        WHERE ical_uid IS NULL AND odoo_id IS NOT NULL;
