//! The way of notifications to the apps' endpoints: one client for all, and how each endpoint is judged by its answers.
//! Rules: "Receive change notifications through webhooks", of 2023 and as it is today.

use crate::state::Post;
use crate::switches::Switches;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// From this percentage of slow answers on, new notifications are delayed.
const SLOW_PERCENT: u64 = 10;
/// From this percentage of slow answers on, new notifications are dropped.
const DROP_PERCENT: u64 = 15;
/// How many of the latest POSTs are kept, to be repeated.
const KEPT: usize = 1_000;

/// What the switches say of endpoints.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// How long an answer may take.
    pub(crate) patience: Duration,
    /// For how long a notification that was not taken is sent again.
    pub(crate) retries: Duration,
    judged_after: u64,
    window: Duration,
    delay: Duration,
}

impl Rules {
    pub(crate) fn of(switches: &Switches) -> Self {
        Self {
            patience: Duration::from_millis(switches.notification_slow_ms),
            retries: Duration::from_secs(switches.notification_retry_seconds),
            judged_after: switches.endpoint_judged_after,
            window: Duration::from_secs(switches.endpoint_window_seconds),
            delay: Duration::from_secs(switches.endpoint_slow_delay_seconds),
        }
    }
}

/// What becomes of a new notification to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Sent,
    Delayed(Duration),
    Dropped,
}

/// The answers of an endpoint since its present window began.
#[derive(Debug)]
struct Endpoint {
    since: Instant,
    answers: u64,
    slow: u64,
}

impl Endpoint {
    fn new() -> Self {
        Self {
            since: Instant::now(),
            answers: 0,
            slow: 0,
        }
    }

    /// Forgets the answers of a window that is over.
    fn turn(&mut self, rules: &Rules) {
        if self.since.elapsed() > rules.window {
            *self = Self::new();
        }
    }

    fn verdict(&self, rules: &Rules) -> Verdict {
        let percent = self.slow * 100 / self.answers.max(1);
        match percent {
            _ if self.answers < rules.judged_after => Verdict::Sent,
            DROP_PERCENT.. => Verdict::Dropped,
            SLOW_PERCENT.. => Verdict::Delayed(rules.delay),
            _ => Verdict::Sent,
        }
    }
}

/// An endpoint is a host with its port: all URLs below it are judged together.
fn endpoint(url: &str) -> String {
    let parsed = url::Url::parse(url).ok();
    let host = parsed.as_ref().and_then(|u| {
        let host = u.host_str()?;
        Some(format!("{host}:{}", u.port_or_known_default()?))
    });
    host.unwrap_or_else(|| url.to_owned())
}

/// Who sends what apps are told.
#[derive(Debug, Default)]
pub(crate) struct Courier {
    client: OnceLock<reqwest::Client>,
    endpoints: Mutex<BTreeMap<String, Endpoint>>,
    latest: Mutex<VecDeque<Post>>,
}

impl Courier {
    /// Returns the client of all notifications, which is made when it is first needed.
    ///
    /// # Errors
    /// No cryptography is installed.
    pub(crate) fn client(&self) -> Result<&reqwest::Client, reqwest::Error> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(self.client.get_or_init(|| client))
    }

    fn endpoints(&self) -> MutexGuard<'_, BTreeMap<String, Endpoint>> {
        self.endpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a POST among the latest.
    pub(crate) fn keep(&self, post: &Post) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.len() >= KEPT {
            latest.pop_front();
        }
        latest.push_back(post.clone());
    }

    /// Returns what of the latest POSTs was about a mailbox.
    pub(crate) fn latest_of(&self, mailbox: &str) -> Vec<Post> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<Post> = latest.iter().cloned().collect();
        for post in &mut found {
            post.entries
                .retain(|entry| entry.mailbox.eq_ignore_ascii_case(mailbox));
        }
        found.retain(|post| !post.entries.is_empty());
        found
    }

    /// Returns how the endpoints have answered since their present windows began.
    pub(crate) fn report(&self, rules: &Rules) -> Vec<Value> {
        let mut endpoints = self.endpoints();
        let told = endpoints.iter_mut().map(|(name, known)| {
            known.turn(rules);
            let state = match known.verdict(rules) {
                Verdict::Sent => "good",
                Verdict::Delayed(_) => "slow",
                Verdict::Dropped => "dropped",
            };
            json!({"endpoint": name, "answers": known.answers, "slow": known.slow, "state": state})
        });
        told.collect()
    }

    /// Sends bytes once, and returns the status they are answered with; `None`: there is no answer.
    pub(crate) async fn send_once(&self, url: &str, bytes: Vec<u8>, patience: Duration) -> Option<u16> {
        let request = self.client().ok()?.post(url).timeout(patience);
        let request = request.header("Content-Type", "application/json").body(bytes);
        Some(request.send().await.ok()?.status().as_u16())
    }

    /// What becomes of a new notification to a URL.
    pub(crate) fn verdict(&self, url: &str, rules: &Rules) -> Verdict {
        let mut endpoints = self.endpoints();
        let Some(known) = endpoints.get_mut(&endpoint(url)) else {
            return Verdict::Sent;
        };
        known.turn(rules);
        known.verdict(rules)
    }

    /// Sends a body once, and returns whether it was taken: with a status of 2xx, in time.
    pub(crate) async fn post(&self, url: &str, body: &Value, rules: &Rules) -> bool {
        let begun = Instant::now();
        let taken = match self.client() {
            Ok(client) => {
                let request = client.post(url).timeout(rules.patience).json(body);
                request.send().await.is_ok_and(|a| a.status().is_success())
            }
            Err(_) => false,
        };
        let mut endpoints = self.endpoints();
        let known = endpoints.entry(endpoint(url)).or_insert_with(Endpoint::new);
        known.turn(rules);
        known.answers += 1;
        known.slow += u64::from(begun.elapsed() >= rules.patience);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_judged_by_the_share_of_its_slow_answers() {
        let rules = Rules {
            judged_after: 100,
            ..Rules::of(&Switches::default())
        };
        let with = |answers, slow| {
            let endpoint = Endpoint {
                answers,
                slow,
                ..Endpoint::new()
            };
            endpoint.verdict(&rules)
        };
        assert_eq!(with(99, 99), Verdict::Sent, "too few to judge");
        assert_eq!(with(100, 9), Verdict::Sent);
        assert_eq!(with(100, 10), Verdict::Delayed(rules.delay));
        assert_eq!(with(100, 15), Verdict::Dropped);
    }

    #[test]
    fn an_endpoint_is_a_host_with_its_port() {
        let same = endpoint("https://odoo.example/a?x=1");
        assert_eq!(endpoint("https://odoo.example:443/b"), same);
        assert_ne!(endpoint("https://odoo.example:8443/a"), same);
    }
}
