//! Which guests Outlook may have, and which side mails them.

use std::collections::BTreeSet;

use super::organizer::was_kept;
use super::{Permit, Task, closed};
use crate::calendar::event::Event;
use crate::calendar::field::Group;
use crate::calendar::invitations::{Facts, Guests, Mailer, before_creation};
use crate::calendar::plan::Rights;
use crate::odoo::exchange::{OdooChange, Place};
use crate::odoo::record::Record;
use crate::odoo::snapshot::is_over;
use crate::store::journal::Done;
use crate::store::outbox::OdooDebt;
use crate::store::reason::Reason;
use crate::words::{Sentence, say};

impl Task<'_> {
    /// Decides whether a meeting that only Odoo has may be made in Outlook, and with which guests.
    /// `kept` says why a person's choices keep it out.
    pub(super) fn may_create(
        &mut self,
        record: &Record,
        event: &Event,
        kept: Option<Reason>,
    ) -> anyhow::Result<Permit> {
        // What was seen of a further calendar is made in no other one.
        if self.dossier.meeting.view_of.is_some() {
            return Ok(Permit::No);
        }
        let organizer = record.template().ok().and_then(|master| master.organizer);
        let Some(account) = organizer.and_then(|organizer| self.people.account_of_user(organizer.user_id))
        else {
            return Ok(Permit::No);
        };
        if !account.is_connected() || account.resetting {
            return Ok(Permit::No);
        }
        let made = self.people.made_at(record);
        if account.ignore_before.is_some_and(|before| made < before) {
            return Ok(Permit::No);
        }
        if let Some(reason) = closed::why_closed(record, event, self.people).or(kept) {
            // The choice is asked for when the rule lets it through again.
            if self.dossier.meeting.guests() == Guests::Waiting && !self.dossier.meeting.revived {
                self.dossier.meeting.set_guests(Guests::AsSaved);
            }
            return Ok(Permit::SetAside(reason));
        }
        let existed = made < account.connected_at;
        let revived = self.dossier.meeting.revived;
        if !revived
            && (closed::is_from_before(made, self.people)
                || existed && closed::is_outside(event, self.people))
        {
            return Ok(Permit::No);
        }
        if !existed && self.was_others_alone() {
            return Ok(Permit::SetAside(Reason::NotItsOrganizers));
        }
        let meeting = &mut self.dossier.meeting;
        let now = meeting.guests();
        // A meeting that was removed from Outlook's calendar and is wanted again was announced
        // once.
        let is_known = meeting.revived && !now.stays_in_odoo();
        // The mailbox may have it already: look first, then make it.
        if existed && !meeting.revived && !account.pulled_once {
            return Ok(Permit::No);
        }
        let facts = Facts {
            has_guests: event.guests().next().is_some(),
            existed: existed && !is_known,
            over: is_over(event, self.people.now),
            mailer: record.mailer(),
        };
        let guests = before_creation(now, facts);
        meeting.set_guests(guests);
        match guests {
            Guests::Waiting if meeting.revived => return Ok(Permit::SetAside(Reason::WaitsForChoiceAgain)),
            Guests::Waiting => return Ok(Permit::SetAside(Reason::WaitsForChoice)),
            Guests::LeftOut => return Ok(Permit::SetAside(Reason::LeftOut)),
            Guests::AsSaved | Guests::Announced | Guests::Withheld => {}
        }
        Ok(Permit::Yes)
    }

    /// Returns whether the meeting came from a guest's mailbox, and its connected organizer's
    /// mailbox has never shown it. Then only that guest, or the sender of the invitation, says who
    /// organizes it.
    fn was_others_alone(&self) -> bool {
        let meeting = &self.dossier.meeting;
        meeting.base_by_guest && meeting.base_outlook.is_some()
    }

    /// Decides about the guests of a meeting that both sides have. If an existing event was
    /// matched, guests whom only Odoo has (`others`) are not invited because of it.
    pub(super) fn settle_guests(&mut self, record: &Record, rights: Rights, others: bool) {
        let meeting = &mut self.dossier.meeting;
        let guests = meeting.guests();
        if !matches!(guests, Guests::AsSaved | Guests::Waiting | Guests::LeftOut) {
            return;
        }
        let organizer = record.template().ok().and_then(|master| master.organizer);
        let account = organizer.and_then(|organizer| self.people.account_of_user(organizer.user_id));
        let existed = account.is_some_and(|account| self.people.made_at(record) < account.connected_at);
        let was_matched = rights == Rights::Write
            && meeting.base_odoo.is_none()
            && existed
            && record.mailer() != Some(Mailer::Outlook);
        meeting.set_guests(if was_matched && others {
            Guests::Withheld
        } else {
            Guests::AsSaved
        });
    }

    /// Returns the words about guests whom Outlook cannot invite, if a write changes the guests.
    pub(super) fn unreachable(&self, groups: &BTreeSet<Group>) -> anyhow::Result<Vec<Sentence>> {
        if !groups.contains(&Group::Attendees) || self.dossier.meeting.guests() == Guests::Withheld {
            return Ok(Vec::new());
        }
        let snapshot = self.dossier.meeting.snapshot()?;
        let names = snapshot
            .iter()
            .flat_map(|snapshot| snapshot.unreachable(&self.people.mailboxes));
        Ok(names.map(say::unreachable).collect())
    }

    /// Tells Odoo which side mails the guests, if it has recorded something else.
    pub(super) fn tell_who_mails(&mut self) -> anyhow::Result<()> {
        let meeting = &self.dossier.meeting;
        if self.dossier.debt.is_some() || meeting.odoo_gone || meeting.unconfirmed {
            return Ok(());
        }
        let recorded = meeting.mailer_in_odoo();
        let Some(mailer) = self.mailer().filter(|mailer| Some(*mailer) != recorded) else {
            return Ok(());
        };
        // Odoo mails already, unless it has recorded that Outlook does.
        if mailer == Mailer::Odoo && recorded != Some(Mailer::Outlook) {
            return Ok(());
        }
        let Some(record) = meeting.record()?.filter(Record::active) else {
            return Ok(());
        };
        let Ok(master) = record.template() else {
            return Ok(());
        };
        let Ok(event) = master.to_event(&self.people.mailboxes) else {
            return Ok(());
        };
        if event.guests().next().is_none() {
            return Ok(());
        }
        let owner = self.choose_copy().map(|(copy, _)| copy.account_id);
        let owner = owner.and_then(|id| self.people.account(id));
        let Some(owner) = owner.or_else(|| self.people.organizer(&master)) else {
            return Ok(());
        };
        let is_only_here =
            self.dossier.copies.is_empty() && meeting.base_odoo.is_none() && meeting.set_aside.is_some();
        // Odoo invites only those whom it has left to Outlook before.
        let never_told = !meeting.guests().stays_in_odoo() && (self.hides_guests || is_only_here);
        let invite = mailer == Mailer::Odoo && never_told && !is_over(&event, self.people.now);
        let change = OdooChange::Mailer {
            place: Place::of(&record),
            user_id: owner.odoo_user_id,
            mailer,
            invite,
        };
        if self.was_told_enough(&serde_json::to_value(&change)?) {
            return Ok(());
        }
        let line = invite.then(|| Done::of(say::odoo_invites()));
        if mailer == Mailer::Odoo && never_told {
            // If Outlook accepts the event one day, it is made without the guests whom Odoo has
            // invited.
            self.dossier.meeting.set_guests(Guests::Withheld);
        }
        let meeting = &self.dossier.meeting;
        self.effects.poke_users.insert(owner.odoo_user_id);
        self.dossier.debt = Some(OdooDebt {
            database_id: meeting.database_id,
            meeting_id: meeting.id,
            user_id: owner.odoo_user_id,
            payload: serde_json::to_value(&change)?,
            groups: serde_json::json!([]),
            line: line.map(serde_json::to_value).transpose()?,
            ..OdooDebt::default()
        });
        Ok(())
    }

    /// Returns which side mails the guests; `None` leaves the recorded side unchanged.
    fn mailer(&self) -> Option<Mailer> {
        let meeting = &self.dossier.meeting;
        // Nobody is invited to what a user sees of a further calendar: Outlook is not written, and
        // Odoo mails nobody for what it takes for Outlook's.
        if meeting.view_of.is_some() {
            return Some(Mailer::Outlook);
        }
        if was_kept(meeting) {
            return Some(Mailer::Odoo);
        }
        match self.choose_copy() {
            Some((copy, _)) if copy.calendar.is_some() => Some(Mailer::Outlook),
            Some((_, Rights::ReadOnly)) => Some(Mailer::Outlook),
            Some((copy, Rights::Write)) if copy.gone || copy.cancelled => None,
            // Outlook does not learn of guests who are added in Odoo.
            Some(_) if self.is_kept_from_outlook => Some(Mailer::Odoo),
            Some(_) if meeting.guests() == Guests::Withheld => Some(Mailer::Odoo),
            Some(_) => Some(Mailer::Outlook),
            None if meeting.guests().stays_in_odoo() || meeting.guests() == Guests::Withheld => {
                Some(Mailer::Odoo)
            }
            None if meeting.set_aside.is_some() && !self.has_writes() => Some(Mailer::Odoo),
            None => None,
        }
    }
}
