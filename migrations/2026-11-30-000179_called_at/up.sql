-- Odoo's time of the call that was accepted last. A call that Odoo made before it and gave up may still arrive.
ALTER TABLE databases ADD COLUMN called_at timestamptz;
