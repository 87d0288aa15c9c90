//! Whether an administrator of Microsoft 365 has to consent before people can log in.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use uuid::Uuid;

use crate::outlook::login::words::is_about_consent;
use crate::store::refusals::{self, Refusal};
use crate::store::{Connection, accounts};

/// Whether this refused login says that a consent is missing. It does so only until anybody has
/// logged in: then the app is allowed.
pub fn is_missing(refusal: &Refusal, last_login: Option<DateTime<Utc>>) -> bool {
    u32::try_from(refusal.number).is_ok_and(is_about_consent) && last_login.is_none_or(|at| at < refusal.at)
}

/// Whether the users of a database cannot log in without the consent of an administrator.
///
/// # Errors
/// When Postgres fails.
pub async fn is_needed(conn: &Connection, database_id: Uuid) -> QueryResult<bool> {
    let refused = refusals::of_database(conn, database_id).await?;
    if refused.is_empty() {
        return Ok(false);
    }
    let last_login = accounts::last_login(conn, database_id).await?;
    Ok(refused.iter().any(|refusal| is_missing(refusal, last_login)))
}
