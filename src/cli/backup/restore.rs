//! `outlook-bridge restore`.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use diesel::QueryableByName;
use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl;
use secrecy::SecretString;

use super::archive::{Archive, Manifest};
use super::postgres_tools;
use crate::cli::keys::reseal;
use crate::cli::master_key::{self, MasterKey};
use crate::cli::output;
use crate::cli::site::Site;
use crate::cli::start::{Opened, Purpose};
use crate::store::content::{self, Content};
use crate::store::seal::Sealer;
use crate::store::{Connection, api_keys, databases};

/// What is restored, and how.
pub struct Wanted<'a> {
    pub file: &'a Path,
    /// The master key that was kept with the backup, if it is another one than the service's.
    pub key_file: Option<&'a Path>,
    /// Whether paired databases may be replaced.
    pub replace: bool,
}

/// Replaces the content of the service's database by that of a backup. Secrets are sealed with the
/// service's own key.
///
/// # Errors
/// When the service runs, the backup does not fit, or the database is in use or not empty. Nothing is
/// changed then.
pub async fn run(site: &Site, wanted: &Wanted<'_>) -> anyhow::Result<()> {
    site.must_be_stopped()?;
    let checked = check(site, wanted)?;
    let opened = Opened::open_for(&site.config, Purpose::Restore).await?;
    let done = restore(site, &opened, checked, wanted).await;
    opened.close().await;
    done
}

/// A backup that was checked, and the key with which it was sealed.
struct Checked {
    archive: Archive,
    key: Option<MasterKey>,
}

/// Reads a backup and its key, before anything else is done.
fn check(site: &Site, wanted: &Wanted<'_>) -> anyhow::Result<Checked> {
    let opening = |path: &Path| File::open(path).with_context(|| format!("opening {}", path.display()));
    let file = site.caller.do_as_caller(|| opening(wanted.file))?;
    let archive = tokio::task::block_in_place(|| Archive::check(file))
        .with_context(|| wanted.file.display().to_string())?;
    let known = content::known_versions()?;
    let unknown = archive
        .manifest
        .schema
        .iter()
        .filter(|step| !known.contains(step));
    ensure!(
        unknown.count() == 0,
        "{}: this backup was made by a later version of outlook-bridge ({}) than this one ({}). Nothing was done. Install that \
         version first",
        wanted.file.display(),
        archive.manifest.version,
        env!("CARGO_PKG_VERSION")
    );
    let key = match wanted.key_file {
        Some(path) => {
            let reading = || format!("reading {}", path.display());
            let text = site
                .caller
                .do_as_caller(|| std::fs::read_to_string(path).with_context(reading))?;
            let text = SecretString::from(text.trim().to_owned());
            Some(MasterKey::parse(&text, path.display().to_string())?)
        }
        None => None,
    };
    Ok(Checked { archive, key })
}

async fn restore(site: &Site, opened: &Opened, checked: Checked, wanted: &Wanted<'_>) -> anyhow::Result<()> {
    let Checked { mut archive, key } = checked;
    let mut conn = opened.store.get().await?;
    let own = master_key::own(&site.config, &mut conn).await?;
    let sealer = match key {
        Some(key) => own.sealer.with(key.sealer),
        None => own.sealer,
    };
    check_key(&archive.manifest, &sealer)?;
    let tools = postgres_tools(site, opened, &mut conn).await?;
    let server = content::server_major(&mut conn).await?;
    check_postgres(&archive.manifest, server, tools.major)?;
    let before = check_target(&mut conn, wanted.replace).await?;
    let progress = output::progress("Restoring the backup", Some(archive.dump_length()))?;
    tokio::task::block_in_place(|| tools.restore(&mut progress.wrap_read(archive.dump()?), &before))?;
    progress.finish_and_clear();
    let again = "The backup is in the database, but is not ready yet. Restore it once more, with --replace";
    opened.store.migrate().await.context(again)?;
    reseal(&mut conn, &sealer).await.context(again)?;
    // A key of the backup may have been revoked since, or its user may have left.
    let ended = api_keys::revoke_everywhere(&mut conn).await.context(again)?;
    if ended > 0 {
        output::line(&format!(
            "{ended} keys of other programs are not valid any more, as they may have been revoked after the backup. Make those \
             that are needed again: outlook-bridge keys create"
        ))?;
    }
    tell(&mut conn, &archive.manifest).await
}

fn check_key(manifest: &Manifest, sealer: &Sealer) -> anyhow::Result<()> {
    let marker = hex::decode(&manifest.seal_check).context("the backup does not say how it was sealed")?;
    if sealer.verify_marker(&marker).is_err() {
        bail!(
            "the secrets in this backup were sealed with another master key (id {}) than the given ones (id {}). Nothing was done. Pass \
             the key that was kept for this backup: --key-file <file>",
            manifest.key_id,
            sealer.ids().join(", ")
        );
    }
    Ok(())
}

fn check_postgres(manifest: &Manifest, server: u32, tools: u32) -> anyhow::Result<()> {
    let needed = manifest.postgres.max(manifest.pg_dump);
    ensure!(
        server >= manifest.postgres && tools >= manifest.pg_dump,
        "this backup was made with Postgres {needed}, and here is Postgres {server} (programs of {tools}). Nothing was done. Restore it \
         with Postgres {needed} or later (package 'postgresql-{needed}')"
    );
    Ok(())
}

/// Returns the statements that make room for the backup.
async fn check_target(conn: &mut Connection, replace: bool) -> anyhow::Result<Vec<String>> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let others = content::other_sessions(conn).await?;
    ensure!(
        others == 0,
        "{others} other session(s) use this database. Nothing was done. Stop every process of the service first"
    );
    match content::of(conn).await? {
        Content::Nothing => return Ok(Vec::new()),
        Content::Foreign(table) => bail!(
            "this is no database of outlook-bridge: it holds other tables ('{table}', …). Nothing was done"
        ),
        Content::Own(_) => {}
    }
    let paired: Count = diesel::sql_query("SELECT count(*) AS count FROM databases")
        .get_result(conn)
        .await?;
    ensure!(
        paired.count == 0 || replace,
        "this service knows {} database(s) already, and the backup would replace all that is kept about them. Nothing was done. Make a \
         backup of them first; then add --replace",
        paired.count
    );
    Ok(content::removal(conn).await?)
}

/// Says what was restored, and what comes next.
async fn tell(conn: &mut Connection, manifest: &Manifest) -> anyhow::Result<()> {
    output::line(&format!(
        "restored {} database(s), {} mailbox(es) and {} meeting(s), as they were on {}",
        manifest.databases,
        manifest.mailboxes,
        manifest.meetings,
        manifest.made_at.format("%F %T UTC")
    ))?;
    output::line(
        "Start the service now: systemctl start outlook-bridge. It works on no mailbox before Odoo has called it. If Odoo has exchanged \
         anything since the backup was made, it is refused at its first call ('quarantined' in its settings). Then pair it again: both \
         calendars are compared, what Odoo has lost comes back from Outlook, and nobody is mailed. For each database:",
    )?;
    for database in databases::all(conn).await? {
        output::line(&format!(
            "  {} ({}): sudo outlook-bridge enroll; if Odoo has lost its key: sudo outlook-bridge enroll --again {}",
            database.name, database.base_url, database.uuid
        ))?;
    }
    Ok(())
}
