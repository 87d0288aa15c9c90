-- when the database was unpaired last: a while after that nothing is kept of it
ALTER TABLE databases ADD COLUMN unpaired_at timestamptz;
UPDATE databases SET unpaired_at = now() WHERE key_hash IS NULL;
