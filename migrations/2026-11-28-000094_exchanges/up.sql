ALTER TABLE databases
    -- the number of the call that was taken last, as Odoo counts them since it was paired
    ADD COLUMN last_call bigint NOT NULL DEFAULT 0,
    -- seconds to be added to Odoo's times to have ours
    ADD COLUMN clock_behind bigint NOT NULL DEFAULT 0,
    -- how many exchanges in a row have failed here, since when, and why the last one did
    ADD COLUMN exchange_failures integer NOT NULL DEFAULT 0,
    ADD COLUMN failing_since timestamptz,
    ADD COLUMN exchange_problem text;
-- asked_records: Odoo has told a user's own events, and was asked for single records that others organize
ALTER TABLE accounts DROP CONSTRAINT accounts_existing_check;
ALTER TABLE accounts ADD CONSTRAINT accounts_existing_check
    CHECK (existing IN ('unasked', 'asked', 'asked_records', 'moving', 'told'));
