//! Erases for good, or exports, what is kept about a database or one of its users.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Jsonb, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use serde_json::Value;
use uuid::Uuid;

use super::Connection;

/// Rows per statement, which takes a fraction of a second.
const ROWS: i64 = 500;

/// Matches a meeting that is the user's: it is in their mailbox only, or it is in no mailbox and
/// they organize it in Odoo. `$1` is the database, `$2` the user's id in Odoo.
const OWN: &str = "m.database_id = $1
    AND NOT EXISTS (SELECT FROM copies JOIN accounts a ON a.id = copies.account_id
                    WHERE copies.meeting_id = m.id AND a.odoo_user_id <> $2)
    AND (EXISTS (SELECT FROM copies WHERE copies.meeting_id = m.id)
         OR m.organizer_id = $2)";

/// Repeats a statement that erases [`ROWS`] rows, each time in its own transaction, until nothing
/// is left; returns the sum.
async fn until_none(mut some: impl AsyncFnMut() -> QueryResult<usize>) -> QueryResult<usize> {
    let mut all = 0;
    loop {
        let erased = some().await?;
        all += erased;
        if erased == 0 {
            return Ok(all);
        }
    }
}

/// Erases the rows of a user that the statement selects: `$1` and `$2` as in [`OWN`], `$3` the
/// limit.
async fn erase(
    conn: &mut Connection,
    statement: &str,
    database_id: Uuid,
    user_id: i32,
) -> QueryResult<usize> {
    until_none(async || {
        diesel::sql_query(statement)
            .bind::<SqlUuid, _>(database_id)
            .bind::<Integer, _>(user_id)
            .bind::<BigInt, _>(ROWS)
            .execute(conn)
            .await
    })
    .await
}

/// The numbers of erased rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    pub meetings: usize,
    pub lines: usize,
    pub accounts: usize,
}

/// Erases a user: the mailbox's login, meetings that are the user's alone, and the journal's lines
/// about them. Meetings that other mailboxes show stay. May be repeated after an interruption.
///
/// # Errors
/// When Postgres refuses. What was erased before stays erased.
pub async fn user(conn: &mut Connection, database_id: Uuid, user_id: i32) -> QueryResult<Erased> {
    let meetings = erase(
        conn,
        &format!("DELETE FROM meetings WHERE id IN (SELECT m.id FROM meetings m WHERE {OWN} ORDER BY m.id LIMIT $3)"),
        database_id,
        user_id,
    )
    .await?;
    let lines = erase(
        conn,
        "DELETE FROM journal WHERE id IN (
             SELECT id FROM journal WHERE database_id = $1 AND odoo_user_id = $2 ORDER BY id LIMIT $3)",
        database_id,
        user_id,
    )
    .await?;
    // The remaining lines are about other people's mailboxes.
    erase(
        conn,
        "UPDATE journal SET organizer_id = NULL WHERE id IN (
             SELECT id FROM journal WHERE database_id = $1 AND organizer_id = $2 ORDER BY id LIMIT $3)",
        database_id,
        user_id,
    )
    .await?;
    // The remaining copies belong to other people's meetings.
    erase(
        conn,
        "DELETE FROM copies WHERE id IN (
             SELECT copies.id FROM copies JOIN accounts a ON a.id = copies.account_id
             WHERE a.database_id = $1 AND a.odoo_user_id = $2 ORDER BY copies.id LIMIT $3)",
        database_id,
        user_id,
    )
    .await?;
    erase(
        conn,
        "DELETE FROM login_attempts WHERE id IN (
             SELECT id FROM login_attempts WHERE database_id = $1 AND odoo_user_id = $2 LIMIT $3)",
        database_id,
        user_id,
    )
    .await?;
    super::refusals::forget(conn, database_id, user_id).await?;
    super::api_keys::revoke_of_user(conn, database_id, user_id).await?;
    let accounts = erase(
        conn,
        "DELETE FROM accounts WHERE id IN (
             SELECT id FROM accounts WHERE database_id = $1 AND odoo_user_id = $2 LIMIT $3)",
        database_id,
        user_id,
    )
    .await?;
    Ok(Erased {
        meetings,
        lines,
        accounts,
    })
}

