//! Odoo's search domains: what a caller looks for, in prefix notation
//! (<https://www.odoo.com/documentation/19.0/developer/reference/backend/orm.html#search-domains>).

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use super::OdooError;

/// The most conditions of a domain, and the deepest nesting.
const MOST_CONDITIONS: usize = 1_000;
const DEEPEST: usize = 100;

/// A domain. An empty one lets everything through.
#[derive(Clone, Debug, PartialEq)]
pub enum Domain {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Is(Condition),
}

/// A comparison of a field with a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    pub field: String,
    pub operator: Operator,
    /// As it came; `null` and `false` both mean that the field is empty.
    pub value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
    /// A part of the text; `_` and `%` are placeholders, as in Odoo.
    Like {
        /// Upper and lower case are the same.
        any_case: bool,
        /// The whole text must match, not a part of it.
        whole: bool,
        negated: bool,
    },
}

impl Operator {
    fn named(name: &str) -> Option<Self> {
        let (negated, positive) = match name.strip_prefix("not ") {
            Some(rest) => (true, rest),
            None => (false, name),
        };
        let like = |any_case, whole| Self::Like {
            any_case,
            whole,
            negated,
        };
        Some(match (positive, negated) {
            ("=" | "==", false) => Self::Equal,
            ("!=" | "<>", false) => Self::NotEqual,
            ("<", false) => Self::Less,
            ("<=", false) => Self::LessOrEqual,
            (">", false) => Self::Greater,
            (">=", false) => Self::GreaterOrEqual,
            ("in", false) => Self::In,
            ("in", true) => Self::NotIn,
            ("like", _) => like(false, false),
            ("ilike", _) => like(true, false),
            ("=like", _) => like(false, true),
            ("=ilike", _) => like(true, true),
            _ => return None,
        })
    }
}

impl Domain {
    /// Lets everything through.
    pub const TRUE: Self = Self::All(Vec::new());
    const FALSE: Self = Self::Any(Vec::new());

    /// Reads a domain as Odoo's clients send it.
    ///
    /// # Errors
    /// `UserError` if it is none.
    pub fn read(domain: &Value) -> Result<Self, OdooError> {
        let Some(terms) = domain.as_array() else {
            return Err(invalid("it is not a list"));
        };
        if terms.iter().filter(|term| term.is_array()).count() > MOST_CONDITIONS {
            return Err(invalid(&format!("it has more than {MOST_CONDITIONS} conditions")));
        }
        let mut terms = terms.iter();
        let mut all = Vec::new();
        while terms.len() > 0 {
            all.push(next(&mut terms, 0)?);
        }
        Ok(match all.len() {
            1 => all.swap_remove(0),
            _ => Self::All(all),
        })
    }

    /// Returns the fields that it names.
    pub fn fields(&self) -> BTreeSet<&str> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::fields).collect(),
            Self::Not(part) => part.fields(),
            Self::Is(condition) => BTreeSet::from([condition.field.as_str()]),
        }
    }
}

impl<'de> Deserialize<'de> for Domain {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::read(&value).map_err(serde::de::Error::custom)
    }
}

fn invalid(why: &str) -> OdooError {
    OdooError::user(format!("This is not a domain: {why}."))
}

/// Reads one term: a condition, or an operator with its operands.
fn next(terms: &mut std::slice::Iter<'_, Value>, depth: usize) -> Result<Domain, OdooError> {
    let Some(term) = terms.next() else {
        return Err(invalid("an operator lacks its operand"));
    };
    if depth > DEEPEST {
        return Err(invalid("it is nested too deeply"));
    }
    let mut operand = || next(terms, depth + 1);
    match term {
        Value::String(operator) => match operator.as_str() {
            "&" => Ok(Domain::All(vec![operand()?, operand()?])),
            "|" => Ok(Domain::Any(vec![operand()?, operand()?])),
            "!" => Ok(Domain::Not(Box::new(operand()?))),
            other => Err(invalid(&format!(
                "'{}' is no operator; these are &, | and !",
                short(other)
            ))),
        },
        Value::Array(parts) => condition(parts),
        _ => Err(invalid("a term is neither an operator nor a condition")),
    }
}

fn condition(parts: &[Value]) -> Result<Domain, OdooError> {
    let [field, operator, value] = parts else {
        return Err(invalid("a condition is a field, an operator and a value"));
    };
    let Some(name) = operator.as_str() else {
        return Err(invalid("an operator is a text"));
    };
    // Odoo writes "all" and "nothing" so.
    match (field.as_i64(), name, value.as_i64()) {
        (Some(1), "=", Some(1)) => return Ok(Domain::TRUE),
        (Some(0), "=", Some(1)) => return Ok(Domain::FALSE),
        _ => {}
    }
    let Some(field) = field.as_str() else {
        return Err(invalid("a field is named by a text"));
    };
    let Some(operator) = Operator::named(name) else {
        return Err(invalid(&format!(
            "'{}' cannot be used to compare here",
            short(name)
        )));
    };
    // Odoo reads a list so.
    let operator = match operator {
        Operator::Equal if value.is_array() => Operator::In,
        Operator::NotEqual if value.is_array() => Operator::NotIn,
        operator => operator,
    };
    Ok(Domain::Is(Condition {
        field: field.to_owned(),
        operator,
        value: value.clone(),
    }))
}

fn short(text: &str) -> String {
    text.chars().take(30).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn is(field: &str, operator: Operator, value: Value) -> Domain {
        Domain::Is(Condition {
            field: field.to_owned(),
            operator,
            value,
        })
    }

    #[test]
    fn a_domain_is_read_in_prefix_notation() {
        let read = |value| Domain::read(&value).unwrap();
        let (a, b, c) = (
            is("a", Operator::Equal, json!(1)),
            is("b", Operator::NotIn, json!([2])),
            is("c", Operator::Less, json!("x")),
        );
        assert_eq!(read(json!([])), Domain::TRUE);
        assert_eq!(read(json!([["a", "=", 1]])), a);
        assert_eq!(
            read(json!([["a", "=", 1], "!", ["b", "!=", [2]]])),
            Domain::All(vec![a.clone(), Domain::Not(Box::new(b.clone()))])
        );
        assert_eq!(
            read(json!([
                "|",
                "&",
                ["a", "=", 1],
                ["b", "not in", [2]],
                ["c", "<", "x"]
            ])),
            Domain::Any(vec![Domain::All(vec![a, b]), c])
        );
        assert_eq!(read(json!([[1, "=", 1]])), Domain::TRUE);
        assert_eq!(read(json!([[0, "=", 1]])), Domain::FALSE);
    }

    #[test]
    fn what_is_no_domain_is_refused_with_a_sentence() {
        let deep = vec![json!("!"); 5_000];
        for (wrong, words) in [
            (json!("x"), "not a list"),
            (json!(["&", ["a", "=", 1]]), "lacks its operand"),
            (json!(["&&", ["a", "=", 1]]), "'&&' is no operator"),
            (json!([["a", "="]]), "a field, an operator and a value"),
            (json!([["a", "child_of", 1]]), "'child_of' cannot be used"),
            (json!([["a", "not =", 1]]), "'not =' cannot be used"),
            (json!([[2, "=", 1]]), "named by a text"),
            (json!([7]), "neither an operator nor a condition"),
            (json!(deep), "nested too deeply"),
            (json!(vec![json!(["a", "=", 1]); 1_001]), "more than 1000"),
        ] {
            let error = Domain::read(&wrong).unwrap_err().to_string();
            assert!(error.contains(words), "{wrong}: {error}");
        }
    }
}
