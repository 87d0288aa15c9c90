//! Graph's `event` (page *event resource type*) as JSON, and its translation.
//!
//! [`WireEvent`] accepts whatever Graph sends: every property may be missing, `null` or unknown.
//! [`to_event`] makes the form that the sync works with. [`create_body`] and [`patch_body`] write
//! back. The latter writes only what differs, as each unnecessary property may cause a mail to a
//! stranger.
//!
//! **Where a video link goes.** Graph has no writable property for a link that it did not make
//! itself. So:
//!
//! * A location that is nothing but a URL *is* the video link if the event has no other, and then
//!   is not a location ([`to_event`]).
//! * The link of an event without a location is written as its location.
//! * The link of an event with a location is the last line of the body ([`video_line`]). This line
//!   is not the user's text: neither side's description contains it.
//! * A link of Outlook's own (`onlineMeeting`) is never written anywhere.

pub mod recurrence;
pub mod series;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days, NaiveDateTime, TimeZone, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};
use url::Url;
use uuid::Uuid;

use crate::calendar::body;
use crate::calendar::event::{Address, Answer, Attendee, AttendeeKind, Event, Person, Privacy, ShowAs, Time};
use crate::calendar::field::Group;
use crate::calendar::{timezone, title, video_line};
use crate::words::{Sentence, say};

/// The extended property that carries our link uuid (page *singleValueLegacyExtendedProperty*).
pub const LINK_PROPERTY: &str = "String {c3b1f0a2-5d3e-4a7e-9a8f-6c0d7f5f2b11} Name OutlookBridgeLink";

/// Graph's `eventType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EventKind {
    SingleInstance,
    /// An occurrence of a series that is as the series says.
    Occurrence,
    /// An occurrence of a series that was changed.
    Exception,
    SeriesMaster,
    #[serde(other)]
    Unknown,
}

/// Graph's `itemBody`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ItemBody {
    /// `html` or `text`.
    pub content_type: Option<String>,
    pub content: Option<String>,
}

/// Graph's `dateTimeTimeZone`: a local time without offset, seven fraction digits, and the name of its zone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DateTimeTimeZone {
    pub date_time: Option<String>,
    pub time_zone: Option<String>,
}

/// Graph's `location`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Location {
    pub display_name: Option<String>,
}

/// Graph's `emailAddress`. The address may be an X.500 path, or missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EmailAddress {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// Graph's `recipient`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Recipient {
    #[serde(deserialize_with = "null_is_default")]
    pub email_address: EmailAddress,
}

/// Graph's `responseStatus`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResponseStatus {
    /// `none`, `organizer`, `tentativelyAccepted`, `accepted`, `declined` or `notResponded`.
    pub response: Option<String>,
    /// `None` also for Graph's "never", the year 1.
    #[serde(deserialize_with = "lenient_instant")]
    pub time: Option<DateTime<Utc>>,
}

/// Graph's `attendee`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WireAttendee {
    /// `required`, `optional` or `resource`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(deserialize_with = "null_is_default")]
    pub email_address: EmailAddress,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<ResponseStatus>,
    /// When the attendee would rather meet; read-only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proposed_new_time: Option<TimeSlot>,
}

/// Graph's `timeSlot`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TimeSlot {
    pub start: Option<DateTimeTimeZone>,
    pub end: Option<DateTimeTimeZone>,
}

/// Graph's `onlineMeetingInfo`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OnlineMeeting {
    pub join_url: Option<String>,
}

/// Graph's `singleValueLegacyExtendedProperty`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExtendedProperty {
    pub id: Option<String>,
    pub value: Option<String>,
}

