ALTER TABLE databases ADD COLUMN client_id text, ADD COLUMN client_secret bytea, ADD COLUMN credentials_problem text;
UPDATE databases SET client_id = nullif(r.client_id, ''), client_secret = r.client_secret, credentials_problem = r.problem
    FROM registrations r WHERE r.database_id = databases.id AND r.company_id IS NULL AND NOT r.retired;
ALTER TABLE login_attempts DROP COLUMN registration_id;
ALTER TABLE accounts DROP COLUMN registration_id;
DROP TABLE registrations;
