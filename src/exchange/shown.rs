//! Matches a record that Odoo sends for the first time with an event that Outlook has shown
//! already. They are one meeting, whichever side is read first, for example after a new pairing. If
//! Odoo is first, the pull matches them (`mailbox/pull.rs`, `match_by_content`).

use std::collections::BTreeSet;

use super::Intake;
use crate::calendar::document::Document;
use crate::migration::baseline;
use crate::odoo::exchange::{Cause, Change, ChangeKind};
use crate::odoo::mailboxes::Mailboxes;
use crate::odoo::record::Record;
use crate::planning::people::People;
use crate::store::unit::{Dossier, UnitOfWork};
use crate::store::{Connection, meetings};

/// Reads the meetings that only Outlook has shown, and that may be records that Odoo sends.
///
/// # Errors
/// When Postgres fails.
pub(super) async fn read(
    conn: &mut Connection,
    people: &People,
    unit: &mut UnitOfWork,
    changes: &[&Change],
) -> anyhow::Result<()> {
    let records = changes.iter().filter_map(|change| match &change.kind {
        ChangeKind::Snapshot { record, .. } if may_be_shown(people, record, change.cause) => Some(record),
        _ => None,
    });
    let titles: BTreeSet<String> = records
        .filter_map(|record| record.template().ok()?.name)
        .collect();
    if !titles.is_empty() {
        let titles = titles.iter().map(String::as_str).collect();
        let ids = meetings::only_shown_with_titles(conn, people.database.id, titles).await?;
        unit.read(conn, &ids).await?;
    }
    Ok(())
}

/// Returns whether the record was made before its organizer's mailbox was read.
fn may_be_shown(people: &People, record: &Record, cause: Cause) -> bool {
    let organizer = record.template().ok().and_then(|master| master.organizer);
    let account = organizer.and_then(|organizer| people.account_of_user(organizer.user_id));
    record.active()
        && account
            .is_some_and(|account| cause == Cause::Existing || people.made_at(record) < account.connected_at)
}

impl Intake<'_> {
    /// Finds the record's meeting among those that only Outlook has shown: same title and time, in the
    /// organizer's own mailbox. Forgets a record that it had before a restore.
    pub(super) fn meeting_known_from_outlook(
        &mut self,
        record: &Record,
        cause: Cause,
    ) -> anyhow::Result<Option<i64>> {
        let Some(id) = self.same_as_shown(record, cause) else {
            return Ok(None);
        };
        let dossier = self.unit.get(id)?;
        if !dossier.is_only_shown() {
            baseline::forget_record(&mut dossier.meeting)?;
        }
        Ok(Some(id))
    }

    fn same_as_shown(&self, record: &Record, cause: Cause) -> Option<i64> {
        if !may_be_shown(self.people, record, cause) {
            return None;
        }
        let organizer = record.template().ok()?.organizer?.user_id;
        let account = self.people.account_of_user(organizer)?.id;
        let told = record.document(&Mailboxes::new()).ok()??;
        let is_it = |dossier: &Dossier| {
            (dossier.is_only_shown() || is_resumed(dossier))
                && dossier
                    .copies
                    .iter()
                    .filter(|copy| copy.account_id == account && copy.is_organizer)
                    .filter(|copy| !copy.gone && !copy.cancelled)
                    .filter_map(|copy| copy.document().ok())
                    .any(|shown| is_same(&told, &shown))
        };
        self.unit.find_dossier(is_it)
    }
}

/// Returns whether Outlook has the event again after its record had ended, as far as a restored
/// service knows. Odoo may since have the event as another record.
fn is_resumed(dossier: &Dossier) -> bool {
    let meeting = &dossier.meeting;
    let is_over = || {
        meeting
            .record()
            .is_ok_and(|record| record.is_none_or(|record| !record.active()))
    };
    meeting.unconfirmed && !meeting.ended && (meeting.odoo_gone || is_over())
}

fn is_same(told: &Document, shown: &Document) -> bool {
    !told.master.title.is_empty() && told.master.title == shown.master.title && told.same_times(shown)
}
