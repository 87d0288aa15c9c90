//! Postgres, its schema and the master key, without starting, migrating or making anything.

use std::path::Path;
use std::time::Duration;

use secrecy::SecretString;
use tokio::time::timeout;

use super::code::{Check, Code};
use super::report::Finding;
use crate::store::inspect::{self, Schema, Server};
use crate::store::seal::Sealer;
use crate::store::{Connection, embedded};

/// The earliest version that has what the queries use.
const OLDEST: i32 = 130_000;
/// How long Postgres may take to accept a connection, or to answer a question.
const PATIENCE: Duration = Duration::from_secs(8);

/// Where the service's data is.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The setting `database_url`; `None` for the private Postgres.
    pub url: Option<&'a str>,
    pub master_key: Option<&'a SecretString>,
    pub data_dir: &'a Path,
    /// How many connections a process of the service may open.
    pub connections: i64,
}

/// What can be used of Postgres.
pub struct Opened {
    pub url: String,
    pub conn: Connection,
    /// `None` if the key cannot be used.
    pub sealer: Option<Sealer>,
}

impl Place<'_> {
    /// Checks Postgres, the schema and the key. Returns the connection if the schema is this
    /// program's.
    pub async fn check(&self) -> (Vec<Finding>, Option<Opened>) {
        let (url, what) = match self.url {
            Some(url) => (url.to_owned(), "Postgres"),
            None => match embedded::url_of(self.data_dir) {
                Ok(Some(url)) => (url, "The private Postgres"),
                Ok(None) => {
                    let words = format!("There is no private Postgres in {}.", self.data_dir.display());
                    return (vec![Finding::new(Code::PostgresStopped, words)], None);
                }
                Err(error) => {
                    return (
                        vec![Finding::new(Code::PostgresNotPermitted, format!("{error:#}."))],
                        None,
                    );
                }
            },
        };
        let mut conn = match timeout(PATIENCE, inspect::connect(&url)).await {
            Ok(Ok(conn)) => conn,
            Ok(Err(error)) => return (vec![self.unreachable(&format!("{error:#}"))], None),
            Err(_) => {
                let words = format!("There was no connection after {} s", PATIENCE.as_secs());
                return (vec![self.unreachable(&words)], None);
            }
        };
        let asked = timeout(PATIENCE, async {
            let server = inspect::server(&mut conn).await?;
            let schema = inspect::schema(&mut conn).await?;
            let is_sealed = Sealer::is_sealed(&mut conn).await?;
            anyhow::Ok((server, schema, is_sealed))
        });
        let (server, schema, is_sealed) = match asked.await {
            Ok(Ok(said)) => said,
            Ok(Err(error)) => return (vec![self.unreachable(&format!("{error:#}"))], None),
            Err(_) => {
                let words = format!("There was no answer after {} s", PATIENCE.as_secs());
                return (vec![self.unreachable(&words)], None);
            }
        };
        let mut found = self.judge(what, &server);
        let (finding, is_usable) = judge_schema(&schema);
        found.push(finding);
        let (finding, sealer) = self.check_key(&mut conn, is_sealed).await;
        found.push(finding);
        let opened = is_usable.then_some(Opened { url, conn, sealer });
        (found, opened)
    }

    fn unreachable(&self, words: &str) -> Finding {
        let code = match self.url {
            Some(_) => Code::PostgresUnreachable,
            None if words.to_lowercase().contains("peer authentication") => Code::PostgresNotPermitted,
            None if words.contains("Permission denied") => Code::PostgresNotPermitted,
            None => Code::PostgresStopped,
        };
        Finding::new(code, format!("Postgres cannot be reached: {words}."))
    }

    fn judge(&self, what: &str, server: &Server) -> Vec<Finding> {
        let major = server.version / 10_000;
        let mut found = Vec::new();
        if server.version < OLDEST {
            found.push(Finding::new(
                Code::PostgresOld,
                format!("{what} has version {major}."),
            ));
        }
        if server.is_replica {
            found.push(Finding::new(
                Code::PostgresReadOnly,
                format!("{what} is a standby server."),
            ));
        }
        if server.connections < self.connections {
            let words = format!(
                "{what} permits {} connections, and a process of the service may open {}.",
                server.connections.max(0),
                self.connections
            );
            found.push(Finding::new(Code::ConnectionsFew, words));
        }
        if found.is_empty() {
            let words = format!(
                "{what} {major} answers, and permits {} connections.",
                server.connections
            );
            found.push(Finding::ok(Check::Postgres, words));
        }
        found
    }

    async fn check_key(&self, conn: &mut Connection, is_sealed: bool) -> (Finding, Option<Sealer>) {
        let file = self.data_dir.join("master.key");
        let read = match self.master_key {
            Some(key) => Sealer::parse(key),
            None if !file.exists() => {
                let finding = match is_sealed {
                    true => Finding::new(Code::KeyMissing, format!("There is no {}.", file.display())),
                    false => Finding::skipped(Check::Key, "The service makes a key when it first starts."),
                };
                return (finding, None);
            }
            None => Sealer::from_file(&file, false),
        };
        let sealer = match read {
            Ok(sealer) => sealer,
            Err(error) => return (Finding::new(Code::KeyUnusable, format!("{error:#}.")), None),
        };
        if !is_sealed {
            return (
                Finding::ok(
                    Check::Key,
                    "The master key can be used. Nothing is encrypted yet.",
                ),
                Some(sealer),
            );
        }
        match timeout(PATIENCE, sealer.verify(conn)).await {
            Ok(Ok(())) => (
                Finding::ok(Check::Key, "The master key is the one of this database."),
                Some(sealer),
            ),
            Ok(Err(error)) => (Finding::new(Code::KeyWrong, format!("{error:#}.")), None),
            Err(_) => (
                Finding::of(Check::Key, Code::CheckTimedOut, "Postgres does not answer."),
                None,
            ),
        }
    }
}

