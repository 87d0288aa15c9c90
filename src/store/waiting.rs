//! How many events with guests wait for their organizer's choice (`accounts.waiting`).
//!
//! Triggers keep the number with each statement that changes meetings. [`recount`] is a precaution:
//! rows may be written while triggers are disabled.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;

use super::Connection;
use super::databases::PlanningLock;

/// An account whose number was wrong.
#[derive(Debug, PartialEq, Eq, QueryableByName)]
pub struct Miscounted {
    #[diesel(sql_type = Integer)]
    pub odoo_user_id: i32,
    #[diesel(sql_type = BigInt)]
    pub waiting: i64,
}

/// Counts the waiting events of a database's users again; returns what was corrected, with the right
/// number. Meetings change only under the lock.
///
/// # Errors
/// When Postgres fails.
pub async fn recount(conn: &mut Connection, lock: &PlanningLock) -> QueryResult<Vec<Miscounted>> {
    diesel::sql_query(
        "WITH counted AS (
             SELECT organizer_id, count(*) AS waiting FROM meetings
              WHERE database_id = $1
                AND is_waiting(guests, odoo_state IS NOT NULL, odoo_active, odoo_gone, ended, kept)
              GROUP BY organizer_id)
         UPDATE accounts SET waiting = wrong.waiting
           FROM (SELECT a.id, coalesce(c.waiting, 0) AS waiting
                   FROM accounts a LEFT JOIN counted c ON c.organizer_id = a.odoo_user_id
                  WHERE a.database_id = $1 AND a.waiting <> coalesce(c.waiting, 0)) wrong
          WHERE accounts.id = wrong.id
         RETURNING accounts.odoo_user_id, accounts.waiting",
    )
    .bind::<SqlUuid, _>(lock.database_id())
    .load(conn)
    .await
}
