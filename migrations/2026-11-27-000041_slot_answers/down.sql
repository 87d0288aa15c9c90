ALTER TABLE copies DROP COLUMN slot_answers_base;
ALTER TABLE copies DROP COLUMN slot_answers;
