//! One world: a simulator, a database, the service in its own processes, Odoo's side, and three
//! people who use both calendars.

use std::collections::{BTreeMap, BTreeSet};

use diesel_async::RunQueryDsl;
use outlook_bridge::store::Store;
use serde_json::Value;

use super::event::{Event, Sight};
use super::people::{USERS, address_of};
use super::series::Series;
use super::service::{Log, Process};
use super::shown::{id_of, with_mark};
use crate::odoo::Odoo;
use crate::stack::Stack;

pub struct World {
    pub stack: Stack,
    pub odoo: Odoo,
    pub log: Log,
    pub events: Vec<Event>,
    pub series: Vec<Series>,
    pub store: Store,
    /// The processes of the service. They share the work, and Odoo's calls go to them in turn.
    pub services: Vec<Process>,
    pub(super) calls: usize,
    /// How many of the users there are.
    pub(super) people: usize,
    /// The public address, if Microsoft notifies the service.
    pub public_url: Option<String>,
    /// Odoo at the last backup.
    pub(super) backup: Option<Odoo>,
    pub is_restored: bool,
    /// Whether an account was kept from being synced since the last quiet.
    pub(super) is_disturbed: bool,
    /// Users whose consent is withdrawn, whether or not the service knows it yet.
    pub(super) revoked: BTreeSet<i64>,
    /// An answer that Odoo's slow worker has not applied yet.
    pub(super) held: Option<Value>,
    /// Users who chose to sync only new events, with the number of events at that time. If one of
    /// these older events ends, it is not created again in their mailbox.
    pub(super) only_new: BTreeMap<i64, usize>,
    /// How many acts people have done.
    pub acts: usize,
    /// How many of them were done to series.
    pub series_acts: usize,
    pub kills: usize,
    pub restores: usize,
}

impl World {
    pub(super) async fn run_sql(&self, sql: &str) {
        let mut conn = self.store.get().await.expect("Postgres");
        diesel::sql_query(sql)
            .execute(&mut conn)
            .await
            .expect("a statement");
    }

    /// Returns Odoo's record of an event, archived or not.
    pub(super) fn record(&self, index: usize) -> Option<Value> {
        let mark = format!("{} ", self.events[index].mark);
        let mut found: Vec<&Value> = self
            .odoo
            .records
            .values()
            .filter(|r| r["name"].as_str().is_some_and(|name| name.starts_with(&mark)))
            .filter(|r| !self.events[index].leftovers.contains(&id_of(r)))
            .collect();
        if self.is_restored && found.len() > 1 {
            found.retain(|r| r["active"] == true);
        }
        assert!(found.len() <= 1, "two records of {mark}in Odoo: {found:#?}");
        found.pop().cloned()
    }

    /// Notes records that stay archived after a restore, beside the record that Outlook's event has
    /// now.
    pub fn note_leftovers(&mut self, index: usize) {
        let Some(record) = self.active_record(index).filter(|_| self.is_restored) else {
            return;
        };
        let mark = format!("{} ", self.events[index].mark);
        let others = self.odoo.records.values().filter(|r| {
            r["name"].as_str().is_some_and(|name| name.starts_with(&mark)) && r["active"] == false
        });
        let ids: Vec<i64> = others.map(id_of).filter(|id| *id != id_of(&record)).collect();
        self.events[index].leftovers.extend(ids);
    }

    pub(super) fn active_record(&self, index: usize) -> Option<Value> {
        self.record(index).filter(|r| r["active"] == true)
    }

    pub(super) fn organizers(&self, index: usize) -> &'static str {
        address_of(self.events[index].organizer)
    }

    /// Returns everything that exists of an event now.
    pub fn sight(&self, index: usize) -> Sight {
        let microsoft = self.stack.sim.sim.world();
        let mark = &self.events[index].mark;
        let users = &USERS[..self.people];
        let copies = users
            .iter()
            .map(|(_, address)| (*address, with_mark(&microsoft, address, mark)));
        Sight {
            record: self.record(index),
            copies: copies.collect(),
        }
    }
}
