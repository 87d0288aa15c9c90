ALTER TABLE odoo_outbox DROP COLUMN op;
ALTER TABLE copies
    DROP COLUMN series_id, DROP COLUMN is_series, DROP COLUMN ical_uid, DROP COLUMN title;
CREATE INDEX copies_series ON copies (account_id, (wire ->> 'seriesMasterId')) WHERE wire ->> 'seriesMasterId' IS NOT NULL;
ALTER TABLE meetings
    DROP COLUMN organizer_id, DROP COLUMN odoo_name, DROP COLUMN odoo_active, DROP COLUMN attendee_user_ids, DROP COLUMN stock_state,
    DROP COLUMN stock_microsoft_id, DROP COLUMN stock_immutable_id, DROP COLUMN stock_translated;
CREATE INDEX meetings_unlinked ON meetings
    USING hash ((coalesce(odoo_state -> 'template', odoo_state) ->> 'name'))
        WHERE ical_uid IS NULL AND odoo_id IS NOT NULL;
CREATE INDEX meetings_stock ON meetings (database_id, (stock ->> 'immutable_id'))
    WHERE stock ->> 'state' <> 'adopted';
