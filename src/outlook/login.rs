//! Login at the Microsoft identity platform: OAuth 2.0 code flow with PKCE, and refresh tokens
//! (pages *v2-oauth2-auth-code-flow*, *refresh-tokens*, *id-token-claims-reference*,
//! *reference-error-codes*).
//!
//! No `Debug`, `Display` or URL made here contains a secret, except for the code that Microsoft
//! itself puts into a URL.

pub mod trial;
pub mod words;

use std::fmt;
use std::pin::Pin;
use std::sync::Mutex;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType,
};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, Client, ClientId, ClientSecret, CsrfToken, EndpointNotSet,
    EndpointSet, HttpRequest, HttpResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken,
    RequestTokenError, Scope, StandardRevocableToken, StandardTokenResponse, TokenResponse as _, TokenUrl,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::client::retry_after;
use crate::words::{Said, Sentence, say};

/// Microsoft's own address.
pub const LOGIN_URL: &str = "https://login.microsoftonline.com";
/// The requested permissions. `offline_access` brings the refresh token, `openid` and `profile` the
/// identity.
pub const SCOPES: [&str; 5] = [
    "openid",
    "profile",
    "offline_access",
    "User.Read",
    "Calendars.ReadWrite",
];

/// How far the two clocks may differ.
const CLOCK_SKEW: TimeDelta = TimeDelta::minutes(5);
/// How long to stop asking after Microsoft reported a client loop, as it names no time.
const REST_AFTER_LOOP: Duration = Duration::from_secs(900);
/// The assumed lifetime if a token reply names none; Microsoft's shortest is an hour.
const DEFAULT_TOKEN_LIFETIME: Duration = Duration::from_secs(3600);

/// An app registration in Entra, as an administrator of Odoo has entered it.
#[derive(Clone, Copy, Debug)]
pub struct App<'a> {
    pub client_id: &'a str,
    pub client_secret: &'a SecretString,
    /// Exactly as registered.
    pub redirect_uri: &'a str,
}

/// The parameters of one login.
#[derive(Clone, Copy, Debug)]
pub struct Authorize<'a> {
    pub client_id: &'a str,
    pub redirect_uri: &'a str,
    /// Returned with the code, unchanged.
    pub state: &'a str,
    /// Returned inside the id token, unchanged.
    pub nonce: &'a str,
    /// Kept secret until the code is redeemed; its S256 challenge goes into the URL.
    pub verifier: &'a SecretString,
    /// The login name that the page is filled with.
    pub login_hint: Option<&'a str>,
    /// What the tokens have to prove (page *claims-challenge*): a JSON object.
    pub claims: Option<&'a str>,
    pub prompt: Option<Prompt>,
}

/// What Microsoft shows even if it does not have to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prompt {
    SelectAccount,
    Consent,
    Login,
}

/// The person who logged in. `tid` and `oid` together are the identity; the names may change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The tenant; that of personal accounts is `9188040d-6c67-4c5b-b112-36a304b66dad`.
    pub tid: String,
    /// The person within the tenant.
    pub oid: String,
    pub username: Option<String>,
    pub name: Option<String>,
}

/// The answer of the token endpoint.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// Opaque.
    pub access: SecretString,
    /// The newest one, which replaces the one that was used. `None`: keep the old one.
    pub refresh: Option<SecretString>,
    /// When `access` expires, by the caller's `now`.
    pub expires_at: DateTime<Utc>,
    /// The granted permissions, which may be fewer than requested.
    pub scope: Vec<String>,
    pub identity: Option<Identity>,
}

impl Tokens {
    /// Returns whether these tokens permit reading and writing the calendar.
    pub fn can_sync(&self) -> bool {
        self.scope.iter().any(|s| {
            let name = s.rsplit('/').next().unwrap_or(s);
            name.eq_ignore_ascii_case("Calendars.ReadWrite")
        })
    }
}

/// A setting in Odoo that an administrator must correct.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Setting {
    ClientId,
    ClientSecret,
    Tenant,
}

impl Setting {
    /// Returns its label in Odoo's settings.
    pub fn label(self) -> Sentence {
        match self {
            Self::ClientId => say::setting_client_id(),
            Self::ClientSecret => say::setting_client_secret(),
            Self::Tenant => say::setting_tenant_id(),
        }
    }
}

