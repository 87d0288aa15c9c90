ALTER TABLE meetings
    -- the base is of a guest's copy, whose availability and reminder are that guest's own
    ADD COLUMN base_by_guest boolean NOT NULL DEFAULT false;
