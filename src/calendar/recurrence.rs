//! Recurrence rules, and their dates.
//!
//! The terms are iCalendar's (RFC 5545, 3.3.10; `SKIP` is RFC 7529's). The patterns are those that
//! Outlook can express, which are more than Odoo's. A rule gives *dates in the series' own zone*,
//! at most one occurrence per day; hours and zone belong to [`super::document::Document`]. A date
//! of the rule is a *slot*: it identifies an occurrence permanently, wherever the occurrence is
//! moved.
//!
//! The expansion is our own code: no maintained crate supports `SKIP`, which is how Exchange reads
//! "day 31", and the dates of six patterns need less code than their translation to a general
//! engine. The tests compare it with the `rrule` crate.

use std::fmt;
use std::num::NonZeroU32;

use chrono::{Datelike, Days as Length, Months, NaiveDate, Weekday, WeekdaySet};
use serde::{Deserialize, Serialize};

use crate::words::{Sentence, Weekdays, say};

/// A set of weekdays; iCalendar's BYDAY without positions. Serialized as a list, Monday first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Weekday>", into = "Vec<Weekday>")]
pub struct Days(WeekdaySet);

impl Days {
    pub fn one(day: Weekday) -> Self {
        Self(WeekdaySet::single(day))
    }

    pub fn contains(self, day: Weekday) -> bool {
        self.0.contains(day)
    }

    /// Returns the days, Monday first.
    pub fn iter(self) -> impl Iterator<Item = Weekday> {
        self.0.iter(Weekday::Mon)
    }

    /// Returns the day, if there is exactly one.
    pub fn single(self) -> Option<Weekday> {
        self.0.single_day()
    }

    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub fn len(self) -> u8 {
        self.0.len()
    }
}

impl FromIterator<Weekday> for Days {
    fn from_iter<T: IntoIterator<Item = Weekday>>(days: T) -> Self {
        Self(days.into_iter().collect())
    }
}

impl From<Vec<Weekday>> for Days {
    fn from(days: Vec<Weekday>) -> Self {
        days.into_iter().collect()
    }
}

impl From<Days> for Vec<Weekday> {
    fn from(days: Days) -> Self {
        days.iter().collect()
    }
}

/// Which of the matching days of a month. Neither side has a fifth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    First,
    Second,
    Third,
    Fourth,
    Last,
}

impl Position {
    pub const ALL: [Self; 5] = [Self::First, Self::Second, Self::Third, Self::Fourth, Self::Last];

    /// Returns iCalendar's number: 1 to 4, or -1.
    pub fn number(self) -> i8 {
        match self {
            Self::First => 1,
            Self::Second => 2,
            Self::Third => 3,
            Self::Fourth => 4,
            Self::Last => -1,
        }
    }
}

/// What happens with a date that a month does not have (RFC 7529, 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Skip {
    /// There is no occurrence in that month (iCalendar's default, and Odoo).
    Omit,
    /// It is on the month's last day (Exchange: EWS, *AbsoluteMonthlyRecurrence*, *DayOfMonth*).
    Backward,
}

/// FREQ and the BY parts. The edges of the service construct it and check the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "freq", rename_all = "snake_case")]
pub enum Pattern {
    Daily,
    Weekly {
        /// Not empty.
        days: Days,
        /// WKST: the day on which weeks begin that the interval counts.
        week_start: Weekday,
    },
    MonthlyByDate {
        /// 1 to 31.
        day: u32,
        skip: Skip,
    },
    /// The first, second … of all days of the month that are among `days` (BYSETPOS).
    MonthlyByDay {
        position: Position,
        days: Days,
    },
    YearlyByDate {
        /// 1 to 12.
        month: u32,
        day: u32,
        skip: Skip,
    },
    YearlyByDay {
        month: u32,
        position: Position,
        days: Days,
    },
}

/// COUNT, UNTIL, or neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    Forever,
    /// The number of slots, including excluded ones.
    Count(NonZeroU32),
    /// The last date, inclusive, in the series' zone.
    Until(NaiveDate),
}

/// RRULE. Together with a start date it gives dates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    pub pattern: Pattern,
    /// Every n-th day, week, month or year.
    pub interval: NonZeroU32,
    pub end: End,
}

/// Why the other side cannot express a rule without changing a date.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub enum NoFaithfulForm {
    ShortMonths {
        day: u32,
    },
    SeveralDays,
    WeekStart {
        interval: u32,
        counted: Weekday,
        odoo: Weekday,
    },
    CountedInUtc,
    OtherHour,
    Interval {
        interval: u32,
        largest: u32,
    },
    Unreadable(String),
    NoDate,
}

