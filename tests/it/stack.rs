//! Starts a service with its own database, and a simulator.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use graph_sim::{Options, Running, Sim};
use metrics_exporter_prometheus::PrometheusBuilder;
use outlook_bridge::admin::pairing;
use outlook_bridge::engine::notify_url::Notifications;
use outlook_bridge::engine::odoo_client::OdooClient;
use outlook_bridge::engine::{Engine, Settings};
use outlook_bridge::outlook;
use outlook_bridge::outlook::client::GraphClient;
use outlook_bridge::outlook::login::LoginClient;
use outlook_bridge::store::seal::Sealer;
use outlook_bridge::store::{Store, databases};
use outlook_bridge::web::{self, HttpSettings};
use outlook_bridge::worker;
use outlook_bridge::worker::{listen, pruning};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::own_database::OwnDatabase;

pub const CLIENT_ID: &str = "11111111-2222-3333-4444-555555555555";
pub const CLIENT_SECRET: &str = "demo~client-secret~for~graph-sim";
pub const ODOO_URL: &str = "http://odoo.test:8069";
/// The only address whose X-Forwarded-For the service trusts. A client that binds to it sends from
/// there.
pub const TRUSTED_PROXY: &str = "127.0.0.3/32";
pub const ANN: &str = "ann@contoso.example";
pub const BEN: &str = "ben@contoso.example";

/// A running service.
pub struct Service {
    pub engine: Engine,
    pub url: String,
    pub admin_url: String,
    stop: CancellationToken,
    workers: tokio::task::JoinHandle<()>,
    servers: Vec<actix_web::dev::ServerHandle>,
}

/// A service that answers requests, in this process or in its own.
pub trait Doors {
    /// The address without a trailing slash.
    fn url(&self) -> &str;
}

impl Doors for Service {
    fn url(&self) -> &str {
        &self.url
    }
}

impl Service {
    /// Stops the worker, so that only the test runs mailboxes. Requests are still answered.
    pub async fn stop_working(&mut self) {
        self.workers.abort();
        assert!((&mut self.workers).await.is_err(), "aborted");
    }

    /// Stops at once, whatever is running, and leaves what a killed process leaves, except its
    /// lease.
    pub async fn kill(self) {
        self.workers.abort();
        self.stop.cancel();
        for server in &self.servers {
            server.stop(false).await;
        }
    }
}

pub struct Stack {
    pub database_url: String,
    pub sim: Running,
    pub http: reqwest::Client,
    _contract: Kept,
}

/// Fails the test at its end if a request or an answer violated Microsoft's schema.
struct Kept(Arc<Sim>);

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(contract) = self.0.contract.as_ref().filter(|_| !std::thread::panicking()) {
            let violations = contract.violations();
            assert!(violations.is_empty(), "against the schema: {violations:#?}");
        }
    }
}

/// The database with the service's schema of which the stacks' are copies: to migrate each would
/// take longer than many a test.
static TEMPLATE: OnceCell<OwnDatabase> = OnceCell::const_new();

async fn template() -> &'static OwnDatabase {
    TEMPLATE
        .get_or_init(|| async {
            let empty = OwnDatabase::new().await;
            let store = Store::new(&empty.url, 1).expect("a pool");
            store.migrate().await.expect("the schema");
            empty
        })
        .await
}

impl Stack {
    /// Makes a new database with the service's schema, and a simulator with the demo's people and no events.
    pub async fn start() -> Self {
        Self::start_with(graph_sim::LOG_LENGTH).await
    }

