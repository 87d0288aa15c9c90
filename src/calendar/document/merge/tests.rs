use proptest::prelude::*;

use super::super::super::merge::tests::{at, times};
use super::super::tests::{Edit, edit, edited, series, tuesdays};
use super::*;
use crate::calendar::event::{Address, Answer, Attendee, AttendeeKind};
use crate::calendar::recurrence::tests::{date, nonzero};
use crate::calendar::recurrence::{End, Rule};

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    prop::collection::vec(edit(), 0..4)
}

fn based(series: &Document) -> Base {
    Base {
        odoo: series.clone(),
        outlook: series.clone(),
    }
}

/// Returns the occurrences by slot, without responses: Odoo's responses never go to Outlook.
fn says(series: &Document) -> BTreeMap<NaiveDate, Event> {
    series
        .slots()
        .take(30)
        .filter_map(|slot| Some((slot, series.occurrence(slot)?)))
        .map(|(slot, mut event)| {
            for (address, attendee) in &mut event.attendees {
                attendee.answer = Answer::NeedsAction;
                attendee.name = address.as_str().to_owned();
            }
            (slot, event)
        })
        .collect()
}

/// Returns whether Odoo may show only the later part of a series. Only the base can then tell what
/// Odoo has from what it shows.
fn looks_rolled(odoo: &Document, outlook: &Document) -> bool {
    odoo.start() != outlook.start() && is_later_part(odoo, outlook)
}

/// An edit in Odoo and one in Outlook that do not conflict.
fn apart() -> impl Strategy<Value = (Edit, Edit)> {
    let news = |(o, l): &(Edit, Edit)| match (o, l) {
        (Edit::Master(all, _), Edit::Slot(_, own, ..)) => own.iter().all(|group| !all.contains(group)),
        // Returning to the master's guests has one result before those change, and another
        // afterwards.
        (Edit::Master(all, _), Edit::Reset(_)) => !all.contains(&Group::Attendees),
        (Edit::Master(..), Edit::Cancel(_) | Edit::Hour(_) | Edit::End(_)) => true,
        (
            Edit::Slot(n, ..) | Edit::Cancel(n) | Edit::Reset(n),
            Edit::Slot(m, ..) | Edit::Cancel(m) | Edit::Reset(m),
        ) => n != m,
        _ => false,
    };
    (edit(), edit()).prop_filter("edits of different things", news)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_written_merge_leaves_nothing_to_write(b in series(), o in edits(), l in edits(), with_base in any::<bool>(), t in times()) {
        let (Some(odoo), Some(outlook)) = (edited(&b, &o), edited(&b, &l)) else { return Ok(()) };
        if !with_base && looks_rolled(&odoo, &outlook) {
            return Ok(());
        }
        let base = based(&b);
        let first = merge(with_base.then_some(&base), &odoo, &outlook, &t, Policy::Latest);
        if first.over {
            return Ok(());
        }
        prop_assert_eq!(says(&first.odoo), says(&first.outlook));
        let next = Base { odoo: first.odoo.clone(), outlook: first.outlook.clone() };
        let again = merge(Some(&next), &first.odoo, &first.outlook, &t, Policy::Latest);
        prop_assert_eq!(&again.odoo, &first.odoo);
        prop_assert_eq!(&again.outlook, &first.outlook);
        prop_assert!(again.conflicts.is_empty() && again.overruled.is_empty());
    }

    #[test]
    fn what_one_side_alone_changed_is_taken(b in series(), edits in edits(), t in times()) {
        let Some(changed) = edited(&b, &edits) else { return Ok(()) };
        let (base, t) = (based(&b), t);
        let from_odoo = merge(Some(&base), &changed, &b, &t, Policy::Latest);
        prop_assert_eq!(says(&from_odoo.outlook), says(&changed));
        prop_assert_eq!(&from_odoo.odoo, &changed);
        prop_assert!(from_odoo.conflicts.is_empty() && from_odoo.overruled.is_empty());
        let from_outlook = merge(Some(&base), &b, &changed, &t, Policy::Latest);
        prop_assert_eq!(says(&from_outlook.odoo), says(&changed));
        prop_assert_eq!(&from_outlook.outlook, &changed);
        prop_assert!(from_outlook.conflicts.is_empty() && from_outlook.overruled.is_empty());
    }

    #[test]
    fn swapping_the_sides_swaps_the_result(b in series(), x in edits(), y in edits(), t in times()) {
        let (Some(x), Some(y)) = (edited(&b, &x), edited(&b, &y)) else { return Ok(()) };
        if looks_rolled(&x, &y) || looks_rolled(&y, &x) {
            return Ok(());
        }
        let (base, t) = (based(&b), t);
        let straight = merge(Some(&base), &x, &y, &t, Policy::Odoo);
        let swapped = merge(Some(&base), &y, &x, &t, Policy::Outlook);
        prop_assert_eq!(says(&straight.outlook), says(&swapped.odoo));
        prop_assert_eq!(says(&straight.odoo), says(&swapped.outlook));
        prop_assert_eq!(straight.overruled, swapped.overruled);
    }

    #[test]
    fn the_order_of_one_sided_news_does_not_matter(b in series(), (o, l) in apart(), t in times()) {
        let (Some(odoo), Some(outlook)) = (edited(&b, std::slice::from_ref(&o)), edited(&b, std::slice::from_ref(&l))) else { return Ok(()) };
        // Two excluded tails are two ends of the rule, which conflict.
        if !b.same_schedule(&odoo) && !b.same_schedule(&outlook) {
            return Ok(());
        }
        let (base, t) = (based(&b), t);
        let together = merge(Some(&base), &odoo, &outlook, &t, Policy::Latest);
        prop_assert!(together.conflicts.is_empty() && together.overruled.is_empty());
        let first = merge(Some(&base), &odoo, &b, &t, Policy::Latest);
        let mid = Base { odoo: first.odoo.clone(), outlook: first.outlook.clone() };
        let Some(later) = edited(&first.outlook, std::slice::from_ref(&l)) else { return Ok(()) };
        let second = merge(Some(&mid), &first.odoo, &later, &t, Policy::Latest);
        prop_assert_eq!(says(&together.odoo), says(&second.odoo));
        prop_assert_eq!(says(&together.outlook), says(&second.outlook));
    }
}

