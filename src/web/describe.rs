//! Descriptions of the methods for clients, made from the table: OpenRPC, OpenAPI, and Odoo 19's own
//! form.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value, json};

use super::app_state::AppState;
use super::rpc::{self, Refusal, Sender, Shown};
use super::table::{self, Effect, Keys, Method};
use super::{caller, methods};
use crate::odoo::OdooError;
use crate::records;

/// Returns the schema of an argument. One name has one meaning in all methods.
fn schema(argument: &str) -> Value {
    let of = |kind: &str| json!({"type": kind});
    match argument {
        "domain" => {
            json!({"type": "array", "items": {}, "description": "A domain of Odoo, in prefix notation."})
        }
        "ids" => json!({"type": "array", "items": {"type": "integer"}}),
        "fields" | "groupby" | "aggregates" | "allfields" | "attributes" => {
            json!({"type": "array", "items": {"type": "string"}})
        }
        "offset" | "limit" => json!({"type": "integer", "minimum": 0}),
        "week_start" => json!({"type": "integer", "minimum": 1, "maximum": 7}),
        "user_id" | "line_id" | "meeting_id" => of("integer"),
        "choice" => json!({"type": "string", "enum": ["leave", "future", "all"]}),
        "invitations" => json!({"type": "integer", "minimum": 0}),
        "remove" | "send" | "invite" | "by_occurrence" => of("boolean"),
        "vals_list" => json!({"oneOf": [{"type": "object"}, {"type": "array", "items": {"type": "object"}}]}),
        "invited" => json!({"type": "array", "items": {"type": "object"}}),
        "facts" | "choices" => of("object"),
        _ => of("string"),
    }
}

/// Returns the schema of what a method returns. One name has one meaning in all models.
fn answer(method: &Method) -> Value {
    let of = |kind: &str| json!({"type": kind});
    let list_of = |items: Value| json!({"type": "array", "items": items});
    match method.name {
        "search" => list_of(of("integer")),
        "search_count" => json!({"type": "integer", "minimum": 0}),
        "search_read" | "read" => list_of(json!({"type": "object", "required": ["id"]})),
        "read_group" => list_of(of("array")),
        "create" => json!({"oneOf": [of("integer"), list_of(of("integer"))]}),
        "journal" | "removals" => list_of(of("object")),
        "unpair" | "signal" | "retry" | "put_back" => of("boolean"),
        "get" | "set" | "progress" => json!({}),
        // Of a wizard, they return nothing.
        "set_values" | "reset_account" => json!({"type": ["object", "null"]}),
        name if name.ends_with("_microsoft_synchronization") => of("null"),
        _ => of("object"),
    }
}

fn whose(keys: Keys) -> &'static str {
    match keys {
        Keys::AddOn => "The key of the database.",
        Keys::Administrator => "The key of an administrator.",
        Keys::User => "The key of an administrator, or of a user about the user's own.",
    }
}

fn described(method: &Method) -> String {
    let reads = match method.effect {
        Effect::Reads => " A key for reading alone is enough.",
        Effect::Writes => "",
    };
    format!("{} {}{reads}", method.says, whose(method.keys))
}

/// Returns the document of OpenRPC (<https://spec.open-rpc.org>), which `rpc.discover` answers with.
pub fn open_rpc() -> Value {
    let methods: Vec<Value> = table::all()
        .map(|method| {
            let arguments: Vec<Value> = method
                .arguments
                .iter()
                .map(|name| json!({"name": name, "schema": schema(name), "required": method.needs(name)}))
                .collect();
            json!({"name": method.full_name(), "summary": described(method), "paramStructure": "either",
                "params": arguments, "result": {"name": "result", "schema": answer(method)}})
        })
        .collect();
    json!({
        "openrpc": "1.3.2",
        "info": {"title": "Outlook bridge", "version": env!("CARGO_PKG_VERSION"), "description":
            "Methods of models. On /jsonrpc they are called as Odoo's are: the method is 'call', and its params are the service \
             'object', 'execute_kw' and [database, user id, key, model, method, args, kwargs]. A new client had better use /json/2, \
             which /json/2/openapi.json describes."},
        "methods": methods,
    })
}

/// Answers with the document of OpenAPI (<https://spec.openapis.org/oas/v3.1.0>) for `/json/2`.
pub async fn open_api(state: web::Data<AppState>, request: HttpRequest) -> HttpResponse {
    let from = caller::address(&request, &state.trusted_proxies);
    let source = caller::rate_limit_source(from);
    match state.limits.check_without_key(source, false) {
        Ok(()) => HttpResponse::Ok().json(api_document()),
        Err(limit) => {
            let refusal = Refusal::LimitReached(limit);
            let status = refusal.status();
            refusal.answer(&state, from, status, |error| error.data())
        }
    }
}

