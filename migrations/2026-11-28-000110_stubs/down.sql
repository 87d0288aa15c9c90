DROP INDEX copies_unread;
DROP INDEX meetings_unread;
DROP INDEX meetings_to_look_at;
ALTER TABLE copies DROP COLUMN unread, DROP COLUMN stub;
ALTER TABLE meetings DROP COLUMN look_at, DROP COLUMN unread, DROP COLUMN stub;
