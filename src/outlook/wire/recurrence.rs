//! Graph's `patternedRecurrence` (pages *recurrencePattern*, *recurrenceRange*) and its translation.
//!
//! On reads Graph fills the fields that a type does not use (`dayOfMonth: 0`, `index: "first"`,
//! `endDate: "0001-01-01"`); they are ignored.

use std::num::NonZeroU32;

use chrono::{Datelike, NaiveDate, Weekday};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::null_is_default;
use crate::calendar::recurrence::{Days, End, NoFaithfulForm, Pattern, Position, Rule, Skip};

/// The largest intervals that Exchange accepts (EWS: *DailyRecurrence*, *WeeklyRecurrence*,
/// *AbsoluteMonthlyRecurrence*).
const LARGEST_DAYS: u32 = 999;
const LARGEST_OTHER: u32 = 99;
/// The largest `numberOfOccurrences` (EWS: *NumberOfOccurrences*).
const LARGEST_COUNT: u32 = 999;

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct PatternedRecurrence {
    #[serde(deserialize_with = "null_is_default")]
    pattern: RecurrencePattern,
    #[serde(deserialize_with = "null_is_default")]
    range: RecurrenceRange,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RecurrencePattern {
    #[serde(rename = "type")]
    kind: Option<String>,
    interval: Option<u32>,
    #[serde(deserialize_with = "null_is_default")]
    days_of_week: Vec<String>,
    first_day_of_week: Option<String>,
    day_of_month: Option<u32>,
    month: Option<u32>,
    index: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RecurrenceRange {
    #[serde(rename = "type")]
    kind: Option<String>,
    start_date: Option<NaiveDate>,
    end_date: Option<NaiveDate>,
    number_of_occurrences: Option<u32>,
    recurrence_time_zone: Option<String>,
}

/// The content of a series master's `recurrence`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recurrence {
    pub rule: Rule,
    /// The date from which the rule counts; the first slot lies on or after it.
    pub start: NaiveDate,
    /// The zone of the dates, as Graph names it; `None` for the event's own.
    pub zone: Option<String>,
}

const DAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Mon),
    ("tuesday", Weekday::Tue),
    ("wednesday", Weekday::Wed),
    ("thursday", Weekday::Thu),
    ("friday", Weekday::Fri),
    ("saturday", Weekday::Sat),
    ("sunday", Weekday::Sun),
];

const POSITIONS: [(&str, Position); 5] = [
    ("first", Position::First),
    ("second", Position::Second),
    ("third", Position::Third),
    ("fourth", Position::Fourth),
    ("last", Position::Last),
];

/// Reads `recurrence`.
///
/// # Errors
/// [`NoFaithfulForm::Unreadable`] if it is not described by the pages.
pub fn read(recurrence: &Value) -> Result<Recurrence, NoFaithfulForm> {
    // Deserialized by reference. The error says only where it failed, as a value may be somebody's
    // data.
    let PatternedRecurrence { pattern, range } = PatternedRecurrence::deserialize(recurrence)
        .map_err(|error| NoFaithfulForm::Unreadable(format!("{:?}", error.classify())))?;
    let start = range.start_date.ok_or_else(|| missing("startDate"))?;
    let interval = pattern
        .interval
        .and_then(NonZeroU32::new)
        .ok_or_else(|| missing("interval"))?;
    let end = match range.kind.as_deref() {
        Some("noEnd") => End::Forever,
        Some("endDate") => End::Until(range.end_date.ok_or_else(|| missing("endDate"))?),
        Some("numbered") => End::Count(
            range
                .number_of_occurrences
                .and_then(NonZeroU32::new)
                .ok_or_else(|| missing("numberOfOccurrences"))?,
        ),
        other => return Err(unknown("range.type", other)),
    };
    Ok(Recurrence {
        rule: Rule {
            pattern: pattern.read()?,
            interval,
            end,
        },
        start,
        zone: range.recurrence_time_zone.filter(|zone| !zone.is_empty()),
    })
}

impl RecurrencePattern {
    fn read(&self) -> Result<Pattern, NoFaithfulForm> {
        let skip = Skip::Backward;
        Ok(match self.kind.as_deref() {
            Some("daily") => Pattern::Daily,
            Some("weekly") => Pattern::Weekly {
                days: self.days()?,
                week_start: match self.first_day_of_week.as_deref() {
                    None => Weekday::Sun,
                    Some(name) => named(&DAYS, "firstDayOfWeek", name)?,
                },
            },
            Some("absoluteMonthly") => Pattern::MonthlyByDate {
                day: self.day()?,
                skip,
            },
            Some("relativeMonthly") => Pattern::MonthlyByDay {
                position: self.position()?,
                days: self.days()?,
            },
            Some("absoluteYearly") => Pattern::YearlyByDate {
                month: self.month()?,
                day: self.day()?,
                skip,
            },
            Some("relativeYearly") => Pattern::YearlyByDay {
                month: self.month()?,
                position: self.position()?,
                days: self.days()?,
            },
            other => return Err(unknown("pattern.type", other)),
        })
    }

