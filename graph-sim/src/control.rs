//! The simulator's own API, `/sim/api`: act as a person in Outlook, look at the logs, break things.

use crate::bulk::bulk;
use crate::call::Reply;
use crate::contract::Contract;
use crate::control_calendars;
use crate::control_subscriptions;
use crate::dump::dump;
use crate::error::GraphError;
use crate::faults::Fault;
use crate::form::Pairs;
use crate::meetings::{self, Answer};
use crate::notifications;
use crate::seed::{self, SeedPerson};
use crate::sim::Sim;
use crate::state::{App, Cause, Deed, Role, Target, World};
use crate::switches::Switches;
use crate::values;
use crate::windows;
use chrono::Utc;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

type Answered = Result<Reply, GraphError>;

fn bad(message: impl Into<String>) -> GraphError {
    GraphError::bad("SimBadRequest", message)
}

fn missing(what: &str) -> GraphError {
    GraphError::new(404, "SimNotFound", format!("There is no {what}."))
}

/// Returns the cause of what a person does in Outlook.
pub fn person_cause(method: &str, path: &str) -> Cause {
    Cause {
        request_id: uuid::Uuid::new_v4().to_string(),
        method: method.to_owned(),
        path: path.to_owned(),
        via: "outlook".into(),
        by: None,
    }
}

/// Answers a request of the control API; `path` is what follows `/sim/api`.
pub async fn handle(sim: &Arc<Sim>, method: &str, path: &[String], query: &Pairs, body: &[u8]) -> Reply {
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    let answered = match names.as_slice() {
        ["subscriptions", rest @ ..] => control_subscriptions::handle(sim, method, rest, body).await,
        _ => route(sim, method, &names, query, body),
    };
    if method != "GET" {
        sim.changed();
        notifications::deliver(sim);
    }
    answered.unwrap_or_else(|e| Reply::json(e.status, e.json(Utc::now(), "", "")))
}

