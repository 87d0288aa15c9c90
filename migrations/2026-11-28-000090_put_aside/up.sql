-- What one mailbox's run could not process, and tries again.
CREATE TABLE put_aside (
    id bigserial PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    -- what the mailbox shows, or what was to be done about a meeting
    graph_id text,
    meeting_id bigint REFERENCES meetings (id) ON DELETE CASCADE,
    -- a sentence; NULL: it merely waits for something else to end
    reason text,
    attempts integer NOT NULL DEFAULT 0,
    since timestamptz NOT NULL,
    next_at timestamptz NOT NULL,
    CHECK (num_nonnulls(graph_id, meeting_id) = 1),
    UNIQUE (account_id, graph_id),
    UNIQUE (account_id, meeting_id)
);
CREATE INDEX put_aside_meeting ON put_aside (meeting_id) WHERE meeting_id IS NOT NULL;
