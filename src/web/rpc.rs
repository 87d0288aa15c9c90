//! `/jsonrpc` and `/json/2`: Odoo's two dialects of one call.

use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::{HttpRequest, HttpResponse, web};
use secrecy::SecretString;
use serde_json::{Map, Value};
use tokio::time::timeout;
use tracing::Span;
use tracing_actix_web::RootSpanBuilder;

use super::caller::{self, cut};
use super::{Doors, LARGEST_BODY};
use crate::odoo::OdooError;
use crate::odoo::rpc::{self, Call, Malformed, Request};

/// No call waits for Microsoft longer than a login's code exchange does.
const LONGEST_CALL: Duration = Duration::from_secs(60);

/// One span for each request: who asked what, and what came of it; never queries, keys or bodies.
pub struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let from = request
            .app_data::<web::Data<Doors>>()
            .map(|doors| caller::address(request.request(), &doors.trusted_proxies));
        // A caller's words are recorded as text, which is escaped; what is displayed is not.
        tracing::info_span!(
            "request",
            client.address = from.map(tracing::field::display),
            http.method = cut(request.method().as_str()),
            http.path = cut(request.path()),
            http.status = tracing::field::Empty,
            rpc.method = tracing::field::Empty,
        )
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, actix_web::Error>) {
        let status = match outcome {
            Ok(response) => response.status(),
            Err(error) => error.as_response_error().status_code(),
        };
        span.record("http.status", status.as_u16());
    }
}

/// Answers with HTTP 200 whatever happened, as Odoo does.
pub async fn jsonrpc(
    doors: web::Data<Doors>,
    request: HttpRequest,
    body: Result<web::Bytes, actix_web::Error>,
) -> HttpResponse {
    let body = match body {
        Ok(body) => body,
        Err(_) => return too_large(),
    };
    let envelope = match rpc::read(&body) {
        Ok(envelope) => envelope,
        Err(malformed) => return refuse(malformed),
    };
    let result = match envelope.request {
        Ok(Request::Version) => Ok(rpc::version()),
        Ok(Request::Execute(mut call)) => {
            call.database_name = database_name(&request);
            execute(&doors, call).await
        }
        Err(error) => Err(error),
    };
    HttpResponse::Ok().json(rpc::answer(envelope.id, result))
}

/// What the caller's database is called, percent-encoded as names may be in any script.
fn database_name(request: &HttpRequest) -> Option<String> {
    let header = request.headers().get("X-Odoo-Database-Name")?;
    let (name, _) = url::form_urlencoded::parse(header.as_bytes()).next()?;
    Some(name.into_owned())
}

fn refuse(malformed: Malformed) -> HttpResponse {
    tracing::warn!(?malformed, "not a JSON-RPC request");
    HttpResponse::Ok().json(malformed.to_json())
}

fn too_large() -> HttpResponse {
    let error = OdooError::user(format!(
        "the request is larger than {} MiB",
        LARGEST_BODY / 1024 / 1024
    ));
    tracing::warn!("refused: body too large or cut short");
    HttpResponse::PayloadTooLarge().json(rpc::answer(Value::Null, Err(error)))
}

pub async fn only_post() -> HttpResponse {
    HttpResponse::MethodNotAllowed()
        .insert_header(("Allow", "POST"))
        .finish()
}

/// Odoo 19's dialect: keyword arguments as the body, HTTP statuses for errors.
pub async fn json2(
    doors: web::Data<Doors>,
    path: web::Path<(String, String)>,
    request: HttpRequest,
    body: Result<web::Bytes, actix_web::Error>,
) -> HttpResponse {
    let Ok(body) = body else { return too_large() };
    let (model, method) = path.into_inner();
    let result = match read_json2(&request, model, method, &body) {
        Ok(call) => execute(&doors, call).await,
        Err(error) => Err(error),
    };
    match result {
        Ok(value) => HttpResponse::Ok().json(value),
        Err(error) => {
            let status = actix_web::http::StatusCode::from_u16(error.http_status())
                .unwrap_or(actix_web::http::StatusCode::INTERNAL_SERVER_ERROR);
            HttpResponse::build(status).json(error.data())
        }
    }
}

fn read_json2(request: &HttpRequest, model: String, method: String, body: &[u8]) -> Result<Call, OdooError> {
    let header = |name: &str| {
        request
            .headers()
            .get(name)
            .and_then(|v| v.to_str().ok())
            .map(str::to_owned)
    };
    let key = header("Authorization")
        .and_then(|value| {
            let (scheme, key) = value.split_once(' ')?;
            scheme
                .eq_ignore_ascii_case("bearer")
                .then(|| SecretString::from(key.trim()))
        })
        .ok_or_else(|| OdooError::AccessDenied("a bearer key is needed".to_owned()))?;
    let db =
        header("X-Odoo-Database").ok_or_else(|| OdooError::user("the header X-Odoo-Database is needed"))?;
    let uid = match header("X-Odoo-User") {
        None => 1,
        Some(uid) => uid
            .parse()
            .map_err(|_| OdooError::user("the header X-Odoo-User must be a user's id"))?,
    };
    let kwargs: Map<String, Value> = if body.is_empty() {
        Map::new()
    } else {
        serde_json::from_slice(body)
            .map_err(|_| OdooError::user("the body must be a JSON object of keyword arguments"))?
    };
    Ok(Call {
        db,
        uid,
        key,
        model,
        method,
        kwargs,
        database_name: database_name(request),
    })
}

async fn execute(doors: &Doors, call: Call) -> Result<Value, OdooError> {
    let name = format!("{}.{}", call.model, call.method);
    Span::current().record("rpc.method", cut(&name));
    let result = match timeout(LONGEST_CALL, doors.methods.call(call)).await {
        Ok(result) => result,
        Err(_) => Err(OdooError::Internal(anyhow::anyhow!(
            "{} took longer than {LONGEST_CALL:?}",
            cut(&name)
        ))),
    };
    let outcome = result.as_ref().map_or_else(OdooError::exception_name, |_| "ok");
    metrics::counter!("outlook_bridge_calls_total", "outcome" => outcome).increment(1);
    if let Err(error) = &result {
        // The words are for the caller, and may name people.
        tracing::info!(rpc.method = cut(&name), outcome, "call refused");
        tracing::debug!(error = cut(&error.to_string()), "why");
    }
    result
}
