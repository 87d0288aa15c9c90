//! What the service has stored: its database, its journal and its log.

use diesel_async::RunQueryDsl;
use outlook_bridge::store::{accounts, databases, outbox};
use serde_json::json;

use super::world::World;

impl World {
    /// Returns users whose mailbox had no successful run since then, or has pending changes.
    pub(super) async fn late(&self, since: chrono::DateTime<chrono::Utc>) -> Vec<i64> {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            user: i64,
        }
        let mut conn = self.store.get().await.expect("Postgres");
        let rows: Vec<Row> = diesel::sql_query(
            "SELECT odoo_user_id::bigint AS user FROM accounts
             WHERE last_sync_at IS NULL OR last_sync_at < $1
                OR EXISTS (SELECT FROM outlook_outbox o WHERE o.account_id = accounts.id)",
        )
        .bind::<diesel::sql_types::Timestamptz, _>(since)
        .load(&mut conn)
        .await
        .expect("accounts");
        rows.into_iter().map(|row| row.user).collect()
    }

    /// Returns the number of pending changes to both sides.
    pub async fn owed(&self) -> i64 {
        let mut conn = self.store.get().await.expect("Postgres");
        let mut owed = 0;
        for database in databases::all(&mut conn).await.expect("databases") {
            owed += outbox::odoo_owed(&mut conn, database.id).await.expect("a count");
            for account in accounts::of_database(&mut conn, database.id)
                .await
                .expect("accounts")
            {
                owed += outbox::outlook_owed(&mut conn, account.id)
                    .await
                    .expect("a count");
            }
        }
        owed
    }

    pub(super) async fn what_moves(&self) -> String {
        let log = self.log.lock().expect("the log");
        let tail: Vec<&str> = log.iter().rev().take(200).rev().map(String::as_str).collect();
        tail.join("\n")
    }

    /// Returns meetings that are set aside, or of which Outlook could not be told what Odoo has.
    /// There must be none, as all organizers are connected and nothing that people do here is
    /// refused.
    pub async fn troubled(&self) -> Vec<String> {
        self.meetings("set_aside IS NOT NULL OR differs").await
    }

    /// Returns the records of events that are not synced until their organizer has chosen.
    pub(super) async fn waiting_for_choice(&self) -> Vec<i64> {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            id: i64,
        }
        let mut conn = self.store.get().await.expect("Postgres");
        let rows: Vec<Row> = diesel::sql_query(
            "SELECT odoo_id::bigint AS id FROM meetings
             WHERE set_aside ->> 'code' = 'waits_for_choice' AND odoo_id IS NOT NULL",
        )
        .load(&mut conn)
        .await
        .expect("meetings");
        rows.into_iter().map(|row| row.id).collect()
    }

    /// Returns what the service knows of an event or a series.
    pub async fn known(&self, mark: &str) -> Vec<String> {
        let names = "coalesce(odoo_state ->> 'name', odoo_state #>> '{template,name}', '')";
        let of_copy = "coalesce(c.state ->> 'title', c.state #>> '{template,title}', '')";
        let like = format!("LIKE '{mark} %'");
        self.meetings(&format!(
            "{names} {like} OR EXISTS (SELECT FROM copies c WHERE c.meeting_id = meetings.id
             AND ({of_copy} {like} OR {of_copy} LIKE 'Canceled: {mark} %'))"
        ))
        .await
    }

    async fn meetings(&self, condition: &str) -> Vec<String> {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::Text)]
            text: String,
        }
        let mut conn = self.store.get().await.expect("Postgres");
        let rows: Vec<Row> = diesel::sql_query(format!(
            "SELECT concat(id, ' ', coalesce(odoo_state ->> 'name', odoo_state #>> '{{template,name}}'), ': ', set_aside,
               CASE WHEN differs THEN ' differs' END, CASE WHEN odoo_gone THEN ' gone' END,
               CASE WHEN ended THEN ' ended' END, CASE WHEN revived THEN ' revived' END,
               CASE WHEN unconfirmed THEN ' unconfirmed' END, CASE WHEN base_odoo IS NULL THEN ' without base' END,
               ' guests ', guests, ' record ', odoo_id, ' ', series_key, ' copies ',
               (SELECT string_agg(concat(c.account_id, ' ', c.state ->> 'title', c.state #>> '{{template,title}}',
                 CASE WHEN c.is_organizer THEN ' own' END, CASE WHEN c.gone THEN ' gone' END,
                 CASE WHEN c.cancelled THEN ' cancelled' END, ' answer ', c.answer, ' of ', c.answer_base), ', ')
                 FROM copies c WHERE c.meeting_id = meetings.id),
               ' accounts ', (SELECT string_agg(concat(a.odoo_user_id, ' ', a.state, ' ', a.existing), ', ') FROM accounts a),
               ' owed ', (SELECT count(*) FROM odoo_outbox o WHERE o.meeting_id = meetings.id),
               (SELECT string_agg(concat(E'\\n    ', to_char(j.at, 'HH24:MI:SS.MS '), j.message), '' ORDER BY j.id)
                 FROM journal j WHERE j.series_key = meetings.series_key)) AS text
             FROM meetings WHERE {condition}"
        ))
        .load(&mut conn)
        .await
        .expect("meetings");
        rows.into_iter().map(|row| row.text).collect()
    }

    /// Returns the journal's lines about a record, newest first.
    pub async fn journal(&self, record: i64) -> String {
        let service = &self.services[0];
        let kwargs = json!({"user_id": null, "res_id": record, "limit": 100});
        let lines = self
            .odoo
            .call(service, 2, "outlook.bridge", "journal", kwargs)
            .await
            .expect("the journal");
        let lines = lines.as_array().expect("lines");
        let text: Vec<String> = lines
            .iter()
            .map(|l| {
                format!(
                    "{} {}",
                    l["time"].as_str().unwrap_or(""),
                    l["message"].as_str().unwrap_or("")
                )
            })
            .collect();
        text.join("\n")
    }
}
