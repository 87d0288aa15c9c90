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

use super::access::{Holder, Opened};
use super::app_state::{AppState, LARGEST_BODY, LARGEST_BODY_WITHOUT_KEY, NOTIFICATIONS};
use super::caller::{self, shorten};
use super::faults::log_fault;
use super::limits::{LimitReached, ReadPermit};
use super::{describe, sessions};
use crate::engine::tenants::{self, Turn};
use crate::measures;
use crate::odoo::OdooError;
use crate::odoo::api::{self, Versions};
use crate::odoo::rpc::{self, Call, LogIn, Malformed, Request};
use crate::store::seal::digest;
use crate::store::sessions::Session;
use crate::traces;

/// The longest a call may take. No call waits for Microsoft, except for a login's code exchange.
const LONGEST_CALL: Duration = Duration::from_secs(60);
/// How long a body may take to arrive.
pub(super) const BODY_TIMEOUT_WITHOUT_KEY: Duration = Duration::from_secs(5);
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// After what time a caller is asked to try again whose turn did not come.
const BUSY_FOR: Duration = Duration::from_secs(1);

/// One span per request: who called what, and the result; never queries, keys or bodies.
pub struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let client = request
            .app_data::<web::Data<AppState>>()
            .map(|state| caller::address(request.request(), &state.trusted_proxies));
        // A caller's text is recorded as a string, which is escaped. A displayed value is not.
        tracing::info_span!(
            "request",
            client.address = client.map(tracing::field::display),
            http.method = shorten(request.method().as_str()),
            http.path = loggable_path(request.path()),
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

/// Returns a path as it may be logged: an address for notifications contains a secret.
fn loggable_path(path: &str) -> &str {
    if path.starts_with(NOTIFICATIONS) {
        return NOTIFICATIONS;
    }
    shorten(path)
}

/// Refuses a body in chunks, whose length is unknown: actix reads the rest of one for as long as it
/// arrives.
pub async fn require_content_length(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    if !request.headers().contains_key(TRANSFER_ENCODING) {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let error = OdooError::user("the request's body must come with its length, and not in chunks");
    let answer = AnswerBeforeBody {
        text: rpc::answer(Value::Null, Err(error)).to_string().into(),
        _body: Box::new(request.take_payload()),
    };
    let response = HttpResponse::LengthRequired()
        .content_type("application/json")
        .body(answer);
    Ok(request.into_response(response))
}

/// Adds to each answer, including refusals, which versions of the exchange this service
/// understands.
pub async fn add_version_headers(
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
struct AnswerBeforeBody {
    text: Bytes,
    _body: Box<Payload>,
}

impl MessageBody for AnswerBeforeBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.text.len() as u64)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let text = std::mem::take(&mut self.get_mut().text);
        Poll::Ready((!text.is_empty()).then_some(Ok(text)))
    }
}

/// Why a request is answered before it was understood.
#[derive(Debug)]
pub(super) enum Refusal {
    /// A limit for callers without a known key.
    LimitReached(LimitReached),
    /// A limit of the database.
    Busy,
    NoKey,
    NoDatabase,
    Encoded,
    /// A page of another site can send no JSON.
    NotJson,
    TooLarge(usize),
    TooSlow,
    Broken,
    /// The key is wrong.
    WrongKey(OdooError),
}