fn merged(base: &Document, odoo: &Document, outlook: &Document) -> DocumentMerge {
    merge(
        Some(&based(base)),
        odoo,
        outlook,
        &EditTimes::default(),
        Policy::Latest,
    )
}

fn titled(title: &str) -> Override {
    Override {
        title: Some(title.to_owned()),
        ..Override::default()
    }
}

#[test]
fn a_title_for_all_and_a_title_for_one_do_not_collide() {
    let base = tuesdays(End::Forever);
    let mut odoo = base.clone();
    odoo.master.title = "All".into();
    let mut outlook = base.clone();
    outlook.exceptions.insert(date("2026-10-13"), titled("One"));
    let merged = merged(&base, &odoo, &outlook);
    assert!(merged.conflicts.is_empty());
    for series in [&merged.odoo, &merged.outlook] {
        assert_eq!(series.master.title, "All");
        assert_eq!(series.occurrence(date("2026-10-13")).unwrap().title, "One");
    }
}

#[test]
fn a_slot_taken_out_overrules_its_edit() {
    let base = tuesdays(End::Forever);
    let mut odoo = base.clone();
    odoo.excluded_dates.insert(date("2026-10-13"));
    let mut outlook = base.clone();
    outlook.exceptions.insert(date("2026-10-13"), titled("One"));
    let merged = merged(&base, &odoo, &outlook);
    assert_eq!(merged.overruled, [date("2026-10-13")].into());
    assert!(merged.outlook.excluded_dates.contains(&date("2026-10-13")));
}

#[test]
fn without_a_base_outlook_says_which_slots_there_are() {
    let series = tuesdays(End::Forever);
    let mut odoo = series.clone();
    odoo.excluded_dates.insert(date("2026-10-13"));
    let mut outlook = series.clone();
    outlook.excluded_dates.insert(date("2026-10-20"));
    let merged = merge(None, &odoo, &outlook, &EditTimes::default(), Policy::Latest);
    assert_eq!(merged.odoo.excluded_dates, [date("2026-10-20")].into());
    assert_eq!(merged.outlook.excluded_dates, merged.odoo.excluded_dates);
}

