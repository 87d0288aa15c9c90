//! Logins at Microsoft that have not ended.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::Connection;
use super::schema::login_attempts::{self, dsl};

#[derive(Clone, Queryable, Selectable)]
#[diesel(table_name = login_attempts)]
pub struct LoginAttempt {
    pub id: Uuid,
    pub database_id: Uuid,
    pub odoo_user_id: i32,
    pub verifier: Vec<u8>,
    pub oidc_nonce: String,
    pub redirect_uri: String,
    pub return_url: String,
    pub expires_at: DateTime<Utc>,
    pub used_at: Option<DateTime<Utc>>,
    pub code_hash: Option<Vec<u8>>,
    pub succeeded: bool,
    pub registration_id: Option<i64>,
    /// The account that logged in, if it is not the one before. The user is asked which of them to
    /// use.
    pub other_login: Option<String>,
}

/// A new attempt. The caller chooses its id, as the sealed verifier is bound to it.
#[derive(Insertable)]
#[diesel(table_name = login_attempts)]
pub struct NewLogin<'a> {
    pub id: Uuid,
    pub database_id: Uuid,
    pub odoo_user_id: i32,
    pub verifier: Vec<u8>,
    pub oidc_nonce: &'a str,
    pub redirect_uri: &'a str,
    pub return_url: &'a str,
    pub expires_at: DateTime<Utc>,
    pub registration_id: i64,
}

pub fn verifier_place(id: Uuid) -> String {
    format!("login_attempts.verifier:{id}")
}

/// Stores an attempt and deletes those that ended more than a day ago.
pub async fn start(conn: &mut Connection, login: &NewLogin<'_>, now: DateTime<Utc>) -> QueryResult<()> {
    diesel::delete(dsl::login_attempts.filter(dsl::expires_at.lt(now - chrono::TimeDelta::days(1))))
        .execute(conn)
        .await?;
    diesel::insert_into(dsl::login_attempts)
        .values(login)
        .execute(conn)
        .await?;
    Ok(())
}

/// Reads an attempt and locks its row until the transaction ends.
pub async fn lock(conn: &mut Connection, id: Uuid) -> QueryResult<Option<LoginAttempt>> {
    dsl::login_attempts
        .find(id)
        .select(LoginAttempt::as_select())
        .for_update()
        .first(conn)
        .await
        .optional()
}

/// Marks an attempt as used, so that its state cannot be used again.
pub async fn use_up(
    conn: &mut Connection,
    id: Uuid,
    code_hash: Option<Vec<u8>>,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(dsl::login_attempts.find(id))
        .set((dsl::used_at.eq(Some(now)), dsl::code_hash.eq(code_hash)))
        .execute(conn)
        .await
}

pub async fn succeed(conn: &mut Connection, id: Uuid) -> QueryResult<usize> {
    diesel::update(dsl::login_attempts.find(id))
        .set(dsl::succeeded.eq(true))
        .execute(conn)
        .await
}

/// Stores that another account than before has logged in.
pub async fn set_other(conn: &mut Connection, id: Uuid, login: &str) -> QueryResult<usize> {
    diesel::update(dsl::login_attempts.find(id))
        .set(dsl::other_login.eq(Some(login)))
        .execute(conn)
        .await
}

/// Returns the ids of all stored attempts.
pub async fn open(conn: &mut Connection) -> QueryResult<Vec<Uuid>> {
    dsl::login_attempts.select(dsl::id).load(conn).await
}

/// Stores the same verifier, sealed again.
pub async fn reseal(conn: &mut Connection, id: Uuid, verifier: Vec<u8>) -> QueryResult<usize> {
    diesel::update(dsl::login_attempts.find(id))
        .set(dsl::verifier.eq(verifier))
        .execute(conn)
        .await
}