impl Refusal {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::LimitReached(_) | Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::NoKey => StatusCode::UNAUTHORIZED,
            Self::NoDatabase => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Encoded | Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
            Self::WrongKey(error) => status_of(error),
        }
    }

    fn into_error(self) -> OdooError {
        match self {
            Self::LimitReached(LimitReached::For(seconds)) => OdooError::AccessDenied(format!(
                "The Outlook bridge has been called too often, or with too many wrong keys, from where Odoo is. It listens again \
                 in {seconds} s."
            )),
            Self::LimitReached(LimitReached::TooManyReads) => OdooError::AccessDenied(
                "The Outlook bridge is being called by too many at once. Try again.".to_owned(),
            ),
            Self::Busy => tenants::busy(),
            Self::NoKey => OdooError::AccessDenied("a bearer key is needed".to_owned()),
            Self::NoDatabase => OdooError::user("the header X-Odoo-Database is needed"),
            Self::Encoded => OdooError::user("the request's body must not be compressed"),
            Self::NotJson => {
                OdooError::user("the request's body must be JSON, and its Content-Type application/json")
            }
            Self::TooLarge(most) if most < LARGEST_BODY => OdooError::user(format!(
                "the request is larger than {} KiB, and its headers do not bring the key of a database",
                most / 1024
            )),
            Self::TooLarge(most) => {
                OdooError::user(format!("the request is larger than {} MiB", most / 1024 / 1024))
            }
            Self::TooSlow => OdooError::user("the request took too long to come"),
            Self::Broken => OdooError::user("the request was cut short"),
            Self::WrongKey(error) => error,
        }
    }

    /// Logs and counts the refusal. The number of log lines is limited.
    pub(super) fn note(&self, state: &AppState, from: IpAddr) {
        measures::TURNED_AWAY.count_as(self.status().as_str().to_owned());
        match self {
            // Logged where it was found out.
            Self::WrongKey(_) => {}
            other => {
                if let Some(times) = state
                    .limits
                    .count_refusal(caller::rate_limit_source(from), self.status().as_u16())
                {
                    tracing::warn!(client.address = %from, times, reason = ?other, "turned away");
                }
            }
        }
    }

    pub(super) fn answer(
        self,
        state: &AppState,
        from: IpAddr,
        status: StatusCode,
        body: impl FnOnce(OdooError) -> Value,
    ) -> HttpResponse {
        self.note(state, from);
        let mut response = HttpResponse::build(status);
        match &self {
            Self::LimitReached(LimitReached::For(seconds)) => {
                response.insert_header((RETRY_AFTER, *seconds));
            }
            Self::Busy => {
                response.insert_header((RETRY_AFTER, BUSY_FOR.as_secs()));
            }
            _ => {}
        }
        response.json(body(self.into_error()))
    }
}

pub(super) fn status_of(error: &OdooError) -> StatusCode {
    StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// How a caller may show who it is, in the headers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// With a key.
    Key,
    /// With the cookie of a session.
    Cookie,
}

/// The caller, by the headers. They decide how much of the call is read.
pub(super) struct Sender {
    pub(super) from: IpAddr,
    /// The key in the headers, and its hash.
    key: Option<(Opened, Vec<u8>)>,
    /// The session of the cookie in the headers, with its key.
    pub(super) session: Option<(Session, Opened)>,
    _permit: Option<ReadPermit>,
    _turn: Option<Turn>,
}

