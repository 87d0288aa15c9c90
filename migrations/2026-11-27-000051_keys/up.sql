ALTER TABLE databases
    -- SHA-256 of a new API key that Odoo has asked for and not used yet; the old one is good until it does
    ADD COLUMN next_key_hash bytea UNIQUE,
    -- when Odoo's last exchange was accepted. A restored service knows an old time, and writes nothing until it is heard from
    ADD COLUMN heard_at timestamptz NOT NULL DEFAULT now();
