//! A single event becomes a series and a series a single event, and each says what it was: the meeting goes along. Who could say so of
//! somebody else's record would be given that one's meeting, so that the word alone is not enough.

use anyhow::bail;

use crate::odoo::exchange::{Change, ChangeKind};
use crate::odoo::identity::Was;
use crate::odoo::record::Record;
use crate::store::meetings::Meeting;

/// Whether the meeting of what a record was before is now that record's.
///
/// # Errors
/// With the reason why it is not.
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

/// Whether the single event is one of the series' now.
fn is_part_of(was: &Was, record: &Record) -> bool {
    let (Some(event), Some(series)) = (was.identity().odoo_id, record.series()) else {
        return false;
    };
    series.base_id == Some(event) || series.records.iter().any(|(_, id)| *id == event)
}
