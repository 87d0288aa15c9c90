//! Tests that an event and the equal series of one occurrence are merged, planned and counted
//! alike.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use proptest::prelude::*;

use super::document::Document;
use super::document::Recurrence;
use super::document::merge::{agreed, merge};
use super::document::plan::{OdooStep, OutlookWrite, Plan, Situation, State, mails, plan};
use super::event::{Address, Event};
use super::plan::{Mail, Rights};
use super::recurrence::{End, Pattern, Rule};
use crate::calendar::field::{Group, Side, unchanged};
use crate::calendar::merge::tests::{event, guest, times};
use crate::calendar::merge::{Base, Policy};

/// Makes a document of an event.
type Shape = fn(Event) -> Document;

fn policy() -> impl Strategy<Value = Policy> {
    prop_oneof![Just(Policy::Latest), Just(Policy::Odoo), Just(Policy::Outlook)]
}

/// Returns the series of one occurrence that is equal to an event.
fn alone(event: Event) -> Document {
    Document {
        recurrence: Recurrence::Rule(Rule {
            pattern: Pattern::Daily,
            interval: NonZeroU32::MIN,
            end: End::Count(NonZeroU32::MIN),
        }),
        master: event,
        exceptions: BTreeMap::new(),
        excluded_dates: BTreeSet::new(),
    }
}

/// The state of a side: never seen, ended, or present.
fn state() -> impl Strategy<Value = Option<Option<Event>>> {
    prop_oneof![
        1 => Just(None),
        1 => Just(Some(None)),
        8 => event().prop_map(|event| Some(Some(event))),
    ]
}

fn based(shape: Shape, base: Option<&Event>) -> Option<Base> {
    base.map(|event| Base {
        odoo: shape(event.clone()),
        outlook: shape(event.clone()),
    })
}

fn known(state: &Option<Option<Document>>) -> State<'_> {
    match state {
        None => State::Missing,
        Some(None) => State::Gone,
        Some(Some(document)) => State::Present(document),
    }
}

fn differing(a: &Event, b: &Event) -> Vec<Group> {
    let all = Group::SINGLE.into_iter().chain([Group::Attendees]);
    all.filter(|group| !unchanged(*group, a, b)).collect()
}

/// Returns the groups of a master that are written, including its schedule.
fn written(groups: &BTreeSet<Group>, schedule: bool) -> BTreeSet<Group> {
    let time = schedule.then_some(Group::Time);
    groups.iter().copied().chain(time).collect()
}

/// What a side is to do, with which groups, and its target.
type Step<'a> = (&'static str, BTreeSet<Group>, Option<&'a Event>);

fn to_odoo(plan: &Plan) -> Step<'_> {
    match &plan.odoo {
        OdooStep::Nothing => ("nothing", BTreeSet::new(), None),
        OdooStep::Create(series) => ("create", BTreeSet::new(), Some(&series.master)),
        OdooStep::Apply { changes, target } => (
            "write",
            written(&changes.groups, changes.rule || changes.hours),
            Some(&target.master),
        ),
        OdooStep::Archive => ("archive", BTreeSet::new(), None),
    }
}

