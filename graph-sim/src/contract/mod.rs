//! The contract: what goes over the wire, held against Microsoft's published schema of these types.
//!
//! The schema is a CSDL file given from outside ([`crate::Options::schema`]); without it nothing is checked. No
//! answer changes because of a violation, it is only recorded: in a request it is the client's (Microsoft would
//! mostly refuse it), in an answer or a notification it is the simulator's.
//!
//! | module | what it is |
//! |---|---|
//! | `csdl` | the schema, read from XML |
//! | `value` | JSON against a type |
//! | `route` | the types a path leads to |
//! | `options` | the names in `$select`, `$filter`, `$orderby`, `$expand` |
//! | `undeclared` | where the live service is known to depart from its schema |

pub mod csdl;
mod options;
mod route;
#[cfg(test)]
mod tests;
pub mod undeclared;
mod value;

use crate::call::{Call, Reply, quiet};
use crate::query;
use csdl::{CsdlError, Kind, Operation, Schema, TypeRef};
use route::Place;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};
use value::{Checker, Direction, Found, Selected};

/// More violations than this are only counted.
const MOST: usize = 1000;

#[derive(Debug, thiserror::Error)]
pub enum ContractError {
    #[error("cannot read the schema {0}: {1}")]
    Read(String, std::io::Error),
    #[error("{0} is no schema: {1}")]
    Csdl(String, CsdlError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Request,
    Response,
    /// The body of a change notification, which the simulator sends.
    Notification,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    pub method: String,
    /// Path and query, tokens left out; of a notification the URL it goes to.
    pub path: String,
    /// What the request was answered with; 0 where no answer was sent, and of a notification.
    pub status: u16,
    pub side: Side,
    /// JSON pointer into the body; empty for the whole, or where it is not about the body.
    pub pointer: String,
    pub message: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    pub requests: u64,
    pub responses: u64,
    /// Requests for paths whose types are not in the file (such as `/me`): only their errors were checked.
    pub untyped: u64,
}

#[derive(Debug, Default)]
struct Record {
    checked: Checked,
    violations: Vec<Violation>,
    omitted: u64,
}

/// A schema, and what was found with it.
#[derive(Debug)]
pub struct Contract {
    file: PathBuf,
    schema: Schema,
    record: Mutex<Record>,
}

/// Where tests find the schema: `GRAPH_SIM_SCHEMA`, else beside the checkout, whose root is given. The file is
/// Microsoft's and not part of the project. Where there is none, says so on stderr, once, and returns nothing.
pub fn schema_for_tests(project_root: &Path) -> Option<PathBuf> {
    let file = match std::env::var_os("GRAPH_SIM_SCHEMA").filter(|v| !v.is_empty()) {
        Some(named) => PathBuf::from(named),
        None => project_root.join("../shared/msgraph-calendar.csdl.xml"),
    };
    if file.is_file() {
        return Some(file);
    }
    static SAID: Once = Once::new();
    SAID.call_once(|| eprintln!("contract check skipped: no schema at {}", file.display()));
    None
}

/// What an answer without error must hold.
enum Expected<'s> {
    Nothing,
    Entity(&'s str),
    Collection(&'s str, bool),
    /// The type is not in the file.
    Anything,
}

fn returned<'s>(schema: &'s Schema, kind: Option<&'s TypeRef>, delta: bool) -> Expected<'s> {
    match kind {
        None => Expected::Nothing,
        Some(kind) if kind.collection => Expected::Collection(&kind.name, delta),
        Some(kind) => match schema.kind(&kind.name) {
            Kind::Structured(_) => Expected::Entity(&kind.name),
            _ => Expected::Anything,
        },
    }
}

fn expected<'s>(schema: &'s Schema, method: &str, place: Place<'s>) -> Expected<'s> {
    match (method, place) {
        ("DELETE", _) => Expected::Nothing,
        (_, Place::Entity(kind)) | ("POST", Place::Collection(kind)) => Expected::Entity(kind),
        (_, Place::Collection(kind)) => Expected::Collection(kind, false),
        (_, Place::Operation(o)) => returned(schema, o.returns.as_ref(), o.name == "delta"),
        (_, Place::Elsewhere) => Expected::Anything,
    }
}

/// The type that the query options speak of.
fn subject<'s>(place: Place<'s>) -> Option<&'s str> {
    match place {
        Place::Entity(kind) | Place::Collection(kind) => Some(kind),
        Place::Operation(Operation {
            returns: Some(kind),
            action: false,
            ..
        }) => Some(&kind.name),
        _ => None,
    }
}

