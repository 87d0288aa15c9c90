//! How a document must change to be another one of the same side.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::{Document, same};
use crate::calendar::field::{Group, unchanged};

/// How one document must change to be another one of the same side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Rule or start: dates.
    pub rule: bool,
    /// Hours, length or zone of every occurrence.
    pub hours: bool,
    /// Of the master. [`Group::Time`] only where it takes place once, before and after.
    pub groups: BTreeSet<Group>,
    /// Of single occurrences; with values of the target's occurrence.
    pub slots: BTreeMap<NaiveDate, BTreeSet<Group>>,
    /// Slots to take out.
    pub excluded_dates: BTreeSet<NaiveDate>,
    /// Slots to bring back.
    pub restored: BTreeSet<NaiveDate>,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What the two sides stay apart in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differing {
    /// Groups of the master.
    pub groups: BTreeSet<Group>,
    /// Single occurrences, or which there are.
    pub occurrences: bool,
}

impl Differing {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether something else than that has changed.
    pub(super) fn is_news(&self, before: &Document, now: &Document) -> bool {
        let mut news = changes(before, now);
        news.groups.retain(|group| !self.groups.contains(group));
        if self.occurrences {
            !news.groups.is_empty()
        } else {
            !news.is_empty()
        }
    }
}

/// How `present` must change to be `target`, both of one side and in normal form.
///
/// A value of the master that is written reaches every occurrence: where a slot has a value of its own in such
/// a group, it is named in `slots`, changed or not, so that it can be written over the template's.
pub fn changes(present: &Document, target: &Document) -> Changes {
    if present.is_single() && target.is_single() {
        return Changes {
            groups: groups_of(|group| !unchanged(group, &present.master, &target.master)),
            ..Changes::default()
        };
    }
    let rule = !present
        .rule()
        .same_dates(present.start(), target.rule(), target.start());
    let mut present_rule = target.clone();
    present_rule.recurrence.clone_from(&present.recurrence);
    present_rule.master.time = target.slot_time(present.start());
    let hours = !present_rule.same_schedule(present);
    let groups: BTreeSet<_> = groups()
        .filter(|group| *group != Group::Time && !same(*group, &present.master, &target.master))
        .collect();
    let moved = present.rescheduled(target);
    let mentioned = |series: &Document| -> BTreeSet<NaiveDate> {
        series
            .exceptions
            .keys()
            .chain(&series.excluded_dates)
            .copied()
            .collect()
    };
    let mut changes = Changes {
        rule,
        hours,
        groups,
        ..Changes::default()
    };
    for slot in mentioned(&moved).union(&mentioned(target)).copied() {
        let (was, shall) = (
            moved.excluded_dates.contains(&slot),
            target.excluded_dates.contains(&slot),
        );
        if shall {
            if !was {
                changes.excluded_dates.insert(slot);
            }
            continue;
        }
        if was {
            changes.restored.insert(slot);
        }
        let own = |series: &Document, group| {
            let own = series.exceptions.get(&slot);
            own.is_some_and(|own| own.has(group))
        };
        let regular = target.regular(slot);
        let value = |series: &Document| {
            let own = series.exceptions.get(&slot);
            own.map_or_else(|| regular.clone(), |own| own.onto(regular.clone()))
        };
        let (before, after) = (value(&moved), value(target));
        let differ: BTreeSet<_> = groups_of(|group| {
            let overwritten = own(target, group)
                && (changes.groups.contains(&group) || (group == Group::Time && (rule || hours)));
            // What comes back may have kept whatever it was when it was taken out.
            was || own(&moved, group) != own(target, group) || !same(group, &before, &after) || overwritten
        });
        if !differ.is_empty() {
            changes.slots.insert(slot, differ);
        }
    }
    changes
}

pub(super) fn groups() -> impl Iterator<Item = Group> {
    Group::SINGLE.into_iter().chain([Group::Attendees])
}

pub(super) fn groups_of(wanted: impl Fn(Group) -> bool) -> BTreeSet<Group> {
    groups().filter(|group| wanted(*group)).collect()
}

/// Whether two schedules differ in nothing but where they end.
pub(super) fn only_the_end(present: &Document, target: &Document) -> bool {
    let mut other = present.clone();
    other.set_end(target.rule().end);
    other.same_schedule(target)
}
