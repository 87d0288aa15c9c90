//! One request of Graph and its reply, from the wire or within a batch.

use crate::body_check;
use crate::error::GraphError;
use crate::form;
use crate::property;
use crate::query::Query;
use crate::state::Cause;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// One request, from the wire or from a batch.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: String,
    /// Path and query as sent.
    pub url: String,
    pub segments: Vec<String>,
    pub query: Query,
    /// Names in lower case.
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
    /// Scheme and host the client used, for links.
    pub base: String,
    pub request_id: String,
    /// Who calls, where it is about somebody else's calendar.
    pub by: Option<String>,
}

/// What a request is answered, before it is written to the wire.
#[derive(Debug, Default)]
pub struct Reply {
    pub status: u16,
    pub body: Option<Value>,
    pub headers: Vec<(String, String)>,
    pub cut: bool,
    pub slow_body_ms: u64,
}

impl Reply {
    /// Returns an answer with a body.
    pub fn json(status: u16, body: Value) -> Self {
        Self {
            status,
            body: Some(body),
            ..Self::default()
        }
    }

    /// Returns an answer without a body.
    pub fn empty(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }
}

pub(crate) type Answered = Result<Reply, GraphError>;

/// Path segments after the version, decoded; `events('id')` becomes two of them.
pub(crate) fn segments(path: &str) -> Vec<String> {
    let mut out = Vec::new();
    for part in path.split('/').filter(|p| !p.is_empty()) {
        // '+' is itself in a path.
        let escaped = format!("x={}", part.replace('+', "%2B").replace('&', "%26"));
        let part = url::form_urlencoded::parse(escaped.as_bytes())
            .next()
            .map_or_else(String::new, |(_, v)| v.into_owned());
        match part.split_once("('") {
            Some((name, rest)) if rest.ends_with("')") && !name.contains('.') && !name.contains(' ') => {
                out.push(name.to_owned());
                out.push(rest[..rest.len() - 2].to_owned());
            }
            _ => out.push(part),
        }
    }
    out
}

impl Call {
    pub(crate) fn is_batch(&self) -> bool {
        self.segments.len() == 1 && self.segments[0].eq_ignore_ascii_case("$batch")
    }

    /// Reads a request: `url` is its path and query, `headers` have names in lower case, `base` is scheme and host.
    pub fn new(method: &str, url: &str, headers: HashMap<String, String>, body: Vec<u8>, base: &str) -> Self {
        let (path, text) = url.split_once('?').unwrap_or((url, ""));
        let path = path.strip_prefix("/v1.0").unwrap_or(path);
        Self {
            method: method.to_ascii_uppercase(),
            url: url.to_owned(),
            segments: segments(path),
            query: form::pairs(text),
            headers,
            body,
            base: base.to_owned(),
            request_id: uuid::Uuid::new_v4().to_string(),
            by: None,
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn bearer(&self) -> Option<&str> {
        self.header("authorization")
            .and_then(|h| h.split_once(' '))
            .filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
    }

    pub(crate) fn cause(&self) -> Cause {
        Cause {
            request_id: self.request_id.clone(),
            method: self.method.clone(),
            path: quiet(&self.url),
            via: "graph".into(),
            by: self.by.clone(),
        }
    }

    /// Returns the body as a JSON object.
    ///
    /// # Errors
    /// 415 without a JSON content type, 400 where the body is not a JSON object.
    pub fn object(&self) -> Result<Map<String, Value>, GraphError> {
        let json = self
            .header("content-type")
            .is_some_and(|t| t.to_ascii_lowercase().contains("json"));
        if !json {
            return Err(GraphError::new(
                415,
                "RequestBodyRead",
                "A media type for the content of the request must be given: application/json.",
            ));
        }
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(map)) => Ok(map),
            Ok(_) => Err(GraphError::bad(
                "BadRequest",
                "Unable to read JSON request payload: an object was expected.",
            )),
            Err(_) => Err(GraphError::bad(
                "BadRequest",
                "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.",
            )),
        }
    }

    /// What is answered where nothing is served.
    pub(crate) fn no_route(&self) -> GraphError {
        let last = self.segments.last().cloned().unwrap_or_default();
        if ["GET", "POST", "PATCH", "DELETE"].contains(&self.method.as_str()) {
            GraphError::bad(
                "BadRequest",
                format!("Resource not found for the segment '{last}'."),
            )
        } else {
            GraphError::new(
                405,
                "UnknownError",
                "The HTTP method is not allowed for this resource.",
            )
        }
    }

    /// The parameters of an action, names in lower case. The body may be missing where none is required.
    pub(crate) fn action(&self, of: &property::Type) -> Result<Map<String, Value>, GraphError> {
        let given = if self.body.is_empty() {
            Map::new()
        } else {
            self.object()?
        };
        body_check::parameters(of, given)
    }
}

/// A path for the logs: tokens in the query are nobody's business.
pub fn quiet(url: &str) -> String {
    let Some((path, text)) = url.split_once('?') else {
        return url.to_owned();
    };
    let shown: Vec<String> = text
        .split('&')
        .map(|pair| {
            let name = pair.split('=').next().unwrap_or_default();
            let lower = name.to_ascii_lowercase();
            let secret = ["token", "code", "secret", "state", "nonce", "challenge", "hint"];
            if secret.iter().any(|s| lower.contains(s)) {
                format!("{name}=...")
            } else {
                pair.to_owned()
            }
        })
        .collect();
    format!("{path}?{}", shown.join("&"))
}
