//! Items that a mailbox's run could not process. They are put aside with a reason, and tried again.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::Connection;
use super::reason::Reason;
use super::schema::meetings::{self, dsl as m};
use super::schema::put_aside::{self, dsl};
use super::schema::{accounts, copies};

/// Returns whether the reason says that something is wrong. An item without such a reason merely
/// waits.
pub fn is_complaint(reason: Option<&Reason>) -> bool {
    reason.is_some_and(|reason| *reason != Reason::NoTime)
}

/// An item that is put aside.
#[derive(Clone, Copy, Debug)]
pub enum Item<'a> {
    /// The event that the mailbox shows with this id.
    Shown(&'a str),
    /// The pending work for a meeting.
    Meeting(i64),
}

#[derive(Insertable)]
#[diesel(table_name = put_aside)]
struct Row<'a> {
    account_id: i64,
    graph_id: Option<&'a str>,
    meeting_id: Option<i64>,
    reason: Option<&'a Reason>,
    attempts: i32,
    since: DateTime<Utc>,
    next_at: DateTime<Utc>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = put_aside)]
struct Known {
    reason: Option<Reason>,
    attempts: i32,
    since: DateTime<Utc>,
}

/// Puts an item aside for `wait` of the attempts so far. Returns `true` if the journal should
/// mention it: if it has a reason for the first time or, from the second day on, a different
/// reason. Reasons may alternate (a timeout, an error from Microsoft), so the wait grows whatever
/// the reason is.
pub async fn put(
    conn: &mut Connection,
    account_id: i64,
    item: Item<'_>,
    reason: Option<&Reason>,
    wait: impl Fn(i32) -> TimeDelta,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let (graph_id, meeting_id) = match item {
        Item::Shown(id) => (Some(id), None),
        Item::Meeting(id) => (None, Some(id)),
    };
    let known: Option<Known> = dsl::put_aside
        .filter(dsl::account_id.eq(account_id))
        .filter(dsl::graph_id.is_not_distinct_from(graph_id))
        .filter(dsl::meeting_id.is_not_distinct_from(meeting_id))
        .select(Known::as_select())
        .first(conn)
        .await
        .optional()?
        // The attempts start again when an item that merely waited fails, and vice versa.
        .filter(|known: &Known| is_complaint(known.reason.as_ref()) == is_complaint(reason));
    let is_news = known
        .as_ref()
        .is_none_or(|known| known.reason.as_ref() != reason && known.since <= now - TimeDelta::days(1));
    let attempts = known.map_or(0, |known| known.attempts.saturating_add(1));
    let row = Row {
        account_id,
        graph_id,
        meeting_id,
        reason,
        attempts,
        since: now,
        next_at: now + wait(attempts),
    };
    let later = (
        dsl::reason.eq(excluded(dsl::reason)),
        dsl::attempts.eq(excluded(dsl::attempts)),
        dsl::next_at.eq(excluded(dsl::next_at)),
    );
    let insert = diesel::insert_into(dsl::put_aside).values(row);
    match item {
        Item::Shown(_) => {
            insert
                .on_conflict((dsl::account_id, dsl::graph_id))
                .do_update()
                .set(later)
                .execute(conn)
                .await?
        }
        Item::Meeting(_) => {
            insert
                .on_conflict((dsl::account_id, dsl::meeting_id))
                .do_update()
                .set(later)
                .execute(conn)
                .await?
        }
    };
    Ok(is_news)
}

/// Forgets items that were read, or are gone.
pub async fn clear_shown(conn: &mut Connection, account_id: i64, graph_ids: &[&str]) -> QueryResult<usize> {
    if graph_ids.is_empty() {
        return Ok(0);
    }
    let read = dsl::put_aside
        .filter(dsl::account_id.eq(account_id))
        .filter(dsl::graph_id.eq_any(graph_ids));
    diesel::delete(read).execute(conn).await
}

