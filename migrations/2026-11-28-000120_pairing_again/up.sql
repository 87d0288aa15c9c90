-- the database that a code pairs again; none: it makes a new one
ALTER TABLE enrollments ADD COLUMN database_id uuid REFERENCES databases (id) ON DELETE CASCADE;
-- what changed when it was paired again (address, name), until that is confirmed on the command line: nothing is synced till then
ALTER TABLE databases ADD COLUMN moved text;
