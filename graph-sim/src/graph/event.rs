//! What is done with one event: reading, changing, deleting, and its actions.

use super::caller::Caller;
use super::events::{one, view};
use crate::call::{Answered, Call, Reply};
use crate::error::GraphError;
use crate::event_view::Prefer;
use crate::meetings::Answer;
use crate::property;
use crate::query;
use crate::state::{Target, World};
use crate::values;
use serde_json::{Map, Value, json};

pub(super) fn on_event(
    world: &mut World,
    who: &Caller,
    call: &Call,
    prefer: &Prefer,
    target: Target,
    tail: &[&str],
) -> Answered {
    let address = who.person.address.clone();
    let if_match = call.header("if-match");
    let cause = call.cause();
    match (call.method.as_str(), tail) {
        ("GET", []) => {
            query::allow(&call.query, &["$select", "$expand"])?;
            one(world, &address, target, call, prefer)
        }
        ("PATCH", []) => {
            world.patch(&address, target, &call.object()?, if_match, &cause)?;
            one(world, &address, target, call, prefer)
        }
        ("DELETE", []) => {
            world.delete(&address, target, if_match, "", &cause)?;
            Ok(Reply::empty(204))
        }
        ("GET", ["instances"]) => {
            let event = world.mailbox(&address)?.events.get(&target.key);
            if target.day.is_some() || event.is_none_or(|e| e.recurrence.is_none()) {
                if !world.switches.instances_of_single_refused {
                    let context = format!("{}/v1.0/$metadata#Collection(event)", call.base);
                    return Ok(Reply::json(200, json!({"@odata.context": context, "value": []})));
                }
                return Err(GraphError::request(
                    "Your request can't be completed. The event is not a series master.",
                ));
            }
            view(world, who, call, prefer, None, Some(target.key))
        }
        ("GET", ["calendar"]) => {
            let mailbox = world.mailbox(&address)?;
            let event = mailbox
                .events
                .get(&target.key)
                .ok_or_else(GraphError::not_found)?;
            let calendar = mailbox
                .calendar(&event.calendar)
                .ok_or_else(GraphError::not_found)?;
            Ok(Reply::json(200, world.calendar_json(calendar, &who.person)))
        }
        ("GET", ["extensions"]) => Ok(Reply::json(200, json!({"value": []}))),
        ("POST", [action @ ("accept" | "tentativelyaccept" | "decline")]) => {
            let answer = Answer::parse(action).ok_or_else(|| call.no_route())?;
            let body = call.action(if answer == Answer::Accept {
                &property::ACCEPT
            } else {
                &property::RESPOND
            })?;
            let send = match body.get("sendresponse") {
                None | Some(Value::Null) => true,
                Some(v) => v
                    .as_bool()
                    .ok_or_else(|| GraphError::mistyped("SendResponse", "Edm.Boolean"))?,
            };
            let proposed = body.get("proposednewtime").filter(|v| !v.is_null());
            proposed.map_or(Ok(()), values::check_slot)?;
            world.respond(&address, target, answer, comment(&body)?, send, proposed, &cause)?;
            Ok(Reply::empty(202))
        }
        ("POST", ["cancel"]) => {
            let body = call.action(&property::CANCEL)?;
            let text = comment(&body)?.unwrap_or_default().to_owned();
            world.cancel(&address, target, &text, &cause)?;
            Ok(Reply::empty(202))
        }
        ("POST", ["forward"]) => {
            let body = call.action(&property::FORWARD)?;
            let mut to = Vec::new();
            for r in body
                .get("torecipients")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                let field = |name: &str| r["emailAddress"][name].as_str().unwrap_or_default().to_owned();
                to.push((field("name"), field("address")));
            }
            if to.is_empty() || to.iter().any(|(_, a)| !a.contains('@')) {
                return Err(GraphError::bad(
                    "ErrorInvalidRecipients",
                    "At least one recipient is not valid.",
                ));
            }
            world.forward(&address, target, &to, comment(&body)?.unwrap_or_default(), &cause)?;
            Ok(Reply::empty(202))
        }
        ("POST", ["snoozereminder"]) => {
            let body = call.action(&property::SNOOZE)?;
            values::check_time(
                body.get("newremindertime").unwrap_or(&Value::Null),
                "NewReminderTime",
            )?;
            world.reminder(&address, target, true)?;
            Ok(Reply::empty(200))
        }
        ("POST", ["dismissreminder"]) => {
            call.action(&property::NO_PARAMETERS)?;
            world.reminder(&address, target, false)?;
            Ok(Reply::empty(200))
        }
        ("POST", ["permanentdelete"]) => {
            call.action(&property::NO_PARAMETERS)?;
            world.delete(&address, target, None, "", &cause)?;
            world.mailbox_mut(&address)?.deleted.remove(&target.key);
            Ok(Reply::empty(204))
        }
        _ => Err(call.no_route()),
    }
}

/// What lies in Deleted Items can be read and edited, by its id alone.
pub(super) fn on_deleted(
    world: &mut World,
    address: &str,
    call: &Call,
    prefer: &Prefer,
    target: Target,
    tail: &[&str],
) -> Answered {
    match (call.method.as_str(), tail) {
        ("GET", []) => {
            query::allow(&call.query, &["$select", "$expand"])?;
            one(world, address, target, call, prefer)
        }
        ("PATCH", []) => {
            world.patch_deleted(address, target, &call.object()?, call.header("if-match"))?;
            one(world, address, target, call, prefer)
        }
        ("DELETE", []) => Err(GraphError::cannot_delete()),
        ("POST", ["permanentdelete"]) => {
            call.action(&property::NO_PARAMETERS)?;
            world.mailbox_mut(address)?.deleted.remove(&target.key);
            Ok(Reply::empty(204))
        }
        _ => Err(GraphError::not_found()),
    }
}

fn comment(body: &Map<String, Value>) -> Result<Option<&str>, GraphError> {
    match body.get("comment") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(s)) => Ok(Some(s)),
        Some(_) => Err(GraphError::mistyped("Comment", "Edm.String")),
    }
}
