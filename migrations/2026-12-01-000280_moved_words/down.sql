ALTER TABLE databases DROP COLUMN moved_words;
