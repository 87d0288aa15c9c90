//! The limits of requests: how many in a window, and how many at a time (page *throttling-limits*).

use super::caller::Caller;
use crate::call::Call;
use crate::error::GraphError;
use crate::sim::Sim;
use crate::state::World;
use chrono::Utc;
use std::collections::HashMap;
use std::sync::Arc;

/// Counts a request among those at work, until it is dropped.
pub(super) struct Slot {
    sim: Arc<Sim>,
    keys: [String; 2],
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut world = self.sim.world();
        for key in &self.keys {
            if let Some(n) = world.in_flight.get_mut(key) {
                *n = n.saturating_sub(1);
            }
        }
    }
}

/// Counts `amount` into the window of `seconds` under way; the seconds until the next one where the window now
/// holds more than `most` (0: no limit).
fn tally(
    windows: &mut HashMap<String, (i64, u64)>,
    key: &str,
    now: i64,
    seconds: i64,
    amount: u64,
    most: u64,
) -> Option<String> {
    let window = windows.entry(key.to_owned()).or_insert((now, 0));
    if now - window.0 >= seconds {
        *window = (now, 0);
    }
    window.1 = window.1.saturating_add(amount);
    (most > 0 && window.1 > most).then(|| (seconds - (now - window.0)).max(1).to_string())
}

fn throttled(message: &str, wait: &str) -> GraphError {
    let mut error = GraphError::new(429, "ApplicationThrottled", message);
    error.headers.push(("Retry-After".into(), wait.into()));
    error
}

/// Counts a request, be it one of a batch ("Each request in the batch is evaluated against the throttling limits", page *json-batching*);
/// throttled ones count as well.
pub(super) fn count(world: &mut World, caller: &Caller, call: &Call) -> Result<(), GraphError> {
    const TEN_MINUTES: i64 = 600;
    let now = Utc::now().timestamp();
    let of_mailbox = caller.and_mailbox();
    let of_tenant = format!("{}||{}", caller.client, caller.person.tenant);
    let limits = [
        (of_mailbox.as_str(), world.switches.requests_per_10_min),
        (of_tenant.as_str(), world.switches.tenant_requests_per_10_min),
    ];
    for (key, most) in limits {
        if let Some(wait) = tally(&mut world.counted, key, now, TEN_MINUTES, 1, most) {
            return Err(throttled("Application is over its Request limit.", &wait));
        }
    }
    if matches!(call.method.as_str(), "POST" | "PATCH" | "PUT") {
        let bytes = u64::try_from(call.body.len()).unwrap_or(u64::MAX);
        let most = world.switches.upload_bytes_per_5_min;
        if let Some(wait) = tally(&mut world.uploaded, &of_mailbox, now, 300, bytes, most) {
            return Err(throttled("Application is over its Upload limit.", &wait));
        }
    }
    Ok(())
}

pub(super) fn enter(sim: &Arc<Sim>, caller: &Caller, call: &Call) -> Result<Slot, GraphError> {
    let mut world = sim.world();
    // A batch is none of them itself: its requests are.
    if !call.is_batch() {
        count(&mut world, caller, call)?;
    }
    let limits = [
        (caller.and_mailbox(), world.switches.concurrency_limit),
        (caller.client.clone(), world.switches.app_concurrency_limit),
    ];
    for (key, limit) in &limits {
        let running = world.in_flight.get(key).copied().unwrap_or(0);
        if *limit > 0 && running >= *limit {
            return Err(throttled(
                "Application is over its MailboxConcurrency limit.",
                "1",
            ));
        }
    }
    let keys = limits.map(|(key, _)| key);
    for key in &keys {
        *world.in_flight.entry(key.clone()).or_insert(0) += 1;
    }
    drop(world);
    Ok(Slot {
        sim: sim.clone(),
        keys,
    })
}
