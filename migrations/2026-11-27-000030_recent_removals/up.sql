-- What the brake let pass: removals that trickle in are counted together.
CREATE TABLE removals (
    account_id bigint NOT NULL REFERENCES accounts ON DELETE CASCADE,
    meeting_id bigint NOT NULL REFERENCES meetings ON DELETE CASCADE,
    at timestamptz NOT NULL,
    PRIMARY KEY (account_id, meeting_id)
);
-- Of the removals that the brake counted, those that had passed it.
ALTER TABLE accounts ADD COLUMN brake_earlier integer NOT NULL DEFAULT 0;
