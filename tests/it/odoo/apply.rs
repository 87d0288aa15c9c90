//! Applies one change of the service in Odoo's own transaction.

use serde_json::{Value, json};

use super::database::Odoo;

impl Odoo {
    pub(super) fn apply(&mut self, change: &Value) -> Value {
        let ack = |result: &str, record: Option<Value>| json!({"id": change["id"], "result": result, "record": record});
        if change["op"] == "create" {
            let known = self
                .records
                .values()
                .find(|r| r["link"] == change["link"])
                .and_then(|r| r["id"].as_i64());
            let id = known.unwrap_or_else(|| {
                let owner = change["user_id"].as_i64().expect("an owner");
                let before = self.outbox.len();
                let id = self.create(owner, "", "2000-01-01 00:00:00", "2000-01-01 01:00:00", &[]);
                self.outbox.truncate(before);
                self.records.get_mut(&id).expect("a record")["link"] = change["link"].clone();
                self.set(id, &change["values"]);
                id
            });
            return ack("applied", self.snapshot(id));
        }
        if change["op"] == "apply_series" {
            return self.apply_series(change);
        }
        let id = change["res_id"].as_i64().expect("an id");
        if change["op"] == "mailer" {
            let Some(record) = self.records.get_mut(&id) else {
                return ack("gone", None);
            };
            if !self.forgets_mailer {
                record["mailer"] = change["mailer"].clone();
            }
            if change["invite"] == true {
                let name = record["name"].as_str().unwrap_or_default().to_owned();
                self.invited.push(name);
            }
            return ack("applied", self.snapshot(id));
        }
        let Some(present) = self.snapshot(id) else {
            return ack("gone", None);
        };
        if present["version"] != change["version"] || self.moves_on {
            return ack("stale", Some(present));
        }
        match change["op"].as_str() {
            Some("write") => self.set(id, &change["values"]),
            Some("archive") => self.set(id, &json!({"active": false})),
            Some("detach") => self.detach(id, change["apart"].as_array().expect("slots")),
            Some("unlink") => {
                self.records.remove(&id);
                return ack("gone", None);
            }
            other => panic!("unknown op {other:?}"),
        }
        ack("applied", self.snapshot(id))
    }
}
