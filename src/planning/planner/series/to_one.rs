//! Guests' responses to single occurrences. Like those to the whole, each is sent from the guest's
//! own mailbox and never through the organizer's.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use serde_json::json;

use super::{Task, renamed_series};
use crate::calendar::document::changes::changes;
use crate::calendar::document::plan::{OdooStep, Plan};
use crate::calendar::document::{Document, Recurrence};
use crate::calendar::event::{Address, Aliases, Answer};
use crate::calendar::words;
use crate::odoo::series::SeriesSnapshot;
use crate::odoo::snapshot::{AnsweredBy, is_over, odoo_answer};
use crate::planning::planner::answers::refusal;
use crate::planning::planner::read_answer;
use crate::store::journal::Done;
use crate::store::meetings::{Copy, SlotAnswers};
use crate::store::outbox::{OutlookWrite, WriteKind};
use crate::store::people::Person;
use crate::words::say;

/// Both sides, while the responses of one guest are planned.
struct Guest<'a> {
    address: &'a Address,
    odoo: &'a Document,
    /// As Odoo sent it.
    record: Option<&'a SeriesSnapshot>,
    /// In the guest's own mailbox.
    mailbox: Document,
    /// In the organizer's mailbox, if that is connected.
    organizers: Option<&'a Document>,
}

impl Task<'_> {
    /// Adds to the plan the responses to single occurrences that Odoo must show, and plans the
    /// writes for those that were given in Odoo.
    pub(super) fn plan_answers_to_one(
        &mut self,
        odoo: &Document,
        record: Option<&SeriesSnapshot>,
        aliases: &Aliases,
        plan: &mut Plan,
    ) -> anyhow::Result<()> {
        let mut target = match &plan.odoo {
            OdooStep::Nothing => odoo.clone(),
            OdooStep::Apply { target, .. } => target.clone(),
            OdooStep::Create(_) | OdooStep::Archive => return Ok(()),
        };
        let organizers = self.dossier.copies.iter().find(|c| c.is_organizer && !c.gone);
        let organizers = organizers.map(Copy::document).transpose()?;
        let organizers = organizers
            .filter(|shown| matches!(shown.recurrence, Recurrence::Rule(_)))
            .map(|series| renamed_series(series, aliases));
        let mut copies = std::mem::take(&mut self.dossier.copies);
        let people = self.people;
        for copy in copies
            .iter_mut()
            .filter(|c| !c.is_organizer && !c.gone && !c.cancelled)
        {
            let account = people.account(copy.account_id);
            let Some(account) = account.filter(|a| a.is_connected() && !self.is_unsettled(a.id)) else {
                continue;
            };
            let mailbox = copy.document()?;
            let (Some(address), Recurrence::Rule(_)) =
                (people.mailboxes.get(&account.odoo_user_id), &mailbox.recurrence)
            else {
                continue;
            };
            let guest = Guest {
                address,
                odoo,
                record,
                mailbox,
                organizers: organizers.as_ref(),
            };
            self.plan_answers_of(account, copy, &guest, &mut target)?;
        }
        self.dossier.copies = copies;
        let changes = changes(odoo, &target);
        if changes.is_empty() {
            if plan.odoo != OdooStep::Nothing {
                plan.odoo = OdooStep::Nothing;
                plan.agreed = plan.is_idle();
            }
        } else {
            plan.odoo = OdooStep::Apply { changes, target };
            plan.agreed = false;
        }
        Ok(())
    }

    fn plan_answers_of(
        &mut self,
        account: &Person,
        copy: &mut Copy,
        guest: &Guest<'_>,
        target: &mut Document,
    ) -> anyhow::Result<()> {
        let said = copy.answers_to_one()?;
        let known = copy.agreed_answers_to_one()?;
        let (whole, whole_known) = (
            read_answer(copy.answer.as_deref()),
            copy.answer_base
                .as_deref()
                .map(|answer| read_answer(Some(answer))),
        );
        let mut agreed = SlotAnswers::new();
        for slot in guest.slots(said.keys().chain(known.keys()).copied().collect()) {
            let Some(in_odoo) = guest.answer_in(guest.odoo, slot) else {
                continue;
            };
            let in_outlook = said.get(&slot).copied().unwrap_or(whole);
            let before = known.get(&slot).copied().or(whole_known);
            let outlook_changed = before.map_or(in_outlook != Answer::NeedsAction, |b| b != in_outlook);
            // As for the whole: somebody responded in Odoo while Outlook reset the response.
            let answered_anew = in_outlook == Answer::NeedsAction && before.is_some_and(|b| b != in_odoo);
            let is_by_organizer = |answer| guest.answer_in(target, slot) == Some(answer);
            // The organizer's mailbox only brings what the guest's own has said before. What Odoo says
            // is newer.
            let is_relayed = account.is_read()
                && in_outlook != Answer::NeedsAction
                && is_by_organizer(in_outlook)
                && before == Some(in_outlook);
            let stands = if in_odoo == in_outlook {
                if whole_known != Some(in_odoo) {
                    agreed.insert(slot, in_odoo);
                }
                in_odoo
            } else {
                agreed.extend(known.get(&slot).map(|answer| (slot, *answer)));
                if outlook_changed && !answered_anew || in_odoo == Answer::NeedsAction {
                    in_outlook
                } else if let Some(by) = guest.unauthorized_responder(slot, account.odoo_user_id) {
                    if !account.is_read() {
                        continue;
                    }
                    let words = refusal(guest.address, in_odoo, in_outlook, &by);
                    self.refused.push(say::about_occurrence(words, slot));
                    in_outlook
                } else if is_by_organizer(in_odoo) || is_relayed {
                    // One response at a time. The one to the whole comes first, as it may be the
                    // response to the others too.
                    let is_busy = self.dossier.writes.iter().any(|w| w.account_id == account.id);
                    let is_told = self.people.direction(account).to_outlook() && copy.calendar.is_none();
                    if is_told
                        && !is_busy
                        && guest.may_answer(slot, in_odoo, account.odoo_user_id, self.people.now)
                    {
                        let write = response(account, copy, guest, slot, in_odoo)?;
                        self.dossier.writes.push(write);
                        self.effects.wake_accounts.insert(account.id);
                    }
                    in_odoo
                } else {
                    // Odoo does not have the latest news of the organizer's mailbox yet.
                    continue;
                }
            };
            // If the guest's mailbox is read, it knows the response better than the organizer's
            // mailbox does.
            if (account.is_read() || stands != in_odoo)
                && self.people.direction(account).to_odoo()
                && let Some(mut event) = target.occurrence(slot)
                && let Some(attendee) = event.attendees.get_mut(guest.address)
            {
                attendee.answer = stands;
                target.set_occurrence(slot, &event);
            }
        }
        if agreed != known {
            copy.slot_answers_base = serde_json::to_value(agreed)?;
        }
        Ok(())
    }
}

