-- The code and the arguments of what Microsoft rejects about an app registration, so that Odoo can
-- say it in its reader's language.
ALTER TABLE registrations ADD COLUMN problem_words jsonb;
