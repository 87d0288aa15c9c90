//! An event and the series of one occurrence that says the same are one meeting: they are merged, planned and counted alike.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use proptest::prelude::*;

use super::event::Event;
use super::plan::{Mail, OdooState, OdooStep, OutlookState, OutlookStep, Plan, Rights, Situation, plan};
use super::recurrence::{End, Pattern, Rule};
use super::series::merge::{SeriesBase, SeriesTimes, merge as merge_series};
use super::series::plan::{
    OdooSeriesStep, OutlookWrite, SeriesPlan, SeriesSituation, SeriesState, mails, plan as plan_series,
};
use super::series::{Recurrence, Series};
use crate::calendar::field::{Group, Side, unchanged};
use crate::calendar::merge::tests::{event, times};
use crate::calendar::merge::{Base, EditTimes, Policy, merge};

fn policy() -> impl Strategy<Value = Policy> {
    prop_oneof![Just(Policy::Latest), Just(Policy::Odoo), Just(Policy::Outlook)]
}

/// The series of one occurrence that an event is.
fn alone(event: Event) -> Series {
    Series {
        recurrence: Recurrence::Rule(Rule {
            pattern: Pattern::Daily,
            interval: NonZeroU32::MIN,
            end: End::Count(NonZeroU32::MIN),
        }),
        template: event,
        exceptions: BTreeMap::new(),
        cancelled: BTreeSet::new(),
    }
}

/// What is known of a side: nothing, that it has ended, or what it has.
fn state() -> impl Strategy<Value = Option<Option<Event>>> {
    prop_oneof![
        1 => Just(None),
        1 => Just(Some(None)),
        8 => event().prop_map(|event| Some(Some(event))),
    ]
}

fn whole(times: EditTimes) -> SeriesTimes {
    SeriesTimes {
        whole: times,
        ..SeriesTimes::default()
    }
}

fn series_base(base: Option<&Base>) -> Option<SeriesBase> {
    base.map(|base| SeriesBase {
        odoo: alone(base.odoo.clone()),
        outlook: alone(base.outlook.clone()),
    })
}

fn known(state: &Option<Option<Series>>) -> SeriesState<'_> {
    match state {
        None => SeriesState::Missing,
        Some(None) => SeriesState::Gone,
        Some(Some(series)) => SeriesState::Present(series),
    }
}

fn differing(a: &Event, b: &Event) -> Vec<Group> {
    let all = Group::SINGLE.into_iter().chain([Group::Attendees]);
    all.filter(|group| !unchanged(*group, a, b)).collect()
}

/// The groups of a master that are written, its schedule among them.
fn written(groups: &BTreeSet<Group>, schedule: bool) -> BTreeSet<Group> {
    let time = schedule.then_some(Group::Time);
    groups.iter().copied().chain(time).collect()
}

/// What Odoo is to do, and with which groups.
fn to_odoo(plan: &Plan) -> (&'static str, BTreeSet<Group>, Option<&Event>) {
    match &plan.odoo {
        OdooStep::Nothing => ("nothing", BTreeSet::new(), None),
        OdooStep::Create(event) => ("create", BTreeSet::new(), Some(event)),
        OdooStep::Write { groups, target } => ("write", groups.clone(), Some(target)),
        OdooStep::Archive => ("archive", BTreeSet::new(), None),
    }
}

fn series_to_odoo(plan: &SeriesPlan) -> (&'static str, BTreeSet<Group>, Option<&Event>) {
    match &plan.odoo {
        OdooSeriesStep::Nothing => ("nothing", BTreeSet::new(), None),
        OdooSeriesStep::Create(series) => ("create", BTreeSet::new(), Some(&series.template)),
        OdooSeriesStep::Apply { changes, target } => (
            "write",
            written(&changes.groups, changes.rule || changes.hours),
            Some(&target.template),
        ),
        OdooSeriesStep::Archive => ("archive", BTreeSet::new(), None),
    }
}

fn to_outlook(plan: &Plan) -> (&'static str, BTreeSet<Group>, Option<&Event>) {
    match &plan.outlook {
        OutlookStep::Nothing => ("nothing", BTreeSet::new(), None),
        OutlookStep::Create(event) => ("create", BTreeSet::new(), Some(event)),
        OutlookStep::Update { groups, target } => ("update", groups.clone(), Some(target)),
        OutlookStep::Delete => ("delete", BTreeSet::new(), None),
    }
}

