//! Writing to a mailbox: its ids, its change log and its notifications follow.

use super::ids::{new_immutable_id, new_rest_id};
use super::mailbox::{Logged, Mailbox, Poke};
use crate::error::GraphError;
use crate::event::Event;
use chrono::{DateTime, Utc};

impl Mailbox {
    /// Stores a new event, giving it key, ids and its place in the log.
    pub fn insert(&mut self, mut event: Event) -> u64 {
        let key = self.next_key;
        self.next_key += 1;
        event.key = key;
        event.rest_id = new_rest_id();
        event.immutable_id = new_immutable_id();
        event.created = self.now();
        event.modified = event.created;
        event.reach = None;
        event.extend_reach();
        event.change = self.take_change();
        event.seq = self.take_seq();
        self.log.insert(event.seq, Logged::Live(key));
        self.index(&event);
        // One create is notified as created and as updated.
        self.poke("created", &event);
        self.poke("updated", &event);
        self.events.insert(key, event);
        key
    }

    /// Notifies of a change. `/me/events` covers the default calendar alone (microsoft-graph-docs#6595, #21978).
    fn poke(&mut self, kind: &'static str, event: &Event) {
        if event.calendar != self.primary() {
            return;
        }
        let change_key = self.change_key(event.change);
        self.pokes.push(Poke {
            kind,
            rest_id: event.rest_id.clone(),
            immutable_id: event.immutable_id.clone(),
            change_key,
        });
    }

    /// Puts a changed event back: new change key, new place in the log.
    pub fn replace(&mut self, mut event: Event) {
        event.change = self.take_change();
        event.modified = self.now();
        event.extend_reach();
        let before = self.events.get(&event.key);
        event.was_single |= before.is_some_and(|before| before.recurrence.is_none());
        self.log.remove(&event.seq);
        event.seq = self.take_seq();
        self.log.insert(event.seq, Logged::Live(event.key));
        self.poke("updated", &event);
        self.events.insert(event.key, event);
    }

    pub fn remove(&mut self, key: u64) -> Option<Event> {
        let event = self.events.remove(&key)?;
        self.log.remove(&event.seq);
        self.ids.remove(&event.rest_id);
        self.ids.remove(&event.immutable_id);
        self.icals.remove(&event.ical_uid);
        if let Some(id) = &event.transaction {
            self.transactions.remove(id);
        }
        let seq = self.take_seq();
        self.log.insert(seq, gone(&event));
        self.poke("deleted", &event);
        self.deleted.insert(key, event.clone());
        Some(event)
    }

    /// A change of what lies in Deleted Items: no calendar shows it, and nobody is told.
    pub(crate) fn replace_deleted(&mut self, mut event: Event) {
        event.change = self.take_change();
        event.modified = self.now();
        self.deleted.insert(event.key, event);
    }

    /// An event goes on under other ids.
    pub(crate) fn renew_ids(&mut self, key: u64) -> Result<(), GraphError> {
        let mut event = self.events.get(&key).cloned().ok_or_else(GraphError::not_found)?;
        let seq = self.take_seq();
        self.log.insert(seq, gone(&event));
        self.poke("deleted", &event);
        self.ids.remove(&event.rest_id);
        self.ids.remove(&event.immutable_id);
        event.rest_id = new_rest_id();
        event.immutable_id = new_immutable_id();
        self.index(&event);
        self.replace(event);
        Ok(())
    }

    /// A person takes an event back out of Deleted Items: moved, and not copied, so it keeps its immutable id. Nobody is told.
    pub(crate) fn put_back(&mut self, id: &str) -> Result<u64, GraphError> {
        let found = self.log.iter().rev().find_map(|(seq, logged)| match logged {
            Logged::Gone {
                rest_id,
                immutable_id,
                last: Some(last),
                ..
            } if rest_id == id || immutable_id == id => Some((*seq, last.as_ref().clone())),
            _ => None,
        });
        let (seq, mut event) = found
            .filter(|(_, event)| !self.ids.contains_key(&event.immutable_id))
            .ok_or_else(GraphError::not_found)?;
        // The log has every event once.
        self.log.remove(&seq);
        let key = event.key;
        self.deleted.remove(&key);
        event.rest_id = new_rest_id();
        self.index(&event);
        self.replace(event);
        Ok(key)
    }

    /// Gives those a new change key whose time has come; nothing else of them changes.
    pub fn turn(&mut self) {
        let now = Utc::now();
        let (due, later) = std::mem::take(&mut self.turning)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        self.turning = later;
        let due: Vec<(DateTime<Utc>, u64)> = due;
        for (_, key) in due {
            if let Some(event) = self.events.get(&key).cloned() {
                let modified = event.modified;
                self.replace(event);
                if let Some(event) = self.events.get_mut(&key) {
                    event.modified = modified;
                }
            }
        }
    }

    /// A person drags an event to another calendar: the id changes, the immutable id stays. One that comes back to the person's own
    /// may be `untold` by a delta.
    pub(crate) fn relocate(&mut self, key: u64, calendar: &str, untold: bool) -> Result<(), GraphError> {
        if self.calendar(calendar).is_none() {
            return Err(GraphError::not_found());
        }
        let mut event = self.events.get(&key).cloned().ok_or_else(GraphError::not_found)?;
        let seq = self.take_seq();
        self.log.insert(seq, gone(&event));
        self.poke("deleted", &event);
        self.ids.remove(&event.rest_id);
        event.rest_id = new_rest_id();
        let is_elsewhere = event.calendar != calendar;
        event.calendar = calendar.to_owned();
        let immutable_id = event.immutable_id.clone();
        self.ids.insert(event.rest_id.clone(), key);
        self.replace(event);
        let left = self.log.iter().rev().find_map(|(seq, logged)| match logged {
            Logged::Gone {
                immutable_id: id,
                calendar: left,
                ..
            } if *id == immutable_id && left == calendar => Some(*seq),
            _ => None,
        });
        if let (true, Some(left)) = (untold && is_elsewhere && calendar == self.primary(), left) {
            let at = self.events.get(&key).map(|event| event.seq);
            self.log
                .extend(at.map(|seq| (seq, Logged::Returned { key, left })));
        }
        Ok(())
    }
}

fn gone(event: &Event) -> Logged {
    Logged::Gone {
        rest_id: event.rest_id.clone(),
        immutable_id: event.immutable_id.clone(),
        calendar: event.calendar.clone(),
        last: Some(Box::new(event.clone())),
    }
}
