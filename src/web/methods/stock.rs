//! The methods under the names that they have in Odoo without the add-on, and the wizards that carry
//! some of them out.

use jsonrpsee::RpcModule;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Caller, NoArguments, caller, read_arguments, set_values, to_object};
use crate::admin;
use crate::auth::accounts;
use crate::engine::{Engine, now};
use crate::odoo::OdooError;
use crate::odoo::domain::{Condition, Domain, Operator};
use crate::odoo::exchange::State;
use crate::store::accounts::{self as stored, SyncState};
use crate::store::databases::Database;
use crate::store::wizards;
use crate::web::table::{self, Method};

const SETTINGS: &str = "res.config.settings";
const RESET: &str = "microsoft.calendar.account.reset";
/// A user who has no account: what is read about them is the database's alone.
const NOBODY: i32 = 0;

/// A field of a model that is not searched: its name, its type in Odoo's terms, and the name of the
/// setting that it is.
type Field = (&'static str, &'static str, &'static str);

/// The fields of the settings, under the names that Odoo and the add-on give them.
const SETTINGS_FIELDS: &[Field] = &[
    ("cal_microsoft_client_id", "char", "client_id"),
    ("cal_microsoft_client_secret", "char", "client_secret"),
    ("cal_microsoft_sync_paused", "boolean", "paused"),
    ("outlook_bridge_tenant", "char", "tenant"),
    ("outlook_bridge_secret_expires_on", "date", "secret_expires_on"),
    ("outlook_bridge_policy", "selection", "policy"),
    ("outlook_bridge_brake_over", "integer", "brake_over"),
    ("outlook_bridge_brake_percent", "integer", "brake_percent"),
    ("outlook_bridge_mail_budget", "integer", "mail_budget"),
    ("outlook_bridge_others_outside", "integer", "others_outside"),
    ("outlook_bridge_mails_an_hour", "integer", "mails_an_hour"),
    ("outlook_bridge_days_back", "integer", "days_back"),
    ("outlook_bridge_days_ahead", "integer", "days_ahead"),
    ("outlook_bridge_sent_back", "integer", "sent_back"),
    ("outlook_bridge_created_from", "datetime", "created_from"),
];

const RESET_FIELDS: &[Field] = &[
    ("user_id", "integer", "user_id"),
    ("delete_policy", "selection", "delete_policy"),
    ("sync_policy", "selection", "sync_policy"),
    ("mails", "integer", "mails"),
];

const USERS_FIELDS: &[Field] = &[("id", "integer", "id"), ("login", "char", "login")];

const MODEL_FIELDS: &[Field] = &[
    ("id", "integer", "id"),
    ("model", "char", "model"),
    ("name", "char", "name"),
    ("transient", "boolean", "transient"),
];

/// Returns the fields of a model that is not searched in Postgres.
fn fields_of(model: &str) -> &'static [Field] {
    match model {
        SETTINGS => SETTINGS_FIELDS,
        RESET => RESET_FIELDS,
        "res.users" => USERS_FIELDS,
        "ir.model" => MODEL_FIELDS,
        _ => &[],
    }
}

/// Returns the values of a selection.
fn selection(field: &str) -> &'static [&'static str] {
    match field {
        "delete_policy" => &["dont_delete", "delete_microsoft", "delete_odoo", "delete_both"],
        "sync_policy" => &["new", "all"],
        _ => &["latest", "outlook", "odoo"],
    }
}

/// Checks the values with which a wizard is created, as far as Odoo does.
///
/// # Errors
/// `UserError` for a field that there is not, or cannot have this value, or is absent and required.
fn check_values(model: &str, values: &Map<String, Value>) -> Result<(), OdooError> {
    for (name, value) in values {
        let kind = kind_of(model, name)?;
        let is_possible = match (kind, value) {
            (_, Value::Null | Value::Bool(false)) => true,
            ("selection", value) => value
                .as_str()
                .is_some_and(|value| selection(name).contains(&value)),
            ("integer", value) => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
            _ => true,
        };
        if !is_possible {
            return Err(OdooError::user(format!("Wrong value for {model}.{name}")));
        }
    }
    let is_set = |name: &str| values.get(name).is_some_and(Value::is_number);
    if model == RESET && !is_set("user_id") {
        return Err(OdooError::user(format!(
            "Missing required value for {model}.user_id"
        )));
    }
    Ok(())
}

