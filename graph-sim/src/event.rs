//! The event resource: what is stored, what may be written, how it reads back.
//! Rules: Graph's event resource page, "Create event" and "Update event".

use crate::attachments::{self, Attachment};
use crate::error::GraphError;
use crate::faults::Switches;
use crate::property;
use crate::recurrence::{Clock, Range, Recurrence};
use crate::timezone;
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// An instant and the zone it was written in. Of an all-day event the instant is midnight UTC of its date,
/// which is how Outlook anchors such events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    pub utc: DateTime<Utc>,
    pub zone: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attendee {
    pub kind: String,
    pub name: String,
    pub address: String,
    pub response: String,
    pub time: Option<DateTime<Utc>>,
    pub proposed: Option<Value>,
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
    pub fn blank(start: Moment, end: Moment) -> Self {
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

    pub fn join_url(&self) -> Option<&str> {
        self.online_meeting.as_ref()?.get("joinUrl")?.as_str()
    }

    pub fn touches(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> bool {
        // A zero-length event counts at its instant.
        self.start.utc < to
            && (self.end.utc > from || (self.start.utc == self.end.utc && self.start.utc >= from))
    }
}

impl Event {
    pub fn is_meeting(&self) -> bool {
        !self.content.attendees.is_empty()
    }

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
    pub fn extend_reach(&mut self) {
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
    pub fn ever_touched(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> bool {
        self.reach.is_none_or(|(first, last)| first <= to && last >= from)
    }

    pub fn overlaps(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> bool {
        if self.recurrence.is_some() {
            !self.in_window(from, to).is_empty()
        } else {
            self.content.touches(from, to)
        }
    }
}

// ---------------------------------------------------------------------------------------------------------
// Bodies

fn find_ignoring_case(hay: &str, needle: &str, from: usize) -> Option<usize> {
    let (hay, needle) = (hay.as_bytes(), needle.as_bytes());
    (from..hay.len().saturating_sub(needle.len()) + 1).find(|i| {
        hay.get(*i..*i + needle.len())
            .is_some_and(|w| w.eq_ignore_ascii_case(needle))
    })
}

/// Outlook stores a body as a document of its own making: head replaced, scripts gone.
pub fn html_document(content: &str) -> String {
    let mut inner = content;
    if let Some(open) = find_ignoring_case(content, "<body", 0)
        && let Some(start) = content[open..].find('>').map(|i| open + i + 1)
    {
        let end = find_ignoring_case(content, "</body", start).unwrap_or(content.len());
        inner = &content[start..end];
    }
    let mut clean = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(open) = find_ignoring_case(rest, "<script", 0) {
        clean.push_str(&rest[..open]);
        match find_ignoring_case(rest, "</script>", open) {
            Some(close) => rest = &rest[close + "</script>".len()..],
            None => rest = "",
        }
    }
    clean.push_str(rest);
    let clean = clean.trim();
    format!(
        "<html>\r\n<head>\r\n<meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\">\r\n</head>\r\n<body>\r\n{clean}\r\n</body>\r\n</html>\r\n"
    )
}

pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

pub fn text_document(content: &str) -> String {
    let lines = escape(content).replace("\r\n", "\n").replace('\n', "<br>\r\n");
    html_document(&format!("<div class=\"PlainText\">{lines}</div>"))
}

/// What is left of a document when its tags go: `bodyPreview` and `outlook.body-content-type="text"`.
pub fn plain_text(html: &str) -> String {
    let start = find_ignoring_case(html, "<body", 0).unwrap_or(0);
    let mut out = String::new();
    let mut rest = &html[start..];
    while let Some(open) = rest.find('<') {
        push_text(&mut out, &rest[..open]);
        let Some(close) = rest[open..].find('>') else {
            rest = "";
            break;
        };
        let tag = rest[open + 1..open + close].to_ascii_lowercase();
        let name: String = tag
            .trim_start_matches('/')
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        let breaks =
            name == "br" || (tag.starts_with('/') && matches!(name.as_str(), "p" | "div" | "tr" | "li"));
        if breaks && !out.is_empty() {
            out.push('\n');
        }
        rest = &rest[open + close + 1..];
    }
    push_text(&mut out, rest);
    out.trim().replace('\n', "\r\n")
}

fn push_text(out: &mut String, raw: &str) {
    let text = raw
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&nbsp;", " ")
        .replace("&amp;", "&");
    let mut words = text.split_whitespace();
    if text.starts_with(char::is_whitespace) && !out.is_empty() && !out.ends_with(['\n', ' ']) {
        out.push(' ');
    }
    if let Some(first) = words.next() {
        out.push_str(first);
        for word in words {
            out.push(' ');
            out.push_str(word);
        }
        if text.ends_with(char::is_whitespace) {
            out.push(' ');
        }
    }
}

fn join_blob(url: &str) -> String {
    format!(
        "<br>\r\n<div class=\"me-email-text\" lang=\"en-US\">________________________________________________________________________________<br>\r\n<span>Microsoft Teams meeting</span><br>\r\n<a class=\"me-email-headline\" id=\"meet_invite_block.action.join_link\" href=\"{url}\">Join the meeting now</a><br>\r\n________________________________________________________________________________</div>"
    )
}

fn append_to_body(body: &str, blob: &str) -> String {
    match body.rfind("\r\n</body>") {
        Some(at) => format!("{}{blob}{}", &body[..at], &body[at..]),
        None => html_document(blob),
    }
}

// ---------------------------------------------------------------------------------------------------------
// Reading what a client writes

/// A time as written.
#[derive(Clone, Debug)]
struct Written {
    local: NaiveDateTime,
    utc: DateTime<Utc>,
    zone: String,
}

fn object<'a>(value: &'a Value, name: &str, kind: &str) -> Result<&'a Map<String, Value>, GraphError> {
    value.as_object().ok_or_else(|| GraphError::mistyped(name, kind))
}

/// Microsoft's OData reader turns text into a boolean (odata.net, `ODataPayloadValueConverter`), and clients in
/// the field send it: python-o365 writes `"isOnlineMeeting": "false"` into every new event.
fn boolean(value: &Value, name: &str) -> Result<bool, GraphError> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
    .ok_or_else(|| GraphError::mistyped(name, "Edm.Boolean"))
}

fn string<'a>(value: &'a Value, name: &str) -> Result<&'a str, GraphError> {
    match value {
        Value::Null => Ok(""),
        Value::String(s) => Ok(s),
        _ => Err(GraphError::mistyped(name, "Edm.String")),
    }
}

