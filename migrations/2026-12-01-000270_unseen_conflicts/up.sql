-- How many conflicts the user has not looked at, which Odoo tells the user of.
ALTER TABLE accounts ADD COLUMN unseen_conflicts integer NOT NULL DEFAULT 0;
-- Odoo is told of it, as of all else that src/admin/state.rs reads of an account.
CREATE TRIGGER accounts_note_conflicts BEFORE UPDATE ON accounts FOR EACH ROW
    WHEN (OLD.unseen_conflicts <> NEW.unseen_conflicts) EXECUTE FUNCTION note_state();

CREATE FUNCTION add_conflict() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE accounts SET unseen_conflicts = unseen_conflicts + 1
     WHERE database_id = NEW.database_id AND odoo_user_id = NEW.odoo_user_id;
    RETURN NULL;
END $$;
CREATE TRIGGER journal_add_conflict AFTER INSERT ON journal FOR EACH ROW
    WHEN (NEW.conflict_field IS NOT NULL) EXECUTE FUNCTION add_conflict();
