//! Dumps and restores a database with Postgres' own programs, `pg_dump`, `pg_restore` and `psql`.

use std::ffi::OsString;
use std::io::{ErrorKind, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread::JoinHandle;

use anyhow::{Context, bail};

use super::embedded::Embedded;
use super::embedded::programs::Programs;
use super::target::Target;

/// The programs, and how they connect to a database.
pub struct Tools {
    folder: PathBuf,
    pub major: u32,
    environment: Vec<(&'static str, OsString)>,
}

impl Tools {
    /// Returns programs of the version of a private Postgres.
    ///
    /// # Errors
    /// When none are installed. The error names the package.
    pub async fn of_cluster(cluster: &Embedded) -> anyhow::Result<Self> {
        Self::of_url(&cluster.url, cluster.major()).await
    }

    /// Returns programs that fit a server of this version.
    ///
    /// # Errors
    /// When none are installed. The error names the package.
    pub async fn of_url(url: &str, least: u32) -> anyhow::Result<Self> {
        let programs = Programs::clients(least).await?;
        Ok(Self {
            folder: programs.folder,
            major: programs.major,
            environment: Target::parse(url)?.environment(),
        })
    }

    /// Returns the same programs for another database.
    ///
    /// # Errors
    /// When the URL cannot be read.
    pub fn at(&self, url: &str) -> anyhow::Result<Self> {
        Ok(Self {
            folder: self.folder.clone(),
            major: self.major,
            environment: Target::parse(url)?.environment(),
        })
    }

    fn start(&self, program: &str, arguments: &[&str]) -> anyhow::Result<Child> {
        let mut command = Command::new(self.folder.join(program));
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LANG", "C")
            .env("PGCONNECT_TIMEOUT", "10")
            .envs(self.environment.iter().map(|(name, word)| (name, word)))
            .args(arguments)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().with_context(|| {
            format!(
                "running {program} of {} (package 'postgresql-client-{}')",
                self.folder.display(),
                self.major
            )
        })
    }

    /// Dumps the database as a snapshot shows it, in `pg_dump`'s custom format. `take` reads the dump.
    ///
    /// # Errors
    /// When `pg_dump` or `take` fails.
    pub fn dump<T>(
        &self,
        snapshot: &str,
        take: impl FnOnce(&mut (dyn Read + Send)) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let snapshot = format!("--snapshot={snapshot}");
        let arguments = [
            "--format=custom",
            "--no-owner",
            "--no-privileges",
            "--no-password",
            &snapshot,
        ];
        let mut program = self.start("pg_dump", &arguments)?;
        drop(program.stdin.take());
        let said = listen(program.stderr.take());
        let mut out = program.stdout.take().context("a pipe")?;
        let taken = take(&mut out);
        // Whoever reads no more has failed: the program ends as nobody takes what it writes.
        drop(out);
        let status = program.wait().context("waiting for pg_dump")?;
        let taken = taken?;
        if !status.success() {
            bail!("pg_dump failed: {}", words(said));
        }
        Ok(taken)
    }

    /// Restores a dump in one transaction, after these statements. If anything fails, nothing is
    /// changed.
    ///
    /// # Errors
    /// When the dump or the database is not as it should be.
    pub fn restore(&self, dump: &mut (dyn Read + Send), before: &[String]) -> anyhow::Result<()> {
        let mut unpack = self.start("pg_restore", &["--no-owner", "--no-privileges", "--file=-"])?;
        let mut psql = self.start("psql", &["-X", "-q", "-w", "-v", "ON_ERROR_STOP=1"])?;
        let (unpacked_said, said) = (listen(unpack.stderr.take()), listen(psql.stderr.take()));
        let printed = psql.stdout.take().context("a pipe")?;
        std::thread::spawn(move || std::io::copy(&mut { printed }, &mut std::io::sink()));
        let mut packed = unpack.stdin.take().context("a pipe")?;
        let mut script = unpack.stdout.take().context("a pipe")?;
        let mut statements = psql.stdin.take().context("a pipe")?;
        let carried = std::thread::scope(|scope| {
            let feeding = scope.spawn(move || match std::io::copy(dump, &mut packed) {
                // If pg_restore ends early, its exit says why.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
                fed => fed.map(drop),
            });
            let begun = "BEGIN;\nSET LOCAL lock_timeout = '30s';\n";
            let before = before.iter().map(|statement| format!("{statement};\n"));
            let before: String = std::iter::once(begun.to_owned()).chain(before).collect();
            let carried = statements
                .write_all(before.as_bytes())
                .and_then(|()| std::io::copy(&mut script, &mut statements));
            drop(script);
            let fed = feeding.join().unwrap_or(Ok(()));
            carried.map(drop).and(fed)
        });
        let unpacked = unpack.wait().context("waiting for pg_restore")?;
        // Without this word, Postgres undoes everything.
        let committed = match (&carried, unpacked.success()) {
            (Ok(()), true) => statements.write_all(b"\nCOMMIT;\n").is_ok(),
            _ => false,
        };
        drop(statements);
        let status = psql.wait().context("waiting for psql")?;
        if !status.success() {
            bail!("Postgres did not take the dump: {}", words(said));
        }
        if !unpacked.success() {
            bail!("pg_restore cannot read the dump: {}", words(unpacked_said));
        }
        carried.context("passing the dump on to Postgres")?;
        if !committed {
            bail!("Postgres did not take the dump");
        }
        Ok(())
    }
}

/// Collects what a program says about its failure.
fn listen(stderr: Option<ChildStderr>) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(stderr) = stderr {
            let _unreadable = stderr.take(64 * 1024).read_to_end(&mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    })
}

/// Returns the first line that names an error. Further lines may quote what is stored.
fn words(said: JoinHandle<String>) -> String {
    let text = said.join().unwrap_or_default();
    let line = text
        .lines()
        .find(|line| line.to_ascii_lowercase().contains("error"));
    line.or_else(|| text.lines().next())
        .unwrap_or("it does not say why")
        .trim()
        .to_owned()
}
