//! A local stand-in for Microsoft: Entra login, the Graph calendar, and Outlook's users.
//!
//! | module | what it is |
//! |---|---|
//! | `login` | sign-in page, consent, tokens |
//! | `graph`, `call`, `query`, `batch`, `delta`, `subscriptions` | the Graph endpoints |
//! | `notifications`, `lifecycle`, `courier` | what subscriptions bring, and how it is sent |
//! | `event`, `event_write`, `event_view` | the event resource: stored, written and returned |
//! | `form`, `values`, `property`, `body_check`, `body_text`, `recurrence`, `timezone` | its values |
//! | `meetings`, `delegates`, `limits` | what a write does to copies and mails |
//! | `rooms` | mailboxes that answer by themselves |
//! | `state`, `seed` | the world, saved and loaded |
//! | `switches`, `climate`, `faults` | switches, whole sets of them, and injected faults |
//! | `control`, `control_subscriptions`, `dump`, `bulk` | the simulator's own API |
//! | `page`, `page_form` | the simulator's web page |
//! | `contract` | checks requests and answers against Microsoft's schema |
//! | `tls` | HTTPS on a second address |
//! | `server`, `http`, `sim` | starting, serving HTTP, and the running simulator |
//! | `ctl`, `expand` | on the command line: the control API, the occurrences of a series |
//!
//! No two files name each other, directly or through others, and no file names one that declares it:
//! `tests/it/circles.rs` of the service checks that.

#![warn(unreachable_pub)]

mod attachments;
mod batch;
mod body_check;
mod body_text;
mod bulk;
pub mod call;
pub mod climate;
pub mod contract;
pub mod control;
mod control_calendars;
mod control_subscriptions;
mod courier;
pub mod ctl;
mod delegates;
pub mod delta;
pub mod dump;
mod edm;
pub mod error;
pub mod event;
pub mod event_view;
mod event_write;
pub mod expand;
pub mod faults;
mod form;
pub mod graph;
mod http;
mod lifecycle;
mod limits;
pub mod login;
pub mod meetings;
mod notifications;
mod page;
mod page_form;
pub mod property;
mod query;
pub mod recurrence;
mod rooms;
pub mod seed;
mod server;
mod sim;
pub mod state;
mod subscriptions;
pub mod switches;
mod timezone;
pub mod tls;
mod values;
mod windows;

pub use server::{Options, Running, StartError, start};
pub use sim::{LOG_LENGTH, Sim};
