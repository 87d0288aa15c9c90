//! The envelope of Odoo's `/jsonrpc`: `service`, `method` and positional `args` around one call of a model's method.

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::OdooError;
use super::api::{self, Versions};

/// The user whom an administrator's key logs in as: Odoo's superuser, in whose name crons call.
pub const ADMINISTRATOR: i32 = 1;
/// The series of Odoo whose dialects are spoken.
const SERIES: &str = "19.0";

/// One call of `model.method`, from any endpoint.
#[derive(Clone, Debug)]
pub struct Call {
    /// Odoo's `database.uuid`, or its name.
    pub db: String,
    /// The Odoo user on whose behalf the call is made.
    pub uid: i32,
    /// The API key, or for `outlook.bridge.pair` the one-time code.
    pub key: SecretString,
    pub model: String,
    pub method: String,
    /// The positional arguments.
    pub args: Vec<Value>,
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
    /// `common.about`, which needs no key.
    About {
        /// With the version.
        extended: bool,
    },
    /// `common.login` and `common.authenticate`.
    LogIn(LogIn),
    /// `object.execute_kw` and `object.execute`.
    Execute(Call),
    /// `rpc.discover` of OpenRPC, which needs no key.
    Discover,
}

/// A login with a key in place of a password.
#[derive(Clone, Debug)]
pub struct LogIn {
    pub db: String,
    pub login: String,
    pub key: SecretString,
}

/// A request to one of Odoo's own addresses: its id and its parameters.
#[derive(Debug)]
pub struct WebEnvelope {
    pub id: Value,
    pub params: Map<String, Value>,
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
    let (id, method, params) = open(body)?;
    let request = match method.as_str() {
        "rpc.discover" => Ok(Request::Discover),
        // Odoo ignores the name.
        _ => read_params(params),
    };
    Ok(Envelope { id, request })
}

/// Reads a body whose address names the method.
pub fn read_web(body: &[u8]) -> Result<WebEnvelope, Malformed> {
    let (id, _, params) = open(body)?;
    match params {
        Value::Null => Ok(WebEnvelope {
            id,
            params: Map::new(),
        }),
        Value::Object(params) => Ok(WebEnvelope { id, params }),
        _ => Err(Malformed::NotARequest),
    }
}

fn open(body: &[u8]) -> Result<(Value, String, Value), Malformed> {
    let value: Value = serde_json::from_slice(body).map_err(|_| Malformed::NotJson)?;
    let Value::Object(mut envelope) = value else {
        return Err(Malformed::NotARequest);
    };
    let Some(Value::String(method)) = envelope.remove("method") else {
        return Err(Malformed::NotARequest);
    };
    if envelope.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err(Malformed::NotARequest);
    }
    let id = envelope.remove("id").unwrap_or(Value::Null);
    if !matches!(id, Value::Null | Value::String(_) | Value::Number(_)) {
        return Err(Malformed::NotARequest);
    }
    let params = envelope.remove("params").unwrap_or(Value::Null);
    Ok((id, method, params))
}

fn read_params(params: Value) -> Result<Request, OdooError> {
    let params: Params = serde_json::from_value(params)
        .map_err(|e| OdooError::user(format!("'params' must hold service, method and args: {e}")))?;
    match (params.service.as_str(), params.method.as_str()) {
        ("common", "version") => Ok(Request::Version),
        ("common", "about") => Ok(Request::About {
            extended: params.args.first().is_some_and(is_truth),
        }),
        // The last argument of `authenticate` describes the caller.
        ("common", "login" | "authenticate") => read_login(params.args).map(Request::LogIn),
        ("object", "execute_kw") => read_execute(params.args, Form::Keywords).map(Request::Execute),
        ("object", "execute") => read_execute(params.args, Form::Positional).map(Request::Execute),
        (service, method) => Err(OdooError::NotFound(format!("{service}.{method}"))),
    }
}

/// Returns whether Python takes a value for true.
pub fn is_truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(values) => !values.is_empty(),
        Value::Object(values) => !values.is_empty(),
    }
}

fn read_login(args: Vec<Value>) -> Result<LogIn, OdooError> {
    let mut args = args.into_iter();
    let mut text = || match args.next() {
        Some(Value::String(text)) => Ok(text),
        _ => Err(OdooError::user("login takes [db, login, key]")),
    };
    Ok(LogIn {
        db: text()?,
        login: text()?,
        key: SecretString::from(text()?),
    })
}

