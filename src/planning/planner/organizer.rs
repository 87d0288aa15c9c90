//! Meetings whose organizer was changed in Odoo. Outlook cannot change the organizer (Graph:
//! `organizer` cannot be written). The meeting is cancelled in the old organizer's mailbox, and
//! made in the new one's once that is done.

use serde_json::{Value, json};

use super::{Task, in_words};
use crate::calendar::plan::{Mail, Rights};
use crate::odoo::snapshot::Snapshot;
use crate::outlook::wire::WireEvent;
use crate::store::journal::{Done, Level, Line};
use crate::store::meetings::{Copy, Meeting};
use crate::store::outbox::{OutlookWrite, WriteKind};
use crate::store::reason::Reason;
use crate::store::unit::Dossier;
use crate::words::{Sentence, say};

/// Returns whether a meeting stays with its old organizer, as the new one could not take it when it
/// was last saved.
pub fn was_kept(meeting: &Meeting) -> bool {
    meeting.set_aside == Some(Reason::OrganizerUnconnected)
}

/// Returns whether the meeting changes its organizer only after somebody saves it.
pub fn waits_for_a_save(meeting: &Meeting) -> bool {
    was_kept(meeting) || meeting.set_aside == Some(Reason::OrganizerRestored)
}

/// Keeps the organizer if a restored Odoo names another one than before and nobody has saved that:
/// no meeting is cancelled and made again because of it.
pub fn keep_restored(dossier: &mut Dossier) {
    let meeting = &mut dossier.meeting;
    let restored = Reason::OrganizerRestored;
    if meeting.set_aside.as_ref() != Some(&restored) {
        let message = say::is_not_synced(restored.sentence());
        meeting.set_aside = Some(restored);
        let user = meeting.organizer_in_odoo();
        dossier
            .lines
            .push(Line::of(meeting, user, Level::Warning, message, None));
    }
}

/// What a change of organizer means for a meeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Organizer {
    /// The meeting is in the mailbox of the organizer whom Odoo names, or in none that can be
    /// written.
    Same,
    /// It is still in the old organizer's mailbox. Its deletion is planned, or not possible.
    Leaves,
    /// It has left the old organizer's mailbox.
    HasLeft,
}

impl Task<'_> {
    /// Plans the deletion in the old organizer's mailbox, if `snapshot` names another organizer who
    /// can take the meeting over. `odoo_state` is stored with the write; `mails` are those that
    /// Outlook sends.
    pub(super) fn follow_organizer(
        &mut self,
        snapshot: &Snapshot,
        odoo_state: Value,
        mails: &[Mail],
        series: bool,
    ) -> anyhow::Result<Organizer> {
        let Some((copy, Rights::Write)) = self.choose_copy() else {
            return Ok(Organizer::Same);
        };
        let copy = copy.clone();
        let successor = self.people.organizer(snapshot);
        if successor.map(|account| account.id) == Some(copy.account_id) {
            return Ok(Organizer::Same);
        }
        // After a refusal, the meeting moves only when somebody saves it again; a mere login must
        // not mail anybody.
        let is_refused = waits_for_a_save(&self.dossier.meeting);
        let made = self
            .dossier
            .meeting
            .record()?
            .map(|record| self.people.made_at(&record));
        let takes_it = |before| made.is_none_or(|made| made >= before);
        let successor = successor.filter(|account| {
            account.is_connected()
                && !account.resetting
                && !is_refused
                && account.ignore_before.is_none_or(takes_it)
        });
        let Some(successor) = successor else {
            let reason = match self.dossier.meeting.set_aside {
                Some(Reason::OrganizerRestored) => Reason::OrganizerRestored,
                _ => Reason::OrganizerUnconnected,
            };
            self.set_aside(&reason, Level::Warning);
            return Ok(Organizer::Leaves);
        };
        if !successor.is_active() {
            self.set_aside(&Reason::OrganizerAsleep, Level::Info);
            return Ok(Organizer::Leaves);
        }
        if copy.gone || copy.cancelled {
            return Ok(Organizer::HasLeft);
        }
        let mut message = say::handed_over(&successor.login);
        if copy
            .wire_event::<WireEvent>()
            .is_ok_and(|event| event.has_files())
        {
            message = say::without_attachments(message);
        }
        self.leave(&copy, odoo_state, mails, message, series)?;
        self.dossier.meeting.set_aside = None;
        Ok(Organizer::Leaves)
    }

    fn leave(
        &mut self,
        copy: &Copy,
        odoo_state: Value,
        mails: &[Mail],
        message: Sentence,
        series: bool,
    ) -> anyhow::Result<()> {
        let user = self
            .people
            .account(copy.account_id)
            .map(|account| account.odoo_user_id);
        let waits = self.waits(user.unwrap_or_default(), mails)?;
        let line = Done {
            said: waits.told(message, in_words(mails)).into(),
            decisions: Vec::new(),
            content: Some(copy.state.clone()),
        };
        self.dossier.writes.push(OutlookWrite {
            account_id: copy.account_id,
            meeting_id: self.dossier.meeting.id,
            kind: WriteKind::Delete,
            graph_id: Some(copy.graph_id.clone()),
            change_key: copy.change_key.clone(),
            body: json!({}),
            odoo_state: Some(odoo_state),
            groups: json!([]),
            line: Some(serde_json::to_value(&line)?),
            series,
            mails: i32::try_from(mails.len()).unwrap_or(i32::MAX),
            collected: waits.collected,
            asks: waits.asks,
            ..OutlookWrite::default()
        });
        self.effects.wake_accounts.insert(copy.account_id);
        Ok(())
    }
}
