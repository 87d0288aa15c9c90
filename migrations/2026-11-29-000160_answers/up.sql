ALTER TABLE accounts
    -- what a person decided about the removals, and the mails, that were held last; null: they wait, or none were ever held
    ADD COLUMN removals_answer text CHECK (removals_answer IN ('yes', 'no')),
    ADD COLUMN mails_answer text CHECK (mails_answer IN ('yes', 'no'));
