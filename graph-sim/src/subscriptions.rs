//! Subscriptions to change notifications: their handshake and renewal.
//! Rules: "Change notifications for Outlook resources" and "Receive change notifications through webhooks".

use crate::body_check;
use crate::error::GraphError;
use crate::property;
use crate::sim::Sim;
use crate::state::{Person, Subscription, World, random};
use crate::switches::Switches;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::time::Duration;

const SHORTEST: i64 = 45;
/// How long the answer to a handshake may take (page *change-notifications-delivery-webhooks*).
const HANDSHAKE: Duration = Duration::from_secs(10);

fn invalid(message: impl Into<String>) -> GraphError {
    GraphError::bad("InvalidRequest", message)
}

/// The subscription service has one code for whatever is wrong with a body.
fn readable(body: &Map<String, Value>) -> Result<(), GraphError> {
    body_check::check(&property::SUBSCRIPTION, body).map_err(|e| invalid(e.message))
}

fn expiry(value: Option<&Value>, longest: i64) -> Result<DateTime<Utc>, GraphError> {
    let text = value
        .and_then(Value::as_str)
        .ok_or_else(|| invalid("expirationDateTime is required."))?;
    let given = DateTime::parse_from_rfc3339(text)
        .map_err(|_| invalid("expirationDateTime is not a valid date and time."))?
        .with_timezone(&Utc);
    let now = Utc::now();
    if given <= now {
        return Err(invalid("Subscription expiration must be in the future."));
    }
    if given > now + TimeDelta::minutes(longest) {
        return Err(invalid(format!(
            "Subscription expiration can only be {longest} minutes in the future."
        )));
    }
    Ok(given.max(now + TimeDelta::minutes(SHORTEST)))
}

async fn handshake(sim: &Sim, url: &str) -> Result<(), GraphError> {
    let refused = || {
        invalid(
            "Subscription validation request failed. Notification endpoint must respond with 200 OK to validation request.",
        )
    };
    let token = format!(
        "Validation: Testing client application reachability for subscription Request-Id: {}",
        random(12)
    );
    let answer = sim
        .courier
        .client()
        .map_err(|e| GraphError::new(500, "InternalServerError", e.to_string()))?
        .post(url)
        .timeout(HANDSHAKE)
        .query(&[("validationToken", token.as_str())])
        .header("Content-Type", "text/plain; charset=utf-8")
        .body("")
        .send()
        .await
        .map_err(|_| refused())?;
    let status = answer.status().as_u16();
    let plain = answer
        .headers()
        .get("content-type")
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| v.starts_with("text/plain"));
    let body = answer.text().await.map_err(|_| refused())?;
    if status == 200 && plain && body == token {
        Ok(())
    } else {
        Err(refused())
    }
}

/// Whether there is room for one more subscription, and no other that is the same.
fn admit(world: &World, new: &Subscription) -> Result<(), GraphError> {
    let ids = world.subscriptions.of_mailbox(&new.address);
    let there = ids.iter().filter_map(|id| world.subscriptions.get(id));
    let active: Vec<&Subscription> = there.filter(|s| s.expires > Utc::now()).collect();
    let types = |s: &Subscription| s.change_types.iter().cloned().collect::<BTreeSet<_>>();
    let resource = |s: &Subscription| s.resource.trim_start_matches('/').to_lowercase();
    let same = |s: &&&Subscription| {
        (&s.client, &s.person, resource(s)) == (&new.client, &new.person, resource(new))
            && types(s) == types(new)
    };
    if let (true, Some(old)) = (
        world.switches.duplicate_subscriptions_refused,
        active.iter().find(same),
    ) {
        return Err(GraphError::new(
            409,
            "Conflict",
            format!(
                "Subscription Id {} already exists for the requested combination",
                old.id
            ),
        ));
    }
    if active.len() >= world.switches.subscriptions_per_mailbox {
        return Err(GraphError::new(
            403,
            "Forbidden",
            "The mailbox has reached the limit of active subscriptions.",
        ));
    }
    Ok(())
}

