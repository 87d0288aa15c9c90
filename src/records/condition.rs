//! A domain as a condition of Postgres, with Odoo's meaning of what is empty.

use std::collections::BTreeSet;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use serde_json::Value;

use super::statement::{Bound, Statement, compared, not_compared};
use super::{Field, Kind, Model, Within};
use crate::odoo::OdooError;
use crate::odoo::domain::{Condition, Domain, Operator};
use crate::odoo::time::OdooTime;

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

    /// Returns the condition, which is true or false and never unknown.
    ///
    /// # Errors
    /// `UserError` if it names a field that does not exist, or compares it with what it cannot be.
    fn condition(&mut self, model: &Model, domain: &Domain) -> Result<String, OdooError> {
        match domain {
            Domain::All(parts) => self.joined(model, parts, " AND ", "true"),
            Domain::Any(parts) => self.joined(model, parts, " OR ", "false"),
            Domain::Not(part) => Ok(format!("NOT {}", self.condition(model, part)?)),
            Domain::Is(condition) => self.compare(model.field(&condition.field)?, condition),
        }
    }

    fn joined(
        &mut self,
        model: &Model,
        parts: &[Domain],
        word: &str,
        of_none: &str,
    ) -> Result<String, OdooError> {
        if parts.is_empty() {
            return Ok(of_none.to_owned());
        }
        let conditions: Vec<String> = parts
            .iter()
            .map(|part| self.condition(model, part))
            .collect::<Result<_, _>>()?;
        Ok(format!("({})", conditions.join(word)))
    }

    fn compare(&mut self, field: &Field, condition: &Condition) -> Result<String, OdooError> {
        if !field.kind.is_compared() {
            return Err(not_compared(field.name));
        }
        let value = &condition.value;
        let one = std::slice::from_ref(value);
        Ok(match condition.operator {
            Operator::Equal => self.is_among(field, one)?,
            Operator::NotEqual => format!("NOT {}", self.is_among(field, one)?),
            Operator::In => self.is_among(field, listed(field, value)?)?,
            Operator::NotIn => format!("NOT {}", self.is_among(field, listed(field, value)?)?),
            Operator::Less => self.is_ordered(field, "<", value)?,
            Operator::LessOrEqual => self.is_ordered(field, "<=", value)?,
            Operator::Greater => self.is_ordered(field, ">", value)?,
            Operator::GreaterOrEqual => self.is_ordered(field, ">=", value)?,
            Operator::Like {
                any_case,
                whole,
                negated,
            } => {
                let found = self.is_like(field, value, any_case, whole)?;
                if negated { format!("NOT {found}") } else { found }
            }
        })
    }

    /// Compares with several values, of which `false` and `null` mean that there is none.
    fn is_among(&mut self, field: &Field, values: &[Value]) -> Result<String, OdooError> {
        let is_none = |value: &&Value| value.is_null() || **value == Value::Bool(false);
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
            Kind::Id => Bound::Wholes(all(&some, |value| whole(field, value))?),
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
            any.push(format!("({wanted} = ANY({})) IS TRUE", self.bind(bound)));
        }
        if !nothing.is_empty() && matches!(field.kind, Kind::Id | Kind::Datetime) {
            any.push(format!("{wanted} IS NULL"));
        }
        Ok(either(any))
    }

    fn is_ordered(&mut self, field: &Field, sign: &str, value: &Value) -> Result<String, OdooError> {
        let wanted = compared(field);
        let is_none = value.is_null() || *value == Value::Bool(false);
        let (sign, bound) = match field.kind {
            // Nothing is neither earlier nor later.
            Kind::Id | Kind::Datetime if is_none => return Ok("false".to_owned()),
            Kind::Integer if is_none => (sign, Bound::Whole(0)),
            Kind::Text if is_none => (sign, Bound::Text(String::new())),
            Kind::Id | Kind::Integer => (sign, Bound::Whole(whole(field, value)?)),
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
        Ok(format!("({wanted} {sign} {}) IS TRUE", self.bind(bound)))
    }

    fn is_like(
        &mut self,
        field: &Field,
        value: &Value,
        any_case: bool,
        whole: bool,
    ) -> Result<String, OdooError> {
        if !matches!(field.kind, Kind::Text | Kind::Id | Kind::Integer) {
            return Err(OdooError::user(format!("{} is no text.", field.name)));
        }
        let wanted = match value {
            Value::Null | Value::Bool(false) => String::new(),
            value => text(field, value)?,
        };
        let pattern = match (whole, wanted.is_empty()) {
            // As in Odoo, nothing is a part of everything.
            (false, true) => return Ok("true".to_owned()),
            (false, false) => format!("%{wanted}%"),
            (true, _) => wanted,
        };
        // As in Odoo, a backslash makes the next character mean itself. Postgres refuses a last one.
        let backslashes = pattern.chars().rev().take_while(|c| *c == '\\').count();
        let pattern = if backslashes % 2 == 1 {
            format!("{pattern}\\")
        } else {
            pattern
        };
        let like = if any_case { "ILIKE" } else { "LIKE" };
        let shown = match field.kind {
            Kind::Text => compared(field),
            _ => format!("coalesce(r.{}::text, '')", field.name),
        };
        Ok(format!("({shown} {like} {})", self.bind(Bound::Text(pattern))))
    }
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

fn whole(field: &Field, value: &Value) -> Result<i64, OdooError> {
    let number = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| OdooError::user(format!("{} is compared with whole numbers.", field.name)))
}

fn text(field: &Field, value: &Value) -> Result<String, OdooError> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Err(OdooError::user(format!("{} is compared with texts.", field.name))),
    };
    if text.contains('\0') {
        return Err(OdooError::user("A text cannot contain the character 0."));
    }
    Ok(text)
}

fn truth(field: &Field, value: &Value) -> Result<bool, OdooError> {
    match value {
        Value::Bool(value) => Ok(*value),
        Value::Null => Ok(false),
        _ => Err(OdooError::user(format!(
            "{} is compared with true or false.",
            field.name
        ))),
    }
}

/// Returns the first moment of a second or a day, and the first after it.
fn time(field: &Field, value: &Value) -> Result<(DateTime<Utc>, DateTime<Utc>), OdooError> {
    let read = value.as_str().and_then(|text| {
        if let Ok(day) = text.parse::<NaiveDate>() {
            let begins = |day: NaiveDate| Some(day.and_hms_opt(0, 0, 0)?.and_utc());
            return Some((begins(day)?, begins(day.checked_add_days(Days::new(1))?)?));
        }
        let time: OdooTime = serde_json::from_value(Value::String(text.to_owned())).ok()?;
        Some((time.0, time.0.checked_add_signed(TimeDelta::seconds(1))?))
    });
    read.ok_or_else(|| {
        OdooError::user(format!(
            "{} is compared with a time like 2026-11-22 10:00:00, or a day like 2026-11-22.",
            field.name
        ))
    })
}
