//! A meeting as one document: what its occurrences share, the rule by which there are several (RFC
//! 5545, 3.6.1), and how single ones differ.
//!
//! An occurrence is identified by its *slot*: the date on which the rule puts it in the series'
//! zone, wherever it was moved. Neither its place in a list nor its present time identifies it.
//!
//! | file | what it is |
//! |---|---|
//! | [`self`] | the document: occurrences, normal form, splitting, what Outlook lets be moved |
//! | [`changes`] | how one document must change to be another |
//! | `master` | the master of a series if one side only has its occurrences |
//! | [`merge`] | three-way merge of two documents |
//! | [`plan`] | what to write to either side |

pub mod changes;
mod master;
pub mod merge;
pub mod plan;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::ops::Range;

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::event::{Address, Attendee, Event, Privacy, ShowAs, Time};
use super::recurrence::{Dates, End, Pattern, Rule};
use super::timezone;
use super::video_line::same_room;
use crate::calendar::field::{Group, take_groups, unchanged};
use crate::words::Words;

/// The rule of a meeting that takes place once.
const ONCE: Rule = Rule {
    pattern: Pattern::Daily,
    interval: NonZeroU32::MIN,
    end: End::Count(NonZeroU32::MIN),
};

/// How a meeting repeats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recurrence {
    /// It takes place once.
    Once,
    Rule(Rule),
    /// One side has a rule that the other cannot express; its words say why.
    Unsayable(Words),
}

/// A meeting, as one side has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    pub recurrence: Recurrence,
    /// The values that most occurrences share. Its time is the first slot's, which gives the series
    /// its start, zone, hours and length. An unknown zone counts as UTC.
    pub master: Event,
    /// The overrides by slot. In normal form, none is empty.
    pub exceptions: BTreeMap<NaiveDate, Override>,
    /// Excluded slots.
    pub excluded_dates: BTreeSet<NaiveDate>,
}

/// A reminder of a single occurrence, which may be "none".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminder {
    /// Minutes before the start.
    pub minutes: Option<i32>,
}

/// The values of one occurrence that differ; the rest is the master's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Override {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The time to which it was moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privacy: Option<Privacy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub show_as: Option<ShowAs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reminder: Option<Reminder>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub online: Option<bool>,
    /// All attendees, if any of them differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attendees: Option<BTreeMap<Address, Attendee>>,
}

impl Override {
    /// Returns how `actual` differs from the unchanged occurrence of its slot.
    pub fn between(regular: &Event, actual: &Event) -> Self {
        let differs = |group| !same(group, regular, actual);
        Self {
            title: differs(Group::Title).then(|| actual.title.clone()),
            body: differs(Group::Body).then(|| actual.body.clone()),
            location: differs(Group::Location).then(|| actual.location.clone()),
            time: differs(Group::Time).then(|| actual.time.clone()),
            privacy: differs(Group::Privacy).then_some(actual.privacy),
            show_as: differs(Group::ShowAs).then_some(actual.show_as),
            reminder: differs(Group::Reminder).then_some(Reminder {
                minutes: actual.reminder,
            }),
            video: differs(Group::Video).then(|| actual.video.clone()),
            online: differs(Group::Online).then_some(actual.online),
            attendees: differs(Group::Attendees).then(|| actual.attendees.clone()),
        }
    }

    /// Returns the occurrence that differs from `event` in this way.
    pub fn onto(&self, mut event: Event) -> Event {
        let own = self.clone();
        event.title = own.title.unwrap_or(event.title);
        event.body = own.body.unwrap_or(event.body);
        event.location = own.location.unwrap_or(event.location);
        event.time = own.time.unwrap_or(event.time);
        event.privacy = own.privacy.unwrap_or(event.privacy);
        event.show_as = own.show_as.unwrap_or(event.show_as);
        event.reminder = own.reminder.map_or(event.reminder, |own| own.minutes);
        event.video = own.video.unwrap_or(event.video);
        event.online = own.online.unwrap_or(event.online);
        event.attendees = own.attendees.unwrap_or(event.attendees);
        event
    }

    pub fn has(&self, group: Group) -> bool {
        match group {
            Group::Title => self.title.is_some(),
            Group::Body => self.body.is_some(),
            Group::Location => self.location.is_some(),
            Group::Time => self.time.is_some(),
            Group::Privacy => self.privacy.is_some(),
            Group::ShowAs => self.show_as.is_some(),
            Group::Reminder => self.reminder.is_some(),
            Group::Video => self.video.is_some(),
            Group::Online => self.online.is_some(),
            Group::Attendees => self.attendees.is_some(),
        }
    }

