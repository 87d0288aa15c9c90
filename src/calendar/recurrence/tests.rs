use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;

pub(crate) fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub(crate) fn nonzero(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

fn rule(pattern: Pattern, interval: u32, end: End) -> Rule {
    Rule {
        pattern,
        interval: nonzero(interval),
        end,
    }
}

fn first(rule: &Rule, start: &str, n: usize) -> Vec<String> {
    rule.dates(date(start)).take(n).map(|d| d.to_string()).collect()
}

const WEEK: [Weekday; 7] = [
    Weekday::Mon,
    Weekday::Tue,
    Weekday::Wed,
    Weekday::Thu,
    Weekday::Fri,
    Weekday::Sat,
    Weekday::Sun,
];

pub(crate) fn weekday() -> impl Strategy<Value = Weekday> {
    prop::sample::select(&WEEK[..])
}

fn days() -> impl Strategy<Value = Days> {
    prop_oneof![
        3 => weekday().prop_map(Days::one),
        2 => prop::collection::vec(weekday(), 1..7).prop_map(Days::from),
    ]
}

fn position() -> impl Strategy<Value = Position> {
    prop::sample::select(&Position::ALL[..])
}

fn skip() -> impl Strategy<Value = Skip> {
    prop_oneof![Just(Skip::Omit), Just(Skip::Backward)]
}

/// Days that every month has, and days that not every month has, equally often.
fn day() -> impl Strategy<Value = u32> {
    prop_oneof![1u32..29, 29u32..32]
}

/// All patterns. Of yearly ones only dates that some year has.
pub(crate) fn pattern() -> impl Strategy<Value = Pattern> {
    prop_oneof![
        Just(Pattern::Daily),
        (days(), weekday()).prop_map(|(days, week_start)| Pattern::Weekly { days, week_start }),
        (day(), skip()).prop_map(|(day, skip)| Pattern::MonthlyByDate { day, skip }),
        (position(), days()).prop_map(|(position, days)| Pattern::MonthlyByDay { position, days }),
        (1u32..13, day(), skip())
            .prop_map(|(month, day, skip)| Pattern::YearlyByDate { month, day, skip })
            .prop_filter("a date that there is", |p| match p {
                Pattern::YearlyByDate { month, day, .. } =>
                    NaiveDate::from_ymd_opt(2024, *month, *day).is_some(),
                _ => true,
            }),
        (1u32..13, position(), days()).prop_map(|(month, position, days)| Pattern::YearlyByDay {
            month,
            position,
            days
        }),
    ]
}

prop_compose! {
    pub(crate) fn start()(day in 0i64..3000) -> NaiveDate {
        date("2020-01-01") + TimeDelta::days(day)
    }
}

prop_compose! {
    /// A rule and the date of its first slot. Those that have an end have at least one slot.
    pub(crate) fn anchored()(
        pattern in pattern(),
        interval in prop_oneof![3 => Just(1u32), 2 => 2u32..5, 1 => Just(12u32)],
        from in start(),
        count in 1u32..40,
        length in 0i64..2000,
        which in 0..3,
    ) -> (Rule, NaiveDate) {
        let endless = rule(pattern, interval, End::Forever);
        // Monthly on the 30th, every twelfth month from February: there is no such date.
        let (endless, start) = match endless.dates(from).next() {
            Some(start) => (endless, start),
            None => (rule(Pattern::Daily, interval, End::Forever), from),
        };
        let end = match which {
            0 => End::Forever,
            1 => End::Count(nonzero(count)),
            _ => End::Until(start + TimeDelta::days(length)),
        };
        (endless.ending(end), start)
    }
}

/// The expansion of the `rrule` crate, which knows no `SKIP`.
fn reference(rule: &Rule, start: NaiveDate, n: u16) -> Vec<NaiveDate> {
    let mut text = rule.to_string();
    if let End::Until(_) = rule.end {
        text.push_str("T235959Z");
    }
    let set: rrule::RRuleSet = format!("DTSTART:{}T120000Z\nRRULE:{text}", start.format("%Y%m%d"))
        .parse()
        .unwrap();
    set.all(n)
        .dates
        .iter()
        .map(chrono::DateTime::date_naive)
        .collect()
}

fn skips(rule: &Rule) -> bool {
    matches!(
        rule.pattern,
        Pattern::MonthlyByDate {
            skip: Skip::Backward,
            ..
        } | Pattern::YearlyByDate {
            skip: Skip::Backward,
            ..
        }
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_dates_are_those_of_an_independent_implementation((rule, start) in anchored()) {
        prop_assume!(!skips(&rule));
        let ours: Vec<_> = rule.dates(start).take(60).collect();
        prop_assert_eq!(ours, reference(&rule, start, 60), "{} from {}", rule, start);
    }

    #[test]
    fn the_first_slot_is_the_start_and_they_rise((rule, start) in anchored()) {
        let dates: Vec<_> = rule.dates(start).take(100).collect();
        prop_assert_eq!(dates.first(), Some(&start));
        prop_assert!(dates.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn read_from_the_end_it_is_what_the_expansion_says((rule, start) in anchored(), later in 0i64..1500) {
        let last = (rule.end != End::Forever).then(|| rule.dates(start).last());
        prop_assert_eq!(rule.last(start), last.flatten(), "{}", rule);
        let at = start + TimeDelta::days(later);
        let before = rule.dates(start).take_while(|date| *date < at).last();
        prop_assert_eq!(rule.last_before(start, at), before, "{}", rule);
        let endless = rule.ending(End::Forever);
        let before = endless.dates(start).take_while(|date| *date < at).count();
        prop_assert_eq!(usize::try_from(rule.count_before(start, at)).unwrap(), before, "{}", rule);
    }

    #[test]
    fn rolled_forward_it_has_the_later_slots((rule, start) in anchored(), later in 0i64..1500) {
        let from = start + TimeDelta::days(later);
        let rest: Vec<_> = rule.dates(start).skip_while(|d| *d < from).take(80).collect();
        match rule.roll_to(start, from) {
            Some((rolled, first)) => {
                prop_assert_eq!(rolled.dates(first).take(80).collect::<Vec<_>>(), rest);
                prop_assert_eq!(rolled.last(first), rule.last(start));
            }
            None => prop_assert!(rest.is_empty()),
        }
    }

    #[test]
    fn truncated_it_has_the_earlier_slots((rule, start) in anchored(), later in 0i64..1500) {
        let until = start + TimeDelta::days(later);
        let head: Vec<_> = rule.dates(start).take_while(|d| *d < until).collect();
        match rule.truncated(start, until) {
            Some(truncated) => prop_assert_eq!(truncated.dates(start).collect::<Vec<_>>(), head),
            None => prop_assert!(head.is_empty()),
        }
    }

    #[test]
    fn sameness_is_that_of_the_dates((a, start) in anchored(), (b, other) in anchored()) {
        prop_assert!(a.same_dates(start, &a, start));
        if let Some(last) = a.last(start) {
            prop_assert!(a.same_dates(start, &a.ending(End::Until(last)), start));
        }
        prop_assert_eq!(a.same_dates(start, &b, other), b.same_dates(other, &a, start));
    }

    #[test]
    fn it_can_be_stored((rule, _) in anchored()) {
        let text = serde_json::to_string(&rule).unwrap();
        prop_assert_eq!(serde_json::from_str::<Rule>(&text).unwrap(), rule);
    }
}

#[test]
fn every_other_week_is_counted_from_the_week_start() {
    let days = Days::from(vec![Weekday::Mon, Weekday::Sun]);
    let weekly = |week_start| rule(Pattern::Weekly { days, week_start }, 2, End::Forever);
    assert_eq!(
        first(&weekly(Weekday::Mon), "2026-11-22", 3),
        ["2026-11-22", "2026-11-30", "2026-12-06"]
    );
    assert_eq!(
        first(&weekly(Weekday::Sun), "2026-11-22", 3),
        ["2026-11-22", "2026-11-23", "2026-12-06"]
    );
}

#[test]
fn short_months_are_left_out_or_filled() {
    let monthly = |skip| rule(Pattern::MonthlyByDate { day: 31, skip }, 1, End::Forever);
    assert_eq!(
        first(&monthly(Skip::Omit), "2026-12-31", 3),
        ["2026-12-31", "2027-01-31", "2027-03-31"]
    );
    assert_eq!(
        first(&monthly(Skip::Backward), "2026-12-31", 3),
        ["2026-12-31", "2027-01-31", "2027-02-28"]
    );
    let leap = |skip| {
        let pattern = Pattern::YearlyByDate {
            month: 2,
            day: 29,
            skip,
        };
        first(&rule(pattern, 1, End::Forever), "2024-02-29", 2)
    };
    assert_eq!(leap(Skip::Omit), ["2024-02-29", "2028-02-29"]);
    assert_eq!(leap(Skip::Backward), ["2024-02-29", "2025-02-28"]);
}

#[test]
fn of_a_rule_for_millennia_nothing_is_expanded() {
    let start = date("2026-01-01");
    // MAPI's date for "no end".
    let never = End::Until(date("4500-08-31"));
    let daily = rule(Pattern::Daily, 1, never);
    let weekly = Pattern::Weekly {
        days: Days::from(WEEK.to_vec()),
        week_start: Weekday::Mon,
    };
    // Expanded, each of these calls made a million allocations: this would take an hour.
    for n in 0..2000 {
        let counted = End::Count(nonzero(1_000_000 + n));
        assert_eq!(daily.last(start), Some(date("4500-08-31")));
        assert_eq!(rule(weekly, 1, never).last(start), Some(date("4500-08-31")));
        let last = start + TimeDelta::days(i64::from(999_999 + n));
        assert_eq!(rule(Pattern::Daily, 1, counted).last(start), Some(last));
        assert_eq!(rule(weekly, 1, counted).last(start), Some(last));
        let late = date("4400-01-01") + TimeDelta::days(n.into());
        assert_eq!(daily.roll_to(start, late), Some((daily, late)));
        let (cut, first) = rule(weekly, 1, counted).roll_to(start, late).unwrap();
        assert_eq!((first, cut.last(late)), (late, Some(last)));
        assert_eq!(
            daily.truncated(start, late).map(|rule| rule.end),
            late.pred_opt().map(End::Until)
        );
    }
    let beyond = rule(Pattern::Daily, 7, End::Count(nonzero(u32::MAX)));
    assert_eq!(beyond.last(start).map(|date| date.year()), Some(9999));
}

#[test]
fn a_rule_without_dates_ends() {
    let never = Pattern::YearlyByDate {
        month: 2,
        day: 30,
        skip: Skip::Omit,
    };
    assert_eq!(
        rule(never, 1, End::Forever).dates(date("2026-01-01")).next(),
        None
    );
    let past = rule(Pattern::Daily, 1, End::Until(date("2025-12-31")));
    assert_eq!(past.dates(date("2026-01-01")).next(), None);
}
