//! A mailbox as it is stored, and what can be looked up in it.

use super::ids::{IMMUTABLE, IMMUTABLE_LENGTH, REST, REST_LENGTH, SLOT, new_rest_id, random, slot_id};
use super::people::Person;
use super::permissions::{MeetingMessages, Role};
use crate::error::GraphError;
use crate::event::Event;
use crate::event_view::{Dates, View};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use rand::RngCore;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// A `calendar`; `owner` is a name and an address.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Calendar {
    pub id: String,
    pub name: String,
    pub is_default: bool,
    pub can_edit: bool,
    pub change: u64,
    pub owner: (String, String),
}

/// What the change log knows at one position.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Logged {
    Live(u64),
    /// Back in the calendar that it had left at the other position, under the immutable id it always had.
    Returned {
        key: u64,
        left: u64,
    },
    Gone {
        rest_id: String,
        immutable_id: String,
        calendar: String,
        /// As it was; unknown of states saved before it was kept.
        #[serde(default)]
        last: Option<Box<Event>>,
    },
}

/// A change worth a webhook.
#[derive(Clone, Debug)]
pub struct Poke {
    pub kind: &'static str,
    pub rest_id: String,
    pub immutable_id: String,
    pub change_key: String,
}

/// A mailbox. Its events are known by a key that never leaves the simulator.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mailbox {
    pub address: String,
    pub salt: u64,
    pub calendars: Vec<Calendar>,
    pub events: BTreeMap<u64, Event>,
    /// Deleted Items.
    #[serde(default)]
    pub deleted: BTreeMap<u64, Event>,
    /// Every event once, at its latest change: a delta round reads a range of it.
    pub log: BTreeMap<u64, Logged>,
    pub next_key: u64,
    pub next_seq: u64,
    pub next_change: u64,
    /// Delta tokens of an older generation are dead.
    pub generation: u32,
    /// How far the clock of the server that holds the mailbox is ahead: in its timestamps and in `Date`.
    #[serde(default)]
    pub clock_skew_seconds: i64,
    /// `allowedOnlineMeetingProviders` of its calendars; without it Teams for work accounts and none for personal
    /// ones.
    #[serde(default)]
    pub providers: Option<Vec<String>>,
    /// The code that whatever mails somebody is refused with; empty: it is sent.
    #[serde(default)]
    pub sending_refused: String,
    /// Over its quota: nothing can be added, and nobody be mailed.
    #[serde(default)]
    pub full: bool,
    /// Who may see or change the primary calendar, by their addresses in lower case.
    #[serde(default)]
    pub permissions: BTreeMap<String, Role>,
    #[serde(default)]
    pub meeting_messages: MeetingMessages,
    #[serde(skip)]
    pub(super) ids: HashMap<String, u64>,
    #[serde(skip)]
    pub(super) icals: HashMap<String, u64>,
    #[serde(skip)]
    pub(super) transactions: HashMap<String, u64>,
    /// Events whose change keys turn by themselves, and when.
    #[serde(skip)]
    pub turning: Vec<(DateTime<Utc>, u64)>,
    #[serde(skip)]
    pub pokes: Vec<Poke>,
}

/// When something was changed, and the number behind its change key.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    pub change: u64,
    pub time: DateTime<Utc>,
}

/// An event, or the occurrence of a series on its original date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    pub key: u64,
    pub day: Option<NaiveDate>,
}

impl Mailbox {
    /// Returns a mailbox with the calendars that each begins with.
    pub fn new(person: &Person) -> Self {
        let owner = (person.name.clone(), person.address.clone());
        let calendar = |name: &str, is_default: bool, can_edit: bool| Calendar {
            id: format!("{REST}{}", random(90)),
            name: name.to_owned(),
            is_default,
            can_edit,
            change: 1,
            owner: owner.clone(),
        };
        Self {
            address: person.address.clone(),
            salt: rand::rng().next_u64(),
            // Birthdays can be read and not written.
            calendars: vec![
                calendar("Calendar", true, true),
                calendar("Birthdays", false, false),
            ],
            events: BTreeMap::new(),
            deleted: BTreeMap::new(),
            log: BTreeMap::new(),
            next_key: 1,
            next_seq: 1,
            next_change: 1,
            generation: 1,
            clock_skew_seconds: 0,
            providers: None,
            sending_refused: String::new(),
            full: false,
            permissions: BTreeMap::new(),
            meeting_messages: MeetingMessages::default(),
            ids: HashMap::new(),
            icals: HashMap::new(),
            transactions: HashMap::new(),
            turning: Vec::new(),
            pokes: Vec::new(),
        }
    }

