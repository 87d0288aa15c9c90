DROP INDEX accounts_due;
CREATE INDEX accounts_due ON accounts (database_id, next_run_at) WHERE state = 'active' AND lease_id IS NULL;
ALTER TABLE accounts DROP COLUMN urgency;