impl NoFaithfulForm {
    /// Returns the reason for people, as a part of another sentence.
    pub fn sentence(&self) -> Sentence {
        let day = |day: Weekday| [day].into_iter().collect::<Weekdays>();
        match self {
            Self::ShortMonths { day } => say::form_short_months(*day),
            Self::SeveralDays => say::form_several_days(),
            Self::WeekStart {
                interval,
                counted,
                odoo,
            } => say::form_week_start(*interval, day(*counted), day(*odoo)),
            Self::CountedInUtc => say::form_counted_in_utc(),
            Self::OtherHour => say::form_other_hour(),
            Self::Interval { interval, largest } => say::form_interval(*interval, *largest),
            Self::Unreadable(problem) => say::form_unreadable(problem),
            Self::NoDate => say::form_no_date(),
        }
    }
}

/// How many slots are enough to tell two rules apart: within these, the calendar's own cycles (leap
/// years, the 28 years of weekdays) show every difference that two patterns can have.
const TELLING: usize = 500;
/// The calendar repeats after 4800 months. A pattern without a date by then (30 February) never has
/// one.
const LONGEST_DRY: usize = 4800;
/// The last year that either side can write.
const LAST_YEAR: i32 = 9999;

impl Rule {
    /// Returns the slots of a series on or after `start`, in order. `start` sets the phase of the
    /// interval: the first counted week, month or year contains it.
    pub fn dates(&self, start: NaiveDate) -> Dates<'_> {
        Dates {
            rule: self,
            start,
            period: 0,
            pending: Vec::new(),
            taken: 0,
            dry: 0,
        }
    }

    /// Returns the last slot; `None` for a rule without an end or without any slot. Computed from
    /// the end, as there may be a million slots.
    pub fn last(&self, start: NaiveDate) -> Option<NaiveDate> {
        match self.end {
            End::Forever => None,
            End::Until(until) => self.last_in(start, until),
            End::Count(count) => self.nth(start, count.get() - 1),
        }
    }

    /// Returns the last slot before a date, which need not be a slot.
    pub fn last_before(&self, start: NaiveDate, date: NaiveDate) -> Option<NaiveDate> {
        let before = self.last_in(start, date.pred_opt()?)?;
        match self.end {
            End::Forever => Some(before),
            End::Count(_) | End::Until(_) => Some(before.min(self.last(start)?)),
        }
    }

    /// Counts the slots of the pattern before a date, ignoring the rule's end.
    pub fn count_before(&self, start: NaiveDate, date: NaiveDate) -> u32 {
        if date <= start {
            return 0;
        }
        let count = |dates: Vec<NaiveDate>| {
            let inside = dates.iter().filter(|d| (start..date).contains(d)).count();
            u32::try_from(inside).unwrap_or(u32::MAX)
        };
        match self.pattern {
            Pattern::Daily => days_between(start, date).div_ceil(self.interval.get()),
            Pattern::Weekly { days, .. } => {
                let whole = |n| self.period(start, n).unwrap_or_default();
                let present = self.period_of(start, date);
                if present == 0 {
                    return count(whole(0));
                }
                let between = u32::from(days.len()).saturating_mul(present - 1);
                count(whole(0)) + between + count(whole(present))
            }
            // At most twelve per year.
            _ => {
                let endless = self.ending(End::Forever);
                count(endless.dates(start).take_while(|slot| *slot < date).collect())
            }
        }
    }

    /// Returns the n-th slot of the pattern, counted from zero, or the last one before the year
    /// 10000 if that comes first.
    fn nth(&self, start: NaiveDate, n: u32) -> Option<NaiveDate> {
        let found = match self.pattern {
            Pattern::Daily => {
                let days = u64::from(n) * u64::from(self.interval.get());
                start.checked_add_days(Length::new(days))
            }
            Pattern::Weekly { days, .. } => {
                let first: Vec<_> = self.period(start, 0)?;
                let first: Vec<_> = first.into_iter().filter(|date| *date >= start).collect();
                let a_week = usize::from(days.len());
                let n = usize::try_from(n).ok()?;
                match n.checked_sub(first.len()) {
                    None => first.get(n).copied(),
                    Some(beyond) => {
                        let week = u32::try_from(beyond.checked_div(a_week)? + 1).ok()?;
                        let week = self.period(start, week);
                        week.and_then(|dates| dates.get(beyond % a_week).copied())
                    }
                }
            }
            // At most twelve per year.
            _ => {
                let endless = self.ending(End::Forever);
                let n = usize::try_from(n).ok()?;
                return endless.dates(start).take(n.saturating_add(1)).last();
            }
        };
        let last = last_day()?;
        found
            .filter(|date| *date <= last)
            .or_else(|| self.last_in(start, last))
    }

    /// Returns the last slot of the pattern up to and including a date, ignoring the rule's end.
    fn last_in(&self, start: NaiveDate, until: NaiveDate) -> Option<NaiveDate> {
        let until = until.min(last_day()?);
        if until < start {
            return None;
        }
        let last = self.period_of(start, until);
        (0..=last).rev().take(LONGEST_DRY + 1).find_map(|n| {
            let dates = self.period(start, n)?;
            dates
                .into_iter()
                .rev()
                .find(|date| (start..=until).contains(date))
        })
    }

    /// Returns the last period that begins on or before a date.
    fn period_of(&self, start: NaiveDate, date: NaiveDate) -> u32 {
        let months = |date: NaiveDate| i64::from(date.year()) * 12 + i64::from(date.month0());
        let passed = match self.pattern {
            Pattern::Daily => days_between(start, date),
            Pattern::Weekly { week_start, .. } => {
                (days_between(start, date) + start.weekday().days_since(week_start)) / 7
            }
            Pattern::MonthlyByDate { .. } | Pattern::MonthlyByDay { .. } => {
                u32::try_from(months(date) - months(start)).unwrap_or_default()
            }
            Pattern::YearlyByDate { .. } | Pattern::YearlyByDay { .. } => {
                u32::try_from(date.year() - start.year()).unwrap_or_default()
            }
        };
        passed / self.interval.get()
    }

    /// Returns whether two rules, each from its own start, give the same dates.
    pub fn same_dates(&self, start: NaiveDate, other: &Self, other_start: NaiveDate) -> bool {
        let endless = |rule: &Self| rule.end == End::Forever;
        if endless(self) != endless(other) {
            return false;
        }
        let alike = (self.pattern, self.interval, start) == (other.pattern, other.interval, other_start);
        if !alike {
            let theirs = other.dates(other_start).take(TELLING);
            if !self.dates(start).take(TELLING).eq(theirs) {
                return false;
            }
        }
        self.end == other.end && alike || self.last(start) == other.last(other_start)
    }

    /// Returns the same rule with another end.
    pub fn ending(self, end: End) -> Self {
        Self { end, ..self }
    }

    /// Returns the rule and start that give exactly the slots on or after `from`. Keeps the phase
    /// of the interval, and lowers a count by the removed slots. `None` if nothing is left.
    ///
    /// Odoo expands at most 720 slots from the start, so an old series must start later there.
    pub fn roll_to(&self, start: NaiveDate, from: NaiveDate) -> Option<(Self, NaiveDate)> {
        let end = match self.end {
            End::Count(count) => {
                let left = count.get().checked_sub(self.count_before(start, from))?;
                End::Count(NonZeroU32::new(left)?)
            }
            end => end,
        };
        let uncounted = match end {
            End::Count(_) => self.ending(End::Forever),
            _ => *self,
        };
        let mut rest = uncounted.dates(start);
        if from > start {
            rest.period = self.period_of(start, from);
        }
        let first = rest.find(|date| *date >= from)?;
        Some((self.ending(end), first))
    }

    /// Returns the rule that gives the slots before `date`; `None` if there are none.
    pub fn truncated(&self, start: NaiveDate, date: NaiveDate) -> Option<Self> {
        let last = self.last_before(start, date)?;
        if self.last(start) == Some(last) {
            return Some(*self);
        }
        Some(self.ending(End::Until(last)))
    }

    /// Returns the n-th period's dates in order, not limited by start and end. `None` beyond the
    /// calendar.
    fn period(&self, start: NaiveDate, n: u32) -> Option<Vec<NaiveDate>> {
        let step = n.checked_mul(self.interval.get())?;
        let month_of_year = |month| {
            let year = start.year().checked_add(i32::try_from(step).ok()?)?;
            NaiveDate::from_ymd_opt(year, month, 1)
        };
        let nth_month = || start.with_day(1)?.checked_add_months(Months::new(step));
        Some(match self.pattern {
            Pattern::Daily => vec![start.checked_add_days(Length::new(u64::from(step)))?],
            Pattern::Weekly { days, week_start } => {
                let back = u64::from(start.weekday().days_since(week_start));
                let week = start
                    .checked_sub_days(Length::new(back))?
                    .checked_add_days(Length::new(u64::from(step) * 7))?;
                (0..7)
                    .filter_map(|i| week.checked_add_days(Length::new(i)))
                    .filter(|date| days.contains(date.weekday()))
                    .collect()
            }
            Pattern::MonthlyByDate { day, skip } => by_date(nth_month()?, day, skip),
            Pattern::MonthlyByDay { position, days } => by_day(nth_month()?, position, days),
            Pattern::YearlyByDate { month, day, skip } => by_date(month_of_year(month)?, day, skip),
            Pattern::YearlyByDay {
                month,
                position,
                days,
            } => by_day(month_of_year(month)?, position, days),
        })
    }
}

