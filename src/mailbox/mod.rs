//! One mailbox: reading it and writing to it.

pub mod bodies;
pub mod error;
pub mod pull;
pub mod push;
pub mod shown;
pub mod trouble;
pub mod unsaid;
