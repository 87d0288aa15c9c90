ALTER TABLE put_aside DROP COLUMN reason_code;
ALTER TABLE meetings DROP COLUMN set_aside_code, DROP COLUMN odoo_start;