/// Returns the type of a field.
///
/// # Errors
/// `UserError` if there is none of this name.
fn kind_of(model: &str, name: &str) -> Result<&'static str, OdooError> {
    let found = fields_of(model).iter().find(|(known, ..)| *known == name);
    found.map(|(_, kind, _)| *kind).ok_or_else(|| {
        OdooError::user(format!(
            "Invalid field '{}' on model '{model}'",
            name.chars().take(60).collect::<String>()
        ))
    })
}

/// Answers `fields_get` of a model that is not searched in Postgres.
pub(in crate::web) fn described(model: &str) -> Value {
    let described = |(name, kind, _): &Field| {
        let mut field = json!({"type": kind, "string": name, "readonly": false, "required": false});
        if *kind == "selection" {
            let values = selection(name).iter();
            field["selection"] = values.map(|value| json!([value, value])).collect();
        }
        ((*name).to_owned(), field)
    };
    Value::Object(fields_of(model).iter().map(described).collect())
}

/// The records that a method is called on.
#[derive(Deserialize)]
struct Records {
    #[serde(default)]
    ids: Vec<i64>,
}

impl Records {
    /// Returns the only user.
    fn user(&self) -> Result<i32, OdooError> {
        match self.ids.as_slice() {
            [id] => i32::try_from(*id)
                .map_err(|_| OdooError::missing("Record does not exist or has been deleted.")),
            ids => {
                let ids: Vec<String> = ids.iter().take(20).map(i64::to_string).collect();
                Err(OdooError::user(format!(
                    "Expected singleton: res.users({})",
                    ids.join(", ")
                )))
            }
        }
    }
}

/// The fields that a caller wants; all if none is named.
#[derive(Default, Deserialize)]
struct Wanted {
    #[serde(default)]
    fields: Vec<String>,
}

impl Wanted {
    /// Checks that a model has them.
    ///
    /// # Errors
    /// `UserError` if it does not.
    fn check(&self, model: &str) -> Result<(), OdooError> {
        let mut names = self.fields.iter().filter(|name| *name != "id");
        names.try_for_each(|name| kind_of(model, name).map(drop))
    }

    fn of(&self, mut values: Map<String, Value>) -> Map<String, Value> {
        if !self.fields.is_empty() {
            values.retain(|name, _| self.fields.contains(name));
        }
        values
    }
}

#[derive(Deserialize)]
struct Created {
    vals_list: Value,
}

#[derive(Deserialize)]
struct Read {
    ids: Vec<i64>,
    #[serde(flatten)]
    wanted: Wanted,
}

#[derive(Deserialize)]
struct Listed {
    #[serde(default = "everything")]
    domain: Domain,
    #[serde(default)]
    offset: usize,
    /// As in Odoo, 0 is no limit.
    #[serde(default)]
    limit: usize,
    #[serde(default)]
    order: Option<String>,
    #[serde(flatten)]
    wanted: Wanted,
}

impl Listed {
    /// Returns the models of a page, in the order of their names if no other is wanted.
    fn page(&self) -> Result<Vec<Value>, OdooError> {
        self.wanted.check("ir.model")?;
        let limit = if self.limit == 0 { usize::MAX } else { self.limit };
        let mut rows = models(&self.domain)?;
        // The last term decides least.
        let order = self.order.iter().filter(|order| !order.is_empty());
        for term in order.flat_map(|order| order.rsplit(',')) {
            let mut words = term.split_whitespace();
            let name = words.next().unwrap_or_default();
            let is_reversed = match (words.next().map(str::to_lowercase).as_deref(), words.next()) {
                (None | Some("asc"), None) => false,
                (Some("desc"), None) => true,
                _ => {
                    return Err(OdooError::user(
                        "ir.model: an order is fields with asc or desc, such as 'model desc'.",
                    ));
                }
            };
            kind_of("ir.model", name)?;
            let key = |row: &Map<String, Value>| {
                let value = &row[name];
                (value.as_i64(), value.as_bool(), value.as_str().map(str::to_owned))
            };
            rows.sort_by(|a, b| {
                let order = key(a).cmp(&key(b));
                if is_reversed { order.reverse() } else { order }
            });
        }
        let found = rows.into_iter().skip(self.offset).take(limit);
        let shown = |mut row: Map<String, Value>| {
            let id = row.remove("id");
            let mut row = self.wanted.of(row);
            row.extend(id.map(|id| ("id".to_owned(), id)));
            Value::Object(row)
        };
        Ok(found.map(shown).collect())
    }
}

