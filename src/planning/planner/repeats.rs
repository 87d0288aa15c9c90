//! Stops repetitions, whatever their cause. If a change was carried out twice and is to be written
//! a third time although nobody has changed anything in between, it does not stick. The meeting is
//! set aside until there is news.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Task;
use crate::store::journal::Level;
use crate::store::outbox::{OdooDebt, OutlookWrite};
use crate::store::reason::Reason;

/// How often a change is carried out before it is given up.
const ENOUGH: u64 = 2;
/// How often a change may come too late for Odoo's record, although nobody has saved it, before it
/// is given up.
const MOST_LATE: u64 = 8;

/// Returns the digest that identifies a write to Outlook.
pub fn of_write(write: &OutlookWrite) -> String {
    digest(&json!([write.account_id, write.kind, write.slot, write.body]))
}

/// Returns the digest that identifies a change to Odoo. It leaves out the version that the change
/// was planned against.
pub fn of_debt(debt: &OdooDebt) -> String {
    of_change(&debt.payload)
}

/// Returns the digest that identifies a change that came too late, as the record had moved on.
pub fn of_late(debt: &OdooDebt) -> String {
    format!("late:{}", of_debt(debt))
}

fn of_change(payload: &Value) -> String {
    let mut payload = payload.clone();
    if let Some(fields) = payload.as_object_mut() {
        fields.remove("version");
    }
    digest(&payload)
}

fn digest(value: &Value) -> String {
    hex::encode(&Sha256::digest(value.to_string())[..12])
}

impl Task<'_> {
    /// Returns whether Odoo got a change so often that it is not sent again before there is news.
    pub(super) fn was_told_enough(&self, change: &Value) -> bool {
        self.dossier.meeting.times_told(&of_change(change)) >= ENOUGH
    }

    /// Removes changes that were sent often enough. `before` is why the meeting was set aside until
    /// now.
    pub(super) fn break_repeats(&mut self, before: Option<&Reason>) {
        let meeting = &self.dossier.meeting;
        let is_repeat = |digest: String| meeting.times_told(&digest) >= ENOUGH;
        let fresh = |write: &&OutlookWrite| !write.stands && write.in_flight_since.is_none();
        let of_outlook = self
            .dossier
            .writes
            .iter()
            .filter(fresh)
            .any(|w| is_repeat(of_write(w)));
        let debt = self.dossier.debt.as_ref();
        let of_odoo = debt.is_some_and(|debt| is_repeat(of_debt(debt)));
        let is_late = debt.is_some_and(|debt| meeting.times_told(&of_late(debt)) >= MOST_LATE);
        let reason = if of_outlook {
            Reason::DoesNotStickInOutlook
        } else if of_odoo {
            Reason::DoesNotStickInOdoo
        } else if is_late {
            Reason::CameTooLate
        } else {
            return;
        };
        self.dossier
            .writes
            .retain(|write| write.stands || write.in_flight_since.is_some());
        self.dossier.debt = None;
        if before == Some(&reason) {
            self.dossier.meeting.set_aside = Some(reason);
        } else {
            self.set_aside(&reason, Level::Warning);
        }
    }
}