    /// Copies a group from another override. The group may be absent there.
    pub fn take(&mut self, group: Group, from: &Self) {
        match group {
            Group::Title => self.title.clone_from(&from.title),
            Group::Body => self.body.clone_from(&from.body),
            Group::Location => self.location.clone_from(&from.location),
            Group::Time => self.time.clone_from(&from.time),
            Group::Privacy => self.privacy = from.privacy,
            Group::ShowAs => self.show_as = from.show_as,
            Group::Reminder => self.reminder = from.reminder,
            Group::Video => self.video.clone_from(&from.video),
            Group::Online => self.online = from.online,
            Group::Attendees => self.attendees.clone_from(&from.attendees),
        }
    }

    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Returns whether a group is the same in two states of one occurrence, or of the master.
fn same(group: Group, regular: &Event, actual: &Event) -> bool {
    unchanged(group, regular, actual)
        || match group {
            Group::Time => same_time(&regular.time, &actual.time),
            Group::Video => same_room(&regular.video, &actual.video),
            _ => false,
        }
}

/// Returns `event` with the link of `other`, if both lead to the same room. The master's link may
/// be any occurrence's.
fn in_room_of(mut event: Event, other: &Event) -> Event {
    if same_room(&event.video, &other.video) {
        event.video.clone_from(&other.video);
    }
    event
}

/// Returns whether two times are the same, as instants or as local times. If a local time occurs
/// twice, or a night is an hour shorter, the two sides read it differently: Odoo takes standard
/// time and keeps the exact length, Exchange keeps the local end.
fn same_time(regular: &Time, actual: &Time) -> bool {
    if regular.same_span(actual) {
        return true;
    }
    let (Time::Timed { start, end, zone }, Time::Timed { start: s, end: e, .. }) = (regular, actual) else {
        return false;
    };
    let tz = zone_of(zone);
    local(*start, tz) == local(*s, tz) && (local(*end, tz) == local(*e, tz) || *end - *start == *e - *s)
}

fn zone_of(name: &str) -> Tz {
    timezone::iana(name).unwrap_or(Tz::UTC)
}

fn local(at: DateTime<Utc>, tz: Tz) -> NaiveDateTime {
    at.with_timezone(&tz).naive_local()
}

/// One occurrence with all its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    pub slot: NaiveDate,
    pub event: Event,
}

/// Why an occurrence cannot be moved in Outlook (Graph, *event: update*: `ErrorOccurrenceCrossingBoundary`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Outlook does not let the occurrence of {slot} be on {to}: the one of {neighbor} is on {theirs}")]
pub struct Crossing {
    pub slot: NaiveDate,
    pub to: NaiveDate,
    /// The slot of the neighbor that is in the way.
    pub neighbor: NaiveDate,
    /// The date on which the neighbor is now.
    pub theirs: NaiveDate,
}

impl Document {
    /// Makes a meeting that takes place once.
    pub fn single(event: Event) -> Self {
        Self::with(Recurrence::Once, event)
    }

    /// Makes a meeting that the other side cannot express; `reason` says why.
    pub fn unsayable(reason: Words, master: Event) -> Self {
        Self::with(Recurrence::Unsayable(reason), master)
    }

    fn with(recurrence: Recurrence, master: Event) -> Self {
        Self {
            recurrence,
            master,
            exceptions: BTreeMap::new(),
            excluded_dates: BTreeSet::new(),
        }
    }

    /// Returns whether it takes place once.
    pub fn is_single(&self) -> bool {
        self.recurrence == Recurrence::Once
    }

    /// Returns why the other side cannot express it.
    pub fn why_unsayable(&self) -> Option<&Words> {
        match &self.recurrence {
            Recurrence::Unsayable(reason) => Some(reason),
            Recurrence::Once | Recurrence::Rule(_) => None,
        }
    }

    /// Returns whether both take place at the same times.
    pub fn same_times(&self, other: &Self) -> bool {
        match (&self.recurrence, &other.recurrence) {
            (Recurrence::Once, Recurrence::Once) => self.master.time.same_span(&other.master.time),
            (Recurrence::Rule(_), Recurrence::Rule(_)) => self.same_schedule(other),
            _ => false,
        }
    }

