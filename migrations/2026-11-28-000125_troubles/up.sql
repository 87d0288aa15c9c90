-- what the runs of a mailbox remember of what has failed; no row: nothing has
CREATE TABLE troubles (
    account_id bigint PRIMARY KEY REFERENCES accounts ON DELETE CASCADE,
    -- since when the mailbox, which can be read, refuses each of several writes
    refused_since timestamptz,
    -- how often in a row Microsoft has not told the mailbox's addresses, and when it is asked again
    addresses_failed integer NOT NULL DEFAULT 0,
    ask_addresses_at timestamptz
);
