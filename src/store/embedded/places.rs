//! Ownership of the private Postgres' files, when the service runs as root and Postgres as another
//! user.
//!
//! **Invariant:** root uses no path that the user of Postgres could redirect: `postgres/` belongs
//! to the service, and only what is below it to that user.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown, lchown};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use nix::fcntl::OFlag;
use nix::unistd::{Gid, Uid, User};

use crate::store::{owner, seal};

/// The user that Postgres runs as when the service runs as root, as Postgres refuses to run as
/// root. Nothing else may run as this user, as it owns the database.
const OWN_USER: &str = "outlook-bridge";
/// A Unix socket's path may have about 107 characters.
const LONGEST_NEAR: usize = 80;

/// A user and its group.
pub type Owner = (Uid, Gid);

/// The paths of a private Postgres.
pub struct Places {
    /// Belongs to the service.
    pub home: PathBuf,
    pub data: PathBuf,
    pub sockets: PathBuf,
    pub log: PathBuf,
    /// The user that Postgres runs as; `None` for the service's user.
    pub run_as: Option<Owner>,
}

impl Places {
    /// Makes the missing directories.
    ///
    /// # Errors
    /// When a path belongs to another user or cannot be made. The error says what to do.
    pub fn prepare(data_dir: &Path) -> anyhow::Result<Self> {
        let is_root = Uid::effective().is_root();
        let run_as = if is_root { Some(own_user()?) } else { None };
        let plain = |c: char| !c.is_control() && !"'\"`$\\,".contains(c);
        ensure!(
            data_dir.to_string_lossy().chars().all(plain),
            "the data directory's name has a character that Postgres cannot be told: {}",
            data_dir.display()
        );
        owner::check(data_dir)?;
        let data_dir = &std::path::absolute(data_dir)?;
        let home = data_dir.join("postgres");
        let service = is_root.then(|| (Uid::effective(), Gid::effective()));
        make_dir(&home, if is_root { 0o711 } else { 0o700 }, service)?;
        if let Some((uid, _)) = run_as {
            check_way(&home, uid)?;
        }
        let places = Self {
            data: home.join("data"),
            sockets: sockets(&home)?,
            log: home.join("postgres.log"),
            home,
            run_as,
        };
        make_dir(&places.sockets, 0o700, run_as)?;
        let log = places.open("postgres.log")?;
        if let Some((uid, gid)) = run_as {
            std::os::unix::fs::fchown(&log, Some(uid.as_raw()), Some(gid.as_raw()))
                .with_context(|| format!("giving {} to the user of Postgres", places.log.display()))?;
        }
        Ok(places)
    }

    /// Returns the paths of what a service of this user has made.
    ///
    /// # Errors
    /// When there is nothing, or it is another user's. The error says what to do.
    pub fn of(data_dir: &Path) -> anyhow::Result<Self> {
        let data_dir = &std::path::absolute(data_dir)?;
        let home = data_dir.join("postgres");
        let made = std::fs::symlink_metadata(&home)
            .ok()
            .filter(std::fs::Metadata::is_dir);
        let Some(made) = made else {
            bail!(
                "there is no private Postgres in {}: no service was started with this data directory (setting data_dir). If the \
                 service has another one, or a database of its own, pass its configuration file with --config; a new service is \
                 made by 'outlook-bridge serve' alone",
                data_dir.display()
            );
        };
        ensure!(
            made.uid() == Uid::effective().as_raw(),
            "{} belongs to another user ({}), whose service this is",
            home.display(),
            owner::name_of(Uid::from_raw(made.uid()))
        );
        let is_root = Uid::effective().is_root();
        Ok(Self {
            data: home.join("data"),
            sockets: sockets(&home)?,
            log: home.join("postgres.log"),
            home,
            run_as: if is_root { Some(own_user()?) } else { None },
        })
    }

    /// Returns the paths of a complete cluster that a service of this user has made.
    ///
    /// # Errors
    /// When there is none, or it is another user's. The error says what to do.
    pub fn find(data_dir: &Path) -> anyhow::Result<Self> {
        let places = Self::of(data_dir)?;
        if !places.has_cluster()? {
            places.check_no_other_cluster()?;
            bail!(
                "the private Postgres in {} is not complete: start the service, which makes it",
                places.home.display()
            );
        }
        ensure!(
            places.former_owner()?.is_none(),
            "the private Postgres in {} was made by an earlier version: start the service once, which takes it over",
            places.home.display()
        );
        make_dir(&places.sockets, 0o700, places.run_as)?;
        Ok(places)
    }

