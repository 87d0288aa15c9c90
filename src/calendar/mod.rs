//! The domain. It is pure: values in, values out; no I/O, no async, no clock, no wire types.
//!
//! **Invariant:** nothing in this module uses another module of the service. Both sides are
//! translated to [`event::Event`] and [`document::Document`] at the edges, and back.

pub mod body;
pub mod choices;
pub mod document;
pub mod event;
pub mod field;
pub mod invitations;
pub mod merge;
pub mod plan;
pub mod recurrence;
#[cfg(test)]
mod rest;
#[cfg(test)]
mod shapes;
pub mod takeover;
pub mod timezone;
pub mod title;
pub mod video_line;
pub mod words;
