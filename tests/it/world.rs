//! A stack with Ann connected, with which most tests begin.

use outlook_bridge::store::leases::{self, Urgency};
use outlook_bridge::store::{accounts, databases, outbox};
use serde_json::{Value, json};

use super::odoo::Odoo;
use super::stack::{Service, Stack, eventually, id_of};

pub const CARLA: &str = "carla@contoso.example";
pub const OUTSIDE: &str = "zoe@outside.example";

/// Frees all leases, as those of a killed process end only after some seconds. A run that is under
/// way loses its lease and is repeated.
pub async fn expire_leases(conn: &mut diesel_async::AsyncPgConnection) {
    let free = "UPDATE accounts SET lease_id = NULL, next_run_at = now() WHERE lease_id IS NOT NULL";
    diesel_async::RunQueryDsl::execute(diesel::sql_query(free), conn)
        .await
        .expect("expired");
}

pub struct World {
    pub stack: Stack,
    pub service: Service,
    pub odoo: Odoo,
}

/// Returns a world in which Ann is connected and everything is quiet.
pub async fn world() -> World {
    let stack = Stack::start().await;
    let service = stack.serve().await;
    let odoo = Odoo::pair(&service).await;
    let mut world = World { stack, service, odoo };
    world
        .odoo
        .connect(&world.stack, &world.service, 7)
        .await
        .expect("Ann is connected");
    world.quiet().await;
    world
}

impl World {
    /// Exchanges until no change is pending and every mailbox was run since.
    pub async fn quiet(&mut self) {
        for _ in 0..2 {
            self.odoo.sync(&self.service).await;
            let since = chrono::Utc::now();
            self.poll_now().await;
            eventually("every mailbox was worked", async || {
                let mut conn = self.service.engine.store.get().await.ok()?;
                for database in databases::all(&mut conn).await.ok()? {
                    for account in accounts::of_database(&mut conn, database.id).await.ok()? {
                        let owed = outbox::outlook_owed(&mut conn, account.id).await.ok()?;
                        if account.is_active()
                            && (owed > 0 || account.last_sync_at.is_none_or(|at| at < since))
                        {
                            return None;
                        }
                    }
                }
                Some(())
            })
            .await;
            self.odoo.sync(&self.service).await;
        }
    }

    /// Lets no mailbox wait for its next poll, save after a failure.
    async fn poll_now(&self) {
        let engine = &self.service.engine;
        let mut conn = engine.store.get().await.expect("a connection");
        let mut ids = Vec::new();
        for database in databases::all(&mut conn).await.expect("the databases") {
            let all = accounts::of_database(&mut conn, database.id).await;
            let rested = all
                .expect("the accounts")
                .into_iter()
                .filter(|one| one.failures == 0);
            ids.extend(rested.map(|one| one.id));
        }
        let woken = leases::wake(&mut conn, ids, Urgency::Poll).await;
        woken.expect("the mailboxes are due");
        engine.work.notify_one();
    }

    /// Waits for two runs of a user's mailbox: the second one began after this call.
    pub async fn worked(&self, user: i32) {
        for _ in 0..2 {
            let since = chrono::Utc::now();
            self.poll_now().await;
            eventually("the mailbox was worked", async || {
                let mut conn = self.service.engine.store.get().await.ok()?;
                let databases = databases::all(&mut conn).await.ok()?;
                let account = accounts::of_user(&mut conn, databases.first()?.id, user).await;
                account
                    .ok()??
                    .last_sync_at
                    .is_some_and(|at| at > since)
                    .then_some(())
            })
            .await;
        }
    }

    /// Kills the service in the middle of its work; another process takes over.
    pub async fn restart(&mut self) {
        let next = self.stack.serve().await;
        std::mem::replace(&mut self.service, next).kill().await;
        let mut conn = self.service.engine.store.get().await.expect("Postgres");
        expire_leases(&mut conn).await;
    }

    /// Makes a backup of the service's database, and goes on.
    pub async fn back_up(&mut self) {
        self.copy_while_stopped("", "_backup").await;
    }

    /// Restores the service's database from the backup.
    pub async fn restore(&mut self) {
        self.copy_while_stopped("_backup", "").await;
    }

    async fn copy_while_stopped(&mut self, from: &str, to: &str) {
        self.service.stop_working().await;
        self.stack.copy_database(from, to).await;
        self.restart().await;
    }

    /// Counts the rows that a condition finds in the service's database.
    pub async fn count(&self, from_where: &str) -> i64 {
        #[derive(diesel::QueryableByName)]
        struct Count {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            count: i64,
        }
        let mut conn = self.service.engine.store.get().await.expect("Postgres");
        let query = diesel::sql_query(format!("SELECT count(*) AS count FROM {from_where}"));
        let found: Count = diesel_async::RunQueryDsl::get_result(query, &mut conn)
            .await
            .expect("a count");
        found.count
    }

    pub async fn outlook_creates(&self, person: &str, subject: &str, attendees: &[&str]) -> Value {
        let attendees: Vec<Value> = attendees
            .iter()
            .map(|a| json!({"type": "required", "emailAddress": {"name": a, "address": a}}))
            .collect();
        let body = json!({"subject": subject, "attendees": attendees,
            "start": {"dateTime": day(3, "10:00:00"), "timeZone": "Europe/Brussels"},
            "end": {"dateTime": day(3, "11:00:00"), "timeZone": "Europe/Brussels"}});
        self.stack
            .sim_call("POST", &format!("mailboxes/{person}/events"), body)
            .await
    }

    pub async fn outlook_edits(&self, person: &str, event: &Value, changes: Value) {
        self.stack
            .sim_call(
                "PATCH",
                &format!("mailboxes/{person}/events/{}", id_of(event)),
                changes,
            )
            .await;
    }

    pub async fn outlook_deletes(&self, person: &str, event: &Value) {
        self.stack
            .sim_call(
                "DELETE",
                &format!("mailboxes/{person}/events/{}", id_of(event)),
                Value::Null,
            )
            .await;
    }

    pub async fn forget_mails(&self) {
        self.stack.sim_call("DELETE", "mails", Value::Null).await;
    }
}

pub fn day(days: i64, time: &str) -> String {
    format!(
        "{}T{time}",
        (chrono::Utc::now() + chrono::TimeDelta::days(days)).format("%Y-%m-%d")
    )
}

pub fn odoo_time(days: i64, time: &str) -> String {
    day(days, time).replace('T', " ")
}

pub fn kinds(mails: &[(String, String)]) -> Vec<(&str, &str)> {
    mails
        .iter()
        .map(|(kind, to)| (kind.as_str(), to.as_str()))
        .collect()
}

pub fn active(w: &World) -> usize {
    w.odoo.records.values().filter(|r| r["active"] == true).count()
}

pub async fn pause(w: &World, paused: bool) {
    let kwargs = json!({"paused": paused});
    w.odoo
        .call(&w.service, 2, "res.config.settings", "set_values", kwargs)
        .await
        .unwrap();
}

/// Returns a guest's response in Odoo.
pub fn answer_in_odoo(record: &Value, address: &str) -> String {
    let attendees = record["attendees"].as_array().expect("attendees");
    let line = attendees.iter().find(|a| a["email"] == address).expect("a guest");
    line["state"].as_str().expect("a state").to_owned()
}
