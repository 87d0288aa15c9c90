ALTER TABLE accounts DROP COLUMN brake_earlier;
DROP TABLE removals;