fn choice(value: &Value, name: &str, allowed: &[&str]) -> Result<String, GraphError> {
    let given = value
        .as_str()
        .ok_or_else(|| GraphError::mistyped(name, "enumeration"))?;
    allowed
        .iter()
        .find(|a| a.eq_ignore_ascii_case(given))
        .map(|a| (*a).to_owned())
        .ok_or_else(|| GraphError::body(format!("Requested value '{given}' was not found.")))
}

pub fn parse_time(text: &str) -> Option<NaiveDateTime> {
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"]
        .iter()
        .find_map(|f| NaiveDateTime::parse_from_str(text, f).ok())
}

fn moment(value: &Value, name: &str) -> Result<Written, GraphError> {
    let map = object(value, name, "microsoft.graph.dateTimeTimeZone")?;
    let text = match map.get("dateTime") {
        Some(Value::String(s)) => s.as_str(),
        _ => return Err(GraphError::mistyped("dateTime", "Edm.String")),
    };
    let zone = match map.get("timeZone") {
        Some(Value::String(s)) => s.as_str(),
        None | Some(Value::Null) => return Err(GraphError::zone("")),
        Some(_) => return Err(GraphError::mistyped("timeZone", "Edm.String")),
    };
    let tz = timezone::resolve(zone).ok_or_else(|| GraphError::zone(zone))?;
    // An offset inside dateTime pins the instant; the zone then only anchors a series.
    if let Ok(fixed) = DateTime::parse_from_rfc3339(text) {
        let utc = fixed.with_timezone(&Utc);
        return Ok(Written {
            local: timezone::to_local(tz, utc),
            utc,
            zone: zone.to_owned(),
        });
    }
    let local = parse_time(text).ok_or_else(|| {
        GraphError::bad(
            "ErrorPropertyValidationFailure",
            format!("The dateTime '{text}' of '{name}' is not a valid date and time."),
        )
    })?;
    Ok(Written {
        local,
        utc: timezone::to_utc(tz, local),
        zone: zone.to_owned(),
    })
}