/// Forgets meetings whose work is done.
pub async fn clear_meetings(conn: &mut Connection, account_id: i64, ids: &[i64]) -> QueryResult<usize> {
    if ids.is_empty() {
        return Ok(0);
    }
    let done = dsl::put_aside
        .filter(dsl::account_id.eq(account_id))
        .filter(dsl::meeting_id.eq_any(ids));
    diesel::delete(done).execute(conn).await
}

/// Forgets everything, as the next login may be for another mailbox.
pub async fn forget(conn: &mut Connection, account_id: i64) -> QueryResult<usize> {
    diesel::delete(dsl::put_aside.filter(dsl::account_id.eq(account_id)))
        .execute(conn)
        .await
}

/// Returns the shown items that are due for another attempt, longest due first.
pub async fn due_shown(
    conn: &mut Connection,
    account_id: i64,
    now: DateTime<Utc>,
    limit: i64,
) -> QueryResult<Vec<String>> {
    dsl::put_aside
        .filter(dsl::account_id.eq(account_id).and(dsl::next_at.le(now)))
        .filter(dsl::graph_id.is_not_null())
        .select(dsl::graph_id.assume_not_null())
        .order((dsl::next_at, dsl::id))
        .limit(limit)
        .load(conn)
        .await
}

/// A meeting that was put aside.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = meetings)]
pub struct PutAside {
    pub id: i64,
    /// Why it is not synced, if it still is not.
    pub set_aside: Option<Reason>,
    stock: Option<serde_json::Value>,
}

impl PutAside {
    /// Returns whether nothing is left to do. Events that Odoo's built-in sync had linked are
    /// requested by the adoption.
    pub fn is_over(&self) -> bool {
        let link = self.stock.as_ref().and_then(|stock| stock.get("state")?.as_str());
        self.set_aside.is_none() && link != Some("waiting")
    }
}

/// Returns the meetings that are due to be planned again, longest due first.
pub async fn due_meetings(
    conn: &mut Connection,
    account_id: i64,
    now: DateTime<Utc>,
    limit: i64,
) -> QueryResult<Vec<PutAside>> {
    dsl::put_aside
        .inner_join(meetings::table.on(dsl::meeting_id.eq(m::id.nullable())))
        .filter(dsl::account_id.eq(account_id).and(dsl::next_at.le(now)))
        .select(PutAside::as_select())
        .order((dsl::next_at, dsl::id))
        .limit(limit)
        .load(conn)
        .await
}

/// Lets meetings wait until a time, whatever happens to them now.
pub async fn put_off(
    conn: &mut Connection,
    account_id: i64,
    ids: &[i64],
    until: DateTime<Utc>,
) -> QueryResult<usize> {
    let these = dsl::put_aside
        .filter(dsl::account_id.eq(account_id))
        .filter(dsl::meeting_id.eq_any(ids));
    diesel::update(these)
        .set(dsl::next_at.eq(until))
        .execute(conn)
        .await
}

/// Returns the meetings that must not be asked about yet.
pub async fn waiting_meetings(
    conn: &mut Connection,
    account_id: i64,
    now: DateTime<Utc>,
) -> QueryResult<BTreeSet<i64>> {
    let ids: Vec<i64> = dsl::put_aside
        .filter(dsl::account_id.eq(account_id).and(dsl::next_at.gt(now)))
        .filter(dsl::meeting_id.is_not_null())
        .select(dsl::meeting_id.assume_not_null())
        .load(conn)
        .await?;
    Ok(ids.into_iter().collect())
}

/// Returns the ids of shown items that must not be asked about yet.
pub async fn waiting_shown(
    conn: &mut Connection,
    account_id: i64,
    now: DateTime<Utc>,
) -> QueryResult<BTreeSet<String>> {
    let ids: Vec<String> = dsl::put_aside
        .filter(dsl::account_id.eq(account_id).and(dsl::next_at.gt(now)))
        .filter(dsl::graph_id.is_not_null())
        .select(dsl::graph_id.assume_not_null())
        .load(conn)
        .await?;
    Ok(ids.into_iter().collect())
}