fn everything() -> Domain {
    Domain::TRUE
}

/// Registers the methods.
pub(super) fn register(module: &mut RpcModule<Engine>) -> anyhow::Result<()> {
    register_users(module)?;
    register_settings(module)?;
    register_resets(module)?;
    method!(
        module,
        "ir.model.fields_get",
        |_engine, _caller, _arguments: NoArguments| described("ir.model")
    );
    method!(module, "ir.model.search", |_engine, _caller, listed: Listed| {
        let rows = listed.page()?.into_iter();
        rows.map(|mut row| row["id"].take()).collect::<Vec<_>>()
    });
    method!(
        module,
        "ir.model.search_read",
        |_engine, _caller, listed: Listed| listed.page()?
    );
    Ok(())
}

fn register_users(module: &mut RpcModule<Engine>) -> anyhow::Result<()> {
    method!(
        module,
        "res.users.fields_get",
        |_engine, _caller, _arguments: NoArguments| described("res.users")
    );
    method!(
        module,
        "res.users.context_get",
        |_engine, caller, _arguments: NoArguments| context(caller.uid)
    );
    method!(
        module,
        "res.users.check_calendar_credentials",
        |engine, caller, _arguments: NoArguments| {
            json!({"microsoft_calendar": base(&engine, caller).await?.configured})
        }
    );
    method!(
        module,
        "res.users.check_synchronization_status",
        |engine, caller, records: Records| {
            let user_id = if records.ids.is_empty() {
                caller.uid
            } else {
                records.user()?
            };
            caller.key.check_about(user_id)?;
            let state = base(&engine, caller).await?;
            let mut conn = engine.store.get().await?;
            let account = stored::of_user(&mut conn, caller.database.id, user_id).await?;
            let is_active = account.is_some_and(|account| account.state == SyncState::Active);
            let status = match (state.configured, state.paused, is_active) {
                (false, ..) => "missing_credentials",
                (true, true, _) => "sync_paused",
                (true, false, true) => "sync_active",
                (true, false, false) => "sync_stopped",
            };
            json!({"microsoft_calendar": status})
        }
    );
    method!(
        module,
        "res.users.stop_microsoft_synchronization",
        |engine, caller, records: Records| {
            let user_id = records.user()?;
            caller.key.check_about(user_id)?;
            accounts::stop(&engine, &caller.database, user_id).await?
        }
    );
    method!(
        module,
        "res.users.restart_microsoft_synchronization",
        |engine, caller, records: Records| {
            let user_id = records.user()?;
            caller.key.check_about(user_id)?;
            accounts::restart(&engine, &caller.database, user_id).await?
        }
    );
    method!(
        module,
        "res.users.pause_microsoft_synchronization",
        |engine, caller, _records: Records| { pause(&engine, caller, true).await? }
    );
    method!(
        module,
        "res.users.unpause_microsoft_synchronization",
        |engine, caller, _records: Records| { pause(&engine, caller, false).await? }
    );
    Ok(())
}

fn register_settings(module: &mut RpcModule<Engine>) -> anyhow::Result<()> {
    method!(
        module,
        "res.config.settings.fields_get",
        |_engine, _caller, _arguments: NoArguments| described(SETTINGS)
    );
    method!(
        module,
        "res.config.settings.default_get",
        |engine, caller, wanted: Wanted| { wanted.of(settings(&base(&engine, caller).await?)) }
    );
    method!(
        module,
        "res.config.settings.get_values",
        |engine, caller, _arguments: NoArguments| settings(&base(&engine, caller).await?)
    );
    method!(
        module,
        "res.config.settings.create",
        |engine, caller, created: Created| create(&engine, &caller.database, SETTINGS, created.vals_list)
            .await?
    );
    // As Odoo's does, it tells the client to read everything again.
    method!(
        module,
        "res.config.settings.execute",
        |engine, caller, request: admin::SettingsRequest| {
            set_values(&engine, caller, request).await?;
            json!({"type": "ir.actions.client", "tag": "reload"})
        }
    );
    Ok(())
}

