//! Room and resource mailboxes, which answer by themselves (`Set-CalendarProcessing -AutomateProcessing AutoAccept`).

use crate::event::{Content, Event};
use crate::meetings::Answer;
use crate::state::{Cause, Mailbox, Room, Target, World};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use std::borrow::Cow;

/// Meetings that lie further ahead are judged by their first occurrences alone (`BookingWindowInDays`).
const BOOKING_WINDOW: TimeDelta = TimeDelta::days(180);

type Span = (DateTime<Utc>, DateTime<Utc>);

fn span(content: &Content) -> Option<Span> {
    let is_busy = !content.cancelled && content.show_as != "free" && content.response != "declined";
    is_busy.then_some((content.start.utc, content.end.utc))
}

/// Lists what the room is taken for between two moments, but for one event.
fn taken(room: &Mailbox, (from, to): Span, but: u64) -> Vec<Span> {
    let others = room.events.values().filter(|event| event.key != but);
    let occurrences = others.flat_map(|event| match &event.recurrence {
        Some(_) => event
            .in_window(from, to)
            .into_iter()
            .map(|day| event.occurrence(day))
            .collect(),
        None => vec![event.content.clone()],
    });
    occurrences.filter_map(|content| span(&content)).collect()
}

fn is_free((start, end): Span, taken: &[Span]) -> bool {
    !taken.iter().any(|(from, to)| *from < end && start < *to)
}

fn times(content: &Content) -> Span {
    (content.start.utc, content.end.utc)
}

impl World {
    pub(crate) fn is_room(&self, address: &str) -> bool {
        self.person(address).is_some_and(|p| p.room.is_some())
    }

    /// Makes a delivered meeting the room's own: it is called by its organizer, and says nothing else (`AddOrganizerToSubject`,
    /// `DeleteSubject` and `DeleteComments` are on for a room).
    pub(crate) fn as_kept_by<'a>(&self, guest: &str, event: &'a Event) -> Cow<'a, Event> {
        if !self.is_room(guest) {
            return Cow::Borrowed(event);
        }
        let mut event = event.clone();
        let exceptions = event.exceptions.values_mut().map(|x| &mut x.content);
        for content in exceptions.chain([&mut event.content]) {
            content.subject.clone_from(&event.organizer.0);
            content.body.clear();
        }
        Cow::Owned(event)
    }

    /// Finds what a room has of a meeting; nothing of anybody else.
    pub(crate) fn copy_of_room(&self, guest: &str, ical_uid: &str) -> Option<Event> {
        let mailbox = self.mailbox(guest).ok().filter(|_| self.is_room(guest))?;
        mailbox.events.get(&mailbox.by_ical(ical_uid)?).cloned()
    }

    /// Lets a room answer what has just been delivered: `old` is the copy that it had before.
    pub(crate) fn answer_for_room(&mut self, room: &str, ical_uid: &str, old: Option<&Event>) {
        let Some(rules) = self.person(room).and_then(|p| p.room) else {
            return;
        };
        let copy = self.copy_of_room(room, ical_uid);
        let Some(copy) = copy.filter(|copy| !copy.is_organizer && !copy.content.cancelled) else {
            return;
        };
        for (day, answer) in self.judge(room, rules, &copy, old) {
            let target = Target { key: copy.key, day };
            let cause = Cause {
                request_id: uuid::Uuid::new_v4().to_string(),
                method: "POST".into(),
                path: "/resource-booking-attendant".into(),
                via: "outlook".into(),
                by: None,
            };
            if let Err(error) = self.respond(room, target, answer, None, true, None, &cause) {
                tracing::warn!(room, ?error, "a room could not answer");
            }
        }
    }

    /// Tells what the room answers: to all, and to single occurrences.
    fn judge(
        &self,
        room: &str,
        rules: Room,
        copy: &Event,
        old: Option<&Event>,
    ) -> Vec<(Option<NaiveDate>, Answer)> {
        let Ok(mailbox) = self.mailbox(room) else {
            return Vec::new();
        };
        let of_one = |is_free: bool| if is_free { Answer::Accept } else { Answer::Decline };
        let is_new = copy.content.response == "notResponded";
        let (start, end) = times(&copy.content);
        if copy.recurrence.is_none() {
            let is_free = is_free((start, end), &taken(mailbox, (start, end), copy.key));
            return is_new.then_some((None, of_one(is_free))).into_iter().collect();
        }
        let window = (
            start - TimeDelta::days(1),
            start.max(mailbox.now()) + BOOKING_WINDOW,
        );
        let taken = taken(mailbox, window, copy.key);
        let days = copy.in_window(window.0, window.1).into_iter();
        let days = days.filter(|day| !copy.occurrence(*day).cancelled);
        let (free, busy): (Vec<_>, Vec<_>) =
            days.partition(|day| is_free(times(&copy.occurrence(*day)), &taken));
        if is_new && (busy.len() > rules.conflicts || free.is_empty()) {
            return vec![(None, Answer::Decline)];
        }
        let declined = busy.iter().map(|day| (Some(*day), Answer::Decline));
        if is_new {
            return std::iter::once((None, Answer::Accept)).chain(declined).collect();
        }
        // Of a series that it has, it looks at what was moved, or is back.
        let stood = |day: &NaiveDate| {
            let old = old.filter(|old| old.has_occurrence(*day))?;
            Some(times(&old.occurrence(*day)))
        };
        let is_news = |day: &NaiveDate| {
            copy.exceptions.contains_key(day) && stood(day) != Some(times(&copy.occurrence(*day)))
        };
        let accepted = free.iter().map(|day| (Some(*day), Answer::Accept));
        accepted
            .chain(declined)
            .filter(|(day, _)| day.as_ref().is_some_and(is_news))
            .collect()
    }
}
