//! `/jsonrpc` and `/json/2`: Odoo's two dialects of a call. Before a key is known, little is read
//! and nothing is decompressed.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderName, RETRY_AFTER, TRANSFER_ENCODING};
use actix_web::middleware::Next;
use actix_web::web::{self, Bytes};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use futures_util::StreamExt;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use tokio::time::timeout;
use tracing::Span;
use tracing_actix_web::RootSpanBuilder;

use super::caller::{self, cut};
use super::doors::{Doors, LARGEST_BODY, LARGEST_STRANGERS_BODY};
use super::limits::{Held, Place};
use crate::engine::tenants::{self, Turn};
use crate::odoo::OdooError;
use crate::odoo::api::{self, Versions};
use crate::odoo::rpc::{self, Call, Malformed, Request};
use crate::store::databases::Database;
use crate::store::seal::digest;

/// The longest a call may take. No call waits for Microsoft, except for a login's code exchange.
const LONGEST_CALL: Duration = Duration::from_secs(60);
/// How long a body may take to arrive.
const STRANGERS_PATIENCE: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(30);

/// One span per request: who called what, and the result; never queries, keys or bodies.
pub struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let client = request
            .app_data::<web::Data<Doors>>()
            .map(|doors| caller::address(request.request(), &doors.trusted_proxies));
        // A caller's text is recorded as a string, which is escaped. A displayed value is not.
        tracing::info_span!(
            "request",
            client.address = client.map(tracing::field::display),
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

/// Refuses a body in chunks, whose length is unknown: actix reads the rest of one for as long as it
/// arrives.
pub async fn only_with_a_length(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    if !request.headers().contains_key(TRANSFER_ENCODING) {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let error = OdooError::user("the request's body must come with its length, and not in chunks");
    let answer = Unread {
        words: rpc::answer(Value::Null, Err(error)).to_string().into(),
        _body: Box::new(request.take_payload()),
    };
    let response = HttpResponse::LengthRequired()
        .content_type("application/json")
        .body(answer);
    Ok(request.into_response(response))
}

/// Adds to each answer, including refusals, which versions of the exchange this service
/// understands.
pub async fn with_versions(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let mut response = next.call(request).await?.map_into_boxed_body();
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static(api::HEADER), api::OURS.api().into());
    let lowest = HeaderName::from_static(api::HEADER_LOWEST);
    headers.insert(lowest, api::OURS.lowest().into());
    Ok(response)
}

/// An answer that keeps the request's body, so that the connection is closed instead of being read
/// to the body's end.
struct Unread {
    words: Bytes,
    _body: Box<Payload>,
}

impl MessageBody for Unread {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.words.len() as u64)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let words = std::mem::take(&mut self.get_mut().words);
        Poll::Ready((!words.is_empty()).then_some(Ok(words)))
    }
}

/// Why a request is answered before it was understood.
#[derive(Debug)]
enum Turned {
    /// A limit for callers without a known key.
    Held(Held),
    /// A limit of the database.
    Busy,
    NoKey,
    NoDatabase,
    Encoded,
    TooLarge(usize),
    TooSlow,
    Broken,
    /// The key is wrong.
    Refused(OdooError),
}

impl Turned {
    fn status(&self) -> StatusCode {
        match self {
            Self::Held(_) | Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::NoKey => StatusCode::UNAUTHORIZED,
            Self::NoDatabase => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Encoded => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
            Self::Refused(error) => status_of(error),
        }
    }

    fn into_error(self) -> OdooError {
        match self {
            Self::Held(Held::For(seconds)) => OdooError::AccessDenied(format!(
                "The Outlook bridge has been called too often, or with too many wrong keys, from where Odoo is. It listens again \
                 in {seconds} s."
            )),
            Self::Held(Held::Crowded) => OdooError::AccessDenied(
                "The Outlook bridge is being called by too many at once. Try again.".to_owned(),
            ),
            Self::Busy => tenants::busy(),
            Self::NoKey => OdooError::AccessDenied("a bearer key is needed".to_owned()),
            Self::NoDatabase => OdooError::user("the header X-Odoo-Database is needed"),
            Self::Encoded => OdooError::user("the request's body must not be compressed"),
            Self::TooLarge(most) if most < LARGEST_BODY => OdooError::user(format!(
                "the request is larger than {} KiB, and its headers bring no key that is known",
                most / 1024
            )),
            Self::TooLarge(most) => {
                OdooError::user(format!("the request is larger than {} MiB", most / 1024 / 1024))
            }
            Self::TooSlow => OdooError::user("the request took too long to come"),
            Self::Broken => OdooError::user("the request was cut short"),
            Self::Refused(error) => error,
        }
    }

