//! Microsoft's notifications of changes.
//!
//! A notification is a hint: it makes the mailbox due, and its delta is the truth. So lost, doubled,
//! reordered and late ones do no harm, and one that is not genuine does nothing at all.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::engine::Engine;
use crate::measures;
use crate::store::seal::digest;
use crate::store::{leases, subscriptions};

/// The most notifications of one request that are looked at. Microsoft sends far fewer.
const MOST: usize = 1000;
/// The longest `clientState` (resource type *subscription*).
const LONGEST_STATE: usize = 128;

/// A change notification, or one about the subscription itself (resource types
/// *changeNotification*, and page *lifecycle events*).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Notification {
    subscription_id: String,
    client_state: String,
    #[serde(default)]
    lifecycle_event: Option<String>,
}

/// Makes the mailboxes due that the notifications are about. Returns how many notifications were
/// genuine. Nothing tells the sender of others that they were not.
///
/// # Errors
/// When Postgres fails. The sender should then send them again.
pub async fn take(engine: &Engine, database_id: Uuid, told: Vec<Value>) -> anyhow::Result<usize> {
    let count = |result: &'static str, number: usize| {
        let number = u64::try_from(number).unwrap_or(u64::MAX);
        measures::NOTIFICATIONS.add(result, number);
    };
    let all = told.len();
    let mut by_secret: BTreeMap<Vec<u8>, Vec<Notification>> = BTreeMap::new();
    let mut readable = 0;
    for value in told.into_iter().take(MOST) {
        let Ok(notification) = serde_json::from_value::<Notification>(value) else {
            continue;
        };
        if notification.client_state.len() <= LONGEST_STATE {
            readable += 1;
            let secret = digest(&notification.client_state);
            by_secret.entry(secret).or_default().push(notification);
        }
    }
    count("malformed", all - readable);
    if by_secret.is_empty() {
        return Ok(0);
    }
    let secrets: Vec<Vec<u8>> = by_secret.keys().cloned().collect();
    let mut conn = engine.store.get().await?;
    let known = subscriptions::with_secrets(&mut conn, database_id, &secrets).await?;
    let mut genuine = 0;
    let mut heard = BTreeSet::new();
    let (mut to_renew, mut removed) = (Vec::new(), Vec::new());
    for subscription in known {
        let account = subscription.account_id;
        let told = by_secret
            .get(&subscription.state_hash)
            .map_or(&[][..], Vec::as_slice);
        let id = match (&subscription.graph_id, told.first()) {
            (Some(id), _) => id,
            // The reply with the id was lost, or is on its way.
            (None, Some(first)) => {
                subscriptions::learn_id(&mut conn, account, &first.subscription_id).await?;
                &first.subscription_id
            }
            (None, None) => continue,
        };
        for notification in told.iter().filter(|one| one.subscription_id == *id) {
            genuine += 1;
            heard.insert(account);
            match notification.lifecycle_event.as_deref() {
                Some("subscriptionRemoved") => removed.push(account),
                Some("reauthorizationRequired") => to_renew.push(account),
                // `missed`, a change, or something new: the delta will tell.
                _ => {}
            }
        }
    }
    count("unknown", readable - genuine);
    count("taken", genuine);
    if heard.is_empty() {
        return Ok(0);
    }
    let heard: Vec<i64> = heard.into_iter().collect();
    subscriptions::note_heard(&mut conn, &heard).await?;
    if !to_renew.is_empty() {
        subscriptions::make_due(&mut conn, &to_renew, false).await?;
    }
    if !removed.is_empty() {
        subscriptions::make_due(&mut conn, &removed, true).await?;
    }
    leases::wake_for_news(&mut conn, heard).await?;
    engine.wake_workers();
    Ok(genuine)
}
