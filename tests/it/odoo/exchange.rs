//! The exchange: what Odoo sends, and how it applies the answer.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use uuid::Uuid;

use super::database::Odoo;
use crate::stack::Doors;

impl Odoo {
    /// Exchanges until neither side has news.
    pub async fn sync(&mut self, service: &impl Doors) {
        for _ in 0..20 {
            let answer = match self.exchange(service).await {
                Ok(answer) => answer,
                // On a slow machine; Odoo's job would try again, too.
                Err(error) if error.to_string().contains("busy with other calls") => continue,
                Err(error) => panic!("an exchange: {error}"),
            };
            let idle = answer["changes"].as_array().is_some_and(Vec::is_empty)
                && answer["want_existing"].as_array().is_some_and(Vec::is_empty);
            if idle && self.results.is_empty() && self.outbox.is_empty() {
                return;
            }
        }
    }

    /// Makes one exchange, including the storing of its answer.
    pub async fn exchange(&mut self, service: &impl Doors) -> Result<Value, Value> {
        let answer = self.hand_over(service).await?;
        self.take(&answer);
        Ok(answer)
    }

    /// Whether nothing is left to send.
    pub fn is_idle(&self) -> bool {
        self.outbox.is_empty() && self.results.is_empty()
    }

    /// Sends the request and returns the answer, without applying it.
    pub async fn hand_over(&mut self, service: &impl Doors) -> Result<Value, Value> {
        self.calls += 1;
        let next = self
            .pending_nonce
            .get_or_insert_with(|| Uuid::new_v4().to_string())
            .clone();
        for row in std::mem::take(&mut self.outbox) {
            let id = row["res_id"].as_i64().expect("an id");
            match self.records.get(&id).filter(|_| self.too_large.contains(&id)) {
                Some(record) => {
                    let about = json!({"res_id": id, "model": record["model"], "key": record["key"], "message": "It is too large."});
                    self.untold.insert(id, about);
                }
                None => self.outbox.push(row),
            }
        }
        let changes: Vec<Value> = self.outbox.iter().map(|row| self.touched(row)).collect();
        let kwargs = json!({"nonce": self.nonce, "next_nonce": next, "changes": changes, "acks": self.results, "actors": self.savers,
            "user_id": self.waiting, "limit": 50, "wait_ms": self.wait_ms, "now": self.now(), "departed": self.departed,
            "existing_left": self.existing_left, "call": self.calls,
            "state_tag": self.state["tag"],
            "untold": self.untold.values().collect::<Vec<_>>()});
        self.call(service, 1, "calendar.event", "sync", kwargs).await
    }

    /// Returns the record as it is now, with its outbox row, once for each user who saved it.
    fn touched(&self, row: &Value) -> Value {
        let id = row["res_id"].as_i64().expect("an id");
        let by: Vec<Value> = match self.savers.as_slice() {
            [] => vec![Value::Null],
            savers => savers.iter().map(|saver| saver["uid"].clone()).collect(),
        };
        let rows: Vec<Value> = by
            .iter()
            .map(|uid| {
                json!({"id": row["id"], "cause": row["cause"], "uid": uid, "times": row["times"].as_object().cloned().unwrap_or_default(),
                    "link": row["link"], "was": row["was"], "rejections": 0})
            })
            .collect();
        let mut change = json!({"model": row["model"], "key": row["key"], "res_id": id, "rows": rows,
            "was_gone": self.was_gone.contains(&id)});
        let Some(record) = self.snapshot(id) else {
            return change;
        };
        change["model"] = record["model"].clone();
        change["key"] = record["key"].clone();
        // A record that came from Outlook is sent nevertheless, as Outlook still has news of it.
        if self.excluded.contains(&id) && record["stock_ids"].is_null() {
            change["excluded"] = json!({"active": true, "was": record["was"]});
        } else {
            change["record"] = record;
        }
        change
    }

    /// Keeps a state; one of changed accounts replaces only those.
    fn keep_state(&mut self, mut told: Value) {
        if told["partial"] == true {
            let changed = told["accounts"].take();
            let changed = changed.as_array().expect("accounts").iter();
            let known = self.state["accounts"].as_array().into_iter().flatten();
            let all: BTreeMap<i64, Value> = known
                .chain(changed)
                .map(|account| (account["user_id"].as_i64().expect("an id"), account.clone()))
                .collect();
            told["accounts"] = all.into_values().collect();
        }
        self.state = told;
    }

    /// Applies an answer as the add-on does, in its own transaction.
    pub fn take(&mut self, answer: &Value) {
        self.nonce = self.pending_nonce.take().expect("a nonce");
        self.keep_state(answer["state"].clone());
        let acked: BTreeSet<i64> = answer["acked"]
            .as_array()
            .expect("acked")
            .iter()
            .filter_map(Value::as_i64)
            .collect();
        for rejected in answer["rejected"].as_array().expect("a list") {
            let words = rejected["message"].as_str().expect("words").to_owned();
            self.rejected
                .insert(rejected["id"].as_i64().expect("an id"), words);
        }
        let is_settled = |row: i64| acked.contains(&row) || self.rejected.contains_key(&row);
        self.outbox
            .retain(|row| !is_settled(row["id"].as_i64().expect("an id")));
        self.results.clear();
        for user in answer["want_existing"].as_array().expect("a list").clone() {
            let own: Vec<i64> = self
                .records
                .iter()
                .filter(|(_, r)| r["active"] == true)
                .filter(|(_, r)| organizer_of(r)["user_id"] == user || is_linked_guest(r, &user))
                .map(|(id, _)| *id)
                .collect();
            for id in own {
                let row =
                    json!({"id": self.next_row, "cause": "existing", "uid": 1, "times": {}, "res_id": id});
                self.next_row += 1;
                self.outbox.push(row);
            }
        }
        for wanted in answer["want_records"].as_array().expect("a list") {
            let row = json!({"id": self.next_row, "cause": "existing", "uid": 1, "times": {},
                "res_id": wanted["res_id"], "model": wanted["model"], "key": wanted["key"]});
            self.next_row += 1;
            self.outbox.push(row);
        }
        for change in answer["changes"].as_array().expect("changes").clone() {
            self.told += 1;
            let result = self.apply(&change);
            self.results.push(result);
        }
    }
}

/// Returns the organizer of an event or of a series.
fn organizer_of(record: &Value) -> &Value {
    record
        .get("organizer")
        .unwrap_or(&record["template"]["organizer"])
}

fn is_linked_guest(record: &Value, user: &Value) -> bool {
    let attendees = record["attendees"].as_array();
    !record["stock_ids"].is_null() && attendees.is_some_and(|list| list.iter().any(|a| a["user_id"] == *user))
}
