//! The part of the control API about subscriptions and their notifications, below `/sim/api/subscriptions`.

use crate::call::Reply;
use crate::error::GraphError;
use crate::sim::Sim;
use serde_json::{Value, json};

/// Answers a request; `path` is what follows `subscriptions`.
///
/// # Errors
/// 400 for a body that is not JSON, 404 for a path that there is not.
pub(crate) fn handle(sim: &Sim, method: &str, path: &[&str], body: &[u8]) -> Result<Reply, GraphError> {
    match (method, path) {
        ("GET", []) => {
            let world = sim.world();
            Ok(Reply::json(200, json!({ "value": world.subscriptions })))
        }
        ("POST", ["lifecycle"]) => {
            let body: Value = serde_json::from_slice(body)
                .map_err(|e| GraphError::bad("SimBadRequest", format!("The body is not JSON: {e}")))?;
            let text = |name: &str| body[name].as_str().unwrap_or_default();
            let happened = sim.world().happen(text("address"), text("event"));
            let sent = happened
                .ok_or_else(|| GraphError::bad("SimBadRequest", "There is no such lifecycle event."))?;
            Ok(Reply::json(200, json!({ "sent": sent })))
        }
        _ => Err(GraphError::new(
            404,
            "SimNotFound",
            "There is no such path in the control API.",
        )),
    }
}