/// Graph's `event`, as far as we use it. Instants are UTC.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WireEvent {
    /// Case-sensitive. The immutable id, as every request asks for it.
    pub id: String,
    /// The same in every mailbox that has the meeting; differs per occurrence.
    #[serde(rename = "iCalUId")]
    pub ical_uid: Option<String>,
    /// The series-wide id, undeclared in v1.0 but sent.
    pub uid: Option<String>,
    pub change_key: Option<String>,
    #[serde(rename = "@odata.etag")]
    pub etag: Option<String>,
    #[serde(rename = "type")]
    pub kind: Option<EventKind>,
    pub series_master_id: Option<String>,
    pub occurrence_id: Option<String>,
    /// The slot of an occurrence or exception; often only sent when selected.
    #[serde(deserialize_with = "lenient_instant")]
    pub original_start: Option<DateTime<Utc>>,
    pub original_start_time_zone: Option<String>,
    pub original_end_time_zone: Option<String>,
    pub transaction_id: Option<String>,
    #[serde(deserialize_with = "lenient_instant")]
    pub created_date_time: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "lenient_instant")]
    pub last_modified_date_time: Option<DateTime<Utc>>,
    pub subject: Option<String>,
    pub body: Option<ItemBody>,
    pub start: Option<DateTimeTimeZone>,
    pub end: Option<DateTimeTimeZone>,
    pub is_all_day: Option<bool>,
    /// The first of `locations`.
    pub location: Option<Location>,
    /// As Graph has them, to be written back.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub locations: Vec<Value>,
    #[serde(deserialize_with = "null_is_default")]
    pub attendees: Vec<WireAttendee>,
    /// The guests are hidden from each other: each guest's copy lists only that guest.
    pub hide_attendees: Option<bool>,
    pub organizer: Option<Recipient>,
    pub is_organizer: Option<bool>,
    pub is_cancelled: Option<bool>,
    pub is_draft: Option<bool>,
    /// The response of the mailbox's own user.
    pub response_status: Option<ResponseStatus>,
    pub response_requested: Option<bool>,
    pub sensitivity: Option<String>,
    /// Read, never written: a person may leave events of some categories out.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    pub show_as: Option<String>,
    pub is_reminder_on: Option<bool>,
    pub reminder_minutes_before_start: Option<i32>,
    pub is_online_meeting: Option<bool>,
    pub online_meeting: Option<OnlineMeeting>,
    pub online_meeting_url: Option<String>,
    /// `patternedRecurrence`, on a series master only.
    pub recurrence: Option<Value>,
    /// `occurrenceId`s of the excluded dates, on a series master and only when selected.
    #[serde(deserialize_with = "null_is_default")]
    pub cancelled_occurrences: Vec<String>,
    /// The changed occurrences in full, on a series master and only when selected and expanded.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub exception_occurrences: Vec<WireEvent>,
    #[serde(deserialize_with = "null_is_default")]
    pub single_value_extended_properties: Vec<ExtendedProperty>,
    /// Attached files; pictures inside the body do not count.
    pub has_attachments: Option<bool>,
    /// The address where Outlook on the web shows it to the mailbox's own user.
    pub web_link: Option<String>,
    /// The further calendar in which it was found; `None` for the user's own. Graph does not tell
    /// it with the event.
    #[serde(skip)]
    pub calendar: Option<String>,
}

impl WireEvent {
    /// Returns our link UUID, if we made the event and the property was expanded (in a delta it
    /// never is).
    pub fn link(&self) -> Option<Uuid> {
        let ours = |p: &&ExtendedProperty| {
            p.id.as_deref()
                .is_some_and(|id| id.eq_ignore_ascii_case(LINK_PROPERTY))
        };
        let property = self.single_value_extended_properties.iter().find(ours)?;
        Uuid::parse_str(property.value.as_deref()?.trim()).ok()
    }

    /// Returns whether this is a delta's short row of an occurrence: id, type, master and times,
    /// nothing else. Its other properties are its master's.
    pub fn is_bare_occurrence(&self) -> bool {
        self.subject.is_none() && self.body.is_none() && self.is_all_day.is_none()
    }

    /// Returns the id of the series that this is, or is part of.
    pub fn series_id(&self) -> Option<&str> {
        let master = self.series_master_id.as_deref();
        master.or_else(|| self.is_recurring().then_some(self.id.as_str()))
    }

    /// Returns whether this is a series or part of one.
    pub fn is_recurring(&self) -> bool {
        self.series_master_id.is_some()
            || self.recurrence.is_some()
            || matches!(
                self.kind,
                Some(EventKind::Occurrence | EventKind::Exception | EventKind::SeriesMaster)
            )
    }

    /// Returns whether this is a series itself, not an occurrence.
    pub fn is_series(&self) -> bool {
        self.recurrence.is_some() || self.kind == Some(EventKind::SeriesMaster)
    }

    /// Returns whether this is one occurrence of a series, shown as a single event to somebody who
    /// is invited only to that one. Its `iCalUId` is the series', a GlobalObjectId, with the
    /// occurrence's date in bytes 16 to 19 (MS-OXOCAL 2.2.1.27).
    pub fn is_lone_occurrence(&self) -> bool {
        const GLOBAL_OBJECT_ID: &str = "040000008200E00074C5B7101A82E008";
        let date = self.ical_uid.as_deref().and_then(|uid| {
            let head = uid.get(..GLOBAL_OBJECT_ID.len())?;
            let is_one = head.eq_ignore_ascii_case(GLOBAL_OBJECT_ID);
            uid.get(GLOBAL_OBJECT_ID.len()..GLOBAL_OBJECT_ID.len() + 8)
                .filter(|_| is_one)
        });
        !self.is_recurring() && date.is_some_and(|date| date != "00000000")
    }

    /// Returns the response of the mailbox's own user; `None` for the organizer, and if there is
    /// none.
    pub fn own_response(&self) -> Option<Answer> {
        let response = self.response_status.as_ref()?.response.as_deref()?;
        (response != "organizer").then(|| answer(Some(response)))
    }

    /// Returns whether this is an invitation that the mailbox's owner has not accepted.
    pub fn is_unanswered(&self) -> bool {
        let response = self
            .response_status
            .as_ref()
            .and_then(|own| own.response.as_deref());
        self.is_organizer == Some(false) && matches!(response, Some("notResponded" | "declined"))
    }

