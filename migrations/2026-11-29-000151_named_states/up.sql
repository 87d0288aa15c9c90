-- What becomes of the guests has a name in each case.
ALTER TABLE meetings DROP CONSTRAINT meetings_guests_check;
UPDATE meetings SET guests = 'as_saved' WHERE guests IS NULL;
ALTER TABLE meetings
    ALTER COLUMN guests SET DEFAULT 'as_saved',
    ALTER COLUMN guests SET NOT NULL,
    ADD CHECK (guests IN ('as_saved', 'waiting', 'left_out', 'announced', 'withheld'));
-- Why a write waits for a yes is one of these.
ALTER TABLE outlook_outbox ADD CHECK (asks IN ('others', 'hour'));
