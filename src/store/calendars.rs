//! The further calendars of a mailbox, as Outlook named them last, and how far each is read.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;
use serde_json::Value;
use uuid::Uuid;

use super::Connection;
use super::schema::calendars::{self, dsl};
use super::schema::{accounts, copies, meetings};
use crate::words::Said;

/// After so many failures, a calendar is listed from its beginning.
const FAILURES_BEFORE_LISTING: i32 = 4;

/// A further calendar of a mailbox.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable)]
#[diesel(table_name = calendars)]
pub struct Calendar {
    pub id: i64,
    pub account_id: i64,
    pub graph_id: String,
    pub name: String,
    /// Whether the user may change its events in Outlook.
    pub can_edit: bool,
    pub listed_at: DateTime<Utc>,
    pub delta_link: Option<String>,
    pub window_start: Option<DateTime<Utc>>,
    pub window_end: Option<DateTime<Utc>>,
    /// When the listing of its window began that has not ended yet.
    pub listing_since: Option<DateTime<Utc>>,
    /// When it was last read, or an attempt failed.
    pub tried_at: Option<DateTime<Utc>>,
    /// It is not read before this time, as the last attempts failed.
    pub retry_at: Option<DateTime<Utc>>,
    pub failures: i32,
    /// Why it cannot be read now: a [`Said`].
    pub problem: Option<Value>,
}

/// The state of a calendar that was not listed yet.
#[derive(AsChangeset)]
#[diesel(table_name = calendars, treat_none_as_null = true)]
struct Unlisted {
    delta_link: Option<String>,
    window_end: Option<DateTime<Utc>>,
    tried_at: Option<DateTime<Utc>>,
    retry_at: Option<DateTime<Utc>>,
    failures: i32,
    problem: Option<Value>,
}

const UNLISTED: Unlisted = Unlisted {
    delta_link: None,
    window_end: None,
    tried_at: None,
    retry_at: None,
    failures: 0,
    problem: None,
};

impl Calendar {
    /// Returns why it cannot be read now.
    pub fn why_unread(&self) -> Option<Said> {
        serde_json::from_value(self.problem.clone()?).ok()
    }
}

/// A calendar as Outlook names it.
#[derive(Clone, Debug, PartialEq, Eq, Insertable)]
#[diesel(table_name = calendars)]
pub struct Named {
    pub account_id: i64,
    pub graph_id: String,
    pub name: String,
    pub can_edit: bool,
    pub listed_at: DateTime<Utc>,
}

/// Returns the calendars of a mailbox, by name.
pub async fn of_account(conn: &mut Connection, account_id: i64) -> QueryResult<Vec<Calendar>> {
    dsl::calendars
        .filter(dsl::account_id.eq(account_id))
        .select(Calendar::as_select())
        .order((dsl::name, dsl::id))
        .load(conn)
        .await
}

/// Returns those of a mailbox's calendars that are to be read now, the one first that was not tried
/// for the longest time.
pub async fn due(
    conn: &mut Connection,
    account_id: i64,
    chosen: &BTreeSet<String>,
    now: DateTime<Utc>,
) -> QueryResult<Vec<Calendar>> {
    dsl::calendars
        .filter(dsl::account_id.eq(account_id).and(dsl::graph_id.eq_any(chosen)))
        .filter(
            dsl::retry_at
                .is_null()
                .or(dsl::retry_at.le(now).assume_not_null()),
        )
        .select(Calendar::as_select())
        .order((dsl::tried_at.asc().nulls_first(), dsl::id))
        .load(conn)
        .await
}

/// Stores the whole list of a mailbox's calendars. Those that Outlook does not name any more are
/// forgotten, unless they are chosen: then reading them says what became of them.
pub async fn store_list(
    conn: &mut Connection,
    account_id: i64,
    named: &[Named],
    chosen: &BTreeSet<String>,
) -> QueryResult<()> {
    let listed = named.iter().map(|one| &one.graph_id);
    let ids: Vec<&String> = listed.chain(chosen).collect();
    diesel::delete(
        dsl::calendars
            .filter(dsl::account_id.eq(account_id))
            .filter(dsl::graph_id.ne_all(ids)),
    )
    .execute(conn)
    .await?;
    diesel::insert_into(dsl::calendars)
        .values(named)
        .on_conflict((dsl::account_id, dsl::graph_id))
        .do_update()
        .set((
            dsl::name.eq(excluded(dsl::name)),
            dsl::can_edit.eq(excluded(dsl::can_edit)),
            dsl::listed_at.eq(excluded(dsl::listed_at)),
        ))
        .execute(conn)
        .await?;
    if let Some(listed_at) = named.iter().map(|one| one.listed_at).max() {
        diesel::update(dsl::calendars.filter(dsl::account_id.eq(account_id)))
            .set(dsl::listed_at.eq(listed_at))
            .execute(conn)
            .await?;
    }
    Ok(())
}

/// Begins to list the window of a calendar again.
pub async fn open_window(
    conn: &mut Connection,
    id: i64,
    (start, end): (DateTime<Utc>, DateTime<Utc>),
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(dsl::calendars.find(id))
        .set((
            dsl::window_start.eq(Some(start)),
            dsl::window_end.eq(Some(end)),
            dsl::delta_link.eq(None::<String>),
            dsl::listing_since.eq(Some(now)),
        ))
        .execute(conn)
        .await
}

