//! Logins with a cookie. Only the hash of a cookie is stored.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::Connection;
use super::schema::sessions::{self, dsl};

/// The most sessions of one key. The oldest ends when there are more.
const MOST_OF_KEY: i64 = 100;

#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = sessions)]
pub struct Session {
    pub token_hash: Vec<u8>,
    /// The key that was used to log in. The session is valid as long as the key is.
    pub key_hash: Vec<u8>,
    pub database_id: Uuid,
    /// The login that was named.
    pub login: String,
    pub expires_at: DateTime<Utc>,
}

/// Stores a session, and forgets those of its database that have expired, and of its key that are
/// too many.
pub async fn start(conn: &mut Connection, session: &Session, now: DateTime<Utc>) -> QueryResult<()> {
    diesel::delete(dsl::sessions)
        .filter(dsl::database_id.eq(session.database_id))
        .filter(dsl::expires_at.le(now))
        .execute(conn)
        .await?;
    let oldest: Vec<Vec<u8>> = dsl::sessions
        .filter(dsl::key_hash.eq(&session.key_hash))
        .order(dsl::expires_at.desc())
        .offset(MOST_OF_KEY - 1)
        .select(dsl::token_hash)
        .load(conn)
        .await?;
    diesel::delete(dsl::sessions)
        .filter(dsl::token_hash.eq_any(oldest))
        .execute(conn)
        .await?;
    diesel::insert_into(dsl::sessions)
        .values(session)
        .execute(conn)
        .await?;
    Ok(())
}

/// Returns the session with this hash, unless it has expired.
pub async fn find(
    conn: &mut Connection,
    token_hash: &[u8],
    now: DateTime<Utc>,
) -> QueryResult<Option<Session>> {
    dsl::sessions
        .find(token_hash)
        .filter(dsl::expires_at.gt(now))
        .select(Session::as_select())
        .first(conn)
        .await
        .optional()
}

/// Returns the hashes of all sessions that have not expired.
pub async fn hashes(conn: &mut Connection, now: DateTime<Utc>) -> QueryResult<Vec<Vec<u8>>> {
    dsl::sessions
        .filter(dsl::expires_at.gt(now))
        .select(dsl::token_hash)
        .load(conn)
        .await
}

/// Ends a session.
pub async fn end(conn: &mut Connection, token_hash: &[u8]) -> QueryResult<usize> {
    diesel::delete(dsl::sessions.find(token_hash)).execute(conn).await
}

/// Ends the sessions of keys.
pub async fn end_of_keys(conn: &mut Connection, key_hashes: Vec<Vec<u8>>) -> QueryResult<usize> {
    diesel::delete(dsl::sessions)
        .filter(dsl::key_hash.eq_any(key_hashes))
        .execute(conn)
        .await
}
