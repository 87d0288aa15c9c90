-- One Odoo database that was paired with this service.
CREATE TABLE databases (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    -- Odoo's database.uuid
    uuid text NOT NULL UNIQUE,
    name text NOT NULL,
    base_url text NOT NULL,
    series text NOT NULL,
    -- SHA-256 of the API key; null once unpaired
    key_hash bytea UNIQUE,
    -- sealed
    poke_key bytea NOT NULL,
    client_id text,
    -- sealed
    client_secret bytea,
    -- the fencing nonce: what Odoo must send next, and the pair it sent last
    nonce text NOT NULL,
    previous_nonce text,
    paused boolean NOT NULL DEFAULT false,
    -- why nothing may be written, in words for the admin; null: all is well
    quarantined text,
    policy text NOT NULL DEFAULT 'latest' CHECK (policy IN ('latest', 'outlook', 'odoo')),
    -- what Microsoft holds against the app registration; null: nothing
    credentials_problem text,
    created_at timestamptz NOT NULL DEFAULT now(),
    paired_at timestamptz NOT NULL DEFAULT now()
);

-- One-time pairing codes, hashed.
CREATE TABLE enrollments (
    code_hash bytea PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);

-- One user of a database and the mailbox behind them.
CREATE TABLE accounts (
    id bigserial PRIMARY KEY,
    database_id uuid NOT NULL REFERENCES databases ON DELETE CASCADE,
    odoo_user_id integer NOT NULL,
    -- Microsoft's tenant and object id: the identity of the mailbox
    tenant_id text NOT NULL,
    object_id text NOT NULL,
    login text NOT NULL,
    -- sealed; null without consent
    access_token bytea,
    refresh_token bytea,
    access_expires_at timestamptz,
    state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'stopped', 'need_auth')),
    reason text,
    -- Graph's nextLink or deltaLink to go on from, and the window frozen in it
    delta_link text,
    window_start timestamptz,
    window_end timestamptz,
    -- the first pull came to its end
    pulled_once boolean NOT NULL DEFAULT false,
    -- since when the whole window is listed anew; what is not seen in that round is asked about. Null: it was done
    listing_since timestamptz,
    -- whether Odoo has handed over the events this user had before connecting
    existing text NOT NULL DEFAULT 'unasked' CHECK (existing IN ('unasked', 'asked', 'told')),
    connected_at timestamptz NOT NULL DEFAULT now(),
    -- what is older on either side and not linked is left alone (a reset with "only new"); null: everything counts
    ignore_before timestamptz,
    -- a reset is still deleting from this mailbox; the account disconnects when that is done
    resetting boolean NOT NULL DEFAULT false,
    last_sync_at timestamptz,
    next_run_at timestamptz NOT NULL DEFAULT now(),
    failures integer NOT NULL DEFAULT 0,
    lease_owner uuid,
    lease_until timestamptz,
    UNIQUE (database_id, odoo_user_id)
);
CREATE INDEX accounts_due ON accounts (next_run_at) WHERE state = 'active';

-- Logins under way. The state that Microsoft carries names the row; it can be used once.
CREATE TABLE login_attempts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    database_id uuid NOT NULL REFERENCES databases ON DELETE CASCADE,
    odoo_user_id integer NOT NULL,
    -- sealed PKCE verifier
    verifier bytea NOT NULL,
    oidc_nonce text NOT NULL,
    redirect_uri text NOT NULL,
    return_url text NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    -- SHA-256 of the code it was redeemed with: Odoo repeats a transaction, and then gets the same answer
    code_hash bytea,
    succeeded boolean NOT NULL DEFAULT false
);

