//! Series: their rule, their times and their exceptions, when something is written to them.

use crate::error::GraphError;
use crate::event::{Content, Event, Exception, OWN_ATTACHMENTS};
use crate::event_write::Applied;
use crate::recurrence::{Clock, Recurrence};
use crate::state::{Stamp, World};
use crate::switches::LongPatterns;
use crate::timezone;
use chrono::{NaiveDate, Timelike};
use serde_json::Value;
use std::collections::BTreeSet;

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
pub(super) fn inherit(x: &mut Exception, master: &Content, touched: &BTreeSet<String>) {
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
pub(super) fn set_recurrence(
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
pub(super) fn keeps_between_neighbors(
    event: &Event,
    day: NaiveDate,
    content: &Content,
) -> Result<(), GraphError> {
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

/// Cuts the seconds off.
pub(super) fn whole_minutes(content: &mut Content) {
    for moment in [&mut content.start, &mut content.end] {
        moment.utc = moment.utc.with_second(0).unwrap_or(moment.utc);
    }
}

pub(super) fn failed() -> GraphError {
    GraphError::bad(
        "ErrorPropertyValidationFailure",
        "At least one property failed validation.",
    )
}

impl World {
    /// The rules for a master's times and recurrence, and for turning singles into series and back.
    pub(super) fn patch_series(
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
    pub(super) fn settle_hours(&self, event: &mut Event) -> Result<(), GraphError> {
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
}
