ALTER TABLE meetings DROP COLUMN base_by_guest;
