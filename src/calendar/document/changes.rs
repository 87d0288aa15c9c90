//! How a document must change to be another one of the same side.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::{Document, same};
use crate::calendar::field::{Group, unchanged};

/// How one document must change to be another one of the same side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The rule or the start, so the dates differ.
    pub rule: bool,
    /// The hours, length or zone of every occurrence.
    pub hours: bool,
    /// Groups of the master. [`Group::Time`] only if the meeting takes place once, before and
    /// after.
    pub groups: BTreeSet<Group>,
    /// Groups of single occurrences, with the values of the target's occurrence.
    pub slots: BTreeMap<NaiveDate, BTreeSet<Group>>,
    /// Slots to exclude.
    pub excluded_dates: BTreeSet<NaiveDate>,
    /// Slots to bring back.
    pub restored: BTreeSet<NaiveDate>,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// In what the two sides remain different.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differing {
    /// Groups of the master.
    pub groups: BTreeSet<Group>,
    /// Whether single occurrences, or the set of occurrences, differ.
    pub occurrences: bool,
}

impl Differing {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns whether anything else has changed.
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

/// Returns how `present` must change to be `target`, both of one side and in normal form.
///
/// A value that is written to the master reaches every occurrence. So a slot that has its own value
/// in such a group is listed in `slots`, changed or not, and its value is written over the
/// master's.
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
            // An occurrence that comes back may still have any value that it had when it was
            // excluded.
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

/// Returns whether two schedules differ only in their end.
pub(super) fn only_the_end(present: &Document, target: &Document) -> bool {
    let mut other = present.clone();
    other.set_end(target.rule().end);
    other.same_schedule(target)
}
