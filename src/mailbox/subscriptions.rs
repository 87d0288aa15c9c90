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
use crate::measures;
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

/// What is known of a mailbox's subscription, and what it goes by.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    pub known: Option<&'a Subscription>,
    /// The address for notifications; `None` if there are none.
    pub url: Option<&'a str>,
    /// Until when no mailbox of the database subscribes.
    pub retry_at: Option<DateTime<Utc>>,
    /// Microsoft's time of the latest change that the mailbox has shown.
    pub news_at: Option<DateTime<Utc>>,
}

/// What is to be done about a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Nothing(Hearing),
    /// It has not announced a change. The mailbox is polled until a notification comes.
    Doubt,
    Renew,
    Make,
    /// There are no notifications any more.
    End,
}

impl Situation<'_> {
    fn step(&self, present: DateTime<Utc>) -> Step {
        let Some(url) = self.url else {
            return match self.known {
                Some(_) => Step::End,
                None => Step::Nothing(Hearing::Polled),
            };
        };
        let same = self.known.filter(|known| known.url_hash == digest(url));
        match same {
            Some(known) if known.due_at > present && !known.is_heard(present) => {
                Step::Nothing(Hearing::Polled)
            }
            Some(known) if known.due_at > present => match is_overdue(self.news_at, known, present) {
                true => Step::Doubt,
                false => Step::Nothing(Hearing::Notified),
            },
            Some(known) if known.graph_id.is_some() => Step::Renew,
            _ if self.retry_at.is_some_and(|at| at > present) => Step::Nothing(Hearing::Polled),
            _ => Step::Make,
        }
    }

    /// Returns how the mailbox's changes become known, if nothing is to be done about that.
    pub fn at_rest(&self, present: DateTime<Utc>) -> Option<Hearing> {
        match self.step(present) {
            Step::Nothing(hearing) => Some(hearing),
            Step::Doubt | Step::Renew | Step::Make | Step::End => None,
        }
    }
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
    let mut known = {
        let mut conn = engine.store.get().await?;
        subscriptions::of(&mut conn, account.id).await?
    };
    let url = engine.notify_url(database)?;
    // A renewal may show that there is nothing to renew.
    for _ in 0..2 {
        let situation = Situation {
            known: known.as_ref(),
            url: url.as_deref(),
            retry_at: database.notify_retry_at,
            news_at: account.news_at,
        };
        match (situation.step(now()), known.take(), &url) {
            (Step::Nothing(hearing), ..) => return Ok(hearing),
            (Step::Doubt, Some(doubtful), _) => return doubt(engine, &doubtful).await,
            (Step::End, Some(unwanted), _) => return end(engine, &unwanted, token).await,
            (Step::Renew, Some(due), _) => known = Some(renew(engine, &due, token).await?),
            (Step::Make, former, Some(url)) => {
                return make(engine, database, account.id, former.as_ref(), url, token).await;
            }
            // A step always comes with what it is about.
            (Step::Doubt | Step::End | Step::Renew | Step::Make, ..) => break,
        }
    }
    Ok(Hearing::Polled)
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
        let Some(id) = graph_id else { continue };
        if let Err(error) = end_at_microsoft(engine, account_id, &id).await {
            tracing::info!(account.id = account_id, %error, "a subscription is left to run out");
        }
    }
    Ok(())
}

async fn end_at_microsoft(engine: &Engine, account_id: i64, id: &str) -> anyhow::Result<()> {
    let account = {
        let mut conn = engine.store.get().await?;
        accounts::by_id(&mut conn, account_id).await?
    };
    // A token is not renewed for this.
    if has_fresh_token(&account)
        && let Some(token) = account.access_token(&engine.sealer)?
    {
        engine.graph.unsubscribe(&token, id).await?;
    }
    Ok(())
}

/// Ends a mailbox's subscription, as there are no notifications any more.
async fn end(engine: &Engine, known: &Subscription, token: &SecretString) -> anyhow::Result<Hearing> {
    {
        let mut conn = engine.store.get().await?;
        subscriptions::forget(&mut conn, known.account_id).await?;
    }
    if let Some(id) = &known.graph_id
        && let Err(error) = engine.graph.unsubscribe(token, id).await
    {
        tracing::info!(account.id = known.account_id, %error, "a subscription is left to run out");
    }
    Ok(Hearing::Polled)
}

