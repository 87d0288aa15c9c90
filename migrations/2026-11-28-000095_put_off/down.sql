ALTER TABLE odoo_outbox DROP COLUMN attempts, DROP COLUMN not_before;
