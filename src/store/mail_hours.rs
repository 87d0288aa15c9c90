//! Counts the mails that a mailbox sends within an hour.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::Connection;
use super::schema::mail_hours::dsl;

/// Returns the mails of the current hour, which begins with its first mail. The number is negative
/// if a person has approved that many more.
pub async fn within(conn: &mut Connection, account_id: i64, now: DateTime<Utc>) -> QueryResult<i64> {
    Ok(read(conn, account_id, now).await?.1)
}

async fn read(
    conn: &mut Connection,
    account_id: i64,
    now: DateTime<Utc>,
) -> QueryResult<(DateTime<Utc>, i64)> {
    let row: Option<(DateTime<Utc>, i32)> = dsl::mail_hours
        .find(account_id)
        .select((dsl::began, dsl::mails))
        .first(conn)
        .await
        .optional()?;
    Ok(match row {
        Some((began, mails)) if began <= now && now < began + TimeDelta::hours(1) => (began, mails.into()),
        _ => (now, 0),
    })
}

/// Counts mails that are being sent or, if the number is negative, mails that may be sent in
/// addition.
pub async fn count(
    conn: &mut Connection,
    account_id: i64,
    mails: i64,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    let (began, before) = read(conn, account_id, now).await?;
    let mails = i32::try_from(before + mails).unwrap_or(i32::MAX);
    diesel::insert_into(dsl::mail_hours)
        .values((
            dsl::account_id.eq(account_id),
            dsl::began.eq(began),
            dsl::mails.eq(mails),
        ))
        .on_conflict(dsl::account_id)
        .do_update()
        .set((dsl::began.eq(began), dsl::mails.eq(mails)))
        .execute(conn)
        .await
}
