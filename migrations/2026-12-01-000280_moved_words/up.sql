-- What differed when the database was paired again, as a sentence that Odoo can say in its reader's
-- language.
ALTER TABLE databases ADD COLUMN moved_words jsonb;
