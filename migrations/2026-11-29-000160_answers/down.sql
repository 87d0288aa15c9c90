ALTER TABLE accounts DROP COLUMN removals_answer, DROP COLUMN mails_answer;
