-- Odoo is told only of accounts whose state has changed (src/store/told.rs): of those that a
-- transaction has changed that the last telling did not see.
ALTER TABLE accounts ADD COLUMN state_xid xid8 NOT NULL DEFAULT pg_current_xact_id();
-- Partial, so that it is never taken for the queries of other columns.
CREATE INDEX accounts_state ON accounts (database_id, state_xid) WHERE state_xid > '0';
CREATE INDEX accounts_resetting ON accounts (database_id) WHERE resetting;
CREATE FUNCTION note_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.state_xid := pg_current_xact_id();
    RETURN NEW;
END $$;
-- What src/admin/state.rs reads of an account. The time of the last sync is not among it, as it
-- moves with each poll.
CREATE TRIGGER accounts_note_state BEFORE UPDATE ON accounts FOR EACH ROW
    WHEN ((OLD.database_id, OLD.odoo_user_id, OLD.object_id = '', OLD.login, OLD.state, OLD.reason, OLD.resetting, OLD.brake_at IS NULL,
           OLD.brake_removals, OLD.brake_earlier, OLD.brake_of, OLD.mails_held, OLD.registration_id, OLD.waiting, OLD.last_sync_at IS NULL)
          IS DISTINCT FROM
          (NEW.database_id, NEW.odoo_user_id, NEW.object_id = '', NEW.login, NEW.state, NEW.reason, NEW.resetting, NEW.brake_at IS NULL,
           NEW.brake_removals, NEW.brake_earlier, NEW.brake_of, NEW.mails_held, NEW.registration_id, NEW.waiting, NEW.last_sync_at IS NULL))
    EXECUTE FUNCTION note_state();

-- The window is told only of a mailbox that is not read as a whole.
CREATE FUNCTION note_window() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM troubles WHERE account_id = NEW.id AND halvings > 0) THEN
        NEW.state_xid := pg_current_xact_id();
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER accounts_note_window BEFORE UPDATE ON accounts FOR EACH ROW
    WHEN ((OLD.window_start, OLD.window_end) IS DISTINCT FROM (NEW.window_start, NEW.window_end))
    EXECUTE FUNCTION note_window();

CREATE FUNCTION note_trouble() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        UPDATE accounts SET state_xid = pg_current_xact_id()
            WHERE id = OLD.account_id AND state_xid <> pg_current_xact_id();
    END IF;
    IF TG_OP <> 'DELETE' THEN
        UPDATE accounts SET state_xid = pg_current_xact_id()
            WHERE id = NEW.account_id AND state_xid <> pg_current_xact_id();
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER troubles_note_begin AFTER INSERT ON troubles FOR EACH ROW
    WHEN (NEW.limited_by IS NOT NULL OR NEW.halvings > 0) EXECUTE FUNCTION note_trouble();
CREATE TRIGGER troubles_note_change AFTER UPDATE ON troubles FOR EACH ROW
    WHEN ((OLD.account_id, OLD.limited_by, OLD.halvings > 0)
          IS DISTINCT FROM (NEW.account_id, NEW.limited_by, NEW.halvings > 0)) EXECUTE FUNCTION note_trouble();
CREATE TRIGGER troubles_note_end AFTER DELETE ON troubles FOR EACH ROW
    WHEN (OLD.limited_by IS NOT NULL OR OLD.halvings > 0) EXECUTE FUNCTION note_trouble();

-- A change of a registration concerns all who have consented to it, and is rare: all are told then.
ALTER TABLE registrations ADD COLUMN state_xid xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE TRIGGER registrations_note_state BEFORE UPDATE ON registrations FOR EACH ROW
    WHEN ((OLD.database_id, OLD.company_id, OLD.problem, OLD.retired)
          IS DISTINCT FROM (NEW.database_id, NEW.company_id, NEW.problem, NEW.retired))
    EXECUTE FUNCTION note_state();

-- All are told after a deletion, too (databases.people_epoch); a user with another account has left
-- the one before.
CREATE TRIGGER accounts_note_left AFTER UPDATE OF database_id, odoo_user_id ON accounts FOR EACH ROW
    WHEN ((OLD.database_id, OLD.odoo_user_id) IS DISTINCT FROM (NEW.database_id, NEW.odoo_user_id))
    EXECUTE FUNCTION note_person_gone();