#[test]
fn without_a_base_an_empty_value_loses_to_a_full_one_whoever_wins_otherwise() {
    let bare = tuesdays(End::Forever);
    let mut full = bare.clone();
    full.master.location = "Room 1".to_owned();
    full.master.body = "<p>Agenda</p>".to_owned();
    let own = Override {
        location: Some("Room 2".to_owned()),
        ..Override::default()
    };
    full.exceptions.insert(date("2026-10-13"), own);
    for policy in [Policy::Latest, Policy::Odoo, Policy::Outlook] {
        for (odoo, outlook) in [(&full, &bare), (&bare, &full)] {
            let merged = merge(None, odoo, outlook, &EditTimes::default(), policy);
            for series in [&merged.odoo, &merged.outlook] {
                assert_eq!(series.master.location, "Room 1", "{policy:?}");
                assert_eq!(series.master.body, full.master.body, "{policy:?}");
                let moved = series.occurrence(date("2026-10-13")).unwrap();
                assert_eq!(moved.location, "Room 2", "{policy:?}");
            }
        }
    }
}

#[test]
fn guests_of_one_occurrence_merge_one_by_one() {
    let guest = |name: &str| {
        let address = Address::parse(&format!("{name}@example.org")).unwrap();
        let attendee = Attendee {
            name: name.to_owned(),
            answer: Answer::NeedsAction,
            kind: AttendeeKind::Required,
            also: Vec::new(),
            unlisted: false,
            by_alias: false,
            shown_as: None,
        };
        (address, attendee)
    };
    let mut base = tuesdays(End::Forever);
    base.master.attendees = [guest("ann")].into();
    let mut odoo = base.clone();
    odoo.master.attendees = [guest("ann"), guest("bob")].into();
    let mut outlook = base.clone();
    let own = Override {
        attendees: Some(BTreeMap::new()),
        ..Override::default()
    };
    outlook.exceptions.insert(date("2026-10-13"), own);
    let merged = merged(&base, &odoo, &outlook);
    for series in [&merged.odoo, &merged.outlook] {
        let there = series.occurrence(date("2026-10-13")).unwrap().attendees;
        let names: Vec<_> = there.keys().map(Address::as_str).collect();
        assert_eq!(names, ["bob@example.org"]);
        assert_eq!(series.master.attendees.len(), 2);
    }
}

#[test]
fn exceptions_follow_a_moved_series() {
    let mut base = tuesdays(End::Forever);
    base.exceptions.insert(date("2026-10-13"), titled("One"));
    let mut odoo = base.clone();
    odoo.exceptions.insert(date("2026-10-20"), titled("Two"));
    let mut outlook = base.clone();
    // In Outlook every Tuesday became every Wednesday, and Exchange dropped the exceptions.
    outlook.master.time = base.slot_time(date("2026-10-07"));
    outlook.set_rule(Rule {
        pattern: crate::calendar::recurrence::Pattern::Weekly {
            days: crate::calendar::recurrence::Days::one(chrono::Weekday::Wed),
            week_start: chrono::Weekday::Mon,
        },
        ..*outlook.rule()
    });
    outlook.exceptions.clear();
    let merged = merged(&base, &odoo, &outlook);
    assert_eq!(
        merged.odoo.exceptions.keys().collect::<Vec<_>>(),
        [&date("2026-10-21")]
    );
    assert_eq!(merged.outlook.exceptions, merged.odoo.exceptions);
}

#[test]
fn what_outlook_keeps_at_its_old_hour_is_owed_to_it_once() {
    let slot = date("2026-10-13");
    let mut before = tuesdays(End::Forever);
    before.exceptions.insert(slot, titled("One"));
    let odoo = edited(&before, &[Edit::Hour(900)]).unwrap();
    let mut outlook = odoo.clone();
    let kept = before.occurrence(slot).unwrap().time;
    outlook.exceptions.get_mut(&slot).unwrap().time = Some(kept);
    let moved = Written::Whole {
        groups: [Group::Time].into(),
        schedule: true,
    };
    let told = Told::default();
    let again = |base: &Base, outlook: &Document| {
        merge(Some(base), &odoo, outlook, &EditTimes::default(), Policy::Latest)
    };
    let base = advance(
        Some(based(&before)),
        &moved,
        &told,
        (&odoo, &outlook),
        Side::Outlook,
    );
    let owed = again(&base, &outlook);
    assert_eq!((&owed.odoo, &owed.outlook), (&odoo, &odoo));

    // An occurrence that was moved in Odoo meanwhile keeps its place.
    let mut one_moved = odoo.clone();
    let morning = edited(&before, &[Edit::Hour(480)]).unwrap().slot_time(slot);
    one_moved.exceptions.get_mut(&slot).unwrap().time = Some(morning);
    let both = (&one_moved, &outlook);
    let after = advance(Some(based(&before)), &moved, &told, both, Side::Outlook);
    let owed_one = merge(
        Some(&after),
        &one_moved,
        &outlook,
        &EditTimes::default(),
        Policy::Outlook,
    );
    assert_eq!(owed_one.conflicts, []);
    assert_eq!((&owed_one.odoo, &owed_one.outlook), (&one_moved, &one_moved));

    // The value does not stick: the two sides remain different.
    let written = Written::Slot {
        slot,
        groups: [Group::Time].into(),
    };
    let apart = advance(Some(base), &written, &told, (&odoo, &outlook), Side::Outlook);
    let idle = again(&apart, &outlook);
    assert_eq!((&idle.odoo, &idle.outlook), (&odoo, &outlook));

    // If somebody moved it in Outlook in the meantime, it stays there.
    let mut elsewhere = outlook.clone();
    let evening = edited(&before, &[Edit::Hour(1140)]).unwrap();
    elsewhere.exceptions.get_mut(&slot).unwrap().time = Some(evening.slot_time(slot));
    let base = advance(
        Some(based(&before)),
        &moved,
        &told,
        (&odoo, &elsewhere),
        Side::Outlook,
    );
    let wish = again(&base, &elsewhere);
    assert_eq!((&wish.odoo, &wish.outlook), (&elsewhere, &elsewhere));
}