/// Why there are no tokens. `message` is the first line of Microsoft's text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// `invalid_client`, `unauthorized_client`: nobody can log in until an administrator has
    /// changed the setting.
    #[error("Microsoft refuses the {} in the settings: {message}", setting.label())]
    AdminProblem { setting: Setting, message: String },
    /// The grant is expired, revoked or no longer sufficient: the user must log in again.
    #[error("the user must sign in to Outlook again: {message}")]
    NeedsLogin { message: String },
    /// The network, or a failure of Microsoft. The old refresh token is still valid.
    #[error("Microsoft's sign-in could not be reached or failed: {message}")]
    Temporary {
        retry_after: Option<Duration>,
        message: String,
    },
    /// Refused for another reason; `error` is the protocol's word for it. Repeating it does not
    /// help.
    #[error("Microsoft refuses the sign-in ({error}): {message}")]
    Refused { error: String, message: String },
}

impl LoginError {
    /// Returns the error for people.
    pub fn words(&self) -> Said {
        match self {
            Self::AdminProblem { setting, message } => say::app_refused(setting.label(), message).into(),
            Self::Temporary { message, .. } => say::sign_in_failed(message).into(),
            Self::Refused { error, message } => say::sign_in_refused(error, message).into(),
            Self::NeedsLogin { .. } => self.to_string().into(),
        }
    }

    /// Interprets `error` and `error_description`, as the token endpoint and the redirect after a
    /// login name them. `error` decides; the AADSTS number, which may change, only tells which
    /// setting is meant.
    pub fn from_response(error: &str, description: Option<&str>) -> Self {
        let message = first_line(description.unwrap_or(error));
        // Microsoft takes the app for a program that asks in a loop. The grant is valid, and more
        // requests would make it worse.
        if message.contains("AADSTS50196") {
            return Self::Temporary {
                retry_after: Some(REST_AFTER_LOOP),
                message,
            };
        }
        match error {
            "invalid_client" | "unauthorized_client" => {
                let id_is_meant = error == "unauthorized_client"
                    || ["AADSTS700016", "AADSTS90013", "AADSTS900144"]
                        .iter()
                        .any(|n| message.contains(n));
                let setting = if id_is_meant {
                    Setting::ClientId
                } else {
                    Setting::ClientSecret
                };
                Self::AdminProblem { setting, message }
            }
            // There is no such tenant, or the app belongs to a single one and was requested for
            // all.
            "invalid_request" if ["AADSTS90002", "AADSTS50194"].iter().any(|n| message.contains(n)) => {
                Self::AdminProblem {
                    setting: Setting::Tenant,
                    message,
                }
            }
            "invalid_grant"
            | "interaction_required"
            | "login_required"
            | "consent_required"
            | "account_selection_required"
            | "access_denied" => Self::NeedsLogin { message },
            "temporarily_unavailable" | "server_error" => Self::Temporary {
                retry_after: None,
                message,
            },
            _ => Self::Refused {
                error: error.chars().take(60).collect(),
                message,
            },
        }
    }
}

/// The identity platform, for one tenant or for all.
#[derive(Clone, Debug)]
pub struct LoginClient {
    http: reqwest::Client,
    authority: Url,
    tenant: String,
}

/// Returns a new PKCE verifier (RFC 7636), or any other value that must not be guessed.
pub fn random_verifier() -> SecretString {
    let (_, verifier) = PkceCodeChallenge::new_random_sha256();
    SecretString::from(verifier.into_secret())
}

impl LoginClient {
    /// Makes a client. `authority` is the host ([`LOGIN_URL`]); `tenant` is a GUID, a domain, or
    /// `common`, `organizations`, `consumers`.
    pub fn new(http: reqwest::Client, authority: Url, tenant: &str) -> Self {
        Self {
            http,
            authority,
            tenant: tenant.to_owned(),
        }
    }

    /// Returns the address of the host, with the path before the tenants'.
    pub fn authority(&self) -> &Url {
        &self.authority
    }

    /// Returns the tenant whose accounts may log in.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// Returns the same platform for the accounts of one tenant; `None` keeps the configured
    /// tenant.
    #[must_use]
    pub fn of_tenant(&self, tenant: Option<&str>) -> Self {
        let mut client = self.clone();
        if let Some(tenant) = tenant {
            tenant.clone_into(&mut client.tenant);
        }
        client
    }

