//! Graph's error answers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

/// An error as Graph answers it: a status, `error.code` and `error.message` (page *errors*).
#[derive(Clone, Debug, thiserror::Error)]
#[error("{status} {code}: {message}")]
pub struct GraphError {
    pub status: u16,
    pub code: String,
    pub message: String,
    /// Further members of the `error` object, such as `@event.existingEventId`.
    pub extra: Vec<(String, Value)>,
    pub headers: Vec<(String, String)>,
}

impl GraphError {
    pub fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            extra: Vec::new(),
            headers: Vec::new(),
        }
    }

    pub fn bad(code: &str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    pub fn request(message: impl Into<String>) -> Self {
        Self::bad("ErrorInvalidRequest", message)
    }

    /// The body could not be read against the schema.
    pub fn body(message: impl Into<String>) -> Self {
        Self::bad("RequestBodyRead", message)
    }

    pub(crate) fn unknown_property(name: &str, kind: &str) -> Self {
        Self::body(format!(
            "The property '{name}' does not exist on type '{kind}'. Make sure to only use property names that are defined by the type."
        ))
    }

    pub(crate) fn mistyped(name: &str, kind: &str) -> Self {
        Self::body(format!(
            "Cannot convert the value of property '{name}' to the expected type '{kind}'."
        ))
    }

    pub fn uri(message: impl Into<String>) -> Self {
        Self::bad("RequestBroker--ParseUri", message)
    }

    pub(crate) fn not_found() -> Self {
        Self::new(
            404,
            "ErrorItemNotFound",
            "The specified object was not found in the store.",
        )
    }

    pub(crate) fn cannot_delete() -> Self {
        Self::new(403, "ErrorCannotDeleteObject", "The object cannot be deleted.")
    }

    pub fn access_denied() -> Self {
        Self::new(
            403,
            "ErrorAccessDenied",
            "Access is denied. Check credentials and try again.",
        )
    }

    /// A claims challenge (page *claims-challenge*), in words that Graph has been seen to use.
    pub(crate) fn challenged(claims: &Map<String, Value>) -> Self {
        let mut error = Self::new(
            401,
            "InvalidAuthenticationToken",
            "Continuous access evaluation resulted in challenge with result: InteractionRequired and code: \
             TokenCreatedWithOutdatedPolicies",
        );
        let page = "https://login.microsoftonline.com/common/oauth2/authorize";
        let claims = STANDARD.encode(json!(claims).to_string());
        error.headers.push((
            "WWW-Authenticate".into(),
            format!(
                "Bearer realm=\"\", authorization_uri=\"{page}\", error=\"insufficient_claims\", claims=\"{claims}\""
            ),
        ));
        error
    }

    pub fn zone(name: &str) -> Self {
        Self::bad(
            "TimeZoneNotSupportedException",
            format!("The following TimeZone value is not supported: '{name}'."),
        )
    }

    pub(crate) fn conflict() -> Self {
        Self::new(
            412,
            "ErrorIrresolvableConflict",
            "The send or update operation could not be performed because the change key passed in the request does not match the current change key for the item.",
        )
    }

    /// `now` is the time by the server's clock.
    pub fn json(&self, now: DateTime<Utc>, request_id: &str, client_request_id: &str) -> Value {
        let date = now.format("%Y-%m-%dT%H:%M:%S").to_string();
        let mut error = json!({
            "code": self.code,
            "message": self.message,
            "innerError": {"date": date, "request-id": request_id, "client-request-id": client_request_id},
        });
        for (key, value) in &self.extra {
            error[key] = value.clone();
        }
        json!({ "error": error })
    }
}
