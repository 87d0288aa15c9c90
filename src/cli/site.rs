//! Finds the service that a command is about: its settings, its master key and its user. A command
//! works on what the running service works on, as the user that the service runs as, or refuses.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use nix::unistd::Uid;
use secrecy::SecretString;

use super::caller::{Caller, retyped};
use super::running::{self, Found};
use crate::config::{Config, DEFAULT_FILE, ServiceDatabase};
use crate::store::owner;

/// The key file beside the configuration file.
const KEY_FILE: &str = "master.key";

/// The service on this machine, as a command sees it.
pub struct Site {
    pub config: Config,
    pub caller: Caller,
    /// The service, if it runs.
    pub running: Option<Found>,
}

/// Returns the configuration file: the named one, or the usual one if it exists.
///
/// # Errors
/// When somebody else could change the file.
pub fn configuration(named: Option<&Path>) -> anyhow::Result<Option<PathBuf>> {
    // An empty variable means: none.
    let named = named.map(|path| Some(path).filter(|path| !path.as_os_str().is_empty()));
    let usual = || Some(Path::new(DEFAULT_FILE)).filter(|path| path.exists());
    let Some(path) = named.unwrap_or_else(usual) else {
        return Ok(None);
    };
    Ok(Some(std::path::absolute(path).with_context(|| {
        format!("finding the configuration file {}", path.display())
    })?))
}

/// Checks that a configuration file is root's, this user's or the service's, and that others cannot
/// write it: it says where secrets are sent.
///
/// # Errors
/// When it is not. The error says what to do.
pub fn check_configuration(file: Option<&Path>, service: Option<Uid>) -> anyhow::Result<()> {
    // A device, as /dev/null, has no settings.
    let Some((file, metadata)) = file
        .and_then(|file| Some((file, std::fs::metadata(file).ok()?)))
        .filter(|(_, metadata)| metadata.is_file())
    else {
        return Ok(());
    };
    let user = Uid::from_raw(metadata.uid());
    ensure!(
        user.is_root() || user == Uid::effective() || Some(user) == service,
        "the configuration file {} belongs to the user {}, who could change where the service keeps and sends its secrets. Nothing \
         was done. If it is the right file, give it to root: chown root {}",
        file.display(),
        owner::name_of(user),
        file.display()
    );
    ensure!(
        metadata.mode() & 0o002 == 0,
        "the configuration file {} can be changed by everybody. Nothing was done. If it is as it should be: chmod o-w {}",
        file.display(),
        file.display()
    );
    Ok(())
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Site {
    /// Finds the service, and works as its user from now on.
    ///
    /// # Errors
    /// When it cannot be told which service is meant, or this user may not act for it. The error says
    /// what to type.
    pub fn find(named: Option<&Path>) -> anyhow::Result<Self> {
        let file = configuration(named)?;
        let config = load(file.as_deref(), |_| None)?;
        let needs_files = config.database_url.is_none() || config.master_key.is_none();
        let running = match look(&config) {
            Ok(running) => running,
            Err(error) if needs_files => return Err(error),
            // With `database_url` and `master_key` configured, no file of the service is needed.
            Err(_) => None,
        };
        let user = match &running {
            Some(found) => Some(found.user),
            None => user_of_files(&config.data_dir),
        };
        check_configuration(file.as_deref(), user)?;
        let me = Uid::effective();
        let is_another = user.is_some_and(|user| user != me);
        if is_another && !me.is_root() {
            if needs_files {
                bail!(for_others(user));
            }
            return Ok(Self {
                config,
                caller: Caller::itself(),
                running: None,
            });
        }
        // What only root reads comes before it works as the service's user.
        let spare_key = if me.is_root() {
            spare_key(file.as_deref())
        } else {
            None
        };
        let environment = running.as_ref().map(environment_of).transpose()?;
        let caller = match user.filter(|_| is_another) {
            Some(user) => Caller::working_as(user)?,
            None => Caller::itself(),
        };
        let config = match running.as_ref().zip(environment) {
            Some((found, environment)) => as_started(found, &environment, named.and(file.as_deref()))?,
            None => config,
        };
        Ok(Self::new(config, caller, running, spare_key))
    }

    fn new(
        mut config: Config,
        caller: Caller,
        running: Option<Found>,
        spare_key: Option<(PathBuf, SecretString)>,
    ) -> Self {
        config.found.spare_key = spare_key;
        let identity = match &running {
            Some(found) => found.running.database.clone(),
            None => running::last_database(&config.data_dir),
        };
        config.found.service = identity.map(|identity| ServiceDatabase {
            identity,
            running: running.as_ref().map(Found::words),
        });
        Self {
            config,
            caller,
            running,
        }
    }

    /// Refuses while the service runs.
    ///
    /// # Errors
    /// When it runs. The error says how to stop it.
    pub fn must_be_stopped(&self) -> anyhow::Result<()> {
        if let Some(found) = &self.running {
            bail!(
                "the service is running ({}). Nothing was done. Stop it first: systemctl stop outlook-bridge",
                found.words()
            );
        }
        Ok(())
    }
}

/// Reads the settings; a variable of this process comes before one of the service's.
fn load(file: Option<&Path>, service: impl Fn(&str) -> Option<String>) -> anyhow::Result<Config> {
    let loaded = Config::load(file, |name| variable(name).or_else(|| service(name)));
    loaded.map_err(|error| {
        let is_denied = |cause: &std::io::Error| cause.kind() == ErrorKind::PermissionDenied;
        match error.downcast_ref::<std::io::Error>() {
            Some(cause) if is_denied(cause) && !Uid::effective().is_root() => error.context(for_others(None)),
            _ => error,
        }
    })
}

/// Returns the service that runs with these settings' data directory.
fn look(config: &Config) -> anyhow::Result<Option<Found>> {
    let mut folders = vec![config.data_dir.clone()];
    // The service may have been started with another data directory than is known here.
    let is_named = config
        .found
        .file
        .as_deref()
        .is_some_and(|file| file != Path::new(DEFAULT_FILE));
    if !is_named && variable("OUTLOOK_BRIDGE_DATA_DIR").is_none() {
        folders.push(running::RUNTIME.into());
    }
    for folder in folders {
        match running::find(&folder) {
            Ok(found) => {
                if let Some(first) = found.into_iter().next() {
                    return Ok(Some(first));
                }
            }
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                bail!(for_others(user_of_files(&folder)))
            }
            // A data directory that is no directory is told when it is needed.
            Err(error) if error.kind() == ErrorKind::NotADirectory => {}
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("looking for the service in {}", folder.display()));
            }
        }
    }
    Ok(None)
}

