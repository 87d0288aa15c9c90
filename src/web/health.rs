//! Health endpoints and metrics: whether the process lives, whether it can work, and its numbers.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;
use tokio::time::timeout;

use crate::engine::health::SAID_AFTER;
use crate::engine::{Engine, now};
use crate::measures;
use crate::store::{accounts, databases, gauges};

/// How long the database may take for the gauges: less than the time after which Prometheus gives up.
const LONGEST_READING: Duration = Duration::from_secs(5);

/// What the endpoints report on.
pub struct HealthState {
    pub engine: Engine,
    pub metrics: PrometheusHandle,
}

pub async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "live"}))
}

/// Answers what is not ready, in words.
pub async fn ready(health: web::Data<HealthState>) -> HttpResponse {
    // The process can work even if Microsoft or single databases fail. Nobody should restart it for
    // that, but somebody should look.
    match in_trouble(&health).await {
        Ok((0, mailboxes)) => {
            HttpResponse::Ok().json(json!({"status": "ready", "mailboxes_in_trouble": mailboxes}))
        }
        Ok((failing, mailboxes)) => HttpResponse::Ok().json(json!({
            "status": "ready",
            "mailboxes_in_trouble": mailboxes,
            "databases": format!("{failing} of them make no progress: 'outlook-bridge status' says why")
        })),
        Err(error) => {
            tracing::warn!(error = format!("{error:#}"), "not ready");
            HttpResponse::ServiceUnavailable()
                .json(json!({"status": "not ready", "postgres": "Postgres cannot be reached"}))
        }
    }
}

/// Counts the databases and mailboxes that make no progress.
async fn in_trouble(health: &HealthState) -> anyhow::Result<(i64, i64)> {
    let mut conn = health.engine.store.at_the_door().await?;
    let databases = databases::failing(&mut conn, SAID_AFTER).await?;
    Ok((databases, accounts::in_trouble(&mut conn).await?))
}

/// Answers the metrics. The gauges keep their last values while Postgres does not answer.
pub async fn metrics(health: web::Data<HealthState>) -> HttpResponse {
    let read = timeout(LONGEST_READING, gauges(&health)).await;
    let is_up = match read.map_err(anyhow::Error::from).flatten() {
        Ok(()) => 1.0,
        Err(error) => {
            tracing::warn!(error = format!("{error:#}"), "the gauges could not be read");
            0.0
        }
    };
    measures::DATABASE_UP.set("", is_up);
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4")
        .body(health.metrics.render())
}

async fn gauges(health: &HealthState) -> anyhow::Result<()> {
    let mut conn = health.engine.store.at_the_door().await?;
    gauges::read(&mut conn, now(), SAID_AFTER).await?.show();
    Ok(())
}
