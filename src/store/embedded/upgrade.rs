//! Moves the data of a private Postgres to a new cluster, of another major version. The new one is
//! filled from a dump while the old one is not touched; then the two folders change places, and
//! the old one is kept until somebody deletes it.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use chrono::Utc;

use super::places::Places;
use super::programs::Programs;
use super::{DATABASE, Embedded, made_by, share, url};

/// How the folder of a cluster begins that an upgrade has put aside.
const KEPT: &str = "before-upgrade-";
/// How the folder of a cluster begins that was taken back.
const UNDONE: &str = "undone-upgrade-";

impl Embedded {
    /// Makes a second, empty cluster beside this one and starts it. What an interrupted attempt has
    /// left is removed.
    ///
    /// # Errors
    /// When the programs of this version are not installed, or the cluster does not start.
    pub async fn second(&self, major: Option<u32>) -> anyhow::Result<Self> {
        let programs = Programs::of_version(major).await?;
        ensure!(
            major.is_some() || programs.major > self.programs.major,
            "the private Postgres has version {}, and no later one is installed on this machine. Nothing was done. Install one first \
             (package 'postgresql-<version>'), or name a version with --to",
            self.programs.major
        );
        ensure!(
            programs.major >= self.programs.major,
            "the private Postgres has version {}: its data cannot be moved to the earlier version {}. Nothing was done",
            self.programs.major,
            programs.major
        );
        let places = self.places.second()?;
        let users = places.open("users.new.lock")?;
        share(&users).await?;
        let mut second = Self {
            programs,
            started: false,
            users,
            url: url(&places, DATABASE),
            places,
        };
        let arguments = second.access()?;
        if second.is_running(None).await {
            second.halt(None).await?;
        }
        remove(&second.places.data)?;
        second.places.make_data()?;
        second.init().await?;
        second.started = second.launch(&arguments).await?;
        if let Err(error) = second.create_database().await {
            second.discard().await?;
            return Err(error).context("making the database of the new cluster");
        }
        Ok(second)
    }

    /// Stops a second cluster and removes it.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub async fn discard(self) -> anyhow::Result<()> {
        self.stop().await;
        remove(&self.places.data)?;
        let _leftovers = std::fs::remove_dir_all(&self.places.sockets);
        Ok(())
    }

    /// Checks that no other process uses this cluster.
    ///
    /// # Errors
    /// When one does.
    pub async fn check_alone(&self) -> anyhow::Result<()> {
        let is_used = matches!(self.users.try_lock(), Err(TryLockError::WouldBlock));
        share(&self.users).await?;
        ensure!(
            !is_used,
            "another process uses the private Postgres: stop the service first. Nothing was changed"
        );
        Ok(())
    }

    /// Puts a second cluster in the place of this one; returns the folder of the old one. Neither runs
    /// afterwards.
    ///
    /// # Errors
    /// When another process uses this one, or the folders cannot be renamed. Then this one stays.
    pub async fn replace_by(&self, second: &Self) -> anyhow::Result<PathBuf> {
        self.check_alone().await?;
        second.halt(None).await?;
        if let Err(TryLockError::WouldBlock) = self.users.try_lock() {
            bail!("another process has begun to use the private Postgres. Nothing was changed");
        }
        self.halt(None).await?;
        let kept = swap(&self.places, &second.places.data, KEPT)?;
        let _leftovers = std::fs::remove_dir_all(&second.places.sockets);
        Ok(kept)
    }
}

/// Takes the cluster back that the last upgrade has put aside; returns the folder of the one that
/// was used since. Neither may run.
///
/// # Errors
/// When there is none, or a cluster is in use.
pub fn take_back(data_dir: &Path) -> anyhow::Result<PathBuf> {
    let places = Places::of(data_dir)?;
    let _alone = lock(&places)?;
    let Some(last) = kept(&places.home)?.pop() else {
        bail!(
            "no cluster was put aside by an upgrade in {}. Nothing was done",
            places.home.display()
        );
    };
    swap(&places, &last, UNDONE)
}

/// Deletes the clusters that upgrades have put aside; returns their folders.
///
/// # Errors
/// When one cannot be deleted, or there is no present cluster.
pub fn delete_kept(data_dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let places = Places::of(data_dir)?;
    ensure!(
        places.has_cluster()?,
        "there is no cluster in {}, so the ones that were put aside are kept. Nothing was done",
        places.data.display()
    );
    let mut folders = kept(&places.home)?;
    folders.extend(beginning(&places.home, UNDONE)?);
    for folder in &folders {
        remove(folder)?;
    }
    Ok(folders)
}

/// Returns the folders of the clusters that upgrades have put aside, the latest last.
///
/// # Errors
/// When the folder cannot be read.
pub fn kept(home: &Path) -> anyhow::Result<Vec<PathBuf>> {
    beginning(home, KEPT)
}

fn beginning(home: &Path, prefix: &str) -> anyhow::Result<Vec<PathBuf>> {
    let reading = || format!("reading {}", home.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(home).with_context(reading)? {
        let entry = entry.with_context(reading)?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Locks the cluster of which nobody else may be a user.
fn lock(places: &Places) -> anyhow::Result<File> {
    let users = places.open("users.lock")?;
    match users.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            bail!("a process uses the private Postgres: stop the service first. Nothing was done")
        }
        Err(TryLockError::Error(error)) => return Err(error).context("locking the private Postgres"),
    }
    ensure!(
        !places.data.join("postmaster.pid").exists(),
        "the private Postgres in {} runs, or was killed: start the service and stop it, then try again. Nothing was done",
        places.data.display()
    );
    Ok(users)
}

/// Puts the present cluster aside and another one in its place.
fn swap(places: &Places, other: &Path, prefix: &str) -> anyhow::Result<PathBuf> {
    let major = made_by(&places.data)?.map_or_else(|| "none".to_owned(), |major| major.to_string());
    let name = format!(
        "{prefix}{}-postgres-{major}",
        Utc::now().format("%Y%m%dT%H%M%S%3f")
    );
    let aside = places.home.join(name);
    let renaming = || format!("renaming {}", places.data.display());
    let is_there = places.has_cluster()?;
    if is_there {
        std::fs::rename(&places.data, &aside).with_context(renaming)?;
    } else {
        // An empty folder, as a start that failed has left it.
        let _missing = std::fs::remove_dir(&places.data);
    }
    if let Err(error) = std::fs::rename(other, &places.data) {
        if is_there {
            std::fs::rename(&aside, &places.data).with_context(renaming)?;
        }
        return Err(error).with_context(|| format!("renaming {}. Nothing was changed", other.display()));
    }
    Ok(aside)
}

/// Removes a folder that may be missing.
fn remove(folder: &Path) -> anyhow::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", folder.display()))
        }
        _ => Ok(()),
    }
}