/// Erases a database with everything that belongs to it. May be repeated after an interruption.
///
/// # Errors
/// When Postgres refuses. What was erased before stays erased.
pub async fn database(conn: &mut Connection, id: Uuid) -> QueryResult<Erased> {
    let mut erased = Erased::default();
    for (table, count) in [
        ("journal", &mut erased.lines),
        ("meetings", &mut erased.meetings),
        ("accounts", &mut erased.accounts),
    ] {
        let statement = format!(
            "DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE database_id = $1 ORDER BY id LIMIT $2)"
        );
        *count = until_none(async || {
            diesel::sql_query(&statement)
                .bind::<SqlUuid, _>(id)
                .bind::<BigInt, _>(ROWS)
                .execute(conn)
                .await
        })
        .await?;
    }
    // Deletes its app registrations, logins and refused logins too.
    diesel::delete(super::schema::databases::table.find(id))
        .execute(conn)
        .await?;
    Ok(erased)
}

#[derive(QueryableByName)]
struct Document {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Jsonb)]
    document: Value,
}

/// The exported kinds in their order: a name, and a statement that returns `id` and `document` of
/// at most `$4` rows after `$3`. Tokens and secrets are never exported, only whether there are any.
fn exported() -> [(&'static str, String); 4] {
    [
        (
            "account",
            "SELECT a.id, to_jsonb(a) - ARRAY['access_token', 'refresh_token', 'delta_link', 'lease_id', 'lease_beats', 'people_xid', 'urgency']
                    || jsonb_build_object('has_tokens', a.refresh_token IS NOT NULL,
                                          'addresses', (SELECT to_jsonb(d) FROM account_addresses d
                                                        WHERE d.account_id = a.id)) AS document
               FROM accounts a
              WHERE a.database_id = $1 AND a.odoo_user_id = $2 AND a.id > $3 ORDER BY a.id LIMIT $4"
                .to_owned(),
        ),
        (
            "meeting",
            format!(
                "SELECT m.id, to_jsonb(m) || jsonb_build_object(
                        'copy', (SELECT to_jsonb(c) FROM copies c JOIN accounts a ON a.id = c.account_id
                                 WHERE c.meeting_id = m.id AND a.database_id = $1 AND a.odoo_user_id = $2
                                 ORDER BY c.id DESC LIMIT 1)) AS document
                   FROM meetings m
                  WHERE (({OWN})
                         OR (m.database_id = $1
                             AND EXISTS (SELECT FROM copies c JOIN accounts a ON a.id = c.account_id
                                         WHERE c.meeting_id = m.id AND a.odoo_user_id = $2)))
                    AND m.id > $3 ORDER BY m.id LIMIT $4"
            ),
        ),
        (
            "journal",
            "SELECT j.id, to_jsonb(j) AS document FROM journal j
              WHERE j.database_id = $1 AND (j.odoo_user_id = $2 OR j.organizer_id = $2) AND j.id > $3 ORDER BY j.id LIMIT $4"
                .to_owned(),
        ),
        (
            "login_refusal",
            "SELECT 0::bigint AS id, to_jsonb(r) AS document FROM login_refusals r
              WHERE r.database_id = $1 AND r.odoo_user_id = $2 AND 0 > $3 LIMIT $4"
                .to_owned(),
        ),
    ]
}

/// Exports everything that is kept about a user, one JSON document at a time:
/// `{"kind": …, "content": …}`.
///
/// # Errors
/// When Postgres fails, or `take` does.
pub async fn export(
    conn: &mut Connection,
    database_id: Uuid,
    user_id: i32,
    mut take: impl FnMut(Value) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    for (kind, statement) in exported() {
        let mut after = i64::MIN;
        loop {
            let rows: Vec<Document> = diesel::sql_query(&statement)
                .bind::<SqlUuid, _>(database_id)
                .bind::<Integer, _>(user_id)
                .bind::<BigInt, _>(after)
                .bind::<BigInt, _>(ROWS)
                .load(conn)
                .await?;
            let Some(last) = rows.last() else { break };
            after = last.id;
            for row in rows {
                take(serde_json::json!({"kind": kind, "content": row.document}))?;
            }
        }
    }
    Ok(())
}
