//! Two processes under load: one of them stops, Postgres stops, or a clock is stepped. No mailbox
//! is run by two processes at once, and nobody gets a mail twice. Takes minutes (`make test-long`).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use super::convergence::service::{Log, Process};
use super::odoo::Odoo;
use super::stack::{ANN, BEN, Stack};
use super::world::{OUTSIDE, odoo_time};

/// What happens while people work.
struct Load {
    stack: Stack,
    odoo: Odoo,
    events: Vec<(i64, String)>,
}

impl Load {
    /// For this long, people make events with a guest and move each one soon after. Odoo calls
    /// whichever process answers.
    async fn work(&mut self, services: &[&Process], how_long: Duration) {
        let until = Instant::now() + how_long;
        while Instant::now() < until {
            let number = self.events.len();
            let user = [7, 8][number % 2];
            let name = format!("Meeting {number}");
            let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
            let id = self.odoo.create(user, &name, &start, &stop, &[OUTSIDE]);
            self.events.push((id, name));
            if let Some((earlier, _)) = number.checked_sub(5).and_then(|n| self.events.get(n)) {
                let (start, stop) = (odoo_time(2, "11:00:00"), odoo_time(2, "12:00:00"));
                self.odoo.write(*earlier, json!({"start": start, "stop": stop}));
            }
            self.exchange(services).await;
            sleep(Duration::from_millis(300)).await;
        }
    }

    async fn exchange(&mut self, services: &[&Process]) {
        for service in services {
            let patience = Duration::from_secs(3);
            if let Ok(Ok(answer)) = timeout(patience, self.odoo.hand_over(*service)).await {
                self.odoo.take(&answer);
                return;
            }
        }
    }

    /// Checks that everything has arrived once, and that no mailbox was run by two processes at
    /// once.
    async fn judge(&mut self, services: &[&Process]) {
        let moved = self.events.len() - 5;
        let mut patience = Instant::now() + Duration::from_secs(180);
        loop {
            self.exchange(services).await;
            let mut missing = Vec::new();
            for (index, (_, name)) in self.events.iter().enumerate() {
                let owner = [ANN, BEN][index % 2];
                let there = self.stack.event(owner, name).await;
                let hour = if index < moved { "T11:00" } else { "T09:00" };
                let start = there.map(|event| event["start"]["dateTime"].to_string());
                if !start.is_some_and(|start| start.contains(hour)) {
                    missing.push(name.clone());
                }
            }
            if missing.is_empty() && self.odoo.is_idle() {
                break;
            }
            assert!(Instant::now() < patience, "still missing: {missing:?}");
            sleep(Duration::from_millis(500)).await;
        }
        // Waits, so that a mail that would be sent twice can be.
        patience = Instant::now() + Duration::from_secs(10);
        while Instant::now() < patience {
            self.exchange(services).await;
            sleep(Duration::from_millis(500)).await;
        }
        let mails = self.stack.sim_call("GET", "mails", Value::Null).await;
        let mut counted: BTreeMap<(String, String), usize> = BTreeMap::new();
        for mail in mails["value"].as_array().expect("mails") {
            let text = |key: &str| mail[key].as_str().unwrap_or_default().to_owned();
            assert_eq!(text("to"), OUTSIDE, "{mail}");
            *counted.entry((text("subject"), text("kind"))).or_default() += 1;
        }
        for (index, (_, name)) in self.events.iter().enumerate() {
            let of = |kind: &str| {
                counted
                    .get(&(name.clone(), kind.to_owned()))
                    .copied()
                    .unwrap_or(0)
            };
            assert_eq!(of("invitation"), 1, "{name}: {counted:?}");
            // An event that was not sent before it was moved is sent as moved.
            assert!(of("update") <= usize::from(index < moved), "{name}: {counted:?}");
            assert_eq!(of("cancellation"), 0, "{name}: {counted:?}");
        }
        self.nobody_at_once().await;
    }

    async fn nobody_at_once(&self) {
        let log = self.stack.sim_call("GET", "requests", Value::Null).await;
        let mut by_mailbox: BTreeMap<String, Vec<Request>> = BTreeMap::new();
        for line in log["value"].as_array().expect("a log") {
            // A request inside a batch has no connection of its own, and no client request id.
            let (Some(mailbox), Some(_)) = (line["mailbox"].as_str(), line["client_request_id"].as_str())
            else {
                continue;
            };
            let at = |name: &str| -> DateTime<Utc> {
                line[name].as_str().and_then(|t| t.parse().ok()).expect("a time")
            };
            let (begin, end) = (at("begun"), at("time"));
            let what = format!("{} {} {}", line["method"], line["path"], line["time"]);
            by_mailbox
                .entry(mailbox.to_owned())
                .or_default()
                .push((begin, end, what));
        }
        assert!(by_mailbox.len() >= 2, "{by_mailbox:?}");
        for (mailbox, mut requests) in by_mailbox {
            requests.sort();
            assert!(requests.len() > 20, "{mailbox}: {}", requests.len());
            for pair in requests.windows(2) {
                let overlap = pair[0].1 - pair[1].0;
                assert!(
                    overlap <= TimeDelta::milliseconds(2),
                    "{mailbox}: {overlap}: {:?}",
                    pair.iter().map(|p| &p.2).collect::<Vec<_>>()
                );
            }
        }
    }
}