/// Returns the document of OpenAPI.
fn api_document() -> Value {
    let refused = |about: &str| json!({"description": about, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}});
    let paths: Map<String, Value> = table::all()
        .map(|method| {
            let properties: Map<String, Value> = method
                .arguments
                .iter()
                .map(|name| ((*name).to_owned(), schema(name)))
                .collect();
            let required: Vec<&str> = method
                .arguments
                .iter()
                .copied()
                .filter(|name| method.needs(name))
                .collect();
            let operation = json!({"post": {
                "operationId": method.full_name(),
                "tags": [method.model],
                "summary": described(method),
                "parameters": [{"$ref": "#/components/parameters/Database"}],
                "requestBody": {"required": !required.is_empty(), "content": {"application/json": {"schema":
                    {"type": "object", "properties": properties, "required": required}}}},
                "responses": {
                    "200": {"description": "What the method returns.", "content": {"application/json": {"schema": answer(method)}}},
                    "400": {"description": "The request is cut short, or is no HTTP."},
                    "401": refused("The key is missing or wrong."),
                    "403": refused("The key does not open this."),
                    "404": refused("The method or a record does not exist."),
                    "408": refused("The request takes too long."),
                    "411": refused("The body comes without its length."),
                    "413": refused("The body is too large."),
                    "415": refused("The body is compressed."),
                    "422": refused("An argument is wrong."),
                    "429": refused("There are too many calls."),
                },
            }});
            (format!("/json/2/{}/{}", method.model, method.name), operation)
        })
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Outlook bridge", "version": env!("CARGO_PKG_VERSION"),
            "description": "The methods that Odoo's clients can call, in the dialect of Odoo 19."},
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "parameters": {"Database": {"name": "X-Odoo-Database", "in": "header", "required": true,
                "description": "The UUID or the name of the Odoo database.", "schema": {"type": "string"}}},
            "schemas": {"Error": {"type": "object", "required": ["name", "message", "arguments", "context", "debug"],
                "properties": {"name": {"type": "string"}, "message": {"type": "string"}, "arguments": {"type": "array", "items": {}},
                    "context": {"type": "object"}, "debug": {"type": "string"}}}},
        },
    })
}

/// Returns the fields of a model, as `fields_get` describes them.
fn fields(model: &str) -> Value {
    let searched = [
        &records::ACCOUNT,
        &records::JOURNAL,
        &records::MEETING,
        &records::TROUBLE,
    ];
    match searched.into_iter().find(|known| known.name == model) {
        Some(known) => records::fields_get(known),
        None => methods::described(model),
    }
}

/// Returns the description of a model, in the form of Odoo's module `api_doc`.
fn model_document(model: &str) -> Value {
    let of_method = |method: &'static Method| {
        let is_of_records = method.is_of_records();
        let parameters: Map<String, Value> = method
            .arguments
            .iter()
            .skip(usize::from(is_of_records))
            .map(|name| ((*name).to_owned(), json!({"name": name})))
            .collect();
        let api: &[&str] = if is_of_records { &[] } else { &["model"] };
        let described = json!({"parameters": parameters, "api": api, "doc": described(method),
            "model": model, "module": "outlook_bridge"});
        (method.name.to_owned(), described)
    };
    let methods: Map<String, Value> = table::all()
        .filter(|method| method.model == model)
        .map(of_method)
        .collect();
    json!({"model": model, "name": model, "doc": null, "fields": fields(model), "methods": methods})
}

/// Answers with what a caller with a key is told.
async fn told(
    state: &AppState,
    request: &HttpRequest,
    answer: impl FnOnce() -> Option<Value>,
) -> HttpResponse {
    let from = caller::address(request, &state.trusted_proxies);
    let sender = match rpc::bearer(request) {
        Some(_) => Sender::identify(state, request, from, Shown::Key).await,
        None => Err(Refusal::NoKey),
    };
    if let Err(refusal) = sender {
        let status = refusal.status();
        return refusal.answer(state, from, status, |error| error.data());
    }
    match answer() {
        Some(answer) => HttpResponse::Ok().json(answer),
        None => {
            let error = OdooError::NotFound("the model".to_owned());
            HttpResponse::build(StatusCode::NOT_FOUND).json(error.data())
        }
    }
}

/// Answers with the description of a model (`/doc-bearer/<model>.json`).
pub async fn model(
    state: web::Data<AppState>,
    request: HttpRequest,
    model: web::Path<String>,
) -> HttpResponse {
    told(&state, &request, || {
        let known = table::models().into_iter().find(|known| *known == *model)?;
        Some(model_document(known))
    })
    .await
}

/// Answers with the list of models (`/doc-bearer/index.json`).
pub async fn index(state: web::Data<AppState>, request: HttpRequest) -> HttpResponse {
    let models = || {
        let of = |model: &&str| {
            let methods: Vec<&str> = table::all()
                .filter(|method| method.model == *model)
                .map(|method| method.name)
                .collect();
            json!({"model": model, "name": model, "fields": fields(model), "methods": methods})
        };
        let models: Vec<Value> = table::models().iter().map(of).collect();
        Some(json!({"modules": ["outlook_bridge"], "models": models}))
    };
    told(&state, &request, models).await
}
