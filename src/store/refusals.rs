//! Logins that Microsoft refused: the latest one of each user who has not logged in since.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::Connection;
use super::schema::login_refusals::{self, dsl};

/// A refused login.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = login_refusals)]
pub struct Refusal {
    pub database_id: Uuid,
    pub odoo_user_id: i32,
    /// Microsoft's number of the reason, without `AADSTS`.
    pub number: i32,
    pub at: DateTime<Utc>,
}

/// Stores a refusal in place of the user's former one.
pub async fn note(conn: &mut Connection, refusal: &Refusal) -> QueryResult<usize> {
    diesel::insert_into(dsl::login_refusals)
        .values(refusal)
        .on_conflict((dsl::database_id, dsl::odoo_user_id))
        .do_update()
        .set(refusal)
        .execute(conn)
        .await
}

/// Returns the refusals of a database, the latest one first.
pub async fn of_database(conn: &Connection, database_id: Uuid) -> QueryResult<Vec<Refusal>> {
    dsl::login_refusals
        .filter(dsl::database_id.eq(database_id))
        .select(Refusal::as_select())
        .order(dsl::at.desc())
        .load(&mut &*conn)
        .await
}

/// Forgets a user's refusal, as the user has logged in.
pub async fn forget(conn: &mut Connection, database_id: Uuid, user_id: i32) -> QueryResult<usize> {
    diesel::delete(dsl::login_refusals.find((database_id, user_id)))
        .execute(conn)
        .await
}

/// Forgets all refusals of a database, as their reason was removed for everybody.
pub async fn forget_all(conn: &mut Connection, database_id: Uuid) -> QueryResult<usize> {
    diesel::delete(dsl::login_refusals.filter(dsl::database_id.eq(database_id)))
        .execute(conn)
        .await
}
