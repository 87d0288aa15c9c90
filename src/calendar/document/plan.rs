//! Decides what to write to either side of one meeting. The decision is pure data, and can be
//! printed before anything is done.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use super::changes::{Changes, Differing, changes, groups_of, only_the_end};
use super::merge::{DocumentConflict, merge};
use super::{Crossing, Document, Override, same};
use crate::calendar::event::{Address, Event};
use crate::calendar::field::Group;
use crate::calendar::merge::{Base, EditTimes, Policy};
use crate::calendar::plan::{Mail, Rights};

/// What is known of one side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum State<'a> {
    /// There has never been a meeting.
    Missing,
    /// In normal form.
    Present(&'a Document),
    /// Somebody has ended it: deleted, archived, cancelled, or excluded every occurrence.
    Gone,
}

/// Everything the decision depends on.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    pub base: Option<&'a Base>,
    pub odoo: State<'a>,
    pub outlook: State<'a>,
    pub rights: Rights,
    /// Whether a meeting that only Odoo has may be made in Outlook now.
    pub create_in_outlook: bool,
    /// Whether a meeting that only Outlook has may be made in Odoo now.
    pub create_in_odoo: bool,
    pub times: &'a EditTimes,
    pub policy: Policy,
}

/// What Odoo must do. The service reduces the target to its window
/// (`odoo::recurrence::for_window`).
#[derive(Clone, Debug, PartialEq)]
pub enum OdooStep {
    Nothing,
    Create(Document),
    /// One document, applied as a whole.
    Apply {
        changes: Changes,
        target: Document,
    },
    Archive,
}

/// One request to the organizer's mailbox. Requests are sent in their order.
#[derive(Clone, Debug, PartialEq)]
pub enum OutlookWrite {
    /// POST of a meeting without its exceptions, which follow.
    Create(Box<Document>),
    /// PATCH of the master, once for all shared values.
    Master {
        /// Property groups, with [`Group::Time`] if the hours, length, zone or start change.
        groups: BTreeSet<Group>,
        /// Whether the request contains `recurrence`, which a changed zone requires too.
        recurrence: bool,
        target: Box<Document>,
    },
    /// PATCH of the occurrence of a slot, with the groups that differ.
    Occurrence {
        slot: NaiveDate,
        groups: BTreeSet<Group>,
        target: Box<Event>,
    },
    /// DELETE of the occurrence of a slot, if it exists.
    Cancel { slot: NaiveDate },
    /// DELETE of the master.
    Delete,
}

/// What Outlook cannot express. For the journal, and set aside; everything else is written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsayable {
    #[error(transparent)]
    Crossing(#[from] Crossing),
    #[error("Outlook cannot bring back the occurrence of {0}, which was taken out of the series")]
    Restored(NaiveDate),
}

/// The writes to Outlook.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OutlookWrites {
    /// In order. With a changed pattern Exchange drops all exceptions (MS-OXOCAL 3.1.4.7.3.5). What
    /// it does with them when the hours change is not documented. So the writes after an
    /// [`OutlookWrite::Master`] with `recurrence` are the most that may be necessary. After that
    /// write, read the series again and call [`updated`] for the rest.
    pub writes: Vec<OutlookWrite>,
    pub unsayable: Vec<Unsayable>,
}

/// The decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub odoo: OdooStep,
    pub outlook: OutlookWrites,
    /// The date before which Outlook's series ends, when [`OutlookWrite::Create`] makes a new one
    /// in its place.
    pub continues_from: Option<NaiveDate>,
    /// Both sides agree that the series has ended.
    pub ended: bool,
    /// The two sides are equal: the base may be set to them.
    pub agreed: bool,
    /// Changes of Odoo that cannot be written to Outlook, as this mailbox may not change the event.
    pub differing: Differing,
    pub conflicts: Vec<DocumentConflict>,
    /// Slots that one side changed and the other excluded.
    pub overruled: BTreeSet<NaiveDate>,
    /// Slots that one side changed and the other does not have, as its pattern differs.
    pub apart: BTreeSet<NaiveDate>,
}

impl Plan {
    fn nothing() -> Self {
        Self {
            odoo: OdooStep::Nothing,
            outlook: OutlookWrites::default(),
            continues_from: None,
            ended: false,
            agreed: false,
            differing: Differing::default(),
            conflicts: Vec::new(),
            overruled: BTreeSet::new(),
            apart: BTreeSet::new(),
        }
    }

