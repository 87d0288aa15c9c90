//! Tests of the whole service: real HTTP, real Postgres (`TEST_DATABASE_URL`, a superuser's URL of
//! a throw-away cluster), the simulator of Microsoft, and a model of Odoo's side.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and says what it expected"
)]

mod addresses;
mod answers;
mod app_registrations;
mod architecture;
mod attachments;
mod backups;
mod batches;
mod choice_pairs;
mod choices;
mod circles;
mod command_line;
mod conflicts;
mod convergence;
mod delegates;
mod departures;
mod descriptions;
mod doctor;
mod doctor_command;
mod documents;
mod doors;
mod embedded;
mod endings;
mod erasing;
mod file_sizes;
mod findings;
mod fleet;
mod front_door;
mod gauges;
mod gone;
mod growth;
mod growth_of_past;
mod growth_of_stubs;
mod guest_copies;
mod idle_poll;
mod impersonation;
mod invitations;
mod keys;
mod late_organizers;
mod leases;
mod limits;
mod logins;
mod lossless;
mod lost_replies;
mod machine;
mod measures;
mod mistakes;
mod moving;
mod notifications;
mod odd_values;
mod odoo;
mod online_meetings;
mod organizers;
mod outages;
mod own_database;
mod pairing;
mod people;
mod progress;
mod proxy;
mod put_aside;
mod put_back;
mod putting_aside;
mod records;
mod removal_limit;
mod repeats;
mod resets;
mod restored;
mod restored_answers;
mod rooms;
mod schema;
mod second_answers;
mod series;
mod series_master;
mod settling;
mod site_rules;
mod stack;
mod stalls;
mod syncing;
mod tenants;
mod tls;
mod tokens;
mod told;
mod traces;
mod turns;
mod versions;
mod waiting;
mod window;
mod world;
mod zones;
