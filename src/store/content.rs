//! What a database holds, before anything is changed in it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use diesel::migration::{Migration, MigrationSource};
use diesel::pg::Pg;
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text};
use diesel::{OptionalExtension, QueryResult, QueryableByName};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};

use super::{Connection, MIGRATIONS};

/// The tables of this service, with that of its migrations.
pub const OWN_TABLES: [&str; 24] = [
    "__diesel_schema_migrations",
    "account_addresses",
    "accounts",
    "api_keys",
    "calendars",
    "copies",
    "databases",
    "enrollments",
    "journal",
    "login_attempts",
    "login_refusals",
    "mail_hours",
    "meetings",
    "odoo_outbox",
    "outlook_outbox",
    "put_aside",
    "registrations",
    "removals",
    "resets",
    "seal_check",
    "sessions",
    "subscriptions",
    "troubles",
    "wizards",
];

/// The functions of this service that no trigger calls by itself.
const OWN_FUNCTIONS: [&str; 2] = ["is_waiting", "waiting_of"];

/// What a database holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// No tables.
    Nothing,
    /// Tables of something else; one of them is named.
    Foreign(String),
    /// The tables of this service.
    Own(Schema),
}

/// The steps of the schema, by their versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    /// Those that were carried out, in their order.
    pub applied: Vec<String>,
    /// Those of this program that were not.
    pub pending: usize,
    /// How many this program does not know: a later version carried them out.
    pub unknown: usize,
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

/// Returns the versions of the schema's steps that this program knows, in their order.
///
/// # Errors
/// Never with the steps that are built in.
pub fn known_versions() -> anyhow::Result<Vec<String>> {
    let steps: Vec<Box<dyn Migration<Pg>>> = MIGRATIONS
        .migrations()
        .map_err(|error| anyhow::anyhow!("reading the built-in migrations: {error}"))?;
    let mut versions: Vec<String> = steps
        .iter()
        .map(|step| step.name().version().to_string())
        .collect();
    versions.sort();
    Ok(versions)
}

/// Returns what a database holds.
///
/// # Errors
/// When Postgres fails.
pub async fn of(conn: &mut Connection) -> anyhow::Result<Content> {
    let foreign: Option<Name> = diesel::sql_query(
        "SELECT relname::text AS name FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
         WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname = ANY (current_schemas(false))
           AND relname <> '__diesel_schema_migrations'
         ORDER BY relname LIMIT 1",
    )
    .get_result(conn)
    .await
    .optional()
    .context("looking at the database")?;
    let known = known_versions()?;
    let applied = applied(conn).await.context("looking at the database")?;
    if !applied.iter().any(|version| known.contains(version)) {
        return Ok(foreign.map_or(Content::Nothing, |table| Content::Foreign(table.name)));
    }
    Ok(Content::Own(compare(&known, applied)))
}

fn compare(known: &[String], applied: Vec<String>) -> Schema {
    let has: BTreeSet<&String> = applied.iter().collect();
    let knows: BTreeSet<&String> = known.iter().collect();
    Schema {
        pending: knows.difference(&has).count(),
        unknown: has.difference(&knows).count(),
        applied,
    }
}

async fn applied(conn: &mut Connection) -> QueryResult<Vec<String>> {
    #[derive(QueryableByName)]
    struct Table {
        #[diesel(sql_type = Nullable<Text>)]
        name: Option<String>,
    }
    let table: Table = diesel::sql_query("SELECT to_regclass('__diesel_schema_migrations')::text AS name")
        .get_result(conn)
        .await?;
    if table.name.is_none() {
        return Ok(Vec::new());
    }
    let read = "SELECT version::text AS name FROM __diesel_schema_migrations ORDER BY version";
    let names: Vec<Name> = diesel::sql_query(read).load(conn).await?;
    Ok(names.into_iter().map(|row| row.name).collect())
}

