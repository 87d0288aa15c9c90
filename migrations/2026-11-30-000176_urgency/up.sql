-- Why a mailbox is due, the most urgent first: 0 a person waits, 1 something was saved, 2 there may
-- be news, 3 a run left something to do, 4 a poll (src/store/leases.rs, `Urgency`).
ALTER TABLE accounts ADD COLUMN urgency smallint NOT NULL DEFAULT 4 CHECK (urgency BETWEEN 0 AND 4);
DROP INDEX accounts_due;
CREATE INDEX accounts_due ON accounts (database_id, urgency, next_run_at) WHERE state = 'active' AND lease_id IS NULL;
