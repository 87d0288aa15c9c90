//! What a simulator begins with: people, apps, and calendars that look lived in.
//!
//! Times of a seed may be relative to today in the person's own zone: `+1d 09:30`, or `mon 09:30` of this
//! week (on a Sunday: of the coming one). A day alone is its midnight.

use crate::error::GraphError;
use crate::meetings::Answer;
use crate::state::{App, CONSUMERS, Cause, Person, Room, Target, Tenant, World};
use crate::timezone;
use chrono::{Datelike, Days, NaiveDate, NaiveTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    #[error("the seed is not valid: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the seed's event {0:?} of {1}: {2}")]
    Event(String, String, Box<GraphError>),
    #[error("the seed's time {0:?} is neither a date and time nor like '+1d 09:30' or 'mon 09:30'")]
    Time(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seed {
    #[serde(default)]
    tenants: Vec<Tenant>,
    #[serde(default)]
    apps: Vec<App>,
    #[serde(default)]
    people: Vec<SeedPerson>,
    #[serde(default)]
    events: Vec<SeedEvent>,
}

/// A person as a seed or the control API gives them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedPerson {
    pub address: String,
    pub name: String,
    #[serde(default)]
    pub id: Option<String>,
    /// Id or domain; without it the domain of the address decides.
    #[serde(default)]
    pub tenant: Option<String>,
    #[serde(default)]
    pub timezone: Option<String>,
    #[serde(default)]
    pub personal: bool,
    #[serde(default)]
    pub mailbox: Option<bool>,
    #[serde(default)]
    admin: bool,
    #[serde(default)]
    pub aliases: Vec<String>,
    #[serde(default)]
    pub upn: Option<String>,
    #[serde(default)]
    pub room: Option<Room>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedEvent {
    mailbox: String,
    event: Map<String, Value>,
    /// Somebody outside who invited the mailbox's owner.
    #[serde(default)]
    organizer: Option<(String, String)>,
    /// Guests' answers, by address.
    #[serde(default)]
    responses: BTreeMap<String, String>,
}

pub(crate) fn add_person(world: &mut World, given: SeedPerson) {
    let domain = given.address.split('@').nth(1).unwrap_or_default().to_lowercase();
    let tenant = if given.personal {
        CONSUMERS.to_owned()
    } else {
        let wanted = given.tenant.unwrap_or_else(|| domain.clone());
        let known = world
            .tenants
            .iter()
            .find(|t| t.id == wanted || t.domain.eq_ignore_ascii_case(&wanted));
        match known {
            Some(t) => t.id.clone(),
            None => {
                let id = uuid::Uuid::new_v4().to_string();
                world.tenants.push(Tenant {
                    id: id.clone(),
                    name: wanted.clone(),
                    domain: wanted,
                });
                id
            }
        }
    };
    world.add_person(Person {
        id: given.id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
        address: given.address,
        name: given.name,
        tenant,
        timezone: given.timezone.unwrap_or_else(|| "UTC".into()),
        disabled: false,
        challenge: None,
        token_error: None,
        mailbox: given.mailbox.unwrap_or(true),
        admin: given.admin,
        aliases: given.aliases,
        upn: given.upn,
        room: given.room,
    });
}

/// Turns a seed's time into Graph's; objects and absolute times pass.
fn time(text: &str, zone: &str) -> Result<Value, SeedError> {
    let bad = || SeedError::Time(text.to_owned());
    if crate::values::parse_time(text).is_some() {
        return Ok(json!({"dateTime": text, "timeZone": zone}));
    }
    let tz = timezone::resolve(zone).ok_or_else(bad)?;
    let today = timezone::to_local(tz, Utc::now()).date();
    let (day, clock) = text.trim().split_once(' ').unwrap_or((text.trim(), "00:00"));
    let clock = NaiveTime::parse_from_str(clock, "%H:%M").map_err(|_| bad())?;
    let date = day_of(day, today).ok_or_else(bad)?;
    Ok(json!({"dateTime": date.and_time(clock).format("%Y-%m-%dT%H:%M:%S").to_string(), "timeZone": zone}))
}

fn day_of(day: &str, today: NaiveDate) -> Option<NaiveDate> {
    if let Some(n) = day.strip_suffix('d').and_then(|n| n.parse::<i64>().ok()) {
        return today.checked_add_signed(chrono::TimeDelta::days(n));
    }
    let position = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
        .iter()
        .position(|d| *d == day)?;
    let back = u64::from(today.weekday().num_days_from_monday());
    let monday = if back == 6 {
        today + Days::new(1)
    } else {
        today - Days::new(back)
    };
    monday.checked_add_days(Days::new(position as u64))
}

/// Makes a world of a seed file, which the README describes.
///
/// # Errors
/// Says which person, time or event of the file is wrong.
pub fn load(text: &str) -> Result<World, SeedError> {
    build(serde_json::from_str(text)?)
}

fn build(seed: Seed) -> Result<World, SeedError> {
    let mut world = World {
        tenants: seed.tenants,
        apps: seed.apps,
        ..World::default()
    };
    for person in seed.people {
        add_person(&mut world, person);
    }
    let cause = Cause {
        request_id: String::new(),
        method: "SEED".into(),
        path: String::new(),
        via: "outlook".into(),
        by: None,
    };
    for given in seed.events {
        let SeedEvent {
            mailbox,
            mut event,
            organizer,
            responses,
        } = given;
        let subject = event
            .get("subject")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let wrong = |e: GraphError| SeedError::Event(subject.clone(), mailbox.clone(), Box::new(e));
        let zone = world
            .person(&mailbox)
            .map_or_else(|| "UTC".to_owned(), |p| p.timezone.clone());
        for name in ["start", "end"] {
            if let Some(Value::String(text)) = event.get(name) {
                let value = time(text, &zone)?;
                event.insert(name.into(), value);
            }
        }
        if let Some(range) = event.get_mut("recurrence").and_then(|r| r.get_mut("range"))
            && let Some(Value::String(day)) = range.get("startDate")
        {
            let tz = timezone::resolve(&zone).unwrap_or(chrono_tz::Tz::UTC);
            if let Some(date) = day_of(day, timezone::to_local(tz, Utc::now()).date()) {
                range["startDate"] = date.to_string().into();
            }
        }
        let (key, _) = world.create(&mailbox, None, &event, &cause).map_err(wrong)?;
        if let Some(organizer) = organizer {
            turn_into_invitation(&mut world, &mailbox, key, organizer).map_err(wrong)?;
            continue;
        }
        let uid = world
            .mailbox(&mailbox)
            .map_err(wrong)?
            .events
            .get(&key)
            .map(|e| e.ical_uid.clone())
            .unwrap_or_default();
        for (guest, word) in responses {
            let Some(answer) = Answer::parse(&word) else {
                continue;
            };
            let copy = world.mailbox(&guest).ok().and_then(|m| m.by_ical(&uid));
            match copy {
                Some(key) => {
                    let target = Target { key, day: None };
                    world
                        .respond(&guest, target, answer, None, true, None, &cause)
                        .map_err(wrong)?;
                }
                None => {
                    let response = match answer {
                        Answer::Accept => "accepted",
                        Answer::Tentative => "tentativelyAccepted",
                        Answer::Decline => "declined",
                    };
                    world
                        .track(&mailbox, &uid, None, &guest, response, None)
                        .map_err(wrong)?;
                }
            }
        }
    }
    // The past is past: the logs begin with the first request.
    world.mails.clear();
    for mailbox in world.mailboxes.values_mut() {
        mailbox.pokes.clear();
    }
    Ok(world)
}

pub(crate) const DEMO_CLIENT: &str = "11111111-2222-3333-4444-555555555555";
pub(crate) const DEMO_SECRET: &str = "demo~client-secret~for~graph-sim";

/// The organization contoso.example in an ordinary week.
pub fn demo() -> Result<World, SeedError> {
    let guest = |address: &str, name: &str, kind: &str| json!({"type": kind, "emailAddress": {"address": address, "name": name}});
    let ann = "ann@contoso.example";
    let ben = "ben@contoso.example";
    let carla = "carla@contoso.example";
    let html = |text: &str| json!({"contentType": "html", "content": text});
    let seed = json!({
        "tenants": [{"id": "aaaaaaaa-0000-4000-8000-00000000c0de", "domain": "contoso.example", "name": "Contoso"}],
        "apps": [{
            "client_id": DEMO_CLIENT, "secret": DEMO_SECRET, "name": "Outlook Bridge (demo)",
            "redirect_uris": [
                "http://localhost:8069/microsoft_account/authentication",
                "http://127.0.0.1:8069/microsoft_account/authentication",
            ],
        }],
        "people": [
            {"id": "a0000000-0000-4000-8000-000000000001", "address": ann, "name": "Ann Archer", "timezone": "Romance Standard Time"},
            {"id": "a0000000-0000-4000-8000-000000000002", "address": ben, "name": "Ben Baker", "timezone": "Romance Standard Time"},
            {"id": "a0000000-0000-4000-8000-000000000003", "address": carla, "name": "Carla Cooper", "timezone": "GMT Standard Time"},
            {"id": "a0000000-0000-4000-8000-000000000009", "address": "pat@home.example", "name": "Pat Private", "personal": true, "timezone": "Romance Standard Time"},
        ],
        "events": [
            {"mailbox": ann, "event": {
                "subject": "Budget review", "start": "mon 10:00", "end": "mon 11:00",
                "location": {"displayName": "Room Rubens"}, "body": html("<p>Bring the figures of the <b>third quarter</b>.</p>"),
                "attendees": [guest(ben, "", "required"), guest(carla, "", "optional")]},
             "responses": {ben: "accept", carla: "tentative"}},
            {"mailbox": ann, "event": {
                "subject": "Visit of Northwind", "start": "tue 14:00", "end": "tue 15:30",
                "location": {"displayName": "Reception"}, "importance": "high",
                "attendees": [guest("dora@northwind.example", "Dora Dean", "required"), guest(ben, "", "required")]},
             "responses": {"dora@northwind.example": "accept"}},
            {"mailbox": ann, "event": {
                "subject": "Design talk", "start": "wed 09:30", "end": "wed 10:15",
                "isOnlineMeeting": true, "onlineMeetingProvider": "teamsForBusiness",
                "body": html("<p>Drafts are in the usual place.</p>"),
                "attendees": [guest(carla, "", "required")]},
             "responses": {carla: "accept"}},
            {"mailbox": ann, "event": {
                "subject": "Company outing", "start": "fri", "end": "sat", "isAllDay": true, "showAs": "free",
                "categories": ["Red category"]}},
            {"mailbox": ann, "event": {
                "subject": "Dentist", "start": "thu 08:30", "end": "thu 09:15", "sensitivity": "private", "showAs": "oof"}},
            {"mailbox": ann, "event": {
                "subject": "Out of office", "start": "thu 15:00", "end": "thu 18:00", "showAs": "oof", "isReminderOn": false}},
            {"mailbox": ann, "event": {
                "subject": "Write the report", "start": "wed 13:00", "end": "wed 15:00", "categories": ["Blue category"]}},
            {"mailbox": ann, "event": {
                "subject": "Team stand-up", "start": "mon 09:00", "end": "mon 09:15",
                "recurrence": {
                    "pattern": {"type": "weekly", "interval": 1, "daysOfWeek": ["monday", "tuesday", "wednesday", "thursday", "friday"], "firstDayOfWeek": "monday"},
                    "range": {"type": "numbered", "startDate": "mon", "numberOfOccurrences": 40}},
                "attendees": [guest(ben, "", "required"), guest(carla, "", "required")]},
             "responses": {ben: "accept"}},
            {"mailbox": ann, "organizer": ["Elias Evans", "elias@fabrikam.example"], "event": {
                "subject": "Fabrikam contract", "start": "tue 11:00", "end": "tue 12:00",
                "location": {"displayName": "Fabrikam, Antwerp"},
                "attendees": [guest(ann, "", "required")]}},
            {"mailbox": ben, "event": {
                "subject": "Sales call", "start": "mon 15:00", "end": "mon 15:30",
                "attendees": [guest("felix@tailspin.example", "Felix Frost", "required")]}},
            {"mailbox": ben, "event": {
                "subject": "Price list", "start": "wed 16:00", "end": "wed 17:00",
                "attendees": [guest(ann, "", "required")]},
             "responses": {ann: "accept"}},
            {"mailbox": ben, "event": {
                "subject": "Gym", "start": "thu 12:00", "end": "thu 13:00", "sensitivity": "private"}},
            {"mailbox": "pat@home.example", "event": {
                "subject": "Piano lesson", "start": "tue 18:00", "end": "tue 19:00"}},
        ],
    });
    build(serde_json::from_value(seed)?)
}

/// Turns a person's own event into an invitation from `organizer`, as Outlook does with one that came
/// by mail.
///
/// # Errors
/// When there is no such mailbox.
pub fn turn_into_invitation(
    world: &mut World,
    mailbox: &str,
    key: u64,
    organizer: (String, String),
) -> Result<(), GraphError> {
    let place = world.mailbox_mut(mailbox)?;
    if let Some(mut copy) = place.events.get(&key).cloned() {
        copy.organizer = organizer;
        copy.is_organizer = false;
        copy.content.response = "notResponded".into();
        copy.content.show_as = "tentative".into();
        for guest in &mut copy.content.attendees {
            guest.response = "none".into();
        }
        place.replace(copy);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_is_valid() {
        let world = demo().unwrap();
        assert_eq!(world.people.len(), 4);
        assert!(world.mailbox("ann@contoso.example").unwrap().events.len() >= 10);
        assert!(world.mails.is_empty());
    }

    #[test]
    fn relative_days() {
        let wednesday: NaiveDate = "2026-11-25".parse().unwrap();
        let sunday: NaiveDate = "2026-11-22".parse().unwrap();
        assert_eq!(day_of("mon", wednesday), "2026-11-23".parse().ok());
        assert_eq!(day_of("mon", sunday), "2026-11-23".parse().ok());
        assert_eq!(day_of("+1d", sunday), "2026-11-23".parse().ok());
        assert_eq!(day_of("someday", sunday), None);
    }
}