fn series_to_outlook(plan: &SeriesPlan) -> (&'static str, BTreeSet<Group>, Option<&Event>) {
    match &plan.outlook.writes[..] {
        [] => ("nothing", BTreeSet::new(), None),
        [OutlookWrite::Create(series)] => ("create", BTreeSet::new(), Some(&series.template)),
        [
            OutlookWrite::Master {
                groups,
                recurrence,
                target,
            },
        ] => ("update", written(groups, *recurrence), Some(&target.template)),
        [OutlookWrite::Delete] => ("delete", BTreeSet::new(), None),
        more => panic!("one occurrence takes one write: {more:?}"),
    }
}

fn sorted(mut mails: Vec<Mail>) -> Vec<Mail> {
    mails.sort();
    mails
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn they_are_merged_alike(
        before in proptest::option::of(event()), o in event(), l in event(), t in times(), p in policy(),
    ) {
        let base = before.map(|b| Base { odoo: b.clone(), outlook: b });
        let single = merge(base.as_ref(), &o, &l, &t, p);
        let series = merge_series(series_base(base.as_ref()).as_ref(), &alone(o), &alone(l), &whole(t), p);
        prop_assert_eq!(differing(&single.odoo, &series.odoo.template), vec![]);
        prop_assert_eq!(differing(&single.outlook, &series.outlook.template), vec![]);
        let kept: BTreeSet<(Group, bool)> =
            single.conflicts.iter().map(|c| (c.group, c.kept == Side::Odoo)).collect();
        let of_series: BTreeSet<(Group, bool)> =
            series.conflicts.iter().map(|c| (c.conflict.group, c.conflict.kept == Side::Odoo)).collect();
        prop_assert_eq!(kept, of_series);
    }

    #[test]
    fn they_are_planned_and_mailed_alike(
        before in proptest::option::of(event()), o in state(), l in state(), t in times(), p in policy(),
        is_guests in any::<bool>(), may_create in any::<bool>(),
    ) {
        let base = before.map(|b| Base { odoo: b.clone(), outlook: b });
        let rights = if is_guests { Rights::ReadOnly } else { Rights::Write };
        let outlook = match &l {
            None => OutlookState::Missing,
            Some(None) => OutlookState::Gone,
            Some(Some(event)) => OutlookState::Present(event),
        };
        let single = plan(&Situation {
            base: base.as_ref(),
            odoo: match &o {
                None => OdooState::Missing,
                Some(None) => OdooState::Gone,
                Some(Some(event)) => OdooState::Active(event),
            },
            outlook,
            rights,
            create_in_outlook: may_create,
            create_in_odoo: may_create,
            times: &t,
            policy: p,
        });
        let as_series = |state: &Option<Option<Event>>| state.clone().map(|event| event.map(alone));
        let (so, sl) = (as_series(&o), as_series(&l));
        let series = plan_series(&SeriesSituation {
            base: series_base(base.as_ref()).as_ref(),
            odoo: known(&so),
            outlook: known(&sl),
            rights,
            create_in_outlook: may_create,
            create_in_odoo: may_create,
            times: &whole(t.clone()),
            policy: p,
        });
        for (single, series) in [
            (to_odoo(&single), series_to_odoo(&series)),
            (to_outlook(&single), series_to_outlook(&series)),
        ] {
            prop_assert_eq!((single.0, single.1), (series.0, series.1));
            if let (Some(single), Some(series)) = (single.2, series.2) {
                prop_assert_eq!(differing(single, series), vec![]);
            }
        }
        prop_assert_eq!(single.ended, series.ended);
        prop_assert_eq!(single.differing.is_empty(), !series.differing);
        if single.differing.is_empty() {
            prop_assert_eq!(single.agreed, series.agreed);
        }
        let of_series = mails(&series.outlook.writes, sl.flatten().as_ref());
        let of_series = of_series.into_iter().flatten().collect();
        prop_assert_eq!(sorted(single.mails(outlook)), sorted(of_series));
    }
}
