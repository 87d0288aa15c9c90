use chrono::{TimeDelta, Timelike};
use proptest::prelude::*;

use super::super::merge::tests::{event, sample};
use super::super::recurrence::tests::{anchored, date, nonzero};
use super::super::recurrence::{Days, Pattern};
use super::*;

/// Zones with and without daylight saving, on both hemispheres, one with half an hour of it.
const ZONES: [&str; 5] = [
    "Europe/Brussels",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "UTC",
];

/// Hours that are skipped or doubled on some night, and others.
const HOURS: [i64; 5] = [30, 90, 150, 600, 1410];

/// Something that somebody does to a series on one side.
#[derive(Clone, Debug)]
pub(crate) enum Edit {
    Master(Vec<Group>, Box<Event>),
    /// To the n-th slot; moved by minutes.
    Slot(usize, Vec<Group>, Box<Event>, i64),
    Reset(usize),
    Cancel(usize),
    Hour(i64),
    End(u32),
    Pattern(Rule, NaiveDate),
}

fn groups() -> impl Strategy<Value = Vec<Group>> {
    let all: Vec<_> = Group::SINGLE
        .into_iter()
        .filter(|g| *g != Group::Time)
        .chain([Group::Attendees])
        .collect();
    prop::sample::subsequence(all, 1..4)
}

fn slot_edit() -> impl Strategy<Value = Edit> {
    let shift = prop::sample::select(&[0i64, 0, 30, 1440, -1440, 2880][..]);
    prop_oneof![
        3 => (0usize..6, groups(), event(), shift).prop_map(|(n, g, e, by)| Edit::Slot(n, g, Box::new(e), by)),
        1 => (0usize..6).prop_map(Edit::Reset),
        2 => (0usize..6).prop_map(Edit::Cancel),
    ]
}

/// Some edits, most of them of single occurrences.
pub(crate) fn edits_of_one() -> impl Strategy<Value = Vec<Edit>> {
    prop::collection::vec(edit(), 0..3)
}

pub(crate) fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        3 => (groups(), event()).prop_map(|(g, e)| Edit::Master(g, Box::new(e))),
        6 => slot_edit(),
        1 => prop::sample::select(&HOURS[..]).prop_map(Edit::Hour),
        1 => (1u32..20).prop_map(Edit::End),
        1 => anchored().prop_map(|(rule, start)| Edit::Pattern(rule, start)),
    ]
}

/// `None` if it leaves no occurrence.
pub(crate) fn edited(series: &Document, edits: &[Edit]) -> Option<Document> {
    let mut series = series.clone();
    for edit in edits {
        let slot = |n: usize| series.slots().nth(n);
        match edit {
            Edit::Master(groups, values) => take_groups(groups, &mut series.master, values),
            Edit::Slot(n, groups, values, by) => {
                let Some(slot) = slot(*n) else { continue };
                let Some(mut event) = series.occurrence(slot) else {
                    continue;
                };
                take_groups(groups, &mut event, values);
                let by = TimeDelta::minutes(*by);
                match &mut event.time {
                    Time::Timed { start, end, .. } => (*start, *end) = (*start + by, *end + by),
                    Time::AllDay { start, end } => (*start, *end) = (*start + by, *end + by),
                }
                let own = Override::between(&series.regular(slot), &event);
                series.exceptions.insert(slot, own);
            }
            Edit::Reset(n) => {
                if let Some(slot) = slot(*n) {
                    series.exceptions.remove(&slot);
                }
            }
            Edit::Cancel(n) => {
                if let Some(slot) = slot(*n) {
                    series.excluded_dates.insert(slot);
                }
            }
            Edit::Hour(minutes) => {
                let (tz, day) = (series.tz(), series.start());
                if let Time::Timed { start, end, .. } = &mut series.master.time {
                    let length = *end - *start;
                    *start = timezone::to_utc(
                        day.and_time(chrono::NaiveTime::MIN) + TimeDelta::minutes(*minutes),
                        tz,
                    );
                    *end = *start + length;
                }
            }
            Edit::End(n) => series.set_end(End::Count(nonzero(*n))),
            Edit::Pattern(rule, start) => {
                series.master.time = series.slot_time(*start);
                series.recurrence = Recurrence::Rule(*rule);
            }
        }
        series = series.normalized()?;
    }
    Some(series)
}

