//! What reaches the calendars of the guests: invitations, updates and cancellations.

use super::attendees::{attendee_content, mark_cancelled};
use super::series::exception;
use crate::error::GraphError;
use crate::event::Event;
use crate::event_view;
use crate::state::{Cause, Delivery, Mailbox, Person, World};
use crate::switches::CancelledCopies;
use chrono::{NaiveDate, TimeDelta, Utc};
use std::collections::{BTreeMap, BTreeSet};

impl World {
    /// Mails `guests` about the event as it is now and brings their copies up to date.
    pub(super) fn invite(
        &mut self,
        person: &Person,
        key: u64,
        guests: &[String],
        kind: &str,
        cause: &Cause,
    ) -> Result<(), GraphError> {
        let event = self
            .mailbox(&person.address)?
            .events
            .get(&key)
            .cloned()
            .ok_or_else(GraphError::not_found)?;
        for guest in guests {
            self.mail(
                kind,
                &person.address,
                guest,
                &event.content,
                "",
                &event.ical_uid,
                &event.rest_id,
                cause,
            );
            self.deliver(person, &event, guest, kind != "update");
        }
        Ok(())
    }

    /// Writes the organizer's event into the mailboxes that a guest's address reaches; guests from outside only get mail.
    pub(super) fn deliver(&mut self, organizer: &Person, event: &Event, guest: &str, reset: bool) {
        self.dispatch(Delivery::Copy {
            organizer: organizer.clone(),
            event: Box::new(event.clone()),
            guest: guest.to_owned(),
            reset,
        });
    }

    fn dispatch(&mut self, delivery: Delivery) {
        self.under_way.push_back((Utc::now(), delivery));
        self.hand_out();
    }

    /// Lets arrive whatever has been under way for long enough.
    pub(crate) fn hand_out(&mut self) {
        let arrives = Utc::now() - TimeDelta::seconds(i64::from(self.switches.delivery_seconds));
        while self.under_way.front().is_some_and(|(sent, _)| *sent <= arrives) {
            let Some((_, delivery)) = self.under_way.pop_front() else {
                return;
            };
            self.hand_over(delivery);
        }
    }

