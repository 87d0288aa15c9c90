//! Where the live service departs from its published schema, each with who says so. Nothing else may.

/// A property that is sent though the schema does not declare it.
pub struct Undeclared {
    pub on: &'static str,
    pub name: &'static str,
    pub kind: &'static str,
    pub source: &'static str,
}

pub(crate) const UNDECLARED: &[Undeclared] = &[
    Undeclared {
        on: "event",
        name: "uid",
        kind: "Edm.String",
        source: "declared in beta only; in the answers of v1.0 on the page \"Get event\"",
    },
    Undeclared {
        on: "event",
        name: "occurrenceId",
        kind: "Edm.String",
        source: "page \"Get event\", example 3, on v1.0",
    },
    Undeclared {
        on: "resourceData",
        name: "id",
        kind: "Edm.String",
        source: "an open type without properties; page \"Receive change notifications through webhooks\"",
    },
];

/// A property that the schema says cannot be null, and that is missing all the same.
pub struct Missing {
    pub on: &'static str,
    pub name: &'static str,
    pub source: &'static str,
}

pub(crate) const MISSING: &[Missing] = &[
    Missing {
        on: "event",
        name: "cancelledOccurrences",
        source: "only on GET of a series master with $select=cancelledOccurrences: event resource page",
    },
    Missing {
        on: "changeNotification",
        name: "changeType",
        source: "not in lifecycle notifications: page \"Reduce missing change notifications\"",
    },
    Missing {
        on: "changeNotification",
        name: "resource",
        source: "not in lifecycle notifications: page \"Reduce missing change notifications\"",
    },
];

pub(crate) fn declared_here(on: &str, name: &str) -> Option<&'static Undeclared> {
    UNDECLARED.iter().find(|u| u.on == on && u.name == name)
}

pub(crate) fn may_be_missing(on: &str, name: &str) -> bool {
    MISSING.iter().any(|m| m.on == on && m.name == name)
}
