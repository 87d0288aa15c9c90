//! An event, and what people did to it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::facts::{self, Field, Values};
use super::people::{Answer, Side, address_of};
use super::shown::answer_in_record;

/// Something that somebody did to an event since the last quiet.
#[derive(Clone, Debug)]
pub enum Deed {
    Created,
    /// The fields that got another value.
    Saved(Side, Values),
    /// The two deeds before it changed the same field, before the sides could hear of each other.
    Clashed,
    Joined(Side, &'static str),
    Left(Side, &'static str),
    /// Handed over from one organizer to another.
    HandedOver(i64, i64),
    Archived,
    Unarchived,
    Unlinked,
    DeletedInOutlook,
    Answered(Side, &'static str, Answer),
    Dropped(&'static str),
    /// The mailbox event with this graph id got this category.
    Categorized(String, String),
    /// Something about guests that the oracle does not judge.
    OtherGuests,
    /// One side was restored from its backup.
    Restored,
}

/// Everything that exists of one event at one time.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    pub record: Option<Value>,
    /// Mailbox → its events with the mark, including cancelled ones.
    pub copies: BTreeMap<&'static str, Vec<Value>>,
}

/// An event that somebody has made.
#[derive(Clone, Debug)]
pub struct Event {
    /// The prefix of its title on every side, by which the event is identified.
    pub mark: String,
    pub organizer: i64,
    pub deeds: Vec<Deed>,
    /// The event at the last quiet; empty for a new one.
    pub before: Sight,
    /// The guests whom mails have told that they are invited.
    pub invited: BTreeSet<String>,
    /// The last known categories of this event's mailbox events, by graph id.
    pub categories: BTreeMap<String, String>,
    /// Records that were archived when Odoo was restored, and stay so beside the newer record.
    pub(super) leftovers: BTreeSet<i64>,
    /// The event had ended when the service was restored, so the service does not know it.
    pub forgotten: bool,
    /// Guests who declined in Odoo while they had no mailbox event, so that nobody was told.
    pub declined_untold: BTreeSet<String>,
}

impl Sight {
    /// Returns a mailbox's only event that is not cancelled.
    pub fn live(&self, address: &str) -> Option<&Value> {
        self.copies
            .get(address)?
            .iter()
            .find(|copy| copy["isCancelled"] != true)
    }

    pub fn is_active(&self) -> bool {
        self.record.as_ref().is_some_and(|r| r["active"] == true)
    }
}

/// Whether people ended or revived the event in this round, so that the other side's changes may be
/// lost.
pub(super) fn was_ended_or_revived(event: &Event) -> bool {
    event.deeds.iter().any(|d| {
        matches!(
            d,
            Deed::Archived
                | Deed::Unarchived
                | Deed::Unlinked
                | Deed::DeletedInOutlook
                | Deed::HandedOver(..)
        )
    })
}

pub(super) fn last_value(event: &Event, side: Side, field: Field) -> Option<String> {
    event.deeds.iter().rev().find_map(|deed| match deed {
        Deed::Saved(at, values) if *at == side => values.get(&field).cloned(),
        _ => None,
    })
}

/// Whether a guest responded in Odoo and was removed in Outlook in the same round.
pub(super) fn has_crossed(event: &Event, guest: &str) -> bool {
    let deeds = &event.deeds;
    let has_answered = |d: &Deed| matches!(d, Deed::Answered(Side::Odoo, who, _) if *who == guest);
    let has_left = |d: &Deed| matches!(d, Deed::Left(Side::Outlook, who) if *who == guest);
    deeds.iter().any(has_answered) && deeds.iter().any(has_left)
}

/// Whether a response in Odoo may stand although the guest's mailbox event is gone. Either the
/// guest gave it in Odoo after deleting the mailbox event, or that event came and went before it
/// was read.
pub(super) fn stands_alone(event: &Event, guest: &str, in_odoo: &str) -> bool {
    let given = |deed: &Deed| matches!(deed, Deed::Answered(Side::Odoo, who, answer) if *who == guest && *answer == in_odoo);
    let earlier = event
        .before
        .record
        .as_ref()
        .and_then(|r| answer_in_record(r, guest));
    // An event that came by a new invitation and went before the mailbox was read was never seen.
    let is_asked_anew = |deed: &Deed| match deed {
        Deed::Unarchived | Deed::HandedOver(..) => true,
        Deed::Joined(_, who) => *who == guest,
        _ => false,
    };
    let unseen = event.before.live(guest).is_none() || event.deeds.iter().any(is_asked_anew);
    let told = |deed: &Deed| match deed {
        // The organizer's mailbox tells it.
        Deed::Answered(_, who, answer) => *who == guest && *answer == in_odoo,
        Deed::Unarchived | Deed::Created | Deed::HandedOver(..) => in_odoo == "needsAction",
        Deed::Joined(_, who) => *who == guest && in_odoo == "needsAction",
        _ => false,
    };
    let known = earlier.as_deref().unwrap_or("needsAction") == in_odoo || event.deeds.iter().any(told);
    event.deeds.iter().any(given) || (unseen && known)
}

/// Returns the only response that a guest gave, unless something else, such as a new time, reset
/// it.
pub(super) fn undisturbed_answer<'a>(event: &'a Event, guest: &str) -> Option<&'a str> {
    let mut answers = event.deeds.iter().filter_map(|deed| match deed {
        Deed::Answered(_, who, answer) if *who == guest => Some(*answer),
        _ => None,
    });
    let (answer, None) = (answers.next()?, answers.next()) else {
        return None;
    };
    let disturbed = event.deeds.iter().any(|deed| match deed {
        Deed::Saved(_, values) => values.contains_key(&Field::Time) || answer == "declined",
        // Any change by the organizer invites a guest who has declined again.
        Deed::Joined(_, who) | Deed::Left(_, who) => *who == guest || answer == "declined",
        Deed::Dropped(who) => *who == guest,
        Deed::Answered(..) | Deed::Categorized(..) | Deed::Clashed => false,
        _ => true,
    });
    (!disturbed).then_some(answer)
}

/// Returns the field that both sides changed once, in one clash, and nothing else did.
pub(super) fn clashed(event: &Event) -> Option<Field> {
    if was_ended_or_revived(event) || event.before.record.is_none() {
        return None;
    }
    let saves = |side| {
        event.deeds.iter().filter_map(move |d| match d {
            Deed::Saved(at, values) if *at == side => Some(values),
            _ => None,
        })
    };
    event.deeds.windows(3).find_map(|deeds| {
        let [
            Deed::Saved(Side::Outlook, there),
            Deed::Saved(Side::Odoo, here),
            Deed::Clashed,
        ] = deeds
        else {
            return None;
        };
        let field = *there.keys().next().filter(|f| here.contains_key(f))?;
        let alone = |side| saves(side).filter(|values| values.contains_key(&field)).count() == 1;
        let differ = field.in_odoo(&there[&field]) != here[&field];
        let before = facts::in_odoo(event.before.record.as_ref()?);
        let changed = field.in_odoo(&there[&field]) != before[&field];
        (there.len() == 1
            && here.len() == 1
            && differ
            && changed
            && alone(Side::Odoo)
            && alone(Side::Outlook))
        .then_some(field)
    })
}

/// Whether this person organized the event before somebody handed it over in this round.
pub(super) fn handed_over_by(event: &Event, address: &str) -> bool {
    event
        .deeds
        .iter()
        .any(|d| matches!(d, Deed::HandedOver(from, _) if address_of(*from) == address))
}
