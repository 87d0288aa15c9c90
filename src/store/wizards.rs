//! What callers have entered in wizards (Odoo's transient models) and not carried out yet.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::Connection;
use super::schema::wizards::dsl;

/// How long an entry is kept, as Odoo keeps transient records.
fn lifetime() -> TimeDelta {
    TimeDelta::hours(1)
}

/// The most entries of one database. The oldest is dropped when there are more.
const MOST: i64 = 1_000;

/// Returns the place to which the content of a wizard is sealed.
pub fn content_place(database_id: Uuid, model: &str) -> String {
    format!("wizards.content:{database_id}:{model}")
}

/// Stores an entry; returns its id. Forgets the database's outdated ones.
pub async fn add(
    conn: &mut Connection,
    database_id: Uuid,
    model: &str,
    content: &[u8],
    now: DateTime<Utc>,
) -> QueryResult<i64> {
    let surplus: Vec<i64> = dsl::wizards
        .filter(dsl::database_id.eq(database_id))
        .order(dsl::id.desc())
        .offset(MOST - 1)
        .select(dsl::id)
        .load(conn)
        .await?;
    diesel::delete(dsl::wizards)
        .filter(dsl::database_id.eq(database_id))
        .filter(dsl::created_at.lt(now - lifetime()).or(dsl::id.eq_any(surplus)))
        .execute(conn)
        .await?;
    diesel::insert_into(dsl::wizards)
        .values((
            dsl::database_id.eq(database_id),
            dsl::model.eq(model),
            dsl::content.eq(content),
        ))
        .returning(dsl::id)
        .get_result(conn)
        .await
}

/// Returns the content of an entry; `None` if there is none, or it is too old.
pub async fn content(
    conn: &mut Connection,
    database_id: Uuid,
    model: &str,
    id: i64,
    now: DateTime<Utc>,
) -> QueryResult<Option<Vec<u8>>> {
    dsl::wizards
        .find(id)
        .filter(dsl::database_id.eq(database_id))
        .filter(dsl::model.eq(model))
        .filter(dsl::created_at.ge(now - lifetime()))
        .select(dsl::content)
        .first(conn)
        .await
        .optional()
}