    /// Returns the organizer, if Graph names one that can receive mail.
    pub fn organizer_person(&self) -> Option<Person> {
        let mailbox = &self.organizer.as_ref()?.email_address;
        let address = Address::parse(mailbox.address.as_deref()?)?;
        Some(Person {
            name: mailbox.name.clone().unwrap_or_default(),
            address,
        })
    }

    /// Returns whether files are attached to it, or to one of its occurrences.
    pub fn has_files(&self) -> bool {
        let all = std::iter::once(self).chain(&self.exception_occurrences);
        all.into_iter().any(|event| event.has_attachments == Some(true))
    }

    /// Returns the join link of a meeting that Outlook itself holds online.
    pub fn own_join_url(&self) -> Option<&str> {
        let meeting = self.online_meeting.as_ref().and_then(|m| m.join_url.as_deref());
        [meeting, self.online_meeting_url.as_deref()]
            .into_iter()
            .flatten()
            .map(str::trim)
            .find(|link| is_link(link))
    }

    /// Returns the attendees without a mail address to identify them. [`to_event`] leaves them out.
    pub fn attendees_without_address(&self) -> impl Iterator<Item = &EmailAddress> {
        self.attendees
            .iter()
            .map(|attendee| &attendee.email_address)
            .filter(|mailbox| mailbox.address.as_deref().and_then(Address::parse).is_none())
    }

    /// Returns whether the mailbox sees only itself among the guests.
    pub fn hides_guests(&self) -> bool {
        self.hide_attendees == Some(true) && self.is_organizer != Some(true)
    }

    /// Returns who proposes which other time. Skips what cannot be read.
    pub fn proposals(&self) -> impl Iterator<Item = (&EmailAddress, Time)> {
        self.attendees.iter().filter_map(|attendee| {
            let proposed = attendee.proposed_new_time.as_ref()?;
            let start = instant(proposed.start.as_ref(), "proposed").ok()?;
            let end = instant(proposed.end.as_ref(), "proposed").ok()?;
            let zone = self.zone().name().to_owned();
            Some((&attendee.email_address, Time::Timed { start, end, zone }))
        })
    }

    fn html(&self) -> String {
        let Some(body) = &self.body else {
            return String::new();
        };
        let content = body.content.clone().unwrap_or_default();
        let is_text = body
            .content_type
            .as_deref()
            .is_some_and(|t| t.eq_ignore_ascii_case("text"));
        if is_text {
            body::from_text(&content)
        } else {
            content
        }
    }

    /// Returns its descriptions, including those of exceptions, in the form in which they are
    /// compared.
    pub fn descriptions(&self) -> impl Iterator<Item = String> {
        let all = std::iter::once(self).chain(&self.exception_occurrences);
        all.map(|event| video_line::without(&event.html()).into_owned())
    }

    fn location_name(&self) -> &str {
        self.location
            .as_ref()
            .and_then(|l| l.display_name.as_deref())
            .unwrap_or_default()
            .trim()
    }

    /// Returns the zone that the event was written in; `None` if Graph names none with fixed rules
    /// (page *event resource type*).
    pub fn named_zone(&self) -> Option<chrono_tz::Tz> {
        [&self.original_start_time_zone, &self.original_end_time_zone]
            .into_iter()
            .find_map(|name| timezone::iana(name.as_deref()?))
    }

    /// Returns the zone of its original start, or else the one in which Graph sends its start. It
    /// anchors the event but does not move it: the two instants are the same in any zone.
    fn zone(&self) -> chrono_tz::Tz {
        let named = |name: Option<&str>| name.and_then(timezone::iana);
        named(self.original_start_time_zone.as_deref())
            .or_else(|| named(self.start.as_ref().and_then(|s| s.time_zone.as_deref())))
            .unwrap_or(chrono_tz::Tz::UTC)
    }
}

/// One row of a delta (page *event: delta*).
#[derive(Clone, Debug, PartialEq)]
pub enum DeltaRow {
    /// Deleted, moved out of the window, or never in it. An unknown id is normal here.
    Removed {
        id: String,
        /// `deleted` or `changed`.
        reason: String,
    },
    Event(Box<WireEvent>),
    /// A row that is not an event as we know it. It is for the journal, and must not stop the
    /// others.
    Unreadable {
        id: Option<String>,
        problem: String,
    },
}

impl DeltaRow {
    /// Reads one element of the page's `value`.
    pub fn read(row: Value) -> Self {
        let id = row
            .get("id")
            .and_then(Value::as_str)
            .filter(|id| !id.is_empty())
            .map(str::to_owned);
        if let Some(removed) = row.get("@removed") {
            let reason = removed
                .get("reason")
                .and_then(Value::as_str)
                .unwrap_or("deleted")
                .to_owned();
            return match id {
                Some(id) => Self::Removed { id, reason },
                None => Self::Unreadable {
                    id,
                    problem: "a removed row without id".to_owned(),
                },
            };
        }
        if id.is_none() {
            return Self::Unreadable {
                id,
                problem: "a row without id".to_owned(),
            };
        }
        match serde_json::from_value(row) {
            Ok(event) => Self::Event(Box::new(event)),
            // Only the place and the kind of the error: the value itself may be somebody's data.
            Err(error) => Self::Unreadable {
                id,
                problem: format!("not an event ({:?})", error.classify()),
            },
        }
    }
}

