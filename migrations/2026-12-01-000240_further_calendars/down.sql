DROP INDEX meetings_view;
DROP INDEX meetings_ical_uid;
-- Without the column, what is seen of further calendars would be synced like the user's own.
DELETE FROM meetings WHERE view_of IS NOT NULL;
ALTER TABLE meetings DROP COLUMN view_of;
CREATE UNIQUE INDEX meetings_ical_uid ON meetings (database_id, ical_uid) WHERE ical_uid IS NOT NULL;
DROP INDEX copies_calendar;
ALTER TABLE copies DROP COLUMN calendar;
DROP TABLE calendars;
