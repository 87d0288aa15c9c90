-- How many events with guests wait for the user's choice (src/store/waiting.rs). The number is kept
-- with each change of a meeting, as every exchange tells it.
CREATE FUNCTION is_waiting(guests text, in_odoo boolean, odoo_active boolean, odoo_gone boolean, ended boolean, kept boolean)
    RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT guests = 'waiting' AND in_odoo AND odoo_active AND NOT odoo_gone AND NOT ended AND NOT kept
$$;
CREATE INDEX meetings_waiting ON meetings (database_id, organizer_id)
    WHERE is_waiting(guests, odoo_state IS NOT NULL, odoo_active, odoo_gone, ended, kept);
CREATE FUNCTION waiting_of(of_database uuid, of_user integer) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM meetings
     WHERE database_id = of_database AND organizer_id = of_user
       AND is_waiting(guests, odoo_state IS NOT NULL, odoo_active, odoo_gone, ended, kept)
$$;
ALTER TABLE accounts ADD COLUMN waiting bigint NOT NULL DEFAULT 0;
UPDATE accounts SET waiting = waiting_of(database_id, odoo_user_id) WHERE waiting_of(database_id, odoo_user_id) <> 0;

CREATE FUNCTION count_waiting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.waiting := waiting_of(NEW.database_id, NEW.odoo_user_id);
    RETURN NEW;
END $$;
CREATE TRIGGER accounts_begin_waiting BEFORE INSERT OR UPDATE OF database_id, odoo_user_id ON accounts
    FOR EACH ROW EXECUTE FUNCTION count_waiting();

-- Per statement, as a page of a first sync has hundreds of meetings of one organizer.
CREATE FUNCTION add_waiting() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed record;
BEGIN
    FOR changed IN
        SELECT a.id, count(*) AS more
          FROM new_rows m JOIN accounts a ON a.database_id = m.database_id AND a.odoo_user_id = m.organizer_id
         WHERE is_waiting(m.guests, m.odoo_state IS NOT NULL, m.odoo_active, m.odoo_gone, m.ended, m.kept)
         GROUP BY a.id ORDER BY a.id
    LOOP
        UPDATE accounts SET waiting = waiting + changed.more WHERE id = changed.id;
    END LOOP;
    RETURN NULL;
END $$;
CREATE FUNCTION subtract_waiting() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed record;
BEGIN
    FOR changed IN
        SELECT a.id, count(*) AS less
          FROM old_rows m JOIN accounts a ON a.database_id = m.database_id AND a.odoo_user_id = m.organizer_id
         WHERE is_waiting(m.guests, m.odoo_state IS NOT NULL, m.odoo_active, m.odoo_gone, m.ended, m.kept)
         GROUP BY a.id ORDER BY a.id
    LOOP
        UPDATE accounts SET waiting = waiting - changed.less WHERE id = changed.id;
    END LOOP;
    RETURN NULL;
END $$;
CREATE FUNCTION change_waiting() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed record;
BEGIN
    FOR changed IN
        SELECT a.id, sum(m.waits) AS more
          FROM (SELECT database_id, organizer_id, 1 AS waits FROM new_rows
                 WHERE is_waiting(guests, odoo_state IS NOT NULL, odoo_active, odoo_gone, ended, kept)
                UNION ALL
                SELECT database_id, organizer_id, -1 FROM old_rows
                 WHERE is_waiting(guests, odoo_state IS NOT NULL, odoo_active, odoo_gone, ended, kept)) m
          JOIN accounts a ON a.database_id = m.database_id AND a.odoo_user_id = m.organizer_id
         GROUP BY a.id HAVING sum(m.waits) <> 0 ORDER BY a.id
    LOOP
        UPDATE accounts SET waiting = waiting + changed.more WHERE id = changed.id;
    END LOOP;
    RETURN NULL;
END $$;
CREATE TRIGGER meetings_add_waiting AFTER INSERT ON meetings
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION add_waiting();
CREATE TRIGGER meetings_change_waiting AFTER UPDATE ON meetings
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION change_waiting();
CREATE TRIGGER meetings_subtract_waiting AFTER DELETE ON meetings
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION subtract_waiting();
