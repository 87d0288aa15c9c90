//! Keeps a mailbox's subscription to change notifications: makes it, renews it ahead of its end,
//! makes it again after Microsoft has removed it.
//!
//! A notification is only a hint to read the delta ([`super::notifications`]), so a failure here
//! fails no run: the mailbox is polled instead.

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};

use crate::auth::accounts::has_fresh_token;
use crate::engine::{Engine, now};
use crate::mailbox::trouble::backoff;
use crate::outlook::GraphError;
use crate::store::accounts::{self, Account};
use crate::store::databases::{self, Database};
use crate::store::seal::{digest, random_secret};
use crate::store::subscriptions::{self, Subscription};

/// How long a subscription is asked for. Microsoft permits 10,080 minutes for events, and permitted
/// 4,230 before (page *change notifications: subscription lifetime*).
const LIFETIME: TimeDelta = TimeDelta::minutes(4200);
/// When a request whose outcome is not stored is looked into.
const UNKNOWN_FOR: TimeDelta = TimeDelta::minutes(2);
/// How long no mailbox of a database subscribes after Microsoft could not reach the address.
const UNREACHABLE_FOR: TimeDelta = TimeDelta::hours(1);
/// How many unwanted subscriptions are ended at a time.
const MOST_ENDED: i64 = 20;
/// How late a notification may be (page *change notifications: latency*).
const LATEST: TimeDelta = TimeDelta::minutes(3);
/// How far Microsoft's clock and ours may be apart when a change and its notification are compared.
const CLOCKS: TimeDelta = TimeDelta::seconds(10);

/// The pauses between requests that fail.
const FIRST_PAUSE: TimeDelta = TimeDelta::minutes(1);
const LONGEST_PAUSE: TimeDelta = TimeDelta::hours(6);

/// How a mailbox's changes become known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hearing {
    /// By notifications.
    Notified,
    /// By notifications from now on. Changes since the mailbox was read may not have been announced.
    Begun,
    /// By polling.
    Polled,
}

/// Makes or renews the subscription of a mailbox that was just read, if that is due. `account` was
/// read after that.
///
/// # Errors
/// When Postgres fails. Failures of Microsoft are stored, and the request is repeated later.
pub async fn keep(
    engine: &Engine,
    account: &Account,
    database: &Database,
    token: &SecretString,
) -> anyhow::Result<Hearing> {
    let known = {
        let mut conn = engine.store.get().await?;
        subscriptions::of(&mut conn, account.id).await?
    };
    let Some(url) = engine.notify_url(database)? else {
        if let Some(known) = known {
            end(engine, &known, token).await?;
        }
        return Ok(Hearing::Polled);
    };
    let present = now();
    let url_hash = digest(&url);
    if let Some(known) = &known
        && known.url_hash == url_hash
    {
        if known.due_at > present {
            return judge(engine, account, known).await;
        }
        if let Some(id) = &known.graph_id
            && let Some(hearing) = renew(engine, account, known, id, token).await?
        {
            return Ok(hearing);
        }
    }
    if database.notify_retry_at.is_some_and(|at| at > present) {
        return Ok(Hearing::Polled);
    }
    if known.is_some() {
        end_former(engine, known.as_ref(), &url, token).await;
    }
    let begun = Subscription {
        account_id: account.id,
        graph_id: None,
        state_hash: Vec::new(),
        url_hash,
        since: present,
        expires_at: None,
        due_at: present + UNKNOWN_FOR,
        failures: known.map_or(0, |known| known.failures),
        heard_at: None,
        silent_since: None,
    };
    make(engine, database, begun, &url, token).await
}

