-- What lists of meetings and of put-aside items show and search.
ALTER TABLE meetings
    ADD COLUMN odoo_start timestamptz,
    ADD COLUMN set_aside_code text GENERATED ALWAYS AS (set_aside ->> 'code') STORED;
UPDATE meetings SET
    odoo_start = (coalesce(odoo_state -> 'template', odoo_state) ->> 'start')::timestamp AT TIME ZONE 'UTC';
ALTER TABLE put_aside ADD COLUMN reason_code text GENERATED ALWAYS AS (reason ->> 'code') STORED;
