//! Tests that both sides come to rest, whatever either stores of what it is sent. Each side gets a
//! bounded number of writes, and a later change by a person is sent again.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use proptest::prelude::*;

use super::document::Document;
use super::document::Override;
use super::document::merge::{
    Written, advance as advance_series, advance_whole, base_of_creation as base_of_new_series,
};
use super::document::plan::{OdooStep, OutlookWrite, Plan, Situation, State, plan};
use super::document::tests::{edited, edits_of_one, series};
use super::event::{Address, Aliases, Answer, Event};
use super::invitations::{all_guests, everybody};
use super::plan::Rights;
use crate::calendar::field::{Group, Side, take};
use crate::calendar::merge::tests::{event, times};
use crate::calendar::merge::{Base, EditTimes, Policy, Told, advance, base_of_creation};

/// The most writes for an event after any news: one to each side for the news, and one more for
/// what the other side has added by itself.
const MOST_OF_AN_EVENT: usize = 6;
/// The most writes for a series: the same for the whole, and for each occurrence with an override.
const MOST_OF_A_SERIES: usize = 30;

/// A side that changes what it is sent in arbitrary ways, and equal values always in the same way.
#[derive(Clone, Copy, Debug)]
struct Peer {
    seed: u64,
}

impl Peer {
    fn dice(self, side: Side, of: impl Hash, sides: u64) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.seed, side == Side::Odoo, of).hash(&mut hasher);
        hasher.finish() % sides
    }

    /// Returns `now` after the groups of `target` were written to it. `regular` is the master, if
    /// this is an occurrence.
    fn told(
        self,
        side: Side,
        groups: &BTreeSet<Group>,
        now: &Event,
        target: &Event,
        regular: Option<&Event>,
    ) -> Event {
        let mut shown = now.clone();
        for group in groups {
            if *group == Group::Attendees {
                self.told_of_guests(side, &mut shown, target);
                continue;
            }
            let value = match group {
                Group::Title => target.title.clone(),
                Group::Body => target.body.clone(),
                Group::Location => target.location.clone(),
                Group::Reminder => format!("{:?}", target.reminder),
                _ => String::new(),
            };
            match (self.dice(side, (group, value), 6), group) {
                // It refuses the value.
                (0, _) => {}
                (1, _) if regular.is_some() => take(*group, &mut shown, regular.unwrap_or(target)),
                (2, Group::Title) => shown.title = target.title.chars().take(1).collect(),
                (3, Group::Title) => shown.title = format!("{}!", target.title),
                (2, Group::Body) => shown.body = format!("<div>{}<p>scanned</p></div>", target.body),
                (2, Group::Location) => shown.location = target.location.to_uppercase(),
                (2, Group::Reminder) => shown.reminder = Some(15),
                _ => take(*group, &mut shown, target),
            }
        }
        // A value that nobody has sent.
        if self.dice(side, "adds a reminder", 4) == 0 {
            shown.reminder = Some(7);
        }
        shown
    }

    fn told_of_guests(self, side: Side, shown: &mut Event, target: &Event) {
        let before = std::mem::take(&mut shown.attendees);
        for (address, attendee) in &target.attendees {
            let raw = match (side, &attendee.shown_as) {
                (Side::Outlook, Some(raw)) => raw,
                _ => address,
            };
            let mut attendee = attendee.clone();
            attendee.also.clear();
            attendee.shown_as = None;
            attendee.by_alias = false;
            if let Some(known) = before.get(raw) {
                shown.attendees.insert(raw.clone(), known.clone());
                continue;
            }
            match self.dice(side, raw.as_str(), 5) {
                0 => {}
                1 => {
                    let other = Address::parse(&format!("other.{raw}")).unwrap();
                    shown.attendees.insert(other, attendee);
                }
                _ => {
                    shown.attendees.insert(raw.clone(), attendee);
                }
            }
        }
        for (address, attendee) in before {
            if self.dice(side, ("keeps", address.as_str()), 4) == 0 {
                shown.attendees.entry(address).or_insert(attendee);
            }
        }
        if self.dice(side, "adds a guest", 4) == 0 {
            let mut guest = super::merge::tests::guest("robot");
            guest.answer = Answer::NeedsAction;
            let address = Address::parse("robot@example.org").unwrap();
            shown.attendees.entry(address).or_insert(guest);
        }
    }
}

fn seen(base: Option<&Event>, odoo: &Event) -> Aliases {
    let mut aliases = Aliases::default();
    if let Some(base) = base {
        aliases.learn(&base.attendees, &odoo.attendees.keys().collect());
    }
    aliases
}

