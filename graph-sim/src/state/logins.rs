//! Codes, tokens and consents of the login.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Codes and tokens, by the hash of their text: a dump of the state gives none away.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Logins {
    pub codes: BTreeMap<String, Code>,
    pub refresh: BTreeMap<String, Refresh>,
    pub access: BTreeMap<String, Access>,
    /// Scopes consented to, by `client|person`.
    pub consents: BTreeMap<String, BTreeSet<String>>,
    /// Scopes that an administrator consented to for a whole tenant, by `client|tenant`.
    #[serde(default)]
    pub admin_consents: BTreeMap<String, BTreeSet<String>>,
    /// Every code and token that was given out since the start, as it was: for whoever looks where they end up.
    #[serde(skip)]
    pub issued: Vec<String>,
}

/// An authorization code, as it was given out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Code {
    pub(crate) client: String,
    pub(crate) person: String,
    pub(crate) redirect: String,
    pub(crate) scopes: Vec<String>,
    #[serde(default)]
    pub(crate) qualified: bool,
    pub(crate) challenge: Option<(String, String)>,
    pub(crate) nonce: Option<String>,
    pub(crate) expires: DateTime<Utc>,
    pub(crate) used: bool,
    #[serde(default)]
    pub(crate) claims: Claims,
}

/// A refresh token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refresh {
    pub client: String,
    pub person: String,
    pub scopes: Vec<String>,
    #[serde(default)]
    pub(crate) qualified: bool,
    pub expires: DateTime<Utc>,
    pub revoked: bool,
    #[serde(default)]
    pub(crate) claims: Claims,
}

/// An access token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Access {
    pub client: String,
    pub person: String,
    pub scopes: Vec<String>,
    pub expires: DateTime<Utc>,
    /// What it was asked to prove.
    #[serde(default)]
    pub claims: Claims,
}

/// The parameter `claims`, an object (OpenID Connect Core, 5.5).
pub type Claims = Option<serde_json::Map<String, Value>>;

pub(crate) fn hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(text.as_bytes()))
}

impl Logins {
    /// Finds an access token by its text.
    pub fn access(&self, token: &str) -> Option<&Access> {
        self.access.get(&hash(token))
    }

    /// Ends one access token.
    pub fn expire_token(&mut self, token: &str) {
        if let Some(access) = self.access.get_mut(&hash(token)) {
            access.expires = Utc::now() - TimeDelta::seconds(1);
        }
    }

    /// Revokes all refresh tokens of a person, and returns how many.
    pub fn revoke(&mut self, person: &str) -> usize {
        let mut count = 0;
        for token in self
            .refresh
            .values_mut()
            .filter(|t| t.person == person && !t.revoked)
        {
            token.revoked = true;
            count += 1;
        }
        count
    }

    pub(crate) fn expire_access(&mut self, person: Option<&str>) -> usize {
        let now = Utc::now();
        let mut count = 0;
        for token in self
            .access
            .values_mut()
            .filter(|t| person.is_none_or(|p| t.person == p))
        {
            token.expires = now - TimeDelta::seconds(1);
            count += 1;
        }
        count
    }

    pub(crate) fn expire_refresh(&mut self, person: &str) -> usize {
        let now = Utc::now();
        let mut count = 0;
        for token in self.refresh.values_mut().filter(|t| t.person == person) {
            token.expires = now - TimeDelta::seconds(1);
            count += 1;
        }
        count
    }
}
