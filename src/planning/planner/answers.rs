//! Guests' answers: each from the guest's own mailbox, where that is here, and never through the organizer's.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Task, read_answer, renamed};
use crate::calendar::event::{Address, Answer, Event};
use crate::calendar::field::Group;
use crate::calendar::merge::Base;
use crate::calendar::words;
use crate::odoo::snapshot::{AnsweredBy, Snapshot, odoo_answer};
use crate::planning::people::People;
use crate::store::accounts::Account;
use crate::store::journal::Done;
use crate::store::meetings::Copy;
use crate::store::outbox::{OutlookWrite, WriteKind};

impl Task<'_> {
    /// What Odoo shall say of the guests whose mailboxes are here; `planned` is what it would say by the organizer's. Owes
    /// Outlook the answers that were given in Odoo.
    pub(super) fn plan_answers(
        &mut self,
        snapshot: &Snapshot,
        planned: &Event,
        base: Option<&Base<Event>>,
    ) -> anyhow::Result<BTreeMap<Address, Answer>> {
        let asked_anew = self.dossier.meeting.revived;
        let was_taken_over = self.was_taken_over()?;
        let guests_were_edited = self.dossier.meeting.edit_times()?.contains_key(&Group::Attendees);
        let organizers = answers_in_organizers_list(&self.dossier.copies, snapshot, self.people)?;
        let mut answers = BTreeMap::new();
        let mut copies = std::mem::take(&mut self.dossier.copies);
        for index in 0..copies.len() {
            if !speaks(&copies, &copies[index]) {
                continue;
            }
            if copies[index].cancelled {
                // Who is invited again is asked anew.
                forget_answers(&mut copies, index);
                continue;
            }
            let earlier = answer_before(&copies, &copies[index]);
            let copy = &mut copies[index];
            let Some(account) = self.people.account(copy.account_id).filter(|a| a.is_connected()) else {
                continue;
            };
            let (Some(in_odoo), Some(address)) = (
                snapshot.answer_of(account.odoo_user_id),
                self.people.mailboxes.get(&account.odoo_user_id),
            ) else {
                continue;
            };
            let Some(by_organizer) = planned.attendees.get(address).map(|a| a.answer) else {
                continue;
            };
            let in_outlook = answer_of(copy);
            let agreed = copy
                .answer_base
                .clone()
                .or(earlier)
                .map(|answer| read_answer(Some(&answer)))
                .or_else(|| {
                    let said = |event: &Event| event.attendees.get(address).map(|a| a.answer);
                    let (odoo, outlook) = base.map(|base| (said(&base.odoo), said(&base.outlook)))?;
                    if asked_anew {
                        // What a revived meeting was made with was said about the earlier one.
                        return odoo;
                    }
                    // The organizer's mailbox told it, and nobody has answered in Odoo since.
                    (odoo == outlook && odoo == Some(in_odoo)).then_some(in_odoo)
                })
                .or(was_taken_over.then_some(in_odoo));
            let outlook_changed = agreed.map_or(in_outlook != Answer::NeedsAction, |a| a != in_outlook);
            // Somebody answered in Odoo while Outlook asked anew: that is the answer.
            let answered_anew = in_outlook == Answer::NeedsAction && agreed.is_some_and(|a| a != in_odoo);
            let is_read = account.is_read();
            let stands = if in_odoo == in_outlook {
                copy.answer_base = Some(odoo_answer(in_odoo).to_owned());
                in_odoo
            } else if is_read && (outlook_changed && !answered_anew || in_odoo == Answer::NeedsAction) {
                in_outlook
            } else if let Some(by) = snapshot.answered_by_another(account.odoo_user_id) {
                if !is_read {
                    continue;
                }
                self.refused.push(refusal(address, in_odoo, in_outlook, by));
                in_outlook
            } else if by_organizer == in_odoo && in_odoo != Answer::NeedsAction {
                // An answer that the organizer has been told is none of Odoo's: the guest's own copy is yet to be read. Unless it was
                // read as one that came back and asks anew, and the guest has said in Odoo what the organizer knew of the first,
                // also after deleting that one.
                let was_before = matches!(agreed, Some(Answer::NeedsAction | Answer::Declined));
                let is_said_again = was_before
                    && (snapshot.is_answered_in_odoo(account.odoo_user_id) || guests_were_edited && is_read);
                // A mailbox that is not read now may have been asked anew since.
                let is_news = agreed != Some(in_odoo);
                if !copy.gone && is_news && (organizers.get(address) != Some(&in_odoo) || is_said_again) {
                    let write = response(account, copy, address, in_odoo)?;
                    self.dossier.writes.push(write);
                    self.effects.wake_accounts.insert(account.id);
                }
                in_odoo
            } else {
                // The organizer's mailbox has news of it that Odoo is yet to hear: a new time, for one, asks anew.
                continue;
            };
            // A mailbox that is read knows its owner's answer better than the organizer's does.
            if is_read {
                answers.insert(address.clone(), stands);
            }
        }
        self.dossier.copies = copies;
        Ok(answers)
    }
}

