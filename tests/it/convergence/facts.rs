//! The synced fields of an event: how a person writes one on either side, and what a side shows.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate, NaiveDateTime, TimeDelta};
use serde_json::{Map, Value, json};

/// A field that has one value. A value is a text in Outlook's terms:
/// * `Title`, `Body`, `Location`: what a reader sees; the last two may be empty;
/// * `Time`: `2026-12-01T10:00:00/2026-12-01T11:00:00` in UTC, or whole days
///   `2026-12-01/2026-12-02`,   with the end exclusive;
/// * `Privacy`: Graph's `sensitivity`; `ShowAs`: Graph's `freeBusyStatus`;
/// * `Reminder`: minutes before the start, or empty for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    Title,
    Body,
    Location,
    Time,
    Privacy,
    ShowAs,
    Reminder,
}

pub type Values = BTreeMap<Field, String>;

const STAMP: &str = "%Y-%m-%dT%H:%M:%S";

impl Field {
    pub const ALL: [Self; 7] = [
        Self::Title,
        Self::Body,
        Self::Location,
        Self::Time,
        Self::Privacy,
        Self::ShowAs,
        Self::Reminder,
    ];

    /// Returns the journal's name of the field.
    pub fn label(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Body => "description",
            Self::Location => "location",
            Self::Time => "time",
            Self::Privacy => "privacy",
            Self::ShowAs => "availability",
            Self::Reminder => "reminder",
        }
    }

    /// Whether guests are told of a change.
    pub fn is_visible(self) -> bool {
        !matches!(self, Self::ShowAs | Self::Reminder)
    }

    /// Returns what Odoo can show of a value: it has neither `personal` nor all kinds of being
    /// busy.
    pub fn in_odoo(self, value: &str) -> String {
        match (self, value) {
            (Self::Privacy, "personal") => "normal".to_owned(),
            (Self::ShowAs, other) if other != "free" => "busy".to_owned(),
            (_, value) => value.to_owned(),
        }
    }
}

/// Returns a `Time` of whole seconds.
pub fn timed(start: NaiveDateTime, minutes: i64) -> String {
    let end = start + TimeDelta::minutes(minutes);
    format!("{}/{}", start.format(STAMP), end.format(STAMP))
}

pub fn whole_days(first: NaiveDate, days: u64) -> String {
    format!("{first}/{}", first + Days::new(days))
}

/// Returns the values that a person's save in Odoo sets.
pub fn odoo_values(values: &Values) -> Value {
    let mut out = Map::new();
    for (field, value) in values {
        let text = if value.is_empty() {
            Value::Null
        } else {
            json!(value)
        };
        match field {
            Field::Title => drop(out.insert("name".into(), text)),
            Field::Body => {
                let html = if value.is_empty() {
                    Value::Null
                } else {
                    json!(format!("<p>{value}</p>"))
                };
                out.insert("description".into(), html);
            }
            Field::Location => drop(out.insert("location".into(), text)),
            Field::Time => {
                let (start, end) = value.split_once('/').expect("two moments");
                if value.contains('T') {
                    out.insert("allday".into(), json!(false));
                    out.insert("start".into(), json!(start.replace('T', " ")));
                    out.insert("stop".into(), json!(end.replace('T', " ")));
                } else {
                    let last = end.parse::<NaiveDate>().expect("a day") - Days::new(1);
                    out.insert("allday".into(), json!(true));
                    out.insert("start_date".into(), json!(start));
                    out.insert("stop_date".into(), json!(last));
                }
            }
            Field::Privacy => {
                let value = field.in_odoo(value).replace("normal", "public");
                out.insert("privacy".into(), json!(value));
            }
            Field::ShowAs => drop(out.insert("show_as".into(), json!(field.in_odoo(value)))),
            Field::Reminder => {
                let list: Vec<i64> = value.parse().into_iter().collect();
                out.insert("reminder_minutes".into(), json!(list));
            }
        }
    }
    Value::Object(out)
}

/// Returns what Odoo's record says, as far as Odoo can express it.
pub fn in_odoo(record: &Value) -> Values {
    let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
    let time = if record["allday"] == true {
        let last: NaiveDate = text("stop_date").parse().expect("a day");
        format!("{}/{}", text("start_date"), last + Days::new(1))
    } else {
        format!("{}/{}", text("start"), text("stop")).replace(' ', "T")
    };
    let reminder = record["reminder_minutes"].as_array().expect("reminders");
    let reminder = reminder.iter().filter_map(Value::as_i64).min();
    let privacy = record["privacy"].as_str().unwrap_or("public");
    Values::from([
        (Field::Title, text("name")),
        (Field::Body, visible_text(&text("description"))),
        (Field::Location, text("location")),
        (Field::Time, time),
        (Field::Privacy, privacy.replace("public", "normal")),
        (Field::ShowAs, text("show_as")),
        (
            Field::Reminder,
            reminder.map(|m| m.to_string()).unwrap_or_default(),
        ),
    ])
}

/// Returns the properties that a person's change in Outlook sets.
pub fn outlook_properties(values: &Values) -> Map<String, Value> {
    let mut out = Map::new();
    for (field, value) in values {
        match field {
            Field::Title => drop(out.insert("subject".into(), json!(value))),
            Field::Body => {
                let body = json!({"contentType": "html", "content": format!("<p>{value}</p>")});
                out.insert("body".into(), body);
            }
            Field::Location => drop(out.insert("location".into(), json!({"displayName": value}))),
            Field::Time => {
                let (start, end) = value.split_once('/').expect("two moments");
                let at = |text: &str| {
                    let midnight = if text.contains('T') { "" } else { "T00:00:00" };
                    json!({"dateTime": format!("{text}{midnight}"), "timeZone": "UTC"})
                };
                out.insert("start".into(), at(start));
                out.insert("end".into(), at(end));
                out.insert("isAllDay".into(), json!(!value.contains('T')));
            }
            Field::Privacy => drop(out.insert("sensitivity".into(), json!(value))),
            Field::ShowAs => drop(out.insert("showAs".into(), json!(value))),
            Field::Reminder => {
                out.insert("isReminderOn".into(), json!(!value.is_empty()));
                if let Ok(minutes) = value.parse::<i64>() {
                    out.insert("reminderMinutesBeforeStart".into(), json!(minutes));
                }
            }
        }
    }
    out
}

/// Returns what an event in Outlook says, in Outlook's terms.
pub fn in_outlook(event: &Value) -> Values {
    let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
    let at = |key: &str| {
        let moment = event[key]["dateTime"].as_str().expect("a moment");
        let long = if event["isAllDay"] == true { 10 } else { 19 };
        moment[..long].to_owned()
    };
    let reminder = if event["isReminderOn"] == true {
        event["reminderMinutesBeforeStart"].to_string()
    } else {
        String::new()
    };
    let body = event["body"]["content"].as_str().unwrap_or_default();
    let place = event["location"]["displayName"].as_str().unwrap_or_default();
    Values::from([
        (Field::Title, text("subject")),
        (Field::Body, visible_text(body)),
        (Field::Location, place.to_owned()),
        (Field::Time, format!("{}/{}", at("start"), at("end"))),
        (Field::Privacy, text("sensitivity")),
        (Field::ShowAs, text("showAs")),
        (Field::Reminder, reminder),
    ])
}

/// Returns the words of an HTML text without entities.
fn visible_text(html: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            c if !inside => out.push(c),
            _ => {}
        }
    }
    out.trim().to_owned()
}