/// Why an event cannot be translated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub enum Unreadable {
    NoTime(&'static str),
    BadTime { which: &'static str, value: String },
    UnknownZone { which: &'static str, zone: String },
    EndsBeforeStart,
}

impl Unreadable {
    /// Returns the reason for people, as a part of another sentence.
    pub fn sentence(&self) -> Sentence {
        match self {
            Self::NoTime(field) => say::unreadable_no_time(*field),
            Self::BadTime { which, value } => say::unreadable_time(*which, value),
            Self::UnknownZone { which, zone } => say::unreadable_zone(*which, zone),
            Self::EndsBeforeStart => say::unreadable_ends_first(),
        }
    }
}

/// Translates an event. Leaves out attendees without a usable address
/// ([`WireEvent::attendees_without_address`] returns them) and the organizer, whom Graph sometimes
/// lists among the attendees.
///
/// # Errors
/// [`Unreadable`] if the times cannot be understood. A stub row is translated to times only.
pub fn to_event(wire: &WireEvent) -> Result<Event, Unreadable> {
    let organizer = wire.organizer_person();
    let mut attendees = BTreeMap::new();
    for attendee in &wire.attendees {
        let mailbox = &attendee.email_address;
        let newest = newest_row(attendee, wire);
        let Some(address) = mailbox.address.as_deref().and_then(Address::parse) else {
            continue;
        };
        if organizer.as_ref().is_some_and(|o| o.address == address) {
            continue;
        }
        let entry = Attendee {
            name: mailbox.name.clone().unwrap_or_default(),
            answer: answer(newest.status.as_ref().and_then(|s| s.response.as_deref())),
            kind: match attendee.kind.as_deref() {
                Some("optional") => AttendeeKind::Optional,
                Some("resource") => AttendeeKind::Resource,
                _ => AttendeeKind::Required,
            },
            also: Vec::new(),
            unlisted: false,
            by_alias: false,
            shown_as: None,
        };
        attendees.entry(address).or_insert(entry);
    }
    let html = wire.html();
    let (body, line) = video_line::split(&html);
    let (location, video) = location_and_video(wire, line);
    Ok(Event {
        title: wire.subject.clone().unwrap_or_default(),
        body: body.into_owned(),
        location,
        time: time(wire)?,
        privacy: match wire.sensitivity.as_deref() {
            Some("personal") => Privacy::Personal,
            Some("private") => Privacy::Private,
            Some("confidential") => Privacy::Confidential,
            _ => Privacy::Normal,
        },
        show_as: show_as(wire),
        reminder: (wire.is_reminder_on == Some(true))
            .then(|| wire.reminder_minutes_before_start.unwrap_or(15).max(0)),
        video,
        online: wire.is_online_meeting == Some(true),
        organizer,
        attendees,
    })
}

/// Returns whether an attendee has an Exchange X.500 path instead of an address.
fn has_x500_path(attendee: &WireAttendee) -> bool {
    let address = attendee.email_address.address.as_deref();
    address.is_some_and(|address| address.trim_start().to_lowercase().starts_with("/o="))
}

fn name_of(attendee: &WireAttendee) -> Option<String> {
    let name = attendee.email_address.name.as_deref()?.trim().to_lowercase();
    (!name.is_empty()).then_some(name)
}

/// Returns the rows of the same guest. Exchange has been seen to list a guest twice: by address
/// with the old response, and by an X.500 path with the new one (microsoft-graph-docs#13898). Both
/// rows have the guest's name. If several guests have this name, nobody can tell whose row it is.
fn rows_of_same_guest<'a>(
    attendee: &'a WireAttendee,
    wire: &'a WireEvent,
) -> impl Iterator<Item = &'a WireAttendee> {
    let name = name_of(attendee);
    let named = move |other: &&WireAttendee| name.is_some() && name_of(other) == name;
    let by_address = wire.attendees.iter().filter(|other| !has_x500_path(other));
    let is_one = by_address.filter(&named).count() == 1;
    wire.attendees
        .iter()
        .filter(move |other| is_one && has_x500_path(other) != has_x500_path(attendee) && named(other))
}

/// Returns the row with the guest's newest response.
fn newest_row<'a>(attendee: &'a WireAttendee, wire: &'a WireEvent) -> &'a WireAttendee {
    let time = |row: &WireAttendee| row.status.as_ref().and_then(|status| status.time);
    let others = rows_of_same_guest(attendee, wire).filter(|row| time(row) > time(attendee));
    others.max_by_key(|row| time(row)).unwrap_or(attendee)
}

fn answer(response: Option<&str>) -> Answer {
    match response {
        Some("accepted" | "organizer") => Answer::Accepted,
        Some("tentativelyAccepted") => Answer::Tentative,
        Some("declined") => Answer::Declined,
        _ => Answer::NeedsAction,
    }
}