/// How the arguments of a method follow its name.
#[derive(Clone, Copy)]
enum Form {
    /// `execute_kw`: a list, then an object.
    Keywords,
    /// `execute`: one after the other.
    Positional,
}

fn read_execute(args: Vec<Value>, form: Form) -> Result<Call, OdooError> {
    let shape = || match form {
        Form::Keywords => OdooError::user("execute_kw takes [db, uid, key, model, method, args, kwargs]"),
        Form::Positional => OdooError::user("execute takes [db, uid, key, model, method, ...args]"),
    };
    let mut args = args.into_iter();
    let text = |args: &mut std::vec::IntoIter<Value>| match args.next() {
        Some(Value::String(text)) => Ok(text),
        _ => Err(shape()),
    };
    let db = text(&mut args)?;
    let uid = args.next().as_ref().and_then(read_uid).ok_or_else(shape)?;
    let key = SecretString::from(text(&mut args)?);
    let model = text(&mut args)?;
    let method = text(&mut args)?;
    let (positional, kwargs) = match form {
        Form::Positional => (args.collect(), Map::new()),
        Form::Keywords => {
            let positional = match args.next() {
                None | Some(Value::Null) => Vec::new(),
                Some(Value::Array(positional)) => positional,
                _ => return Err(shape()),
            };
            let kwargs = match args.next() {
                None | Some(Value::Null) => Map::new(),
                Some(Value::Object(kwargs)) => kwargs,
                _ => return Err(shape()),
            };
            (positional, kwargs)
        }
    };
    Ok(Call {
        db,
        uid,
        key,
        model,
        method,
        args: positional,
        kwargs,
        database_name: None,
        versions: api::UNSAID,
        trace: None,
    })
}

/// Reads a user's id, as Odoo reads it: a number, or a text that is one.
fn read_uid(value: &Value) -> Option<i32> {
    match value {
        Value::Number(number) => number.as_i64().and_then(|uid| i32::try_from(uid).ok()),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// The answer to a request to one of Odoo's own addresses: as there, it has no result where a method
/// returns none.
pub fn web_answer(id: Value, result: Result<Value, OdooError>) -> Value {
    match result {
        Ok(Value::Null) => json!({"jsonrpc": "2.0", "id": id}),
        result => answer(id, result),
    }
}

/// The answer to a request that was read.
pub fn answer(id: Value, result: Result<Value, OdooError>) -> Value {
    match result {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err(error) => json!({"jsonrpc": "2.0", "id": id, "error": error.to_json()}),
    }
}

/// `common.version`, in Odoo's shape: clients choose by it how they call.
pub fn version() -> Value {
    json!({"server_version": SERIES, "server_version_info": [19, 0, 0, "final", 0, ""], "server_serie": SERIES,
        "protocol_version": 1, "outlook_bridge_version": env!("CARGO_PKG_VERSION")})
}

/// `common.about`, in Odoo's shape.
pub fn about(extended: bool) -> Value {
    let told = "The Outlook bridge, which Odoo's clients can call as if it were Odoo";
    if extended {
        json!([told, SERIES])
    } else {
        json!(told)
    }
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
    fn reads_execute_and_logins() {
        let envelope = read(&body(json!({"service": "object", "method": "execute",
            "args": ["db", "2", "key", "res.users", "read", [7], ["login"]]})))
        .unwrap();
        let Ok(Request::Execute(call)) = envelope.request else {
            panic!("{envelope:?}")
        };
        assert_eq!(
            (call.uid, call.args, call.kwargs.len()),
            (2, vec![json!([7]), json!(["login"])], 0)
        );
        for args in [json!(["db", "admin", "key"]), json!(["db", "admin", "key", {}])] {
            let body = body(json!({"service": "common", "method": "authenticate", "args": args}));
            assert!(matches!(read(&body).unwrap().request, Ok(Request::LogIn(_))));
        }
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
                json!({"service": "object", "method": "execute_kw", "args": ["d", 1, "k", "m", "n", 1, {}]}),
                "odoo.exceptions.UserError",
            ),
            (
                json!({"service": "common", "method": "login", "args": ["d", "admin"]}),
                "odoo.exceptions.UserError",
            ),
        ] {
            let error = read(&body(params)).unwrap().request.unwrap_err();
            assert_eq!(error.exception_name(), name);
        }
    }
}
