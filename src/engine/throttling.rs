//! Microsoft counts requests for each app and mailbox, and beyond that for an app as a whole (page *throttling-limits*). A 429 does not
//! say which: where several mailboxes of one app are told to slow down at once it is the app, and all its mailboxes rest, as each of
//! them would otherwise find that out with a request of its own.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many mailboxes ...
const MAILBOXES: usize = 3;
/// ... within this time.
const AT_ONCE: Duration = Duration::from_secs(30);
/// Apps that are remembered; more are looked after mailbox by mailbox.
const APPS: usize = 10_000;

/// Which mailboxes of which app were told to slow down lately, as this process has seen it.
#[derive(Clone, Debug, Default)]
pub struct Throttling {
    seen: Arc<Mutex<HashMap<String, Mailboxes>>>,
}

/// When, and which account's.
type Mailboxes = VecDeque<(Instant, i64)>;

impl Throttling {
    /// Notes that a mailbox was told to slow down at `at`; returns whether the app as a whole must.
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
        // Those that rest now will be noted again when it was not long enough.
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
