//! Removals from Odoo that the removal limit permitted.

use chrono::{DateTime, Utc};
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;

use super::Connection;
use super::schema::meetings::dsl as m;
use super::schema::odoo_outbox::dsl as o;
use super::schema::removals::dsl as r;

/// The numbers of permitted removals since a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// All that were not taken back.
    pub all: i64,
    /// Those that Odoo has carried out; they no longer count as linked events.
    pub done: i64,
}

/// Stores that a mailbox's held removals are permitted.
pub async fn note_held(conn: &mut Connection, account_id: i64, now: DateTime<Utc>) -> QueryResult<usize> {
    let held = o::odoo_outbox.filter(o::held_for.eq(Some(account_id))).select((
        o::held_for.assume_not_null(),
        o::meeting_id,
        now.into_sql::<diesel::sql_types::Timestamptz>(),
    ));
    diesel::insert_into(r::removals)
        .values(held)
        .into_columns((r::account_id, r::meeting_id, r::at))
        .on_conflict((r::account_id, r::meeting_id))
        .do_update()
        .set(r::at.eq(excluded(r::at)))
        .execute(conn)
        .await
}

/// Counts the removals that were permitted since a time and not taken back meanwhile.
pub async fn passed(conn: &mut Connection, account_id: i64, since: DateTime<Utc>) -> QueryResult<Passed> {
    let recent = || {
        r::removals
            .inner_join(m::meetings.on(m::id.eq(r::meeting_id)))
            .filter(r::account_id.eq(account_id).and(r::at.gt(since)))
            .count()
    };
    let done: i64 = recent().filter(m::ended).get_result(conn).await?;
    // Odoo does not have them yet, or has not answered.
    let owed = o::odoo_outbox
        .filter(o::meeting_id.eq(m::id).and(o::held_for.is_null()))
        .filter(o::op.eq("archive"));
    let pending: i64 = recent()
        .filter(m::ended.eq(false).and(exists(owed)))
        .get_result(conn)
        .await?;
    Ok(Passed {
        all: done + pending,
        done,
    })
}

/// Forgets a mailbox's removals up to a time.
pub async fn forget(conn: &mut Connection, account_id: i64, until: DateTime<Utc>) -> QueryResult<usize> {
    diesel::delete(r::removals.filter(r::account_id.eq(account_id).and(r::at.le(until))))
        .execute(conn)
        .await
}
