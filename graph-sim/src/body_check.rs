//! Whether the body of a request can be read as a type of Microsoft's schema.

use crate::edm;
use crate::error::GraphError;
use crate::property::{Kind, Type};
use serde_json::{Map, Value};

/// Reads the parameters of an action, whose names are taken in any case (the documents write `comment`, the schema
/// `Comment`). Those that cannot be null must be there.
pub(crate) fn parameters(of: &Type, given: Map<String, Value>) -> Result<Map<String, Value>, GraphError> {
    let mut out = Map::new();
    for (name, value) in given {
        let lower = name.to_ascii_lowercase();
        if !name.contains('@') {
            let parameter = of.properties.iter().find(|p| p.name.eq_ignore_ascii_case(&name));
            let parameter = parameter.ok_or_else(|| {
                GraphError::body(format!(
                    "The parameter '{name}' in the request payload is not a valid parameter for the operation."
                ))
            })?;
            fits(parameter.kind, parameter.nullable, parameter.name, &value)?;
        }
        out.insert(lower, value);
    }
    let needed = of.properties.iter().filter(|p| !p.nullable);
    match needed
        .map(|p| p.name)
        .find(|n| !out.contains_key(&n.to_ascii_lowercase()))
    {
        Some(name) => Err(GraphError::body(format!("The parameter '{name}' is required."))),
        None => Ok(out),
    }
}

/// Refuses a body that cannot be read as this type: unknown names, wrong types, null where it cannot be.
pub(crate) fn check(kind: &Type, map: &Map<String, Value>) -> Result<(), GraphError> {
    for (name, value) in map {
        // Annotations go anywhere.
        if name.contains('@') {
            continue;
        }
        let property = kind
            .find(name)
            .ok_or_else(|| GraphError::unknown_property(name, &format!("microsoft.graph.{}", kind.name)))?;
        fits(property.kind, property.nullable, name, value)?;
    }
    Ok(())
}

pub(crate) fn described(kind: Kind) -> String {
    match kind {
        Kind::Primitive(name) => name.to_owned(),
        Kind::Enumeration(name, _) | Kind::One(name) => format!("microsoft.graph.{name}"),
        Kind::Complex(of) => format!("microsoft.graph.{}", of.name),
        Kind::Collection(of) => format!("Collection({})", described(*of)),
        Kind::Many(name) => format!("Collection(microsoft.graph.{name})"),
    }
}

fn fits(kind: Kind, nullable: bool, name: &str, value: &Value) -> Result<(), GraphError> {
    let mistyped = || GraphError::mistyped(name, &described(kind));
    let items = || {
        value.as_array().ok_or_else(|| {
            GraphError::body(format!(
                "A null or non-array value was found for the property named '{name}', which has the expected type '{}'.",
                described(kind)
            ))
        })
    };
    match kind {
        Kind::Collection(of) => items()?
            .iter()
            .try_for_each(|item| fits(*of, nullable, name, item)),
        Kind::Many(_) => items()?
            .iter()
            .try_for_each(|item| item.as_object().map(|_| ()).ok_or_else(mistyped)),
        _ if value.is_null() => {
            if nullable {
                Ok(())
            } else {
                Err(GraphError::body(format!(
                    "A null value was found for the property named '{name}', which has the expected type '{}[Nullable=False]'.",
                    described(kind)
                )))
            }
        }
        Kind::Primitive(edm) => edm::is_written(edm, value)
            .unwrap_or(false)
            .then_some(())
            .ok_or_else(mistyped),
        // In any case, as the documents' own samples do it ("contentType": "HTML").
        Kind::Enumeration(_, members) => {
            let given = value.as_str().ok_or_else(mistyped)?;
            members
                .iter()
                .any(|m| m.eq_ignore_ascii_case(given))
                .then_some(())
                .ok_or_else(|| GraphError::body(format!("Requested value '{given}' was not found.")))
        }
        Kind::Complex(of) => check(of, value.as_object().ok_or_else(mistyped)?),
        Kind::One(_) => value.as_object().map(|_| ()).ok_or_else(mistyped),
    }
}
