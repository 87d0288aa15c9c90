use proptest::prelude::*;

use super::super::super::merge::tests::times;
use super::super::tests::{Edit, edit, edited, series, tuesdays};
use super::*;
use crate::calendar::event::Answer;
use crate::calendar::field::take_groups;
use crate::calendar::recurrence::tests::date;
use crate::calendar::recurrence::{End, Rule};

fn situation<'a>(
    base: Option<&'a Base>,
    odoo: State<'a>,
    outlook: State<'a>,
    times: &'a EditTimes,
) -> Situation<'a> {
    Situation {
        base,
        odoo,
        outlook,
        rights: Rights::Write,
        create_in_outlook: true,
        create_in_odoo: true,
        times,
        policy: Policy::Latest,
    }
}

/// What Exchange does with exceptions when a schedule is written.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Exchange {
    Drops,
    Keeps,
}

/// Outlook once the writes are carried out as [`OutlookWrites`] asks: read again after a new schedule.
fn carried_out(present: Option<&Document>, writes: &[OutlookWrite], exchange: Exchange) -> Document {
    let mut now = present.cloned();
    for (index, write) in writes.iter().enumerate() {
        match write {
            OutlookWrite::Create(series) => now = Some((**series).clone()),
            OutlookWrite::Delete => now = None,
            OutlookWrite::Master {
                groups,
                recurrence,
                target,
            } => {
                assert_eq!(index, 0, "the master is written once, and first");
                let series = now.as_mut().unwrap();
                take_groups(
                    groups.iter().filter(|g| **g != Group::Time),
                    &mut series.master,
                    &target.master,
                );
                if *recurrence {
                    let end_alone = only_the_end(series, target);
                    let mut next = series.rescheduled(target);
                    next.master.clone_from(&series.master);
                    next.master.time.clone_from(&target.master.time);
                    if exchange == Exchange::Drops && !end_alone {
                        next.exceptions.clear();
                        next.excluded_dates.clear();
                    }
                    *series = next.normalized().unwrap();
                    // The document in the write is the one to reach.
                    let rest = updated(series, target);
                    return carried_out(Some(series), &rest.writes, exchange);
                }
            }
            OutlookWrite::Occurrence { slot, groups, target } => {
                let series = now.as_mut().unwrap();
                let mut event = series.occurrence(*slot).expect("only what is there is written");
                take_groups(groups, &mut event, target);
                if groups.contains(&Group::Time) {
                    series.crossing(*slot, series.date_of(&event.time)).unwrap();
                }
                let own = Override::between(&series.regular(*slot), &event);
                series.exceptions.insert(*slot, own);
            }
            OutlookWrite::Cancel { slot } => {
                let series = now.as_mut().unwrap();
                series.excluded_dates.insert(*slot);
                series.exceptions.remove(slot);
            }
        }
    }
    now.and_then(Document::normalized).unwrap()
}

/// Removes the guests' responses, which Outlook never gets.
fn unanswered(mut series: Document) -> Document {
    let quiet = |event: &mut Event| {
        for attendee in event.attendees.values_mut() {
            attendee.answer = Answer::NeedsAction;
            attendee.name.clear();
        }
    };
    quiet(&mut series.master);
    for own in series.exceptions.values_mut() {
        for attendee in own.attendees.iter_mut().flat_map(|all| all.values_mut()) {
            attendee.answer = Answer::NeedsAction;
            attendee.name.clear();
        }
    }
    series.normalized().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn the_writes_make_outlook_the_target(a in series(), edits in prop::collection::vec(edit(), 1..5), keeps in any::<bool>()) {
        let Some(target) = edited(&a, &edits).map(unanswered) else { return Ok(()) };
        let a = unanswered(a);
        let exchange = if keeps { Exchange::Keeps } else { Exchange::Drops };
        let plan = updated(&a, &target);
        let masters = plan.writes.iter().filter(|w| matches!(w, OutlookWrite::Master { .. })).count();
        prop_assert!(masters <= 1);
        let now = carried_out(Some(&a), &plan.writes, exchange);
        let rest = updated(&now, &target);
        prop_assert!(rest.writes.is_empty(), "{rest:?}");
        if rest.unsayable.is_empty() {
            prop_assert!(changes(&now, &target).is_empty(), "{:?}", changes(&now, &target));
        }
        let made = carried_out(None, &created(&target).writes, exchange);
        prop_assert!(updated(&made, &target).writes.is_empty());
    }

    #[test]
    fn a_plan_carried_out_leaves_nothing_to_do(
        b in series(),
        o in prop::collection::vec(edit(), 0..4),
        l in prop::collection::vec(edit(), 0..4),
        t in times(),
        with_base in any::<bool>(),
    ) {
        let (Some(odoo), Some(outlook)) = (edited(&b, &o).map(unanswered), edited(&b, &l).map(unanswered)) else { return Ok(()) };
        let b = unanswered(b);
        let base = Base { odoo: b.clone(), outlook: b };
        let times = t;
        let s = situation(with_base.then_some(&base), State::Present(&odoo), State::Present(&outlook), &times);
        let first = plan(&s);
        if first.ended || !first.outlook.unsayable.is_empty() {
            return Ok(());
        }
        let odoo = match &first.odoo { OdooStep::Apply { target, .. } => target.clone(), _ => odoo.clone() };
        let outlook = carried_out(Some(&outlook), &first.outlook.writes, Exchange::Drops);
        let next = Base { odoo: odoo.clone(), outlook: outlook.clone() };
        let second = plan(&situation(Some(&next), State::Present(&odoo), State::Present(&outlook), &times));
        prop_assert!(second.is_idle() && second.conflicts.is_empty(), "{second:?}");
    }

    #[test]
    fn an_attendees_mailbox_is_never_written(b in series(), o in prop::collection::vec(edit(), 0..4), t in times()) {
        let Some(odoo) = edited(&b, &o) else { return Ok(()) };
        let times = t;
        for state in [State::Present(&odoo), State::Gone] {
            let mut s = situation(None, state, State::Present(&b), &times);
            s.rights = Rights::ReadOnly;
            prop_assert!(plan(&s).outlook.writes.is_empty());
        }
    }
}

