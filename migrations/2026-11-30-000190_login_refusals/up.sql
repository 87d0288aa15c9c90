-- Microsoft's latest refusal of each user's login, until the user logs in: a wrong set-up shows there
-- first (src/store/refusals.rs). Only the number is kept, as the text may name people.
CREATE TABLE login_refusals (
    database_id uuid NOT NULL REFERENCES databases ON DELETE CASCADE,
    odoo_user_id integer NOT NULL,
    number integer NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (database_id, odoo_user_id)
);
