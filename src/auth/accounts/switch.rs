//! Somebody logs in as another person than before: what they are asked, and how the new mailbox takes the old one's place.

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

/// What a person is asked who logged in as somebody else than before.
#[derive(Debug, Serialize)]
pub struct Question {
    /// The mailbox that this user of Odoo is connected to.
    pub expected: String,
    /// The one that was logged in to.
    pub actual: String,
    /// Where to log in as the one that is expected.
    pub login_url: String,
}

/// The keyword arguments of `res.users.switch_mailbox`: the state of the login that led to the question.
#[derive(Debug, Deserialize)]
pub struct SwitchRequest {
    pub state: String,
}

/// Somebody else than before has logged in. Nothing was connected: the two mailboxes are never mixed, so it is the
/// person's to say which one is meant.
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
            // Without it Microsoft would take whoever is logged in there.
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

/// The person answered that the new mailbox is meant. The account lets go of the one before, as a reset does that leaves all
/// events untouched and goes on with new ones alone; where to log in to the new one comes back.
///
/// # Errors
/// `UserError` where that question was not asked, or too long ago.
pub async fn switch_mailbox(
    engine: &Engine,
    database: &Database,
    user_id: i32,
    request: &SwitchRequest,
) -> Result<AuthorizeAnswer, OdooError> {
    let too_old = || {
        OdooError::user(
            "This question was not asked you in this Odoo, or is too old. Press the Outlook button in the calendar to \
             start anew.",
        )
    };
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
