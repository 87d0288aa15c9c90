DROP TRIGGER accounts_note_state ON accounts;
CREATE TRIGGER accounts_note_state BEFORE UPDATE ON accounts FOR EACH ROW
    WHEN ((OLD.database_id, OLD.odoo_user_id, OLD.object_id = '', OLD.login, OLD.state, OLD.reason, OLD.resetting, OLD.brake_at IS NULL,
           OLD.brake_removals, OLD.brake_earlier, OLD.brake_of, OLD.mails_held, OLD.registration_id, OLD.waiting, OLD.last_sync_at IS NULL)
          IS DISTINCT FROM
          (NEW.database_id, NEW.odoo_user_id, NEW.object_id = '', NEW.login, NEW.state, NEW.reason, NEW.resetting, NEW.brake_at IS NULL,
           NEW.brake_removals, NEW.brake_earlier, NEW.brake_of, NEW.mails_held, NEW.registration_id, NEW.waiting, NEW.last_sync_at IS NULL))
    EXECUTE FUNCTION note_state();
