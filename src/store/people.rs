//! What planning needs of a database's accounts, and how a process learns what has changed in it.
//!
//! A trigger notes in `accounts.people_xid` which transaction last changed one of these columns. A
//! statement sees the changes of all transactions below the `xmin` of its snapshot. So a process
//! that keeps what it has read reads again only rows of transactions from that `xmin` on: it misses
//! none, and needs no lock. See `pg_snapshot_xmin` in Postgres's *Transaction ID and Snapshot
//! Information Functions*.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::prelude::*;
use diesel::query_builder::QueryId;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::SqlType;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::Connection;
use super::accounts::{Account, BackfillState, SyncState};
use super::addresses::{Listed, Mailbox};
use super::choices::StoredChoices;
use super::schema::{account_addresses, accounts, databases};
use crate::calendar::event::Address;

/// Postgres's `xid8`.
#[derive(Clone, Copy, Debug, Default, QueryId, SqlType)]
#[diesel(postgres_type(oid = 5069, array_oid = 271))]
pub struct Xid8;

/// Postgres's `pg_snapshot`.
#[derive(Clone, Copy, Debug, Default, QueryId, SqlType)]
#[diesel(postgres_type(oid = 5038, array_oid = 5039))]
pub struct PgSnapshot;

/// The number of a transaction, which is never used again in one cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, AsExpression, FromSqlRow)]
#[diesel(sql_type = Xid8)]
pub struct Xid(u64);

impl Xid {
    /// Is below all transactions.
    pub const NONE: Self = Self(0);

    pub fn new(number: u64) -> Self {
        Self(number)
    }

    pub fn number(self) -> u64 {
        self.0
    }

    /// Returns the number after it.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl FromSql<Xid8, Pg> for Xid {
    fn from_sql(stored: PgValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(u64::from_be_bytes(stored.as_bytes().try_into()?)))
    }
}

impl ToSql<Xid8, Pg> for Xid {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(&self.0.to_be_bytes())?;
        Ok(IsNull::No)
    }
}

#[diesel::declare_sql_function]
extern "SQL" {
    fn pg_current_snapshot() -> PgSnapshot;
    fn pg_snapshot_xmin(snapshot: PgSnapshot) -> Xid8;
    fn pg_current_xact_id_if_assigned() -> Nullable<Xid8>;
    fn current_database() -> Text;
    fn pg_postmaster_start_time() -> Timestamptz;
}

/// An account without its secrets and without what its runs need. The trigger
/// `accounts_note_person` must name the column of each field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub id: i64,
    pub odoo_user_id: i32,
    pub login: String,
    pub state: SyncState,
    /// Whether a refresh token is stored.
    pub has_consent: bool,
    /// See [`Account::is_reset`].
    pub is_reset: bool,
    /// See [`Account::is_braked`].
    pub is_braked: bool,
    pub resetting: bool,
    pub pulled_once: bool,
    pub existing: BackfillState,
    pub connected_at: DateTime<Utc>,
    pub ignore_before: Option<DateTime<Utc>>,
    pub window_start: Option<DateTime<Utc>>,
    pub window_end: Option<DateTime<Utc>>,
    pub choices: StoredChoices,
    pub mailbox: Mailbox,
}

impl Person {
    /// See [`Account::is_active`].
    pub fn is_active(&self) -> bool {
        self.state == SyncState::Active
    }

    /// See [`Account::is_connected`].
    pub fn is_connected(&self) -> bool {
        self.state != SyncState::NeedAuth || self.has_consent
    }

    /// See [`Account::is_read`].
    pub fn is_read(&self) -> bool {
        self.is_active() && !self.is_braked
    }

    /// Returns all addresses of the mailbox.
    pub fn mailbox_addresses(&self) -> BTreeSet<Address> {
        let Mailbox { address, aliases, .. } = &self.mailbox;
        address.iter().chain(aliases).cloned().collect()
    }
}

/// Uses the name that the person logs in with as the mailbox's address.
impl From<&Account> for Person {
    fn from(account: &Account) -> Self {
        Self {
            id: account.id,
            odoo_user_id: account.odoo_user_id,
            login: account.login.clone(),
            state: account.state,
            has_consent: account.refresh_token.is_some(),
            is_reset: account.is_reset(),
            is_braked: account.is_braked(),
            resetting: account.resetting,
            pulled_once: account.pulled_once,
            existing: account.existing,
            connected_at: account.connected_at,
            ignore_before: account.ignore_before,
            window_start: account.window_start,
            window_end: account.window_end,
            choices: account.choices.clone(),
            mailbox: Mailbox::of_login(&account.login),
        }
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = accounts)]
struct Row {
    id: i64,
    odoo_user_id: i32,
    object_id: String,
    login: String,
    state: SyncState,
    #[diesel(select_expression = accounts::refresh_token.is_not_null())]
    has_consent: bool,
    #[diesel(select_expression = accounts::brake_at.is_not_null())]
    is_braked: bool,
    resetting: bool,
    pulled_once: bool,
    existing: BackfillState,
    connected_at: DateTime<Utc>,
    ignore_before: Option<DateTime<Utc>>,
    window_start: Option<DateTime<Utc>>,
    window_end: Option<DateTime<Utc>>,
    choices: StoredChoices,
    people_xid: Xid,
}

