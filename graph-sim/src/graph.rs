//! Microsoft Graph v1.0: what `/me`, the calendars and the events answer.

mod shared;

use crate::attachments;
use crate::batch;
use crate::body_check;
use crate::call::{Answered, Call, Reply, quiet};
use crate::delta;
use crate::error::GraphError;
use crate::event_view::Prefer;
use crate::faults::{self, Cut, Effect};
use crate::limits;
use crate::meetings::Answer;
use crate::property;
use crate::query;
use crate::sim::Sim;
use crate::state::{Calendar, Logline, Mailbox, Person, Role, Subscription, Target, World};
use crate::subscriptions;
use crate::timezone;
use crate::values;
use chrono::Utc;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Who calls, and with which scopes.
struct Caller {
    person: Person,
    scopes: Vec<String>,
    client: String,
}

impl Caller {
    /// Whom limits are counted for: the app and the mailbox.
    fn and_mailbox(&self) -> String {
        format!("{}|{}", self.client, self.person.address.to_lowercase())
    }
}

fn caller(world: &World, call: &Call) -> Result<Caller, GraphError> {
    let refuse = |message: &str| {
        let mut error = GraphError::new(401, "InvalidAuthenticationToken", message);
        error.headers.push((
            "WWW-Authenticate".into(),
            "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\"".into(),
        ));
        error
    };
    let token = call.bearer().ok_or_else(|| refuse("Access token is empty."))?;
    let access = world
        .logins
        .access(token)
        .ok_or_else(|| refuse("IDX14100: JWT is not well formed, there are no dots (.)."))?;
    if access.expires <= Utc::now() {
        return Err(refuse("Lifetime validation failed, the token is expired."));
    }
    let person = world
        .person_by_id(&access.person)
        .ok_or_else(|| refuse("The identity of the calling user could not be established."))?;
    if person.disabled {
        return Err(refuse("The user account is disabled."));
    }
    if let Some(challenge) = &person.challenge
        && access.claims.as_ref() != Some(&challenge.claims)
    {
        return Err(GraphError::challenged(&challenge.claims));
    }
    Ok(Caller {
        person: person.clone(),
        scopes: access.scopes.clone(),
        client: access.client.clone(),
    })
}

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
    sim.log(Logline {
        time: Utc::now(),
        method: call.method.clone(),
        path: quiet(&call.url),
        status: reply.status,
        mailbox: who.map(str::to_owned),
        request_id: call.request_id.clone(),
        client_request_id: call.header("client-request-id").map(str::to_owned),
        prefer: call.header("prefer").map(str::to_owned),
        if_match: call.header("if-match").map(str::to_owned),
        duration_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
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

/// Counts a request among those at work, until it is dropped.
struct Slot {
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
fn count(world: &mut World, caller: &Caller, call: &Call) -> Result<(), GraphError> {
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

fn enter(sim: &Arc<Sim>, caller: &Caller, call: &Call) -> Result<Slot, GraphError> {
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
pub async fn handle_inner(sim: &Arc<Sim>, call: Call) -> Reply {
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
        subscriptions::deliver(sim);
    }
    if !prefer.applied.is_empty() && !reply.headers.iter().any(|(k, _)| k == "Preference-Applied") {
        reply
            .headers
            .push(("Preference-Applied".into(), prefer.applied.join(", ")));
    }
    Ok(reply)
}

async fn subscription(sim: &Arc<Sim>, call: &Call, who: &Caller, prefer: &Prefer) -> Answered {
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
            let found = world.subscriptions.iter().find(|s| s.id == *id && mine(s));
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
            let found = world.subscriptions.iter().any(|s| s.id == *id && mine(s));
            if found {
                Ok(Reply::empty(world.switches.reauthorize_status))
            } else {
                Err(subscriptions::unknown())
            }
        }
        ("DELETE", [id]) => {
            let mut world = sim.world();
            let before = world.subscriptions.len();
            world
                .subscriptions
                .retain(|s| !(s.id == *id && s.person == person.id));
            if world.subscriptions.len() < before {
                Ok(Reply::empty(204))
            } else {
                Err(subscriptions::unknown())
            }
        }
        _ => Err(no_route(call)),
    }
}

fn no_route(call: &Call) -> GraphError {
    let last = call.segments.last().cloned().unwrap_or_default();
    if ["GET", "POST", "PATCH", "DELETE"].contains(&call.method.as_str()) {
        GraphError::bad(
            "BadRequest",
            format!("Resource not found for the segment '{last}'."),
        )
    } else {
        GraphError::new(
            405,
            "UnknownError",
            "The HTTP method is not allowed for this resource.",
        )
    }
}

fn needs(who: &Caller, any: &[&str]) -> Result<(), GraphError> {
    if who.scopes.iter().any(|s| any.contains(&s.as_str())) {
        Ok(())
    } else {
        Err(GraphError::access_denied())
    }
}

fn dispatch(world: &mut World, call: &Call, who: &Caller, prefer: &Prefer) -> Answered {
    world.hand_out();
    let lower: Vec<String> = call.segments.iter().map(|s| s.to_ascii_lowercase()).collect();
    let skip = match lower.first().map(String::as_str) {
        Some("me") => 1,
        Some("users") if lower.len() > 1 => {
            let asked = &call.segments[1];
            let (id, tenant) = (&who.person.id, &who.person.tenant);
            let own = asked == id
                || asked.eq_ignore_ascii_case(&who.person.address)
                // As `@odata.id` names a person.
                || asked.split_once('@') == Some((id, tenant));
            if !own {
                let other = world.person(asked).or_else(|| world.person_by_id(asked));
                let owner = other.cloned().ok_or_else(|| {
                    GraphError::new(
                        404,
                        "ErrorInvalidUser",
                        format!("The requested user '{asked}' is invalid."),
                    )
                })?;
                return shared::serve(world, call, who, prefer, &owner, &call.segments[2..]);
            }
            2
        }
        _ => return Err(no_route(call)),
    };
    if let Some((owner, rest)) = shared::among_own(world, &who.person, &call.segments[skip..]) {
        return shared::serve(world, call, who, prefer, &owner, &rest);
    }
    serve(world, call, who, prefer, skip)
}

/// Answers what is asked of a mailbox; `skip` segments of the path name it.
fn serve(world: &mut World, call: &Call, who: &Caller, prefer: &Prefer, skip: usize) -> Answered {
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
            return Err(no_route(call));
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
        _ => Err(no_route(call)),
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

/// What was selected of a calendar; its id always comes.
fn keep_selected(calendar: &mut Value, call: &Call) {
    if let (Some(selected), Some(properties)) =
        (query::option(&call.query, "$select"), calendar.as_object_mut())
    {
        let is_selected = |name: &str| selected.split(',').any(|wanted| wanted.trim() == name);
        properties.retain(|name, _| name == "id" || name.starts_with('@') || is_selected(name));
    }
}

fn calendars(world: &World, who: &Caller, call: &Call, context: &str) -> Answered {
    query::allow(
        &call.query,
        &["$top", "$skip", "$select", "$count", "$filter", "$orderby"],
    )?;
    let own = &world.mailbox(&who.person.address)?.calendars;
    let list: Vec<(Calendar, Option<Role>)> = own
        .iter()
        .map(|calendar| (calendar.clone(), None))
        .chain(shared::with(world, &who.person))
        .collect();
    let top = query::number(&call.query, "$top", 1, 1000)?.unwrap_or(10);
    let skip = query::number(&call.query, "$skip", 0, usize::MAX)?.unwrap_or(0);
    let owner = format!("{}@{}", who.person.id, who.person.tenant);
    let value: Vec<Value> = list
        .iter()
        .skip(skip)
        .take(top)
        .map(|(c, role)| {
            let mut out = world.calendar_json(c, &who.person);
            if let Some(role) = role {
                out["canViewPrivateItems"] = role.sees_private().into();
            }
            keep_selected(&mut out, call);
            out["@odata.id"] = format!("{}/v1.0/users('{owner}')/calendars('{}')", call.base, c.id).into();
            out
        })
        .collect();
    let context = format!("{}/v1.0/$metadata#{context}", call.base);
    let mut body = json!({"@odata.context": context, "value": value});
    if list.len() > skip.saturating_add(top) {
        body["@odata.nextLink"] = next_link(call, skip + top).into();
    }
    Ok(Reply::json(200, body))
}

fn translate(mailbox: &Mailbox, call: &Call) -> Answered {
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

fn one(world: &World, address: &str, target: Target, call: &Call, prefer: &Prefer) -> Answered {
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

fn next_link(call: &Call, skip: usize) -> String {
    let path = call.url.split('?').next().unwrap_or_default();
    let mut out = url::form_urlencoded::Serializer::new(String::new());
    for (k, v) in call
        .query
        .iter()
        .filter(|(k, _)| !k.eq_ignore_ascii_case("$skip"))
    {
        out.append_pair(k, v);
    }
    out.append_pair("$skip", &skip.to_string());
    format!("{}{path}?{}", call.base, out.finish())
}

/// A page of targets as a collection.
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

fn list_events(
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
    let mut events: Vec<&crate::event::Event> = match indexed {
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
fn view(
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

fn on_event(
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
            let answer = Answer::parse(action).ok_or_else(|| no_route(call))?;
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
        _ => Err(no_route(call)),
    }
}

/// What lies in Deleted Items can be read and edited, by its id alone.
fn on_deleted(
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