/// Returns the environment that a service was started with, as far as it is settings.
fn environment_of(found: &Found) -> anyhow::Result<BTreeMap<String, String>> {
    let environment = found
        .environment()
        .with_context(|| format!("looking at the running service ({})", found.words()))?;
    Ok(environment.unwrap_or_default().into_iter().collect())
}

/// Returns the settings that a service was started with. What this process names itself comes first:
/// the database is compared with the service's later.
fn as_started(
    found: &Found,
    environment: &BTreeMap<String, String>,
    named: Option<&Path>,
) -> anyhow::Result<Config> {
    let file = named.or(found.running.config.as_deref());
    load(file, |name| environment.get(name).cloned())
        .with_context(|| format!("in the settings of the running service ({})", found.words()))
}

/// Returns the user whose service keeps its files in a data directory; `None` without such files.
fn user_of_files(data_dir: &Path) -> Option<Uid> {
    let owner = |path: PathBuf| std::fs::symlink_metadata(path).ok().map(|found| found.uid());
    let of_folder = owner(data_dir.to_owned());
    let first = owner(data_dir.join("postgres"))
        .or_else(|| of_folder.filter(|user| *user != 0))
        .or_else(|| owner(data_dir.join(KEY_FILE)));
    first.or(of_folder).map(Uid::from_raw)
}

/// Returns the key file beside the configuration file, if it is root's.
fn spare_key(file: Option<&Path>) -> Option<(PathBuf, SecretString)> {
    let folder = file.unwrap_or(Path::new(DEFAULT_FILE)).parent()?;
    let path = folder.join(KEY_FILE);
    let is_roots = |path: &Path| std::fs::symlink_metadata(path).is_ok_and(|found| found.uid() == 0);
    if !is_roots(folder) || !is_roots(&path) {
        return None;
    }
    let text = std::fs::read_to_string(&path).ok()?;
    Some((path, SecretString::from(text.trim().to_owned())))
}

/// Says what a user has to type who may not act for the service.
fn for_others(user: Option<Uid>) -> String {
    let whose = user.map_or_else(
        || "another user".to_owned(),
        |user| format!("the user {}", owner::name_of(user)),
    );
    format!(
        "the service here is that of {whose}, and only that user and root may act for it. Nothing was done. Type: {}",
        retyped("sudo ")
    )
}