/// Refuses what is no time, `dateTimeTimeZone`, that an event could have.
pub fn check_time(value: &Value, name: &str) -> Result<(), GraphError> {
    moment(value, name).map(|_| ())
}

/// Refuses what is no time slot: a proposal of a new time.
pub fn check_slot(value: &Value) -> Result<(), GraphError> {
    let start = moment(value.get("start").unwrap_or(&Value::Null), "start")?;
    let end = moment(value.get("end").unwrap_or(&Value::Null), "end")?;
    if end.utc < start.utc {
        return Err(GraphError::bad(
            "ErrorPropertyValidationFailure",
            "At least one property failed validation.",
        ));
    }
    Ok(())
}

fn location(value: &Value) -> Result<Option<Value>, GraphError> {
    if value.is_null() {
        return Ok(None);
    }
    let kind = "microsoft.graph.location";
    let map = object(value, "location", kind)?;
    let name = string(map.get("displayName").unwrap_or(&Value::Null), "displayName")?;
    let given = |name: &str| map.get(name).filter(|v| v.is_object()).cloned();
    let address = given("address").unwrap_or_else(|| json!({}));
    let kind = match map.get("locationType") {
        None | Some(Value::Null) => "default".to_owned(),
        Some(v) => choice(v, "locationType", property::LOCATION_TYPE)?,
    };
    if name.is_empty() && address.as_object().is_some_and(Map::is_empty) {
        return Ok(None);
    }
    let mut out = json!({
        "displayName": name, "locationType": kind, "uniqueId": name, "uniqueIdType": "private",
        "address": address, "coordinates": {},
    });
    for key in ["locationUri", "locationEmailAddress"] {
        if let Some(value) = map.get(key) {
            out[key] = Value::String(string(value, key)?.to_owned());
        }
    }
    if let Some(coordinates) = given("coordinates") {
        out["coordinates"] = coordinates;
    }
    Ok(Some(out))
}

/// `{type} {guid} Name n`, `{type} {guid} Id 0x..` or `{type} 0xTAG`, in one spelling: the name keeps its
/// case, the rest does not matter (singleValueLegacyExtendedProperty page).
pub fn extended_id(id: &str) -> Option<String> {
    let mut parts = id.splitn(4, ' ');
    let kind = parts.next()?;
    let kinds = [
        "Binary",
        "Boolean",
        "CLSID",
        "Double",
        "Float",
        "Integer",
        "Long",
        "Short",
        "String",
        "SystemTime",
        "Currency",
        "ApplicationTime",
    ];
    let kind = kinds.iter().find(|k| k.eq_ignore_ascii_case(kind))?;
    let second = parts.next()?;
    if let Some(tag) = second.strip_prefix("0x") {
        u32::from_str_radix(tag, 16).ok()?;
        return Some(format!("{kind} {}", second.to_lowercase()));
    }
    let guid = second.strip_prefix('{')?.strip_suffix('}')?;
    uuid::Uuid::parse_str(guid).ok()?;
    let word = parts.next()?;
    let name = parts.next()?;
    if name.is_empty() {
        return None;
    }
    let guid = guid.to_lowercase();
    if word.eq_ignore_ascii_case("name") {
        Some(format!("{kind} {{{guid}}} Name {name}"))
    } else if word.eq_ignore_ascii_case("id") {
        u32::from_str_radix(name.strip_prefix("0x")?, 16).ok()?;
        Some(format!("{kind} {{{guid}}} Id {}", name.to_lowercase()))
    } else {
        None
    }
}

