//! A domain as a condition of Postgres, with Odoo's meaning of what is empty.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeDelta, Timelike, Utc};
use serde_json::{Number, Value};

use super::statement::{Bound, Statement, compared, not_compared};
use super::{Field, Kind, Model, Within};
use crate::odoo::OdooError;
use crate::odoo::domain::{Condition, Domain, Operator};
use crate::odoo::rpc::is_truth;

impl Statement {
    /// Returns the condition for the rows that the caller sees, and that the domain lets through.
    ///
    /// # Errors
    /// As for `condition`.
    pub(super) fn wanted(
        &mut self,
        model: &Model,
        within: Within,
        domain: &Domain,
    ) -> Result<String, OdooError> {
        let condition = self.condition(model, domain)?;
        let Some(user) = within.user else {
            return Ok(condition);
        };
        let user = self.bind(Bound::Whole(user.into()));
        let own = model
            .readers
            .iter()
            .map(|field| format!("(r.{field} = {user}) IS TRUE"))
            .collect();
        Ok(format!("({} AND {condition})", either(own)))
    }

    /// Returns the condition. It may be unknown instead of false; what is negated never is. So
    /// Postgres sees plain comparisons, which its statistics and indexes are for.
    ///
    /// # Errors
    /// `UserError` if it names a field that does not exist, or compares it with what it cannot be.
    fn condition(&mut self, model: &Model, domain: &Domain) -> Result<String, OdooError> {
        self.said(model, domain, Sense::Said)
    }

    /// Returns a domain or its negation. As in Odoo, a negation is carried on to the comparisons.
    fn said(&mut self, model: &Model, domain: &Domain, sense: Sense) -> Result<String, OdooError> {
        match (domain, sense) {
            (Domain::All(parts), Sense::Said) | (Domain::Any(parts), Sense::Negated) => {
                self.joined(model, parts, sense, (" AND ", "true"))
            }
            (Domain::Any(parts), Sense::Said) | (Domain::All(parts), Sense::Negated) => {
                self.joined(model, parts, sense, (" OR ", "false"))
            }
            (Domain::Not(part), _) => self.said(model, part, sense.negated()),
            (Domain::Is(condition), _) => self.compare(model.field(&condition.field)?, condition, sense),
        }
    }

    fn joined(
        &mut self,
        model: &Model,
        parts: &[Domain],
        sense: Sense,
        (word, of_none): (&str, &str),
    ) -> Result<String, OdooError> {
        if parts.is_empty() {
            return Ok(of_none.to_owned());
        }
        let conditions: Vec<String> = parts
            .iter()
            .map(|part| self.said(model, part, sense))
            .collect::<Result<_, _>>()?;
        Ok(format!("({})", conditions.join(word)))
    }

    fn compare(&mut self, field: &Field, condition: &Condition, sense: Sense) -> Result<String, OdooError> {
        if !field.kind.is_compared() {
            return Err(not_compared(field.name));
        }
        let value = &condition.value;
        let one = std::slice::from_ref(value);
        let is_negative = match condition.operator {
            Operator::NotEqual | Operator::NotIn => true,
            Operator::Like { negated, .. } => negated,
            _ => false,
        };
        let sense = if is_negative { sense.negated() } else { sense };
        let found = match condition.operator {
            Operator::Equal | Operator::NotEqual => self.is_among(field, one, sense)?,
            Operator::In | Operator::NotIn => self.is_among(field, listed(field, value)?, sense)?,
            Operator::Less => return self.is_ordered(field, "<", value, sense),
            Operator::LessOrEqual => return self.is_ordered(field, "<=", value, sense),
            Operator::Greater => return self.is_ordered(field, ">", value, sense),
            Operator::GreaterOrEqual => return self.is_ordered(field, ">=", value, sense),
            Operator::Unset => "true".to_owned(),
            Operator::Like { any_case, whole, .. } => self.is_like(field, value, any_case, whole, sense)?,
        };
        Ok(match sense {
            Sense::Said => found,
            Sense::Negated => format!("NOT ({found})"),
        })
    }