    /// Returns whether there is nothing to write on either side.
    pub fn is_idle(&self) -> bool {
        self.odoo == OdooStep::Nothing && self.outlook.writes.is_empty()
    }
}

/// Decides. Laws (property-tested): after a plan was carried out, nothing is left to do; nothing
/// that only one side changed is lost; an absent state matches nothing.
pub fn plan(situation: &Situation<'_>) -> Plan {
    use State::{Gone, Missing, Present};
    let mut plan = Plan::nothing();
    match (situation.odoo, situation.outlook) {
        (Present(odoo), Present(outlook)) => plan_both(situation, odoo, outlook, &mut plan),
        (Present(odoo), Missing) => {
            if situation.create_in_outlook {
                plan.outlook = created(odoo);
            }
        }
        // Archiving keeps the record, its messages and its links, and can be undone. So a deletion
        // in Outlook may win over an edit in Odoo without losing the edit.
        (Present(_), Gone) => {
            plan.odoo = OdooStep::Archive;
            plan.ended = true;
        }
        (Missing, Present(outlook)) => {
            if situation.create_in_odoo {
                plan.odoo = OdooStep::Create(outlook.clone());
            }
        }
        (Gone, Present(_)) => {
            plan.ended = true;
            // Removing somebody else's meeting from Odoo's calendar tells its organizer nothing.
            if situation.rights == Rights::Write {
                plan.outlook.writes.push(OutlookWrite::Delete);
            }
        }
        (Gone | Missing, Gone | Missing) => plan.ended = true,
    }
    plan
}

fn plan_both(situation: &Situation<'_>, odoo: &Document, outlook: &Document, plan: &mut Plan) {
    let merged = merge(situation.base, odoo, outlook, situation.times, situation.policy);
    plan.conflicts = merged.conflicts;
    plan.overruled = merged.overruled;
    plan.apart = merged.apart;
    if merged.over {
        plan.odoo = OdooStep::Archive;
        plan.ended = true;
        if situation.rights == Rights::Write {
            plan.outlook.writes.push(OutlookWrite::Delete);
        }
        return;
    }
    let to_odoo = changes(odoo, &merged.odoo);
    if !to_odoo.is_empty() {
        plan.odoo = OdooStep::Apply {
            changes: to_odoo,
            target: merged.odoo,
        };
    }
    let to_outlook = match merged.continues_from {
        Some(date) => {
            let mut writes = created(&merged.outlook);
            if let (Some(head), _) = outlook.split(date) {
                writes.writes.insert(0, master(BTreeSet::new(), true, &head));
            }
            writes
        }
        None => updated_with(outlook, &merged.outlook, &merged.to_outlook),
    };
    match situation.rights {
        Rights::Write => {
            plan.outlook = to_outlook;
            plan.continues_from = merged.continues_from;
        }
        Rights::ReadOnly => {
            plan.differing = differing(&to_outlook.writes);
            let differing = &plan.differing.groups;
            plan.conflicts
                .retain(|one| one.slot.is_some() || !differing.contains(&one.conflict.group));
        }
    }
    let differing = &plan.differing;
    let has_moved =
        |base: &Base| differing.is_news(&base.odoo, odoo) || differing.is_news(&base.outlook, outlook);
    plan.agreed = plan.is_idle() && plan.apart.is_empty() && situation.base.is_none_or(has_moved);
}

fn master(groups: BTreeSet<Group>, recurrence: bool, target: &Document) -> OutlookWrite {
    OutlookWrite::Master {
        groups,
        recurrence,
        target: Box::new(target.clone()),
    }
}

/// Returns the writes that create a series in Outlook.
pub fn created(target: &Document) -> OutlookWrites {
    let mut bare = target.clone();
    bare.exceptions.clear();
    bare.excluded_dates.clear();
    let mut out = OutlookWrites {
        writes: vec![OutlookWrite::Create(Box::new(bare.clone()))],
        unsayable: Vec::new(),
    };
    occurrences(bare, target, &mut out);
    out
}

/// Returns the writes that change `present`, Outlook's document, to `target`: at most one to the
/// master, then those of single occurrences. Each of the latter leaves the occurrence at a date
/// that Outlook permits.
pub fn updated(present: &Document, target: &Document) -> OutlookWrites {
    updated_with(present, target, &BTreeSet::new())
}

