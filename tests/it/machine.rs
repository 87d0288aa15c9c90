//! A machine with an installed service: a user of its own, a configuration file and a key that are
//! root's, and a data directory. As another user than root, everything is that user's.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::unistd::{Gid, Uid, User};
use tokio::process::Command;

use super::convergence::service::{Log, Process};

pub const KEY: &str = "1111111111111111111111111111111111111111111111111111111111111111";
pub const OTHER_KEY: &str = "2222222222222222222222222222222222222222222222222222222222222222";

/// Returns the folder of the programs of a Postgres that is later than Debian's.
fn later_postgres() -> Option<PathBuf> {
    std::env::var_os("TEST_LATER_POSTGRES").map(PathBuf::from)
}

/// Dropping this value deletes it.
pub struct Machine {
    folder: PathBuf,
    /// The service's user, if this process may work as it.
    pub user: Option<Uid>,
    group: Option<Gid>,
    has_later: AtomicBool,
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.folder);
    }
}

/// Returns the program where every user may run it.
fn program() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| {
        let built = Path::new(env!("CARGO_BIN_EXE_outlook-bridge"));
        if !Uid::effective().is_root() {
            return built.to_owned();
        }
        let digest = built.metadata().expect("the program").mtime_nsec();
        let folder =
            std::env::temp_dir().join(format!("outlook-bridge-program-{}-{digest}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let place = folder.join("outlook-bridge");
        std::fs::hard_link(built, &place)
            .or_else(|_| std::fs::copy(built, &place).map(drop))
            .expect("the program is copied");
        for path in [&folder, &place] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("for all");
        }
        place
    })
}

impl Machine {
    pub fn new() -> Self {
        let is_root = Uid::effective().is_root();
        let own = || {
            User::from_name("outlook-bridge")
                .expect("users")
                .expect("made by scripts/setup.sh")
        };
        let folder = std::env::temp_dir().join(format!("ob-{}", uuid::Uuid::new_v4().simple()));
        let machine = Self {
            folder,
            user: is_root.then(|| own().uid),
            group: is_root.then(|| own().gid),
            has_later: AtomicBool::new(false),
        };
        for (folder, mode) in [("", 0o755), ("data", 0o700), ("credentials", 0o500)] {
            let path = machine.path(folder);
            std::fs::create_dir(&path).expect("a folder");
            if folder == "credentials" {
                machine.write("credentials/master_key", KEY, 0o400);
                machine.give("credentials/master_key");
            }
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("its mode");
            if !folder.is_empty() {
                machine.give(folder);
            }
        }
        machine.configure("");
        machine.write("master.key", KEY, 0o600);
        machine
    }

    pub fn program(&self) -> &'static Path {
        program()
    }

    /// Lets the programs find another Postgres beside Debian's, if the tests have one
    /// (tools/with_postgres.py). Returns its version and the folder of its programs, or Debian's.
    pub fn install_later_postgres(&self) -> (u32, PathBuf) {
        self.has_later.store(true, Ordering::Relaxed);
        let folder = later_postgres().unwrap_or_else(|| {
            let versions = std::fs::read_dir("/usr/lib/postgresql").expect("Postgres as Debian packs it");
            let names = versions.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            let latest = names
                .max_by_key(|name| name.parse::<u32>().ok())
                .expect("a version");
            Path::new("/usr/lib/postgresql").join(latest).join("bin")
        });
        let asked = std::process::Command::new(folder.join("postgres"))
            .arg("--version")
            .output();
        let told = text(&asked.expect("Postgres").stdout);
        let (_, version) = told.split_once(") ").expect("a version");
        let major = version
            .chars()
            .take_while(char::is_ascii_digit)
            .collect::<String>();
        (major.parse().expect("a number"), folder)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn write(&self, name: &str, text: &str, mode: u32) {
        let path = self.path(name);
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("its mode");
    }

    /// Gives a file to the service's user.
    pub fn give(&self, name: &str) {
        if let Some(user) = self.user {
            chown(self.path(name), Some(user.as_raw()), None).expect("given");
        }
    }

    /// Writes the configuration file, with more settings.
    pub fn configure(&self, more: &str) {
        let data = self.path("data");
        let text = format!(
            "data_dir = '{}'\nlisten = '127.0.0.1:0'\nadmin_listen = 'off'\nnotifications = false\n\
             graph_url = 'http://127.0.0.1:9'\nlogin_url = 'http://127.0.0.1:9'\nlog_format = 'json'\n{more}",
            data.display()
        );
        self.write("config.toml", &text, 0o644);
    }

    /// Returns the program without any settings, as in a shell.
    pub fn shell(&self) -> Command {
        let mut command = Command::new(program());
        let more = later_postgres().filter(|_| AtomicBool::load(&self.has_later, Ordering::Relaxed));
        let more = more
            .map(|folder| format!(":{}", folder.display()))
            .unwrap_or_default();
        command
            .env_clear()
            .env("PATH", format!("/usr/bin:/bin{more}"))
            .current_dir("/")
            .kill_on_drop(true);
        command
    }

    /// Returns the program as systemd starts it: as its user, with the key as a credential.
    pub fn unit(&self) -> Command {
        let mut command = self.shell();
        command
            .env("OUTLOOK_BRIDGE_CONFIG", self.path("config.toml"))
            .env("CREDENTIALS_DIRECTORY", self.path("credentials"));
        if let Some((user, group)) = self.user.zip(self.group) {
            command.uid(user.as_raw()).gid(group.as_raw());
        }
        command
    }

    /// Starts the service, and waits until it listens.
    pub async fn serve(&self) -> Process {
        Process::spawn(self.unit(), &Log::default()).await
    }

    /// Types a command with the configuration file.
    pub async fn types(&self, arguments: &[&str]) -> Output {
        let mut command = self.shell();
        command
            .arg("--config")
            .arg(self.path("config.toml"))
            .args(arguments);
        command.output().await.expect("the program runs")
    }

    /// Types a command that must succeed on a terminal; returns what that shows.
    pub async fn shows(&self, arguments: &[&str]) -> String {
        let command = format!(
            "{} --config {} {}",
            program().display(),
            self.path("config.toml").display(),
            arguments.join(" ")
        );
        let mut terminal = Command::new("script");
        terminal
            .args(["--quiet", "--return", "--command", &command, "/dev/null"])
            .env_clear()
            .envs([("PATH", "/usr/bin:/bin"), ("TERM", "xterm")])
            .kill_on_drop(true);
        let output = terminal.output().await.expect("Debian has a terminal");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        text(&output.stdout)
    }

    /// Types a command that must succeed; returns what it prints.
    pub async fn prints(&self, arguments: &[&str]) -> String {
        let output = self.types(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        text(&output.stdout)
    }

    /// Returns the owner and mode of each file of the service.
    pub fn owners(&self) -> BTreeMap<PathBuf, (u32, u32)> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.path("data")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                let Ok(metadata) = std::fs::symlink_metadata(&path) else {
                    continue;
                };
                if metadata.is_dir() {
                    folders.push(path.clone());
                }
                // What Postgres makes and removes while it runs.
                if !path.to_string_lossy().contains("postgres/data/") {
                    found.insert(path, (metadata.uid(), metadata.mode()));
                }
            }
        }
        found
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Checks that a command was refused with these words.
pub fn refused(output: &Output, words: &str) {
    let told = text(&output.stderr);
    assert!(!output.status.success(), "{output:?}");
    assert!(told.contains(words), "not “{words}”: {told}");
    assert!(output.stdout.is_empty(), "{output:?}");
}
