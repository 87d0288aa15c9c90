-- Subscriptions to Microsoft's change notifications, at most one per mailbox.
CREATE TABLE subscriptions (
    account_id bigint PRIMARY KEY REFERENCES accounts ON DELETE CASCADE,
    -- Graph's id. NULL: there is none yet, or it is not known whether the request made one.
    graph_id text,
    -- SHA-256 of the secret that each notification repeats (clientState).
    state_hash bytea NOT NULL UNIQUE,
    -- SHA-256 of the address to which notifications are sent. The address contains a secret.
    url_hash bytea NOT NULL,
    since timestamptz NOT NULL,
    expires_at timestamptz,
    -- When the next request about the subscription is due.
    due_at timestamptz NOT NULL,
    failures integer NOT NULL DEFAULT 0,
    -- When the latest genuine notification came.
    heard_at timestamptz,
    -- Since when changes come that no notification announced.
    silent_since timestamptz
);

-- Until when no mailbox of the database subscribes, as its address could not be reached; and Microsoft's words.
ALTER TABLE databases ADD COLUMN notify_retry_at timestamptz, ADD COLUMN notify_problem text;

-- When an Odoo that had not called for a while was poked last.
ALTER TABLE databases ADD COLUMN poked_at timestamptz;

-- Microsoft's time of the latest change that the mailbox showed; and until when its user is expected to look at the calendar.
ALTER TABLE accounts ADD COLUMN news_at timestamptz, ADD COLUMN watched_until timestamptz;
