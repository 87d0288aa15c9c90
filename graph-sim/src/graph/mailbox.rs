//! What is asked of a mailbox: its owner, its calendars and its events.

use super::calendars::{calendars, keep_selected, rename_calendar};
use super::caller::{Caller, needs};
use super::event::{on_deleted, on_event};
use super::events::{list_events, one, translate, view};
use crate::attachments;
use crate::body_check;
use crate::call::{Answered, Call, Reply};
use crate::delta;
use crate::error::GraphError;
use crate::event_view::Prefer;
use crate::property;
use crate::query;
use crate::state::{Person, Target, World};
use crate::timezone;
use serde_json::{Value, json};

/// Answers what is asked of a mailbox; `skip` segments of the path name it.
pub(super) fn serve(world: &mut World, call: &Call, who: &Caller, prefer: &Prefer, skip: usize) -> Answered {
    let lower: Vec<String> = call.segments.iter().map(|s| s.to_ascii_lowercase()).collect();
    let address = who.person.address.clone();
    let get = call.method == "GET";
    let tail: Vec<&str> = lower[skip..]
        .iter()
        .map(|s| s.strip_prefix("microsoft.graph.").unwrap_or(s))
        .map(|s| s.strip_suffix("()").unwrap_or(s))
        .collect();
    let exact: Vec<&str> = call.segments[skip..].iter().map(String::as_str).collect();
    if tail.is_empty() {
        if !get {
            return Err(call.no_route());
        }
        if !who.scopes.iter().any(|s| s == "User.Read") {
            return Err(GraphError::new(
                403,
                "Authorization_RequestDenied",
                "Insufficient privileges to complete the operation.",
            ));
        }
        return Ok(Reply::json(200, me(&who.person, call)));
    }
    if tail == ["mailboxsettings"] {
        // "Get user mailbox settings", permissions.
        needs(who, &["MailboxSettings.Read", "MailboxSettings.ReadWrite"])?;
    } else if get || tail.first() == Some(&"translateexchangeids") {
        needs(who, &["Calendars.Read", "Calendars.ReadWrite"])?;
    } else {
        needs(who, &["Calendars.ReadWrite"])?;
    }
    world.mailbox(&address)?;
    let every = world.switches.spurious_412_every;
    if get && every > 0 {
        // Seen on the live service, even for plain reads.
        let count = world.counted.entry("spurious".into()).or_insert((0, 0));
        count.1 += 1;
        if count.1.is_multiple_of(every) {
            return Err(GraphError::conflict());
        }
    }
    let rest = match (call.method.as_str(), tail.as_slice()) {
        ("GET", ["calendars"]) => return calendars(world, who, call, "me/calendars"),
        ("GET", ["calendargroups"]) => {
            return Ok(Reply::json(
                200,
                json!({
                    "@odata.context": format!("{}/v1.0/$metadata#me/calendarGroups", call.base),
                    "value": [{"id": "AAMkADgroup0", "name": "My Calendars", "changeKey": "g1",
                               "classId": "0006f0b7-0000-0000-c000-000000000046"}],
                }),
            ));
        }
        ("GET", ["calendargroups", _, "calendars"]) => return calendars(world, who, call, "me/calendars"),
        ("POST", ["calendars"]) => {
            let body = call.object()?;
            body_check::check(&property::CALENDAR, &body)?;
            let name = body
                .get("name")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned();
            if name.is_empty() {
                return Err(GraphError::body("The property 'name' is required."));
            }
            let owner = (who.person.name.clone(), address.clone());
            let mailbox = world.mailbox_mut(&address)?;
            if mailbox
                .calendars
                .iter()
                .any(|c| c.name.eq_ignore_ascii_case(&name))
            {
                return Err(GraphError::new(
                    409,
                    "ErrorFolderExists",
                    "A folder with the specified name already exists.",
                ));
            }
            let id = mailbox.add_calendar(&name, true, owner);
            let calendar = world
                .mailbox(&address)?
                .calendar(&id)
                .cloned()
                .ok_or_else(GraphError::not_found)?;
            return Ok(Reply::json(201, world.calendar_json(&calendar, &who.person)));
        }
        ("POST", ["translateexchangeids"]) => return translate(world.mailbox(&address)?, call),
        ("GET", ["mailboxsettings"]) => {
            return Ok(Reply::json(
                200,
                json!({
                    "@odata.context": format!("{}/v1.0/$metadata#Me/mailboxSettings", call.base),
                    "timeZone": who.person.timezone, "language": {"locale": "en-US", "displayName": "English"},
                    "dateFormat": "yyyy-MM-dd", "timeFormat": "HH:mm",
                }),
            ));
        }
        ("GET", ["outlook", "mastercategories"]) => {
            return Ok(Reply::json(
                200,
                json!({"value": [
                    {"id": "1f5a0c1e-0000-4000-8000-000000000001", "displayName": "Red category", "color": "preset0"},
                    {"id": "1f5a0c1e-0000-4000-8000-000000000002", "displayName": "Blue category", "color": "preset7"},
                ]}),
            ));
        }
        ("GET", ["outlook", zones]) if zones.starts_with("supportedtimezones") => {
            let iana = zones.contains("iana");
            let names: Vec<Value> = if iana {
                chrono_tz::TZ_VARIANTS
                    .iter()
                    .map(|z| json!({"alias": z.name(), "displayName": z.name()}))
                    .collect()
            } else {
                timezone::windows_names()
                    .iter()
                    .map(|n| json!({"alias": n, "displayName": n}))
                    .collect()
            };
            return Ok(Reply::json(
                200,
                json!({
                    "@odata.context": format!("{}/v1.0/$metadata#Collection(microsoft.graph.timeZoneInformation)", call.base),
                    "value": names,
                }),
            ));
        }
        (_, ["calendar", ..]) => (1, Some(world.mailbox(&address)?.primary().to_owned())),
        (_, ["calendars", _, ..]) => (2, Some(exact[1].to_owned())),
        (_, ["calendargroups", _, "calendars", _, ..]) => (4, Some(exact[3].to_owned())),
        _ => (0, None),
    };
    let (used, calendar) = rest;
    world.mailbox_mut(&address)?.turn();
    if let Some(id) = &calendar {
        if !id.starts_with("AAMk") {
            return Err(GraphError::bad("ErrorInvalidIdMalformed", "Id is malformed."));
        }
        world
            .mailbox(&address)?
            .calendar(id)
            .ok_or_else(GraphError::not_found)?;
    }
    let tail = &tail[used..];
    let exact = &exact[used..];
    match (call.method.as_str(), tail) {
        ("GET", []) => {
            let id = calendar.unwrap_or_default();
            let found = world
                .mailbox(&address)?
                .calendar(&id)
                .ok_or_else(GraphError::not_found)?;
            query::allow(&call.query, &["$select", "$expand"])?;
            let mut out = world.calendar_json(found, &who.person);
            out["@odata.context"] =
                format!("{}/v1.0/$metadata#users('me')/calendar/$entity", call.base).into();
            keep_selected(&mut out, call);
            Ok(Reply::json(200, out))
        }
        ("PATCH", []) if calendar.is_some() => {
            rename_calendar(world, who, call, calendar.as_deref().unwrap_or_default())
        }
        ("DELETE", []) if calendar.is_some() => {
            let id = calendar.unwrap_or_default();
            world.mailbox_mut(&address)?.remove_calendar(&id)?;
            Ok(Reply::empty(204))
        }
        ("GET", ["events"]) => list_events(world, who, call, prefer, calendar.as_deref()),
        ("POST", ["events"]) => {
            query::allow(&call.query, &["$select"])?;
            let (key, _) = world.create(&address, calendar.as_deref(), &call.object()?, &call.cause())?;
            let mut reply = one(world, &address, Target { key, day: None }, call, prefer)?;
            reply.status = 201;
            if let Some(id) = reply.body.as_ref().and_then(|b| b["id"].as_str()) {
                reply
                    .headers
                    .push(("Location".into(), format!("{}/v1.0/me/events/{id}", call.base)));
            }
            Ok(reply)
        }
        ("GET", ["calendarview"]) => view(world, who, call, prefer, calendar.as_deref(), None),
        ("GET", ["calendarview", "delta"]) => {
            let mailbox = world.mailbox(&address)?;
            let calendar = calendar.unwrap_or_else(|| mailbox.primary().to_owned());
            let path = call.url.split('?').next().unwrap_or_default();
            let link = format!("{}{path}", call.base);
            let body = delta::page(mailbox, &world.switches, &calendar, &call.query, prefer, &link)?;
            let mut reply = Reply::json(200, body);
            let mut applied = prefer.applied.clone();
            applied.push("odata.track-changes".into());
            reply
                .headers
                .push(("Preference-Applied".into(), applied.join(", ")));
            Ok(reply)
        }
        (_, ["events", _, ..]) => {
            let target = world.mailbox(&address)?.find_anywhere(exact[1])?;
            if tail.get(2) == Some(&"attachments") && tail.len() <= 4 {
                let is_deleted = world.mailbox(&address)?.deleted.contains_key(&target.key);
                if is_deleted && (!get || !world.switches.deleted_answers) {
                    return Err(GraphError::not_found());
                }
                let id = exact.get(3).copied();
                return attachments::serve(world, &address, call, prefer.immutable, target, id);
            }
            if world.mailbox(&address)?.deleted.contains_key(&target.key) {
                if !world.switches.deleted_answers || calendar.is_some() {
                    return Err(GraphError::not_found());
                }
                return on_deleted(world, &address, call, prefer, target, &tail[2..]);
            }
            if let Some(id) = &calendar {
                let inside = world
                    .mailbox(&address)?
                    .events
                    .get(&target.key)
                    .is_some_and(|e| e.calendar == *id);
                if !inside {
                    return Err(GraphError::not_found());
                }
            }
            on_event(world, who, call, prefer, target, &tail[2..])
        }
        _ => Err(call.no_route()),
    }
}

