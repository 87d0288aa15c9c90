//! The addresses by which mail reaches a mailbox.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::Connection;
use super::schema::{account_addresses as t, accounts};
use crate::calendar::event::{Address, Aliases, Known};

/// The addresses of an account, as Microsoft listed them.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = t)]
struct Told {
    account_id: i64,
    mail: Option<String>,
    aliases: Vec<String>,
}

/// The same, as planning reads them: address, others, and when they were listed.
pub(super) type Listed = (Option<String>, Vec<String>, DateTime<Utc>);

/// The addresses of an account's mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// The address by which the mailbox is known here, and invited. `None` if nothing that
    /// identifies the account is an address.
    pub address: Option<Address>,
    pub aliases: Vec<Address>,
    /// When Microsoft listed them.
    pub told_at: Option<DateTime<Utc>>,
}

impl Mailbox {
    /// Returns the renaming of all addresses of the mailbox to the one that is used here.
    pub fn renaming(&self) -> Aliases {
        let Some(address) = &self.address else {
            return Aliases::default();
        };
        let aliases = self.aliases.iter().map(|alias| (alias.clone(), address.clone()));
        Aliases {
            known: Arc::new(Known {
                aliases: aliases.collect(),
                mailboxes: BTreeSet::from([address.clone()]),
            }),
            ..Aliases::default()
        }
    }

    /// Returns the name that the person logs in with. It is used until Microsoft has listed the
    /// addresses.
    pub fn of_login(login: &str) -> Self {
        Self::of(login, None)
    }

    pub(super) fn of(login: &str, listed: Option<Listed>) -> Self {
        let (mail, aliases, told_at) = match listed {
            Some((mail, aliases, told_at)) => (mail, aliases, Some(told_at)),
            None => (None, Vec::new(), None),
        };
        let login = Address::parse(login);
        let mail = mail.and_then(|mail| Address::parse(&mail));
        let address = mail.or_else(|| login.clone());
        let others = aliases
            .iter()
            .filter_map(|alias| Address::parse(alias))
            .chain(login);
        Self {
            aliases: others.filter(|alias| Some(alias) != address.as_ref()).collect(),
            address,
            told_at,
        }
    }
}

/// Stores the addresses that Microsoft listed; returns whether they have changed.
pub async fn set(
    conn: &mut Connection,
    account_id: i64,
    mail: Option<&Address>,
    aliases: &[Address],
) -> QueryResult<bool> {
    let told = Told {
        account_id,
        mail: mail.map(ToString::to_string),
        aliases: aliases.iter().map(ToString::to_string).collect(),
    };
    let before: Option<Told> = t::table
        .find(account_id)
        .select(Told::as_select())
        .first(conn)
        .await
        .optional()?;
    diesel::insert_into(t::table)
        .values(&told)
        .on_conflict(t::account_id)
        .do_update()
        .set((
            t::mail.eq(&told.mail),
            t::aliases.eq(&told.aliases),
            t::told_at.eq(diesel::dsl::now),
        ))
        .execute(conn)
        .await?;
    Ok(before.as_ref() != Some(&told))
}

/// Forgets the addresses, as the account will belong to another mailbox or to none.
pub async fn forget(conn: &mut Connection, account_id: i64) -> QueryResult<usize> {
    // The row's trigger writes the account, which is locked first everywhere.
    accounts::table
        .find(account_id)
        .select(accounts::id)
        .for_no_key_update()
        .first::<i64>(conn)
        .await
        .optional()?;
    diesel::delete(t::table.find(account_id)).execute(conn).await
}
