//! What subscriptions are told of themselves: that they must be authorized again, that something was missed, that they are removed.
//! Rules: "Reduce missing change notifications and removed subscriptions".

use crate::state::{Entry, Subscription, World};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

fn lifecycle(s: &Subscription, tenant: Option<&str>, event: &str) -> Entry {
    s.entry(
        true,
        json!({
            "subscriptionId": s.id,
            "subscriptionExpirationDateTime": s.expires.to_rfc3339(),
            "tenantId": tenant,
            "clientState": s.client_state,
            "lifecycleEvent": event,
        }),
    )
}

impl World {
    /// Tells a subscription of something about itself, and returns whether it hears of it. Told once, however often it happens at a time.
    pub(crate) fn tell_lifecycle(&mut self, id: &str, event: &str) -> bool {
        let tenant = self.tenant_of(id);
        let found = self.subscriptions.get(id);
        let Some((s, url)) = found.and_then(|s| Some((s, s.lifecycle_url.clone()?))) else {
            return false;
        };
        let entry = lifecycle(s, tenant.as_deref(), event);
        if !self.lifecycle.iter().any(|(_, known)| known.value == entry.value) {
            self.lifecycle.push((url, entry));
        }
        true
    }

    /// Returns the tenant of whoever has subscribed.
    pub(crate) fn tenant_of(&self, id: &str) -> Option<String> {
        let person = &self.subscriptions.get(id)?.person;
        self.person_by_id(person).map(|p| p.tenant.clone())
    }

    /// Asks for what will end soon, and removes what has ended. Called now and then.
    pub(crate) fn keep_subscriptions(&mut self) {
        let now = Utc::now();
        let ahead = self.switches.reauthorize_ahead_seconds;
        let by_token = self.switches.subscription_needs_token;
        let until = now + TimeDelta::try_seconds(ahead).unwrap_or_default();
        let mut ended = Vec::new();
        let mut ending = Vec::new();
        for s in self.subscriptions.iter() {
            let end = s.end(by_token);
            if s.expires <= now {
                ended.push(s.id.clone());
            } else if ahead > 0 && end <= until && s.asked_for != Some(end) {
                ending.push(s.id.clone());
            }
        }
        for id in ended {
            self.subscriptions.remove(&id);
        }
        for id in ending {
            self.ask_to_reauthorize(&id);
        }
    }

    /// Tells a subscription that it must be authorized again, and returns whether it hears of it.
    fn ask_to_reauthorize(&mut self, id: &str) -> bool {
        let by_token = self.switches.subscription_needs_token;
        let pauses = self.switches.reauthorization_pauses_at_once;
        if let Some(s) = self.subscriptions.get_mut(id) {
            s.asked_for = Some(s.end(by_token));
            s.is_paused |= pauses && s.lifecycle_url.is_some();
        }
        self.tell_lifecycle(id, "reauthorizationRequired")
    }

    /// Removes what a person has subscribed to: the login was revoked, the account disabled, or the consent withdrawn.
    pub(crate) fn end_subscriptions(&mut self, person: &str) {
        let Some(address) = self.person_by_id(person).map(|p| p.address.clone()) else {
            return;
        };
        for id in self.subscriptions.of_mailbox(&address) {
            if self.switches.subscription_removal_told {
                self.tell_lifecycle(&id, "subscriptionRemoved");
            }
            self.subscriptions.remove(&id);
        }
    }

    /// Lets a lifecycle event happen to all subscriptions of a mailbox, and returns how many hear of it; `None`: there is no such event.
    pub(crate) fn happen(&mut self, address: &str, event: &str) -> Option<usize> {
        let ids = self.subscriptions.of_mailbox(address);
        let mut hear = 0;
        for id in ids {
            hear += usize::from(match event {
                "reauthorizationRequired" => self.ask_to_reauthorize(&id),
                "missed" => self.tell_lifecycle(&id, event),
                "subscriptionRemoved" => {
                    let hears = self.tell_lifecycle(&id, event);
                    self.subscriptions.remove(&id);
                    hears
                }
                _ => return None,
            });
        }
        Some(hear)
    }
}

impl Subscription {
    /// When it ends, or what it was authorized with, whichever is first.
    fn end(&self, by_token: bool) -> DateTime<Utc> {
        match self.authorized_until {
            Some(until) if by_token => until.min(self.expires),
            _ => self.expires,
        }
    }

    /// Whether notifications flow.
    pub(crate) fn is_live(&self, by_token: bool) -> bool {
        !self.is_paused && self.end(by_token) > Utc::now()
    }

    /// Somebody with a token that is good until then has authorized it again.
    pub(crate) fn reauthorize(&mut self, until: DateTime<Utc>) {
        self.authorized_until = Some(until);
        self.is_paused = false;
    }
}