    /// Adds a calendar, and returns its id.
    pub fn add_calendar(&mut self, name: &str, can_edit: bool, owner: (String, String)) -> String {
        let id = new_rest_id();
        self.calendars.push(Calendar {
            id: id.clone(),
            name: name.to_owned(),
            is_default: false,
            can_edit,
            change: 1,
            owner,
        });
        id
    }

    /// Gives a calendar another name; its id stays. No two calendars have the same.
    pub fn rename_calendar(&mut self, id: &str, name: &str) -> Result<(), GraphError> {
        let is_same = |c: &Calendar| c.id != id && c.name.eq_ignore_ascii_case(name);
        if self.calendars.iter().any(is_same) {
            return Err(GraphError::new(
                409,
                "ErrorFolderExists",
                "A folder with the specified name already exists.",
            ));
        }
        let change = self.take_change();
        let calendar = self.calendars.iter_mut().find(|c| c.id == id);
        let calendar = calendar.ok_or_else(GraphError::not_found)?;
        name.clone_into(&mut calendar.name);
        calendar.change = change;
        Ok(())
    }

    /// Deletes a calendar other than the default one ("Delete calendar"), with its events: the folder goes to Deleted
    /// Items, and nobody is told. How Graph refuses the default one is not documented.
    pub fn remove_calendar(&mut self, id: &str) -> Result<(), GraphError> {
        let calendar = self.calendar(id).ok_or_else(GraphError::not_found)?;
        if calendar.is_default {
            return Err(GraphError::request("The default calendar cannot be deleted."));
        }
        let inside = self.events.values().filter(|event| event.calendar == id);
        let keys: Vec<u64> = inside.map(|event| event.key).collect();
        for key in keys {
            self.remove(key);
        }
        self.calendars.retain(|c| c.id != id);
        Ok(())
    }

    /// Rebuilds what is not saved, after a state was loaded.
    pub fn reindex(&mut self) {
        self.ids.clear();
        self.icals.clear();
        self.transactions.clear();
        let events = std::mem::take(&mut self.events);
        for event in events.values() {
            self.index(event);
        }
        self.events = events;
    }

    /// Returns the default calendar's id.
    pub fn primary(&self) -> &str {
        self.calendars
            .iter()
            .find(|c| c.is_default)
            .map_or("", |c| c.id.as_str())
    }

    pub fn calendar(&self, id: &str) -> Option<&Calendar> {
        self.calendars.iter().find(|c| c.id == id)
    }

    /// An event of a calendar.
    pub fn find(&self, id: &str) -> Result<Target, GraphError> {
        let found = self.find_anywhere(id)?;
        if self.events.contains_key(&found.key) {
            Ok(found)
        } else {
            Err(GraphError::not_found())
        }
    }

    /// An event of a calendar, or of Deleted Items.
    pub fn held(&self, key: u64) -> Option<&Event> {
        self.events.get(&key).or_else(|| self.deleted.get(&key))
    }

