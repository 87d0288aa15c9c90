//! Checks JSON against the types of a schema (OData JSON Format 4.01: how each type is written).

use super::csdl::{Enumeration, Kind, Operation, Property, Schema, TypeRef};
use super::undeclared;
use crate::edm;
use serde_json::{Map, Value};
use std::collections::HashSet;

/// Something that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// JSON pointer (RFC 6901) into the body; empty for the body as a whole.
    pub pointer: String,
    pub message: String,
}

/// Which way the JSON goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// What is left out keeps its value or takes its default. Enumerations in any case: the documents' own
    /// samples write `"contentType": "HTML"`. Text for a boolean: [`edm::is_written`].
    Written,
    /// What cannot be null is there, and members are spelled as declared.
    Read,
}

/// What an answer to `$select` and `$expand` may hold.
pub(super) type Selected = HashSet<String>;

pub(super) struct Checker<'s> {
    pub schema: &'s Schema,
    pub direction: Direction,
    found: Vec<Found>,
}

fn under(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// A value for a message: short.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 60 {
        text
    } else {
        format!("{}…", text.chars().take(60).collect::<String>())
    }
}

/// `@odata.type`, `@removed`, `start@odata.type`: annotations go anywhere.
fn is_annotation(name: &str) -> bool {
    name.contains('@')
}

impl<'s> Checker<'s> {
    pub(super) fn new(schema: &'s Schema, direction: Direction) -> Self {
        Self {
            schema,
            direction,
            found: Vec::new(),
        }
    }

    pub(super) fn found(self) -> Vec<Found> {
        self.found
    }

    pub(super) fn report(&mut self, pointer: &str, message: impl Into<String>) {
        self.found.push(Found {
            pointer: pointer.to_owned(),
            message: message.into(),
        });
    }

    /// A value of a type, as a property or an item has it.
    pub(super) fn value(&mut self, kind: &TypeRef, nullable: bool, value: &Value, pointer: &str) {
        if !kind.collection {
            return self.single(&kind.name, nullable, value, pointer, None);
        }
        let Value::Array(items) = value else {
            return self.report(
                pointer,
                format!("{kind} must be an array (never null), not {}", shown(value)),
            );
        };
        for (index, item) in items.iter().enumerate() {
            let pointer = under(pointer, &index.to_string());
            self.single(&kind.name, nullable, item, &pointer, None);
        }
    }

    /// One value, not a collection. `selected` is for entities.
    pub(super) fn single(
        &mut self,
        kind: &str,
        nullable: bool,
        value: &Value,
        pointer: &str,
        selected: Option<&Selected>,
    ) {
        if value.is_null() {
            if !nullable {
                self.report(pointer, format!("{kind} cannot be null here"));
            }
            return;
        }
        let schema = self.schema;
        match schema.kind(kind) {
            Kind::Primitive(name) => {
                let fits = match self.direction {
                    Direction::Written => edm::is_written(name, value),
                    Direction::Read => edm::is(name, value),
                };
                match fits {
                    Some(true) => {}
                    Some(false) => self.report(pointer, format!("{} is no {name}", shown(value))),
                    None => self.report(pointer, format!("{name} is a type the checker does not know")),
                }
            }
            Kind::Enumeration(one) => self.member(kind, one, value, pointer),
            Kind::Structured(_) => match value {
                Value::Object(map) => self.object(kind, map, pointer, selected),
                other => self.report(pointer, format!("{} is no {kind}", shown(other))),
            },
            // The file holds only part of the schema; all that is left to say is that it is an object.
            Kind::Elsewhere if value.is_object() => {}
            Kind::Elsewhere => self.report(pointer, format!("{} is no {kind}", shown(value))),
        }
    }

    fn member(&mut self, kind: &str, one: &Enumeration, value: &Value, pointer: &str) {
        let known = |name: &str| {
            one.members.iter().any(|m| match self.direction {
                Direction::Written => m.eq_ignore_ascii_case(name),
                Direction::Read => m == name,
            })
        };
        let fits = value.as_str().is_some_and(|text| {
            if one.flags {
                text.split(',').all(|part| known(part.trim()))
            } else {
                known(text)
            }
        });
        if !fits {
            self.report(pointer, format!("{} is no member of {kind}", shown(value)));
        }
    }

    /// An entity or a complex value.
    pub(super) fn object(
        &mut self,
        kind: &str,
        map: &Map<String, Value>,
        pointer: &str,
        selected: Option<&Selected>,
    ) {
        let schema = self.schema;
        for (name, value) in map {
            if is_annotation(name) {
                continue;
            }
            let here = under(pointer, name);
            if selected.is_some_and(|s| name != "id" && !s.contains(name)) {
                self.report(&here, "comes though it was not selected");
            }
            if let Some(property) = schema.property(kind, name) {
                self.value(&property.kind, property.nullable, value, &here);
            } else if let Some(known) = schema
                .lineage(kind)
                .find_map(|t| undeclared::declared_here(&t.name, name))
            {
                self.single(known.kind, true, value, &here, None);
            } else {
                self.report(&here, format!("{kind} has no property '{name}'"));
            }
        }
        if self.direction == Direction::Read {
            self.complete(kind, map, pointer, selected);
        }
    }

