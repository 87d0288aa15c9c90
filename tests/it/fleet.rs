//! Three processes of the service share many mailboxes, whose owners edit on both sides all the time,
//! while processes are killed, stand still for longer than a lease, and are replaced. In the end all
//! sides agree, every mail was sent once, and no two processes have asked for the same mailbox at
//! once. What people do, and what is judged, is that of [`convergence`](super::convergence).
//!
//! `FLEET_SEED=<seed>` repeats what was done, though not exactly when. `FLEET_SECONDS` is how long the
//! long test disturbs (600).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::PoisonError;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use graph_sim::climate::Climate;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::convergence::operations::{Exchange, Script, Step};
use super::convergence::service::{Log, Process};
use super::convergence::steps::{Peer, Plan, program_of};
use super::convergence::world::World;
use super::proxy::Proxy;
use super::stack::Doors;

const PROCESSES: usize = 3;
/// How long each request to Graph takes at least, so that a process is often disturbed in the middle
/// of one.
const LATENCY_MS: u64 = 60;
/// How long Odoo waits for a process that stands still.
const PATIENCE: Duration = Duration::from_secs(2);

struct Size {
    people: usize,
    rounds: usize,
    /// How long people work and processes are disturbed in a round, before all come to rest.
    round: Duration,
    /// How long a process stands still, at most.
    freeze: Duration,
    /// The pause between two disturbances, at most.
    calm: Duration,
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_come_and_go() {
    run(&Size {
        people: 20,
        rounds: 1,
        round: Duration::from_secs(15),
        freeze: Duration::from_secs(24),
        calm: Duration::from_secs(4),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: make test-long"]
async fn three_processes_and_two_hundred_mailboxes() {
    let rounds = 5;
    let seconds = number("FLEET_SECONDS").unwrap_or(600);
    run(&Size {
        people: 200,
        rounds,
        round: Duration::from_secs(seconds) / u32::try_from(rounds).expect("few"),
        freeze: Duration::from_secs(60),
        calm: Duration::from_secs(15),
    })
    .await;
}

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    let number = value.parse();
    Some(number.unwrap_or_else(|_| panic!("{name} must be a number")))
}

async fn run(size: &Size) {
    // `make test` uses a fixed seed, so that only the change can cause a failure.
    let seed = number("FLEET_SEED").or_else(|| number("SEED"));
    let seed = seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    println!("fleet: FLEET_SEED={seed}");
    let mut fleet = Fleet::start(seed, size.people).await;
    let today = Utc::now().date_naive();
    let mut script = Script::of(seed, today, size.people, (2 * size.people, size.people / 2));
    for round in 1..=size.rounds {
        fleet.work(&mut script, size).await;
        fleet.everybody_is_back().await;
        let began = Instant::now();
        fleet.world.quiet().await;
        println!(
            "fleet: round {round}: {} acts ({} of series), {} kills, {} ends, {} freezes, exchanges {:?}; quiet after {:?}",
            fleet.world.acts,
            fleet.world.series_acts,
            fleet.world.kills,
            fleet.ends,
            fleet.freezes,
            fleet.calls,
            began.elapsed()
        );
        if let Err(wrong) = fleet.world.judge().await {
            panic!("FLEET_SEED={seed}, round {round}: {wrong}");
        }
        fleet.no_two_processes_at_once();
    }
}

/// Writes the processes' log to a file if the test fails.
struct Report(Log, u64);

impl Drop for Report {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fleet-{}.log", self.1));
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner).join("\n");
        if std::fs::write(&path, lines).is_ok() {
            println!(
                "fleet: FLEET_SEED={}: the service's log is in {}",
                self.1,
                path.display()
            );
        }
    }
}

/// A process that stands still until some time.
struct Frozen {
    process: Process,
    until: Instant,
}

struct Fleet {
    world: World,
    /// The public address for notifications. It leads to each process in turn, also to one that
    /// stands still.
    front: Proxy,
    frozen: Vec<Frozen>,
    /// The processes that begin, some after the end of their predecessor.
    starting: Vec<JoinHandle<Process>>,
    /// All processes that ever were, by the first half of their id.
    names: BTreeMap<String, usize>,
    rng: StdRng,
    freezes: usize,
    ends: usize,
    /// How many exchanges there were, how long the longest took, and all of them.
    calls: (usize, Duration, Duration),
    _report: Report,
}

impl Fleet {
    async fn start(seed: u64, people: usize) -> Self {
        let front = Proxy::open().await;
        let world = World::start_as(Plan {
            peer: Peer::of(seed),
            climate: Climate::Mixed(seed),
            people,
            processes: PROCESSES,
            public_url: Some(front.url.clone()),
        })
        .await;
        let report = Report(Log::clone(&world.log), seed);
        let mut fleet = Self {
            world,
            front,
            frozen: Vec::new(),
            starting: Vec::new(),
            names: BTreeMap::new(),
            rng: StdRng::seed_from_u64(seed),
            freezes: 0,
            ends: 0,
            calls: (0, Duration::ZERO, Duration::ZERO),
            _report: report,
        };
        fleet.note_processes();
        fleet
    }

