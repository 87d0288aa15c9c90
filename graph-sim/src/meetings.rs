//! What a write does: to the writer's calendar, to the other copies of the meeting, and to the mail log.
//! Rules: "Create event", "Update event", "Delete event", "event: cancel/accept/decline/forward".

use crate::error::GraphError;
use crate::event::{Attendee, Content, Event, Exception, Moment, OWN_ATTACHMENTS};
use crate::event_view;
use crate::event_write::{self, Applied, Rules};
use crate::faults::{CancelledCopies, LongPatterns};
use crate::recurrence::{Clock, Recurrence};
use crate::state::{Cause, Delivery, Mailbox, Person, Stamp, TEAMS, Target, World, slot_id};
use crate::timezone;
use chrono::{NaiveDate, TimeDelta, Timelike, Utc};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// A change of these is nobody else's business: no mail.
pub const OWNER_ONLY: &[&str] = &[
    "categories",
    "isReminderOn",
    "reminderMinutesBeforeStart",
    "showAs",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Accept,
    Tentative,
    Decline,
}

impl Answer {
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "accept" | "accepted" => Some(Self::Accept),
            "tentative" | "tentativelyaccept" | "tentativelyaccepted" => Some(Self::Tentative),
            "decline" | "declined" => Some(Self::Decline),
            _ => None,
        }
    }

    fn response(self) -> &'static str {
        match self {
            Self::Accept => "accepted",
            Self::Tentative => "tentativelyAccepted",
            Self::Decline => "declined",
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn failed() -> GraphError {
    GraphError::bad(
        "ErrorPropertyValidationFailure",
        "At least one property failed validation.",
    )
}

fn merge_extended(own: &mut Vec<(String, String)>, new: Vec<(String, String)>) {
    for (id, value) in new {
        match own.iter_mut().find(|(known, _)| *known == id) {
            Some(entry) => entry.1 = value,
            None => own.push((id, value)),
        }
    }
}

fn addresses(list: &[Attendee], but: &str) -> Vec<String> {
    list.iter()
        .map(|a| a.address.clone())
        .filter(|a| !a.eq_ignore_ascii_case(but))
        .collect()
}

fn holds(list: &[String], address: &str) -> bool {
    list.iter().any(|a| a.eq_ignore_ascii_case(address))
}

/// The attendee's side of a meeting: the organizer's content, with what is the attendee's own kept.
/// With `organizer` it lists the organizer, and shows the others' answers.
fn attendee_content(
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
fn mark_cancelled(c: &mut Content) {
    if !c.cancelled {
        c.cancelled = true;
        c.subject = format!("Canceled: {}", c.subject);
        c.show_as = "free".into();
    }
}

impl World {
    fn apply(
        &self,
        content: &mut Content,
        body: &Map<String, Value>,
        person: &Person,
        create: bool,
    ) -> Result<Applied, GraphError> {
        let directory = |address: &str| self.colleague(&person.tenant, address).map(|p| p.name.clone());
        let rules = Rules {
            create,
            teams: self.providers(person).iter().any(|p| p == TEAMS),
            directory: &directory,
            owner: &person.address,
            cut_long_texts: self.switches.long_texts_are_cut,
            all_day_wants_times: self.switches.all_day_wants_times,
        };
        let before = content.attendees.clone();
        let applied = event_write::apply(content, body, &rules)?;
        if self.switches.resolves_aliases {
            self.resolve(&person.tenant, &before, &mut content.attendees);
        }
        let dropped = &self.switches.drops_attendee;
        content
            .attendees
            .retain(|a| !a.address.eq_ignore_ascii_case(dropped));
        Ok(applied)
    }

    /// Names each guest by the mailbox's own address, once; who was listed so before stays as they were.
    fn resolve(&self, tenant: &str, before: &[Attendee], attendees: &mut Vec<Attendee>) {
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

    fn actor(&self, address: &str) -> Result<Person, GraphError> {
        self.person(address)
            .cloned()
            .ok_or_else(|| GraphError::new(404, "ErrorInvalidUser", "The requested user is invalid."))
    }

    /// Creates an event; `true` when an earlier request with the same transactionId already had.
    pub fn create(
        &mut self,
        address: &str,
        calendar: Option<&str>,
        body: &Map<String, Value>,
        cause: &Cause,
    ) -> Result<(u64, bool), GraphError> {
        let person = self.actor(address)?;
        let mailbox = self.mailbox(address)?;
        let now = mailbox.now();
        let calendar = calendar.unwrap_or(mailbox.primary()).to_owned();
        if !mailbox
            .calendar(&calendar)
            .ok_or_else(GraphError::not_found)?
            .can_edit
        {
            return Err(GraphError::access_denied());
        }
        let nothing = Moment {
            utc: now,
            zone: "UTC".into(),
        };
        let mut content = Content::blank(nothing.clone(), nothing);
        let applied = self.apply(&mut content, body, &person, true)?;
        let digest = hex(&Sha256::digest(
            Value::Object(body.clone()).to_string().as_bytes(),
        ));
        if let Some(id) = &applied.transaction
            && let Some(first) = self.mailbox(address)?.by_transaction(id)
        {
            if first.transaction_body == digest && first.calendar == calendar {
                return Ok((first.key, true));
            }
            let status = self.switches.duplicate_transaction_status;
            let mut error = GraphError::new(
                status,
                "ErrorDuplicateTransactionId",
                format!(
                    "Your request can't be completed. The TransactionId: {id} has already been used to create a different event."
                ),
            );
            error
                .extra
                .push(("@event.existingEventId".into(), json!(first.rest_id)));
            return Err(error);
        }
        let mut event = Event {
            key: 0,
            calendar,
            rest_id: String::new(),
            immutable_id: String::new(),
            ical_uid: event_view::new_ical_uid(now),
            created: now,
            modified: now,
            change: 0,
            seq: 0,
            transaction: applied.transaction.clone(),
            transaction_body: digest,
            organizer: (person.name.clone(), person.address.clone()),
            is_organizer: true,
            content,
            recurrence: None,
            exceptions: BTreeMap::new(),
            deleted: BTreeSet::new(),
            extended: Vec::new(),
            reach: None,
            nameless: None,
            was_single: false,
        };
        merge_extended(&mut event.extended, applied.extended.clone());
        if let Some(value) = applied.recurrence.as_ref().filter(|v| !v.is_null()) {
            set_recurrence(&mut event, value, false, self.switches.intervals())?;
            self.settle_hours(&mut event)?;
        }
        let guests = addresses(&event.content.attendees, &person.address);
        let key = self.mailbox_mut(address)?.insert(event);
        if self.switches.change_key_turns {
            let at = Utc::now() + TimeDelta::seconds(1);
            self.mailbox_mut(address)?.turning.push((at, key));
        }
        self.invite(&person, key, &guests, "invitation", cause)?;
        Ok((key, false))
    }

    /// A person's phone has made the event and drawn its zone's rules by itself, where `names_no_zone` says so.
    pub fn forget_zone_name(&mut self, address: &str, key: u64) -> Result<(), GraphError> {
        let name = self.switches.names_no_zone.clone();
        if name.is_empty() {
            return Ok(());
        }
        let uid = self
            .mailbox(address)?
            .events
            .get(&key)
            .map(|event| event.ical_uid.clone());
        let uid = uid.ok_or_else(GraphError::not_found)?;
        for mailbox in self.mailboxes.values_mut() {
            if let Some(event) = mailbox.by_ical(&uid).and_then(|key| mailbox.events.get_mut(&key)) {
                event.nameless = Some(name.clone());
            }
        }
        Ok(())
    }

    /// Mails `guests` about the event as it is now and brings their copies up to date.
    fn invite(
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

    /// Whether a guest has the meeting in their calendar: what they deleted does not come back without a mail.
    fn has_copy(&self, organizer: &Person, guest: &str, ical_uid: &str) -> bool {
        let reached = self.reached(&organizer.tenant, guest);
        let has_it = |to: &String| {
            self.mailbox(to)
                .is_ok_and(|mailbox| mailbox.by_ical(ical_uid).is_some())
        };
        reached.iter().any(has_it)
    }

    /// Writes the organizer's event into the mailboxes that a guest's address reaches; guests from outside only get mail.
    fn deliver(&mut self, organizer: &Person, event: &Event, guest: &str, reset: bool) {
        self.dispatch(Delivery::Copy {
            organizer: organizer.clone(),
            event: Box::new(event.clone()),
            guest: guest.to_owned(),
            reset,
        });
    }

    fn dispatch(&mut self, delivery: Delivery) {
        let arrival = Utc::now() + TimeDelta::seconds(i64::from(self.switches.delivery_seconds));
        self.under_way.push_back((arrival, delivery));
        self.hand_out();
    }

    /// Lets arrive whatever has been under way for long enough.
    pub fn hand_out(&mut self) {
        while self.under_way.front().is_some_and(|(at, _)| *at <= Utc::now()) {
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
    fn deliver_instance(
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

    /// Those invited to single occurrences only: day and address.
    fn instance_guests(event: &Event, organizer: &str) -> Vec<(NaiveDate, String)> {
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

    /// Whether a colleague is invited by what the attendees are, by whichever address.
    fn is_invited(&self, organizer: &Person, content: &Content, guest: &str) -> bool {
        let listed = addresses(&content.attendees, "");
        let mut reached = listed.iter().flat_map(|a| self.reached(&organizer.tenant, a));
        holds(&listed, guest) || reached.any(|a| a.eq_ignore_ascii_case(guest))
    }

    /// A cancellation reaches colleagues: their copies stay, marked.
    fn cancel_copy(&mut self, organizer: &Person, ical_uid: &str, day: Option<NaiveDate>, guest: &str) {
        self.dispatch(Delivery::Cancellation {
            organizer: organizer.clone(),
            ical_uid: ical_uid.to_owned(),
            day,
            guest: guest.to_owned(),
        });
    }

    pub fn cancel_copy_of(&mut self, ical_uid: &str, day: Option<NaiveDate>, guest: &str) {
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

    fn check_match(&self, address: &str, target: Target, if_match: Option<&str>) -> Result<(), GraphError> {
        let Some(wanted) = if_match else {
            return Ok(());
        };
        if !self.switches.if_match_enforced || wanted.trim() == "*" {
            return Ok(());
        }
        let current = self.mailbox(address)?.etag(target);
        let bare = |tag: &str| tag.trim().trim_start_matches("W/").trim_matches('"').to_owned();
        if current.is_some_and(|c| wanted.split(',').any(|w| bare(w) == bare(&c))) {
            Ok(())
        } else {
            Err(GraphError::conflict())
        }
    }

    pub(crate) fn writable(&self, address: &str, target: Target) -> Result<Event, GraphError> {
        let mailbox = self.mailbox(address)?;
        let event = mailbox
            .events
            .get(&target.key)
            .cloned()
            .ok_or_else(GraphError::not_found)?;
        if mailbox.calendar(&event.calendar).is_some_and(|c| !c.can_edit) {
            return Err(GraphError::access_denied());
        }
        if target.day.is_some_and(|day| event.deleted.contains(&day)) {
            return Err(GraphError::not_found());
        }
        Ok(event)
    }

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
            // A body of an occurrence's own has its own pictures.
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
    pub fn patch_deleted(
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

    /// The rules for a master's times and recurrence, and for turning singles into series and back.
    fn patch_series(
        &self,
        event: &mut Event,
        before: &Event,
        applied: &Applied,
        moved: bool,
    ) -> Result<(), GraphError> {
        let was_series = before.recurrence.is_some();
        match &applied.recurrence {
            Some(Value::Null) => {
                event.recurrence = None;
                event.exceptions.clear();
                event.deleted.clear();
            }
            Some(value) => {
                set_recurrence(event, value, moved, self.switches.intervals())?;
                let kept = match (&before.recurrence, &event.recurrence) {
                    (Some(a), Some(b)) => a.same_pattern(b, self.switches.first_day_is_pattern),
                    _ => false,
                };
                // MS-OXOCAL 3.1.4.7.3.5: a changed pattern removes all exceptions.
                let rewritten = !kept && self.switches.pattern_change_drops_exceptions
                    || was_series && moved && self.switches.time_change_drops_exceptions
                    || was_series
                        && self.switches.end_change_drops_exceptions
                        && before.recurrence != event.recurrence;
                if rewritten {
                    self.drop_exceptions(event);
                }
            }
            None if was_series && moved => {
                if !timezone::same_zone(&event.content.start.zone, &before.content.start.zone) {
                    return Err(failed());
                }
                let tz = event.zone();
                let day = timezone::to_local(tz, event.content.start.utc).date();
                let clock = event.clock(tz);
                if let Some(rule) = event.recurrence.as_mut() {
                    rule.clock = Some(clock);
                }
                if let Some(rule) = event.recurrence.as_mut()
                    && rule.start != day
                {
                    rule.start = day;
                    match rule.dates(None).next() {
                        Some(first) => rule.start = first,
                        None => return Err(failed()),
                    }
                    let first = rule.start;
                    let (start, end) = event.slot(first);
                    event.content.start.utc = start;
                    event.content.end.utc = end;
                    event.exceptions.clear();
                    event.deleted.clear();
                }
                if self.switches.time_change_drops_exceptions {
                    self.drop_exceptions(event);
                }
            }
            None => {}
        }
        if moved || applied.recurrence.is_some() {
            self.settle_hours(event)?;
        }
        if let Some(rule) = event.recurrence.clone() {
            event.exceptions.retain(|day, _| rule.contains(*day));
            event.deleted.retain(|day| rule.contains(*day));
        }
        Ok(())
    }

    /// A series has whole minutes, and no occurrence that lasts into the next.
    fn settle_hours(&self, event: &mut Event) -> Result<(), GraphError> {
        let Some(clock) = event.recurrence.as_ref().map(|rule| rule.clock) else {
            return Ok(());
        };
        if self.switches.series_in_whole_minutes {
            whole_minutes(&mut event.content);
            let clock = clock.map(|clock| Clock {
                start: clock.start.with_second(0).unwrap_or(clock.start),
                seconds: clock.seconds - clock.seconds.rem_euclid(60),
            });
            if let Some(rule) = event.recurrence.as_mut() {
                rule.clock = clock;
            }
        }
        // On the clock: a day is a day, however many hours the first one has.
        let instants = event.content.end.utc - event.content.start.utc;
        let clock = event.recurrence.as_ref().and_then(|rule| rule.clock);
        let length = clock.map_or(instants, Clock::length);
        let dates: Vec<NaiveDate> = event
            .recurrence
            .iter()
            .flat_map(|rule| rule.dates(None).take(60))
            .collect();
        // EWS, ResponseCode.
        let is_too_long = |pair: &[NaiveDate]| matches!(pair, [a, b] if length > *b - *a);
        if dates.windows(2).any(is_too_long) {
            return Err(GraphError::bad(
                "ErrorOccurrenceTimeSpanTooBig",
                "The time span of an occurrence is longer than the time between occurrences.",
            ));
        }
        Ok(())
    }

    fn drop_exceptions(&self, event: &mut Event) {
        event.exceptions.clear();
        if self.switches.rewrites_bring_deleted_back {
            event.deleted.clear();
        }
    }

    /// Cancels exceptions of a series that are still to come, to `guests` of theirs.
    fn cancel_exceptions(
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

    #[allow(clippy::too_many_arguments, reason = "the parameters of the Graph action")]
    pub fn respond(
        &mut self,
        address: &str,
        target: Target,
        answer: Answer,
        comment: Option<&str>,
        send: bool,
        proposed: Option<&Value>,
        cause: &Cause,
    ) -> Result<(), GraphError> {
        let person = self.actor(address)?;
        let mut event = self.writable(address, target)?;
        let mut content = target
            .day
            .map_or_else(|| event.content.clone(), |d| event.occurrence(d));
        if event.is_organizer {
            return Err(GraphError::request(
                "Your request can't be completed. You can't respond to this meeting because you're the meeting organizer.",
            ));
        }
        if content.cancelled && !self.switches.cancelled_takes_answers {
            return Err(GraphError::request(
                "Your request can't be completed. You can't respond to this meeting because it's been cancelled.",
            ));
        }
        if !send && comment.is_some_and(|c| !c.is_empty()) {
            return Err(GraphError::bad(
                "ErrorInvalidParameter",
                "'SendResponse' must be true when 'Comment' is not null",
            ));
        }
        if proposed.is_some() && (!send || !content.allow_proposals || answer == Answer::Accept) {
            return Err(GraphError::request(
                "Your request can't be completed. A new time can only be proposed with a response, to an organizer who allows it.",
            ));
        }
        let now = self.mailbox(address)?.now();
        let kept = self.switches.declined_kept;
        let response = answer.response();
        content.response = response.into();
        content.response_time = Some(now);
        content.show_as = match answer {
            Answer::Tentative => "tentative",
            Answer::Accept => "busy",
            Answer::Decline => "free",
        }
        .into();
        let subject = content.clone();
        let organizer = event.organizer.1.clone();
        let (uid, rest_id) = (
            event.ical_uid.clone(),
            self.mailbox(address)?.id_of(&event, target.day, false),
        );
        let mailbox = self.mailbox_mut(address)?;
        match (answer, target.day) {
            // A declined meeting goes to Deleted Items.
            (Answer::Decline, None) if !kept => {
                mailbox.remove(target.key);
            }
            (Answer::Decline, Some(day)) if !kept => {
                event.exceptions.remove(&day);
                event.deleted.insert(day);
                mailbox.replace(event);
            }
            (_, None) => {
                event.content = content;
                for x in event.exceptions.values_mut() {
                    x.content.response = response.into();
                    x.content.response_time = Some(now);
                }
                mailbox.replace(event);
            }
            (_, Some(day)) => {
                let stamp = mailbox.stamp();
                let x = exception(&mut event, day, stamp);
                x.content = content;
                x.own.insert("responseStatus".into());
                mailbox.replace(event);
            }
        }
        if send {
            self.mail(
                "response",
                &person.address,
                &organizer,
                &subject,
                comment.unwrap_or(""),
                &uid,
                &rest_id,
                cause,
            );
            if self.colleague(&person.tenant, &organizer).is_some() {
                self.track(&organizer, &uid, target.day, &person.address, response, proposed)?;
            }
        }
        Ok(())
    }

    /// The organizer's copy takes note of an answer.
    pub fn track(
        &mut self,
        organizer: &str,
        ical_uid: &str,
        day: Option<NaiveDate>,
        guest: &str,
        response: &str,
        proposed: Option<&Value>,
    ) -> Result<(), GraphError> {
        let person = self.person(guest);
        let name = person.map_or_else(|| guest.to_owned(), |p| p.name.clone());
        let aliases = person.map(|p| p.aliases.clone()).unwrap_or_default();
        let known_as: Vec<String> = std::iter::once(guest.to_owned()).chain(aliases).collect();
        let mailbox = self.mailbox_mut(organizer)?;
        // The copy of somebody invited to one occurrence bears its date.
        let (series, of_instance) = event_view::series_uid(ical_uid);
        let day = day.or(of_instance);
        let Some(mut event) = mailbox
            .by_ical(&series)
            .and_then(|key| mailbox.events.get(&key).cloned())
        else {
            return Ok(());
        };
        if !event.is_organizer {
            return Ok(());
        }
        let now = mailbox.now();
        let note = |content: &mut Content| {
            let is_known = |a: &Attendee| {
                known_as
                    .iter()
                    .any(|known| known.eq_ignore_ascii_case(&a.address))
            };
            // Whoever answers and is not listed (a group's member, say) is from then on.
            if !content.attendees.iter().any(is_known) {
                content.attendees.push(Attendee {
                    kind: "optional".into(),
                    name: name.clone(),
                    address: guest.to_owned(),
                    response: "none".into(),
                    time: None,
                    proposed: None,
                });
            }
            for a in content.attendees.iter_mut().filter(|a| is_known(a)) {
                a.response = response.to_owned();
                a.time = Some(now);
                a.proposed = proposed.cloned();
            }
        };
        match day {
            Some(day) if event.recurrence.is_some() && event.has_occurrence(day) => {
                let stamp = mailbox.stamp();
                note(&mut exception(&mut event, day, stamp).content);
            }
            Some(_) => return Ok(()),
            None => {
                note(&mut event.content);
                event.exceptions.values_mut().for_each(|x| note(&mut x.content));
            }
        }
        mailbox.replace(event);
        Ok(())
    }

    /// The organizer's copy lists a guest a second time, by an X.500 path and with the answer, where the first row keeps the old one;
    /// or by the path instead. Of a series it is in all that is not an exception's own, of an occurrence there alone.
    pub fn list_by_path(
        &mut self,
        organizer: &str,
        target: Target,
        (guest, path): (&str, &str),
        response: &str,
        instead: bool,
    ) -> Result<(), GraphError> {
        let mailbox = self.mailbox_mut(organizer)?;
        let now = mailbox.now();
        let mut event = mailbox
            .events
            .get(&target.key)
            .cloned()
            .ok_or_else(GraphError::not_found)?;
        let list = match target.day {
            Some(day) => {
                let stamp = mailbox.stamp();
                let x = exception(&mut event, day, stamp);
                x.own.insert("attendees".into());
                &mut x.content.attendees
            }
            None => &mut event.content.attendees,
        };
        let mut row = list
            .iter()
            .find(|a| a.address.eq_ignore_ascii_case(guest))
            .cloned()
            .ok_or_else(GraphError::not_found)?;
        path.clone_into(&mut row.address);
        response.clone_into(&mut row.response);
        row.time = Some(now);
        list.retain(|a| a.address != path && !(instead && a.address.eq_ignore_ascii_case(guest)));
        list.push(row);
        mailbox.replace(event);
        Ok(())
    }

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

/// Cuts the seconds off.
fn whole_minutes(content: &mut Content) {
    for moment in [&mut content.start, &mut content.end] {
        moment.utc = moment.utc.with_second(0).unwrap_or(moment.utc);
    }
}

/// Time answers to a meeting that moved count no longer.
fn forget_answers(content: &mut Content) {
    for a in &mut content.attendees {
        if a.response != "organizer" {
            a.response = "none".into();
            a.time = None;
            a.proposed = None;
        }
    }
}

pub(crate) fn exception(event: &mut Event, day: NaiveDate, stamp: Stamp) -> &mut Exception {
    let content = event.occurrence(day);
    let x = event.exceptions.entry(day).or_insert_with(|| Exception {
        content,
        own: BTreeSet::new(),
        extended: Vec::new(),
        change: stamp.change,
        created: stamp.time,
        modified: stamp.time,
    });
    x.change = stamp.change;
    x.modified = stamp.time;
    x
}

/// Hands a master's new values down to an exception that has none of its own.
fn inherit(x: &mut Exception, master: &Content, touched: &BTreeSet<String>) {
    let c = &mut x.content;
    for name in touched.iter().filter(|t| !x.own.contains(*t)) {
        match name.as_str() {
            "subject" => c.subject.clone_from(&master.subject),
            "body" => c.body.clone_from(&master.body),
            "importance" => c.importance.clone_from(&master.importance),
            "sensitivity" => c.sensitivity.clone_from(&master.sensitivity),
            "showAs" => c.show_as.clone_from(&master.show_as),
            "location" | "locations" => c.locations.clone_from(&master.locations),
            "attendees" => c.attendees.clone_from(&master.attendees),
            "categories" => c.categories.clone_from(&master.categories),
            "isReminderOn" => c.reminder_on = master.reminder_on,
            "reminderMinutesBeforeStart" => c.reminder_minutes = master.reminder_minutes,
            "responseRequested" => c.response_requested = master.response_requested,
            "allowNewTimeProposals" => c.allow_proposals = master.allow_proposals,
            "hideAttendees" => c.hide_attendees = master.hide_attendees,
            OWN_ATTACHMENTS => c.attachments.clone_from(&master.attachments),
            _ => {}
        }
    }
}

/// Gives an event its recurrence; the first occurrence moves forward to the first day that fits.
fn set_recurrence(
    event: &mut Event,
    value: &Value,
    moved: bool,
    (to_99, long): (bool, LongPatterns),
) -> Result<(), GraphError> {
    // The date counts in the event's own zone.
    let tz = if event.content.all_day {
        chrono_tz::Tz::UTC
    } else {
        timezone::resolve(&event.content.start.zone).unwrap_or(chrono_tz::Tz::UTC)
    };
    let day = timezone::to_local(tz, event.content.start.utc).date();
    let kept = event.recurrence.as_ref().and_then(|r| r.clock).filter(|_| !moved);
    let clock = kept.unwrap_or_else(|| event.clock(tz));
    let rule = Recurrence::parse(value, day, clock)?.within(to_99)?.kept(long);
    // A zone without a name is none that could be named.
    if !rule.zone.is_empty() && event.nameless.is_some() {
        return Err(failed());
    }
    if !rule.zone.is_empty() && !timezone::same_zone(&rule.zone, &event.content.start.zone) {
        return Err(failed());
    }
    let first = rule.start;
    event.recurrence = Some(rule);
    let (start, end) = event.slot(first);
    event.content.start.utc = start;
    event.content.end.utc = end;
    Ok(())
}

/// "Modified occurrence is crossing or overlapping adjacent occurrence" ("Update event" page).
fn keeps_between_neighbors(event: &Event, day: NaiveDate, content: &Content) -> Result<(), GraphError> {
    let Some(rule) = &event.recurrence else {
        return Ok(());
    };
    let tz = event.zone();
    let stands = |slot: NaiveDate| {
        event
            .exceptions
            .get(&slot)
            .map_or(slot, |x| timezone::to_local(tz, x.content.start.utc).date())
    };
    let new = timezone::to_local(tz, content.start.utc).date();
    let horizon = new.max(day) + chrono::Days::new(800);
    let mut before = None;
    let mut after = None;
    for slot in rule.dates(Some(horizon)).filter(|d| !event.deleted.contains(d)) {
        if slot < day {
            before = Some(stands(slot));
        } else if slot > day {
            after = Some(stands(slot));
            break;
        }
    }
    if before.is_some_and(|b| new <= b) || after.is_some_and(|a| new >= a) {
        return Err(GraphError::bad(
            "ErrorOccurrenceCrossingBoundary",
            "Modified occurrence is crossing or overlapping adjacent occurrence.",
        ));
    }
    Ok(())
}