/// Ends subscriptions of mailboxes that are not synced any more. If Microsoft cannot be told now, a
/// subscription runs out, and its notifications are ignored.
///
/// # Errors
/// When Postgres fails.
pub async fn end_unwanted(engine: &Engine) -> anyhow::Result<()> {
    let unwanted = {
        let mut conn = engine.store.get().await?;
        subscriptions::take_unwanted(&mut conn, MOST_ENDED).await?
    };
    for (account_id, graph_id) in unwanted {
        let account = {
            let mut conn = engine.store.get().await?;
            accounts::by_id(&mut conn, account_id).await?
        };
        // A token is not renewed for this.
        if let Some(id) = graph_id
            && has_fresh_token(&account)
            && let Some(token) = account.access_token(&engine.sealer)?
            && let Err(error) = engine.graph.unsubscribe(&token, &id).await
        {
            tracing::info!(account.id = account_id, %error, "a subscription is left to run out");
        }
    }
    Ok(())
}

/// Ends a mailbox's subscription, as there are no notifications any more.
async fn end(engine: &Engine, known: &Subscription, token: &SecretString) -> anyhow::Result<()> {
    {
        let mut conn = engine.store.get().await?;
        subscriptions::forget(&mut conn, known.account_id).await?;
    }
    if let Some(id) = &known.graph_id
        && let Err(error) = engine.graph.unsubscribe(token, id).await
    {
        tracing::info!(account.id = known.account_id, %error, "a subscription is left to run out");
    }
    Ok(())
}

/// Returns whether a subscription that needs no request announces the mailbox's changes.
async fn judge(engine: &Engine, account: &Account, known: &Subscription) -> anyhow::Result<Hearing> {
    if !known.is_heard(now()) {
        return Ok(Hearing::Polled);
    }
    if !is_overdue(account.news_at, known, now()) {
        return Ok(Hearing::Notified);
    }
    tracing::warn!(
        account.id = account.id,
        "a change was not announced: the mailbox is polled until a notification comes"
    );
    metrics::counter!("outlook_bridge_notifications_total", "result" => "missed").increment(1);
    let mut conn = engine.store.get().await?;
    subscriptions::note_silence(&mut conn, known).await?;
    Ok(Hearing::Polled)
}

/// Returns whether the mailbox has shown a change that a notification should have announced by now.
fn is_overdue(news_at: Option<DateTime<Utc>>, known: &Subscription, present: DateTime<Utc>) -> bool {
    news_at.is_some_and(|news_at| {
        news_at < present - LATEST
            && news_at > known.since + CLOCKS
            && known.heard_at.is_none_or(|heard_at| heard_at < news_at - CLOCKS)
    })
}

/// Renews a subscription. Returns `None` if Microsoft does not have it any more.
async fn renew(
    engine: &Engine,
    account: &Account,
    known: &Subscription,
    id: &str,
    token: &SecretString,
) -> anyhow::Result<Option<Hearing>> {
    let present = now();
    let renewed = engine
        .graph
        .renew_subscription(token, id, present + LIFETIME)
        .await;
    let mut conn = engine.store.get().await?;
    match renewed {
        Ok(expires_at) => {
            let due_at = renewal(present, expires_at);
            subscriptions::confirm(&mut conn, known, id, expires_at, due_at).await?;
            let renewed = Subscription {
                expires_at: Some(expires_at),
                ..known.clone()
            };
            Ok(Some(judge(engine, account, &renewed).await?))
        }
        Err(GraphError::NotFound | GraphError::Unreachable { .. }) => Ok(None),
        Err(error) => {
            tracing::info!(account.id = known.account_id, %error, "a subscription was not renewed");
            let due_at = present + backoff(known.failures, FIRST_PAUSE, LONGEST_PAUSE);
            subscriptions::fail(&mut conn, known, due_at).await?;
            Ok(Some(judge(engine, account, known).await?))
        }
    }
}

