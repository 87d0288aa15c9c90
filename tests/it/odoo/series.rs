//! Series in the model of the add-on: one record, as on the wire, with its occurrences in `slots` and `records`.

use chrono::{Datelike, Months, NaiveDate, NaiveDateTime, TimeDelta, TimeZone};
use chrono_tz::Europe::Brussels;
use serde_json::{Value, json};
use uuid::Uuid;

use super::database::Odoo;
use super::people::answered_by;

const FORMAT: &str = "%Y-%m-%d %H:%M:%S";
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// As many occurrences as Odoo makes.
const MOST: usize = 720;

impl Odoo {
    /// A weekly meeting in Brussels that begins at a UTC time and takes an hour.
    pub fn create_weekly(&mut self, user: i64, name: &str, start: &str, count: i64, guests: &[&str]) -> i64 {
        let rule = json!({"rrule_type": "weekly", "end_type": "count", "count": count});
        self.create_series(user, name, start, &rule, guests)
    }

    /// The same by these fields of a rule: daily, weekly or monthly, each by the date of its start.
    pub fn create_series(
        &mut self,
        user: i64,
        name: &str,
        start: &str,
        fields: &Value,
        guests: &[&str],
    ) -> i64 {
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
        let first = Brussels.from_utc_datetime(&time(start));
        let day = first.format("%a").to_string().to_lowercase();
        let mut rule = json!({"rrule_type": "weekly", "interval": 1, "end_type": "count", "count": 1, "until": null,
            "month_by": "date", "day": first.day(), "weekday": null, "byday": null});
        for name in DAYS {
            rule[name] = json!(name == day);
        }
        for (name, value) in fields.as_object().expect("fields") {
            rule[name] = value.clone();
        }
        let id = self.new_series(template, rule, start, &Value::Null);
        self.touch(id, &["name", "start", "stop", "attendee_ids", "rule"]);
        id
    }

    fn new_series(&mut self, template: Value, rule: Value, start: &str, link: &Value) -> i64 {
        let id = self.next_id;
        self.next_id += 1000;
        let now = self.now();
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

    /// Each occurrence that is there, by the date of its slot in Brussels: the template's fields with its own.
    pub fn occurrences(&self, id: i64) -> Vec<(NaiveDate, Value)> {
        let series = &self.records[&id];
        let template = &series["template"];
        let length = time(template["stop"].as_str().expect("a time"))
            - time(template["start"].as_str().expect("a time"));
        let missing = series["missing"].as_array().expect("missing");
        let own = series["slots"].as_array().expect("slots");
        let there = slots(series)
            .into_iter()
            .filter(|slot| !missing.contains(&json!(slot)));
        let whole = |slot: String| {
            let mut fields = template.clone();
            fields["start"] = json!(slot);
            fields["stop"] = json!((time(&slot) + length).format(FORMAT).to_string());
            if let Some(own) = own.iter().find(|own| own["slot"] == slot) {
                for (name, value) in own["differences"].as_object().expect("differences") {
                    fields[name] = value.clone();
                }
            }
            (date(&slot), fields)
        };
        there.map(whole).collect()
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

    pub fn attendees_of(&self, id: i64, number: usize) -> Vec<Value> {
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
                line["answered_by"] = answered_by(user);
            }
        }
        let slot = self.slot(id, number);
        let series = self.records.get_mut(&id).expect("a series");
        differ(series, &slot, &json!({"attendees": attendees}));
        self.touch(id, &["attendee_ids"]);
    }