/// `until` is the end of the caller's token.
pub(crate) async fn create(
    sim: &Sim,
    person: &Person,
    client: &str,
    until: DateTime<Utc>,
    body: &Map<String, Value>,
    immutable: bool,
) -> Result<Value, GraphError> {
    readable(body)?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let resource = text("resource")
        .ok_or_else(|| invalid("resource is required."))?
        .to_owned();
    let bare = resource
        .trim_start_matches('/')
        .split('?')
        .next()
        .unwrap_or_default()
        .to_lowercase();
    let own = [
        "me/events".to_owned(),
        format!("users/{}/events", person.id),
        format!("users/{}/events", person.address.to_lowercase()),
    ];
    if !own.contains(&bare) {
        return Err(invalid(format!(
            "Unsupported resource type in url: '{resource}'."
        )));
    }
    let types: Vec<String> = text("changeType")
        .unwrap_or_default()
        .split(',')
        .map(|t| t.trim().to_lowercase())
        .filter(|t| !t.is_empty())
        .collect();
    if types.is_empty()
        || types
            .iter()
            .any(|t| !["created", "updated", "deleted"].contains(&t.as_str()))
    {
        return Err(invalid("changeType is not valid."));
    }
    if body.get("includeResourceData").and_then(Value::as_bool) == Some(true) {
        return Err(invalid("This simulator does not send resource data."));
    }
    let client_state = text("clientState").map(str::to_owned);
    if client_state.as_ref().is_some_and(|c| c.chars().count() > 128) {
        return Err(invalid("clientState must not exceed 128 characters."));
    }
    let longest = sim.world().switches.subscription_minutes;
    let expires = expiry(body.get("expirationDateTime"), longest)?;
    let http = sim.world().switches.http_notifications;
    let address = |name: &str| -> Result<Option<String>, GraphError> {
        let Some(url) = text(name) else {
            return Ok(None);
        };
        let parsed = url::Url::parse(url).map_err(|_| invalid(format!("{name} is not a valid URL.")))?;
        if parsed.scheme() == "https" || (http && parsed.scheme() == "http") {
            Ok(Some(url.to_owned()))
        } else {
            Err(invalid(format!("{name} must be an https URL.")))
        }
    };
    let notification_url =
        address("notificationUrl")?.ok_or_else(|| invalid("notificationUrl is required."))?;
    let lifecycle_url = address("lifecycleNotificationUrl")?;
    let subscription = Subscription {
        id: uuid::Uuid::new_v4().to_string(),
        person: person.id.clone(),
        client: client.to_owned(),
        address: person.address.to_lowercase(),
        change_types: types,
        notification_url,
        lifecycle_url,
        resource,
        expires,
        client_state,
        immutable,
        authorized_until: Some(until),
        asked_for: None,
        is_paused: false,
        due: 0,
        sent: 0,
        failed: 0,
        lost: 0,
    };
    admit(&sim.world(), &subscription)?;
    handshake(sim, &subscription.notification_url).await?;
    if let Some(url) = &subscription.lifecycle_url {
        handshake(sim, url).await?;
    }
    let out = subscription.json();
    let mut world = sim.world();
    // Others may have come meanwhile.
    admit(&world, &subscription)?;
    world.subscriptions.add(subscription);
    Ok(out)
}

/// Renews what is one's own; nothing else of it can be changed. `until` is the end of the caller's token.
pub(crate) fn renew(
    world: &mut World,
    id: &str,
    until: DateTime<Utc>,
    body: &Map<String, Value>,
) -> Result<Value, GraphError> {
    readable(body)?;
    let other = |name: &&String| *name != "expirationDateTime" && !name.starts_with('@');
    if let Some(name) = body.keys().find(other) {
        return Err(invalid(format!("{name} of a subscription cannot be changed.")));
    }
    let longest = world.switches.subscription_minutes;
    let expires = expiry(body.get("expirationDateTime"), longest)?;
    let found = world.subscriptions.get_mut(id).ok_or_else(unknown)?;
    found.expires = expires;
    found.reauthorize(until);
    let told = found.json();
    Ok(as_read(told, &world.switches))
}

/// A subscription as it is read after it was made.
pub(crate) fn as_read(mut told: Value, switches: &Switches) -> Value {
    if !switches.client_state_told {
        told["clientState"] = Value::Null;
    }
    told
}

pub(crate) fn unknown() -> GraphError {
    GraphError::new(404, "ResourceNotFound", "The object was not found.")
}
