ALTER TABLE databases
    -- the versions of the exchange that Odoo's add-on understands, as it said last; null: it has not called yet
    ADD COLUMN api integer,
    ADD COLUMN api_lowest integer;
