ALTER TABLE accounts DROP COLUMN rest_until;
