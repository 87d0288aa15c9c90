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
    let mine = |s: &Subscription| {
        // States that were saved before the app was kept have none.
        let is_apps = s.client.is_empty() || s.client == who.client;
        s.person == person.id && is_apps && s.expires > Utc::now()
    };
    match (call.method.as_str(), tail.as_slice()) {
        ("POST", []) => {
            let body = call.object()?;
            let made =
                subscriptions::create(sim, person, &who.client, who.until, &body, prefer.immutable).await;
            let mut made = made?;
            made["@odata.context"] = format!("{}/v1.0/$metadata#subscriptions/$entity", call.base).into();
            Ok(Reply::json(201, made))
        }
        ("GET", []) => {
            let world = sim.world();
            let own = world.subscriptions.iter().filter(|s| mine(s));
            let value: Vec<Value> = own
                .map(|s| subscriptions::as_read(s.json(), &world.switches))
                .collect();
            let context = format!("{}/v1.0/$metadata#subscriptions", call.base);
            Ok(Reply::json(
                200,
                json!({ "@odata.context": context, "value": value }),
            ))
        }
        (method, [id, rest @ ..]) => {
            let mut world = sim.world();
            let told = world
                .subscriptions
                .get(id)
                .filter(|s| mine(s))
                .map(Subscription::json);
            match (method, rest) {
                ("GET", []) => {
                    let told = told.ok_or_else(subscriptions::unknown)?;
                    Ok(Reply::json(200, subscriptions::as_read(told, &world.switches)))
                }
                ("PATCH", []) => {
                    let body = call.object()?;
                    told.ok_or_else(subscriptions::unknown)?;
                    let renewed = subscriptions::renew(&mut world, id, who.until, &body)?;
                    Ok(Reply::json(200, renewed))
                }
                ("POST", ["reauthorize"]) => {
                    told.ok_or_else(subscriptions::unknown)?;
                    if let Some(s) = world.subscriptions.get_mut(id) {
                        s.reauthorize(who.until);
                    }
                    Ok(Reply::empty(world.switches.reauthorize_status))
                }
                ("DELETE", []) => {
                    told.ok_or_else(subscriptions::unknown)?;
                    world.subscriptions.remove(id);
                    Ok(Reply::empty(204))
                }
                _ => Err(call.no_route()),
            }
        }
        _ => Err(call.no_route()),
    }
}
