//! Weekly series in the model of the add-on: one record, as on the wire, with its occurrences in `slots` and `records`.

use chrono::{NaiveDateTime, TimeDelta, TimeZone};
use chrono_tz::Europe::Brussels;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::Odoo;

const FORMAT: &str = "%Y-%m-%d %H:%M:%S";
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Odoo {
    /// A weekly meeting in Brussels that begins at a UTC time and takes an hour.
    pub fn create_weekly(&mut self, user: i64, name: &str, start: &str, count: i64, guests: &[&str]) -> i64 {
        let before = self.outbox.len();
        let stop = time(start) + TimeDelta::hours(1);
        let event = self.create(user, name, start, &stop.format(FORMAT).to_string(), guests);
        self.outbox.truncate(before);
        let mut template = self.records.remove(&event).expect("an event");
        for name in [
            "model",
            "id",
            "link",
            "version",
            "recurrent",
            "create_date",
            "write_date",
        ] {
            template.as_object_mut().expect("fields").remove(name);
        }
        let day = Brussels
            .from_utc_datetime(&time(start))
            .format("%a")
            .to_string()
            .to_lowercase();
        let mut rule = json!({"rrule_type": "weekly", "interval": 1, "end_type": "count", "count": count, "until": null,
            "month_by": "date", "day": 1, "weekday": null, "byday": null});
        for name in DAYS {
            rule[name] = json!(name == day);
        }
        let id = self.new_series(template, rule, start, &Value::Null);
        self.touch(id, &["name", "start", "stop", "attendee_ids", "rule"]);
        id
    }

    fn new_series(&mut self, template: Value, rule: Value, start: &str, link: &Value) -> i64 {
        let id = self.next_id;
        self.next_id += 100;
        let now = Self::now();
        let mut series = json!({"model": "calendar.recurrence", "id": id, "key": Uuid::new_v4().to_string(), "link": link,
            "version": "", "was": null, "split_from": null, "active": true, "rule": rule, "tz": "Europe/Brussels",
            "week_start": 0, "dtstart": start, "template": template, "slots": [], "missing": [], "base_id": id + 1,
            "create_date": now, "write_date": now});
        lay_out(&mut series);
        self.records.insert(id, series);
        id
    }

    /// The slot of the n-th occurrence, the first is 0.
    pub fn slot(&self, id: i64, number: usize) -> String {
        let slot = &slots(&self.records[&id])[number];
        slot.clone()
    }

    /// What a user has answered to one occurrence.
    pub fn answer_to_one(&self, id: i64, number: usize, user: i64) -> String {
        let line = self
            .attendees_of(id, number)
            .into_iter()
            .find(|l| l["user_id"] == user);
        line.expect("an attendee")["state"]
            .as_str()
            .expect("a state")
            .to_owned()
    }

    fn attendees_of(&self, id: i64, number: usize) -> Vec<Value> {
        let series = &self.records[&id];
        let slot = self.slot(id, number);
        let own = series["slots"]
            .as_array()
            .expect("slots")
            .iter()
            .find(|own| own["slot"] == *slot);
        let attendees = own
            .and_then(|own| own["differences"].get("attendees"))
            .unwrap_or(&series["template"]["attendees"]);
        attendees.as_array().expect("attendees").clone()
    }

    /// A user answers one occurrence.
    pub fn answer_one(&mut self, id: i64, number: usize, user: i64, state: &str) {
        let mut attendees = self.attendees_of(id, number);
        for line in &mut attendees {
            if line["user_id"] == user {
                line["state"] = json!(state);
            }
        }
        let slot = self.slot(id, number);
        let series = self.records.get_mut(&id).expect("a series");
        differ(series, &slot, &json!({"attendees": attendees}));
        self.touch(id, &["attendee_ids"]);
    }

    /// Somebody changes one occurrence.
    pub fn set_one(&mut self, id: i64, number: usize, values: &Value) {
        let slot = self.slot(id, number);
        let series = self.records.get_mut(&id).expect("a series");
        differ(series, &slot, values);
        let names: Vec<&str> = values
            .as_object()
            .expect("values")
            .keys()
            .map(String::as_str)
            .collect();
        self.touch(id, &names);
    }

    /// Somebody changes what all of them share.
    pub fn set_series(&mut self, id: i64, values: Value) {
        let names: Vec<String> = values.as_object().expect("values").keys().cloned().collect();
        let series = self.records.get_mut(&id).expect("a series");
        for (name, value) in values.as_object().expect("values") {
            series["template"][name] = value.clone();
        }
        self.touch(id, &names.iter().map(String::as_str).collect::<Vec<_>>());
    }

    /// Somebody archives an occurrence, or takes it out of the archive again.
    pub fn set_there(&mut self, id: i64, number: usize, is_there: bool) {
        let slot = json!(self.slot(id, number));
        let series = self.records.get_mut(&id).expect("a series");
        let missing = series["missing"].as_array_mut().expect("missing");
        missing.retain(|known| *known != slot);
        if !is_there {
            missing.push(slot);
        }
        lay_out(series);
        self.touch(id, &["slots"]);
    }

    /// Occurrences become events of their own.
    pub(super) fn detach(&mut self, id: i64, slots: &[Value]) {
        for slot in slots {
            let series = self.records.get_mut(&id).expect("a series");
            series["missing"]
                .as_array_mut()
                .expect("missing")
                .push(slot.clone());
            lay_out(series);
            let mut whole = series["template"].clone();
            let own = series["slots"].as_array().expect("slots").iter();
            if let Some(own) = own.clone().find(|own| own["slot"] == *slot) {
                for (name, value) in own["differences"].as_object().expect("differences") {
                    whole[name] = value.clone();
                }
            }
            let left = own.filter(|own| own["slot"] != *slot).cloned().collect();
            series["slots"] = Value::Array(left);
            let user = whole["organizer"]["user_id"].as_i64().expect("a user");
            let start = slot.as_str().expect("a slot").to_owned();
            let stop = (time(&start) + TimeDelta::hours(1)).format(FORMAT).to_string();
            let event = self.create(user, "", &start, &stop, &[]);
            let record = self.records.get_mut(&event).expect("an event");
            for name in ["name", "description", "location", "attendees", "mailer"] {
                record[name] = whole[name].clone();
            }
        }
    }

    /// A user answers all of them.
    pub fn answer_all(&mut self, id: i64, user: i64, state: &str) {
        let series = self.records.get_mut(&id).expect("a series");
        for line in series["template"]["attendees"].as_array_mut().expect("attendees") {
            if line["user_id"] == user {
                line["state"] = json!(state);
            }
        }
        for own in series["slots"].as_array_mut().expect("slots") {
            own["differences"]
                .as_object_mut()
                .expect("differences")
                .remove("attendees");
        }
        self.touch(id, &["attendee_ids"]);
    }

    /// The active series of that name.
    pub fn series_by_name(&self, name: &str) -> Option<i64> {
        let is_it = |r: &&Value| r["template"]["name"] == name && r["active"] == true;
        self.records.values().find(is_it).and_then(|r| r["id"].as_i64())
    }

    /// What the add-on answers to `apply_series`.
    pub(super) fn apply_series(&mut self, change: &Value) -> Value {
        let ack = |result: &str, record: Option<Value>| json!({"id": change["id"], "result": result, "record": record});
        let is_it = |r: &&Value| {
            !change["key"].is_null() && r["key"] == change["key"]
                || r["link"] == change["link"] && r["rule"].is_object()
        };
        let known = self.records.values().find(is_it).and_then(|r| r["id"].as_i64());
        let id = match known {
            Some(id) => {
                let present = self.snapshot(id).expect("a series");
                if !change["version"].is_null() && present["version"] != change["version"] {
                    return ack("stale", Some(present));
                }
                id
            }
            None => {
                let owner = change["user_id"].as_i64().expect("an owner");
                let before = self.outbox.len();
                let start = change["start"].as_str().expect("a start");
                let made = self.create_weekly(owner, "", start, 1, &[]);
                self.outbox.truncate(before);
                self.records.get_mut(&made).expect("a series")["link"] = change["link"].clone();
                made
            }
        };
        let series = self.records.get_mut(&id).expect("a series");
        for (name, value) in change["rule"].as_object().expect("a rule") {
            series["rule"][name] = value.clone();
        }
        series["dtstart"] = change["start"].clone();
        series["missing"] = change["missing"].clone();
        series["active"] = json!(true);
        let mut template = series["template"].take();
        for name in ["start", "stop"] {
            template[name] = change[name].clone();
        }
        let template = self.with_values(template, &change["values"]);
        let mut own = Vec::new();
        for special in change["slots"].as_array().expect("slots") {
            let whole = self.with_values(template.clone(), &special["values"]);
            let differences: Map<String, Value> = special["values"]
                .as_object()
                .expect("values")
                .keys()
                .filter(|name| whole[*name] != template[*name])
                .map(|name| (name.clone(), whole[name].clone()))
                .collect();
            own.push((
                special["slot"].as_str().expect("a slot").to_owned(),
                Value::Object(differences),
            ));
        }
        let series = self.records.get_mut(&id).expect("a series");
        series["template"] = template;
        for (slot, differences) in own {
            differ(series, &slot, &differences);
        }
        lay_out(series);
        ack("applied", self.snapshot(id))
    }

    /// A record's fields once these values are written.
    fn with_values(&mut self, fields: Value, values: &Value) -> Value {
        let id = self.next_id;
        self.next_id += 1;
        self.records.insert(id, fields);
        self.set(id, values);
        let mut fields = self.records.remove(&id).expect("fields");
        fields.as_object_mut().expect("fields").remove("write_date");
        fields
    }
}

