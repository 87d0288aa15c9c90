//! A user's connection to Microsoft: login, tokens, stop and restart.

mod attempt;
mod switch;

use std::time::Duration;

use chrono::TimeDelta;
use diesel_async::AsyncConnection;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

pub use self::attempt::AuthorizeAnswer;
use self::attempt::{Begin, begin, read_state};
use self::switch::ask_who;
pub use self::switch::{Question, SwitchRequest, switch_mailbox};
use crate::auth::addresses;
use crate::auth::registrations;
use crate::engine::{Engine, now};
use crate::measures::{self, Purpose};
use crate::odoo::OdooError;
use crate::outlook::login::{LoginError, Tokens, words};
use crate::reset;
use crate::store::Connection;
use crate::store::accounts::{self as store, Account, Identity, SealedTokens, SyncState};
use crate::store::databases::{self, Database};
use crate::store::journal::Level;
use crate::store::journal::note;
use crate::store::leases::{self, Urgency};
use crate::store::logins::{self, LoginAttempt, verifier_place};
use crate::store::refusals::{self, Refusal};
use crate::store::seal::digest;
use crate::store::{addresses as stored_addresses, registrations as stored, resets, troubles};
use crate::words::{Said, Sentence, say};

/// How long a redeemed code gets the same answer again.
const REPEAT_LIFE: TimeDelta = TimeDelta::minutes(10);
/// How long before its end a token is renewed.
const RENEW_AHEAD: TimeDelta = TimeDelta::minutes(5);

