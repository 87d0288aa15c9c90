//! What of a series is its master, where one side tells its occurrences alone.
//!
//! Odoo has no master: it is what most occurrences say. Once half of them have been changed one by one, another value is the most
//! frequent, and what was said of each would be said of all: Outlook would drop the exceptions and mail every guest for each of them.

use super::changes::{changes, groups};
use super::{Document, same};
use crate::calendar::field::{Group, take_groups};
use crate::calendar::recurrence::End;

impl Document {
    /// The same occurrences, with the master of `before`, a former state of the same side, in whatever takes no more changes so. An endless
    /// series stays as it is: of most of its occurrences nobody knows yet.
    #[must_use]
    pub fn keeping_master_of(&self, before: &Self) -> Self {
        if self.is_single() || before.is_single() || self.rule().end == End::Forever {
            return self.clone();
        }
        let is_comparable = |group: Group| {
            group != Group::Time
                || self.tz() == before.tz()
                    && self
                        .rule()
                        .same_dates(self.start(), before.rule(), before.start())
        };
        let differing: Vec<Group> = groups()
            .filter(|group| {
                !same(*group, &self.master, &before.at_start_of(self).master) && is_comparable(*group)
            })
            .collect();
        let mut best = self.clone();
        let each = differing.iter().map(std::slice::from_ref);
        for kept in std::iter::once(differing.as_slice()).chain(each) {
            let other = best.with_master_of(before, kept);
            if effort(before, &other) <= effort(before, &best) {
                best = other;
            }
        }
        best
    }

    /// The master as it is at the first slot of another one.
    fn at_start_of(&self, other: &Self) -> Self {
        let mut moved = self.clone();
        moved.master.time = self.slot_time(other.start());
        moved
    }

    /// The same occurrences, said by another master.
    fn with_master_of(&self, before: &Self, kept: &[Group]) -> Self {
        let mut other = self.clone();
        take_groups(kept, &mut other.master, &before.at_start_of(self).master);
        other.exceptions.clear();
        for slot in self.slots() {
            if let Some(event) = self.occurrence(slot) {
                other.set_occurrence(slot, &event);
            }
        }
        other
    }
}

/// How many writes the change from one state to another may take.
fn effort(before: &Document, after: &Document) -> usize {
    let all = changes(before, after);
    let of_all = usize::from(all.rule || all.hours) + usize::from(!all.groups.is_empty());
    of_all + all.slots.len()
}
