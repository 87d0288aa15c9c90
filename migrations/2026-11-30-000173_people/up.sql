-- A process keeps in its memory what planning needs of a database's accounts (src/store/people.rs).
-- It reads again what a transaction has changed that its last look did not see.
ALTER TABLE accounts ADD COLUMN people_xid xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX accounts_people ON accounts (database_id, people_xid);
CREATE FUNCTION note_person() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.people_xid := pg_current_xact_id();
    RETURN NEW;
END $$;
-- The columns that the struct Person has. Leases, delta links and renewed tokens are not among them.
CREATE TRIGGER accounts_note_person BEFORE UPDATE ON accounts FOR EACH ROW
    WHEN ((OLD.database_id, OLD.odoo_user_id, OLD.object_id, OLD.login, OLD.state, OLD.refresh_token IS NULL, OLD.resetting,
           OLD.brake_at IS NULL, OLD.pulled_once, OLD.existing, OLD.connected_at, OLD.ignore_before, OLD.window_start, OLD.window_end)
          IS DISTINCT FROM
          (NEW.database_id, NEW.odoo_user_id, NEW.object_id, NEW.login, NEW.state, NEW.refresh_token IS NULL, NEW.resetting,
           NEW.brake_at IS NULL, NEW.pulled_once, NEW.existing, NEW.connected_at, NEW.ignore_before, NEW.window_start, NEW.window_end))
    EXECUTE FUNCTION note_person();

CREATE FUNCTION note_addresses() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        UPDATE accounts SET people_xid = pg_current_xact_id()
            WHERE id = OLD.account_id AND people_xid <> pg_current_xact_id();
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    UPDATE accounts SET people_xid = pg_current_xact_id()
        WHERE id = NEW.account_id AND people_xid <> pg_current_xact_id();
    RETURN NEW;
END $$;
-- Before: an INSERT … ON CONFLICT then locks the account first, and the addresses after it.
CREATE TRIGGER account_addresses_note BEFORE INSERT OR UPDATE OR DELETE ON account_addresses
    FOR EACH ROW EXECUTE FUNCTION note_addresses();

-- The transaction that last deleted one of the accounts, which leaves no row behind.
ALTER TABLE databases ADD COLUMN people_epoch xid8 NOT NULL DEFAULT '0';
CREATE FUNCTION note_person_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE databases SET people_epoch = pg_current_xact_id()
        WHERE id = OLD.database_id AND people_epoch <> pg_current_xact_id();
    RETURN NULL;
END $$;
CREATE TRIGGER accounts_note_gone AFTER DELETE ON accounts
    FOR EACH ROW EXECUTE FUNCTION note_person_gone();
