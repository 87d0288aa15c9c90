ALTER TABLE troubles
    -- what Microsoft wants a token to prove, and whether the present one was given out for that
    ADD COLUMN claims text,
    ADD COLUMN claims_met boolean NOT NULL DEFAULT false;
