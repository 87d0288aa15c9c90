//! The event resource as it is stored. Rules: Graph's event resource page.

use crate::recurrence::{Clock, Range, Recurrence};
use crate::timezone;
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// An instant and the zone it was written in. Of an all-day event the instant is midnight UTC of its date,
/// which is how Outlook anchors such events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    pub utc: DateTime<Utc>,
    pub zone: String,
}

/// An `attendee`; `time` is when they responded, `proposed` a `timeSlot`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attendee {
    pub kind: String,
    pub name: String,
    pub address: String,
    pub response: String,
    pub time: Option<DateTime<Utc>>,
    pub proposed: Option<Value>,
}

/// What an exception has of its own once something is attached to it.
pub(crate) const OWN_ATTACHMENTS: &str = "attachments";

/// A `fileAttachment`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The end of its id; the same in each copy of the meeting, as Exchange sends copies.
    pub key: String,
    pub name: String,
    pub content_type: Option<String>,
    pub content_id: Option<String>,
    /// A picture inside the body.
    pub inline: bool,
    /// In base64.
    pub bytes: String,
    pub size: usize,
    pub modified: DateTime<Utc>,
}

/// Everything an occurrence may have of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Content {
    pub subject: String,
    /// A whole HTML document, or nothing.
    pub body: String,
    pub importance: String,
    pub sensitivity: String,
    pub show_as: String,
    pub start: Moment,
    pub end: Moment,
    pub all_day: bool,
    pub locations: Vec<Value>,
    pub attendees: Vec<Attendee>,
    pub categories: Vec<String>,
    pub reminder_on: bool,
    pub reminder_minutes: i32,
    pub response_requested: bool,
    pub allow_proposals: bool,
    pub hide_attendees: bool,
    pub online: bool,
    pub provider: String,
    pub online_meeting: Option<Value>,
    pub cancelled: bool,
    pub response: String,
    pub response_time: Option<DateTime<Utc>>,
    /// Of its own also what no guest was sent yet; empty in states saved before it was kept.
    #[serde(default)]
    pub attachments: Vec<Attachment>,
}

/// One changed occurrence of a series. `own` names the properties it no longer takes from its master.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Exception {
    pub content: Content,
    pub own: BTreeSet<String>,
    pub extended: Vec<(String, String)>,
    pub change: u64,
    pub created: DateTime<Utc>,
    pub modified: DateTime<Utc>,
}

/// A single event or a series, as one mailbox has it. The keys of `exceptions` and `deleted` are original dates.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    pub key: u64,
    pub calendar: String,
    pub rest_id: String,
    pub immutable_id: String,
    pub ical_uid: String,
    pub created: DateTime<Utc>,
    pub modified: DateTime<Utc>,
    /// The number behind changeKey and etag; grows with every change.
    pub change: u64,
    /// Position in the mailbox's change log.
    pub seq: u64,
    pub transaction: Option<String>,
    /// The creating body, to tell a replay from a reuse of the transaction id.
    pub transaction_body: String,
    pub organizer: (String, String),
    pub is_organizer: bool,
    pub content: Content,
    pub recurrence: Option<Recurrence>,
    pub exceptions: BTreeMap<NaiveDate, Exception>,
    pub deleted: BTreeSet<NaiveDate>,
    pub extended: Vec<(String, String)>,
    /// From the earliest to the latest it ever lay; unknown of states saved before it was kept.
    #[serde(default)]
    pub reach: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// What its zone is called where that is no zone's name; the rules are those of `content` and `recurrence`.
    #[serde(default)]
    pub nameless: Option<String>,
    /// A series that was a single event once: a delta may have told it as one.
    #[serde(default)]
    pub was_single: bool,
}

impl Content {
    pub(crate) fn blank(start: Moment, end: Moment) -> Self {
        Self {
            subject: String::new(),
            body: String::new(),
            importance: "normal".into(),
            sensitivity: "normal".into(),
            show_as: "busy".into(),
            start,
            end,
            all_day: false,
            locations: Vec::new(),
            attendees: Vec::new(),
            categories: Vec::new(),
            reminder_on: true,
            reminder_minutes: 15,
            response_requested: true,
            allow_proposals: true,
            hide_attendees: false,
            online: false,
            provider: "unknown".into(),
            online_meeting: None,
            cancelled: false,
            response: "organizer".into(),
            response_time: None,
            attachments: Vec::new(),
        }
    }

    pub(crate) fn join_url(&self) -> Option<&str> {
        self.online_meeting.as_ref()?.get("joinUrl")?.as_str()
    }

    /// `hasAttachments`: pictures inside the body do not count (microsoft-graph-docs#2221).
    pub(crate) fn has_files(&self) -> bool {
        self.attachments.iter().any(|one| !one.inline)
    }

