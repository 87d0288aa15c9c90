//! A private Postgres under the data directory, run from the machine's own binaries, for installations that
//! name no database. It listens on a Unix socket in a directory of its own, and on nothing else.

use std::fs::{File, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::unistd::{Gid, Uid, User, chown};
use tokio::process::Command;

/// The unprivileged user that Postgres runs as when the service runs as root, as Postgres refuses to be root.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];
/// What is run; all from one folder, so that their versions fit.
const PROGRAMS: [&str; 4] = ["initdb", "pg_ctl", "postgres", "createdb"];
const DATABASE: &str = "outlook_bridge";
/// How long a cluster may take to stop (`pg_ctl` waits as long), and how often it is looked.
const LONGEST_STOP: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A running private cluster; stopped by [`Embedded::stop`].
pub struct Embedded {
    bin: PathBuf,
    data: PathBuf,
    run_as: Option<(Uid, Gid)>,
    /// Whether it was not running before.
    started: bool,
    /// Locked by each process that uses the cluster, and alone by the one that stops it.
    users: File,
    /// What to connect to.
    pub url: String,
}

impl Embedded {
    /// Creates the cluster if there is none, and starts it if it does not run.
    ///
    /// # Errors
    /// When no Postgres is installed (the text names the package) or it does not start (the text names its log).
    pub async fn start(data_dir: &Path) -> anyhow::Result<Self> {
        let bin = find_binaries().context(
            "no Postgres was found on this machine: install the package 'postgresql', or set \
             OUTLOOK_BRIDGE_DATABASE_URL to a database of your own",
        )?;
        let run_as = if Uid::effective().is_root() {
            Some(unprivileged_user()?)
        } else {
            None
        };
        let home = data_dir.join("postgres");
        let sockets = socket_dir(&home);
        for dir in [&home, &sockets] {
            make_private_dir(dir, run_as)?;
        }
        let data = home.join("data");
        let users = open_users(&home.join("users.lock"))?;
        share(&users).await?;
        let cluster = Self {
            bin,
            data,
            run_as,
            started: false,
            users,
            url: String::new(),
        };
        if !cluster.data.join("PG_VERSION").exists() {
            cluster.init().await?;
        }
        let started = cluster.launch(&home.join("postgres.log"), &sockets).await?;
        let host = percent_encode(&sockets);
        if let Err(error) = cluster.create_database(&sockets).await {
            cluster.stop().await;
            return Err(error);
        }
        Ok(Self {
            started,
            url: format!("postgres://outlook_bridge@{host}/{DATABASE}"),
            ..cluster
        })
    }

    /// Stops the cluster if this process started it: for commands beside a running service.
    pub async fn stop_if_started(&self) {
        if self.started {
            self.stop().await;
        }
    }

    /// Stops the cluster, letting transactions end; not where another process uses it: the last one stops it.
    pub async fn stop(&self) {
        if let Err(error) = self.users.try_lock() {
            if let TryLockError::Error(error) = error {
                tracing::warn!(%error, "whether another process uses the embedded Postgres cannot be told: it goes on");
            } else {
                tracing::info!("another process uses the embedded Postgres: it goes on");
            }
            // From now on the other one is the last.
            if let Err(error) = self.users.unlock() {
                tracing::warn!(%error, "the embedded Postgres is stopped by nobody");
            }
            return;
        }
        let stopped = self
            .command("pg_ctl")
            .args(["stop", "-m", "fast", "-w", "-D"])
            .arg(&self.data)
            .status()
            .await;
        if !matches!(stopped, Ok(status) if status.success()) {
            tracing::warn!("the embedded Postgres did not stop cleanly");
        }
        // Who starts it again need not wait until this process ends.
        if let Err(error) = self.users.unlock() {
            tracing::warn!(%error, "the lock of the embedded Postgres is kept");
        }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .current_dir("/");
        if let Some((uid, gid)) = self.run_as {
            command.uid(uid.as_raw()).gid(gid.as_raw());
        }
        command
    }

    async fn init(&self) -> anyhow::Result<()> {
        tracing::info!(path = %self.data.display(), "creating the embedded Postgres cluster");
        let mut initdb = self.command("initdb");
        initdb
            .args([
                "-U",
                "outlook_bridge",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C",
                "-D",
            ])
            .arg(&self.data);
        run(initdb, "initdb").await
    }

    /// Starts the server; `false`: it runs already.
    async fn launch(&self, log: &Path, sockets: &Path) -> anyhow::Result<bool> {
        let mut status = self.command("pg_ctl");
        status
            .arg("status")
            .arg("-D")
            .arg(&self.data)
            .stderr(Stdio::null());
        if status.status().await.is_ok_and(|s| s.success()) {
            return Ok(false);
        }
        let options = format!(
            "-c listen_addresses='' -c unix_socket_directories='{}'",
            sockets.display()
        );
        let mut start = self.command("pg_ctl");
        // Postgres must outlive a Ctrl-C in our terminal: we stop it ourselves, after our last transaction.
        start
            .process_group(0)
            .args(["start", "-w", "-t", "60", "-o", &options, "-l"])
            .arg(log)
            .arg("-D")
            .arg(&self.data);
        start.stderr(Stdio::null());
        let started = tokio::time::timeout(Duration::from_secs(90), start.status()).await;
        if !matches!(started, Ok(Ok(status)) if status.success()) {
            bail!(
                "the embedded Postgres did not start; its log is {}",
                log.display()
            );
        }
        Ok(true)
    }

    async fn create_database(&self, sockets: &Path) -> anyhow::Result<()> {
        let mut create = self.command("createdb");
        create
            .env("LC_ALL", "C")
            .args(["-U", "outlook_bridge", "-h"])
            .arg(sockets)
            .arg(DATABASE);
        let output = create.output().await.context("running createdb")?;
        let words = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() && !words.contains("already exists") {
            bail!("createdb failed: {}", words.trim());
        }
        Ok(())
    }
}

fn open_users(path: &Path) -> anyhow::Result<File> {
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("opening {}", path.display()))
}

