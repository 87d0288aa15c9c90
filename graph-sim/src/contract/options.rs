//! The names in `$select`, `$orderby`, `$filter` and `$expand` (OData URL Conventions).

use super::csdl::{Kind, Schema};
use super::undeclared;
use crate::query::{self, Query};
use std::collections::HashMap;

const OPERATORS: &[&str] = &[
    "and", "or", "not", "eq", "ne", "gt", "ge", "lt", "le", "in", "has", "add", "sub", "mul", "div", "mod",
    "true", "false", "null", "asc", "desc",
];

/// What is wrong with the query options of a request for entities of this type, in words.
pub(super) fn check(schema: &Schema, kind: &str, query: &Query) -> Vec<String> {
    let mut found = Vec::new();
    for (name, value) in query {
        one(schema, kind, &name.to_ascii_lowercase(), value, &mut found);
    }
    found
}

fn one(schema: &Schema, kind: &str, option: &str, value: &str, found: &mut Vec<String>) {
    match option {
        "$select" => {
            for path in query::split_list(value, ',') {
                resolve(schema, kind, &path, &HashMap::new(), option, found);
            }
        }
        "$orderby" | "$filter" => expression(schema, kind, value, option, found),
        "$expand" => {
            for item in query::split_list(value, ',') {
                expand(schema, kind, &item, found);
            }
        }
        _ => {}
    }
}

fn expand(schema: &Schema, kind: &str, item: &str, found: &mut Vec<String>) {
    let (name, options) = match item.split_once('(') {
        Some((name, rest)) => (name.trim(), rest.strip_suffix(')').unwrap_or(rest)),
        None => (item.trim(), ""),
    };
    let Some(property) = schema.property(kind, name).filter(|p| p.navigation) else {
        found.push(format!("$expand: {kind} has no navigation property '{name}'"));
        return;
    };
    for option in query::split_list(options, ';') {
        if let Some((name, value)) = option.split_once('=') {
            one(
                schema,
                &property.kind.name,
                &name.trim().to_ascii_lowercase(),
                value,
                found,
            );
        }
    }
}

/// The words of an expression: literals in quotes are left out.
fn words(text: &str) -> Vec<(String, Option<char>)> {
    let mut out = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '\'' {
            // A doubled quote inside a literal ends one and begins another, which comes to the same.
            while rest.next().is_some_and(|c| c != '\'') {}
        } else if c.is_alphanumeric() || c == '_' || c == '$' {
            let mut word = String::from(c);
            while let Some(next) = rest.peek().copied() {
                // Times and GUIDs are words too, told apart by their first letter below; in a time there are colons,
                // elsewhere one ends a lambda's variable.
                let inside = if starts_number(&word) { "_/.-+:" } else { "_/.-+" };
                if next.is_alphanumeric() || inside.contains(next) {
                    word.push(next);
                    rest.next();
                } else {
                    break;
                }
            }
            out.push((word, rest.peek().copied()));
        }
    }
    out
}

fn starts_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
}

fn expression(schema: &Schema, kind: &str, text: &str, option: &str, found: &mut Vec<String>) {
    let mut variables: HashMap<String, String> = HashMap::new();
    let mut lambda: Option<String> = None;
    for (word, next) in words(text) {
        if starts_number(&word) || OPERATORS.iter().any(|o| o.eq_ignore_ascii_case(&word)) {
            continue;
        }
        if next == Some(':') {
            // The variable of any() or all().
            if let Some(over) = lambda.take() {
                variables.insert(word, over);
            }
            continue;
        }
        if next == Some('(') {
            match word.rsplit_once('/') {
                Some((path, operator)) if ["any", "all"].iter().any(|o| o.eq_ignore_ascii_case(operator)) => {
                    lambda = resolve(schema, kind, path, &variables, option, found);
                }
                // A function; its arguments follow as words of their own.
                _ => {}
            }
            continue;
        }
        resolve(schema, kind, &word, &variables, option, found);
    }
}

/// Follows a path; its type, where the schema knows it.
fn resolve(
    schema: &Schema,
    kind: &str,
    path: &str,
    variables: &HashMap<String, String>,
    option: &str,
    found: &mut Vec<String>,
) -> Option<String> {
    let mut parts = path.split('/').peekable();
    let mut at = kind.to_owned();
    if let Some(over) = parts.peek().and_then(|first| variables.get(*first)) {
        at.clone_from(over);
        parts.next();
    }
    for part in parts {
        if !matches!(schema.kind(&at), Kind::Structured(_)) {
            // Nothing can be said about a type that is not in the file; a primitive has no properties.
            if !matches!(schema.kind(&at), Kind::Elsewhere) {
                found.push(format!("{option}: {at} has no property '{part}'"));
            }
            return None;
        }
        if let Some(property) = schema.property(&at, part) {
            at.clone_from(&property.kind.name);
        } else if let Some(known) = schema
            .lineage(&at)
            .find_map(|t| undeclared::declared_here(&t.name, part))
        {
            known.kind.clone_into(&mut at);
        } else {
            found.push(format!("{option}: {at} has no property '{part}'"));
            return None;
        }
    }
    Some(at)
}
