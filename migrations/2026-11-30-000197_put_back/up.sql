-- A person has asked for a deleted meeting: its record is made again or reactivated, and then its event.
ALTER TABLE meetings ADD COLUMN put_back boolean NOT NULL DEFAULT false;
