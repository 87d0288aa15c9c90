//! An event that somebody has made, and what people did to it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::facts::Values;
use super::people::{Answer, Side};

/// Something that somebody did to an event since the last quiet.
#[derive(Clone, Debug)]
pub enum Deed {
    Created,
    /// The fields that got another value.
    Saved(Side, Values),
    /// The two before it came to the same field before the sides could hear of each other.
    Clashed,
    Joined(Side, &'static str),
    Left(Side, &'static str),
    /// From one organizer to another.
    HandedOver(i64, i64),
    Archived,
    Unarchived,
    Unlinked,
    DeletedInOutlook,
    Answered(Side, &'static str, Answer),
    Dropped(&'static str),
    /// The copy with this graph id got this category.
    Categorized(String, String),
    /// Something about guests of whom nothing is judged.
    OtherGuests,
    /// One side is back at its backup.
    Restored,
}

/// Everything there is of one event at one time.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    pub record: Option<Value>,
    /// Mailbox → its events with the mark, cancelled ones among them.
    pub copies: BTreeMap<&'static str, Vec<Value>>,
}

/// An event that somebody has made.
#[derive(Clone, Debug)]
pub struct Event {
    /// Begins its title on every side, and says which event it is.
    pub mark: String,
    pub organizer: i64,
    pub deeds: Vec<Deed>,
    /// As it was at the last quiet; nothing for a new one.
    pub before: Sight,
    /// The guests whom mails have told that they are invited.
    pub invited: BTreeSet<String>,
    /// Of this event's and its copies' last known categories, by graph id.
    pub categories: BTreeMap<String, String>,
    /// Records that had been archived when Odoo was restored, and stay so beside the one that Outlook's event has since.
    pub(super) leftovers: BTreeSet<i64>,
    /// It had ended when the service was restored, which knows nothing of it.
    pub forgotten: bool,
    /// The guests who declined in Odoo while their own mailbox showed nothing of it, so that nobody was told.
    pub declined_untold: BTreeSet<String>,
}

impl Sight {
    /// A mailbox's one copy that is not cancelled.
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
