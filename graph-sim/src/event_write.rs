//! Writes what a request carries into an event. Rules: Graph's pages "Create event" and "Update event".

use crate::body_check;
use crate::body_text::{append_to_body, html_document, join_blob, text_document};
use crate::error::GraphError;
use crate::event::{Attendee, Content, Moment};
use crate::property;
use crate::timezone;
use crate::values::{Written, boolean, choice, extended_id, location, moment, object, string};
use chrono::{NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// What the writer may do and whom the directory knows.
pub(crate) struct Rules<'a> {
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
pub(crate) struct Applied {
    pub touched: BTreeSet<String>,
    /// `Some(Null)` takes a series apart.
    pub recurrence: Option<Value>,
    pub extended: Vec<(String, String)>,
    pub transaction: Option<String>,
    pub start_local: Option<NaiveDateTime>,
}

pub(crate) fn attendees(value: &Value, old: &[Attendee], rules: &Rules) -> Result<Vec<Attendee>, GraphError> {
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
pub(crate) fn named(place: Option<Value>, rules: &Rules) -> Result<Option<Value>, GraphError> {
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
pub(crate) fn apply(
    content: &mut Content,
    map: &Map<String, Value>,
    rules: &Rules,
) -> Result<Applied, GraphError> {
    let mut applied = Applied::default();
    let mut start = None;
    let mut end = None;
    let mut all_day = None;
    let mut wants_online = false;
    let mut provider = None;
    body_check::check(&property::EVENT, map)?;
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
                    body_check::check(&property::SINGLE_VALUE, item)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body_text::plain_text;

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
