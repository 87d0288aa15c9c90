//! The rule fields of `calendar.recurrence` and their translation (Odoo 19,
//! `calendar/models/calendar_recurrence.py`: `_get_rrule`, `_get_occurrences`, `_range_calculation`).
//!
//! A rule that Odoo cannot express directly is written in other fields if the *dates* stay the same
//! (yearly by weekday is every twelfth month, a long count is its last date). Otherwise it is not
//! written at all: [`NoFaithfulForm`].

use std::num::NonZeroU32;

use chrono::{NaiveDate, Weekday};
use serde::{Deserialize, Serialize};

use crate::calendar::recurrence::{Days, End, NoFaithfulForm, Pattern, Position, Rule, Skip};

/// How many occurrences Odoo expands at most (`MAX_RECURRENT_EVENT`), unless the rule ends on a
/// date.
pub const MAX_OCCURRENCES: u32 = 720;

/// How many of them may lie before the start, in its week: Odoo counts these, and drops them.
pub const BEFORE_START: u32 = 6;

/// `calendar.recurrence`'s fields of the same names. Fields that the type does not use may hold anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleFields {
    /// `daily`, `weekly`, `monthly` or `yearly`.
    pub rrule_type: String,
    pub interval: i64,
    /// `count`, `end_date` or `forever`.
    pub end_type: String,
    #[serde(default)]
    pub count: Option<i64>,
    /// The last date, inclusive, in `event_tz`.
    #[serde(default)]
    pub until: Option<NaiveDate>,
    #[serde(default)]
    pub mon: bool,
    #[serde(default)]
    pub tue: bool,
    #[serde(default)]
    pub wed: bool,
    #[serde(default)]
    pub thu: bool,
    #[serde(default)]
    pub fri: bool,
    #[serde(default)]
    pub sat: bool,
    #[serde(default)]
    pub sun: bool,
    /// `date` or `day`.
    #[serde(default)]
    pub month_by: Option<String>,
    #[serde(default)]
    pub day: Option<i64>,
    /// `MON` … `SUN`.
    #[serde(default)]
    pub weekday: Option<String>,
    /// `1` to `4`, or `-1`.
    #[serde(default)]
    pub byday: Option<String>,
}

const NAMES: [(&str, Weekday); 7] = [
    ("MON", Weekday::Mon),
    ("TUE", Weekday::Tue),
    ("WED", Weekday::Wed),
    ("THU", Weekday::Thu),
    ("FRI", Weekday::Fri),
    ("SAT", Weekday::Sat),
    ("SUN", Weekday::Sun),
];

impl RuleFields {
    /// The rule, for a series whose first slot is `start` in its zone. `week_start` is the one with which Odoo
    /// expanded it (the language's, of whoever saved it).
    ///
    /// A count above Odoo's 720 is 720, since no more exist; an endless rule stays endless.
    ///
    /// # Errors
    /// [`NoFaithfulForm::Unreadable`] for fields with which Odoo itself would raise.
    pub fn to_rule(&self, start: NaiveDate, week_start: Weekday) -> Result<Rule, NoFaithfulForm> {
        let interval = positive(Some(self.interval), "interval")?;
        let pattern = match self.rrule_type.as_str() {
            "daily" => Pattern::Daily,
            "weekly" => {
                let days = self.days();
                if days.is_empty() {
                    return Err(unreadable("weekly", "no day"));
                }
                Pattern::Weekly { days, week_start }
            }
            "monthly" if self.month_by.as_deref() == Some("day") => Pattern::MonthlyByDay {
                position: self.position()?,
                days: Days::one(self.weekday()?),
            },
            "monthly" => Pattern::MonthlyByDate {
                day: u32::try_from(self.day.unwrap_or(1))
                    .ok()
                    .filter(|day| (1..=31).contains(day))
                    .ok_or_else(|| unreadable("day", self.day.unwrap_or_default()))?,
                skip: Skip::Omit,
            },
            // dateutil takes month and day of a yearly rule from its start.
            "yearly" => Pattern::YearlyByDate {
                month: chrono::Datelike::month(&start),
                day: chrono::Datelike::day(&start),
                skip: Skip::Omit,
            },
            other => return Err(unreadable("rrule_type", other)),
        };
        let end = match self.end_type.as_str() {
            "forever" => End::Forever,
            "end_date" => End::Until(self.until.ok_or_else(|| unreadable("until", "nothing"))?),
            "count" => End::Count(at_most(positive(self.count, "count")?, MAX_OCCURRENCES)),
            other => return Err(unreadable("end_type", other)),
        };
        Ok(Rule {
            pattern,
            interval,
            end,
        })
    }

