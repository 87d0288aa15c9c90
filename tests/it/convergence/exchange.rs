//! Exchanges between Odoo and the service, until neither side has news.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use super::event::Deed;
use super::operations::Exchange;
use super::service::Process;
use super::shown::id_of;
use super::world::World;
use crate::odoo::next_second;
use crate::stack::{CLIENT_ID, CLIENT_SECRET};

/// How long a world may take to become quiet. It never needs that long, so a timeout means that it
/// does not end.
const PATIENCE: Duration = Duration::from_secs(300);

/// How long Odoo waits for an answer.
const CALL: Duration = Duration::from_secs(10);

fn next_of<'s>(services: &'s [Process], calls: &mut usize) -> &'s Process {
    *calls += 1;
    &services[*calls % services.len()]
}

impl World {
    pub(super) async fn exchange(&mut self, exchange: Exchange) {
        // Odoo's advisory lock lets one exchange apply at a time.
        if let Some(answer) = self.held.take() {
            self.odoo.take(&answer);
        }
        if self.services.is_empty() {
            return;
        }
        let service = next_of(&self.services, &mut self.calls);
        let Ok(Ok(answer)) = timeout(CALL, self.odoo.hand_over(service)).await else {
            return;
        };
        match exchange {
            Exchange::Whole => self.odoo.take(&answer),
            Exchange::AnswerLost => {}
            Exchange::Repeated => {
                if let Ok(answer) = self.odoo.hand_over(service).await {
                    self.odoo.take(&answer);
                }
            }
            Exchange::Slow => self.held = Some(answer),
        }
    }

    /// Goes on until neither side has news: faults end, the service runs, Odoo exchanges, and each
    /// mailbox is run again and again, until nothing has changed twice in a row.
    pub async fn quiet(&mut self) {
        self.stack.sim_call("DELETE", "faults", Value::Null).await;
        self.stack
            .sim_call("PUT", "switches", json!({"spurious_412_every": 0}))
            .await;
        self.new_secret().await;
        let until = tokio::time::Instant::now() + PATIENCE;
        let mut still = 0;
        while still < 2 {
            assert!(
                tokio::time::Instant::now() < until,
                "never quiet: {}",
                self.what_moves().await
            );
            let before = self.fingerprint();
            self.exchange(Exchange::Whole).await;
            self.run_twice(until).await;
            self.archive_what_waits().await;
            self.exchange(Exchange::Whole).await;
            let moved = self.fingerprint() != before || !self.odoo.is_idle() || self.owed().await > 0;
            still = if moved { 0 } else { still + 1 };
        }
        self.is_disturbed = false;
    }

    /// Returns values that change whenever either side does.
    fn fingerprint(&self) -> (Vec<(u64, u64)>, u64, String) {
        let microsoft = self.stack.sim.sim.world();
        let marks = microsoft
            .mailboxes
            .values()
            .map(|m| (m.next_seq, m.next_change))
            .collect();
        let records = serde_json::to_string(&self.odoo.records).expect("JSON");
        (marks, microsoft.next_mail, records)
    }

    /// Waits until each mailbox has had a whole run that began after this call: the second run that
    /// ends.
    async fn run_twice(&mut self, until: tokio::time::Instant) {
        for _ in 0..2 {
            let since = chrono::Utc::now();
            loop {
                assert!(
                    tokio::time::Instant::now() < until,
                    "not worked: {}",
                    self.what_moves().await
                );
                let late = self.late(since).await;
                let Some(user) = late.iter().copied().min() else {
                    break;
                };
                // Waiting times are over, and somebody opens the calendar, so that this takes
                // effect at once.
                self.run_sql(
                    "UPDATE outlook_outbox SET next_attempt_at = now() WHERE next_attempt_at > now()",
                )
                .await;
                self.run_sql("UPDATE put_aside SET next_at = now() WHERE next_at > now()")
                    .await;
                let users: Vec<String> = late.iter().map(i64::to_string).collect();
                let users = users.join(", ");
                self.run_sql(&format!(
                    "UPDATE accounts SET next_run_at = now(), rest_until = NULL WHERE (next_run_at > now() OR rest_until > now()) AND odoo_user_id IN ({users})"
                ))
                .await;
                self.odoo.waiting = Some(user);
                self.exchange(Exchange::Whole).await;
                self.put_right().await;
                self.odoo.waiting = None;
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        }
    }

    /// People correct whatever keeps accounts from being synced, and approve what waits for
    /// approval.
    async fn put_right(&mut self) {
        if !self.odoo.state["quarantined"].is_null() {
            self.pair_again().await;
        }
        if self.odoo.state["paused"] == true {
            self.set(json!({"paused": false})).await;
        }
        for account in self.odoo.state["accounts"].as_array().expect("accounts").clone() {
            let user = account["user_id"].as_i64().expect("a user");
            match account["status"].as_str() {
                Some("stopped") => {
                    self.ask(user, "res.users", "restart", json!({"user_id": user}))
                        .await;
                }
                Some("need_auth") => {
                    self.log_in(user).await;
                    // Odoo's times are whole seconds: an event made in the same second would count
                    // as existing before.
                    next_second().await;
                }
                _ if self.revoked.contains(&user) => self.log_in(user).await,
                _ => {}
            }
            if account["mails"] != 0 {
                let yes = json!({"user_id": user, "send": true, "mails": null});
                self.ask(user, "res.users", "answer_mails", yes).await;
            }
            if !account["removals"].is_null() {
                let yes = json!({"user_id": user, "remove": true});
                self.ask(2, "res.users", "answer_removals", yes).await;
            }
        }
    }

    /// A restored service no longer knows an event that had ended. If somebody unarchives that, the
    /// service asks its organizer before anybody is invited, who prefers to archive it again.
    async fn archive_what_waits(&mut self) {
        let waiting = self.waiting_for_choice().await;
        for index in 0..self.events.len() {
            if self
                .active_record(index)
                .is_some_and(|record| waiting.contains(&id_of(&record)))
            {
                self.set_active(index, false);
                self.events[index].deeds.push(Deed::Archived);
            }
        }
    }

    pub(super) async fn log_in(&mut self, user: i64) {
        let redeemed = self.odoo.log_in(&self.stack, &self.services[0], user).await;
        if redeemed.is_ok() {
            self.revoked.remove(&user);
        }
    }

    pub(super) async fn pair_again(&mut self) {
        let code = self.services[0].enroll_again(&self.stack, &self.odoo.uuid).await;
        self.odoo.redeem_code(&self.services[0], code).await;
        // Odoo's times are whole seconds: what is made now must not count as existing before.
        next_second().await;
    }

    /// A user's call in Odoo. If it fails, the user tries again later.
    pub(super) async fn ask(&self, uid: i64, model: &str, method: &str, kwargs: Value) -> Option<Value> {
        self.odoo
            .call(&self.services[0], uid, model, method, kwargs)
            .await
            .ok()
    }

    pub(super) async fn set(&self, values: Value) {
        self.ask(2, "res.config.settings", "set_values", values).await;
    }

    pub(super) async fn new_secret(&self) {
        let path = format!("apps/{CLIENT_ID}");
        self.stack
            .sim_call("PATCH", &path, json!({"secret_expired": false}))
            .await;
        self.set(json!({"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}))
            .await;
    }
}