/// Returns the statements that remove the service's tables and functions, and nothing else.
///
/// # Errors
/// When Postgres fails.
pub async fn removal(conn: &mut Connection) -> QueryResult<Vec<String>> {
    let functions: Vec<Name> = diesel::sql_query(
        "SELECT p.oid::regprocedure::text AS name FROM pg_proc p
         WHERE p.pronamespace = current_schema()::regnamespace
           AND (p.proname = ANY ($2) OR EXISTS (
               SELECT FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
               WHERE t.tgfoid = p.oid AND c.relname = ANY ($1) AND c.relnamespace = p.pronamespace))
         ORDER BY p.oid",
    )
    .bind::<Array<Text>, _>(OWN_TABLES.to_vec())
    .bind::<Array<Text>, _>(OWN_FUNCTIONS.to_vec())
    .load(conn)
    .await?;
    let tables = format!("DROP TABLE IF EXISTS {} CASCADE", OWN_TABLES.join(", "));
    let functions = functions
        .into_iter()
        .map(|function| format!("DROP FUNCTION {}", function.name));
    Ok(std::iter::once(tables).chain(functions).collect())
}

/// Returns the number of rows of each of the service's tables.
///
/// # Errors
/// When Postgres fails, or a table is missing.
pub async fn rows(conn: &mut Connection) -> QueryResult<BTreeMap<&'static str, i64>> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let mut rows = BTreeMap::new();
    for table in OWN_TABLES {
        let asked = diesel::sql_query(format!("SELECT count(*) AS count FROM {table}"));
        rows.insert(table, asked.get_result::<Count>(conn).await?.count);
    }
    Ok(rows)
}

/// Begins a transaction that reads the database as it is now, however long it takes; returns the name
/// by which Postgres' own programs read the same.
///
/// # Errors
/// When Postgres fails.
pub async fn freeze(conn: &mut Connection) -> QueryResult<String> {
    conn.batch_execute(
        "SET idle_in_transaction_session_timeout = 0; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    )
    .await?;
    let exported: Name = diesel::sql_query("SELECT pg_export_snapshot() AS name")
        .get_result(conn)
        .await?;
    Ok(exported.name)
}

/// Counts the other sessions that work on this database.
///
/// # Errors
/// When Postgres fails.
pub async fn other_sessions(conn: &mut Connection) -> QueryResult<i64> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let asked: Count = diesel::sql_query(
        "SELECT count(*) AS count FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
    )
    .get_result(conn)
    .await?;
    Ok(asked.count)
}

/// Returns what tells a database from all others, and from a copy of it: its cluster and its number
/// there. `None` where Postgres does not say so.
pub async fn identity(conn: &mut Connection) -> Option<String> {
    let asked: QueryResult<Name> = diesel::sql_query(
        "SELECT concat(system_identifier, '/', (SELECT oid FROM pg_database WHERE datname = current_database())) AS name
         FROM pg_control_system()",
    )
    .get_result(conn)
    .await;
    asked.ok().map(|row| row.name)
}

/// Returns the major version of the server.
///
/// # Errors
/// When Postgres fails.
pub async fn server_major(conn: &mut Connection) -> QueryResult<u32> {
    #[derive(QueryableByName)]
    struct Version {
        #[diesel(sql_type = Integer)]
        version: i32,
    }
    let asked: Version =
        diesel::sql_query("SELECT current_setting('server_version_num')::integer / 10000 AS version")
            .get_result(conn)
            .await?;
    Ok(asked.version.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_and_a_newer_schema_are_told_apart() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let known = names(&["1", "2", "3"]);
        for (applied, pending, unknown) in [
            (names(&["1", "2", "3"]), 0, 0),
            (names(&["1"]), 2, 0),
            (names(&["1", "2", "3", "4", "5"]), 0, 2),
            (names(&["1", "4"]), 2, 1),
        ] {
            let schema = compare(&known, applied.clone());
            assert_eq!(
                (schema.pending, schema.unknown),
                (pending, unknown),
                "{applied:?}"
            );
        }
    }

    #[test]
    fn the_steps_are_known_in_their_order() {
        let known = known_versions().unwrap();
        assert!(known.len() > 40 && known.is_sorted(), "{known:?}");
    }
}
