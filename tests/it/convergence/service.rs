//! The real program in its own process, so that it can be killed.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::stack::{Doors, Stack};

const PROGRAM: &str = env!("CARGO_BIN_EXE_outlook-bridge");
/// The master key: this byte in hex, repeated.
const KEY: &str = "11";
/// How many lines of the log are kept for the report of a failure.
const LINES: usize = 40_000;

pub type Log = Arc<Mutex<Vec<String>>>;

/// `outlook-bridge serve`; dropping this value kills it.
pub struct Process {
    child: Child,
    url: String,
    /// The file that sets its clock, if the clock is not the true one.
    clock: Option<PathBuf>,
    /// The process's name in leases.
    pub id: String,
}

impl Doors for Process {
    fn url(&self) -> &str {
        &self.url
    }
}

/// Returns the program with the settings of a stack, for any command.
pub fn command(stack: &Stack) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        // Nothing of a service that is installed on this machine.
        .env("OUTLOOK_BRIDGE_CONFIG", "/dev/null")
        .env("OUTLOOK_BRIDGE_DATA_DIR", "/nonexistent/outlook-bridge")
        .env("OUTLOOK_BRIDGE_LISTEN", "127.0.0.1:0")
        .env("OUTLOOK_BRIDGE_ADMIN_LISTEN", "127.0.0.1:0")
        .env("OUTLOOK_BRIDGE_DATABASE_URL", &stack.database_url)
        .env("OUTLOOK_BRIDGE_MASTER_KEY", KEY.repeat(32))
        .env("OUTLOOK_BRIDGE_GRAPH_URL", format!("{}/v1.0", stack.sim.url()))
        .env("OUTLOOK_BRIDGE_LOGIN_URL", stack.sim.url())
        .env("OUTLOOK_BRIDGE_LOG", "info,outlook_bridge=debug")
        .env("OUTLOOK_BRIDGE_LOG_FORMAT", "json")
        .env("OUTLOOK_BRIDGE_POLL_SECONDS", "1")
        .env("OUTLOOK_BRIDGE_POLL_SECONDS_QUIET", "1")
        // Odoo's address leads nowhere.
        .env("OUTLOOK_BRIDGE_NOTIFICATIONS", "false")
        .env("OUTLOOK_BRIDGE_WORKERS", "4")
        .kill_on_drop(true);
    command
}

impl Process {
    /// Starts the program and waits until it listens.
    pub async fn start(stack: &Stack, log: &Log) -> Self {
        Self::start_with(stack, log, &KEY.repeat(32)).await
    }

    /// Starts it with other master keys.
    pub async fn start_with(stack: &Stack, log: &Log, keys: &str) -> Self {
        let mut program = command(stack);
        program.env("OUTLOOK_BRIDGE_MASTER_KEY", keys);
        Self::spawn(program, log).await
    }

    /// Starts it with a clock that [`Self::step_clock`] steps; `library` is libfaketime.
    pub async fn start_under_clock(stack: &Stack, log: &Log, library: &Path, clock: &Path) -> Self {
        let mut program = command(stack);
        program
            .env("LD_PRELOAD", library)
            .env("FAKETIME_TIMESTAMP_FILE", clock)
            .env("FAKETIME_NO_CACHE", "1")
            // Waiting uses the monotonic clock, which is not stepped.
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        let mut process = Self::spawn(program, log).await;
        process.clock = Some(clock.to_owned());
        process
    }

    /// Starts a program with its own settings.
    pub async fn spawn(mut program: Command, log: &Log) -> Self {
        let mut child = program
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stderr = child.stderr.take().expect("a pipe");
        let (tell, told) = tokio::sync::oneshot::channel();
        let log = Arc::clone(log);
        tokio::spawn(async move {
            let mut tell = Some(tell);
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(started) = listening(&line)
                    && let Some(tell) = tell.take()
                {
                    let _ = tell.send(started);
                }
                let mut log = log.lock().expect("the log");
                if log.len() >= LINES {
                    log.drain(..LINES / 2);
                }
                log.push(line);
            }
        });
        let (address, id) = tokio::time::timeout(Duration::from_secs(60), told)
            .await
            .expect("the program listens within a minute")
            .expect("the program listens");
        Self {
            child,
            url: format!("http://{address}"),
            clock: None,
            id,
        }
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = std::process::Command::new("kill")
            .args([format!("-{name}"), id])
            .status();
        assert!(sent.expect("kill").success(), "{name}");
    }

    /// Sets its clock to the true time plus an offset, e.g. `-60s`.
    pub async fn step_clock(&self, offset: &str) {
        let clock = self.clock.as_ref().expect("a clock of its own");
        tokio::fs::write(clock, offset).await.expect("written");
    }

    /// SIGKILL; returns when the process is gone.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("killed");
    }

    /// SIGTERM; returns when the process has finished its work and is gone.
    pub async fn stop(mut self) {
        self.signal("TERM");
        let ended = tokio::time::timeout(Duration::from_secs(60), self.child.wait()).await;
        let status = ended.expect("it stops within a minute").expect("a status");
        assert!(status.success(), "{status}");
    }

    /// Returns a pairing code from `outlook-bridge enroll`.
    pub async fn enroll(&self, stack: &Stack) -> String {
        self.code(stack, &["enroll"]).await
    }

    /// Returns a pairing code for a known database.
    pub async fn enroll_again(&self, stack: &Stack, uuid: &str) -> String {
        self.code(stack, &["enroll", "--again", uuid]).await
    }

    async fn code(&self, stack: &Stack, arguments: &[&str]) -> String {
        let output = command(stack)
            .args(arguments)
            .output()
            .await
            .expect("the program");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout)
            .expect("a code")
            .trim()
            .to_owned()
    }
}

/// Returns the address and the process's name in leases, if the line contains them.
fn listening(line: &str) -> Option<(String, String)> {
    let line: Value = serde_json::from_str(line).ok()?;
    let fields = &line["fields"];
    let text = |name: &str| fields[name].as_str().map(str::to_owned);
    (fields["message"] == "listening").then(|| Some((text("address")?, text("process")?)))?
}