fn last_day() -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(LAST_YEAR, 12, 31)
}

/// Returns zero if `to` is not later.
fn days_between(from: NaiveDate, to: NaiveDate) -> u32 {
    u32::try_from((to - from).num_days()).unwrap_or_default()
}

fn by_date(month: NaiveDate, day: u32, skip: Skip) -> Vec<NaiveDate> {
    let day = match skip {
        Skip::Omit => day,
        Skip::Backward => day.min(u32::from(month.num_days_in_month())),
    };
    month.with_day(day).into_iter().collect()
}

fn by_day(month: NaiveDate, position: Position, days: Days) -> Vec<NaiveDate> {
    let mut fitting = (1..=u32::from(month.num_days_in_month()))
        .filter_map(|day| month.with_day(day))
        .filter(|date| days.contains(date.weekday()));
    match position {
        Position::First => fitting.next(),
        Position::Second => fitting.nth(1),
        Position::Third => fitting.nth(2),
        Position::Fourth => fitting.nth(3),
        Position::Last => fitting.next_back(),
    }
    .into_iter()
    .collect()
}

/// The slots of a rule, made by [`Rule::dates`].
#[derive(Clone, Debug)]
pub struct Dates<'a> {
    rule: &'a Rule,
    start: NaiveDate,
    period: u32,
    /// The rest of the present period, last first.
    pending: Vec<NaiveDate>,
    taken: u32,
    /// Periods in a row without a date.
    dry: usize,
}

