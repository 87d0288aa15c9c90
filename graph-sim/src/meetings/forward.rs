//! Forwarding a meeting. Rules: "event: forward".

use super::attendees::{addresses, holds};
use super::series::exception;
use crate::error::GraphError;
use crate::event::Attendee;
use crate::event_view;
use crate::state::{Cause, Target, World};

impl World {
    /// Invites further recipients, given by name and address.
    pub fn forward(
        &mut self,
        address: &str,
        target: Target,
        recipients: &[(String, String)],
        comment: &str,
        cause: &Cause,
    ) -> Result<(), GraphError> {
        let person = self.actor(address)?;
        let event = self.writable(address, target)?;
        let mut content = target
            .day
            .map_or_else(|| event.content.clone(), |d| event.occurrence(d));
        content.subject = format!("FW: {}", content.subject);
        for (_, to) in recipients {
            self.mail(
                "invitation",
                &person.address,
                to,
                &content,
                comment,
                &event.ical_uid,
                &event.rest_id,
                cause,
            );
        }
        // The organizer learns of a forward and keeps the new guests in the list.
        if self.colleague(&person.tenant, &event.organizer.1).is_none() {
            return Ok(());
        }
        let organizer = self.actor(&event.organizer.1)?;
        let (series, of_instance) = event_view::series_uid(&event.ical_uid);
        let day = target.day.or(of_instance);
        let told = self.switches.forwards_are_told;
        let mailbox = self.mailbox_mut(&organizer.address)?;
        let Some(mut master) = mailbox
            .by_ical(&series)
            .and_then(|key| mailbox.events.get(&key).cloned())
            .filter(|e| e.is_organizer && day.is_none_or(|d| e.has_occurrence(d)))
        else {
            return Ok(());
        };
        let stamp = mailbox.stamp();
        let all = addresses(&master.content.attendees, "");
        let list = match day {
            Some(day) => {
                let x = exception(&mut master, day, stamp);
                x.own.insert("attendees".into());
                &mut x.content.attendees
            }
            None => &mut master.content.attendees,
        };
        for (name, to) in recipients {
            if !holds(&addresses(list, ""), to) && !to.eq_ignore_ascii_case(&organizer.address) {
                list.push(Attendee {
                    kind: "required".into(),
                    name: if name.is_empty() { to.clone() } else { name.clone() },
                    address: to.clone(),
                    response: "none".into(),
                    time: None,
                    proposed: None,
                });
            }
        }
        if told {
            mailbox.replace(master.clone());
        } else if let Some(own) = master.exceptions.is_empty().then_some(&mut master.content) {
            // Their own copies are as silent about them; of a series each occurrence is still theirs.
            own.attendees.retain(|a| holds(&all, &a.address));
        }
        for (_, to) in recipients {
            match day {
                Some(day) if !holds(&all, to) => self.deliver_instance(&organizer, &master, day, to, true),
                _ => self.deliver(&organizer, &master, to, true),
            }
        }
        Ok(())
    }
}
