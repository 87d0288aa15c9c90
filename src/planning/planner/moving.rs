//! Plans meetings that Odoo's built-in sync had linked: see `migration::moving`.

use std::collections::BTreeSet;

use super::Task;
use super::series::renamed_document;
use crate::calendar::field::Group;
use crate::calendar::takeover;
use crate::odoo::record::Record;
use crate::store::journal::Level;
use crate::store::reason::Reason;
use crate::store::stock::StockState;

impl Task<'_> {
    /// Adopts a meeting that the built-in sync had linked, once a mailbox has shown it; returns
    /// `false` if there is nothing to plan.
    pub(super) fn take_over(&mut self, record: Option<&Record>) -> anyhow::Result<bool> {
        let Some(mut link) = self.dossier.meeting.stock_link()? else {
            return Ok(true);
        };
        if link.state == StockState::Adopted {
            return Ok(true);
        }
        let present = record.filter(|record| record.active() && !self.dossier.meeting.odoo_gone);
        if self.choose_copy().is_none() {
            // Until a mailbox was asked, it is unknown what it has.
            if link.state == StockState::Waiting
                && let Some(user) = self.dossier.meeting.organizer_in_odoo()
                && let Some(account) = self.people.account_of_user(user)
            {
                self.effects.wake_accounts.insert(account.id);
            }
            let is_over = link.state == StockState::Missing && present.is_none();
            if link.state == StockState::Missing && present.is_some() {
                self.set_aside(&Reason::NotInMailbox, Level::Info);
            }
            return Ok(is_over);
        }
        if let Some(record) = present
            && self.dossier.meeting.base_odoo.is_none()
            && !self.take_over_base(record, link.ids.description.as_deref())?
        {
            // One of the two cannot be read, which is reported where it is read.
            return Ok(true);
        }
        link.state = StockState::Adopted;
        self.dossier.meeting.set_stock_link(&link)?;
        Ok(true)
    }

    /// Sets the unknown base for the first merge of both sides; for `sent` see
    /// [`takeover::base_of`]. Returns `false` if it cannot be done.
    pub(super) fn take_over_base(&mut self, record: &Record, sent: Option<&str>) -> anyhow::Result<bool> {
        let Some((copy, _)) = self.choose_copy() else {
            return Ok(false);
        };
        let outlook = copy.document()?;
        let Ok(snapshot) = record.template() else {
            return Ok(false);
        };
        let Ok(Some(odoo)) = record.document(&self.people.mailboxes) else {
            return Ok(false);
        };
        let outlook = renamed_document(outlook, &snapshot.aliases(&self.people.mailboxes));
        let edited: BTreeSet<Group> = self.dossier.meeting.edit_times()?.into_keys().collect();
        let meeting = &mut self.dossier.meeting;
        if outlook.why_unsayable().is_some() {
            return Ok(false);
        }
        meeting.set_base(Some(&takeover::base_of(&odoo, &outlook, &edited, sent)))?;
        Ok(true)
    }

    /// Returns whether the meeting was adopted, and nobody has responded in Odoo since. A response
    /// that the built-in sync had stored was not given by a person.
    pub(super) fn was_taken_over(&self) -> anyhow::Result<bool> {
        let meeting = &self.dossier.meeting;
        Ok(meeting.stock.is_some() && !meeting.edit_times()?.contains_key(&Group::Attendees))
    }
}
