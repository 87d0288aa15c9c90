//! Guests' responses. Each one is sent from the guest's own mailbox, if that is connected, and
//! never through the organizer's.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Task, read_answer, renamed};
use crate::calendar::event::{Address, Answer, Event};
use crate::calendar::field::Group;
use crate::calendar::merge::Base;
use crate::calendar::words;
use crate::odoo::snapshot::{AnsweredBy, Snapshot, odoo_answer};
use crate::planning::people::People;
use crate::store::journal::Done;
use crate::store::meetings::Copy;
use crate::store::outbox::{OutlookWrite, WriteKind};
use crate::store::people::Person;
use crate::words::{Arg, Sentence, say};

impl Task<'_> {
    /// Returns the responses that Odoo must show for guests whose mailboxes are connected;
    /// `planned` is what it would show from the organizer's mailbox. Plans the responses that were
    /// given in Odoo and that Outlook must get.
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
                // Guests who are invited again must respond again.
                forget_answers(&mut copies, index);
                continue;
            }
            let earlier = answer_before(&copies, &copies[index]);
            let copy = &mut copies[index];
            let account = self.people.account(copy.account_id);
            let Some(account) = account.filter(|a| a.is_connected() && !self.is_unsettled(a.id)) else {
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
                        // The responses that a revived meeting was made with are about the earlier
                        // meeting, but a guest may have responded before the new invitation was
                        // seen.
                        let is_response =
                            odoo != outlook && snapshot.is_answered_in_odoo(account.odoo_user_id);
                        return if is_response { outlook } else { odoo };
                    }
                    // The organizer's mailbox has reported it, and nobody has responded in Odoo
                    // since.
                    (odoo == outlook && odoo == Some(in_odoo)).then_some(in_odoo)
                })
                .or(was_taken_over.then_some(in_odoo));
            let outlook_changed = agreed.map_or(in_outlook != Answer::NeedsAction, |a| a != in_outlook);
            // Somebody responded in Odoo while Outlook reset the response. The response in Odoo
            // counts.
            let answered_anew = in_outlook == Answer::NeedsAction && agreed.is_some_and(|a| a != in_odoo);
            // By choice, what this person responds stays where it was given.
            let direction = self.people.direction(account);
            let is_told = direction.to_outlook() && copy.calendar.is_none();
            let comes_to_odoo = direction.to_odoo();
            let is_read = account.is_read();
            // The organizer's mailbox only brings what the guest's own has said before. What Odoo says
            // is newer.
            let is_relayed = is_read
                && in_outlook != Answer::NeedsAction
                && by_organizer == in_outlook
                && agreed == Some(in_outlook);
            let stands = if in_odoo == in_outlook {
                copy.answer_base = Some(odoo_answer(in_odoo).to_owned());
                in_odoo
            } else if is_read && (outlook_changed && !answered_anew || in_odoo == Answer::NeedsAction) {
                in_outlook
            } else if let Some(by) = snapshot.unauthorized_responder(account.odoo_user_id) {
                if !is_read {
                    continue;
                }
                self.refused.push(refusal(address, in_odoo, in_outlook, by));
                in_outlook
            } else if (by_organizer == in_odoo || is_relayed) && in_odoo != Answer::NeedsAction {
                // The organizer already has this response, so it did not originate in Odoo; the
                // guest's own copy was just not read yet. Exception: the guest's copy was read as
                // one that came back and asks again, and the guest has given in Odoo the response
                // that the organizer knows from the earlier copy. This also holds if the guest had
                // deleted that copy.
                let was_before = matches!(agreed, Some(Answer::NeedsAction | Answer::Declined));
                let is_said_again = was_before
                    && (snapshot.is_answered_in_odoo(account.odoo_user_id) || guests_were_edited && is_read);
                // A mailbox that is not read now may have been asked again since.
                let is_news = agreed != Some(in_odoo);
                if !copy.gone
                    && is_news
                    && is_told
                    && (organizers.get(address) != Some(&in_odoo) || is_said_again)
                {
                    let write = response(account, copy, address, in_odoo)?;
                    self.dossier.writes.push(write);
                    self.effects.wake_accounts.insert(account.id);
                }
                in_odoo
            } else {
                // Odoo does not have the organizer's latest change yet (for example a new time,
                // which resets responses). Decide after it has.
                continue;
            };
            // If the guest's mailbox is read, it knows the response better than the organizer's
            // mailbox does.
            if is_read && comes_to_odoo {
                answers.insert(address.clone(), stands);
            }
        }
        self.dossier.copies = copies;
        Ok(answers)
    }
}

