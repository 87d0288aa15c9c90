//! Meetings that one of the two sides, or this service, could not take a change of. They are set aside.

use crate::store::journal::{Level, Line};
use crate::store::meetings::Meeting;
use crate::store::unit::Dossier;

/// What a meeting is set aside with whose change Odoo has refused.
pub const REFUSED_BY_ODOO: &str = "Odoo refused it";
/// What a meeting is set aside with whose last change in Odoo could not be taken over.
pub const NOT_TAKEN_OVER: &str = "What Odoo has told of it last cannot be taken over";

/// Sets a meeting aside, and says so in the journal.
pub fn set_aside(dossier: &mut Dossier, user_id: i32, reason: String) {
    let message = format!("is not synced: {reason}");
    let line = Line::of(&dossier.meeting, Some(user_id), Level::Error, message, None);
    dossier.lines.push(line);
    dossier.meeting.set_aside = Some(reason);
}

/// Whether the last change of a meeting in Odoo could not be taken over.
pub fn is_not_taken_over(meeting: &Meeting) -> bool {
    meeting
        .set_aside
        .as_ref()
        .is_some_and(|reason| reason.starts_with(NOT_TAKEN_OVER))
}
