//! Leases: which run works which mailbox, and when a mailbox is due.
//!
//! A run takes a **lease**: an id of its own in the mailbox's row. Each transaction of the run that
//! stores results or takes work checks it first ([`hold`]), so a run whose lease was given to
//! another one changes nothing. The holder renews the lease by incrementing `lease_beats`. A
//! process that sees the count unchanged for [`LEASE`], by its own monotonic clock, frees the
//! mailbox ([`free`]). No two clocks are compared, so a clock that is stepped or wrong cannot give
//! a mailbox to two runs.
//!
//! A mailbox is due at `next_run_at`, by Postgres's clock, and `urgency` says for what
//! ([`Urgency`]). While a run works it, it is never due (`NEVER`), so a [`wake`] meanwhile is
//! noticed when the run ends.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::{case_when, now};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{
    Array, BigInt, Double, Interval as SqlInterval, SmallInt, Text, Timestamptz, Untyped, Uuid as SqlUuid,
};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::accounts::Account;
use super::idle::{self, Glance};
use super::schema::accounts::dsl;
use super::{Connection, interval};

/// How long a lease is valid without renewal, and so how long a mailbox waits if its worker's
/// process dies.
pub const LEASE: Duration = Duration::from_secs(20);

/// How long after Odoo's last exchange its mailboxes are worked. A service that was restored from a
/// backup remembers an old exchange. It must not send its pending changes before Odoo has shown
/// that it knows this service.
pub const HEARD_FOR: TimeDelta = TimeDelta::minutes(10);

/// How long after a run the next one begins because of a notification.
const BETWEEN_NEWS: TimeDelta = TimeDelta::seconds(1);

/// The due time of a mailbox that a run works.
const NEVER: &str = "9999-01-01 00:00:00+00";

/// The lease of a run has ended or was given to another run. The run must not store anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another run works this mailbox now")]
pub struct LeaseLost;

/// A lease that was taken. The first half of its id identifies the process, the second half the
/// lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, QueryableByName)]
pub struct Lease {
    #[diesel(sql_type = BigInt, column_name = taken_account_id)]
    pub account_id: i64,
    #[diesel(sql_type = SqlUuid, column_name = taken_lease_id)]
    pub id: Uuid,
}

/// The present state of any process's lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, QueryableByName)]
pub struct Standing {
    #[diesel(sql_type = BigInt)]
    pub account_id: i64,
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = BigInt)]
    pub beats: i64,
}

/// Why a mailbox is due, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i16)]
pub enum Urgency {
    /// A person waits for the run.
    Person = 0,
    /// Something was saved that Outlook has not got.
    Saved = 1,
    /// There may be news in Outlook.
    News = 2,
    /// A run left something to do: the rest of a long list, or a further attempt.
    Rest = 3,
    /// Nothing is known to be pending.
    Poll = 4,
}

impl Urgency {
    /// Returns the number that is stored.
    pub(super) fn rank(self) -> i16 {
        self as i16
    }

    /// Returns its name in the metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Saved => "saved",
            Self::News => "news",
            Self::Rest => "rest",
            Self::Poll => "poll",
        }
    }

    /// Returns whether a run may take the last workers of a process, which are kept for people and
    /// for what they save.
    pub fn takes_the_last_workers(self) -> bool {
        self <= Self::Saved
    }
}

impl From<i16> for Urgency {
    /// Anything unknown is the least urgent.
    fn from(rank: i16) -> Self {
        match rank {
            0 => Self::Person,
            1 => Self::Saved,
            2 => Self::News,
            3 => Self::Rest,
            _ => Self::Poll,
        }
    }
}

/// Asks for runs as soon as there is a worker for this urgency.
pub async fn wake(conn: &mut Connection, ids: Vec<i64>, urgency: Urgency) -> QueryResult<usize> {
    diesel::sql_query(
        "UPDATE accounts
         SET next_run_at = least(next_run_at, now()),
             urgency = CASE WHEN next_run_at = $3::timestamptz THEN $2 ELSE least(urgency, $2) END
         WHERE id = ANY($1) AND (next_run_at > now() OR urgency > $2)",
    )
    .bind::<Array<BigInt>, _>(ids)
    .bind::<SmallInt, _>(urgency.rank())
    .bind::<Text, _>(NEVER)
    .execute(conn)
    .await
}

