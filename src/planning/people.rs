//! The people and mailboxes of one database, for planning its meetings.

mod known;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use self::known::Known;
use crate::calendar::choices::{Choices, Direction};
use crate::calendar::event::{Address, Aliases};
use crate::calendar::invitations::InternalDomains;
use crate::calendar::merge::Policy;
use crate::engine::now;
use crate::odoo::mailboxes::Mailboxes;
use crate::odoo::record::Record;
use crate::odoo::snapshot::Snapshot;
use crate::store::Connection;
use crate::store::accounts::Account;
use crate::store::addresses::Mailbox;
use crate::store::choices::StoredChoices;
use crate::store::databases::{self, Database};
use crate::store::people::Person;

/// A database with its people as the present transaction sees them, for a batch of meetings. The
/// process keeps what it has read of them, so only what has changed since is read.
#[derive(Clone, Debug)]
pub struct People {
    pub database: Database,
    known: Arc<Known>,
    /// A person of `known` who is another one here (see [`Self::mark_pulled`]).
    instead: Option<Person>,
    pub mailboxes: Arc<Mailboxes>,
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
        let known = known::read(conn, database.id, &database.base_url).await?;
        let mut mailboxes = Arc::clone(&known.mailboxes);
        // Read under another address of Odoo.
        if mailboxes.odoo() != database.base_url {
            mailboxes = Arc::new(Mailboxes::clone(&mailboxes).at(&database.base_url));
        }
        Ok(Self {
            database,
            known,
            instead: None,
            mailboxes,
            now,
        })
    }

    /// Reads the people of a database of which this process knows none yet. That takes a while if
    /// there are thousands, and is better done before the planning lock is taken.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn prepare(conn: &mut Connection, database_id: Uuid) -> anyhow::Result<()> {
        if !known::is_kept(database_id) {
            Self::load(conn, database_id, now()).await?;
        }
        Ok(())
    }

    /// Returns all, by their user's id.
    pub fn persons(&self) -> impl Iterator<Item = &Person> {
        self.known.persons().map(|known| self.replaced(known))
    }

    /// Returns those of whom Odoo has not sent all events yet and who are connected, by their
    /// user's id.
    pub fn backfilling(&self) -> impl Iterator<Item = &Person> {
        self.known.backfilling().map(|known| self.replaced(known))
    }

    fn replaced<'a>(&'a self, known: &'a Person) -> &'a Person {
        self.instead
            .as_ref()
            .filter(|instead| instead.id == known.id)
            .unwrap_or(known)
    }

    pub fn account(&self, id: i64) -> Option<&Person> {
        Some(self.replaced(self.known.account(id)?))
    }

    /// Returns the addresses of an account's mailbox.
    pub fn mailbox_of(&self, account: &Account) -> Mailbox {
        self.known.account(account.id).map_or_else(
            || Mailbox::of_login(&account.login),
            |known| known.mailbox.clone(),
        )
    }

    /// Plans as if this mailbox had been listed to its end. That is stored later.
    pub fn mark_pulled(&mut self, account_id: i64) {
        self.instead = self.known.account(account_id).map(|known| Person {
            pulled_once: true,
            ..known.clone()
        });
    }

    /// Returns the same people as if an account, or everybody, had chosen something else.
    #[must_use]
    pub fn with_choices(&self, account_id: Option<i64>, choices: StoredChoices) -> Self {
        let mut others = self.clone();
        match account_id {
            Some(id) => {
                others.instead = self.account(id).map(|person| Person {
                    choices,
                    ..person.clone()
                });
            }
            None => others.database.choices = choices,
        }
        others
    }

    pub fn account_of_user(&self, user_id: i32) -> Option<&Person> {
        Some(self.replaced(self.known.user(user_id)?))
    }

    /// Returns the connected account whose mailbox has this address.
    pub fn account_of_address(&self, address: &Address) -> Option<&Person> {
        self.account_of_user(self.mailboxes.user_of(address)?)
    }

    /// Returns the account of the user whom Odoo names as organizer.
    pub fn organizer(&self, snapshot: &Snapshot) -> Option<&Person> {
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
    pub fn internal_domains(&self) -> &InternalDomains {
        &self.known.inside
    }

    /// Returns when a record was made in Odoo, by our clock.
    pub fn made_at(&self, record: &Record) -> DateTime<Utc> {
        record.create_date().0 + TimeDelta::seconds(self.database.clock_behind)
    }

    /// Returns what a person wants to sync, as far as the administrator permits it; `None` if that
    /// is everything.
    pub fn choices(&self, person: &Person) -> Option<Choices> {
        let bound = self.database.choices.restricting();
        let own = person.choices.restricting();
        match (own, bound) {
            (None, None) => None,
            (own, None) => own.cloned(),
            (None, Some(bound)) => Some(person.choices.to_choices().within(bound)),
            (Some(own), Some(bound)) => Some(own.within(bound)),
        }
    }

    /// Returns whose changes cross, by a person's choices.
    pub fn direction(&self, person: &Person) -> Direction {
        self.choices(person)
            .map(|choices| choices.direction)
            .unwrap_or_default()
    }

    pub fn policy(&self) -> Policy {
        self.database.policy.0
    }
}