impl Sender {
    /// Reads only the headers.
    pub(super) async fn identify(
        state: &AppState,
        request: &HttpRequest,
        from: IpAddr,
        shown: Shown,
    ) -> Result<Self, Refusal> {
        let encoded = request.headers().get(CONTENT_ENCODING);
        if encoded.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
            return Err(Refusal::Encoded);
        }
        let length = length(request);
        if shown == Shown::Cookie {
            let session = Self::session(state, request, from).await?;
            return Self::without_key(state, from, length, session);
        }
        let Some(key) = bearer(request) else {
            return Self::without_key(state, from, length, None);
        };
        let hash = digest(key.expose_secret());
        let uuid = header(request, "X-Odoo-Database").ok_or(Refusal::NoDatabase)?;
        if is_known(state, &hash).await {
            let bytes = length.unwrap_or_default();
            state
                .limits
                .check_with_key(&hash, bytes)
                .map_err(|_| Refusal::Busy)?;
        } else {
            let source = caller::rate_limit_source(from);
            state
                .limits
                .check_without_key(source, true)
                .map_err(Refusal::LimitReached)?;
        }
        let opened = state.methods.open(&uuid, &hash).await;
        let key = note_wrong_key(state, from, &uuid, hash.clone(), opened).map_err(Refusal::WrongKey)?;
        state.limits.add_known_key(hash.clone());
        // Only exchanges are large. What people's keys send must not hold them up.
        let (most, _) = limits_of(Some(&key));
        if length.is_some_and(|length| length > most as u64) {
            return Err(Refusal::TooLarge(most));
        }
        let turn = match length {
            Some(length) if length > LARGEST_BODY_WITHOUT_KEY as u64 => {
                let entered = state.methods.take_large_turn(&key.database).await;
                Some(entered.map_err(|_| Refusal::Busy)?)
            }
            _ => None,
        };
        Ok(Self {
            from,
            key: Some((key, hash)),
            session: None,
            _permit: None,
            _turn: turn,
        })
    }

    /// Returns a sender without a key in the headers, of whom little is read.
    fn without_key(
        state: &AppState,
        from: IpAddr,
        length: Option<u64>,
        session: Option<(Session, Opened)>,
    ) -> Result<Self, Refusal> {
        let source = caller::rate_limit_source(from);
        if session.is_none() {
            state
                .limits
                .check_without_key(source, false)
                .map_err(Refusal::LimitReached)?;
        }
        if length.is_some_and(|length| length > LARGEST_BODY_WITHOUT_KEY as u64) {
            return Err(Refusal::TooLarge(LARGEST_BODY_WITHOUT_KEY));
        }
        let permit = match session {
            Some(_) => None,
            None => Some(
                state
                    .limits
                    .start_reading(source)
                    .map_err(Refusal::LimitReached)?,
            ),
        };
        Ok(Self {
            from,
            key: None,
            session,
            _permit: permit,
            _turn: None,
        })
    }

    /// Returns the session of the cookie, if it is valid.
    async fn session(
        state: &AppState,
        request: &HttpRequest,
        from: IpAddr,
    ) -> Result<Option<(Session, Opened)>, Refusal> {
        let Some(token) = sessions::token(request) else {
            return Ok(None);
        };
        let hash = digest(&token);
        if !is_known(state, &hash).await {
            let source = caller::rate_limit_source(from);
            state
                .limits
                .check_without_key(source, true)
                .map_err(Refusal::LimitReached)?;
        }
        let found = state.methods.session(&hash).await.unwrap_or_else(|error| {
            tracing::warn!(error = format!("{error:#}"), "a session was not looked up");
            None
        });
        match &found {
            Some((session, _)) => state
                .limits
                .check_with_key(&session.key_hash, length(request).unwrap_or_default())
                .map_err(|_| Refusal::Busy)?,
            // Its key has ended. It is a stranger's from now on.
            None => state.limits.forget_known_key(&hash),
        }
        Ok(found)
    }

    /// Reads the body, within the limits of size and time that the headers permit.
    async fn read(&self, payload: web::Payload) -> Result<Vec<u8>, Refusal> {
        let (most, patience) = limits_of(self.key.as_ref().map(|(key, _)| key));
        read_body(payload, most, patience).await
    }

    fn is_add_on(&self) -> bool {
        matches!(&self.key, Some((key, _)) if key.holder == Holder::AddOn)
    }

    /// Gives a call without a user the user of its key: only the add-on says for whom it calls.
    fn in_own_name(&self, call: Call) -> Call {
        match &self.key {
            Some((key, _)) if key.holder != Holder::AddOn => Call {
                uid: key.uid(),
                ..call
            },
            _ => call,
        }
    }

    /// Returns the key that a call contains, if it is of the database that the call names.
    pub(super) async fn open(
        &self,
        state: &AppState,
        database: &str,
        key: &SecretString,
    ) -> Result<Opened, OdooError> {
        let hash = digest(key.expose_secret());
        if let Some((opened, known)) = &self.key
            && *known == hash
            && opened.is_called(database)
        {
            return Ok(opened.clone());
        }
        if is_known(state, &hash).await {
            state
                .limits
                .check_with_key(&hash, 0)
                .map_err(|_| Refusal::Busy.into_error())?;
        } else if self.key.is_some() {
            // Whoever has one key may not try others more often than those without one.
            state
                .limits
                .check_without_key(caller::rate_limit_source(self.from), true)
                .map_err(|reached| Refusal::LimitReached(reached).into_error())?;
        }
        let opened = state.methods.open(database, &hash).await;
        note_wrong_key(state, self.from, database, hash.clone(), opened)
            .inspect(|_| state.limits.add_known_key(hash))
    }
}

/// Returns how large a body may be, and how long it may take to arrive.
fn limits_of(key: Option<&Opened>) -> (usize, Duration) {
    match key {
        Some(key) if key.holder == Holder::AddOn => (LARGEST_BODY, BODY_TIMEOUT),
        _ => (LARGEST_BODY_WITHOUT_KEY, BODY_TIMEOUT_WITHOUT_KEY),
    }
}

/// Reads a body of at most so many bytes, which may take so long to arrive.
pub(super) async fn read_body(
    mut payload: web::Payload,
    most: usize,
    patience: Duration,
) -> Result<Vec<u8>, Refusal> {
    let read = async {
        let mut body = Vec::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| Refusal::Broken)?;
            if body.len() + chunk.len() > most {
                return Err(Refusal::TooLarge(most));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    };
    timeout(patience, read).await.unwrap_or(Err(Refusal::TooSlow))
}

/// Returns whether a key was valid when it was last checked. It is checked for each call all the
/// same.
async fn is_known(state: &AppState, hash: &[u8]) -> bool {
    if !state.limits.is_known(hash) && state.limits.is_key_refresh_due() {
        match state.methods.all_key_hashes().await {
            Ok(keys) => state.limits.replace_known_keys(keys),
            Err(error) => tracing::warn!(error = format!("{error:#}"), "the keys were not looked up"),
        }
    }
    state.limits.is_known(hash)
}

