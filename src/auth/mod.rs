//! How people connect their mailboxes: logins, consents, tokens, app registrations, and the addresses
//! of a mailbox.

pub mod accounts;
pub mod addresses;
pub mod consent;
pub mod registrations;