    /// Logs and counts the refusal. The number of log lines is limited.
    fn note(&self, doors: &Doors, from: IpAddr) {
        metrics::counter!("outlook_bridge_turned_away_total", "status" => self.status().as_str().to_owned())
            .increment(1);
        match self {
            // Logged where it was found out.
            Self::Refused(_) => {}
            other => {
                if let Some(times) = doors
                    .limits
                    .turned_away(caller::source(from), self.status().as_u16())
                {
                    tracing::warn!(client.address = %from, times, reason = ?other, "turned away");
                }
            }
        }
    }

    fn answer(
        self,
        doors: &Doors,
        from: IpAddr,
        status: StatusCode,
        body: impl FnOnce(OdooError) -> Value,
    ) -> HttpResponse {
        self.note(doors, from);
        let mut response = HttpResponse::build(status);
        if let Self::Held(Held::For(seconds)) = &self {
            response.insert_header((RETRY_AFTER, *seconds));
        }
        response.json(body(self.into_error()))
    }
}

fn status_of(error: &OdooError) -> StatusCode {
    StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The caller, by the headers. They decide how much of the call is read.
struct Visitor {
    from: IpAddr,
    /// The database of the key in the headers, and the key's hash.
    database: Option<(Database, Vec<u8>)>,
    _place: Option<Place>,
    _turn: Option<Turn>,
}

impl Visitor {
    /// Reads only the headers.
    async fn come(doors: &Doors, request: &HttpRequest, from: IpAddr) -> Result<Self, Turned> {
        let encoded = request.headers().get(CONTENT_ENCODING);
        if encoded.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
            return Err(Turned::Encoded);
        }
        let length = length(request);
        let Some(key) = bearer(request) else {
            let source = caller::source(from);
            doors.limits.stranger(source, false).map_err(Turned::Held)?;
            if length.is_some_and(|length| length > LARGEST_STRANGERS_BODY as u64) {
                return Err(Turned::TooLarge(LARGEST_STRANGERS_BODY));
            }
            let place = doors.limits.read(source).map_err(Turned::Held)?;
            return Ok(Self {
                from,
                database: None,
                _place: Some(place),
                _turn: None,
            });
        };
        let hash = digest(key.expose_secret());
        let uuid = header(request, "X-Odoo-Database").ok_or(Turned::NoDatabase)?;
        if is_known(doors, &hash).await {
            let bytes = length.unwrap_or_default();
            doors.limits.caller(&hash, bytes).map_err(|_| Turned::Busy)?;
        } else {
            let source = caller::source(from);
            doors.limits.stranger(source, true).map_err(Turned::Held)?;
        }
        let database = doors.methods.open(&uuid, &hash).await;
        let database = said(doors, from, &uuid, hash.clone(), database).map_err(Turned::Refused)?;
        if length.is_some_and(|length| length > LARGEST_BODY as u64) {
            return Err(Turned::TooLarge(LARGEST_BODY));
        }
        let turn = match length {
            Some(length) if length > LARGEST_STRANGERS_BODY as u64 => {
                let entered = doors.methods.enter_with_much(&database).await;
                Some(entered.map_err(|_| Turned::Busy)?)
            }
            _ => None,
        };
        Ok(Self {
            from,
            database: Some((database, hash)),
            _place: None,
            _turn: turn,
        })
    }

    /// Reads the body, within the limits of size and time that the headers permit.
    async fn read(&self, mut payload: web::Payload) -> Result<Vec<u8>, Turned> {
        let (most, patience) = match self.database {
            Some(_) => (LARGEST_BODY, PATIENCE),
            None => (LARGEST_STRANGERS_BODY, STRANGERS_PATIENCE),
        };
        let read = async {
            let mut body = Vec::new();
            while let Some(chunk) = payload.next().await {
                let chunk = chunk.map_err(|_| Turned::Broken)?;
                if body.len() + chunk.len() > most {
                    return Err(Turned::TooLarge(most));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(body)
        };
        timeout(patience, read).await.unwrap_or(Err(Turned::TooSlow))
    }

    /// Returns the database of the key that the call contains.
    async fn database(&self, doors: &Doors, call: &Call) -> Result<Database, OdooError> {
        let hash = digest(call.key.expose_secret());
        if let Some((database, known)) = &self.database
            && *known == hash
            && database.uuid == call.db
        {
            return Ok(database.clone());
        }
        if self.database.is_none() && is_known(doors, &hash).await {
            doors
                .limits
                .caller(&hash, 0)
                .map_err(|_| Turned::Busy.into_error())?;
        }
        let database = doors.methods.open(&call.db, &hash).await;
        said(doors, self.from, &call.db, hash, database)
    }
}

/// Returns whether a key was valid when it was last checked. It is checked for each call all the
/// same.
async fn is_known(doors: &Doors, hash: &[u8]) -> bool {
    if !doors.limits.knows(hash) && doors.limits.is_look_due() {
        match doors.methods.known_keys().await {
            Ok(keys) => doors.limits.learn_all(keys),
            Err(error) => tracing::warn!(error = format!("{error:#}"), "the keys were not looked up"),
        }
    }
    doors.limits.knows(hash)
}

/// Counts and logs a wrong key or code.
fn said<T>(
    doors: &Doors,
    from: IpAddr,
    uuid: &str,
    hash: Vec<u8>,
    opened: Result<T, OdooError>,
) -> Result<T, OdooError> {
    if let Err(error @ OdooError::AccessDenied(reason)) = &opened {
        let source = caller::source(from);
        let is_new = doors.limits.wrong(source, &hash);
        let times = doors.limits.turned_away(source, error.http_status());
        if is_new || times.is_some() {
            tracing::warn!(client.address = %from, database.uuid = cut(uuid), times, reason = cut(reason), "refused");
        }
    }
    opened
}

fn length(request: &HttpRequest) -> Option<u64> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn header(request: &HttpRequest, name: &str) -> Option<String> {
    let value = request.headers().get(name)?.to_str().ok()?;
    Some(value.to_owned())
}

fn bearer(request: &HttpRequest) -> Option<SecretString> {
    let value = request.headers().get("Authorization")?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| SecretString::from(key.trim()))
}

/// Returns the name of the caller's database. It is percent-encoded, as names may be in any script.
fn database_name(request: &HttpRequest) -> Option<String> {
    let header = request.headers().get("X-Odoo-Database-Name")?;
    let (name, _) = url::form_urlencoded::parse(header.as_bytes()).next()?;
    Some(name.into_owned())
}

/// Returns the versions of the exchange that the caller understands.
fn versions(request: &HttpRequest) -> Result<Versions, OdooError> {
    let header = |name: &str| {
        let value = request.headers().get(name)?;
        // A header that is not text is not a number either, and is refused as such.
        Some(value.to_str().unwrap_or_default())
    };
    Versions::read(header(api::HEADER), header(api::HEADER_LOWEST))
}

/// Reads a call's body, as far as its headers permit.
async fn visit(
    doors: &Doors,
    request: &HttpRequest,
    from: IpAddr,
    payload: web::Payload,
) -> Result<(Visitor, Vec<u8>), Turned> {
    let visitor = Visitor::come(doors, request, from).await?;
    let body = visitor.read(payload).await?;
    Ok((visitor, body))
}

/// Answers with HTTP 200 whatever the result is, as Odoo does.
pub async fn jsonrpc(doors: web::Data<Doors>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let from = caller::address(&request, &doors.trusted_proxies);
    let (visitor, body) = match visit(&doors, &request, from, payload).await {
        Ok(visited) => visited,
        Err(turned) => {
            let status = match turned {
                Turned::Refused(_) => StatusCode::OK,
                _ => turned.status(),
            };
            let body = |error| rpc::answer(Value::Null, Err(error));
            return turned.answer(&doors, from, status, body);
        }
    };
    let envelope = match rpc::read(&body) {
        Ok(envelope) => envelope,
        Err(malformed) => return refuse(from, malformed),
    };
    drop(body);
    let result = match envelope.request {
        Ok(Request::Version) => Ok(rpc::version()),
        Ok(Request::Execute(mut call)) => {
            call.database_name = database_name(&request);
            match versions(&request) {
                Ok(versions) => {
                    call.versions = versions;
                    execute(&doors, &visitor, call).await
                }
                Err(error) => Err(error),
            }
        }
        Err(error) => Err(error),
    };
    HttpResponse::Ok().json(rpc::answer(envelope.id, result))
}

fn refuse(from: IpAddr, malformed: Malformed) -> HttpResponse {
    tracing::info!(client.address = %from, ?malformed, "not a JSON-RPC request");
    HttpResponse::Ok().json(malformed.to_json())
}

pub async fn only_post() -> HttpResponse {
    HttpResponse::MethodNotAllowed()
        .insert_header(("Allow", "POST"))
        .finish()
}

/// Serves Odoo 19's dialect: keyword arguments as the body, HTTP statuses for errors.
pub async fn json2(
    doors: web::Data<Doors>,
    path: web::Path<(String, String)>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let from = caller::address(&request, &doors.trusted_proxies);
    let visited = match bearer(&request) {
        Some(_) => visit(&doors, &request, from, payload).await,
        None => Err(Turned::NoKey),
    };
    let (visitor, body) = match visited {
        Ok(visited) => visited,
        Err(turned) => {
            let status = turned.status();
            return turned.answer(&doors, from, status, |error| error.data());
        }
    };
    let (model, method) = path.into_inner();
    let result = match read_json2(&request, model, method, &body) {
        Ok(call) => execute(&doors, &visitor, call).await,
        Err(error) => Err(error),
    };
    match result {
        Ok(value) => HttpResponse::Ok().json(value),
        Err(error) => HttpResponse::build(status_of(&error)).json(error.data()),
    }
}

fn read_json2(request: &HttpRequest, model: String, method: String, body: &[u8]) -> Result<Call, OdooError> {
    let key = bearer(request).ok_or_else(|| OdooError::AccessDenied("a bearer key is needed".to_owned()))?;
    let db = header(request, "X-Odoo-Database")
        .ok_or_else(|| OdooError::user("the header X-Odoo-Database is needed"))?;
    let uid = match header(request, "X-Odoo-User") {
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
        versions: versions(request)?,
    })
}

