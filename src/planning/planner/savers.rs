//! Who saved a change in Odoo that mails others from the organizer's mailbox. Odoo lets its users
//! edit each other's events. A change that would mail many people outside in another person's name
//! waits for that person's approval.

use super::Task;
use crate::calendar::invitations::tally;
use crate::calendar::plan::Mail;
use crate::odoo::exchange::Actor;
use crate::store::outbox::AskFor;
use crate::words::{Sentence, say};

/// Why a write to a mailbox waits.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Waits {
    pub collected: bool,
    pub asks: Option<AskFor>,
    /// The names of who else saved it.
    pub whose: Vec<String>,
}

impl Waits {
    /// Returns the words for the journal about what is done, and about its mails.
    pub(super) fn told(&self, done: Sentence, mails: Sentence) -> Sentence {
        let told = say::with_mails(done, mails);
        if self.whose.is_empty() {
            told
        } else {
            say::saved_by(told, self.whose.clone())
        }
    }
}

impl Task<'_> {
    /// Returns why a write to a user's mailbox that causes these mails waits.
    pub(super) fn waits(&self, user: i32, mails: &[Mail]) -> anyhow::Result<Waits> {
        let savers = self.dossier.meeting.savers()?;
        let whom: Vec<_> = mails.iter().cloned().map(Mail::into_address).collect();
        let outside = tally(self.people.internal_domains(), [whom.iter()]).outside;
        let most = usize::try_from(self.people.database.others_outside).unwrap_or_default();
        let asks = (savers.iter().any(|saver| may_not_mail(saver, user)) && outside > most)
            .then_some(AskFor::Others);
        Ok(Waits {
            collected: self.dossier.meeting.collected || asks.is_some(),
            asks,
            whose: whose(&savers, user),
        })
    }

    /// Forgets who saved if nothing is to be written to Outlook, so that they are not named for
    /// what others save later.
    pub(super) fn forget_savers(&mut self) {
        let meeting = &self.dossier.meeting;
        if !self.has_writes() && !meeting.collected && meeting.set_aside.is_none() {
            self.dossier.meeting.forget_savers();
        }
    }

    /// Forgets when it was saved unless something is on its way to Outlook that waits for nobody.
    pub(super) fn forget_when_saved(&mut self) {
        if self.dossier.writes.iter().all(|write| write.collected) {
            self.dossier.meeting.saved_at = None;
        }
    }
}

/// Returns whether a person is neither the mailbox's user nor an administrator.
fn may_not_mail(saver: &Actor, user: i32) -> bool {
    saver.uid != user && !saver.is_admin
}

fn whose(savers: &[Actor], user: i32) -> Vec<String> {
    let others = savers.iter().filter(|saver| saver.uid != user);
    others.map(name_of).collect()
}

/// Returns the name by which a person knows the saver.
pub fn name_of(saver: &Actor) -> String {
    saver
        .name
        .clone()
        .unwrap_or_else(|| format!("the user {}", saver.uid))
}