fn route(sim: &Arc<Sim>, method: &str, path: &[&str], query: &Pairs, body: &[u8]) -> Answered {
    let given = |name: &str| query.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str());
    let json_body = || -> Result<Value, GraphError> {
        if body.is_empty() {
            return Ok(json!({}));
        }
        serde_json::from_slice(body).map_err(|e| bad(format!("The body is not JSON: {e}")))
    };
    let object = || -> Result<Map<String, Value>, GraphError> {
        json_body()?
            .as_object()
            .cloned()
            .ok_or_else(|| bad("The body must be an object."))
    };
    let ok = |value: Value| Ok(Reply::json(200, value));
    let shown_path = format!("/sim/api/{}", path.join("/"));
    let cause = person_cause(method, &shown_path);
    match (method, path) {
        ("GET", ["contract"]) => {
            let report = sim.contract.as_ref().map(Contract::report);
            return ok(report.unwrap_or_else(Contract::report_of_none));
        }
        ("DELETE", ["contract"]) => {
            if let Some(contract) = &sim.contract {
                contract.clear();
            }
            return Ok(Reply::empty(204));
        }
        _ => {}
    }
    let mut world = sim.world();
    let world = &mut *world;
    world.hand_out();
    match (method, path) {
        ("GET", ["health"]) => ok(json!({"ok": true})),
        ("GET", ["mailboxes"]) => {
            let list: Vec<Value> = world
                .people
                .iter()
                .map(|p| {
                    let mailbox = world.mailbox(&p.address).ok();
                    json!({
                        "address": p.address, "name": p.name, "id": p.id, "tenant": p.tenant,
                        "timezone": p.timezone, "personal": p.is_personal(), "disabled": p.disabled,
                        "events": mailbox.map(|m| m.events.len()),
                        "calendars": mailbox.map(|m| m.calendars.iter().map(|c| json!({
                            "id": c.id, "name": c.name, "default": c.is_default, "canEdit": c.can_edit,
                        })).collect::<Vec<_>>()),
                    })
                })
                .collect();
            ok(json!({ "value": list }))
        }
        (_, ["mailboxes", address, rest @ ..]) => {
            let mut cause = cause;
            if let Some(by) = given("by") {
                let person = world.person(by).cloned().ok_or_else(|| missing("such person"))?;
                let (deed, target) = deed(world, method, address, rest)?;
                world.let_in(&person, address, deed, target)?;
                cause.by = Some(person.address);
            }
            mailbox(world, method, address, rest, &object, &cause)
        }
        ("GET", ["mails"]) => {
            let list: Vec<Value> = world
                .mails
                .iter()
                .filter(|m| given("to").is_none_or(|to| m.to.eq_ignore_ascii_case(to)))
                .filter(|m| given("from").is_none_or(|from| m.from.eq_ignore_ascii_case(from)))
                .filter(|m| given("kind").is_none_or(|kind| m.kind == kind))
                .filter(|m| given("subject").is_none_or(|s| m.subject == s))
                .filter(|m| {
                    given("after")
                        .and_then(|a| a.parse().ok())
                        .is_none_or(|a: u64| m.id > a)
                })
                .map(|m| json!(m))
                .collect();
            ok(json!({ "value": list }))
        }
        ("DELETE", ["mails"]) => {
            world.mails.clear();
            Ok(Reply::empty(204))
        }
        ("GET", ["requests"]) => {
            let list: Vec<Value> = world
                .requests
                .iter()
                .filter(|r| given("mailbox").is_none_or(|m| r.mailbox.as_deref() == Some(m)))
                .filter(|r| given("method").is_none_or(|m| r.method.eq_ignore_ascii_case(m)))
                .filter(|r| given("path").is_none_or(|p| r.path.contains(p)))
                .map(|r| json!(r))
                .collect();
            ok(json!({ "value": list }))
        }
        ("DELETE", ["requests"]) => {
            world.requests.clear();
            Ok(Reply::empty(204))
        }
        ("GET", ["secrets"]) => ok(json!({ "value": world.logins.issued })),
        ("GET", ["faults"]) => ok(json!({ "value": world.faults })),
        ("PUT" | "POST", ["faults"]) => {
            let value = json_body()?;
            let list = match value {
                Value::Array(list) => list,
                Value::Object(ref map) if map.contains_key("value") => {
                    map["value"].as_array().cloned().unwrap_or_default()
                }
                one => vec![one],
            };
            let mut new = Vec::new();
            for item in list {
                let fault: Fault =
                    serde_json::from_value(item).map_err(|e| bad(format!("Not a fault: {e}")))?;
                fault.check().map_err(|e| bad(format!("Not a fault: {e}")))?;
                new.push(fault);
            }
            if method == "PUT" {
                world.faults.clear();
            }
            for mut fault in new {
                if fault.id == 0 {
                    fault.id = world.faults.iter().map(|f| f.id).max().unwrap_or(0) + 1;
                }
                world.faults.push(fault);
            }
            ok(json!({ "value": world.faults }))
        }
        ("DELETE", ["faults"]) => {
            world.faults.clear();
            Ok(Reply::empty(204))
        }
        ("DELETE", ["faults", id]) => {
            world.faults.retain(|f| f.id.to_string() != **id);
            Ok(Reply::empty(204))
        }
        ("GET", ["switches"]) => ok(json!(world.switches)),
        ("PUT" | "PATCH", ["switches"]) => {
            // What is not named stays as it is.
            let mut now = json!(world.switches);
            for (name, value) in object()? {
                now[name] = value;
            }
            let switches: Switches =
                serde_json::from_value(now).map_err(|e| bad(format!("Not a switch: {e}")))?;
            world.switches = switches;
            ok(json!(world.switches))
        }
        ("DELETE", ["switches"]) => {
            world.switches = Switches::default();
            ok(json!(world.switches))
        }
        ("POST", ["people"]) => {
            let person: SeedPerson =
                serde_json::from_value(json_body()?).map_err(|e| bad(format!("Not a person: {e}")))?;
            if !person.address.contains('@') {
                return Err(bad("A person needs a mail address."));
            }
            let address = person.address.clone();
            seed::add_person(world, person);
            Ok(Reply::json(201, json!(world.person(&address))))
        }
        ("PATCH", ["people", address]) => {
            let change = object()?;
            let person = world
                .people
                .iter_mut()
                .find(|p| p.address.eq_ignore_ascii_case(address))
                .ok_or_else(|| missing("such person"))?;
            let mut now = json!(person);
            for (name, value) in change {
                if ["id", "address", "tenant"].contains(&name.as_str()) || now.get(&name).is_none() {
                    return Err(bad(format!("'{name}' of a person cannot be changed.")));
                }
                now[name] = value;
            }
            *person = serde_json::from_value(now).map_err(|e| bad(e.to_string()))?;
            let person = person.clone();
            // 50173: the password was changed.
            if person.disabled || person.token_error == Some(50173) {
                world.end_subscriptions(&person.id);
            }
            ok(json!(person))
        }
        ("POST", ["people", address, "rename"]) => {
            let to = object()?["address"].as_str().unwrap_or_default().to_owned();
            if !to.contains('@') {
                return Err(bad("The new address is wanted: {\"address\": …}.".to_owned()));
            }
            let person = world
                .rename(address, &to)
                .ok_or_else(|| bad(format!("Nobody has {address}, or somebody else has {to}.")))?;
            ok(json!(person))
        }
        ("PUT", ["groups", address]) => {
            let members: Vec<String> = serde_json::from_value(json_body()?)
                .map_err(|e| bad(format!("Not a list of addresses: {e}")))?;
            world.groups.insert(address.to_lowercase(), members);
            ok(json!(world.groups))
        }
        ("POST", ["people", address, action]) => {
            let id = world
                .person(address)
                .map(|p| p.id.clone())
                .ok_or_else(|| missing("such person"))?;
            let count = match *action {
                "revoke" => world.logins.revoke(&id),
                "expire-tokens" => world.logins.expire_access(Some(&id)),
                "expire-refresh-tokens" => world.logins.expire_refresh(&id),
                "forget-consent" => {
                    let before = world.logins.consents.len();
                    world
                        .logins
                        .consents
                        .retain(|key, _| !key.ends_with(&format!("|{id}")));
                    before - world.logins.consents.len()
                }
                _ => return Err(missing("such action")),
            };
            if ["revoke", "forget-consent"].contains(action) {
                world.end_subscriptions(&id);
            }
            ok(json!({ "count": count }))
        }
        ("GET", ["apps"]) => {
            let list: Vec<Value> = world
                .apps
                .iter()
                .map(|a| json!({"client_id": a.client_id, "name": a.name, "redirect_uris": a.redirect_uris, "secret_expired": a.secret_expired}))
                .collect();
            ok(json!({ "value": list }))
        }
        ("POST", ["apps"]) => {
            let app: App =
                serde_json::from_value(json_body()?).map_err(|e| bad(format!("Not an app: {e}")))?;
            world.add_app(app.clone());
            Ok(Reply::json(201, json!(app)))
        }
        ("PATCH", ["apps", id]) => {
            let change = object()?;
            let app = world
                .apps
                .iter_mut()
                .find(|a| a.client_id == **id)
                .ok_or_else(|| missing("such app"))?;
            let mut now = json!(app);
            for (name, value) in change {
                if name == "add_redirect_uri" {
                    if let Some(list) = now["redirect_uris"].as_array_mut()
                        && !list.contains(&value)
                    {
                        list.push(value);
                    }
                    continue;
                }
                if now.get(&name).is_none() {
                    return Err(bad(format!("'{name}' is not a property of an app.")));
                }
                now[name] = value;
            }
            *app = serde_json::from_value(now).map_err(|e| bad(e.to_string()))?;
            ok(json!(app))
        }
        ("GET", ["state"]) => {
            let state = serde_json::to_value(&*world).map_err(|e| bad(e.to_string()))?;
            ok(state)
        }
        ("PUT", ["state"]) => {
            let mut new: World =
                serde_json::from_slice(body).map_err(|e| bad(format!("Not a state: {e}")))?;
            new.reindex();
            new.requests = std::mem::take(&mut world.requests);
            *world = new;
            Ok(Reply::empty(204))
        }
        ("POST", ["reset"]) => {
            // Back to the demo, keeping who may redirect where.
            let mut new = seed::demo().map_err(|e| bad(e.to_string()))?;
            for app in &world.apps {
                match new.apps.iter_mut().find(|a| a.client_id == app.client_id) {
                    Some(known) => known.redirect_uris.clone_from(&app.redirect_uris),
                    None => new.apps.push(app.clone()),
                }
            }
            new.switches.delta_page_size = world.switches.delta_page_size;
            *world = new;
            Ok(Reply::empty(204))
        }
        _ => Err(missing("such path in the control API")),
    }
}

