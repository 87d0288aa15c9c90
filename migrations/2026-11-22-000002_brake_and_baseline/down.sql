ALTER TABLE odoo_outbox DROP COLUMN line;
ALTER TABLE outlook_outbox DROP COLUMN line;
ALTER TABLE meetings DROP COLUMN unconfirmed, DROP COLUMN kept;
ALTER TABLE odoo_outbox DROP COLUMN held_for;
ALTER TABLE accounts DROP COLUMN brake_of, DROP COLUMN brake_removals, DROP COLUMN brake_at;
ALTER TABLE databases DROP COLUMN brake_percent, DROP COLUMN brake_over;