impl Row {
    fn into_person(self, listed: Option<Listed>) -> Person {
        let is_reset = self.object_id.is_empty();
        Person {
            id: self.id,
            odoo_user_id: self.odoo_user_id,
            mailbox: Mailbox::of(&self.login, listed.filter(|_| !is_reset)),
            login: self.login,
            state: self.state,
            has_consent: self.has_consent,
            is_reset,
            is_braked: self.is_braked,
            resetting: self.resetting,
            pulled_once: self.pulled_once,
            existing: self.existing,
            connected_at: self.connected_at,
            ignore_before: self.ignore_before,
            window_start: self.window_start,
            window_end: self.window_end,
            choices: self.choices,
        }
    }
}

/// Says of which rows something was read. What was read of others cannot be continued.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The transaction that last deleted an account of the database.
    epoch: Xid,
    /// The database of the cluster, and when its server was started: after a restart from a backup,
    /// numbers of transactions come a second time.
    place: (String, DateTime<Utc>),
}

/// What [`changed_since`] has read.
#[derive(Clone, Debug)]
pub struct Changes {
    pub people: Vec<Person>,
    /// From which transaction on the next call must look.
    pub horizon: Xid,
    pub origin: Origin,
    /// Whether the present transaction has changed or deleted some of the accounts itself. It may
    /// be rolled back, so nobody else may learn of these [`Changes`].
    pub is_own: bool,
}

/// Reads the people of a database that a transaction from `since` on has changed. An earlier answer
/// to which these people are added is the whole, if both have one origin.
///
/// # Errors
/// `NotFound` if there is no such database; and Postgres's errors.
pub async fn changed_since(conn: &mut Connection, database_id: Uuid, since: Xid) -> QueryResult<Changes> {
    type Head = (Xid, Xid, Option<Xid>, String, DateTime<Utc>);
    let is_changed = accounts::people_xid.ge(since);
    let rows: Vec<(Head, Option<Row>, Option<Listed>)> = databases::table
        .left_join(accounts::table.on(accounts::database_id.eq(databases::id).and(is_changed)))
        .left_join(account_addresses::table.on(account_addresses::account_id.eq(accounts::id)))
        .filter(databases::id.eq(database_id))
        .select((
            (
                databases::people_epoch,
                pg_snapshot_xmin(pg_current_snapshot()),
                pg_current_xact_id_if_assigned(),
                current_database(),
                pg_postmaster_start_time(),
            ),
            Option::<Row>::as_select(),
            (
                account_addresses::mail,
                account_addresses::aliases,
                account_addresses::told_at,
            )
                .nullable(),
        ))
        .load(conn)
        .await?;
    let [((epoch, horizon, own, name, started), ..), ..] = rows.as_slice() else {
        return Err(diesel::NotFound);
    };
    let origin = Origin {
        epoch: *epoch,
        place: (name.clone(), *started),
    };
    let (horizon, own) = (*horizon, *own);
    let mut is_own = own == Some(origin.epoch);
    let mut people = Vec::new();
    for (_, row, listed) in rows {
        if let Some(row) = row {
            is_own |= own == Some(row.people_xid);
            people.push(row.into_person(listed));
        }
    }
    Ok(Changes {
        people,
        horizon,
        origin,
        is_own,
    })
}

/// Counts this process's connections: how many there were, and by database which was the last.
static CONNECTIONS: Mutex<(u64, BTreeMap<String, u64>)> = Mutex::new((0, BTreeMap::new()));

fn connections() -> MutexGuard<'static, (u64, BTreeMap<String, u64>)> {
    CONNECTIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts a new connection.
pub(super) async fn note_connection(conn: &mut Connection) -> QueryResult<()> {
    let name: String = diesel::select(current_database()).get_result(conn).await?;
    let mut all = connections();
    all.0 += 1;
    let (count, lasts) = &mut *all;
    lasts.insert(name, *count);
    Ok(())
}

/// Returns the number of this process's last connection, which [`is_continuous`] compares.
pub fn last_connection() -> u64 {
    connections().0
}

/// Returns whether what was read from `origin` may be continued: nothing was connected to its
/// database after `connection`. After a crash of Postgres, numbers of transactions may come a second
/// time, and a crash ends all connections.
pub fn is_continuous(origin: &Origin, connection: u64) -> bool {
    let last = connections().1.get(&origin.place.0).copied();
    last.is_none_or(|last| last <= connection)
}

/// Forgets numbers of transactions that are ahead of this cluster's, as a dump of another cluster
/// has them. Such rows would be read again each time.
pub(super) async fn forget_other_clusters(conn: &mut Connection) -> QueryResult<()> {
    for statement in [
        "UPDATE accounts SET people_xid = '0' WHERE people_xid >= pg_snapshot_xmax(pg_current_snapshot())",
        "UPDATE accounts SET state_xid = '0' WHERE state_xid >= pg_snapshot_xmax(pg_current_snapshot())",
        "UPDATE registrations SET state_xid = '0' WHERE state_xid >= pg_snapshot_xmax(pg_current_snapshot())",
        "UPDATE databases SET people_epoch = '0' WHERE people_epoch >= pg_snapshot_xmax(pg_current_snapshot())",
    ] {
        diesel::sql_query(statement).execute(conn).await?;
    }
    Ok(())
}
