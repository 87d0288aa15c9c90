//! A database of Odoo with the add-on, and its calls to the service.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::stack::{ANN, BEN, CLIENT_ID, CLIENT_SECRET, Doors, ODOO_URL, Service, enroll, enroll_again};

#[derive(Clone)]
pub struct Odoo {
    pub uuid: String,
    pub key: String,
    pub(super) nonce: String,
    pub(super) pending_nonce: Option<String>,
    pub records: BTreeMap<i64, Value>,
    pub next_id: i64,
    pub(super) outbox: Vec<Value>,
    pub(super) next_row: i64,
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
    pub(super) calls: i64,
    /// What is wrong with a record, in the eyes of a service that cannot take it.
    pub broken: BTreeMap<i64, Value>,
    /// Records that no call can carry.
    pub too_large: BTreeSet<i64>,
    /// Which of them the service has asked for.
    pub(super) untold: BTreeMap<i64, Value>,
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
            users: BTreeMap::from([(7, ANN.to_owned()), (8, BEN.to_owned())]),
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
}
