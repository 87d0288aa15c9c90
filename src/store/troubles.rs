//! What the runs of a mailbox remember about failures.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Timestamptz};
use diesel_async::RunQueryDsl;

use super::schema::account_addresses as told;
use super::schema::accounts;
use super::schema::troubles::{self, dsl};
use super::{Connection, interval};

/// The known troubles of a mailbox.
#[derive(Clone, Debug, Default, Queryable, Selectable)]
#[diesel(table_name = troubles)]
pub struct Troubles {
    pub halvings: i32,
    /// The code with which Microsoft refuses writes that mail somebody, or that need room.
    pub limited_by: Option<String>,
    /// How often it has refused them, at growing intervals.
    pub limited_times: i32,
    /// When such writes are tried again.
    pub limited_until: Option<DateTime<Utc>>,
    /// The claims that Microsoft wants the access token to prove: a JSON object.
    pub claims: Option<String>,
    /// Whether the present token was issued for these claims.
    pub claims_met: bool,
}

pub async fn of(conn: &mut Connection, account_id: i64) -> QueryResult<Troubles> {
    let known = dsl::troubles
        .find(account_id)
        .select(Troubles::as_select())
        .first(conn)
        .await
        .optional()?;
    Ok(known.unwrap_or_default())
}

/// Stores the claims that Microsoft wants a token to prove.
pub async fn note_claims(conn: &mut Connection, account_id: i64, claims: &str) -> QueryResult<usize> {
    let set = (dsl::claims.eq(Some(claims)), dsl::claims_met.eq(false));
    diesel::insert_into(dsl::troubles)
        .values((dsl::account_id.eq(account_id), set))
        .on_conflict(dsl::account_id)
        .do_update()
        .set(set)
        .execute(conn)
        .await
}

/// Notes that the present token was issued for the claims.
pub async fn meet_claims(conn: &mut Connection, account_id: i64) -> QueryResult<usize> {
    let wanted = dsl::troubles.find(account_id).filter(dsl::claims.is_not_null());
    diesel::update(wanted)
        .set(dsl::claims_met.eq(true))
        .execute(conn)
        .await
}

/// Forgets the claims, as Microsoft accepts the token.
pub async fn end_claims(conn: &mut Connection, account_id: i64) -> QueryResult<usize> {
    let wanted = dsl::troubles.find(account_id).filter(dsl::claims.is_not_null());
    diesel::update(wanted)
        .set((dsl::claims.eq(None::<String>), dsl::claims_met.eq(false)))
        .execute(conn)
        .await
}

/// Stores that Microsoft refused a write because of a limit of the mailbox. Such writes are tried
/// again at `until`.
pub async fn note_limit(
    conn: &mut Connection,
    account_id: i64,
    code: &str,
    times: i32,
    until: DateTime<Utc>,
) -> QueryResult<usize> {
    let set = (
        dsl::limited_by.eq(Some(code)),
        dsl::limited_times.eq(times),
        dsl::limited_until.eq(Some(until)),
    );
    diesel::insert_into(dsl::troubles)
        .values((dsl::account_id.eq(account_id), set))
        .on_conflict(dsl::account_id)
        .do_update()
        .set(set)
        .execute(conn)
        .await
}

/// Forgets the limit, as Microsoft has accepted such a write, or none is left.
pub async fn end_limit(conn: &mut Connection, account_id: i64) -> QueryResult<usize> {
    let limited = dsl::troubles
        .find(account_id)
        .filter(dsl::limited_by.is_not_null());
    diesel::update(limited)
        .set((
            dsl::limited_by.eq(None::<String>),
            dsl::limited_times.eq(0),
            dsl::limited_until.eq(None::<DateTime<Utc>>),
        ))
        .execute(conn)
        .await
}

/// Notes that the mailbox can be read but refuses several writes at once; returns since when it
/// does.
pub async fn note_refused(
    conn: &mut Connection,
    account_id: i64,
    now: DateTime<Utc>,
) -> QueryResult<DateTime<Utc>> {
    let since: Option<DateTime<Utc>> = diesel::insert_into(dsl::troubles)
        .values((dsl::account_id.eq(account_id), dsl::refused_since.eq(Some(now))))
        .on_conflict(dsl::account_id)
        .do_update()
        .set(
            dsl::refused_since.eq(diesel::dsl::case_when(
                troubles::refused_since.is_null(),
                Some(now).into_sql::<Nullable<Timestamptz>>(),
            )
            .otherwise(troubles::refused_since)),
        )
        .returning(dsl::refused_since)
        .get_result(conn)
        .await?;
    Ok(since.unwrap_or(now))
}

