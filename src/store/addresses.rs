//! The addresses by which mail reaches a mailbox.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::Connection;
use super::accounts::Account;
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
    pub fn of_login(account: &Account) -> Self {
        Self::of(account, None)
    }

    fn of(account: &Account, told: Option<&(Told, DateTime<Utc>)>) -> Self {
        let told_at = told.map(|(_, at)| *at);
        let told = told.map(|(told, _)| told);
        let login = Address::parse(&account.login);
        let mail = told.and_then(|told| Address::parse(told.mail.as_deref()?));
        let address = mail.or_else(|| login.clone());
        let others = told.into_iter().flat_map(|told| told.aliases.iter());
        let others = others.filter_map(|alias| Address::parse(alias)).chain(login);
        Self {
            aliases: others.filter(|alias| Some(alias) != address.as_ref()).collect(),
            address,
            told_at,
        }
    }
}

/// Loads the mailboxes of some accounts of one database, in the same order.
pub async fn of_accounts(
    conn: &mut Connection,
    database_id: Uuid,
    accounts: &[Account],
) -> QueryResult<Vec<Mailbox>> {
    let told: Vec<(Told, DateTime<Utc>)> = t::table
        .inner_join(accounts::table.on(accounts::id.eq(t::account_id)))
        .filter(accounts::database_id.eq(database_id))
        .select((Told::as_select(), t::told_at))
        .load(conn)
        .await?;
    let told: HashMap<i64, _> = told.into_iter().map(|row| (row.0.account_id, row)).collect();
    let of = |account: &Account| {
        let told = told.get(&account.id);
        Mailbox::of(account, told.filter(|_| !account.is_reset()))
    };
    Ok(accounts.iter().map(of).collect())
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
