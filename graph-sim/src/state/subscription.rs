//! A subscription to change notifications (the resource type *subscription*).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

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
    #[serde(default)]
    pub sent: u64,
}

impl Subscription {
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