/// Counts among those who use the cluster. Who stops it just now is waited for.
async fn share(users: &File) -> anyhow::Result<()> {
    let until = Instant::now() + LONGEST_STOP;
    loop {
        match users.try_lock_shared() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error).context("locking the embedded Postgres"),
            Err(TryLockError::WouldBlock) if Instant::now() < until => tokio::time::sleep(LOOK_AGAIN).await,
            Err(TryLockError::WouldBlock) => bail!(
                "another process has been stopping the embedded Postgres for {} s; start again when it has",
                LONGEST_STOP.as_secs()
            ),
        }
    }
}

async fn run(mut command: Command, name: &str) -> anyhow::Result<()> {
    let output = command
        .output()
        .await
        .with_context(|| format!("running {name}"))?;
    if !output.status.success() {
        bail!(
            "{name} failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

/// Looks for `initdb` on the PATH, then where Debian and Fedora keep it, newest version first.
fn find_binaries() -> Option<PathBuf> {
    let on_path = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .collect();
    versions.sort_by_key(|path| {
        let name = path
            .parent()
            .and_then(Path::file_name)
            .map(|n| n.to_string_lossy().into_owned());
        std::cmp::Reverse(name.and_then(|n| n.parse::<u32>().ok()).unwrap_or(0))
    });
    on_path
        .chain(versions)
        .chain([PathBuf::from("/usr/pgsql/bin")])
        // A folder may hold links to some of them alone.
        .find(|dir| PROGRAMS.iter().all(|program| dir.join(program).is_file()))
}

fn unprivileged_user() -> anyhow::Result<(Uid, Gid)> {
    UNPRIVILEGED
        .iter()
        .find_map(|name| User::from_name(name).ok().flatten())
        .map(|user| (user.uid, user.gid))
        .context("Postgres refuses to run as root, and there is no user 'postgres' to run it as")
}

/// A Unix socket's path may have about 107 characters: a long data directory gets its sockets under /tmp.
fn socket_dir(home: &Path) -> PathBuf {
    let near = home.join("run");
    if near.as_os_str().len() < 80 {
        return near;
    }
    let digest = super::seal::digest(&home.to_string_lossy());
    std::env::temp_dir().join(format!(
        "outlook-bridge-{}",
        hex::encode(digest.get(..8).unwrap_or_default())
    ))
}

fn make_private_dir(dir: &Path, owner: Option<(Uid, Gid)>) -> anyhow::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("creating {}", dir.display()))?;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))?;
    if let Some((uid, gid)) = owner {
        chown(dir, Some(uid), Some(gid))
            .with_context(|| format!("giving {} to the user of Postgres", dir.display()))?;
        for parent in dir.ancestors().skip(1).take_while(|p| p.parent().is_some()) {
            let metadata = std::fs::metadata(parent)?;
            let own = std::os::unix::fs::MetadataExt::uid(&metadata) == uid.as_raw();
            if !own && metadata.permissions().mode() & 0o001 == 0 {
                bail!(
                    "Postgres runs as another user than root and may not enter {}: choose a data directory that \
                     others may pass through, or set OUTLOOK_BRIDGE_DATABASE_URL",
                    parent.display()
                );
            }
        }
    }
    Ok(())
}

fn percent_encode(path: &Path) -> String {
    url::form_urlencoded::byte_serialize(path.as_os_str().as_encoded_bytes())
        .collect::<String>()
        .replace('+', "%20")
}
