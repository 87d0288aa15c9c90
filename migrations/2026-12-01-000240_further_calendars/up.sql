-- Further calendars of a mailbox, of which a person chooses some: they are read, and never written.
CREATE TABLE calendars (
    id bigserial PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES accounts ON DELETE CASCADE,
    graph_id text NOT NULL,
    name text NOT NULL,
    can_edit boolean NOT NULL,
    listed_at timestamptz NOT NULL,
    delta_link text,
    window_start timestamptz,
    window_end timestamptz,
    listing_since timestamptz,
    tried_at timestamptz,
    retry_at timestamptz,
    failures integer NOT NULL DEFAULT 0,
    problem jsonb,
    UNIQUE (account_id, graph_id)
);
-- The further calendar that contains an event; NULL for the user's own.
ALTER TABLE copies ADD COLUMN calendar text;
CREATE INDEX copies_calendar ON copies (account_id, calendar) WHERE calendar IS NOT NULL;
-- The user of Odoo whose view of a further calendar it is. The same event is a meeting of its own for each of them.
ALTER TABLE meetings ADD COLUMN view_of integer;
DROP INDEX meetings_ical_uid;
CREATE UNIQUE INDEX meetings_ical_uid ON meetings (database_id, ical_uid) WHERE ical_uid IS NOT NULL AND view_of IS NULL;
CREATE UNIQUE INDEX meetings_view ON meetings (database_id, ical_uid, view_of) WHERE ical_uid IS NOT NULL AND view_of IS NOT NULL;
