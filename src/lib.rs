//! The Outlook bridge: syncs the calendars of Odoo's users with Outlook.
//!
//! | room | what it is |
//! |---|---|
//! | [`calendar`] | the domain, pure: one meeting, its merge, its plan |
//! | [`odoo`] | Odoo's dialect: envelope, errors, snapshots and changes |
//! | [`outlook`] | Microsoft: login, Graph client, wire types |
//! | [`store`] | Postgres: schema, queries, sealed secrets, the embedded cluster |
//! | [`engine`] | what every sync needs: connections, settings, the clock, fair turns |
//! | [`planning`] | what is owed to either side, decided in one transaction |
//! | [`guards`] | what waits for a person's yes |
//! | [`reset`] | what *Reset Account* does |
//! | [`auth`] | logins, tokens, app registrations |
//! | [`mailbox`] | reading a mailbox and writing to it |
//! | [`migration`] | from and to Odoo's own synchronization |
//! | [`admin`] | pairing, settings, the state, the journal |
//! | [`exchange`] | one exchange with an Odoo database |
//! | [`worker`] | who works which mailbox, and when |
//! | [`web`] | the doors: `/jsonrpc`, `/json/2`, health, metrics |
//! | [`config`], [`cli`] | the process's settings, the commands |
//!
//! Each names only those above it in this table; `tests/it/architecture.rs` holds them to it.

pub mod admin;
pub mod auth;
pub mod calendar;
pub mod cli;
pub mod config;
pub mod engine;
pub mod exchange;
pub mod guards;
pub mod mailbox;
pub mod migration;
pub mod odoo;
pub mod outlook;
pub mod planning;
pub mod reset;
pub mod store;
pub mod web;
pub mod worker;

#[cfg(test)]
mod both_sides;
