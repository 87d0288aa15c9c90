//! The protocol with Odoo: its JSON-RPC dialect, its errors, and the snapshots and changes of
//! `docs/EXCHANGE.md`.
//!
//! **Invariant:** nothing here knows Microsoft, the database or HTTP.

pub mod api;
pub mod domain;
pub mod error;
pub mod exchange;
pub mod expansion;
pub mod identity;
pub mod mailboxes;
pub mod record;
pub mod recurrence;
pub mod rows;
pub mod rpc;
pub mod series;
pub mod snapshot;
pub mod time;
pub mod touched;

pub use error::OdooError;