/// What may come where `$select` is given: those, and what is expanded.
fn selected(call: &Call) -> Option<Selected> {
    let head = |text: String| {
        text.split(['/', '('])
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let names = query::split_list(query::option(&call.query, "$select")?, ',');
    let expanded = query::split_list(query::option(&call.query, "$expand").unwrap_or_default(), ',');
    Some(names.into_iter().chain(expanded).map(head).collect())
}

impl Contract {
    /// # Errors
    /// [`ContractError`] if the file cannot be read or holds no schema.
    pub fn load(file: &Path) -> Result<Self, ContractError> {
        let name = file.display().to_string();
        let xml = std::fs::read_to_string(file).map_err(|e| ContractError::Read(name.clone(), e))?;
        let schema = Schema::parse(&xml).map_err(|e| ContractError::Csdl(name, e))?;
        Ok(Self::new(file.to_owned(), schema))
    }

    fn new(file: PathBuf, schema: Schema) -> Self {
        Self {
            file,
            schema,
            record: Mutex::new(Record::default()),
        }
    }

    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    fn record(&self) -> std::sync::MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn violations(&self) -> Vec<Violation> {
        self.record().violations.clone()
    }

    pub fn checked(&self) -> Checked {
        self.record().checked
    }

    /// Forgets counts and violations.
    pub fn clear(&self) {
        *self.record() = Record::default();
    }

    /// What `GET /sim/api/contract` answers.
    pub fn report(&self) -> Value {
        let record = self.record();
        json!({
            "schema": self.file,
            "checked": record.checked,
            "violations": record.violations,
            "omitted": record.omitted,
        })
    }

    /// The same where there is no schema.
    pub(crate) fn report_of_none() -> Value {
        json!({"schema": null, "checked": Checked::default(), "violations": [], "omitted": 0})
    }

    fn note(&self, count: impl FnOnce(&mut Checked), violations: Vec<Violation>) {
        for one in &violations {
            tracing::warn!(
                method = one.method,
                path = one.path,
                side = ?one.side,
                pointer = one.pointer,
                "contract: {}",
                one.message
            );
        }
        let mut record = self.record();
        count(&mut record.checked);
        let room = MOST.saturating_sub(record.violations.len());
        record.omitted += violations.len().saturating_sub(room) as u64;
        record.violations.extend(violations.into_iter().take(room));
    }

    /// One request and its answer, from the wire or out of a batch.
    pub fn call(&self, call: &Call, reply: &Reply) {
        let place = route::place(&self.schema, &call.segments);
        let batch = call.segments.len() == 1 && call.segments[0].eq_ignore_ascii_case("$batch");
        let untyped = matches!(place, Place::Elsewhere) && !batch;
        let mut request = Vec::new();
        if let Some(kind) = subject(place) {
            request.extend(
                options::check(&self.schema, kind, &call.query)
                    .into_iter()
                    .map(|message| Found {
                        pointer: String::new(),
                        message,
                    }),
            );
        }
        request.extend(self.body(call, place));
        let response = if reply.cut && reply.status == 0 {
            // Cut before anything was made of it.
            Vec::new()
        } else if batch && reply.status < 400 {
            self.batch(reply)
        } else {
            self.answer(call, reply, place)
        };
        let violation = |side: Side| {
            move |found: Found| Violation {
                method: call.method.clone(),
                path: quiet(&call.url),
                status: reply.status,
                side,
                pointer: found.pointer,
                message: found.message,
            }
        };
        let all = request
            .into_iter()
            .map(violation(Side::Request))
            .chain(response.into_iter().map(violation(Side::Response)))
            .collect();
        let count = |checked: &mut Checked| {
            if untyped {
                checked.untyped += 1;
            } else {
                checked.requests += 1;
                checked.responses += 1;
            }
        };
        self.note(count, all);
    }

    fn body(&self, call: &Call, place: Place<'_>) -> Vec<Found> {
        let mut checker = Checker::new(&self.schema, Direction::Written);
        let read = || serde_json::from_slice::<Map<String, Value>>(&call.body).ok();
        match (call.method.as_str(), place) {
            ("POST", Place::Collection(kind)) | ("PATCH" | "PUT", Place::Entity(kind)) => match read() {
                Some(map) => checker.object(kind, &map, "", None),
                None => checker.report("", format!("the body must be a JSON object, {kind}")),
            },
            ("POST", Place::Operation(operation)) if operation.action => {
                // An action without parameters needs no body.
                match if call.body.is_empty() {
                    Some(Map::new())
                } else {
                    read()
                } {
                    Some(map) => checker.parameters(operation, &map),
                    None => checker.report("", "the parameters of an action must be a JSON object"),
                }
            }
            ("GET" | "DELETE", _) if !call.body.is_empty() => {
                checker.report("", format!("{} has no body", call.method));
            }
            _ => {}
        }
        checker.found()
    }

    fn answer(&self, call: &Call, reply: &Reply, place: Place<'_>) -> Vec<Found> {
        let mut checker = Checker::new(&self.schema, Direction::Read);
        if reply.status >= 400 {
            checker.error(reply.body.as_ref().unwrap_or(&Value::Null));
            return checker.found();
        }
        let selected = selected(call);
        match (expected(&self.schema, &call.method, place), &reply.body) {
            (Expected::Anything, _) | (Expected::Nothing, None) => {}
            (Expected::Nothing, Some(_)) => checker.report("", "there should be no body"),
            (_, None) => checker.report("", "the body is missing"),
            (Expected::Entity(kind), Some(body)) => {
                checker.single(kind, false, body, "", selected.as_ref());
            }
            (Expected::Collection(kind, delta), Some(body)) => {
                checker.collection(kind, body, delta, selected.as_ref());
            }
        }
        checker.found()
    }

    /// The frame of a batch's answer ("Combine multiple HTTP requests using JSON batching"). What is in it is checked
    /// request by request; only those that were never tried are not.
    fn batch(&self, reply: &Reply) -> Vec<Found> {
        let mut checker = Checker::new(&self.schema, Direction::Read);
        let list = reply.body.as_ref().and_then(|b| b["responses"].as_array());
        if list.is_none() {
            checker.report("/responses", "must be an array");
        }
        for (index, one) in list.into_iter().flatten().enumerate() {
            let pointer = format!("/responses/{index}");
            let status = one["status"].as_u64();
            if !one["id"].is_string() || status.is_none() {
                checker.report(&pointer, "needs an id and a status");
            }
            if status == Some(424) {
                checker.error(&one["body"]);
            }
        }
        checker.found()
    }

    /// The body of a change notification.
    pub(crate) fn notification(&self, url: &str, body: &Value) {
        let mut checker = Checker::new(&self.schema, Direction::Read);
        checker.single("changeNotificationCollection", false, body, "", None);
        let violations = checker
            .found()
            .into_iter()
            .map(|found| Violation {
                method: "POST".into(),
                path: quiet(url),
                status: 0,
                side: Side::Notification,
                pointer: found.pointer,
                message: found.message,
            })
            .collect();
        self.note(|checked| checked.responses += 1, violations);
    }
}
