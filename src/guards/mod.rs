//! What waits for a person's yes: many removals, many mails, invitations that nobody confirmed.

pub mod brake;
pub mod budget;
pub mod preview;
