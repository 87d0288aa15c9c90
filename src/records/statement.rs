//! One statement of Postgres, with the values that are bound to it.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::BoxedSqlQuery;
use diesel::sql_types::{Array, BigInt, Bool, Text, Timestamptz};
use diesel_async::{AnsiTransactionManager, RunQueryDsl, TransactionManager};
use serde_json::Value;
use uuid::Uuid;

use super::{Field, Kind, MOST_ROWS, Model, ReadGroup, Row, too_many};
use crate::odoo::OdooError;
use crate::store::Connection;
use crate::words::say;

/// A value of a statement.
#[derive(Debug)]
pub(super) enum Bound {
    Whole(i64),
    Wholes(Vec<i64>),
    Text(String),
    Texts(Vec<String>),
    Truth(bool),
    Time(DateTime<Utc>),
    Times(Vec<DateTime<Utc>>),
}

#[derive(Debug)]
pub(super) struct Statement {
    pub(super) text: String,
    database: Uuid,
    bound: Vec<Bound>,
}

impl Statement {
    pub(super) fn new(database: Uuid) -> Self {
        Self {
            text: String::new(),
            database,
            bound: Vec::new(),
        }
    }

    /// Binds a value, and returns its placeholder.
    pub(super) fn bind(&mut self, value: Bound) -> String {
        self.bound.push(value);
        // `$1` is the database.
        format!("${}", self.bound.len() + 1)
    }

    /// Returns the rows. Without a limit of the caller's, too many are an error.
    pub(super) async fn load(
        self,
        conn: &mut Connection,
        limit: Option<i64>,
    ) -> Result<Vec<Value>, OdooError> {
        let query = diesel::sql_query(self.text).into_boxed::<Pg>();
        let query = query.bind::<diesel::sql_types::Uuid, _>(self.database);
        let query = self.bound.into_iter().fold(query, bind);
        AnsiTransactionManager::begin_transaction_sql(conn, BEGIN).await?;
        let rows: QueryResult<Vec<Row>> = query.load(conn).await;
        if rows.is_ok() {
            AnsiTransactionManager::commit_transaction(conn).await?;
        } else {
            AnsiTransactionManager::rollback_transaction(conn).await?;
        }
        let rows = match rows {
            Err(diesel::result::Error::DatabaseError(_, about))
                if about.message().contains("statement timeout") =>
            {
                return Err(OdooError::user(say::refusal_takes_too_long()));
            }
            rows => rows?,
        };
        if limit.is_none() && i64::try_from(rows.len()).is_ok_and(|rows| rows > MOST_ROWS) {
            return Err(too_many());
        }
        Ok(rows.into_iter().map(|row| row.row).collect())
    }

    /// Returns the terms of `GROUP BY`.
    pub(super) fn groups(&mut self, model: &Model, request: &ReadGroup) -> Result<Vec<String>, OdooError> {
        if request.groupby.len() + request.aggregates.len() > MOST_GROUPS {
            return Err(OdooError::user(format!(
                "At most {MOST_GROUPS} groups and aggregates can be asked for at once."
            )));
        }
        let mut groups = Vec::new();
        for spec in &request.groupby {
            let (name, period) = spec
                .split_once(':')
                .map_or((spec.as_str(), None), |(name, period)| (name, Some(period)));
            let field = model.field(name)?;
            groups.push(match (field.kind, period) {
                (Kind::Datetime, Some(period)) => self.period(field, period, request)?,
                (Kind::Datetime, None) => {
                    return Err(OdooError::user(format!(
                        "Group by {name}:day, or another period: hour, week, month, quarter or year."
                    )));
                }
                (kind, _) if !kind.is_compared() => return Err(not_compared(name)),
                (_, Some(_)) => {
                    return Err(OdooError::user(format!(
                        "{name} is no time, and has no periods to group by."
                    )));
                }
                (_, None) => value(field),
            });
        }
        Ok(groups)
    }

