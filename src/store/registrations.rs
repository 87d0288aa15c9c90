//! App registrations in Entra that users log in with: the database's, and those of companies with
//! their own.

use chrono::NaiveDate;
use diesel::dsl::{exists, not};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use secrecy::SecretString;
use serde_json::Value;
use uuid::Uuid;

use super::Connection;
use super::schema::accounts;
use super::schema::registrations::{self, dsl};
use super::seal::Sealer;
use crate::words::Said;

#[derive(Clone, Debug, Queryable, Selectable, Identifiable)]
#[diesel(table_name = registrations)]
pub struct Registration {
    pub id: i64,
    pub database_id: Uuid,
    /// The company of Odoo whose users log in with it; `None` for all others.
    pub company_id: Option<i32>,
    /// Empty if it was not entered yet.
    pub client_id: String,
    pub client_secret: Option<Vec<u8>>,
    /// The tenant whose accounts may log in; `None` means as the service is configured.
    pub tenant: Option<String>,
    pub secret_expires_on: Option<NaiveDate>,
    /// What Microsoft rejects about it.
    pub problem: Option<String>,
    /// `problem` as a sentence, if it is one.
    pub problem_words: Option<Value>,
    /// Whether another app replaced it. It serves users who consented to it, until they log in
    /// again.
    pub retired: bool,
}

/// Returns the place to which a secret is sealed. The database's own keeps the place it had before
/// companies could have their own.
pub fn secret_place(database_uuid: &str, company_id: Option<i32>) -> String {
    match company_id {
        None => format!("databases.client_secret:{database_uuid}"),
        Some(company) => format!("registrations.client_secret:{database_uuid}:{company}"),
    }
}

impl Registration {
    /// Returns whether users can log in with it.
    pub fn is_complete(&self) -> bool {
        !self.client_id.is_empty() && self.client_secret.is_some()
    }

    /// Opens the secret, if one is stored.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn secret(&self, sealer: &Sealer, database_uuid: &str) -> anyhow::Result<Option<SecretString>> {
        let place = secret_place(database_uuid, self.company_id);
        self.client_secret
            .as_deref()
            .map(|sealed| sealer.open(&place, sealed))
            .transpose()
    }
}

/// The changes to store; `None` leaves a column unchanged, `Some(None)` empties it.
#[derive(Clone, Debug, Default, PartialEq, AsChangeset)]
#[diesel(table_name = registrations)]
pub struct Changes {
    pub client_id: Option<String>,
    pub client_secret: Option<Vec<u8>>,
    pub tenant: Option<Option<String>>,
    pub secret_expires_on: Option<Option<NaiveDate>>,
    pub problem: Option<Option<String>>,
    pub retired: Option<bool>,
}

/// Returns all registrations of a database, including retired ones; its own come before the
/// companies'.
pub async fn of_database(conn: &Connection, database_id: Uuid) -> QueryResult<Vec<Registration>> {
    dsl::registrations
        .filter(dsl::database_id.eq(database_id))
        .select(Registration::as_select())
        .order((dsl::company_id.asc().nulls_first(), dsl::id))
        .load(&mut &*conn)
        .await
}

pub async fn by_id(conn: &mut Connection, id: i64) -> QueryResult<Option<Registration>> {
    dsl::registrations
        .find(id)
        .select(Registration::as_select())
        .first(conn)
        .await
        .optional()
}

/// Reads one and locks its row until the transaction ends.
pub async fn lock(conn: &mut Connection, id: i64) -> QueryResult<Option<Registration>> {
    dsl::registrations
        .find(id)
        .select(Registration::as_select())
        .for_update()
        .first(conn)
        .await
        .optional()
}

/// Adds the current registration of the database or of a company.
pub async fn add(
    conn: &mut Connection,
    database_id: Uuid,
    company_id: Option<i32>,
    values: &Changes,
) -> QueryResult<i64> {
    diesel::insert_into(dsl::registrations)
        .values((
            dsl::database_id.eq(database_id),
            dsl::company_id.eq(company_id),
            dsl::client_id.eq(values.client_id.clone().unwrap_or_default()),
            dsl::client_secret.eq(values.client_secret.as_ref()),
            dsl::tenant.eq(values.tenant.clone().flatten()),
            dsl::secret_expires_on.eq(values.secret_expires_on.flatten()),
        ))
        .returning(dsl::id)
        .get_result(conn)
        .await
}

pub async fn change(conn: &mut Connection, id: i64, changes: &Changes) -> QueryResult<usize> {
    if *changes == Changes::default() {
        return Ok(0);
    }
    diesel::update(dsl::registrations.find(id))
        .set(changes)
        .execute(conn)
        .await
}

/// Stores what Microsoft rejects about it; returns the number of changed rows.
pub async fn set_problem(conn: &mut Connection, id: i64, problem: Option<&Said>) -> QueryResult<usize> {
    let words = problem.and_then(Said::to_json);
    let problem = problem.map(|said| said.message.as_str());
    diesel::update(
        dsl::registrations
            .find(id)
            .filter(dsl::problem.is_distinct_from(problem)),
    )
    .set((dsl::problem.eq(problem), dsl::problem_words.eq(words)))
    .execute(conn)
    .await
}

/// Returns whether a user's consent belongs to it.
pub async fn is_used(conn: &mut Connection, id: i64) -> QueryResult<bool> {
    let users = accounts::table.filter(
        accounts::registration_id
            .eq(id)
            .and(accounts::refresh_token.is_not_null()),
    );
    diesel::select(exists(users)).get_result(conn).await
}

/// Deletes retired ones that no user's consent belongs to.
pub async fn drop_unused(conn: &mut Connection, database_id: Uuid) -> QueryResult<usize> {
    let users = accounts::table.filter(
        accounts::registration_id
            .eq(dsl::id.nullable())
            .and(accounts::refresh_token.is_not_null()),
    );
    diesel::delete(
        dsl::registrations
            .filter(dsl::database_id.eq(database_id).and(dsl::retired.eq(true)))
            .filter(not(exists(users))),
    )
    .execute(conn)
    .await
}
