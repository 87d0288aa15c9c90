//! How a world begins, and how each step of its script is done.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use graph_sim::climate::Climate;
use outlook_bridge::store::Store;
use serde_json::json;

use super::operations::{PROCESSES, Step};
use super::people::{CONTACTS, DROPPED, Side, USERS};
use super::service::{Log, Process};
use super::world::World;
use crate::odoo::{Odoo, next_second};
use crate::stack::{BEN, Stack};

/// Which side removes [`DROPPED`] from every guest list that it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    Keeps,
    Drops(Side),
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
        let stack = Stack::start().await;
        stack.sim.sim.world().switches = climate.switches();
        let log = Log::default();
        let mut services = Vec::new();
        for _ in 0..PROCESSES {
            services.push(Process::start(&stack, &log).await);
        }
        let service = &services[0];
        let code = service.enroll(&stack).await;
        let mut odoo = Odoo::pair_with(service, code).await;
        odoo.users = USERS.map(|(id, address)| (id, address.to_owned())).into();
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
        for (user, _) in USERS {
            odoo.log_in(&stack, service, user).await.expect("connected");
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
