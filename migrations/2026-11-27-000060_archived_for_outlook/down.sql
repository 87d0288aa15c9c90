ALTER TABLE meetings DROP COLUMN archived_for_outlook;
