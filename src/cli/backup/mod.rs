//! `outlook-bridge backup` and `outlook-bridge restore`.

mod archive;
pub mod restore;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use chrono::Utc;
use diesel::QueryableByName;
use diesel::sql_types::BigInt;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use secrecy::{ExposeSecret, SecretString};

use super::caller::Caller;
use super::master_key::{self, MasterKey};
use super::output;
use super::site::Site;
use super::start::Opened;
use crate::store::Connection;
use crate::store::content::{self, Content};
use crate::store::dump::Tools;
use crate::store::seal::Sealer;
use archive::Manifest;

#[derive(QueryableByName)]
struct Numbers {
    #[diesel(sql_type = BigInt)]
    databases: i64,
    #[diesel(sql_type = BigInt)]
    mailboxes: i64,
    #[diesel(sql_type = BigInt)]
    meetings: i64,
}

/// Writes a backup of the service's database, without the master key. If `key_file` is given, the
/// key is written there.
///
/// # Errors
/// When one of the files exists or cannot be written, or the dump fails. Then no file is left.
pub async fn backup(
    site: &Site,
    opened: &Opened,
    file: &Path,
    key_file: Option<&Path>,
) -> anyhow::Result<()> {
    let mut conn = opened.store.alone().await?;
    let snapshot = content::freeze(&mut conn).await?;
    let key = master_key::fitting(&site.config, &mut conn).await?;
    let mut written = Unfinished::create(site.caller, file)?;
    // Before the dump, which may take long.
    let key_written = key_file
        .map(|key_file| write_key(site.caller, key_file, &key.text))
        .transpose()?;
    let tools = postgres_tools(site, opened, &mut conn).await?;
    let manifest = describe(&mut conn, &tools, &key).await?;
    let progress = output::progress("Writing the backup", None)?;
    let length = tokio::task::block_in_place(|| {
        tools.dump(&snapshot, |dump| {
            archive::write(&mut written.file, &manifest, &mut progress.wrap_read(dump))
        })
    })?;
    progress.finish_and_clear();
    conn.batch_execute("ROLLBACK").await?;
    written.finish()?;
    if let Some(key_written) = key_written {
        key_written.finish()?;
    }
    output::line(&format!(
        "{}: backup of {} database(s), {} mailbox(es) and {} meeting(s), {:.1} MB",
        file.display(),
        manifest.databases,
        manifest.mailboxes,
        manifest.meetings,
        length as f64 / 1e6
    ))?;
    let place = key_file.map_or_else(|| key.place.clone(), |file| file.display().to_string());
    output::line(&format!(
        "The master key (id {}) is not in it. Without the key nobody can use the tokens and client secrets in the backup, and all users \
         would have to log in again: keep a copy of {place} in another place than the backup. What is in the calendars can be read \
         without it.",
        manifest.key_id
    ))
}

/// Returns the programs that dump and restore the service's database.
async fn postgres_tools(site: &Site, opened: &Opened, conn: &mut Connection) -> anyhow::Result<Tools> {
    match (&opened.embedded, &site.config.database_url) {
        (Some(cluster), _) => Tools::of_cluster(cluster).await,
        (None, Some(url)) => {
            let major = content::server_major(conn).await?;
            Tools::of_url(url.expose_secret(), major).await
        }
        (None, None) => anyhow::bail!("no database is configured"),
    }
}

async fn describe(conn: &mut Connection, tools: &Tools, key: &MasterKey) -> anyhow::Result<Manifest> {
    let Content::Own(schema) = content::of(conn).await? else {
        anyhow::bail!("this is no database of outlook-bridge");
    };
    let numbers: Numbers = diesel::sql_query(
        "SELECT (SELECT count(*) FROM databases) AS databases, (SELECT count(*) FROM accounts) AS mailboxes,
                (SELECT count(*) FROM meetings) AS meetings",
    )
    .get_result(conn)
    .await?;
    let marker = Sealer::marker(conn).await?;
    Ok(Manifest {
        program: Manifest::PROGRAM.to_owned(),
        form: Manifest::FORM,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        made_at: Utc::now(),
        postgres: content::server_major(conn).await?,
        pg_dump: tools.major,
        schema: schema.applied,
        key_id: key.sealer.ids().into_iter().next().context("no master key")?,
        seal_check: hex::encode(marker),
        databases: numbers.databases,
        mailboxes: numbers.mailboxes,
        meetings: numbers.meetings,
    })
}

fn write_key(caller: Caller, path: &Path, key: &SecretString) -> anyhow::Result<Unfinished> {
    let mut written = Unfinished::create(caller, path)?;
    written
        .file
        .write_all(format!("{}\n", key.expose_secret()).as_bytes())
        .with_context(|| format!("writing {}", path.display()))?;
    Ok(written)
}

/// A file of whoever has typed the command, which gets its name when it is complete. Until then,
/// dropping this value removes it.
struct Unfinished {
    caller: Caller,
    file: File,
    unfinished: PathBuf,
    path: PathBuf,
}

impl Unfinished {
    fn create(caller: Caller, path: &Path) -> anyhow::Result<Self> {
        let creating = || format!("creating {}", path.display());
        let path = std::path::absolute(path).with_context(creating)?;
        let mut name = path.file_name().with_context(creating)?.to_owned();
        name.push(format!(".unfinished-{}", std::process::id()));
        let unfinished = path.with_file_name(name);
        let file = caller.do_as_caller(|| {
            ensure!(
                std::fs::symlink_metadata(&path).is_err(),
                "{} exists already. Nothing was done. Choose another name",
                path.display()
            );
            let mut options = OpenOptions::new();
            options.read(true).write(true).create_new(true).mode(0o600);
            options.open(&unfinished).with_context(creating)
        })?;
        Ok(Self {
            caller,
            file,
            unfinished,
            path,
        })
    }

    fn finish(self) -> anyhow::Result<()> {
        let finishing = || format!("finishing {}", self.path.display());
        self.file.sync_all().with_context(finishing)?;
        self.caller
            .do_as_caller(|| std::fs::rename(&self.unfinished, &self.path).with_context(finishing))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After it was finished, there is nothing of this name.
        let _gone = self
            .caller
            .do_as_caller(|| Ok(std::fs::remove_file(&self.unfinished)?));
    }
}
