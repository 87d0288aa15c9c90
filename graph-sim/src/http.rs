//! Requests as they come over HTTP, and the answers: whole, slow or cut off.

use crate::call::{self, Call, Reply};
use crate::control;
use crate::faults::{self, Cut};
use crate::form;
use crate::graph;
use crate::login::{self, Screen};
use crate::page;
use crate::sim::Sim;
use crate::state::Logline;
use actix_web::body::{BodySize, MessageBody};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

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

pub(crate) async fn serve(req: HttpRequest, body: web::Bytes, sim: web::Data<Arc<Sim>>) -> HttpResponse {
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
    let (time, took) = (chrono::Utc::now(), begun.elapsed());
    Logline {
        time,
        begun: time - took,
        method: method.to_owned(),
        path: path.to_owned(),
        status,
        mailbox,
        request_id: uuid::Uuid::new_v4().to_string(),
        client_request_id: None,
        prefer: None,
        if_match: None,
        duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
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