#[test]
fn the_later_part_of_a_long_series_stays_a_part() {
    let outlook = tuesdays(End::Forever);
    let odoo = outlook.rolled(date("2027-03-02")).unwrap();
    let base = Base {
        odoo: odoo.clone(),
        outlook: outlook.clone(),
    };
    let merge = |odoo: &Document, outlook: &Document| {
        merge(Some(&base), odoo, outlook, &EditTimes::default(), Policy::Latest)
    };
    let idle = merge(&odoo, &outlook);
    assert_eq!((&idle.odoo, &idle.outlook), (&odoo, &outlook));

    let later = edited(&odoo, &[Edit::Hour(900)]).unwrap();
    let moved = merge(&later, &outlook);
    assert_eq!(moved.continues_from, None);
    assert_eq!(moved.outlook.start(), outlook.start(), "Outlook keeps its past");
    assert!(is_later_part(&later, &moved.outlook));

    let mut daily = odoo.clone();
    daily.set_rule(Rule {
        pattern: crate::calendar::recurrence::Pattern::Daily,
        ..*daily.rule()
    });
    daily.set_rule(Rule {
        interval: nonzero(2),
        ..*daily.rule()
    });
    let repatterned = merge(&daily, &outlook);
    assert_eq!(repatterned.continues_from, Some(date("2027-03-02")));
    assert!(repatterned.outlook.same_schedule(&daily));
}

#[test]
fn the_later_schedule_wins_and_both_are_told() {
    let base = tuesdays(End::Forever);
    let odoo = edited(&base, &[Edit::Hour(900)]).unwrap();
    let outlook = edited(&base, &[Edit::End(7)]).unwrap();
    let times = EditTimes {
        odoo: [(Group::Time, at(5))].into(),
        outlook: Some(at(4)),
    };
    let merged = merge(Some(&based(&base)), &odoo, &outlook, &times, Policy::Latest);
    assert!(merged.outlook.same_schedule(&odoo));
    let conflict = &merged.conflicts[0];
    assert_eq!((conflict.slot, conflict.conflict.kept), (None, Side::Odoo));
    assert!(
        conflict.conflict.outlook.in_english("").contains("7 times"),
        "{conflict:?}"
    );
    assert!(conflict.conflict.same_kind);
    // What became a single event on one side is of another kind, and no form makes the one of the other.
    let single = Document::single(base.master.clone());
    let merged = merge(Some(&based(&base)), &odoo, &single, &times, Policy::Latest);
    let kinds: Vec<bool> = merged
        .conflicts
        .iter()
        .map(|one| one.conflict.same_kind)
        .collect();
    assert_eq!(kinds, [false]);
}

fn call(server: &str, token: &str) -> String {
    format!("https://{server}/calendar/join_videocall/{token}")
}

#[test]
fn another_link_into_the_same_room_is_no_news_of_a_series_and_another_server_is() {
    let mut series = tuesdays(End::Forever);
    series.master.video = call("odoo.example", "a");
    let base = based(&series);
    let mut odoo = series.clone();
    // The first occurrence is gone, and the next one provides the master's link.
    odoo.master.video = call("odoo.example", "b");
    let merged = merge(Some(&base), &odoo, &series, &EditTimes::default(), Policy::Latest);
    assert_eq!((&merged.odoo, &merged.outlook), (&odoo, &series));
    odoo.master.video = call("moved.example", "a");
    let merged = merge(Some(&base), &odoo, &series, &EditTimes::default(), Policy::Latest);
    assert_eq!(merged.outlook.master.video, odoo.master.video);
}

