//! One-time codes that pair an Odoo database with this service.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::Connection;
use super::schema::enrollments::dsl;

/// What a valid code pairs: a new database, or a known one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purpose {
    pub database_id: Option<Uuid>,
}

pub async fn add(
    conn: &mut Connection,
    code_hash: &[u8],
    expires_at: DateTime<Utc>,
    purpose: Purpose,
) -> QueryResult<usize> {
    diesel::insert_into(dsl::enrollments)
        .values((
            dsl::code_hash.eq(code_hash),
            dsl::expires_at.eq(expires_at),
            dsl::database_id.eq(purpose.database_id),
        ))
        .execute(conn)
        .await
}

/// Reads what a code pairs, and locks its row until the transaction ends; `None` if it is unknown,
/// used or expired.
pub async fn lock(
    conn: &mut Connection,
    code_hash: &[u8],
    now: DateTime<Utc>,
) -> QueryResult<Option<Purpose>> {
    let found: Option<Option<Uuid>> = dsl::enrollments
        .find(code_hash)
        .filter(dsl::used_at.is_null())
        .filter(dsl::expires_at.gt(now))
        .select(dsl::database_id)
        .for_update()
        .first(conn)
        .await
        .optional()?;
    Ok(found.map(|database_id| Purpose { database_id }))
}

/// Marks a code as used.
pub async fn use_up(conn: &mut Connection, code_hash: &[u8], now: DateTime<Utc>) -> QueryResult<usize> {
    diesel::update(dsl::enrollments.find(code_hash))
        .set(dsl::used_at.eq(Some(now)))
        .execute(conn)
        .await
}
