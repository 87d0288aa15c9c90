DROP INDEX meetings_guests;
ALTER TABLE meetings DROP COLUMN guests;
