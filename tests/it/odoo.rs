//! A model of the add-on's side of the exchange: records, an outbox, versions, results waiting to be sent.

mod series;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::stack::{CLIENT_ID, CLIENT_SECRET, Doors, ODOO_URL, Service, Stack, enroll, enroll_again};

#[derive(Clone)]
pub struct Odoo {
    pub uuid: String,
    pub key: String,
    nonce: String,
    pending_nonce: Option<String>,
    pub records: BTreeMap<i64, Value>,
    pub next_id: i64,
    outbox: Vec<Value>,
    next_row: i64,
    pub results: Vec<Value>,
    /// Odoo user → address.
    pub users: BTreeMap<i64, String>,
    pub state: Value,
    /// What people have written in a contact's field for its address, by that address: a name with it, or a second address.
    pub contacts: BTreeMap<String, String>,
    /// The user who saves.
    pub actor: i64,
    /// The user who waits for the next exchange, if it is not a cron's.
    pub waiting: Option<i64>,
    /// How long that user waits for the mailbox.
    pub wait_ms: u64,
    /// Users who were archived or deleted, as the next exchanges tell.
    pub departed: Vec<Value>,
    /// Titles of events that Odoo invited to because the service said so.
    pub invited: Vec<String>,
    /// Who tells the guests of what is saved, as the add-on records it.
    pub mailer: Value,
    /// An address that this Odoo gives to no event: an automation takes it off again.
    pub drops: Option<String>,
    /// It does not keep who tells the guests.
    pub forgets_mailer: bool,
    /// Its records move on between any two exchanges, though nobody saves them.
    pub moves_on: bool,
    /// How many changes the service has told it.
    pub told: usize,
    /// Records that a rule of this Odoo keeps out of Outlook.
    pub excluded: BTreeSet<i64>,
    /// Users of whose events, as they were asked for, some are not handed over yet.
    pub existing_left: Vec<i64>,
    /// How far its clock is off.
    pub clock: chrono::TimeDelta,
    /// How many calls were made since the pairing.
    calls: i64,
    /// What is wrong with a record, in the eyes of a service that cannot take it.
    pub broken: BTreeMap<i64, Value>,
    /// Records that no call can carry.
    pub too_large: BTreeSet<i64>,
    /// Which of them the service has asked for.
    untold: BTreeMap<i64, Value>,
    /// What the service has said of what it rejected, by row.
    pub rejected: BTreeMap<i64, String>,
    /// Records of which it says that what they were is no record of its own any more.
    pub was_gone: BTreeSet<i64>,
    /// Everybody who saves, where it says so.
    pub savers: Vec<Value>,
    /// The earliest and the latest version of the exchange that it says it understands.
    pub versions: Option<(i32, i32)>,
}

impl Odoo {
    /// Pairs and configures a new database whose users are Ann (7) and Ben (8).
    pub async fn pair(service: &Service) -> Self {
        Self::pair_with(service, enroll(service).await).await
    }