    /// Compares with several values, of which `false` and `null` mean that there is none. The caller
    /// negates it if that is the sense.
    fn is_among(&mut self, field: &Field, values: &[Value], sense: Sense) -> Result<String, OdooError> {
        let is_none = |value: &&Value| is_nothing(value);
        let (nothing, some): (Vec<&Value>, Vec<&Value>) = values.iter().partition(is_none);
        let wanted = compared(field);
        let bound = match field.kind {
            Kind::Boolean => {
                let truths: BTreeSet<bool> = values
                    .iter()
                    .map(|value| truth(field, value))
                    .collect::<Result<_, _>>()?;
                let any: Vec<String> = truths
                    .into_iter()
                    .map(|value| format!("{wanted} = {}", self.bind(Bound::Truth(value))))
                    .collect();
                return Ok(either(any));
            }
            // Postgres sees that the negation is what an index is for.
            Kind::Text if some.is_empty() && !nothing.is_empty() => {
                return Ok(format!("(r.{0} IS NULL OR r.{0} = '')", field.name));
            }
            Kind::Id => {
                // A fraction is no id.
                let ids = all(&some, |value| id(field, value))?.into_iter();
                Bound::Wholes(
                    ids.filter_map(|(below, above)| (below == above).then_some(below))
                        .collect(),
                )
            }
            Kind::Integer => {
                let mut numbers = all(&some, |value| whole(field, value))?;
                numbers.extend((!nothing.is_empty()).then_some(0));
                Bound::Wholes(numbers)
            }
            Kind::Text | Kind::Reason | Kind::SentenceOfReason | Kind::Sentence => {
                let mut texts = all(&some, |value| text(field, value))?;
                texts.extend((!nothing.is_empty()).then(String::new));
                Bound::Texts(texts)
            }
            Kind::Datetime => Bound::Times(all(&some, |value| Ok(time(field, value)?.0))?),
        };
        let mut any = Vec::new();
        if !matches!(&bound, Bound::Wholes(of) if of.is_empty())
            && !matches!(&bound, Bound::Texts(of) if of.is_empty())
            && !matches!(&bound, Bound::Times(of) if of.is_empty())
        {
            let wanted = match &bound {
                Bound::Texts(texts) if !texts.iter().any(String::is_empty) => format!("r.{}", field.name),
                Bound::Wholes(numbers) if !numbers.contains(&0) => format!("r.{}", field.name),
                _ => wanted.clone(),
            };
            any.push(sense.to_negate(format!("{wanted} = ANY({})", self.bind(bound))));
        }
        if !nothing.is_empty() && matches!(field.kind, Kind::Id | Kind::Datetime) {
            any.push(format!("{wanted} IS NULL"));
        }
        Ok(either(any))
    }

    fn is_ordered(
        &mut self,
        field: &Field,
        sign: &str,
        value: &Value,
        sense: Sense,
    ) -> Result<String, OdooError> {
        let wanted = match field.kind {
            // Compared with the first moment of a second, so the rest of the second does not matter.
            Kind::Datetime => format!("r.{}", field.name),
            _ => compared(field),
        };
        let (sign, bound) = match field.kind {
            // Nothing is neither earlier nor later.
            Kind::Datetime if is_nothing(value) => return Ok(sense.of("false")),
            // As in Odoo, the negation then finds what has no id.
            Kind::Id if is_nothing(value) && field.name != "id" => {
                return Ok(match sense {
                    Sense::Said => "false".to_owned(),
                    Sense::Negated => format!("{wanted} IS NULL"),
                });
            }
            Kind::Id => {
                let (below, above) = id(field, value)?;
                let bound = match sign {
                    "<" | ">=" => above,
                    _ => below,
                };
                (sign, Bound::Whole(bound))
            }
            Kind::Integer if is_nothing(value) => (sign, Bound::Whole(0)),
            Kind::Text if is_nothing(value) => (sign, Bound::Text(String::new())),
            Kind::Integer => (sign, Bound::Whole(whole(field, value)?)),
            Kind::Text => (sign, Bound::Text(text(field, value)?)),
            Kind::Datetime => {
                let (from, after) = time(field, value)?;
                // A day is all of it.
                match sign {
                    ">" => (">=", Bound::Time(after)),
                    "<=" => ("<", Bound::Time(after)),
                    sign => (sign, Bound::Time(from)),
                }
            }
            Kind::Boolean | Kind::Reason | Kind::SentenceOfReason | Kind::Sentence => {
                return Err(OdooError::user(format!(
                    "{} has no order: compare it with = or !=.",
                    field.name
                )));
            }
        };
        let found = sense.to_negate(format!("{wanted} {sign} {}", self.bind(bound)));
        Ok(sense.of(&found))
    }

