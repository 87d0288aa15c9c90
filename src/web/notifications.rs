//! `/notifications`: what Microsoft sends to the service's own public address (setting
//! `public_url`). Whoever does not know the secret in the address learns nothing, and little is read.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use actix_web::web;
use actix_web::{HttpRequest, HttpResponse};
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::timeout;

use super::app_state::AppState;
use super::caller;
use super::methods::Notified;

/// How the paths of these addresses begin.
pub(super) const PATH: &str = "/notifications/";
/// The largest body, in bytes. Microsoft sends a few hundred for each notification.
const LARGEST_BODY: usize = 256 * 1024;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);
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
    let (uuid, secret) = path.into_inner();
    let source = caller::rate_limit_source(caller::address(&request, &state.trusted_proxies));
    let known = match state.methods.database_of_address(&uuid, &secret).await {
        Ok(known) => known,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "a notification was not taken");
            return HttpResponse::ServiceUnavailable().finish();
        }
    };
    let Some(database) = known else {
        // Guesses are counted as calls without a key are.
        return match state.limits.check_without_key(source, true) {
            Ok(()) => HttpResponse::NotFound().finish(),
            Err(_) => HttpResponse::TooManyRequests().finish(),
        };
    };
    if let Some(token) = query.into_inner().validation_token {
        if token.len() > LONGEST_TOKEN {
            return HttpResponse::BadRequest().finish();
        }
        return HttpResponse::Ok()
            .insert_header((CONTENT_TYPE, "text/plain; charset=utf-8"))
            .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .body(token);
    }
    let value = match read(payload).await {
        Ok(value) => value,
        Err(status) => return HttpResponse::build(status).finish(),
    };
    match state.methods.notified(&database, value).await {
        Ok(_) => HttpResponse::Accepted().finish(),
        Err(error) => {
            tracing::warn!(error = %error, "notifications were not taken");
            HttpResponse::ServiceUnavailable().finish()
        }
    }
}

/// Reads the notifications; the error is the status of the answer.
async fn read(mut payload: web::Payload) -> Result<Vec<Value>, StatusCode> {
    let all = async {
        let mut body = Vec::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| StatusCode::BAD_REQUEST)?;
            if body.len() + chunk.len() > LARGEST_BODY {
                return Err(StatusCode::PAYLOAD_TOO_LARGE);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    };
    let body = timeout(BODY_TIMEOUT, all)
        .await
        .unwrap_or(Err(StatusCode::REQUEST_TIMEOUT))?;
    let Notified { value } = serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    Ok(value)
}
