ALTER TABLE accounts DROP COLUMN settled_to;
UPDATE accounts SET existing = 'unasked' WHERE existing = 'arrived';
ALTER TABLE accounts DROP CONSTRAINT accounts_existing_check;
ALTER TABLE accounts ADD CONSTRAINT accounts_existing_check
    CHECK (existing IN ('unasked', 'asked', 'asked_records', 'moving', 'told'));
