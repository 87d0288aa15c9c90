//! Guests whose own mailboxes show a meeting, and whom the organizer's list does not contain:
//! members of an invited mail group, people to whom the invitation was forwarded, and guests of a
//! meeting from outside whose guests are hidden from each other.

use std::collections::BTreeMap;

use super::Task;
use crate::calendar::document::Document;
use crate::calendar::event::{Address, Answer, Attendee};

type Attendees = BTreeMap<Address, Attendee>;

impl Task<'_> {
    /// Returns them by their addresses, as their own mailboxes show them. `agreed` are Outlook's
    /// last guests. If a guest is no longer connected, so that no mailbox shows them, nothing has
    /// changed for them.
    pub(super) fn unlisted(&self, agreed: Option<&Attendees>) -> anyhow::Result<Attendees> {
        let mut unlisted = Attendees::new();
        let mut heard_of = Vec::new();
        let nobody_organizes = !self.dossier.copies.iter().any(|copy| copy.is_organizer);
        for copy in self.dossier.copies.iter().filter(|copy| !copy.is_organizer) {
            let account = self.people.account(copy.account_id);
            let owner = account.and_then(|account| self.people.mailboxes.get(&account.odoo_user_id));
            let Some(owner) = owner else { continue };
            heard_of.push(owner.clone());
            let event = copy.event()?;
            // If guests are hidden from each other, each copy lists only its owner, and says
            // nothing about the others.
            let is_alone = nobody_organizes && event.attendees.len() == 1;
            // A guest who was sent a cancellation is no longer invited.
            if let Some(attendee) = event
                .attendees
                .get(owner)
                .filter(|attendee| attendee.unlisted || is_alone)
                && !copy.cancelled
            {
                let mut attendee = Attendee {
                    unlisted: true,
                    ..attendee.clone()
                };
                if copy.gone {
                    // Deleting an invitation declines it.
                    attendee.answer = Answer::Declined;
                }
                unlisted.insert(owner.clone(), attendee);
            }
        }
        let agreed = agreed.into_iter().flatten();
        let silent = agreed.filter(|(address, attendee)| attendee.unlisted && !heard_of.contains(address));
        unlisted.extend(silent.map(|(address, attendee)| (address.clone(), attendee.clone())));
        Ok(unlisted)
    }
}

/// Adds them to the guests of all occurrences whom a mailbox lists.
pub(super) fn add(unlisted: &Attendees, document: &mut Document) {
    let organizer = document
        .master
        .organizer
        .as_ref()
        .map(|organizer| organizer.address.clone());
    let own = document
        .exceptions
        .values_mut()
        .filter_map(|own| own.attendees.as_mut());
    for attendees in own.chain([&mut document.master.attendees]) {
        add_to(unlisted, organizer.as_ref(), attendees);
    }
}

fn add_to(unlisted: &Attendees, organizer: Option<&Address>, attendees: &mut Attendees) {
    for (address, attendee) in unlisted {
        if Some(address) != organizer {
            attendees
                .entry(address.clone())
                .or_insert_with(|| attendee.clone());
        }
    }
}