fn register_resets(module: &mut RpcModule<Engine>) -> anyhow::Result<()> {
    method!(
        module,
        "microsoft.calendar.account.reset.fields_get",
        |_engine, _caller, _arguments: NoArguments| described(RESET)
    );
    method!(
        module,
        "microsoft.calendar.account.reset.default_get",
        |_engine, _caller, wanted: Wanted| { wanted.of(choices()) }
    );
    method!(
        module,
        "microsoft.calendar.account.reset.create",
        |engine, caller, created: Created| create(&engine, &caller.database, RESET, created.vals_list)
            .await?
    );
    method!(
        module,
        "microsoft.calendar.account.reset.read",
        |engine, caller, read: Read| {
            let mut rows = Vec::new();
            read.wanted.check(RESET)?;
            for id in &read.ids {
                // As in Odoo, what does not exist is left out.
                let held = match content(&engine, &caller.database, RESET, *id).await {
                    Err(OdooError::Missing(_)) => continue,
                    held => held?,
                };
                let mut row = read.wanted.of(held);
                row.insert("id".to_owned(), json!(id));
                rows.push(row);
            }
            rows
        }
    );
    Ok(())
}

/// Returns the context of a caller: the service's sentences are in English, and its times in UTC.
pub(in crate::web) fn context(uid: i32) -> Value {
    json!({"lang": "en_US", "tz": "UTC", "uid": uid})
}

/// Returns the state of the database, without accounts.
async fn base(engine: &Engine, caller: &Caller) -> Result<State, OdooError> {
    let conn = engine.store.get().await?;
    Ok(admin::state::state_of(&conn, &engine.settings, caller.database.id, NOBODY).await?)
}

async fn pause(engine: &Engine, caller: &Caller, paused: bool) -> Result<(), OdooError> {
    let request = admin::SettingsRequest {
        paused: Some(paused),
        ..admin::SettingsRequest::default()
    };
    set_values(engine, caller, request).await
}

/// Returns the settings under the names of their fields. The secret is never shown.
fn settings(state: &State) -> Map<String, Value> {
    let held = serde_json::to_value(state).unwrap_or_default();
    let own = state.registrations.iter().find(|one| one.company_id.is_none());
    let value = |name: &str| match name {
        "client_id" => own.map(|own| json!(own.client_id)),
        "tenant" => own.map(|own| json!(own.tenant)),
        "secret_expires_on" => own.map(|own| json!(own.secret_expires_on)),
        "client_secret" => None,
        name => held.get(name).cloned(),
    };
    let shown = |(field, _, name): &Field| {
        let value = value(name).filter(|value| !value.is_null() && *value != "");
        ((*field).to_owned(), value.unwrap_or(Value::Bool(false)))
    };
    SETTINGS_FIELDS.iter().map(shown).collect()
}

/// Returns the choices that a reset begins with, which are Odoo's.
fn choices() -> Map<String, Value> {
    [("delete_policy", "dont_delete"), ("sync_policy", "new")]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect()
}

/// How many wizards one call creates at most.
const MOST_AT_ONCE: usize = 100;

/// Stores one wizard or several; returns its id, or theirs.
async fn create(
    engine: &Engine,
    database: &Database,
    model: &str,
    vals_list: Value,
) -> Result<Value, OdooError> {
    let (entries, is_one) = match vals_list {
        Value::Array(entries) => (entries, false),
        one => (vec![one], true),
    };
    if entries.len() > MOST_AT_ONCE {
        return Err(OdooError::user(format!(
            "{model}: at most {MOST_AT_ONCE} can be created at once"
        )));
    }
    let mut ids = Vec::new();
    for entry in entries {
        let Value::Object(values) = entry else {
            return Err(OdooError::user(format!("{model}: values are an object")));
        };
        check_values(model, &values)?;
        let place = wizards::content_place(database.id, model);
        let content = SecretString::from(Value::Object(values).to_string());
        let sealed = engine.sealer.seal(&place, &content)?;
        let mut conn = engine.store.get().await?;
        ids.push(wizards::add(&mut conn, database.id, model, &sealed, now()).await?);
    }
    Ok(match ids.as_slice() {
        [id] if is_one => json!(id),
        ids => json!(ids),
    })
}

