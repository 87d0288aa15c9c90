//! Throttling. Microsoft counts requests for each app and mailbox, and has further limits for an
//! app and for a tenant (page *throttling-limits*). A 429 does not say which limit was reached. If
//! several mailboxes of one tenant are throttled at the same time, it is not theirs, and all the
//! app's mailboxes of that tenant rest. Otherwise each of them would find out with a request of its
//! own. Those of other tenants do not wait: if the limit is the app's, their own mailboxes show it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many throttled mailboxes make their tenant rest.
const MAILBOXES: usize = 3;
/// The time within which they must be throttled.
const AT_ONCE: Duration = Duration::from_secs(30);
/// How many tenants are remembered. Further ones are handled mailbox by mailbox.
const TENANTS: usize = 10_000;

/// A tenant's use of an app.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TenantOfApp {
    pub client_id: String,
    pub tenant_id: String,
}

/// The mailboxes of each tenant that were throttled lately, as this process has seen it.
#[derive(Clone, Debug, Default)]
pub struct Throttling {
    seen: Arc<Mutex<HashMap<TenantOfApp, Mailboxes>>>,
}

/// The times, with the account ids.
type Mailboxes = VecDeque<(Instant, i64)>;

impl Throttling {
    /// Notes that a mailbox was throttled at `at`; returns whether all of its tenant must rest.
    pub fn note(&self, tenant: &TenantOfApp, account: i64, at: Instant) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_recent = |(then, _): &(Instant, i64)| at.saturating_duration_since(*then) < AT_ONCE;
        if !seen.contains_key(tenant) {
            seen.retain(|_, mailboxes| mailboxes.back().is_some_and(is_recent));
            if seen.len() >= TENANTS {
                return false;
            }
        }
        let mailboxes = seen.entry(tenant.clone()).or_default();
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
    fn several_mailboxes_at_once_are_the_tenant() {
        let throttling = Throttling::default();
        let tenant = |client: &str, tenant: &str| TenantOfApp {
            client_id: client.to_owned(),
            tenant_id: tenant.to_owned(),
        };
        let (ours, another) = (tenant("app", "ours"), tenant("app", "another"));
        let other_app = tenant("another app", "ours");
        let at = Instant::now();
        assert!(!throttling.note(&ours, 1, at));
        assert!(!throttling.note(&ours, 1, at), "the same one");
        assert!(!throttling.note(&ours, 2, at));
        assert!(!throttling.note(&other_app, 3, at));
        assert!(
            !throttling.note(&another, 4, at),
            "another tenant of the same app"
        );
        assert!(!throttling.note(&ours, 3, at + AT_ONCE), "long after");
        assert!(!throttling.note(&ours, 4, at + AT_ONCE));
        assert!(throttling.note(&ours, 5, at + AT_ONCE));
        assert!(!throttling.note(&ours, 6, at + AT_ONCE), "begins anew");
    }
}
