//! What can be asked of a Postgres without changing anything, also if its schema is another one.

use std::collections::BTreeSet;

use anyhow::Context;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Integer, Text};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};

use super::target::Target;
use super::{Connection, MIGRATIONS};

/// Opens one connection on which nothing can be written.
///
/// # Errors
/// When the URL cannot be used, or Postgres cannot be reached.
pub async fn connect(url: &str) -> anyhow::Result<Connection> {
    let target = Target::parse(url).context("setting database_url")?;
    let mut conn = target.connect().await?;
    conn.batch_execute("SET default_transaction_read_only = on")
        .await?;
    Ok(conn)
}

/// What a server says of itself.
#[derive(Clone, Debug, QueryableByName)]
pub struct Server {
    /// `150013` is 15.13.
    #[diesel(sql_type = Integer)]
    pub version: i32,
    #[diesel(sql_type = Bool)]
    pub is_replica: bool,
    /// How many connections its settings permit the service, if nobody else has any.
    #[diesel(sql_type = BigInt)]
    pub connections: i64,
}

/// Asks for version, role and limits.
pub async fn server(conn: &mut Connection) -> QueryResult<Server> {
    diesel::sql_query(
        "SELECT current_setting('server_version_num')::integer AS version,
                pg_is_in_recovery() AS is_replica,
                least(current_setting('max_connections')::bigint
                          - current_setting('superuser_reserved_connections')::bigint
                          - coalesce(current_setting('reserved_connections', true), '0')::bigint,
                      (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user),
                      (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database())) AS connections",
    )
    .get_result(conn)
    .await
}

/// How the schema of a database compares with this program's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schema {
    /// None of our migrations was run.
    Missing,
    /// These were not run yet.
    Old(Vec<String>),
    UpToDate,
    /// These were run, and this program does not know them.
    Newer(Vec<String>),
}

#[derive(QueryableByName)]
struct Exists {
    #[diesel(sql_type = Bool)]
    exists: bool,
}

#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = Text)]
    version: String,
}

/// Compares the migrations that were run with those of this program.
///
/// # Errors
/// When Postgres refuses.
pub async fn schema(conn: &mut Connection) -> anyhow::Result<Schema> {
    let table = "SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL AS exists";
    let table: Exists = diesel::sql_query(table).get_result(conn).await?;
    if !table.exists {
        return Ok(Schema::Missing);
    }
    let rows: Vec<Version> = diesel::sql_query("SELECT version FROM __diesel_schema_migrations")
        .load(conn)
        .await?;
    let run: BTreeSet<String> = rows.into_iter().map(|row| row.version).collect();
    let own = own_versions()?;
    let unknown: Vec<String> = run.difference(&own).cloned().collect();
    let pending: Vec<String> = own.difference(&run).cloned().collect();
    Ok(match (run.is_empty(), unknown.is_empty(), pending.is_empty()) {
        (true, ..) => Schema::Missing,
        (_, false, _) => Schema::Newer(unknown),
        (_, _, false) => Schema::Old(pending),
        _ => Schema::UpToDate,
    })
}

fn own_versions() -> anyhow::Result<BTreeSet<String>> {
    use diesel::migration::{Migration, MigrationSource};
    use diesel::pg::Pg;
    let all: Vec<Box<dyn Migration<Pg>>> = MIGRATIONS
        .migrations()
        .map_err(|error| anyhow::anyhow!("reading the migrations: {error}"))?;
    Ok(all.iter().map(|one| one.name().version().to_string()).collect())
}
