//! The mailboxes' subscriptions to Microsoft's change notifications.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::now;
use diesel::prelude::*;
use diesel::sql_types::Timestamptz;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::accounts::SyncState;
use super::schema::accounts;
use super::schema::subscriptions::{self, dsl};
use super::{Connection, interval};

/// How exactly `heard_at` is kept. Each notification of a burst need not be stored.
const HEARD_EXACTLY: TimeDelta = TimeDelta::seconds(1);

/// A mailbox's subscription.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = subscriptions, treat_none_as_null = true)]
pub struct Subscription {
    pub account_id: i64,
    /// Graph's id. `None` if there is none yet, or a request may have made one and its reply was
    /// lost.
    pub graph_id: Option<String>,
    /// The hash of the secret that each notification repeats.
    pub state_hash: Vec<u8>,
    /// The hash of the address to which notifications are sent.
    pub url_hash: Vec<u8>,
    pub since: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    /// When the next request about it is due.
    pub due_at: DateTime<Utc>,
    /// How many requests in a row have failed.
    pub failures: i32,
    /// When the latest genuine notification came.
    pub heard_at: Option<DateTime<Utc>>,
    /// Since when changes come that no notification announced; the next notification ends it.
    pub silent_since: Option<DateTime<Utc>>,
}

impl Subscription {
    /// Returns whether the mailbox's changes are announced, so that it need not be polled often.
    pub fn is_heard(&self, present: DateTime<Utc>) -> bool {
        self.graph_id.is_some()
            && self.silent_since.is_none()
            && self.expires_at.is_some_and(|at| at > present)
    }
}

pub async fn of(conn: &mut Connection, account_id: i64) -> QueryResult<Option<Subscription>> {
    dsl::subscriptions
        .find(account_id)
        .select(Subscription::as_select())
        .first(conn)
        .await
        .optional()
}

/// Returns the subscriptions of a database's mailboxes.
pub async fn of_database(conn: &mut Connection, database_id: Uuid) -> QueryResult<Vec<Subscription>> {
    dsl::subscriptions
        .inner_join(accounts::table.on(accounts::id.eq(dsl::account_id)))
        .filter(accounts::database_id.eq(database_id))
        .select(Subscription::as_select())
        .load(conn)
        .await
}

/// Stores a mailbox's subscription in place of the former one.
pub async fn put(conn: &mut Connection, subscription: &Subscription) -> QueryResult<usize> {
    diesel::insert_into(dsl::subscriptions)
        .values(subscription)
        .on_conflict(dsl::account_id)
        .do_update()
        .set(subscription)
        .execute(conn)
        .await
}

/// Stores that Microsoft has made the subscription or renewed it, unless another one was begun
/// since.
pub async fn confirm(
    conn: &mut Connection,
    of: &Subscription,
    graph_id: &str,
    expires_at: DateTime<Utc>,
    due_at: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(same(of))
        .set((
            dsl::graph_id.eq(Some(graph_id)),
            dsl::expires_at.eq(Some(expires_at)),
            dsl::due_at.eq(due_at),
            dsl::failures.eq(0),
        ))
        .execute(conn)
        .await
}

/// Stores that a request about the subscription failed, and when the next one is due.
pub async fn fail(conn: &mut Connection, of: &Subscription, due_at: DateTime<Utc>) -> QueryResult<usize> {
    diesel::update(same(of))
        .set((dsl::due_at.eq(due_at), dsl::failures.eq(dsl::failures + 1)))
        .execute(conn)
        .await
}

/// Notes that the mailbox had changes that no notification announced.
pub async fn note_silence(conn: &mut Connection, of: &Subscription) -> QueryResult<usize> {
    diesel::update(same(of))
        .set(dsl::silent_since.eq(now.into_sql::<Timestamptz>().nullable()))
        .execute(conn)
        .await
}

pub async fn forget(conn: &mut Connection, account_id: i64) -> QueryResult<usize> {
    diesel::delete(dsl::subscriptions.find(account_id))
        .execute(conn)
        .await
}

/// Forgets the subscriptions of up to `most` mailboxes that are not synced any more; returns the
/// mailboxes with Graph's ids. Each is returned to one process.
pub async fn take_unwanted(conn: &mut Connection, most: i64) -> QueryResult<Vec<(i64, Option<String>)>> {
    let unwanted: Vec<i64> = dsl::subscriptions
        .inner_join(accounts::table.on(accounts::id.eq(dsl::account_id)))
        .filter(accounts::state.ne(SyncState::Active))
        .select(dsl::account_id)
        .limit(most)
        .load(conn)
        .await?;
    diesel::delete(dsl::subscriptions.filter(dsl::account_id.eq_any(unwanted)))
        .returning((dsl::account_id, dsl::graph_id))
        .load(conn)
        .await
}

