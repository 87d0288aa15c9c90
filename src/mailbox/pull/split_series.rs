//! Series that Odoo has no rule for. Each occurrence in the mailbox's window is synced as a single
//! event of its own. Graph gives it an id and an `iCalUId`, which is the same in every mailbox.

use std::ops::Range;

use chrono::{DateTime, Utc};
use secrecy::SecretString;

use super::{Page, ResolvedRow};
use crate::calendar::document::Recurrence;
use crate::engine::Engine;
use crate::mailbox::error::PullError;
use crate::mailbox::series_completion;
use crate::odoo::series::check_sayable;
use crate::outlook::GraphError;
use crate::outlook::wire::{self, WireEvent};
use crate::planning::observation::project;
use crate::store::accounts::Account;
use crate::store::addresses::Mailbox;
use crate::store::journal::{Level, Line};
use crate::store::meetings::Copy;
use crate::store::people::Person;
use crate::words::{Words, say};

/// A series that is split into its occurrences.
#[derive(Clone)]
pub(super) struct SplitSeries {
    pub master: Box<WireEvent>,
    /// Why Odoo cannot repeat it.
    reason: Words,
    pub occurrences: Vec<WireEvent>,
}

/// Returns the series or, if Odoo cannot repeat it, its occurrences, which takes one more request.
pub(super) async fn split_if_unsupported(
    engine: &Engine,
    account: &Account,
    token: &SecretString,
    resolved: ResolvedRow,
) -> Result<ResolvedRow, PullError> {
    let ResolvedRow::Series(mut master) = resolved else {
        return Ok(resolved);
    };
    series_completion::complete(engine, account, token, &mut master).await?;
    let Some(reason) = why_unsupported(&master, account) else {
        return Ok(ResolvedRow::Series(master));
    };
    let occurrences = match (account.window_start, account.window_end) {
        (Some(start), Some(end)) => match engine.graph.instances(token, &master.id, start..end).await {
            // It was deleted a moment ago.
            Err(GraphError::NotFound) => return Ok(ResolvedRow::gone(master.id)),
            listed => {
                let mut listed = listed?;
                let left_out = unlisted_exceptions(&master, &listed, start..end);
                listed.extend(left_out);
                for occurrence in &mut listed {
                    occurrence.calendar.clone_from(&master.calendar);
                }
                listed
            }
        },
        _ => Vec::new(),
    };
    Ok(ResolvedRow::SplitSeries(SplitSeries {
        master,
        reason,
        occurrences,
    }))
}

/// Returns the exceptions in a window that Graph left out of the list of a series' occurrences (it
/// sometimes does: microsoft-graph-docs-contrib#540).
fn unlisted_exceptions(
    master: &WireEvent,
    listed: &[WireEvent],
    window: Range<DateTime<Utc>>,
) -> Vec<WireEvent> {
    let is_listed = |exception: &WireEvent| listed.iter().any(|other| other.id == exception.id);
    let is_inside = |exception: &WireEvent| {
        wire::to_event(exception)
            .is_ok_and(|event| event.time.ends_at() > window.start && event.time.starts_at() < window.end)
    };
    let exceptions = master.exception_occurrences.iter();
    exceptions
        .filter(|exception| !is_listed(exception) && is_inside(exception))
        .cloned()
        .collect()
}

fn why_unsupported(master: &WireEvent, account: &Account) -> Option<Words> {
    // If it cannot be read at all, that is reported in its place.
    let document = project(master, &Mailbox::of_login(&account.login), None)
        .ok()?
        .document;
    match &document.recurrence {
        Recurrence::Rule(_) => check_sayable(&document).err().map(|form| form.sentence().into()),
        Recurrence::Unsayable(reason) => Some(reason.clone()),
        Recurrence::Once => None,
    }
}

impl Page<'_> {
    /// Stores the occurrences as single events. Occurrences that are missing now were excluded from
    /// the series.
    pub(super) fn store_split_series(&mut self, split: &SplitSeries) -> Result<(), PullError> {
        self.end_series(&split.master.id)?;
        let known = self.unit.occurrences_of(self.account.id, &split.master.id);
        let mut is_news = false;
        for occurrence in &split.occurrences {
            let meeting = self.store_event(occurrence)?;
            is_news |= meeting.is_some();
            self.touched.extend(meeting);
        }
        for copy in &known {
            let is_listed = split.occurrences.iter().any(|o| o.id == copy.graph_id);
            if !is_listed && is_in_window(copy, self.account)? {
                self.end_copy(&copy.graph_id, false)?;
            }
        }
        if known.is_empty() && is_news {
            let title = split.master.subject.as_deref().unwrap_or_default();
            let message = say::about_title(title, say::each_on_its_own(&split.reason));
            let (database, user) = (self.people.database.id, Some(self.account.odoo_user_id));
            self.lines
                .push(Line::general(database, user, Level::Warning, message));
        }
        Ok(())
    }

    /// Ends the single events of a split series that is a series again.
    pub(super) fn end_split_occurrences(&mut self, master_id: &str) -> Result<(), PullError> {
        for copy in self.unit.occurrences_of(self.account.id, master_id) {
            self.end_copy(&copy.graph_id, false)?;
        }
        Ok(())
    }

    /// Returns whether a mailbox shows an event again that had ended there and in Odoo: somebody
    /// took it out of Deleted Items, or a split series is one again. If nobody in Odoo wanted it to
    /// end, its record comes back. Otherwise it becomes a new record in Odoo.
    pub(super) fn reappeared_after_end(&mut self, copy: &Copy, event: &WireEvent) -> Result<bool, PullError> {
        let was_ended = copy.gone || copy.cancelled;
        let meeting = &self.unit.get(copy.meeting_id)?.meeting;
        Ok(was_ended
            && event.is_cancelled != Some(true)
            && meeting.ended
            && (meeting.odoo_gone || !meeting.archived_for_outlook))
    }

    /// Ends the series that Odoo had until now. A guest's copy that merely disappears would count
    /// as a response.
    fn end_series(&mut self, master_id: &str) -> Result<(), PullError> {
        let known = self.unit.copy(self.account.id, master_id).cloned();
        let Some(known) = known.filter(|copy| !copy.gone && !copy.cancelled) else {
            return Ok(());
        };
        if let Some(copy) = self
            .unit
            .get(known.meeting_id)?
            .copy_mut(self.account.id, master_id)
        {
            copy.gone = copy.is_organizer;
            copy.cancelled = !copy.is_organizer;
            copy.unread = false;
        }
        self.touched.insert(known.meeting_id);
        Ok(())
    }
}

/// Returns whether a listing of the mailbox's window would have shown it.
fn is_in_window(copy: &Copy, account: &Person) -> anyhow::Result<bool> {
    let time = copy.event()?.time;
    let touches = |start: DateTime<Utc>, end: DateTime<Utc>| time.ends_at() > start && time.starts_at() < end;
    Ok(match (account.window_start, account.window_end) {
        (Some(start), Some(end)) => touches(start, end),
        _ => false,
    })
}
