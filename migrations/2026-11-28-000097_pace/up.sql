ALTER TABLE meetings
    -- the hour in which its writes are counted, how many there were, and whether the journal says that it waits
    ADD COLUMN hour_began timestamptz,
    ADD COLUMN hour_writes integer NOT NULL DEFAULT 0,
    ADD COLUMN hour_noted boolean NOT NULL DEFAULT false;
