//! The service's Postgres: one file per aggregate, with embedded migrations.
//!
//! **Invariant:** nothing here decides about syncing. A function is one query or a small group of
//! queries.

pub mod accounts;
pub mod addresses;
pub mod api_keys;
pub mod calendars;
pub mod channel;
pub mod choices;
pub mod content;
pub mod databases;
pub mod dump;
pub mod embedded;
pub mod enrollments;
pub mod erasing;
pub mod gauges;
pub mod idle;
pub mod inspect;
pub mod journal;
mod keys;
pub mod leases;
pub mod logins;
pub mod mail_hours;
pub mod meetings;
pub mod outbox;
pub mod owner;
pub mod people;
pub mod pruning;
pub mod put_aside;
pub mod reason;
pub mod refusals;
pub mod registrations;
pub mod removals;
pub mod resets;
pub mod schema;
pub mod seal;
pub mod sessions;
pub mod statements;
pub mod stock;
pub mod stubs;
pub mod subscriptions;
pub mod target;
pub mod text_enum;
pub mod told;
pub mod troubles;
pub mod unit;
pub mod waiting;
pub mod wizards;

use std::time::Duration;

use anyhow::{Context, bail};
use chrono::TimeDelta;
use diesel::data_types::PgInterval;
use diesel::sql_types::{BigInt, Bool};
use diesel::{ConnectionError, ConnectionResult, QueryResult, QueryableByName};
use diesel_async::pooled_connection::deadpool::{Object, Pool};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::{AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use serde::de::DeserializeOwned;
use serde_json::Value;

use statements::Statements;
use target::Target;

pub use diesel_async::AsyncPgConnection as Connection;

/// Converts a wait, to be added to Postgres's own time. A process reads what another one wrote, and
/// their clocks may differ.
pub fn interval(wait: TimeDelta) -> PgInterval {
    let wait = wait.num_microseconds().unwrap_or(i64::MAX);
    PgInterval::from_microseconds(wait.clamp(0, LONGEST_INTERVAL))
}

/// A year in microseconds. More is a mistake, and Postgres's time has an end.
const LONGEST_INTERVAL: i64 = 365 * 24 * 3_600_000_000;

/// Returns whether an error concerns the database as a whole, not the value that was to be stored.
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
/// The key of the lock that the migrating process holds.
const MIGRATING: i64 = 0x6f62_6d69_6772_6174;
/// How long to wait for another process's migrations.
const LONGEST_MIGRATION: Duration = Duration::from_secs(30 * 60);
/// How often to check whether they are done.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// How long to wait for a connection.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Pools of connections that do not wait for each other.
#[derive(Clone)]
pub struct Store {
    pool: Pool<AsyncPgConnection>,
    workers: Pool<AsyncPgConnection>,
    door: Pool<AsyncPgConnection>,
    reserved: Pool<AsyncPgConnection>,
    /// The statements that all pools have sent.
    pub statements: Statements,
    target: Target,
}

/// Connections for renewing leases and for waking other processes, which must not wait for other
/// work.
const RESERVED_CONNECTIONS: usize = 2;
/// Connections for key checks and health checks, which must not wait for the databases' calls.
const AT_THE_DOOR: usize = 4;
/// Limits how long a transaction holds its database's locks if its process sends nothing any more
/// (it was stopped, or its network failed): less than a lease, as nobody else can work meanwhile.
const LONGEST_SILENCE: &str = "SET idle_in_transaction_session_timeout = '10s'";

impl Store {
    /// Prepares the pools: `connections` for calls, and as many for the workers. Connects only when
    /// a connection is needed.
    ///
    /// # Errors
    /// When the URL cannot be used, or a pool cannot be built.
    pub fn new(url: &str, connections: usize) -> anyhow::Result<Self> {
        let target = Target::parse(url).context("setting database_url")?;
        let statements = Statements::default();
        let pool = |connections| pool(&target, &statements, connections);
        Ok(Self {
            pool: pool(connections)?,
            workers: pool(connections)?,
            door: pool(AT_THE_DOOR)?,
            reserved: pool(RESERVED_CONNECTIONS)?,
            statements: statements.clone(),
            target: target.clone(),
        })
    }

    /// Returns a connection from the pool.
    ///
    /// # Errors
    /// When Postgres cannot be reached, or no connection comes free.
    pub async fn get(&self) -> anyhow::Result<Object<AsyncPgConnection>> {
        take(&self.pool).await
    }

    /// Returns the same store with the workers' connections, which calls cannot use up.
    #[must_use]
    pub fn of_the_workers(&self) -> Self {
        Self {
            pool: self.workers.clone(),
            ..self.clone()
        }
    }

    /// Returns a connection for a key check or a health check.
    ///
    /// # Errors
    /// When Postgres cannot be reached, or no connection comes free.
    pub async fn at_the_door(&self) -> anyhow::Result<Object<AsyncPgConnection>> {
        take(&self.door).await
    }

    /// Returns a connection that is reserved for renewing leases and for waking other processes.
    ///
    /// # Errors
    /// When Postgres cannot be reached, or no connection comes free.
    pub async fn reserved(&self) -> anyhow::Result<Object<AsyncPgConnection>> {
        take(&self.reserved).await
    }

    /// Opens a connection that belongs to no pool, to be kept for as long as the process runs.
    ///
    /// # Errors
    /// When Postgres cannot be reached.
    pub async fn alone(&self) -> anyhow::Result<AsyncPgConnection> {
        connect(self.target.clone(), self.statements.clone())
            .await
            .context("Postgres cannot be reached")
    }

    /// Brings the schema up to date; returns the names of the migrations that were run. One process
    /// at a time does this; the others wait and then find nothing to do.
    ///
    /// # Errors
    /// When Postgres cannot be reached or a migration fails (which then left nothing behind).
    pub async fn migrate(&self) -> anyhow::Result<Vec<String>> {
        let mut conn = self.get().await?;
        let began = tokio::time::Instant::now();
        // Polled rather than waited for: a waiting query would block an index that is built
        // concurrently.
        while !try_lock(&mut conn, MIGRATING).await? {
            if began.elapsed() > LONGEST_MIGRATION {
                bail!("another process has been migrating this database for half an hour: see its log");
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        // The harness blocks its thread while diesel-async works on the runtime.
        let (mut conn, run) = tokio::task::block_in_place(move || {
            let mut harness = AsyncMigrationHarness::new(conn);
            let run = harness
                .run_pending_migrations(MIGRATIONS)
                .map(|versions| versions.iter().map(ToString::to_string).collect())
                .map_err(|e| anyhow::anyhow!("migrating: {e}"));
            (harness.into_inner(), run)
        });
        if run.is_ok() {
            people::forget_other_clusters(&mut conn).await?;
        }
        unlock(&mut conn, MIGRATING).await?;
        run
    }
}

async fn take(pool: &Pool<AsyncPgConnection>) -> anyhow::Result<Object<AsyncPgConnection>> {
    let Ok(got) = tokio::time::timeout(LONGEST_WAIT, pool.get()).await else {
        bail!(
            "no connection to Postgres came free in {} s: all {} are in use, or Postgres does not answer",
            LONGEST_WAIT.as_secs(),
            pool.status().max_size
        );
    };
    got.context("Postgres cannot be reached")
}

fn pool(
    target: &Target,
    statements: &Statements,
    connections: usize,
) -> anyhow::Result<Pool<AsyncPgConnection>> {
    let mut config = ManagerConfig::default();
    // A closed connection is recognized without a query; the default method sends a query each
    // time.
    config.recycling_method = RecyclingMethod::Fast;
    let (target, statements) = (target.clone(), statements.clone());
    config.custom_setup = Box::new(move |_| Box::pin(connect(target.clone(), statements.clone())));
    // The target connects by itself, so the manager gets no URL.
    let manager = AsyncDieselConnectionManager::<AsyncPgConnection>::new_with_config("", config);
    Pool::builder(manager)
        .max_size(connections)
        .build()
        .context("building the connection pool")
}

async fn connect(target: Target, statements: Statements) -> ConnectionResult<AsyncPgConnection> {
    let mut conn = target.connect().await?;
    conn.batch_execute(LONGEST_SILENCE)
        .await
        .map_err(ConnectionError::CouldntSetupConfiguration)?;
    people::note_connection(&mut conn)
        .await
        .map_err(ConnectionError::CouldntSetupConfiguration)?;
    statements.of(&mut conn);
    Ok(conn)
}

#[derive(QueryableByName)]
struct Locked {
    #[diesel(sql_type = Bool)]
    locked: bool,
}

/// Takes a session lock, which a connection holds until it gives it back or ends; returns `false`
/// if another connection has it.
pub async fn try_lock(conn: &mut Connection, key: i64) -> QueryResult<bool> {
    let locked: Locked = diesel::sql_query("SELECT pg_try_advisory_lock($1) AS locked")
        .bind::<BigInt, _>(key)
        .get_result(conn)
        .await?;
    Ok(locked.locked)
}

/// Releases a session lock.
pub async fn unlock(conn: &mut Connection, key: i64) -> QueryResult<()> {
    diesel::sql_query("SELECT pg_advisory_unlock($1)")
        .bind::<BigInt, _>(key)
        .execute(conn)
        .await?;
    Ok(())
}

/// Reads a `jsonb` column that we wrote ourselves.
///
/// # Errors
/// When the column holds another shape, i.e. was written by another version of the service.
pub fn from_json<T: DeserializeOwned>(value: Value, what: &str) -> anyhow::Result<T> {
    serde_json::from_value(value).with_context(|| format!("reading the stored {what}"))
}