-- An Odoo record and the Outlook meeting it stands for. Merging locks this row.
CREATE TABLE meetings (
    id bigserial PRIMARY KEY,
    database_id uuid NOT NULL REFERENCES databases ON DELETE CASCADE,
    link uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    odoo_id integer,
    ical_uid text,
    -- counts how often the meeting was made in Outlook; part of the transactionId
    generation integer NOT NULL DEFAULT 1,
    -- both sides agreed that it is over; a revival is a new generation
    ended boolean NOT NULL DEFAULT false,
    -- brought back in Odoo after it had ended: making it anew is what a person asked for
    revived boolean NOT NULL DEFAULT false,
    -- the last snapshot from Odoo
    odoo_state jsonb,
    odoo_gone boolean NOT NULL DEFAULT false,
    -- group -> time of the last edit in Odoo since the base was set
    odoo_times jsonb NOT NULL DEFAULT '{}',
    base_odoo jsonb,
    base_outlook jsonb,
    -- recurring on one side: left alone
    series boolean NOT NULL DEFAULT false,
    -- why it is not synced, in words; null: it is
    set_aside text,
    -- Odoo changed what cannot be written to Outlook (the organizer's mailbox is not connected)
    differs boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX meetings_odoo_id ON meetings (database_id, odoo_id) WHERE odoo_id IS NOT NULL;
CREATE UNIQUE INDEX meetings_ical_uid ON meetings (database_id, ical_uid) WHERE ical_uid IS NOT NULL;

-- A meeting in one mailbox.
CREATE TABLE copies (
    id bigserial PRIMARY KEY,
    meeting_id bigint NOT NULL REFERENCES meetings ON DELETE CASCADE,
    account_id bigint NOT NULL REFERENCES accounts ON DELETE CASCADE,
    -- immutable id
    graph_id text NOT NULL,
    change_key text,
    is_organizer boolean NOT NULL,
    -- the event as the domain sees it, and as Graph sent it: a PATCH is made against the latter
    state jsonb NOT NULL,
    wire jsonb NOT NULL,
    modified_at timestamptz,
    seen_at timestamptz NOT NULL DEFAULT now(),
    -- Outlook was asked and says it does not exist any more
    gone boolean NOT NULL DEFAULT false,
    -- the organizer called it off
    cancelled boolean NOT NULL DEFAULT false,
    -- this attendee's answer: now in the mailbox, and where both sides last agreed
    answer text,
    answer_base text,
    UNIQUE (account_id, graph_id)
);
CREATE INDEX copies_meeting ON copies (meeting_id);

-- Writes still owed to Outlook: at most one for each meeting and mailbox.
CREATE TABLE outlook_outbox (
    id bigserial PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES accounts ON DELETE CASCADE,
    meeting_id bigint NOT NULL REFERENCES meetings ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('create', 'update', 'delete', 'respond')),
    -- null for a create
    graph_id text,
    -- the state that an update was made against
    change_key text,
    -- the request's body; resent unchanged
    body jsonb NOT NULL,
    -- Odoo's state it was made from: becomes the base when it is done
    odoo_state jsonb,
    groups jsonb NOT NULL DEFAULT '[]',
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    -- set before the request leaves; still set after a crash: ask Outlook what became of it
    in_flight_since timestamptz,
    error text,
    UNIQUE (account_id, meeting_id)
);
CREATE INDEX outlook_outbox_meeting ON outlook_outbox (meeting_id);

-- Changes still owed to Odoo: at most one for each meeting, redelivered until acknowledged.
CREATE TABLE odoo_outbox (
    id bigserial PRIMARY KEY,
    database_id uuid NOT NULL REFERENCES databases ON DELETE CASCADE,
    meeting_id bigint NOT NULL UNIQUE REFERENCES meetings ON DELETE CASCADE,
    user_id integer NOT NULL,
    payload jsonb NOT NULL,
    -- Outlook's state it was made from: becomes the base when it is acknowledged
    outlook_state jsonb,
    groups jsonb NOT NULL DEFAULT '[]',
    delivered_at timestamptz
);
CREATE INDEX odoo_outbox_database ON odoo_outbox (database_id, id);

-- What was done to which event, when, from which side, and why.
CREATE TABLE journal (
    id bigserial PRIMARY KEY,
    database_id uuid NOT NULL REFERENCES databases ON DELETE CASCADE,
    odoo_user_id integer,
    odoo_id integer,
    at timestamptz NOT NULL DEFAULT now(),
    level text NOT NULL CHECK (level IN ('info', 'warning', 'error')),
    title text NOT NULL DEFAULT '',
    message text NOT NULL,
    -- the event as it was before it was deleted, so that it can be restored
    content jsonb
);
CREATE INDEX journal_newest ON journal (database_id, id DESC);

-- One row: proves that the master key is the one this database was sealed with.
CREATE TABLE seal_check (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    sealed bytea NOT NULL
);