    /// Somebody invites a guest to one occurrence.
    pub fn invite_to_one(&mut self, id: i64, number: usize, guest: &str) {
        let mut attendees = self.attendees_of(id, number);
        attendees.push(self.attendee(0, Some(guest), "needsAction"));
        self.set_one(id, number, &json!({"attendees": attendees}));
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

    /// Somebody changes all of them. Odoo writes to each, whatever it had of its own
    /// (`_write_events`).
    pub fn set_series(&mut self, id: i64, values: &Value) {
        let values = values.as_object().expect("values");
        let series = self.records.get_mut(&id).expect("a series");
        for (name, value) in values {
            series["template"][name] = value.clone();
        }
        let own = series["slots"].as_array_mut().expect("slots");
        for own in own.iter_mut() {
            let differences = own["differences"].as_object_mut().expect("differences");
            differences.retain(|name, _| !values.contains_key(name));
        }
        own.retain(|own| own["differences"] != json!({}));
        let names: Vec<&str> = values.keys().map(String::as_str).collect();
        self.touch(id, &names);
    }

    /// Somebody moves all of them by some minutes; single ones keep what they have of their own.
    pub fn shift_series(&mut self, id: i64, minutes: i64) {
        let later = |text: &Value| {
            let at = time(text.as_str().expect("a time")) + TimeDelta::minutes(minutes);
            json!(at.format(FORMAT).to_string())
        };
        let series = self.records.get_mut(&id).expect("a series");
        series["dtstart"] = later(&series["dtstart"]);
        for name in ["start", "stop"] {
            series["template"][name] = later(&series["template"][name]);
        }
        for slot in series["missing"].as_array_mut().expect("missing") {
            *slot = later(slot);
        }
        for own in series["slots"].as_array_mut().expect("slots") {
            own["slot"] = later(&own["slot"]);
        }
        lay_out(series);
        self.touch(id, &["start", "stop", "rule"]);
    }

    /// Somebody says anew how long it goes on.
    pub fn end_series(&mut self, id: i64, end: &Value) {
        let series = self.records.get_mut(&id).expect("a series");
        for (name, value) in end.as_object().expect("fields") {
            series["rule"][name] = value.clone();
        }
        forget_what_ended(series);
        lay_out(series);
        self.touch(id, &["rule"]);
    }

    /// “This and following”: the n-th and what comes after it go on as another series, which is told with this one.
    pub fn split_series(&mut self, id: i64, number: usize, name: &str) -> i64 {
        let slot = self.slot(id, number);
        let series = self.records.get_mut(&id).expect("a series");
        let (mut template, mut rule, key) = (
            series["template"].clone(),
            series["rule"].clone(),
            series["key"].clone(),
        );
        series["rule"]["end_type"] = json!("count");
        series["rule"]["count"] = json!(number);
        forget_what_ended(series);
        lay_out(series);
        if rule["end_type"] == "count" {
            let count = rule["count"].as_u64().expect("a count");
            rule["count"] = json!(count - u64::try_from(number).expect("a number"));
        }
        let length = time(template["stop"].as_str().expect("a time"))
            - time(template["start"].as_str().expect("a time"));
        template["name"] = json!(name);
        template["start"] = json!(slot);
        template["stop"] = json!((time(&slot) + length).format(FORMAT).to_string());
        let next = self.new_series(template, rule, &slot, &Value::Null);
        self.records.get_mut(&next).expect("a series")["split_from"] = key;
        self.touch(id, &["rule"]);
        self.touch(next, &["name", "start", "stop", "attendee_ids", "rule"]);
        next
    }

    /// Some guests of the whole more and some less; the others keep their answers.
    pub fn change_guests_of_series(&mut self, id: i64, add: &[&str], remove: &[&str]) {
        let new: Vec<Value> = add
            .iter()
            .map(|g| self.attendee(0, Some(g), "needsAction"))
            .collect();
        let gone: Vec<String> = remove
            .iter()
            .flat_map(|address| [Some((*address).to_owned()), self.contacts.get(*address).cloned()])
            .flatten()
            .collect();
        let series = self.records.get_mut(&id).expect("a series");
        let change = |list: &mut Value| {
            let list = list.as_array_mut().expect("attendees");
            list.retain(|a| !gone.iter().any(|gone| a["email"] == **gone));
            list.extend(new.iter().cloned());
        };
        change(&mut series["template"]["attendees"]);
        let template = series["template"]["attendees"].clone();
        for own in series["slots"].as_array_mut().expect("slots") {
            let differences = own["differences"].as_object_mut().expect("differences");
            if let Some(list) = differences.get_mut("attendees") {
                change(list);
                if *list == template {
                    differences.remove("attendees");
                }
            }
        }
        self.touch(id, &["attendee_ids"]);
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
                line["answered_by"] = answered_by(user);
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

    /// Somebody archives all of it.
    pub fn archive_series(&mut self, id: i64) {
        self.records.get_mut(&id).expect("a series")["active"] = json!(false);
        self.touch(id, &["active"]);
    }

    /// The dates of all slots in Brussels, whether an occurrence is there or not.
    pub fn dates(&self, id: i64) -> Vec<NaiveDate> {
        slots(&self.records[&id]).iter().map(|slot| date(slot)).collect()
    }

    /// The active series of that name.
    pub fn series_by_name(&self, name: &str) -> Option<i64> {
        let is_it = |r: &&Value| r["template"]["name"] == name && r["active"] == true;
        self.records.values().find(is_it).and_then(|r| r["id"].as_i64())
    }
}

/// A series as the add-on tells it: a row for each of its events, those that are missing archived.
pub(super) fn as_rows(series: &Value) -> Value {
    let mut told = series.clone();
    let template = &series["template"];
    let length =
        time(template["stop"].as_str().expect("a time")) - time(template["start"].as_str().expect("a time"));
    let first = series["id"].as_i64().expect("an id") + 1;
    let own = series["slots"].as_array().expect("slots");
    let missing = series["missing"].as_array().expect("missing");
    let mut contents: Vec<Value> = Vec::new();
    let row = |(slot, id): (String, i64)| {
        let mut said = template.clone();
        said["start"] = json!(slot);
        said["stop"] = json!((time(&slot) + length).format(FORMAT).to_string());
        if let Some(own) = own.iter().find(|own| own["slot"] == *slot) {
            for (name, value) in own["differences"].as_object().expect("differences") {
                said[name] = value.clone();
            }
        }
        let said = said.as_object_mut().expect("fields");
        for name in ["active", "mailer", "was"] {
            said.remove(name);
        }
        let mut row = json!({"id": id, "slot": slot, "active": series["active"] == true && !missing.contains(&json!(slot))});
        let is_allday = said["allday"] == true;
        for name in ["start", "stop", "start_date", "stop_date"] {
            let value = said.remove(name);
            if is_allday || !name.ends_with("_date") {
                row[name] = json!(value);
            }
        }
        let said = json!(said);
        let place = contents
            .iter()
            .position(|known| *known == said)
            .unwrap_or_else(|| {
                contents.push(said);
                contents.len() - 1
            });
        row["says"] = json!(place);
        row
    };
    let rows: Vec<Value> = slots(series).into_iter().zip(first..).map(row).collect();
    let fields = told.as_object_mut().expect("fields");
    for name in ["template", "slots", "records", "missing", "active"] {
        fields.remove(name);
    }
    told["rows"] = json!(rows);
    told["contents"] = json!(contents);
    told
}

/// Gives one occurrence something of its own, or takes it away where it is the template's.
pub(super) fn differ(series: &mut Value, slot: &str, differences: &Value) {
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
pub(super) fn lay_out(series: &mut Value) {
    let first = series["id"].as_i64().expect("an id") + 1;
    let missing = series["missing"].as_array().expect("missing").clone();
    let all = slots(series).into_iter().zip(first..);
    series["records"] = all
        .filter(|(slot, _)| !missing.contains(&json!(slot)))
        .map(|(slot, id)| json!([slot, id]))
        .collect();
}

/// Takes off what no occurrence has any more.
pub(super) fn forget_what_ended(series: &mut Value) {
    let slots = slots(series);
    let is_there = |slot: &Value| slot.as_str().is_some_and(|slot| slots.iter().any(|s| s == slot));
    let missing = series["missing"].as_array_mut().expect("missing");
    missing.retain(is_there);
    let own = series["slots"].as_array_mut().expect("slots");
    own.retain(|own| is_there(&own["slot"]) && own["differences"] != json!({}));
}

/// The same hour in Brussels, day after day, week after week, or on the same day of each month or year that has it.
pub(super) fn slots(series: &Value) -> Vec<String> {
    let start = time(series["dtstart"].as_str().expect("a start"));
    let local = Brussels.from_utc_datetime(&start).naive_local();
    let rule = &series["rule"];
    let interval = rule["interval"].as_u64().expect("an interval");
    let most = match rule["end_type"].as_str() {
        Some("count") => usize::try_from(rule["count"].as_u64().expect("a count")).expect("a size"),
        _ => MOST,
    };
    let until = rule["until"].as_str().filter(|_| rule["end_type"] == "end_date");
    let until = until.map(|day| day.parse::<NaiveDate>().expect("a day"));
    let step = |n: u64| {
        let n = n * interval;
        let days = TimeDelta::days(i64::try_from(n).expect("a number"));
        match rule["rrule_type"].as_str() {
            Some("daily") => Some(local + days),
            Some("weekly") => Some(local + days * 7),
            Some(kind @ ("monthly" | "yearly")) => {
                let months = if kind == "yearly" { n * 12 } else { n };
                let months = Months::new(u32::try_from(months).expect("a number"));
                local
                    .checked_add_months(months)
                    .filter(|at| at.day() == local.day())
            }
            other => panic!("this model knows no rule {other:?}"),
        }
    };
    (0..)
        .filter_map(step)
        .take_while(|at| until.is_none_or(|until| at.date() <= until))
        .take(most.min(MOST))
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

/// The day of a slot in Brussels.
pub(super) fn date(slot: &str) -> NaiveDate {
    Brussels.from_utc_datetime(&time(slot)).date_naive()
}

fn time(text: &str) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text, FORMAT).expect("a time")
}