/// Counts and logs a wrong key or code, and logs why a right one was not found out.
fn note_wrong_key<T>(
    state: &AppState,
    from: IpAddr,
    uuid: &str,
    hash: Vec<u8>,
    opened: Result<T, OdooError>,
) -> Result<T, OdooError> {
    if let Err(error @ OdooError::AccessDenied(reason)) = &opened {
        let source = caller::rate_limit_source(from);
        let is_new = state.limits.add_wrong_key(source, &hash);
        let times = state.limits.count_refusal(source, error.http_status());
        if is_new || times.is_some() {
            tracing::warn!(client.address = %from, database.uuid = shorten(uuid), times, reason = shorten(reason), "refused");
        }
    }
    opened.map_err(log_fault)
}

pub(super) fn length(request: &HttpRequest) -> Option<u64> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

pub(super) fn header(request: &HttpRequest, name: &str) -> Option<String> {
    let value = request.headers().get(name)?.to_str().ok()?;
    Some(value.to_owned())
}

pub(super) fn bearer(request: &HttpRequest) -> Option<SecretString> {
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
pub(super) async fn read_call(
    state: &AppState,
    request: &HttpRequest,
    from: IpAddr,
    payload: web::Payload,
    shown: Shown,
) -> Result<(Sender, Vec<u8>), Refusal> {
    let sender = Sender::identify(state, request, from, shown).await?;
    let body = sender.read(payload).await?;
    Ok((sender, body))
}

/// Answers with HTTP 200 whatever the result is, as Odoo does.
pub async fn jsonrpc(
    state: web::Data<AppState>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let from = caller::address(&request, &state.trusted_proxies);
    let (sender, body) = match read_call(&state, &request, from, payload, Shown::Key).await {
        Ok(sender_and_body) => sender_and_body,
        Err(refusal) => {
            let status = match refusal {
                Refusal::WrongKey(_) => StatusCode::OK,
                _ => refusal.status(),
            };
            let body = |error| rpc::answer(Value::Null, Err(error));
            return refusal.answer(&state, from, status, body);
        }
    };
    let envelope = match rpc::read(&body) {
        Ok(envelope) => envelope,
        Err(malformed) => return answer_malformed(from, malformed),
    };
    drop(body);
    let result = match envelope.request {
        Ok(Request::Version) => Ok(rpc::version()),
        Ok(Request::About { extended }) => Ok(rpc::about(extended)),
        Ok(Request::Discover) => Ok(describe::open_rpc()),
        Ok(Request::LogIn(login)) => log_in(&state, &sender, &login).await,
        Ok(Request::Execute(mut call)) => {
            call.database_name = database_name(&request);
            call.trace = header(&request, traces::HEADER);
            match versions(&request) {
                Ok(versions) => {
                    call.versions = versions;
                    execute(&state, &sender, call, Opening::Contained).await
                }
                Err(error) => Err(error),
            }
        }
        Err(error) => Err(error),
    };
    HttpResponse::Ok().json(rpc::answer(envelope.id, result.map_err(log_fault)))
}

/// Answers `common.login`: the user's id, or `false`, as Odoo does.
async fn log_in(state: &AppState, sender: &Sender, login: &LogIn) -> Result<Value, OdooError> {
    let opened = match sender.open(state, &login.db, &login.key).await {
        Ok(opened) => opened,
        Err(OdooError::AccessDenied(_)) => return Ok(Value::Bool(false)),
        Err(error) => return Err(error),
    };
    Ok(match state.methods.is_login(&opened, &login.login).await? {
        true => opened.uid().into(),
        false => Value::Bool(false),
    })
}

pub(super) fn answer_malformed(from: IpAddr, malformed: Malformed) -> HttpResponse {
    tracing::info!(client.address = %from, ?malformed, "not a JSON-RPC request");
    HttpResponse::Ok().json(malformed.to_json())
}

pub async fn answer_other_methods() -> HttpResponse {
    HttpResponse::MethodNotAllowed()
        .insert_header(("Allow", "POST"))
        .finish()
}

/// Serves Odoo 19's dialect: keyword arguments as the body, HTTP statuses for errors.
pub async fn json2(
    state: web::Data<AppState>,
    path: web::Path<(String, String)>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let from = caller::address(&request, &state.trusted_proxies);
    let sender_and_body = match bearer(&request) {
        Some(_) => read_call(&state, &request, from, payload, Shown::Key).await,
        None => Err(Refusal::NoKey),
    };
    let (sender, body) = match sender_and_body {
        Ok(sender_and_body) => sender_and_body,
        Err(refusal) => {
            let status = refusal.status();
            return refusal.answer(&state, from, status, |error| error.data());
        }
    };
    let (model, method) = path.into_inner();
    let read = read_json2(&request, &sender, model, method, &body);
    let result = match read.map(|call| sender.in_own_name(call)) {
        Ok(call) => execute(&state, &sender, call, Opening::Contained).await,
        Err(error) => Err(error),
    };
    match result {
        Ok(value) => HttpResponse::Ok().json(value),
        Err(error) => {
            let mut response = HttpResponse::build(status_of(&error));
            if matches!(error, OdooError::Busy(_)) {
                response.insert_header((RETRY_AFTER, BUSY_FOR.as_secs()));
            }
            response.json(error.data())
        }
    }
}

fn read_json2(
    request: &HttpRequest,
    sender: &Sender,
    model: String,
    method: String,
    body: &[u8],
) -> Result<Call, OdooError> {
    let key = bearer(request).ok_or_else(|| OdooError::AccessDenied("a bearer key is needed".to_owned()))?;
    let db = header(request, "X-Odoo-Database")
        .ok_or_else(|| OdooError::user("the header X-Odoo-Database is needed"))?;
    let uid = match header(request, "X-Odoo-User") {
        // Odoo has checked what this user may. It is nobody who is not named.
        None if sender.is_add_on() => {
            return Err(OdooError::user(
                "the header X-Odoo-User is needed with the key of the database: the id of the user for whom Odoo calls",
            ));
        }
        None => rpc::ADMINISTRATOR,
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
        args: Vec::new(),
        kwargs,
        database_name: database_name(request),
        versions: versions(request)?,
        trace: header(request, traces::HEADER),
    })
}

