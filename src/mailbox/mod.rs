//! One mailbox: reading it and writing to it.

pub mod bodies;
pub mod error;
pub mod idle;
pub mod notifications;
pub mod presence;
pub mod pull;
pub mod push;
pub mod series_completion;
pub mod subscriptions;
pub mod trouble;
