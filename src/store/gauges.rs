//! What is pending, held or in trouble in the service's database now, for the metrics.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Double, Integer, Nullable, Timestamptz};
use diesel_async::RunQueryDsl;

use super::Connection;
use super::leases::HEARD_FOR;
use crate::measures::{
    DATABASES, DUE, DUE_LONGEST, HELD, MAILBOXES, OWED, OWED_LONGEST, PUT_ASIDE, REGISTRATIONS_REFUSED,
    RESTING, SECRET_ENDS, SUBSCRIPTIONS,
};

/// One statement, of small tables and indexes: it reads no meeting except those that were saved and
/// are on their way. `$1` is the present, `$2` since when Odoo must have called, `$3` after how many
/// failures an exchange counts as failing.
const READ: &str = "
    WITH paired AS MATERIALIZED (
        SELECT id, paused, quarantined IS NOT NULL OR moved IS NOT NULL AS quarantined, heard_at <= $2 AS silent,
               exchange_failures >= $3 AS failing
          FROM databases WHERE key_hash IS NOT NULL
    ), a AS MATERIALIZED (
        SELECT a.id, a.state, a.reason IS NOT NULL AS in_trouble, a.waiting, a.mails_held, a.state = 'active' AND a.rest_until > $1 AS resting,
               CASE WHEN a.state = 'active' AND a.lease_id IS NULL AND a.next_run_at <= $1
                         AND (a.rest_until IS NULL OR a.rest_until <= $1)
                         AND NOT (p.paused OR p.quarantined OR p.silent)
                    THEN extract(epoch FROM $1 - a.next_run_at)::float8 END AS due_for
          FROM accounts a JOIN paired p ON p.id = a.database_id
    ), outlook AS (
        SELECT count(*) AS owed, max(extract(epoch FROM $1 - m.saved_at))::float8 AS longest
          FROM outlook_outbox l JOIN meetings m ON m.id = l.meeting_id JOIN a ON a.id = l.account_id
         WHERE NOT l.collected AND a.state = 'active'
    ), odoo AS (
        SELECT count(*) FILTER (WHERE o.held_for IS NULL) AS owed, count(*) FILTER (WHERE o.held_for IS NOT NULL) AS held,
               max(extract(epoch FROM $1 - o.since)) FILTER (WHERE o.held_for IS NULL)::float8 AS longest
          FROM odoo_outbox o JOIN paired p ON p.id = o.database_id
    ), accounts_now AS (
        SELECT count(*) FILTER (WHERE state = 'active' AND NOT in_trouble) AS synced,
               count(*) FILTER (WHERE state = 'active' AND in_trouble) AS in_trouble,
               count(*) FILTER (WHERE state = 'stopped') AS stopped, count(*) FILTER (WHERE state = 'need_auth') AS need_auth,
               count(*) FILTER (WHERE resting) AS resting, count(due_for) AS due, max(due_for) AS due_longest,
               coalesce(sum(waiting), 0)::bigint AS waiting, coalesce(sum(mails_held), 0)::bigint AS mails_held
          FROM a
    ), databases_now AS (
        SELECT count(*) AS paired, count(*) FILTER (WHERE paused) AS paused, count(*) FILTER (WHERE quarantined) AS quarantined,
               count(*) FILTER (WHERE silent) AS silent, count(*) FILTER (WHERE failing) AS failing
          FROM paired
    ), subscribed AS (
        SELECT count(*) FILTER (WHERE s.expires_at > $1 AND s.graph_id IS NOT NULL AND s.silent_since IS NULL) AS valid,
               count(*) FILTER (WHERE s.expires_at > $1 AND s.graph_id IS NOT NULL AND s.silent_since IS NOT NULL) AS unheard,
               count(*) FILTER (WHERE s.failures > 0 AND (s.graph_id IS NULL OR s.expires_at IS NULL OR s.expires_at <= $1)) AS unmade
          FROM subscriptions s JOIN a ON a.id = s.account_id
    ), apps AS (
        SELECT count(r.problem) AS refused,
               min(extract(epoch FROM (r.secret_expires_on::timestamp AT TIME ZONE 'UTC') - $1))::float8 AS secret_ends
          FROM registrations r JOIN paired p ON p.id = r.database_id WHERE NOT r.retired
    )
    SELECT d.paired, d.paused, d.quarantined, d.silent, d.failing, n.synced, n.in_trouble, n.stopped, n.need_auth, n.resting,
           n.due, n.due_longest, n.waiting, n.mails_held, odoo.owed AS odoo_owed, odoo.held AS removals_held,
           odoo.longest AS odoo_longest, outlook.owed AS outlook_owed, outlook.longest AS outlook_longest, s.valid, s.unheard,
           s.unmade, apps.refused, apps.secret_ends,
           (SELECT count(*) FROM put_aside JOIN a ON a.id = put_aside.account_id) AS put_aside
      FROM databases_now d, accounts_now n, odoo, outlook, subscribed s, apps";