    /// Returns the address to which the person who logs in is sent.
    ///
    /// # Errors
    /// [`LoginError::Refused`] if the redirect address is not a valid URL.
    pub fn authorize_url(&self, request: &Authorize<'_>) -> Result<Url, LoginError> {
        let redirect =
            RedirectUrl::new(request.redirect_uri.to_owned()).map_err(|_| invalid_redirect_uri())?;
        let verifier = PkceCodeVerifier::new(request.verifier.expose_secret().to_owned());
        let client = self.client(request.client_id)?.set_redirect_uri(redirect);
        let state = request.state.to_owned();
        let mut url = client
            .authorize_url(|| CsrfToken::new(state))
            .add_scopes(SCOPES.map(|scope| Scope::new(scope.to_owned())))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .add_extra_param("response_mode", "query")
            .add_extra_param("nonce", request.nonce);
        if let Some(hint) = request.login_hint {
            url = url.add_extra_param("login_hint", hint);
        }
        if let Some(claims) = request.claims {
            url = url.add_extra_param("claims", claims);
        }
        if let Some(prompt) = request.prompt {
            let prompt = match prompt {
                Prompt::SelectAccount => "select_account",
                Prompt::Consent => "consent",
                Prompt::Login => "login",
            };
            url = url.add_extra_param("prompt", prompt);
        }
        Ok(url.url().0)
    }

    /// Returns the address where an administrator of the tenant consents for everybody in it (page
    /// *v2-admin-consent*). The answer is sent to the redirect address: `admin_consent=True` and
    /// `tenant`, or `error` and `error_description`, with the `state`.
    ///
    /// # Errors
    /// [`LoginError::Refused`] if the authority is not a valid URL.
    pub fn admin_consent_url(
        &self,
        client_id: &str,
        redirect_uri: &str,
        state: &str,
    ) -> Result<Url, LoginError> {
        // Only an organization has an administrator, so the page does not accept `common`.
        let tenant = match self.tenant.as_str() {
            "common" | "consumers" => "organizations",
            tenant => tenant,
        };
        let mut url = self.page(&[tenant, "v2.0", "adminconsent"])?;
        let scopes = SCOPES.map(|scope| match scope {
            "openid" | "profile" | "offline_access" => scope.to_owned(),
            of_graph => format!("https://graph.microsoft.com/{of_graph}"),
        });
        url.query_pairs_mut()
            .append_pair("client_id", client_id)
            .append_pair("scope", &scopes.join(" "))
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("state", state);
        Ok(url)
    }

    /// Redeems the code of a login. A code is valid for ten minutes and can be redeemed once.
    ///
    /// # Errors
    /// See [`LoginError`]; [`LoginError::Refused`] with `invalid_id_token` if the id token is not
    /// for this app, this login and this time.
    pub async fn redeem(
        &self,
        app: App<'_>,
        code: &SecretString,
        verifier: &SecretString,
        nonce: &str,
        now: DateTime<Utc>,
    ) -> Result<Tokens, LoginError> {
        let redirect = RedirectUrl::new(app.redirect_uri.to_owned()).map_err(|_| invalid_redirect_uri())?;
        let client = self
            .client(app.client_id)?
            .set_redirect_uri(redirect)
            .set_client_secret(secret_of(app));
        let exchange = Exchange::new(&self.http);
        let reply = client
            .exchange_code(AuthorizationCode::new(code.expose_secret().to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose_secret().to_owned()))
            .request_async(&exchange)
            .await;
        let secrets = [code, verifier, app.client_secret];
        let reply = reply.map_err(|error| exchange.failure(error, &secrets))?;
        self.tokens(app.client_id, Some(nonce), now, &reply)
    }

    /// Returns new tokens for a refresh token. They prove `claims`, if Graph has asked for that.
    /// Drop the old token only after the new one is stored.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn refresh(
        &self,
        app: App<'_>,
        refresh: &SecretString,
        claims: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Tokens, LoginError> {
        let client = self.client(app.client_id)?.set_client_secret(secret_of(app));
        let exchange = Exchange::new(&self.http);
        let refresh_token = RefreshToken::new(refresh.expose_secret().to_owned());
        let mut request = client
            .exchange_refresh_token(&refresh_token)
            .add_scopes(SCOPES.map(|scope| Scope::new(scope.to_owned())));
        if let Some(claims) = claims {
            request = request.add_extra_param("claims", claims);
        }
        let reply = request.request_async(&exchange).await;
        let secrets = [refresh, app.client_secret];
        let reply = reply.map_err(|error| exchange.failure(error, &secrets))?;
        self.tokens(app.client_id, None, now, &reply)
    }