    /// The fields with which Odoo, expanding from `start` and counting weeks from `week_start`, has the dates of
    /// the rule (of an endless one the first 720).
    ///
    /// # Errors
    /// [`NoFaithfulForm`], if there are none.
    pub fn from_rule(rule: &Rule, start: NaiveDate, week_start: Weekday) -> Result<Self, NoFaithfulForm> {
        let mut fields = Self {
            rrule_type: match rule.pattern {
                Pattern::Daily => "daily",
                Pattern::Weekly { .. } => "weekly",
                Pattern::YearlyByDate { .. } => "yearly",
                _ => "monthly",
            }
            .to_owned(),
            interval: i64::from(rule.interval.get()),
            ..Self::default()
        };
        let reason = match rule.pattern {
            Pattern::Daily => NoFaithfulForm::NoDate,
            Pattern::Weekly {
                days,
                week_start: counted,
            } => {
                fields.set_days(days);
                NoFaithfulForm::WeekStart {
                    interval: rule.interval.get(),
                    counted,
                    odoo: week_start,
                }
            }
            Pattern::MonthlyByDate { day, .. } => {
                fields.set_date(day);
                NoFaithfulForm::ShortMonths { day }
            }
            Pattern::YearlyByDate { day, .. } => NoFaithfulForm::ShortMonths { day },
            Pattern::MonthlyByDay { position, days } => fields.set_day(position, days)?,
            Pattern::YearlyByDay { position, days, .. } => {
                fields.interval = fields.interval.saturating_mul(12);
                fields.set_day(position, days)?
            }
        };
        match rule.end {
            End::Forever => fields.end_type = "forever".to_owned(),
            End::Count(count) if count.get() <= MAX_OCCURRENCES - BEFORE_START => {
                fields.end_type = "count".to_owned();
                fields.count = Some(i64::from(count.get()));
            }
            // Only a count is capped, and with it those before the start are counted.
            End::Count(_) => fields.set_until(rule.last(start).ok_or(NoFaithfulForm::NoDate)?),
            End::Until(last) => fields.set_until(last),
        }
        let said = fields.to_rule(start, week_start)?;
        if said.same_dates(start, rule, start) {
            Ok(fields)
        } else {
            Err(reason)
        }
    }

    fn days(&self) -> Days {
        let flags = [
            self.mon, self.tue, self.wed, self.thu, self.fri, self.sat, self.sun,
        ];
        NAMES
            .iter()
            .zip(flags)
            .filter_map(|((_, day), set)| set.then_some(*day))
            .collect()
    }

    fn set_days(&mut self, days: Days) {
        self.mon = days.contains(Weekday::Mon);
        self.tue = days.contains(Weekday::Tue);
        self.wed = days.contains(Weekday::Wed);
        self.thu = days.contains(Weekday::Thu);
        self.fri = days.contains(Weekday::Fri);
        self.sat = days.contains(Weekday::Sat);
        self.sun = days.contains(Weekday::Sun);
    }

    fn set_date(&mut self, day: u32) {
        self.month_by = Some("date".to_owned());
        self.day = Some(i64::from(day));
    }

    /// Returns the reason to give should the dates differ after all.
    fn set_day(&mut self, position: Position, days: Days) -> Result<NoFaithfulForm, NoFaithfulForm> {
        if let Some(day) = days.single() {
            self.month_by = Some("day".to_owned());
            self.weekday = NAMES
                .iter()
                .find(|(_, d)| *d == day)
                .map(|(n, _)| (*n).to_owned());
            self.byday = Some(position.number().to_string());
        } else if days.iter().count() == 7 && position != Position::Last {
            // "The second day of the month" is its date.
            self.set_date(u32::from(position.number().unsigned_abs()));
        } else {
            return Err(NoFaithfulForm::SeveralDays);
        }
        Ok(NoFaithfulForm::NoDate)
    }

    fn set_until(&mut self, last: NaiveDate) {
        self.end_type = "end_date".to_owned();
        self.until = Some(last);
    }

    fn weekday(&self) -> Result<Weekday, NoFaithfulForm> {
        let name = self.weekday.as_deref().unwrap_or_default();
        let found = NAMES.iter().find(|(n, _)| *n == name);
        found
            .map(|(_, day)| *day)
            .ok_or_else(|| unreadable("weekday", name))
    }

    fn position(&self) -> Result<Position, NoFaithfulForm> {
        let name = self.byday.as_deref().unwrap_or_default();
        Position::ALL
            .into_iter()
            .find(|p| p.number().to_string() == name)
            .ok_or_else(|| unreadable("byday", name))
    }
}

/// The rule and start that Odoo shall have so that it shows every slot up to `until`: those of the series, where
/// Odoo's 720 reach so far, or else rolled forward to `from`. `None` if all slots lie before `from`.
pub fn for_window(
    rule: &Rule,
    start: NaiveDate,
    from: NaiveDate,
    until: NaiveDate,
) -> Option<(Rule, NaiveDate)> {
    let reach = usize::try_from(MAX_OCCURRENCES).unwrap_or(usize::MAX);
    let shown = rule.dates(start).take_while(|slot| *slot <= until);
    if shown.take(reach + 1).count() <= reach {
        Some((*rule, start))
    } else {
        rule.roll_to(start, from)
    }
}