    /// Starts with a simulator whose log keeps so many requests.
    pub async fn start_with(log_length: usize) -> Self {
        let database = OwnDatabase::copy_of(template().await).await;
        let options = Options {
            redirect_uris: vec![format!("{ODOO_URL}/microsoft_account/authentication")],
            schema: graph_sim::contract::schema_for_tests(Path::new(env!("CARGO_MANIFEST_DIR"))),
            log_length,
            ..Options::default()
        };
        let sim = graph_sim::start(options).await.expect("the simulator starts");
        let mut stack = Self {
            database_url: database.url,
            _contract: Kept(sim.sim.clone()),
            sim,
            http: reqwest::Client::new(),
        };
        // The tests make their own events.
        for person in [ANN, BEN, "carla@contoso.example"] {
            for event in stack.events(person).await {
                stack
                    .sim_call(
                        "DELETE",
                        &format!("mailboxes/{person}/events/{}", id_of(&event)),
                        json!(null),
                    )
                    .await;
            }
        }
        stack.sim_call("DELETE", "mails", json!(null)).await;
        stack.sim_call("DELETE", "requests", json!(null)).await;
        stack.http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("an HTTP client");
        stack
    }

    /// Makes one of the stack's databases, named by a suffix, a copy of another. Nothing may be
    /// connected to either.
    pub async fn copy_database(&self, from: &str, to: &str) {
        let admin_url = std::env::var("TEST_DATABASE_URL").expect("it was there at the start");
        let name = self.database_url.rsplit('/').next().unwrap_or_default();
        let name = name.split('?').next().unwrap_or_default();
        let mut conn = AsyncPgConnection::establish(&admin_url)
            .await
            .expect("Postgres answers");
        // Postgres may take a moment to notice that a process was killed.
        let leave =
            format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}{from}'");
        for statement in [
            format!("DROP DATABASE IF EXISTS {name}{to} WITH (FORCE)"),
            leave,
            format!("CREATE DATABASE {name}{to} TEMPLATE {name}{from}"),
        ] {
            diesel::sql_query(statement)
                .execute(&mut conn)
                .await
                .expect("the database is copied");
        }
    }

    /// Starts a service on the stack's database.
    pub async fn serve(&self) -> Service {
        self.serve_with(12).await
    }

    /// Starts a service with this many connections to the database.
    pub async fn serve_with(&self, connections: usize) -> Service {
        let poll_interval = TimeDelta::seconds(1);
        self.serve_by(&self.sim.url(), connections, poll_interval).await
    }

    /// Starts a service that uses another address of Graph and another polling interval.
    pub async fn serve_by(&self, graph: &str, connections: usize, poll_interval: TimeDelta) -> Service {
        self.serve_at(graph, connections, poll_interval, Notifications::Off)
            .await
    }

    /// Starts a service whose mailboxes are polled once an hour, and that is notified of changes at
    /// this public address.
    pub async fn serve_notified(&self, public_url: &str) -> Service {
        let public = Notifications::Own(public_url.to_owned());
        self.serve_at(&self.sim.url(), 12, TimeDelta::hours(1), public)
            .await
    }

    async fn serve_at(
        &self,
        graph: &str,
        connections: usize,
        poll_interval: TimeDelta,
        notifications: Notifications,
    ) -> Service {
        let _already = rustls::crypto::ring::default_provider().install_default();
        let store = Store::new(&self.database_url, connections).expect("a pool");
        store.migrate().await.expect("the schema");
        let sealer = Arc::new(Sealer::parse(&SecretString::from("11".repeat(32))).expect("a key"));
        sealer
            .check(&mut store.get().await.expect("a connection"))
            .await
            .expect("the key fits");
        let http = outlook::http_client().expect("an HTTP client");
        let graph = GraphClient::new(http.clone(), format!("{graph}/v1.0").parse().expect("a URL"));
        let login = LoginClient::new(http.clone(), self.sim.url().parse().expect("a URL"), "common");
        let settings = Settings {
            poll_interval,
            quiet_interval: poll_interval,
            ..Settings::default()
        };
        let odoo = OdooClient::new(vec!["127.0.0.0/8".parse().expect("a network")]).expect("a client");
        let engine = Engine {
            notifications,
            ..Engine::new(store, sealer, graph, login, http, odoo, settings)
        };
        let metrics = PrometheusBuilder::new().build_recorder().handle();
        let http = HttpSettings {
            listen: "127.0.0.1:0".to_owned(),
            admin_listen: Some("127.0.0.1:0".to_owned()),
            trusted_proxies: vec![TRUSTED_PROXY.parse().expect("a network")],
            public_url: None,
        };
        let serving = web::serve(engine.clone(), metrics, &http, None).expect("a port");
        let servers = serving.handles();
        let url = format!("http://{}", serving.addresses[0]);
        let admin_url = format!("http://{}", serving.admin_addresses[0]);
        tokio::spawn(serving.run());
        let stop = CancellationToken::new();
        let working = engine.of_the_workers();
        tokio::spawn(pruning::keep_pruned(working.clone(), stop.clone()));
        tokio::spawn(listen::keep(working.clone(), stop.clone()));
        tokio::spawn(listen::tell(working.clone(), stop.clone()));
        let workers = tokio::spawn(worker::work(working, stop.clone()));
        Service {
            engine,
            url,
            admin_url,
            stop,
            workers,
            servers,
        }
    }

    pub async fn sim_call(&self, method: &str, path: &str, body: Value) -> Value {
        let method = method.parse().expect("a method");
        let mut request = self
            .http
            .request(method, format!("{}/sim/api/{path}", self.sim.url()));
        if !body.is_null() {
            request = request.json(&body);
        }
        let response = request.send().await.expect("the simulator answers");
        let status = response.status();
        let text = response.text().await.expect("a body");
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    pub async fn events(&self, person: &str) -> Vec<Value> {
        self.sim_call("GET", &format!("mailboxes/{person}/events"), Value::Null)
            .await["value"]
            .as_array()
            .cloned()
            .expect("a list")
    }

    /// Returns the event with this subject. Fails the test if there are two.
    pub async fn event(&self, person: &str, subject: &str) -> Option<Value> {
        let mut found: Vec<Value> = self
            .events(person)
            .await
            .into_iter()
            .filter(|e| e["subject"] == subject)
            .collect();
        assert!(found.len() <= 1, "twins: {found:?}");
        found.pop()
    }

    /// Returns kind and recipient of the mails that were sent, sorted.
    pub async fn mails(&self) -> Vec<(String, String)> {
        let list = self.sim_call("GET", "mails", Value::Null).await;
        let mut mails: Vec<(String, String)> = list["value"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|m| {
                (
                    m["kind"].as_str().unwrap_or("").to_owned(),
                    m["to"].as_str().unwrap_or("").to_owned(),
                )
            })
            .collect();
        mails.sort();
        mails
    }
}

