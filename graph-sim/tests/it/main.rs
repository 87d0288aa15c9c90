//! The simulator in process, on a free port, spoken to over HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]
mod attachments;
mod common;
mod contract;
mod control;
mod ctl;
mod delegates;
mod delta;
mod events;
mod faults;
mod follower;
mod game;
mod hook;
mod invariants;
mod lists;
mod login;
mod meetings;
mod names;
mod notifications;
mod rooms;
mod series;
mod series_zones;
mod subscriptions;
