//! Odoo's search domains: what a caller looks for, in prefix notation
//! (<https://www.odoo.com/documentation/19.0/developer/reference/backend/orm.html#search-domains>).

use serde::Deserialize;
use serde_json::Value;

use super::OdooError;

/// The most conditions of a domain, the most operators beside them, and the deepest nesting of
/// different operators.
const MOST_CONDITIONS: usize = 1_000;
const MOST_OPERATORS: usize = 1_000;
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
    /// `UserError` if it is not a domain.
    pub fn read(domain: &Value) -> Result<Self, OdooError> {
        let Some(terms) = domain.as_array() else {
            return Err(invalid("it is not a list"));
        };
        if terms.iter().filter(|term| term.is_array()).count() > MOST_CONDITIONS {
            return Err(invalid(&format!("it has more than {MOST_CONDITIONS} conditions")));
        }
        if terms.iter().filter(|term| !term.is_array()).count() > MOST_OPERATORS {
            return Err(invalid(&format!("it has more than {MOST_OPERATORS} operators")));
        }
        // Read backwards, operands are there before their operator.
        let mut read: Vec<Part> = Vec::new();
        for term in terms.iter().rev() {
            let part = match term {
                Value::String(operator) => operation(operator, &mut read)?,
                Value::Array(parts) => Part {
                    domain: condition(parts)?,
                    depth: 0,
                },
                _ => return Err(invalid("a term is neither an operator nor a condition")),
            };
            if part.depth > DEEPEST {
                return Err(invalid("it is nested too deeply"));
            }
            read.push(part);
        }
        let mut all: Vec<Self> = read.into_iter().rev().map(|part| part.domain).collect();
        Ok(match all.len() {
            1 => all.swap_remove(0),
            _ => Self::All(all),
        })
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

/// A part that was read, and how deeply different operators are nested in it.
struct Part {
    domain: Domain,
    depth: usize,
}

/// Applies an operator to the parts that follow it.
fn operation(operator: &str, read: &mut Vec<Part>) -> Result<Part, OdooError> {
    if !matches!(operator, "&" | "|" | "!") {
        return Err(invalid(&format!(
            "'{}' is no operator; these are &, | and !",
            short(operator)
        )));
    }
    let mut operand = || read.pop().ok_or_else(|| invalid("an operator lacks its operand"));
    let first = operand()?;
    if operator == "!" {
        return Ok(Part {
            domain: Domain::Not(Box::new(first.domain)),
            depth: first.depth + 1,
        });
    }
    let second = operand()?;
    let mut depth = 0;
    let mut parts = Vec::new();
    for part in [first, second] {
        // Odoo writes three alternatives as two operators before them, which is no nesting.
        match (operator, part.domain) {
            ("&", Domain::All(inner)) | ("|", Domain::Any(inner)) => {
                depth = depth.max(part.depth);
                parts.extend(inner);
            }
            (_, other) => {
                depth = depth.max(part.depth + 1);
                parts.push(other);
            }
        }
    }
    let domain = if operator == "&" {
        Domain::All(parts)
    } else {
        Domain::Any(parts)
    };
    Ok(Part { domain, depth })
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
    // Odoo reads a list so, and an empty one as nothing.
    let operator = match (operator, value.as_array()) {
        (Operator::Equal, Some(_)) => Operator::In,
        (Operator::NotEqual, Some(_)) => Operator::NotIn,
        (operator, _) => operator,
    };
    let is_empty = name != "in" && name != "not in" && value.as_array().is_some_and(Vec::is_empty);
    let value = if is_empty {
        Value::from(vec![Value::Bool(false)])
    } else {
        value.clone()
    };
    Ok(Domain::Is(Condition {
        field: field.to_owned(),
        operator,
        value,
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
        // Many alternatives are not nested.
        let mut many = vec![json!("|"); 999];
        many.extend(vec![json!(["a", "=", 1]); 1_000]);
        let Domain::Any(parts) = read(json!(many)) else {
            panic!("alternatives");
        };
        assert_eq!(parts.len(), 1_000);
        // An empty list is nothing.
        assert_eq!(
            read(json!([["a", "=", []]])),
            is("a", Operator::In, json!([false]))
        );
        assert_eq!(read(json!([[1, "=", 1]])), Domain::TRUE);
        assert_eq!(read(json!([[0, "=", 1]])), Domain::FALSE);
    }

    #[test]
    fn what_is_no_domain_is_refused_with_a_sentence() {
        let deep = vec![json!("!"); 5_000];
        let mut nested = vec![json!("!"); 200];
        nested.push(json!(["a", "=", 1]));
        for (wrong, words) in [
            (json!("x"), "not a list"),
            (json!(["&", ["a", "=", 1]]), "lacks its operand"),
            (json!(["&&", ["a", "=", 1]]), "'&&' is no operator"),
            (json!([["a", "="]]), "a field, an operator and a value"),
            (json!([["a", "child_of", 1]]), "'child_of' cannot be used"),
            (json!([["a", "not =", 1]]), "'not =' cannot be used"),
            (json!([[2, "=", 1]]), "named by a text"),
            (json!([7]), "neither an operator nor a condition"),
            (json!(deep), "more than 1000 operators"),
            (json!(nested), "nested too deeply"),
            (json!(vec![json!(["a", "=", 1]); 1_001]), "more than 1000"),
        ] {
            let error = Domain::read(&wrong).unwrap_err().to_string();
            assert!(error.contains(words), "{wrong}: {error}");
        }
    }
}
