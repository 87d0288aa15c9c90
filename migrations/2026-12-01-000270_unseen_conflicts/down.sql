DROP TRIGGER journal_add_conflict ON journal;
DROP FUNCTION add_conflict;
DROP TRIGGER accounts_note_conflicts ON accounts;
ALTER TABLE accounts DROP COLUMN unseen_conflicts;
