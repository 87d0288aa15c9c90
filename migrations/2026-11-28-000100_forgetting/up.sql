-- when a meeting ended: a while after that its content is dropped
ALTER TABLE meetings ADD COLUMN ended_at timestamptz;
-- nobody noted it of those that have ended until now
UPDATE meetings SET ended_at = now() WHERE ended;
CREATE FUNCTION note_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT NEW.ended THEN
        NEW.ended_at := NULL;
    ELSIF TG_OP = 'INSERT' OR NOT OLD.ended THEN
        NEW.ended_at := now();
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER meetings_note_end BEFORE INSERT OR UPDATE OF ended ON meetings
    FOR EACH ROW EXECUTE FUNCTION note_end();
-- those that have content still
CREATE INDEX meetings_to_forget ON meetings (ended_at)
    WHERE ended AND num_nonnulls(odoo_state, base_odoo, base_outlook, stock) > 0;
CREATE INDEX journal_at ON journal (at);
CREATE INDEX login_attempts_expired ON login_attempts (expires_at);
