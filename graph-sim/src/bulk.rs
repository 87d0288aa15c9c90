//! Many events at once, for tests of large calendars.

use crate::call::Reply;
use crate::error::GraphError;
use crate::state::{Cause, World};
use chrono::{TimeDelta, Utc};
use serde_json::{Map, Value, json};

/// Many half-hour events, spread over `days` from `start` on.
pub(crate) fn bulk(
    world: &mut World,
    address: &str,
    body: &Map<String, Value>,
    cause: &Cause,
) -> Result<Reply, GraphError> {
    let number = |name: &str, otherwise: u64| body.get(name).and_then(Value::as_u64).unwrap_or(otherwise);
    let count = number("count", 100);
    let days = i64::try_from(number("days", 60).max(1)).unwrap_or(60);
    if count > 200_000 {
        return Err(GraphError::bad("SimBadRequest", "At most 200000 events at once."));
    }
    let prefix = body.get("subject").and_then(Value::as_str).unwrap_or("Bulk");
    let start = match body.get("start").and_then(Value::as_str) {
        Some(text) => crate::query::window_time(text, "start")?,
        None => Utc::now().date_naive().and_time(chrono::NaiveTime::MIN).and_utc() + TimeDelta::hours(8),
    };
    let mut extra = body
        .get("event")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    let mut ids = Vec::new();
    for i in 0..i64::try_from(count).unwrap_or(0) {
        let begin = start + TimeDelta::days(i % days) + TimeDelta::minutes(30 * ((i / days) % 20));
        let time = |t: chrono::DateTime<Utc>| json!({"dateTime": t.format("%Y-%m-%dT%H:%M:%S").to_string(), "timeZone": "UTC"});
        extra.insert("subject".into(), format!("{prefix} {}", i + 1).into());
        extra.insert("start".into(), time(begin));
        extra.insert("end".into(), time(begin + TimeDelta::minutes(30)));
        let (key, _) = world.create(address, None, &extra, cause)?;
        if ids.len() < 1000
            && let Some(event) = world.mailbox(address)?.events.get(&key)
        {
            ids.push(event.rest_id.clone());
        }
    }
    Ok(Reply::json(201, json!({"count": count, "ids": ids})))
}