prop_compose! {
    fn plain()(
        (rule, start) in anchored(),
        master in event(),
        minutes in prop::sample::select(&HOURS[..]),
        zone in prop::sample::select(&ZONES[..]),
        length in 1i64..40,
    ) -> Document {
        let mut master = master;
        master.time = match master.time {
            Time::AllDay { .. } => Time::AllDay { start, end: start + TimeDelta::days(1 + length / 20) },
            Time::Timed { .. } => {
                let at = timezone::to_utc(start.and_time(chrono::NaiveTime::MIN) + TimeDelta::minutes(minutes), zone_of(zone));
                Time::Timed { start: at, end: at + TimeDelta::minutes(15 * length), zone: zone.to_owned() }
            }
        };
        Document { recurrence: Recurrence::Rule(rule), master, exceptions: BTreeMap::new(), excluded_dates: BTreeSet::new() }
    }
}

/// Series in normal form, with exceptions and cancellations.
pub(crate) fn series() -> impl Strategy<Value = Document> {
    (plain(), prop::collection::vec(slot_edit(), 0..4))
        .prop_filter_map("an occurrence is left", |(series, edits)| edited(&series, &edits))
}

fn window(series: &Document) -> Range<NaiveDate> {
    let start = series.start() - TimeDelta::days(10);
    start..start + TimeDelta::days(300)
}

