//! Who is invited to what, and what an attendee sees of it.

use crate::event::{Attendee, Content, Event};
use crate::state::{Person, World};
use chrono::NaiveDate;
use std::collections::BTreeSet;

pub(super) fn addresses(list: &[Attendee], but: &str) -> Vec<String> {
    list.iter()
        .map(|a| a.address.clone())
        .filter(|a| !a.eq_ignore_ascii_case(but))
        .collect()
}

pub(super) fn holds(list: &[String], address: &str) -> bool {
    list.iter().any(|a| a.eq_ignore_ascii_case(address))
}

/// The attendee's side of a meeting: the organizer's content, with what is the attendee's own kept.
/// With `organizer` it lists the organizer, and shows the others' answers.
pub(super) fn attendee_content(
    organizers: &Content,
    old: Option<&Content>,
    reset: bool,
    own: &str,
    organizer: Option<&Person>,
) -> Content {
    let mut c = organizers.clone();
    for a in &mut c.attendees {
        a.time = None;
        a.proposed = None;
        if organizer.is_none() || a.address.eq_ignore_ascii_case(own) {
            a.response = "none".into();
        }
    }
    if let Some(organizer) = organizer {
        let row = Attendee {
            kind: "required".into(),
            name: organizer.name.clone(),
            address: organizer.address.clone(),
            response: "none".into(),
            time: None,
            proposed: None,
        };
        c.attendees.insert(0, row);
    }
    if c.hide_attendees {
        c.attendees.retain(|a| a.address.eq_ignore_ascii_case(own));
    }
    c.response = "notResponded".into();
    c.response_time = None;
    c.show_as = "tentative".into();
    c.categories = Vec::new();
    if let Some(old) = old {
        c.categories.clone_from(&old.categories);
        c.reminder_on = old.reminder_on;
        c.reminder_minutes = old.reminder_minutes;
        if !reset && !old.cancelled {
            c.response.clone_from(&old.response);
            c.response_time = old.response_time;
            c.show_as.clone_from(&old.show_as);
        }
    }
    c
}

/// What a cancelled meeting looks like to those who were invited.
pub(super) fn mark_cancelled(c: &mut Content) {
    if !c.cancelled {
        c.cancelled = true;
        c.subject = format!("Canceled: {}", c.subject);
        c.show_as = "free".into();
    }
}

/// Time answers to a meeting that moved count no longer.
pub(super) fn forget_answers(content: &mut Content) {
    for a in &mut content.attendees {
        if a.response != "organizer" {
            a.response = "none".into();
            a.time = None;
            a.proposed = None;
        }
    }
}

impl World {
    /// Names each guest by the mailbox's own address, once; who was listed so before stays as they were.
    pub(super) fn resolve(&self, tenant: &str, before: &[Attendee], attendees: &mut Vec<Attendee>) {
        for attendee in attendees.iter_mut() {
            let Some(known) = self.by_alias(tenant, &attendee.address) else {
                continue;
            };
            let is_known = |a: &&Attendee| a.address.eq_ignore_ascii_case(&known.address);
            match before.iter().find(is_known) {
                Some(row) => {
                    let kind = std::mem::take(&mut attendee.kind);
                    *attendee = Attendee { kind, ..row.clone() };
                }
                None => attendee.address.clone_from(&known.address),
            }
        }
        let mut listed = BTreeSet::new();
        attendees.retain(|a| listed.insert(a.address.to_lowercase()));
    }

    /// Whether a colleague is invited by what the attendees are, by whichever address.
    pub(super) fn is_invited(&self, organizer: &Person, content: &Content, guest: &str) -> bool {
        let listed = addresses(&content.attendees, "");
        let mut reached = listed.iter().flat_map(|a| self.reached(&organizer.tenant, a));
        holds(&listed, guest) || reached.any(|a| a.eq_ignore_ascii_case(guest))
    }

    /// Whether a guest has the meeting in their calendar: what they deleted does not come back without a mail.
    pub(super) fn has_copy(&self, organizer: &Person, guest: &str, ical_uid: &str) -> bool {
        let reached = self.reached(&organizer.tenant, guest);
        let has_it = |to: &String| {
            self.mailbox(to)
                .is_ok_and(|mailbox| mailbox.by_ical(ical_uid).is_some())
        };
        reached.iter().any(has_it)
    }

    /// Those invited to single occurrences only: day and address.
    pub(super) fn instance_guests(event: &Event, organizer: &str) -> Vec<(NaiveDate, String)> {
        let all = addresses(&event.content.attendees, organizer);
        event
            .exceptions
            .iter()
            .flat_map(|(day, x)| {
                addresses(&x.content.attendees, organizer)
                    .into_iter()
                    .map(|guest| (*day, guest))
            })
            .filter(|(_, guest)| !holds(&all, guest))
            .collect()
    }
}
