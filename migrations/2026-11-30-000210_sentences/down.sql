DROP TRIGGER accounts_note_words ON accounts;
ALTER TABLE accounts DROP COLUMN reason_words;
ALTER TABLE journal
    DROP COLUMN words,
    DROP COLUMN conflict_odoo_words,
    DROP COLUMN conflict_outlook_words;