    /// Returns a copy with its times, and without any other value.
    pub fn times_alone(&self) -> Self {
        let alone = Event {
            title: String::new(),
            body: String::new(),
            location: String::new(),
            time: self.master.time.clone(),
            privacy: Privacy::Normal,
            show_as: ShowAs::Busy,
            reminder: None,
            video: String::new(),
            online: false,
            organizer: None,
            attendees: BTreeMap::new(),
        };
        match &self.recurrence {
            Recurrence::Once | Recurrence::Unsayable(_) => Self::single(alone),
            recurrence @ Recurrence::Rule(_) => Self::with(recurrence.clone(), alone),
        }
    }
}

impl Document {
    /// Returns the rule; for a meeting that takes place once, the rule of one occurrence.
    pub fn rule(&self) -> &Rule {
        match &self.recurrence {
            Recurrence::Rule(rule) => rule,
            Recurrence::Once | Recurrence::Unsayable(_) => &ONCE,
        }
    }

    /// Changes the rule, if it repeats.
    pub fn set_rule(&mut self, rule: Rule) {
        if let Recurrence::Rule(own) = &mut self.recurrence {
            *own = rule;
        }
    }

    /// Changes the end of the rule, if it repeats.
    pub fn set_end(&mut self, end: End) {
        self.set_rule(Rule { end, ..*self.rule() });
    }

    /// Returns the zone in which the series repeats. It has no meaning for all-day events.
    pub fn tz(&self) -> Tz {
        match &self.master.time {
            Time::Timed { zone, .. } => zone_of(zone),
            Time::AllDay { .. } => Tz::UTC,
        }
    }

    /// Returns the date on which a time of this series begins.
    pub fn date_of(&self, time: &Time) -> NaiveDate {
        match time {
            Time::Timed { start, .. } => local(*start, self.tz()).date(),
            Time::AllDay { start, .. } => *start,
        }
    }

    /// Returns the first slot, in normal form.
    pub fn start(&self) -> NaiveDate {
        self.date_of(&self.master.time)
    }

