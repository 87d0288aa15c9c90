//! Microsoft Graph v1.0: what `/me`, the calendars and the events answer.

mod calendars;
mod caller;
mod event;
mod events;
mod mailbox;
mod paging;
mod shared;
mod shared_calendars;
mod subscriptions;
mod throttling;
mod users;

use self::caller::{Caller, caller};
use self::subscriptions::subscription;
use self::throttling::{count, enter};
use self::users::dispatch;
use crate::batch;
use crate::call::{Answered, Call, Reply, quiet};
use crate::error::GraphError;
use crate::faults::{self, Cut, Effect};
use crate::limits;
use crate::notifications::deliver;
use crate::query;
use crate::sim::Sim;
use crate::state::Logline;
use chrono::Utc;
use serde_json::{Value, json};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn finish(
    sim: &Sim,
    call: &Call,
    answered: Answered,
    note: Option<String>,
    who: Option<&str>,
    begun: Instant,
) -> Reply {
    let client_id = call
        .header("client-request-id")
        .unwrap_or(&call.request_id)
        .to_owned();
    let skewed = who.and_then(|address| {
        let world = sim.world();
        let mailbox = world.mailbox(address).ok()?;
        (mailbox.clock_skew_seconds != 0).then(|| mailbox.now())
    });
    let mut reply = answered.unwrap_or_else(|e| Reply {
        status: e.status,
        body: Some(e.json(skewed.unwrap_or_else(Utc::now), &call.request_id, &client_id)),
        headers: e.headers.clone(),
        ..Reply::default()
    });
    reply.headers.push(("request-id".into(), call.request_id.clone()));
    reply.headers.push(("client-request-id".into(), client_id));
    if let Some(now) = skewed {
        let date = now.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        reply.headers.push(("Date".into(), date));
    }
    reply.headers.push((
        "x-ms-ags-diagnostic".into(),
        "{\"ServerInfo\":{\"DataCenter\":\"Simulated\",\"Slice\":\"E\",\"Ring\":\"1\",\"ScaleUnit\":\"001\",\"RoleInstance\":\"SIM\"}}".into(),
    ));
    if let Some(contract) = &sim.contract {
        contract.call(call, &reply);
    }
    let (garbled, blanked) = {
        let world = sim.world();
        let switches = &world.switches;
        (switches.garbles_subject.clone(), switches.blanks_uid.clone())
    };
    for (subject, property, nonsense) in [(garbled, "start", "soon"), (blanked, "iCalUId", "")] {
        if let (false, Some(body)) = (subject.is_empty(), &mut reply.body) {
            spoil(body, &subject, property, nonsense);
        }
    }
    let (time, took) = (Utc::now(), begun.elapsed());
    sim.log(Logline {
        time,
        begun: time - took,
        method: call.method.clone(),
        path: quiet(&call.url),
        status: reply.status,
        mailbox: who.map(str::to_owned),
        request_id: call.request_id.clone(),
        client_request_id: call.header("client-request-id").map(str::to_owned),
        prefer: call.header("prefer").map(str::to_owned),
        if_match: call.header("if-match").map(str::to_owned),
        duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        fault: note,
    });
    reply
}

/// Makes nonsense of an event, or of a row of a list.
fn spoil(body: &mut Value, subject: &str, property: &str, nonsense: &str) {
    let spoil = |event: &mut Value| {
        if event["subject"] == subject {
            event[property] = json!(nonsense);
        }
    };
    match body.get_mut("value").and_then(Value::as_array_mut) {
        Some(rows) => rows.iter_mut().for_each(spoil),
        None => spoil(body),
    }
}

/// Who calls, and what befalls the request.
fn admit(sim: &Sim, call: &Call) -> (Result<Caller, GraphError>, Effect) {
    let mut world = sim.world();
    let mut who = caller(&world, call);
    let address = who.as_ref().ok().map(|c| c.person.address.clone());
    let effect = faults::strike(&mut world.faults, address.as_deref(), &call.method, &call.url);
    if effect.expire_token
        && let Some(token) = call.bearer()
    {
        world.logins.expire_token(token);
        who = caller(&world, call);
    }
    (who, effect)
}

