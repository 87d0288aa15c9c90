//! The simulator as it runs: the world behind a lock, and who waits for its changes.

use crate::contract::Contract;
use crate::courier::Courier;
use crate::state::{Logline, World};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many requests the log keeps, unless an option says otherwise.
pub const LOG_LENGTH: usize = 20_000;

/// The world and what surrounds it.
pub struct Sim {
    world: Mutex<World>,
    changed: tokio::sync::Notify,
    pub(crate) courier: Courier,
    log_length: usize,
    /// Where a schema was given.
    pub contract: Option<Contract>,
}

impl Sim {
    /// Surrounds a world; without a `contract` nothing is checked against the schema.
    pub fn new(world: World, contract: Option<Contract>) -> Self {
        Self {
            world: Mutex::new(world),
            changed: tokio::sync::Notify::new(),
            courier: Courier::default(),
            log_length: LOG_LENGTH,
            contract,
        }
    }

    /// Sets how many requests the log keeps; none is kept as one.
    #[must_use]
    pub fn with_log_length(mut self, length: usize) -> Self {
        self.log_length = length.max(1);
        self
    }

    /// A panic elsewhere must not take the simulator down with it.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that the world has changed, so that it is saved soon.
    pub fn changed(&self) {
        self.changed.notify_one();
    }

    pub(crate) async fn wait_for_change(&self) {
        self.changed.notified().await;
    }

    /// Adds a line to the request log, which forgets the oldest where it is full.
    pub fn log(&self, line: Logline) {
        tracing::debug!(
            method = line.method,
            path = line.path,
            status = line.status,
            "request"
        );
        let mut world = self.world();
        while world.requests.len() >= self.log_length {
            world.requests.pop_front();
        }
        world.requests.push_back(line);
    }

    pub(crate) fn save(&self, file: &Path) -> std::io::Result<()> {
        let bytes = serde_json::to_vec(&*self.world())?;
        let draft = file.with_extension("saving");
        std::fs::write(&draft, bytes)?;
        std::fs::rename(&draft, file)
    }
}