fn show_as(wire: &WireEvent) -> ShowAs {
    match wire.show_as.as_deref() {
        Some("free") => ShowAs::Free,
        Some("tentative") => ShowAs::Tentative,
        Some("oof") => ShowAs::OutOfOffice,
        Some("workingElsewhere") => ShowAs::WorkingElsewhere,
        Some("unknown") => ShowAs::Unknown,
        _ => ShowAs::Busy,
    }
}

fn is_link(text: &str) -> bool {
    !text.contains(char::is_whitespace)
        && Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// Returns the location and the video link. `line` is the link in the body's last line.
fn location_and_video(wire: &WireEvent, line: Option<String>) -> (String, String) {
    let place = wire.location_name();
    match (wire.own_join_url(), line) {
        (Some(join), _) if join == place => (String::new(), join.to_owned()),
        (Some(join), _) => (place.to_owned(), join.to_owned()),
        (None, Some(link)) => (place.to_owned(), link),
        (None, None) if is_link(place) => (String::new(), place.to_owned()),
        (None, None) => (place.to_owned(), String::new()),
    }
}

/// Returns whether the video link goes into the body's last line, by the rule at the head of this
/// file. `now` is Outlook's event. If it has several locations, they remain locations, whichever of
/// them Odoo removes.
fn belongs_in_last_line(event: &Event, now: Option<&WireEvent>) -> bool {
    let own_join_url = now.and_then(WireEvent::own_join_url);
    let has_others = now.is_some_and(|now| now.locations.len() > 1);
    own_join_url.is_none()
        && !event.online
        && (has_others || !event.location.trim().is_empty())
        && video_line::can_carry(event.video.trim())
}

/// Returns the link to write into that line.
fn link_for_last_line(event: &Event, now: Option<&WireEvent>) -> Option<String> {
    belongs_in_last_line(event, now).then(|| event.video.trim().to_owned())
}

/// Returns the location to write, by the same rule.
fn location_to_write(event: &Event, now: Option<&WireEvent>) -> String {
    let own_join_url = now.and_then(WireEvent::own_join_url);
    let is_place = !event.location.trim().is_empty()
        || own_join_url == Some(event.video.as_str())
        || belongs_in_last_line(event, now);
    if is_place {
        title::for_outlook(&event.location).into_owned()
    } else {
        event.video.clone()
    }
}

fn naive(text: &str) -> Option<NaiveDateTime> {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()
}

fn time(wire: &WireEvent) -> Result<Time, Unreadable> {
    if wire.is_all_day == Some(true) {
        let day = |moment: &Option<DateTimeTimeZone>, which| {
            let text = moment
                .as_ref()
                .and_then(|m| m.date_time.as_deref())
                .ok_or(Unreadable::NoTime(which))?;
            let local = naive(text).or_else(|| Some(DateTime::parse_from_rfc3339(text).ok()?.naive_local()));
            let local = local.ok_or_else(|| Unreadable::BadTime {
                which,
                value: text.to_owned(),
            })?;
            Ok(local.date())
        };
        let start = day(&wire.start, "start")?;
        let end = day(&wire.end, "end")?;
        if end < start {
            return Err(Unreadable::EndsBeforeStart);
        }
        // The end is exclusive. Every calendar shows an all-day event of no length as one day.
        let end = end.max(start.checked_add_days(Days::new(1)).unwrap_or(start));
        return Ok(Time::AllDay { start, end });
    }
    let start = instant(wire.start.as_ref(), "start")?;
    let end = instant(wire.end.as_ref(), "end")?;
    if end < start {
        return Err(Unreadable::EndsBeforeStart);
    }
    Ok(Time::Timed {
        start,
        end,
        zone: wire.zone().name().to_owned(),
    })
}

fn instant(moment: Option<&DateTimeTimeZone>, which: &'static str) -> Result<DateTime<Utc>, Unreadable> {
    let text = moment
        .and_then(|m| m.date_time.as_deref())
        .ok_or(Unreadable::NoTime(which))?;
    if let Ok(pinned) = DateTime::parse_from_rfc3339(text) {
        return Ok(pinned.to_utc());
    }
    let local = naive(text).ok_or_else(|| Unreadable::BadTime {
        which,
        value: text.to_owned(),
    })?;
    let zone = moment.and_then(|m| m.time_zone.as_deref()).unwrap_or("UTC");
    let tz = timezone::iana(zone).ok_or_else(|| Unreadable::UnknownZone {
        which,
        zone: zone.chars().take(80).collect(),
    })?;
    Ok(timezone::to_utc(local, tz))
}

/// What a new event contains besides its own properties.
#[derive(Clone, Copy, Debug)]
pub struct ExtraForCreate<'a> {
    /// Makes a repeated POST return the first event instead of a second one (page *user: post events*).
    pub transaction_id: &'a str,
    /// Our link uuid, by which [`super::GraphClient::find_by_link`] finds the event again.
    pub link: Uuid,
}

