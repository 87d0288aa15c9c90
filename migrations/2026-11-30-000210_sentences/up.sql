-- The code and the arguments of what a line and an account's state say in English, so that Odoo can
-- say it in its reader's language.
ALTER TABLE journal ADD COLUMN words jsonb;
ALTER TABLE accounts ADD COLUMN reason_words jsonb;