pub async fn set_delta(conn: &mut Connection, id: i64, link: &str) -> QueryResult<usize> {
    diesel::update(dsl::calendars.find(id))
        .set(dsl::delta_link.eq(Some(link)))
        .execute(conn)
        .await
}

/// Marks that the window was listed to its end, and that the missing events were asked about.
pub async fn end_listing(conn: &mut Connection, id: i64) -> QueryResult<usize> {
    diesel::update(dsl::calendars.find(id))
        .set(dsl::listing_since.eq(None::<DateTime<Utc>>))
        .execute(conn)
        .await
}

/// Forgets how far these calendars were read, so that each is listed again when it is chosen.
pub async fn forget_progress(
    conn: &mut Connection,
    account_id: i64,
    graph_ids: impl IntoIterator<Item = &String>,
) -> QueryResult<usize> {
    let ids: Vec<&str> = graph_ids.into_iter().map(String::as_str).collect();
    diesel::update(dsl::calendars.filter(dsl::account_id.eq(account_id).and(dsl::graph_id.eq_any(ids))))
        .set(UNLISTED)
        .execute(conn)
        .await
}

/// Lets each calendar of a mailbox be listed from its beginning, as far as it is chosen.
pub async fn list_anew_of(conn: &mut Connection, account_id: i64) -> QueryResult<usize> {
    diesel::update(dsl::calendars.filter(dsl::account_id.eq(account_id)))
        .set(UNLISTED)
        .execute(conn)
        .await
}

/// Lets each calendar of a database be listed from its beginning. A run in progress may still store a
/// link of the old window; as the window has no end, that link is not used.
pub async fn list_anew(conn: &mut Connection, database_id: Uuid) -> QueryResult<usize> {
    let of_database = accounts::table
        .filter(accounts::database_id.eq(database_id))
        .select(accounts::id);
    diesel::update(dsl::calendars.filter(dsl::account_id.eq_any(of_database)))
        .set(UNLISTED)
        .execute(conn)
        .await
}

/// Forgets a calendar that a mailbox does not have any more.
pub async fn forget(conn: &mut Connection, account_id: i64, graph_id: &str) -> QueryResult<usize> {
    let one = dsl::account_id.eq(account_id).and(dsl::graph_id.eq(graph_id));
    diesel::delete(dsl::calendars.filter(one)).execute(conn).await
}

/// Forgets the calendars of a mailbox that another one replaces.
pub async fn forget_all(conn: &mut Connection, account_id: i64) -> QueryResult<usize> {
    diesel::delete(dsl::calendars.filter(dsl::account_id.eq(account_id)))
        .execute(conn)
        .await
}

/// Notes that a calendar was read.
pub async fn note_read(conn: &mut Connection, id: i64, now: DateTime<Utc>) -> QueryResult<usize> {
    diesel::update(dsl::calendars.find(id))
        .set((
            dsl::tried_at.eq(Some(now)),
            dsl::retry_at.eq(None::<DateTime<Utc>>),
            dsl::failures.eq(0),
            dsl::problem.eq(None::<Value>),
        ))
        .execute(conn)
        .await
}

/// Notes that the time of a run was not enough for all of a calendar, so that others are first.
pub async fn note_tried(conn: &mut Connection, id: i64, now: DateTime<Utc>) -> QueryResult<usize> {
    diesel::update(dsl::calendars.find(id))
        .set(dsl::tried_at.eq(Some(now)))
        .execute(conn)
        .await
}

/// Notes that a calendar could not be read.
pub async fn note_failure(
    conn: &mut Connection,
    calendar: &Calendar,
    problem: Option<&Said>,
    now: DateTime<Utc>,
    wait: TimeDelta,
) -> QueryResult<usize> {
    diesel::update(dsl::calendars.find(calendar.id))
        .set((
            dsl::tried_at.eq(Some(now)),
            dsl::retry_at.eq(Some(now + wait)),
            dsl::failures.eq(calendar.failures.saturating_add(1)),
            dsl::problem.eq(problem.map(serde_json::to_value).transpose().unwrap_or_default()),
        ))
        .execute(conn)
        .await?;
    // Microsoft may not accept the link any more, without saying so.
    diesel::update(dsl::calendars.find(calendar.id))
        .filter(dsl::failures.ge(FAILURES_BEFORE_LISTING))
        .set((
            dsl::delta_link.eq(None::<String>),
            dsl::window_end.eq(None::<DateTime<Utc>>),
        ))
        .execute(conn)
        .await
}

/// Counts the events of a further calendar that Odoo has; a series counts once.
pub async fn count_in_odoo(conn: &mut Connection, account_id: i64, graph_id: &str) -> QueryResult<i64> {
    copies::table
        .inner_join(meetings::table.on(meetings::id.eq(copies::meeting_id)))
        .filter(copies::account_id.eq(account_id).and(copies::gone.eq(false)))
        .filter(copies::calendar.eq(Some(graph_id)))
        .filter(meetings::odoo_active.and(meetings::odoo_gone.eq(false)))
        .count()
        .get_result(conn)
        .await
}

/// Returns the meetings with an event in one of these further calendars.
pub async fn meetings_in(
    conn: &mut Connection,
    account_id: i64,
    graph_ids: &BTreeSet<String>,
) -> QueryResult<Vec<i64>> {
    copies::table
        .filter(copies::account_id.eq(account_id))
        .filter(copies::calendar.eq_any(graph_ids))
        .select(copies::meeting_id)
        .distinct()
        .order(copies::meeting_id)
        .load(conn)
        .await
}