/// What the writer may do and whom the directory knows.
pub struct Rules<'a> {
    pub create: bool,
    /// Does the calendar allow Teams meetings? Where not they are dropped without a word.
    pub teams: bool,
    pub directory: &'a dyn Fn(&str) -> Option<String>,
    pub owner: &'a str,
    pub cut_long_texts: bool,
    /// Does `isAllDay` want both times beside it, though it says what is so already?
    pub all_day_wants_times: bool,
}

/// What a body held, beside what it changed in the content.
#[derive(Default)]
pub struct Applied {
    pub touched: BTreeSet<String>,
    /// `Some(Null)` takes a series apart.
    pub recurrence: Option<Value>,
    pub extended: Vec<(String, String)>,
    pub transaction: Option<String>,
    pub start_local: Option<NaiveDateTime>,
}

fn attendees(value: &Value, old: &[Attendee], rules: &Rules) -> Result<Vec<Attendee>, GraphError> {
    let list = value.as_array().ok_or_else(|| {
        GraphError::body(
            "A null or non-array value was found for the property named 'attendees', which has the expected type 'Collection(microsoft.graph.attendee)'.",
        )
    })?;
    if list.len() > 500 {
        return Err(GraphError::request("An event can have at most 500 attendees."));
    }
    let mut out: Vec<Attendee> = Vec::with_capacity(list.len());
    for item in list {
        let kind = "microsoft.graph.attendee";
        let map = object(item, "attendees", kind)?;
        let role = match map.get("type") {
            None | Some(Value::Null) => "required".to_owned(),
            Some(v) => choice(v, "type", property::ATTENDEE_TYPE)?,
        };
        let mail = map
            .get("emailAddress")
            .ok_or_else(|| GraphError::mistyped("emailAddress", "graph.emailAddress"))?;
        let mail = object(mail, "emailAddress", "microsoft.graph.emailAddress")?;
        let address = string(mail.get("address").unwrap_or(&Value::Null), "address")?.trim();
        let valid = address.split_once('@').is_some_and(|(user, host)| {
            !user.is_empty()
                && !host.is_empty()
                && !address.contains(char::is_whitespace)
                && !host.contains('@')
        });
        if !valid {
            return Err(GraphError::bad(
                "ErrorInvalidRecipients",
                "At least one recipient is not valid.",
            ));
        }
        if out.iter().any(|a| a.address.eq_ignore_ascii_case(address)) {
            continue;
        }
        let given = string(mail.get("name").unwrap_or(&Value::Null), "name")?;
        // A colleague's name comes from the directory, whatever was written.
        let name = (rules.directory)(address).unwrap_or_else(|| {
            if given.is_empty() {
                address.to_owned()
            } else {
                given.to_owned()
            }
        });
        let before = old.iter().find(|a| a.address.eq_ignore_ascii_case(address));
        let own = address.eq_ignore_ascii_case(rules.owner);
        out.push(Attendee {
            kind: role,
            name,
            address: before.map_or_else(|| address.to_owned(), |a| a.address.clone()),
            response: before.map_or_else(
                || if own { "organizer" } else { "none" }.to_owned(),
                |a| a.response.clone(),
            ),
            time: before.and_then(|a| a.time),
            proposed: before.and_then(|a| a.proposed.clone()),
        });
    }
    Ok(out)
}

/// Exchange keeps so many characters of a subject, and of a place's name.
const MOST_CHARACTERS: usize = 255;

