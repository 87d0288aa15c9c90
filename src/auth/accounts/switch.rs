//! A user logs in with another Microsoft account than before: the question to the user, and how the
//! new mailbox replaces the old one.

use diesel_async::AsyncConnection;
use serde::{Deserialize, Serialize};

use super::attempt::{AuthorizeAnswer, Begin, begin, read_state};
use crate::auth::registrations;
use crate::engine::{Engine, now};
use crate::odoo::OdooError;
use crate::outlook::login::Prompt;
use crate::reset;
use crate::store::Connection;
use crate::store::accounts::{self as store, Account};
use crate::store::databases::Database;
use crate::store::logins::{self, LoginAttempt};
use crate::words::say;

/// The question to a user who logged in with another account than before.
#[derive(Debug, Serialize)]
pub struct Question {
    /// The mailbox that this user of Odoo is connected to.
    pub expected: String,
    /// The mailbox of the account that logged in.
    pub actual: String,
    /// The address to log in with the expected account.
    pub login_url: String,
}

/// The keyword arguments of `res.users.switch_mailbox`: the state of the login that led to the question.
#[derive(Debug, Deserialize)]
pub struct SwitchRequest {
    pub state: String,
}

/// Stores that another account than before has logged in, and returns the question. Nothing was
/// connected: two mailboxes are never mixed, so the person has to say which one to use.
pub(super) async fn ask_who(
    conn: &mut Connection,
    engine: &Engine,
    database: &Database,
    known: &Account,
    attempt: &LoginAttempt,
    actual: String,
) -> Result<Question, OdooError> {
    let registration = registrations::of_consent(conn, engine, database, attempt.registration_id)
        .await?
        .ok_or_else(registrations::not_configured)?;
    let login_url = begin(
        conn,
        engine,
        database,
        known.odoo_user_id,
        Begin {
            registration: &registration,
            return_url: &attempt.return_url,
            hint: Some(&known.login),
            claims: None,
            // Otherwise Microsoft would use the account that is logged in in the browser.
            prompt: Some(Prompt::SelectAccount),
            for_everybody: false,
        },
    )
    .await?;
    tracing::warn!(database.uuid = %database.uuid, odoo.user = known.odoo_user_id, "another person has logged in");
    Ok(Question {
        expected: known.login.clone(),
        actual,
        login_url,
    })
}

/// Replaces the old mailbox, as the person has chosen. The account disconnects the old mailbox like
/// a reset that leaves all events untouched and continues with new ones only. Returns where to log
/// in to the new mailbox.
///
/// # Errors
/// `UserError` if the question was not asked, or too long ago.
pub async fn switch_mailbox(
    engine: &Engine,
    database: &Database,
    user_id: i32,
    request: &SwitchRequest,
) -> Result<AuthorizeAnswer, OdooError> {
    let too_old = || OdooError::user(say::refusal_old_login());
    let attempt_id = read_state(engine, database, user_id, &request.state)
        .ok_or_else(too_old)?
        .id;
    let mut conn = engine.store.get().await?;
    let attempt = conn
        .transaction::<_, anyhow::Error, _>(async |conn| Ok(logins::lock(conn, attempt_id).await?))
        .await?
        .filter(|a| a.database_id == database.id && a.odoo_user_id == user_id && a.expires_at > now())
        .ok_or_else(too_old)?;
    let actual = attempt.other_login.clone().ok_or_else(too_old)?;
    let account = store::of_user(&mut conn, database.id, user_id).await?;
    if let Some(account) = account.filter(|account| !account.is_reset()) {
        reset::let_go(&mut conn, database, &account).await?;
    }
    let registration = registrations::of_consent(&mut conn, engine, database, attempt.registration_id)
        .await?
        .ok_or_else(registrations::not_configured)?;
    let url = begin(
        &mut conn,
        engine,
        database,
        user_id,
        Begin {
            registration: &registration,
            return_url: &attempt.return_url,
            hint: Some(&actual),
            claims: None,
            prompt: None,
            for_everybody: false,
        },
    )
    .await?;
    Ok(AuthorizeAnswer { url })
}
