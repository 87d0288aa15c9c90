//! What to do about one meeting: the pure decision, printable before anything is done.

use std::collections::BTreeSet;

use super::event::{Address, Event};
use super::series::plan::difference;
use crate::calendar::field::{Group, unchanged};
use crate::calendar::merge::{Base, Conflict, EditTimes, Merge, Policy, merge};

/// What is known of Odoo's side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OdooState<'a> {
    /// There has never been a record.
    Missing,
    Active(&'a Event),
    /// Archived or deleted by somebody in Odoo.
    Gone,
}

/// What is known of Outlook's side: the copy that counts (the organizer's where it is connected).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OutlookState<'a> {
    /// There has never been one, or the last one was ended by agreement.
    Missing,
    Present(&'a Event),
    /// Outlook was asked and says that it is gone, or that the organizer cancelled it.
    Gone,
}

/// Whether Outlook's copy may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// The mailbox is the organizer's.
    Write,
    /// An attendee's copy: what we write there would be lost with the organizer's next update.
    ReadOnly,
}

/// Everything the decision depends on.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    pub base: Option<&'a Base>,
    pub odoo: OdooState<'a>,
    pub outlook: OutlookState<'a>,
    pub rights: Rights,
    /// Whether a meeting that Outlook does not have may be made there now.
    pub create_in_outlook: bool,
    /// Whether a meeting that Odoo does not have may be made there now.
    pub create_in_odoo: bool,
    pub times: &'a EditTimes,
    pub policy: Policy,
}

/// What Odoo must do.
#[derive(Clone, Debug, PartialEq)]
pub enum OdooStep {
    Nothing,
    Create(Event),
    Write { groups: BTreeSet<Group>, target: Event },
    Archive,
}

/// What must be written to the organizer's mailbox.
#[derive(Clone, Debug, PartialEq)]
pub enum OutlookStep {
    Nothing,
    Create(Event),
    Update { groups: BTreeSet<Group>, target: Event },
    Delete,
}

/// A mail that Outlook will send because of the plan.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mail {
    Invitation(Address),
    Update(Address),
    Cancellation(Address),
}

impl Mail {
    /// Whom it goes to.
    pub fn into_address(self) -> Address {
        match self {
            Self::Invitation(address) | Self::Update(address) | Self::Cancellation(address) => address,
        }
    }
}

/// When removals that nobody asked for in Odoo are held back until a person has looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Brake {
    /// So many at once are never held back.
    pub over: i64,
    /// Nor is this share of all that is linked.
    pub percent: i64,
}

impl Brake {
    /// Whether `removals` of `linked` events are too many to be believed.
    pub fn stops(self, removals: i64, linked: i64) -> bool {
        removals > self.over && removals.saturating_mul(100) > linked.saturating_mul(self.percent)
    }
}

/// The decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub odoo: OdooStep,
    pub outlook: OutlookStep,
    /// Both sides agree that the meeting is over and done with; a later revival is a new generation.
    pub ended: bool,
    /// The two sides say the same: the base may be set to them.
    pub agreed: bool,
    /// Groups that Odoo changed and that cannot be written to Outlook.
    pub differing: BTreeSet<Group>,
    pub conflicts: Vec<Conflict>,
}

impl Plan {
    /// Nothing to do.
    pub fn nothing() -> Self {
        Self {
            odoo: OdooStep::Nothing,
            outlook: OutlookStep::Nothing,
            ended: false,
            agreed: false,
            differing: BTreeSet::new(),
            conflicts: Vec::new(),
        }
    }

    /// Whether there is nothing to write on either side.
    pub fn is_idle(&self) -> bool {
        self.odoo == OdooStep::Nothing && self.outlook == OutlookStep::Nothing
    }

    /// The mails Outlook sends for this plan (Graph: event-post-events, event-update, event-delete).
    /// `present` is Outlook's state before it.
    pub fn mails(&self, present: OutlookState<'_>) -> Vec<Mail> {
        match (&self.outlook, present) {
            (OutlookStep::Create(event), _) => event.guests().cloned().map(Mail::Invitation).collect(),
            (OutlookStep::Delete, OutlookState::Present(event)) => {
                event.guests().cloned().map(Mail::Cancellation).collect()
            }
            (OutlookStep::Update { groups, target }, OutlookState::Present(event)) => {
                let is_told = groups
                    .iter()
                    .any(|g| *g != Group::Attendees && g.visible_to_guests());
                let guests = |event: &Event| event.guests().cloned().collect();
                difference(&guests(event), &guests(target), is_told)
            }
            _ => Vec::new(),
        }
    }
}

/// Decides. Laws (property-tested): a plan that was carried out leaves nothing to do; nothing that only one
/// side changed is lost; an absent state matches nothing.
pub fn plan(situation: &Situation<'_>) -> Plan {
    let mut plan = Plan::nothing();
    match (situation.odoo, situation.outlook) {
        (OdooState::Active(odoo), OutlookState::Present(outlook)) => {
            let merged = merge(situation.base, odoo, outlook, situation.times, situation.policy);
            plan_both(situation, odoo, outlook, merged, &mut plan);
        }
        (OdooState::Active(odoo), OutlookState::Missing) => {
            if situation.create_in_outlook {
                plan.outlook = OutlookStep::Create(odoo.clone());
            }
        }
        // Archiving keeps the record, its conversation and its links, and can be undone: a deletion in
        // Outlook may therefore win over an edit in Odoo without losing it.
        (OdooState::Active(_), OutlookState::Gone) => {
            plan.odoo = OdooStep::Archive;
            plan.ended = true;
        }
        (OdooState::Missing, OutlookState::Present(outlook)) => {
            if situation.create_in_odoo {
                plan.odoo = OdooStep::Create(outlook.clone());
            }
        }
        (OdooState::Gone, OutlookState::Present(_)) => match situation.rights {
            Rights::Write => {
                plan.outlook = OutlookStep::Delete;
                plan.ended = true;
            }
            // Taking somebody else's meeting off Odoo's calendar says nothing to its organizer.
            Rights::ReadOnly => plan.ended = true,
        },
        (OdooState::Gone | OdooState::Missing, OutlookState::Gone | OutlookState::Missing) => {
            plan.ended = true;
        }
    }
    plan
}