/// The answer, or the fault in its place.
async fn perform(sim: &Arc<Sim>, call: &Call, who: &Caller, effect: &Effect) -> Answered {
    if effect.latency_ms > 0 {
        tokio::time::sleep(Duration::from_millis(effect.latency_ms)).await;
    }
    if let Some(error) = &effect.error
        && !effect.took_effect
    {
        return Err(error.clone());
    }
    let answered = if call.is_batch() {
        // Boxed, for a batch performs requests in its turn.
        let run: Pin<Box<dyn Future<Output = Answered>>> =
            Box::pin(batch::run(call, async |inner| handle_inner(sim, inner).await));
        run.await
    } else {
        answer(sim, call, who).await
    };
    match &effect.error {
        Some(error) => Err(error.clone()),
        None => answered,
    }
}

/// A request from the wire: faults, limits, the answer, the log.
pub async fn handle(sim: &Arc<Sim>, call: Call) -> Reply {
    let begun = Instant::now();
    let (who, effect) = admit(sim, &call);
    let address = who.as_ref().ok().map(|c| c.person.address.clone());
    let answered = async {
        let who = who?;
        let _slot = enter(sim, &who, &call)?;
        if effect.cut == Some(Cut::Before) {
            tokio::time::sleep(Duration::from_millis(effect.latency_ms)).await;
            return Ok(Reply {
                status: 0,
                cut: true,
                ..Reply::default()
            });
        }
        perform(sim, &call, &who, &effect).await
    }
    .await;
    let mut reply = finish(sim, &call, answered, effect.note, address.as_deref(), begun);
    reply.slow_body_ms = effect.slow_body_ms;
    reply.cut |= effect.cut == Some(Cut::After);
    reply
}

/// A request out of a batch: it has its own faults and its own line in the log, yet no slot and no connection of
/// its own. A fault that cuts its connection cuts the batch's.
pub(crate) async fn handle_inner(sim: &Arc<Sim>, call: Call) -> Reply {
    let begun = Instant::now();
    let (who, effect) = admit(sim, &call);
    let address = who.as_ref().ok().map(|c| c.person.address.clone());
    let answered = match who {
        Ok(_) if effect.cut == Some(Cut::Before) => Ok(Reply {
            cut: true,
            ..Reply::default()
        }),
        Ok(who) => {
            let counted = count(&mut sim.world(), &who, &call);
            match counted {
                Ok(()) => perform(sim, &call, &who, &effect).await,
                Err(error) => Err(error),
            }
        }
        Err(error) => Err(error),
    };
    let mut reply = finish(sim, &call, answered, effect.note, address.as_deref(), begun);
    reply.cut |= effect.cut.is_some();
    reply
}

async fn answer(sim: &Arc<Sim>, call: &Call, who: &Caller) -> Answered {
    let prefer = query::prefer(call.header("prefer"))?;
    let mut reply = if call
        .segments
        .first()
        .is_some_and(|s| s.eq_ignore_ascii_case("subscriptions"))
    {
        subscription(sim, call, who, &prefer).await?
    } else {
        let mut world = sim.world();
        let request = (call.method.as_str(), call.url.as_str());
        let untyped = world.switches.untyped_body_status;
        let done = limits::within(&mut world, &who.person.address, request, |world| {
            dispatch(world, call, who, &prefer)
        });
        done.map_err(|mut error| {
            if error.status == 415 {
                error.status = untyped;
            }
            error
        })?
    };
    if call.method != "GET" {
        sim.changed();
    }
    // A reading request may bring what was under way.
    deliver(sim);
    if !prefer.applied.is_empty() && !reply.headers.iter().any(|(k, _)| k == "Preference-Applied") {
        reply
            .headers
            .push(("Preference-Applied".into(), prefer.applied.join(", ")));
    }
    Ok(reply)
}
