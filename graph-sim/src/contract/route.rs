//! Which types a request's path leads to (OData URL Conventions: navigation properties, keys, bound operations).

use super::csdl::{Kind, Operation, Schema};

/// Where a path ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place<'s> {
    Entity(&'s str),
    Collection(&'s str),
    Operation(&'s Operation),
    /// Among types that the schema does not hold, or at a property on its own, for which Outlook's calendar has no use.
    Elsewhere,
}

/// The navigation properties of `user` that are calendars' (user resource page). The type itself is not in an
/// extract of the calendar's types.
const OF_USER: &[(&str, &str, bool)] = &[
    ("calendar", "calendar", false),
    ("calendars", "calendar", true),
    ("calendarGroups", "calendarGroup", true),
    ("calendarView", "event", true),
    ("events", "event", true),
];

/// `microsoft.graph.delta()` is `delta`.
fn plain(segment: &str) -> &str {
    let name = segment.split('(').next().unwrap_or(segment);
    name.rsplit('.').next().unwrap_or(name)
}

/// `segments` are those after the version, decoded.
pub(super) fn place<'s>(schema: &'s Schema, segments: &[String]) -> Place<'s> {
    let names: Vec<&str> = segments.iter().map(String::as_str).collect();
    let is = |name: &str, other: &str| name.eq_ignore_ascii_case(other);
    match names.as_slice() {
        [first, rest @ ..] if is(first, "subscriptions") => {
            walk(schema, known(schema, "subscription", true), rest)
        }
        [first, rest @ ..] if is(first, "me") => of_user(schema, rest),
        [first, _, rest @ ..] if is(first, "users") => of_user(schema, rest),
        _ => Place::Elsewhere,
    }
}

fn of_user<'s>(schema: &'s Schema, rest: &[&str]) -> Place<'s> {
    let Some((first, rest)) = rest.split_first() else {
        return Place::Elsewhere;
    };
    let name = plain(first);
    if let Some((_, kind, many)) = OF_USER.iter().find(|(n, _, _)| n.eq_ignore_ascii_case(name)) {
        return walk(schema, known(schema, kind, *many), rest);
    }
    if let Some(operation) = schema.operation("user", false, name) {
        return walk(schema, Place::Operation(operation), rest);
    }
    match rest {
        [function] if name.eq_ignore_ascii_case("outlook") => {
            if plain(function).eq_ignore_ascii_case("supportedTimeZones") {
                known(schema, "timeZoneInformation", true)
            } else {
                Place::Elsewhere
            }
        }
        _ => Place::Elsewhere,
    }
}

fn known<'s>(schema: &'s Schema, name: &str, many: bool) -> Place<'s> {
    match schema.structured(name) {
        Some(one) if many => Place::Collection(&one.name),
        Some(one) => Place::Entity(&one.name),
        None => Place::Elsewhere,
    }
}

fn walk<'s>(schema: &'s Schema, from: Place<'s>, segments: &[&str]) -> Place<'s> {
    let Some((segment, rest)) = segments.split_first() else {
        return from;
    };
    let name = plain(segment);
    let next = match from {
        Place::Collection(kind) => match schema.operation(kind, true, name) {
            Some(operation) => Place::Operation(operation),
            // A key.
            None if !segment.starts_with('$') => Place::Entity(kind),
            None => Place::Elsewhere,
        },
        Place::Entity(kind) => match schema.property_any_case(kind, name) {
            Some(property) => match schema.kind(&property.kind.name) {
                Kind::Structured(one) if one.entity && property.kind.collection => {
                    Place::Collection(&one.name)
                }
                Kind::Structured(one) if one.entity => Place::Entity(&one.name),
                _ => Place::Elsewhere,
            },
            None => schema
                .operation(kind, false, name)
                .map_or(Place::Elsewhere, Place::Operation),
        },
        Place::Operation(_) | Place::Elsewhere => Place::Elsewhere,
    };
    walk(schema, next, rest)
}
