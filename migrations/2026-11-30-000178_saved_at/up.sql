-- When the service received the earliest save in Odoo whose writes Microsoft has not answered yet.
ALTER TABLE meetings ADD COLUMN saved_at timestamptz;
