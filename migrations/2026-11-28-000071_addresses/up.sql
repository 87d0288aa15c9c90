CREATE TABLE account_addresses (
    account_id bigint PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    -- the address that mail to the mailbox is sent to; what the person logs in by may be none
    mail text,
    -- further addresses of the mailbox
    aliases text[] NOT NULL
);
