ALTER TABLE troubles DROP COLUMN claims, DROP COLUMN claims_met;
