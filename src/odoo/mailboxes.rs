//! Whose mailbox an address is.

use std::collections::BTreeMap;

use crate::calendar::event::{Address, Aliases};

/// The addresses by which a database's connected users are known in Outlook. A person's address in Odoo may be another one; the
/// mailbox's is the one that counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mailboxes {
    of_users: BTreeMap<i32, Address>,
    /// The mailbox by each of its further addresses.
    aliases: BTreeMap<Address, Address>,
}

impl Mailboxes {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a user's. An address that is another one's mailbox is no alias of this one.
    pub fn add(&mut self, user: i32, mailbox: Address, aliases: impl IntoIterator<Item = Address>) {
        self.aliases
            .extend(aliases.into_iter().map(|alias| (alias, mailbox.clone())));
        self.of_users.insert(user, mailbox);
        let mailboxes: Vec<Address> = self.of_users.values().cloned().collect();
        self.aliases.retain(|alias, _| !mailboxes.contains(alias));
    }

    pub fn get(&self, user: &i32) -> Option<&Address> {
        self.of_users.get(user)
    }

    /// The address by which a mailbox is known here; any other one as it is.
    pub fn known<'a>(&'a self, address: &'a Address) -> &'a Address {
        self.aliases.get(address).unwrap_or(address)
    }

    /// The user whose mailbox has the address.
    pub fn user_of(&self, address: &Address) -> Option<i32> {
        let known = self.known(address);
        let found = self.of_users.iter().find(|(_, mailbox)| *mailbox == known);
        found.map(|(user, _)| *user)
    }

    /// The mailboxes by their further addresses.
    pub fn aliases(&self) -> Aliases {
        Aliases {
            known: self.aliases.clone(),
            mailboxes: self.of_users.values().cloned().collect(),
        }
    }
}

impl<const N: usize> From<[(i32, Address); N]> for Mailboxes {
    fn from(of_users: [(i32, Address); N]) -> Self {
        Self {
            of_users: BTreeMap::from(of_users),
            aliases: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_its_mailbox_unless_somebody_has_it() {
        let address = |text| Address::parse(text).unwrap();
        let mut mailboxes = Mailboxes::new();
        mailboxes.add(
            7,
            address("ann@x.org"),
            [address("a@x.org"), address("info@x.org")],
        );
        mailboxes.add(8, address("info@x.org"), [address("ann@x.org")]);
        assert_eq!(mailboxes.user_of(&address("a@x.org")), Some(7));
        assert_eq!(mailboxes.user_of(&address("ann@x.org")), Some(7));
        assert_eq!(mailboxes.user_of(&address("info@x.org")), Some(8));
        assert_eq!(mailboxes.user_of(&address("zoe@x.org")), None);
        assert_eq!(mailboxes.known(&address("zoe@x.org")), &address("zoe@x.org"));
    }
}
