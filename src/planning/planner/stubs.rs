//! Meetings that are long past, of which only a stub is kept. If one changes on either side, it is
//! compared with the other side's present state. Until both sides have been asked, nothing is
//! planned.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{Rights, Task, in_one, replan};
use crate::calendar::document::Document;
use crate::calendar::document::plan::cancellations;
use crate::odoo::record::Record;
use crate::planning::observation::is_shown_so;
use crate::planning::people::People;
use crate::store::meetings::Copy;
use crate::store::stubs::Stub;
use crate::store::unit::Dossier;

impl Task<'_> {
    /// Returns whether everything is known. Otherwise notes who is to be asked.
    pub(super) fn is_read(&mut self, record: Option<&Record>) -> anyhow::Result<bool> {
        let meeting = &self.dossier.meeting;
        let is_stub = meeting.stub.is_some();
        let is_news = |copy: &Copy| copy.stub.is_none() || copy.gone;
        let is_settled = record.is_none() && (meeting.has_record() || meeting.ended);
        if is_stub && is_settled && !self.dossier.copies.iter().any(is_news) {
            return Ok(false);
        }
        let people = self.people;
        let mut is_all = true;
        for copy in &mut self.dossier.copies {
            let account = people.account(copy.account_id).filter(|a| a.is_connected());
            if let Some(account) = account.filter(|_| copy.stub.is_some() && !copy.gone) {
                copy.unread = true;
                is_all = false;
                self.effects.wake_accounts.insert(account.id);
            }
        }
        if is_stub && record.is_none() && self.dossier.meeting.has_record() {
            // It is unknown whether Odoo still has it. If it does not, that is not a deletion.
            self.dossier.meeting.unread = true;
            self.dossier.meeting.unconfirmed = true;
            let mut owners = self.dossier.copies.iter().filter(|copy| is_news(copy));
            let owner = owners.find_map(|copy| people.account(copy.account_id));
            self.effects
                .poke_users
                .extend(owner.map(|account| account.odoo_user_id));
            return Ok(false);
        }
        if !is_all {
            return Ok(false);
        }
        let chosen = self
            .choose_copy()
            .map(|(copy, rights)| (copy.stub.is_some(), rights));
        // An attendee's event is gone, and its content is unknown: the meeting stays as Odoo has
        // it.
        if let Some((true, Rights::ReadOnly)) = chosen {
            return Ok(false);
        }
        if !is_stub {
            return Ok(true);
        }
        // Nobody can be asked until somebody logs in again.
        if chosen.is_none() && !self.dossier.copies.is_empty() {
            return Ok(false);
        }
        if let (Some(record), Some((false, rights))) = (record.filter(|record| record.active()), chosen) {
            if !self.take_over_base(record, None)? {
                // One of the two cannot be read, which is reported where it is read.
                return Ok(true);
            }
            self.dossier.meeting.base_by_guest = rights == Rights::ReadOnly;
        }
        self.dossier.meeting.stub = None;
        self.dossier.meeting.unread = false;
        Ok(true)
    }
}

/// Returns the stub of a meeting that ended before a time. Returns `None` if more of it is needed,
/// or something is pending. A meeting is not forgotten if reading the same states again would
/// change either side. `unused` are the accounts that were not synced since that time.
///
/// # Errors
/// When what is stored cannot be read.
pub fn stub_of(
    dossier: &Dossier,
    people: &People,
    before: DateTime<Utc>,
    unused: &BTreeSet<i64>,
) -> anyhow::Result<Option<Stub>> {
    let meeting = &dossier.meeting;
    let is_at_rest = dossier.writes.is_empty()
        && dossier.debt.is_none()
        && !(meeting.kept || meeting.unconfirmed || meeting.unsent)
        && !meeting.differs
        && meeting.set_aside.is_none()
        && meeting.stub.is_none()
        && meeting.is_taken_over()?;
    let Some(record) = meeting.record()?.filter(|_| is_at_rest) else {
        return Ok(None);
    };
    let is_there = record.active() && !meeting.odoo_gone;
    if over_at(dossier, people)?.is_none_or(|over| over >= before) || is_there == meeting.ended {
        return Ok(None);
    }
    let (mut connected, mut asleep) = (0, 0);
    for copy in &dossier.copies {
        if copy.stub.is_some() || copy.gone || copy.cancelled {
            return Ok(None);
        }
        match people.account(copy.account_id) {
            Some(account) if account.is_connected() => {
                if !is_shown_so(copy, &account.mailbox) {
                    return Ok(None);
                }
                connected += 1;
            }
            // Nobody has logged in for that long.
            Some(account) if unused.contains(&account.id) => asleep += 1,
            _ => return Ok(None),
        }
    }
    let cancelled = dossier.copies.iter().filter(|copy| copy.is_organizer);
    let mut mails = 0;
    for copy in cancelled {
        mails = mails.max(cancellations(copy.document()?));
    }
    let stub = Stub::of(&record, meeting.organizer_in_odoo(), mails);
    if connected == 0 {
        // It belongs only to users who have left, so nothing is planned for it. A meeting that
        // never had an owner may still be matched by its content.
        let organizer = meeting.organizer_in_odoo();
        let has_left = organizer.and_then(|user| people.account_of_user(user)).is_none();
        return Ok((asleep > 0 || has_left).then_some(stub));
    }
    let mut again = dossier.clone();
    again.meeting.forget_content(&stub)?;
    again.meeting.odoo_state.clone_from(&meeting.odoo_state);
    replan(&mut again, people)?;
    let is_the_same = again.writes.is_empty()
        && again.debt.is_none()
        && again.lines.is_empty()
        && again.meeting.stub.is_none()
        && again.meeting.set_aside.is_none()
        && !again.meeting.differs
        && again.meeting.ended == meeting.ended
        && again.meeting.guests == meeting.guests
        && again.meeting.generation == meeting.generation;
    Ok(is_the_same.then_some(stub))
}

/// Returns when a meeting ended on both sides, by its stored states.
///
/// # Errors
/// When what is stored cannot be read.
pub fn over_at(dossier: &Dossier, people: &People) -> anyhow::Result<Option<DateTime<Utc>>> {
    let today = people.now.date_naive();
    let end = |document: Document| {
        let moved = document
            .exceptions
            .values()
            .filter_map(|own| Some(own.time.as_ref()?.ends_at()));
        moved.fold(in_one(&document, today).time.ends_at(), DateTime::max)
    };
    let mut ends = Vec::new();
    if let Some(record) = dossier.meeting.record()?
        && let Ok(Some(document)) = record.document(&people.mailboxes)
    {
        ends.push(end(document));
    }
    for copy in &dossier.copies {
        ends.push(end(copy.document()?));
    }
    Ok(ends.into_iter().max())
}