/// Asks for runs as there may be news in these mailboxes: soon, but not sooner than
/// `BETWEEN_NEWS` after their last run, as each write of a run comes back as a notification. A
/// mailbox whose last run failed keeps its pause.
pub async fn wake_for_news(conn: &mut Connection, ids: Vec<i64>) -> QueryResult<usize> {
    diesel::sql_query(
        "UPDATE accounts
         SET next_run_at = least(next_run_at, soon.at),
             urgency = CASE WHEN next_run_at = $4::timestamptz THEN $3 ELSE least(urgency, $3) END
         FROM (SELECT id, least(greatest(now(), last_sync_at + $2), now() + $2) AS at
               FROM accounts WHERE id = ANY($1) AND failures = 0) soon
         WHERE accounts.id = soon.id AND (next_run_at > soon.at OR urgency > $3)",
    )
    .bind::<Array<BigInt>, _>(ids)
    .bind::<SqlInterval, _>(interval(BETWEEN_NEWS))
    .bind::<SmallInt, _>(Urgency::News.rank())
    .bind::<Text, _>(NEVER)
    .execute(conn)
    .await
}

/// A mailbox that was taken, with what was known of it then.
#[derive(Clone, Debug, QueryableByName)]
pub struct Claimed {
    #[diesel(embed)]
    pub lease: Lease,
    #[diesel(embed)]
    pub account: Account,
    #[diesel(embed)]
    pub glance: Glance,
    #[diesel(sql_type = SmallInt, column_name = taken_urgency, deserialize_as = i16)]
    pub urgency: Urgency,
    /// How long it has been due, in seconds.
    #[diesel(sql_type = Double)]
    pub late: f64,
}

/// Counts of places for runs. Polls have places of their own, as a poll waits most of its time and
/// must not wait for the end of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// For runs of any urgency but [`Urgency::Poll`].
    pub workers: i64,
    /// Of these, for runs that do not take the last workers.
    pub patient: i64,
    pub polls: i64,
}

/// What [`claim_due`] goes by.
#[derive(Clone, Copy, Debug)]
pub struct Claims {
    pub process: Uuid,
    pub present: DateTime<Utc>,
    /// How many mailboxes are taken, at most.
    pub free: Places,
    /// How many places of this process one database may have, if there are others. `patient` is
    /// not used.
    pub share: Places,
}

/// Takes due mailboxes that no run works, as many as there are places. The most urgent come first;
/// of these, the databases take turns: the one with the fewest mailboxes in work comes first, and
/// within a database the one that is due longest. If there are several databases, each gets at most
/// its share of this process's places, so that others need not wait for the end of a run.
pub async fn claim_due(conn: &mut Connection, claims: Claims) -> QueryResult<Vec<Claimed>> {
    let statement = ClaimDue {
        claims,
        heard_since: claims.present - HEARD_FOR,
    };
    statement.load(conn).await
}

/// The statement of [`claim_due`]. It is prepared once for each connection, unlike a `sql_query`:
/// to plan it takes longer than to run it.
#[derive(Clone, Copy, Debug)]
struct ClaimDue {
    claims: Claims,
    heard_since: DateTime<Utc>,
}

impl QueryId for ClaimDue {
    type QueryId = Self;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl Query for ClaimDue {
    // Its columns are found by their names.
    type SqlType = Untyped;
}

impl QueryFragment<Pg> for ClaimDue {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Claims {
            process,
            present: _,
            free,
            share,
        } = &self.claims;
        // The statement refers to the values by their numbers.
        out.push_sql("WITH given AS (SELECT ");
        out.push_bind_param::<Timestamptz, _>(&self.heard_since)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(NEVER)?;
        out.push_sql(", ");
        out.push_bind_param::<SqlUuid, _>(process)?;
        for places in [
            &free.workers,
            &free.patient,
            &free.polls,
            &share.workers,
            &share.polls,
        ] {
            out.push_sql(", ");
            out.push_bind_param::<BigInt, _>(places)?;
        }
        out.push_sql(CLAIM_DUE);
        out.push_sql(idle::GLANCE);
        out.push_sql(", ");
        out.push_sql(idle::HAS_PENDING);
        out.push_sql(FROM_TAKEN);
        Ok(())
    }
}