    fn client(&self, client_id: &str) -> Result<OAuth, LoginError> {
        let client = Client::new(ClientId::new(client_id.to_owned()))
            .set_auth_uri(AuthUrl::from_url(self.endpoint("authorize")?))
            .set_token_uri(TokenUrl::from_url(self.endpoint("token")?))
            // As the pages show it. In a header, the id and the secret would be form-encoded twice.
            .set_auth_type(AuthType::RequestBody);
        Ok(client)
    }

    fn endpoint(&self, name: &str) -> Result<Url, LoginError> {
        self.page(&[self.tenant.as_str(), "oauth2", "v2.0", name])
    }

    /// Returns the URL of a page of the authority, whose path begins with the tenant.
    fn page(&self, path: &[&str]) -> Result<Url, LoginError> {
        let refused = || LoginError::Refused {
            error: "invalid_authority".to_owned(),
            message: "the address of Microsoft's sign-in is not valid".to_owned(),
        };
        if matches!(self.tenant.as_str(), "" | "." | "..") {
            return Err(refused());
        }
        let mut url = self.authority.clone();
        url.path_segments_mut()
            .map_err(|()| refused())?
            .pop_if_empty()
            .extend(path);
        Ok(url)
    }

    fn tokens(
        &self,
        client_id: &str,
        nonce: Option<&str>,
        now: DateTime<Utc>,
        reply: &TokenReply,
    ) -> Result<Tokens, LoginError> {
        let identity = match &reply.extra_fields().id_token {
            Some(token) => Some(self.identity(token, client_id, nonce, now)?),
            None => None,
        };
        let lifetime =
            TimeDelta::from_std(reply.expires_in().unwrap_or(DEFAULT_TOKEN_LIFETIME)).unwrap_or_default();
        Ok(Tokens {
            access: SecretString::from(reply.access_token().secret().clone()),
            refresh: reply
                .refresh_token()
                .map(|t| SecretString::from(t.secret().clone())),
            expires_at: now.checked_add_signed(lifetime).unwrap_or(now),
            scope: reply
                .scopes()
                .into_iter()
                .flatten()
                .map(|s| s.as_str().to_owned())
                .collect(),
            identity,
        })
    }

    /// Reads the id token. It came directly from the token endpoint over TLS, which replaces the
    /// check of its signature (OpenID Connect Core, 3.1.3.7).
    fn identity(
        &self,
        token: &SecretString,
        client_id: &str,
        nonce: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Identity, LoginError> {
        let refused = |why: &str| LoginError::Refused {
            error: "invalid_id_token".to_owned(),
            message: format!("Microsoft's id token {why}"),
        };
        let payload = token.expose_secret().split('.').nth(1).unwrap_or_default();
        let claims: Claims = URL_SAFE_NO_PAD
            .decode(payload.trim_end_matches('='))
            .ok()
            .and_then(|json| serde_json::from_slice(&json).ok())
            .ok_or_else(|| refused("cannot be read"))?;
        let issuer = format!(
            "{}/{}/v2.0",
            self.authority.as_str().trim_end_matches('/'),
            claims.tid
        );
        if claims.aud != client_id {
            return Err(refused("is for another app"));
        }
        if claims.tid.is_empty() || claims.oid.is_empty() {
            return Err(refused("names nobody"));
        }
        let is_of_one = uuid::Uuid::parse_str(&self.tenant).is_ok();
        if claims.iss != issuer || (is_of_one && !self.tenant.eq_ignore_ascii_case(&claims.tid)) {
            return Err(refused("is from another tenant"));
        }
        if nonce.is_some_and(|nonce| claims.nonce.as_deref() != Some(nonce)) {
            return Err(refused("is of another sign-in"));
        }
        if claims.exp <= (now - CLOCK_SKEW).timestamp() {
            return Err(refused("has expired"));
        }
        Ok(Identity {
            tid: claims.tid,
            oid: claims.oid,
            username: claims.preferred_username,
            name: claims.name,
        })
    }
}

type TokenReply = StandardTokenResponse<IdTokenField, BasicTokenType>;
type OAuth = Client<
    BasicErrorResponse,
    TokenReply,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

#[derive(Debug, Deserialize, Serialize)]
struct IdTokenField {
    #[serde(default, skip_serializing)]
    id_token: Option<SecretString>,
}

impl oauth2::ExtraTokenFields for IdTokenField {}

#[derive(Deserialize)]
struct Claims {
    aud: String,
    iss: String,
    exp: i64,
    #[serde(default)]
    tid: String,
    #[serde(default)]
    oid: String,
    nonce: Option<String>,
    preferred_username: Option<String>,
    name: Option<String>,
}

/// One request to the token endpoint, and the parts of its reply that the oauth2 crate does not
/// pass on.
struct Exchange<'a> {
    http: &'a reqwest::Client,
    seen: Mutex<Option<ReplyDetails>>,
}

