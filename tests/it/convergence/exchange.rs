//! Exchanges between Odoo and the service, until nobody has anything to say.

use std::time::Duration;

use serde_json::{Value, json};

use super::operations::Exchange;
use super::service::Process;
use super::world::World;
use crate::odoo::next_second;
use crate::stack::{CLIENT_ID, CLIENT_SECRET};

/// How long a world may take to become quiet: far longer than it ever does, so that what never ends is told.
const PATIENCE: Duration = Duration::from_secs(300);

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
        let service = next_of(&self.services, &mut self.calls);
        let Ok(answer) = self.odoo.hand_over(service).await else {
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

    /// Goes on until nobody has anything to say: faults end, the service runs, Odoo exchanges, and each mailbox is
    /// worked again and again, until twice in a row nothing moved.
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
            self.exchange(Exchange::Whole).await;
            let moved = self.fingerprint() != before || !self.odoo.is_idle() || self.owed().await > 0;
            still = if moved { 0 } else { still + 1 };
        }
        self.is_disturbed = false;
    }

    /// What changes whenever either side does.
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

    /// Waits until each mailbox has had a whole run that began from now on: the second one that ends did.
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
                // Time passes: what had to wait has waited. And somebody opens the calendar, so that it shows at once.
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

    /// People put right what keeps anybody from being synced, and say yes to what they are asked.
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
                    // Odoo counts in seconds: what is made in the same one seems to have been there before.
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

    pub(super) async fn log_in(&mut self, user: i64) {
        let redeemed = self.odoo.log_in(&self.stack, &self.services[0], user).await;
        if redeemed.is_ok() {
            self.revoked.remove(&user);
        }
    }

    pub(super) async fn pair_again(&mut self) {
        let code = self.services[0].enroll_again(&self.stack, &self.odoo.uuid).await;
        self.odoo.redeem_code(&self.services[0], code).await;
        // What is made from now on must not seem to have existed before: Odoo tells whole seconds.
        next_second().await;
    }

    /// A call of somebody in Odoo, who tries again later if it fails.
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
