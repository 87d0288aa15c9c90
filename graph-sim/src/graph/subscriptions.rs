//! `/subscriptions`.

use super::caller::{Caller, needs};
use crate::call::{Answered, Call, Reply};
use crate::event_view::Prefer;
use crate::sim::Sim;
use crate::state::Subscription;
use crate::subscriptions;
use chrono::Utc;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) async fn subscription(sim: &Arc<Sim>, call: &Call, who: &Caller, prefer: &Prefer) -> Answered {
    needs(who, &["Calendars.Read", "Calendars.ReadWrite"])?;
    let tail: Vec<&str> = call.segments[1..].iter().map(String::as_str).collect();
    let person = &who.person;
    let mine = |s: &Subscription| s.person == person.id && s.expires > Utc::now();
    match (call.method.as_str(), tail.as_slice()) {
        ("POST", []) => {
            let mut made =
                subscriptions::create(sim, person, &who.client, &call.object()?, prefer.immutable).await?;
            made["@odata.context"] = format!("{}/v1.0/$metadata#subscriptions/$entity", call.base).into();
            Ok(Reply::json(201, made))
        }
        ("GET", []) => {
            let world = sim.world();
            let value: Vec<Value> = world
                .subscriptions
                .iter()
                .filter(|s| mine(s))
                .map(|s| subscriptions::as_read(s.json(), &world.switches))
                .collect();
            Ok(Reply::json(200, json!({ "value": value })))
        }
        ("GET", [id]) => {
            let world = sim.world();
            let found = world.subscriptions.get(id).filter(|s| mine(s));
            found
                .map(|s| Reply::json(200, subscriptions::as_read(s.json(), &world.switches)))
                .ok_or_else(subscriptions::unknown)
        }
        ("PATCH", [id]) => Ok(Reply::json(
            200,
            subscriptions::renew(sim, person, id, &call.object()?)?,
        )),
        ("POST", [id, "reauthorize"]) => {
            let world = sim.world();
            if world.subscriptions.get(id).is_some_and(mine) {
                Ok(Reply::empty(world.switches.reauthorize_status))
            } else {
                Err(subscriptions::unknown())
            }
        }
        ("DELETE", [id]) => {
            let mut world = sim.world();
            if world.subscriptions.get(id).is_some_and(mine) {
                world.subscriptions.remove(id);
                Ok(Reply::empty(204))
            } else {
                Err(subscriptions::unknown())
            }
        }
        _ => Err(call.no_route()),
    }
}
