//! Deleting and cancelling. Rules: "Delete event", "event: cancel".

use super::attendees::{addresses, holds};
use crate::error::GraphError;
use crate::event::Event;
use crate::state::{Cause, Person, Target, World, slot_id};
use chrono::NaiveDate;

impl World {
    /// Deletes an event or an occurrence; guests are told if it is the organizer who deletes.
    ///
    /// # Errors
    /// 404 where it is gone, 403 where the calendar cannot be edited, 412 where `if_match` is not met.
    pub fn delete(
        &mut self,
        address: &str,
        target: Target,
        if_match: Option<&str>,
        comment: &str,
        cause: &Cause,
    ) -> Result<(), GraphError> {
        let person = self.actor(address)?;
        let mut event = self.writable(address, target)?;
        self.check_match(address, target, if_match)?;
        let content = target
            .day
            .map_or_else(|| event.content.clone(), |d| event.occurrence(d));
        let rest_id = self.mailbox(address)?.id_of(&event, target.day, false);
        let ends = self.switches.last_occurrence_ends_series;
        let keeps = self.switches.keeps_taken_out;
        let mailbox = self.mailbox_mut(address)?;
        match target.day {
            None => {
                mailbox.remove(target.key);
            }
            Some(day) => {
                event.exceptions.remove(&day);
                if !keeps {
                    event.deleted.insert(day);
                }
                let rule = event.recurrence.as_ref();
                let gone = &event.deleted;
                // Of a series without an end the first that is left tells.
                let is_last = rule.is_some_and(|rule| {
                    let mut days = rule.dates(None).take(gone.len() + 1);
                    days.all(|day| gone.contains(&day))
                });
                if is_last && ends {
                    mailbox.remove(target.key);
                } else {
                    mailbox.replace(event.clone());
                }
            }
        }
        if event.is_organizer {
            for guest in addresses(&content.attendees, &person.address) {
                self.mail(
                    "cancellation",
                    &person.address,
                    &guest,
                    &content,
                    comment,
                    &event.ical_uid,
                    &rest_id,
                    cause,
                );
                self.cancel_copy(&person, &event.ical_uid, target.day, &guest);
            }
            if target.day.is_none() {
                let guests = addresses(&content.attendees, &person.address);
                self.cancel_exceptions(&person, &event, &guests, |_, _| true, cause)?;
                for (day, guest) in Self::instance_guests(&event, &person.address) {
                    self.mail(
                        "cancellation",
                        &person.address,
                        &guest,
                        &event.occurrence(day),
                        comment,
                        &event.ical_uid,
                        &slot_id(&rest_id, day),
                        cause,
                    );
                    self.cancel_copy(&person, &event.ical_uid, Some(day), &guest);
                }
            }
        }
        Ok(())
    }

    /// Cancels a meeting, which only its organizer can.
    pub fn cancel(
        &mut self,
        address: &str,
        target: Target,
        comment: &str,
        cause: &Cause,
    ) -> Result<(), GraphError> {
        let event = self.writable(address, target)?;
        if !event.is_organizer {
            return Err(GraphError::request(
                "Your request can't be completed. You need to be an organizer to cancel a meeting.",
            ));
        }
        self.delete(address, target, None, comment, cause)
    }

    /// Cancels exceptions of a series that are still to come, to `guests` of theirs.
    pub(super) fn cancel_exceptions(
        &mut self,
        person: &Person,
        series: &Event,
        guests: &[String],
        is_over: impl Fn(NaiveDate, &str) -> bool,
        cause: &Cause,
    ) -> Result<(), GraphError> {
        if !self.switches.mails_each_exception {
            return Ok(());
        }
        let now = self.mailbox(&person.address)?.now();
        for (day, x) in &series.exceptions {
            if x.content.start.utc <= now {
                continue;
            }
            let id = self.mailbox(&person.address)?.id_of(series, Some(*day), false);
            for guest in addresses(&x.content.attendees, &person.address) {
                if holds(guests, &guest) && is_over(*day, &guest) {
                    self.mail(
                        "cancellation",
                        &person.address,
                        &guest,
                        &x.content,
                        "",
                        &series.ical_uid,
                        &id,
                        cause,
                    );
                }
            }
        }
        Ok(())
    }
}