    fn is_like(
        &mut self,
        field: &Field,
        value: &Value,
        any_case: bool,
        whole: bool,
        sense: Sense,
    ) -> Result<String, OdooError> {
        if !is_truth(value) {
            // As in Odoo, nothing is a part of everything, but as a whole the same as nothing.
            return match (whole, field.kind) {
                (false, Kind::Id) if field.name != "id" => Ok(format!("r.{} IS NOT NULL", field.name)),
                (false, _) => Ok("true".to_owned()),
                (true, _) => self.is_among(field, &[Value::Bool(false)], sense),
            };
        }
        let shown = match field.kind {
            Kind::Text => format!("nullif(r.{}, '')", field.name),
            Kind::Id | Kind::Integer => format!("r.{}::text", field.name),
            Kind::Datetime => format!("({} AT TIME ZONE 'UTC')::text", compared(field)),
            Kind::Boolean | Kind::Reason | Kind::SentenceOfReason | Kind::Sentence => {
                return Err(OdooError::user(format!("{} is no text.", field.name)));
            }
        };
        let pattern = match (whole, value) {
            (true, Value::String(_)) => text(field, value)?,
            (true, _) => return Err(OdooError::user("A pattern is a text.")),
            (false, value) => format!("%{}%", text(field, value)?),
        };
        // As in Odoo, a backslash makes the next character mean itself. Postgres refuses a last one.
        let backslashes = pattern.chars().rev().take_while(|c| *c == '\\').count();
        let pattern = if backslashes % 2 == 1 {
            format!("{pattern}\\")
        } else {
            pattern
        };
        let like = if any_case { "ILIKE" } else { "LIKE" };
        Ok(sense.to_negate(format!("{shown} {like} {}", self.bind(Bound::Text(pattern)))))
    }
}

/// Whether a domain is meant as it is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sense {
    Said,
    Negated,
}

impl Sense {
    fn negated(self) -> Self {
        match self {
            Self::Said => Self::Negated,
            Self::Negated => Self::Said,
        }
    }

    /// Returns a comparison as it can be negated: false instead of unknown.
    fn to_negate(self, comparison: String) -> String {
        match self {
            Self::Said => comparison,
            Self::Negated => format!("({comparison}) IS TRUE"),
        }
    }

    /// Returns a condition, or its negation.
    fn of(self, condition: &str) -> String {
        match self {
            Self::Said => condition.to_owned(),
            Self::Negated => format!("NOT ({condition})"),
        }
    }
}

/// Returns whether a value stands for a field that is not set.
fn is_nothing(value: &Value) -> bool {
    value.is_null() || *value == Value::Bool(false)
}

fn either(conditions: Vec<String>) -> String {
    if conditions.is_empty() {
        "false".to_owned()
    } else {
        format!("({})", conditions.join(" OR "))
    }
}

fn all<T>(values: &[&Value], read: impl Fn(&Value) -> Result<T, OdooError>) -> Result<Vec<T>, OdooError> {
    values.iter().map(|value| read(value)).collect()
}

fn listed<'a>(field: &Field, value: &'a Value) -> Result<&'a [Value], OdooError> {
    value
        .as_array()
        .map(Vec::as_slice)
        .ok_or_else(|| OdooError::user(format!("{} is compared with a list here.", field.name)))
}

/// Returns a whole number as Python's `int` reads it.
fn whole(field: &Field, value: &Value) -> Result<i64, OdooError> {
    let number = match value {
        Value::Number(number) => integral(number).map(|(below, above)| if below < 0 { above } else { below }),
        Value::String(text) if text.is_empty() => Some(0),
        Value::String(text) => text.trim().parse().ok(),
        Value::Bool(truth) => Some(i64::from(*truth)),
        _ => None,
    };
    number.ok_or_else(|| OdooError::user(format!("{} is compared with whole numbers.", field.name)))
}