/// The values of the gauges.
#[derive(Clone, Debug, QueryableByName)]
pub struct Gauges {
    /// Databases.
    #[diesel(sql_type = BigInt)]
    pub paired: i64,
    #[diesel(sql_type = BigInt)]
    pub paused: i64,
    #[diesel(sql_type = BigInt)]
    pub quarantined: i64,
    #[diesel(sql_type = BigInt)]
    pub silent: i64,
    #[diesel(sql_type = BigInt)]
    pub failing: i64,
    /// Mailboxes.
    #[diesel(sql_type = BigInt)]
    pub synced: i64,
    #[diesel(sql_type = BigInt)]
    pub in_trouble: i64,
    #[diesel(sql_type = BigInt)]
    pub stopped: i64,
    #[diesel(sql_type = BigInt)]
    pub need_auth: i64,
    #[diesel(sql_type = BigInt)]
    pub resting: i64,
    #[diesel(sql_type = BigInt)]
    pub due: i64,
    /// Seconds; `None` if none is due.
    #[diesel(sql_type = Nullable<Double>)]
    pub due_longest: Option<f64>,
    /// Events that wait for a choice.
    #[diesel(sql_type = BigInt)]
    pub waiting: i64,
    #[diesel(sql_type = BigInt)]
    pub mails_held: i64,
    #[diesel(sql_type = BigInt)]
    pub odoo_owed: i64,
    #[diesel(sql_type = BigInt)]
    pub removals_held: i64,
    /// Seconds.
    #[diesel(sql_type = Nullable<Double>)]
    pub odoo_longest: Option<f64>,
    #[diesel(sql_type = BigInt)]
    pub outlook_owed: i64,
    /// Seconds since the save; `None` if nothing was saved.
    #[diesel(sql_type = Nullable<Double>)]
    pub outlook_longest: Option<f64>,
    #[diesel(sql_type = BigInt)]
    pub valid: i64,
    /// Valid, but a change was not announced.
    #[diesel(sql_type = BigInt)]
    pub unheard: i64,
    /// Not valid, as requests have failed.
    #[diesel(sql_type = BigInt)]
    pub unmade: i64,
    #[diesel(sql_type = BigInt)]
    pub refused: i64,
    /// Seconds.
    #[diesel(sql_type = Nullable<Double>)]
    pub secret_ends: Option<f64>,
    #[diesel(sql_type = BigInt)]
    pub put_aside: i64,
}

/// Reads the values. An exchange counts as failing after `failures` in a row.
///
/// # Errors
/// When Postgres fails.
pub async fn read(conn: &mut Connection, present: DateTime<Utc>, failures: i32) -> QueryResult<Gauges> {
    diesel::sql_query(READ)
        .bind::<Timestamptz, _>(present)
        .bind::<Timestamptz, _>(present - HEARD_FOR)
        .bind::<Integer, _>(failures)
        .get_result(conn)
        .await
}

impl Gauges {
    /// Shows the values as metrics.
    pub fn show(&self) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "these are numbers of rows, which a float has exactly"
        )]
        let counts = [
            (DATABASES, "paired", self.paired),
            (DATABASES, "paused", self.paused),
            (DATABASES, "quarantined", self.quarantined),
            (DATABASES, "silent", self.silent),
            (DATABASES, "failing", self.failing),
            (MAILBOXES, "synced", self.synced),
            (MAILBOXES, "in_trouble", self.in_trouble),
            (MAILBOXES, "stopped", self.stopped),
            (MAILBOXES, "need_auth", self.need_auth),
            (RESTING, "", self.resting),
            (DUE, "", self.due),
            (HELD, "events", self.waiting),
            (HELD, "mails", self.mails_held),
            (HELD, "removals", self.removals_held),
            (OWED, "odoo", self.odoo_owed),
            (OWED, "outlook", self.outlook_owed),
            (SUBSCRIPTIONS, "valid", self.valid),
            (SUBSCRIPTIONS, "silent", self.unheard),
            (SUBSCRIPTIONS, "failing", self.unmade),
            (REGISTRATIONS_REFUSED, "", self.refused),
            (PUT_ASIDE, "", self.put_aside),
        ]
        .map(|(measure, label, count)| (measure, label, count as f64));
        // Clocks may differ.
        let waits = [
            (DUE_LONGEST, "", self.due_longest),
            (OWED_LONGEST, "odoo", self.odoo_longest),
            (OWED_LONGEST, "outlook", self.outlook_longest),
        ]
        .map(|(measure, label, wait)| (measure, label, wait.unwrap_or_default().max(0.0)));
        for (measure, label, value) in counts.into_iter().chain(waits) {
            measure.set(label, value);
        }
        SECRET_ENDS.set("", self.secret_ends.unwrap_or(f64::NAN));
    }
}
