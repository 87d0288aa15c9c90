//! An event as Graph returns it: its JSON, its times and the ids of its occurrences.

use crate::body_text::plain_text;
use crate::event::{Attendee, Content, Event, Moment};
use crate::switches::Switches;
use crate::timezone;
use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Utc};
use chrono_tz::Tz;
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// The `Prefer` values that shape an answer.
#[derive(Clone, Debug, Default)]
pub struct Prefer {
    pub zone: Option<(String, Tz)>,
    pub text: bool,
    pub immutable: bool,
    pub page: Option<usize>,
    pub applied: Vec<String>,
}

pub(crate) fn instant(t: DateTime<Utc>) -> String {
    t.format("%Y-%m-%dT%H:%M:%S%.6f0Z").to_string()
}

pub(crate) fn time_json(moment: &Moment, all_day: bool, prefer: &Prefer) -> Value {
    let (local, zone) = match &prefer.zone {
        Some((name, tz)) if !all_day => (timezone::to_local(*tz, moment.utc), name.as_str()),
        Some((name, _)) => (moment.utc.naive_utc(), name.as_str()),
        None => (moment.utc.naive_utc(), "UTC"),
    };
    json!({"dateTime": local.format("%Y-%m-%dT%H:%M:%S%.6f0").to_string(), "timeZone": zone})
}

fn response_json(response: &str, time: Option<DateTime<Utc>>) -> Value {
    let time = time.map_or_else(
        || "0001-01-01T00:00:00Z".to_owned(),
        |t| t.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
    );
    json!({"response": response, "time": time})
}

pub(crate) fn attendee_json(a: &Attendee) -> Value {
    let mut out = json!({
        "type": a.kind,
        "status": response_json(&a.response, a.time),
        "emailAddress": {"name": a.name, "address": a.address},
    });
    if let Some(p) = &a.proposed {
        out["proposedNewTime"] = p.clone();
    }
    out
}

/// One event, occurrence or exception as a mailbox shows it.
pub struct View<'a> {
    pub event: &'a Event,
    pub day: Option<NaiveDate>,
    pub id: String,
    pub master_id: Option<String>,
    pub change_key: String,
    pub undeclared: bool,
    pub dates: Dates,
}

/// How the day of an occurrence is told; see the switches of these names.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dates {
    pub occurrence_dates_in_utc: bool,
    pub all_day_original_start_local: bool,
}

impl Dates {
    pub fn of(switches: &Switches) -> Self {
        Self {
            occurrence_dates_in_utc: switches.occurrence_dates_in_utc,
            all_day_original_start_local: switches.all_day_original_start_local,
        }
    }

    /// The instant of the slot on `day`.
    fn original_start(self, event: &Event, day: NaiveDate) -> DateTime<Utc> {
        let slot = event.slot(day).0;
        if !(self.all_day_original_start_local && event.content.all_day) {
            return slot;
        }
        let named = event.recurrence.as_ref().map(|r| r.zone.as_str());
        let name = named.filter(|zone| !zone.is_empty());
        let tz = timezone::resolve(name.unwrap_or(&event.content.start.zone)).unwrap_or(Tz::UTC);
        timezone::to_utc(tz, day.and_time(NaiveTime::MIN))
    }

    /// What `occurrenceId` and `cancelledOccurrences` call the slot on `day`.
    pub(crate) fn occurrence_id(self, event: &Event, master_id: &str, day: NaiveDate) -> String {
        let date = if self.occurrence_dates_in_utc {
            self.original_start(event, day).date_naive()
        } else {
            day
        };
        format!("OID.{master_id}.{date}")
    }
}

