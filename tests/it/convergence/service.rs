//! The real program as a process of its own, to be killed.

use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::stack::{Doors, Stack};

const PROGRAM: &str = env!("CARGO_BIN_EXE_outlook-bridge");
/// The master key's bytes, in hex.
const KEY: &str = "11";
/// How much of the log is kept for the report of a failure.
const LINES: usize = 4000;

pub type Log = Arc<Mutex<Vec<String>>>;

/// `outlook-bridge serve`; dies with this value.
pub struct Process {
    child: Child,
    url: String,
}

impl Doors for Process {
    fn url(&self) -> &str {
        &self.url
    }
}

/// The program with the settings of a stack, to be told what to do.
pub fn command(stack: &Stack) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .env("OUTLOOK_BRIDGE_LISTEN", "127.0.0.1:0")
        .env("OUTLOOK_BRIDGE_DATABASE_URL", &stack.database_url)
        .env("OUTLOOK_BRIDGE_MASTER_KEY", KEY.repeat(32))
        .env("OUTLOOK_BRIDGE_GRAPH_URL", format!("{}/v1.0", stack.sim.url()))
        .env("OUTLOOK_BRIDGE_LOGIN_URL", stack.sim.url())
        .env("OUTLOOK_BRIDGE_LOG", "info,outlook_bridge=debug")
        .env("OUTLOOK_BRIDGE_LOG_FORMAT", "json")
        .env("OUTLOOK_BRIDGE_POLL_SECONDS", "1")
        .env("OUTLOOK_BRIDGE_WORKERS", "4")
        .kill_on_drop(true);
    command
}

impl Process {
    /// Starts the program and waits until it listens.
    pub async fn start(stack: &Stack, log: &Log) -> Self {
        Self::start_with(stack, log, &KEY.repeat(32)).await
    }

    /// The same with other master keys.
    pub async fn start_with(stack: &Stack, log: &Log, keys: &str) -> Self {
        let mut child = command(stack)
            .env("OUTLOOK_BRIDGE_MASTER_KEY", keys)
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
                if let Some(address) = listening(&line)
                    && let Some(tell) = tell.take()
                {
                    let _ = tell.send(address);
                }
                let mut log = log.lock().expect("the log");
                if log.len() >= LINES {
                    log.drain(..LINES / 2);
                }
                log.push(line);
            }
        });
        let address = tokio::time::timeout(Duration::from_secs(60), told)
            .await
            .expect("the program listens within a minute")
            .expect("the program listens");
        Self {
            child,
            url: format!("http://{address}"),
        }
    }

    /// SIGKILL; returns when the process is gone.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("killed");
    }

    /// `outlook-bridge enroll`: a code to pair with.
    pub async fn enroll(&self, stack: &Stack) -> String {
        let output = command(stack).arg("enroll").output().await.expect("the program");
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

/// The address in the line that says so.
fn listening(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    let fields = &line["fields"];
    (fields["message"] == "listening").then(|| fields["address"].as_str().map(str::to_owned))?
}