#[derive(Clone, Copy)]
struct ReplyDetails {
    status: u16,
    retry_after: Option<Duration>,
}

/// Says what failed, never with which values.
#[derive(Debug)]
struct HttpFailure(&'static str);

impl fmt::Display for HttpFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for HttpFailure {}

impl From<reqwest::Error> for HttpFailure {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            Self("no answer in time")
        } else if error.is_connect() {
            Self("no connection")
        } else {
            Self("the connection broke")
        }
    }
}

/// Boxed, so that a login's future is `Send` whatever it holds.
impl<'c> oauth2::AsyncHttpClient<'c> for Exchange<'_> {
    type Error = HttpFailure;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpFailure>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

impl<'a> Exchange<'a> {
    fn new(http: &'a reqwest::Client) -> Self {
        Self {
            http,
            seen: Mutex::new(None),
        }
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpFailure> {
        let response = self.http.execute(request.try_into()?).await?;
        if let Ok(mut seen) = self.seen.lock() {
            *seen = Some(ReplyDetails {
                status: response.status().as_u16(),
                retry_after: retry_after(response.headers(), Utc::now()),
            });
        }
        let mut reply = HttpResponse::new(Vec::new());
        *reply.status_mut() = response.status();
        reply.headers_mut().clone_from(response.headers());
        *reply.body_mut() = response.bytes().await?.to_vec();
        Ok(reply)
    }

    fn failure(
        &self,
        error: RequestTokenError<HttpFailure, BasicErrorResponse>,
        secrets: &[&SecretString],
    ) -> LoginError {
        let seen = self.seen.lock().ok().and_then(|seen| *seen);
        let (status, retry_after) = seen.map_or((0, None), |seen| (seen.status, seen.retry_after));
        if status == 429 || status >= 500 {
            return LoginError::Temporary {
                retry_after,
                message: format!("status {status}"),
            };
        }
        match error {
            RequestTokenError::ServerResponse(response) => {
                let scrub = |text: &str| {
                    let hidden = secrets.iter().map(|s| s.expose_secret()).filter(|s| s.len() > 3);
                    hidden.fold(text.to_owned(), |text, secret| text.replace(secret, "…"))
                };
                let description = response.error_description().map(|d| scrub(d));
                let error = response.error().as_ref().to_owned();
                match LoginError::from_response(&scrub(&error), description.as_deref()) {
                    LoginError::Temporary {
                        retry_after: own,
                        message,
                    } => LoginError::Temporary {
                        retry_after: retry_after.max(own),
                        message,
                    },
                    other => other,
                }
            }
            RequestTokenError::Request(failure) => LoginError::Temporary {
                retry_after,
                message: failure.to_string(),
            },
            // The reply is not of the protocol: a proxy's page, a captive portal. Its body may
            // contain anything.
            RequestTokenError::Parse(..) | RequestTokenError::Other(_) => LoginError::Temporary {
                retry_after,
                message: format!("status {status} with an unreadable reply"),
            },
        }
    }
}

fn secret_of(app: App<'_>) -> ClientSecret {
    ClientSecret::new(app.client_secret.expose_secret().to_owned())
}

fn invalid_redirect_uri() -> LoginError {
    LoginError::Refused {
        error: "invalid_redirect_uri".to_owned(),
        message: "the address to come back to is not valid".to_owned(),
    }
}

/// Returns the first line. Microsoft's descriptions continue with trace ids and times, which are
/// not for people.
fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let line = line.split(" Trace ID:").next().unwrap_or_default();
    line.trim().chars().take(400).collect()
}

#[cfg(test)]
mod tests;
