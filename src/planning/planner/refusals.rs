//! Meetings that are set aside, as one of the sides or this service refused a change.

use crate::store::journal::{Level, Line};
use crate::store::meetings::Meeting;
use crate::store::reason::Reason;
use crate::store::unit::Dossier;
use crate::words::say;

/// Sets a meeting aside, and writes the reason into the journal.
pub fn set_aside(dossier: &mut Dossier, user_id: i32, reason: Reason) {
    let message = say::is_not_synced(reason.sentence());
    let line = Line::of(&dossier.meeting, Some(user_id), Level::Error, message, None);
    dossier.lines.push(line);
    dossier.meeting.set_aside = Some(reason);
}

/// Returns whether the last change of a meeting in Odoo could not be stored.
pub fn is_not_taken_over(meeting: &Meeting) -> bool {
    matches!(meeting.set_aside, Some(Reason::NotTakenOver(_)))
}
