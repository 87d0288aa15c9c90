//! The envelope of Odoo's `/jsonrpc`: `service`, `method` and positional `args` around one call of a model's method.

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::OdooError;
use super::api::{self, Versions};

/// One call of `model.method`, from either endpoint.
#[derive(Clone, Debug)]
pub struct Call {
    /// Odoo's `database.uuid`.
    pub db: String,
    /// The Odoo user on whose behalf the call is made.
    pub uid: i32,
    /// The API key, or for `outlook.bridge.pair` the one-time code.
    pub key: SecretString,
    pub model: String,
    pub method: String,
    pub kwargs: Map<String, Value>,
    /// The name of the caller's database, if the call contains it.
    pub database_name: Option<String>,
    /// The versions of the exchange that the caller understands.
    pub versions: Versions,
    /// The header `traceparent`, if the call has it.
    pub trace: Option<String>,
}

/// The requests that `/jsonrpc` accepts.
#[derive(Clone, Debug)]
pub enum Request {
    /// `common.version`, which needs no key.
    Version,
    /// `object.execute_kw`.
    Execute(Call),
}

/// A JSON-RPC request as far as it can be read: the id is needed even to refuse it.
#[derive(Debug)]
pub struct Envelope {
    pub id: Value,
    pub request: Result<Request, OdooError>,
}

/// Why a body is not a JSON-RPC request at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// `-32700`
    NotJson,
    /// `-32600`: not an object, a batch, another version, no method. Odoo takes no batches either.
    NotARequest,
}

impl Malformed {
    /// The whole answer.
    pub fn to_json(self) -> Value {
        let (code, message) = match self {
            Self::NotJson => (-32700, "Parse error"),
            Self::NotARequest => (-32600, "Invalid Request"),
        };
        json!({"jsonrpc": "2.0", "id": null, "error": {"code": code, "message": message}})
    }
}

#[derive(Deserialize)]
struct Params {
    service: String,
    method: String,
    #[serde(default)]
    args: Vec<Value>,
}

/// Reads a body. Unknown members are ignored, as Odoo ignores them.
pub fn read(body: &[u8]) -> Result<Envelope, Malformed> {
    let value: Value = serde_json::from_slice(body).map_err(|_| Malformed::NotJson)?;
    let Value::Object(mut envelope) = value else {
        return Err(Malformed::NotARequest);
    };
    if envelope.get("jsonrpc").and_then(Value::as_str) != Some("2.0")
        || envelope.get("method").and_then(Value::as_str).is_none()
    {
        return Err(Malformed::NotARequest);
    }
    let id = envelope.remove("id").unwrap_or(Value::Null);
    if !matches!(id, Value::Null | Value::String(_) | Value::Number(_)) {
        return Err(Malformed::NotARequest);
    }
    let params = envelope.remove("params").unwrap_or(Value::Null);
    Ok(Envelope {
        id,
        request: read_params(params),
    })
}

fn read_params(params: Value) -> Result<Request, OdooError> {
    let params: Params = serde_json::from_value(params)
        .map_err(|e| OdooError::user(format!("'params' must hold service, method and args: {e}")))?;
    match (params.service.as_str(), params.method.as_str()) {
        ("common", "version") => Ok(Request::Version),
        ("object", "execute_kw") => read_execute(params.args).map(Request::Execute),
        (service, method) => Err(OdooError::NotFound(format!("{service}.{method}"))),
    }
}

fn read_execute(args: Vec<Value>) -> Result<Call, OdooError> {
    let shape = || OdooError::user("execute_kw takes [db, uid, key, model, method, args, kwargs]");
    let mut args = args.into_iter();
    let text = |args: &mut std::vec::IntoIter<Value>| match args.next() {
        Some(Value::String(text)) => Ok(text),
        _ => Err(shape()),
    };
    let db = text(&mut args)?;
    let uid = args
        .next()
        .and_then(|v| v.as_i64())
        .and_then(|v| i32::try_from(v).ok())
        .ok_or_else(shape)?;
    let key = SecretString::from(text(&mut args)?);
    let model = text(&mut args)?;
    let method = text(&mut args)?;
    match args.next() {
        None | Some(Value::Null) => {}
        Some(Value::Array(positional)) if positional.is_empty() => {}
        _ => {
            return Err(OdooError::user(
                "the bridge's methods take keyword arguments only",
            ));
        }
    }
    let kwargs = match args.next() {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(kwargs)) => kwargs,
        _ => return Err(shape()),
    };
    Ok(Call {
        db,
        uid,
        key,
        model,
        method,
        kwargs,
        database_name: None,
        versions: api::UNSAID,
        trace: None,
    })
}

/// The answer to a request that was read.
pub fn answer(id: Value, result: Result<Value, OdooError>) -> Value {
    match result {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err(error) => json!({"jsonrpc": "2.0", "id": id, "error": error.to_json()}),
    }
}

/// `common.version`, in Odoo's shape.
pub fn version() -> Value {
    json!({"server_version": env!("CARGO_PKG_VERSION"), "server_serie": "outlook-bridge", "protocol_version": 1})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(params: Value) -> Vec<u8> {
        json!({"jsonrpc": "2.0", "method": "call", "id": 7, "params": params})
            .to_string()
            .into_bytes()
    }

    #[test]
    fn reads_execute_kw() {
        let envelope = read(&body(json!({"service": "object", "method": "execute_kw",
            "args": ["db", 2, "key", "calendar.event", "sync", [], {"limit": 1}]})))
        .unwrap();
        assert_eq!(envelope.id, 7);
        let Ok(Request::Execute(call)) = envelope.request else {
            panic!("{envelope:?}")
        };
        assert_eq!(
            (call.uid, call.model.as_str(), call.kwargs["limit"].as_i64()),
            (2, "calendar.event", Some(1))
        );
    }

    #[test]
    fn refuses_what_is_no_request() {
        assert_eq!(read(b"{").unwrap_err(), Malformed::NotJson);
        for bad in [
            "[]",
            "1",
            r#"{"jsonrpc":"1.0","method":"call"}"#,
            r#"{"jsonrpc":"2.0"}"#,
            r#"{"jsonrpc":"2.0","method":"call","id":{}}"#,
        ] {
            assert_eq!(read(bad.as_bytes()).unwrap_err(), Malformed::NotARequest, "{bad}");
        }
    }

    #[test]
    fn names_what_is_wrong_with_the_call() {
        for (params, name) in [
            (json!(null), "odoo.exceptions.UserError"),
            (
                json!({"service": "db", "method": "drop", "args": []}),
                "werkzeug.exceptions.NotFound",
            ),
            (
                json!({"service": "object", "method": "execute_kw", "args": ["db", "2"]}),
                "odoo.exceptions.UserError",
            ),
            (
                json!({"service": "object", "method": "execute_kw", "args": ["d", 1, "k", "m", "n", [1], {}]}),
                "odoo.exceptions.UserError",
            ),
        ] {
            let error = read(&body(params)).unwrap().request.unwrap_err();
            assert_eq!(error.exception_name(), name);
        }
    }
}
