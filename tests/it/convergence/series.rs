//! A series, what people did to it, and its occurrences.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::people::Side;

/// What was done, as far as the oracle must know it.
#[derive(Clone, Debug)]
pub struct Done {
    pub side: Side,
    pub(super) what: What,
    /// How many mails each guest may get at most: updates and cancellations.
    pub(super) updates: usize,
    pub(super) cancellations: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Created,
    Changed,
    /// One occurrence, which differs from the others since.
    ChangedOne,
    Joined(&'static str),
    Left(&'static str),
    Removed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    pub(super) start: String,
    pub(super) end: String,
    pub(super) title: String,
    pub(super) place: String,
}

/// A series as one side shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    pub(super) occurrences: BTreeMap<NaiveDate, Occurrence>,
    pub(super) guests: BTreeSet<String>,
}

/// A series that somebody has made.
#[derive(Clone, Debug)]
pub struct Series {
    pub(super) mark: String,
    pub organizer: i64,
    pub(super) done: Vec<Done>,
    /// What each touched side showed when people had done with it.
    pub(super) meant: BTreeMap<Side, Option<Shape>>,
    pub(super) before: Option<Shape>,
    pub(super) invited: BTreeSet<String>,
}

impl Series {
    /// Notes that a reset deletes the series from both sides. `own` occurrences differ from the
    /// others.
    pub fn note_deletion(&mut self, own: usize) {
        if self.before.is_none() {
            return;
        }
        self.done.push(Done {
            side: Side::Odoo,
            what: What::Removed,
            updates: 0,
            cancellations: 1 + own,
        });
        self.meant.insert(Side::Odoo, None);
    }
}