impl Rules<'_> {
    /// What is kept of a text.
    fn kept(&self, text: &str) -> Result<String, GraphError> {
        if text.chars().count() <= MOST_CHARACTERS {
            return Ok(text.to_owned());
        }
        if !self.cut_long_texts {
            return Err(GraphError::bad(
                "ErrorPropertyValidationFailure",
                "At least one property failed validation. A text is too long.",
            ));
        }
        let kept: String = text.chars().take(MOST_CHARACTERS - 1).collect();
        Ok(format!("{kept}…"))
    }
}

/// A place with what is kept of its name.
fn named(place: Option<Value>, rules: &Rules) -> Result<Option<Value>, GraphError> {
    let Some(mut place) = place else {
        return Ok(None);
    };
    if let Some(name) = place.get("displayName").and_then(Value::as_str) {
        place["displayName"] = json!(rules.kept(name)?);
    }
    Ok(Some(place))
}

/// Validates a body and writes it into `content`. Nothing is written when it fails: the caller hands in a
/// copy.
pub fn apply(content: &mut Content, map: &Map<String, Value>, rules: &Rules) -> Result<Applied, GraphError> {
    let mut applied = Applied::default();
    let mut start = None;
    let mut end = None;
    let mut all_day = None;
    let mut wants_online = false;
    let mut provider = None;
    property::check(&property::EVENT, map)?;
    for (name, value) in map {
        if name.contains('@') || property::EVENT.is_read_only(name) {
            continue;
        }
        applied.touched.insert(name.clone());
        match name.as_str() {
            "subject" => {
                let subject = string(value, name)?;
                content.subject = rules.kept(subject)?;
            }
            "body" => {
                if value.is_null() {
                    return Err(GraphError::request("The body of the item is invalid"));
                }
                let body = object(value, name, "microsoft.graph.itemBody")?;
                let text = string(body.get("content").unwrap_or(&Value::Null), "content")?;
                let kind = match body.get("contentType") {
                    None | Some(Value::Null) => "text".to_owned(),
                    Some(v) => choice(v, "contentType", property::BODY_TYPE)?,
                };
                content.body = if text.is_empty() {
                    String::new()
                } else if kind == "html" {
                    html_document(text)
                } else {
                    text_document(text)
                };
                // The way into a Teams meeting lives in the body; without it the meeting is gone
                // ("Update event" page, note on isOnlineMeeting).
                if let Some(url) = content.join_url()
                    && !content.body.contains(url)
                {
                    content.online = false;
                    content.online_meeting = None;
                    content.provider = "unknown".into();
                }
            }
            "start" => start = Some(moment(value, name)?),
            "end" => end = Some(moment(value, name)?),
            "isAllDay" => all_day = Some(boolean(value, name)?),
            "location" => {
                if !map.contains_key("locations") {
                    content.locations = named(location(value)?, rules)?.into_iter().collect();
                } else {
                    location(value)?;
                }
            }
            "locations" => {
                let list = value
                    .as_array()
                    .ok_or_else(|| GraphError::mistyped(name, "Collection(graph.location)"))?;
                let mut places = Vec::new();
                for place in list {
                    places.extend(named(location(place)?, rules)?);
                }
                content.locations = places;
            }
            "attendees" => content.attendees = attendees(value, &content.attendees, rules)?,
            "importance" => content.importance = choice(value, name, property::IMPORTANCE)?,
            "sensitivity" => {
                content.sensitivity = choice(value, name, property::SENSITIVITY)?;
            }
            "showAs" => {
                content.show_as = choice(value, name, property::FREE_BUSY)?;
            }
            "categories" => {
                let list = value
                    .as_array()
                    .ok_or_else(|| GraphError::mistyped(name, "Collection(Edm.String)"))?;
                let mut names = Vec::new();
                for item in list {
                    let item = item
                        .as_str()
                        .ok_or_else(|| GraphError::mistyped(name, "Edm.String"))?;
                    names.push(item.to_owned());
                }
                content.categories = names;
            }
            "isReminderOn" => content.reminder_on = boolean(value, name)?,
            "reminderMinutesBeforeStart" => {
                let minutes = value.as_i64().and_then(|n| i32::try_from(n).ok());
                let minutes = minutes.ok_or_else(|| GraphError::mistyped(name, "Edm.Int32"))?;
                // MS-OXWSCORE, `ReminderMinutesBeforeStart`: five years at most.
                if !(0..=2_629_800).contains(&minutes) {
                    return Err(GraphError::bad(
                        "ErrorPropertyValidationFailure",
                        "At least one property failed validation.",
                    ));
                }
                content.reminder_minutes = minutes;
            }
            "responseRequested" => content.response_requested = boolean(value, name)?,
            "allowNewTimeProposals" => content.allow_proposals = boolean(value, name)?,
            "hideAttendees" => content.hide_attendees = boolean(value, name)?,
            "isOnlineMeeting" => wants_online = boolean(value, name)?,
            "onlineMeetingProvider" => {
                provider = Some(choice(value, name, property::MEETING_PROVIDER)?);
            }
            "recurrence" => applied.recurrence = Some(value.clone()),
            "transactionId" => {
                let id = string(value, name)?;
                if id.chars().count() > 64 * 4 {
                    return Err(GraphError::request("The transactionId is too long."));
                }
                applied.transaction = Some(id.to_owned()).filter(|id| !id.is_empty());
            }
            "singleValueExtendedProperties" => {
                let list = value
                    .as_array()
                    .ok_or_else(|| GraphError::mistyped(name, "Collection(graph.entity)"))?;
                for item in list {
                    let item = object(item, name, "microsoft.graph.singleValueLegacyExtendedProperty")?;
                    property::check(&property::SINGLE_VALUE, item)?;
                    let id = string(item.get("id").unwrap_or(&Value::Null), "id")?;
                    let id = extended_id(id).ok_or_else(|| {
                        GraphError::bad(
                            "ErrorInvalidProperty",
                            format!("The PropertyId values '{id}' is invalid."),
                        )
                    })?;
                    let value = string(item.get("value").unwrap_or(&Value::Null), "value")?;
                    applied.extended.push((id, value.to_owned()));
                }
            }
            _ => return Err(GraphError::unknown_property(name, "microsoft.graph.event")),
        }
    }
    times(content, start, end, all_day, rules, &mut applied)?;
    // One-way: once initialized, later values change nothing.
    let teams = provider
        .as_deref()
        .is_none_or(|p| p == "teamsForBusiness" || p == "unknown");
    if wants_online && !content.online && rules.teams && teams {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let url = format!("https://teams.microsoft.example/l/meetup-join/19%3ameeting_{id}%40thread.v2/0");
        content.body = append_to_body(&content.body, &join_blob(&url));
        content.online = true;
        content.provider = "teamsForBusiness".into();
        content.online_meeting =
            Some(json!({"joinUrl": url, "conferenceId": id[..9], "tollNumber": "+1 425 555 0100"}));
    }
    Ok(applied)
}