/// Notes that a subscription has not announced a change.
async fn doubt(engine: &Engine, known: &Subscription) -> anyhow::Result<Hearing> {
    tracing::warn!(
        account.id = known.account_id,
        "a change was not announced: the mailbox is polled until a notification comes"
    );
    measures::NOTIFICATIONS.add("missed", 1);
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

/// Renews a subscription. Returns it as it is now: without an id if Microsoft does not have it any
/// more.
async fn renew(engine: &Engine, known: &Subscription, token: &SecretString) -> anyhow::Result<Subscription> {
    let mut renewed = known.clone();
    let Some(id) = &known.graph_id else {
        return Ok(renewed);
    };
    let present = now();
    let answer = engine
        .graph
        .renew_subscription(token, id, present + LIFETIME)
        .await;
    let mut conn = engine.store.get().await?;
    match answer {
        Ok(expires_at) => {
            renewed.expires_at = Some(expires_at);
            renewed.due_at = renewal(present, expires_at);
            subscriptions::confirm(&mut conn, known, id, expires_at, renewed.due_at).await?;
        }
        Err(GraphError::NotFound | GraphError::Unreachable { .. }) => {
            renewed.graph_id = None;
            subscriptions::make_due(&mut conn, &[known.account_id], true).await?;
        }
        Err(error) => {
            tracing::info!(account.id = known.account_id, %error, "a subscription was not renewed");
            renewed.due_at = present + backoff(known.failures, FIRST_PAUSE, LONGEST_PAUSE);
            subscriptions::fail(&mut conn, known, renewed.due_at).await?;
        }
    }
    Ok(renewed)
}

/// Ends what may be left of a former subscription: with another address, or made by a request whose
/// reply was lost. Whatever fails here runs out.
async fn end_former(engine: &Engine, known: &Subscription, url: &str, token: &SecretString) {
    let left = match &known.graph_id {
        Some(id) => vec![id.clone()],
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

/// Makes a subscription in place of the former one. Its secret's hash is stored first, so that a
/// notification that comes before the reply, or without one, is known.
async fn make(
    engine: &Engine,
    database: &Database,
    account_id: i64,
    former: Option<&Subscription>,
    url: &str,
    token: &SecretString,
) -> anyhow::Result<Hearing> {
    if let Some(former) = former {
        end_former(engine, former, url, token).await;
    }
    let present = now();
    let secret = SecretString::from(random_secret());
    let begun = Subscription {
        account_id,
        graph_id: None,
        state_hash: digest(secret.expose_secret()),
        url_hash: digest(url),
        since: present,
        expires_at: None,
        due_at: present + UNKNOWN_FOR,
        failures: former.map_or(0, |former| former.failures),
        heard_at: None,
        silent_since: None,
    };
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

/// Returns when a subscription is renewed: well ahead of its end, and not all at the same time; but
/// not at once, even if it ends at once.
fn renewal(present: DateTime<Utc>, expires_at: DateTime<Utc>) -> DateTime<Utc> {
    let life = (expires_at - present).max(TimeDelta::zero());
    let percent = rand::random_range(55..=75);
    present + (life * percent / 100).max(FIRST_PAUSE)
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
    fn each_situation_has_its_step() {
        let present = now();
        let later = Some(present + TimeDelta::hours(1));
        let url = "https://odoo.example/changes";
        let live = Subscription {
            account_id: 1,
            graph_id: Some("s".to_owned()),
            state_hash: Vec::new(),
            url_hash: digest(url),
            since: present - TimeDelta::hours(2),
            expires_at: later,
            due_at: present + TimeDelta::minutes(30),
            failures: 0,
            heard_at: None,
            silent_since: None,
        };
        let with = |change: fn(&mut Subscription)| {
            let mut other = live.clone();
            change(&mut other);
            other
        };
        let due = with(|s| s.due_at = s.since);
        let removed = with(|s| (s.due_at, s.graph_id) = (s.since, None));
        let failed = with(|s| s.graph_id = None);
        let silent = with(|s| s.silent_since = Some(s.since));
        let over = with(|s| s.expires_at = Some(s.since));
        let elsewhere = with(|s| s.url_hash = digest("https://odoo.example/other"));
        let old_news = Some(present - TimeDelta::minutes(10));
        for (known, url, retry_at, news_at, step) in [
            (None, None, None, None, Step::Nothing(Hearing::Polled)),
            (Some(&live), None, None, None, Step::End),
            (None, Some(url), None, None, Step::Make),
            (None, Some(url), later, None, Step::Nothing(Hearing::Polled)),
            (
                Some(&live),
                Some(url),
                None,
                None,
                Step::Nothing(Hearing::Notified),
            ),
            (
                Some(&live),
                Some(url),
                later,
                None,
                Step::Nothing(Hearing::Notified),
            ),
            (Some(&live), Some(url), None, old_news, Step::Doubt),
            (
                Some(&silent),
                Some(url),
                None,
                old_news,
                Step::Nothing(Hearing::Polled),
            ),
            (Some(&over), Some(url), None, None, Step::Nothing(Hearing::Polled)),
            (
                Some(&failed),
                Some(url),
                None,
                None,
                Step::Nothing(Hearing::Polled),
            ),
            (Some(&due), Some(url), later, None, Step::Renew),
            (Some(&removed), Some(url), None, None, Step::Make),
            (
                Some(&removed),
                Some(url),
                later,
                None,
                Step::Nothing(Hearing::Polled),
            ),
            (Some(&elsewhere), Some(url), None, None, Step::Make),
            (
                Some(&elsewhere),
                Some(url),
                later,
                None,
                Step::Nothing(Hearing::Polled),
            ),
        ] {
            let situation = Situation {
                known,
                url,
                retry_at,
                news_at,
            };
            assert_eq!(situation.step(present), step, "{situation:?}");
        }
    }

    #[test]
    fn it_is_renewed_ahead_of_its_end() {
        let present = now();
        for minutes in [45, 4230, 10_080] {
            let end = present + TimeDelta::minutes(minutes);
            let at = renewal(present, end);
            assert!(at > present && at < end - (end - present) / 5);
        }
        assert_eq!(
            renewal(present, present - TimeDelta::minutes(1)),
            present + FIRST_PAUSE
        );
    }
}
