//! How Odoo itself expands a rule (`calendar.recurrence._get_occurrences` and `_range_calculation`, Odoo 19), so
//! that a rule is only written to it where it comes to the right dates.
//!
//! Odoo begins a weekly rule at the start of its week and a monthly one on the first of its month, and takes both
//! *in UTC*. For an event shortly after midnight in Brussels, or late in the evening in New York, that may be the
//! week or month before: every second week is then the wrong one.

use chrono::{
    DateTime, Datelike, Days, LocalResult, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Utc, Weekday,
};
use chrono_tz::{OffsetComponents, Tz};

use super::recurrence::{BEFORE_START, MAX_OCCURRENCES, RuleFields};
use crate::calendar::recurrence::{End, NoFaithfulForm, Rule};
use crate::calendar::timezone;

/// The hour at which Odoo keeps the days of all-day events (UTC).
const MORNING: TimeDelta = TimeDelta::hours(8);

/// What a series begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    At {
        start: DateTime<Utc>,
        zone: Tz,
    },
    /// An all-day event. Odoo looks at the zone's daylight saving all the same.
    On {
        date: NaiveDate,
        zone: Tz,
    },
}

impl First {
    /// Returns the first occurrence for a start in Odoo. For an all-day event only the date counts.
    pub fn of(start: DateTime<Utc>, zone: Tz, is_allday: bool) -> Self {
        if is_allday {
            let date = start.date_naive();
            Self::On { date, zone }
        } else {
            Self::At { start, zone }
        }
    }

    fn zone(self) -> Tz {
        match self {
            Self::At { zone, .. } | Self::On { zone, .. } => zone,
        }
    }

    fn naive(self) -> NaiveDateTime {
        match self {
            Self::At { start, .. } => start.naive_utc(),
            Self::On { date, .. } => date.and_time(chrono::NaiveTime::MIN) + MORNING,
        }
    }
}

/// The starts of the occurrences in UTC (of all-day ones at 08:00 of their day), as Odoo creates them for a base
/// event that begins at `first`; at most `limit`.
///
/// # Errors
/// [`NoFaithfulForm::Unreadable`] for fields with which Odoo would raise.
pub fn expand(
    fields: &RuleFields,
    first: First,
    week_start: Weekday,
    limit: usize,
) -> Result<Vec<NaiveDateTime>, NoFaithfulForm> {
    let event = first.naive();
    let from = start_of_period(fields, event, first.zone(), week_start);
    let local = match first {
        First::At { zone, .. } => zone.from_utc_datetime(&from).naive_local(),
        First::On { .. } => from,
    };
    let mut rule = fields.to_rule(local.date(), week_start)?;
    let expanded = |rule: &Rule| -> Vec<NaiveDateTime> {
        rule.dates(local.date())
            .map(|date| {
                let at = date.and_time(local.time());
                match first {
                    First::At { zone, .. } => standard(at, zone).naive_utc(),
                    First::On { .. } => at,
                }
            })
            .filter(|at| at.date() >= event.date())
            .take(limit)
            .collect()
    };
    match rule.end {
        End::Until(_) => Ok(expanded(&rule)),
        End::Forever => {
            rule.end = capped(u64::from(MAX_OCCURRENCES));
            Ok(expanded(&rule))
        }
        End::Count(_) => {
            let wanted = u64::try_from(fields.count.unwrap_or_default()).unwrap_or_default();
            let found = expanded(&rule);
            let missing = wanted.saturating_sub(found.len() as u64);
            if missing == 0 || found.len() == limit {
                return Ok(found);
            }
            rule.end = capped(wanted + missing);
            Ok(expanded(&rule))
        }
    }
}

/// The rule of a series that Odoo has expanded: of a count close to its cap or above it Odoo has fewer.
///
/// # Errors
/// As [`expand`].
pub fn rule_as_expanded(
    fields: &RuleFields,
    first: First,
    start: NaiveDate,
    week_start: Weekday,
) -> Result<Rule, NoFaithfulForm> {
    let mut rule = fields.to_rule(start, week_start)?;
    if matches!(rule.end, End::Count(count) if count.get() > MAX_OCCURRENCES - BEFORE_START) {
        let reach = usize::try_from(MAX_OCCURRENCES).unwrap_or_default();
        rule.end = capped(expand(fields, first, week_start, reach)?.len() as u64);
    }
    Ok(rule)
}