    /// Returns every slot, including excluded ones.
    pub fn slots(&self) -> Dates<'_> {
        self.rule().dates(self.start())
    }

    /// Returns the time of an unchanged occurrence: the same local hour on every date, and the same
    /// exact length (RFC 5545, 3.8.5.3).
    pub fn slot_time(&self, slot: NaiveDate) -> Time {
        let shift = slot - self.start();
        if shift == TimeDelta::zero() {
            return self.master.time.clone();
        }
        match &self.master.time {
            Time::AllDay { start, end } => Time::AllDay {
                start: *start + shift,
                end: *end + shift,
            },
            Time::Timed { start, end, zone } => {
                let at = timezone::to_utc(local(*start, self.tz()) + shift, self.tz());
                Time::Timed {
                    start: at,
                    end: at + (*end - *start),
                    zone: zone.clone(),
                }
            }
        }
    }

    /// Returns the occurrence of a slot as if nobody had changed it.
    pub fn regular(&self, slot: NaiveDate) -> Event {
        Event {
            time: self.slot_time(slot),
            ..self.master.clone()
        }
    }

    /// Returns the occurrence of a slot of the rule; `None` if it was excluded.
    pub fn occurrence(&self, slot: NaiveDate) -> Option<Event> {
        if self.excluded_dates.contains(&slot) {
            return None;
        }
        let regular = self.regular(slot);
        Some(match self.exceptions.get(&slot) {
            Some(own) => own.onto(regular),
            None => regular,
        })
    }

    /// Replaces the occurrence of a slot of the rule.
    pub fn set_occurrence(&mut self, slot: NaiveDate, event: &Event) {
        let own = Override::between(&self.regular(slot), event);
        if own.is_empty() {
            self.exceptions.remove(&slot);
        } else {
            self.exceptions.insert(slot, own);
        }
    }

    /// Returns the present occurrences that begin on a date of the window, in order of time.
    pub fn occurrences(&self, window: Range<NaiveDate>) -> Vec<Occurrence> {
        let moved = self.exceptions.keys().next_back().copied();
        let mut found: Vec<_> = self
            .slots()
            .take_while(|slot| *slot < window.end || moved.is_some_and(|last| *slot <= last))
            .filter_map(|slot| Some((slot, self.occurrence(slot)?)))
            .filter(|(_, event)| window.contains(&self.date_of(&event.time)))
            .map(|(slot, event)| Occurrence { slot, event })
            .collect();
        found.sort_by_key(|occurrence| (occurrence.event.time.starts_at(), occurrence.slot));
        found
    }

    /// Returns the normal form; `None` if no occurrence is left. Idempotent.
    ///
    /// * The start is the first slot.
    /// * Only slots of the rule are overridden or excluded, and an excluded slot has no override.
    /// * A missing tail is an earlier end, not many excluded dates.
    pub fn normalized(mut self) -> Option<Self> {
        let (rule, start) = self.rule().roll_to(self.start(), self.start())?;
        self.master.time = self.slot_time(start);
        self.set_rule(rule);
        let mentioned = self.exceptions.keys().chain(&self.excluded_dates).max().copied();
        let slots: BTreeSet<_> = self
            .slots()
            .take_while(|slot| mentioned.is_some_and(|last| *slot <= last))
            .collect();
        self.excluded_dates.retain(|slot| slots.contains(slot));
        let exceptions = std::mem::take(&mut self.exceptions);
        for (slot, own) in exceptions {
            if slots.contains(&slot) && !self.excluded_dates.contains(&slot) {
                let regular = self.regular(slot);
                let own = Override::between(&regular, &own.onto(regular.clone()));
                if !own.is_empty() {
                    self.exceptions.insert(slot, own);
                }
            }
        }
        self.cut_missing_tail()
    }

    fn cut_missing_tail(mut self) -> Option<Self> {
        let Some(last) = self.rule().last(self.start()) else {
            return Some(self);
        };
        if !self.excluded_dates.contains(&last) {
            return Some(self);
        }
        let mut last = last;
        while self.excluded_dates.contains(&last) {
            last = self.rule().last_before(self.start(), last)?;
        }
        self.set_end(match self.rule().end {
            End::Count(_) => {
                let before = self.rule().count_before(self.start(), last);
                End::Count(NonZeroU32::MIN.checked_add(before)?)
            }
            _ => End::Until(last),
        });
        self.excluded_dates.retain(|slot| *slot < last);
        Some(self)
    }

    /// Returns whether every slot has the same date and time, as in Brussels and Paris.
    pub fn same_schedule(&self, other: &Self) -> bool {
        /// Slots that are enough to tell two zones apart.
        const TELLING: usize = 500;
        if !self.rule().same_dates(self.start(), other.rule(), other.start()) {
            return false;
        }
        if self.tz() == other.tz() {
            return same_time(&self.master.time, &other.slot_time(self.start()));
        }
        self.slots()
            .take(TELLING)
            .all(|slot| same_time(&self.slot_time(slot), &other.slot_time(slot)))
    }

    /// Returns the series from a date on, with its phase and exceptions; `None` if nothing is left.
    /// If the clock skips the series' hour on that date, no series can begin there, so it begins
    /// one slot earlier.
    pub fn rolled(&self, from: NaiveDate) -> Option<Self> {
        let (mut rule, mut start) = self.rule().roll_to(self.start(), from)?;
        if self.clock_skips(start)
            && let Some(before) = self.rule().last_before(self.start(), start)
        {
            (rule, start) = self.rule().roll_to(self.start(), before)?;
        }
        let mut rolled = self.clone();
        rolled.master.time = self.slot_time(start);
        rolled.set_rule(rule);
        rolled.exceptions.retain(|slot, _| *slot >= start);
        rolled.excluded_dates.retain(|slot| *slot >= start);
        Some(rolled)
    }

    /// Returns whether the series' hour does not exist on the date of a slot, so that the
    /// occurrence has another hour.
    fn clock_skips(&self, slot: NaiveDate) -> bool {
        let hour = |time: &Time| match time {
            Time::Timed { start, .. } => Some(local(*start, self.tz()).time()),
            Time::AllDay { .. } => None,
        };
        hour(&self.slot_time(slot)) != hour(&self.master.time)
    }

    /// Splits the series for "this and following": into the parts before a date and from it on,
    /// both in normal form. Either may be empty.
    pub fn split(&self, at: NaiveDate) -> (Option<Self>, Option<Self>) {
        let head = self.rule().truncated(self.start(), at).map(|rule| {
            let mut head = self.clone();
            head.set_rule(rule);
            head
        });
        let tail = self.rolled(at).map(|mut tail| {
            let earlier: Vec<_> = tail.slots().take_while(|slot| *slot < at).collect();
            tail.excluded_dates.extend(earlier);
            tail
        });
        (head.and_then(Self::normalized), tail.and_then(Self::normalized))
    }

    /// Checks whether Outlook permits moving the occurrence of a slot to a date (in the series'
    /// zone). It must be after the day of the previous occurrence and before the day of the next
    /// one, wherever those are now. Excluded occurrences do not matter.
    ///
    /// # Errors
    /// [`Crossing`], which names the neighbor.
    pub fn crossing(&self, slot: NaiveDate, to: NaiveDate) -> Result<(), Crossing> {
        let stands = |slot: NaiveDate| match self.exceptions.get(&slot).and_then(|own| own.time.as_ref()) {
            Some(moved) => self.date_of(moved),
            None => slot,
        };
        let mut before = None;
        let mut after = None;
        for other in self.slots().filter(|other| !self.excluded_dates.contains(other)) {
            if other < slot {
                before = Some(other);
            } else if other > slot {
                after = Some(other);
                break;
            }
        }
        let in_the_way = before
            .filter(|other| to <= stands(*other))
            .or_else(|| after.filter(|other| to >= stands(*other)));
        match in_the_way {
            None => Ok(()),
            Some(neighbor) => Err(Crossing {
                slot,
                to,
                neighbor,
                theirs: stands(neighbor),
            }),
        }
    }

    /// Returns this document's exceptions and excluded dates under another schedule. If the two
    /// schedules have dates in common, a slot is its date. If they have none (every Tuesday became
    /// every Wednesday) and the rule has the same shape, the n-th slot becomes the n-th slot. An
    /// exception without a slot is dropped.
    pub(crate) fn rescheduled(&self, to: &Self) -> Self {
        let mentioned: BTreeSet<NaiveDate> = self
            .exceptions
            .keys()
            .chain(&self.excluded_dates)
            .copied()
            .collect();
        let mut moved = Self {
            recurrence: to.recurrence.clone(),
            exceptions: BTreeMap::new(),
            excluded_dates: BTreeSet::new(),
            master: self.master.clone(),
        };
        moved.master.time.clone_from(&to.master.time);
        if let Some(last) = mentioned.last() {
            let there = correspondence(self, to, *last);
            moved.excluded_dates = self
                .excluded_dates
                .iter()
                .filter_map(|slot| there.get(slot).copied())
                .collect();
            moved.exceptions = self
                .exceptions
                .iter()
                .filter_map(|(slot, own)| Some((*there.get(slot)?, own.clone())))
                .collect();
        }
        moved
    }
}