    /// Removes the pictures that the body does not show.
    pub(crate) fn drop_unused_pictures(&mut self) {
        let body = self.body.to_ascii_lowercase();
        let is_shown = |id: &str| body.contains(&format!("cid:{}", id.to_ascii_lowercase()));
        self.attachments
            .retain(|one| !one.inline || one.content_id.as_deref().is_some_and(is_shown));
    }

    pub(crate) fn touches(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> bool {
        // A zero-length event counts at its instant.
        self.start.utc < to
            && (self.end.utc > from || (self.start.utc == self.end.utc && self.start.utc >= from))
    }
}

impl Event {
    /// The zone a series repeats in.
    pub fn zone(&self) -> Tz {
        if self.content.all_day {
            return Tz::UTC;
        }
        let name = match &self.recurrence {
            Some(r) if !r.zone.is_empty() => r.zone.as_str(),
            _ => self.content.start.zone.as_str(),
        };
        timezone::resolve(name).unwrap_or(Tz::UTC)
    }

    /// Start and end of the slot on `day`, as the master has it.
    pub fn slot(&self, day: NaiveDate) -> (DateTime<Utc>, DateTime<Utc>) {
        let tz = self.zone();
        let kept = self.recurrence.as_ref().and_then(|r| r.clock);
        let clock = kept.unwrap_or_else(|| self.clock(tz));
        let local = day.and_time(clock.start);
        (
            timezone::to_utc(tz, local),
            timezone::to_utc(tz, local + clock.length()),
        )
    }

    /// What the clock on the wall of that zone shows at start and end as they are.
    pub fn clock(&self, tz: Tz) -> Clock {
        let start = timezone::to_local(tz, self.content.start.utc);
        let end = timezone::to_local(tz, self.content.end.utc);
        Clock {
            start: start.time(),
            seconds: (end - start).num_seconds(),
        }
    }

    /// The occurrence on `day` with its own content: the exception, or the master's content in that slot.
    pub fn occurrence(&self, day: NaiveDate) -> Content {
        if let Some(exception) = self.exceptions.get(&day) {
            return exception.content.clone();
        }
        let mut content = self.content.clone();
        let (start, end) = self.slot(day);
        content.start.utc = start;
        content.end.utc = end;
        content
    }

    pub fn has_occurrence(&self, day: NaiveDate) -> bool {
        !self.deleted.contains(&day)
            && (self.exceptions.contains_key(&day)
                || self.recurrence.as_ref().is_some_and(|r| r.contains(day)))
    }

    /// Slots (original dates) whose occurrence touches the window, exceptions where they stand now.
    pub fn in_window(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<NaiveDate> {
        let Some(rule) = &self.recurrence else {
            return Vec::new();
        };
        let tz = self.zone();
        let last = timezone::to_local(tz, to).date();
        let mut days: Vec<NaiveDate> = rule
            .dates(Some(last))
            .filter(|day| !self.deleted.contains(day) && !self.exceptions.contains_key(day))
            .filter(|day| {
                let (start, end) = self.slot(*day);
                start < to && (end > from || (start == end && start >= from))
            })
            .collect();
        days.extend(
            self.exceptions
                .iter()
                .filter(|(_, e)| e.content.touches(from, to))
                .map(|(day, _)| *day),
        );
        days.sort_unstable();
        days
    }

    /// Takes note of where the event lies now.
    pub(crate) fn extend_reach(&mut self) {
        let (mut from, mut to) = self
            .reach
            .unwrap_or((self.content.start.utc, self.content.end.utc));
        let mut cover = |start: DateTime<Utc>, end: DateTime<Utc>| {
            from = from.min(start);
            to = to.max(end);
        };
        cover(self.content.start.utc, self.content.end.utc);
        for x in self.exceptions.values() {
            cover(x.content.start.utc, x.content.end.utc);
        }
        if let Some(rule) = &self.recurrence {
            match rule.range {
                Range::NoEnd => cover(self.content.start.utc, DateTime::<Utc>::MAX_UTC),
                Range::EndDate { .. } | Range::Numbered { .. } => {
                    if let Some(last) = rule.dates(None).last() {
                        let (start, end) = self.slot(last);
                        cover(start, end);
                    }
                }
            }
        }
        self.reach = Some((from, to));
    }

    /// May it ever have touched the window?
    pub(crate) fn ever_touched(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> bool {
        self.reach.is_none_or(|(first, last)| first <= to && last >= from)
    }

    pub(crate) fn overlaps(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> bool {
        if self.recurrence.is_some() {
            !self.in_window(from, to).is_empty()
        } else {
            self.content.touches(from, to)
        }
    }
}
