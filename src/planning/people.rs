//! The people and mailboxes of one database, for planning its meetings.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::calendar::event::{Address, Aliases};
use crate::calendar::invitations::Inside;
use crate::calendar::merge::Policy;
use crate::odoo::mailboxes::Mailboxes;
use crate::odoo::record::Record;
use crate::odoo::snapshot::Snapshot;
use crate::store::Connection;
use crate::store::accounts::{self, Account};
use crate::store::addresses::{self, Mailbox};
use crate::store::databases::{self, Database};

/// A database with its accounts, read once for a batch of meetings.
#[derive(Clone, Debug)]
pub struct People {
    pub database: Database,
    pub accounts: Vec<Account>,
    /// Their mailboxes, in the same order.
    owned: Vec<Mailbox>,
    pub mailboxes: Mailboxes,
    pub now: DateTime<Utc>,
}

impl People {
    /// Loads them.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn load(conn: &mut Connection, database_id: Uuid, now: DateTime<Utc>) -> anyhow::Result<Self> {
        let database = databases::by_id(conn, database_id).await?;
        Self::of(conn, database, now).await
    }

    /// Does the same for a database that was read already.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn of(conn: &mut Connection, database: Database, now: DateTime<Utc>) -> anyhow::Result<Self> {
        let accounts = accounts::of_database(conn, database.id).await?;
        let owned = addresses::of_accounts(conn, database.id, &accounts).await?;
        // Includes accounts that must log in again: a lapsed consent must not look like a change.
        let known = accounts.iter().zip(&owned);
        let mut known: Vec<_> = known.filter(|(account, _)| !account.is_reset()).collect();
        known.sort_by_key(|(_, mailbox)| mailbox.told_at);
        let mailboxes = Mailboxes::of(known.into_iter().filter_map(|(account, mailbox)| {
            Some((
                account.odoo_user_id,
                mailbox.address.clone()?,
                mailbox.aliases.clone(),
            ))
        }))
        .at(&database.base_url);
        Ok(Self {
            database,
            owned,
            accounts,
            mailboxes,
            now,
        })
    }

    pub fn account(&self, id: i64) -> Option<&Account> {
        self.accounts.iter().find(|a| a.id == id)
    }

    /// Returns the addresses of an account's mailbox.
    pub fn mailbox_of(&self, account: &Account) -> Mailbox {
        let known = self
            .accounts
            .iter()
            .zip(&self.owned)
            .find(|(known, _)| known.id == account.id);
        known.map_or_else(|| Mailbox::of_login(account), |(_, mailbox)| mailbox.clone())
    }

    /// Plans as if this mailbox had been listed to its end. That is stored later.
    pub fn mark_pulled(&mut self, account_id: i64) {
        if let Some(account) = self.accounts.iter_mut().find(|a| a.id == account_id) {
            account.pulled_once = true;
        }
    }

    pub fn account_of_user(&self, user_id: i32) -> Option<&Account> {
        self.accounts.iter().find(|a| a.odoo_user_id == user_id)
    }

    /// Returns the connected account whose mailbox has this address.
    pub fn account_of_address(&self, address: &Address) -> Option<&Account> {
        self.account_of_user(self.mailboxes.user_of(address)?)
    }

    /// Returns the account of the user whom Odoo names as organizer.
    pub fn organizer(&self, snapshot: &Snapshot) -> Option<&Account> {
        self.account_of_user(snapshot.organizer.as_ref()?.user_id)
    }

    /// Returns the addresses under which Outlook may list people whom Odoo lists under another one.
    pub fn aliases(&self, snapshot: Option<&Snapshot>) -> Aliases {
        snapshot.map_or_else(
            || self.mailboxes.aliases(),
            |snapshot| snapshot.aliases(&self.mailboxes),
        )
    }

    /// Returns the domains whose addresses are not outside.
    pub fn inside(&self) -> Inside {
        let of_user = |account: &Account| self.mailboxes.get(&account.odoo_user_id);
        Inside::of(self.accounts.iter().filter_map(of_user))
    }

    /// Returns when a record was made in Odoo, by our clock.
    pub fn made_at(&self, record: &Record) -> DateTime<Utc> {
        record.create_date().0 + TimeDelta::seconds(self.database.clock_behind)
    }

    pub fn policy(&self) -> Policy {
        self.database.policy.0
    }
}