/// Lets every mailbox of a database subscribe at its next run if it waited because the address
/// could not be reached.
pub async fn retry_all(conn: &mut Connection, database_id: Uuid) -> QueryResult<usize> {
    let of_database = accounts::table
        .filter(accounts::database_id.eq(database_id))
        .select(accounts::id);
    diesel::update(
        dsl::subscriptions
            .filter(dsl::account_id.eq_any(of_database))
            .filter(dsl::graph_id.is_null()),
    )
    .set((dsl::due_at.eq(now), dsl::failures.eq(0)))
    .execute(conn)
    .await
}

type Same<'a> = diesel::dsl::Filter<
    diesel::dsl::Find<subscriptions::table, i64>,
    diesel::dsl::Eq<subscriptions::state_hash, &'a Vec<u8>>,
>;

fn same(of: &Subscription) -> Same<'_> {
    dsl::subscriptions
        .find(of.account_id)
        .filter(dsl::state_hash.eq(&of.state_hash))
}

/// A subscription that notifications were received for.
#[derive(Clone, Debug, Queryable)]
pub struct Heard {
    pub account_id: i64,
    pub state_hash: Vec<u8>,
    pub graph_id: Option<String>,
}

/// Returns the subscriptions of a database's synced mailboxes that have one of these secrets.
pub async fn with_secrets(
    conn: &mut Connection,
    database_id: Uuid,
    state_hashes: &[Vec<u8>],
) -> QueryResult<Vec<Heard>> {
    dsl::subscriptions
        .inner_join(accounts::table.on(accounts::id.eq(dsl::account_id)))
        .filter(accounts::database_id.eq(database_id))
        .filter(accounts::state.eq(SyncState::Active))
        .filter(dsl::state_hash.eq_any(state_hashes))
        .select((dsl::account_id, dsl::state_hash, dsl::graph_id))
        .load(conn)
        .await
}

/// Notes that genuine notifications came. Those of a burst write once.
pub async fn note_heard(conn: &mut Connection, accounts: &[i64]) -> QueryResult<usize> {
    let earlier = now.into_sql::<Timestamptz>() - interval(HEARD_EXACTLY);
    let is_news = dsl::heard_at
        .is_null()
        .or(dsl::heard_at.lt(earlier.nullable()).assume_not_null())
        .or(dsl::silent_since.is_not_null());
    diesel::update(
        dsl::subscriptions
            .filter(dsl::account_id.eq_any(accounts))
            .filter(is_news),
    )
    .set((
        dsl::heard_at.eq(now.into_sql::<Timestamptz>().nullable()),
        dsl::silent_since.eq(None::<DateTime<Utc>>),
    ))
    .execute(conn)
    .await
}

/// Stores the id of a subscription whose making had an unknown outcome, as a notification named it.
/// The next run renews it, and so learns when it ends.
pub async fn learn_id(conn: &mut Connection, account_id: i64, graph_id: &str) -> QueryResult<usize> {
    diesel::update(
        dsl::subscriptions
            .find(account_id)
            .filter(dsl::graph_id.is_null()),
    )
    .set((
        dsl::graph_id.eq(Some(graph_id)),
        dsl::due_at.eq(now),
        dsl::failures.eq(0),
    ))
    .execute(conn)
    .await
}

/// Makes requests about subscriptions due: to renew them, or, if Microsoft has removed them, to
/// make them again.
pub async fn make_due(conn: &mut Connection, accounts: &[i64], are_removed: bool) -> QueryResult<usize> {
    let chosen = dsl::subscriptions.filter(dsl::account_id.eq_any(accounts));
    if are_removed {
        let gone = (
            dsl::graph_id.eq(None::<String>),
            dsl::expires_at.eq(None::<DateTime<Utc>>),
        );
        return diesel::update(chosen)
            .set((gone, dsl::due_at.eq(now), dsl::failures.eq(0)))
            .execute(conn)
            .await;
    }
    diesel::update(chosen)
        .set((dsl::due_at.eq(now), dsl::failures.eq(0)))
        .execute(conn)
        .await
}
