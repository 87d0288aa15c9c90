-- What the owner of a guest's mailbox has said to single occurrences of a series, by slot, and what both sides last agreed on.
ALTER TABLE copies ADD COLUMN slot_answers jsonb NOT NULL DEFAULT '{}';
ALTER TABLE copies ADD COLUMN slot_answers_base jsonb NOT NULL DEFAULT '{}';
