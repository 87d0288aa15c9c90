//! The addresses of Odoo's web client that clients use: a login with a key starts a session, which a
//! cookie names.

use actix_web::http::header::{CONTENT_TYPE, COOKIE, SET_COOKIE};
use actix_web::http::{StatusCode, header::HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use url::Url;

use super::access::{Holder, Opened};
use super::app_state::AppState;
use super::caller;
use super::faults::log_fault;
use super::methods::{self, LONGEST_SESSION};
use super::rpc::{self, Opening, Refusal, Sender, Shown};
use crate::odoo::OdooError;
use crate::odoo::api;
use crate::odoo::rpc::{self as wire, Call};
use crate::store::seal::digest;
use crate::traces;

/// The name that Odoo gives its cookie.
const COOKIE_NAME: &str = "session_id";

/// Returns the token in the request's cookie.
pub(super) fn token(request: &HttpRequest) -> Option<String> {
    request
        .headers()
        .get_all(COOKIE)
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE_NAME)
        .map(|(_, token)| token.trim_matches('"').to_owned())
        .filter(|token| !token.is_empty())
}

/// A request that was read.
struct Read {
    sender: Sender,
    id: Value,
    params: Map<String, Value>,
}

/// Reads a request, within the limits of its sender.
///
/// # Errors
/// The answer that refuses it.
async fn read(state: &AppState, request: &HttpRequest, payload: web::Payload) -> Result<Read, HttpResponse> {
    let from = caller::address(request, &state.trusted_proxies);
    // Another site can make a browser send a form with the cookie, but no JSON.
    let is_json = |kind: &HeaderValue| {
        let kind = kind
            .to_str()
            .unwrap_or_default()
            .split(';')
            .next()
            .unwrap_or_default();
        matches!(kind.trim(), "application/json" | "application/json-rpc")
    };
    if !request.headers().get(CONTENT_TYPE).is_some_and(is_json) {
        let refusal = Refusal::NotJson;
        let status = refusal.status();
        let body = |error| wire::web_answer(Value::Null, Err(error));
        return Err(refusal.answer(state, from, status, body));
    }
    match rpc::read_call(state, request, from, payload, Shown::Cookie).await {
        Ok((sender, body)) => match wire::read_web(&body) {
            Ok(envelope) => Ok(Read {
                sender,
                id: envelope.id,
                params: envelope.params,
            }),
            Err(malformed) => Err(rpc::answer_malformed(from, malformed)),
        },
        Err(refusal) => {
            let status = match refusal {
                Refusal::WrongKey(_) => StatusCode::OK,
                _ => refusal.status(),
            };
            let body = |error| wire::web_answer(Value::Null, Err(error));
            Err(refusal.answer(state, from, status, body))
        }
    }
}

fn answer(id: Value, result: Result<Value, OdooError>) -> HttpResponse {
    HttpResponse::Ok().json(wire::web_answer(id, result.map_err(log_fault)))
}

fn parameters<T: DeserializeOwned>(params: Map<String, Value>) -> Result<T, OdooError> {
    serde_json::from_value(Value::Object(params)).map_err(|error| OdooError::user(format!("params: {error}")))
}

/// Returns whether the caller uses HTTPS. A proxy may not say so: then it is known by the service's
/// own address, if the caller names its host.
fn is_encrypted(state: &AppState, request: &HttpRequest) -> bool {
    let connection = request.connection_info();
    let own = state.public_url.as_ref().filter(|own| own.scheme() == "https");
    connection.scheme() == "https" || own.is_some_and(|own| is_host_of(own, connection.host()))
}

fn is_host_of(own: &Url, host: &str) -> bool {
    let Ok(named) = Url::parse(&format!("https://{host}")) else {
        return false;
    };
    (named.host(), named.port_or_known_default()) == (own.host(), own.port_or_known_default())
}

/// Returns the header that sets the cookie for so many seconds.
fn cookie(state: &AppState, request: &HttpRequest, token: &str, seconds: i64) -> String {
    let secure = if is_encrypted(state, request) {
        "; Secure"
    } else {
        ""
    };
    format!("{COOKIE_NAME}={token}; HttpOnly; Max-Age={seconds}; Path=/; SameSite=Lax{secure}")
}

pub async fn version_info(
    state: web::Data<AppState>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    match read(&state, &request, payload).await {
        Ok(read) => answer(read.id, Ok(wire::version())),
        Err(refused) => refused,
    }
}

#[derive(Deserialize)]
struct Authenticate {
    db: String,
    login: String,
    password: SecretString,
}

/// Starts a session with a key in place of a password.
pub async fn authenticate(
    state: web::Data<AppState>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let read = match read(&state, &request, payload).await {
        Ok(read) => read,
        Err(refused) => return refused,
    };
    match begin(&state, &read.sender, read.params).await {
        Ok((token, info)) => HttpResponse::Ok()
            .insert_header((
                SET_COOKIE,
                cookie(&state, &request, &token, LONGEST_SESSION.num_seconds()),
            ))
            .json(wire::web_answer(read.id, Ok(info))),
        Err(error) => answer(read.id, Err(error)),
    }
}

