//! A private Postgres in the data directory, run with the machine's own programs, for installations
//! that configure no database. It listens only on a Unix socket in a directory of its own.

mod places;
pub(super) mod programs;
pub mod upgrade;

use std::fs::{File, TryLockError};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use diesel_async::RunQueryDsl;
use nix::unistd::{Uid, User};
use tokio::process::Command;

use super::target::Target;
use places::{Owner, Places};
use programs::{Programs, made_by};

const DATABASE: &str = "outlook_bridge";
/// How long a cluster may take to stop (`pg_ctl` waits as long).
const LONGEST_STOP: Duration = Duration::from_secs(60);
/// How often to check whether it has stopped.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A running private cluster; [`Embedded::stop`] stops it.
pub struct Embedded {
    programs: Programs,
    places: Places,
    /// Whether this process started it.
    started: bool,
    /// A file that each process using the cluster locks shared; the process that stops the cluster
    /// locks it exclusively.
    users: File,
    /// The URL to connect to.
    pub url: String,
}

impl Embedded {
    /// Creates the cluster if there is none, and starts it if it is not running. It admits only the
    /// user that the service runs as.
    ///
    /// # Errors
    /// When no Postgres is installed (the error names the package) or it does not start (the error
    /// names its log).
    pub async fn start(data_dir: &Path) -> anyhow::Result<Self> {
        let places = Places::prepare(data_dir)?;
        let users = places.open("users.lock")?;
        share(&users).await?;
        let mut cluster = Self {
            programs: Programs::find(&places.data).await?,
            started: false,
            users,
            url: url(&places, DATABASE),
            places,
        };
        let arguments = cluster.access()?;
        cluster.close_what_was_open(&arguments).await?;
        if !cluster.places.has_cluster()? {
            cluster.places.check_no_other_cluster()?;
            cluster.init().await?;
        }
        cluster.started = cluster.launch(&arguments).await?;
        if let Err(error) = cluster.create_database().await {
            cluster.stop().await;
            return Err(error).context("making the database of the private Postgres");
        }
        Ok(cluster)
    }

    /// Uses the cluster that a service has made, and starts it if it is not running. Makes no cluster,
    /// and takes over none.
    ///
    /// # Errors
    /// When there is none, or it is another user's. The error says what to do.
    pub async fn attach(data_dir: &Path) -> anyhow::Result<Self> {
        let places = Places::find(data_dir)?;
        let users = places.open("users.lock")?;
        share(&users).await?;
        let mut cluster = Self {
            programs: Programs::find(&places.data).await?,
            started: false,
            users,
            url: url(&places, DATABASE),
            places,
        };
        let arguments = cluster.access()?;
        if cluster.is_running(None).await {
            ensure!(
                cluster.has_rules(&arguments),
                "the private Postgres was started by another version of the service, with other rules about who is let in: \
                 restart the service, then try again"
            );
        } else {
            cluster.started = cluster.launch(&arguments).await?;
        }
        Ok(cluster)
    }

    /// Returns the version of the cluster.
    pub fn major(&self) -> u32 {
        self.programs.major
    }

    /// Returns whether this process has started the cluster, so that no service uses it.
    pub fn was_stopped(&self) -> bool {
        self.started
    }

    /// Writes the files that say who is admitted; returns the arguments to start Postgres with.
    fn access(&self) -> anyhow::Result<String> {
        let me = User::from_uid(Uid::effective())
            .context("looking users up")?
            .with_context(|| {
                format!(
                    "Postgres knows who connects by the name of the system's user, and user {} has none",
                    Uid::effective()
                )
            })?;
        let rules = self.places.write(
            "pg_hba.conf",
            &format!(
                "# Written by outlook-bridge at each start.\nlocal all {DATABASE} peer map={DATABASE}\n"
            ),
        )?;
        let users = self.places.write(
            "pg_ident.conf",
            &format!(
                "# Written by outlook-bridge at each start.\n{DATABASE} \"{}\" {DATABASE}\n",
                me.name
            ),
        )?;
        Ok(format!(
            "-c listen_addresses='' -c unix_socket_directories='{}' -c hba_file='{}' -c ident_file='{}'",
            self.places.sockets.display(),
            rules.display(),
            users.display()
        ))
    }

    /// Stops and takes over a cluster that runs with other access rules, or as another user: an
    /// earlier version admitted everybody who could reach the socket.
    async fn close_what_was_open(&self, arguments: &str) -> anyhow::Result<()> {
        let former = self.places.former_owner()?;
        let running = self.is_running(former).await;
        if running && (former.is_some() || !self.has_rules(arguments)) {
            if let Err(TryLockError::WouldBlock) = self.users.try_lock() {
                bail!(
                    "the private Postgres runs with other rules about who is let in, and another process is using it (an earlier \
                     version of the service?): stop that one first"
                );
            }
            tracing::info!("the private Postgres is started anew, with its own rules about who is let in");
            self.halt(former).await?;
        }
        self.places.make_data()?;
        share(&self.users).await
    }

    /// Returns whether the running cluster was started with these arguments.
    fn has_rules(&self, arguments: &str) -> bool {
        let started = std::fs::read_to_string(self.places.data.join("postmaster.opts")).unwrap_or_default();
        let plain = |text: &str| text.replace(['"', '\''], "");
        plain(&started).contains(&plain(arguments))
    }

