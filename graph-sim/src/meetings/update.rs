//! Changing an event. Rules: "Update event".

use super::attendees::{addresses, forget_answers, holds};
use super::series::{exception, inherit, keeps_between_neighbors, whole_minutes};
use super::writing::merge_extended;
use crate::error::GraphError;
use crate::event::{Event, OWN_ATTACHMENTS};
use crate::state::{Cause, Person, Target, World};
use chrono::NaiveDate;
use serde_json::{Map, Value};

/// A change of these is nobody else's business: no mail.
pub(crate) const OWNER_ONLY: &[&str] = &[
    "categories",
    "isReminderOn",
    "reminderMinutesBeforeStart",
    "showAs",
];

impl World {
    /// Changes an event or an occurrence by the body of a PATCH, and tells the guests.
    ///
    /// # Errors
    /// As Graph has them: 400 for a body that breaks a rule, 403, 404, 412.
    pub fn patch(
        &mut self,
        address: &str,
        target: Target,
        body: &Map<String, Value>,
        if_match: Option<&str>,
        cause: &Cause,
    ) -> Result<(), GraphError> {
        let person = self.actor(address)?;
        let mut event = self.writable(address, target)?;
        self.check_match(address, target, if_match)?;
        let before = event.clone();
        let mut content = match target.day {
            Some(day) => event.occurrence(day),
            None => event.content.clone(),
        };
        let old = content.clone();
        let mut applied = self.apply(&mut content, body, &person, false)?;
        if applied.touched.contains("body") {
            if self.switches.drops_unused_pictures {
                content.drop_unused_pictures();
            }
            // An occurrence with a body of its own has pictures of its own.
            if content.attachments != old.attachments
                || target.day.is_some() && content.attachments.iter().any(|one| one.inline)
            {
                applied.touched.insert(OWN_ATTACHMENTS.to_owned());
            }
        }
        let is_other = applied.transaction.is_some() && applied.transaction != event.transaction;
        if is_other && self.switches.transaction_change_refused {
            return Err(GraphError::request(
                "The transactionId can only be set when an event is created.",
            ));
        }
        if applied.touched.is_empty() {
            return Ok(());
        }
        let moved = content.start != old.start || content.end != old.end || content.all_day != old.all_day;
        match target.day {
            Some(day) => {
                if applied.recurrence.as_ref().is_some_and(|r| !r.is_null()) {
                    return Err(GraphError::request(
                        "An occurrence cannot have a recurrence of its own.",
                    ));
                }
                if moved && self.switches.series_in_whole_minutes {
                    whole_minutes(&mut content);
                }
                if moved {
                    keeps_between_neighbors(&event, day, &content)?;
                }
                let stamp = self.mailbox_mut(address)?.stamp();
                let x = exception(&mut event, day, stamp);
                x.content = content;
                x.own.extend(applied.touched.iter().cloned());
                merge_extended(&mut x.extended, applied.extended.clone());
                if moved {
                    forget_answers(&mut x.content);
                }
            }
            None => {
                event.content = content;
                if applied.touched.contains("start") {
                    event.nameless = None;
                }
                merge_extended(&mut event.extended, applied.extended.clone());
                self.patch_series(&mut event, &before, &applied, moved)?;
                if moved || event.recurrence != before.recurrence {
                    forget_answers(&mut event.content);
                }
                let later: Vec<NaiveDate> = event.exceptions.keys().copied().collect();
                for day in later {
                    let stamp = self.mailbox_mut(address)?.stamp();
                    let master = event.content.clone();
                    if let Some(x) = event.exceptions.get_mut(&day) {
                        inherit(x, &master, &applied.touched);
                        x.change = stamp.change;
                    }
                }
            }
        }
        let exceptions = event.exceptions.len();
        let mailbox = self.mailbox_mut(address)?;
        mailbox.replace(event.clone());
        if !event.is_organizer {
            // Only the local copy changes; the organizer's next update overwrites it.
            return Ok(());
        }
        let now = target
            .day
            .map_or_else(|| event.content.clone(), |d| event.occurrence(d));
        let was = addresses(&old.attendees, &person.address);
        let are = addresses(&now.attendees, &person.address);
        let added: Vec<String> = are.iter().filter(|a| !holds(&was, a)).cloned().collect();
        // A path is no second person: who stays listed by an address is not taken off with it.
        let stays = |path: &str| {
            let mut rows = old.attendees.iter();
            let name = rows.find(|a| a.address == path).map(|a| &a.name);
            path.starts_with("/o=") && now.attendees.iter().any(|a| Some(&a.name) == name)
        };
        let removed: Vec<String> = was
            .iter()
            .filter(|a| !holds(&are, a) && !stays(a))
            .cloned()
            .collect();
        let staying: Vec<String> = are.iter().filter(|a| holds(&was, a)).cloned().collect();
        let shared = applied
            .touched
            .iter()
            .any(|t| t != "attendees" && !OWNER_ONLY.contains(&t.as_str()));
        let rest_id = self.mailbox(address)?.id_of(&event, target.day, false);
        for guest in &removed {
            self.mail(
                "cancellation",
                &person.address,
                guest,
                &now,
                "",
                &event.ical_uid,
                &rest_id,
                cause,
            );
            self.cancel_copy(&person, &event.ical_uid, target.day, guest);
        }
        let told = [(&added, "invitation", true), (&staying, "update", shared)];
        for (guests, kind, tell) in told {
            for guest in guests.iter() {
                if tell {
                    // "Update event": one message for the master and one for each modified instance.
                    let extra = if kind == "update" && target.day.is_none() {
                        exceptions
                    } else {
                        0
                    };
                    for _ in 0..=extra {
                        self.mail(
                            kind,
                            &person.address,
                            guest,
                            &now,
                            "",
                            &event.ical_uid,
                            &rest_id,
                            cause,
                        );
                    }
                }
                let quiet =
                    self.switches.attendee_change_reaches_all && (!added.is_empty() || !removed.is_empty());
                if tell || (quiet && self.has_copy(&person, guest, &event.ical_uid)) {
                    match target.day {
                        Some(day) if !holds(&addresses(&event.content.attendees, ""), guest) => {
                            self.deliver_instance(&person, &event, day, guest, kind == "invitation");
                        }
                        _ => self.deliver(&person, &event, guest, false),
                    }
                }
            }
        }
        if target.day.is_none() {
            // Whoever is a guest of one still is told of that one alone.
            let is_over = |day: NaiveDate, guest: &str| {
                let left = event.exceptions.get(&day);
                !left.is_some_and(|x| holds(&addresses(&x.content.attendees, ""), guest))
            };
            self.cancel_exceptions(&person, &before, &was, is_over, cause)?;
            self.tell_instance_guests(&person, &before, &event, shared, cause)?;
        }
        Ok(())
    }

