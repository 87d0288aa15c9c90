//! `/notifications`: what Microsoft sends to the service's own public address (setting
//! `public_url`). Whoever does not know the secret in the address learns nothing, and little is read.

use actix_web::http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use actix_web::web;
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use super::app_state::AppState;
use super::caller;
use super::methods::Notified;
use super::rpc::{BODY_TIMEOUT_WITHOUT_KEY, Refusal, length, read_body};
use crate::store::seal::digest;

/// The largest body, in bytes. Microsoft sends a few hundred for each notification.
const LARGEST_BODY: usize = 256 * 1024;
/// The longest token that is repeated, in bytes.
const LONGEST_TOKEN: usize = 4096;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Query {
    validation_token: Option<String>,
}

/// Repeats the token when Microsoft checks the address (page *notification URL validation*).
/// Otherwise takes notifications: they are stored before the answer. If that fails, the answer makes
/// Microsoft send them again.
pub(super) async fn notified(
    state: web::Data<AppState>,
    path: web::Path<(String, String)>,
    query: web::Query<Query>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let from = caller::address(&request, &state.trusted_proxies);
    let refuse = |refusal: Refusal| {
        refusal.note(&state, from);
        HttpResponse::build(refusal.status()).finish()
    };
    // A known address counts as a known key does. Guesses are refused before Postgres is asked.
    let (uuid, secret) = path.into_inner();
    let address = digest(&format!("{uuid}/{secret}"));
    let allowed = if state.limits.is_known(&address) {
        let bytes = length(&request).unwrap_or_default();
        state.limits.check_with_key(&address, bytes)
    } else {
        let source = caller::rate_limit_source(from);
        state.limits.check_without_key(source, true)
    };
    if let Err(limit) = allowed {
        return refuse(Refusal::LimitReached(limit));
    }
    let database = match state.methods.database_of_address(&uuid, &secret).await {
        Ok(Some(database)) => database,
        Ok(None) => return HttpResponse::NotFound().finish(),
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "a notification was not taken");
            return HttpResponse::ServiceUnavailable().finish();
        }
    };
    state.limits.add_known_key(address);
    if let Some(token) = query.into_inner().validation_token {
        if token.len() > LONGEST_TOKEN {
            return HttpResponse::BadRequest().finish();
        }
        return HttpResponse::Ok()
            .insert_header((CONTENT_TYPE, "text/plain; charset=utf-8"))
            .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .body(token);
    }
    let body = match read_body(payload, LARGEST_BODY, BODY_TIMEOUT_WITHOUT_KEY).await {
        Ok(body) => body,
        Err(refusal) => return refuse(refusal),
    };
    let Ok(Notified { value }) = serde_json::from_slice(&body) else {
        return refuse(Refusal::Broken);
    };
    match state.methods.notified(&database, value).await {
        Ok(_) => HttpResponse::Accepted().finish(),
        Err(error) => {
            tracing::warn!(error = %error, "notifications were not taken");
            HttpResponse::ServiceUnavailable().finish()
        }
    }
}
