//! The private Postgres of an installation whose settings name no database.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use diesel::sql_types::Text;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use nix::unistd::{Uid, User};
use outlook_bridge::store::embedded::Embedded;

use super::convergence::service::{Log, Process};

const PROGRAM: &str = env!("CARGO_BIN_EXE_outlook-bridge");
/// An unrelated user.
const NOBODY: u32 = 65_534;

/// A data directory that Postgres can enter as another user than root. Dropping this value deletes
/// it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        Self::called(&format!("embedded-{}", uuid::Uuid::new_v4()))
    }

    fn called(name: &str) -> Self {
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self(folder)
    }

    fn cluster(&self) -> PathBuf {
        self.0.join("postgres/data")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

async fn answers(cluster: &Embedded) -> bool {
    AsyncPgConnection::establish(&cluster.url).await.is_ok()
}

/// Returns the path of a program of the newest Postgres, which the tests' own cluster also uses.
fn program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("Postgres as Debian packs it");
    let newest = versions
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok()?.parse::<u32>().ok())
        .max();
    PathBuf::from(format!("/usr/lib/postgresql/{}/bin/{name}", newest.unwrap()))
}

/// Runs a program as a user, if this process may.
fn run_as(user: Option<u32>, name: &str, arguments: &[&str]) -> std::process::Output {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(program(name));
    command
        .args(arguments)
        .current_dir("/")
        .env("LC_ALL", "C")
        .stdin(Stdio::null());
    if let Some(user) = user.filter(|_| Uid::effective().is_root()) {
        command.uid(user);
    }
    command.output().unwrap()
}

/// Returns the user that Postgres runs as.
fn own_user() -> Option<u32> {
    let own = || {
        User::from_name("outlook-bridge")
            .unwrap()
            .expect("made by scripts/setup.sh")
    };
    Uid::effective().is_root().then(|| own().uid.as_raw())
}

/// A standby server of no primary, on a socket of its own. Dropping this value stops it.
pub struct Standby {
    folder: Folder,
    pub url: String,
}

impl Standby {
    pub fn start() -> Self {
        let folder = Folder::new();
        let place = folder.0.to_str().unwrap().to_owned();
        if let Some(user) = own_user() {
            chown(&folder.0, Some(user), None).unwrap();
        }
        let cluster = format!("{place}/cluster");
        let ran = |name: &str, arguments: &[&str]| {
            let output = run_as(own_user(), name, arguments);
            assert!(output.status.success(), "{name}: {output:?}");
        };
        ran(
            "initdb",
            &["-D", &cluster, "-U", "bridge", "--auth=trust", "--no-sync"],
        );
        std::fs::write(format!("{cluster}/standby.signal"), "").unwrap();
        let options = format!("-c listen_addresses= -c unix_socket_directories={place}");
        let log = format!("{place}/log");
        ran(
            "pg_ctl",
            &["-D", &cluster, "-o", &options, "-l", &log, "-w", "start"],
        );
        let host = place.replace('/', "%2F");
        Self {
            folder,
            url: format!("postgres://bridge@{host}/postgres"),
        }
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        let cluster = self.folder.0.join("cluster");
        let cluster = cluster.to_str().unwrap_or_default();
        let _stopped = run_as(own_user(), "pg_ctl", &["-D", cluster, "-m", "immediate", "stop"]);
    }
}

#[derive(diesel::QueryableByName)]
struct Rule {
    #[diesel(sql_type = Text)]
    rule: String,
}