/// The keyword arguments of `res.users.authorize_url`.
#[derive(Debug, Deserialize)]
pub struct AuthorizeRequest {
    pub from_url: String,
    /// The user's company, which may have an app registration of its own.
    #[serde(default)]
    pub company_id: Option<i32>,
    /// Not a login: an administrator of Microsoft 365 is to consent for everybody in the
    /// organization.
    #[serde(default)]
    pub for_everybody: bool,
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
    /// `True` if an administrator has consented for everybody.
    #[serde(default)]
    pub admin_consent: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct RedeemAnswer {
    pub return_url: String,
    /// What was done, if it was not a login.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// `message` as a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_words: Option<serde_json::Value>,
    /// Whether the account was known before, and continues.
    pub reconnected: bool,
    /// Set if another account than before has logged in. Nothing was connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<Question>,
}

/// Returns the address to which a user's browser is sent for the login.
///
/// # Errors
/// `UserError` if the database is not configured, or if the page to return to is not Odoo's.
pub async fn authorize_url(
    engine: &Engine,
    database: &Database,
    user_id: i32,
    request: &AuthorizeRequest,
) -> Result<AuthorizeAnswer, OdooError> {
    if user_id <= 0 {
        return Err(OdooError::AccessDenied(
            "Only a user of Odoo can log in.".to_owned(),
        ));
    }
    let return_url = within_odoo(database, &request.from_url)?;
    let mut conn = engine.store.get().await?;
    let registration = registrations::for_login(&mut conn, engine, database, request.company_id).await?;
    // A user whose consent has ended is offered the account they had.
    let known = store::of_user(&mut conn, database.id, user_id).await?;
    let claims = match &known {
        Some(account) => troubles::of(&mut conn, account.id).await?.claims,
        None => None,
    };
    let hint = known.map(|account| account.login);
    let url = begin(
        &mut conn,
        engine,
        database,
        user_id,
        Begin {
            registration: &registration,
            return_url: &return_url,
            hint: hint.as_deref(),
            claims: claims.as_deref(),
            prompt: None,
            for_everybody: request.for_everybody,
        },
    )
    .await?;
    Ok(AuthorizeAnswer { url })
}

/// Ends a login: checks the state, redeems the code, stores the consent.
///
/// # Errors
/// `UserError` with words for the person. Nothing is changed then, except that the state is used
/// up.
pub async fn redeem(
    engine: &Engine,
    database: &Database,
    user_id: i32,
    request: RedeemRequest,
) -> Result<RedeemAnswer, OdooError> {
    let forged = || {
        tracing::warn!(database.uuid = %database.uuid, odoo.user = user_id, "login refused: state is not ours");
        OdooError::user(say::refusal_old_login())
    };
    let carried = read_state(engine, database, user_id, &request.state).ok_or_else(forged)?;
    let attempt_id = carried.id;
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
    if carried.is_for_everybody {
        return consented_for_everybody(&mut conn, database, user_id, attempt, &request).await;
    }
    if let Some(used_at) = attempt.used_at {
        let same_code = attempt.code_hash.is_some() && attempt.code_hash == code_hash;
        if same_code && used_at > now() - REPEAT_LIFE {
            if attempt.succeeded {
                return Ok(RedeemAnswer {
                    return_url: attempt.return_url,
                    message: None,
                    message_words: None,
                    reconnected: true,
                    question: None,
                });
            }
            let known = store::of_user(&mut conn, database.id, user_id).await?;
            if let (Some(known), Some(other)) = (known, attempt.other_login.clone()) {
                let question = ask_who(&mut conn, engine, database, &known, &attempt, other).await?;
                return Ok(asked(attempt.return_url, question));
            }
        }
        return Err(forged());
    }
    // Microsoft may take long to answer, and others need connections.
    drop(conn);
    let Some(code) = request.code else {
        let mut conn = engine.store.get().await?;
        let said = request.error_description.as_deref().unwrap_or_default();
        note_refusal(&mut conn, database, user_id, said).await?;
        return Err(refused_at_microsoft(&request));
    };
    let tokens = exchange_code(engine, database, &attempt, &code).await?;
    connect(engine, database, user_id, attempt, tokens).await
}

/// Ends an attempt to consent for everybody. Microsoft's answer comes through the browser and
/// proves nothing. Nothing depends on it, as each user's login shows what is granted.
async fn consented_for_everybody(
    conn: &mut Connection,
    database: &Database,
    user_id: i32,
    attempt: LoginAttempt,
    request: &RedeemRequest,
) -> Result<RedeemAnswer, OdooError> {
    let is_granted = request
        .admin_consent
        .as_deref()
        .is_some_and(|word| word.eq_ignore_ascii_case("true"));
    if request.error.is_some() || !is_granted {
        let words = say::refusal_nothing_allowed();
        let said = request
            .error_description
            .as_deref()
            .and_then(|text| text.lines().next());
        return Err(OdooError::user(match said {
            Some(said) => say::microsoft_says(words, said),
            None => words,
        }));
    }
    if attempt.used_at.is_none() {
        refusals::forget_all(conn, database.id)
            .await
            .map_err(anyhow::Error::from)?;
        let message = say::allowed_for_everybody();
        note(conn, database, Some(user_id), Level::Info, message).await?;
    }
    Ok(RedeemAnswer {
        return_url: attempt.return_url,
        message: Some(say::everybody_may_connect().to_string()),
        message_words: Some(say::everybody_may_connect().to_json()),
        reconnected: false,
        question: None,
    })
}

/// Returns the answer with a question. Nothing was connected; the person has to answer first.
fn asked(return_url: String, question: Question) -> RedeemAnswer {
    RedeemAnswer {
        return_url,
        message: None,
        message_words: None,
        reconnected: false,
        question: Some(question),
    }
}

/// Stores the number of Microsoft's reason for refusing a login, if it gave one.
async fn note_refusal(
    conn: &mut Connection,
    database: &Database,
    user_id: i32,
    said: &str,
) -> anyhow::Result<()> {
    if let Some(number) = words::number(said).and_then(|n| i32::try_from(n).ok()) {
        let refusal = Refusal {
            database_id: database.id,
            odoo_user_id: user_id,
            number,
            at: now(),
        };
        refusals::note(conn, &refusal).await?;
    }
    Ok(())
}

fn refused_at_microsoft(request: &RedeemRequest) -> OdooError {
    let Some(error) = request.error.as_deref() else {
        return OdooError::user(say::refusal_no_answer());
    };
    // Microsoft's description has trace ids after its first line.
    let described = request.error_description.as_deref();
    let said = described.and_then(|text| text.lines().next()).unwrap_or(error);
    OdooError::user(match (words::explain_to_user(said), error) {
        (Some(words), _) => words,
        (None, "access_denied") => say::refusal_cancelled(),
        (None, _) => say::refusal_of_login(said),
    })
}

async fn exchange_code(
    engine: &Engine,
    database: &Database,
    attempt: &LoginAttempt,
    code: &SecretString,
) -> Result<Tokens, OdooError> {
    let registration = {
        let mut conn = engine.store.get().await?;
        registrations::of_consent(&mut conn, engine, database, attempt.registration_id).await?
    };
    let registration = registration.ok_or_else(registrations::not_configured)?;
    let app = registration.app(&attempt.redirect_uri);
    let verifier = engine
        .sealer
        .open(&verifier_place(attempt.id), &attempt.verifier)?;
    match registration
        .login(engine)
        .redeem(app, code, &verifier, &attempt.oidc_nonce, now())
        .await
    {
        Ok(tokens) => Ok(tokens),
        Err(error) => {
            tracing::warn!(database.uuid = %database.uuid, odoo.user = attempt.odoo_user_id, %error, "login failed");
            if let LoginError::AdminProblem { .. } = &error {
                let mut conn = engine.store.get().await?;
                let words =
                    registrations::note_problem(&mut conn, database, &registration.row, &error).await?;
                return Err(OdooError::user(say::refusal_of_settings(words)));
            }
            let words = match &error {
                LoginError::NeedsLogin { message } | LoginError::Refused { message, .. } => {
                    let mut conn = engine.store.get().await?;
                    note_refusal(&mut conn, database, attempt.odoo_user_id, message).await?;
                    words::explain_to_user(message)
                }
                LoginError::AdminProblem { .. } | LoginError::Temporary { .. } => None,
            };
            Err(OdooError::user(
                words.unwrap_or_else(|| say::refusal_login_failed(error.words())),
            ))
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
    let identity = tokens
        .identity
        .as_ref()
        .ok_or_else(|| OdooError::user(say::refusal_nobody()))?;
    if tokens.refresh.is_none() || !tokens.can_sync() {
        return Err(OdooError::user(say::refusal_no_lasting_permission()));
    }
    let username = identity
        .username
        .as_deref()
        .or(identity.name.as_deref())
        .unwrap_or("somebody");
    let addresses = addresses::ask_at_login(engine, &tokens.access).await;
    let mut conn = engine.store.get().await?;
    refusals::forget(&mut conn, database.id, user_id)
        .await
        .map_err(anyhow::Error::from)?;
    let known = store::of_user(&mut conn, database.id, user_id).await?;
    let taken = || OdooError::user(say::refusal_taken(username));
    let other = store::with_identity(&mut conn, database.id, &identity.tid, &identity.oid, user_id).await?;
    if other.as_ref().is_some_and(Account::is_connected) {
        return Err(taken());
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
    let earlier = match &known {
        Some(known) => resets::of_account(&mut conn, known.id).await?,
        None => None,
    };
    let is_former = earlier.is_some_and(|reset| reset.was_of(&who));
    if let Some(known) = &known {
        if known.resetting {
            if known.is_connected() || !is_former {
                return Err(is_being_reset(known));
            }
            return resume_reset(&mut conn, engine, database, known, attempt, &sealed).await;
        }
        if !known.is_reset() && (known.tenant_id != identity.tid || known.object_id != identity.oid) {
            logins::set_other(&mut conn, attempt.id, username).await?;
            let question = ask_who(&mut conn, engine, database, known, &attempt, username.to_owned()).await?;
            return Ok(asked(attempt.return_url, question));
        }
    }
    // Another mailbox than the one that was reset. The old mailbox's events are not the new one's.
    let another = known.as_ref().filter(|known| known.is_reset() && !is_former);
    let connected = conn
        .transaction::<_, anyhow::Error, _>(async |conn| {
            let lock = databases::serialize(conn, database.id, Purpose::Button).await?;
            // Two users may have logged in to it at the same time.
            let other =
                store::with_identity(conn, database.id, &identity.tid, &identity.oid, user_id).await?;
            if other.as_ref().is_some_and(Account::is_connected) {
                return Ok(None);
            }
            // A mailbox has one user. The former user's account forgets it.
            if let Some(other) = &other {
                reset::forget_mailbox(conn, &lock, other).await?;
                stored_addresses::forget(conn, other.id).await?;
                store::forget_progress(conn, other.id, other.ignore_before).await?;
            }
            if let Some(known) = another {
                reset::forget_mailbox(conn, &lock, known).await?;
            }
            let account = store::connect(
                conn,
                database.id,
                user_id,
                &who,
                &sealed,
                attempt.registration_id,
                now(),
            )
            .await?;
            if let Some(addresses) = &addresses {
                addresses.store(conn, account.id).await?;
            }
            // The login was requested with the claims.
            troubles::meet_claims(conn, account.id).await?;
            logins::succeed(conn, attempt.id).await?;
            if let Some(id) = attempt.registration_id {
                stored::set_problem(conn, id, None).await?;
            }
            stored::drop_unused(conn, database.id).await?;
            let message = say::connected_as(who.login);
            note(conn, database, Some(user_id), Level::Info, message).await?;
            Ok(Some(account))
        })
        .await?;
    let account = connected.ok_or_else(taken)?;
    tracing::info!(database.uuid = %database.uuid, odoo.user = user_id, account.id = account.id, "connected");
    engine.wake_workers();
    // Odoo's next exchange sends the user's existing events. It need not wait for a page or a cron.
    engine.poke(database.id, std::collections::BTreeSet::from([user_id]));
    Ok(RedeemAnswer {
        return_url: attempt.return_url,
        message: None,
        message_words: None,
        reconnected: known.is_some(),
        question: None,
    })
}

fn is_being_reset(account: &Account) -> OdooError {
    OdooError::user(if account.is_connected() {
        say::refusal_reset_goes_on(&account.login)
    } else {
        say::refusal_reset_waits(&account.login)
    })
}

/// Gives a new consent to a reset that still has something to delete from the mailbox and has lost
/// the old one.
async fn resume_reset(
    conn: &mut Connection,
    engine: &Engine,
    database: &Database,
    account: &Account,
    attempt: LoginAttempt,
    tokens: &SealedTokens,
) -> Result<RedeemAnswer, OdooError> {
    let lost = account.refresh_token.as_ref();
    if !store::store_tokens(conn, account.id, lost, tokens).await? {
        return Err(OdooError::user(say::refusal_two_logins()));
    }
    store::resume(conn, account.id, attempt.registration_id).await?;
    troubles::meet_claims(conn, account.id).await?;
    logins::succeed(conn, attempt.id).await?;
    note(
        conn,
        database,
        Some(account.odoo_user_id),
        Level::Info,
        say::reset_goes_on(),
    )
    .await?;
    engine.wake_workers();
    Ok(RedeemAnswer {
        return_url: attempt.return_url,
        message: None,
        message_words: None,
        reconnected: true,
        question: None,
    })
}

/// Checks that a return address is a page of this Odoo.
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

/// Stops a user's sync. Changes made meanwhile are collected.
///
/// # Errors
/// `Internal` when Postgres fails.
pub async fn stop(engine: &Engine, database: &Database, user_id: i32) -> Result<(), OdooError> {
    switch(
        engine,
        database,
        user_id,
        SyncState::Active,
        SyncState::Stopped,
        say::stopped_syncing(),
    )
    .await
}

/// Restarts a user's sync.
///
/// # Errors
/// `Internal` when Postgres fails.
pub async fn restart(engine: &Engine, database: &Database, user_id: i32) -> Result<(), OdooError> {
    switch(
        engine,
        database,
        user_id,
        SyncState::Stopped,
        SyncState::Active,
        say::syncs_again(),
    )
    .await
}

async fn switch(
    engine: &Engine,
    database: &Database,
    user_id: i32,
    from: SyncState,
    to: SyncState,
    message: Sentence,
) -> Result<(), OdooError> {
    let mut conn = engine.store.get().await?;
    if let Some(account) = store::of_user(&mut conn, database.id, user_id).await? {
        // A reset runs to its end, whatever is stopped.
        if account.state == from && !account.resetting {
            store::set_state(&mut conn, account.id, to).await?;
            if to == SyncState::Active {
                // The next run plans the changes that waited.
                store::plan_anew(&mut conn, account.id).await?;
            }
            note(&mut conn, database, Some(user_id), Level::Info, message).await?;
        }
        leases::wake(&mut conn, vec![account.id], Urgency::Person).await?;
        engine.wake_workers();
    }
    Ok(())
}

/// Why a mailbox cannot be worked on now.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The user must log in again, which the account says.
    #[error("the user must log in again")]
    NeedsLogin,
    /// An administrator must correct a setting, which the database says. No consent is deleted
    /// because of it.
    #[error("the app registration's settings are not accepted")]
    Admin,
    /// The token cannot be renewed now.
    #[error("{words}")]
    Later { asked: Option<Duration>, words: Said },
    /// Microsoft refuses to renew the token, and its reason does not say who could change that.
    #[error("{words}")]
    Refused { words: Said },
    #[error(transparent)]
    Internal(#[from] anyhow::Error),
}

/// Returns whether the access token is valid for some minutes.
pub fn has_fresh_token(account: &Account) -> bool {
    account
        .access_expires_at
        .is_some_and(|at| at > now() + RENEW_AHEAD)
}

/// Returns an access token that is valid for some minutes, renewed if necessary. The caller holds
/// the account's lease, so that only one worker renews it. A new refresh token is stored before the
/// access token is used.
///
/// # Errors
/// See [`TokenError`].
pub async fn fresh_token(
    engine: &Engine,
    account: &Account,
    database: &Database,
) -> Result<SecretString, TokenError> {
    if has_fresh_token(account)
        && let Some(token) = account.access_token(&engine.sealer)?
    {
        return Ok(token);
    }
    let Some(refresh) = account.refresh_token(&engine.sealer)? else {
        let mut conn = engine.store.get().await?;
        store::disconnect(&mut conn, account.id, &say::log_in_again().into())
            .await
            .map_err(anyhow::Error::from)?;
        return Err(TokenError::NeedsLogin);
    };
    let registration = {
        let mut conn = engine.store.get().await?;
        registrations::of_consent(&mut conn, engine, database, account.registration_id).await?
    };
    let Some(registration) = registration else {
        return Err(TokenError::Admin);
    };
    let redirect_uri = database.redirect_uri();
    let claims = {
        let mut conn = engine.store.get().await?;
        let known = troubles::of(&mut conn, account.id).await;
        known.map_err(anyhow::Error::from)?.claims
    };
    let app = registration.app(&redirect_uri);
    let renewed = registration
        .login(engine)
        .refresh(app, &refresh, claims.as_deref(), now())
        .await;
    measures::TOKEN_RENEWALS.add(outcome_of(&renewed), 1);
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
            let stored = store::store_tokens(&mut conn, account.id, account.refresh_token.as_ref(), &sealed)
                .await
                .map_err(anyhow::Error::from)?;
            if !stored {
                // The redeemed token is still valid (page *refresh-tokens*). The stored one is
                // tried next.
                tracing::info!(
                    account.id = account.id,
                    "tokens were replaced while they were renewed"
                );
                return Err(replaced());
            }
            if claims.is_some() {
                troubles::meet_claims(&mut conn, account.id)
                    .await
                    .map_err(anyhow::Error::from)?;
            }
            stored::set_problem(&mut conn, registration.row.id, None)
                .await
                .map_err(anyhow::Error::from)?;
            Ok(tokens.access)
        }
        Err(error @ LoginError::NeedsLogin { .. }) => {
            tracing::warn!(account.id = account.id, %error, "consent is gone");
            note_refusal(&mut conn, database, account.odoo_user_id, &error.to_string()).await?;
            let known = words::explain_to_user(&error.to_string());
            let reason = known.map_or_else(|| say::login_not_accepted().into(), Said::from);
            lose_consent(&mut conn, database, account, reason).await
        }
        // Nobody maintains an app that was replaced: its users move to the present one.
        Err(error @ LoginError::AdminProblem { .. }) if registration.row.retired => {
            tracing::warn!(account.id = account.id, %error, "the app consented to is out of use");
            let reason = say::log_in_with_new_app().into();
            lose_consent(&mut conn, database, account, reason).await
        }
        Err(error @ LoginError::AdminProblem { .. }) => {
            registrations::note_problem(&mut conn, database, &registration.row, &error).await?;
            Err(TokenError::Admin)
        }
        Err(error) => {
            tracing::warn!(account.id = account.id, %error, "renewing a token must wait");
            let words = error.words();
            Err(match error {
                LoginError::Temporary { retry_after, .. } => TokenError::Later {
                    asked: retry_after,
                    words,
                },
                _ => TokenError::Refused { words },
            })
        }
    }
}

/// Returns what came of renewing a token, for the metrics.
fn outcome_of(renewed: &Result<Tokens, LoginError>) -> &'static str {
    match renewed {
        Ok(_) => "ok",
        Err(LoginError::NeedsLogin { .. }) => "login_needed",
        Err(LoginError::AdminProblem { .. }) => "app_refused",
        Err(LoginError::Temporary { .. }) => "later",
        Err(_) => "refused",
    }
}

/// Handles a claims challenge: the next run renews the login with the claims, once. If Microsoft
/// rejects that token too, the user logs in again with the same claims.
///
/// # Errors
/// When Postgres fails.
pub async fn challenged(
    engine: &Engine,
    account: &Account,
    database: &Database,
    claims: &str,
) -> anyhow::Result<()> {
    let mut conn = engine.store.get().await?;
    let known = troubles::of(&mut conn, account.id).await?;
    if !known.claims_met {
        troubles::note_claims(&mut conn, account.id, claims).await?;
        store::expire_access(&mut conn, account.id).await?;
        return Ok(());
    }
    tracing::warn!(
        account.id = account.id,
        "Microsoft wants more than a renewed login proves"
    );
    troubles::note_claims(&mut conn, account.id, claims).await?;
    // Read again, as the run may have renewed the token.
    let present = store::by_id(&mut conn, account.id).await?;
    match lose_consent(&mut conn, database, &present, say::prove_again().into()).await {
        Err(TokenError::Internal(error)) => Err(error),
        _ => Ok(()),
    }
}

fn replaced() -> TokenError {
    TokenError::Later {
        asked: None,
        words: "the login was replaced while it was renewed".into(),
    }
}

async fn lose_consent(
    conn: &mut Connection,
    database: &Database,
    account: &Account,
    reason: Said,
) -> Result<SecretString, TokenError> {
    let lost = async {
        let lost = store::lose_consent(conn, account.id, account.refresh_token.as_ref(), &reason).await?;
        if lost {
            let user_id = Some(account.odoo_user_id);
            note(conn, database, user_id, Level::Warning, reason).await?;
        }
        anyhow::Ok(lost)
    };
    // If the user has logged in again meanwhile, the next run uses the new tokens.
    Err(if lost.await? {
        TokenError::NeedsLogin
    } else {
        replaced()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::merge::Policy;
    use crate::store::choices::StoredChoices;
    use crate::store::text_enum::Stored;

    fn database(base_url: &str) -> Database {
        Database {
            id: uuid::Uuid::nil(),
            uuid: String::new(),
            name: String::new(),
            base_url: base_url.to_owned(),
            series: String::new(),
            key_hash: None,
            poke_key: Vec::new(),
            nonce: String::new(),
            previous_nonce: None,
            paused: false,
            quarantined: None,
            policy: Stored(Policy::Latest),
            brake_over: 20,
            brake_percent: 20,
            mail_budget: 25,
            created_at: now(),
            paired_at: now(),
            next_key_hash: None,
            heard_at: now(),
            days_back: None,
            days_ahead: None,
            sent_back: None,
            created_from: None,
            last_call: 0,
            called_at: None,
            clock_behind: 0,
            exchange_failures: 0,
            failing_since: None,
            exchange_problem: None,
            others_outside: 5,
            mails_an_hour: 200,
            moved: None,
            moved_words: None,
            api: None,
            api_lowest: None,
            notify_retry_at: None,
            notify_problem: None,
            choices: StoredChoices::default(),
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
