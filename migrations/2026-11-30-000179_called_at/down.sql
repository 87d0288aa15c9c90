ALTER TABLE databases DROP COLUMN called_at;
