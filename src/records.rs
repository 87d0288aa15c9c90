//! What the service knows, as models that are searched like Odoo's: accounts, meetings and the
//! journal. A domain becomes a condition of one statement, so nothing is filtered in memory.

mod condition;
mod models;
mod statement;

use anyhow::Context;
use diesel::QueryableByName;
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::odoo::OdooError;
use crate::odoo::domain::{Condition, Domain, Operator};
use crate::store::Connection;
use crate::store::reason::Reason;

pub use models::{ACCOUNT, JOURNAL, MEETING, TROUBLE};
use statement::Statement;

/// The most rows of an answer. Whoever wants more asks for one page after the other.
const MOST_ROWS: i64 = 20_000;

/// A model.
#[derive(Debug)]
pub struct Model {
    pub name: &'static str,
    pub fields: &'static [Field],
    /// A query with a column for each field, and with the id of the database as `$1`.
    source: &'static str,
    /// The order if the caller names none.
    order: &'static str,
    /// The fields that name the users whose row it is: one of them must be the reader.
    readers: &'static [&'static str],
}

/// The rows that a caller sees.
#[derive(Clone, Copy, Debug)]
pub struct Within {
    pub database: Uuid,
    /// Only the rows of this user; `None` means all.
    pub user: Option<i32>,
}

#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    pub kind: Kind,
}

/// The type of a field, in Odoo's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The id of a record, possibly none.
    Id,
    /// A number; none counts as 0.
    Integer,
    /// A text; none counts as an empty one.
    Text,
    /// True or false; none counts as false.
    Boolean,
    /// A time in whole seconds, UTC, possibly none.
    Datetime,
    /// A reason, which is answered in words, and cannot be compared.
    Reason,
    /// The sentence of a reason, which cannot be compared.
    SentenceOfReason,
    /// A sentence, which cannot be compared.
    Sentence,
}

impl Kind {
    fn is_compared(self) -> bool {
        !matches!(self, Self::Reason | Self::SentenceOfReason | Self::Sentence)
    }
}

/// The keyword arguments of `search`, `search_read` and `search_count`.
#[derive(Debug, Deserialize)]
pub struct Search {
    #[serde(default = "everything")]
    domain: Domain,
    /// Absent: all.
    #[serde(default)]
    fields: Option<Vec<String>>,
    #[serde(default)]
    offset: i64,
    /// As in Odoo, 0 is no limit.
    #[serde(default)]
    limit: Option<i64>,
    #[serde(default)]
    order: Option<String>,
}

/// The keyword arguments of `read`.
#[derive(Debug, Deserialize)]
pub struct Read {
    ids: Vec<i64>,
    #[serde(default)]
    fields: Option<Vec<String>>,
}

/// The keyword arguments of `read_group`.
#[derive(Debug, Deserialize)]
pub struct ReadGroup {
    #[serde(default = "everything")]
    domain: Domain,
    /// Fields; of a time `field:hour`, `day`, `week`, `month`, `quarter` or `year`.
    #[serde(default)]
    groupby: Vec<String>,
    /// `__count`, or `field:` and `sum`, `min`, `max`, `avg`, `count`, `count_distinct`,
    /// `array_agg`.
    #[serde(default = "counted")]
    aggregates: Vec<String>,
    #[serde(default)]
    order: Option<String>,
    #[serde(default)]
    offset: i64,
    #[serde(default)]
    limit: Option<i64>,
    /// The time zone in which days begin.
    #[serde(default = "utc")]
    tz: String,
    /// The first day of a week, 1 for Monday to 7.
    #[serde(default = "monday")]
    week_start: i32,
}

fn everything() -> Domain {
    Domain::TRUE
}

fn counted() -> Vec<String> {
    vec!["__count".to_owned()]
}

fn utc() -> String {
    "UTC".to_owned()
}

fn monday() -> i32 {
    1
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = diesel::sql_types::Jsonb)]
    row: Value,
}

