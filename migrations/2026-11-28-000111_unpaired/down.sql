ALTER TABLE databases DROP COLUMN unpaired_at;
