//! Chooses the master of a series if one side only has its occurrences.
//!
//! Odoo has no master: it is what most occurrences have. Once half of them were changed one by one,
//! another value is the most frequent. What was changed in each would then be changed for all:
//! Outlook would drop the exceptions and mail every guest about each of them.

use super::changes::{changes, groups};
use super::{Document, same};
use crate::calendar::field::{Group, agree, take_groups};
use crate::calendar::recurrence::End;

/// Groups whose values both sides tell alike.
const TOLD_ALIKE: [Group; 6] = [
    Group::Title,
    Group::Body,
    Group::Location,
    Group::Privacy,
    Group::ShowAs,
    Group::Reminder,
];

impl Document {
    /// Returns the same occurrences with the master of `before`, an earlier state of the same side,
    /// where that needs fewer changes. An endless series stays as it is, as most of its
    /// occurrences are unknown.
    #[must_use]
    pub fn keeping_master_of(&self, before: &Self) -> Self {
        if self.is_single() || before.is_single() || self.rule().end == End::Forever {
            return self.clone();
        }
        let (first, was) = (self.start(), before.at_start_of(self).master);
        let occurrences = || self.slots().filter_map(|slot| self.occurrence(slot));
        let may_be_kept = |group: Group| match group {
            Group::Time => {
                self.tz() == before.tz() && self.rule().same_dates(first, before.rule(), before.start())
            }
            // Guests are guests of the series unless an occurrence still has the former list.
            Group::Attendees => occurrences().any(|event| same(group, &event, &was)),
            // What all of them have now was set for all of them.
            _ => {
                occurrences().any(|event| !same(group, &self.master, &event)) || !self.differs(group, before)
            }
        };
        let differing: Vec<Group> = groups()
            .filter(|group| !same(*group, &self.master, &was) && may_be_kept(*group))
            .collect();
        if differing.is_empty() {
            return self.clone();
        }
        let (mut best, mut least) = (self.clone(), effort(before, self));
        let each = differing.iter().map(std::slice::from_ref);
        for kept in std::iter::once(differing.as_slice()).chain(each) {
            let other = best.with_master_of(before, kept);
            let needed = effort(before, &other);
            // Other hours of all are one write, of each as many as there are occurrences.
            if needed < least || needed == least && !kept.contains(&Group::Time) {
                (best, least) = (other, needed);
            }
        }
        best
    }

    /// Returns the same occurrences with the master of `outlook`, where both sides have the same
    /// occurrences. Outlook's master may be what none of them is, if each was changed, and is what
    /// further occurrences will be.
    #[must_use]
    pub fn with_outlooks_master(&self, outlook: &Self) -> Self {
        if self.is_single() || outlook.is_single() || self.rule().end == End::Forever {
            return self.clone();
        }
        let pairs = || {
            self.slots()
                .filter_map(|slot| Some((self.occurrence(slot)?, outlook.occurrence(slot))))
        };
        let differing: Vec<Group> = TOLD_ALIKE
            .into_iter()
            .filter(|group| !agree(*group, &self.master, &outlook.master))
            .filter(|group| {
                pairs().all(|(odoo, outlook)| outlook.is_some_and(|outlook| agree(*group, &odoo, &outlook)))
            })
            .collect();
        if differing.is_empty() {
            return self.clone();
        }
        self.with_master_of(outlook, &differing)
    }

    /// Returns whether some occurrence has another value than before.
    fn differs(&self, group: Group, before: &Self) -> bool {
        let mut of_both = self
            .slots()
            .filter_map(|slot| Some((self.occurrence(slot)?, before.occurrence(slot)?)));
        of_both.any(|(now, then)| !same(group, &then, &now))
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

/// Returns how many writes the change from one state to the other may take. Outlook drops the
/// exceptions of a series that gets other hours, so these are written again.
fn effort(before: &Document, after: &Document) -> usize {
    let all = changes(before, after);
    2 * usize::from(all.rule || all.hours) + usize::from(!all.groups.is_empty()) + all.slots.len()
}
