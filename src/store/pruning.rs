//! Deletes what is no longer needed, a few rows at a time, so that nobody waits for it.

use anyhow::Context;
use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Timestamptz};
use diesel_async::RunQueryDsl;

use super::Connection;

/// The session lock ([`super::try_lock`]) of the process that prunes.
pub const LOCK: i64 = 0x6f62_7072_756e_6531;

/// The statements, each of which deletes one portion: `$1` is the time before which a row may be
/// deleted, `$2` the number of rows. Locked rows are left for the next time.
///
/// An ended meeting becomes a stub. Its ids, link and generation stay, so that it is recognized and
/// neither made nor mailed again; its copies are known to be gone. It is not reduced while a change
/// is pending or a mailbox still has it.
const PORTIONS: &[(&str, &str)] = &[
    (
        "the journal",
        "DELETE FROM journal WHERE id IN (
             SELECT id FROM journal WHERE at < $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED)",
    ),
    (
        "meetings that have ended",
        "WITH ended AS MATERIALIZED (
             SELECT id FROM meetings m
             WHERE ended AND num_nonnulls(odoo_state, base_odoo, base_outlook, stock) > 0
               AND ended_at < $1 AND NOT kept AND NOT unconfirmed
               AND NOT EXISTS (SELECT FROM copies WHERE meeting_id = m.id AND NOT gone)
               AND NOT EXISTS (SELECT FROM outlook_outbox WHERE meeting_id = m.id)
               AND NOT EXISTS (SELECT FROM odoo_outbox WHERE meeting_id = m.id)
             ORDER BY ended_at LIMIT $2 FOR UPDATE SKIP LOCKED
         ), emptied AS (
             UPDATE copies SET state = '{}', slot_answers = '{}', slot_answers_base = '{}',
                 wire = jsonb_strip_nulls(jsonb_build_object('seriesMasterId', series_id)),
                 is_series = false, ical_uid = NULL, title = NULL
             WHERE meeting_id IN (SELECT id FROM ended)
         )
         UPDATE meetings SET odoo_state = NULL, base_odoo = NULL, base_outlook = NULL, stock = NULL,
             odoo_times = '{}', told = '{}', set_aside = NULL, archived_for_outlook = false,
             organizer_id = CASE WHEN stub IS NULL THEN NULL ELSE organizer_id END, odoo_name = NULL, odoo_active = true,
             odoo_start = NULL,
             attendee_user_ids = '{}', stock_state = NULL, stock_microsoft_id = NULL, stock_immutable_id = NULL,
             stock_translated = false
         WHERE id IN (SELECT id FROM ended)",
    ),
    (
        "removals",
        "DELETE FROM removals WHERE (account_id, meeting_id) IN (
             SELECT account_id, meeting_id FROM removals WHERE at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)",
    ),
    (
        "events of databases that were unpaired",
        "DELETE FROM meetings WHERE id IN (
             SELECT m.id FROM meetings m JOIN databases d ON d.id = m.database_id
             WHERE d.key_hash IS NULL AND d.unpaired_at < $1 LIMIT $2 FOR UPDATE OF m SKIP LOCKED)",
    ),
    (
        "the journal of databases that were unpaired",
        "DELETE FROM journal WHERE id IN (
             SELECT j.id FROM journal j JOIN databases d ON d.id = j.database_id
             WHERE d.key_hash IS NULL AND d.unpaired_at < $1 LIMIT $2 FOR UPDATE OF j SKIP LOCKED)",
    ),
    (
        "databases that were unpaired",
        "DELETE FROM databases WHERE id IN (
             SELECT id FROM databases d WHERE key_hash IS NULL AND unpaired_at < $1
               AND NOT EXISTS (SELECT FROM meetings WHERE database_id = d.id)
               AND NOT EXISTS (SELECT FROM journal WHERE database_id = d.id)
             LIMIT $2 FOR UPDATE SKIP LOCKED)",
    ),
    (
        "sessions that have ended",
        "DELETE FROM sessions WHERE token_hash IN (
             SELECT token_hash FROM sessions WHERE expires_at < greatest($1, now()) LIMIT $2 FOR UPDATE SKIP LOCKED)",
    ),
    (
        "wizards that nobody uses any more",
        "DELETE FROM wizards WHERE id IN (
             SELECT id FROM wizards WHERE created_at < greatest($1, now() - interval '1 hour') LIMIT $2
             FOR UPDATE SKIP LOCKED)",
    ),
    // A mailbox that is listed again will show it again.
    (
        "what was put aside of mailboxes that nobody logs in to",
        "DELETE FROM put_aside WHERE id IN (
             SELECT p.id FROM put_aside p JOIN accounts a ON a.id = p.account_id
             WHERE p.graph_id IS NOT NULL AND p.next_at < $1 AND a.state <> 'active' AND a.delta_link IS NULL
             LIMIT $2 FOR UPDATE OF p SKIP LOCKED)",
    ),
    (
        "pairing codes",
        "DELETE FROM enrollments WHERE code_hash IN (
             SELECT code_hash FROM enrollments WHERE expires_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)",
    ),
    (
        "logins",
        "DELETE FROM login_attempts WHERE id IN (
             SELECT id FROM login_attempts WHERE expires_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)",
    ),
    (
        "refused logins",
        "DELETE FROM login_refusals WHERE (database_id, odoo_user_id) IN (
             SELECT database_id, odoo_user_id FROM login_refusals WHERE at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)",
    ),
];

/// Deletes up to `rows` rows of each kind, each kind in its own transaction; returns the largest
/// number of one kind.
///
/// # Errors
/// When Postgres refuses. What was deleted before stays deleted.
pub async fn step(conn: &mut Connection, before: DateTime<Utc>, rows: i64) -> anyhow::Result<usize> {
    let mut most = 0;
    for (what, portion) in PORTIONS {
        let dropped = diesel::sql_query(*portion)
            .bind::<Timestamptz, _>(before)
            .bind::<BigInt, _>(rows)
            .execute(conn)
            .await
            .with_context(|| format!("pruning {what}"))?;
        most = most.max(dropped);
    }
    Ok(most)
}
