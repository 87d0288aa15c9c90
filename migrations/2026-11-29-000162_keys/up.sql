-- What queries look for has columns of its own, which store/keys.rs writes.
ALTER TABLE meetings
    ADD COLUMN organizer_id integer,
    ADD COLUMN odoo_name text,
    ADD COLUMN odoo_active boolean NOT NULL DEFAULT true,
    ADD COLUMN attendee_user_ids integer[] NOT NULL DEFAULT '{}',
    ADD COLUMN stock_state text CHECK (stock_state IN ('waiting', 'missing', 'adopted')),
    ADD COLUMN stock_microsoft_id text,
    ADD COLUMN stock_immutable_id text,
    ADD COLUMN stock_translated boolean NOT NULL DEFAULT false;
UPDATE meetings SET
    organizer_id = coalesce(coalesce(odoo_state -> 'template', odoo_state) #>> '{organizer,user_id}', stub ->> 'organizer')::integer,
    odoo_name = coalesce(odoo_state -> 'template', odoo_state) ->> 'name',
    odoo_active = coalesce((odoo_state ->> 'active')::boolean, true),
    attendee_user_ids = ARRAY(
        SELECT (attendee ->> 'user_id')::integer
        FROM jsonb_array_elements(coalesce(coalesce(odoo_state -> 'template', odoo_state) -> 'attendees', '[]')) AS attendee
        WHERE attendee ->> 'user_id' IS NOT NULL),
    stock_state = stock ->> 'state',
    stock_microsoft_id = stock ->> 'microsoft_id',
    stock_immutable_id = stock ->> 'immutable_id',
    stock_translated = coalesce((stock ->> 'translated')::boolean, false);
DROP INDEX meetings_unlinked;
-- A hash, as titles may be longer than a B-tree takes.
CREATE INDEX meetings_unlinked ON meetings USING hash (odoo_name) WHERE ical_uid IS NULL AND odoo_id IS NOT NULL;
DROP INDEX meetings_stock;
CREATE INDEX meetings_stock ON meetings (database_id, stock_immutable_id) WHERE stock_state <> 'adopted';
CREATE INDEX meetings_organizer ON meetings (database_id, organizer_id);

ALTER TABLE copies
    ADD COLUMN series_id text,
    ADD COLUMN is_series boolean NOT NULL DEFAULT false,
    ADD COLUMN ical_uid text,
    ADD COLUMN title text;
UPDATE copies SET
    series_id = wire ->> 'seriesMasterId',
    is_series = coalesce(wire ->> 'type' = 'seriesMaster', false),
    ical_uid = wire ->> 'iCalUId',
    title = coalesce(state -> 'master', state) ->> 'title';
DROP INDEX copies_series;
CREATE INDEX copies_series ON copies (account_id, series_id) WHERE series_id IS NOT NULL;

ALTER TABLE odoo_outbox ADD COLUMN op text NOT NULL DEFAULT '';
UPDATE odoo_outbox SET op = coalesce(payload ->> 'op', '');
ALTER TABLE odoo_outbox ALTER COLUMN op DROP DEFAULT;