fn times(
    content: &mut Content,
    start: Option<Written>,
    end: Option<Written>,
    all_day: Option<bool>,
    rules: &Rules,
    applied: &mut Applied,
) -> Result<(), GraphError> {
    let flips = all_day.is_some_and(|turns| rules.all_day_wants_times || turns != content.all_day);
    if rules.create || flips {
        for (missing, name) in [(start.is_none(), "Start"), (end.is_none(), "End")] {
            if missing {
                return Err(GraphError::request(format!("Missing parameters: Event.{name}")));
            }
        }
    }
    let turns = all_day.unwrap_or(content.all_day);
    applied.start_local = start.as_ref().map(|s| s.local);
    if turns {
        for (time, name) in [(&start, "Start"), (&end, "End")] {
            if time.as_ref().is_some_and(|t| t.local.time() != NaiveTime::MIN) {
                return Err(GraphError::request(format!(
                    "The Event.{name} property for an all-day event needs to be set to midnight."
                )));
            }
        }
        if let (Some(s), Some(e)) = (&start, &end)
            && !timezone::same_zone(&s.zone, &e.zone)
        {
            return Err(GraphError::request(
                "The Event.Start and Event.End of an all-day event need to be in the same time zone.",
            ));
        }
    }
    let anchored = |w: Written| Moment {
        utc: if turns {
            Utc.from_utc_datetime(&w.local)
        } else {
            w.utc
        },
        zone: w.zone,
    };
    if let Some(s) = start {
        content.start = anchored(s);
    }
    if let Some(e) = end {
        content.end = anchored(e);
    }
    content.all_day = turns;
    if content.end.utc < content.start.utc {
        return Err(GraphError::bad(
            "ErrorPropertyValidationFailure",
            "At least one property failed validation. The end of an event cannot be before its start.",
        ));
    }
    if turns && content.end.utc - content.start.utc < TimeDelta::days(1) {
        return Err(GraphError::request(
            "The duration of an event marked as All day must be at least 24 hours.",
        ));
    }
    Ok(())
}

