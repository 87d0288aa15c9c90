DROP INDEX accounts_leased;
DROP INDEX accounts_due;
UPDATE accounts SET next_run_at = now() WHERE next_run_at > now() + interval '10 years';
ALTER TABLE accounts
    DROP COLUMN lease_beats,
    DROP COLUMN lease_id,
    ADD COLUMN lease_owner uuid,
    ADD COLUMN lease_until timestamptz;
CREATE INDEX accounts_due ON accounts (next_run_at) WHERE state = 'active';
