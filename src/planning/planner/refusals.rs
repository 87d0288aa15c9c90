//! Meetings that one of the two sides, or this service, could not take a change of. They are set aside.

use crate::store::journal::{Level, Line};
use crate::store::meetings::Meeting;
use crate::store::reason::Reason;
use crate::store::unit::Dossier;

/// Sets a meeting aside, and says so in the journal.
pub fn set_aside(dossier: &mut Dossier, user_id: i32, reason: Reason) {
    let message = format!("is not synced: {reason}");
    let line = Line::of(&dossier.meeting, Some(user_id), Level::Error, message, None);
    dossier.lines.push(line);
    dossier.meeting.set_aside = Some(reason);
}

/// Whether the last change of a meeting in Odoo could not be taken over.
pub fn is_not_taken_over(meeting: &Meeting) -> bool {
    matches!(meeting.set_aside, Some(Reason::NotTakenOver(_)))
}