fn to_outlook(plan: &Plan) -> Step<'_> {
    match &plan.outlook.writes[..] {
        [] => ("nothing", BTreeSet::new(), None),
        [OutlookWrite::Create(series)] => ("create", BTreeSet::new(), Some(&series.master)),
        [
            OutlookWrite::Master {
                groups,
                recurrence,
                target,
            },
        ] => ("update", written(groups, *recurrence), Some(&target.master)),
        [OutlookWrite::Delete] => ("delete", BTreeSet::new(), None),
        more => panic!("one occurrence takes one write: {more:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn they_are_merged_alike(
        before in proptest::option::of(event()), o in event(), l in event(), t in times(), p in policy(),
    ) {
        let merged = |shape: Shape| {
            merge(based(shape, before.as_ref()).as_ref(), &shape(o.clone()), &shape(l.clone()), &t, p)
        };
        let (single, series) = (merged(Document::single), merged(alone));
        prop_assert_eq!(differing(&single.odoo.master, &series.odoo.master), vec![]);
        prop_assert_eq!(differing(&single.outlook.master, &series.outlook.master), vec![]);
        let [of_single, of_series] = [&single, &series].map(|merged| -> BTreeSet<(Group, bool)> {
            let conflicts = merged.conflicts.iter().map(|one| &one.conflict);
            conflicts.map(|one| (one.group, one.kept == Side::Odoo)).collect()
        });
        prop_assert_eq!(of_single, of_series);
    }

    #[test]
    fn they_are_planned_and_mailed_alike(
        before in proptest::option::of(event()), o in state(), l in state(), t in times(), p in policy(),
        is_guests in any::<bool>(), may_create in any::<bool>(),
    ) {
        let planned = |shape: Shape| {
            let of = |state: &Option<Option<Event>>| state.clone().map(|event| event.map(shape));
            let (odoo, outlook) = (of(&o), of(&l));
            let plan = plan(&Situation {
                base: based(shape, before.as_ref()).as_ref(),
                odoo: known(&odoo),
                outlook: known(&outlook),
                rights: if is_guests { Rights::ReadOnly } else { Rights::Write },
                create_in_outlook: may_create,
                create_in_odoo: may_create,
                times: &t,
                policy: p,
            });
            let mails = mails(&plan.outlook.writes, outlook.flatten().as_ref()).into_iter().flatten();
            let mails: BTreeSet<Mail> = mails.collect();
            (plan, mails)
        };
        let ((single, mailed), (series, mailed_of_series)) = (planned(Document::single), planned(alone));
        for (single, series) in [
            (to_odoo(&single), to_odoo(&series)),
            (to_outlook(&single), to_outlook(&series)),
        ] {
            prop_assert_eq!((single.0, single.1), (series.0, series.1));
            if let (Some(single), Some(series)) = (single.2, series.2) {
                prop_assert_eq!(differing(single, series), vec![]);
            }
        }
        prop_assert_eq!(single.ended, series.ended);
        prop_assert_eq!(
            written(&single.differing.groups, false),
            written(&series.differing.groups, series.differing.occurrences)
        );
        if single.differing.is_empty() {
            prop_assert_eq!(single.agreed, series.agreed);
        }
        prop_assert_eq!(mailed, mailed_of_series);
    }

    #[test]
    fn a_change_that_guests_cannot_see_mails_nobody(
        o in event(), t in times(), reminder in proptest::option::of(0i32..9), is_series in any::<bool>(),
    ) {
        let shape: Shape = if is_series { alone } else { Document::single };
        let before = shape(o);
        let base = Base { odoo: before.clone(), outlook: before.clone() };
        let mut odoo = before.clone();
        odoo.master.reminder = reminder;
        let plan = plan(&Situation {
            base: Some(&base),
            odoo: State::Present(&odoo),
            outlook: State::Present(&before),
            rights: Rights::Write,
            create_in_outlook: true,
            create_in_odoo: true,
            times: &t,
            policy: Policy::Latest,
        });
        prop_assert_eq!(mails(&plan.outlook.writes, Some(&before)).concat(), vec![]);
    }

    #[test]
    fn a_plan_carried_out_leaves_nothing_to_do(
        b in event(), o in event(), l in event(), t in times(), read_only in any::<bool>(),
    ) {
        let [b, o, l] = [b, o, l].map(Document::single);
        let base = Base { odoo: b.clone(), outlook: b };
        let mut situation = Situation {
            base: Some(&base),
            odoo: State::Present(&o),
            outlook: State::Present(&l),
            rights: if read_only { Rights::ReadOnly } else { Rights::Write },
            create_in_outlook: true,
            create_in_odoo: true,
            times: &t,
            policy: Policy::Latest,
        };
        let first = plan(&situation);
        let odoo = match &first.odoo { OdooStep::Apply { target, .. } => target.clone(), _ => o.clone() };
        let outlook = match &first.outlook.writes[..] {
            [OutlookWrite::Master { target, .. }] => (**target).clone(),
            _ => l.clone(),
        };
        let next = agreed(Some(base.clone()), (&odoo, &outlook), &first.differing);
        situation.base = Some(&next);
        situation.odoo = State::Present(&odoo);
        situation.outlook = State::Present(&outlook);
        let second = plan(&situation);
        prop_assert!(second.is_idle(), "{second:?}");
    }

    /// A change in Odoo of a copy that may not be written remains a change; everything else is
    /// agreed on.
    #[test]
    fn what_differs_keeps_back_no_other_group(
        o in event(), t in times(), title in "[cd]", is_series in any::<bool>(),
    ) {
        let shape: Shape = if is_series { alone } else { Document::single };
        let before = shape(o);
        let base = Base { odoo: before.clone(), outlook: before.clone() };
        let mut outlook = before.clone();
        outlook.master.title = title;
        let mut odoo = outlook.clone();
        odoo.master.reminder = Some(7);
        let plan = plan(&Situation {
            base: Some(&base),
            odoo: State::Present(&odoo),
            outlook: State::Present(&outlook),
            rights: Rights::ReadOnly,
            create_in_outlook: true,
            create_in_odoo: true,
            times: &t,
            policy: Policy::Latest,
        });
        prop_assert_eq!(&plan.differing.groups, &BTreeSet::from([Group::Reminder]));
        prop_assert!(plan.is_idle() && plan.agreed);
        let next = agreed(Some(base), (&odoo, &outlook), &plan.differing);
        prop_assert_eq!(differing(&next.odoo.master, &odoo.master), vec![Group::Reminder]);
        prop_assert_eq!(differing(&next.outlook.master, &outlook.master), vec![]);
    }

    /// A further address of a guest is an invitation, for an event and for all occurrences of a
    /// series.
    #[test]
    fn an_address_that_is_added_to_a_guest_is_owed_to_outlook(o in event(), t in times(), is_series in any::<bool>()) {
        let shape: Shape = if is_series { alone } else { Document::single };
        let mut before = o;
        let address = |name: &str| Address::parse(&format!("{name}@example.org")).unwrap();
        before.attendees.insert(address("guest"), guest("guest"));
        let before = shape(before);
        let base = Base { odoo: before.clone(), outlook: before.clone() };
        let mut odoo = before.clone();
        odoo.master.attendees.get_mut(&address("guest")).unwrap().also.push(address("other"));
        let plan = plan(&Situation {
            base: Some(&base),
            odoo: State::Present(&odoo),
            outlook: State::Present(&before),
            rights: Rights::Write,
            create_in_outlook: true,
            create_in_odoo: true,
            times: &t,
            policy: Policy::Latest,
        });
        let [OutlookWrite::Master { groups, target, .. }] = &plan.outlook.writes[..] else {
            return Err(TestCaseError::fail(format!("{:?}", plan.outlook)));
        };
        prop_assert_eq!(groups, &BTreeSet::from([Group::Attendees]));
        prop_assert_eq!(&target.master.attendees[&address("guest")].also, &vec![address("other")]);
    }
}
