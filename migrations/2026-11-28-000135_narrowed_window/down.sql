ALTER TABLE troubles DROP COLUMN halvings, DROP COLUMN halved_at;