fn planned(base: &Document, odoo: &Document, outlook: &Document) -> Plan {
    let base = Base {
        odoo: base.clone(),
        outlook: base.clone(),
    };
    let times = EditTimes::default();
    plan(&situation(
        Some(&base),
        State::Present(odoo),
        State::Present(outlook),
        &times,
    ))
}

#[test]
fn one_write_to_the_master_where_one_is_enough() {
    let base = tuesdays(End::Forever);
    let mut odoo = edited(&base, &[Edit::Hour(900), Edit::End(9)]).unwrap();
    odoo.master.title = "New".into();
    let plan = planned(&base, &odoo, &base);
    let [
        OutlookWrite::Master {
            groups, recurrence, ..
        },
    ] = &plan.outlook.writes[..]
    else {
        panic!("{plan:?}")
    };
    assert_eq!(*groups, [Group::Title, Group::Time].into());
    assert!(*recurrence);
}

#[test]
fn a_truncation_is_its_recurrence_alone() {
    let base = tuesdays(End::Forever);
    let (head, tail) = base.split(date("2026-11-10"));
    let plan = planned(&base, &head.unwrap(), &base);
    let [
        OutlookWrite::Master {
            groups,
            recurrence,
            target,
        },
    ] = &plan.outlook.writes[..]
    else {
        panic!("{plan:?}")
    };
    assert!(groups.is_empty() && *recurrence);
    assert_eq!(target.rule().end, End::Until(date("2026-11-03")));
    let times = EditTimes::default();
    let tail = tail.unwrap();
    let following = situation(None, State::Present(&tail), State::Missing, &times);
    let [OutlookWrite::Create(made)] = &super::plan(&following).outlook.writes[..] else {
        panic!()
    };
    assert_eq!(made.start(), date("2026-11-10"));
}

#[test]
fn one_occurrence_is_one_write() {
    let base = tuesdays(End::Forever);
    let mut odoo = base.clone();
    odoo.excluded_dates.insert(date("2026-10-20"));
    let time = Some(base.slot_time(date("2026-10-15")));
    let own = Override {
        time,
        ..Override::default()
    };
    odoo.exceptions.insert(date("2026-10-13"), own);
    let writes = planned(&base, &odoo, &base).outlook.writes;
    assert_eq!(writes.len(), 2, "{writes:?}");
    assert_eq!(
        writes[0],
        OutlookWrite::Cancel {
            slot: date("2026-10-20")
        }
    );
    assert!(matches!(&writes[1], OutlookWrite::Occurrence { groups, .. } if *groups == [Group::Time].into()));
}

#[test]
fn exceptions_that_survive_a_new_pattern_are_written_again() {
    let mut base = tuesdays(End::Forever);
    let own = Override {
        title: Some("One".into()),
        ..Override::default()
    };
    base.exceptions.insert(date("2026-10-20"), own);
    let mut odoo = base.clone();
    odoo.set_rule(Rule {
        interval: std::num::NonZeroU32::new(2).unwrap(),
        ..*odoo.rule()
    });
    let writes = planned(&base, &odoo, &base).outlook.writes;
    assert!(matches!(writes[0], OutlookWrite::Master { .. }));
    assert!(matches!(&writes[1], OutlookWrite::Occurrence { slot, .. } if *slot == date("2026-10-20")));
}