/// Returns the nearest ids that are not above and not below a number.
fn id(field: &Field, value: &Value) -> Result<(i64, i64), OdooError> {
    let number = match value {
        Value::Number(number) => integral(number),
        Value::String(text) => text.trim().parse().ok().map(|id| (id, id)),
        _ => None,
    };
    number.ok_or_else(|| {
        OdooError::user(format!(
            "{} is compared with ids, which are whole numbers.",
            field.name
        ))
    })
}

/// Returns the nearest whole numbers that are not above and not below a number. What no column can
/// hold becomes the largest or the smallest number.
fn integral(number: &Number) -> Option<(i64, i64)> {
    if let Some(whole) = number.as_i64() {
        return Some((whole, whole));
    }
    let number = number.as_f64()?;
    Some((number.floor() as i64, number.ceil() as i64))
}

fn text(field: &Field, value: &Value) -> Result<String, OdooError> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        // As Python writes it.
        Value::Bool(true) => "True".to_owned(),
        _ => return Err(OdooError::user(format!("{} is compared with texts.", field.name))),
    };
    if text.contains('\0') {
        return Err(OdooError::user("A text cannot contain the character 0."));
    }
    Ok(text)
}

fn truth(field: &Field, value: &Value) -> Result<bool, OdooError> {
    match value {
        // As Odoo's `str2bool`.
        Value::String(text) => Ok(matches!(
            text.to_lowercase().as_str(),
            "y" | "yes" | "1" | "true" | "t" | "on"
        )),
        Value::Array(_) | Value::Object(_) => Err(OdooError::user(format!(
            "{} is compared with true or false.",
            field.name
        ))),
        value => Ok(is_truth(value)),
    }
}

/// Returns the first moment of a second or a day, and the first after it.
fn time(field: &Field, value: &Value) -> Result<(DateTime<Utc>, DateTime<Utc>), OdooError> {
    let read = value.as_str().and_then(|text| match day(text) {
        Some(day) => Some((begins(day)?, begins(day.checked_add_days(Days::new(1))?)?)),
        None => {
            let from = moment(text)?;
            Some((from, from.checked_add_signed(TimeDelta::seconds(1))?))
        }
    });
    read.ok_or_else(|| {
        OdooError::user(format!(
            "{} is compared with a time like 2026-11-22 10:00:00, or a day like 2026-11-22.",
            field.name
        ))
    })
}

fn begins(day: NaiveDate) -> Option<DateTime<Utc>> {
    Some(day.and_hms_opt(0, 0, 0)?.and_utc())
}

/// Reads a day of the years 1 to 9999: Python has no others.
fn day(text: &str) -> Option<NaiveDate> {
    // Chrono also takes signs, and digits that are left out.
    let is_digit_or_dash = |(at, c): (usize, char)| match at {
        4 | 7 => c == '-',
        _ => c.is_ascii_digit(),
    };
    let is_whole = text.len() == "2026-11-22".len() && text.char_indices().all(is_digit_or_dash);
    let day: NaiveDate = is_whole.then(|| text.parse().ok())??;
    (day.year() >= 1).then_some(day)
}

/// Reads a time as Odoo does: `T` may be between day and hour, and the seconds may be left out.
/// Fractions of a second do not count.
fn moment(text: &str) -> Option<DateTime<Utc>> {
    let (date, rest) = text.split_at_checked("2026-11-22".len())?;
    let clock = rest.strip_prefix([' ', 'T'])?;
    let clock = clock.split_once('.').map_or(clock, |(whole, _)| whole);
    let format = match clock.len() {
        8 => "%H:%M:%S",
        5 => "%H:%M",
        _ => return None,
    };
    let time = NaiveTime::parse_from_str(clock, format).ok()?;
    // Python knows no leap seconds.
    let is_leap = time.nanosecond() >= 1_000_000_000;
    (!is_leap).then(|| day(date).map(|day| day.and_time(time).and_utc()))?
}