fn as_seen(mut event: Event, aliases: &Aliases) -> Event {
    aliases.rename(&mut event.attendees, None);
    event
}

/// One event on both sides.
struct Both {
    odoo: Event,
    outlook: Event,
    base: Option<Base<Event>>,
    peer: Peer,
    times: EditTimes,
    to_odoo: Vec<(BTreeSet<Group>, Event)>,
    to_outlook: Vec<(BTreeSet<Group>, Event)>,
}

impl Both {
    fn plan(&self) -> (Plan, Event) {
        let aliases = seen(self.base.as_ref().map(|b| &b.outlook), &self.odoo);
        let outlook = as_seen(self.outlook.clone(), &aliases);
        let base = self.base.clone().map(|base| Base {
            odoo: Document::single(as_seen(base.odoo, &aliases)),
            outlook: Document::single(as_seen(base.outlook, &aliases)),
        });
        let odoo = Document::single(self.odoo.clone());
        let shown = Document::single(outlook.clone());
        let plan = plan(&Situation {
            base: base.as_ref(),
            odoo: State::Present(&odoo),
            outlook: State::Present(&shown),
            rights: Rights::Write,
            create_in_outlook: true,
            create_in_odoo: true,
            times: &self.times,
            policy: Policy::Latest,
        });
        (plan, outlook)
    }

    /// Carries out plans until nothing is planned; returns the number of writes, or `None` if there
    /// is no end.
    fn rest(&mut self, most: usize) -> Option<usize> {
        let mut writes = 0;
        while writes <= most {
            let (plan, outlook) = self.plan();
            if plan.is_idle() {
                if plan.agreed {
                    let all = Group::SINGLE.into_iter().chain([Group::Attendees]).collect();
                    let now = (&self.odoo, &outlook);
                    self.base = Some(advance(self.base.take(), &all, &Told::default(), now, Side::Odoo));
                }
                return Some(writes);
            }
            let odoo = self.odoo.clone();
            if let Some(OutlookWrite::Master { groups, target, .. }) = plan.outlook.writes.first() {
                let target = &target.master;
                writes += 1;
                self.to_outlook.push((groups.clone(), target.clone()));
                self.outlook = self.peer.told(Side::Outlook, groups, &self.outlook, target, None);
                let aliases = seen(self.base.as_ref().map(|b| &b.outlook), &odoo);
                let shown = as_seen(self.outlook.clone(), &aliases);
                let told = Told::of(target);
                self.base = Some(advance(
                    self.base.take(),
                    groups,
                    &told,
                    (&odoo, &shown),
                    Side::Outlook,
                ));
            }
            if let OdooStep::Apply { changes, target } = &plan.odoo {
                let (groups, target) = (&changes.groups, &target.master);
                writes += 1;
                self.to_odoo.push((groups.clone(), target.clone()));
                self.odoo = self.peer.told(Side::Odoo, groups, &self.odoo, target, None);
                let told = Told::of(target);
                let now = (&self.odoo, &outlook);
                self.base = Some(advance(self.base.take(), groups, &told, now, Side::Odoo));
            }
        }
        None
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn an_event_comes_to_rest_whatever_either_side_makes_of_it(
        odoo in event(), outlook in event(), seed in any::<u64>(), made in any::<bool>(), t in times(), edit in event(), in_odoo in any::<bool>(),
    ) {
        let peer = Peer { seed };
        let mut both = Both { odoo: odoo.clone(), outlook, base: None, peer, times: t, to_odoo: vec![], to_outlook: vec![] };
        if made {
            let all = Group::SINGLE.into_iter().chain([Group::Attendees]).collect();
            let mut bare = odoo.clone();
            bare.attendees.clear();
            both.outlook = peer.told(Side::Outlook, &all, &bare, &odoo, None);
            both.base = Some(base_of_creation(&odoo, &both.outlook));
        }
        prop_assert!(both.rest(MOST_OF_AN_EVENT).is_some(), "{:?} {:?}", both.odoo, both.outlook);
        prop_assert_eq!(both.rest(MOST_OF_AN_EVENT), Some(0));
        // A change by a person is written once.
        let news = super::merge::tests::guest("newcomer");
        let address = Address::parse("newcomer@example.org").unwrap();
        let side = if in_odoo { &mut both.odoo } else { &mut both.outlook };
        side.title = "news".to_owned();
        take(Group::Time, side, &edit);
        side.attendees.insert(address.clone(), news);
        (both.to_odoo, both.to_outlook) = (vec![], vec![]);
        prop_assert!(both.rest(MOST_OF_AN_EVENT).is_some());
        prop_assert_eq!(both.rest(MOST_OF_AN_EVENT), Some(0));
        let told = if in_odoo { &both.to_outlook } else { &both.to_odoo };
        let titles: Vec<_> = told.iter().filter(|(groups, _)| groups.contains(&Group::Title)).collect();
        prop_assert_eq!(titles.len(), 1);
        prop_assert_eq!(&titles[0].1.title, "news");
        let is_invited = |to: &Event| to.attendees.contains_key(&address);
        prop_assert!(told.iter().any(|(groups, to)| groups.contains(&Group::Attendees) && is_invited(to)));
    }
}

/// A series on both sides.
struct BothSeries {
    odoo: Document,
    outlook: Document,
    base: Option<Base>,
    peer: Peer,
    to_odoo: usize,
    to_outlook: usize,
    titles: Vec<String>,
}

fn series_as_seen(mut series: Document, aliases: &Aliases) -> Document {
    series.master = as_seen(series.master, aliases);
    for own in series
        .exceptions
        .values_mut()
        .filter_map(|own| own.attendees.as_mut())
    {
        aliases.rename(own, None);
    }
    series
}

impl BothSeries {
    fn aliases(&self) -> Aliases {
        let mut aliases = Aliases::default();
        if let Some(base) = &self.base {
            aliases.learn(all_guests(&base.outlook), &everybody(&self.odoo).collect());
        }
        aliases
    }

