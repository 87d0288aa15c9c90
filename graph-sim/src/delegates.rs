//! Whom the owner of a calendar lets see it or act in it (pages *calendarPermission* and *outlook-share-or-delegate-calendar*), and who
//! gets the meeting messages of an owner with delegates (page *mailboxSettings*, `delegateMeetingMessageDeliveryOptions`).

use crate::error::GraphError;
use crate::state::{Deed, Mailbox, MeetingMessages, Person, Role, Target, World};

impl Mailbox {
    pub(crate) fn role_of(&self, address: &str) -> Option<Role> {
        self.permissions.get(&address.to_lowercase()).copied()
    }

    fn delegates(&self) -> impl Iterator<Item = &String> {
        let all = self.permissions.iter();
        all.filter(|(_, role)| role.is_delegate())
            .map(|(address, _)| address)
    }
}

fn is_private(mailbox: &Mailbox, target: Target) -> bool {
    let event = mailbox.events.get(&target.key);
    event.is_some_and(|event| {
        let occurrence = target.day.map(|day| event.occurrence(day).sensitivity);
        occurrence.as_ref().unwrap_or(&event.content.sensitivity) == "private"
    })
}

impl World {
    /// Returns the role of whoever acts in the owner's calendar; `target` is the event that the deed is about.
    ///
    /// # Errors
    /// 403 where the owner has not let them, or an event is private and they may not see it.
    pub fn let_in(
        &self,
        by: &Person,
        owner: &str,
        deed: Deed,
        target: Option<Target>,
    ) -> Result<Role, GraphError> {
        let mailbox = self.mailbox(owner)?;
        let is_of_tenant = self.colleague(&by.tenant, owner).is_some();
        let role = mailbox.role_of(&by.address).filter(|role| {
            let is_hidden = target.is_some_and(|target| is_private(mailbox, target));
            is_of_tenant && role.may(deed) && (role.sees_private() || !is_hidden || deed == Deed::Read)
        });
        role.ok_or_else(GraphError::access_denied)
    }

    /// Lists whom a meeting message reaches: with delegates these, and the owner only where the owner wants it.
    pub(crate) fn messages_reach(&self, to: &str) -> Vec<String> {
        let Ok(mailbox) = self.mailbox(to) else {
            return vec![to.to_owned()];
        };
        let named = |address: &String| {
            self.person(address)
                .map_or_else(|| address.clone(), |p| p.address.clone())
        };
        let mut all: Vec<String> = mailbox.delegates().map(named).collect();
        if all.is_empty() || mailbox.meeting_messages != MeetingMessages::SendToDelegateOnly {
            all.push(to.to_owned());
        }
        all
    }
}