impl Guest<'_> {
    /// Returns the dates of the rule for which some side has a response that differs from the one
    /// to the whole.
    fn slots(&self, said: BTreeSet<NaiveDate>) -> BTreeSet<NaiveDate> {
        let whole = self.odoo.master.attendees.get(self.address).map(|a| a.answer);
        let apart = self.odoo.exceptions.iter().filter(|(_, own)| {
            let attendees = own.attendees.as_ref();
            attendees.is_some_and(|all| all.get(self.address).map(|a| a.answer) != whole)
        });
        let mut mentioned = said;
        mentioned.extend(apart.map(|(slot, _)| *slot));
        let last = mentioned.last().copied();
        let slots = self
            .odoo
            .slots()
            .take_while(|slot| last.is_some_and(|last| *slot <= last));
        slots.filter(|slot| mentioned.contains(slot)).collect()
    }

    fn answer_in(&self, series: &Document, slot: NaiveDate) -> Option<Answer> {
        let occurrence = series.occurrence(slot)?;
        occurrence.attendees.get(self.address).map(|a| a.answer)
    }

    fn unauthorized_responder(&self, slot: NaiveDate, user_id: i32) -> Option<AnsweredBy> {
        self.record?.unauthorized_responder(slot, self.odoo.tz(), user_id)
    }

    /// Returns whether the response can be written to the mailbox. A declined occurrence is no
    /// longer there, and a past one needs no response. A response that the organizer already has
    /// only needs to be read here, unless it was given in Odoo: the organizer may then have an
    /// earlier response of the same kind.
    fn may_answer(
        &self,
        slot: NaiveDate,
        answer: Answer,
        user_id: i32,
        now: chrono::DateTime<chrono::Utc>,
    ) -> bool {
        let there = self.mailbox.occurrence(slot);
        let is_there = there.is_some_and(|event| {
            let own = event.attendees.get(self.address).map(|a| a.answer);
            own != Some(Answer::Declined) && !is_over(&event, now)
        });
        let is_known = self
            .organizers
            .is_some_and(|series| self.answer_in(series, slot) == Some(answer));
        let is_given_in_odoo = self
            .record
            .is_some_and(|record| record.is_answered_in_odoo(slot, self.odoo.tz(), user_id));
        is_there && (!is_known || is_given_in_odoo)
    }
}

fn response(
    account: &Person,
    copy: &Copy,
    guest: &Guest<'_>,
    slot: NaiveDate,
    answer: Answer,
) -> anyhow::Result<OutlookWrite> {
    let message = say::answered_occurrence_in_odoo(words::answer(guest.address, answer), slot);
    Ok(OutlookWrite {
        account_id: account.id,
        meeting_id: copy.meeting_id,
        kind: WriteKind::Respond,
        graph_id: Some(copy.graph_id.clone()),
        body: json!({ "answer": odoo_answer(answer) }),
        groups: json!([]),
        line: Some(serde_json::to_value(Done::of(message))?),
        series: true,
        slot: Some(slot),
        ..OutlookWrite::default()
    })
}
