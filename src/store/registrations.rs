//! App registrations in Entra that users log in with: a database's, and those of companies with their own.

use chrono::NaiveDate;
use diesel::dsl::{exists, not};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use secrecy::SecretString;
use uuid::Uuid;

use super::Connection;
use super::schema::accounts;
use super::schema::registrations::{self, dsl};
use super::seal::Sealer;

#[derive(Clone, Debug, Queryable, Selectable, Identifiable)]
#[diesel(table_name = registrations)]
pub struct Registration {
    pub id: i64,
    pub database_id: Uuid,
    /// Odoo's company, whose users log in with it; `None`: all others.
    pub company_id: Option<i32>,
    /// Empty: not entered yet.
    pub client_id: String,
    pub client_secret: Option<Vec<u8>>,
    /// Whose accounts may log in; `None`: as the service is configured.
    pub tenant: Option<String>,
    pub secret_expires_on: Option<NaiveDate>,
    /// What Microsoft holds against it.
    pub problem: Option<String>,
    /// Another app took its place: it serves those who consented to it, until they log in again.
    pub retired: bool,
}

/// Where a sealed secret belongs. The database's own has the place that it had before companies could have theirs.
pub fn secret_place(database_uuid: &str, company_id: Option<i32>) -> String {
    match company_id {
        None => format!("databases.client_secret:{database_uuid}"),
        Some(company) => format!("registrations.client_secret:{database_uuid}:{company}"),
    }
}

impl Registration {
    /// Whether users can log in with it.
    pub fn is_complete(&self) -> bool {
        !self.client_id.is_empty() && self.client_secret.is_some()
    }

    /// The opened secret, if one is stored.
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

/// What may be stored of one; `None` leaves a column as it is, `Some(None)` empties it.
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

/// All of a database, the retired ones, too; its own before the companies'.
pub async fn of_database(conn: &mut Connection, database_id: Uuid) -> QueryResult<Vec<Registration>> {
    dsl::registrations
        .filter(dsl::database_id.eq(database_id))
        .select(Registration::as_select())
        .order((dsl::company_id.asc().nulls_first(), dsl::id))
        .load(conn)
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

/// Reads one and holds it until the transaction ends.
pub async fn lock(conn: &mut Connection, id: i64) -> QueryResult<Option<Registration>> {
    dsl::registrations
        .find(id)
        .select(Registration::as_select())
        .for_update()
        .first(conn)
        .await
        .optional()
}

/// Adds one that is the present one of the database or of the company.
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

/// Notes what Microsoft holds against it; the number of rows that said something else.
pub async fn set_problem(conn: &mut Connection, id: i64, problem: Option<&str>) -> QueryResult<usize> {
    diesel::update(
        dsl::registrations
            .find(id)
            .filter(dsl::problem.is_distinct_from(problem)),
    )
    .set(dsl::problem.eq(problem))
    .execute(conn)
    .await
}

/// Whether somebody's consent was given to it.
pub async fn is_used(conn: &mut Connection, id: i64) -> QueryResult<bool> {
    let users = accounts::table.filter(
        accounts::registration_id
            .eq(id)
            .and(accounts::refresh_token.is_not_null()),
    );
    diesel::select(exists(users)).get_result(conn).await
}

/// Forgets retired ones that nobody's consent hangs on any more.
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
