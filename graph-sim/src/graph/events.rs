//! Reading events: one, lists and views. Rules: "Get event", "List events", "List calendarView", "List instances".

use super::caller::Caller;
use super::paging::next_link;
use crate::call::{Answered, Call, Reply};
use crate::error::GraphError;
use crate::event::Event;
use crate::event_view::Prefer;
use crate::property;
use crate::query;
use crate::state::{Mailbox, Target, World};
use serde_json::{Map, Value, json};

pub(super) fn one(world: &World, address: &str, target: Target, call: &Call, prefer: &Prefer) -> Answered {
    let mailbox = world.mailbox(address)?;
    let select = query::select(&call.query)?;
    let expand = query::expand(&call.query)?;
    let event = mailbox.held(target.key).ok_or_else(GraphError::not_found)?;
    let shown = mailbox.view(
        event,
        target.day,
        prefer.immutable,
        world.switches.undeclared_properties,
    );
    let shown = shown.dated(&world.switches);
    let mut full = shown.json(prefer);
    let selected = |name: &str| select.as_ref().is_some_and(|s| s.iter().any(|n| n == name));
    // These come only when asked for by name.
    if selected("originalStart") {
        full.insert("originalStart".into(), json!(shown.original_start()));
    }
    if selected("cancelledOccurrences") && event.recurrence.is_some() && target.day.is_none() {
        let ids: Vec<String> = event
            .deleted
            .iter()
            .map(|day| shown.dates.occurrence_id(event, &shown.id, *day))
            .collect();
        full.insert("cancelledOccurrences".into(), json!(ids));
    }
    let mut out = match cut_down(full, select.as_deref()) {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    if !expand.extended.is_empty() {
        let held = match target.day.and_then(|d| event.exceptions.get(&d)) {
            Some(x) => &x.extended,
            None => &event.extended,
        };
        let found: Vec<Value> = held
            .iter()
            .filter(|(id, _)| expand.extended.contains(id))
            .map(|(id, value)| json!({"id": id, "value": value}))
            .collect();
        // Nothing found, nothing shown.
        if !found.is_empty() {
            out.insert("singleValueExtendedProperties".into(), json!(found));
        }
    }
    for name in &expand.others {
        let value = match name.as_str() {
            "exceptionOccurrences" if selected("exceptionOccurrences") => event
                .exceptions
                .keys()
                .map(|day| {
                    let x = mailbox.view(event, Some(*day), prefer.immutable, true);
                    let x = x.dated(&world.switches);
                    let mut full = x.json(prefer);
                    full.insert("originalStart".into(), json!(x.original_start()));
                    cut_down(full, select.as_deref())
                })
                .collect(),
            // Expanded and not selected, it is just missing (microsoft-graph-docs-contrib#4571).
            "exceptionOccurrences" => continue,
            "calendar" => mailbox
                .calendar(&event.calendar)
                .and_then(|c| Some(world.calendar_json(c, world.person(address)?)))
                .unwrap_or(Value::Null),
            "attachments" => json!(world.attachments(address, target, prefer.immutable)?),
            "extensions" => json!([]),
            _ => return Err(GraphError::request(format!("'{name}' cannot be expanded here."))),
        };
        out.insert(name.clone(), value);
    }
    out.insert(
        "@odata.context".into(),
        format!("{}/v1.0/$metadata#users('me')/events/$entity", call.base).into(),
    );
    // "Get event" page, responses: the way to the event's calendar.
    if call.method == "GET"
        && let Some(person) = world.person(address)
    {
        let link = format!(
            "{}/v1.0/users('{}')/calendars('{}')",
            call.base, person.id, event.calendar
        );
        out.insert(
            "calendar@odata.associationLink".into(),
            format!("{link}/$ref").into(),
        );
        out.insert("calendar@odata.navigationLink".into(), link.into());
    }
    Ok(Reply::json(200, Value::Object(out)))
}

/// Cuts an event down to what was selected; id and etag always come.
fn cut_down(mut full: Map<String, Value>, select: Option<&[String]>) -> Value {
    if let Some(names) = select {
        // On views, `onlineMeeting` only comes along with `isOnlineMeeting`.
        full.retain(|key, _| key == "id" || key.starts_with('@') || names.iter().any(|n| n == key));
        if !names.iter().any(|n| n == "isOnlineMeeting") {
            full.remove("onlineMeeting");
        }
    }
    Value::Object(full)
}

/// One page of events as an OData collection.
fn collection(
    world: &World,
    address: &str,
    call: &Call,
    prefer: &Prefer,
    targets: &[Target],
    context: &str,
) -> Answered {
    let mailbox = world.mailbox(address)?;
    let top = query::number(&call.query, "$top", 1, 1000)?
        .or(prefer.page)
        .unwrap_or(10);
    let skip = query::number(&call.query, "$skip", 0, usize::MAX)?.unwrap_or(0);
    let select = query::select(&call.query)?;
    let expand = query::expand(&call.query)?;
    let value: Vec<Value> = targets
        .iter()
        .skip(skip)
        .take(top)
        .filter_map(|t| {
            let event = mailbox.events.get(&t.key)?;
            let shown = mailbox.view(
                event,
                t.day,
                prefer.immutable,
                world.switches.undeclared_properties,
            );
            let shown = shown.dated(&world.switches);
            let mut full = shown.json(prefer);
            if select
                .as_ref()
                .is_some_and(|s| s.iter().any(|n| n == "originalStart"))
            {
                full.insert("originalStart".into(), json!(shown.original_start()));
            }
            if select.is_some() && context == "calendarView" {
                // "List calendarView" page: these two do not support $select there.
                full.remove("createdDateTime");
                full.remove("lastModifiedDateTime");
            }
            let mut out = cut_down(full, select.as_deref());
            if !expand.extended.is_empty() {
                let held = match t.day.and_then(|d| event.exceptions.get(&d)) {
                    Some(x) => &x.extended,
                    None => &event.extended,
                };
                let found: Vec<Value> = held
                    .iter()
                    .filter(|(id, _)| expand.extended.contains(id))
                    .map(|(id, value)| json!({"id": id, "value": value}))
                    .collect();
                if !found.is_empty() {
                    out["singleValueExtendedProperties"] = json!(found);
                }
            }
            Some(out)
        })
        .collect();
    let mut body = json!({
        "@odata.context": format!("{}/v1.0/$metadata#users('me')/{context}", call.base),
        "value": value,
    });
    if query::option(&call.query, "$count").is_some_and(|v| v == "true") {
        body["@odata.count"] = targets.len().into();
    }
    if targets.len() > skip.saturating_add(top) {
        body["@odata.nextLink"] = next_link(call, skip + top).into();
    }
    Ok(Reply::json(200, body))
}

const LIST: &[&str] = &[
    "$top", "$skip", "$select", "$filter", "$orderby", "$expand", "$count",
];

pub(super) fn list_events(
    world: &World,
    who: &Caller,
    call: &Call,
    prefer: &Prefer,
    calendar: Option<&str>,
) -> Answered {
    query::allow(&call.query, LIST)?;
    let address = &who.person.address;
    let mailbox = world.mailbox(address)?;
    let filter = query::option(&call.query, "$filter")
        .map(query::Filter::parse)
        .transpose()?;
    let order = query::order(&call.query)?;
    let calendar = calendar.unwrap_or(mailbox.primary());
    let indexed = filter.as_ref().and_then(|f| f.ical_uid());
    let mut events: Vec<&Event> = match indexed {
        Some(uid) => mailbox
            .by_ical(uid)
            .and_then(|key| mailbox.events.get(&key))
            .into_iter()
            .collect(),
        None => mailbox.events.values().collect(),
    };
    events.retain(|e| e.calendar == calendar && filter.as_ref().is_none_or(|f| f.passes(e)));
    if let Some((path, down)) = &order {
        events.sort_by(|a, b| {
            let o = query::compare(a, b, path);
            if *down { o.reverse() } else { o }
        });
    }
    let targets: Vec<Target> = events
        .iter()
        .map(|e| Target {
            key: e.key,
            day: None,
        })
        .collect();
    collection(world, address, call, prefer, &targets, "events")
}

/// Singles, occurrences and exceptions in a window: of a calendar, or of one series.
pub(super) fn view(
    world: &World,
    who: &Caller,
    call: &Call,
    prefer: &Prefer,
    calendar: Option<&str>,
    series: Option<u64>,
) -> Answered {
    query::allow(&call.query, LIST)?;
    let (from, to) = query::window(&call.query)?;
    let address = &who.person.address;
    let mailbox = world.mailbox(address)?;
    let calendar = calendar.unwrap_or(mailbox.primary());
    let filter = query::option(&call.query, "$filter")
        .map(query::Filter::parse)
        .transpose()?;
    let mut found = Vec::new();
    for event in mailbox.events.values() {
        let inside = match series {
            Some(key) => event.key == key,
            None => event.calendar == calendar,
        };
        if !inside || filter.as_ref().is_some_and(|f| !f.passes(event)) {
            continue;
        }
        if event.recurrence.is_some() {
            let omits = series.is_some() && world.switches.instances_omit_exceptions;
            for day in event.in_window(from, to) {
                if omits && event.exceptions.contains_key(&day) {
                    continue;
                }
                found.push((
                    event.occurrence(day).start.utc,
                    Target {
                        key: event.key,
                        day: Some(day),
                    },
                ));
            }
        } else if event.content.touches(from, to) {
            found.push((
                event.content.start.utc,
                Target {
                    key: event.key,
                    day: None,
                },
            ));
        }
    }
    found.sort_by_key(|(start, t)| (*start, t.key));
    if query::order(&call.query)?.is_some_and(|(_, down)| down) {
        found.reverse();
    }
    let targets: Vec<Target> = found.into_iter().map(|(_, t)| t).collect();
    collection(world, address, call, prefer, &targets, "calendarView")
}

pub(super) fn translate(mailbox: &Mailbox, call: &Call) -> Answered {
    let body = call.action(&property::TRANSLATE)?;
    let ids = body.get("inputids").and_then(Value::as_array);
    let ids = ids.map(Vec::as_slice).unwrap_or_default();
    if ids.len() > 1000 {
        return Err(GraphError::request("At most 1000 ids can be translated at once."));
    }
    let kind = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let is_immutable = |format: &str| format.to_lowercase().contains("immutable");
    let (source, target) = (kind("sourceidtype"), kind("targetidtype"));
    let immutable = is_immutable(target);
    let value: Vec<Value> = ids
        .iter()
        .map(|id| {
            let id = id.as_str().unwrap_or_default();
            let found = mailbox.find_as(id, is_immutable(source)).and_then(|t| {
                let event = mailbox.events.get(&t.key).ok_or_else(GraphError::not_found)?;
                Ok(mailbox.id_of(event, t.day, immutable))
            });
            match found {
                Ok(target) => json!({"sourceId": id, "targetId": target}),
                Err(e) => json!({"sourceId": id, "errorDetails": {"code": e.code, "message": e.message}}),
            }
        })
        .collect();
    let context = format!(
        "{}/v1.0/$metadata#Collection(microsoft.graph.convertIdResult)",
        call.base
    );
    Ok(Reply::json(
        200,
        json!({"@odata.context": context, "value": value}),
    ))
}
