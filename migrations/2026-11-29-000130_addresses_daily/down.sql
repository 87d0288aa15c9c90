ALTER TABLE account_addresses DROP COLUMN told_at;