    fn days(&self) -> Result<Days, NoFaithfulForm> {
        let days = self
            .days_of_week
            .iter()
            .map(|name| named(&DAYS, "daysOfWeek", name));
        let days = days.collect::<Result<Days, _>>()?;
        if days.is_empty() {
            return Err(missing("daysOfWeek"));
        }
        Ok(days)
    }

    fn position(&self) -> Result<Position, NoFaithfulForm> {
        match self.index.as_deref() {
            None => Ok(Position::First),
            Some(name) => named(&POSITIONS, "index", name),
        }
    }

    fn day(&self) -> Result<u32, NoFaithfulForm> {
        let day = self.day_of_month.filter(|day| (1..=31).contains(day));
        day.ok_or_else(|| missing("dayOfMonth"))
    }

    fn month(&self) -> Result<u32, NoFaithfulForm> {
        let month = self.month.filter(|month| (1..=12).contains(month));
        month.ok_or_else(|| missing("month"))
    }
}

/// Returns the `recurrence` to write for a series whose first slot is `start`, in the zone in which
/// the event's `start` is written. Graph refuses a `startDate` that differs from the event's date,
/// and a zone that differs from the event's, so no zone is named.
///
/// # Errors
/// [`NoFaithfulForm`], if Outlook would have other dates.
pub fn write(rule: &Rule, start: NaiveDate) -> Result<Value, NoFaithfulForm> {
    let (pattern, interval) = by_years(rule, start);
    let largest = if pattern == Pattern::Daily {
        LARGEST_DAYS
    } else {
        LARGEST_OTHER
    };
    if interval > largest {
        return Err(NoFaithfulForm::Interval { interval, largest });
    }
    let mut out = Map::new();
    let mut set = |key: &str, value: Value| out.insert(key.to_owned(), value);
    set("interval", json!(interval));
    match pattern {
        Pattern::Daily => {
            set("type", json!("daily"));
        }
        Pattern::Weekly { days, week_start } => {
            set("type", json!("weekly"));
            set("daysOfWeek", names(days));
            set("firstDayOfWeek", json!(name(&DAYS, week_start)));
        }
        Pattern::MonthlyByDate { day, .. } => {
            set("type", json!("absoluteMonthly"));
            set("dayOfMonth", json!(day));
        }
        Pattern::MonthlyByDay { position, days } => {
            set("type", json!("relativeMonthly"));
            set("daysOfWeek", names(days));
            set("index", json!(name(&POSITIONS, position)));
        }
        Pattern::YearlyByDate { month, day, .. } => {
            set("type", json!("absoluteYearly"));
            set("month", json!(month));
            set("dayOfMonth", json!(day));
        }
        Pattern::YearlyByDay {
            month,
            position,
            days,
        } => {
            set("type", json!("relativeYearly"));
            set("month", json!(month));
            set("daysOfWeek", names(days));
            set("index", json!(name(&POSITIONS, position)));
        }
    }
    let range = match rule.end {
        End::Forever => json!({ "type": "noEnd", "startDate": start }),
        End::Count(count) if count.get() <= LARGEST_COUNT => {
            json!({ "type": "numbered", "startDate": start, "numberOfOccurrences": count })
        }
        End::Count(_) | End::Until(_) => {
            let last = rule.last(start).ok_or(NoFaithfulForm::NoDate)?;
            json!({ "type": "endDate", "startDate": start, "endDate": last })
        }
    };
    let written = json!({ "pattern": out, "range": range });
    let said = read(&written)?;
    if said.rule.same_dates(start, rule, start) {
        return Ok(written);
    }
    Err(match rule.pattern {
        Pattern::MonthlyByDate { day, .. } | Pattern::YearlyByDate { day, .. } => {
            NoFaithfulForm::ShortMonths { day }
        }
        _ => NoFaithfulForm::NoDate,
    })
}

/// Writes every twelfth month as yearly: Odoo has no other way to express "the fourth Thursday of
/// November".
fn by_years(rule: &Rule, start: NaiveDate) -> (Pattern, u32) {
    let interval = rule.interval.get();
    let month = start.month();
    match rule.pattern {
        Pattern::MonthlyByDate { day, skip } if interval.is_multiple_of(12) => {
            (Pattern::YearlyByDate { month, day, skip }, interval / 12)
        }
        Pattern::MonthlyByDay { position, days } if interval.is_multiple_of(12) => (
            Pattern::YearlyByDay {
                month,
                position,
                days,
            },
            interval / 12,
        ),
        pattern => (pattern, interval),
    }
}

fn named<T: Copy>(names: &[(&str, T)], field: &str, name: &str) -> Result<T, NoFaithfulForm> {
    let found = names.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
    found
        .map(|(_, value)| *value)
        .ok_or_else(|| unknown(field, Some(name)))
}

