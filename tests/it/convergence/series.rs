//! A series that somebody has made, what people did to it, and its occurrences.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::people::Side;

/// What was done, as far as the oracle must know.
#[derive(Clone, Debug)]
pub struct Done {
    pub side: Side,
    pub(super) what: What,
    /// Mails of these kinds to each guest, at most: updates and cancellations.
    pub(super) updates: usize,
    pub(super) cancellations: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Created,
    Changed,
    /// One occurrence, which has something of its own since.
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
    /// As each side was when people had done with it.
    pub(super) meant: BTreeMap<Side, Option<Shape>>,
    pub(super) before: Option<Shape>,
    pub(super) invited: BTreeSet<String>,
}

impl Series {
    /// A reset deletes it from both sides; so many occurrences have something of their own.
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
