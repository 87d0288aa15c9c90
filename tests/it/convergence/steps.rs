//! How a world begins, and how each step of its script is done.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use graph_sim::climate::Climate;
use outlook_bridge::store::Store;
use serde_json::json;
use tokio::process::Command;

use super::operations::{PEOPLE, PROCESSES, Step};
use super::people::{CONTACTS, DROPPED, Side, USERS};
use super::service::{Log, Process, command};
use super::world::World;
use crate::odoo::{Odoo, next_second};
use crate::stack::{BEN, Stack};

/// Which side removes [`DROPPED`] from every guest list that it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    Keeps,
    Drops(Side),
}

/// How a world begins.
pub struct Plan {
    pub peer: Peer,
    pub climate: Climate,
    /// How many users there are, at least three.
    pub people: usize,
    pub processes: usize,
    /// Where Microsoft sends notifications; without it, mailboxes are polled every second.
    pub public_url: Option<String>,
}

/// How many requests the simulator's log keeps, so that it is whole.
const LOG_LENGTH: usize = 2_000_000;
const LOGINS_AT_ONCE: usize = 8;

/// Returns the program with the settings of a world.
pub fn program_of(stack: &Stack, public_url: Option<&str>) -> Command {
    let mut program = command(stack);
    if let Some(url) = public_url {
        program
            .env("OUTLOOK_BRIDGE_NOTIFICATIONS", "true")
            .env("OUTLOOK_BRIDGE_PUBLIC_URL", url)
            .env("OUTLOOK_BRIDGE_POLL_SECONDS", "10")
            .env("OUTLOOK_BRIDGE_POLL_SECONDS_QUIET", "60");
    }
    program
}

impl Peer {
    pub fn of(seed: u64) -> Self {
        match seed % 3 {
            0 => Self::Keeps,
            1 => Self::Drops(Side::Outlook),
            _ => Self::Drops(Side::Odoo),
        }
    }
}

impl World {
    /// Starts a world in which everybody is connected and everything is quiet.
    pub async fn start(peer: Peer, climate: Climate) -> Self {
        Self::start_as(Plan {
            peer,
            climate,
            people: PEOPLE,
            processes: PROCESSES,
            public_url: None,
        })
        .await
    }

    /// Starts a world of this size.
    pub async fn start_as(plan: Plan) -> Self {
        let Plan {
            peer,
            climate,
            people,
            processes,
            public_url,
        } = plan;
        let stack = Stack::start_with(LOG_LENGTH).await;
        stack.sim.sim.world().switches = climate.switches();
        let log = Log::default();
        let mut services = Vec::new();
        for _ in 0..processes {
            let program = program_of(&stack, public_url.as_deref());
            services.push(Process::spawn(program, &log).await);
        }
        let users = &USERS[..people];
        for (_, address) in &users[PEOPLE..] {
            let person = json!({"address": address, "name": address});
            drop(stack.sim_call("POST", "people", person).await);
        }
        let service = &services[0];
        let code = service.enroll(&stack).await;
        let mut odoo = Odoo::pair_with(service, code).await;
        odoo.users = users
            .iter()
            .map(|(id, address)| (*id, (*address).to_owned()))
            .collect();
        odoo.contacts = CONTACTS
            .map(|(address, written)| (address.to_owned(), written.to_owned()))
            .into();
        match peer {
            Peer::Keeps => {}
            Peer::Drops(Side::Odoo) => odoo.drops = Some(DROPPED.to_owned()),
            Peer::Drops(Side::Outlook) => {
                let drops = json!({"drops_attendee": DROPPED});
                drop(stack.sim_call("PUT", "switches", drops).await);
            }
        }
        // Somebody who signs in with a name that is not an address of the mailbox.
        let upn = json!({"upn": "b1234@contoso.onmicrosoft.example"});
        stack.sim_call("PATCH", &format!("people/{BEN}"), upn).await;
        for some in users.chunks(LOGINS_AT_ONCE) {
            let mut logins = Vec::new();
            for (user, _) in some {
                logins.push(odoo.log_in(&stack, service, *user));
            }
            for login in join_all(logins).await {
                login.expect("connected");
            }
        }
        next_second().await;
        let store = Store::new(&stack.database_url, 2).expect("a pool");
        let mut world = Self {
            stack,
            odoo,
            log,
            events: Vec::new(),
            series: Vec::new(),
            store,
            services,
            calls: 0,
            people,
            public_url,
            backup: None,
            is_restored: false,
            is_disturbed: false,
            revoked: BTreeSet::new(),
            held: None,
            only_new: BTreeMap::new(),
            acts: 0,
            series_acts: 0,
            kills: 0,
            restores: 0,
        };
        world.quiet().await;
        world
    }

    pub async fn step(&mut self, step: &Step) {
        match step {
            Step::Act { wish, act } => self.act(*wish, act),
            Step::Series { wish, act } => self.act_on_series(*wish, act),
            Step::Exchange(exchange) => self.exchange(*exchange).await,
            Step::Trouble(trouble) => self.trouble(trouble).await,
            Step::Kill { which, down } => self.kill(*which, Duration::from_millis(*down)).await,
            Step::Backup => self.back_up().await,
            Step::Restore(side) => self.restore(*side).await,
            Step::Reset { user, all, delete } => self.reset(*user, *all, *delete).await,
            Step::Pause(milliseconds) => tokio::time::sleep(Duration::from_millis(*milliseconds)).await,
        }
    }
}
