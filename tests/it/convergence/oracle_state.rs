//! Whether an event is as people made it: alive or not, its fields, guests, responses and
//! categories.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::event::{
    Deed, Event, Sight, has_crossed, last_value, stands_alone, undisturbed_answer, was_ended_or_revived,
};
use super::facts::{self, Field};
use super::people::{Side, address_of, has_mailbox};
use super::shown::{answer_in_record, answer_of, answers_in_record, guests_of_copy, guests_of_record};

/// What is wrong, in sentences.
pub(super) type Wrongs = Vec<String>;

/// Returns whether the event is alive on both sides.
pub(super) fn check_existence(event: &Event, now: &Sight, wrongs: &mut Wrongs) -> bool {
    let organizer = address_of(event.organizer);
    for (mailbox, copies) in &now.copies {
        let live = copies.iter().filter(|c| c["isCancelled"] != true).count();
        if live > 1 {
            wrongs.push(format!("{live} copies in the mailbox of {mailbox}"));
        }
    }
    let in_odoo = now.is_active();
    let in_outlook = now.live(organizer).is_some();
    let last = event.deeds.iter().rev().find(|d| {
        matches!(
            d,
            Deed::Archived | Deed::Unarchived | Deed::Unlinked | Deed::Created | Deed::HandedOver(..)
        )
    });
    let deleted = event.deeds.iter().any(|d| matches!(d, Deed::DeletedInOutlook));
    let expected = match last {
        Some(Deed::Archived | Deed::Unlinked) => Some(false),
        Some(Deed::Unarchived | Deed::HandedOver(..)) if deleted => None,
        Some(Deed::Unarchived | Deed::HandedOver(..)) => Some(true),
        _ if deleted => Some(false),
        Some(_) => Some(true),
        None => Some(event.before.is_active()),
    };
    let expected = expected.unwrap_or(in_odoo);
    if in_odoo != expected {
        wrongs.push(format!("active in Odoo: {in_odoo}, and should be {expected}"));
    }
    if in_outlook != expected {
        wrongs.push(format!(
            "in {organizer}'s Outlook: {in_outlook}, and should be {expected}"
        ));
    }
    let unlinked = event.deeds.iter().any(|d| matches!(d, Deed::Unlinked));
    // A restore removes records made after the backup, and brings back those deleted after it.
    let is_restored = event.deeds.iter().any(|d| matches!(d, Deed::Restored));
    if event.before.record.is_some() && now.record.is_some() == unlinked && !is_restored {
        wrongs.push("a record is only deleted by a person in Odoo, and then it is".to_owned());
    }
    if !expected {
        for (mailbox, copies) in &now.copies {
            if copies.iter().any(|c| c["isCancelled"] != true) {
                wrongs.push(format!("it has ended, and {mailbox} has it"));
            }
        }
    }
    expected
}

/// Returns the values that the deeds allow: the value before if nobody changed it, else the last of
/// each side. Empty if this cannot be known.
fn allowed<T>(before: Option<T>, odoo: Option<T>, outlook: Option<T>, lossy: bool) -> Vec<T> {
    // A change in Outlook of an event that ended in this round may have been lost with it.
    if lossy && outlook.is_some() {
        return Vec::new();
    }
    let mut allowed: Vec<T> = odoo.into_iter().chain(outlook).collect();
    if allowed.is_empty() {
        allowed.extend(before);
    }
    allowed
}