/// `$1` since when Odoo must have called, `$2` [`NEVER`], `$3` the process, `$4` to `$6` the free
/// places for workers, patient runs and polls, `$7` and `$8` the shares of the places for workers and
/// polls. What is overdue by five minutes is as urgent as what was saved, so that it is not forgotten
/// while people save without a pause. A data-modifying `WITH` shows the rows as they are now, every other part as they were.
const CLAIM_DUE: &str = "), heard AS (
         SELECT id, worked.by_all, worked.runs, worked.polls
         FROM databases
         CROSS JOIN LATERAL (
             SELECT count(*) AS by_all,
                    count(*) FILTER (WHERE is_ours AND urgency < 4) AS runs,
                    count(*) FILTER (WHERE is_ours AND urgency = 4) AS polls
             FROM (SELECT urgency, left(lease_id::text, 18) = left($3::text, 18) AS is_ours
                   FROM accounts WHERE database_id = databases.id AND lease_id IS NOT NULL) leases) worked
         WHERE NOT paused AND quarantined IS NULL AND moved IS NULL AND key_hash IS NOT NULL AND heard_at > $1
     ), due AS (
         SELECT a.id, a.urgency, a.counts_as, a.next_run_at, d.by_all + a.nth AS turn
         FROM heard d
         CROSS JOIN LATERAL (
             SELECT *, row_number() OVER (PARTITION BY urgency = 4 ORDER BY counts_as, next_run_at) AS nth
             FROM (SELECT first.*, CASE WHEN kind BETWEEN 2 AND 3 AND next_run_at < now() - interval '5 minutes' THEN 1
                                        ELSE kind END AS counts_as
                   FROM generate_series(0, 4) kind
                   CROSS JOIN LATERAL (
                       SELECT id, urgency, next_run_at FROM accounts
                       WHERE database_id = d.id AND urgency = kind::smallint AND state = 'active' AND lease_id IS NULL
                         AND next_run_at <= now() AND (rest_until IS NULL OR rest_until <= now())
                       ORDER BY next_run_at LIMIT CASE kind WHEN 4 THEN $6 ELSE $4 END) first) firsts) a
         WHERE CASE WHEN a.urgency < 4 THEN d.runs + a.nth <= $7 ELSE d.polls + a.nth <= $8 END
            OR (SELECT count(*) FROM heard) = 1
     ), ranked AS (
         SELECT id, urgency, counts_as, turn, next_run_at,
                row_number() OVER (PARTITION BY urgency IN (2, 3) ORDER BY counts_as, turn, next_run_at) AS nth
         FROM due WHERE urgency < 4
     ), chosen AS (
         SELECT id, extract(epoch FROM now() - next_run_at)::float8 AS late FROM accounts
         WHERE lease_id IS NULL AND id IN (
             (SELECT id FROM ranked WHERE urgency < 2 OR nth <= $5 ORDER BY counts_as, turn, next_run_at LIMIT $4)
             UNION ALL
             (SELECT id FROM due WHERE urgency = 4 ORDER BY turn, next_run_at LIMIT $6))
         FOR UPDATE SKIP LOCKED
     ), a AS (
         UPDATE accounts SET lease_id = (left($3::text, 18) || right(gen_random_uuid()::text, 18))::uuid, lease_beats = 0,
                             next_run_at = $2::timestamptz
         FROM chosen WHERE accounts.id = chosen.id
         RETURNING accounts.*, chosen.late)
     SELECT a.*, a.id AS taken_account_id, a.lease_id AS taken_lease_id, a.urgency AS taken_urgency, ";
const FROM_TAKEN: &str = " AS has_pending
     FROM a JOIN databases d ON d.id = a.database_id
            LEFT JOIN account_addresses w ON w.account_id = a.id
            LEFT JOIN subscriptions s ON s.account_id = a.id";

/// Takes the lease of one mailbox, unless a run holds it, for work that is not a run. Leaves the
/// due time unchanged.
pub async fn claim(conn: &mut Connection, process: Uuid, account_id: i64) -> QueryResult<Option<Lease>> {
    let (of_process, _) = process.as_u64_pair();
    let (_, own) = Uuid::new_v4().as_u64_pair();
    let id = Uuid::from_u64_pair(of_process, own);
    let claimed = diesel::update(dsl::accounts.find(account_id).filter(dsl::lease_id.is_null()))
        .set((dsl::lease_id.eq(Some(id)), dsl::lease_beats.eq(0)))
        .execute(conn)
        .await?;
    Ok((claimed == 1).then_some(Lease { account_id, id }))
}

/// Ends a lease that [`claim`] took.
pub async fn let_go(conn: &mut Connection, lease: Lease) -> QueryResult<usize> {
    diesel::update(
        dsl::accounts
            .find(lease.account_id)
            .filter(dsl::lease_id.eq(lease.id)),
    )
    .set(dsl::lease_id.eq(None::<Uuid>))
    .execute(conn)
    .await
}

/// Renews a lease; returns `false` if it was given to another run, and the holder must stop.
pub async fn renew(conn: &mut Connection, lease: Lease) -> QueryResult<bool> {
    let kept = diesel::update(
        dsl::accounts
            .find(lease.account_id)
            .filter(dsl::lease_id.eq(lease.id)),
    )
    .set(dsl::lease_beats.eq(dsl::lease_beats + 1))
    .execute(conn)
    .await?;
    Ok(kept == 1)
}

