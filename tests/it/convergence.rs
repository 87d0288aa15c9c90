//! Convergence: whatever three people do on both sides, whatever fails, and however often the
//! service is killed, in the end all sides agree. Nothing is lost or doubled, and the mails are
//! those that people's actions call for.
//!
//! The service is the real program in its own process. Postgres and the simulator are real. Odoo is
//! the model in `odoo.rs`. A seed decides what is done ([`operations`]); [`oracle`] says what must
//! hold. The seed also decides the climate, unless `CONVERGENCE_CLIMATE` does (graph-sim's
//! `--climate`). `CONVERGENCE_SEED=<seed>` repeats a run that failed. `CONVERGENCE_OPERATIONS` is
//! the number of people's actions in all worlds together (`make test-long`: 20,000). The service
//! runs by its own clock, so a seed repeats what is done, but not exactly when.

mod acts;
mod database;
mod event;
mod exchange;
mod facts;
mod faults;
mod mails;
pub mod operations;
mod oracle;
mod oracle_mails;
mod oracle_state;
pub mod people;
mod series;
mod series_acts;
mod series_oracle;
pub mod series_script;
mod series_views;
pub mod service;
mod shown;
pub mod steps;
mod troubles;
pub mod world;

use std::path::Path;
use std::sync::{Arc, PoisonError};

use graph_sim::climate::Climate;
use operations::{Script, Step};
use service::Log;
use steps::Peer;
use tokio::sync::Semaphore;
use world::World;

/// Seeds that run each time, besides a random one.
const SEEDS: [u64; 3] = [1, 2, 3];
/// How many actions people do in `make test`, in all worlds together.
const OPERATIONS: usize = 400;
/// How many actions people do in one world at most. Then another world begins, with the next seed.
const OPERATIONS_OF_A_WORLD: usize = 400;
/// How many worlds run at once.
const WORLDS: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn random_edits_faults_and_kills_converge() {
    let number = |name: &str| {
        let value = std::env::var(name).ok()?;
        Some(
            value
                .parse::<u64>()
                .unwrap_or_else(|_| panic!("{name} must be a number")),
        )
    };
    let wanted = number("CONVERGENCE_OPERATIONS").map_or(OPERATIONS, |n| usize::try_from(n).expect("a size"));
    let seeds: Vec<u64> = match number("CONVERGENCE_SEED") {
        Some(seed) => vec![seed],
        None => {
            // `make test` uses a fixed seed, so that only the change can cause a failure.
            let first = number("SEED").unwrap_or_else(|| u64::from(rand::random::<u32>()));
            let worlds = wanted.div_ceil(OPERATIONS_OF_A_WORLD).max(SEEDS.len() + 1);
            let more = u64::try_from(worlds - SEEDS.len()).expect("a number");
            SEEDS.into_iter().chain(first..first + more).collect()
        }
    };
    let each = wanted.div_ceil(seeds.len());
    println!("convergence: seeds {seeds:?}, {each} operations each");
    let room = Arc::new(Semaphore::new(WORLDS));
    let worlds = seeds.iter().map(|&seed| {
        let room = Arc::clone(&room);
        tokio::spawn(async move {
            let _place = room.acquire().await.expect("a place");
            println!("convergence: seed {seed}: {}", run(seed, each).await);
        })
    });
    let ended = futures_util::future::join_all(worlds).await;
    let failed: Vec<u64> = seeds
        .iter()
        .zip(ended)
        .filter_map(|(seed, ended)| ended.is_err().then_some(*seed))
        .collect();
    assert!(
        failed.is_empty(),
        "CONVERGENCE_OPERATIONS={each} CONVERGENCE_SEED= one of {failed:?} failed, see above"
    );
}

/// The facts about a world that explain a failure. A panic in the world prints them.
struct Report {
    seed: u64,
    operations: usize,
    rounds: usize,
    acts: usize,
    steps: Vec<Step>,
    log: Option<Log>,
}

impl Drop for Report {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        println!(
            "CONVERGENCE_OPERATIONS={} CONVERGENCE_SEED={} failed in round {} after {} operations\nsteps: {:#?}",
            self.operations, self.seed, self.rounds, self.acts, self.steps
        );
        let Some(log) = &self.log else { return };
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("convergence-{}.log", self.seed));
        let lines = log.lock().unwrap_or_else(PoisonError::into_inner).join("\n");
        if std::fs::write(&path, lines).is_ok() {
            println!("convergence: the service's log is in {}", path.display());
        }
    }
}

/// Returns how Microsoft behaves in the world of a seed, unless `CONVERGENCE_CLIMATE` says so for
/// all.
fn climate_of(seed: u64) -> Climate {
    match std::env::var("CONVERGENCE_CLIMATE") {
        Ok(climate) => climate.parse().unwrap_or_else(|error| panic!("{error}")),
        Err(_) => match seed % 3 {
            0 => Climate::Mixed(seed),
            1 => Climate::Documented,
            _ => Climate::Reported,
        },
    }
}

/// Runs one world until people have done this many actions. Panics with what is wrong.
async fn run(seed: u64, operations: usize) -> String {
    let today = chrono::Utc::now().date_naive();
    let mut script = Script::new(seed, today);
    let mut report = Report {
        seed,
        operations,
        rounds: 0,
        acts: 0,
        steps: Vec::new(),
        log: None,
    };
    let began = std::time::Instant::now();
    let mut world = World::start(Peer::of(seed), climate_of(seed)).await;
    report.log = Some(Arc::clone(&world.log));
    while world.acts < operations {
        report.rounds += 1;
        report.steps = script.round();
        for step in &report.steps {
            world.step(step).await;
        }
        report.acts = world.acts;
        world.quiet().await;
        if let Err(wrong) = world.judge().await {
            panic!("{wrong}");
        }
    }
    format!(
        "{} operations ({} of series) in {} rounds, {} kills, {} restores, {:?}",
        world.acts,
        world.series_acts,
        report.rounds,
        world.kills,
        world.restores,
        began.elapsed()
    )
}