async fn load() -> (Load, Process, Process, Log) {
    let stack = Stack::start().await;
    let log = Log::default();
    let clock = std::env::temp_dir().join(format!("clock-{}", uuid::Uuid::new_v4()));
    tokio::fs::write(&clock, "+0s").await.expect("written");
    let one = Process::start(&stack, &log).await;
    let two = Process::start_under_clock(&stack, &log, &library(), &clock).await;
    let odoo = Odoo::pair_with(&one, one.enroll(&stack).await).await;
    for user in [7, 8] {
        odoo.connect(&stack, &one, user).await.expect("connected");
    }
    // So slow that a run is nearly always in the middle of a request.
    stack
        .sim_call(
            "PUT",
            "faults",
            json!([{"path": "/me", "latency_ms": 120}, {"path": "$batch", "latency_ms": 120}]),
        )
        .await;
    let load = Load {
        stack,
        odoo,
        events: Vec::new(),
    };
    (load, one, two, log)
}

/// When a request began and ended, and what it was.
type Request = (DateTime<Utc>, DateTime<Utc>, String);

/// Returns libfaketime (Debian: `libfaketime`), which changes a process's clock.
fn library() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").expect("/usr/lib");
    folders
        .filter_map(Result::ok)
        .map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"))
        .find(|file| file.exists())
        .expect("libfaketime is installed")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: make test-long"]
async fn nobody_is_worked_by_two_whatever_stands_still() {
    let (mut load, one, two, _log) = load().await;
    load.work(&[&one, &two], Duration::from_secs(10)).await;
    println!("one process stands still for 60 s");
    one.signal("STOP");
    load.work(&[&two], Duration::from_secs(60)).await;
    one.signal("CONT");
    load.work(&[&one, &two], Duration::from_secs(15)).await;
    println!("Postgres stands still for 30 s");
    postgres("STOP");
    load.work(&[&one, &two], Duration::from_secs(30)).await;
    postgres("CONT");
    load.work(&[&one, &two], Duration::from_secs(15)).await;
    println!("Postgres is stopped, and started again after 30 s");
    let stopped = Stopped::stop().await;
    load.work(&[&one, &two], Duration::from_secs(30)).await;
    let _started = stopped.start().await;
    load.work(&[&one, &two], Duration::from_secs(15)).await;
    for step in ["+60s", "-60s", "+0s"] {
        println!("one clock is stepped to {step}");
        two.step_clock(step).await;
        load.work(&[&two, &one], Duration::from_secs(25)).await;
    }
    load.judge(&[&one, &two]).await;
    println!("{} meetings", load.events.len());
}

fn address() -> (String, u16) {
    let url = std::env::var("TEST_DATABASE_URL").expect("a throw-away Postgres");
    let url = url::Url::parse(&url).expect("a URL");
    let host = url.host_str().expect("a host").to_owned();
    (host, url.port().expect("a port"))
}

/// Returns the id of the main process of the tests' own Postgres.
fn main_process() -> String {
    let (_, port) = address();
    let pattern = format!("postgres .*port={port}");
    let main = std::process::Command::new("pgrep")
        .args(["-o", "-f", &pattern])
        .output()
        .expect("pgrep");
    let main = String::from_utf8_lossy(&main.stdout).trim().to_owned();
    assert!(!main.is_empty(), "no Postgres at port {port}");
    main
}

/// The tests' own Postgres while it is stopped.
struct Stopped {
    command: Vec<String>,
    user: (u32, u32),
}

impl Stopped {
    /// Stops it as an administrator does: sessions are ended, and nothing is lost.
    async fn stop() -> Self {
        use std::os::unix::fs::MetadataExt;
        let main = main_process();
        let line = std::fs::read(format!("/proc/{main}/cmdline")).expect("its command");
        let words = line.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        let command = words.map(|word| String::from_utf8_lossy(word).into_owned());
        let command: Vec<String> = command.collect();
        let owner = std::fs::metadata(format!("/proc/{main}")).expect("its owner");
        let sent = std::process::Command::new("kill").args(["-INT", &main]).status();
        assert!(sent.expect("kill").success());
        until_it(false).await;
        Self {
            command,
            user: (owner.uid(), owner.gid()),
        }
    }

    async fn start(self) -> std::process::Child {
        use std::os::unix::process::CommandExt;
        let started = std::process::Command::new(&self.command[0])
            .args(&self.command[1..])
            .uid(self.user.0)
            .gid(self.user.1)
            .current_dir("/")
            .process_group(0)
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("Postgres is started");
        until_it(true).await;
        started
    }
}

/// Waits until Postgres accepts connections, or refuses them.
async fn until_it(answers: bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while tokio::net::TcpStream::connect(address()).await.is_ok() != answers {
        assert!(Instant::now() < until, "Postgres answers: {}", !answers);
        sleep(Duration::from_millis(100)).await;
    }
}

/// Sends a signal to all processes of the tests' own Postgres.
fn postgres(signal: &str) {
    let main = main_process();
    for (program, of) in [("pkill", &["-P", &main][..]), ("kill", &[&main])] {
        let sent = std::process::Command::new(program)
            .arg(format!("-{signal}"))
            .args(of)
            .status();
        assert!(sent.expect("a program").success(), "{program} {signal} {main}");
    }
}