/// Returns the body of `POST /me/events`. Graph immediately invites all attendees in it.
pub fn create_body(event: &Event, extra: ExtraForCreate<'_>) -> Value {
    let mut out = Map::new();
    out.insert("subject".into(), json!(title::for_outlook(&event.title)));
    let line = link_for_last_line(event, None);
    // A new event has no attached pictures.
    let text = body::with_pictures_of(&event.body, "");
    out.insert(
        "body".into(),
        html_body(&video_line::with(&text, line.as_deref())),
    );
    out.insert(
        "location".into(),
        json!({ "displayName": location_to_write(event, None) }),
    );
    write_time(&mut out, &event.time, chrono_tz::Tz::UTC);
    out.insert("sensitivity".into(), json!(sensitivity(event.privacy)));
    out.insert("showAs".into(), json!(free_busy(event.show_as)));
    write_reminder(&mut out, event.reminder);
    let attendees: Vec<_> = event
        .attendees
        .iter()
        .filter(|(address, _)| event.organizer.as_ref().is_none_or(|o| o.address != **address))
        .flat_map(|(address, attendee)| new_attendees(address, attendee))
        .collect();
    out.insert("attendees".into(), json!(attendees));
    if event.online {
        write_online(&mut out);
    }
    out.insert("transactionId".into(), json!(extra.transaction_id));
    let link = json!({ "id": LINK_PROPERTY, "value": extra.link.to_string() });
    out.insert("singleValueExtendedProperties".into(), json!([link]));
    Value::Object(out)
}

/// Returns the body of `PATCH /me/events/{id}` that changes the named groups from `now`, Outlook's
/// present state, to `event`. If it is empty, nothing is to be written.
///
/// * Time is written as a whole (start, end, all-day), local to the event's zone. Odoo names no
///   zone for a single event: if `event` says UTC, Outlook's zone stays.
/// * Attendees are written as a whole, as Graph replaces the array. Remaining attendees keep their
///   type and name; attendees without a usable address stay too.
/// * If there are several locations, Odoo edits the one that it shows.
/// * Values that Odoo cannot distinguish are left alone: a busy event stays out of office, a normal
///   one personal.
/// * The Teams block of the body stays; without it the online meeting would be lost.
/// * An online meeting is requested and never withdrawn, as Graph ignores that.
pub fn patch_body(groups: &[Group], event: &Event, now: &WireEvent) -> Value {
    let mut out = Map::new();
    for group in groups {
        match group {
            Group::Title => {
                out.insert("subject".into(), json!(title::for_outlook(&event.title)));
            }
            // Written with the location, as the link may go into either.
            Group::Body => {}
            Group::Location | Group::Video => {
                let place = location_to_write(event, Some(now));
                if place.trim() != now.location_name() {
                    write_location(&mut out, place.trim(), now);
                }
            }
            Group::Time => write_time(&mut out, &event.time, now.zone()),
            Group::Privacy => {
                let hidden =
                    event.privacy == Privacy::Normal && now.sensitivity.as_deref() == Some("personal");
                if !hidden {
                    out.insert("sensitivity".into(), json!(sensitivity(event.privacy)));
                }
            }
            Group::ShowAs => {
                let outlook = show_as(now);
                let hidden = event.show_as == ShowAs::Busy && outlook.blocks_time();
                if !hidden && event.show_as != outlook {
                    out.insert("showAs".into(), json!(free_busy(event.show_as)));
                }
            }
            Group::Reminder => write_reminder(&mut out, event.reminder),
            Group::Online => {
                if event.online && now.is_online_meeting != Some(true) {
                    write_online(&mut out);
                }
            }
            Group::Attendees => {
                if let Some(attendees) = attendees_to_write(event, now) {
                    out.insert("attendees".into(), attendees);
                }
            }
        }
    }
    if let Some(body) = body_to_write(groups, event, now) {
        out.insert("body".into(), html_body(&body));
    }
    Value::Object(out)
}

fn has_other_text(groups: &[Group], event: &Event, text_now: &str) -> bool {
    groups.contains(&Group::Body) && !body::same_meaning(&event.body, text_now)
}

/// Returns whether Odoo has seen the whole text, and not only the beginning of a longer one.
fn is_short_enough_for_odoo(text: &str) -> bool {
    text.len() <= body::LONGEST
}

/// Returns whether the groups include a description that is not written, as Odoo was shown only the
/// beginning of Outlook's.
pub fn keeps_outlook_text(groups: &[Group], event: &Event, now: &WireEvent) -> bool {
    let outlook = now.html();
    let (text_now, _) = video_line::split(&outlook);
    has_other_text(groups, event, &text_now) && !is_short_enough_for_odoo(&text_now)
}