/// Weekly on Tuesdays at ten in Brussels, from 6 October 2026 on, over the end of summer time.
pub(crate) fn tuesdays(end: End) -> Document {
    let start = timezone::to_utc("2026-10-06T10:00:00".parse().unwrap(), Tz::Europe__Brussels);
    Document {
        recurrence: Recurrence::Rule(Rule {
            pattern: Pattern::Weekly {
                days: Days::one(chrono::Weekday::Tue),
                week_start: chrono::Weekday::Mon,
            },
            interval: nonzero(1),
            end,
        }),
        master: Event {
            time: Time::Timed {
                start,
                end: start + TimeDelta::hours(1),
                zone: "Europe/Brussels".into(),
            },
            ..sample()
        },
        exceptions: BTreeMap::new(),
        excluded_dates: BTreeSet::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn another_master_shows_the_same(before in series(), edits in prop::collection::vec(edit(), 0..6), other in series()) {
        for now in edited(&before, &edits).into_iter().chain([other]) {
            let kept = now.keeping_master_of(&before);
            prop_assert_eq!(&kept.recurrence, &now.recurrence);
            prop_assert_eq!(kept.occurrences(window(&now)), now.occurrences(window(&now)));
            prop_assert_eq!(kept.keeping_master_of(&before), kept);
        }
        prop_assert_eq!(before.keeping_master_of(&before), before);
    }
}

/// Odoo's master has the values of most occurrences.
#[test]
fn what_was_changed_one_by_one_is_not_said_of_all() {
    let before = tuesdays(End::Count(nonzero(5)));
    let slots: Vec<_> = before.slots().collect();
    let moved = |event: Event| {
        let Time::Timed { start, end, zone } = event.time.clone() else {
            unreachable!("hours");
        };
        let by = TimeDelta::hours(1);
        let time = Time::Timed {
            start: start + by,
            end: end + by,
            zone,
        };
        Event {
            time,
            title: "Later".to_owned(),
            ..event
        }
    };
    // As Odoo sends it: three of five are later, so the others are the exceptions.
    let mut told = before.clone();
    told.master = moved(before.master.clone());
    for slot in &slots[3..] {
        told.set_occurrence(*slot, &before.occurrence(*slot).unwrap());
    }
    let kept = told.keeping_master_of(&before);
    assert_eq!(kept.master, before.master);
    assert!(kept.exceptions.keys().eq(&slots[..3]), "{:?}", kept.exceptions);
    assert_eq!(kept.occurrences(window(&told)), told.occurrences(window(&told)));

    // If all of them changed, or all but one, that is one change, and at most one more.
    for apart in [5, 4] {
        let mut told = before.clone();
        told.master = moved(before.master.clone());
        for slot in &slots[apart..] {
            told.set_occurrence(*slot, &before.occurrence(*slot).unwrap());
        }
        assert_eq!(told.keeping_master_of(&before), told);
    }

    // Each has a place of its own, and another one is given to the one that had the master's.
    let mut before = tuesdays(End::Count(nonzero(3)));
    for (slot, place) in slots[1..3].iter().zip(["Room 2", "Room 3"]) {
        let there = Event {
            location: place.to_owned(),
            ..before.occurrence(*slot).unwrap()
        };
        before.set_occurrence(*slot, &there);
    }
    let mut told = before.clone();
    told.master.location = "Room 4".to_owned();
    let kept = told.keeping_master_of(&before);
    assert_eq!(kept.master, before.master);
    assert_eq!(kept.occurrences(window(&told)), told.occurrences(window(&told)));

    // Only the one that had its own place is left.
    let mut left = tuesdays(End::Count(nonzero(1)));
    left.set_occurrence(slots[0], &moved(left.occurrence(slots[0]).unwrap()));
    let mut told = left.clone();
    told.master.title = "Later".to_owned();
    told.set_occurrence(slots[0], &left.occurrence(slots[0]).unwrap());
    assert_eq!(told.keeping_master_of(&left), left);

    // One of two is changed, and the other had its own title before.
    let before = tuesdays(End::Count(nonzero(2)));
    let mut told = before.clone();
    told.master.title = "Mine".to_owned();
    told.set_occurrence(slots[1], &moved(before.occurrence(slots[1]).unwrap()));
    let mut was = before.clone();
    was.set_occurrence(slots[1], &told.occurrence(slots[1]).unwrap());
    let kept = told.keeping_master_of(&was);
    assert_eq!(kept.master, before.master);
    assert_eq!(kept.occurrences(window(&told)), told.occurrences(window(&told)));

    // Of a single occurrence: another hour is its own, as Outlook drops exceptions for one of all; the
    // rest is said of all.
    let before = tuesdays(End::Count(nonzero(1)));
    let mut told = before.clone();
    told.master = moved(before.master.clone());
    let kept = told.keeping_master_of(&before);
    assert_eq!(kept.master.time, before.master.time);
    assert_eq!(kept.master.title, "Later");
}

/// Each occurrence was changed by itself, so Odoo's master is one of them. Outlook's is none.
#[test]
fn what_no_occurrence_is_stays_what_further_ones_will_be() {
    let mut outlook = tuesdays(End::Count(nonzero(2)));
    let slots: Vec<_> = outlook.slots().collect();
    for (slot, title) in slots.iter().zip(["One", "Two"]) {
        let own = Event {
            title: title.to_owned(),
            ..outlook.occurrence(*slot).unwrap()
        };
        outlook.set_occurrence(*slot, &own);
    }
    let mut odoo = tuesdays(End::Count(nonzero(2)));
    odoo.master.title = "One".to_owned();
    odoo.set_occurrence(slots[1], &outlook.occurrence(slots[1]).unwrap());
    assert_eq!(odoo.with_outlooks_master(&outlook), outlook);
    // One of them differs, so Outlook's master says nothing about Odoo.
    odoo.master.title = "Another".to_owned();
    assert_eq!(odoo.with_outlooks_master(&outlook), odoo);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn the_normal_form_is_one_and_shows_the_same(series in plain(), edits in prop::collection::vec(slot_edit(), 0..5)) {
        let mut raw = series.clone();
        for edit in &edits {
            match edit {
                Edit::Cancel(n) => raw.excluded_dates.extend(series.slots().nth(*n)),
                Edit::Slot(n, _, values, _) => {
                    let own = Override { title: Some(values.title.clone()), ..Override::default() };
                    raw.exceptions.extend(series.slots().nth(*n).map(|slot| (slot, own)));
                }
                _ => {}
            }
        }
        // A date that is not a slot is neither overridden nor excluded.
        raw.excluded_dates.insert(series.start() - TimeDelta::days(1));
        match raw.clone().normalized() {
            None => prop_assert!(raw.occurrences(window(&raw)).is_empty()),
            Some(normal) => {
                prop_assert_eq!(raw.occurrences(window(&raw)), normal.occurrences(window(&raw)));
                prop_assert_eq!(normal.clone().normalized(), Some(normal.clone()));
                let last = normal.rule().last(normal.start());
                prop_assert!(last.is_none_or(|last| !normal.excluded_dates.contains(&last)));
            }
        }
    }

    #[test]
    fn split_has_every_occurrence_once(series in series(), after in 0i64..200) {
        let at = series.start() + TimeDelta::days(after);
        let (head, tail) = series.split(at);
        let mut both: Vec<_> = [&head, &tail].into_iter().flatten().flat_map(|s| s.occurrences(window(&series))).collect();
        both.sort_by_key(|o| (o.event.time.starts_at(), o.slot));
        prop_assert_eq!(both, series.occurrences(window(&series)));
    }

    #[test]
    fn the_hour_holds_in_every_slot(series in plain()) {
        let tz = series.tz();
        let Time::Timed { start, .. } = &series.master.time else { return Ok(()) };
        let hour = local(*start, tz).time();
        for slot in series.slots().take(100) {
            let Time::Timed { start, .. } = series.slot_time(slot) else { unreachable!() };
            let there = local(start, tz);
            prop_assert_eq!(there.date(), slot);
            // A skipped hour moves on by the gap.
            prop_assert!((there.time() - hour).num_minutes() <= 60 && there.time() >= hour);
        }
    }

    #[test]
    fn it_can_be_stored(series in series()) {
        let text = serde_json::to_string(&series).unwrap();
        prop_assert_eq!(serde_json::from_str::<Document>(&text).unwrap(), series);
    }
}

#[test]
fn the_local_hour_holds_over_the_end_of_summer_time() {
    let series = tuesdays(End::Count(nonzero(4)));
    let hours: Vec<_> = series
        .occurrences(window(&series))
        .iter()
        .map(|o| o.event.time.starts_at().hour())
        .collect();
    assert_eq!(hours, [8, 8, 8, 9]);
}

#[test]
fn a_missing_tail_is_an_earlier_end() {
    let mut series = tuesdays(End::Count(nonzero(5)));
    series.excluded_dates = ["2026-10-13", "2026-10-27", "2026-11-03"].map(date).into();
    let normal = series.normalized().unwrap();
    assert_eq!(normal.rule().end, End::Count(nonzero(3)));
    assert_eq!(normal.excluded_dates, [date("2026-10-13")].into());
    let mut gone = tuesdays(End::Until(date("2026-10-13")));
    gone.excluded_dates = ["2026-10-06", "2026-10-13"].map(date).into();
    assert_eq!(gone.normalized(), None);
}

#[test]
fn a_moved_occurrence_is_seen_where_it_is() {
    let mut series = tuesdays(End::Forever);
    let moved = series.slot_time(date("2026-10-15"));
    series.exceptions.insert(
        date("2026-10-13"),
        Override {
            time: Some(moved),
            ..Override::default()
        },
    );
    let seen = series.occurrences(date("2026-10-14")..date("2026-10-21"));
    let slots: Vec<_> = seen.iter().map(|o| o.slot.to_string()).collect();
    assert_eq!(slots, ["2026-10-13", "2026-10-20"]);
}

#[test]
fn no_occurrence_crosses_its_neighbors_day() {
    let mut series = tuesdays(End::Forever);
    let slot = date("2026-10-13");
    for (to, allowed) in [
        ("2026-10-07", true),
        ("2026-10-06", false),
        ("2026-10-19", true),
        ("2026-10-20", false),
    ] {
        assert_eq!(series.crossing(slot, date(to)).is_ok(), allowed, "{to}");
    }
    let problem = series.crossing(slot, date("2026-10-21")).unwrap_err();
    assert_eq!(problem.neighbor, date("2026-10-20"));
    series.excluded_dates.insert(date("2026-10-20"));
    assert!(series.crossing(slot, date("2026-10-21")).is_ok());
    let time = Some(series.slot_time(date("2026-10-09")));
    series.exceptions.insert(
        date("2026-10-06"),
        Override {
            time,
            ..Override::default()
        },
    );
    assert!(series.crossing(slot, date("2026-10-09")).is_err());
}

#[test]
fn brussels_and_paris_are_one_schedule_and_new_york_is_not() {
    let series = tuesdays(End::Forever);
    let mut other = series.clone();
    let zone_to = |series: &mut Document, name: &str| {
        if let Time::Timed { zone, .. } = &mut series.master.time {
            *zone = name.to_owned();
        }
    };
    zone_to(&mut other, "Europe/Paris");
    assert!(series.same_schedule(&other));
    zone_to(&mut other, "America/New_York");
    assert!(!series.same_schedule(&other));
}

#[test]
fn an_hour_that_occurs_twice_is_no_difference() {
    let mut series = tuesdays(End::Forever);
    let night = "2026-10-25T02:30:00".parse().unwrap();
    let first = timezone::to_utc(night, Tz::Europe__Brussels);
    let time = |start| Time::Timed {
        start,
        end: start + TimeDelta::hours(1),
        zone: "Europe/Brussels".into(),
    };
    series.master.time = time(first);
    let later = Event {
        time: time(first + TimeDelta::hours(1)),
        ..series.master.clone()
    };
    assert!(Override::between(&series.master, &later).is_empty());
    let other = Event {
        time: time(first + TimeDelta::hours(2)),
        ..series.master.clone()
    };
    assert!(!Override::between(&series.master, &other).is_empty());
}

#[test]
fn slots_find_their_new_place() {
    let old = tuesdays(End::Forever);
    let mut new = old.clone();
    new.set_rule(Rule {
        pattern: Pattern::Weekly {
            days: Days::one(chrono::Weekday::Wed),
            week_start: chrono::Weekday::Mon,
        },
        ..*new.rule()
    });
    new.master.time = old.slot_time(date("2026-10-07"));
    let there = correspondence(&old, &new, date("2026-10-31"));
    assert_eq!(there.get(&date("2026-10-20")), Some(&date("2026-10-21")));
    new.set_rule(Rule {
        interval: nonzero(2),
        ..*new.rule()
    });
    assert!(correspondence(&old, &new, date("2026-10-31")).is_empty());
    let mut shorter = old.clone();
    shorter.set_end(End::Count(nonzero(2)));
    let there = correspondence(&old, &shorter, date("2026-10-31"));
    assert_eq!(
        there.keys().collect::<Vec<_>>(),
        there.values().collect::<Vec<_>>()
    );
    assert_eq!(there.len(), 2);
}

proptest! {
    #[test]
    fn each_kind_is_read_as_what_it_is(event in event(), series in series()) {
        for document in [
            Document::single(event.clone()),
            Document::unsayable(Words::new("why"), event),
            series,
        ] {
            let stored = serde_json::to_value(&document).unwrap();
            prop_assert_eq!(&serde_json::from_value::<Document>(stored).unwrap(), &document);
        }
    }
}