/// The key of a call.
pub(super) enum Opening {
    /// The call contains it.
    Contained,
    /// It was recognized before.
    Known(Box<Opened>),
}

pub(super) async fn execute(
    state: &AppState,
    sender: &Sender,
    call: Call,
    key: Opening,
) -> Result<Value, OdooError> {
    let name = format!("{}.{}", call.model, call.method);
    Span::current().record("rpc.method", shorten(&name));
    let result = match timeout(LONGEST_CALL, run_method(state, sender, call, key, &name)).await {
        Ok(result) => result,
        Err(_) => Err(OdooError::Internal(anyhow::anyhow!(
            "{} took longer than {LONGEST_CALL:?}",
            shorten(&name)
        ))),
    };
    let result = result.map_err(log_fault);
    let outcome = result.as_ref().map_or_else(OdooError::exception_name, |_| "ok");
    measures::CALLS.add(outcome, 1);
    if let Err(error) = &result {
        // The error's text is for the caller, and may name people.
        tracing::info!(client.address = %sender.from, rpc.method = shorten(&name), outcome, "call refused");
        tracing::debug!(error = shorten(&error.to_string()), "why");
    }
    result
}

async fn run_method(
    state: &AppState,
    sender: &Sender,
    call: Call,
    key: Opening,
    name: &str,
) -> Result<Value, OdooError> {
    // An unknown method may belong to a version that is not understood.
    match call.versions.problem() {
        None => {
            state.methods.find(&call)?;
        }
        Some(problem) if state.methods.needs_no_key(name) => return Err(OdooError::user(problem)),
        Some(_) => {}
    }
    if state.methods.needs_no_key(name) {
        let uuid = call.db.clone();
        let code = digest(call.key.expose_secret());
        let paired = state.methods.pair(call).await;
        return note_wrong_key(state, sender.from, &uuid, code, paired)
            .inspect(|answer| add_new_key(state, answer));
    }
    let key = match key {
        Opening::Contained => sender.open(state, &call.db, &call.key).await?,
        Opening::Known(key) => *key,
    };
    // Only calls with a key are traced, so nobody else can fill the collector.
    let trace = traces::Span::of_call(name, call.trace.as_deref());
    let answer = trace.around(state.methods.call(key, call, name)).await;
    if let Err(error) = &answer {
        trace.fail(error.exception_name());
    }
    answer.inspect(|answer| add_new_key(state, answer))
}

/// Learns a new key at once, so that its owner need not wait behind callers without a key.
fn add_new_key(state: &AppState, answer: &Value) {
    if let Some(key) = answer.get("api_key").and_then(Value::as_str) {
        state.limits.add_known_key(digest(key));
    }
}
