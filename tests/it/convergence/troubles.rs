//! Faults, and what administrators do: kills, backups, restores and resets.

use std::time::Duration;

use outlook_bridge::store::Store;
use serde_json::json;

use super::event::{Deed, Event};
use super::faults::Trouble;
use super::operations::PROCESSES;
use super::people::{Side, address_of};
use super::service::Process;
use super::shown::id_of;
use super::steps::program_of;
use super::world::World;
use crate::odoo::next_second;
use crate::stack::CLIENT_ID;

impl World {
    pub(super) async fn trouble(&mut self, trouble: &Trouble) {
        let is_disturbing = !matches!(
            trouble,
            Trouble::Fault(_) | Trouble::Switches(_) | Trouble::ForgetDelta(_)
        );
        // As in `hand_over`: the new organizer stays connected until the service has seen the
        // change.
        let is_handed_over = |event: &Event| event.deeds.iter().any(|d| matches!(d, Deed::HandedOver(..)));
        if is_disturbing && self.events.iter().any(is_handed_over) {
            return;
        }
        self.is_disturbed |= is_disturbing;
        match trouble {
            Trouble::Sync { user, on } => {
                let method = if *on { "restart" } else { "stop" };
                self.ask(*user, "res.users", method, json!({"user_id": user}))
                    .await;
                return;
            }
            Trouble::Paused(paused) => return self.set(json!({"paused": paused})).await,
            Trouble::NewSecret => return self.new_secret().await,
            Trouble::LogIn(user) => return self.log_in(*user).await,
            Trouble::Revoke(user) => drop(self.revoked.insert(*user)),
            _ => {}
        }
        let (method, path, body) = match trouble {
            Trouble::Fault(fault) => ("POST", "faults".to_owned(), fault.clone()),
            Trouble::Switches(switches) => ("PUT", "switches".to_owned(), switches.clone()),
            Trouble::ForgetDelta(person) => ("POST", format!("mailboxes/{person}/delta-reset"), json!({})),
            Trouble::ExpireTokens(person) => ("POST", format!("people/{person}/expire-tokens"), json!({})),
            Trouble::Revoke(user) => ("POST", format!("people/{}/revoke", address_of(*user)), json!({})),
            Trouble::SecretExpired => (
                "PATCH",
                format!("apps/{CLIENT_ID}"),
                json!({"secret_expired": true}),
            ),
            other => unreachable!("{other:?} is done already"),
        };
        self.stack.sim_call(method, &path, body).await;
    }

    /// Kills one process. The others go on while its successor starts.
    pub(super) async fn kill(&mut self, which: usize, down: Duration) {
        let killed = self.services.swap_remove(which % self.services.len());
        let id = killed.id.clone();
        killed.kill().await;
        self.kills += 1;
        tokio::time::sleep(down).await;
        // The leases of a killed process end after some seconds, for which the test need not wait.
        self.run_sql(&format!(
            "UPDATE accounts SET lease_id = NULL, next_run_at = now()
             WHERE left(lease_id::text, 18) = left('{id}', 18)"
        ))
        .await;
        let started = self.start_process().await;
        self.services.push(started);
    }

    async fn start_process(&self) -> Process {
        let program = program_of(&self.stack, self.public_url.as_deref());
        Process::spawn(program, &self.log).await
    }

    async fn stop_all(&mut self) {
        for service in self.services.drain(..) {
            service.kill().await;
        }
        self.store = Store::new(&self.stack.database_url, 2).expect("a pool");
    }

    async fn start_all(&mut self) {
        self.run_sql("UPDATE accounts SET lease_id = NULL, next_run_at = now() WHERE lease_id IS NOT NULL")
            .await;
        for _ in 0..PROCESSES {
            let started = self.start_process().await;
            self.services.push(started);
        }
    }

    pub(super) async fn back_up(&mut self) {
        self.stop_all().await;
        self.stack.copy_database("", "_backup").await;
        self.start_all().await;
        self.backup = Some(self.odoo.clone());
    }

    pub(super) async fn restore(&mut self, side: Side) {
        let Some(backup) = &self.backup else {
            return self.back_up().await;
        };
        self.restores += 1;
        match side {
            Side::Odoo => {
                for event in &mut self.events {
                    event.leftovers.clear();
                }
                self.odoo = backup.clone();
                self.end_again();
            }
            Side::Outlook => {
                self.stop_all().await;
                self.stack.copy_database("_backup", "").await;
                self.start_all().await;
            }
        }
        // Odoo's key may be newer or older than the service's, so the administrator pairs the two
        // again.
        self.held = None;
        self.is_restored = true;
        for event in &mut self.events {
            event.deeds.push(Deed::Restored);
            event.forgotten |= side == Side::Outlook;
        }
        self.pair_again().await;
    }

    /// Ends events again that the restore has brought back in Odoo, as the service does not.
    fn end_again(&mut self) {
        for index in 0..self.events.len() {
            let before = &self.events[index].before;
            let (is_over, is_gone) = (!before.is_active(), before.record.is_none());
            let Some(record) = self.active_record(index).filter(|_| is_over) else {
                continue;
            };
            if is_gone {
                self.odoo.unlink(id_of(&record));
            } else {
                self.odoo.write(id_of(&record), json!({"active": false}));
            }
        }
        self.end_series_again();
    }

    pub(super) async fn reset(&mut self, user: i64, all: bool, delete: bool) {
        let sync_policy = if all { "all" } else { "new" };
        let delete_policy = if delete { "delete_both" } else { "dont_delete" };
        // Which of them differ can no longer be seen afterwards.
        let own: Vec<usize> = (0..self.series.len())
            .map(|index| self.of_their_own(index))
            .collect();
        let kwargs = json!({"user_id": user, "delete_policy": delete_policy, "sync_policy": sync_policy, "mails": null});
        self.ask(2, "microsoft.calendar.account.reset", "reset_account", kwargs)
            .await
            .expect("a reset");
        if !all {
            self.only_new.insert(user, self.events.len());
        }
        if delete {
            // The user logs in again when the deletion is done.
            self.note_deletion(user, &own);
        } else {
            self.log_in(user).await;
        }
        next_second().await;
    }

    /// Notes that a user's own meetings are deleted from both sides. In each series, so many
    /// occurrences differ from the others.
    fn note_deletion(&mut self, user: i64, differing: &[usize]) {
        let own = |event: &&mut Event| event.organizer == user && event.before.is_active();
        for event in self.events.iter_mut().filter(own) {
            event.deeds.extend([Deed::DeletedInOutlook, Deed::Unlinked]);
        }
        for (series, own) in self.series.iter_mut().zip(differing) {
            if series.organizer == user {
                series.note_deletion(*own);
            }
        }
    }
}
