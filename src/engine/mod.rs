//! What every part of a sync needs: the connections to Postgres, Microsoft and Odoo, the settings, the clock.

pub mod health;
pub mod lease;
pub mod notify_url;
pub mod odoo_client;
pub mod poke;
pub mod tenants;
pub mod throttling;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use notify_url::Notifications;
use odoo_client::OdooClient;
use poke::Pokes;
use tenants::Tenants;
use throttling::Throttling;
use tokio::sync::{Notify, broadcast};
use uuid::Uuid;

use crate::outlook::client::GraphClient;
use crate::outlook::login::LoginClient;
use crate::store::Store;
use crate::store::seal::Sealer;

/// The widest window, in days: Graph refuses windows of more than 1825 days
/// (calendar-list-calendarview).
pub const LONGEST_BACK: i64 = 800;
pub const LONGEST_AHEAD: i64 = 1000;

/// The settings of the sync.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long a mailbox rests between two polls, at least.
    pub poll_interval: TimeDelta,
    /// How long a mailbox rests whose events have not changed for a while.
    pub quiet_interval: TimeDelta,
    /// How many days back and ahead of now events are exchanged.
    pub days_back: i64,
    pub days_ahead: i64,
    /// How many mailboxes are worked at once.
    pub workers: usize,
    /// How many further mailboxes are polled at once in which nothing is known to be pending.
    pub polls: usize,
    /// How many days the journal is kept, and with it the content of deleted events.
    pub journal_days: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            poll_interval: TimeDelta::seconds(60),
            quiet_interval: TimeDelta::seconds(300),
            days_back: 365,
            days_ahead: 730,
            workers: 8,
            polls: 32,
            journal_days: 90,
        }
    }
}

/// Everything a sync needs; cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub store: Store,
    pub sealer: Arc<Sealer>,
    pub graph: GraphClient,
    pub login: LoginClient,
    /// For Microsoft. Follows no redirects.
    pub http: reqwest::Client,
    /// For Odoo, whose address its administrators choose.
    pub odoo: OdooClient,
    /// Limits the calls in progress of each database.
    pub tenants: Tenants,
    pub throttling: Throttling,
    pub pokes: Pokes,
    pub settings: Settings,
    /// Where Microsoft sends notifications of changes.
    pub notifications: Notifications,
    /// Identifies this process in leases, and in the ids of its requests to Graph.
    pub process: Uuid,
    /// Notified when there may be a mailbox to work.
    pub work: Arc<Notify>,
    /// Notified when the workers of other processes should know, too.
    pub elsewhere: Arc<Notify>,
    /// Ids of accounts whose run has ended.
    pub runs: broadcast::Sender<i64>,
}

impl Engine {
    pub fn new(
        store: Store,
        sealer: Arc<Sealer>,
        graph: GraphClient,
        login: LoginClient,
        http: reqwest::Client,
        odoo: OdooClient,
        settings: Settings,
    ) -> Self {
        let (runs, _) = broadcast::channel(256);
        let process = Uuid::new_v4();
        Self {
            store,
            sealer,
            graph: graph.of_process(process),
            login,
            http,
            odoo,
            tenants: Tenants::default(),
            throttling: Throttling::default(),
            pokes: Pokes::default(),
            settings,
            notifications: Notifications::Off,
            process,
            work: Arc::new(Notify::new()),
            elsewhere: Arc::new(Notify::new()),
            runs,
        }
    }
}

impl Engine {
    /// Says that a mailbox is due, once that is committed: to the workers of this process and, soon,
    /// of all others, as those of this one may be busy.
    pub fn wake_workers(&self) {
        self.work.notify_one();
        self.elsewhere.notify_one();
    }

    /// Returns the engine for the workers, which have connections of their own.
    #[must_use]
    pub fn of_the_workers(&self) -> Self {
        Self {
            store: self.store.of_the_workers(),
            ..self.clone()
        }
    }
}

/// Returns the present time, to the microsecond, as Postgres stores it.
pub fn now() -> DateTime<Utc> {
    let now = Utc::now();
    DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now)
}
