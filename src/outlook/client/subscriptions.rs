//! Subscriptions to change notifications (resource type *subscription*).

use chrono::{DateTime, SecondsFormat, Utc};
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;

use super::transport::{Call, GraphClient, read};
use crate::outlook::error::GraphError;

/// A subscription of a mailbox, as Microsoft has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    pub id: String,
    #[serde(rename = "expirationDateTime")]
    pub expires_at: DateTime<Utc>,
    /// Where it sends its notifications. Microsoft may leave it out.
    #[serde(default)]
    pub notification_url: Option<String>,
}

#[derive(Deserialize)]
struct SubscriptionList {
    #[serde(default)]
    value: Vec<Subscription>,
}

impl GraphClient {
    /// Subscribes to the changes of the mailbox's events. Before it answers, Microsoft asks `url`
    /// to repeat a token, and refuses if it does not. Every notification repeats `client_state` (at
    /// most 128 characters). `until`: Microsoft refuses more than it permits (page *change
    /// notifications: subscription lifetime*).
    ///
    /// # Errors
    /// [`GraphError::Invalid`] if the address did not answer as it must, or `until` is too far away.
    pub async fn subscribe(
        &self,
        token: &SecretString,
        url: &str,
        client_state: &SecretString,
        until: DateTime<Utc>,
    ) -> Result<Subscription, GraphError> {
        let body = json!({
            "changeType": "created,updated,deleted",
            "resource": "me/events",
            "notificationUrl": url,
            // It cannot be added later (page *lifecycle events*).
            "lifecycleNotificationUrl": url,
            "clientState": client_state.expose_secret(),
            "expirationDateTime": seconds(until),
        });
        let call = Call {
            body: Some(body),
            ..Call::new(Method::POST, self.url(&["subscriptions"], &[])?, "/subscriptions")
        };
        read(&call.method, &self.send(token, &call).await?)
    }

    /// Renews a subscription; this also answers `reauthorizationRequired` (page *lifecycle events*).
    /// Returns when it ends now.
    ///
    /// # Errors
    /// [`GraphError::Unreachable`] or [`GraphError::NotFound`] if it does not exist any more.
    pub async fn renew_subscription(
        &self,
        token: &SecretString,
        id: &str,
        until: DateTime<Utc>,
    ) -> Result<DateTime<Utc>, GraphError> {
        let url = self.url(&["subscriptions", id], &[])?;
        let call = Call {
            body: Some(json!({"expirationDateTime": seconds(until)})),
            ..Call::new(Method::PATCH, url, "/subscriptions/{id}")
        };
        let renewed: Subscription = read(&call.method, &self.send(token, &call).await?)?;
        Ok(renewed.expires_at)
    }

    /// Ends a subscription. One that does not exist any more has ended.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub async fn unsubscribe(&self, token: &SecretString, id: &str) -> Result<(), GraphError> {
        let url = self.url(&["subscriptions", id], &[])?;
        let call = Call::new(Method::DELETE, url, "/subscriptions/{id}");
        match self.send(token, &call).await {
            Ok(_) | Err(GraphError::NotFound | GraphError::Unreachable { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Returns this app's subscriptions of the user.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub async fn subscriptions(&self, token: &SecretString) -> Result<Vec<Subscription>, GraphError> {
        let url = self.url(&["subscriptions"], &[])?;
        let list: SubscriptionList = self.get(token, url, "/subscriptions").await?;
        Ok(list.value)
    }
}

fn seconds(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