fn name<T: PartialEq>(names: &[(&'static str, T)], value: T) -> &'static str {
    names.iter().find(|(_, v)| *v == value).map_or("", |(n, _)| n)
}

fn names(days: Days) -> Value {
    days.iter().map(|day| name(&DAYS, day)).collect()
}

fn missing(field: &str) -> NoFaithfulForm {
    NoFaithfulForm::Unreadable(format!("it has no usable {field}"))
}

fn unknown(field: &str, value: Option<&str>) -> NoFaithfulForm {
    let value: String = value.unwrap_or("nothing").chars().take(40).collect();
    NoFaithfulForm::Unreadable(format!("{field} is {value}"))
}

#[cfg(test)]
mod tests {
    use graph_sim::recurrence::Clock;
    use proptest::prelude::*;

    use super::*;
    use crate::calendar::recurrence::tests::{anchored, date, nonzero};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn what_outlook_can_say_it_says_of_the_same_dates((rule, start) in anchored()) {
            match write(&rule, start) {
                Ok(written) => {
                    let back = read(&written).unwrap();
                    prop_assert_eq!(back.start, start);
                    prop_assert_eq!(back.rule.dates(start).take(500).collect::<Vec<_>>(), rule.dates(start).take(500).collect::<Vec<_>>());
                    // A rule that Outlook has written is written again in the same form, except for
                    // the exact date of its end.
                    let again = write(&back.rule, start).unwrap();
                    prop_assert_eq!(again, written);
                }
                Err(NoFaithfulForm::ShortMonths { day }) => prop_assert!(day > 28),
                Err(other) => prop_assert!(false, "{other}"),
            }
        }

        #[test]
        fn the_simulator_expands_it_to_the_same_dates((rule, start) in anchored()) {
            if let Ok(written) = write(&rule, start) {
                let clock = Clock { start: chrono::NaiveTime::MIN, seconds: 3600 };
                let theirs = graph_sim::recurrence::Recurrence::parse(&written, start, clock).unwrap();
                let theirs: Vec<_> = theirs.dates(None).take(120).collect();
                prop_assert_eq!(theirs, rule.dates(start).take(120).collect::<Vec<_>>(), "{}", rule);
            }
        }
    }

    #[test]
    fn what_graph_fills_in_is_ignored() {
        let filled = |kind: &str, days: Value| {
            json!({
                "pattern": {"type": kind, "interval": 2, "month": 0, "dayOfMonth": 0, "index": "first",
                            "firstDayOfWeek": "sunday", "daysOfWeek": days},
                "range": {"type": "numbered", "startDate": "2026-11-24", "endDate": "0001-01-01",
                          "recurrenceTimeZone": "W. Europe Standard Time", "numberOfOccurrences": 5}})
        };
        let daily = read(&filled("daily", json!(null))).unwrap();
        assert_eq!(
            (daily.rule.pattern, daily.rule.end),
            (Pattern::Daily, End::Count(nonzero(5)))
        );
        assert_eq!(daily.zone.as_deref(), Some("W. Europe Standard Time"));
        let weekly = read(&filled("weekly", json!(["Tuesday", "friday"]))).unwrap();
        assert_eq!(
            weekly.rule.to_string(),
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,FR;WKST=SU;COUNT=5"
        );
        assert!(read(&filled("weekly", json!([]))).is_err());
        assert!(read(&filled("absoluteMonthly", json!([]))).is_err());
        assert!(read(&filled("hourly", json!([]))).is_err());
        assert!(read(&json!(7)).is_err() && read(&Value::Null).is_err());
    }

    #[test]
    fn every_twelfth_month_is_a_year() {
        let fourth = Pattern::MonthlyByDay {
            position: Position::Fourth,
            days: Days::one(Weekday::Thu),
        };
        let rule = Rule {
            pattern: fourth,
            interval: nonzero(24),
            end: End::Forever,
        };
        let pattern = &write(&rule, date("2026-11-26")).unwrap()["pattern"];
        assert_eq!(
            (&pattern["type"], &pattern["month"], &pattern["interval"]),
            (&json!("relativeYearly"), &json!(11), &json!(2))
        );
    }

    #[test]
    fn odoos_last_days_and_long_intervals_have_no_form() {
        let start = date("2027-01-31");
        let rule = |pattern, interval| Rule {
            pattern,
            interval: nonzero(interval),
            end: End::Forever,
        };
        let monthly = Pattern::MonthlyByDate {
            day: 31,
            skip: Skip::Omit,
        };
        assert_eq!(
            write(&rule(monthly, 1), start),
            Err(NoFaithfulForm::ShortMonths { day: 31 })
        );
        assert!(write(&rule(monthly, 12), start).is_ok(), "January always has it");
        assert!(matches!(
            write(&rule(monthly, 101), start),
            Err(NoFaithfulForm::Interval { .. })
        ));
        let long = rule(Pattern::Daily, 1).ending(End::Count(nonzero(1500)));
        assert_eq!(write(&long, start).unwrap()["range"]["type"], "endDate");
    }
}
