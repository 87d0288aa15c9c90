ALTER TABLE databases DROP COLUMN heard_at, DROP COLUMN next_key_hash;
