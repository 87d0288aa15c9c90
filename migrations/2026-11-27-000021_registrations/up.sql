-- The app registrations in Entra that users log in with: one for the database, and one for each company with its own.
CREATE TABLE registrations (
    id bigserial PRIMARY KEY,
    database_id uuid NOT NULL REFERENCES databases ON DELETE CASCADE,
    -- Odoo's company, whose users log in with it; null: all others
    company_id integer,
    -- '': not entered yet
    client_id text NOT NULL,
    -- sealed
    client_secret bytea,
    -- whose accounts may log in (a tenant's id or domain); null: as the service is configured
    tenant text,
    -- as the admin entered it
    secret_expires_on date,
    -- what Microsoft holds against it; null: nothing
    problem text,
    -- another app took its place: it serves those who consented to it, until they log in again
    retired boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX registrations_current ON registrations (database_id, coalesce(company_id, 0)) WHERE NOT retired;

INSERT INTO registrations (database_id, client_id, client_secret, problem)
    SELECT id, coalesce(client_id, ''), client_secret, credentials_problem FROM databases
     WHERE client_id IS NOT NULL OR client_secret IS NOT NULL;

-- The registration that the consent was given to: no other can renew its tokens.
ALTER TABLE accounts ADD COLUMN registration_id bigint REFERENCES registrations ON DELETE SET NULL;
UPDATE accounts SET registration_id = r.id FROM registrations r WHERE r.database_id = accounts.database_id;
ALTER TABLE login_attempts ADD COLUMN registration_id bigint REFERENCES registrations ON DELETE CASCADE;
UPDATE login_attempts SET registration_id = r.id FROM registrations r WHERE r.database_id = login_attempts.database_id;

ALTER TABLE databases DROP COLUMN client_id, DROP COLUMN client_secret, DROP COLUMN credentials_problem;