#[test]
fn what_outlook_does_not_allow_is_set_aside_and_the_rest_written() {
    let mut base = tuesdays(End::Forever);
    base.excluded_dates.insert(date("2026-10-27"));
    let mut odoo = base.clone();
    odoo.excluded_dates.clear();
    let time = Some(base.slot_time(date("2026-10-21")));
    let own = Override {
        title: Some("One".into()),
        time,
        ..Override::default()
    };
    odoo.exceptions.insert(date("2026-10-13"), own);
    let plan = planned(&base, &odoo, &base);
    assert_eq!(plan.outlook.unsayable.len(), 2, "{:?}", plan.outlook.unsayable);
    let [OutlookWrite::Occurrence { groups, .. }] = &plan.outlook.writes[..] else {
        panic!("{plan:?}")
    };
    assert_eq!(*groups, [Group::Title].into());
}

#[test]
fn neighbors_that_move_together_move_in_an_order_that_is_allowed() {
    let base = tuesdays(End::Forever);
    let mut odoo = base.clone();
    for (slot, to) in [("2026-10-13", "2026-10-21"), ("2026-10-20", "2026-10-22")] {
        let time = Some(base.slot_time(date(to)));
        let own = Override {
            time,
            ..Override::default()
        };
        odoo.exceptions.insert(date(slot), own);
    }
    let outlook = planned(&base, &odoo, &base).outlook;
    assert!(outlook.unsayable.is_empty());
    assert!(
        matches!(&outlook.writes[0], OutlookWrite::Occurrence { slot, .. } if *slot == date("2026-10-20"))
    );
}

#[test]
fn a_value_for_all_names_the_slots_that_keep_their_own() {
    let mut odoo = tuesdays(End::Forever);
    let own = Override {
        title: Some("One".into()),
        ..Override::default()
    };
    odoo.exceptions.insert(date("2026-10-13"), own);
    let mut outlook = odoo.clone();
    outlook.master.title = "All".into();
    let OdooStep::Apply { changes, target } = planned(&odoo, &odoo, &outlook).odoo else {
        panic!()
    };
    assert_eq!(changes.groups, [Group::Title].into());
    assert_eq!(
        changes.slots,
        [(date("2026-10-13"), [Group::Title].into())].into()
    );
    assert_eq!(target.occurrence(date("2026-10-13")).unwrap().title, "One");
}

#[test]
fn deletion_travels_both_ways() {
    let series = tuesdays(End::Forever);
    let times = EditTimes::default();
    let base = Base {
        odoo: series.clone(),
        outlook: series.clone(),
    };
    let there = State::Present(&series);
    let gone_there = plan(&situation(Some(&base), there, State::Gone, &times));
    assert_eq!((gone_there.odoo, gone_there.ended), (OdooStep::Archive, true));
    let gone_here = plan(&situation(Some(&base), State::Gone, there, &times));
    assert_eq!(gone_here.outlook.writes, [OutlookWrite::Delete]);
}

#[test]
fn what_only_one_side_has_a_place_for_is_not_agreed_on() {
    let outlook = tuesdays(End::Forever);
    let mut odoo = outlook.clone();
    odoo.set_rule(Rule {
        interval: std::num::NonZeroU32::new(2).unwrap(),
        ..*odoo.rule()
    });
    let base = Base {
        odoo: odoo.clone(),
        outlook: outlook.clone(),
    };
    odoo.excluded_dates.insert(date("2026-10-20"));
    let times = EditTimes::default();
    let (o, l) = (State::Present(&odoo), State::Present(&outlook));
    let plan = plan(&situation(Some(&base), o, l, &times));
    assert!(plan.is_idle() && !plan.agreed);
    assert_eq!(plan.apart.len(), 1);
}

#[test]
fn what_comes_back_is_written_whole_whatever_it_was() {
    let target = tuesdays(End::Count(std::num::NonZeroU32::new(4).unwrap()));
    let slot = target.start() + chrono::TimeDelta::days(7);
    let mut present = target.clone();
    present.excluded_dates.insert(slot);
    let changes = changes(&present, &target);
    assert_eq!(changes.restored, BTreeSet::from([slot]));
    assert_eq!(changes.slots[&slot], super::super::changes::groups().collect());
}