    /// An edit of what lies in Deleted Items: it is taken, and nobody sees anything of it.
    pub(crate) fn patch_deleted(
        &mut self,
        address: &str,
        target: Target,
        body: &Map<String, Value>,
        if_match: Option<&str>,
    ) -> Result<(), GraphError> {
        let person = self.actor(address)?;
        self.check_match(address, target, if_match)?;
        let held = self.mailbox(address)?.deleted.get(&target.key).cloned();
        let mut event = held.ok_or_else(GraphError::not_found)?;
        let mut content = event.content.clone();
        self.apply(&mut content, body, &person, false)?;
        event.content = content;
        self.mailbox_mut(address)?.replace_deleted(event);
        Ok(())
    }

    /// Those invited to single occurrences learn what became of these when the series was changed.
    fn tell_instance_guests(
        &mut self,
        person: &Person,
        before: &Event,
        now: &Event,
        shared: bool,
        cause: &Cause,
    ) -> Result<(), GraphError> {
        let all = addresses(&now.content.attendees, &person.address);
        let left = Self::instance_guests(now, &person.address);
        for (day, guest) in Self::instance_guests(before, &person.address) {
            if holds(&all, &guest) || left.contains(&(day, guest.clone())) {
                continue;
            }
            let id = self.mailbox(&person.address)?.id_of(now, Some(day), false);
            self.mail(
                "cancellation",
                &person.address,
                &guest,
                &before.occurrence(day),
                "",
                &now.ical_uid,
                &id,
                cause,
            );
            self.cancel_copy(person, &now.ical_uid, Some(day), &guest);
        }
        for (day, guest) in left.into_iter().filter(|_| shared) {
            let id = self.mailbox(&person.address)?.id_of(now, Some(day), false);
            self.mail(
                "update",
                &person.address,
                &guest,
                &now.occurrence(day),
                "",
                &now.ical_uid,
                &id,
                cause,
            );
            self.deliver_instance(person, now, day, &guest, false);
        }
        Ok(())
    }

    /// Snooze and dismiss: the owner's reminder alone.
    pub fn reminder(&mut self, address: &str, target: Target, on: bool) -> Result<(), GraphError> {
        let mut event = self.writable(address, target)?;
        let mailbox = self.mailbox_mut(address)?;
        match target.day {
            None => event.content.reminder_on = on,
            Some(day) => {
                let stamp = mailbox.stamp();
                exception(&mut event, day, stamp).content.reminder_on = on;
            }
        }
        mailbox.replace(event);
        Ok(())
    }
}