impl View<'_> {
    /// Returns the `type`: `singleInstance`, `seriesMaster`, `occurrence` or `exception`.
    pub fn kind(&self) -> &'static str {
        match self.day {
            Some(day) if self.event.exceptions.contains_key(&day) => "exception",
            Some(_) => "occurrence",
            None if self.event.recurrence.is_some() => "seriesMaster",
            None => "singleInstance",
        }
    }

    pub fn content(&self) -> Cow<'_, Content> {
        match self.day {
            Some(day) => match self.event.exceptions.get(&day) {
                Some(x) => Cow::Borrowed(&x.content),
                None => Cow::Owned(self.event.occurrence(day)),
            },
            None => Cow::Borrowed(&self.event.content),
        }
    }

    /// The few properties of an occurrence row in a delta answer.
    pub(crate) fn stub(&self, prefer: &Prefer) -> Value {
        let c = self.content();
        json!({
            "@odata.type": "#microsoft.graph.event",
            "@odata.etag": format!("W/\"{}\"", self.change_key),
            "id": self.id,
            "seriesMasterId": self.master_id,
            "type": self.kind(),
            "start": time_json(&c.start, c.all_day, prefer),
            "end": time_json(&c.end, c.all_day, prefer),
        })
    }

    /// Returns the event resource in Graph's JSON.
    pub fn json(&self, prefer: &Prefer) -> Map<String, Value> {
        let e = self.event;
        let c = self.content();
        let (created, modified) = match self.day.and_then(|d| e.exceptions.get(&d)) {
            Some(x) => (x.created, x.modified),
            None => (e.created, e.modified),
        };
        let text = plain_text(&c.body);
        let preview: String = text.chars().take(255).collect();
        let body = if prefer.text {
            json!({"contentType": "text", "content": text})
        } else {
            json!({"contentType": "html", "content": c.body})
        };
        let no_place = || {
            json!({"displayName": "", "locationType": "default", "uniqueIdType": "unknown",
                   "address": {}, "coordinates": {}})
        };
        let attendees: Vec<Value> = c.attendees.iter().map(attendee_json).collect();
        let mut out = Map::new();
        let mut put = |key: &str, value: Value| {
            out.insert(key.to_owned(), value);
        };
        put("@odata.etag", format!("W/\"{}\"", self.change_key).into());
        put("id", self.id.clone().into());
        put("createdDateTime", instant(created).into());
        put("lastModifiedDateTime", instant(modified).into());
        put("changeKey", self.change_key.clone().into());
        put("categories", json!(c.categories));
        put("transactionId", json!(e.transaction));
        put("originalStartTimeZone", self.zone_name(&c.start.zone).into());
        put("originalEndTimeZone", self.zone_name(&c.end.zone).into());
        put("iCalUId", self.ical_uid().into());
        put("reminderMinutesBeforeStart", c.reminder_minutes.into());
        put("isReminderOn", c.reminder_on.into());
        put("hasAttachments", c.has_files().into());
        put("subject", c.subject.clone().into());
        put("bodyPreview", preview.into());
        put("importance", c.importance.clone().into());
        put("sensitivity", c.sensitivity.clone().into());
        put("isAllDay", c.all_day.into());
        put("isCancelled", c.cancelled.into());
        put("isOrganizer", e.is_organizer.into());
        put("responseRequested", c.response_requested.into());
        put("seriesMasterId", json!(self.master_id));
        put("showAs", c.show_as.clone().into());
        put("type", self.kind().into());
        put(
            "webLink",
            format!(
                "https://outlook.office365.example/owa/?itemid={}&exvsurl=1&path=/calendar/item",
                self.id
            )
            .into(),
        );
        put("onlineMeetingUrl", Value::Null);
        put("isOnlineMeeting", c.online.into());
        put("onlineMeetingProvider", c.provider.clone().into());
        put("allowNewTimeProposals", c.allow_proposals.into());
        put("isDraft", false.into());
        put("hideAttendees", c.hide_attendees.into());
        put("responseStatus", response_json(&c.response, c.response_time));
        put("body", body);
        put("start", time_json(&c.start, c.all_day, prefer));
        put("end", time_json(&c.end, c.all_day, prefer));
        put("location", c.locations.first().cloned().unwrap_or_else(no_place));
        put("locations", Value::Array(c.locations.clone()));
        put(
            "recurrence",
            match (&e.recurrence, self.day) {
                (Some(r), None) => r.json(self.zone_name(&e.content.start.zone), e.nameless.is_some()),
                _ => Value::Null,
            },
        );
        put("attendees", Value::Array(attendees));
        put(
            "organizer",
            json!({"emailAddress": {"name": e.organizer.0, "address": e.organizer.1}}),
        );
        put("onlineMeeting", c.online_meeting.clone().unwrap_or(Value::Null));
        if self.undeclared {
            put("uid", series_uid(&e.ical_uid).0.into());
            put("occurrenceId", json!(self.occurrence_id()));
        }
        out
    }

    #[must_use]
    pub(crate) fn dated(mut self, switches: &Switches) -> Self {
        self.dates = Dates::of(switches);
        self
    }

    /// What the zone of a start or an end is called.
    fn zone_name<'z>(&'z self, zone: &'z str) -> &'z str {
        let own_time = |day| {
            self.event
                .exceptions
                .get(&day)
                .is_some_and(|x| x.own.contains("start"))
        };
        match &self.event.nameless {
            Some(name) if !self.day.is_some_and(own_time) => name.trim(),
            _ => zone,
        }
    }

    pub(crate) fn occurrence_id(&self) -> Option<String> {
        Some(
            self.dates
                .occurrence_id(self.event, self.master_id.as_ref()?, self.day?),
        )
    }

    /// The slot's instant; Graph returns it only when selected.
    pub(crate) fn original_start(&self) -> Option<String> {
        let start = self.dates.original_start(self.event, self.day?);
        Some(start.format("%Y-%m-%dT%H:%M:%SZ").to_string())
    }

    /// GlobalObjectId: bytes 16 to 19 hold the date of an instance.
    pub fn ical_uid(&self) -> String {
        match self.day {
            Some(day) => instance_uid(&self.event.ical_uid, day),
            None => self.event.ical_uid.clone(),
        }
    }
}