/// Returns the whole body if its text or its last line is to change.
fn body_to_write(groups: &[Group], event: &Event, now: &WireEvent) -> Option<String> {
    let outlook = now.html();
    let (text_now, line_now) = video_line::split(&outlook);
    let is_about_link = groups
        .iter()
        .any(|group| matches!(group, Group::Location | Group::Video));
    let line = if is_about_link {
        link_for_last_line(event, Some(now))
    } else {
        line_now.clone()
    };
    let is_other_text = has_other_text(groups, event, &text_now) && is_short_enough_for_odoo(&text_now);
    if !is_other_text && line == line_now {
        return None;
    }
    let text = if is_other_text {
        event.body.as_str()
    } else {
        &text_now
    };
    let written = body::with_teams_block(&video_line::with(text, line.as_deref()), &outlook);
    Some(body::with_pictures_of(&written, &outlook).into_owned())
}

/// Writes the location. `location` and `locations` are locked together: a write of the first
/// deletes the others (page *event resource type*). So if there are several, all are written. Odoo
/// may show the name of the first one, or all names in a row.
fn write_location(out: &mut Map<String, Value>, place: &str, now: &WireEvent) {
    let name_of = |location: &Value| {
        let name = location.get("displayName").and_then(Value::as_str);
        name.unwrap_or_default().trim().to_owned()
    };
    let names: Vec<String> = now.locations.iter().map(name_of).collect();
    if names.len() < 2 {
        out.insert("location".into(), json!({ "displayName": place }));
        return;
    }
    let known = |name: &str| {
        let found = names.iter().position(|known| known == name);
        found.and_then(|index| now.locations.get(index)).cloned()
    };
    let wanted = |name: &str| known(name).unwrap_or_else(|| json!({ "displayName": name }));
    let all_are_shown = now.location_name().split(';').map(str::trim).eq(names.iter());
    let list: Vec<Value> = if all_are_shown {
        let parts = place.split(';').map(str::trim).filter(|name| !name.is_empty());
        parts.map(wanted).collect()
    } else {
        let others = now.locations.iter().zip(&names).skip(1);
        let others = others
            .filter(|(_, name)| *name != place)
            .map(|(other, _)| other.clone());
        let first = (!place.is_empty()).then(|| wanted(place));
        first.into_iter().chain(others).collect()
    };
    out.insert("locations".into(), json!(list));
}

fn html_body(html: &str) -> Value {
    json!({ "contentType": "html", "content": html })
}

fn sensitivity(privacy: Privacy) -> &'static str {
    match privacy {
        Privacy::Normal => "normal",
        Privacy::Personal => "personal",
        Privacy::Private => "private",
        Privacy::Confidential => "confidential",
    }
}

fn free_busy(show_as: ShowAs) -> &'static str {
    match show_as {
        ShowAs::Free => "free",
        ShowAs::Tentative => "tentative",
        // `unknown` can be read, but says nothing.
        ShowAs::Busy | ShowAs::Unknown => "busy",
        ShowAs::OutOfOffice => "oof",
        ShowAs::WorkingElsewhere => "workingElsewhere",
    }
}

/// Five years, in minutes (MS-OXWSCORE, `ReminderMinutesBeforeStart`).
const LONGEST_REMINDER: i32 = 2_629_800;

fn write_reminder(out: &mut Map<String, Value>, reminder: Option<i32>) {
    out.insert("isReminderOn".into(), json!(reminder.is_some()));
    if let Some(minutes) = reminder {
        let minutes = minutes.clamp(0, LONGEST_REMINDER);
        out.insert("reminderMinutesBeforeStart".into(), json!(minutes));
    }
}

/// Asks Outlook to hold the meeting online. A mailbox that cannot do so ignores this without an
/// error.
fn write_online(out: &mut Map<String, Value>) {
    out.insert("isOnlineMeeting".into(), json!(true));
    out.insert("onlineMeetingProvider".into(), json!("teamsForBusiness"));
}

fn write_time(out: &mut Map<String, Value>, time: &Time, fallback: chrono_tz::Tz) {
    let moment = |local: NaiveDateTime, tz: chrono_tz::Tz| json!({ "dateTime": local.format("%Y-%m-%dT%H:%M:%S").to_string(), "timeZone": tz.name() });
    let (start, end) = match time {
        Time::AllDay { start, end } => {
            let midnight = |day: &chrono::NaiveDate| day.and_time(chrono::NaiveTime::MIN);
            (
                moment(midnight(start), chrono_tz::Tz::UTC),
                moment(midnight(end), chrono_tz::Tz::UTC),
            )
        }
        Time::Timed { start, end, zone } => {
            let tz = timezone::iana(zone).filter(|tz| !is_utc(*tz)).unwrap_or(fallback);
            let local = |at: &DateTime<Utc>| at.with_timezone(&tz).naive_local();
            // In autumn one hour occurs twice; local time cannot express the second one.
            let sayable = |at: &DateTime<Utc>| {
                tz.from_local_datetime(&local(at))
                    .earliest()
                    .is_some_and(|e| e == *at)
            };
            if sayable(start) && sayable(end) {
                (moment(local(start), tz), moment(local(end), tz))
            } else {
                let utc = chrono_tz::Tz::UTC;
                (moment(start.naive_utc(), utc), moment(end.naive_utc(), utc))
            }
        }
    };
    out.insert("start".into(), start);
    out.insert("end".into(), end);
    out.insert("isAllDay".into(), json!(matches!(time, Time::AllDay { .. })));
}