    fn hand_over(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Copy {
                organizer,
                event,
                guest,
                reset,
            } => {
                for guest in self.reached(&organizer.tenant, &guest) {
                    let event = self.as_kept_by(&guest, &event);
                    let old = self.copy_of_room(&guest, &event.ical_uid);
                    self.deliver_to(&organizer, &event, &guest, reset);
                    self.answer_for_room(&guest, &event.ical_uid, old.as_ref());
                }
            }
            Delivery::Instance {
                organizer,
                event,
                day,
                guest,
                reset,
            } => {
                for guest in self.reached(&organizer.tenant, &guest) {
                    let event = self.as_kept_by(&guest, &event);
                    self.deliver_instance_to(&organizer, &event, day, &guest, reset);
                    self.answer_for_room(&guest, &event_view::instance_uid(&event.ical_uid, day), None);
                }
            }
            Delivery::Cancellation {
                organizer,
                ical_uid,
                day,
                guest,
            } => {
                for guest in self.reached(&organizer.tenant, &guest) {
                    self.cancel_copy_of(&ical_uid, day, &guest);
                }
            }
        }
    }

    fn deliver_to(&mut self, organizer: &Person, event: &Event, guest: &str, reset: bool) {
        let invited_to: BTreeSet<NaiveDate> = event
            .exceptions
            .iter()
            .filter(|(_, x)| self.is_invited(organizer, &x.content, guest))
            .map(|(day, _)| *day)
            .collect();
        let sees = self.switches.guests_see_answers;
        let enters = self.switches.automatic_entries || self.is_room(guest);
        let Ok(mailbox) = self.mailbox_mut(guest) else {
            return;
        };
        let old = mailbox
            .by_ical(&event.ical_uid)
            .and_then(|key| mailbox.events.get(&key).cloned());
        if old.as_ref().is_some_and(|o| o.is_organizer) {
            return;
        }
        let moved = old.as_ref().is_some_and(|o| {
            o.content.start.utc != event.content.start.utc
                || o.content.end.utc != event.content.end.utc
                || o.recurrence != event.recurrence
        });
        let reset = reset || moved;
        let listed = sees.then_some(organizer);
        let content = attendee_content(
            &event.content,
            old.as_ref().map(|o| &o.content),
            reset,
            guest,
            listed,
        );
        let exceptions = event
            .exceptions
            .iter()
            .map(|(day, x)| {
                let before = old
                    .as_ref()
                    .and_then(|o| o.exceptions.get(day))
                    .map(|x| &x.content);
                let mut x = x.clone();
                x.content = attendee_content(
                    &x.content,
                    before.or(old.as_ref().map(|o| &o.content)),
                    reset,
                    guest,
                    listed,
                );
                if !invited_to.contains(day) {
                    mark_cancelled(&mut x.content);
                }
                x.extended = Vec::new();
                x.change = mailbox.stamp().change;
                (*day, x)
            })
            .collect();
        match old {
            Some(mut copy) => {
                copy.content = content;
                copy.recurrence.clone_from(&event.recurrence);
                copy.exceptions = exceptions;
                copy.deleted.clone_from(&event.deleted);
                copy.nameless.clone_from(&event.nameless);
                copy.organizer.clone_from(&event.organizer);
                mailbox.replace(copy);
            }
            None if !enters => {}
            None => {
                // Whoever is invited to all has no occurrences apart.
                for day in event.exceptions.keys() {
                    if let Some(single) = mailbox.by_ical(&event_view::instance_uid(&event.ical_uid, *day)) {
                        mailbox.remove(single);
                    }
                }
                let calendar = mailbox.primary().to_owned();
                mailbox.insert(Event {
                    calendar,
                    transaction: None,
                    transaction_body: String::new(),
                    is_organizer: false,
                    content,
                    exceptions,
                    extended: Vec::new(),
                    ..event.clone()
                });
            }
        }
    }

    /// Writes one occurrence into the mailbox of a colleague who is not invited to the series. There it is a single
    /// event ("for all practical purposes", MS-OXOCAL on orphan instances) under the occurrence's own iCalUId.
    pub(super) fn deliver_instance(
        &mut self,
        organizer: &Person,
        event: &Event,
        day: NaiveDate,
        guest: &str,
        reset: bool,
    ) {
        self.dispatch(Delivery::Instance {
            organizer: organizer.clone(),
            event: Box::new(event.clone()),
            day,
            guest: guest.to_owned(),
            reset,
        });
    }

    fn deliver_instance_to(
        &mut self,
        organizer: &Person,
        event: &Event,
        day: NaiveDate,
        guest: &str,
        reset: bool,
    ) {
        if organizer.address.eq_ignore_ascii_case(guest) {
            return;
        }
        let sees = self.switches.guests_see_answers;
        let enters = self.switches.automatic_entries || self.is_room(guest);
        let Ok(mailbox) = self.mailbox_mut(guest) else {
            return;
        };
        let of = |uid: &str| mailbox.by_ical(uid).and_then(|key| mailbox.events.get(&key));
        if of(&event.ical_uid).is_some_and(|series| series.is_organizer || !series.content.cancelled) {
            return;
        }
        let ical_uid = event_view::instance_uid(&event.ical_uid, day);
        let old = of(&ical_uid).cloned();
        let theirs = event.occurrence(day);
        let moved = old
            .as_ref()
            .is_some_and(|o| o.content.start.utc != theirs.start.utc || o.content.end.utc != theirs.end.utc);
        let before = old.as_ref().map(|o| &o.content);
        let listed = sees.then_some(organizer);
        let content = attendee_content(&theirs, before, reset || moved, guest, listed);
        match old {
            Some(mut copy) => {
                copy.content = content;
                mailbox.replace(copy);
            }
            None if !enters => {}
            None => {
                let calendar = mailbox.primary().to_owned();
                mailbox.insert(Event {
                    calendar,
                    ical_uid,
                    transaction: None,
                    transaction_body: String::new(),
                    is_organizer: false,
                    content,
                    recurrence: None,
                    exceptions: BTreeMap::new(),
                    deleted: BTreeSet::new(),
                    extended: Vec::new(),
                    ..event.clone()
                });
            }
        }
    }

    /// A cancellation reaches colleagues: their copies stay, marked.
    pub(super) fn cancel_copy(
        &mut self,
        organizer: &Person,
        ical_uid: &str,
        day: Option<NaiveDate>,
        guest: &str,
    ) {
        self.dispatch(Delivery::Cancellation {
            organizer: organizer.clone(),
            ical_uid: ical_uid.to_owned(),
            day,
            guest: guest.to_owned(),
        });
    }

    pub(crate) fn cancel_copy_of(&mut self, ical_uid: &str, day: Option<NaiveDate>, guest: &str) {
        let how = self.switches.cancelled_copies;
        let Ok(mailbox) = self.mailbox_mut(guest) else {
            return;
        };
        let of = |uid: &str| mailbox.by_ical(uid).and_then(|key| mailbox.events.get(&key));
        // Somebody invited to this occurrence alone has it as an event of its own.
        if let Some(mut single) = day
            .and_then(|d| of(&event_view::instance_uid(ical_uid, d)))
            .filter(|e| !e.is_organizer)
            .cloned()
        {
            mark_cancelled(&mut single.content);
            put_cancelled(mailbox, single, how);
            return;
        }
        let Some(mut copy) = of(ical_uid).filter(|e| !e.is_organizer).cloned() else {
            return;
        };
        match day {
            None => {
                mark_cancelled(&mut copy.content);
                copy.exceptions
                    .values_mut()
                    .for_each(|x| mark_cancelled(&mut x.content));
                put_cancelled(mailbox, copy, how);
                return;
            }
            Some(day) if how != CancelledCopies::Marked => {
                copy.exceptions.remove(&day);
                copy.deleted.insert(day);
            }
            Some(day) => {
                if !copy.has_occurrence(day) {
                    return;
                }
                let mut content = copy.occurrence(day);
                mark_cancelled(&mut content);
                let stamp = mailbox.stamp();
                let x = exception(&mut copy, day, stamp);
                x.content = content;
                x.own.extend(["subject".to_owned(), "showAs".to_owned()]);
            }
        }
        mailbox.replace(copy);
    }
}

/// A guest's copy of what was cancelled.
fn put_cancelled(mailbox: &mut Mailbox, copy: Event, how: CancelledCopies) {
    let key = copy.key;
    mailbox.replace(copy);
    if how != CancelledCopies::Marked {
        mailbox.remove(key);
    }
    if how == CancelledCopies::Purged {
        mailbox.deleted.remove(&key);
    }
}
