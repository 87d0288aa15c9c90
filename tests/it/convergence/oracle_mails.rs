//! Whether the mails about an event are those that people's actions call for.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::event::{
    Deed, Event, Sight, handed_over_by, has_crossed, last_value, undisturbed_answer, was_ended_or_revived,
};
use super::facts::{self, Field};
use super::mails::Mail;
use super::oracle_state::Wrongs;
use super::people::{Side, address_of};
use super::shown::{answer_in_record, answer_of, guests_of_copy, guests_of_record};

/// How often one guest may have joined and left.
#[derive(Default)]
struct Bounds {
    joined: usize,
    left: usize,
}

/// Returns how often each guest joined and left the event in Odoo, by any deed there.
fn moves_in_odoo(event: &Event) -> BTreeMap<String, Bounds> {
    let mut bounds: BTreeMap<String, Bounds> = BTreeMap::new();
    // Everybody who may have been a guest when the event was ended or revived.
    let mut everybody: BTreeSet<String> = event
        .before
        .record
        .as_ref()
        .map(|r| guests_of_record(r, address_of(event.organizer)))
        .unwrap_or_default();
    everybody.extend(event.deeds.iter().filter_map(|deed| match deed {
        Deed::Joined(_, guest) => Some((*guest).to_owned()),
        _ => None,
    }));
    for deed in &event.deeds {
        match deed {
            Deed::Joined(Side::Odoo, guest) => bounds.entry((*guest).to_owned()).or_default().joined += 1,
            Deed::Left(Side::Odoo, guest) => bounds.entry((*guest).to_owned()).or_default().left += 1,
            // Added in Odoo and removed in Outlook in the same round: the guest may have to be
            // invited twice.
            Deed::Left(Side::Outlook, guest)
                if event
                    .deeds
                    .iter()
                    .any(|d| matches!(d, Deed::Joined(Side::Odoo, who) if who == guest)) =>
            {
                bounds.entry((*guest).to_owned()).or_default().joined += 1;
            }
            Deed::Unarchived => {
                for guest in &everybody {
                    bounds.entry(guest.clone()).or_default().joined += 1;
                }
            }
            // Cancelled in one mailbox, created again in the other.
            Deed::HandedOver(from, to) => {
                for guest in everybody
                    .iter()
                    .map(String::as_str)
                    .chain([address_of(*from), address_of(*to)])
                {
                    let bounds = bounds.entry(guest.to_owned()).or_default();
                    bounds.joined += 1;
                    bounds.left += 1;
                }
            }
            Deed::Archived | Deed::Unlinked => {
                for guest in &everybody {
                    bounds.entry(guest.clone()).or_default().left += 1;
                }
            }
            _ => {}
        }
    }
    bounds
}