impl Iterator for Dates<'_> {
    type Item = NaiveDate;

    fn next(&mut self) -> Option<NaiveDate> {
        while self.dry <= LONGEST_DRY {
            if matches!(self.rule.end, End::Count(count) if self.taken >= count.get()) {
                return None;
            }
            match self.pending.pop() {
                Some(date) if date < self.start => {}
                Some(date) if date.year() > LAST_YEAR => return None,
                Some(date) if matches!(self.rule.end, End::Until(last) if date > last) => return None,
                Some(date) => {
                    self.taken += 1;
                    self.dry = 0;
                    return Some(date);
                }
                None => {
                    self.pending = self.rule.period(self.start, self.period)?;
                    self.pending.reverse();
                    self.period = self.period.checked_add(1)?;
                    self.dry += 1;
                }
            }
        }
        None
    }
}

/// Formats the value of RRULE (RFC 5545, with RFC 7529's `SKIP`). UNTIL is a date.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by_day = |f: &mut fmt::Formatter<'_>, position: Position, days: Days| match days.single() {
            Some(day) => write!(f, ";BYDAY={}{}", position.number(), code(day)),
            None => write!(f, ";BYDAY={};BYSETPOS={}", codes(days), position.number()),
        };
        let by_date = |f: &mut fmt::Formatter<'_>, day: u32, skip: Skip| match skip {
            Skip::Omit => write!(f, ";BYMONTHDAY={day}"),
            Skip::Backward => write!(f, ";BYMONTHDAY={day};SKIP=BACKWARD;RSCALE=GREGORIAN"),
        };
        let freq = match self.pattern {
            Pattern::Daily => "DAILY",
            Pattern::Weekly { .. } => "WEEKLY",
            Pattern::MonthlyByDate { .. } | Pattern::MonthlyByDay { .. } => "MONTHLY",
            Pattern::YearlyByDate { .. } | Pattern::YearlyByDay { .. } => "YEARLY",
        };
        write!(f, "FREQ={freq};INTERVAL={}", self.interval)?;
        match self.pattern {
            Pattern::Daily => {}
            Pattern::Weekly { days, week_start } => {
                write!(f, ";BYDAY={};WKST={}", codes(days), code(week_start))?;
            }
            Pattern::MonthlyByDate { day, skip } => by_date(f, day, skip)?,
            Pattern::MonthlyByDay { position, days } => by_day(f, position, days)?,
            Pattern::YearlyByDate { month, day, skip } => {
                write!(f, ";BYMONTH={month}")?;
                by_date(f, day, skip)?;
            }
            Pattern::YearlyByDay {
                month,
                position,
                days,
            } => {
                write!(f, ";BYMONTH={month}")?;
                by_day(f, position, days)?;
            }
        }
        match self.end {
            End::Forever => Ok(()),
            End::Count(count) => write!(f, ";COUNT={count}"),
            End::Until(last) => write!(f, ";UNTIL={}", last.format("%Y%m%d")),
        }
    }
}

/// Returns iCalendar's name of a weekday.
fn code(day: Weekday) -> &'static str {
    match day {
        Weekday::Mon => "MO",
        Weekday::Tue => "TU",
        Weekday::Wed => "WE",
        Weekday::Thu => "TH",
        Weekday::Fri => "FR",
        Weekday::Sat => "SA",
        Weekday::Sun => "SU",
    }
}

fn codes(days: Days) -> String {
    days.iter().map(code).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
pub(crate) mod tests;
