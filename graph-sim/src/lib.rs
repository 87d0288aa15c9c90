//! A local stand-in for Microsoft: Entra login, the Graph calendar, and Outlook's users.
//!
//! | module | what it is |
//! |---|---|
//! | `login` | sign-in page, consent, tokens |
//! | `graph`, `call`, `query`, `batch`, `delta`, `subscriptions` | the Graph endpoints |
//! | `event`, `event_write`, `event_view` | the event resource: stored, written and returned |
//! | `form`, `values`, `property`, `body_check`, `body_text`, `recurrence`, `timezone` | its values |
//! | `meetings` | what a write does to copies and mails |
//! | `rooms` | mailboxes that answer by themselves |
//! | `state`, `seed` | the world, saved and loaded |
//! | `faults`, `climate` | switches, whole sets of them, and injected faults |
//! | `control`, `dump`, `bulk` | the simulator's own API |
//! | `page`, `page_form` | the simulator's web page |
//! | `contract` | requests and answers, held against Microsoft's schema |
//! | `tls` | a second door, of HTTPS |
//! | `ctl`, `expand` | on the command line: the control API, the occurrences of a series |

pub mod attachments;
pub mod batch;
pub mod body_check;
pub mod body_text;
mod bulk;
pub mod call;
pub mod climate;
pub mod contract;
pub mod control;
pub mod ctl;
pub mod delegates;
pub mod delta;
pub mod dump;
mod edm;
pub mod error;
pub mod event;
pub mod event_view;
pub mod event_write;
pub mod expand;
pub mod faults;
mod form;
pub mod graph;
pub mod limits;
pub mod login;
pub mod meetings;
pub mod page;
mod page_form;
pub mod property;
pub mod query;
pub mod recurrence;
pub mod rooms;
pub mod seed;
mod sim;
pub mod state;
pub mod subscriptions;
pub mod timezone;
pub mod tls;
pub mod values;
mod windows;

pub use sim::Sim;

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use call::{Call, Reply};
use faults::Cut;
use login::Screen;
use state::{Logline, World};
use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

