//! What was sent and what was asked: mails, deliveries under way, requests.

use super::people::Person;
use crate::event::Event;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

/// What is on its way to a guest's calendar.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Delivery {
    /// The organizer's event as it was sent.
    Copy {
        organizer: Person,
        event: Box<Event>,
        guest: String,
        reset: bool,
    },
    /// One occurrence, to whom is not invited to the series.
    Instance {
        organizer: Person,
        event: Box<Event>,
        day: NaiveDate,
        guest: String,
        reset: bool,
    },
    Cancellation {
        organizer: Person,
        ical_uid: String,
        day: Option<NaiveDate>,
        guest: String,
    },
}

/// Which request made something happen.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cause {
    pub request_id: String,
    pub method: String,
    pub path: String,
    /// `graph`, or `outlook` for a person's own doing through the control API or the page.
    pub via: String,
    /// Who did it in somebody else's calendar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// A mail that Outlook would have sent; `kind` is `invitation`, `update`, `cancellation` or `response`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mail {
    pub id: u64,
    pub time: DateTime<Utc>,
    pub kind: String,
    pub from: String,
    /// Who sent it on behalf of `from`, or `from` itself.
    #[serde(default)]
    pub sender: String,
    pub to: String,
    pub subject: String,
    pub comment: String,
    pub ical_uid: String,
    pub event_id: String,
    pub cause: Cause,
}

/// A line of the request log, without secrets and bodies.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Logline {
    /// When it was answered.
    pub time: DateTime<Utc>,
    /// When it came, to the microsecond.
    #[serde(default)]
    pub begun: DateTime<Utc>,
    pub method: String,
    pub path: String,
    pub status: u16,
    pub mailbox: Option<String>,
    pub request_id: String,
    pub client_request_id: Option<String>,
    pub prefer: Option<String>,
    pub if_match: Option<String>,
    pub duration_ms: u64,
    pub fault: Option<String>,
}