    /// Leads notifications to the present processes, and remembers their names.
    fn note_processes(&mut self) {
        let frozen = self.frozen.iter().map(|frozen| &frozen.process);
        let all: Vec<&Process> = self.world.services.iter().chain(frozen).collect();
        let urls: Vec<&str> = all.iter().map(|process| process.url()).collect();
        self.front.lead_to_all(&urls);
        for process in all {
            let number = self.names.len();
            self.names.entry(process.id[..18].to_owned()).or_insert(number);
        }
    }

    /// People work on both sides, and processes are disturbed.
    async fn work(&mut self, script: &mut Script, size: &Size) {
        let slow =
            json!([{"path": "/me", "latency_ms": LATENCY_MS}, {"path": "$batch", "latency_ms": LATENCY_MS}]);
        self.world.stack.sim_call("PUT", "faults", slow).await;
        let loss = json!({
            "notification_loss_every": self.rng.random_range(3..9),
            "notification_loss_told": self.rng.random_bool(0.5),
        });
        self.world.stack.sim_call("PUT", "switches", loss).await;
        let until = Instant::now() + size.round;
        let mut next = Instant::now() + size.calm.mul_f64(self.rng.random());
        while Instant::now() < until {
            for _ in 0..self.rng.random_range(1..=8) {
                self.world.step(&script.act()).await;
            }
            if self.rng.random_bool(0.3) {
                let begun = Instant::now();
                self.exchange().await;
                self.calls.0 += 1;
                self.calls.1 = self.calls.1.max(begun.elapsed());
                self.calls.2 += begun.elapsed();
            }
            if Instant::now() >= next {
                self.disturb(size).await;
                next = Instant::now() + size.calm.mul_f64(self.rng.random());
            }
            self.welcome().await;
            sleep(Duration::from_millis(self.rng.random_range(0..60))).await;
        }
    }

    /// Odoo calls one of the processes, now and then one that stands still.
    async fn exchange(&mut self) {
        if let Some(frozen) = self.frozen.first()
            && self.rng.random_bool(0.1)
        {
            let asked = self.world.odoo.hand_over(&frozen.process);
            assert!(timeout(PATIENCE, asked).await.is_err(), "it stands still");
            return;
        }
        let kind = match self.rng.random_range(0..10) {
            0 => Exchange::AnswerLost,
            1 => Exchange::Repeated,
            2 => Exchange::Slow,
            _ => Exchange::Whole,
        };
        self.world.step(&Step::Exchange(kind)).await;
    }

    /// Kills a process, ends it, or lets it stand still; unless it is the only one that works.
    async fn disturb(&mut self, size: &Size) {
        let kind = self.rng.random_range(0..10);
        if kind == 0 && !self.frozen.is_empty() {
            let frozen = self.frozen.swap_remove(0);
            frozen.process.kill().await;
            self.world.kills += 1;
            self.start_another(None);
            self.note_processes();
            return;
        }
        if self.world.services.len() < 2 {
            return;
        }
        let which = self.rng.random_range(0..self.world.services.len());
        let process = self.world.services.swap_remove(which);
        match kind {
            0..4 => {
                process.kill().await;
                self.world.kills += 1;
                self.start_another(None);
            }
            4 => {
                self.ends += 1;
                self.start_another(Some(process));
            }
            _ => {
                process.signal("STOP");
                self.freezes += 1;
                let until = Instant::now() + size.freeze.mul_f64(self.rng.random());
                self.frozen.push(Frozen { process, until });
            }
        }
        self.note_processes();
    }

