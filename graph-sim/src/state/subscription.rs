//! A subscription to change notifications (the resource type *subscription*).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A `subscription` of one person to the events of their mailbox.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Subscription {
    pub id: String,
    pub person: String,
    /// The app that asked for it.
    #[serde(default)]
    pub client: String,
    pub address: String,
    pub change_types: Vec<String>,
    pub notification_url: String,
    pub lifecycle_url: Option<String>,
    pub resource: String,
    pub expires: DateTime<Utc>,
    pub client_state: Option<String>,
    pub immutable: bool,
    /// The end of the token that it was authorized with last.
    #[serde(default)]
    pub authorized_until: Option<DateTime<Utc>>,
    /// The end for which `reauthorizationRequired` was told last.
    #[serde(default)]
    pub asked_for: Option<DateTime<Utc>>,
    /// No notifications until it is authorized again.
    #[serde(default)]
    pub is_paused: bool,
    /// Notifications that there were, whatever became of them.
    #[serde(default)]
    pub due: u64,
    /// Notifications that were taken, lifecycle events and repetitions among them.
    #[serde(default)]
    pub sent: u64,
    /// Attempts that were not.
    #[serde(default)]
    pub failed: u64,
    /// Notifications that never came.
    #[serde(default)]
    pub lost: u64,
}

/// A notification for one subscription.
#[derive(Clone, Debug)]
pub struct Entry {
    pub subscription: String,
    /// The mailbox, in lower case.
    pub mailbox: String,
    pub is_lifecycle: bool,
    /// The `changeNotification`.
    pub value: Value,
}

/// Notifications that travel together.
#[derive(Clone, Debug)]
pub struct Post {
    pub url: String,
    pub entries: Vec<Entry>,
}

impl Post {
    /// Returns the `changeNotificationCollection`.
    pub fn body(&self) -> Value {
        let value: Vec<&Value> = self.entries.iter().map(|entry| &entry.value).collect();
        json!({ "value": value })
    }
}

impl Subscription {
    /// Returns a notification for it.
    pub(crate) fn entry(&self, is_lifecycle: bool, value: Value) -> Entry {
        Entry {
            subscription: self.id.clone(),
            mailbox: self.address.clone(),
            is_lifecycle,
            value,
        }
    }

    /// Returns the `subscription` resource.
    pub fn json(&self) -> Value {
        json!({
            "id": self.id,
            "resource": self.resource,
            "applicationId": self.client,
            "changeType": self.change_types.join(","),
            "clientState": self.client_state,
            "notificationUrl": self.notification_url,
            "lifecycleNotificationUrl": self.lifecycle_url,
            "expirationDateTime": self.expires.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "creatorId": self.person,
            "latestSupportedTlsVersion": "v1_2",
        })
    }
}

/// All subscriptions, found by their id and by their mailbox. Saved as a list, in the order they were made.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Subscription>", into = "Vec<Subscription>")]
pub struct Subscriptions {
    next: u64,
    all: BTreeMap<u64, Subscription>,
    by_id: HashMap<String, u64>,
    /// By the mailbox's address in lower case.
    by_mailbox: HashMap<String, BTreeSet<u64>>,
}

impl Subscriptions {
    pub fn add(&mut self, subscription: Subscription) {
        let key = self.next;
        self.next += 1;
        self.by_id.insert(subscription.id.clone(), key);
        let mailbox = self.by_mailbox.entry(subscription.address.to_lowercase());
        mailbox.or_default().insert(key);
        self.all.insert(key, subscription);
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub fn get(&self, id: &str) -> Option<&Subscription> {
        self.all.get(self.by_id.get(id)?)
    }

    pub fn get_mut(&mut self, id: &str) -> Option<&mut Subscription> {
        self.all.get_mut(self.by_id.get(id)?)
    }

    pub fn remove(&mut self, id: &str) -> Option<Subscription> {
        let key = self.by_id.remove(id)?;
        let removed = self.all.remove(&key)?;
        let address = removed.address.to_lowercase();
        if let Some(keys) = self.by_mailbox.get_mut(&address) {
            keys.remove(&key);
            if keys.is_empty() {
                self.by_mailbox.remove(&address);
            }
        }
        Some(removed)
    }

    /// Returns all, in the order they were made.
    pub fn iter(&self) -> impl Iterator<Item = &Subscription> {
        self.all.values()
    }

    /// Returns the ids of a mailbox's, in the order they were made.
    pub fn of_mailbox(&self, address: &str) -> Vec<String> {
        let keys = self.by_mailbox.get(&address.to_lowercase());
        let found = keys.into_iter().flatten().filter_map(|key| self.all.get(key));
        found.map(|s| s.id.clone()).collect()
    }

    /// The mailbox has got another address, and keeps its subscriptions.
    pub(super) fn rename(&mut self, address: &str, to: &str) {
        let Some(keys) = self.by_mailbox.remove(&address.to_lowercase()) else {
            return;
        };
        for key in &keys {
            if let Some(subscription) = self.all.get_mut(key) {
                subscription.address = to.to_lowercase();
            }
        }
        self.by_mailbox.entry(to.to_lowercase()).or_default().extend(keys);
    }
}

impl From<Vec<Subscription>> for Subscriptions {
    fn from(list: Vec<Subscription>) -> Self {
        let mut all = Self::default();
        list.into_iter().for_each(|one| all.add(one));
        all
    }
}

impl From<Subscriptions> for Vec<Subscription> {
    fn from(all: Subscriptions) -> Self {
        all.all.into_values().collect()
    }
}
