-- By what Odoo's own engine knew a record before the database was paired, and what became of it: see store/stock.rs.
ALTER TABLE meetings ADD COLUMN stock jsonb;
CREATE INDEX meetings_stock ON meetings (database_id, (stock ->> 'immutable_id'))
    WHERE stock ->> 'state' <> 'adopted';
-- moving: Odoo has handed over its events, and the ids that its own engine gave them are still to be translated
ALTER TABLE accounts DROP CONSTRAINT accounts_existing_check;
ALTER TABLE accounts ADD CONSTRAINT accounts_existing_check
    CHECK (existing IN ('unasked', 'asked', 'moving', 'told'));
