UPDATE accounts SET existing = 'unasked' WHERE existing = 'moving';
ALTER TABLE accounts DROP CONSTRAINT accounts_existing_check;
ALTER TABLE accounts ADD CONSTRAINT accounts_existing_check CHECK (existing IN ('unasked', 'asked', 'told'));
DROP INDEX meetings_stock;
ALTER TABLE meetings DROP COLUMN stock;
