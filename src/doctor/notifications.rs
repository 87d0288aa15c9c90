//! Microsoft's change notifications: the address for them, and the subscriptions.

use chrono::TimeDelta;
use reqwest::RequestBuilder;
use uuid::Uuid;

use super::code::{Check, Code};
use super::report::Finding;
use super::{Known, LONGEST_CHECK, ONE_REQUEST, limited};
use crate::engine::notify_url::Notifications;
use crate::engine::{Engine, now};

/// How long a mailbox may take to subscribe after its login.
const SUBSCRIBES_WITHIN: TimeDelta = TimeDelta::hours(1);

pub(super) async fn check(engine: &Engine, known: &Known) -> Vec<Finding> {
    limited(Check::Notifications, LONGEST_CHECK, async {
        if engine.notifications == Notifications::Off {
            let words = "Notifications are turned off in the service's settings. Mailboxes are polled.";
            return Ok(vec![Finding::ok(Check::Notifications, words)]);
        }
        let Some(url) = engine.notify_url(&known.database)? else {
            let words = format!("Odoo's address is {}", known.database.base_url);
            return Ok(vec![Finding::new(Code::NotifyNotHttps, words)]);
        };
        let mut found = Vec::new();
        if let Some(problem) = &known.database.notify_problem {
            found.push(Finding::new(
                Code::NotifyRefused,
                format!("Microsoft says: {problem}"),
            ));
        }
        if let Some(problem) = shake_hands(engine, &url).await {
            found.push(Finding::new(Code::NotifyRelayBroken, problem));
        }
        let (subscribed, others) = subscriptions(known);
        if others > 0 {
            let words = format!("{others} mailbox(es) are not subscribed, and {subscribed} are.");
            found.push(Finding::new(Code::SubscriptionsMissing, words));
        }
        if found.is_empty() {
            let words =
                format!("The address for notifications answers. {subscribed} mailbox(es) are subscribed.");
            found.push(Finding::ok(Check::Notifications, words));
        }
        Ok(found)
    })
    .await
}

/// Does what Microsoft does before it sends notifications (page *change notifications: delivery by
/// webhook*). Returns what is wrong. The address contains a secret, so it is not shown.
async fn shake_hands(engine: &Engine, url: &str) -> Option<String> {
    let token = format!("doctor {}", Uuid::new_v4());
    let request: anyhow::Result<RequestBuilder> = match engine.notifications {
        Notifications::ThroughOdoo => engine.odoo.post(url),
        _ => Ok(engine.http.post(url)),
    };
    let request = match request {
        Ok(request) => request.query(&[("validationToken", &token)]).timeout(ONE_REQUEST),
        Err(error) => return Some(format!("It cannot be called from the service: {error:#}.")),
    };
    match request.send().await {
        Ok(answer) => {
            let status = answer.status().as_u16();
            let is_same = answer.text().await.is_ok_and(|text| text == token);
            (status != 200 || !is_same).then(|| {
                format!("To Microsoft's handshake it answers HTTP {status}, and not with the token that it was sent.")
            })
        }
        Err(error) => {
            let words = format!("{:#}", anyhow::Error::from(error.without_url()));
            Some(format!("It cannot be reached from the service: {words}."))
        }
    }
}

/// Counts the mailboxes that are subscribed, and those that should be and are not.
fn subscriptions(known: &Known) -> (usize, usize) {
    let present = now();
    let (mut subscribed, mut others) = (0, 0);
    for account in known.accounts.iter().filter(|account| account.is_read()) {
        let subscription = known.subscriptions.get(&account.id);
        if subscription.is_some_and(|subscription| subscription.is_heard(present)) {
            subscribed += 1;
        } else if account.connected_at < present - SUBSCRIBES_WITHIN && account.pulled_once {
            others += 1;
        }
    }
    (subscribed, others)
}
