//! What a running service says about itself, so that commands find it and know its database. It is
//! a file without secrets, which the service keeps locked for as long as it runs.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::{DateTime, Utc};
use nix::fcntl::OFlag;
use nix::unistd::Uid;
use serde::{Deserialize, Serialize};

use crate::store::owner;

/// The folder of these files, in the data directory and in systemd's runtime directory.
pub const FOLDER: &str = "running";
/// The file in the data directory that says which database the service worked on last.
const LAST_DATABASE: &str = "last-database";
/// Where the packaged unit's runtime directory is.
pub const RUNTIME: &str = "/run/outlook-bridge";
/// No such file is longer.
const LONGEST: u64 = 64 * 1024;

/// A running service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    pub pid: u32,
    /// When the process began, in the kernel's ticks: tells it from a later one with its number.
    pub began: u64,
    pub since: DateTime<Utc>,
    pub version: String,
    /// The configuration file.
    pub config: Option<PathBuf>,
    pub data_dir: PathBuf,
    pub listen: String,
    /// Whether it runs a Postgres of its own.
    pub private_postgres: bool,
    /// See [`crate::store::content::identity`].
    pub database: Option<String>,
}

/// A running service that was found, and the user it runs as.
#[derive(Clone, Debug)]
pub struct Found {
    pub running: Running,
    pub user: Uid,
}

impl Found {
    /// Returns the service in words.
    pub fn words(&self) -> String {
        format!(
            "process {}, user {}, since {}",
            self.running.pid,
            owner::name_of(self.user),
            self.running.since.format("%F %T UTC")
        )
    }

    /// Returns the settings with which the service was started, from its environment. `None` if its
    /// process cannot be seen from here, as that of another container.
    ///
    /// # Errors
    /// When the process is there and may not be looked at.
    pub fn environment(&self) -> std::io::Result<Option<Vec<(String, String)>>> {
        let pid = self.running.pid;
        // Another user's process is never looked at for this one.
        if began(pid) != Some(self.running.began) || user_of(pid) != Some(self.user) {
            return Ok(None);
        }
        let bytes = std::fs::read(format!("/proc/{pid}/environ"))?;
        let settings = bytes
            .split(|byte| *byte == 0)
            .filter_map(|entry| std::str::from_utf8(entry).ok()?.split_once('='))
            .filter(|(name, _)| name.starts_with("OUTLOOK_BRIDGE_") || *name == "CREDENTIALS_DIRECTORY")
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Ok(Some(settings))
    }
}

/// The files of this process; dropping this value removes them.
#[derive(Default)]
pub struct Announced(Vec<(PathBuf, File)>);

impl Drop for Announced {
    fn drop(&mut self) {
        for (path, _) in &self.0 {
            let _gone = std::fs::remove_file(path);
        }
    }
}

/// Says in each of these folders that this process runs. A folder that does not exist, or that is
/// not writable, is left out: the service works without.
pub fn announce(running: &Running, name: &str, folders: &[PathBuf]) -> Announced {
    let mut announced = Announced::default();
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        match write(running, name, &folder.join(FOLDER)) {
            Ok(written) => announced.0.push(written),
            Err(error) => tracing::warn!(
                error = format!("{error:#}"),
                "commands may not find this service, as it cannot say in its folder that it runs"
            ),
        }
    }
    announced
}

fn write(running: &Running, name: &str, folder: &Path) -> anyhow::Result<(PathBuf, File)> {
    match std::fs::DirBuilder::new().mode(0o755).create(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            return Err(error).with_context(|| format!("making {}", folder.display()));
        }
        _ => {}
    }
    remove_stale(folder);
    let path = folder.join(format!("{name}.json"));
    let writing = || format!("writing {}", path.display());
    // Nobody sees it before it is locked and complete.
    let hidden = folder.join(format!(".{name}"));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(&hidden)
        .with_context(writing)?;
    let written = file
        .try_lock()
        .map_err(|error| anyhow::anyhow!("{error}"))
        .and_then(|()| Ok(file.write_all(&serde_json::to_vec(running)?)?))
        .and_then(|()| Ok(std::fs::rename(&hidden, &path)?));
    if let Err(error) = written {
        let _gone = std::fs::remove_file(&hidden);
        return Err(error).with_context(writing);
    }
    Ok((path, file))
}

