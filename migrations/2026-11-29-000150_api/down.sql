ALTER TABLE databases DROP COLUMN api, DROP COLUMN api_lowest;
