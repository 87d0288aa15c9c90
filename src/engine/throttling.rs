//! Throttling. Microsoft counts requests for each app and mailbox, and also for an app as a whole
//! (page *throttling-limits*). A 429 does not say which limit was reached. If several mailboxes of
//! one app are throttled at the same time, it is the app's limit, and all its mailboxes rest.
//! Otherwise each of them would find out with a request of its own.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many throttled mailboxes make the app the cause.
const MAILBOXES: usize = 3;
/// The time within which they must be throttled.
const AT_ONCE: Duration = Duration::from_secs(30);
/// How many apps are remembered. Further apps are handled mailbox by mailbox.
const APPS: usize = 10_000;

/// The mailboxes of each app that were throttled lately, as this process has seen it.
#[derive(Clone, Debug, Default)]
pub struct Throttling {
    seen: Arc<Mutex<HashMap<String, Mailboxes>>>,
}

/// The times, with the account ids.
type Mailboxes = VecDeque<(Instant, i64)>;

impl Throttling {
    /// Notes that a mailbox was throttled at `at`; returns whether the app as a whole must rest.
    pub fn note(&self, client_id: &str, account: i64, at: Instant) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_recent = |(then, _): &(Instant, i64)| at.saturating_duration_since(*then) < AT_ONCE;
        if !seen.contains_key(client_id) {
            seen.retain(|_, mailboxes| mailboxes.back().is_some_and(is_recent));
            if seen.len() >= APPS {
                return false;
            }
        }
        let mailboxes = seen.entry(client_id.to_owned()).or_default();
        mailboxes.retain(|one| is_recent(one) && one.1 != account);
        mailboxes.push_back((at, account));
        if mailboxes.len() < MAILBOXES {
            return false;
        }
        // If the rest was too short, the mailboxes will be noted again.
        mailboxes.clear();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_mailboxes_at_once_are_the_app() {
        let throttling = Throttling::default();
        let at = Instant::now();
        assert!(!throttling.note("app", 1, at));
        assert!(!throttling.note("app", 1, at), "the same one");
        assert!(!throttling.note("app", 2, at));
        assert!(!throttling.note("another app", 3, at));
        assert!(!throttling.note("app", 3, at + AT_ONCE), "long after");
        assert!(!throttling.note("app", 4, at + AT_ONCE));
        assert!(throttling.note("app", 5, at + AT_ONCE));
        assert!(!throttling.note("app", 6, at + AT_ONCE), "begins anew");
    }
}