async fn execute(doors: &Doors, visitor: &Visitor, call: Call) -> Result<Value, OdooError> {
    let name = format!("{}.{}", call.model, call.method);
    Span::current().record("rpc.method", cut(&name));
    let result = match timeout(LONGEST_CALL, carry_out(doors, visitor, call, &name)).await {
        Ok(result) => result,
        Err(_) => Err(OdooError::Internal(anyhow::anyhow!(
            "{} took longer than {LONGEST_CALL:?}",
            cut(&name)
        ))),
    };
    let outcome = result.as_ref().map_or_else(OdooError::exception_name, |_| "ok");
    metrics::counter!("outlook_bridge_calls_total", "outcome" => outcome).increment(1);
    if let Err(error) = &result {
        // The error's text is for the caller, and may name people.
        tracing::info!(client.address = %visitor.from, rpc.method = cut(&name), outcome, "call refused");
        tracing::debug!(error = cut(&error.to_string()), "why");
    }
    result
}

async fn carry_out(doors: &Doors, visitor: &Visitor, call: Call, name: &str) -> Result<Value, OdooError> {
    // An unknown method may belong to a version that is not understood.
    match call.versions.problem() {
        None => doors.methods.exists(name)?,
        Some(problem) if doors.methods.needs_no_key(name) => return Err(OdooError::User(problem)),
        Some(_) => {}
    }
    if doors.methods.needs_no_key(name) {
        let uuid = call.db.clone();
        let code = digest(call.key.expose_secret());
        let paired = doors.methods.pair(call).await;
        return said(doors, visitor.from, &uuid, code, paired).inspect(|answer| learn(doors, answer));
    }
    let database = visitor.database(doors, &call).await?;
    let answer = doors.methods.call(database, call, name).await;
    answer.inspect(|answer| learn(doors, answer))
}

/// Learns a new key at once, so that its owner need not wait behind callers without a key.
fn learn(doors: &Doors, answer: &Value) {
    if let Some(key) = answer.get("api_key").and_then(Value::as_str) {
        doors.limits.learn(digest(key));
    }
}
