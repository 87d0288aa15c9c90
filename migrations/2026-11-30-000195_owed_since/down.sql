ALTER TABLE odoo_outbox DROP COLUMN since;
