//! Tenants, the apps that are registered, and the people.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A Microsoft Entra tenant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tenant {
    pub id: String,
    pub domain: String,
    pub name: String,
}

/// Tenant of all personal accounts (id-token-claims-reference).
pub(crate) const CONSUMERS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// A registered app. Without a secret it is a public client.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct App {
    pub client_id: String,
    #[serde(default)]
    pub secret: String,
    #[serde(default)]
    pub secret_expired: bool,
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub admin_consent_required: bool,
    /// The one tenant whose accounts may use it; none: an app for all.
    #[serde(default)]
    pub tenant: Option<String>,
}

/// A user with a sign-in name and, mostly, a mailbox.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Person {
    pub id: String,
    pub address: String,
    pub name: String,
    pub tenant: String,
    pub timezone: String,
    #[serde(default)]
    pub disabled: bool,
    /// An AADSTS number every redemption of this person's tokens fails with (50076, 53003, 50173 ...).
    #[serde(default)]
    pub token_error: Option<u32>,
    /// What Graph wants of this person's access tokens, else it answers 401 with a claims challenge.
    #[serde(default)]
    pub challenge: Option<Challenge>,
    /// False: signs in, yet Graph knows no mailbox.
    #[serde(default = "yes")]
    pub mailbox: bool,
    /// May consent for everybody in the tenant.
    #[serde(default)]
    pub admin: bool,
    /// Further addresses of the mailbox.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// What the person signs in with (`userPrincipalName`, `preferred_username`), which may be no address of theirs: mail to it
    /// reaches nobody. Without it the address.
    #[serde(default)]
    pub upn: Option<String>,
    /// A room or a resource, whose mailbox answers by itself.
    #[serde(default)]
    pub room: Option<Room>,
}

/// What a claims challenge asks for (page *claims-challenge*).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Challenge {
    /// As it comes back in the parameter `claims`.
    pub claims: serde_json::Map<String, Value>,
    /// Conditional Access wants the person: a refresh token does not bring it.
    #[serde(default)]
    pub interactive: bool,
}

fn yes() -> bool {
    true
}

impl Person {
    /// "mutable … not a valid email address" (page *id-token-claims-reference*).
    pub(crate) fn sign_in_name(&self) -> &str {
        self.upn.as_deref().unwrap_or(&self.address)
    }

    pub(crate) fn is_personal(&self) -> bool {
        self.tenant == CONSUMERS
    }
}

/// What a mailbox that answers by itself goes by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Room {
    /// How many occurrences of a series may be declined for the rest to be accepted (`MaximumConflictInstances`).
    pub conflicts: usize,
}