    fn period(&mut self, field: &Field, period: &str, request: &ReadGroup) -> Result<String, OdooError> {
        if !(1..=7).contains(&request.week_start) {
            return Err(OdooError::user("week_start is 1 (Monday) to 7 (Sunday)."));
        }
        let Ok(zone) = request.tz.parse::<Tz>() else {
            return Err(OdooError::user(
                "tz is the name of a time zone, such as Europe/Brussels.",
            ));
        };
        let zone = self.bind(Bound::Text(zone.name().to_owned()));
        let local = format!("r.{} AT TIME ZONE {zone}", field.name);
        let begins = match period {
            "hour" | "day" | "month" | "quarter" | "year" => format!("date_trunc('{period}', {local})"),
            "week" => {
                let days = request.week_start - 1;
                format!("date_trunc('week', {local} - interval '{days} days') + interval '{days} days'")
            }
            _ => {
                return Err(OdooError::user(
                    "The periods of a time are hour, day, week, month, quarter and year.",
                ));
            }
        };
        Ok(format!("to_char({begins}, '{TIME}')"))
    }
}

/// Begins a transaction in one message. What a caller has thought up must not keep others waiting.
const BEGIN: &str = "BEGIN READ ONLY; SET LOCAL statement_timeout = '10s'";
/// The most groups and aggregates of a request.
const MOST_GROUPS: usize = 20;

const TIME: &str = "YYYY-MM-DD HH24:MI:SS";

type Query<'f> = BoxedSqlQuery<'f, Pg, diesel::query_builder::SqlQuery>;

fn bind(query: Query<'_>, value: Bound) -> Query<'_> {
    match value {
        Bound::Whole(value) => query.bind::<BigInt, _>(value),
        Bound::Wholes(values) => query.bind::<Array<BigInt>, _>(values),
        Bound::Text(value) => query.bind::<Text, _>(value),
        Bound::Texts(values) => query.bind::<Array<Text>, _>(values),
        Bound::Truth(value) => query.bind::<Bool, _>(value),
        Bound::Time(value) => query.bind::<Timestamptz, _>(value),
        Bound::Times(values) => query.bind::<Array<Timestamptz>, _>(values),
    }
}

pub(super) fn not_compared(name: &str) -> OdooError {
    let instead = match name.strip_suffix("_words") {
        Some(text) => text.to_owned(),
        None => format!("{name}_code"),
    };
    OdooError::user(format!(
        "{name} is a sentence for its reader, and cannot be searched, sorted or grouped: use {instead}."
    ))
}

/// Returns a field's value as it is compared: an absent number is 0, an absent text empty.
pub(super) fn compared(field: &Field) -> String {
    let name = field.name;
    match field.kind {
        Kind::Id | Kind::Reason | Kind::SentenceOfReason | Kind::Sentence => format!("r.{name}"),
        Kind::Integer => format!("coalesce(r.{name}, 0)"),
        Kind::Text => format!("coalesce(r.{name}, '')"),
        Kind::Boolean => format!("coalesce(r.{name}, false)"),
        Kind::Datetime => format!("date_trunc('second', r.{name})"),
    }
}

/// Returns a field's value as it is answered.
fn value(field: &Field) -> String {
    match field.kind {
        Kind::Datetime => format!("to_char(r.{} AT TIME ZONE 'UTC', '{TIME}')", field.name),
        Kind::Text => format!("nullif(r.{}, '')", field.name),
        Kind::Id | Kind::Reason | Kind::SentenceOfReason | Kind::Sentence => format!("r.{}", field.name),
        Kind::Integer | Kind::Boolean => compared(field),
    }
}

/// Returns the row as an object with these fields.
pub(super) fn object(fields: &[&Field]) -> String {
    let pairs = fields
        .iter()
        .map(|field| format!("'{}', {}", field.name, value(field)));
    format!("jsonb_build_object({})", pairs.collect::<Vec<_>>().join(", "))
}

/// Returns the terms of `ORDER BY`; rows that are equal in all are in the order of their ids.
pub(super) fn order(model: &Model, order: &str) -> Result<String, OdooError> {
    let mut terms = Vec::new();
    for term in order.split(',') {
        let (name, direction) = directed(term)?;
        let field = model.field(name)?;
        if !field.kind.is_compared() {
            return Err(not_compared(name));
        }
        let sorted = match field.kind {
            // An empty text is absent, and sorted as such.
            Kind::Text => value(field),
            _ => format!("r.{name}"),
        };
        terms.push(format!("{sorted} {direction}"));
    }
    terms.push("r.id".to_owned());
    Ok(terms.join(", "))
}

/// Splits a term such as `name desc nulls last`.
fn directed(term: &str) -> Result<(&str, &'static str), OdooError> {
    let words: Vec<&str> = term.split_whitespace().collect();
    let lower: Vec<String> = words
        .iter()
        .skip(1)
        .map(|word| word.to_ascii_lowercase())
        .collect();
    let direction = match lower.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] | ["asc"] => "ASC",
        ["desc"] => "DESC",
        ["nulls", "first"] | ["asc", "nulls", "first"] => "ASC NULLS FIRST",
        ["nulls", "last"] | ["asc", "nulls", "last"] => "ASC NULLS LAST",
        ["desc", "nulls", "first"] => "DESC NULLS FIRST",
        ["desc", "nulls", "last"] => "DESC NULLS LAST",
        _ => return Err(unordered(term)),
    };
    let name = words.into_iter().next();
    name.map(|name| (name, direction)).ok_or_else(|| unordered(term))
}

