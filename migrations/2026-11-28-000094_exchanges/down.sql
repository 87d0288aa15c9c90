UPDATE accounts SET existing = 'unasked' WHERE existing = 'asked_records';
ALTER TABLE accounts DROP CONSTRAINT accounts_existing_check;
ALTER TABLE accounts ADD CONSTRAINT accounts_existing_check
    CHECK (existing IN ('unasked', 'asked', 'moving', 'told'));
ALTER TABLE databases
    DROP COLUMN last_call, DROP COLUMN clock_behind, DROP COLUMN exchange_failures, DROP COLUMN failing_since,
    DROP COLUMN exchange_problem;
