ALTER TABLE outlook_outbox
    -- whom the write names as attendees, and what is left to tell: a `calendar::merge::Told`
    ADD COLUMN told jsonb;