fn plan_both(situation: &Situation<'_>, odoo: &Event, outlook: &Event, merged: Merge, plan: &mut Plan) {
    plan.conflicts = merged.conflicts;
    if !merged.to_odoo.is_empty() {
        plan.odoo = OdooStep::Write {
            groups: merged.to_odoo,
            target: merged.odoo,
        };
    }
    match situation.rights {
        Rights::Write if !merged.to_outlook.is_empty() => {
            plan.outlook = OutlookStep::Update {
                groups: merged.to_outlook,
                target: merged.outlook,
            };
        }
        Rights::Write => {}
        Rights::ReadOnly => {
            plan.conflicts.retain(|c| !merged.to_outlook.contains(&c.group));
            plan.differing = merged.to_outlook;
        }
    }
    let moved = |base: &Base| {
        Group::SINGLE.into_iter().chain([Group::Attendees]).any(|group| {
            let same = unchanged(group, &base.odoo, odoo) && unchanged(group, &base.outlook, outlook);
            !same && !plan.differing.contains(&group)
        })
    };
    plan.agreed = plan.is_idle() && situation.base.is_none_or(moved);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::calendar::merge::tests::{event, sample, times};

    fn situation<'a>(
        base: Option<&'a Base>,
        odoo: OdooState<'a>,
        outlook: OutlookState<'a>,
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn a_plan_carried_out_leaves_nothing_to_do(b in event(), o in event(), l in event(), t in times(), read_only in any::<bool>()) {
            let base = Base { odoo: b.clone(), outlook: b };
            let mut s = situation(Some(&base), OdooState::Active(&o), OutlookState::Present(&l), &t);
            s.rights = if read_only { Rights::ReadOnly } else { Rights::Write };
            let first = plan(&s);
            let odoo = match &first.odoo { OdooStep::Write { target, .. } => target.clone(), _ => o.clone() };
            let outlook = match &first.outlook { OutlookStep::Update { target, .. } => target.clone(), _ => l.clone() };
            let mut next = Base { odoo: odoo.clone(), outlook: outlook.clone() };
            crate::calendar::field::take_groups(&first.differing, &mut next.odoo, &base.odoo);
            crate::calendar::field::take_groups(&first.differing, &mut next.outlook, &base.outlook);
            let mut again = situation(Some(&next), OdooState::Active(&odoo), OutlookState::Present(&outlook), &t);
            again.rights = s.rights;
            let second = plan(&again);
            prop_assert!(second.is_idle(), "{second:?}");
        }

        #[test]
        fn an_attendees_mailbox_is_never_written(o in event(), l in event(), t in times()) {
            for odoo in [OdooState::Active(&o), OdooState::Gone] {
                let mut s = situation(None, odoo, OutlookState::Present(&l), &t);
                s.rights = Rights::ReadOnly;
                prop_assert_eq!(plan(&s).outlook, OutlookStep::Nothing);
            }
        }

        #[test]
        fn a_change_that_guests_cannot_see_mails_nobody(mut o in event(), t in times(), reminder in proptest::option::of(0i32..9)) {
            let base = Base { odoo: o.clone(), outlook: o.clone() };
            let before = o.clone();
            o.reminder = reminder;
            let s = situation(Some(&base), OdooState::Active(&o), OutlookState::Present(&before), &t);
            prop_assert_eq!(plan(&s).mails(OutlookState::Present(&before)), vec![]);
        }
    }

    #[test]
    fn the_brake_stops_what_is_over_both_its_numbers() {
        let brake = Brake {
            over: 20,
            percent: 20,
        };
        for (removals, linked, stops) in [
            (20, 20, false),
            (21, 21, true),
            (21, 105, false),
            (21, 104, true),
            (0, 0, false),
        ] {
            assert_eq!(brake.stops(removals, linked), stops, "{removals} of {linked}");
        }
    }

    #[test]
    fn deletion_travels_both_ways_and_absence_deletes_nothing() {
        let event = sample();
        let times = EditTimes::default();
        let base = Base {
            odoo: event.clone(),
            outlook: event.clone(),
        };
        let gone_there = plan(&situation(
            Some(&base),
            OdooState::Active(&event),
            OutlookState::Gone,
            &times,
        ));
        assert_eq!((gone_there.odoo, gone_there.ended), (OdooStep::Archive, true));
        let gone_here = plan(&situation(
            Some(&base),
            OdooState::Gone,
            OutlookState::Present(&event),
            &times,
        ));
        assert_eq!(gone_here.outlook, OutlookStep::Delete);
        let never_there = plan(&situation(
            None,
            OdooState::Active(&event),
            OutlookState::Missing,
            &times,
        ));
        assert_eq!(
            (never_there.odoo, never_there.outlook),
            (OdooStep::Nothing, OutlookStep::Create(event))
        );
    }
}