/// Why an answer that was given in Odoo is not sent.
pub(super) fn refusal(address: &Address, in_odoo: Answer, in_outlook: Answer, by: &AnsweredBy) -> String {
    let who = by.name.clone().unwrap_or_else(|| format!("the user {}", by.uid));
    format!(
        "{who} set in Odoo that {address} {}, and may not answer for them: nothing was sent, and Outlook’s answer counts ({})",
        words::answer(in_odoo),
        odoo_answer(in_outlook)
    )
}

fn response(
    account: &Account,
    copy: &Copy,
    address: &Address,
    answer: Answer,
) -> anyhow::Result<OutlookWrite> {
    let message = format!(
        "{address} {} in Odoo · Outlook tells the organizer",
        words::answer(answer)
    );
    Ok(OutlookWrite {
        account_id: account.id,
        meeting_id: copy.meeting_id,
        kind: WriteKind::Respond,
        graph_id: Some(copy.graph_id.clone()),
        // With the time it is an answer to: a new one takes it back.
        body: json!({"answer": odoo_answer(answer), "time": copy.event()?.time}),
        groups: json!([]),
        line: Some(serde_json::to_value(Done {
            message,
            decisions: Vec::new(),
            content: None,
        })?),
        ..OutlookWrite::default()
    })
}

/// Lets an event have these answers.
pub(super) fn put(answers: &BTreeMap<Address, Answer>, event: &mut Event) {
    for (address, answer) in answers {
        if let Some(attendee) = event.attendees.get_mut(address) {
            attendee.answer = *answer;
        }
    }
}

/// Notes the guests' answers that Odoo has from Outlook: from their own mailboxes, or from the organizer's, or because the
/// change that Odoo has just applied to `before` brought them.
///
/// # Errors
/// When a stored copy cannot be read.
pub fn agree(
    copies: &mut [Copy],
    before: Option<&Snapshot>,
    snapshot: &Snapshot,
    people: &People,
) -> anyhow::Result<()> {
    let organizers = answers_in_organizers_list(copies, snapshot, people)?;
    for index in 0..copies.len() {
        let copy = &copies[index];
        let Some(account) = people.account(copy.account_id) else {
            continue;
        };
        let user = account.odoo_user_id;
        let Some(in_odoo) = snapshot
            .answer_of(user)
            .filter(|_| speaks(copies, copy) && !copy.cancelled)
        else {
            continue;
        };
        let told = people
            .mailboxes
            .get(&user)
            .and_then(|address| organizers.get(address));
        let was = before.and_then(|before| before.answer_of(user));
        let is_brought = was.is_some_and(|was| was != in_odoo) || told == Some(&in_odoo);
        // What came by the organizer's mailbox is no news against one that nobody reads; and what was given in Odoo is not what Outlook
        // brought, though the organizer's list may say the same of an earlier invitation: it may have to be sent yet.
        let is_brought = is_brought && !snapshot.is_answered_in_odoo(user);
        if answer_of(copy) == in_odoo || is_brought && account.is_read() {
            copies[index].answer_base = Some(odoo_answer(in_odoo).to_owned());
        }
    }
    Ok(())
}

/// By the addresses of the guests' mailboxes.
fn answers_in_organizers_list(
    copies: &[Copy],
    snapshot: &Snapshot,
    people: &People,
) -> anyhow::Result<BTreeMap<Address, Answer>> {
    let Some(copy) = copies.iter().find(|c| c.is_organizer && !c.gone) else {
        return Ok(BTreeMap::new());
    };
    let event = renamed(copy.event()?, &snapshot.aliases(&people.mailboxes));
    let answers = event.attendees.into_iter();
    Ok(answers
        .map(|(address, attendee)| (address, attendee.answer))
        .collect())
}

/// Whether a copy is the one that speaks for a guest's mailbox: one that was declined or deleted comes back as another
/// one when the organizer changes the meeting.
fn speaks(copies: &[Copy], copy: &Copy) -> bool {
    let own = |c: &&Copy| !c.is_organizer && c.account_id == copy.account_id;
    let mut latest_first = copies.iter().filter(own).rev();
    let latest = latest_first
        .clone()
        .find(|c| !c.gone)
        .or_else(|| latest_first.next());
    latest.is_some_and(|latest| std::ptr::eq(latest, copy))
}

/// The answer that was agreed on for an earlier copy of the same mailbox.
fn answer_before(copies: &[Copy], copy: &Copy) -> Option<String> {
    let own = |c: &&Copy| !c.is_organizer && c.account_id == copy.account_id && !std::ptr::eq(*c, copy);
    let mut latest_first = copies.iter().filter(own).rev();
    latest_first.find_map(|c| c.answer_base.clone())
}

fn forget_answers(copies: &mut [Copy], of: usize) {
    let account_id = copies[of].account_id;
    for copy in copies.iter_mut().filter(|c| c.account_id == account_id) {
        copy.answer_base = None;
    }
}

/// What a guest's own mailbox says; who deletes an invitation declines it.
fn answer_of(copy: &Copy) -> Answer {
    if copy.gone {
        Answer::Declined
    } else {
        read_answer(copy.answer.as_deref())
    }
}