/// Returns how the cluster authenticates connections.
async fn rules(cluster: &Embedded) -> Vec<String> {
    let mut conn = AsyncPgConnection::establish(&cluster.url).await.unwrap();
    let asked = diesel::sql_query(
        "SELECT concat_ws(' ', type, array_to_string(user_name, ','), auth_method) AS rule FROM pg_hba_file_rules",
    );
    let rules: Vec<Rule> = asked.load(&mut conn).await.unwrap();
    rules.into_iter().map(|rule| rule.rule).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_another_process_uses_goes_on() {
    let data = Folder::new();
    let service = Embedded::start(&data.0).await.unwrap();
    let other = Embedded::start(&data.0).await.unwrap();
    service.stop().await;
    assert!(answers(&other).await, "the other one is not done");
    // A service that was stopped takes part again when it starts again.
    let again = Embedded::start(&data.0).await.unwrap();
    other.stop().await;
    assert!(answers(&again).await);
    again.stop().await;
    assert!(!answers(&again).await, "the last one stops it");
    let next = Embedded::start(&data.0).await.unwrap();
    assert!(answers(&next).await);
    // A killed process does not use the cluster any more, either.
    drop(again);
    drop(service);
    drop(other);
    next.stop().await;
    assert!(!answers(&next).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_is_let_in_not_even_whom_postgres_runs_as() {
    let data = Folder::new();
    let cluster = Embedded::start(&data.0).await.unwrap();
    assert_eq!(rules(&cluster).await, ["local outlook_bridge peer"]);
    let sockets = data.0.join("postgres/run");
    if let Some(user) = own_user() {
        let owners = [
            data.cluster(),
            sockets.clone(),
            data.0.join("postgres/postgres.log"),
        ];
        for path in owners {
            assert_eq!(
                std::fs::metadata(&path).unwrap().uid(),
                user,
                "{}",
                path.display()
            );
        }
        assert_eq!(std::fs::metadata(data.0.join("postgres")).unwrap().uid(), 0);
        let arguments = [
            "-h",
            sockets.to_str().unwrap(),
            "-U",
            "outlook_bridge",
            "outlook_bridge",
        ];
        let psql = run_as(
            Some(user),
            "psql",
            &[&arguments[..], &["-c", "SELECT 1"]].concat(),
        );
        let words = String::from_utf8_lossy(&psql.stderr);
        assert!(words.contains("Peer authentication failed"), "{words}");
    }
    cluster.stop().await;
}

/// Makes a cluster like an earlier version: everybody may connect, and as root it runs as
/// Postgres's system user or as nobody.
fn open_cluster(data: &Folder) {
    let user = Uid::effective().is_root().then_some(NOBODY);
    let home = data.0.join("postgres");
    let sockets = home.join("run");
    for folder in [&home, &sockets] {
        std::fs::create_dir(folder).unwrap();
        chown(folder, user, None).unwrap();
    }
    let cluster = data.cluster();
    let cluster = cluster.to_str().unwrap();
    let made = run_as(
        user,
        "initdb",
        &["-U", "outlook_bridge", "-A", "trust", "-D", cluster],
    );
    assert!(made.status.success(), "{made:?}");
    let options = format!(
        "-c listen_addresses='' -c unix_socket_directories='{}'",
        sockets.display()
    );
    let log = home.join("postgres.log");
    let start = [
        "start",
        "-w",
        "-D",
        cluster,
        "-o",
        &options,
        "-l",
        log.to_str().unwrap(),
    ];
    assert!(run_as(user, "pg_ctl", &start).status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_let_everybody_in_is_closed_with_all_that_it_holds() {
    let data = Folder::new();
    open_cluster(&data);
    let sockets = data.0.join("postgres/run");
    let old = sockets.to_str().unwrap().replace('/', "%2F");
    let mut conn = AsyncPgConnection::establish(&format!("postgres://outlook_bridge@{old}/postgres"))
        .await
        .unwrap();
    conn.batch_execute("CREATE DATABASE outlook_bridge")
        .await
        .unwrap();
    drop(conn);
    let mut conn = AsyncPgConnection::establish(&format!("postgres://outlook_bridge@{old}/outlook_bridge"))
        .await
        .unwrap();
    conn.batch_execute("CREATE TABLE kept AS SELECT 7 AS it")
        .await
        .unwrap();
    drop(conn);
    // The cluster still runs, as after the service was killed.
    let cluster = Embedded::start(&data.0).await.unwrap();
    assert_eq!(rules(&cluster).await, ["local outlook_bridge peer"]);
    let mut conn = AsyncPgConnection::establish(&cluster.url).await.unwrap();
    conn.batch_execute("SELECT it FROM kept")
        .await
        .expect("it holds what it held");
    if let Some(user) = own_user() {
        for path in ["postgres/data", "postgres/data/base", "postgres/data/PG_VERSION"] {
            assert_eq!(
                std::fs::metadata(data.0.join(path)).unwrap().uid(),
                user,
                "{path}"
            );
        }
    }
    drop(conn);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_knows_no_secret_of_the_service() {
    let data = Folder::new();
    let mut service = tokio::process::Command::new(PROGRAM);
    service
        .env("OUTLOOK_BRIDGE_LISTEN", "127.0.0.1:0")
        .env("OUTLOOK_BRIDGE_DATA_DIR", &data.0)
        .env("OUTLOOK_BRIDGE_MASTER_KEY", "11".repeat(32))
        .env("OUTLOOK_BRIDGE_GRAPH_URL", "http://127.0.0.1:9")
        .env("OUTLOOK_BRIDGE_LOG_FORMAT", "json")
        .kill_on_drop(true);
    let service = Process::spawn(service, &Log::default()).await;
    let postmaster = std::fs::read_to_string(data.cluster().join("postmaster.pid")).unwrap();
    let postmaster = postmaster.lines().next().unwrap_or_default();
    let environment = std::fs::read(format!("/proc/{postmaster}/environ")).unwrap();
    let environment = String::from_utf8_lossy(&environment);
    service.stop().await;
    assert!(environment.contains("LANG=C"), "{environment}");
    assert!(!environment.contains("OUTLOOK_BRIDGE"), "{environment}");
}

async fn refused(data: &Path) -> String {
    let error = Embedded::start(data).await.err().expect("it does not start");
    format!("{error:#}")
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_version_that_made_a_cluster_runs_it() {
    let data = Folder::new();
    Embedded::start(&data.0).await.unwrap().stop().await;
    std::fs::write(data.cluster().join("PG_VERSION"), "10\n").unwrap();
    let words = refused(&data.0).await;
    assert!(
        words.contains("was made by Postgres 10") && words.contains("postgresql-10"),
        "{words}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_user_prepared_is_not_touched() {
    if !Uid::effective().is_root() {
        return;
    }
    let data = Folder::new();
    chown(&data.0, Some(NOBODY), None).unwrap();
    assert!(refused(&data.0).await.contains("belongs to the user nobody"));
    // A link in place of a folder, as an earlier version's Postgres user could have made.
    let target = Folder::new();
    for name in ["run", "data", "postgres.log", "users.lock"] {
        let data = Folder::new();
        let home = data.0.join("postgres");
        std::fs::create_dir(&home).unwrap();
        chown(&home, Some(NOBODY), None).unwrap();
        symlink(&target.0, home.join(name)).unwrap();
        refused(&data.0).await;
    }
    let metadata = std::fs::metadata(&target.0).unwrap();
    assert_eq!(
        (metadata.uid(), metadata.mode() & 0o777),
        (0, 0o755),
        "it is as it was"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_socket_is_in_the_shared_temporary_folder() {
    let data = Folder::called(&format!(
        "embedded-{}-{}",
        "long".repeat(20),
        uuid::Uuid::new_v4()
    ));
    let has_place = Uid::effective().is_root() || std::env::var_os("XDG_RUNTIME_DIR").is_some();
    if !has_place {
        assert!(refused(&data.0).await.contains("XDG_RUNTIME_DIR"));
        return;
    }
    let cluster = Embedded::start(&data.0).await.unwrap();
    let (_, host) = cluster.url.split_once('@').unwrap();
    let sockets = PathBuf::from(host.split('/').next().unwrap().replace("%2F", "/"));
    assert!(
        !sockets.starts_with(std::env::temp_dir()),
        "{}",
        sockets.display()
    );
    assert!(answers(&cluster).await);
    assert_eq!(std::fs::metadata(&sockets).unwrap().mode() & 0o777, 0o700);
    cluster.stop().await;
    std::fs::remove_dir_all(sockets).unwrap();
}