#[test]
fn a_single_occurrence_of_patterns_that_stand_apart_is_not_passed_over() {
    let outlook = tuesdays(End::Forever);
    let mut odoo = outlook.clone();
    odoo.set_rule(Rule {
        interval: nonzero(2),
        ..*odoo.rule()
    });
    let base = Base {
        odoo: odoo.clone(),
        outlook: outlook.clone(),
    };
    let times = EditTimes::default();
    assert_eq!(
        merge(Some(&base), &odoo, &outlook, &times, Policy::Latest).apart,
        BTreeSet::new()
    );
    let (slot, other) = (date("2026-10-20"), date("2026-10-27"));
    let own = Override {
        title: Some("Odoo's own".into()),
        ..Override::default()
    };
    odoo.exceptions.insert(slot, own);
    let mut cancelled = outlook.clone();
    cancelled.excluded_dates.insert(other);
    let merged = merge(Some(&base), &odoo, &cancelled, &times, Policy::Latest);
    assert_eq!(merged.apart, BTreeSet::from([slot, other]));
    // A new title for the master does not edit occurrences that have their own.
    let base = Base {
        odoo: odoo.clone(),
        outlook,
    };
    odoo.master.title = "Another".into();
    let merged = merge(Some(&base), &odoo, &base.outlook, &times, Policy::Latest);
    assert_eq!(merged.apart, BTreeSet::new());
}

#[test]
fn a_side_that_ends_earlier_has_not_brought_back_what_was_taken_out_later() {
    let mut series = tuesdays(End::Forever);
    let (out, changed) = (date("2026-10-20"), date("2026-10-27"));
    series.excluded_dates.insert(out);
    let own = Override {
        title: Some("Its own".into()),
        ..Override::default()
    };
    series.exceptions.insert(changed, own);
    let base = Base {
        odoo: series.clone(),
        outlook: series.clone(),
    };
    let mut ends = series.clone();
    ends.set_end(End::Count(nonzero(1)));
    let ends = ends.normalized().expect("one is left");
    assert!(ends.excluded_dates.is_empty() && ends.exceptions.is_empty());
    let mut moved = series.clone();
    moved.master.time = Time::Timed {
        start: "2026-10-06T09:00:00Z".parse().unwrap(),
        end: "2026-10-06T10:00:00Z".parse().unwrap(),
        zone: "Europe/Brussels".into(),
    };
    for (odoo, outlook, wins) in [(&ends, &moved, Side::Outlook), (&moved, &ends, Side::Odoo)] {
        let policy = match wins {
            Side::Odoo => Policy::Odoo,
            Side::Outlook => Policy::Outlook,
        };
        let merged = merge(Some(&base), odoo, outlook, &EditTimes::default(), policy);
        for side in [&merged.odoo, &merged.outlook] {
            assert!(side.same_schedule(&moved), "{}", side.rule());
            assert_eq!(side.excluded_dates, series.excluded_dates);
            assert_eq!(side.exceptions, series.exceptions);
        }
    }
}

#[test]
fn a_last_occurrence_that_one_side_takes_out_while_the_other_ends_the_series_goes_from_both() {
    let before = tuesdays(End::Forever);
    let mut ends = before.clone();
    ends.set_end(End::Count(nonzero(3)));
    let mut lacks_one = before.clone();
    lacks_one.excluded_dates.insert(date("2026-10-20"));
    let times = EditTimes::default();
    let written = Written::Whole {
        groups: BTreeSet::new(),
        schedule: true,
    };
    for (odoo, outlook) in [(&ends, &lacks_one), (&lacks_one, &ends)] {
        let merged = merge(Some(&based(&before)), odoo, outlook, &times, Policy::Latest);
        assert_eq!(merged.outlook.rule().end, End::Count(nonzero(2)));
        let shown = (odoo, &merged.outlook);
        let before = Some(based(&before));
        let base = advance(before, &written, &Told::default(), shown, Side::Outlook);
        let after = merge(Some(&base), shown.0, shown.1, &times, Policy::Latest);
        assert_eq!((&after.odoo, &after.outlook), (shown.1, shown.1));
    }
}
