DROP INDEX login_attempts_expired;
DROP INDEX journal_at;
DROP INDEX meetings_to_forget;
DROP TRIGGER meetings_note_end ON meetings;
DROP FUNCTION note_end();
ALTER TABLE meetings DROP COLUMN ended_at;
