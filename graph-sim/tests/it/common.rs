use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use graph_sim::contract::{self, Side};
use graph_sim::{Options, Running, Sim, start};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub const CLIENT: &str = "11111111-2222-3333-4444-555555555555";
pub const SECRET: &str = "demo~client-secret~for~graph-sim";
pub const REDIRECT: &str = "http://localhost:8069/microsoft_account/authentication";
pub const ANN: &str = "ann@contoso.example";
pub const BEN: &str = "ben@contoso.example";
pub const CARLA: &str = "carla@contoso.example";
pub const SCOPE: &str = "openid profile email offline_access User.Read Calendars.ReadWrite";
pub const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters-long";

pub struct World {
    pub running: Running,
    pub http: Client,
    _contract: Kept,
}

/// Fails the test that ends with an answer, or a request that was taken, against Microsoft's schema. Requests that
/// were refused are the tests' own doing.
struct Kept(Arc<Sim>);

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(contract) = self.0.contract.as_ref().filter(|_| !std::thread::panicking()) {
            let mut violations = contract.violations();
            violations.retain(|v| v.side != Side::Request || (200..300).contains(&v.status));
            assert!(violations.is_empty(), "against the schema: {violations:#?}");
        }
    }
}

pub fn schema() -> Option<PathBuf> {
    contract::schema_for_tests(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
}

pub async fn world() -> World {
    world_with(Options::default()).await
}

pub async fn world_with(mut options: Options) -> World {
    options.schema = schema();
    unchecked_world(options).await
}

/// Without the contract, where time matters.
pub async fn unchecked_world(options: Options) -> World {
    let running = start(options).await.unwrap();
    let contract = Kept(running.sim.clone());
    let http = Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    World {
        running,
        http,
        _contract: contract,
    }
}

pub fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER.as_bytes()))
}

pub struct Got {
    pub status: u16,
    pub body: Value,
    pub headers: reqwest::header::HeaderMap,
}

impl Got {
    pub async fn of(response: Response) -> Self {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Self {
            status,
            body,
            headers,
        }
    }

    pub fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or("")
    }

    pub fn id(&self) -> String {
        self.body["id"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }
}

