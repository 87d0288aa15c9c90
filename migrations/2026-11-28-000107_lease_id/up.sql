ALTER TABLE accounts
    DROP COLUMN lease_owner,
    DROP COLUMN lease_until,
    -- the run that works the mailbox; every transaction of that run checks it
    ADD COLUMN lease_id uuid,
    -- counts the lease's renewals: one that stands still for a while is a dead process's
    ADD COLUMN lease_beats bigint NOT NULL DEFAULT 0;
DROP INDEX accounts_due;
CREATE INDEX accounts_due ON accounts (database_id, next_run_at) WHERE state = 'active' AND lease_id IS NULL;
CREATE INDEX accounts_leased ON accounts (database_id) WHERE lease_id IS NOT NULL;