fn is_utc(tz: chrono_tz::Tz) -> bool {
    use chrono_tz::Tz;
    matches!(
        tz,
        Tz::UTC
            | Tz::UCT
            | Tz::Zulu
            | Tz::Universal
            | Tz::Etc__UTC
            | Tz::Etc__UCT
            | Tz::Etc__Zulu
            | Tz::Etc__Universal
    )
}

/// Returns one row for each address of the attendee.
fn new_attendees(address: &Address, attendee: &Attendee) -> Vec<Value> {
    let addresses = std::iter::once(address).chain(&attendee.also);
    addresses.map(|address| new_attendee(address, attendee)).collect()
}

fn new_attendee(address: &Address, attendee: &Attendee) -> Value {
    let kind = match attendee.kind {
        AttendeeKind::Required => "required",
        AttendeeKind::Optional => "optional",
        AttendeeKind::Resource => "resource",
    };
    let name = if attendee.name.trim().is_empty() {
        address.as_str()
    } else {
        attendee.name.as_str()
    };
    json!({ "type": kind, "emailAddress": { "name": name, "address": address.as_str() } })
}

/// Returns whether a write of these groups replaces rows with X.500 paths. The responses in these
/// rows are lost then.
pub fn loses_responses(groups: &[Group], now: &WireEvent) -> bool {
    groups.contains(&Group::Attendees)
        && !groups.contains(&Group::Time)
        && now.attendees.iter().any(has_x500_path)
}

/// Returns whether the guests should change and cannot be written: somebody is listed only by an
/// X.500 path. Graph sends such paths but may not accept them, and a list without the path would
/// cancel a person whom nobody has removed.
pub fn keeps_outlook_guests(groups: &[Group], event: &Event, now: &WireEvent) -> bool {
    groups.contains(&Group::Attendees)
        && has_guest_without_address(now)
        && rows_to_write(event, now).is_some()
}

fn has_guest_without_address(now: &WireEvent) -> bool {
    let mut paths = now.attendees.iter().filter(|attendee| has_x500_path(attendee));
    paths.any(|path| rows_of_same_guest(path, now).next().is_none())
}

/// Returns `None` if Outlook lists these attendees already, or if they cannot be written.
fn attendees_to_write(event: &Event, now: &WireEvent) -> Option<Value> {
    rows_to_write(event, now).filter(|_| !has_guest_without_address(now))
}

/// Returns `None` if Outlook lists these attendees already.
fn rows_to_write(event: &Event, now: &WireEvent) -> Option<Value> {
    let organizer = now
        .organizer_person()
        .or_else(|| event.organizer.clone())
        .map(|o| o.address);
    let address_of = |a: &WireAttendee| a.email_address.address.as_deref().and_then(Address::parse);
    let also: BTreeSet<&Address> = event.attendees.values().flat_map(|a| &a.also).collect();
    // Existing attendees stay as Outlook has them, in the same order.
    let mut out: Vec<Value> = Vec::new();
    let mut doubles = 0;
    for attendee in &now.attendees {
        let stays = match address_of(attendee) {
            Some(address) => {
                organizer.as_ref() == Some(&address)
                    || event.attendees.contains_key(&address)
                    || also.contains(&address)
            }
            None => attendee
                .email_address
                .address
                .as_deref()
                .is_some_and(|a| !a.trim().is_empty()),
        };
        // A second row of the same guest, which Graph may refuse.
        if has_x500_path(attendee) && rows_of_same_guest(attendee, now).next().is_some() {
            doubles += 1;
            continue;
        }
        if stays {
            let kind = attendee.kind.as_deref().unwrap_or("required");
            out.push(json!({ "type": kind, "emailAddress": attendee.email_address }));
        }
    }
    let mut is_news = out.len() + doubles < now.attendees.len();
    let is_present = |address: &Address| {
        let mut listed = now.attendees.iter();
        listed.any(|a| address_of(a).as_ref() == Some(address))
    };
    for (first, attendee) in event.attendees.iter().filter(|(_, attendee)| !attendee.unlisted) {
        let is_reached = attendee.by_alias && attendee.also.iter().any(is_present);
        for address in std::iter::once(first).chain(&attendee.also) {
            if !is_present(address) && !is_reached && organizer.as_ref() != Some(address) {
                out.push(new_attendee(address, attendee));
                is_news = true;
            }
        }
    }
    is_news.then_some(Value::Array(out))
}

fn null_is_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(d: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(d)?.unwrap_or_default())
}

/// An RFC 3339 instant; `None` if it is missing, malformed, or Graph's "never" (year 1).
fn lenient_instant<'de, D: Deserializer<'de>>(d: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let text = Option::<String>::deserialize(d)?;
    let never = DateTime::<Utc>::UNIX_EPOCH;
    Ok(text
        .and_then(|t| DateTime::parse_from_rfc3339(&t).ok())
        .map(|t| t.to_utc())
        .filter(|t| *t > never))
}

#[cfg(test)]
mod tests;