    /// Returns whether a cluster was made.
    pub fn has_cluster(&self) -> anyhow::Result<bool> {
        let file = self.data.join("PG_VERSION");
        file.try_exists()
            .with_context(|| format!("looking at {}", file.display()))
    }

    /// Checks that no cluster lies beside the missing one, as an interrupted upgrade leaves it: a new
    /// and empty one would hide it.
    pub fn check_no_other_cluster(&self) -> anyhow::Result<()> {
        let others = super::upgrade::kept(&self.home)?;
        ensure!(
            others.is_empty(),
            "there is no cluster in {}, but one that an upgrade has put aside. Bring it back: outlook-bridge upgrade-postgres --back",
            self.data.display()
        );
        Ok(())
    }

    /// Returns the paths of a second cluster, beside this one, and makes its missing directories.
    pub fn second(&self) -> anyhow::Result<Self> {
        let sockets = self.sockets.with_file_name("new");
        make_dir(&sockets, 0o700, self.run_as)?;
        let second = Self {
            home: self.home.clone(),
            data: self.home.join("data.new"),
            sockets,
            log: self.home.join("postgres.new.log"),
            run_as: self.run_as,
        };
        let log = second.open("postgres.new.log")?;
        if let Some((uid, gid)) = self.run_as {
            std::os::unix::fs::fchown(&log, Some(uid.as_raw()), Some(gid.as_raw()))
                .with_context(|| format!("giving {} to the user of Postgres", second.log.display()))?;
        }
        Ok(second)
    }

    /// Returns the paths of a cluster, whoever made it; `None` if there is none. Makes nothing.
    ///
    /// # Errors
    /// When they cannot be looked at.
    pub fn look(data_dir: &Path) -> anyhow::Result<Option<Self>> {
        let home = std::path::absolute(data_dir)?.join("postgres");
        let data = home.join("data");
        let metadata = std::fs::symlink_metadata(&data);
        match metadata {
            Ok(_) => Ok(Some(Self {
                sockets: sockets(&home)?,
                log: home.join("postgres.log"),
                data,
                home,
                run_as: None,
            })),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("looking at {}", data.display())),
        }
    }

    /// Opens a file beside the cluster. Does not follow a link.
    pub fn open(&self, name: &str) -> anyhow::Result<File> {
        let path = self.home.join(name);
        File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(&path)
            .with_context(|| format!("opening {}", path.display()))
    }

    /// Writes a settings file that Postgres may read but not write. An equal file is left alone.
    pub fn write(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.home.join(name);
        let is_file = std::fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file());
        if is_file
            && owner::check(&path).is_ok()
            && std::fs::read_to_string(&path).is_ok_and(|old| old == text)
        {
            return Ok(path);
        }
        let writing = || format!("writing {}", path.display());
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).with_context(writing),
            _ => {}
        }
        let mut file = File::options()
            .create_new(true)
            .write(true)
            .mode(0o644)
            .open(&path)
            .with_context(writing)?;
        // Independent of the process's umask, as Postgres may be another user.
        file.set_permissions(std::fs::Permissions::from_mode(0o644))
            .with_context(writing)?;
        file.write_all(text.as_bytes()).with_context(writing)?;
        Ok(path)
    }

    /// Returns the owner of a cluster that an earlier version made, which ran Postgres as another
    /// user.
    pub fn former_owner(&self) -> anyhow::Result<Option<Owner>> {
        let Some((uid, _)) = self.run_as else {
            return Ok(None);
        };
        match std::fs::symlink_metadata(&self.data) {
            Ok(metadata) if metadata.is_dir() && metadata.uid() != uid.as_raw() => Ok(Some((
                Uid::from_raw(metadata.uid()),
                Gid::from_raw(metadata.gid()),
            ))),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("looking at {}", self.data.display())),
        }
    }

    /// Makes the cluster's folder, or gives the cluster to the user that Postgres runs as. The
    /// cluster must not be running.
    pub fn make_data(&self) -> anyhow::Result<()> {
        let former = self.former_owner()?;
        make_dir(&self.data, 0o700, self.run_as)?;
        if let (Some(_), Some(owner)) = (former, self.run_as) {
            let giving = || format!("giving {} to the user of Postgres", self.data.display());
            give(&self.data, owner).with_context(giving)?;
            // The new user's Postgres cannot read what the former owner's left there.
            for entry in std::fs::read_dir(&self.sockets).with_context(giving)? {
                std::fs::remove_file(entry.with_context(giving)?.path()).with_context(giving)?;
            }
        }
        Ok(())
    }
}

