//! What every write asks first: who writes, whether they may, and what the body holds.

use crate::error::GraphError;
use crate::event::{Content, Event};
use crate::event_write::{self, Applied, Rules};
use crate::state::{Person, TEAMS, Target, World};
use serde_json::{Map, Value};

pub(super) fn merge_extended(own: &mut Vec<(String, String)>, new: Vec<(String, String)>) {
    for (id, value) in new {
        match own.iter_mut().find(|(known, _)| *known == id) {
            Some(entry) => entry.1 = value,
            None => own.push((id, value)),
        }
    }
}

impl World {
    pub(super) fn apply(
        &self,
        content: &mut Content,
        body: &Map<String, Value>,
        person: &Person,
        create: bool,
    ) -> Result<Applied, GraphError> {
        let directory = |address: &str| self.colleague(&person.tenant, address).map(|p| p.name.clone());
        let rules = Rules {
            create,
            teams: self.providers(person).iter().any(|p| p == TEAMS),
            directory: &directory,
            owner: &person.address,
            cut_long_texts: self.switches.long_texts_are_cut,
            all_day_wants_times: self.switches.all_day_wants_times,
        };
        let before = content.attendees.clone();
        let applied = event_write::apply(content, body, &rules)?;
        if self.switches.resolves_aliases {
            self.resolve(&person.tenant, &before, &mut content.attendees);
        }
        let dropped = &self.switches.drops_attendee;
        content
            .attendees
            .retain(|a| !a.address.eq_ignore_ascii_case(dropped));
        Ok(applied)
    }

    pub(super) fn actor(&self, address: &str) -> Result<Person, GraphError> {
        self.person(address)
            .cloned()
            .ok_or_else(|| GraphError::new(404, "ErrorInvalidUser", "The requested user is invalid."))
    }

    pub(super) fn check_match(
        &self,
        address: &str,
        target: Target,
        if_match: Option<&str>,
    ) -> Result<(), GraphError> {
        let Some(wanted) = if_match else {
            return Ok(());
        };
        if !self.switches.if_match_enforced || wanted.trim() == "*" {
            return Ok(());
        }
        let current = self.mailbox(address)?.etag(target);
        let bare = |tag: &str| tag.trim().trim_start_matches("W/").trim_matches('"').to_owned();
        if current.is_some_and(|c| wanted.split(',').any(|w| bare(w) == bare(&c))) {
            Ok(())
        } else {
            Err(GraphError::conflict())
        }
    }

    pub(crate) fn writable(&self, address: &str, target: Target) -> Result<Event, GraphError> {
        let mailbox = self.mailbox(address)?;
        let event = mailbox
            .events
            .get(&target.key)
            .cloned()
            .ok_or_else(GraphError::not_found)?;
        if mailbox.calendar(&event.calendar).is_some_and(|c| !c.can_edit) {
            return Err(GraphError::access_denied());
        }
        if target.day.is_some_and(|day| event.deleted.contains(&day)) {
            return Err(GraphError::not_found());
        }
        Ok(event)
    }
}
