//! Who saved in Odoo what mails others from the organizer's mailbox. Odoo lets its users edit each other's events: what would mail many
//! people outside in somebody's name waits for that one's yes.

use super::Task;
use crate::calendar::invitations::tally;
use crate::calendar::plan::Mail;
use crate::odoo::exchange::Actor;
use crate::store::outbox::AskFor;

/// What a write to a mailbox waits for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Waits {
    pub collected: bool,
    pub asks: Option<AskFor>,
    /// Who else had a hand in it, in words for the journal.
    pub whose: String,
}

impl Task<'_> {
    /// What a write to a user's mailbox waits for that causes these mails.
    pub(super) fn waits(&self, user: i32, mails: &[Mail]) -> anyhow::Result<Waits> {
        let savers = self.dossier.meeting.savers()?;
        let whom: Vec<_> = mails.iter().cloned().map(Mail::into_address).collect();
        let outside = tally(&self.people.inside(), [whom.iter()]).outside;
        let most = usize::try_from(self.people.database.others_outside).unwrap_or_default();
        let asks = (savers.iter().any(|saver| may_not_mail(saver, user)) && outside > most)
            .then_some(AskFor::Others);
        Ok(Waits {
            collected: self.dossier.meeting.collected || asks.is_some(),
            asks,
            whose: whose(&savers, user),
        })
    }

    /// What led to nothing that Outlook is to be told is forgotten, so that nobody is blamed for what others save later.
    pub(super) fn forget_savers(&mut self) {
        let meeting = &self.dossier.meeting;
        if self.dossier.writes.is_empty() && !meeting.collected && meeting.set_aside.is_none() {
            self.dossier.meeting.forget_savers();
        }
    }
}

/// Whether somebody's saves are not the wish of the mailbox's user, nor an administrator's.
fn may_not_mail(saver: &Actor, user: i32) -> bool {
    saver.uid != user && !saver.is_admin
}

fn whose(savers: &[Actor], user: i32) -> String {
    let others = savers.iter().filter(|saver| saver.uid != user);
    let names: Vec<String> = others.map(name_of).collect();
    if names.is_empty() {
        return String::new();
    }
    format!(" · saved by {}", names.join(", "))
}

/// What a person calls them.
pub fn name_of(saver: &Actor) -> String {
    saver
        .name
        .clone()
        .unwrap_or_else(|| format!("the user {}", saver.uid))
}