#[derive(Clone, Debug)]
pub struct Options {
    pub listen: String,
    /// A file, or `demo`.
    pub seed: Option<String>,
    pub state: Option<PathBuf>,
    pub redirect_uris: Vec<String>,
    pub delta_page_size: Option<usize>,
    /// The switches to begin with; `None`: those of the state or the seed.
    pub climate: Option<climate::Climate>,
    /// Microsoft's schema (CSDL); with it, every request and answer is checked against it, which takes time.
    pub schema: Option<PathBuf>,
    /// Serve the same on a second address, over HTTPS.
    pub tls: Option<tls::Tls>,
    pub workers: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:0".into(),
            seed: Some("demo".into()),
            state: None,
            redirect_uris: Vec::new(),
            delta_page_size: None,
            climate: None,
            schema: None,
            tls: None,
            workers: 2,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on {0}: {1}")]
    Listen(String, std::io::Error),
    #[error("cannot read {0}: {1}")]
    Read(String, std::io::Error),
    #[error("{0} does not hold a state of the simulator: {1}")]
    State(String, serde_json::Error),
    #[error(transparent)]
    Seed(#[from] seed::SeedError),
    #[error(transparent)]
    Contract(#[from] contract::ContractError),
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
}

/// A running simulator.
pub struct Running {
    pub address: SocketAddr,
    pub sim: Arc<Sim>,
    handle: ServerHandle,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
    saver: Option<tokio::task::JoinHandle<()>>,
    state: Option<PathBuf>,
}

impl Running {
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops serving and saves what is to be saved.
    pub async fn stop(self) -> std::io::Result<()> {
        self.handle.stop(false).await;
        if let Some(saver) = &self.saver {
            saver.abort();
        }
        let _ = self.task.await;
        match &self.state {
            Some(file) => self.sim.save(file),
            None => Ok(()),
        }
    }
}

fn world(options: &Options) -> Result<World, StartError> {
    let mut world = match &options.state {
        Some(file) if file.exists() => {
            let name = file.display().to_string();
            let bytes = std::fs::read(file).map_err(|e| StartError::Read(name.clone(), e))?;
            let mut world: World = serde_json::from_slice(&bytes).map_err(|e| StartError::State(name, e))?;
            world.reindex();
            world
        }
        _ => match options.seed.as_deref() {
            None => World::default(),
            Some("demo") => seed::demo()?,
            Some(file) => {
                let text = std::fs::read_to_string(file).map_err(|e| StartError::Read(file.to_owned(), e))?;
                seed::load(&text)?
            }
        },
    };
    for app in &mut world.apps {
        for uri in &options.redirect_uris {
            if !app.redirect_uris.contains(uri) {
                app.redirect_uris.push(uri.clone());
            }
        }
    }
    if let Some(climate) = options.climate {
        world.switches = climate.switches();
    }
    if let Some(size) = options.delta_page_size {
        world.switches.delta_page_size = size.max(1);
    }
    Ok(world)
}

pub async fn start(options: Options) -> Result<Running, StartError> {
    // For webhooks over https; a provider that is there already is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let schema = options.schema.as_deref();
    let contract = schema.map(contract::Contract::load).transpose()?;
    let sim = Arc::new(Sim::new(world(&options)?, contract));
    let failed = |e| StartError::Listen(options.listen.clone(), e);
    let listener = TcpListener::bind(&options.listen).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let shared = sim.clone();
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(shared.clone()))
            .app_data(web::PayloadConfig::new(64 << 20))
            .default_service(web::to(serve))
    })
    .workers(options.workers)
    // Clients that reuse a connection must not meet its end.
    .keep_alive(Duration::from_secs(120))
    .client_request_timeout(Duration::from_secs(60))
    .disable_signals()
    .listen(listener)
    .map_err(failed)?;
    let server = match &options.tls {
        Some(tls) => server
            .bind_rustls_0_23(&tls.listen, tls.server_config()?)
            .map_err(|e| StartError::Listen(tls.listen.clone(), e))?,
        None => server,
    }
    .run();
    let handle = server.handle();
    let task = tokio::spawn(server);
    let saver = options.state.clone().map(|file| {
        let sim = sim.clone();
        tokio::spawn(async move {
            loop {
                sim.wait_for_change().await;
                // Many changes, one save.
                tokio::time::sleep(Duration::from_millis(500)).await;
                if let Err(e) = sim.save(&file) {
                    tracing::error!("the state could not be saved: {e}");
                }
            }
        })
    });
    Ok(Running {
        address,
        sim,
        handle,
        task,
        saver,
        state: options.state,
    })
}

/// A body that fails at once: the connection ends before a byte of the answer is written.
struct Severed;

impl MessageBody for Severed {
    type Error = std::io::Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(1)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<web::Bytes, Self::Error>>> {
        Poll::Ready(Some(Err(std::io::Error::other("cut by a fault"))))
    }
}

/// A body that trickles.
struct Trickle {
    parts: Vec<web::Bytes>,
    total: u64,
    pause: Duration,
    timer: Pin<Box<tokio::time::Sleep>>,
}

impl Trickle {
    fn new(bytes: Vec<u8>, over: Duration) -> Self {
        let total = bytes.len() as u64;
        let size = bytes.len().div_ceil(20).max(1);
        let mut parts: Vec<web::Bytes> = bytes.chunks(size).map(web::Bytes::copy_from_slice).collect();
        parts.reverse();
        let pause = over / u32::try_from(parts.len().max(1)).unwrap_or(1);
        Self {
            parts,
            total,
            pause,
            timer: Box::pin(tokio::time::sleep(pause)),
        }
    }
}

impl MessageBody for Trickle {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.total)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<web::Bytes, Self::Error>>> {
        if self.timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        let pause = self.pause;
        self.timer = Box::pin(tokio::time::sleep(pause));
        Poll::Ready(self.parts.pop().map(Ok))
    }
}