    fn complete(&mut self, kind: &str, map: &Map<String, Value>, pointer: &str, selected: Option<&Selected>) {
        let schema = self.schema;
        let expected = |p: &&Property| {
            !p.nullable
                && !p.navigation
                && !map.contains_key(&p.name)
                && selected.is_none_or(|s| p.name == "id" || s.contains(&p.name))
        };
        for property in schema.properties(kind).filter(expected) {
            let excused = schema
                .lineage(kind)
                .any(|t| undeclared::may_be_missing(&t.name, &property.name));
            if !excused {
                self.report(
                    &under(pointer, &property.name),
                    "is missing, and the schema says that it cannot be null",
                );
            }
        }
    }

    /// The body of an action. Names are taken in any case (the documents write `comment`, the schema `Comment`).
    pub(super) fn parameters(&mut self, operation: &Operation, map: &Map<String, Value>) {
        let find = |name: &str| {
            operation
                .parameters
                .iter()
                .find(|p| p.name.eq_ignore_ascii_case(name))
        };
        for (name, value) in map.iter().filter(|(name, _)| !is_annotation(name)) {
            let pointer = under("", name);
            match find(name) {
                Some(parameter) => self.value(&parameter.kind, parameter.nullable, value, &pointer),
                None => self.report(
                    &pointer,
                    format!("the action {} has no parameter '{name}'", operation.name),
                ),
            }
        }
        for parameter in operation.parameters.iter().filter(|p| !p.nullable) {
            if !map.keys().any(|name| parameter.name.eq_ignore_ascii_case(name)) {
                self.report(
                    "",
                    format!("the action {} needs '{}'", operation.name, parameter.name),
                );
            }
        }
    }

    /// `{"value": [...]}`. In a delta a row may be `@removed`: an id and annotations; and it goes on somewhere.
    pub(super) fn collection(&mut self, kind: &str, body: &Value, delta: bool, selected: Option<&Selected>) {
        let Value::Object(map) = body else {
            return self.report("", "a collection must be an object with 'value'");
        };
        for name in map.keys().filter(|n| !is_annotation(n) && *n != "value") {
            self.report(&under("", name), "stands beside 'value' of a collection");
        }
        for link in ["@odata.nextLink", "@odata.deltaLink", "@odata.context"] {
            if map.get(link).is_some_and(|l| !l.is_string()) {
                self.report(&under("", link), "must be a URL");
            }
        }
        let links = ["@odata.nextLink", "@odata.deltaLink"];
        if delta && links.iter().filter(|l| map.contains_key(**l)).count() != 1 {
            self.report("", "a delta page has either a nextLink or a deltaLink");
        }
        let Some(Value::Array(rows)) = map.get("value") else {
            return self.report("/value", "must be an array");
        };
        for (index, row) in rows.iter().enumerate() {
            let pointer = format!("/value/{index}");
            match row.get("@removed") {
                Some(removed) if delta => self.removed(row, removed, &pointer),
                Some(_) => self.report(&pointer, "only a delta holds removed rows"),
                None => self.single(kind, false, row, &pointer, selected),
            }
        }
    }

    fn removed(&mut self, row: &Value, removed: &Value, pointer: &str) {
        let reason = removed.get("reason").and_then(Value::as_str);
        if !reason.is_some_and(|r| ["deleted", "changed"].contains(&r)) {
            self.report(
                &format!("{pointer}/@removed"),
                "needs a reason, deleted or changed",
            );
        }
        for (name, value) in row.as_object().into_iter().flatten() {
            if name == "id" {
                self.single("Edm.String", false, value, &under(pointer, name), None);
            } else if !is_annotation(name) {
                self.report(&under(pointer, name), "a removed row has an id and nothing else");
            }
        }
        if row.get("id").is_none() {
            self.report(pointer, "a removed row needs an id");
        }
    }

    /// An error (OData JSON Format, "Error Response"; Graph's page "Error responses").
    pub(super) fn error(&mut self, body: &Value) {
        let Some(error) = body.get("error").and_then(Value::as_object) else {
            return self.report("", "an error answer has an object 'error'");
        };
        if body.as_object().is_some_and(|m| m.len() > 1) {
            self.report("", "an error answer has nothing beside 'error'");
        }
        for name in ["code", "message"] {
            let value = error.get(name);
            // Graph has been seen to send an empty message, never an empty code.
            let fits = value.is_some_and(|v| edm::text(v, |t| name == "message" || !t.is_empty()));
            if !fits {
                self.report(&format!("/error/{name}"), "must be text");
            }
        }
        for (name, value) in error {
            let fits = match name.as_str() {
                "code" | "message" => true,
                "target" => value.is_string() || value.is_null(),
                "details" => value.is_array(),
                "innerError" | "innererror" => value.is_object(),
                other => is_annotation(other),
            };
            if !fits {
                self.report(&under("/error", name), "is no part of an error");
            }
        }
    }
}