/// Returns whether the mailbox has an item that no run had time for.
pub async fn has_unread_items(conn: &mut Connection, account_id: i64) -> QueryResult<bool> {
    let unseen = dsl::put_aside
        .filter(dsl::account_id.eq(account_id))
        .filter(dsl::graph_id.is_not_null().and(dsl::reason.eq(Reason::NoTime)));
    diesel::select(diesel::dsl::exists(unseen)).get_result(conn).await
}

/// Returns when the next shown item of the mailbox is due, if there is one.
pub async fn next_at(conn: &mut Connection, account_id: i64) -> QueryResult<Option<DateTime<Utc>>> {
    dsl::put_aside
        .filter(dsl::account_id.eq(account_id).and(dsl::graph_id.is_not_null()))
        .select(diesel::dsl::min(dsl::next_at))
        .first(conn)
        .await
}

/// Counts the items that are put aside with a reason.
pub async fn count(conn: &mut Connection, account_id: i64) -> QueryResult<i64> {
    dsl::put_aside
        .filter(dsl::account_id.eq(account_id).and(dsl::reason.ne(Reason::NoTime)))
        .count()
        .get_result(conn)
        .await
}

/// An item that is put aside with a reason, for people.
#[derive(Debug)]
pub struct Listed {
    pub title: Option<String>,
    pub reason: String,
    pub attempts: i32,
    pub since: DateTime<Utc>,
    pub next_at: DateTime<Utc>,
}

/// Returns the items of a mailbox that are put aside with a reason, the oldest first.
pub async fn list(conn: &mut Connection, account_id: i64) -> QueryResult<Vec<Listed>> {
    type Row = (
        Option<Reason>,
        i32,
        DateTime<Utc>,
        DateTime<Utc>,
        Option<String>,
        Option<String>,
    );
    let rows: Vec<Row> = dsl::put_aside
        .left_join(meetings::table.on(dsl::meeting_id.eq(m::id.nullable())))
        .left_join(
            copies::table.on(copies::account_id
                .eq(dsl::account_id)
                .and(dsl::graph_id.eq(copies::graph_id.nullable()))),
        )
        .filter(dsl::account_id.eq(account_id).and(dsl::reason.ne(Reason::NoTime)))
        .select((
            dsl::reason,
            dsl::attempts,
            dsl::since,
            dsl::next_at,
            m::odoo_name.nullable(),
            copies::title.nullable(),
        ))
        .order((dsl::since, dsl::id))
        .load(conn)
        .await?;
    let listed = rows
        .into_iter()
        .map(|(reason, attempts, since, next_at, name, title)| Listed {
            title: name.or(title),
            reason: reason.map(|reason| reason.to_string()).unwrap_or_default(),
            attempts,
            since,
            next_at,
        });
    Ok(listed.collect())
}

/// Lets these items be tried at the next runs of their mailboxes; returns those accounts.
pub async fn make_these_due(
    conn: &mut Connection,
    database_id: Uuid,
    ids: Vec<i64>,
) -> QueryResult<BTreeSet<i64>> {
    let of_database = accounts::table
        .filter(accounts::database_id.eq(database_id))
        .select(accounts::id);
    let these = dsl::put_aside
        .filter(dsl::id.eq_any(ids))
        .filter(dsl::account_id.eq_any(of_database));
    let of_accounts: Vec<i64> = diesel::update(these)
        .set(dsl::next_at.eq(diesel::dsl::now))
        .returning(dsl::account_id)
        .get_results(conn)
        .await?;
    Ok(of_accounts.into_iter().collect())
}

/// Lets everything that is put aside be tried at the mailboxes' next runs; returns the number of
/// items with a reason.
pub async fn make_due(conn: &mut Connection, account_ids: &[i64]) -> QueryResult<usize> {
    diesel::update(dsl::put_aside.filter(dsl::account_id.eq_any(account_ids)))
        .filter(dsl::reason.ne(Reason::NoTime))
        .set(dsl::next_at.eq(diesel::dsl::now))
        .execute(conn)
        .await
}
