//! What both sides show of an event: Odoo's record, and the mailbox events.

use std::collections::BTreeSet;

use graph_sim::control;
use graph_sim::dump;
use graph_sim::state::{Cause, Target, World as Microsoft};
use serde_json::{Value, json};

use super::people::{CONTACTS, DROPPED};

/// Returns the cause that the simulator notes for a person's action in Outlook.
pub fn person() -> Cause {
    control::person_cause("POST", "/sim/api")
}

pub fn attendees(addresses: &[&str]) -> Value {
    addresses
        .iter()
        .map(|a| json!({"type": "required", "emailAddress": {"name": a, "address": a}}))
        .collect()
}

pub(super) fn with_mark(microsoft: &Microsoft, address: &str, mark: &str) -> Vec<Value> {
    let mailbox = microsoft.mailbox(address).expect("a mailbox");
    let (plain, cancelled) = (format!("{mark} "), format!("Canceled: {mark} "));
    mailbox
        .events
        .values()
        .filter(|e| e.content.subject.starts_with(&plain) || e.content.subject.starts_with(&cancelled))
        .map(|e| {
            dump::dump(
                mailbox,
                Target {
                    key: e.key,
                    day: None,
                },
            )
        })
        .collect()
}

/// Returns the event of a mailbox that is not cancelled, as the organizer's or as a guest's.
pub fn live(microsoft: &Microsoft, address: &str, mark: &str, is_organizer: bool) -> Option<(Target, Value)> {
    let mut copies = with_mark(microsoft, address, mark);
    copies.retain(|c| c["isCancelled"] != true && c["isOrganizer"] == is_organizer);
    let copy = copies.pop()?;
    let id = copy["id"].as_str().expect("an id");
    let target = microsoft
        .mailbox(address)
        .expect("a mailbox")
        .find(id)
        .expect("an event");
    Some((target, copy))
}

pub fn id_of(record: &Value) -> i64 {
    record["id"].as_i64().expect("an id")
}

/// Returns the address of an attendee in Odoo, without anything else in the contact's address
/// field.
fn address_in(line: &Value) -> Option<&str> {
    let written = line["email"].as_str()?;
    let known = CONTACTS.iter().find(|(_, known)| *known == written);
    Some(known.map_or(written, |(address, _)| *address))
}

pub(super) fn everybody_of_record(record: &Value) -> BTreeSet<String> {
    let lines = record["attendees"].as_array().expect("attendees");
    lines.iter().filter_map(address_in).map(str::to_owned).collect()
}

pub(super) fn everybody_of_copy(copy: &Value) -> BTreeSet<String> {
    let list = copy["attendees"].as_array().expect("attendees");
    let all = list.iter().filter_map(|a| a["emailAddress"]["address"].as_str());
    all.map(str::to_owned).collect()
}

/// Returns the guests that the oracle judges.
pub fn guests_of_record(record: &Value, organizer: &str) -> BTreeSet<String> {
    let mut all = everybody_of_record(record);
    all.retain(|a| a != organizer && a != DROPPED);
    all
}

pub fn guests_of_copy(copy: &Value, organizer: &str) -> BTreeSet<String> {
    let mut all = everybody_of_copy(copy);
    all.retain(|a| a != organizer && a != DROPPED);
    all
}

/// Returns Odoo's name of a guest's response, if the record has the guest.
pub fn answer_in_record(record: &Value, address: &str) -> Option<String> {
    let lines = record["attendees"].as_array().expect("attendees");
    let line = lines.iter().find(|line| address_in(line) == Some(address))?;
    line["state"].as_str().map(str::to_owned)
}

/// Returns how many attendees of the record have this address.
pub fn answers_in_record(record: &Value, address: &str) -> usize {
    let lines = record["attendees"].as_array().expect("attendees");
    lines
        .iter()
        .filter(|line| address_in(line) == Some(address))
        .count()
}

/// Returns Odoo's name of Graph's response.
pub fn answer_of(response: &Value) -> &'static str {
    match response["response"].as_str() {
        Some("accepted") => "accepted",
        Some("tentativelyAccepted") => "tentative",
        Some("declined") => "declined",
        _ => "needsAction",
    }
}
