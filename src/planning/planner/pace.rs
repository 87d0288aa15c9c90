//! Limits the writes of one meeting per hour, whatever their reason. Writes above the limit wait
//! for the next hour, with a line in the journal, and nothing is set aside. [`super::repeats`] ends
//! repetitions; this limits everything else.

use chrono::TimeDelta;

use super::Task;
use crate::calendar::document::Document;
use crate::store::journal::Level;
use crate::words::say;

/// Writes of one meeting within an hour, to both sides together. No person comes near it.
const MOST_AN_HOUR: usize = 60;
/// How many more are permitted for each occurrence with an override, as a changed pattern writes
/// all of them again.
const MOST_AN_OCCURRENCE: usize = 3;

impl Task<'_> {
    /// Lets writes above the limit wait.
    pub(super) fn keep_to_the_pace(&mut self) -> anyhow::Result<()> {
        let now = self.people.now;
        let Some((began, writes)) = self.dossier.meeting.writes_this_hour(now) else {
            return Ok(());
        };
        // The exact limit is computed only near it.
        if writes < MOST_AN_HOUR || writes < self.most_an_hour()? {
            return Ok(());
        }
        let until = began + TimeDelta::hours(1);
        let fresh = self.dossier.writes.iter_mut();
        let mut waits = false;
        for write in fresh.filter(|write| !write.stands && write.in_flight_since.is_none()) {
            write.next_attempt_at = write.next_attempt_at.max(until);
            waits = true;
        }
        if let Some(debt) = self
            .dossier
            .debt
            .as_mut()
            .filter(|debt| debt.delivered_at.is_none())
        {
            debt.not_before = Some(until);
            waits = true;
        }
        if waits && !self.dossier.meeting.hour_noted {
            self.dossier.meeting.hour_noted = true;
            self.write_journal(Level::Warning, say::written_too_often(writes, until));
        }
        Ok(())
    }

    fn most_an_hour(&self) -> anyhow::Result<usize> {
        let own = |document: Document| document.exceptions.len() + document.excluded_dates.len();
        let record = self.dossier.meeting.record()?;
        let odoo = record.and_then(|record| record.document(&self.people.mailboxes).ok().flatten());
        let outlook = self.choose_copy().map(|(copy, _)| copy.document()).transpose()?;
        let occurrences = odoo.map_or(0, own).max(outlook.map_or(0, own));
        Ok(MOST_AN_HOUR + MOST_AN_OCCURRENCE * occurrences)
    }
}