/// Does the same; `owed` are groups of the master to write although both are equal.
fn updated_with(present: &Document, target: &Document, owed: &BTreeSet<Group>) -> OutlookWrites {
    let changes = changes(present, target);
    let is_single = present.is_single() && target.is_single();
    let mut out = OutlookWrites::default();
    let starts_elsewhere = !is_single && present.start() != target.start();
    let mut groups: BTreeSet<_> = changes
        .groups
        .iter()
        .copied()
        // Responses come only from the guests' own mailboxes.
        .filter(|group| *group != Group::Attendees || !same_guests(&present.master, &target.master))
        .chain(owed.iter().copied())
        .collect();
    if changes.hours || starts_elsewhere {
        groups.insert(Group::Time);
    }
    let recurrence = !is_single && (changes.rule || groups.contains(&Group::Time));
    if recurrence || !groups.is_empty() {
        out.writes.push(master(groups, recurrence, target));
    }
    if is_single {
        return out;
    }
    // What is left to write for single occurrences if Exchange drops all exceptions with the
    // pattern. Those that still exist are not written again, as each is compared before it is
    // written.
    let mut left = present.rescheduled(target);
    left.master.clone_from(&target.master);
    if recurrence && !only_the_end(present, target) {
        left.exceptions.clear();
        let kept = |slot: &NaiveDate| !target.excluded_dates.contains(slot);
        left.excluded_dates.retain(kept);
    }
    occurrences(left, target, &mut out);
    out
}

/// Returns the mails that Outlook sends for each write, in their order; `present` is Outlook's
/// series before them. This is the largest possible number: with a new pattern Outlook may forget
/// overrides and excluded dates, or keep them (page *Update event*: one message for the master, and
/// one for each instance that was modified; MS-OXOCAL 3.1.4.7.3.5 and 3.1.4.9: a cancellation for
/// each that is gone with it).
pub fn mails(writes: &[OutlookWrite], present: Option<&Document>) -> Vec<Vec<Mail>> {
    let mut now = present.cloned();
    let mut all = Vec::with_capacity(writes.len());
    for write in writes {
        all.push(mails_of(write, now.as_ref()));
        match (write, &mut now) {
            (OutlookWrite::Create(series), _) => now = Some((**series).clone()),
            (OutlookWrite::Delete, _) => now = None,
            (
                OutlookWrite::Master {
                    recurrence, target, ..
                },
                Some(now),
            ) => {
                let mut next = now.rescheduled(target);
                next.master.clone_from(&target.master);
                if *recurrence {
                    next.exceptions.clear();
                }
                if *recurrence && !only_the_end(now, target) {
                    next.excluded_dates.clear();
                }
                *now = next;
            }
            (OutlookWrite::Occurrence { slot, target, .. }, Some(now)) => now.set_occurrence(*slot, target),
            (OutlookWrite::Cancel { slot }, Some(now)) => {
                now.exceptions.remove(slot);
                now.excluded_dates.insert(*slot);
            }
            (_, None) => {}
        }
    }
    all
}

/// Counts the people whom the deletion of a meeting mails. A person who is invited to several
/// single occurrences counts several times.
pub fn cancellations(document: Document) -> usize {
    mails(&[OutlookWrite::Delete], Some(&document))
        .iter()
        .map(Vec::len)
        .sum()
}

fn mails_of(write: &OutlookWrite, now: Option<&Document>) -> Vec<Mail> {
    let guests = |event: &Event| event.guests().cloned().collect::<BTreeSet<Address>>();
    match (write, now) {
        (OutlookWrite::Create(series), _) => {
            guests(&series.master).into_iter().map(Mail::Invitation).collect()
        }
        (
            OutlookWrite::Master {
                groups,
                recurrence,
                target,
            },
            Some(now),
        ) => {
            let is_told = *recurrence || is_told_to_all(groups);
            let (before, after) = (guests(&now.master), guests(&target.master));
            let mut mails = difference(&before, &after, is_told);
            let are_others = groups.contains(&Group::Attendees);
            // A changed occurrence mails its guests, including those who are invited only to it.
            for told in exceptions_guests(now) {
                let staying = before.intersection(&after).cloned();
                let told: BTreeSet<Address> = if is_told {
                    told.into_iter().chain(staying).collect()
                } else if are_others {
                    told.into_iter().filter(|guest| !after.contains(guest)).collect()
                } else {
                    BTreeSet::new()
                };
                mails.extend(told.into_iter().map(Mail::Update));
            }
            mails
        }
        (OutlookWrite::Occurrence { slot, groups, target }, Some(now)) => {
            let before = now
                .occurrence(*slot)
                .map(|event| guests(&event))
                .unwrap_or_default();
            difference(&before, &guests(target), is_told_to_all(groups))
        }
        (OutlookWrite::Cancel { slot }, Some(now)) => {
            let event = now.occurrence(*slot);
            let guests = event.map(|event| guests(&event)).unwrap_or_default();
            guests.into_iter().map(Mail::Cancellation).collect()
        }
        (OutlookWrite::Delete, Some(now)) => {
            let of_one = exceptions_guests(now).flatten();
            let guests = guests(&now.master).into_iter().chain(of_one);
            guests.map(Mail::Cancellation).collect()
        }
        (_, None) => Vec::new(),
    }
}

