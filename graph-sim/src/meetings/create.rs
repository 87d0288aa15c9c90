//! Creating an event. Rules: "Create event".

use super::attendees::addresses;
use super::series::set_recurrence;
use super::writing::merge_extended;
use crate::error::GraphError;
use crate::event::{Content, Event, Moment};
use crate::event_view;
use crate::state::{Cause, World};
use chrono::{TimeDelta, Utc};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

impl World {
    /// Creates an event; `true` when an earlier request with the same transactionId already had.
    pub fn create(
        &mut self,
        address: &str,
        calendar: Option<&str>,
        body: &Map<String, Value>,
        cause: &Cause,
    ) -> Result<(u64, bool), GraphError> {
        let person = self.actor(address)?;
        let mailbox = self.mailbox(address)?;
        let now = mailbox.now();
        let calendar = calendar.unwrap_or(mailbox.primary()).to_owned();
        if !mailbox
            .calendar(&calendar)
            .ok_or_else(GraphError::not_found)?
            .can_edit
        {
            return Err(GraphError::access_denied());
        }
        let nothing = Moment {
            utc: now,
            zone: "UTC".into(),
        };
        let mut content = Content::blank(nothing.clone(), nothing);
        let applied = self.apply(&mut content, body, &person, true)?;
        let digest = hex(&Sha256::digest(
            Value::Object(body.clone()).to_string().as_bytes(),
        ));
        if let Some(id) = &applied.transaction
            && let Some(first) = self.mailbox(address)?.by_transaction(id)
        {
            if first.transaction_body == digest && first.calendar == calendar {
                return Ok((first.key, true));
            }
            let status = self.switches.duplicate_transaction_status;
            let mut error = GraphError::new(
                status,
                "ErrorDuplicateTransactionId",
                format!(
                    "Your request can't be completed. The TransactionId: {id} has already been used to create a different event."
                ),
            );
            error
                .extra
                .push(("@event.existingEventId".into(), json!(first.rest_id)));
            return Err(error);
        }
        let mut event = Event {
            key: 0,
            calendar,
            rest_id: String::new(),
            immutable_id: String::new(),
            ical_uid: event_view::new_ical_uid(now),
            created: now,
            modified: now,
            change: 0,
            seq: 0,
            transaction: applied.transaction.clone(),
            transaction_body: digest,
            organizer: (person.name.clone(), person.address.clone()),
            is_organizer: true,
            content,
            recurrence: None,
            exceptions: BTreeMap::new(),
            deleted: BTreeSet::new(),
            extended: Vec::new(),
            reach: None,
            nameless: None,
            was_single: false,
        };
        merge_extended(&mut event.extended, applied.extended.clone());
        if let Some(value) = applied.recurrence.as_ref().filter(|v| !v.is_null()) {
            set_recurrence(&mut event, value, false, self.switches.intervals())?;
            self.settle_hours(&mut event)?;
        }
        let guests = addresses(&event.content.attendees, &person.address);
        let key = self.mailbox_mut(address)?.insert(event);
        if self.switches.change_key_turns {
            let at = Utc::now() + TimeDelta::seconds(1);
            self.mailbox_mut(address)?.turning.push((at, key));
        }
        self.invite(&person, key, &guests, "invitation", cause)?;
        Ok((key, false))
    }

    /// A person's phone has made the event and drawn its zone's rules by itself, where `names_no_zone` says so.
    pub(crate) fn forget_zone_name(&mut self, address: &str, key: u64) -> Result<(), GraphError> {
        let name = self.switches.names_no_zone.clone();
        if name.is_empty() {
            return Ok(());
        }
        let uid = self
            .mailbox(address)?
            .events
            .get(&key)
            .map(|event| event.ical_uid.clone());
        let uid = uid.ok_or_else(GraphError::not_found)?;
        for mailbox in self.mailboxes.values_mut() {
            if let Some(event) = mailbox.by_ical(&uid).and_then(|key| mailbox.events.get_mut(&key)) {
                event.nameless = Some(name.clone());
            }
        }
        Ok(())
    }
}
