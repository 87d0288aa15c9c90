ALTER TABLE troubles
    -- the code by which Microsoft refuses what mails somebody, or what needs room, how often it has, and when that is tried again
    ADD COLUMN limited_by text,
    ADD COLUMN limited_times integer NOT NULL DEFAULT 0,
    ADD COLUMN limited_until timestamptz;