impl Model {
    fn field(&self, name: &str) -> Result<&Field, OdooError> {
        self.fields
            .iter()
            .find(|field| field.name == name)
            .ok_or_else(|| {
                OdooError::user(format!(
                    "{} has no field '{}'. It has: {}.",
                    self.name,
                    name.chars().take(60).collect::<String>(),
                    self.fields
                        .iter()
                        .map(|field| field.name)
                        .collect::<Vec<_>>()
                        .join(", ")
                ))
            })
    }

    /// Returns the fields of these names, and `id`. A text comes with its sentence, if it has one:
    /// callers that do not know sentences do not name them, and ignore them.
    fn fields(&self, names: Option<&[String]>) -> Result<Vec<&Field>, OdooError> {
        let Some(names) = names.filter(|names| !names.is_empty()) else {
            return Ok(self.fields.iter().collect());
        };
        let mut fields = vec![self.field("id")?];
        for name in names {
            let field = self.field(name)?;
            let sentence = format!("{name}_words");
            let sentence = self.fields.iter().find(|other| other.name == sentence);
            for field in [Some(field), sentence].into_iter().flatten() {
                if !fields.iter().any(|known| known.name == field.name) {
                    fields.push(field);
                }
            }
        }
        Ok(fields)
    }

    /// Answers `search_read`: the rows of a page, as objects.
    ///
    /// # Errors
    /// `UserError` for a field, domain or order that does not exist, and for too many rows.
    pub async fn search_read(
        &self,
        conn: &mut Connection,
        within: Within,
        search: &Search,
    ) -> Result<Vec<Value>, OdooError> {
        let fields = self.fields(search.fields.as_deref())?;
        let mut statement = Statement::new(within.database);
        let limit = page(search.limit, search.offset)?;
        let condition = statement.wanted(self, within, &search.domain)?;
        let order = search.order.as_deref().filter(|order| !order.is_empty());
        let order = statement::order(self, order.unwrap_or(self.order))?;
        // The rows of the page are chosen first: Postgres may make the objects of all rows otherwise.
        statement.text = format!(
            "SELECT {} AS row FROM (SELECT * FROM ({}) AS r WHERE {condition} ORDER BY {order} LIMIT {limit} OFFSET {}) AS r
             ORDER BY {order}",
            statement::object(&fields),
            self.source,
            search.offset,
        );
        let rows = statement.load(conn, set(search.limit)).await?;
        Ok(rows.into_iter().map(|row| in_words(row, &fields)).collect())
    }

    /// Answers `search`: the ids.
    ///
    /// # Errors
    /// As for `search_read`.
    pub async fn search(
        &self,
        conn: &mut Connection,
        within: Within,
        search: Search,
    ) -> Result<Vec<Value>, OdooError> {
        let fields = Some(vec!["id".to_owned()]);
        let rows = self
            .search_read(conn, within, &Search { fields, ..search })
            .await?;
        Ok(rows.into_iter().map(|mut row| row["id"].take()).collect())
    }

    /// Answers `search_count`, counting at most `limit` rows.
    ///
    /// # Errors
    /// As for `search_read`.
    pub async fn search_count(
        &self,
        conn: &mut Connection,
        within: Within,
        search: &Search,
    ) -> Result<Value, OdooError> {
        let mut statement = Statement::new(within.database);
        let condition = statement.wanted(self, within, &search.domain)?;
        let limit = match set(search.limit) {
            Some(limit) if limit < 0 => return Err(OdooError::user("A limit is not negative.")),
            Some(limit) => format!("LIMIT {limit}"),
            None => String::new(),
        };
        statement.text = format!(
            "SELECT to_jsonb(count(*)) AS row FROM (SELECT 1 FROM ({}) AS r WHERE {condition} {limit}) AS found",
            self.source
        );
        let mut rows = statement.load(conn, Some(1)).await?;
        let count = rows.pop().context("a count").map_err(OdooError::Internal)?;
        Ok(count)
    }