fn send(reply: Reply) -> HttpResponse {
    if reply.cut {
        return HttpResponse::Ok().body(Severed);
    }
    let mut builder = HttpResponse::build(StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK));
    for (name, value) in &reply.headers {
        builder.append_header((name.as_str(), value.as_str()));
    }
    match reply.body {
        None => builder.finish(),
        Some(body) => {
            builder.content_type(
                "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8",
            );
            let bytes = body.to_string().into_bytes();
            if reply.slow_body_ms > 0 {
                builder.body(Trickle::new(bytes, Duration::from_millis(reply.slow_body_ms)))
            } else {
                builder.body(bytes)
            }
        }
    }
}

fn html(status: u16, text: String) -> HttpResponse {
    HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::OK))
        .content_type("text/html; charset=utf-8")
        .append_header(("Cache-Control", "no-store"))
        .body(text)
}

fn screen(screen: Screen) -> HttpResponse {
    match screen {
        Screen::Html(status, text) => html(status, text),
        Screen::Redirect(to) => HttpResponse::Found().append_header(("Location", to)).finish(),
    }
}

/// "The maximum request size is 4 MB" (page *outlook-large-attachments*).
const LARGEST_REQUEST: usize = 4 * 1024 * 1024;

async fn serve(req: HttpRequest, body: web::Bytes, sim: web::Data<Arc<Sim>>) -> HttpResponse {
    let sim: &Arc<Sim> = &sim;
    let begun = Instant::now();
    let base = {
        let info = req.connection_info();
        format!("{}://{}", info.scheme(), info.host())
    };
    let method = req.method().as_str().to_owned();
    let url = req
        .uri()
        .path_and_query()
        .map_or_else(|| "/".to_owned(), ToString::to_string);
    let path = req.path().to_owned();
    if path == "/v1.0" || path.starts_with("/v1.0/") {
        let mut headers: HashMap<String, String> = HashMap::new();
        for (name, value) in req.headers() {
            let value = value.to_str().unwrap_or_default();
            headers
                .entry(name.as_str().to_owned())
                // Several header lines make one list.
                .and_modify(|old| {
                    old.push(',');
                    old.push_str(value);
                })
                .or_insert_with(|| value.to_owned());
        }
        if body.len() > LARGEST_REQUEST {
            return HttpResponse::PayloadTooLarge().json(serde_json::json!({"error": {
                "code": "RequestEntityTooLarge",
                "message": "The request is too large.",
            }}));
        }
        let call = Call::new(&method, &url, headers, body.to_vec(), &base);
        return send(graph::handle(sim, call).await);
    }
    if let Some(rest) = path.strip_prefix("/sim/api") {
        let parts = call::segments(rest);
        let query = form::pairs(req.query_string());
        return send(control::handle(sim, &method, &parts, &query, &body).await);
    }
    let parts = call::segments(&path);
    let names: Vec<&str> = parts.iter().map(String::as_str).collect();
    let form = || form::pairs(&String::from_utf8_lossy(&body));
    match (method.as_str(), names.as_slice()) {
        ("GET", [tenant, "oauth2", "v2.0", "authorize"]) => {
            let shown = login::authorize(&sim.world(), tenant, req.query_string());
            log_login(sim, &method, &path, &shown, begun);
            screen(shown)
        }
        ("POST", [tenant, "oauth2", "v2.0", "authorize"]) => {
            let text = String::from_utf8_lossy(&body).into_owned();
            screen(login::authorize(&sim.world(), tenant, &text))
        }
        ("POST", [tenant, "oauth2", "v2.0", step @ ("select" | "consent")]) => {
            let fields = form();
            let shown = {
                let mut world = sim.world();
                if *step == "select" {
                    login::select(&mut world, tenant, &fields)
                } else {
                    login::consent(&mut world, tenant, &fields)
                }
            };
            sim.changed();
            log_login(sim, &method, &path, &shown, begun);
            screen(shown)
        }
        ("GET", [tenant, "v2.0", "adminconsent"]) => {
            let shown = login::admin_consents::page(&sim.world(), tenant, req.query_string());
            log_login(sim, &method, &path, &shown, begun);
            screen(shown)
        }
        ("POST", [tenant, "v2.0", "adminconsent"]) => {
            let shown = login::admin_consents::decide(&mut sim.world(), tenant, &form());
            sim.changed();
            log_login(sim, &method, &path, &shown, begun);
            screen(shown)
        }
        ("POST", [tenant, "oauth2", "v2.0", "token"]) => {
            let basic = req
                .headers()
                .get("authorization")
                .and_then(|h| h.to_str().ok())
                .and_then(|h| h.strip_prefix("Basic "))
                .map(str::to_owned);
            token(sim, tenant, &form(), basic.as_deref(), &base, &path, begun).await
        }
        ("GET", [_, "oauth2", "v2.0", "logout"]) => html(
            200,
            "<!doctype html><title>Signed out</title><p>You signed out of your account.</p>".into(),
        ),
        ("GET", [tenant, "v2.0", ".well-known", "openid-configuration"]) => {
            send(Reply::json(200, login::metadata(tenant, &base)))
        }
        ("GET", ["common", "discovery", "instance"]) => send(Reply::json(200, login::instance(&base))),
        ("GET", [_, "discovery", "v2.0", "keys"]) => send(Reply::json(200, serde_json::json!({"keys": []}))),
        _ => {
            let shown = page::handle(sim, &method, &names, &form());
            match shown {
                Screen::Html(status, text) => html(status, text),
                Screen::Redirect(to) => HttpResponse::SeeOther().append_header(("Location", to)).finish(),
            }
        }
    }
}