    /// The same with a code that was printed for it.
    pub async fn pair_with(service: &impl Doors, code: String) -> Self {
        let mut odoo = Self {
            uuid: Uuid::new_v4().to_string(),
            key: String::new(),
            nonce: String::new(),
            pending_nonce: None,
            records: BTreeMap::new(),
            next_id: 40,
            outbox: Vec::new(),
            next_row: 1,
            results: Vec::new(),
            users: BTreeMap::from([
                (7, super::stack::ANN.to_owned()),
                (8, super::stack::BEN.to_owned()),
            ]),
            state: Value::Null,
            contacts: BTreeMap::new(),
            actor: 2,
            waiting: None,
            wait_ms: 0,
            departed: Vec::new(),
            invited: Vec::new(),
            mailer: Value::Null,
            drops: None,
            forgets_mailer: false,
            moves_on: false,
            told: 0,
            excluded: BTreeSet::new(),
            existing_left: Vec::new(),
            clock: chrono::TimeDelta::zero(),
            calls: 0,
            broken: BTreeMap::new(),
            too_large: BTreeSet::new(),
            untold: BTreeMap::new(),
            rejected: BTreeMap::new(),
            was_gone: BTreeSet::new(),
            savers: Vec::new(),
            versions: Some((1, 1)),
        };
        odoo.redeem_code(service, code).await;
        // Tests do in a minute what people do in a day.
        let many = 1_000_000;
        let kwargs = json!({"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "mails_an_hour": many});
        odoo.call(service, 2, "res.config.settings", "set_values", kwargs)
            .await
            .expect("configured");
        odoo
    }

    pub async fn pair_again(&mut self, service: &Service) {
        let code = enroll_again(service, &self.uuid).await;
        self.redeem_code(service, code).await;
    }

    pub async fn redeem_code(&mut self, service: &impl Doors, code: String) {
        self.key = code;
        let kwargs = json!({"name": "odoo", "base_url": ODOO_URL, "series": "19.0"});
        let paired = self
            .call(service, 2, "outlook.bridge", "pair", kwargs)
            .await
            .expect("paired");
        self.take_pairing(&paired);
    }

    /// Keeps what it got for a code.
    pub fn take_pairing(&mut self, paired: &Value) {
        self.key = paired["api_key"].as_str().expect("a key").to_owned();
        self.nonce = paired["nonce"].as_str().expect("a nonce").to_owned();
        self.calls = 0;
        self.results.clear();
        self.pending_nonce = None;
    }

    pub async fn call(
        &self,
        service: &impl Doors,
        uid: i64,
        model: &str,
        method: &str,
        kwargs: Value,
    ) -> Result<Value, Value> {
        let body = json!({"jsonrpc": "2.0", "method": "call", "id": 1, "params": {
            "service": "object", "method": "execute_kw",
            "args": [self.uuid, uid, self.key, model, method, [], kwargs]}});
        let mut request = reqwest::Client::new().post(format!("{}/jsonrpc", service.url()));
        if method != "pair" {
            request = request
                .header("Authorization", format!("Bearer {}", self.key))
                .header("X-Odoo-Database", &self.uuid);
        }
        if let Some((lowest, api)) = self.versions {
            request = request
                .header("X-Bridge-Api", api)
                .header("X-Bridge-Api-Lowest", lowest);
        }
        let response = request
            .json(&body)
            .send()
            .await
            .map_err(|e| json!(e.to_string()))?;
        let mut answer: Value = response.json().await.map_err(|e| json!(e.to_string()))?;
        match answer.get_mut("result") {
            Some(result) => Ok(result.take()),
            None => Err(answer["error"].take()),
        }
    }

    /// Logs a user in at the simulator, through its pages.
    pub async fn connect(&self, stack: &Stack, service: &impl Doors, uid: i64) -> Result<Value, Value> {
        let redeemed = self.log_in(stack, service, uid).await;
        next_second().await;
        redeemed
    }

    /// The same for who was connected before.
    pub async fn log_in(&self, stack: &Stack, service: &impl Doors, uid: i64) -> Result<Value, Value> {
        let url = self.authorize_url(service, uid).await?;
        let query = stack.sign_in(&url, &self.users[&uid], "accept").await;
        self.redeem(service, uid, &query).await
    }

    pub async fn authorize_url(&self, service: &impl Doors, uid: i64) -> Result<String, Value> {
        let kwargs = json!({"from_url": format!("{ODOO_URL}/odoo/calendar")});
        let answer = self
            .call(service, uid, "res.users", "authorize_url", kwargs)
            .await?;
        Ok(answer["url"].as_str().expect("a URL").to_owned())
    }

    pub async fn redeem(
        &self,
        service: &impl Doors,
        uid: i64,
        query: &BTreeMap<String, String>,
    ) -> Result<Value, Value> {
        self.call(service, uid, "res.users", "redeem", json!(query)).await
    }

    /// `createdb -T`.
    pub fn copy(&self) -> Self {
        self.clone()
    }

    /// A result that the service cannot read.
    pub fn write_malformed_result(&mut self) {
        self.results
            .push(json!({"id": 1, "result": "juggled", "record": null}));
    }

    /// The table of waiting results is lost.
    pub fn forget_results(&mut self) {
        self.results.clear();
    }

    // -- what people do in Odoo ----------------------------------------------------------------------------------

    pub fn create(&mut self, user: i64, name: &str, start: &str, stop: &str, guests: &[&str]) -> i64 {
        let id = self.next_id;
        self.next_id += 1;
        let time = self.now();
        let mut attendees = vec![self.attendee(user, None, "accepted")];
        attendees.extend(guests.iter().map(|g| self.attendee(0, Some(g), "needsAction")));
        let record = json!({
            "model": "calendar.event", "id": id, "link": null, "version": "", "active": true, "recurrent": false,
            "name": name, "description": null, "location": null, "videocall_location": null, "online_meeting": false,
            "allday": false, "start": start, "stop": stop, "start_date": null, "stop_date": null,
            "tz": "Europe/Brussels", "privacy": null, "default_privacy": "public", "show_as": "busy",
            "reminder_minutes": [], "organizer": self.organizer(user), "attendees": attendees,
            "create_date": time, "write_date": time, "mailer": self.mailer,
        });
        self.records.insert(id, record);
        self.touch(id, &["name", "start", "stop", "attendee_ids"]);
        id
    }

    /// Makes the record one that Odoo's own engine had linked before the pairing: nobody has edited it since.
    pub fn link_by_stock(&mut self, id: i64, microsoft_id: &Value, uid: &Value) {
        self.records.get_mut(&id).expect("a record")["stock_ids"] =
            json!({"microsoft_id": microsoft_id, "uid": uid});
        self.outbox.retain(|row| row["res_id"] != id);
    }

    /// A user, as a snapshot names its organizer.
    pub fn organizer(&self, user: i64) -> Value {
        json!({"user_id": user, "partner_id": user + 100, "email": self.users[&user], "name": format!("User {user}")})
    }

    fn attendee(&self, user: i64, email: Option<&str>, state: &str) -> Value {
        let user = email.map_or(Some(user), |e| {
            self.users.iter().find(|(_, a)| *a == e).map(|(u, _)| *u)
        });
        let email = email
            .map(str::to_owned)
            .or_else(|| user.map(|u| self.users[&u].clone()))
            .unwrap_or_default();
        let partner = user.map_or_else(
            || 1000 + i64::from(email.bytes().map(u16::from).sum::<u16>()),
            |u| u + 100,
        );
        let written = self.contacts.get(&email).unwrap_or(&email);
        json!({"id": partner, "partner_id": partner, "user_id": user, "email": written, "name": email, "state": state})
    }

    /// Whether a line is of the contact with this address.
    fn is_of(&self, line: &Value, address: &str) -> bool {
        line["email"] == address
            || self
                .contacts
                .get(address)
                .is_some_and(|written| line["email"] == **written)
    }

    /// Somebody adds a contact with the organizer's own address: another partner than the organizer's.
    pub fn add_namesake(&mut self, id: i64, address: &str) {
        let mut attendees = self.records[&id]["attendees"].clone();
        let list = attendees.as_array_mut().expect("attendees");
        let partner = 5000;
        list.retain(|line| line["partner_id"] != partner);
        list.push(
            json!({"id": partner, "partner_id": partner, "user_id": null, "email": address, "name": address,
            "state": "needsAction"}),
        );
        self.write(id, json!({"attendees": attendees}));
    }

    pub fn write(&mut self, id: i64, values: Value) {
        let fields: Vec<String> = values.as_object().expect("values").keys().cloned().collect();
        for (key, value) in values.as_object().expect("values") {
            self.records.get_mut(&id).expect("a record")[key] = value.clone();
        }
        let time = self.now();
        self.records.get_mut(&id).expect("a record")["write_date"] = json!(time);
        self.touch(id, &fields.iter().map(String::as_str).collect::<Vec<_>>());
    }

    pub fn set_guests(&mut self, id: i64, guests: &[&str]) {
        let user = self.records[&id]["organizer"]["user_id"]
            .as_i64()
            .expect("an organizer");
        let mut attendees = vec![self.attendee(user, None, "accepted")];
        attendees.extend(guests.iter().map(|g| self.attendee(0, Some(g), "needsAction")));
        self.write(id, json!({"attendees": attendees}));
    }

    /// Some guests more and some less; the others keep their answers.
    pub fn change_guests(&mut self, id: i64, add: &[&str], remove: &[&str]) {
        let mut attendees = self.records[&id]["attendees"]
            .as_array()
            .expect("attendees")
            .clone();
        attendees.retain(|a| !remove.iter().any(|gone| self.is_of(a, gone)));
        attendees.extend(add.iter().map(|g| self.attendee(0, Some(g), "needsAction")));
        self.write(id, json!({"attendees": attendees}));
    }

    pub fn answer(&mut self, id: i64, user: i64, state: &str) {
        let mut attendees = self.records[&id]["attendees"].clone();
        for line in attendees.as_array_mut().expect("attendees") {
            if line["user_id"] == user {
                line["state"] = json!(state);
                line["answered_by"] = json!({"uid": user, "is_admin": false, "by_link": false});
            }
        }
        self.write(id, json!({"attendees": attendees}));
    }

    pub fn unlink(&mut self, id: i64) {
        let record = self.records.remove(&id).expect("a record");
        let row = json!({"id": self.next_row, "kind": "tombstone", "cause": "save", "uid": self.actor,
            "time": self.now(), "model": record["model"], "res_id": id, "key": record["key"], "link": record["link"],
            "was": record["was"]});
        self.next_row += 1;
        self.outbox.push(row);
    }

    fn touch(&mut self, id: i64, fields: &[&str]) {
        let time = self.now();
        let times: Map<String, Value> = fields.iter().map(|f| ((*f).to_owned(), json!(time))).collect();
        let row = json!({"id": self.next_row, "kind": "snapshot", "cause": "save", "uid": self.actor, "times": times, "res_id": id});
        self.next_row += 1;
        self.outbox.push(row);
    }

    fn now(&self) -> String {
        (chrono::Utc::now() + self.clock)
            .format("%Y-%m-%d %H:%M:%S")
            .to_string()
    }

    pub fn by_name(&self, name: &str) -> Option<&Value> {
        let mut found = self
            .records
            .values()
            .filter(|r| r["name"] == name && r["active"] == true);
        let record = found.next();
        assert!(found.next().is_none(), "twins of {name}");
        record
    }

    // -- the exchange ------------------------------------------------------------------------------------------

    fn snapshot(&self, id: i64) -> Option<Value> {
        let mut record = self.records.get(&id)?.clone();
        let mut counted = record.clone();
        for key in ["version", "mailer", "create_date", "write_date"] {
            counted.as_object_mut()?.remove(key);
        }
        record["version"] = json!(hex::encode(Sha256::digest(counted.to_string())));
        if self.excluded.contains(&id) {
            record["excluded"] = json!(true);
        }
        if let Some(broken) = self.broken.get(&id).and_then(Value::as_object) {
            record.as_object_mut()?.extend(broken.clone());
        }
        Some(record)
    }

    /// Exchanges until there is nothing more to do.
    pub async fn sync(&mut self, service: &impl Doors) {
        for _ in 0..20 {
            let answer = match self.exchange(service).await {
                Ok(answer) => answer,
                // On a slow machine. Odoo's job tries it again, too.
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

    /// One exchange, up to and with its acknowledgement's writing.
    pub async fn exchange(&mut self, service: &impl Doors) -> Result<Value, Value> {
        let answer = self.hand_over(service).await?;
        self.take(&answer);
        Ok(answer)
    }

    /// Whether nothing waits to be handed over.
    pub fn is_idle(&self) -> bool {
        self.outbox.is_empty() && self.results.is_empty()
    }

    /// The request alone: what Odoo sends, and what comes back.
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
        let changes: Vec<Value> = self
            .outbox
            .iter()
            .map(|row| {
                let mut row = row.clone();
                row["actors"] = json!(self.savers);
                if row["kind"] == "snapshot" {
                    let id = row["res_id"].as_i64().expect("an id");
                    row["was_gone"] = json!(self.was_gone.contains(&id));
                    match self.snapshot(id) {
                        // What the service has from Outlook is told for the sake of what comes from there.
                        Some(record) if self.excluded.contains(&id) && record["stock_ids"].is_null() => {
                            row["kind"] = json!("excluded");
                            if let Some(key) = record.get("key") {
                                row["model"] = json!("calendar.recurrence");
                                row["key"] = key.clone();
                            }
                        }
                        Some(record) => row["record"] = record,
                        None => {
                            row = json!({"id": row["id"], "kind": "tombstone", "cause": row["cause"], "res_id": id,
                                "model": row["model"], "key": row["key"]})
                        }
                    }
                }
                row
            })
            .collect();
        let kwargs = json!({"nonce": self.nonce, "next_nonce": next, "changes": changes, "acks": self.results,
            "user_id": self.waiting, "limit": 50, "wait_ms": self.wait_ms, "now": self.now(), "departed": self.departed,
            "existing_left": self.existing_left, "call": self.calls,
            "untold": self.untold.values().collect::<Vec<_>>()});
        self.call(service, 1, "calendar.event", "sync", kwargs).await
    }

    /// What the add-on does with an answer, in its own transaction.
    pub fn take(&mut self, answer: &Value) {
        self.nonce = self.pending_nonce.take().expect("a nonce");
        self.state = answer["state"].clone();
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
                let row = json!({"id": self.next_row, "kind": "snapshot", "cause": "existing", "uid": 1, "times": {}, "res_id": id});
                self.next_row += 1;
                self.outbox.push(row);
            }
        }
        for wanted in answer["want_records"].as_array().expect("a list") {
            let row = json!({"id": self.next_row, "kind": "snapshot", "cause": "existing", "uid": 1, "times": {},
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

    fn apply(&mut self, change: &Value) -> Value {
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

    fn set(&mut self, id: i64, values: &Value) {
        for (key, value) in values.as_object().expect("values") {
            match key.as_str() {
                "organizer" => {
                    let user = value["user_id"].as_i64();
                    let organizer = user.map(|u| self.organizer(u)).unwrap_or(Value::Null);
                    let record = self.records.get_mut(&id).expect("a record");
                    // Who they are is said with it.
                    if user.is_none() && values.get("attendees").is_none() {
                        record["attendees"] = json!([]);
                    }
                    record["organizer"] = organizer;
                }
                "attendees" => {
                    let organizer = values.get("organizer").map(|o| o["user_id"].clone());
                    let organizer =
                        organizer.unwrap_or_else(|| self.records[&id]["organizer"]["user_id"].clone());
                    let mut lines: Vec<Value> = organizer
                        .as_i64()
                        .map(|u| self.attendee(u, None, "accepted"))
                        .into_iter()
                        .collect();
                    for attendee in value.as_array().expect("attendees") {
                        let email = attendee["email"].as_str().expect("an address");
                        if self.drops.as_deref() == Some(email) {
                            continue;
                        }
                        let state = attendee["state"].as_str().expect("a state");
                        // As the add-on does it: the user, where the service names one.
                        let user = attendee["user_id"]
                            .as_i64()
                            .filter(|user| self.users.contains_key(user));
                        lines.push(match user {
                            Some(user) => self.attendee(user, None, state),
                            None => self.attendee(0, Some(email), state),
                        });
                    }
                    // Who is written no other answer keeps who gave it.
                    let record = self.records.get_mut(&id).expect("a record");
                    for before in record["attendees"].as_array().into_iter().flatten() {
                        let is_same =
                            |line: &Value| line["id"] == before["id"] && line["state"] == before["state"];
                        if let (Some(line), Some(by)) = (
                            lines.iter_mut().find(|line| is_same(line)),
                            before.get("answered_by"),
                        ) {
                            line["answered_by"] = by.clone();
                        }
                    }
                    record["attendees"] = json!(lines);
                }
                _ => self.records.get_mut(&id).expect("a record")[key] = value.clone(),
            }
        }
        let time = self.now();
        self.records.get_mut(&id).expect("a record")["write_date"] = json!(time);
    }
}

/// Odoo's times are whole seconds: what is made in the next one was not there before a connection.
pub async fn next_second() {
    let rest = 1000 - chrono::Utc::now().timestamp_subsec_millis() % 1000;
    tokio::time::sleep(std::time::Duration::from_millis(rest.into())).await;
}

/// Of an event, or of a series.
fn organizer_of(record: &Value) -> &Value {
    record
        .get("organizer")
        .unwrap_or(&record["template"]["organizer"])
}

fn is_linked_guest(record: &Value, user: &Value) -> bool {
    let attendees = record["attendees"].as_array();
    !record["stock_ids"].is_null() && attendees.is_some_and(|list| list.iter().any(|a| a["user_id"] == *user))
}

impl Stack {
    /// A person at the login page: picks the account, accepts or cancels; returns what Microsoft sends to Odoo.
    pub async fn sign_in(&self, url: &str, account: &str, decision: &str) -> BTreeMap<String, String> {
        let page = self.http.get(url).send().await.expect("the login page");
        let (status, text) = (page.status(), page.text().await.expect("a page"));
        assert!(status.is_success(), "{status}: {text}");
        let mut html = text;
        for (step, fields) in [
            ("select", vec![("account", account)]),
            ("consent", vec![("account", account), ("decision", decision)]),
        ] {
            let request = unescape(between(&html, "name=\"request\" value=\"", "\""));
            let mut form = vec![("request", request.as_str())];
            form.extend(fields);
            // The page's own form: the tenant is in its address.
            let path = unescape(between(&html, "action=\"", "\""));
            assert!(path.ends_with(step), "{path}");
            let action = url::Url::parse(&self.sim.url())
                .expect("a URL")
                .join(&path)
                .expect("a path");
            let answer = self
                .http
                .post(action)
                .form(&form)
                .send()
                .await
                .expect("an answer");
            if let Some(location) = answer.headers().get("Location") {
                let url = url::Url::parse(location.to_str().expect("text")).expect("a URL");
                return url.query_pairs().into_owned().collect();
            }
            html = answer.text().await.expect("a page");
        }
        panic!("the login led nowhere: {html}");
    }
}

fn between<'t>(text: &'t str, from: &str, to: &str) -> &'t str {
    let rest = text
        .split_once(from)
        .unwrap_or_else(|| panic!("no {from} in {text}"))
        .1;
    rest.split_once(to).expect("an end").0
}

fn unescape(text: &str) -> String {
    text.replace("&quot;", "\"")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}
