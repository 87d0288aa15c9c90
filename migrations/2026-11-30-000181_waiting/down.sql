DROP TRIGGER meetings_subtract_waiting ON meetings;
DROP TRIGGER meetings_change_waiting ON meetings;
DROP TRIGGER meetings_add_waiting ON meetings;
DROP TRIGGER accounts_begin_waiting ON accounts;
DROP FUNCTION change_waiting, subtract_waiting, add_waiting, count_waiting;
ALTER TABLE accounts DROP COLUMN waiting;
DROP INDEX meetings_waiting;
DROP FUNCTION waiting_of, is_waiting;