/// Checks a run's lease at the beginning of each of its transactions, after the database's lock was
/// taken. Nobody can free the lease before the transaction ends.
///
/// # Errors
/// [`LeaseLost`] when another run works `account`, as this run has read it; and Postgres's errors.
pub async fn hold(conn: &mut Connection, account: &Account) -> anyhow::Result<()> {
    let Some(lease) = account.lease_id else {
        return Err(LeaseLost.into());
    };
    let held: Option<i64> = dsl::accounts
        .find(account.id)
        .filter(dsl::lease_id.eq(lease))
        .select(dsl::id)
        // Permits a renewal, but not what `free` does.
        .for_key_share()
        .first(conn)
        .await
        .optional()?;
    held.map(|_| ()).ok_or_else(|| LeaseLost.into())
}

/// Reads the present account, for a run that continues with it.
///
/// # Errors
/// [`LeaseLost`] when another run works it; and Postgres's errors.
pub async fn account(conn: &mut Connection, account_id: i64, lease: Option<Uuid>) -> anyhow::Result<Account> {
    let account = super::accounts::by_id(conn, account_id).await?;
    if lease.is_none() || account.lease_id != lease {
        return Err(LeaseLost.into());
    }
    Ok(account)
}

/// Returns all leases, of every process.
pub async fn standing(conn: &mut Connection) -> QueryResult<Vec<Standing>> {
    diesel::sql_query(
        "SELECT id AS account_id, lease_id AS id, lease_beats AS beats FROM accounts WHERE lease_id IS NOT NULL",
    )
    .load(conn)
    .await
}

/// Takes a lease from a holder that has not renewed it since it was seen, so that the mailbox is
/// due at once. Waits for a transaction of the holder that is in progress.
pub async fn free(conn: &mut Connection, seen: Standing) -> QueryResult<bool> {
    let freed = diesel::sql_query(
        "UPDATE accounts SET lease_id = NULL, next_run_at = least(next_run_at, now())
         WHERE id IN (SELECT id FROM accounts WHERE id = $1 AND lease_id = $2 AND lease_beats = $3
                      FOR UPDATE SKIP LOCKED)",
    )
    .bind::<BigInt, _>(seen.account_id)
    .bind::<SqlUuid, _>(seen.id)
    .bind::<BigInt, _>(seen.beats)
    .execute(conn)
    .await?;
    Ok(freed == 1)
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was done.
    Done {
        at: DateTime<Utc>,
    },
    /// Nothing was pending, and the delta was empty: what it was read at, and how it continues.
    Idle {
        at: DateTime<Utc>,
        delta_link: String,
    },
    /// The time was over, and there is more to do.
    Part,
    /// A poll has found something to do, and there was no worker for it.
    Postponed,
    Failed,
}

/// When a mailbox is due after a run, and for what, unless it was woken meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    pub rest: TimeDelta,
    pub urgency: Urgency,
}

/// Gives a mailbox back. Returns whether it is due at once.
pub async fn release(conn: &mut Connection, lease: Lease, next: Next, outcome: Outcome) -> QueryResult<bool> {
    let ours = dsl::accounts
        .find(lease.account_id)
        .filter(dsl::lease_id.eq(lease.id));
    let due = now.into_sql::<Timestamptz>() + interval(next.rest);
    let urgency = next.urgency.rank().into_sql::<SmallInt>();
    // If it was woken, it is due earlier.
    let given_back = (
        dsl::lease_id.eq(None::<Uuid>),
        dsl::next_run_at.eq(case_when(dsl::next_run_at.gt(due), due).otherwise(dsl::next_run_at)),
        dsl::urgency.eq(case_when(dsl::next_run_at.gt(due), urgency).otherwise(dsl::urgency)),
    );
    let is_due = dsl::next_run_at.le(now.into_sql::<Timestamptz>());
    let is_due: Option<bool> = match outcome {
        Outcome::Done { at } => {
            diesel::update(ours)
                .set((given_back, dsl::last_sync_at.eq(Some(at)), dsl::failures.eq(0)))
                .returning(is_due)
                .get_result(conn)
                .await
        }
        Outcome::Idle { at, delta_link } => {
            diesel::update(ours)
                .set((
                    given_back,
                    dsl::last_sync_at.eq(Some(at)),
                    dsl::delta_link.eq(Some(delta_link)),
                ))
                .returning(is_due)
                .get_result(conn)
                .await
        }
        Outcome::Part => {
            diesel::update(ours)
                .set((given_back, dsl::failures.eq(0)))
                .returning(is_due)
                .get_result(conn)
                .await
        }
        Outcome::Postponed => {
            diesel::update(ours)
                .set(given_back)
                .returning(is_due)
                .get_result(conn)
                .await
        }
        Outcome::Failed => {
            diesel::update(ours)
                .set((given_back, dsl::failures.eq(dsl::failures + 1)))
                .returning(is_due)
                .get_result(conn)
                .await
        }
    }
    .optional()?;
    Ok(is_due.unwrap_or(false))
}