impl World {
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.running.url())
    }

    pub fn authorize_query(&self, extra: &[(&str, &str)]) -> String {
        let challenge = challenge();
        let mut all = vec![
            ("client_id", CLIENT),
            ("response_type", "code"),
            ("redirect_uri", REDIRECT),
            ("scope", SCOPE),
            ("state", "st@te"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        for (k, v) in extra {
            all.retain(|(name, _)| name != k);
            if !v.is_empty() {
                all.push((k, v));
            }
        }
        url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(all)
            .finish()
    }

    pub async fn step(&self, step: &str, fields: &[(&str, &str)]) -> Response {
        self.http
            .post(self.url(&format!("/common/oauth2/v2.0/{step}")))
            .form(fields)
            .send()
            .await
            .unwrap()
    }

    /// Picks the account and accepts; the code.
    pub async fn code(&self, address: &str) -> String {
        self.code_with(address, &[]).await
    }

    pub async fn code_with(&self, address: &str, extra: &[(&str, &str)]) -> String {
        let request = self.authorize_query(extra);
        let fields = [
            ("request", request.as_str()),
            ("account", address),
            ("decision", "accept"),
        ];
        let answer = self.step("consent", &fields).await;
        assert_eq!(answer.status(), StatusCode::FOUND);
        let to = url::Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
        to.query_pairs()
            .find(|(k, _)| k == "code")
            .unwrap()
            .1
            .into_owned()
    }

    pub async fn token(&self, fields: &[(&str, &str)]) -> Got {
        let mut all = vec![
            ("client_id", CLIENT),
            ("client_secret", SECRET),
            ("redirect_uri", REDIRECT),
        ];
        for (k, v) in fields {
            all.retain(|(name, _)| name != k);
            if !v.is_empty() {
                all.push((k, v));
            }
        }
        Got::of(
            self.http
                .post(self.url("/common/oauth2/v2.0/token"))
                .form(&all)
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    pub async fn tokens(&self, address: &str) -> Value {
        let code = self.code(address).await;
        self.token(&[
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("code_verifier", VERIFIER),
        ])
        .await
        .is(200)
        .body
    }

    pub async fn login(&self, address: &str) -> Me<'_> {
        let token = self.tokens(address).await["access_token"]
            .as_str()
            .unwrap()
            .to_owned();
        Me { world: self, token }
    }

    pub async fn sim(&self, method: &str, path: &str, body: Value) -> Got {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.http.request(method, self.url(&format!("/sim/api{path}")));
        if !body.is_null() {
            request = request.json(&body);
        }
        Got::of(request.send().await.unwrap()).await
    }

    pub async fn switch(&self, switches: Value) {
        self.sim("PUT", "/switches", switches).await.is(200);
    }

    /// A delta without its whims.
    pub async fn calm(&self) {
        self.switch(json!({"delta_empty_pages": false, "delta_repeats": false, "delta_shuffle": false}))
            .await;
    }

    pub async fn mails(&self) -> Vec<(String, String, String)> {
        let got = self.sim("GET", "/mails", Value::Null).await;
        got.body["value"]
            .as_array()
            .unwrap()
            .iter()
            .map(|m| {
                let text = |n: &str| m[n].as_str().unwrap().to_owned();
                (text("kind"), text("to"), text("subject"))
            })
            .collect()
    }

    pub async fn forget_mails(&self) {
        self.sim("DELETE", "/mails", Value::Null).await.is(204);
    }

    pub async fn find(&self, address: &str, subject: &str) -> Option<Value> {
        let got = self
            .sim("GET", &format!("/mailboxes/{address}/events"), Value::Null)
            .await;
        got.body["value"]
            .as_array()
            .unwrap()
            .iter()
            .find(|e| e["subject"] == subject)
            .cloned()
    }
}

pub struct Me<'a> {
    pub world: &'a World,
    pub token: String,
}

impl Me<'_> {
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            self.world.url(&format!("/v1.0{path}"))
        };
        self.world.http.request(method, url).bearer_auth(&self.token)
    }

    pub async fn send(&self, method: &str, path: &str, body: Value) -> Got {
        let mut request = self.request(method, path);
        if !body.is_null() {
            request = request.json(&body);
        }
        Got::of(request.send().await.unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Got {
        self.send("GET", path, Value::Null).await
    }

    pub async fn get_with(&self, path: &str, prefer: &str) -> Got {
        Got::of(
            self.request("GET", path)
                .header("Prefer", prefer)
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    pub async fn create(&self, extra: Value) -> Got {
        self.send("POST", "/me/events", event(extra)).await
    }

    /// Follows a round to its deltaLink.
    pub async fn round(&self, link: &str, prefer: &str) -> (Vec<Value>, String) {
        let mut link = link.to_owned();
        let mut rows = Vec::new();
        loop {
            let got = self.get_with(&link, prefer).await.is(200);
            rows.extend(got.body["value"].as_array().unwrap().iter().cloned());
            if let Some(next) = got.body["@odata.nextLink"].as_str() {
                link = next.to_owned();
            } else {
                return (rows, got.body["@odata.deltaLink"].as_str().unwrap().to_owned());
            }
        }
    }
}

pub fn at(time: &str) -> Value {
    json!({"dateTime": time, "timeZone": "UTC"})
}

pub fn event(extra: Value) -> Value {
    let body = json!({
        "subject": "Test", "start": at("2031-03-10T09:00:00"), "end": at("2031-03-10T10:00:00"),
    });
    with(body, &extra)
}

/// Returns an object with further properties, or with others in their place.
pub fn with(mut body: Value, extra: &Value) -> Value {
    for (k, v) in extra.as_object().unwrap() {
        body[k] = v.clone();
    }
    body
}

pub fn guests(addresses: &[&str]) -> Value {
    addresses
        .iter()
        .map(|a| json!({"emailAddress": {"address": a}}))
        .collect()
}

pub const WINDOW: &str =
    "/me/calendarView/delta?startDateTime=2031-03-01T00:00:00Z&endDateTime=2031-04-01T00:00:00Z";