/// Checks that Odoo has the rule's first slots (at most 720, and those of ten years) on their dates
/// and at the hour of the first one, when it expands the fields itself. It does so whenever
/// somebody edits the series in Odoo.
///
/// # Errors
/// [`NoFaithfulForm::CountedInUtc`] and [`NoFaithfulForm::OtherHour`], if not.
pub fn check(
    fields: &RuleFields,
    rule: &Rule,
    first: First,
    week_start: Weekday,
) -> Result<(), NoFaithfulForm> {
    let date_of = |at: NaiveDateTime| match first {
        First::At { zone, .. } => zone.from_utc_datetime(&at).date_naive(),
        First::On { .. } => at.date(),
    };
    let start = date_of(first.naive());
    let limit = usize::try_from(MAX_OCCURRENCES).unwrap_or_default();
    let theirs = expand(fields, first, week_start, limit)?;
    let mut ours = rule.dates(start).take(limit);
    let horizon = start.checked_add_days(Days::new(3650)).unwrap_or(NaiveDate::MAX);
    // Odoo's cap also counts occurrences before the start, so a few of the last may be missing.
    let same = theirs
        .iter()
        .map(|at| date_of(*at))
        .take_while(|date| *date <= horizon)
        .all(|date| ours.next() == Some(date));
    if let First::At { start, zone } = first {
        let hour = start.with_timezone(&zone).time();
        let regular = |at: &NaiveDateTime| standard(date_of(*at).and_time(hour), zone).naive_utc();
        if same && theirs.iter().skip(1).any(|at| *at != regular(at)) {
            return Err(NoFaithfulForm::OtherHour);
        }
    }
    let enough = theirs.len() + 31 >= limit || ours.next().is_none_or(|date| date > horizon);
    if same && enough && theirs.first() == Some(&first.naive()) {
        Ok(())
    } else {
        Err(NoFaithfulForm::CountedInUtc)
    }
}

fn capped(count: u64) -> End {
    let count = count.min(u64::from(MAX_OCCURRENCES));
    let count = u32::try_from(count).ok().and_then(std::num::NonZeroU32::new);
    count.map_or(End::Forever, End::Count)
}

/// `_get_start_of_period`: in UTC, and not where daylight saving differs between the two, for which the *UTC* times
/// are taken for local ones.
fn start_of_period(
    fields: &RuleFields,
    event: NaiveDateTime,
    zone: Tz,
    week_start: Weekday,
) -> NaiveDateTime {
    let start = match fields.rrule_type.as_str() {
        "weekly" => event - TimeDelta::days(i64::from(event.weekday().days_since(week_start))),
        "monthly" => event.with_day(1).unwrap_or(event),
        _ => event,
    };
    if saving(start, zone) == saving(event, zone) {
        start
    } else {
        event
    }
}

/// Returns the daylight saving that pytz sees at a local time.
fn saving(local: NaiveDateTime, zone: Tz) -> TimeDelta {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(at) => at.offset().dst_offset(),
        LocalResult::Ambiguous(a, b) => not_saving(a, b).offset().dst_offset(),
        // Six hours before there was no gap.
        LocalResult::None => match zone.from_local_datetime(&(local - TimeDelta::hours(6))) {
            LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => at.offset().dst_offset(),
            LocalResult::None => TimeDelta::zero(),
        },
    }
}

/// Returns the instant that pytz means by a local time with `is_dst=False`: if it occurs twice, the
/// one in standard time. This is the later one, except in Ireland, whose standard time is in
/// summer.
pub fn standard(local: NaiveDateTime, zone: Tz) -> DateTime<Utc> {
    match zone.from_local_datetime(&local) {
        LocalResult::Ambiguous(a, b) => not_saving(a, b).to_utc(),
        _ => timezone::to_utc(local, zone),
    }
}

