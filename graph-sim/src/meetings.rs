//! What a write does: to the writer's calendar, to the other copies of the meeting, and to the mail log.
//! Rules: "Create event", "Update event", "Delete event", "event: cancel/accept/decline/forward".

mod attendees;
mod create;
mod delete;
mod delivery;
mod forward;
mod mails;
mod responses;
mod series;
mod update;
mod writing;

pub use responses::Answer;
pub(crate) use series::exception;
pub(crate) use update::OWNER_ONLY;