/// Says in the data directory which database the service works on, also for when it is stopped. A
/// folder that does not exist, or that is not writable, is left out.
pub fn remember_database(data_dir: &Path, identity: &str) {
    if !data_dir.is_dir() || last_database(data_dir).as_deref() == Some(identity) {
        return;
    }
    let path = data_dir.join(LAST_DATABASE);
    let hidden = data_dir.join(format!(".{LAST_DATABASE}"));
    let written =
        std::fs::write(&hidden, format!("{identity}\n")).and_then(|()| std::fs::rename(&hidden, &path));
    if let Err(error) = written {
        tracing::warn!(
            %error,
            "commands may not know this service's database while it is stopped, as it cannot write {}",
            path.display()
        );
    }
}

/// Forgets it, as the private Postgres becomes another one.
///
/// # Errors
/// When the file cannot be removed.
pub fn forget_database(data_dir: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(data_dir.join(LAST_DATABASE)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Returns the database that the service with this data directory worked on last, if that is known.
pub fn last_database(data_dir: &Path) -> Option<String> {
    let mut text = String::new();
    let (file, _) = open(&data_dir.join(LAST_DATABASE)).ok()?;
    file.take(LONGEST).read_to_string(&mut text).ok()?;
    Some(text.trim().to_owned()).filter(|identity| !identity.is_empty())
}

/// Removes what processes have left that were killed.
fn remove_stale(folder: &Path) {
    for path in files(folder).unwrap_or_default() {
        if let Ok((file, _)) = open(&path)
            && file.try_lock().is_ok()
        {
            let _gone = std::fs::remove_file(&path);
        }
    }
}

fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    Ok(paths
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect())
}

/// Opens such a file; returns it with its owner. Does not follow a link.
fn open(path: &Path) -> std::io::Result<(File, Uid)> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(ErrorKind::InvalidInput.into());
    }
    Ok((file, Uid::from_raw(metadata.uid())))
}

/// Returns the services that run now and say so below this directory, the longest running first.
///
/// # Errors
/// When the folder may not be read.
pub fn find(directory: &Path) -> std::io::Result<Vec<Found>> {
    let mut found = Vec::new();
    let folder = directory.join(FOLDER);
    let owner = std::fs::symlink_metadata(&folder).ok().map(|folder| folder.uid());
    for path in files(&folder)? {
        let Ok((file, user)) = open(&path) else {
            continue;
        };
        // A service makes both.
        if owner != Some(user.as_raw()) {
            continue;
        }
        // The service holds the lock, so whoever gets it looks at what a killed one has left.
        if !matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)) {
            continue;
        }
        let mut text = String::new();
        let read = file.take(LONGEST).read_to_string(&mut text);
        if let Some(running) = read.ok().and_then(|_| serde_json::from_str(&text).ok()) {
            found.push(Found { running, user });
        }
    }
    found.sort_by_key(|found| found.running.since);
    Ok(found)
}

/// Returns when a process began, in the kernel's ticks.
pub fn began(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it, in brackets, may contain anything.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}

/// Returns the user that a process runs as.
fn user_of(pid: u32) -> Option<Uid> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    let effective = line.split_whitespace().nth(1)?;
    Some(Uid::from_raw(effective.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running() -> Running {
        let pid = std::process::id();
        Running {
            pid,
            began: began(pid).unwrap(),
            since: DateTime::UNIX_EPOCH,
            version: "0".to_owned(),
            config: None,
            data_dir: "/data".into(),
            listen: "127.0.0.1:1".to_owned(),
            private_postgres: true,
            database: Some("1/2".to_owned()),
        }
    }

    #[test]
    fn a_service_is_found_for_as_long_as_it_runs() {
        let dir = tempfile::tempdir().unwrap();
        let (here, missing) = (dir.path().to_owned(), dir.path().join("missing"));
        assert!(find(&here).unwrap().is_empty());
        let announced = announce(&running(), "a", &[here.clone(), missing.clone()]);
        let found = find(&here).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((&found[0].running, found[0].user), (&running(), Uid::effective()));
        assert!(found[0].environment().unwrap().is_some());
        drop(announced);
        assert!(find(&here).unwrap().is_empty() && !missing.exists());
    }

    #[test]
    fn what_a_killed_service_has_left_is_no_service_and_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join(FOLDER);
        std::fs::create_dir(&folder).unwrap();
        let stale = folder.join("stale.json");
        std::fs::write(&stale, serde_json::to_vec(&running()).unwrap()).unwrap();
        assert!(find(dir.path()).unwrap().is_empty());
        let _announced = announce(&running(), "b", &[dir.path().to_owned()]);
        assert!(!stale.exists());
        assert_eq!(find(dir.path()).unwrap().len(), 1);
    }

    #[test]
    fn a_later_process_with_the_same_number_is_not_looked_at() {
        let mut other = Found {
            running: running(),
            user: Uid::effective(),
        };
        other.running.began += 1;
        assert_eq!(other.environment().unwrap(), None);
    }
}