/// What somebody else is about to do in a calendar.
fn deed(
    world: &World,
    method: &str,
    owner: &str,
    path: &[&str],
) -> Result<(Deed, Option<Target>), GraphError> {
    let find = |id: &str| world.mailbox(owner)?.find(id).map(Some);
    match (method, path) {
        ("GET", ["events"]) => Ok((Deed::Read, None)),
        ("GET", ["events", id]) => Ok((Deed::Read, find(id)?)),
        ("POST", ["events"]) => Ok((Deed::Write, None)),
        ("POST", ["events", id, "respond"]) => Ok((Deed::Respond, find(id)?)),
        (_, ["events", id, ..]) if path != ["events", id, "restore"] => Ok((Deed::Write, find(id)?)),
        _ => Err(bad("Only the owner does that: leave out 'by'.")),
    }
}

fn mailbox(
    world: &mut World,
    method: &str,
    address: &str,
    path: &[&str],
    object: &dyn Fn() -> Result<Map<String, Value>, GraphError>,
    cause: &Cause,
) -> Answered {
    world.mailbox(address)?;
    match (method, path) {
        ("GET", ["events"]) => {
            let place = world.mailbox(address)?;
            let list: Vec<Value> = place
                .events
                .keys()
                .map(|key| dump(place, Target { key: *key, day: None }))
                .collect();
            Ok(Reply::json(200, json!({ "value": list })))
        }
        ("POST", ["events"]) => {
            let mut body = object()?;
            let calendar = body
                .remove("calendar")
                .and_then(|v| v.as_str().map(str::to_owned));
            let organizer = body.remove("invited_by").map(serde_json::from_value).transpose();
            let organizer = organizer.map_err(|e| bad(e.to_string()))?;
            let (key, _) = world.create(address, calendar.as_deref(), &body, cause)?;
            world.forget_zone_name(address, key)?;
            if let Some(organizer) = organizer {
                seed::turn_into_invitation(world, address, key, organizer)?;
            }
            Ok(Reply::json(
                201,
                dump(world.mailbox(address)?, Target { key, day: None }),
            ))
        }
        ("POST", ["events", id, "restore"]) => {
            let key = world.mailbox_mut(address)?.put_back(id)?;
            Ok(Reply::json(
                200,
                dump(world.mailbox(address)?, Target { key, day: None }),
            ))
        }
        (_, ["events", id, rest @ ..]) => {
            let target = world.mailbox(address)?.find(id)?;
            match (method, rest) {
                ("GET", []) => Ok(Reply::json(200, dump(world.mailbox(address)?, target))),
                ("PATCH", []) => {
                    let when = |world: &World| {
                        let mailbox = world.mailbox(address).ok()?;
                        mailbox.events.get(&target.key).map(|e| e.content.start.clone())
                    };
                    let before = when(world);
                    let mut changes = object()?;
                    if world.switches.windows_rewrites_bodies {
                        rewrite_body_as_outlook_for_windows(world, address, target, &mut changes);
                    }
                    world.patch(address, target, &changes, None, cause)?;
                    if world.switches.drag_changes_id && target.day.is_none() && when(world) != before {
                        world.mailbox_mut(address)?.renew_ids(target.key)?;
                    }
                    Ok(Reply::json(200, dump(world.mailbox(address)?, target)))
                }
                ("DELETE", []) => {
                    world.delete(address, target, None, "", cause)?;
                    Ok(Reply::empty(204))
                }
                ("POST", ["respond"]) => {
                    let body = object()?;
                    let text = |name: &str| body.get(name).and_then(Value::as_str);
                    let answer = text("response")
                        .and_then(Answer::parse)
                        .ok_or_else(|| bad("response must be accept, decline or tentativelyAccept."))?;
                    // A guest from outside answers by mail: only the organizer's copy takes note.
                    if let Some(guest) = text("as") {
                        let uid = world
                            .mailbox(address)?
                            .events
                            .get(&target.key)
                            .map(|e| e.ical_uid.clone());
                        let response = match answer {
                            Answer::Accept => "accepted",
                            Answer::Tentative => "tentativelyAccepted",
                            Answer::Decline => "declined",
                        };
                        // Exchange has been seen to list the answer in a row of its own, by an X.500 path (microsoft-graph-docs#13898).
                        if let Some(path) = text("path") {
                            let instead = body.get("instead").and_then(Value::as_bool).unwrap_or(false);
                            world.list_by_path(address, target, (guest, path), response, instead)?;
                            return Ok(Reply::empty(202));
                        }
                        world.track(
                            address,
                            &uid.unwrap_or_default(),
                            target.day,
                            guest,
                            response,
                            None,
                        )?;
                        return Ok(Reply::empty(202));
                    }
                    let send = body.get("sendResponse").and_then(Value::as_bool).unwrap_or(true);
                    let proposed = body.get("proposedNewTime").filter(|time| !time.is_null());
                    proposed.map_or(Ok(()), values::check_slot)?;
                    world.respond(address, target, answer, text("comment"), send, proposed, cause)?;
                    Ok(Reply::empty(202))
                }
                ("POST", ["forward"]) => {
                    let body = object()?;
                    let to = body.get("to").and_then(Value::as_array).into_iter().flatten();
                    let to: Vec<_> = to
                        .filter_map(|to| Some((String::new(), to.as_str()?.to_owned())))
                        .collect();
                    let comment = body.get("comment").and_then(Value::as_str).unwrap_or_default();
                    world.forward(address, target, &to, comment, cause)?;
                    Ok(Reply::empty(202))
                }
                ("POST", ["cancel"]) => {
                    let body = object()?;
                    let comment = body.get("comment").and_then(Value::as_str).unwrap_or_default();
                    world.cancel(address, target, comment, cause)?;
                    Ok(Reply::empty(202))
                }
                // Whoever attaches something in Outlook sends an update with it.
                ("POST", ["attachments"]) => {
                    world.attach(address, target, &object()?)?;
                    world.send_again(address, target, cause)?;
                    Ok(Reply::json(201, dump(world.mailbox(address)?, target)))
                }
                ("DELETE", ["attachments", key]) => {
                    world.detach(address, target, key)?;
                    world.send_again(address, target, cause)?;
                    Ok(Reply::empty(204))
                }
                ("POST", ["called-off"]) => {
                    let copy = world.mailbox(address)?.events.get(&target.key).cloned();
                    let copy = copy.filter(|copy| !copy.is_organizer);
                    let copy = copy.ok_or_else(|| bad("It is the organizer's: cancel it."))?;
                    world.cancel_copy_of(&copy.ical_uid, target.day, address);
                    Ok(Reply::empty(202))
                }
                ("POST", ["move"]) => {
                    let body = object()?;
                    let calendar = body.get("calendar").and_then(Value::as_str).unwrap_or_default();
                    let untold = world.switches.delta_moved_back_untold;
                    let place = world.mailbox_mut(address)?;
                    place.relocate(target.key, calendar, untold)?;
                    Ok(Reply::json(200, dump(world.mailbox(address)?, target)))
                }
                _ => Err(missing("such path in the control API")),
            }
        }
        (_, ["calendars", rest @ ..]) => control_calendars::handle(world, method, address, rest, object),
        ("POST", ["delta-reset"]) => {
            let place = world.mailbox_mut(address)?;
            place.generation += 1;
            Ok(Reply::json(200, json!({"generation": place.generation})))
        }
        ("PATCH", []) => {
            let place = world.mailbox_mut(address)?;
            for (name, value) in object()? {
                let wrong = |e: serde_json::Error| bad(format!("{name}: {e}"));
                match name.as_str() {
                    "clock_skew_seconds" => {
                        place.clock_skew_seconds = serde_json::from_value(value).map_err(wrong)?;
                    }
                    "providers" => place.providers = serde_json::from_value(value).map_err(wrong)?,
                    "sending_refused" => {
                        place.sending_refused = serde_json::from_value(value).map_err(wrong)?;
                    }
                    "full" => place.full = serde_json::from_value(value).map_err(wrong)?,
                    "permissions" => {
                        let given: BTreeMap<String, Role> = serde_json::from_value(value).map_err(wrong)?;
                        let all = given.into_iter();
                        place.permissions = all.map(|(who, role)| (who.to_lowercase(), role)).collect();
                    }
                    "meeting_messages" => {
                        place.meeting_messages = serde_json::from_value(value).map_err(wrong)?;
                    }
                    _ => return Err(bad(format!("'{name}' of a mailbox cannot be changed."))),
                }
            }
            Ok(Reply::json(
                200,
                json!({"clock_skew_seconds": place.clock_skew_seconds, "providers": place.providers,
                       "sending_refused": place.sending_refused, "full": place.full,
                       "permissions": place.permissions, "meeting_messages": place.meeting_messages}),
            ))
        }
        ("POST", ["bulk"]) => bulk(world, address, &object()?, cause),
        _ => Err(missing("such path in the control API")),
    }
}

/// Outlook for Windows also rewrites the description when somebody edits what guests see of an event.
fn rewrite_body_as_outlook_for_windows(
    world: &World,
    address: &str,
    target: Target,
    changes: &mut Map<String, Value>,
) {
    let is_seen = |name: &String| !meetings::OWNER_ONLY.contains(&name.as_str()) && name != "attendees";
    let event = world
        .mailbox(address)
        .ok()
        .and_then(|m| m.events.get(&target.key));
    let Some(event) = event.filter(|event| event.is_organizer && target.day.is_none()) else {
        return;
    };
    if changes.contains_key("body") || !changes.keys().any(is_seen) {
        return;
    }
    let before = &event.content.body;
    let after = windows::rewritten(before);
    if after != *before {
        changes.insert("body".into(), json!({"contentType": "html", "content": after}));
    }
}
