DROP TRIGGER accounts_note_person ON accounts;
CREATE TRIGGER accounts_note_person BEFORE UPDATE ON accounts FOR EACH ROW
    WHEN ((OLD.database_id, OLD.odoo_user_id, OLD.object_id, OLD.login, OLD.state, OLD.refresh_token IS NULL, OLD.resetting,
           OLD.brake_at IS NULL, OLD.pulled_once, OLD.existing, OLD.connected_at, OLD.ignore_before, OLD.window_start, OLD.window_end)
          IS DISTINCT FROM
          (NEW.database_id, NEW.odoo_user_id, NEW.object_id, NEW.login, NEW.state, NEW.refresh_token IS NULL, NEW.resetting,
           NEW.brake_at IS NULL, NEW.pulled_once, NEW.existing, NEW.connected_at, NEW.ignore_before, NEW.window_start, NEW.window_end))
    EXECUTE FUNCTION note_person();
ALTER TABLE accounts DROP COLUMN choices;
ALTER TABLE databases DROP COLUMN choices;
