ALTER TABLE databases DROP COLUMN moved;
ALTER TABLE enrollments DROP COLUMN database_id;