async fn begin(
    state: &AppState,
    sender: &Sender,
    params: Map<String, Value>,
) -> Result<(String, Value), OdooError> {
    // Odoo does not say either what is wrong.
    let denied = || OdooError::AccessDenied("Access Denied".to_owned());
    let wanted: Authenticate = parameters(params)?;
    let key = match sender.open(state, &wanted.db, &wanted.password).await {
        Err(OdooError::AccessDenied(_)) => return Err(denied()),
        key => key?,
    };
    if !state.methods.is_login(&key, &wanted.login).await? {
        return Err(denied());
    }
    let hash = digest(secrecy::ExposeSecret::expose_secret(&wanted.password));
    let token = state.methods.begin_session(&key, &hash, &wanted.login).await?;
    state.limits.add_known_key(digest(&token));
    Ok((token, info(&key, &wanted.login)))
}

/// Returns what Odoo tells its web client about a session, as far as there is something to tell.
fn info(key: &Opened, login: &str) -> Value {
    let version = wire::version();
    let is_admin = !matches!(key.holder, Holder::User(_));
    json!({
        "uid": key.uid(),
        "is_system": is_admin,
        "is_admin": is_admin,
        "is_public": false,
        "is_internal_user": true,
        "user_context": methods::context(key.uid()),
        "db": key.database.name,
        "user_settings": {},
        "server_version": version["server_version"],
        "server_version_info": version["server_version_info"],
        "support_url": "",
        "name": login,
        "username": login,
        "partner_display_name": login,
        "partner_id": null,
        "web.base.url": key.database.base_url,
        "active_ids_limit": 20_000,
        "max_file_upload_size": 0,
        "home_action_id": false,
        "currencies": {},
        "groups": {},
    })
}

pub async fn session_info(
    state: web::Data<AppState>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    match read(&state, &request, payload).await {
        Ok(read) => {
            let session = read.sender.session.as_ref();
            let told = session.map(|(session, key)| info(key, &session.login));
            answer(read.id, told.ok_or(OdooError::SessionExpired))
        }
        Err(refused) => refused,
    }
}

pub async fn check(state: web::Data<AppState>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    match read(&state, &request, payload).await {
        Ok(read) => {
            let session = read.sender.session.as_ref();
            answer(
                read.id,
                session.map(|_| Value::Null).ok_or(OdooError::SessionExpired),
            )
        }
        Err(refused) => refused,
    }
}

/// Ends a session.
pub async fn destroy(
    state: web::Data<AppState>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let read = match read(&state, &request, payload).await {
        Ok(read) => read,
        Err(refused) => return refused,
    };
    let Some((session, _)) = &read.sender.session else {
        return answer(read.id, Err(OdooError::SessionExpired));
    };
    match state.methods.end_session(&session.token_hash).await {
        Ok(()) => HttpResponse::Ok()
            .insert_header((SET_COOKIE, cookie(&state, &request, "", 0)))
            .json(wire::web_answer(read.id, Ok(Value::Null))),
        Err(error) => answer(read.id, Err(error)),
    }
}

#[derive(Deserialize)]
struct CallKw {
    model: String,
    method: String,
    args: Vec<Value>,
    kwargs: Map<String, Value>,
}

/// Calls a method in a session.
pub async fn call_kw(
    state: web::Data<AppState>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let Read { sender, id, params } = match read(&state, &request, payload).await {
        Ok(read) => read,
        Err(refused) => return refused,
    };
    let Some((_, key)) = &sender.session else {
        return answer(id, Err(OdooError::SessionExpired));
    };
    let wanted: CallKw = match parameters(params) {
        Ok(wanted) => wanted,
        Err(error) => return answer(id, Err(error)),
    };
    let call = Call {
        db: key.database.uuid.clone(),
        uid: key.uid(),
        key: SecretString::from(String::new()),
        model: wanted.model,
        method: wanted.method,
        args: wanted.args,
        kwargs: wanted.kwargs,
        database_name: None,
        versions: api::UNSAID,
        trace: rpc::header(&request, traces::HEADER),
    };
    let key = Opening::Known(Box::new(key.clone()));
    answer(id, rpc::execute(&state, &sender, call, key).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_address_is_known_by_its_host_and_port() {
        let own = |text: &str| Url::parse(text).unwrap();
        assert!(is_host_of(
            &own("https://bridge.example.com"),
            "bridge.example.com"
        ));
        assert!(is_host_of(
            &own("https://bridge.example.com/x"),
            "Bridge.Example.com:443"
        ));
        assert!(is_host_of(
            &own("https://bridge.example.com:8443"),
            "bridge.example.com:8443"
        ));
        for other in ["127.0.0.1:8470", "bridge.example.com:80", "example.com", ""] {
            assert!(!is_host_of(&own("https://bridge.example.com"), other), "{other}");
        }
    }
}
