//! Whether the process lives, whether it can work, and its numbers.

use actix_web::{HttpResponse, web};
use serde_json::json;

use super::Doors;

pub async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "live"}))
}

/// Says in words what is not ready.
pub async fn ready(doors: web::Data<Doors>) -> HttpResponse {
    match doors.engine.store.ping().await {
        Ok(()) => HttpResponse::Ok().json(json!({"status": "ready"})),
        Err(error) => {
            tracing::warn!(error = format!("{error:#}"), "not ready");
            HttpResponse::ServiceUnavailable()
                .json(json!({"status": "not ready", "postgres": "Postgres cannot be reached"}))
        }
    }
}

pub async fn metrics(doors: web::Data<Doors>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4")
        .body(doors.metrics.render())
}
