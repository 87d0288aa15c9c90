//! Meetings that had ended, and are wanted again on one of the two sides.

use serde_json::{Map, json};

use super::Task;
use crate::calendar::document::Document;
use crate::odoo::exchange::OdooChange;
use crate::odoo::record::Record;
use crate::planning::people::People;
use crate::store::journal::Done;
use crate::store::meetings::Meeting;
use crate::store::outbox::OdooDebt;
use crate::words::{Sentence, say};

impl Task<'_> {
    /// Decides about a meeting that had ended; returns `false` if nothing more is to be planned.
    pub(super) fn goes_on(&mut self, record: Option<&Record>) -> anyhow::Result<bool> {
        if self.dossier.meeting.put_back {
            let is_back = record.is_some_and(Record::active) && !self.dossier.meeting.odoo_gone;
            if !is_back {
                self.put_back(record)?;
                return Ok(false);
            }
            self.dossier.meeting.put_back = false;
        }
        let Some(record) = record.filter(|_| !self.dossier.meeting.odoo_gone) else {
            return Ok(false);
        };
        if !record.active() {
            self.bring_back(record)?;
            return Ok(false);
        }
        if matches!(record.document(&self.people.mailboxes), Ok(None)) {
            return Ok(false);
        }
        let is_there = self.choose_copy().is_some_and(|(c, _)| !c.gone && !c.cancelled);
        if self.dossier.meeting.view_of.is_some() && !is_there {
            // It stays in Odoo, whose user wants it, and nowhere else.
            return Ok(false);
        }
        self.revive()?;
        Ok(true)
    }

    /// Makes a meeting in the new organizer's mailbox after it has left the old one's.
    pub(super) fn begin_anew(&mut self, record: Option<&Record>) -> anyhow::Result<()> {
        self.dossier.meeting.ended = true;
        if self.goes_on(record)? {
            self.decide()
        } else {
            Ok(())
        }
    }

    /// Revives a meeting that was archived or deleted: if Outlook has nothing left, a new
    /// generation is made.
    fn revive(&mut self) -> anyhow::Result<()> {
        self.dossier.meeting.ended = false;
        // A guest's mailbox may not have reported yet that the meeting is cancelled.
        if self.choose_copy().is_some_and(|(c, _)| !c.gone && !c.cancelled) {
            return Ok(());
        }
        self.dossier.meeting.generation += 1;
        self.dossier.meeting.has_news();
        self.dossier.meeting.revived = true;
        self.dossier.meeting.ical_uid = None;
        self.dossier.meeting.set_base(None)?;
        self.dossier.copies.clear();
        Ok(())
    }

    /// Reactivates the record of a meeting that was archived because Outlook had lost it, and that
    /// Outlook has again. The record comes back unchanged, and is compared afterwards. The meeting
    /// counts as ended until then, so that its archived record is not taken for a deletion.
    fn bring_back(&mut self, record: &Record) -> anyhow::Result<()> {
        if !self.dossier.meeting.archived_for_outlook {
            return Ok(());
        }
        let Some((copy, _)) = self
            .choose_copy()
            .filter(|(copy, _)| !copy.gone && !copy.cancelled)
        else {
            return Ok(());
        };
        let Some(account) = self.people.account(copy.account_id).cloned() else {
            return Ok(());
        };
        let user_id = account.odoo_user_id;
        let change = match record {
            Record::Event(event) => Some(OdooChange::Write {
                res_id: event.id,
                user_id,
                version: event.version.clone(),
                values: Map::from_iter([("active".to_owned(), json!(true))]),
            }),
            // With the occurrences that both sides last agreed on.
            Record::Series(_) => match self.dossier.meeting.base()? {
                Some(base) => self.as_it_was(Some(record), base.odoo, &account)?,
                None => None,
            },
        };
        let Some(change) = change else { return Ok(()) };
        self.owe(&change, user_id, say::back_on_both_sides())
    }

    /// Makes the record of a lost meeting again, or reactivates it, as a person asked for that.
    /// Then Outlook's event follows, as if somebody in Odoo had done it.
    fn put_back(&mut self, record: Option<&Record>) -> anyhow::Result<()> {
        let Some(record) = record else { return Ok(()) };
        let Ok(master) = record.template() else {
            return Ok(());
        };
        let Some(account) = self.people.organizer(&master).cloned() else {
            return Ok(());
        };
        let user_id = account.odoo_user_id;
        let change = match record {
            Record::Event(event) if !self.dossier.meeting.odoo_gone => Some(OdooChange::Write {
                res_id: event.id,
                user_id,
                version: event.version.clone(),
                values: Map::from_iter([("active".to_owned(), json!(true))]),
            }),
            record => {
                let there = Some(record).filter(|_| !self.dossier.meeting.odoo_gone);
                match lost_document(&self.dossier.meeting, self.people)? {
                    Some(lost) => self.as_it_was(there, lost, &account)?,
                    None => None,
                }
            }
        };
        let Some(change) = change else { return Ok(()) };
        self.owe(&change, user_id, say::put_back_in_odoo())
    }

    /// Stores a change that Odoo is to make, with its words for the journal.
    fn owe(&mut self, change: &OdooChange, user_id: i32, done: Sentence) -> anyhow::Result<()> {
        let line = Done::of(say::with_mails(done, say::no_mail()));
        self.dossier.debt = Some(OdooDebt {
            database_id: self.dossier.meeting.database_id,
            meeting_id: self.dossier.meeting.id,
            user_id,
            payload: serde_json::to_value(change)?,
            groups: json!([]),
            line: Some(serde_json::to_value(&line)?),
            ..OdooDebt::default()
        });
        self.effects.poke_users.insert(user_id);
        Ok(())
    }
}

/// Returns what was lost with a meeting: a record that is gone as Odoo had it last, and an archived
/// series, of which Odoo has no occurrences, as both sides had it.
///
/// # Errors
/// When what is stored cannot be read.
pub fn lost_document(meeting: &Meeting, people: &People) -> anyhow::Result<Option<Document>> {
    let agreed = meeting.base()?.map(|base| base.odoo);
    let Some(record) = meeting.record()? else {
        return Ok(agreed);
    };
    let last = record.document(&people.mailboxes).ok().flatten();
    let is_whole = record.active() || record.series().is_none();
    Ok(if is_whole {
        last.or(agreed)
    } else {
        agreed.or(last)
    })
}
