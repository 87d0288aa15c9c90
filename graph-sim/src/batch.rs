//! `$batch`. Rules: "Combine multiple HTTP requests using JSON batching".

use crate::call::{Call, Reply};
use crate::error::GraphError;
use futures_util::{StreamExt, stream};
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

const MOST: usize = 20;
/// How many unordered requests of a batch are sent to Outlook at a time (page *throttling-limits*, Outlook).
const AT_ONCE: usize = 4;

fn bad(message: impl Into<String>) -> GraphError {
    GraphError::bad("BadRequest", message)
}

struct Item {
    id: String,
    call: Call,
    after: Vec<String>,
}

fn items(call: &Call) -> Result<Vec<Item>, GraphError> {
    if call.method != "POST" {
        return Err(GraphError::new(
            405,
            "UnknownError",
            "A batch must be sent with POST.",
        ));
    }
    let body: Value = serde_json::from_slice(&call.body).map_err(|_| bad("Invalid batch payload format."))?;
    let list = body["requests"]
        .as_array()
        .ok_or_else(|| bad("Invalid batch payload format."))?;
    if list.is_empty() || list.len() > MOST {
        return Err(bad(format!(
            "Number of batch request steps must be between 1 and {MOST}."
        )));
    }
    let mut out: Vec<Item> = Vec::new();
    let mut seen = HashSet::new();
    for step in list {
        let text = |name: &str| step[name].as_str().unwrap_or_default().to_owned();
        let (id, method, url) = (text("id"), text("method"), text("url"));
        if id.is_empty() || method.is_empty() || url.is_empty() {
            return Err(bad("Each batch request step needs id, method and url."));
        }
        if !seen.insert(id.to_lowercase()) {
            return Err(bad(format!("Duplicate request id '{id}' in the batch.")));
        }
        let mut headers: HashMap<String, String> = HashMap::new();
        for (name, value) in step["headers"].as_object().unwrap_or(&Map::new()) {
            headers.insert(name.to_lowercase(), value.as_str().unwrap_or_default().to_owned());
        }
        let content = match &step["body"] {
            Value::Null => Vec::new(),
            body => {
                if !headers.contains_key("content-type") {
                    return Err(bad(format!(
                        "Request '{id}' has a body and no Content-Type header."
                    )));
                }
                body.to_string().into_bytes()
            }
        };
        if let Some(token) = call.headers.get("authorization") {
            headers
                .entry("authorization".into())
                .or_insert_with(|| token.clone());
        }
        let after: Vec<String> = step["dependsOn"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|v| v.as_str().map(str::to_lowercase))
            .collect();
        if after
            .iter()
            .any(|a| !out.iter().any(|i| i.id.to_lowercase() == *a))
        {
            return Err(bad(format!(
                "Request '{id}' depends on a request that does not come before it."
            )));
        }
        let path = url.strip_prefix(&call.base).unwrap_or(&url);
        let path = path.strip_prefix("/v1.0").unwrap_or(path);
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/{path}")
        };
        if path.to_lowercase().starts_with("/$batch") {
            return Err(bad("A batch cannot hold another batch."));
        }
        let call = Call::new(&method, &format!("/v1.0{path}"), headers, content, &call.base);
        out.push(Item { id, call, after });
    }
    // Either all at once or strictly one after the other.
    let chained = out.iter().filter(|i| !i.after.is_empty()).count();
    if chained > 0 && chained != out.len() - 1 {
        return Err(bad(
            "The dependencies of a batch must make it all parallel or all sequential.",
        ));
    }
    Ok(out)
}

/// Answers a batch; `handle` answers one request of it.
///
/// # Errors
/// 400 or 405 where the batch itself breaks a rule.
pub(crate) async fn run(call: &Call, handle: impl AsyncFn(Call) -> Reply) -> Result<Reply, GraphError> {
    let items = items(call)?;
    let chained = items.iter().any(|i| !i.after.is_empty());
    let failed: RefCell<HashSet<String>> = RefCell::default();
    let perform = async |item: Item| {
        let depends_on_failed = item.after.iter().any(|a| failed.borrow().contains(a));
        let reply = if depends_on_failed {
            let error = GraphError::new(
                424,
                "FailedDependency",
                "The request failed because a request it depends on failed.",
            );
            Reply::json(
                424,
                error.json(chrono::Utc::now(), &item.call.request_id, &item.call.request_id),
            )
        } else {
            handle(item.call).await
        };
        if reply.status >= 400 {
            failed.borrow_mut().insert(item.id.to_lowercase());
        }
        (item.id, reply)
    };
    let replies: Vec<_> = stream::iter(items)
        .map(perform)
        .buffer_unordered(if chained { 1 } else { AT_ONCE })
        .collect()
        .await;
    if replies.iter().any(|(_, reply)| reply.cut) {
        return Ok(Reply {
            cut: true,
            ..Reply::default()
        });
    }
    let mut responses = Vec::new();
    for (id, reply) in replies {
        let mut headers: Map<String, Value> = reply
            .headers
            .into_iter()
            .map(|(k, v)| (k, Value::String(v)))
            .collect();
        let mut out = json!({"id": id, "status": reply.status});
        if let Some(body) = reply.body {
            headers.insert("Content-Type".into(), "application/json".into());
            out["body"] = body;
        }
        out["headers"] = Value::Object(headers);
        responses.push(out);
    }
    // The order of the answers is nobody's promise.
    responses.reverse();
    Ok(Reply::json(200, json!({ "responses": responses })))
}
