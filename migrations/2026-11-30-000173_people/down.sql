DROP TRIGGER accounts_note_gone ON accounts;
DROP FUNCTION note_person_gone;
ALTER TABLE databases DROP COLUMN people_epoch;
DROP TRIGGER account_addresses_note ON account_addresses;
DROP FUNCTION note_addresses;
DROP TRIGGER accounts_note_person ON accounts;
DROP FUNCTION note_person;
ALTER TABLE accounts DROP COLUMN people_xid;
