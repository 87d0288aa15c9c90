ALTER TABLE journal
    -- by what Odoo knows a series, whose events share its lines
    ADD COLUMN series_key text;
