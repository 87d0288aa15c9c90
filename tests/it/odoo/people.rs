//! What people do to events in Odoo.

use serde_json::{Value, json};

use super::database::Odoo;

impl Odoo {
    pub fn create(&mut self, user: i64, name: &str, start: &str, stop: &str, guests: &[&str]) -> i64 {
        let id = self.next_id;
        self.next_id += 1;
        let time = self.now();
        let mut attendees = vec![self.attendee(user, None, "accepted")];
        attendees.extend(guests.iter().map(|g| self.attendee(0, Some(g), "needsAction")));
        let record = json!({
            "model": "calendar.event", "id": id, "link": null, "version": "", "active": true, "recurrent": false,
            "name": name, "description": null, "location": null, "videocall_location": null, "online_meeting": false,
            "allday": false, "start": start, "stop": stop, "start_date": null, "stop_date": null,
            "tz": "Europe/Brussels", "privacy": null, "default_privacy": "public", "show_as": "busy",
            "reminder_minutes": [], "organizer": self.organizer(user), "attendees": attendees,
            "create_date": time, "write_date": time, "mailer": self.mailer,
        });
        self.records.insert(id, record);
        self.touch(id, &["name", "start", "stop", "attendee_ids"]);
        id
    }

    /// Makes the record one that the built-in sync had linked before the pairing, and that nobody
    /// has edited since.
    pub fn link_by_stock(&mut self, id: i64, microsoft_id: &Value, uid: &Value) {
        self.records.get_mut(&id).expect("a record")["stock_ids"] =
            json!({"microsoft_id": microsoft_id, "uid": uid});
        self.outbox.retain(|row| row["res_id"] != id);
    }

    /// Adds a contact with the organizer's address as a guest, who is not the organizer's own
    /// partner.
    pub fn add_namesake(&mut self, id: i64, address: &str) {
        let mut attendees = self.records[&id]["attendees"].clone();
        let list = attendees.as_array_mut().expect("attendees");
        let partner = 5000;
        list.retain(|line| line["partner_id"] != partner);
        list.push(
            json!({"id": partner, "partner_id": partner, "user_id": null, "email": address, "name": address,
            "state": "needsAction"}),
        );
        self.write(id, json!({"attendees": attendees}));
    }

    pub fn write(&mut self, id: i64, values: Value) {
        let fields: Vec<String> = values.as_object().expect("values").keys().cloned().collect();
        for (key, value) in values.as_object().expect("values") {
            self.records.get_mut(&id).expect("a record")[key] = value.clone();
        }
        let time = self.now();
        self.records.get_mut(&id).expect("a record")["write_date"] = json!(time);
        self.touch(id, &fields.iter().map(String::as_str).collect::<Vec<_>>());
    }

    pub fn set_guests(&mut self, id: i64, guests: &[&str]) {
        let user = self.records[&id]["organizer"]["user_id"]
            .as_i64()
            .expect("an organizer");
        let mut attendees = vec![self.attendee(user, None, "accepted")];
        attendees.extend(guests.iter().map(|g| self.attendee(0, Some(g), "needsAction")));
        self.write(id, json!({"attendees": attendees}));
    }

    /// Adds and removes guests; the others keep their responses.
    pub fn change_guests(&mut self, id: i64, add: &[&str], remove: &[&str]) {
        let mut attendees = self.records[&id]["attendees"]
            .as_array()
            .expect("attendees")
            .clone();
        attendees.retain(|a| !remove.iter().any(|gone| self.is_of(a, gone)));
        attendees.extend(add.iter().map(|g| self.attendee(0, Some(g), "needsAction")));
        self.write(id, json!({"attendees": attendees}));
    }

    pub fn answer(&mut self, id: i64, user: i64, state: &str) {
        let mut attendees = self.records[&id]["attendees"].clone();
        for line in attendees.as_array_mut().expect("attendees") {
            if line["user_id"] == user {
                line["state"] = json!(state);
                line["answered_by"] = answered_by(user);
            }
        }
        self.write(id, json!({"attendees": attendees}));
    }

    pub fn unlink(&mut self, id: i64) {
        let record = self.records.remove(&id).expect("a record");
        let row = json!({"id": self.next_row, "cause": "save", "uid": self.actor,
            "time": self.now(), "model": record["model"], "res_id": id, "key": record["key"], "link": record["link"],
            "was": record["was"]});
        self.next_row += 1;
        self.outbox.push(row);
    }
}

/// Returns who gave a response, for one that a user gave in Odoo.
pub(super) fn answered_by(user: i64) -> Value {
    json!({"uid": user, "is_admin": false, "by_link": false})
}
