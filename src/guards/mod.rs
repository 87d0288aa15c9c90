//! Changes that wait for a person's approval: many removals, many mails, unconfirmed invitations.

pub mod brake;
pub mod budget;
pub mod preview;
