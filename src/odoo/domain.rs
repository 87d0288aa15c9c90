//! Odoo's search domains: what a caller looks for, in prefix notation
//! (<https://www.odoo.com/documentation/19.0/developer/reference/backend/orm.html#search-domains>).

use serde::Deserialize;
use serde_json::Value;

use super::OdooError;
use super::rpc::is_truth;

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
    /// Everything is let through, if the field exists: `=?` without a value.
    Unset,
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
        Ok(read_part(domain)?.domain)
    }
}

/// Reads a whole domain, which may be the value of `any`.
fn read_part(domain: &Value) -> Result<Part, OdooError> {
    let terms = match domain {
        Value::Array(terms) => terms,
        // Odoo takes these for "all" and "nothing".
        Value::Bool(true) => return Ok(Part::flat(Domain::TRUE)),
        Value::Bool(false) => return Ok(Part::flat(Domain::FALSE)),
        _ => return Err(invalid("it is not a list")),
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
            Value::Array(parts) => condition(parts)?,
            _ => return Err(invalid("a term is neither an operator nor a condition")),
        };
        if part.depth > DEEPEST {
            return Err(invalid("it is nested too deeply"));
        }
        read.push(part);
    }
    if read.len() == 1 {
        return Ok(read.swap_remove(0));
    }
    let depth = read.iter().map(|part| part.depth + 1).max().unwrap_or_default();
    let all = read.into_iter().rev().map(|part| part.domain).collect();
    Ok(Part {
        domain: Domain::All(all),
        depth,
    })
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

impl Part {
    fn flat(domain: Domain) -> Self {
        Self { domain, depth: 0 }
    }
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

fn condition(parts: &[Value]) -> Result<Part, OdooError> {
    let [field, operator, value] = parts else {
        return Err(invalid("a condition is a field, an operator and a value"));
    };
    let Some(name) = operator.as_str() else {
        return Err(invalid("an operator is a text"));
    };
    // Odoo writes "all" and "nothing" so, and Python takes `true` for 1.
    let as_number = |value: &Value| {
        value
            .as_f64()
            .or_else(|| value.as_bool().map(|is| f64::from(u8::from(is))))
    };
    match (as_number(field), name, as_number(value)) {
        (Some(1.0), "=", Some(1.0)) => return Ok(Part::flat(Domain::TRUE)),
        (Some(0.0), "=", Some(1.0)) => return Ok(Part::flat(Domain::FALSE)),
        _ => {}
    }
    let Some(field) = field.as_str() else {
        return Err(invalid("a field is named by a text"));
    };
    // Odoo still takes capital letters.
    let name = name.to_lowercase();
    let is_any = match name.as_str() {
        "any" => Some(true),
        "not any" => Some(false),
        _ => None,
    };
    // A record is related to itself by its id. Nothing else is related here.
    if let (Some(is_any), "id") = (is_any, field) {
        let Part { domain, depth } = read_part(value)?;
        let domain = if is_any {
            domain
        } else {
            Domain::Not(Box::new(domain))
        };
        return Ok(Part {
            domain,
            depth: depth + 1,
        });
    }
    let (operator, value) = compared(&name, value)?;
    Ok(Part::flat(Domain::Is(Condition {
        field: field.to_owned(),
        operator,
        value,
    })))
}

/// Returns the operator of this name, and its value as Odoo reads it.
fn compared(name: &str, value: &Value) -> Result<(Operator, Value), OdooError> {
    if name == "=?" && !is_truth(value) {
        return Ok((Operator::Unset, Value::Bool(false)));
    }
    let name = if name == "=?" { "=" } else { name };
    let Some(operator) = Operator::named(name) else {
        return Err(invalid(&format!(
            "'{}' cannot be used to compare here",
            short(name)
        )));
    };
    let list = value.as_array();
    Ok(match operator {
        // A list is compared with each of its values, and an empty one is nothing.
        Operator::Equal | Operator::NotEqual => match list {
            Some(list) => {
                let among = if operator == Operator::Equal {
                    Operator::In
                } else {
                    Operator::NotIn
                };
                let nothing = vec![Value::Bool(false)];
                let values = if list.is_empty() { nothing } else { list.clone() };
                (among, Value::Array(values))
            }
            None => (operator, value.clone()),
        },
        // One value is a list of one, and nothing is an empty list.
        Operator::In | Operator::NotIn => match list {
            Some(_) => (operator, value.clone()),
            None if is_truth(value) => (operator, Value::Array(vec![value.clone()])),
            None => (operator, Value::Array(Vec::new())),
        },
        operator => (operator, value.clone()),
    })
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
        // An empty list is nothing, and one value is a list of one.
        assert_eq!(
            read(json!([["a", "=", []]])),
            is("a", Operator::In, json!([false]))
        );
        assert_eq!(
            read(json!([["a", "IN", "x"]])),
            is("a", Operator::In, json!(["x"]))
        );
        assert_eq!(
            read(json!([["a", "in", false]])),
            is("a", Operator::In, json!([]))
        );
        assert_eq!(
            read(json!([["a", "=?", false], ["a", "=?", 1]])),
            Domain::All(vec![
                is("a", Operator::Unset, json!(false)),
                is("a", Operator::Equal, json!(1))
            ])
        );
        assert_eq!(read(json!([[1, "=", 1]])), Domain::TRUE);
        assert_eq!(read(json!([[0, "=", 1]])), Domain::FALSE);
        assert_eq!(read(json!(true)), Domain::TRUE);
        assert_eq!(read(json!(false)), Domain::FALSE);
        assert_eq!(
            read(json!([["id", "not any", [["a", "=", 1]]]])),
            Domain::Not(Box::new(is("a", Operator::Equal, json!(1))))
        );
    }

    #[test]
    fn what_is_no_domain_is_refused_with_a_sentence() {
        let deep = vec![json!("!"); 5_000];
        let mut nested = vec![json!("!"); 200];
        nested.push(json!(["a", "=", 1]));
        let within = (0..200).fold(json!([]), |inner, _| json!([["id", "any", inner]]));
        for (wrong, words) in [
            (json!("x"), "not a list"),
            (json!(["&", ["a", "=", 1]]), "lacks its operand"),
            (json!(["&&", ["a", "=", 1]]), "'&&' is no operator"),
            (json!([["a", "="]]), "a field, an operator and a value"),
            (json!([["a", "child_of", 1]]), "'child_of' cannot be used"),
            (json!([["a", "not =", 1]]), "'not =' cannot be used"),
            (json!([["a", "any", []]]), "'any' cannot be used"),
            (within, "nested too deeply"),
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
