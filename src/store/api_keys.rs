//! Keys of people: of administrators, who see their database, and of users, who see what is theirs.
//! Only the hash of a key is stored.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::schema::api_keys::{self, dsl};
use super::{Connection, schema, sessions};

#[derive(Clone, Debug, Queryable, Selectable, Identifiable)]
#[diesel(table_name = api_keys)]
pub struct ApiKey {
    pub id: i64,
    pub database_id: Uuid,
    pub key_hash: Vec<u8>,
    pub name: String,
    /// The user whose it is; `None` for an administrator's.
    pub odoo_user_id: Option<i32>,
    /// Whether it may change anything.
    pub may_write: bool,
    pub created_at: DateTime<Utc>,
    /// `None` if it does not expire.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A key to be stored.
#[derive(Debug, Insertable)]
#[diesel(table_name = api_keys)]
pub struct NewKey<'a> {
    pub database_id: Uuid,
    pub key_hash: &'a [u8],
    pub name: &'a str,
    pub odoo_user_id: Option<i32>,
    pub may_write: bool,
    pub expires_at: Option<DateTime<Utc>>,
}

/// Stores a key; returns its number.
pub async fn add(conn: &mut Connection, key: &NewKey<'_>) -> QueryResult<i64> {
    diesel::insert_into(dsl::api_keys)
        .values(key)
        .returning(dsl::id)
        .get_result(conn)
        .await
}

/// Returns the key with this hash, unless it has expired.
pub async fn by_hash(
    conn: &mut Connection,
    key_hash: &[u8],
    now: DateTime<Utc>,
) -> QueryResult<Option<ApiKey>> {
    dsl::api_keys
        .filter(dsl::key_hash.eq(key_hash))
        .filter(dsl::expires_at.is_null().or(dsl::expires_at.gt(now)))
        .select(ApiKey::as_select())
        .first(conn)
        .await
        .optional()
}

/// Returns the keys of a database, including expired ones, in the order in which they were made.
pub async fn of_database(conn: &mut Connection, database_id: Uuid) -> QueryResult<Vec<ApiKey>> {
    dsl::api_keys
        .filter(dsl::database_id.eq(database_id))
        .order(dsl::id)
        .select(ApiKey::as_select())
        .load(conn)
        .await
}

/// Returns the hashes of all keys that have not expired.
pub async fn hashes(conn: &mut Connection, now: DateTime<Utc>) -> QueryResult<Vec<Vec<u8>>> {
    dsl::api_keys
        .filter(dsl::expires_at.is_null().or(dsl::expires_at.gt(now)))
        .select(dsl::key_hash)
        .load(conn)
        .await
}

/// Revokes a key of a database, and ends its sessions; returns whether there was one.
pub async fn revoke(conn: &mut Connection, database_id: Uuid, id: i64) -> QueryResult<bool> {
    let found = dsl::api_keys.find(id).filter(dsl::database_id.eq(database_id));
    let hashes = found.select(dsl::key_hash).load(conn).await?;
    sessions::end_of_keys(conn, hashes).await?;
    Ok(diesel::delete(found).execute(conn).await? > 0)
}

/// Revokes the keys of a user.
pub async fn revoke_of_user(conn: &mut Connection, database_id: Uuid, user_id: i32) -> QueryResult<usize> {
    let found = dsl::api_keys
        .filter(dsl::database_id.eq(database_id))
        .filter(dsl::odoo_user_id.eq(user_id));
    let hashes = found.select(dsl::key_hash).load(conn).await?;
    sessions::end_of_keys(conn, hashes).await?;
    diesel::delete(found).execute(conn).await
}

/// Revokes all keys of a database.
pub async fn revoke_all(conn: &mut Connection, database_id: Uuid) -> QueryResult<usize> {
    let found = dsl::api_keys.filter(dsl::database_id.eq(database_id));
    let hashes = found.select(dsl::key_hash).load(conn).await?;
    sessions::end_of_keys(conn, hashes).await?;
    diesel::delete(found).execute(conn).await
}

/// Revokes all keys of all databases, with all sessions and wizards.
pub async fn revoke_everywhere(conn: &mut Connection) -> QueryResult<usize> {
    diesel::delete(schema::sessions::table).execute(conn).await?;
    diesel::delete(schema::wizards::table).execute(conn).await?;
    diesel::delete(dsl::api_keys).execute(conn).await
}
