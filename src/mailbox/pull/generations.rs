//! Later generations. A meeting that ended is made again in Outlook when it is wanted again. A
//! service that was restored from a backup may not know this: the event then has our link and an
//! identity that is new to the service.

use chrono::TimeDelta;
use uuid::Uuid;

use super::Page;
use crate::calendar::document::Document;
use crate::outlook::wire::WireEvent;
use crate::store::accounts::{BackfillState, SyncState};
use crate::store::people::Person;

/// How long guests' mailboxes wait for their organizer's mailbox after a new pairing. A mailbox
/// that cannot be listed delays nobody longer.
const LONGEST_COMPARED: TimeDelta = TimeDelta::minutes(10);

impl Page<'_> {
    /// Returns whether an organizer's mailbox is being listed again because the database was paired
    /// again, or will be listed when the organizer has logged in again. Only there does an event
    /// have our link, which says whether its meeting is known.
    pub(super) fn is_being_rebaselined(&self, organizer: &Person) -> bool {
        let is_read_soon = organizer.is_read() || organizer.state == SyncState::NeedAuth;
        is_read_soon
            && !organizer.pulled_once
            && organizer.connected_at == self.people.database.paired_at
            && self.people.now - organizer.connected_at < LONGEST_COMPARED
    }

    /// Assigns an event with our link to its meeting if a later generation than the known one made
    /// it. An event that somebody duplicated in Outlook has another `transactionId`, or none.
    ///
    /// Returns `false` if the event does not belong to this meeting.
    pub(super) fn take_later_generation(
        &mut self,
        id: i64,
        event: &WireEvent,
        state: &Document,
    ) -> anyhow::Result<bool> {
        let Some((link, generation)) = event.transaction_id.as_deref().and_then(generation_of) else {
            return Ok(false);
        };
        let meeting = &self.unit.get(id)?.meeting;
        if meeting.link != link || meeting.generation >= generation {
            return Ok(false);
        }
        // As far as is known the meeting is over. Odoo, which is being asked for its records, may
        // still send it. If Odoo has sent everything, it does not have the meeting, and the event
        // is a meeting of its own.
        let is_asked = matches!(
            self.account.existing,
            BackfillState::Unasked | BackfillState::Asked
        );
        if meeting.ended && !is_asked {
            return Ok(false);
        }
        // Or Odoo has sent it already, as a record that is new to the service.
        let is_told = event.is_organizer == Some(true) && self.match_by_content(state)?.is_some();
        if self.unit.get(id)?.meeting.ended && is_told {
            return Ok(false);
        }
        // A guest's mailbox may have shown the event before.
        let mut copies = Vec::new();
        let shown = event
            .ical_uid
            .as_deref()
            .and_then(|uid| self.unit.by_ical_uid(uid));
        if let Some(other) = shown.filter(|other| *other != id) {
            let other = self.unit.get(other)?;
            let is_outlooks = other.meeting.odoo_state.is_none() && other.meeting.odoo_id.is_none();
            let is_told = other
                .debt
                .as_ref()
                .is_some_and(|debt| debt.delivered_at.is_some());
            if !is_outlooks || is_told {
                return Ok(false);
            }
            other.meeting.ical_uid = None;
            other.debt = None;
            other.writes.clear();
            copies = std::mem::take(&mut other.copies);
        }
        let dossier = self.unit.get(id)?;
        dossier.copies = copies;
        let meeting = &mut dossier.meeting;
        meeting.generation = generation;
        meeting.ical_uid.clone_from(&event.ical_uid);
        meeting.unconfirmed |= meeting.ended;
        meeting.ended = false;
        Ok(true)
    }
}

/// Parses `<link>-<generation>`.
pub(super) fn generation_of(transaction_id: &str) -> Option<(Uuid, i32)> {
    let (link, generation) = transaction_id.rsplit_once('-')?;
    Some((Uuid::parse_str(link).ok()?, generation.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_id_names_its_link_and_generation() {
        let link = Uuid::new_v4();
        assert_eq!(generation_of(&format!("{link}-3")), Some((link, 3)));
        assert_eq!(generation_of(&link.to_string()), None);
        assert_eq!(generation_of("somebody else's"), None);
    }
}
