ALTER TABLE accounts DROP COLUMN reason_words;
ALTER TABLE journal DROP COLUMN words;
