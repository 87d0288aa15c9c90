//! The owners of addresses.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::calendar::event::{Address, Aliases, Known};

/// The addresses by which a database's connected users are known in Outlook. A person's address in
/// Odoo may be another one; the mailbox's address counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mailboxes {
    of_users: BTreeMap<i32, Address>,
    users: BTreeMap<Address, i32>,
    /// Shared with all comparisons that use it, as a database may have thousands.
    known: Arc<Known>,
    /// See [`Mailboxes::odoo`].
    odoo: String,
}

impl Mailboxes {
    /// Makes an empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the set from users with their mailbox's address and its other addresses. An address
    /// that is another mailbox's own is not an alias. If two claim an address, the later one gets
    /// it: the address was moved there, and the other account was not asked since.
    pub fn of(all: impl IntoIterator<Item = (i32, Address, Vec<Address>)>) -> Self {
        let mut mailboxes = Self::new();
        let mut known = Known::default();
        for (user, mailbox, aliases) in all {
            for alias in aliases {
                known.aliases.insert(alias, mailbox.clone());
            }
            mailboxes.users.insert(mailbox.clone(), user);
            known.mailboxes.insert(mailbox.clone());
            mailboxes.of_users.insert(user, mailbox);
        }
        known.aliases.retain(|alias, _| !known.mailboxes.contains(alias));
        mailboxes.known = Arc::new(known);
        mailboxes
    }

    /// Adds the address of the Odoo that has the users.
    pub fn at(mut self, odoo: &str) -> Self {
        odoo.clone_into(&mut self.odoo);
        self
    }

    /// Returns Odoo's address; empty if it is unknown.
    pub fn odoo(&self) -> &str {
        &self.odoo
    }

    pub fn get(&self, user: &i32) -> Option<&Address> {
        self.of_users.get(user)
    }

    /// Returns the address by which a mailbox is known here; any other address unchanged.
    pub fn known<'a>(&'a self, address: &'a Address) -> &'a Address {
        self.known.aliases.get(address).unwrap_or(address)
    }

    /// Returns the user whose mailbox has the address.
    pub fn user_of(&self, address: &Address) -> Option<i32> {
        self.users.get(self.known(address)).copied()
    }

    /// Returns the mailboxes by their other addresses.
    pub fn aliases(&self) -> Aliases {
        Aliases {
            known: Arc::clone(&self.known),
            ..Aliases::default()
        }
    }
}

impl<const N: usize> From<[(i32, Address); N]> for Mailboxes {
    fn from(of_users: [(i32, Address); N]) -> Self {
        Self::of(of_users.map(|(user, mailbox)| (user, mailbox, Vec::new())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_its_mailbox_unless_somebody_has_it() {
        let address = |text| Address::parse(text).unwrap();
        let mailboxes = Mailboxes::of([
            (
                7,
                address("ann@x.org"),
                vec![address("a@x.org"), address("info@x.org")],
            ),
            (8, address("info@x.org"), vec![address("ann@x.org")]),
        ]);
        assert_eq!(mailboxes.user_of(&address("a@x.org")), Some(7));
        assert_eq!(mailboxes.user_of(&address("ann@x.org")), Some(7));
        assert_eq!(mailboxes.user_of(&address("info@x.org")), Some(8));
        assert_eq!(mailboxes.user_of(&address("zoe@x.org")), None);
        let claimed = |user| (user, address("new@x.org"), vec![address("sales@x.org")]);
        let mailboxes = Mailboxes::of([claimed(8), claimed(7)]);
        assert_eq!(mailboxes.user_of(&address("new@x.org")), Some(7));
        assert_eq!(mailboxes.user_of(&address("sales@x.org")), Some(7));
        assert_eq!(mailboxes.known(&address("zoe@x.org")), &address("zoe@x.org"));
    }
}