fn line(method: &str, path: &str, status: u16, mailbox: Option<String>, begun: Instant) -> Logline {
    Logline {
        time: chrono::Utc::now(),
        method: method.to_owned(),
        path: path.to_owned(),
        status,
        mailbox,
        request_id: uuid::Uuid::new_v4().to_string(),
        client_request_id: None,
        prefer: None,
        if_match: None,
        duration_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        fault: None,
    }
}

fn log_login(sim: &Sim, method: &str, path: &str, shown: &Screen, begun: Instant) {
    let status = match shown {
        Screen::Html(status, _) => *status,
        Screen::Redirect(_) => 302,
    };
    sim.log(line(method, path, status, None, begun));
}

async fn token(
    sim: &Arc<Sim>,
    tenant: &str,
    fields: &form::Pairs,
    basic: Option<&str>,
    base: &str,
    path: &str,
    begun: Instant,
) -> HttpResponse {
    let effect = faults::strike(&mut sim.world().faults, None, "POST", path);
    if effect.latency_ms > 0 {
        tokio::time::sleep(Duration::from_millis(effect.latency_ms)).await;
    }
    let mut reply = if effect.cut == Some(Cut::Before) {
        Reply {
            cut: true,
            ..Reply::default()
        }
    } else if let Some(error) = effect.error {
        let body = serde_json::json!({
            "error": "temporarily_unavailable",
            "error_description": "AADSTS90033: A transient error has occurred. Please try again.",
            "error_codes": [90033],
        });
        Reply {
            status: error.status,
            body: Some(body),
            headers: error.headers,
            ..Reply::default()
        }
    } else {
        let (result, mailbox) = login::token(&mut sim.world(), tenant, fields, basic, base);
        sim.changed();
        let mut reply = match result {
            Ok(body) => Reply::json(200, body),
            Err(refusal) => Reply::json(refusal.status, refusal.body),
        };
        sim.log(line("POST", path, reply.status, mailbox, begun));
        reply.cut = effect.cut == Some(Cut::After);
        reply.slow_body_ms = effect.slow_body_ms;
        reply
    };
    reply
        .headers
        .push(("Cache-Control".into(), "no-store, no-cache".into()));
    send(reply)
}
