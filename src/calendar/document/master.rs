//! Chooses the master of a series if one side only has its occurrences.
//!
//! Odoo has no master: it is what most occurrences have. Once half of them were changed one by one,
//! another value is the most frequent. What was changed in each would then be changed for all:
//! Outlook would drop the exceptions and mail every guest about each of them.

use super::changes::{changes, groups};
use super::{Document, same};
use crate::calendar::field::{Group, take_groups};
use crate::calendar::recurrence::End;

impl Document {
    /// Returns the same occurrences with the master of `before`, an earlier state of the same side,
    /// where that needs no more changes. An endless series stays as it is, as most of its
    /// occurrences are unknown.
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

    /// Returns the document with its master at the first slot of another document.
    fn at_start_of(&self, other: &Self) -> Self {
        let mut moved = self.clone();
        moved.master.time = self.slot_time(other.start());
        moved
    }

    /// Returns the same occurrences with another master.
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

/// Counts the writes that the change from one state to another may need.
fn effort(before: &Document, after: &Document) -> usize {
    let all = changes(before, after);
    let of_all = usize::from(all.rule || all.hours) + usize::from(!all.groups.is_empty());
    of_all + all.slots.len()
}