fn at_most(count: NonZeroU32, most: u32) -> NonZeroU32 {
    NonZeroU32::new(most).map_or(count, |most| count.min(most))
}

fn positive(value: Option<i64>, field: &str) -> Result<NonZeroU32, NoFaithfulForm> {
    let value = value.unwrap_or_default();
    u32::try_from(value)
        .ok()
        .and_then(NonZeroU32::new)
        .ok_or_else(|| unreadable(field, value))
}

fn unreadable(field: &str, value: impl std::fmt::Display) -> NoFaithfulForm {
    NoFaithfulForm::Unreadable(format!("{field} is {value}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::calendar::recurrence::tests::{anchored, date, nonzero, weekday};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn what_odoo_can_say_it_says_of_the_same_dates((rule, start) in anchored(), week_start in weekday()) {
            match RuleFields::from_rule(&rule, start, week_start) {
                Ok(fields) => {
                    let back = fields.to_rule(start, week_start).unwrap();
                    prop_assert_eq!(back.dates(start).take(720).collect::<Vec<_>>(), rule.dates(start).take(720).collect::<Vec<_>>());
                    prop_assert_eq!(RuleFields::from_rule(&back, start, week_start).unwrap(), fields);
                }
                Err(NoFaithfulForm::ShortMonths { day }) => prop_assert!(day > 28),
                Err(NoFaithfulForm::SeveralDays) => {}
                Err(NoFaithfulForm::WeekStart { .. }) => prop_assert!(rule.interval.get() > 1),
                Err(other) => prop_assert!(false, "{other}"),
            }
        }

        #[test]
        fn a_window_shows_its_slots((rule, start) in anchored(), from in 0i64..4000, length in 0i64..700) {
            let from = start + chrono::TimeDelta::days(from);
            let until = from + chrono::TimeDelta::days(length);
            let wanted: Vec<_> = rule.dates(start).skip_while(|d| *d < from).take_while(|d| *d <= until).collect();
            let shown: Vec<_> = for_window(&rule, start, from, until).map_or_else(Vec::new, |(rolled, first)| {
                rolled.dates(first).take(720).skip_while(|d| *d < from).take_while(|d| *d <= until).collect()
            });
            prop_assert_eq!(shown, wanted);
        }
    }

    fn rule(pattern: Pattern, interval: u32, end: End) -> Rule {
        let interval = nonzero(interval);
        Rule {
            pattern,
            interval,
            end,
        }
    }

    #[test]
    fn yearly_by_weekday_is_every_twelfth_month() {
        let pattern = Pattern::YearlyByDay {
            month: 11,
            position: Position::Fourth,
            days: Days::one(Weekday::Thu),
        };
        let fields =
            RuleFields::from_rule(&rule(pattern, 1, End::Forever), date("2026-11-26"), Weekday::Mon).unwrap();
        assert_eq!(
            (&*fields.rrule_type, fields.interval, fields.byday.as_deref()),
            ("monthly", 12, Some("4"))
        );
        assert_eq!(fields.weekday.as_deref(), Some("THU"));
    }

    #[test]
    fn the_end_of_months_differs_between_the_two() {
        let pattern = |skip| Pattern::MonthlyByDate { day: 31, skip };
        let start = date("2027-01-31");
        let say = |skip, interval, end| {
            RuleFields::from_rule(&rule(pattern(skip), interval, end), start, Weekday::Mon)
        };
        assert!(say(Skip::Omit, 1, End::Forever).is_ok());
        assert_eq!(
            say(Skip::Backward, 1, End::Forever),
            Err(NoFaithfulForm::ShortMonths { day: 31 })
        );
        assert!(
            say(Skip::Backward, 2, End::Count(nonzero(4))).is_ok(),
            "no short month is met"
        );
        assert!(
            say(Skip::Backward, 12, End::Forever).is_ok(),
            "January always has it"
        );
    }

    #[test]
    fn a_long_count_ends_on_its_last_date() {
        let fields = RuleFields::from_rule(
            &rule(Pattern::Daily, 1, End::Count(nonzero(999))),
            date("2026-01-01"),
            Weekday::Mon,
        )
        .unwrap();
        assert_eq!(
            (&*fields.end_type, fields.until),
            ("end_date", Some(date("2028-09-25")))
        );
    }

    #[test]
    fn what_odoo_refuses_is_unreadable() {
        for (field, value) in [
            ("interval", serde_json::json!(0)),
            ("count", serde_json::json!(-1)),
            ("rrule_type", serde_json::json!("hourly")),
            ("end_type", serde_json::json!(null)),
            ("mon", serde_json::json!(false)),
        ] {
            let mut fields = serde_json::json!({"rrule_type": "weekly", "interval": 1, "end_type": "count", "count": 3, "mon": true});
            fields[field] = value;
            let read = serde_json::from_value::<RuleFields>(fields)
                .map_err(|_| ())
                .and_then(|f| f.to_rule(date("2026-11-23"), Weekday::Mon).map_err(|_| ()));
            assert_eq!(read, Err(()), "{field}");
        }
    }
}