/// Maps the old slots up to `last` to slots of the new schedule: the same date or, for a moved
/// series, the same position. Odoo's records find their new slots in the same way.
pub fn correspondence(old: &Document, new: &Document, last: NaiveDate) -> BTreeMap<NaiveDate, NaiveDate> {
    let before: Vec<_> = old.slots().take_while(|slot| *slot <= last).collect();
    let same_dates: BTreeSet<_> = new.slots().take_while(|slot| *slot <= last).collect();
    if before.iter().any(|slot| same_dates.contains(slot)) || !same_shape(old, new) {
        return before
            .into_iter()
            .filter(|slot| same_dates.contains(slot))
            .map(|slot| (slot, slot))
            .collect();
    }
    before.into_iter().zip(new.slots()).collect()
}

fn same_shape(old: &Document, new: &Document) -> bool {
    use Pattern::{Daily, MonthlyByDate, MonthlyByDay, Weekly, YearlyByDate, YearlyByDay};
    let (per_period, days) = match (old.rule().pattern, new.rule().pattern) {
        (Daily, Daily) => (true, 1),
        (Weekly { days: a, .. }, Weekly { days: b, .. }) => (a.iter().count() == b.iter().count(), 7),
        (MonthlyByDate { .. } | MonthlyByDay { .. }, MonthlyByDate { .. } | MonthlyByDay { .. }) => {
            (true, 31)
        }
        (YearlyByDate { .. } | YearlyByDay { .. }, YearlyByDate { .. } | YearlyByDay { .. }) => (true, 366),
        _ => (false, 0),
    };
    let period = TimeDelta::days(i64::from(old.rule().interval.get()) * days);
    per_period && old.rule().interval == new.rule().interval && (old.start() - new.start()).abs() <= period
}

/// Returns the master with another's time, so that masters can be merged like single events.
fn at_time_of(master: &Event, other: &Event) -> Event {
    let mut out = master.clone();
    take_groups([&Group::Time], &mut out, other);
    out
}

#[cfg(test)]
pub(crate) mod tests;
