//! An Odoo database with the add-on, and its calls to the service.

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
    /// What contacts have in the address field beside the address (a name, or a second address), by
    /// address.
    pub contacts: BTreeMap<String, String>,
    /// The user who saves.
    pub actor: i64,
    /// The user who waits for the next exchange; none if a cron makes it.
    pub waiting: Option<i64>,
    /// How long that user waits for the mailbox.
    pub wait_ms: u64,
    /// Users who were archived or deleted, which the next exchanges report.
    pub departed: Vec<Value>,
    /// Titles of events to which Odoo has invited because the service said so.
    pub invited: Vec<String>,
    /// The sender of invitations for saved events, as the add-on records it.
    pub mailer: Value,
    /// An address that an automation of this Odoo removes from every event.
    pub drops: Option<String>,
    /// Whether this Odoo does not store the sender of invitations.
    pub forgets_mailer: bool,
    /// Whether its records change between any two exchanges, though nobody saves them.
    pub moves_on: bool,
    /// How many changes the service has sent.
    pub told: usize,
    /// Records that a rule of this Odoo keeps out of Outlook.
    pub excluded: BTreeSet<i64>,
    /// Users some of whose requested events are not sent yet.
    pub existing_left: Vec<i64>,
    /// The error of its clock.
    pub clock: chrono::TimeDelta,
    /// How many calls were made since the pairing.
    pub(super) calls: i64,
    /// Invalid values in place of a record's, so that the service cannot accept the record.
    pub broken: BTreeMap<i64, Value>,
    /// Records that are too large for any call.
    pub too_large: BTreeSet<i64>,
    /// Those of them that the service has asked for.
    pub(super) untold: BTreeMap<i64, Value>,
    /// The service's messages about rejected changes, by row.
    pub rejected: BTreeMap<i64, String>,
    /// Records whose earlier identity no longer exists on its own, as this Odoo says.
    pub was_gone: BTreeSet<i64>,
    /// Everybody who saves, if this Odoo says so.
    pub savers: Vec<Value>,
    /// The lowest and the latest version of the exchange that it announces.
    pub versions: Option<(i32, i32)>,
    /// The header `traceparent` of its calls.
    pub trace: Option<String>,
}

impl Odoo {
    /// Pairs and configures a new database whose users are Ann (7) and Ben (8).
    pub async fn pair(service: &Service) -> Self {
        Self::pair_with(service, enroll(service).await).await
    }

    /// Pairs with a code that was printed for it.
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
            trace: None,
        };
        odoo.redeem_code(service, code).await;
        // Tests cause in a minute what people cause in a day.
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

    /// Stores the answer to a pairing code.
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
        if let Some(trace) = &self.trace {
            request = request.header("traceparent", trace);
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

    /// Copies the database, as `createdb -T` does.
    pub fn copy(&self) -> Self {
        self.clone()
    }

    /// Adds a result that the service cannot read.
    pub fn write_malformed_result(&mut self) {
        self.results
            .push(json!({"id": 1, "result": "juggled", "record": null}));
    }

    /// Loses the table of results to be sent.
    pub fn forget_results(&mut self) {
        self.results.clear();
    }
}