    /// Resolves an id of either format, of what is in Deleted Items as well; ids are case-sensitive.
    pub(crate) fn find_anywhere(&self, id: &str) -> Result<Target, GraphError> {
        let malformed = || GraphError::bad("ErrorInvalidIdMalformed", "Id is malformed.");
        let base = if id.starts_with(REST) {
            REST_LENGTH
        } else if id.starts_with(IMMUTABLE) {
            IMMUTABLE_LENGTH
        } else {
            return Err(malformed());
        };
        let (Some(head), Some(tail)) = (id.get(..base), id.get(base..)) else {
            return Err(malformed());
        };
        let day = match tail {
            "" => None,
            tail => {
                let number = tail
                    .strip_prefix(SLOT)
                    .and_then(|t| t.strip_suffix("=="))
                    .ok_or_else(malformed)?;
                let number = i32::from_str_radix(number, 16).map_err(|_| malformed())?;
                Some(NaiveDate::from_num_days_from_ce_opt(number).ok_or_else(malformed)?)
            }
        };
        let key = match self.ids.get(head) {
            Some(key) => *key,
            // The other id went with the folder.
            None => self
                .deleted
                .values()
                .find(|event| event.immutable_id == head)
                .map(|event| event.key)
                .ok_or_else(GraphError::not_found)?,
        };
        if let Some(day) = day {
            let event = self.held(key).ok_or_else(GraphError::not_found)?;
            if event.recurrence.is_none() || !event.has_occurrence(day) {
                return Err(GraphError::not_found());
            }
        }
        Ok(Target { key, day })
    }

    /// Resolves an id that is said to be of one of the formats.
    pub(crate) fn find_as(&self, id: &str, immutable: bool) -> Result<Target, GraphError> {
        if id.starts_with(IMMUTABLE) != immutable {
            return Err(GraphError::bad("ErrorInvalidIdMalformed", "Id is malformed."));
        }
        self.find(id)
    }

    /// Finds an event of a calendar by its `iCalUId`.
    pub fn by_ical(&self, uid: &str) -> Option<u64> {
        self.icals.get(uid).copied()
    }

    pub(crate) fn by_transaction(&self, id: &str) -> Option<&Event> {
        self.events.get(self.transactions.get(id)?)
    }

    pub(super) fn change_key(&self, change: u64) -> String {
        use base64::Engine;
        let mut bytes = self.salt.to_be_bytes().to_vec();
        bytes.extend(change.to_be_bytes());
        bytes.extend(self.salt.rotate_left(17).to_le_bytes()[..4].iter());
        base64::engine::general_purpose::STANDARD.encode(bytes)
    }

    /// Returns the `@odata.etag`, a weak one.
    pub fn etag(&self, target: Target) -> Option<String> {
        let event = self.held(target.key)?;
        let change = target
            .day
            .and_then(|d| event.exceptions.get(&d))
            .map_or(event.change, |x| x.change);
        Some(format!("W/\"{}\"", self.change_key(change)))
    }

    pub fn id_of(&self, event: &Event, day: Option<NaiveDate>, immutable: bool) -> String {
        let base = if immutable {
            &event.immutable_id
        } else {
            &event.rest_id
        };
        day.map_or_else(|| base.clone(), |d| slot_id(base, d))
    }

    pub fn view<'a>(
        &self,
        event: &'a Event,
        day: Option<NaiveDate>,
        immutable: bool,
        undeclared: bool,
    ) -> View<'a> {
        // The occurrences of a series share its change key until they are changed themselves.
        let change = day
            .and_then(|d| event.exceptions.get(&d))
            .map_or(event.change, |x| x.change);
        View {
            event,
            day,
            id: self.id_of(event, day, immutable),
            master_id: day.map(|_| self.id_of(event, None, immutable)),
            change_key: self.change_key(change),
            undeclared,
            dates: Dates::default(),
        }
    }

    /// The time by the clock of this mailbox's server.
    pub fn now(&self) -> DateTime<Utc> {
        Utc::now() + TimeDelta::try_seconds(self.clock_skew_seconds).unwrap_or_default()
    }

    pub fn stamp(&mut self) -> Stamp {
        Stamp {
            change: self.take_change(),
            time: self.now(),
        }
    }

    pub(super) fn take_change(&mut self) -> u64 {
        self.next_change += 1;
        self.next_change
    }

    pub(super) fn take_seq(&mut self) -> u64 {
        self.next_seq += 1;
        self.next_seq
    }

    /// Lets an event be found by its ids.
    pub(super) fn index(&mut self, event: &Event) {
        let key = event.key;
        self.ids.insert(event.rest_id.clone(), key);
        self.ids.insert(event.immutable_id.clone(), key);
        self.icals.insert(event.ical_uid.clone(), key);
        if let Some(id) = &event.transaction {
            self.transactions.insert(id.clone(), key);
        }
    }
}