/// The iCalUId of the occurrence on `day` of a series.
pub(crate) fn instance_uid(series: &str, day: NaiveDate) -> String {
    match (series.get(..32), series.get(40..)) {
        (Some(head), Some(tail)) => {
            format!(
                "{head}{:04X}{:02X}{:02X}{tail}",
                day.year(),
                day.month(),
                day.day()
            )
        }
        _ => series.to_owned(),
    }
}

/// The iCalUId of a series, and the day of the occurrence where `uid` names one.
pub fn series_uid(uid: &str) -> (String, Option<NaiveDate>) {
    let number = |part: Option<&str>| u32::from_str_radix(part?, 16).ok();
    let day = uid.get(32..40).and_then(|date| {
        let year = i32::try_from(number(date.get(..4))?).ok()?;
        NaiveDate::from_ymd_opt(year, number(date.get(4..6))?, number(date.get(6..))?)
    });
    match (day, uid.get(..32), uid.get(40..)) {
        (Some(_), Some(head), Some(tail)) => (format!("{head}00000000{tail}"), day),
        _ => (uid.to_owned(), None),
    }
}

/// A fresh GlobalObjectId (MS-OXOCAL): fixed head, no instance date, creation time, random tail.
pub(crate) fn new_ical_uid(now: DateTime<Utc>) -> String {
    let ticks = u64::try_from(now.timestamp() + 11_644_473_600).unwrap_or(0) * 10_000_000;
    let time: String = ticks.to_le_bytes().iter().map(|b| format!("{b:02X}")).collect();
    let tail = uuid::Uuid::new_v4().simple().to_string().to_uppercase();
    format!("040000008200E00074C5B7101A82E00800000000{time}000000000000000010000000{tail}")
}
