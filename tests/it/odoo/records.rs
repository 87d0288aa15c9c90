//! Records as the add-on sends them, and how it writes the service's changes.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::database::Odoo;
use super::series::as_rows;

impl Odoo {
    pub fn by_name(&self, name: &str) -> Option<&Value> {
        let mut found = self
            .records
            .values()
            .filter(|r| r["name"] == name && r["active"] == true);
        let record = found.next();
        assert!(found.next().is_none(), "twins of {name}");
        record
    }

    /// Returns a user in the form in which a snapshot names the organizer.
    pub fn organizer(&self, user: i64) -> Value {
        json!({"user_id": user, "partner_id": user + 100, "email": self.users[&user], "name": format!("User {user}")})
    }

    pub(super) fn attendee(&self, user: i64, email: Option<&str>, state: &str) -> Value {
        let user = email.map_or(Some(user), |e| {
            self.users.iter().find(|(_, a)| *a == e).map(|(u, _)| *u)
        });
        let email = email
            .map(str::to_owned)
            .or_else(|| user.map(|u| self.users[&u].clone()))
            .unwrap_or_default();
        let partner = user.map_or_else(
            || 1000 + i64::from(email.bytes().map(u16::from).sum::<u16>()),
            |u| u + 100,
        );
        let written = self.contacts.get(&email).unwrap_or(&email);
        json!({"id": partner, "partner_id": partner, "user_id": user, "email": written, "name": email, "state": state})
    }

    /// Whether an attendee is the contact with this address.
    pub(super) fn is_of(&self, line: &Value, address: &str) -> bool {
        line["email"] == address
            || self
                .contacts
                .get(address)
                .is_some_and(|written| line["email"] == **written)
    }

    pub(super) fn now(&self) -> String {
        (chrono::Utc::now() + self.clock)
            .format("%Y-%m-%d %H:%M:%S")
            .to_string()
    }

    pub(super) fn touch(&mut self, id: i64, fields: &[&str]) {
        let time = self.now();
        let times: Map<String, Value> = fields.iter().map(|f| ((*f).to_owned(), json!(time))).collect();
        let row =
            json!({"id": self.next_row, "cause": "save", "uid": self.actor, "times": times, "res_id": id});
        self.next_row += 1;
        self.outbox.push(row);
    }

    pub(super) fn snapshot(&self, id: i64) -> Option<Value> {
        let mut record = self.records.get(&id)?.clone();
        let mut counted = record.clone();
        for key in ["version", "mailer", "create_date", "write_date"] {
            counted.as_object_mut()?.remove(key);
        }
        record["version"] = json!(hex::encode(Sha256::digest(counted.to_string())));
        if record["rule"].is_object() {
            record = as_rows(&record);
        }
        if self.excluded.contains(&id) {
            record["excluded"] = json!(true);
        }
        if let Some(broken) = self.broken.get(&id).and_then(Value::as_object) {
            record.as_object_mut()?.extend(broken.clone());
        }
        Some(record)
    }

    pub(super) fn set(&mut self, id: i64, values: &Value) {
        for (key, value) in values.as_object().expect("values") {
            match key.as_str() {
                "organizer" => {
                    let user = value["user_id"].as_i64();
                    let organizer = user.map(|u| self.organizer(u)).unwrap_or(Value::Null);
                    let record = self.records.get_mut(&id).expect("a record");
                    // With this, the service also says who is invited.
                    if user.is_none() && values.get("attendees").is_none() {
                        record["attendees"] = json!([]);
                    }
                    record["organizer"] = organizer;
                }
                "attendees" => {
                    let organizer = values.get("organizer").map(|o| o["user_id"].clone());
                    let organizer =
                        organizer.unwrap_or_else(|| self.records[&id]["organizer"]["user_id"].clone());
                    let mut lines: Vec<Value> = organizer
                        .as_i64()
                        .map(|u| self.attendee(u, None, "accepted"))
                        .into_iter()
                        .collect();
                    for attendee in value.as_array().expect("attendees") {
                        let email = attendee["email"].as_str().expect("an address");
                        if self.drops.as_deref() == Some(email) {
                            continue;
                        }
                        let state = attendee["state"].as_str().expect("a state");
                        // The service may name a user, whom the add-on then uses.
                        let user = attendee["user_id"]
                            .as_i64()
                            .filter(|user| self.users.contains_key(user));
                        lines.push(match user {
                            Some(user) => self.attendee(user, None, state),
                            None => self.attendee(0, Some(email), state),
                        });
                    }
                    // An attendee whose response does not change keeps the note who gave it.
                    let record = self.records.get_mut(&id).expect("a record");
                    for before in record["attendees"].as_array().into_iter().flatten() {
                        let is_same =
                            |line: &Value| line["id"] == before["id"] && line["state"] == before["state"];
                        if let (Some(line), Some(by)) = (
                            lines.iter_mut().find(|line| is_same(line)),
                            before.get("answered_by"),
                        ) {
                            line["answered_by"] = by.clone();
                        }
                    }
                    record["attendees"] = json!(lines);
                }
                _ => self.records.get_mut(&id).expect("a record")[key] = value.clone(),
            }
        }
        let time = self.now();
        self.records.get_mut(&id).expect("a record")["write_date"] = json!(time);
    }
}