/// Gives one occurrence something of its own, or takes it away where it is the template's.
fn differ(series: &mut Value, slot: &str, differences: &Value) {
    let template = series["template"].clone();
    let own = series["slots"].as_array_mut().expect("slots");
    let index = own.iter().position(|own| own["slot"] == slot).unwrap_or_else(|| {
        own.push(json!({"id": 0, "slot": slot, "differences": {}}));
        own.len() - 1
    });
    for (name, value) in differences.as_object().expect("differences") {
        let differences = own[index]["differences"].as_object_mut().expect("differences");
        if template[name] == *value {
            differences.remove(name);
        } else {
            differences.insert(name.clone(), value.clone());
        }
    }
    own.retain(|own| own["differences"] != json!({}));
}

/// Gives every occurrence a record.
fn lay_out(series: &mut Value) {
    let first = series["id"].as_i64().expect("an id") + 1;
    let missing = series["missing"].as_array().expect("missing").clone();
    let all = slots(series).into_iter().zip(first..);
    series["records"] = all
        .filter(|(slot, _)| !missing.contains(&json!(slot)))
        .map(|(slot, id)| json!([slot, id]))
        .collect();
}

/// The same hour in Brussels, week after week.
fn slots(series: &Value) -> Vec<String> {
    let start = time(series["dtstart"].as_str().expect("a start"));
    let local = Brussels.from_utc_datetime(&start).naive_local();
    let count = series["rule"]["count"].as_i64().expect("a count");
    let interval = series["rule"]["interval"].as_i64().expect("an interval");
    (0..count)
        .map(|n| local + TimeDelta::weeks(n * interval))
        .map(|at| {
            Brussels
                .from_local_datetime(&at)
                .unwrap()
                .to_utc()
                .format(FORMAT)
                .to_string()
        })
        .collect()
}

fn time(text: &str) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text, FORMAT).expect("a time")
}