fn not_saving(a: DateTime<Tz>, b: DateTime<Tz>) -> DateTime<Tz> {
    let is_standard = |at: &DateTime<Tz>| at.offset().dst_offset().is_zero();
    match (is_standard(&a), is_standard(&b)) {
        (true, false) => a,
        (false, true) => b,
        _ => a.max(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::recurrence::tests::{date, nonzero};
    use crate::calendar::recurrence::{Days as Weekdays, Pattern, Position};

    fn every_other_monday() -> (RuleFields, Rule) {
        let rule = Rule {
            pattern: Pattern::Weekly {
                days: Weekdays::one(Weekday::Mon),
                week_start: Weekday::Mon,
            },
            interval: nonzero(2),
            end: End::Forever,
        };
        let fields = RuleFields::from_rule(&rule, date("2026-01-05"), Weekday::Mon).unwrap();
        (fields, rule)
    }

    fn at(text: &str) -> First {
        let zone = Tz::Europe__Brussels;
        First::At {
            start: timezone::to_utc(text.parse().unwrap(), zone),
            zone,
        }
    }

    #[test]
    fn after_midnight_odoo_counts_from_the_week_before() {
        let (fields, rule) = every_other_monday();
        assert_eq!(
            check(&fields, &rule, at("2026-01-05T10:00:00"), Weekday::Mon),
            Ok(())
        );
        let night = at("2026-01-05T00:30:00");
        assert_eq!(
            check(&fields, &rule, night, Weekday::Mon),
            Err(NoFaithfulForm::CountedInUtc)
        );
        let theirs = expand(&fields, night, Weekday::Mon, 2).unwrap();
        let dates: Vec<_> = theirs.iter().map(|t| t.date().to_string()).collect();
        assert_eq!(dates, ["2026-01-11", "2026-01-25"], "Sundays in UTC, a week late");
    }

    /// Its clock goes on by half an hour at that very moment. Odoo begins at the month's first in the old time.
    #[test]
    fn a_series_that_begins_as_the_clock_changes_goes_on_at_another_hour_in_odoo() {
        let zone = Tz::Australia__Lord_Howe;
        let first = |day: &str| First::At {
            start: timezone::to_utc(format!("{day}T02:30:00").parse().unwrap(), zone),
            zone,
        };
        let rule = Rule {
            pattern: Pattern::MonthlyByDay {
                position: Position::First,
                days: Weekdays::one(Weekday::Sun),
            },
            interval: nonzero(2),
            end: End::Forever,
        };
        let fields = |day| RuleFields::from_rule(&rule, date(day), Weekday::Mon).unwrap();
        let (change, before) = ("2025-10-05", "2025-09-07");
        let found = check(&fields(change), &rule, first(change), Weekday::Mon);
        assert_eq!(found, Err(NoFaithfulForm::OtherHour));
        assert_eq!(check(&fields(before), &rule, first(before), Weekday::Mon), Ok(()));
    }

    #[test]
    fn of_an_hour_that_occurs_twice_the_one_in_standard_time_is_meant() {
        let night = |zone: Tz, text: &str| standard(text.parse().unwrap(), zone).to_string();
        assert_eq!(
            night(Tz::Europe__Brussels, "2026-10-25T02:30:00"),
            "2026-10-25 01:30:00 UTC"
        );
        assert_eq!(
            night(Tz::Europe__Dublin, "2026-10-25T01:30:00"),
            "2026-10-25 00:30:00 UTC"
        );
    }

    #[test]
    fn whole_days_and_the_cap() {
        let (fields, rule) = every_other_monday();
        let first = First::On {
            date: date("2026-01-05"),
            zone: Tz::Pacific__Auckland,
        };
        assert_eq!(check(&fields, &rule, first, Weekday::Mon), Ok(()));
        assert_eq!(expand(&fields, first, Weekday::Mon, 10_000).unwrap().len(), 720);
    }

    #[test]
    fn a_count_is_of_what_is_not_past() {
        let fields = RuleFields {
            rrule_type: "monthly".to_owned(),
            interval: 1,
            end_type: "count".to_owned(),
            count: Some(3),
            day: Some(15),
            ..RuleFields::default()
        };
        let theirs = expand(&fields, at("2026-01-20T10:00:00"), Weekday::Mon, 99).unwrap();
        let dates: Vec<_> = theirs.iter().map(|t| t.date().to_string()).collect();
        assert_eq!(dates, ["2026-02-15", "2026-03-15", "2026-04-15"]);
    }
}