    /// Answers `read`: the rows with these ids that exist, in this order.
    ///
    /// # Errors
    /// As for `search_read`.
    pub async fn read(
        &self,
        conn: &mut Connection,
        within: Within,
        read: Read,
    ) -> Result<Vec<Value>, OdooError> {
        let search = Search {
            domain: Domain::Is(Condition {
                field: "id".to_owned(),
                operator: Operator::In,
                value: read.ids.clone().into(),
            }),
            fields: read.fields,
            offset: 0,
            limit: None,
            order: Some("id".to_owned()),
        };
        let found = self.search_read(conn, within, &search).await?;
        let mut by_id: std::collections::BTreeMap<i64, Value> = found
            .into_iter()
            .filter_map(|row| Some((row["id"].as_i64()?, row)))
            .collect();
        Ok(read.ids.iter().filter_map(|id| by_id.remove(id)).collect())
    }

    /// Answers `read_group`: a list for each group, with the values of `groupby`, then the
    /// aggregates. Periods are their first moment, in the time zone of the request.
    ///
    /// # Errors
    /// As for `search_read`.
    pub async fn read_group(
        &self,
        conn: &mut Connection,
        within: Within,
        request: &ReadGroup,
    ) -> Result<Vec<Value>, OdooError> {
        let limit = page(request.limit, request.offset)?;
        let mut statement = Statement::new(within.database);
        let condition = statement.wanted(self, within, &request.domain)?;
        let groups = statement.groups(self, request)?;
        let aggregates = statement::aggregates(self, &request.aggregates)?;
        let order = statement::group_order(request, &groups, &aggregates)?;
        let all: Vec<&str> = groups.iter().chain(&aggregates).map(String::as_str).collect();
        let by = if groups.is_empty() {
            String::new()
        } else {
            format!("GROUP BY {}", groups.join(", "))
        };
        statement.text = format!(
            "SELECT jsonb_build_array({}) AS row FROM ({}) AS r WHERE {condition} {by} {order} LIMIT {limit} OFFSET {}",
            all.join(", "),
            self.source,
            request.offset,
        );
        statement.load(conn, set(request.limit)).await
    }
}

/// Returns a limit, if there is one: as in Odoo, 0 is none.
fn set(limit: Option<i64>) -> Option<i64> {
    limit.filter(|limit| *limit != 0)
}

/// Returns how many rows are read at most.
fn page(limit: Option<i64>, offset: i64) -> Result<i64, OdooError> {
    if offset < 0 || limit.is_some_and(|limit| limit < 0) {
        return Err(OdooError::user("Neither limit nor offset is negative."));
    }
    match set(limit) {
        Some(limit) if limit > MOST_ROWS => Err(too_many()),
        Some(limit) => Ok(limit),
        None => Ok(MOST_ROWS + 1),
    }
}

fn too_many() -> OdooError {
    OdooError::user(format!(
        "These are more than {MOST_ROWS} rows: ask for them page by page, with limit and offset."
    ))
}

/// Puts reasons into words, and writes an absent value as Odoo does.
fn in_words(mut row: Value, fields: &[&Field]) -> Value {
    let Some(values) = row.as_object_mut() else {
        return row;
    };
    for field in fields {
        let Some(value) = values.get_mut(field.name) else {
            continue;
        };
        if matches!(field.kind, Kind::Reason | Kind::SentenceOfReason) && !value.is_null() {
            let reason: Reason = serde_json::from_value(value.take()).unwrap_or(Reason::OfAnotherVersion);
            let said = reason.sentence();
            *value = match field.kind {
                Kind::Reason => Value::String(said.message),
                _ => said.to_json().unwrap_or_default(),
            };
        }
        if value.is_null() {
            *value = Value::Bool(false);
        }
    }
    row
}

/// Answers `fields_get`: the type of each field.
pub fn fields_get(model: &Model) -> Value {
    let described = |field: &Field| {
        let kind = match field.kind {
            Kind::Id | Kind::Integer => "integer",
            Kind::Text => "char",
            Kind::Boolean => "boolean",
            Kind::Datetime => "datetime",
            Kind::Reason => "text",
            Kind::SentenceOfReason | Kind::Sentence => "json",
        };
        let is_compared = field.kind.is_compared();
        let described = serde_json::json!({"type": kind, "string": field.name, "readonly": true,
            "searchable": is_compared, "sortable": is_compared});
        (field.name.to_owned(), described)
    };
    Value::Object(model.fields.iter().map(described).collect::<Map<_, _>>())
}
