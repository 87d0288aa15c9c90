//! The part of the control API about subscriptions and their notifications, below `/sim/api/subscriptions`.

use crate::call::Reply;
use crate::courier::Rules;
use crate::error::GraphError;
use crate::notifications;
use crate::sim::Sim;
use chrono::{TimeDelta, Utc};
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How many forged requests are under way at once.
const AT_ONCE: usize = 16;
/// How many can be sent by one command.
const MOST: usize = 100_000;

/// A request that looks like Microsoft's: text as it is, one entry, or a list of entries.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Forgery {
    url: String,
    #[serde(default)]
    notification: Option<Value>,
    #[serde(default)]
    lifecycle: Option<Value>,
    #[serde(default = "once")]
    times: usize,
}

fn once() -> usize {
    1
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Repetition {
    address: String,
    #[serde(default)]
    after_seconds: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Happening {
    address: String,
    event: String,
}

fn bad(message: impl Into<String>) -> GraphError {
    GraphError::bad("SimBadRequest", message)
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, GraphError> {
    serde_json::from_slice(body).map_err(|e| bad(format!("The body cannot be read: {e}")))
}

/// Answers a request; `path` is what follows `subscriptions`.
///
/// # Errors
/// 400 for a body that cannot be read, 404 for a path that there is not.
pub(crate) async fn handle(
    sim: &Arc<Sim>,
    method: &str,
    path: &[&str],
    body: &[u8],
) -> Result<Reply, GraphError> {
    match (method, path) {
        ("GET", []) => {
            let world = sim.world();
            let endpoints = sim.courier.report(&Rules::of(&world.switches));
            let list = json!({"value": world.subscriptions, "endpoints": endpoints});
            Ok(Reply::json(200, list))
        }
        ("POST", ["lifecycle"]) => {
            let wish: Happening = read(body)?;
            let happened = sim.world().happen(&wish.address, &wish.event);
            let sent = happened.ok_or_else(|| bad("There is no such lifecycle event."))?;
            Ok(Reply::json(200, json!({ "sent": sent })))
        }
        ("POST", ["replay"]) => {
            let wish: Repetition = read(body)?;
            let after = Duration::from_secs(wish.after_seconds);
            let sent = notifications::repeat(sim, &wish.address, after);
            Ok(Reply::json(200, json!({ "sent": sent })))
        }
        ("POST", ["forge"]) => {
            let wish: Forgery = read(body)?;
            let bytes = forged(&wish)?;
            let patience = Rules::of(&sim.world().switches).patience;
            let each = stream::iter(0..wish.times.min(MOST))
                .map(|_| sim.courier.send_once(&wish.url, bytes.clone(), patience));
            let statuses: Vec<Option<u16>> = each.buffered(AT_ONCE).collect().await;
            Ok(Reply::json(200, json!({ "statuses": statuses })))
        }
        _ => Err(GraphError::new(
            404,
            "SimNotFound",
            "There is no such path in the control API.",
        )),
    }
}

/// Returns the body of a forgery.
fn forged(wish: &Forgery) -> Result<Vec<u8>, GraphError> {
    let (given, is_lifecycle) = match (&wish.notification, &wish.lifecycle) {
        (Some(given), None) => (given, false),
        (None, Some(given)) => (given, true),
        _ => return Err(bad("Either notification or lifecycle is wanted.")),
    };
    let complete = |one: &Value| match one {
        Value::Object(given) => completed(given, is_lifecycle),
        other => other.clone(),
    };
    let value: Vec<Value> = match given {
        Value::String(text) => return Ok(text.clone().into_bytes()),
        Value::Array(list) => list.iter().map(complete).collect(),
        one => vec![complete(one)],
    };
    Ok(json!({ "value": value }).to_string().into_bytes())
}

/// Returns an entry, with made-up properties for those that are not given.
fn completed(given: &Map<String, Value>, is_lifecycle: bool) -> Value {
    let made_up = || uuid::Uuid::new_v4().to_string();
    let mut entry = json!({
        "subscriptionId": made_up(),
        "subscriptionExpirationDateTime": (Utc::now() + TimeDelta::days(1)).to_rfc3339(),
        "clientState": null,
        "tenantId": made_up(),
    });
    if is_lifecycle {
        entry["lifecycleEvent"] = "missed".into();
    } else {
        let resource = format!("Users/{}/Events/{}", made_up(), made_up());
        entry["id"] = made_up().into();
        entry["changeType"] = "updated".into();
        entry["resourceData"] = json!({"@odata.type": "#Microsoft.Graph.Event", "@odata.id": resource});
        entry["resource"] = resource.into();
    }
    for (name, value) in given {
        entry[name] = value.clone();
    }
    entry
}
