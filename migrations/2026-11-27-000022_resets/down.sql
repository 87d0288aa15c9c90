ALTER TABLE outlook_outbox DROP COLUMN stands;
ALTER TABLE login_attempts DROP COLUMN other_login;
DROP TABLE resets;
