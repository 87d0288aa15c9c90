ALTER TABLE meetings
    -- how often each write was carried out since there was news of the meeting, by its digest
    ADD COLUMN told jsonb NOT NULL DEFAULT '{}';
