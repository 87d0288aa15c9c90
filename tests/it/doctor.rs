//! *Check* in Odoo's settings: each broken set-up of a database is named, with what to do.

use diesel_async::RunQueryDsl;
use outlook_bridge::doctor::{self, code::Status};
use outlook_bridge::engine::Engine;
use outlook_bridge::engine::notify_url::Notifications;
use outlook_bridge::outlook::client::GraphClient;
use outlook_bridge::store::databases;
use serde_json::{Value, json};
use wiremock::matchers::{method, path, path_regex};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::logins::start;
use super::odoo::Odoo;
use super::stack::{CLIENT_ID, CLIENT_SECRET, Service, Stack};

const CONTOSO: &str = "aaaaaaaa-0000-4000-8000-00000000c0de";

/// An installation in which all is well.
pub struct Well {
    pub stack: Stack,
    service: Service,
    odoo: Odoo,
    web: MockServer,
}

impl Well {
    pub async fn start() -> Self {
        let (stack, mut service, mut odoo) = start().await;
        odoo.connect(&stack, &service, 7).await.expect("Ann is connected");
        odoo.sync(&service).await;
        service.stop_working().await;
        let web = MockServer::start().await;
        let well = Self {
            stack,
            service,
            odoo,
            web,
        };
        let base_url = well.web.uri();
        let uri = format!("{base_url}/microsoft_account/authentication");
        well.stack
            .sim_call(
                "PATCH",
                &format!("apps/{CLIENT_ID}"),
                json!({"add_redirect_uri": uri}),
            )
            .await;
        well.sql(&format!("UPDATE databases SET base_url = '{base_url}'"))
            .await;
        well.set(well.registered()).await;
        well.answer(ResponseTemplate::new(200).set_body_json(well.facts(json!({}))))
            .await;
        well
    }

