//! The Outlook bridge: syncs the calendars of Odoo's users with Outlook.
//!
//! | module | what it does |
//! |---|---|
//! | [`measures`] | the metrics |
//! | [`words`] | the sentences for people: codes, arguments, English templates |
//! | [`traces`] | traces for OpenTelemetry, if they are turned on |
//! | [`calendar`] | the domain, without I/O: one meeting, its merge, its plan |
//! | [`odoo`] | the protocol with Odoo: envelope, errors, snapshots and changes |
//! | [`outlook`] | Microsoft: login, Graph client, wire types |
//! | [`store`] | Postgres: schema, queries, sealed secrets, the embedded cluster |
//! | [`records`] | accounts, meetings, the journal: searched like Odoo's models |
//! | [`engine`] | what every sync needs: connections, settings, the clock, fair turns |
//! | [`planning`] | decides, in one transaction, what to write to either side |
//! | [`guards`] | changes that wait for a person's approval |
//! | [`reset`] | *Reset Account* |
//! | [`auth`] | logins, tokens, app registrations |
//! | [`mailbox`] | reading a mailbox and writing to it |
//! | [`migration`] | adoption from and release to Odoo's built-in sync |
//! | [`admin`] | pairing, settings, the state, the journal |
//! | [`exchange`] | one exchange with an Odoo database |
//! | [`doctor`] | finds out what is wrong with an installation |
//! | [`worker`] | which mailbox is worked when |
//! | [`web`] | the HTTP endpoints: `/jsonrpc`, `/json/2`, health, metrics |
//! | [`config`], [`cli`] | the settings of the process, the commands |
//!
//! Each module uses only modules above it in this table; `tests/it/architecture.rs` checks this.
//! `docs/ARCHITECTURE.md` says more about each.

pub mod admin;
pub mod auth;
pub mod calendar;
pub mod cli;
pub mod config;
pub mod doctor;
pub mod engine;
pub mod exchange;
pub mod guards;
pub mod mailbox;
pub mod measures;
pub mod migration;
pub mod odoo;
pub mod outlook;
pub mod planning;
pub mod records;
pub mod reset;
pub mod store;
pub mod traces;
pub mod web;
pub mod words;
pub mod worker;

#[cfg(test)]
mod both_sides;