    /// Starts a process, after another one has ended.
    fn start_another(&mut self, after: Option<Process>) {
        let program = program_of(&self.world.stack, self.world.public_url.as_deref());
        let log = Log::clone(&self.world.log);
        let down = Duration::from_millis(self.rng.random_range(0..5_000));
        self.starting.push(tokio::spawn(async move {
            if let Some(process) = after {
                process.stop().await;
            }
            sleep(down).await;
            Process::spawn(program, &log).await
        }));
    }

    /// Takes in processes that have started, and those that continue now.
    async fn welcome(&mut self) {
        let before = self.world.services.len();
        for begun in std::mem::take(&mut self.starting) {
            match begun.is_finished() {
                true => self.world.services.push(begun.await.expect("started")),
                false => self.starting.push(begun),
            }
        }
        let over = |frozen: &Frozen| Instant::now() >= frozen.until;
        for frozen in std::mem::take(&mut self.frozen) {
            if over(&frozen) {
                frozen.process.signal("CONT");
                self.world.services.push(frozen.process);
            } else {
                self.frozen.push(frozen);
            }
        }
        if self.world.services.len() != before {
            self.note_processes();
        }
    }

    async fn everybody_is_back(&mut self) {
        for frozen in &mut self.frozen {
            frozen.until = Instant::now();
        }
        for begun in std::mem::take(&mut self.starting) {
            self.world.services.push(begun.await.expect("started"));
        }
        self.welcome().await;
        self.note_processes();
        assert_eq!(self.world.services.len(), PROCESSES);
    }

    /// Checks in the simulator's log that no mailbox was asked for by two processes at once.
    fn no_two_processes_at_once(&self) {
        let microsoft = self.world.stack.sim.sim.world();
        let mut by_mailbox: BTreeMap<&str, Vec<Request>> = BTreeMap::new();
        let (mut seen, mut whole) = (0, 0);
        for line in &microsoft.requests {
            // A request inside a batch has no connection of its own, and no client request id.
            let (Some(mailbox), Some(id)) = (&line.mailbox, &line.client_request_id) else {
                continue;
            };
            let Some(process) = id.get(..18).and_then(|name| self.names.get(name)) else {
                continue;
            };
            seen += 1;
            by_mailbox.entry(mailbox).or_default().push(Request {
                begun: line.begun,
                ended: line.time,
                process: *process,
                what: format!("{} {}", line.method, line.path),
            });
        }
        for (mailbox, mut requests) in by_mailbox {
            requests.sort_by_key(|request| request.begun);
            // The latest end of each process's requests so far.
            let mut ends: BTreeMap<usize, &Request> = BTreeMap::new();
            for request in &requests {
                for (process, earlier) in &ends {
                    let overlap = earlier.ended - request.begun;
                    assert!(
                        *process == request.process || overlap <= TimeDelta::zero(),
                        "{mailbox}: for {overlap}: {earlier:?} and {request:?}"
                    );
                }
                let end = ends.entry(request.process).or_insert(request);
                if request.ended > end.ended {
                    *end = request;
                }
            }
            whole += usize::from(ends.len() > 1);
        }
        println!("fleet: {seen} requests; {whole} mailboxes were worked by several processes");
        assert!(seen > 100 && whole > 1, "{seen} requests, {whole} mailboxes");
    }
}

/// A request of a process for a mailbox.
#[derive(Debug)]
struct Request {
    begun: DateTime<Utc>,
    ended: DateTime<Utc>,
    process: usize,
    #[expect(dead_code, reason = "for the message of a failure")]
    what: String,
}