/// Returns what a wizard holds, with the values that it begins with.
async fn content(
    engine: &Engine,
    database: &Database,
    model: &str,
    id: i64,
) -> Result<Map<String, Value>, OdooError> {
    let mut conn = engine.store.get().await?;
    let sealed = wizards::content(&mut conn, database.id, model, id, now()).await?;
    let place = wizards::content_place(database.id, model);
    // One that was sealed with a master key that is no longer known is lost, as an old one is.
    let opened = sealed.and_then(|sealed| engine.sealer.open(&place, &sealed).ok());
    let read = opened.and_then(|content| serde_json::from_str(content.expose_secret()).ok());
    let Some(Value::Object(entered)) = read else {
        return Err(OdooError::missing(format!(
            "Record does not exist or has been deleted.\n(Record: {model}({id},))"
        )));
    };
    let mut values = if model == RESET { choices() } else { Map::new() };
    values.extend(entered);
    Ok(values)
}

/// Returns whether a call is to carry out what a wizard holds.
pub(super) fn is_of_wizard(method: &Method, kwargs: &Map<String, Value>) -> bool {
    match (method.model, method.name) {
        (SETTINGS, "execute") => true,
        (SETTINGS, "set_values") | (RESET, "preview" | "reset_account") => kwargs.contains_key("ids"),
        _ => false,
    }
}

/// Returns the keyword arguments that a wizard stands for.
///
/// # Errors
/// `MissingError` if there is none, or it is too old.
pub(super) async fn open_wizard(
    engine: &Engine,
    database: &Database,
    method: &Method,
    kwargs: &Map<String, Value>,
) -> Result<Map<String, Value>, OdooError> {
    let ids = kwargs.get("ids").and_then(Value::as_array).map(Vec::as_slice);
    let Some([id]) = ids else {
        return Err(OdooError::user(format!("Expected singleton: {}", method.model)));
    };
    let id = id
        .as_i64()
        .ok_or_else(|| OdooError::user(format!("{}: an id is a number", method.model)))?;
    let values = content(engine, database, method.model, id).await?;
    let named = |(field, value): (String, Value)| {
        let (_, kind, name) = fields_of(method.model)
            .iter()
            .find(|(known, ..)| *known == field)?;
        let value = match (*kind, value) {
            // An absent number is 0, and everything else that is absent is empty.
            ("integer", Value::Bool(false) | Value::Null) => json!(0),
            ("boolean", value) => value,
            (_, Value::Bool(false) | Value::Null) => json!(""),
            (_, value) => value,
        };
        Some(((*name).to_owned(), value))
    };
    Ok(values.into_iter().filter_map(named).collect())
}

/// Returns the models that a domain lets through.
///
/// # Errors
/// `UserError` for a field that there is not, and for a comparison other than equality.
fn models(domain: &Domain) -> Result<Vec<Map<String, Value>>, OdooError> {
    let mut found = Vec::new();
    for (id, model) in (1..).zip(table::models()) {
        let transient = matches!(model, SETTINGS | RESET);
        let row = [
            ("id", json!(id)),
            ("model", json!(model)),
            ("name", json!(model)),
            ("transient", json!(transient)),
        ];
        let row = row
            .map(|(name, value)| (name.to_owned(), value))
            .into_iter()
            .collect();
        if lets_through(domain, &row)? {
            found.push(row);
        }
    }
    Ok(found)
}

fn lets_through(domain: &Domain, row: &Map<String, Value>) -> Result<bool, OdooError> {
    Ok(match domain {
        Domain::All(parts) => {
            for part in parts {
                if !lets_through(part, row)? {
                    return Ok(false);
                }
            }
            true
        }
        Domain::Any(parts) => {
            for part in parts {
                if lets_through(part, row)? {
                    return Ok(true);
                }
            }
            false
        }
        Domain::Not(part) => !lets_through(part, row)?,
        Domain::Is(condition) => is_so(condition, row)?,
    })
}

fn is_so(condition: &Condition, row: &Map<String, Value>) -> Result<bool, OdooError> {
    let field: String = condition.field.chars().take(60).collect();
    let Some(value) = row.get(&condition.field) else {
        return Err(OdooError::user(format!("ir.model has no field '{field}'.")));
    };
    let among = |list: &Value| list.as_array().is_some_and(|list| list.contains(value));
    match condition.operator {
        Operator::Equal => Ok(*value == condition.value),
        Operator::NotEqual => Ok(*value != condition.value),
        Operator::Unset => Ok(true),
        Operator::In => Ok(among(&condition.value)),
        Operator::NotIn => Ok(!among(&condition.value)),
        _ => Err(OdooError::user(format!(
            "ir.model is searched with =, !=, in and not in; not {field} with another operator."
        ))),
    }
}