pub fn id_of(event: &Value) -> String {
    let id = event["id"].as_str().expect("an id");
    url::form_urlencoded::byte_serialize(id.as_bytes()).collect()
}

/// Returns a pairing code, as the command prints it.
pub async fn enroll(service: &Service) -> String {
    let mut conn = service.engine.store.get().await.expect("a connection");
    pairing::enroll(&mut conn, None).await.expect("a code")
}

/// Returns a pairing code made with `--again`.
pub async fn enroll_again(service: &Service, uuid: &str) -> String {
    let mut conn = service.engine.store.get().await.expect("a connection");
    let database = databases::by_uuid(&mut conn, uuid)
        .await
        .expect("Postgres")
        .expect("known");
    pairing::enroll(&mut conn, Some(&database)).await.expect("a code")
}

/// Repeats a check until it returns a value, or fails the test after three minutes: on a busy machine
/// a mailbox may meet a timeout, and then rests.
pub async fn eventually<T, F: AsyncFnMut() -> Option<T>>(what: &str, mut check: F) -> T {
    let until = tokio::time::Instant::now() + Duration::from_secs(180);
    loop {
        if let Some(value) = check().await {
            return value;
        }
        assert!(tokio::time::Instant::now() < until, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub async fn requests(stack: &Stack, path: &str) -> Vec<Value> {
    let log = stack
        .sim_call("GET", &format!("requests?path={path}"), Value::Null)
        .await;
    log["value"].as_array().cloned().unwrap_or_default()
}
