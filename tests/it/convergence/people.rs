//! The people of a convergence run, their addresses, and the two sides on which they act.

use std::sync::LazyLock;

use crate::stack::{ANN, BEN};

pub const CARLA: &str = "carla@contoso.example";

/// Odoo's users, who are all connected to their mailboxes: in each world so many of the first.
pub static USERS: LazyLock<Vec<(i64, &str)>> = LazyLock::new(|| {
    let more = (10..10 + MOST_MORE).map(|user| (user, &*format!("user{user}@contoso.example").leak()));
    [(7, ANN), (8, BEN), (9, CARLA)].into_iter().chain(more).collect()
});

/// How many users there can be besides the first three.
const MOST_MORE: i64 = 197;

pub(super) const OUTSIDERS: [&str; 2] = ["zoe@outside.example", "yan@outside.example"];

/// Somebody whom one of the sides drops from any guest list, so the oracle does not judge this
/// guest.
pub const DROPPED: &str = "wes@outside.example";

/// What Odoo's contacts have in their address field, if that is not only the address.
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

/// Odoo's name of a response.
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

/// Whether an address has a mailbox in this world.
pub fn has_mailbox(address: &str) -> bool {
    user_of(address).is_some()
}