/// Returns why a response that was given in Odoo is not sent.
pub(super) fn refusal(address: &Address, in_odoo: Answer, in_outlook: Answer, by: &AnsweredBy) -> Sentence {
    let who = match &by.name {
        Some(name) => Arg::from(name),
        None => say::the_user(by.uid.to_string()).into(),
    };
    let kept = match in_outlook {
        Answer::NeedsAction => say::answer_none(),
        Answer::Accepted => say::answer_accepted(),
        Answer::Tentative => say::answer_tentative(),
        Answer::Declined => say::answer_declined(),
    };
    say::may_not_answer(who, words::answer(address, in_odoo), kept)
}

fn response(
    account: &Person,
    copy: &Copy,
    address: &Address,
    answer: Answer,
) -> anyhow::Result<OutlookWrite> {
    let message = say::answered_in_odoo(words::answer(address, answer));
    Ok(OutlookWrite {
        account_id: account.id,
        meeting_id: copy.meeting_id,
        kind: WriteKind::Respond,
        graph_id: Some(copy.graph_id.clone()),
        // With the time that it responds to, as a new time resets it.
        body: json!({"answer": odoo_answer(answer), "time": copy.event()?.time}),
        groups: json!([]),
        line: Some(serde_json::to_value(Done::of(message))?),
        ..OutlookWrite::default()
    })
}

/// Sets these responses in an event.
pub(super) fn put(answers: &BTreeMap<Address, Answer>, event: &mut Event) {
    for (address, answer) in answers {
        if let Some(attendee) = event.attendees.get_mut(address) {
            attendee.answer = *answer;
        }
    }
}

/// Stores as agreed the responses that Odoo has from Outlook: from the guests' own mailboxes, from
/// the organizer's, or because the change that Odoo has just applied to `before` contained them.
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
        // A response that the organizer's mailbox relayed does not override the response of a
        // guest's mailbox that is not read. And a response that was given in Odoo did not come from
        // Outlook, even if the organizer's list has the same one for an earlier invitation: it may
        // still have to be sent.
        let is_brought = is_brought && !snapshot.is_answered_in_odoo(user);
        if answer_of(copy) == in_odoo || is_brought && account.is_read() {
            copies[index].answer_base = Some(odoo_answer(in_odoo).to_owned());
        }
    }
    Ok(())
}

/// Returns the responses by the addresses of the guests' mailboxes.
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

/// Returns whether a copy is the one that represents a guest's mailbox. A copy that was declined or
/// deleted comes back as another one when the organizer changes the meeting.
fn speaks(copies: &[Copy], copy: &Copy) -> bool {
    let own = |c: &&Copy| !c.is_organizer && c.account_id == copy.account_id;
    let mut latest_first = copies.iter().filter(own).rev();
    let latest = latest_first
        .clone()
        .find(|c| !c.gone)
        .or_else(|| latest_first.next());
    latest.is_some_and(|latest| std::ptr::eq(latest, copy))
}

/// Returns the agreed response of an earlier copy in the same mailbox.
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

/// Returns the response in a guest's own mailbox. Deleting an invitation declines it.
pub(super) fn answer_of(copy: &Copy) -> Answer {
    if copy.gone {
        Answer::Declined
    } else {
        read_answer(copy.answer.as_deref())
    }
}