pub(super) fn check_fields(event: &Event, now: &Sight, wrongs: &mut Wrongs) {
    let organizer = address_of(event.organizer);
    let (Some(record), Some(copy)) = (&now.record, now.live(organizer)) else {
        return;
    };
    let (in_odoo, in_outlook) = (facts::in_odoo(record), facts::in_outlook(copy));
    let before = event.before.record.as_ref().map(facts::in_odoo);
    let lossy = was_ended_or_revived(event);
    for field in Field::ALL {
        let (odoo, outlook) = (&in_odoo[&field], &in_outlook[&field]);
        if *odoo != field.in_odoo(outlook) {
            wrongs.push(format!("{field:?}: Odoo says {odoo:?}, Outlook {outlook:?}"));
        }
        let saved = |side| last_value(event, side, field);
        let of_outlook = saved(Side::Outlook);
        let values = allowed(
            before.as_ref().map(|b| b[&field].clone()),
            saved(Side::Odoo),
            of_outlook.clone().map(|v| field.in_odoo(&v)),
            lossy,
        );
        if !values.is_empty() && !values.contains(odoo) {
            wrongs.push(format!("{field:?} is {odoo:?}, and may be {values:?}"));
        }
        // A value that only Outlook can express stays as it was last set there, unless Odoo changed
        // the field.
        let exact = of_outlook.or_else(|| {
            let earlier = event.before.live(organizer)?;
            (earlier["id"] == copy["id"]).then(|| facts::in_outlook(earlier)[&field].clone())
        });
        if let Some(exact) = exact
            && saved(Side::Odoo).is_none()
            && !lossy
            && exact != *outlook
        {
            wrongs.push(format!("{field:?} in Outlook is {outlook:?}, and was {exact:?}"));
        }
    }
    for guest in guests_of_copy(copy, organizer) {
        let Some(theirs) = now.live(&guest) else { continue };
        let theirs = facts::in_outlook(theirs);
        for field in Field::ALL.into_iter().filter(|f| f.is_visible()) {
            if theirs[&field] != in_outlook[&field] {
                wrongs.push(format!(
                    "{guest}'s copy has {field:?} {:?}, the organizer's {:?}",
                    theirs[&field], in_outlook[&field]
                ));
            }
        }
    }
}

pub(super) fn check_guests(event: &Event, now: &Sight, wrongs: &mut Wrongs) {
    let organizer = address_of(event.organizer);
    let (Some(record), Some(copy)) = (&now.record, now.live(organizer)) else {
        return;
    };
    let guests = guests_of_record(record, organizer);
    if guests != guests_of_copy(copy, organizer) {
        wrongs.push("Odoo and Outlook have different guests".to_owned());
    }
    let before = event
        .before
        .record
        .as_ref()
        .map(|r| guests_of_record(r, organizer))
        .unwrap_or_default();
    let everybody: BTreeSet<&str> = before
        .iter()
        .map(String::as_str)
        .chain(event.deeds.iter().filter_map(|d| match d {
            Deed::Joined(_, guest) | Deed::Left(_, guest) => Some(*guest),
            _ => None,
        }))
        .chain(guests.iter().map(String::as_str))
        .collect();
    let lossy = was_ended_or_revived(event);
    for guest in everybody {
        let last = |side| {
            event.deeds.iter().rev().find_map(|deed| match deed {
                Deed::Joined(at, who) if *at == side && *who == guest => Some(true),
                Deed::Left(at, who) if *at == side && *who == guest => Some(false),
                _ => None,
            })
        };
        let may = allowed(
            Some(before.contains(guest)),
            last(Side::Odoo),
            last(Side::Outlook),
            lossy,
        );
        let is = guests.contains(guest);
        let may_be = may.is_empty() || may.contains(&is) || is && has_crossed(event, guest);
        if !may_be {
            wrongs.push(format!("{guest} is a guest: {is}"));
        }
        let gone = |copies: &Sight| copies.live(guest).is_none();
        let left_on_their_own = event.deeds.iter().any(|d| match d {
            Deed::Dropped(who) => *who == guest,
            Deed::Answered(_, who, answer) => *who == guest && *answer == "declined",
            _ => false,
        });
        let was_there = !before.contains(guest) || !gone(&event.before);
        let has_a_copy = !gone(now) || left_on_their_own || has_crossed(event, guest);
        if is && has_mailbox(guest) && was_there && !has_a_copy {
            wrongs.push(format!("{guest} has no copy"));
        }
    }
}