    fn plan(&self) -> (Plan, Document) {
        let aliases = self.aliases();
        let outlook = series_as_seen(self.outlook.clone(), &aliases);
        let base = self.base.clone().map(|base| Base {
            odoo: series_as_seen(base.odoo, &aliases),
            outlook: series_as_seen(base.outlook, &aliases),
        });
        let times = EditTimes::default();
        let plan = plan(&Situation {
            base: base.as_ref(),
            odoo: State::Present(&self.odoo),
            outlook: State::Present(&outlook),
            rights: Rights::Write,
            create_in_outlook: true,
            create_in_odoo: true,
            times: &times,
            policy: Policy::Odoo,
        });
        (plan, outlook)
    }

    /// Like [`Both::rest`]; returns `Some(None)` if one of the sides has ended.
    fn rest(&mut self, most: usize) -> Option<Option<usize>> {
        let mut writes = 0;
        // Both sides are written at the same time, whichever answers first.
        let mut odoos_turn = false;
        while writes <= most {
            let (plan, outlook) = self.plan();
            if plan.ended || plan.continues_from.is_some() {
                return Some(None);
            }
            let is_odoos = odoos_turn && matches!(plan.odoo, OdooStep::Apply { .. });
            if let Some(write) = plan.outlook.writes.first().filter(|_| !is_odoos) {
                odoos_turn = true;
                writes += 1;
                self.to_outlook += 1;
                self.tell_outlook(write);
                continue;
            }
            let OdooStep::Apply { changes, target } = &plan.odoo else {
                if plan.agreed {
                    self.base = Some(Base {
                        odoo: self.odoo.clone(),
                        outlook,
                    });
                }
                return Some(Some(writes));
            };
            odoos_turn = false;
            writes += 1;
            self.to_odoo += 1;
            self.titles.push(target.master.title.clone());
            let mut next = self.odoo.rescheduled(target);
            next.master = self
                .peer
                .told(Side::Odoo, &changes.groups, &next.master, &target.master, None);
            next.excluded_dates.extend(&changes.excluded_dates);
            next.excluded_dates
                .retain(|slot| !changes.restored.contains(slot));
            for (slot, groups) in &changes.slots {
                let (Some(now), Some(target)) = (next.occurrence(*slot), target.occurrence(*slot)) else {
                    continue;
                };
                let shown = self
                    .peer
                    .told(Side::Odoo, groups, &now, &target, Some(&next.regular(*slot)));
                next.exceptions
                    .insert(*slot, Override::between(&next.regular(*slot), &shown));
            }
            let Some(next) = next.normalized() else {
                return Some(None);
            };
            self.odoo = next;
            let told = |slot: Option<chrono::NaiveDate>| match slot {
                None => changes
                    .groups
                    .contains(&Group::Attendees)
                    .then(|| Told::of(&target.master).guests)
                    .flatten(),
                Some(slot) => {
                    let groups = changes.slots.get(&slot)?;
                    groups.contains(&Group::Attendees).then_some(())?;
                    Told::of(&target.occurrence(slot)?).guests
                }
            };
            self.base = Some(advance_whole(self.base.take(), told, &self.odoo, &outlook));
        }
        None
    }

