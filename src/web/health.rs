//! Whether the process lives, whether it can work, and its numbers.

use actix_web::{HttpResponse, web};
use serde_json::json;

use super::Doors;
use crate::store::accounts;

pub async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "live"}))
}

/// Says in words what is not ready.
pub async fn ready(doors: web::Data<Doors>) -> HttpResponse {
    let asked = async {
        doors.engine.store.ping().await?;
        let mut conn = doors.engine.store.get().await?;
        anyhow::Ok(accounts::in_trouble(&mut conn).await?)
    };
    match asked.await {
        // It can work, whatever Microsoft does: nobody should start it anew for that.
        Ok(troubled) => HttpResponse::Ok().json(json!({"status": "ready", "mailboxes_in_trouble": troubled})),
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