    /// The app registration as it should be.
    fn registered(&self) -> Value {
        json!({"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "tenant": "", "secret_expires_on": "2099-01-01"})
    }

    /// What the add-on answers, with some of it changed.
    fn facts(&self, changes: Value) -> Value {
        let now = chrono::Utc::now().format("%F %T").to_string();
        let mut facts = json!({"uuid": self.odoo.uuid, "database": "odoo", "base_url": self.web.uri(), "frozen": true,
            "addon": "19.0.1.0.0", "installed": "19.0.1.0.0",
            "job": {"exists": true, "active": true, "next": now, "waiting_since": null, "failures": 0, "late": false, "now": now}});
        for (name, value) in changes.as_object().expect("changes") {
            match value {
                Value::Object(inner) => inner.iter().for_each(|(key, value)| {
                    facts[name][key] = value.clone();
                }),
                value => facts[name] = value.clone(),
            }
        }
        json!({"ok": true, "facts": facts})
    }

    /// Lets Odoo answer so. The handshake for notifications works.
    async fn answer(&self, answer: ResponseTemplate) {
        self.web.reset().await;
        Mock::given(method("POST"))
            .and(path("/microsoft_calendar_bridge/poke"))
            .respond_with(answer)
            .mount(&self.web)
            .await;
        Mock::given(path_regex("^/microsoft_calendar_bridge/changes/[0-9a-f]{32}$"))
            .respond_with(|request: &Request| {
                let token = request
                    .url
                    .query_pairs()
                    .find(|(name, _)| name == "validationToken");
                ResponseTemplate::new(200).set_body_string(token.expect("a token").1)
            })
            .mount(&self.web)
            .await;
    }

    pub async fn sql(&self, statement: &str) {
        let mut conn = self.service.engine.store.get().await.expect("Postgres");
        let done = diesel::sql_query(statement).execute(&mut conn).await;
        done.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }

    async fn set(&self, values: Value) {
        let set = self
            .odoo
            .call(&self.service, 2, "res.config.settings", "set_values", values);
        set.await.expect("stored");
    }

    async fn sim(&self, path: &str, body: Value) {
        self.stack.sim_call("PATCH", path, body).await;
    }

    /// Returns code and remedy of everything that is not well, as Odoo's administrators are told.
    async fn check(&self, engine: &Engine) -> Vec<(&'static str, String)> {
        let database = {
            let mut conn = engine.store.get().await.expect("Postgres");
            let database = databases::by_uuid(&mut conn, &self.odoo.uuid).await;
            database.expect("Postgres").expect("the database")
        };
        let report = doctor::check_for_administrators(engine, &database, None)
            .await
            .expect("a report");
        let wrong = report
            .checks
            .into_iter()
            .filter(|one| one.status >= Status::Warning);
        wrong
            .map(|one| (one.code, format!("{} {}", one.found, one.remedy)))
            .collect()
    }

    async fn expect(&self, what: &str, codes: &[&str], word: &str) {
        self.expect_of(&self.service.engine, what, codes, word).await;
    }

    async fn expect_of(&self, engine: &Engine, what: &str, codes: &[&str], word: &str) {
        let wrong = self.check(engine).await;
        let found: Vec<&str> = wrong.iter().map(|(code, _)| *code).collect();
        assert_eq!(found, codes, "{what}: {wrong:#?}");
        let words: Vec<&String> = wrong.iter().map(|(_, words)| words).collect();
        assert!(
            words.iter().any(|words| words.contains(word)),
            "{what}: {words:#?}"
        );
    }
}

/// One row is one broken database: what to do to it, how to undo that, what is found, and a word of
/// the remedy.
const IN_POSTGRES: &[(&str, &str, &[&str], &str)] = &[
    (
        "INSERT INTO login_refusals SELECT id, 8, 90094, now() FROM databases",
        "DELETE FROM login_refusals",
        &["consent_missing"],
        "Grant for everybody",
    ),
    (
        "INSERT INTO login_refusals SELECT id, 8, 50105, now() FROM databases",
        "DELETE FROM login_refusals",
        &["login_refused"],
        "assigned users",
    ),
    (
        "UPDATE databases SET heard_at = now() - interval '1 hour'",
        "UPDATE databases SET heard_at = now()",
        &["odoo_silent"],
        "scheduled jobs",
    ),
    (
        "UPDATE databases SET heard_at = now() - interval '1 hour', last_call = 0",
        "UPDATE databases SET heard_at = now(), last_call = 9",
        &["odoo_never_called"],
        "--max-cron-threads",
    ),
    (
        "UPDATE databases SET exchange_failures = 3, failing_since = now()",
        "UPDATE databases SET exchange_failures = 0, failing_since = NULL",
        &["exchange_fails"],
        "log of the service",
    ),
    (
        "UPDATE databases SET api = 99, api_lowest = 99",
        "UPDATE databases SET api = 1, api_lowest = 1",
        &["versions_do_not_fit"],
        "Upgrade the service",
    ),
    (
        "UPDATE databases SET quarantined = 'Odoo was copied.'",
        "UPDATE databases SET quarantined = NULL",
        &["quarantined"],
        "enroll --again",
    ),
    (
        "UPDATE databases SET moved = 'its name is another one'",
        "UPDATE databases SET moved = NULL",
        &["move_unconfirmed"],
        "outlook-bridge confirm",
    ),
    (
        "UPDATE databases SET paused = true",
        "UPDATE databases SET paused = false",
        &["paused"],
        "Untick",
    ),
    (
        "UPDATE databases SET next_key_hash = key_hash, key_hash = NULL",
        "UPDATE databases SET key_hash = next_key_hash, next_key_hash = NULL",
        &["unpaired"],
        "Pair it again",
    ),
    (
        "UPDATE accounts SET reason = 'Microsoft refuses it.'",
        "UPDATE accounts SET reason = NULL",
        &["mailboxes_in_trouble"],
        "user's form",
    ),
    (
        "UPDATE accounts SET state = 'need_auth'",
        "UPDATE accounts SET state = 'active'",
        &["logins_lapsed"],
        "log in again",
    ),
    (
        "UPDATE accounts SET brake_at = now(), brake_removals = 30",
        "UPDATE accounts SET brake_at = NULL, brake_removals = 0",
        &["removals_wait"],
        "Review removals",
    ),
    (
        "UPDATE accounts SET mails_held = 30",
        "UPDATE accounts SET mails_held = 0",
        &["mails_wait"],
        "decide",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_broken_set_up_of_a_database_is_named_with_its_remedy() {
    let well = Well::start().await;
    assert_eq!(well.check(&well.service.engine).await, [], "all is well");

    for (break_it, undo, codes, word) in IN_POSTGRES {
        well.sql(break_it).await;
        well.expect(break_it, codes, word).await;
        well.sql(undo).await;
    }

    // The app registration, as Microsoft sees it.
    let app = format!("apps/{CLIENT_ID}");
    let state = well.stack.sim_call("GET", "apps", Value::Null).await;
    let uris = state["value"]
        .as_array()
        .unwrap_or_else(|| state.as_array().expect("apps"));
    let uris = uris
        .iter()
        .find(|one| one["client_id"] == CLIENT_ID)
        .expect("the app")["redirect_uris"]
        .clone();
    for (change, undo, codes, word) in [
        (
            json!({"redirect_uris": ["https://elsewhere.example/"]}),
            json!({"redirect_uris": uris}),
            &["redirect_unregistered"],
            "platform Web",
        ),
        (
            json!({"secret_expired": true}),
            json!({"secret_expired": false}),
            &["client_secret_expired"],
            "Make a new secret",
        ),
        (
            json!({"tenant": CONTOSO}),
            json!({"tenant": null}),
            &["tenant_missing"],
            "Directory (tenant) ID",
        ),
    ] {
        well.sim(&app, change.clone()).await;
        well.expect(&change.to_string(), codes, word).await;
        well.sim(&app, undo).await;
    }

    // The app registration, as an administrator has entered it.
    let soon = (chrono::Utc::now() + chrono::TimeDelta::days(10))
        .format("%F")
        .to_string();
    let entered: &[(Value, &[&str], &str)] = &[
        (
            json!({"client_secret": CONTOSO, "secret_expires_on": "2099-01-01"}),
            &["client_secret_is_its_id"],
            "Value",
        ),
        (
            json!({"client_secret": "another~secret", "secret_expires_on": "2099-01-01"}),
            &["client_secret_refused"],
            "Certificates & secrets",
        ),
        (
            json!({"tenant": "nowhere.example"}),
            &["tenant_unknown"],
            "Tenant ID",
        ),
        (
            json!({"secret_expires_on": "2020-01-01"}),
            &["secret_ended"],
            "Make a new secret",
        ),
        (
            json!({"secret_expires_on": soon}),
            &["secret_ends_soon"],
            "in time",
        ),
        (
            json!({"secret_expires_on": ""}),
            &["secret_end_unknown"],
            "Secret expires on",
        ),
        (
            json!({"client_id": CONTOSO, "client_secret": "x~y", "secret_expires_on": "2099-01-01"}),
            &["client_id_refused"],
            "Application (client) ID",
        ),
        (json!({"client_id": ""}), &["client_missing"], "Enter Client ID"),
    ];
    for (values, codes, word) in entered {
        well.set(values.clone()).await;
        well.expect(&values.to_string(), codes, word).await;
        well.set(well.registered()).await;
    }
    assert_eq!(well.check(&well.service.engine).await, [], "all was undone");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_stands_between_the_service_and_odoo_is_named() {
    let well = Well::start().await;
    let status = ResponseTemplate::new;
    let long_ago = "2026-01-01 00:00:00";
    let some_minutes_ago = (chrono::Utc::now() - chrono::TimeDelta::minutes(6))
        .format("%F %T")
        .to_string();
    let html = "<html><title>Log in</title></html>";
    let with = |changes: Value| status(200).set_body_json(well.facts(changes));
    let minute_ahead = (chrono::Utc::now() + chrono::TimeDelta::seconds(90)).to_rfc2822();
    let hour_ahead = (chrono::Utc::now() + chrono::TimeDelta::hours(1)).to_rfc2822();
    let answers: Vec<(ResponseTemplate, &[&str], &str)> = vec![
        (
            status(301).insert_header("Location", "https://odoo.example/"),
            &["odoo_redirects"],
            "https://odoo.example/",
        ),
        (status(404), &["odoo_page_missing"], "dbfilter"),
        (
            status(200).set_body_raw(html, "text/html"),
            &["odoo_shows_page"],
            "without a login",
        ),
        (status(401), &["odoo_shows_page"], "without a login"),
        (status(403), &["odoo_refuses"], "pair the database again"),
        (status(502), &["odoo_fails"], "Odoo's log"),
        (
            status(403).insert_header("Date", hour_ahead.as_str()),
            &["clock_wrong", "odoo_refuses"],
            "chrony",
        ),
        (
            status(403).insert_header("Date", minute_ahead.as_str()),
            &["clock_off", "odoo_refuses"],
            "chrony",
        ),
        (
            with(json!({"database": "copy"})),
            &["odoo_is_another"],
            "dbfilter",
        ),
        (
            status(200).set_body_json(json!({"ok": true})),
            &["addon_old"],
            "Upgrade the add-on",
        ),
        (
            with(json!({"addon": "19.0.2.0.0"})),
            &["addon_not_updated"],
            "-u microsoft_calendar_bridge",
        ),
        (
            with(json!({"base_url": "http://10.1.1.1"})),
            &["address_differs"],
            "web.base.url.freeze",
        ),
        (
            with(json!({"frozen": false})),
            &["address_not_frozen"],
            "System Parameters",
        ),
        (
            with(json!({"job": {"exists": false}})),
            &["job_missing"],
            "makes the job again",
        ),
        (
            with(json!({"job": {"active": false}})),
            &["job_off"],
            "Scheduled Actions",
        ),
        (
            with(json!({"job": {"next": long_ago}})),
            &["jobs_stopped"],
            "--max-cron-threads",
        ),
        (
            with(json!({"job": {"waiting_since": long_ago}})),
            &["jobs_stopped"],
            "--max-cron-threads",
        ),
        (
            with(json!({"job": {"next": some_minutes_ago}})),
            &["jobs_late"],
            "cron threads",
        ),
        (
            with(json!({"job": {"waiting_since": some_minutes_ago}})),
            &["jobs_late"],
            "cron threads",
        ),
        (
            with(json!({"job": {"late": true}})),
            &["jobs_late"],
            "cron threads",
        ),
        (
            with(json!({"job": {"failures": 2}})),
            &["job_fails"],
            "Odoo's log",
        ),
    ];
    for (number, (answer, codes, word)) in answers.into_iter().enumerate() {
        well.answer(answer).await;
        well.expect(&format!("answer {number}"), codes, word).await;
    }
    well.answer(with(json!({}))).await;

    // Addresses that lead nowhere, or where the service may not go.
    for (base_url, codes, word) in [
        (
            "http://127.0.0.1:1",
            &["redirect_unregistered", "odoo_unreachable"],
            "firewall",
        ),
        (
            "http://10.0.0.1",
            &["redirect_not_https", "odoo_forbidden"],
            "allow_odoo_on",
        ),
    ] {
        well.sql(&format!("UPDATE databases SET base_url = '{base_url}'"))
            .await;
        well.expect(base_url, codes, word).await;
    }
    well.sql(&format!("UPDATE databases SET base_url = '{}'", well.web.uri()))
        .await;

    // Change notifications, which Microsoft itself sends to https addresses only.
    let http = well.service.engine.http.clone();
    let encrypted = Engine {
        notifications: Notifications::ThroughOdoo,
        graph: GraphClient::new(http, "https://127.0.0.1:1/v1.0".parse().expect("a URL")),
        ..well.service.engine.clone()
    };
    let codes = ["microsoft_unreachable", "notify_not_https"];
    well.expect_of(&encrypted, "plain http", &codes, "public_url")
        .await;
    let notified = Engine {
        notifications: Notifications::ThroughOdoo,
        ..well.service.engine.clone()
    };
    assert_eq!(well.check(&notified).await, [], "the handshake works");
    well.sql("UPDATE databases SET notify_problem = 'no answer'")
        .await;
    well.expect_of(
        &notified,
        "refused",
        &["notify_refused"],
        "certificate that Microsoft trusts",
    )
    .await;
    well.sql("UPDATE databases SET notify_problem = NULL").await;
    well.sql("UPDATE accounts SET connected_at = now() - interval '1 day', pulled_once = true")
        .await;
    well.sql("DELETE FROM subscriptions").await;
    well.expect_of(
        &notified,
        "unsubscribed",
        &["subscriptions_missing"],
        "Wait an hour",
    )
    .await;
    well.web.reset().await;
    let codes = [
        "odoo_page_missing",
        "notify_relay_broken",
        "subscriptions_missing",
    ];
    well.expect_of(&notified, "nothing there", &codes, "dbfilter")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_odoo_that_hangs_delays_only_itself() {
    let well = Well::start().await;
    let late = ResponseTemplate::new(200).set_delay(std::time::Duration::from_secs(60));
    well.answer(late).await;
    // What depends on Odoo's answer is not known, and everything else is.
    well.expect("it hangs", &["odoo_slow"], "--workers").await;
}