/// Ends what may be left of a former subscription: with another address, or made by a request whose
/// reply was lost. Whatever fails here runs out.
async fn end_former(engine: &Engine, known: Option<&Subscription>, url: &str, token: &SecretString) {
    let id = known.and_then(|known| known.graph_id.clone());
    let left = match id {
        Some(id) => vec![id],
        None => match engine.graph.subscriptions(token).await {
            Ok(listed) => {
                let ours = listed
                    .into_iter()
                    .filter(|one| one.notification_url.as_deref() == Some(url));
                ours.map(|one| one.id).collect()
            }
            Err(error) => {
                tracing::info!(%error, "a mailbox's subscriptions are not listed");
                Vec::new()
            }
        },
    };
    for id in left {
        if let Err(error) = engine.graph.unsubscribe(token, &id).await {
            tracing::info!(%error, "a former subscription is left to run out");
        }
    }
}

/// Makes a subscription. Its secret's hash is stored first, so that a notification that comes before
/// the reply, or without one, is known.
async fn make(
    engine: &Engine,
    database: &Database,
    mut begun: Subscription,
    url: &str,
    token: &SecretString,
) -> anyhow::Result<Hearing> {
    let secret = SecretString::from(random_secret());
    begun.state_hash = digest(secret.expose_secret());
    {
        let mut conn = engine.store.get().await?;
        subscriptions::put(&mut conn, &begun).await?;
    }
    let until = begun.since + LIFETIME;
    let made = engine.graph.subscribe(token, url, &secret, until).await;
    let mut conn = engine.store.get().await?;
    match made {
        Ok(made) => {
            let due_at = renewal(begun.since, made.expires_at);
            subscriptions::confirm(&mut conn, &begun, &made.id, made.expires_at, due_at).await?;
            if database.notify_retry_at.is_some() {
                databases::note_notify_problem(&mut conn, database.id, None).await?;
                subscriptions::retry_all(&mut conn, database.id).await?;
            }
            Ok(Hearing::Begun)
        }
        Err(error) => {
            tracing::info!(account.id = begun.account_id, %error, "no subscription was made");
            let due_at = begun.since + backoff(begun.failures, FIRST_PAUSE, LONGEST_PAUSE);
            subscriptions::fail(&mut conn, &begun, due_at).await?;
            if let GraphError::Invalid { message, .. } = &error {
                // The address did not answer as it must. It is the same for all mailboxes.
                let problem = (now() + UNREACHABLE_FOR, message.as_str());
                databases::note_notify_problem(&mut conn, database.id, Some(problem)).await?;
            }
            Ok(Hearing::Polled)
        }
    }
}

/// Returns when a subscription is renewed: well ahead of its end, and not all at the same time.
fn renewal(present: DateTime<Utc>, expires_at: DateTime<Utc>) -> DateTime<Utc> {
    let life = (expires_at - present).max(TimeDelta::zero());
    let percent = rand::random_range(55..=75);
    present + life * percent / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_missed_once_its_notification_is_overdue() {
        let present = now();
        let minutes = |n: i64| Some(present - TimeDelta::minutes(n));
        let case = |news_at, heard_at, since: i64| {
            let known = Subscription {
                account_id: 1,
                graph_id: Some("s".to_owned()),
                state_hash: Vec::new(),
                url_hash: Vec::new(),
                since: present - TimeDelta::minutes(since),
                expires_at: None,
                due_at: present,
                failures: 0,
                heard_at,
                silent_since: None,
            };
            is_overdue(news_at, &known, present)
        };
        assert!(case(minutes(5), None, 60));
        assert!(case(minutes(5), minutes(10), 60));
        assert!(!case(minutes(5), minutes(5), 60), "it was announced");
        assert!(!case(minutes(5), minutes(4), 60), "late, but announced");
        assert!(!case(minutes(2), None, 60), "it may still come");
        assert!(!case(minutes(90), None, 60), "from before the subscription");
        assert!(!case(None, None, 60));
    }

    #[test]
    fn it_is_renewed_ahead_of_its_end() {
        let present = now();
        for minutes in [45, 4230, 10_080] {
            let end = present + TimeDelta::minutes(minutes);
            let at = renewal(present, end);
            assert!(at > present && at < end - (end - present) / 5);
        }
        assert_eq!(renewal(present, present - TimeDelta::minutes(1)), present);
    }
}
