-- when Microsoft told the addresses last: they are asked for once a day, at the next run for those of before
ALTER TABLE account_addresses ADD COLUMN told_at timestamptz NOT NULL DEFAULT 'epoch';
ALTER TABLE account_addresses ALTER COLUMN told_at SET DEFAULT now();