pub(super) fn check_answers(event: &Event, now: &Sight, wrongs: &mut Wrongs) {
    let organizer = address_of(event.organizer);
    let (Some(record), Some(copy)) = (&now.record, now.live(organizer)) else {
        return;
    };
    for guest in guests_of_record(record, organizer) {
        let in_odoo = answer_in_record(record, &guest).expect("a guest's line");
        let in_outlook = if has_mailbox(&guest) {
            now.live(&guest)
                .map_or("declined", |theirs| answer_of(&theirs["responseStatus"]))
        } else {
            let list = copy["attendees"].as_array().expect("attendees");
            let line = list.iter().find(|a| a["emailAddress"]["address"] == *guest);
            line.map_or("needsAction", |a| answer_of(&a["status"]))
        };
        let may_stand =
            has_mailbox(&guest) && now.live(&guest).is_none() && stands_alone(event, &guest, &in_odoo);
        // A guest who has declined, or has deleted the invitation after responding, gets a new
        // mailbox event without a response when the meeting changes. If that mailbox was not read
        // meanwhile, Odoo has the response from the organizer's list, which keeps it.
        let list = copy["attendees"].as_array().expect("attendees");
        let remembered = list
            .iter()
            .any(|a| a["emailAddress"]["address"] == *guest && answer_of(&a["status"]) == in_odoo);
        let left = in_odoo == "declined" || event.before.live(&guest).is_none();
        // A restored service does not know the former mailbox event and its response: only the
        // organizer's list remains.
        let is_restored = event.deeds.iter().any(|d| matches!(d, Deed::Restored));
        let may_stand = may_stand || is_restored && has_mailbox(&guest) && now.live(&guest).is_none();
        // Nor does it know an event that had ended at its backup. It creates that in Outlook as an
        // existing event, with Odoo's responses.
        let is_revived = event.forgotten && event.deeds.iter().any(|d| matches!(d, Deed::Unarchived));
        let may_stand = may_stand || is_revived && in_outlook == "needsAction";
        // A person with two contacts in the record: either response may count.
        let may_stand = may_stand || answers_in_record(record, &guest) > 1;
        let may_stand = may_stand || left && in_outlook == "needsAction" && remembered;
        // A mailbox event that came back and was deleted before it was read leaves only the
        // organizer's list.
        let came_and_went = event.before.live(&guest).is_none() && now.live(&guest).is_none();
        let may_stand = may_stand || has_mailbox(&guest) && came_and_went && remembered;
        // A difference that existed at the last quiet may stay.
        let stood = |sight: &Sight| {
            let theirs = sight
                .live(&guest)
                .map(|theirs| answer_of(&theirs["responseStatus"]));
            let record = sight.record.as_ref();
            (theirs, record.and_then(|record| answer_in_record(record, &guest)))
        };
        let may_stand = may_stand || has_mailbox(&guest) && remembered && stood(&event.before) == stood(now);
        if in_odoo != in_outlook && !may_stand {
            wrongs.push(format!(
                "{guest} has answered {in_odoo} in Odoo, {in_outlook} in Outlook"
            ));
        }
        if let Some(answer) = undisturbed_answer(event, &guest)
            && answer != in_odoo
        {
            wrongs.push(format!("{guest} answered {answer}, and Odoo says {in_odoo}"));
        }
    }
}

/// Checks that each mailbox event still has the category that its owner gave it.
pub(super) fn check_categories(event: &Event, now: &Sight, wrongs: &mut Wrongs) -> BTreeMap<String, String> {
    let mut categories = event.categories.clone();
    for deed in &event.deeds {
        if let Deed::Categorized(id, category) = deed {
            categories.insert(id.clone(), category.clone());
        }
    }
    let copies: Vec<&Value> = now.copies.values().flatten().collect();
    categories.retain(|id, category| {
        let Some(copy) = copies.iter().find(|c| c["id"] == **id) else {
            return false;
        };
        if copy["categories"][0] != **category {
            wrongs.push(format!("the category {category} is lost: {}", copy["categories"]));
        }
        true
    });
    categories
}
