-- The code and the arguments of what a line, a value of a conflict and an account's state say in
-- English, so that Odoo can say it in its reader's language.
ALTER TABLE journal
    ADD COLUMN words jsonb,
    ADD COLUMN conflict_odoo_words jsonb,
    ADD COLUMN conflict_outlook_words jsonb;
ALTER TABLE accounts ADD COLUMN reason_words jsonb;
-- Odoo is told of it, as of all else that src/admin/state.rs reads of an account.
CREATE TRIGGER accounts_note_words BEFORE UPDATE ON accounts FOR EACH ROW
    WHEN (OLD.reason_words IS DISTINCT FROM NEW.reason_words) EXECUTE FUNCTION note_state();
