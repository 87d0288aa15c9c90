//! The people of a convergence run, their addresses, and the two sides on which they act.

use crate::stack::{ANN, BEN};

pub const CARLA: &str = "carla@contoso.example";

/// Odoo's users, all of them connected to their mailboxes.
pub const USERS: [(i64, &str); 3] = [(7, ANN), (8, BEN), (9, CARLA)];

pub(super) const OUTSIDERS: [&str; 2] = ["zoe@outside.example", "yan@outside.example"];

/// Whom one of the sides may drop again, whoever invites them: whether they are guests is nobody's promise.
pub const DROPPED: &str = "wes@outside.example";

/// How Odoo's contacts have their addresses, where that is not the address alone.
pub const CONTACTS: [(&str, &str); 3] = [
    ("zoe@outside.example", "\"Zoe, of Outside\" <Zoe@Outside.example>"),
    ("yan@outside.example", " Yan@Outside.Example;"),
    (CARLA, "Carla <carla@contoso.example>"),
];

/// A calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Odoo,
    Outlook,
}

/// Odoo's name of an answer.
pub type Answer = &'static str;

pub fn address_of(user: i64) -> &'static str {
    USERS
        .iter()
        .find(|(id, _)| *id == user)
        .expect("one of the users")
        .1
}

pub fn user_of(address: &str) -> Option<i64> {
    USERS.iter().find(|(_, a)| *a == address).map(|(id, _)| *id)
}

/// Whether there is a mailbox here behind an address.
pub fn has_mailbox(address: &str) -> bool {
    user_of(address).is_some()
}
