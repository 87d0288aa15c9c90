//! The Outlook bridge: syncs the calendars of Odoo's users with Outlook.
//!
//! | module | what it is |
//! |---|---|
//! | [`calendar`] | the domain, pure: one event, its merge, its plan |
//! | [`odoo`] | Odoo's dialect: envelope, errors, snapshots and changes |
//! | [`outlook`] | Microsoft: login, Graph client, wire types |
//! | [`store`] | Postgres: schema, queries, sealed secrets, the embedded cluster |
//! | [`sync`] | one sync from end to end: exchange, pull, push, workers |
//! | [`web`] | the doors: `/jsonrpc`, `/json/2`, health, metrics |
//! | [`cli`] | the commands |
//! | [`config`] | the process's settings |
//!
//! Dependencies point inward: `web → sync → {odoo, outlook, store} → calendar`; `tests/it/architecture.rs` holds them to it.

pub mod calendar;
pub mod cli;
pub mod config;
pub mod odoo;
pub mod outlook;
pub mod store;
pub mod sync;
pub mod web;

#[cfg(test)]
mod both_sides;
