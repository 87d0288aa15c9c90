//! Recurrence rules, in Odoo's fields and in Graph's JSON.

use arbitrary::{Arbitrary, Unstructured};
use chrono::{Days, NaiveDate, Weekday};
use outlook_bridge::calendar::recurrence::{NoFaithfulForm, Rule};
use outlook_bridge::odoo::recurrence::RuleFields;
use outlook_bridge::outlook::wire::recurrence;
use serde_json::json;

use crate::in_time;

#[derive(Arbitrary, Debug)]
struct Case {
    kind: u8,
    end: u8,
    interval: i64,
    small_interval: Option<u8>,
    count: Option<i64>,
    until: Option<u32>,
    /// Days since 1 January 1970.
    start: u32,
    days: u8,
    by_day: bool,
    day: Option<i8>,
    weekday: u8,
    position: i8,
    month: u8,
    week_start: u8,
    other: u32,
}

pub fn check(data: &[u8]) {
    if let Ok(case) = Case::arbitrary_take_rest(Unstructured::new(data)) {
        in_time("a rule", || checked(&case));
    }
}

fn checked(case: &Case) {
    let start = date(case.start);
    let week_start = weekday(case.week_start);
    if let Ok(rule) = fields(case).to_rule(start, week_start) {
        look_at(&rule, start, date(case.other));
        // A rule from Odoo is the same rule when it is sent back.
        if let Some(first) = rule.dates(start).next()
            && let Ok(back) = RuleFields::from_rule(&rule, first, week_start)
        {
            let back = back.to_rule(first, week_start).unwrap();
            let same = |rule: &Rule| rule.dates(first).take(50).collect::<Vec<_>>();
            assert_eq!(same(&back), same(&rule), "{rule:?}");
        }
    }
    if let Ok(read) = recurrence::read(&graph(case)) {
        look_at(&read.rule, read.start, date(case.other));
    }
}

fn look_at(rule: &Rule, start: NaiveDate, other: NaiveDate) {
    let slots: Vec<NaiveDate> = rule.dates(start).take(200).collect();
    assert!(
        slots.is_sorted() && slots.first().is_none_or(|first| *first >= start),
        "{rule:?}"
    );
    let last = rule.last(start);
    if let Some(last) = last {
        assert!(
            slots.last().is_none_or(|slot| *slot <= last),
            "{rule:?} ends on {last}"
        );
    }
    let stored = serde_json::to_value(rule).unwrap();
    assert_eq!(serde_json::from_value::<Rule>(stored).unwrap(), *rule);
    let _ = rule.count_before(start, other);
    if let Some(rest) = rule.truncated(start, other) {
        assert!(rest.dates(start).take(200).all(|slot| slot < other), "{rule:?}");
    }
    if let Some((rest, first)) = rule.roll_to(start, other) {
        assert!(
            first >= other && rest.dates(first).take(20).all(|slot| slot >= other),
            "{rule:?}"
        );
    }
    // The rule that is sent to Outlook gives the same dates.
    if let Some(first) = slots.first()
        && let Ok(written) = recurrence::write(rule, *first)
    {
        let read = match recurrence::read(&written) {
            Ok(read) => read,
            Err(NoFaithfulForm::Unreadable(why)) => panic!("{written} of {rule:?}: {why}"),
            Err(_) => return,
        };
        let again: Vec<NaiveDate> = read.rule.dates(read.start).take(200).collect();
        assert_eq!(again, slots, "{written} of {rule:?}");
    }
}

fn date(days: u32) -> NaiveDate {
    let first = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap_or_default();
    // Reaches the year 10000, which the formats cannot express.
    first
        .checked_add_days(Days::new(u64::from(days % 2_940_000)))
        .unwrap_or(first)
}

fn weekday(day: u8) -> Weekday {
    Weekday::try_from(day % 7).unwrap_or(Weekday::Mon)
}

fn fields(case: &Case) -> RuleFields {
    let day = |n: u8| case.days & (1 << n) != 0;
    RuleFields {
        rrule_type: ["daily", "weekly", "monthly", "yearly", "hourly"][usize::from(case.kind % 5)].to_owned(),
        interval: case.small_interval.map_or(case.interval, i64::from),
        end_type: ["count", "end_date", "forever"][usize::from(case.end % 3)].to_owned(),
        count: case.count,
        until: case.until.map(date),
        mon: day(0),
        tue: day(1),
        wed: day(2),
        thu: day(3),
        fri: day(4),
        sat: day(5),
        sun: day(6),
        month_by: Some(if case.by_day { "day" } else { "date" }.to_owned()),
        day: case.day.map(i64::from),
        weekday: Some(format!("{:?}", weekday(case.weekday)).to_uppercase()),
        byday: Some(case.position.to_string()),
    }
}

fn graph(case: &Case) -> serde_json::Value {
    const NAMES: [&str; 7] = [
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
    ];
    const POSITIONS: [&str; 5] = ["first", "second", "third", "fourth", "last"];
    const ENDS: [&str; 3] = ["numbered", "endDate", "noEnd"];
    const KINDS: [&str; 6] = [
        "daily",
        "weekly",
        "absoluteMonthly",
        "relativeMonthly",
        "absoluteYearly",
        "relativeYearly",
    ];
    let days = (0..7)
        .filter(|n| case.days & (1 << n) != 0)
        .map(|n: usize| NAMES[n]);
    json!({
        "pattern": {
            "type": KINDS[usize::from(case.kind % 6)],
            "interval": case.small_interval.map_or(case.interval, i64::from),
            "dayOfMonth": case.day,
            "month": case.month % 14,
            "daysOfWeek": days.collect::<Vec<_>>(),
            "index": POSITIONS[usize::from(case.position.unsigned_abs() % 5)],
            "firstDayOfWeek": NAMES[usize::from(case.week_start % 7)],
        },
        "range": {
            "type": ENDS[usize::from(case.end % 3)],
            "startDate": date(case.start),
            "endDate": case.until.map(date),
            "numberOfOccurrences": case.count,
        },
    })
}
