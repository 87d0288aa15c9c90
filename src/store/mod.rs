//! The service's Postgres: one file for each aggregate, migrations embedded.
//!
//! **Invariant:** no rule about syncing is decided here; a function here is one query or one small group of them.

pub mod accounts;
pub mod addresses;
pub mod databases;
pub mod embedded;
pub mod enrollments;
pub mod journal;
pub mod leases;
pub mod logins;
pub mod meetings;
pub mod outbox;
pub mod put_aside;
pub mod registrations;
pub mod removals;
pub mod resets;
pub mod schema;
pub mod seal;
pub mod stock;
pub mod unit;

use anyhow::Context;
use diesel::{ConnectionError, ConnectionResult};
use diesel_async::pooled_connection::deadpool::{Object, Pool};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::{AsyncConnection, AsyncMigrationHarness, AsyncPgConnection, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use diesel_async::AsyncPgConnection as Connection;

/// Whether an error is the database's as a whole, and not of what was about to be stored.
pub fn fails_as_a_whole(error: &anyhow::Error) -> bool {
    use diesel::result::{DatabaseErrorKind as Kind, Error};
    match error.downcast_ref::<Error>() {
        Some(Error::DatabaseError(kind, _)) => matches!(
            kind,
            Kind::UnableToSendCommand
                | Kind::ClosedConnection
                | Kind::SerializationFailure
                | Kind::ReadOnlyTransaction
        ),
        Some(
            Error::BrokenTransactionManager
            | Error::RollbackErrorOnCommit { .. }
            | Error::AlreadyInTransaction
            | Error::NotInTransaction,
        ) => true,
        _ => false,
    }
}

const MIGRATIONS: EmbeddedMigrations = embed_migrations!();

/// A pool of connections.
#[derive(Clone)]
pub struct Store {
    pool: Pool<AsyncPgConnection>,
    reserved: Pool<AsyncPgConnection>,
}

/// Connections for what must not wait until others have done.
const RESERVED: usize = 2;
/// A transaction whose process says nothing any more (it was stopped, or its network is gone) holds the locks of its database no
/// longer than this.
const LONGEST_SILENCE: &str = "SET idle_in_transaction_session_timeout = '30s'";

impl Store {
    /// Prepares a pool; connects only when asked for a connection.
    ///
    /// # Errors
    /// When the pool cannot be built.
    pub fn new(url: &str, connections: usize) -> anyhow::Result<Self> {
        Ok(Self {
            pool: pool(url, connections)?,
            reserved: pool(url, RESERVED)?,
        })
    }

    /// A connection from the pool.
    ///
    /// # Errors
    /// When Postgres cannot be reached.
    pub async fn get(&self) -> anyhow::Result<Object<AsyncPgConnection>> {
        self.pool.get().await.context("Postgres cannot be reached")
    }

    /// A connection that is kept for renewing leases, whatever else goes on.
    ///
    /// # Errors
    /// When Postgres cannot be reached.
    pub async fn reserved(&self) -> anyhow::Result<Object<AsyncPgConnection>> {
        self.reserved.get().await.context("Postgres cannot be reached")
    }

    /// Brings the schema up to date; returns the names of the migrations that were run.
    ///
    /// # Errors
    /// When Postgres cannot be reached or a migration fails (which then left nothing behind).
    pub async fn migrate(&self) -> anyhow::Result<Vec<String>> {
        let conn = self.get().await?;
        // The harness blocks its thread while diesel-async works on the runtime.
        tokio::task::block_in_place(move || {
            let mut harness = AsyncMigrationHarness::new(conn);
            let versions = harness
                .run_pending_migrations(MIGRATIONS)
                .map_err(|e| anyhow::anyhow!("migrating: {e}"))?;
            Ok(versions.iter().map(ToString::to_string).collect())
        })
    }
}

fn pool(url: &str, connections: usize) -> anyhow::Result<Pool<AsyncPgConnection>> {
    let mut config = ManagerConfig::default();
    // A closed connection is told without a query; the default asks one each time.
    config.recycling_method = RecyclingMethod::Fast;
    config.custom_setup = Box::new(|url| Box::pin(connect(url.to_owned())));
    let manager = AsyncDieselConnectionManager::<AsyncPgConnection>::new_with_config(url, config);
    Pool::builder(manager)
        .max_size(connections)
        .build()
        .context("building the connection pool")
}

async fn connect(url: String) -> ConnectionResult<AsyncPgConnection> {
    let mut conn = AsyncPgConnection::establish(&url).await?;
    conn.batch_execute(LONGEST_SILENCE)
        .await
        .map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}

/// Reads a `jsonb` column that we wrote ourselves.
///
/// # Errors
/// When the column holds another shape, i.e. was written by another version of the service.
pub fn from_json<T: DeserializeOwned>(value: Value, what: &str) -> anyhow::Result<T> {
    serde_json::from_value(value).with_context(|| format!("reading the stored {what}"))
}
