//! Parts of requests.

use serde_json::{Value, json};

use crate::calendar::event::Answer;
use crate::outlook::error::GraphError;
use crate::outlook::wire::LINK_PROPERTY;

/// Returns the `If-Match` value for a change key; an etag is used unchanged.
pub(super) fn etag(change_key: &str) -> String {
    if change_key.starts_with("W/") || change_key == "*" {
        change_key.to_owned()
    } else {
        format!("W/\"{change_key}\"")
    }
}

pub(super) fn expand_link() -> String {
    format!("singleValueExtendedProperties($filter=id eq '{LINK_PROPERTY}')")
}

pub(super) fn uid_filter(uid: &str) -> String {
    format!("iCalUId eq '{}'", quoted(uid))
}

/// Escapes text for an OData string literal.
pub(super) fn quoted(text: &str) -> String {
    text.replace('\'', "''")
}

pub(super) fn action(answer: Answer) -> Result<(&'static str, &'static str), GraphError> {
    match answer {
        Answer::Accepted => Ok(("accept", "/me/events/{id}/accept")),
        Answer::Tentative => Ok(("tentativelyAccept", "/me/events/{id}/tentativelyAccept")),
        Answer::Declined => Ok(("decline", "/me/events/{id}/decline")),
        Answer::NeedsAction => Err(GraphError::invalid_request(
            "NoAnswer",
            "an answer cannot be taken back",
        )),
    }
}

pub(super) fn respond_body() -> Value {
    json!({ "sendResponse": true })
}
