//! A single event becomes a series, or a series a single event, and its record says what it was:
//! the meeting then moves to the new record. The record's word alone is not enough, as it could
//! claim another person's meeting.

use anyhow::bail;

use crate::odoo::exchange::{Change, ChangeKind};
use crate::odoo::identity::Was;
use crate::odoo::record::Record;
use crate::store::meetings::Meeting;

/// Checks that the meeting of an earlier record now belongs to the changed one.
///
/// # Errors
/// The reason why it does not.
pub fn allows(meeting: &Meeting, was: &Was, change: &Change) -> anyhow::Result<()> {
    let ChangeKind::Snapshot { record, .. } = &change.kind else {
        if meeting.odoo_gone || change.was_gone {
            return Ok(());
        }
        bail!("it says that it was the record {}, which is still there", was.id);
    };
    if !(meeting.odoo_gone || change.was_gone || is_part_of(was, record)) {
        bail!("it says that it was the record {}, which is still there", was.id);
    }
    let organizer = record
        .template()
        .ok()
        .and_then(|event| Some(event.organizer?.user_id));
    if meeting.odoo_state.is_some() && meeting.organizer_in_odoo() != organizer {
        bail!(
            "it says that it was the record {}, which has another organizer",
            was.id
        );
    }
    Ok(())
}

/// Returns whether the single event is now one of the series' events.
fn is_part_of(was: &Was, record: &Record) -> bool {
    let (Some(event), Some(series)) = (was.identity().odoo_id, record.series()) else {
        return false;
    };
    series.base_id == Some(event) || series.records.iter().any(|(_, id)| *id == event)
}