    async fn is_running(&self, owner: Option<Owner>) -> bool {
        let mut status = self.command_as("pg_ctl", owner.or(self.places.run_as));
        status
            .arg("status")
            .arg("-D")
            .arg(&self.places.data)
            .stderr(Stdio::null());
        status.status().await.is_ok_and(|s| s.success())
    }

    /// Stops the server after its current transactions.
    async fn halt(&self, owner: Option<Owner>) -> anyhow::Result<()> {
        let mut stop = self.command_as("pg_ctl", owner.or(self.places.run_as));
        stop.args(["stop", "-m", "fast", "-w", "-D"])
            .arg(&self.places.data);
        run(stop, "pg_ctl stop").await
    }

    /// Stops the cluster if this process started it. This is for commands that run beside the
    /// service.
    pub async fn stop_if_started(&self) {
        if self.started {
            self.stop().await;
        }
    }

    /// Stops the cluster after its current transactions, unless another process uses it: the last
    /// one stops it.
    pub async fn stop(&self) {
        if let Err(error) = self.users.try_lock() {
            if let TryLockError::Error(error) = error {
                tracing::warn!(%error, "whether another process uses the embedded Postgres cannot be told: it goes on");
            } else {
                tracing::info!("another process uses the embedded Postgres: it goes on");
            }
            // From now on the other process is the last one.
            if let Err(error) = self.users.unlock() {
                tracing::warn!(%error, "the embedded Postgres is stopped by nobody");
            }
            return;
        }
        if let Err(error) = self.halt(None).await {
            tracing::warn!(
                error = format!("{error:#}"),
                "the embedded Postgres did not stop cleanly"
            );
        }
        // A process that starts the cluster again need not wait until this one ends.
        if let Err(error) = self.users.unlock() {
            tracing::warn!(%error, "the lock of the embedded Postgres is kept");
        }
    }

    fn command(&self, program: &str) -> Command {
        self.command_as(program, self.places.run_as)
    }

    /// Clears the environment, which may hold the master key: any process of the child's user could
    /// read it there.
    fn command_as(&self, program: &str, owner: Option<Owner>) -> Command {
        let mut command = Command::new(self.programs.folder.join(program));
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LANG", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .current_dir("/");
        if let Some((uid, gid)) = owner {
            command.uid(uid.as_raw()).gid(gid.as_raw());
        }
        command
    }

    async fn init(&self) -> anyhow::Result<()> {
        tracing::info!(path = %self.places.data.display(), "creating the embedded Postgres cluster");
        let mut initdb = self.command("initdb");
        initdb
            .args(["-U", DATABASE, "--auth-local=peer", "--auth-host=reject"])
            .args(["-E", "UTF8", "--locale=C", "-D"])
            .arg(&self.places.data);
        run(initdb, "initdb").await
    }

    /// Starts the server; returns `false` if it is running already.
    async fn launch(&self, arguments: &str) -> anyhow::Result<bool> {
        if self.is_running(None).await {
            return Ok(false);
        }
        let mut start = self.command("pg_ctl");
        // Postgres must survive a Ctrl-C in our terminal: we stop it ourselves, after our last
        // transaction.
        start
            .process_group(0)
            .args(["start", "-w", "-t", "60", "-o", arguments, "-l"])
            .arg(&self.places.log)
            .arg("-D")
            .arg(&self.places.data);
        start.stderr(Stdio::null());
        let started = tokio::time::timeout(Duration::from_secs(90), start.status()).await;
        if !matches!(started, Ok(Ok(status)) if status.success()) {
            bail!(
                "the embedded Postgres did not start; its log is {}",
                self.places.log.display()
            );
        }
        Ok(true)
    }

    async fn create_database(&self) -> anyhow::Result<()> {
        let mut conn = Target::parse(&url(&self.places, "postgres"))?.connect().await?;
        let exists = async |conn: &mut super::Connection| {
            diesel::sql_query(format!("SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'"))
                .execute(conn)
                .await
        };
        if exists(&mut conn).await? > 0 {
            return Ok(());
        }
        let created = diesel::sql_query(format!("CREATE DATABASE {DATABASE}"))
            .execute(&mut conn)
            .await;
        match created {
            // Another process was faster.
            Err(_) if exists(&mut conn).await? > 0 => Ok(()),
            created => Ok(created.map(|_| ())?),
        }
    }
}

/// Returns the URL of the private Postgres of a data directory; `None` if none was made there. Makes
/// and starts nothing.
///
/// # Errors
/// When its folder cannot be looked into.
pub fn url_of(data_dir: &Path) -> anyhow::Result<Option<String>> {
    Ok(Places::look(data_dir)?.map(|places| url(&places, DATABASE)))
}

/// Returns the URL of a database of the cluster.
fn url(places: &Places, database: &str) -> String {
    let host = percent_encode(&places.sockets);
    format!("postgres://{DATABASE}@{host}/{database}")
}

/// Registers this process as a user of the cluster. Waits while another process is stopping it.
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

fn percent_encode(path: &Path) -> String {
    url::form_urlencoded::byte_serialize(path.as_os_str().as_encoded_bytes())
        .collect::<String>()
        .replace('+', "%20")
}
