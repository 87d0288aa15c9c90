ALTER TABLE meetings DROP COLUMN put_back;
