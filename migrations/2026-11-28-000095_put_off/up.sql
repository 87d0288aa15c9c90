-- A change whose result could not be taken is delivered again later.
ALTER TABLE odoo_outbox ADD COLUMN attempts integer NOT NULL DEFAULT 0, ADD COLUMN not_before timestamptz;