// ---------------------------------------------------------------------------------------------------------
// Rendering

/// The `Prefer` values that shape an answer.
#[derive(Clone, Debug, Default)]
pub struct Prefer {
    pub zone: Option<(String, Tz)>,
    pub text: bool,
    pub immutable: bool,
    pub page: Option<usize>,
    pub applied: Vec<String>,
}

pub fn instant(t: DateTime<Utc>) -> String {
    t.format("%Y-%m-%dT%H:%M:%S%.6f0Z").to_string()
}

pub fn time_json(moment: &Moment, all_day: bool, prefer: &Prefer) -> Value {
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

pub fn attendee_json(a: &Attendee) -> Value {
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
    pub fn occurrence_id(self, event: &Event, master_id: &str, day: NaiveDate) -> String {
        let date = if self.occurrence_dates_in_utc {
            self.original_start(event, day).date_naive()
        } else {
            day
        };
        format!("OID.{master_id}.{date}")
    }
}

impl View<'_> {
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
    pub fn stub(&self, prefer: &Prefer) -> Value {
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
        put("hasAttachments", attachments::has_files(&c).into());
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
    pub fn dated(mut self, switches: &Switches) -> Self {
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

    pub fn occurrence_id(&self) -> Option<String> {
        Some(
            self.dates
                .occurrence_id(self.event, self.master_id.as_ref()?, self.day?),
        )
    }

    /// The slot's instant; Graph returns it only when selected.
    pub fn original_start(&self) -> Option<String> {
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
pub fn instance_uid(series: &str, day: NaiveDate) -> String {
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
pub fn new_ical_uid(now: DateTime<Utc>) -> String {
    let ticks = u64::try_from(now.timestamp() + 11_644_473_600).unwrap_or(0) * 10_000_000;
    let time: String = ticks.to_le_bytes().iter().map(|b| format!("{b:02X}")).collect();
    let tail = uuid::Uuid::new_v4().simple().to_string().to_uppercase();
    format!("040000008200E00074C5B7101A82E00800000000{time}000000000000000010000000{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content() -> Content {
        let t = |h| Moment {
            utc: Utc.with_ymd_and_hms(2026, 11, 24, h, 0, 0).unwrap(),
            zone: "UTC".into(),
        };
        Content::blank(t(9), t(10))
    }

    fn write(create: bool, work: bool, body: Value) -> Result<Content, GraphError> {
        let mut c = content();
        let rules = Rules {
            create,
            teams: work,
            directory: &|_| None,
            owner: "ann@contoso.example",
            cut_long_texts: false,
            all_day_wants_times: true,
        };
        apply(&mut c, body.as_object().unwrap(), &rules).map(|_| c)
    }

    #[test]
    fn bodies_become_documents_once() {
        let doc = text_document("a < b\nsecond");
        assert!(doc.starts_with("<html>\r\n<head>"));
        assert_eq!(plain_text(&doc), "a < b\r\nsecond");
        assert_eq!(html_document(&doc), doc);
        assert!(!html_document("<p>x</p><script>evil()</script>").contains("evil"));
    }

    #[test]
    fn refusals_have_graphs_codes() {
        let code = |body| write(false, true, body).unwrap_err().code;
        assert_eq!(code(json!({"nonsense": 1})), "RequestBodyRead");
        assert_eq!(code(json!({"subject": 1})), "RequestBodyRead");
        assert_eq!(code(json!({"showAs": "sleepy"})), "RequestBodyRead");
        assert_eq!(code(json!({"attendees": null})), "RequestBodyRead");
        assert_eq!(code(json!({"hideAttendees": "perhaps"})), "RequestBodyRead");
        assert_eq!(code(json!({"hideAttendees": 1})), "RequestBodyRead");
        assert_eq!(code(json!({"isAllDay": true})), "ErrorInvalidRequest");
        assert_eq!(code(json!({"body": null})), "ErrorInvalidRequest");
        assert_eq!(
            code(json!({"start": {"dateTime": "2026-11-24T09:00:00"}})),
            "TimeZoneNotSupportedException"
        );
        assert_eq!(
            code(json!({"start": {"dateTime": "2026-11-24T09:00:00", "timeZone": "Mars"}})),
            "TimeZoneNotSupportedException"
        );
        assert_eq!(
            code(json!({"end": {"dateTime": "2026-11-24T08:00:00", "timeZone": "UTC"}})),
            "ErrorPropertyValidationFailure"
        );
        assert_eq!(
            code(json!({"attendees": [{"emailAddress": {"address": "nobody"}}]})),
            "ErrorInvalidRecipients"
        );
    }

    #[test]
    fn a_boolean_may_come_as_text() {
        let c = write(
            false,
            true,
            json!({"hideAttendees": "true", "isReminderOn": "False"}),
        )
        .unwrap();
        assert!(c.hide_attendees && !c.reminder_on);
    }

    #[test]
    fn all_day_is_anchored_to_utc_midnight() {
        let day = |d: &str| json!({"dateTime": format!("{d}T00:00:00"), "timeZone": "Europe/Berlin"});
        let c = write(
            true,
            true,
            json!({"isAllDay": true, "start": day("2026-11-24"), "end": day("2026-11-25")}),
        );
        let c = c.unwrap();
        assert_eq!(c.start.utc.to_rfc3339(), "2026-11-24T00:00:00+00:00");
        assert_eq!(c.start.zone, "Europe/Berlin");
        let noon = json!({"dateTime": "2026-11-24T12:00:00", "timeZone": "UTC"});
        let e = write(false, true, json!({"isAllDay": true, "start": noon, "end": noon})).unwrap_err();
        assert!(e.message.contains("midnight"));
    }

    #[test]
    fn teams_needs_a_work_account_and_its_body() {
        let body = json!({"isOnlineMeeting": true, "onlineMeetingProvider": "teamsForBusiness"});
        assert!(!write(false, false, body.clone()).unwrap().online);
        let mut c = write(false, true, body).unwrap();
        assert!(c.body.contains(c.join_url().unwrap()));
        let rules = Rules {
            create: false,
            teams: true,
            directory: &|_| None,
            owner: "",
            cut_long_texts: false,
            all_day_wants_times: true,
        };
        let plain = json!({"body": {"contentType": "html", "content": "gone"}});
        apply(&mut c, plain.as_object().unwrap(), &rules).unwrap();
        assert!(!c.online && c.online_meeting.is_none());
    }

    #[test]
    fn extended_ids() {
        let guid = "{66f5a359-4659-4830-9070-00047ec6ac6e}";
        assert!(extended_id(&format!("String {guid} Name odoo_id")).is_some());
        assert_eq!(
            extended_id(&format!("string {} Name Odoo", guid.to_uppercase())),
            Some(format!("String {guid} Name Odoo"))
        );
        assert_eq!(extended_id("String nothing"), None);
    }
}