fn unordered(term: &str) -> OdooError {
    let term: String = term.chars().take(60).collect();
    OdooError::user(format!(
        "'{term}' is no order: write fields with asc or desc, such as 'time desc, id'."
    ))
}

/// Returns the terms of the aggregates.
pub(super) fn aggregates(model: &Model, specs: &[String]) -> Result<Vec<String>, OdooError> {
    let term = |spec: &String| {
        if spec == "__count" {
            return Ok("count(*)".to_owned());
        }
        let (name, function) = spec.split_once(':').unwrap_or((spec, ""));
        let field = model.field(name)?;
        let value = value(field);
        match (function, field.kind) {
            ("count", _) => Ok(format!("count({value})")),
            ("count_distinct", kind) if kind.is_compared() => Ok(format!("count(DISTINCT {value})")),
            ("array_agg", Kind::Id) => Ok(format!("coalesce(jsonb_agg({value} ORDER BY {value}), '[]')")),
            ("min" | "max", Kind::Integer | Kind::Datetime | Kind::Id) | ("sum" | "avg", Kind::Integer) => {
                Ok(format!("{function}({value})"))
            }
            _ => Err(OdooError::user(format!(
                "'{}' cannot be computed: use __count, or sum, min, max, avg, count, count_distinct or array_agg of a field \
                 that has it.",
                spec.chars().take(60).collect::<String>()
            ))),
        }
    };
    specs.iter().map(term).collect()
}

/// Returns `ORDER BY` of groups: as the caller wants, else by the groups themselves.
pub(super) fn group_order(
    request: &ReadGroup,
    groups: &[String],
    aggregates: &[String],
) -> Result<String, OdooError> {
    let mut terms = Vec::new();
    for term in request.order.iter().flat_map(|order| order.split(',')) {
        let (spec, direction) = directed(term)?;
        let among = |specs: &[String]| specs.iter().position(|known| known == spec);
        let wanted = among(&request.groupby)
            .and_then(|at| groups.get(at))
            .or_else(|| among(&request.aggregates).and_then(|at| aggregates.get(at)));
        terms.push(format!("{} {direction}", wanted.ok_or_else(|| unordered(term))?));
    }
    // Odoo sorts what is empty last.
    terms.extend(groups.iter().map(|group| format!("{group} ASC NULLS LAST")));
    Ok(if terms.is_empty() {
        String::new()
    } else {
        format!("ORDER BY {}", terms.join(", "))
    })
}
