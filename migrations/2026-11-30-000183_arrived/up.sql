-- arrived: Odoo has sent all of a user's events, and what it has not sent is compared in portions.
ALTER TABLE accounts DROP CONSTRAINT accounts_existing_check;
ALTER TABLE accounts ADD CONSTRAINT accounts_existing_check
    CHECK (existing IN ('unasked', 'asked', 'arrived', 'asked_records', 'moving', 'told'));
-- The last meeting that was compared.
ALTER TABLE accounts ADD COLUMN settled_to bigint NOT NULL DEFAULT 0;