/// Changes the owner of a folder and all that is in it. The folder comes first: from then on its
/// former owner cannot enter.
fn give(path: &Path, (uid, gid): Owner) -> std::io::Result<()> {
    lchown(path, Some(uid.as_raw()), Some(gid.as_raw()))?;
    if std::fs::symlink_metadata(path)?.is_dir() {
        for entry in std::fs::read_dir(path)? {
            give(&entry?.path(), (uid, gid))?;
        }
    }
    Ok(())
}

fn own_user() -> anyhow::Result<Owner> {
    let user = User::from_name(OWN_USER)
        .context("looking users up")?
        .with_context(|| {
            format!(
                "Postgres refuses to run as root, and a user that others run as, too, would open the database to them: run the \
                 service as a user of its own (docs/install/source.md has a unit for systemd), or make the user '{OWN_USER}' for Postgres: \
                 useradd --system --user-group --no-create-home --shell /usr/sbin/nologin {OWN_USER}"
            )
        })?;
    Ok((user.uid, user.gid))
}

/// Makes a folder, or gives it the wanted mode and owner. Does not follow a link.
fn make_dir(dir: &Path, mode: u32, owner: Option<Owner>) -> anyhow::Result<()> {
    let making = || format!("making {}", dir.display());
    match std::fs::DirBuilder::new().mode(mode).create(dir) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error).with_context(making),
        _ => {}
    }
    ensure!(
        std::fs::symlink_metadata(dir).with_context(making)?.is_dir(),
        "{} is no folder; if it is a link, let data_dir lead to where the data shall be instead",
        dir.display()
    );
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(mode)).with_context(making)?;
    if let Some((uid, gid)) = owner {
        chown(dir, Some(uid.as_raw()), Some(gid.as_raw())).with_context(making)?;
    }
    Ok(())
}

/// Checks that the user of Postgres can enter the directories above.
fn check_way(home: &Path, uid: Uid) -> anyhow::Result<()> {
    for parent in home.ancestors().skip(1) {
        let metadata = std::fs::metadata(parent)?;
        if metadata.uid() != uid.as_raw() && metadata.permissions().mode() & 0o001 == 0 {
            bail!(
                "Postgres runs as the user {OWN_USER}, who may not enter {}: choose a data directory that others may pass through, \
                 run the service as a user of its own, or set OUTLOOK_BRIDGE_DATABASE_URL",
                parent.display()
            );
        }
    }
    Ok(())
}

/// Returns the folder of the sockets: beside the data or, if that path is too long, a runtime
/// directory that nobody else owns.
fn sockets(home: &Path) -> anyhow::Result<PathBuf> {
    let near = home.join("run");
    if near.as_os_str().len() < LONGEST_NEAR {
        return Ok(near);
    }
    let digest = seal::digest(&home.to_string_lossy());
    let name = format!(
        "outlook-bridge-{}",
        hex::encode(digest.get(..8).unwrap_or_default())
    );
    let own = |dir: &PathBuf| {
        std::fs::symlink_metadata(dir)
            .is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == Uid::effective().as_raw())
    };
    // Root's XDG_RUNTIME_DIR is closed to the user of Postgres. systemd makes the first of the
    // others if its unit asks for it.
    let parents = if Uid::effective().is_root() {
        vec![PathBuf::from("/run")]
    } else {
        let of_user = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        std::iter::once(PathBuf::from("/run/outlook-bridge"))
            .chain(of_user)
            .collect()
    };
    let mut parents = parents.into_iter();
    let parent = parents.find(|dir| dir.is_absolute() && own(dir)).with_context(|| {
        format!(
            "{} is too long for a Unix socket: choose a shorter data directory, or set XDG_RUNTIME_DIR to a folder of yours",
            near.display()
        )
    })?;
    Ok(parent.join(name))
}