    fn tell_outlook(&mut self, write: &OutlookWrite) {
        let mut next = self.outlook.clone();
        let (written, told) = match write {
            OutlookWrite::Master {
                groups,
                recurrence,
                target,
            } => {
                self.titles.push(target.master.title.clone());
                let schedule = *recurrence;
                if schedule && self.peer.dice(Side::Outlook, format!("{}", target.rule()), 4) > 0 {
                    let zone = self.peer.dice(Side::Outlook, "zone", 3) == 0;
                    let mut target = (**target).clone();
                    if let (true, super::event::Time::Timed { zone, .. }) = (zone, &mut target.master.time) {
                        *zone = "UTC".to_owned();
                    }
                    next = next.rescheduled(&target);
                    next.exceptions.clear();
                    next.excluded_dates.clear();
                }
                let shared: BTreeSet<Group> = groups.iter().copied().filter(|g| *g != Group::Time).collect();
                next.master = self
                    .peer
                    .told(Side::Outlook, &shared, &next.master, &target.master, None);
                let told = Told::of(&target.master);
                (
                    Written::Whole {
                        groups: groups.clone(),
                        schedule,
                    },
                    told,
                )
            }
            OutlookWrite::Occurrence { slot, groups, target } => {
                if let Some(now) = next.occurrence(*slot) {
                    let regular = next.regular(*slot);
                    let shown = self
                        .peer
                        .told(Side::Outlook, groups, &now, target, Some(&regular));
                    next.exceptions.insert(*slot, Override::between(&regular, &shown));
                }
                let groups = groups.clone();
                (Written::Slot { slot: *slot, groups }, Told::of(target))
            }
            OutlookWrite::Cancel { slot } => {
                if self.peer.dice(Side::Outlook, slot, 3) > 0 {
                    next.excluded_dates.insert(*slot);
                    next.exceptions.remove(slot);
                }
                (Written::Presence(*slot), Told::default())
            }
            OutlookWrite::Create(_) | OutlookWrite::Delete => unreachable!("both have it"),
        };
        if let Some(next) = next.normalized() {
            self.outlook = next;
        }
        let shown = series_as_seen(self.outlook.clone(), &self.aliases());
        let now = (&self.odoo, &shown);
        self.base = Some(advance_series(
            self.base.take(),
            &written,
            &told,
            now,
            Side::Outlook,
        ));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn a_series_comes_to_rest_whatever_either_side_makes_of_it(
        odoo in series(), o in edits_of_one(), l in edits_of_one(), seed in any::<u64>(), kind in 0..3, in_odoo in any::<bool>(),
    ) {
        let Some(outlook) = edited(&odoo, &l) else { return Ok(()) };
        let Some(odoo) = edited(&odoo, &o) else { return Ok(()) };
        let peer = Peer { seed };
        let mut both = BothSeries { odoo: odoo.clone(), outlook, base: None, peer, to_odoo: 0, to_outlook: 0, titles: vec![] };
        match kind {
            // The two were matched.
            0 => {}
            1 => both.base = Some(Base { odoo: odoo.clone(), outlook: odoo.clone() }),
            _ => {
                let mut bare = odoo.clone();
                bare.exceptions.clear();
                bare.excluded_dates.clear();
                let all = Group::SINGLE.into_iter().chain([Group::Attendees]).collect();
                let master = bare.master.clone();
                bare.master.attendees.clear();
                bare.master = peer.told(Side::Outlook, &all, &bare.master, &master, None);
                both.outlook = bare;
                both.base = Some(base_of_new_series(&odoo, &both.outlook));
            }
        }
        let Some(rest) = both.rest(MOST_OF_A_SERIES) else {
            return Err(TestCaseError::fail(format!("no rest: {:?} {:?}", both.odoo, both.outlook)));
        };
        if rest.is_none() {
            return Ok(());
        }
        prop_assert_eq!(both.rest(MOST_OF_A_SERIES), Some(Some(0)));
        both.titles.clear();
        let side = if in_odoo { &mut both.odoo } else { &mut both.outlook };
        side.master.title = "news".to_owned();
        let Some(rest) = both.rest(MOST_OF_A_SERIES) else {
            return Err(TestCaseError::fail("no rest after news"));
        };
        prop_assert!(both.titles.iter().any(|title| title == "news"), "{:?}", both.titles);
        if rest.is_some() {
            prop_assert_eq!(both.rest(MOST_OF_A_SERIES), Some(Some(0)));
        }
    }
}