/// Returns who is invited now.
pub(super) fn check_mails(
    event: &Event,
    now: &Sight,
    alive: bool,
    mails: &[&Mail],
    wrongs: &mut Wrongs,
) -> BTreeSet<String> {
    let organizer = address_of(event.organizer);
    let guests = match now.live(organizer) {
        Some(copy) if alive => guests_of_copy(copy, organizer),
        _ => BTreeSet::new(),
    };
    let mut invited = event.invited.clone();
    // Everybody who was ever invited, and may not have heard of the cancellation.
    let mut ever = invited.clone();
    for (number, mail) in mails.iter().enumerate() {
        let (kind, to) = (mail.kind.as_str(), &mail.to);
        let in_turn = match kind {
            "invitation" => {
                ever.insert(to.clone());
                invited.insert(to.clone())
            }
            "cancellation" => invited.remove(to),
            "update" => invited.contains(to),
            // A response given in Odoo may cross the cancellation. If a person responds without
            // being listed, Outlook lists them because of that.
            _ => {
                let may_answer = ever.contains(&mail.from);
                let told_later = || mails[number..].iter().any(|later| later.to == mail.from);
                if may_answer
                    && has_crossed(event, &mail.from)
                    && (guests.contains(&mail.from) || told_later())
                {
                    invited.insert(mail.from.clone());
                }
                (to == organizer || handed_over_by(event, to)) && may_answer
            }
        };
        if !in_turn {
            wrongs.push(format!("{kind} to {to} out of turn"));
        }
    }
    if invited != guests {
        wrongs.push(format!("invited are {invited:?}, guests {guests:?}"));
    }
    let sent = |kind: &str, guest: &str| {
        mails
            .iter()
            .filter(|m| m.by_service && m.kind == kind)
            .filter(|m| guest == if kind == "response" { &m.from } else { &m.to })
            .count()
    };
    let visible = |values: &facts::Values| values.keys().any(|f| f.is_visible());
    let saves = event
        .deeds
        .iter()
        .filter(|d| matches!(d, Deed::Saved(Side::Odoo, values) if visible(values)))
        .count();
    let moves = moves_in_odoo(event);
    let nothing = Bounds::default();
    let everybody: BTreeSet<&str> = mails
        .iter()
        .flat_map(|m| [m.to.as_str(), m.from.as_str()])
        .chain(guests.iter().map(String::as_str))
        .collect();
    let prevailed = alive && prevailed_in_odoo(event, now);
    for guest in everybody {
        let bounds = moves.get(guest).unwrap_or(&nothing);
        let mut at_most = |kind: &str, most: usize| {
            let count = sent(kind, guest);
            if count > most {
                wrongs.push(format!("{count} {kind} mails for {guest}, at most {most}"));
            }
        };
        at_most("invitation", bounds.joined);
        at_most("cancellation", bounds.left);
        at_most("update", saves);
        let answers = event
            .deeds
            .iter()
            .filter(|d| matches!(d, Deed::Answered(Side::Odoo, who, _) if *who == guest))
            .count();
        // A response given in Odoo to an invitation that the guest had deleted is sent when the
        // invitation comes back.
        let untold = event.before.live(guest).is_none()
            && event
                .before
                .record
                .as_ref()
                .and_then(|record| answer_in_record(record, guest))
                .is_some_and(|answer| match answer.as_str() {
                    "needsAction" => false,
                    "declined" => {
                        event.declined_untold.contains(guest) || !is_listed_as_declined(event, guest)
                    }
                    _ => true,
                });
        // An event that had ended when the service was restored is new to it, with the responses in
        // Odoo.
        let untold = untold || event.forgotten && event.deeds.iter().any(|d| matches!(d, Deed::Unarchived));
        // A change by the organizer invites a guest who has just declined again, so the response in
        // Odoo is sent again.
        let declined = |d: &Deed| matches!(d, Deed::Answered(Side::Odoo, who, "declined") if *who == guest);
        let brings_back = |d: &Deed| matches!(d, Deed::Saved(_, values) if visible(values));
        let again = event.deeds.iter().any(declined) && event.deeds.iter().any(brings_back);
        at_most("response", answers + usize::from(untold) + usize::from(again));
        let stayed = event.invited.contains(guest)
            && guests.contains(guest)
            && !was_ended_or_revived(event)
            && !event
                .deeds
                .iter()
                .any(|d| matches!(d, Deed::Joined(_, who) | Deed::Left(_, who) if *who == guest));
        if stayed && prevailed && sent("update", guest) == 0 {
            wrongs.push(format!("no update for {guest}"));
        }
        // Without a mailbox event, the guest has nothing to respond to.
        let said = undisturbed_answer(event, guest).is_some() && event.before.live(guest).is_some();
        if alive && said && answers == 1 && sent("response", guest) == 0 {
            wrongs.push(format!("no answer from {guest}"));
        }
    }
    invited
}

/// Whether the organizer's list had a guest as declined at the last quiet.
fn is_listed_as_declined(event: &Event, guest: &str) -> bool {
    let list = event
        .before
        .live(address_of(event.organizer))
        .map(|copy| &copy["attendees"]);
    let mut lines = list.and_then(Value::as_array).into_iter().flatten();
    lines.any(|line| line["emailAddress"]["address"] == *guest && answer_of(&line["status"]) == "declined")
}

/// Whether something that guests can see has the value that Odoo, and only Odoo, gave it.
fn prevailed_in_odoo(event: &Event, now: &Sight) -> bool {
    let (Some(before), Some(record)) = (&event.before.record, &now.record) else {
        return false;
    };
    let (before, present) = (facts::in_odoo(before), facts::in_odoo(record));
    Field::ALL.into_iter().filter(|f| f.is_visible()).any(|field| {
        let here = last_value(event, Side::Odoo, field);
        let there = event
            .deeds
            .iter()
            .any(|d| matches!(d, Deed::Saved(Side::Outlook, values) if values.contains_key(&field)));
        !there && here.as_ref() == Some(&present[&field]) && before[&field] != present[&field]
    })
}