/// Returns the guests of each occurrence with an override.
fn exceptions_guests(series: &Document) -> impl Iterator<Item = BTreeSet<Address>> {
    let occurrences = series
        .exceptions
        .keys()
        .filter_map(|slot| series.occurrence(*slot));
    occurrences.map(|event| event.guests().cloned().collect())
}

/// Returns whether something changes that all guests see, besides the list of guests.
fn is_told_to_all(groups: &BTreeSet<Group>) -> bool {
    groups
        .iter()
        .any(|group| *group != Group::Attendees && group.visible_to_guests())
}

/// Returns the mails for a changed list of guests: an invitation for each added guest, a
/// cancellation for each removed one, and an update for the others if something changes for them.
fn difference(before: &BTreeSet<Address>, after: &BTreeSet<Address>, is_told: bool) -> Vec<Mail> {
    let added = after.difference(before).cloned().map(Mail::Invitation);
    let removed = before.difference(after).cloned().map(Mail::Cancellation);
    let staying = before
        .intersection(after)
        .filter(|_| is_told)
        .cloned()
        .map(Mail::Update);
    added.chain(removed).chain(staying).collect()
}

/// Returns in what the two sides remain different if these writes are not possible.
fn differing(writes: &[OutlookWrite]) -> Differing {
    let mut apart = Differing::default();
    for write in writes {
        match write {
            OutlookWrite::Master {
                groups, recurrence, ..
            } => {
                apart.groups.extend(groups);
                apart.occurrences |= recurrence;
            }
            _ => apart.occurrences = true,
        }
    }
    apart
}

fn same_guests(a: &Event, b: &Event) -> bool {
    a.attendees.keys().eq(b.attendees.keys())
}

/// Appends the writes that make the occurrences of `present`, which has `target`'s schedule and
/// master, equal to `target`'s.
fn occurrences(mut present: Document, target: &Document, out: &mut OutlookWrites) {
    for slot in target
        .excluded_dates
        .difference(&present.excluded_dates.clone())
        .copied()
    {
        out.writes.push(OutlookWrite::Cancel { slot });
        present.excluded_dates.insert(slot);
        present.exceptions.remove(&slot);
    }
    let restored = present.excluded_dates.difference(&target.excluded_dates);
    out.unsayable.extend(restored.copied().map(Unsayable::Restored));
    let slots: BTreeSet<_> = present
        .exceptions
        .keys()
        .chain(target.exceptions.keys())
        .copied()
        .collect();
    let mut todo: Vec<_> = slots
        .into_iter()
        .filter_map(|slot| {
            let (before, after) = (present.occurrence(slot)?, target.occurrence(slot)?);
            let groups = groups_of(|group| match group {
                Group::Attendees => !same_guests(&before, &after),
                group => !same(group, &before, &after),
            });
            (!groups.is_empty()).then_some((slot, groups, after))
        })
        .collect();
    // An occurrence that is in the way may itself be about to move, so the rest is tried again
    // after each possible move.
    while !todo.is_empty() {
        let possible = todo.iter().position(|(slot, groups, event)| {
            !groups.contains(&Group::Time) || present.crossing(*slot, present.date_of(&event.time)).is_ok()
        });
        let Some(index) = possible else {
            break;
        };
        let (slot, groups, event) = todo.remove(index);
        let own = Override::between(&present.regular(slot), &event);
        present.exceptions.insert(slot, own);
        out.writes.push(OutlookWrite::Occurrence {
            slot,
            groups,
            target: Box::new(event),
        });
    }
    for (slot, mut groups, event) in todo {
        if let Err(crossing) = present.crossing(slot, present.date_of(&event.time)) {
            out.unsayable.push(crossing.into());
        }
        groups.remove(&Group::Time);
        if !groups.is_empty() {
            out.writes.push(OutlookWrite::Occurrence {
                slot,
                groups,
                target: Box::new(event),
            });
        }
    }
}

#[cfg(test)]
mod tests;
