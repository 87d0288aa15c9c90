ALTER TABLE registrations DROP COLUMN problem_words;
