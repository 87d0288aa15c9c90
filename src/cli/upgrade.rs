//! `outlook-bridge upgrade-postgres`: moves the private Postgres to another major version, after a
//! rehearsal, and with a way back.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Args;
use diesel_async::SimpleAsyncConnection;

use super::site::Site;
use super::start::{Opened, Purpose};
use super::{output, running};
use crate::store::content;
use crate::store::dump::Tools;
use crate::store::embedded::{Embedded, upgrade};
use crate::store::{Connection, Store};

/// What to do.
#[derive(Debug, Args)]
pub struct Wanted {
    /// The major version to move to. Without it: the latest that is installed.
    #[arg(long)]
    to: Option<u32>,
    /// Only try it: fill a new cluster, compare it, and delete it. The service may run meanwhile.
    #[arg(long, conflicts_with_all = ["back", "delete_old"])]
    rehearse: bool,
    /// Take the old cluster back that the last upgrade has put aside. What was stored since is lost, as after a restored backup.
    #[arg(long, conflicts_with_all = ["to", "delete_old"])]
    back: bool,
    /// Delete the clusters that upgrades have put aside.
    #[arg(long, conflicts_with = "to")]
    delete_old: bool,
}

impl Wanted {
    /// Carries out the command.
    ///
    /// # Errors
    /// When the service runs, a version is not installed, or the copy differs. Then nothing is changed.
    pub async fn run(&self, site: &Site) -> anyhow::Result<()> {
        ensure!(
            site.config.database_url.is_none(),
            "this service uses a Postgres of your own (database_url), which is upgraded by its own means. Nothing was done"
        );
        if !self.rehearse {
            site.must_be_stopped()?;
        }
        let data_dir = &site.config.data_dir;
        let forget = || running::forget_database(data_dir).context("forgetting which Postgres was used");
        if self.back {
            forget()?;
            let undone = upgrade::take_back(data_dir)?;
            return output::line(&format!(
                "the old cluster is used again, and the one that was used since is kept in {}. Start the service. For Odoo it is as \
                 if a backup was restored: if anything was exchanged since the upgrade, pair again (docs/ADMIN.md, Restored backups)",
                undone.display()
            ));
        }
        if self.delete_old {
            let deleted = upgrade::delete_kept(data_dir)?;
            return output::line(&format!("{} old cluster(s) deleted", deleted.len()));
        }
        let opened = Opened::open_for(&site.config, Purpose::Use).await?;
        if !self.rehearse {
            forget()?;
        }
        let done = self.move_from(&opened).await;
        // Does nothing after the old cluster was stopped and put aside.
        opened.close().await;
        output::line(&done?)
    }

    async fn move_from(&self, opened: &Opened) -> anyhow::Result<String> {
        let old = opened.embedded.as_ref().context("there is no private Postgres")?;
        if !self.rehearse {
            old.check_alone().await?;
        }
        let second = old.second(self.to).await?;
        let (from, to) = (old.major(), second.major());
        let began = Instant::now();
        let copied = copy(&opened.store, old, &second).await;
        let kept = match copied {
            Ok(rows) if !self.rehearse => old.replace_by(&second).await.map(|kept| (rows, Some(kept))),
            copied => copied.map(|rows| (rows, None)),
        };
        match kept {
            Ok((rows, Some(kept))) => Ok(format!(
                "the private Postgres has version {to} now: {rows} rows were copied from version {from} and compared. The old cluster \
                 is kept in {}. Start the service. If anything is wrong: 'outlook-bridge upgrade-postgres --back'; when all is well: \
                 'outlook-bridge upgrade-postgres --delete-old'",
                kept.display()
            )),
            Ok((rows, None)) => {
                second.discard().await?;
                Ok(format!(
                    "the rehearsal has succeeded: {rows} rows were copied from Postgres {from} to {to} and compared, in {} s. The copy was \
                     deleted. The upgrade takes as long, with the service stopped, and keeps the old data on the disk",
                    began.elapsed().as_secs()
                ))
            }
            Err(error) => {
                second.discard().await?;
                Err(error.context("the private Postgres was not moved. The old cluster is as it was"))
            }
        }
    }
}

/// Copies the database, compares both, and returns the number of rows.
async fn copy(store: &Store, old: &Embedded, second: &Embedded) -> anyhow::Result<i64> {
    let mut conn = store.alone().await?;
    let snapshot = content::freeze(&mut conn).await?;
    let rows = content::rows(&mut conn).await?;
    // The later version's programs read the earlier one's data, not the other way round.
    let new = Tools::of_cluster(second).await?;
    let source = new.at(&old.url)?;
    let progress = output::progress("Copying", None)?;
    tokio::task::block_in_place(|| {
        source.dump(&snapshot, |dump| new.restore(&mut progress.wrap_read(dump), &[]))
    })?;
    progress.finish_and_clear();
    conn.batch_execute("ROLLBACK").await?;
    compare(&rows, &second.url).await?;
    Ok(rows.values().sum())
}

async fn compare(expected: &BTreeMap<&'static str, i64>, url: &str) -> anyhow::Result<()> {
    let mut conn: Connection = Store::new(url, 1)?.alone().await?;
    let copied = content::rows(&mut conn).await?;
    for (table, rows) in expected {
        let found = copied.get(table).copied().unwrap_or_default();
        ensure!(
            found == *rows,
            "the copy differs: {table} has {found} rows instead of {rows}"
        );
    }
    // The planner of the new cluster knows nothing yet.
    conn.batch_execute("ANALYZE").await?;
    Ok(())
}
