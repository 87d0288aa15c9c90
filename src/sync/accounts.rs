//! A user's connection to Microsoft: login, tokens, stop and restart.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use diesel_async::AsyncConnection;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;
use uuid::Uuid;

use super::admin::{self, note};
use super::{Engine, now};
use crate::odoo::OdooError;
use crate::odoo::exchange::State;
use crate::outlook::login::{App, Authorize, LoginError, Tokens, random_verifier};
use crate::store::accounts::{self as store, Account, Identity, SealedTokens, state};
use crate::store::databases::{self, Database};
use crate::store::journal::Level;
use crate::store::logins::{self, LoginAttempt, NewLogin, verifier_place};
use crate::store::seal::{digest, random_secret};

/// How long a person may take at Microsoft's login page.
const LOGIN_LIFE: TimeDelta = TimeDelta::minutes(30);
/// How long a redeemed code gets the same answer again.
const REPEAT_LIFE: TimeDelta = TimeDelta::minutes(10);
/// A token is renewed this long before it ends.
const RENEW_AHEAD: TimeDelta = TimeDelta::minutes(5);

#[derive(Debug, Serialize)]
pub struct AuthorizeAnswer {
    pub url: String,
}

/// The keyword arguments of `res.users.redeem`, as Microsoft sent them to Odoo.
#[derive(Debug, Deserialize)]
pub struct RedeemRequest {
    pub state: String,
    #[serde(default)]
    pub code: Option<SecretString>,
    #[serde(default)]
    pub error: Option<String>,
    #[serde(default)]
    pub error_description: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct RedeemAnswer {
    pub return_url: String,
    /// The account was known before: nothing begins anew.
    pub reconnected: bool,
}

/// The state that Microsoft carries. `d` and `s` are what Odoo's own controller looks for; `b` is the sealed id of
/// the login attempt, bound to the database and the user.
#[derive(Serialize, Deserialize)]
struct CarriedState {
    d: String,
    s: String,
    b: String,
}

fn state_place(database: &Database, user_id: i32) -> String {
    format!("login state:{}:{user_id}", database.uuid)
}

/// The app registration as the admin entered it.
struct Registration {
    client_id: String,
    client_secret: SecretString,
}

impl Registration {
    fn app<'a>(&'a self, redirect_uri: &'a str) -> App<'a> {
        App {
            client_id: &self.client_id,
            client_secret: &self.client_secret,
            redirect_uri,
        }
    }
}

fn registration(engine: &Engine, database: &Database) -> Result<Registration, OdooError> {
    let missing = || {
        OdooError::user(
            "Outlook is not configured: an administrator must enter Client ID and Client Secret in Settings, Calendar.",
        )
    };
    Ok(Registration {
        client_id: database
            .client_id
            .clone()
            .filter(|id| !id.is_empty())
            .ok_or_else(missing)?,
        client_secret: database.client_secret(&engine.sealer)?.ok_or_else(missing)?,
    })
}

/// Where to send a user's browser for the login.
///
/// # Errors
/// `UserError` where the database is not configured, or the page to come back to is not Odoo's.
pub async fn authorize_url(
    engine: &Engine,
    database: &Database,
    user_id: i32,
    from_url: &str,
) -> Result<AuthorizeAnswer, OdooError> {
    let registration = registration(engine, database)?;
    let redirect_uri = database.redirect_uri();
    let return_url = within_odoo(database, from_url)?;
    let verifier = random_verifier();
    let oidc_nonce = random_secret();
    let id = Uuid::new_v4();
    let now = now();
    let sealed_id = engine.sealer.seal(
        &state_place(database, user_id),
        &SecretString::from(id.to_string()),
    )?;
    let carried = CarriedState {
        d: database.name.clone(),
        s: "calendar".to_owned(),
        b: URL_SAFE_NO_PAD.encode(sealed_id),
    };
    let mut conn = engine.store.get().await?;
    let login = NewLogin {
        id,
        database_id: database.id,
        odoo_user_id: user_id,
        verifier: engine.sealer.seal(&verifier_place(id), &verifier)?,
        oidc_nonce: &oidc_nonce,
        redirect_uri: &redirect_uri,
        return_url: &return_url,
        expires_at: now + LOGIN_LIFE,
    };
    logins::start(&mut conn, &login, now).await?;
    // Somebody whose consent ran out is offered the account they had.
    let hint = store::of_user(&mut conn, database.id, user_id)
        .await?
        .map(|a| a.login);
    let state = json!(carried).to_string();
    let request = Authorize {
        client_id: &registration.client_id,
        redirect_uri: &redirect_uri,
        state: &state,
        nonce: &oidc_nonce,
        verifier: &verifier,
        login_hint: hint.as_deref(),
        prompt: None,
    };
    let url = engine
        .login
        .authorize_url(&request)
        .map_err(|e| OdooError::user(e.to_string()))?;
    Ok(AuthorizeAnswer { url: url.to_string() })
}

/// Ends a login: checks the state, redeems the code, stores the consent.
///
/// # Errors
/// `UserError` with words for the person; nothing was changed then, but that a state can be used once only.
pub async fn redeem(
    engine: &Engine,
    database: &Database,
    user_id: i32,
    request: RedeemRequest,
) -> Result<RedeemAnswer, OdooError> {
    let forged = || {
        tracing::warn!(database.uuid = %database.uuid, odoo.user = user_id, "login refused: state is not ours");
        OdooError::user(
            "This login was not started by you in this Odoo, or is too old. Press the Outlook button in the calendar \
             to start anew.",
        )
    };
    let attempt_id = read_state(engine, database, user_id, &request.state).ok_or_else(forged)?;
    let code_hash = request.code.as_ref().map(|code| digest(code.expose_secret()));
    let mut conn = engine.store.get().await?;
    let attempt = {
        let code_hash = code_hash.clone();
        conn.transaction::<_, anyhow::Error, _>(async |conn| {
            let Some(attempt) = logins::lock(conn, attempt_id).await? else {
                return Ok(None);
            };
            if attempt.used_at.is_none() {
                logins::use_up(conn, attempt.id, code_hash, now()).await?;
            }
            Ok(Some(attempt))
        })
        .await?
    };
    let attempt = attempt
        .filter(|a| a.database_id == database.id && a.odoo_user_id == user_id && a.expires_at > now())
        .ok_or_else(forged)?;
    if let Some(used_at) = attempt.used_at {
        let same_code = attempt.code_hash.is_some() && attempt.code_hash == code_hash;
        if attempt.succeeded && same_code && used_at > now() - REPEAT_LIFE {
            return Ok(RedeemAnswer {
                return_url: attempt.return_url,
                reconnected: true,
            });
        }
        return Err(forged());
    }
    let Some(code) = request.code else {
        return Err(refused_at_microsoft(&request));
    };
    let tokens = exchange_code(engine, database, &attempt, &code).await?;
    connect(engine, database, user_id, attempt, tokens).await
}

fn read_state(engine: &Engine, database: &Database, user_id: i32, text: &str) -> Option<Uuid> {
    let carried: CarriedState = serde_json::from_str(text).ok()?;
    let sealed = URL_SAFE_NO_PAD.decode(carried.b).ok()?;
    let id = engine
        .sealer
        .open(&state_place(database, user_id), &sealed)
        .ok()?;
    Uuid::parse_str(id.expose_secret()).ok()
}

fn refused_at_microsoft(request: &RedeemRequest) -> OdooError {
    match request.error.as_deref() {
        Some("access_denied") => OdooError::user(
            "The login at Microsoft was cancelled, so nothing was connected. Press the Outlook button to try again.",
        ),
        Some(error) => {
            // Microsoft's description has trace ids behind its first line.
            let words = request
                .error_description
                .as_deref()
                .unwrap_or(error)
                .lines()
                .next()
                .unwrap_or(error);
            OdooError::user(format!("Microsoft refused the login: {words}"))
        }
        None => OdooError::user(
            "Microsoft sent neither a code nor an error. Press the Outlook button to try again.",
        ),
    }
}

async fn exchange_code(
    engine: &Engine,
    database: &Database,
    attempt: &LoginAttempt,
    code: &SecretString,
) -> Result<Tokens, OdooError> {
    let registration = registration(engine, database)?;
    let app = registration.app(&attempt.redirect_uri);
    let verifier = engine
        .sealer
        .open(&verifier_place(attempt.id), &attempt.verifier)?;
    match engine
        .login
        .redeem(app, code, &verifier, &attempt.oidc_nonce, now())
        .await
    {
        Ok(tokens) => Ok(tokens),
        Err(error) => {
            tracing::warn!(database.uuid = %database.uuid, odoo.user = attempt.odoo_user_id, %error, "login failed");
            if let LoginError::AdminProblem { .. } = &error {
                let mut conn = engine.store.get().await?;
                databases::set_credentials_problem(&mut conn, database.id, Some(&error.to_string())).await?;
                return Err(OdooError::user(format!(
                    "Microsoft does not accept the settings of this Odoo. An administrator must put it right: {error}"
                )));
            }
            Err(OdooError::user(format!("The login did not succeed: {error}")))
        }
    }
}

async fn connect(
    engine: &Engine,
    database: &Database,
    user_id: i32,
    attempt: LoginAttempt,
    tokens: Tokens,
) -> Result<RedeemAnswer, OdooError> {
    let identity = tokens.identity.as_ref().ok_or_else(|| {
        OdooError::user("Microsoft did not say who logged in. Press the Outlook button to try again.")
    })?;
    if tokens.refresh.is_none() || !tokens.can_sync() {
        return Err(OdooError::user(
            "Microsoft gave no lasting permission for the calendar (offline_access, Calendars.ReadWrite). An administrator \
             must check the app registration's API permissions.",
        ));
    }
    let username = identity
        .username
        .as_deref()
        .or(identity.name.as_deref())
        .unwrap_or("somebody");
    let mut conn = engine.store.get().await?;
    let known = store::of_user(&mut conn, database.id, user_id).await?;
    if let Some(known) = &known
        && !known.is_reset()
        && (known.tenant_id != identity.tid || known.object_id != identity.oid)
    {
        return Err(OdooError::user(format!(
            "You logged in as {}, but this Odoo user is connected to {}. Log in as {}, or ask an administrator for \
             Reset Account in your user settings to change over: the two mailboxes are never mixed.",
            username, known.login, known.login
        )));
    }
    if let Some(other) =
        store::with_identity(&mut conn, database.id, &identity.tid, &identity.oid, user_id).await?
        && other.is_connected()
    {
        return Err(OdooError::user(format!(
            "The mailbox {} is connected already, by another user of this Odoo.",
            username
        )));
    }
    let sealed = SealedTokens::seal(
        &engine.sealer,
        database.id,
        user_id,
        &tokens.access,
        tokens.refresh.as_ref(),
        tokens.expires_at,
    )?;
    let who = Identity {
        tenant_id: &identity.tid,
        object_id: &identity.oid,
        login: username,
    };
    let account = conn
        .transaction::<_, anyhow::Error, _>(async |conn| {
            let account = store::connect(conn, database.id, user_id, &who, &sealed, now()).await?;
            logins::succeed(conn, attempt.id).await?;
            databases::set_credentials_problem(conn, database.id, None).await?;
            let message = format!("connected to Outlook as {}", who.login);
            note(conn, database, Some(user_id), Level::Info, message).await?;
            Ok(account)
        })
        .await?;
    tracing::info!(database.uuid = %database.uuid, odoo.user = user_id, account.id = account.id, "connected");
    engine.work.notify_one();
    // Odoo's next exchange brings what this user had before: it need not wait for a page or a cron.
    engine.poke(database.id, std::collections::BTreeSet::from([user_id]));
    Ok(RedeemAnswer {
        return_url: attempt.return_url,
        reconnected: known.is_some(),
    })
}

/// Only pages of this very Odoo may be returned to.
fn within_odoo(database: &Database, from_url: &str) -> Result<String, OdooError> {
    let bad = || {
        OdooError::user(format!(
            "from_url: a login can only return to a page of {}",
            database.base_url
        ))
    };
    let base = Url::parse(&database.base_url).map_err(|_| bad())?;
    let url = base.join(from_url).map_err(|_| bad())?;
    if url.origin() != base.origin() || !url.username().is_empty() || url.password().is_some() {
        return Err(bad());
    }
    Ok(url.to_string())
}

/// The user stops syncing; what changes meanwhile is collected.
///
/// # Errors
/// `Internal` when Postgres fails.
pub async fn stop(engine: &Engine, database: &Database, user_id: i32) -> Result<State, OdooError> {
    switch(
        engine,
        database,
        user_id,
        state::ACTIVE,
        state::STOPPED,
        "stopped syncing",
    )
    .await
}

/// The user syncs again.
///
/// # Errors
/// `Internal` when Postgres fails.
pub async fn restart(engine: &Engine, database: &Database, user_id: i32) -> Result<State, OdooError> {
    switch(
        engine,
        database,
        user_id,
        state::STOPPED,
        state::ACTIVE,
        "syncs again",
    )
    .await
}

async fn switch(
    engine: &Engine,
    database: &Database,
    user_id: i32,
    from: &str,
    to: &str,
    message: &str,
) -> Result<State, OdooError> {
    let mut conn = engine.store.get().await?;
    if let Some(account) = store::of_user(&mut conn, database.id, user_id).await? {
        if account.state == from {
            store::set_state(&mut conn, account.id, to).await?;
            note(
                &mut conn,
                database,
                Some(user_id),
                Level::Info,
                message.to_owned(),
            )
            .await?;
        }
        store::wake(&mut conn, vec![account.id], now()).await?;
        engine.work.notify_one();
    }
    admin::state(&mut conn, database.id).await
}

/// Why a mailbox cannot be worked now.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The user must log in again; noted on the account.
    #[error("the user must log in again")]
    NeedsLogin,
    /// The admin must put something right; noted on the database. Nobody's consent is thrown away for it.
    #[error("the app registration's settings are not accepted")]
    Admin,
    #[error("Microsoft's login cannot be reached now")]
    Later,
    #[error(transparent)]
    Internal(#[from] anyhow::Error),
}

/// An access token that is good for some minutes; renewed where needed. The caller holds the account's lease, so
/// that one worker alone renews. A new refresh token is stored before the access token is used.
///
/// # Errors
/// See [`TokenError`].
pub async fn fresh_token(
    engine: &Engine,
    account: &Account,
    database: &Database,
) -> Result<SecretString, TokenError> {
    if account
        .access_expires_at
        .is_some_and(|at| at > now() + RENEW_AHEAD)
        && let Some(token) = account.access_token(&engine.sealer)?
    {
        return Ok(token);
    }
    let Some(refresh) = account.refresh_token(&engine.sealer)? else {
        let mut conn = engine.store.get().await?;
        store::disconnect(&mut conn, account.id, "Log in to Outlook again.")
            .await
            .map_err(anyhow::Error::from)?;
        return Err(TokenError::NeedsLogin);
    };
    let registration = registration(engine, database).map_err(|_| TokenError::Admin)?;
    let redirect_uri = database.redirect_uri();
    let renewed = engine
        .login
        .refresh(registration.app(&redirect_uri), &refresh, now())
        .await;
    let mut conn = engine.store.get().await?;
    match renewed {
        Ok(tokens) => {
            let sealed = SealedTokens::seal(
                &engine.sealer,
                account.database_id,
                account.odoo_user_id,
                &tokens.access,
                tokens.refresh.as_ref(),
                tokens.expires_at,
            )?;
            store::store_tokens(&mut conn, account.id, &sealed)
                .await
                .map_err(anyhow::Error::from)?;
            databases::set_credentials_problem(&mut conn, database.id, None)
                .await
                .map_err(anyhow::Error::from)?;
            Ok(tokens.access)
        }
        Err(error @ LoginError::NeedsLogin { .. }) => {
            tracing::warn!(account.id = account.id, %error, "consent is gone");
            let reason = "Microsoft does not accept the earlier login any more: log in to Outlook again.";
            store::disconnect(&mut conn, account.id, reason)
                .await
                .map_err(anyhow::Error::from)?;
            note(
                &mut conn,
                database,
                Some(account.odoo_user_id),
                Level::Warning,
                reason.to_owned(),
            )
            .await
            .map_err(anyhow::Error::from)?;
            Err(TokenError::NeedsLogin)
        }
        Err(error @ LoginError::AdminProblem { .. }) => {
            tracing::error!(database.uuid = %database.uuid, %error, "Microsoft does not accept the app registration");
            let problem = error.to_string();
            let changed = databases::set_credentials_problem(&mut conn, database.id, Some(&problem))
                .await
                .map_err(anyhow::Error::from)?;
            if changed > 0 {
                note(&mut conn, database, None, Level::Error, problem)
                    .await
                    .map_err(anyhow::Error::from)?;
            }
            Err(TokenError::Admin)
        }
        Err(error) => {
            tracing::warn!(account.id = account.id, %error, "renewing a token must wait");
            Err(TokenError::Later)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(base_url: &str) -> Database {
        Database {
            id: Uuid::nil(),
            uuid: String::new(),
            name: String::new(),
            base_url: base_url.to_owned(),
            series: String::new(),
            key_hash: None,
            poke_key: Vec::new(),
            client_id: None,
            client_secret: None,
            nonce: String::new(),
            previous_nonce: None,
            paused: false,
            quarantined: None,
            policy: "latest".to_owned(),
            brake_over: 20,
            brake_percent: 20,
            mail_budget: 25,
            credentials_problem: None,
            created_at: now(),
            paired_at: now(),
        }
    }

    #[test]
    fn a_login_returns_to_odoo_alone() {
        let odoo = database("https://odoo.example.com");
        let back = within_odoo(&odoo, "https://odoo.example.com/odoo/calendar?x=1").unwrap();
        assert_eq!(back, "https://odoo.example.com/odoo/calendar?x=1");
        assert_eq!(
            within_odoo(&odoo, "/odoo").unwrap(),
            "https://odoo.example.com/odoo"
        );
        for bad in [
            "https://evil.example.com/",
            "//evil.example.com/",
            "http://odoo.example.com/",
            "https://odoo.example.com:444/",
            "https://odoo.example.com@evil.example.com/",
            "javascript:alert(1)",
            "https://odoo.example.com.evil.example.com/",
        ] {
            assert!(within_odoo(&odoo, bad).is_err(), "{bad}");
        }
    }
}
