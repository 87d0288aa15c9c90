ALTER TABLE troubles
    -- how often the window that is read was halved, as Microsoft does not answer for the whole, and when that changed last
    ADD COLUMN halvings integer NOT NULL DEFAULT 0,
    ADD COLUMN halved_at timestamptz;