/// Forgets the refusals, as the mailbox accepts writes again, or none is left.
pub async fn end_refusal(conn: &mut Connection, account_id: i64) -> QueryResult<usize> {
    diesel::update(
        dsl::troubles
            .find(account_id)
            .filter(dsl::refused_since.is_not_null()),
    )
    .set(dsl::refused_since.eq(None::<DateTime<Utc>>))
    .execute(conn)
    .await
}

/// Returns what a run needs before it reads a mailbox: how often its window was halved, when that
/// last changed, and whether to ask Microsoft for the mailbox's addresses. They are asked for once
/// a day, as a mailbox may be renamed, and again some time after a failure.
pub async fn before_reading(
    conn: &mut Connection,
    account_id: i64,
) -> QueryResult<(i32, Option<DateTime<Utc>>, bool)> {
    type Row = (
        DateTime<Utc>,
        Option<i32>,
        Option<DateTime<Utc>>,
        Option<DateTime<Utc>>,
        Option<DateTime<Utc>>,
    );
    let (present, halvings, halved_at, ask_at, told_at): Row = accounts::table
        .find(account_id)
        .left_join(troubles::table.on(troubles::account_id.eq(accounts::id)))
        .left_join(told::table.on(told::account_id.eq(accounts::id)))
        .select((
            diesel::dsl::now.into_sql::<Timestamptz>(),
            troubles::halvings.nullable(),
            troubles::halved_at.nullable(),
            troubles::ask_addresses_at.nullable(),
            told::told_at.nullable(),
        ))
        .first(conn)
        .await?;
    let is_due = match ask_at {
        Some(at) => at <= present,
        None => are_addresses_old(told_at, present),
    };
    Ok((halvings.unwrap_or_default(), halved_at, is_due))
}

/// Returns whether the addresses of a mailbox are to be asked for again, as they were told at
/// `told_at` or never.
pub fn are_addresses_old(told_at: Option<DateTime<Utc>>, present: DateTime<Utc>) -> bool {
    told_at.is_none_or(|at| at <= present - TimeDelta::days(1))
}

/// Notes that Microsoft did not list the addresses. They are asked for again after `wait` of the
/// failures so far.
pub async fn addresses_failed(
    conn: &mut Connection,
    account_id: i64,
    wait: impl Fn(i32) -> TimeDelta,
) -> QueryResult<usize> {
    let failed: Option<i32> = dsl::troubles
        .find(account_id)
        .select(dsl::addresses_failed)
        .first(conn)
        .await
        .optional()?;
    let failed = failed.unwrap_or(0);
    let present = diesel::dsl::now.into_sql::<Timestamptz>();
    let later = (
        dsl::addresses_failed.eq(failed.saturating_add(1)),
        dsl::ask_addresses_at.eq((present + interval(wait(failed))).nullable()),
    );
    diesel::insert_into(dsl::troubles)
        .values((dsl::account_id.eq(account_id), later))
        .on_conflict(dsl::account_id)
        .do_update()
        .set(later)
        .execute(conn)
        .await
}

/// Notes that Microsoft has listed the addresses.
pub async fn addresses_told(conn: &mut Connection, account_id: i64) -> QueryResult<usize> {
    diesel::update(
        dsl::troubles
            .find(account_id)
            .filter(dsl::ask_addresses_at.is_not_null()),
    )
    .set((
        dsl::addresses_failed.eq(0),
        dsl::ask_addresses_at.eq(None::<DateTime<Utc>>),
    ))
    .execute(conn)
    .await
}

/// Sets how often the window is halved from now on.
pub async fn set_halvings(
    conn: &mut Connection,
    account_id: i64,
    halvings: i32,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    let set = (dsl::halvings.eq(halvings), dsl::halved_at.eq(Some(now)));
    diesel::insert_into(dsl::troubles)
        .values((dsl::account_id.eq(account_id), set))
        .on_conflict(dsl::account_id)
        .do_update()
        .set(set)
        .execute(conn)
        .await
}

/// Forgets everything, as the next login may be for another mailbox.
pub async fn forget(conn: &mut Connection, account_id: i64) -> QueryResult<usize> {
    diesel::delete(dsl::troubles.find(account_id)).execute(conn).await
}