fn judge_schema(schema: &Schema) -> (Finding, bool) {
    match schema {
        Schema::UpToDate => (Finding::ok(Check::Schema, "The schema is up to date."), true),
        Schema::Missing => (
            Finding::new(Code::SchemaMissing, "The database has no tables of the service."),
            false,
        ),
        Schema::Old(pending) => {
            let words = format!("{} migration(s) are pending.", pending.len());
            (Finding::new(Code::SchemaOld, words), false)
        }
        Schema::Newer(unknown) => {
            let words = format!("{} migration(s) are of a newer version.", unknown.len());
            (Finding::new(Code::SchemaNewer, words), false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_postgres_that_admits_nobody_else_does_not_count_as_stopped() {
        let place = |url| Place {
            url,
            master_key: None,
            data_dir: Path::new("/nowhere"),
            connections: 50,
        };
        for (url, words, code) in [
            (
                None,
                "FATAL: Peer authentication failed for user \"outlook_bridge\"",
                "postgres_not_permitted",
            ),
            (
                None,
                "error connecting: Permission denied (os error 13)",
                "postgres_not_permitted",
            ),
            (
                None,
                "error connecting: Connection refused (os error 111)",
                "postgres_stopped",
            ),
            (
                Some("postgres://any"),
                "error connecting: Permission denied (os error 13)",
                "postgres_unreachable",
            ),
        ] {
            assert_eq!(place(url).unreachable(words).code, code, "{words}");
        }
    }

    #[test]
    fn an_old_postgres_is_named_with_its_version() {
        let place = Place {
            url: Some("postgres://any"),
            master_key: None,
            data_dir: Path::new("/nowhere"),
            connections: 50,
        };
        let codes = |version| {
            let server = Server {
                version,
                is_replica: false,
                connections: 97,
            };
            let found = place.judge("Postgres", &server);
            assert!(found[0].found.contains(&(version / 10_000).to_string()));
            found.iter().map(|one| one.code).collect::<Vec<_>>()
        };
        assert_eq!(codes(120_022), ["postgres_old"]);
        assert_eq!(codes(130_000), ["ok"]);
    }
}
