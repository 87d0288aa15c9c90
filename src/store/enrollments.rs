//! One-time codes that pair an Odoo database with this service.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::Connection;
use super::schema::enrollments::dsl;

pub async fn add(conn: &mut Connection, code_hash: &[u8], expires_at: DateTime<Utc>) -> QueryResult<usize> {
    diesel::insert_into(dsl::enrollments)
        .values((dsl::code_hash.eq(code_hash), dsl::expires_at.eq(expires_at)))
        .execute(conn)
        .await
}

/// Uses a code up; `false`: unknown, used before, or too old.
pub async fn redeem(conn: &mut Connection, code_hash: &[u8], now: DateTime<Utc>) -> QueryResult<bool> {
    let used = diesel::update(
        dsl::enrollments
            .find(code_hash)
            .filter(dsl::used_at.is_null())
            .filter(dsl::expires_at.gt(now)),
    )
    .set(dsl::used_at.eq(Some(now)))
    .execute(conn)
    .await?;
    Ok(used == 1)
}