/// "Get a user": a default set of properties, or those that are selected.
fn me(person: &Person, call: &Call) -> Value {
    let (given, sur) = person.name.split_once(' ').unwrap_or((&person.name, ""));
    let mut out = json!({
        "id": person.id,
        "displayName": person.name,
        "givenName": given,
        "surname": sur,
        "mail": if person.is_personal() { person.sign_in_name() } else { &person.address },
        "userPrincipalName": person.sign_in_name(),
        "preferredLanguage": "en-US",
        "businessPhones": [],
        "mobilePhone": null,
        "jobTitle": null,
        "officeLocation": null,
    });
    if let (Some(selected), Some(properties)) = (query::option(&call.query, "$select"), out.as_object_mut()) {
        let aliases = person.aliases.iter().map(|alias| format!("smtp:{alias}"));
        let proxies: Vec<String> = std::iter::once(format!("SMTP:{}", person.address))
            .chain(aliases)
            .filter(|_| !person.is_personal())
            .collect();
        properties.insert("proxyAddresses".into(), json!(proxies));
        let is_selected = |name: &str| selected.split(',').any(|wanted| wanted.trim() == name);
        properties.retain(|name, _| is_selected(name));
    }
    out["@odata.context"] = json!(format!("{}/v1.0/$metadata#users/$entity", call.base));
    out
}
