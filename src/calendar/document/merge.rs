//! Three-way merge of one meeting. The units of the merge are:
//!
//! * the **schedule**: rule, start, hours and zone (in conflicts: [`Group::Time`] of the whole);
//! * each property group of the **master**, as of a single event ([`crate::calendar::merge`]);
//! * each property group of each **slot** that differs anywhere, and whether the slot is excluded.
//!
//! A slot's own value is separate: a new title for all and a new title for one do not conflict. A
//! slot that one side excluded is excluded, even if the other side changed it
//! ([`DocumentMerge::overruled`]).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, TimeDelta};

use super::changes::{Differing, changes, only_the_end};
use super::{Document, Override, at_time_of, correspondence, in_room_of, same};
use crate::calendar::event::{Address, Event, Time};
use crate::calendar::field::{Group, Side, agree, take, take_to_outlook};
use crate::calendar::merge::{
    self, Base, Conflict, EditTimes, Merge, Policy, Told, advance as advance_events, merge as merge_events,
    only_full, winner,
};
use crate::calendar::words;
use crate::words::{Arg, say};

/// Does what [`crate::calendar::merge::by_organizer`] does for the master.
pub fn by_organizer(mut base: Base, odoo: &Event, outlook: &Event) -> Base {
    base.outlook.master = merge::by_organizer(base.masters(), odoo, outlook).outlook;
    base
}

/// The part of a meeting that a write has settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// Groups of the master; with `schedule` also rule, hours and zone. If the meeting takes place
    /// once, its time is one of the groups.
    Whole { groups: BTreeSet<Group>, schedule: bool },
    /// Some groups of one occurrence's override.
    Slot {
        slot: NaiveDate,
        groups: BTreeSet<Group>,
    },
    /// The whole override of one occurrence, or that it is excluded.
    Presence(NaiveDate),
}

/// Returns the base after a write to one side: what was written takes the present value of each
/// side (see [`crate::calendar::merge::advance`]).
pub fn advance(
    base: Option<Base>,
    written: &Written,
    told: &Told,
    (odoo, outlook): (&Document, &Document),
    side: Side,
) -> Base {
    if let (true, Written::Whole { groups, .. }) = (odoo.is_single() && outlook.is_single(), written) {
        let now = (&odoo.master, &outlook.master);
        let masters = advance_events(base.map(|base| base.masters()), groups, told, now, side);
        return Base {
            odoo: Document::single(masters.odoo),
            outlook: Document::single(masters.outlook),
        };
    }
    let mut base = base.unwrap_or_else(|| first_base(written, told, (odoo, outlook), side));
    match written {
        Written::Whole { groups, schedule } => {
            if *schedule {
                let left_behind = match side {
                    Side::Outlook => left_behind(&base.outlook, odoo, outlook),
                    Side::Odoo => Vec::new(),
                };
                base.odoo = base.odoo.rescheduled(odoo);
                // Odoo does not have Outlook's end yet.
                let is_cut = side == Side::Outlook && only_ends_earlier(outlook, odoo);
                base.outlook = base.outlook.rescheduled(if is_cut { odoo } else { outlook });
                // Exchange drops overrides with a new pattern. Nobody wanted that, so Odoo's
                // overrides must be written again.
                let kept = |slot: &NaiveDate| outlook.exceptions.contains_key(slot);
                for side in [&mut base.odoo, &mut base.outlook] {
                    side.exceptions.retain(|slot, _| kept(slot));
                    side.excluded_dates
                        .retain(|slot| outlook.excluded_dates.contains(slot));
                    // Odoo's hour there, its own or the master's, counts as changed in Odoo: it is
                    // written to Outlook, once.
                    for (slot, time) in &left_behind {
                        side.exceptions.entry(*slot).or_default().time = Some(time.clone());
                    }
                }
            }
            let groups: BTreeSet<Group> = groups.iter().copied().filter(|g| *g != Group::Time).collect();
            let unchanged = match side {
                Side::Outlook => left_unchanged(&base, &groups, odoo, outlook),
                Side::Odoo => Vec::new(),
            };
            let master = advance_events(
                Some(base.masters()),
                &groups,
                told,
                (&odoo.master, &outlook.master),
                side,
            );
            base.odoo.master = at_time_of(&master.odoo, &base.odoo.master);
            base.outlook.master = at_time_of(&master.outlook, &base.outlook.master);
            // As for the hours: Odoo has other values there now, and they are written to Outlook.
            for (slot, group, was) in unchanged {
                for (side, event) in [(&mut base.odoo, was.odoo), (&mut base.outlook, was.outlook)] {
                    let own = Override::between(&side.regular(slot), &event);
                    side.exceptions.entry(slot).or_default().take(group, &own);
                }
            }
        }
        Written::Slot { slot, groups } => {
            let guests = groups.contains(&Group::Attendees);
            let agreed = guests
                .then(|| slot_guests(*slot, &base, told, (odoo, outlook), side))
                .flatten();
            let single = groups.iter().filter(|group| **group != Group::Attendees);
            for (side, now) in [(&mut base.odoo, odoo), (&mut base.outlook, outlook)] {
                let present = now.exceptions.get(slot).cloned().unwrap_or_default();
                let own = side.exceptions.entry(*slot).or_default();
                for group in single.clone() {
                    own.take(*group, &present);
                }
            }
            if let Some(agreed) = agreed {
                for (side, event) in [(&mut base.odoo, agreed.odoo), (&mut base.outlook, agreed.outlook)] {
                    let is_own = event.attendees != side.master.attendees;
                    let own = side.exceptions.entry(*slot).or_default();
                    own.attendees = is_own.then_some(event.attendees);
                }
            }
            for (side, now) in [(&mut base.odoo, odoo), (&mut base.outlook, outlook)] {
                side.exceptions.retain(|_, own| !own.is_empty());
                side.excluded_dates.remove(slot);
                if now.excluded_dates.contains(slot) {
                    side.exceptions.remove(slot);
                    side.excluded_dates.insert(*slot);
                }
            }
        }
        Written::Presence(slot) => {
            for (side, now) in [(&mut base.odoo, odoo), (&mut base.outlook, outlook)] {
                side.exceptions.remove(slot);
                side.excluded_dates.remove(slot);
                keep(*slot, now, side);
            }
        }
    }
    base
}

/// Returns the base of two documents that agree, except for changes of Odoo that it may not write.
pub fn agreed(base: Option<Base>, (odoo, outlook): (&Document, &Document), differing: &Differing) -> Base {
    if differing.is_empty() {
        return Base {
            odoo: odoo.clone(),
            outlook: outlook.clone(),
        };
    }
    let all = Group::SINGLE.into_iter().chain([Group::Attendees]);
    let written = Written::Whole {
        groups: all.filter(|group| !differing.groups.contains(group)).collect(),
        schedule: false,
    };
    advance(base, &written, &Told::default(), (odoo, outlook), Side::Odoo)
}

/// Returns whether `one` is `other` without its last occurrences: an excluded tail is an earlier
/// end ([`Document::normalized`]).
fn only_ends_earlier(one: &Document, other: &Document) -> bool {
    let last = |series: &Document| series.rule().last(series.start()).unwrap_or(NaiveDate::MAX);
    last(one) < last(other) && only_the_end(other, one)
}

/// Returns the occurrences that Outlook left in place when Odoo moved the whole series, with their
/// times. They differ for another reason, and nobody wanted them to stay.
fn left_behind(before: &Document, odoo: &Document, outlook: &Document) -> Vec<(NaiveDate, Time)> {
    let has_hour = |series: &Document, slot| {
        let own = series.exceptions.get(slot);
        own.is_some_and(|own| own.time.is_some())
    };
    let kept = outlook
        .exceptions
        .iter()
        .filter(|(slot, _)| !has_hour(before, slot) && !odoo.excluded_dates.contains(slot));
    kept.filter_map(|(slot, own)| Some((*slot, own.time.clone()?)))
        .filter(|(slot, time)| {
            before
                .occurrence(*slot)
                .is_some_and(|event| event.time.same_span(time))
        })
        .collect()
}

/// Returns the occurrences that have kept a value of the former master, as they had it of their own,
/// which could not be seen before: with their former states.
fn left_unchanged(
    base: &Base,
    groups: &BTreeSet<Group>,
    odoo: &Document,
    outlook: &Document,
) -> Vec<(NaiveDate, Group, Base<Event>)> {
    let has = |series: &Document, slot, group| {
        let own = series.exceptions.get(&slot);
        own.is_some_and(|own| own.has(group))
    };
    let mut left = Vec::new();
    for slot in outlook.exceptions.keys().copied() {
        let was = base.odoo.occurrence(slot).zip(base.outlook.occurrence(slot));
        let (Some((in_odoo, in_outlook)), Some(now)) = (was, outlook.occurrence(slot)) else {
            continue;
        };
        let is_left = |group: &Group| {
            has(outlook, slot, *group)
                && !has(&base.outlook, slot, *group)
                && !has(odoo, slot, *group)
                && same(*group, &in_outlook, &now)
        };
        let of_single = groups.iter().copied().filter(|group| *group != Group::Attendees);
        left.extend(of_single.filter(is_left).map(|group| {
            let was = Base {
                odoo: in_odoo.clone(),
                outlook: in_outlook.clone(),
            };
            (slot, group, was)
        }));
    }
    left
}

/// Returns the agreed guests of one occurrence.
fn slot_guests(
    slot: NaiveDate,
    base: &Base,
    told: &Told,
    (odoo, outlook): (&Document, &Document),
    side: Side,
) -> Option<Base<Event>> {
    let (odoo, outlook) = (odoo.occurrence(slot)?, outlook.occurrence(slot)?);
    let before = Base {
        odoo: base.odoo.occurrence(slot)?,
        outlook: base.outlook.occurrence(slot)?,
    };
    let groups = BTreeSet::from([Group::Attendees]);
    Some(advance_events(
        Some(before),
        &groups,
        told,
        (&odoo, &outlook),
        side,
    ))
}

/// Returns the first base of two matched documents. Where they differ, both sides count as changed,
/// as each side's base is the other's value.
fn first_base(written: &Written, told: &Told, (odoo, outlook): (&Document, &Document), side: Side) -> Base {
    let groups = match written {
        Written::Whole { groups, .. } => groups.clone(),
        Written::Slot { .. } | Written::Presence(_) => BTreeSet::new(),
    };
    let one = &outlook.master;
    let there = at_time_of(&odoo.master, one);
    let master = advance_events(None, &groups, told, (&there, one), side);
    let mut base = Base {
        odoo: Document {
            master: at_time_of(&master.odoo, &outlook.master),
            ..outlook.clone()
        },
        outlook: Document {
            master: at_time_of(&master.outlook, &odoo.master),
            ..odoo.clone()
        },
    };
    let slots: BTreeSet<NaiveDate> = [odoo, outlook]
        .into_iter()
        .flat_map(|series| series.exceptions.keys().copied())
        .collect();
    for slot in slots {
        let (Some(in_odoo), Some(in_outlook)) = (odoo.occurrence(slot), outlook.occurrence(slot)) else {
            continue;
        };
        let agreed = Group::SINGLE
            .into_iter()
            .filter(|group| agree(*group, &in_odoo, &in_outlook));
        for group in agreed {
            for (side, now) in [(&mut base.odoo, odoo), (&mut base.outlook, outlook)] {
                let present = now.exceptions.get(&slot).cloned().unwrap_or_default();
                side.exceptions.entry(slot).or_default().take(group, &present);
            }
        }
    }
    for side in [&mut base.odoo, &mut base.outlook] {
        side.exceptions.retain(|_, own| !own.is_empty());
    }
    base
}

/// Returns the base after the whole document was written to Odoo. `told` has the guests that were
/// written: for the master under `None`, and for single occurrences.
pub fn advance_whole(
    base: Option<Base>,
    told: impl Fn(Option<NaiveDate>) -> Option<BTreeSet<Address>>,
    odoo: &Document,
    outlook: &Document,
) -> Base {
    let before = base.unwrap_or_else(|| {
        let nobody = |series: &Document| {
            let mut series = series.clone();
            series.master.attendees.clear();
            series.exceptions.clear();
            series
        };
        Base {
            odoo: nobody(odoo),
            outlook: nobody(outlook),
        }
    });
    let mut after = Base {
        odoo: odoo.clone(),
        outlook: outlook.clone(),
    };
    let guests = BTreeSet::from([Group::Attendees]);
    let advanced = |before: Base<Event>, told: Option<BTreeSet<Address>>, odoo: &Event, outlook: &Event| {
        let told = told.map_or_else(
            || Told::unknown(odoo),
            |guests| Told {
                guests: Some(guests),
                ..Told::default()
            },
        );
        advance_events(Some(before), &guests, &told, (odoo, outlook), Side::Odoo)
    };
    let all = advanced(before.masters(), told(None), &odoo.master, &outlook.master);
    after.odoo.master.attendees = all.odoo.attendees;
    after.outlook.master.attendees = all.outlook.attendees;
    let own = |series: &Document| {
        let own = series
            .exceptions
            .iter()
            .filter(|(_, own)| own.attendees.is_some());
        own.map(|(slot, _)| *slot).collect::<BTreeSet<_>>()
    };
    let before = Base {
        odoo: before.odoo.rescheduled(odoo),
        outlook: before.outlook.rescheduled(outlook),
    };
    for slot in own(odoo).union(&own(outlook)).copied() {
        let occurrences = (odoo.occurrence(slot), outlook.occurrence(slot));
        let agreed = (before.odoo.occurrence(slot), before.outlook.occurrence(slot));
        let ((Some(odoo), Some(outlook)), (Some(in_odoo), Some(in_outlook))) = (occurrences, agreed) else {
            continue;
        };
        let before = Base {
            odoo: in_odoo,
            outlook: in_outlook,
        };
        let one = advanced(before, told(Some(slot)), &odoo, &outlook);
        for (side, event) in [(&mut after.odoo, one.odoo), (&mut after.outlook, one.outlook)] {
            let is_own = event.attendees != side.master.attendees;
            side.exceptions.entry(slot).or_default().attendees = is_own.then_some(event.attendees);
        }
    }
    for side in [&mut after.odoo, &mut after.outlook] {
        side.exceptions.retain(|_, own| !own.is_empty());
    }
    after
}

/// Returns the base of a series that was created in Outlook, without its overrides, which are
/// written next.
pub fn base_of_creation(odoo: &Document, outlook: &Document) -> Base {
    let bare = |series: &Document| Document {
        exceptions: BTreeMap::new(),
        excluded_dates: BTreeSet::new(),
        ..series.clone()
    };
    let master = merge::base_of_creation(&odoo.master, &outlook.master);
    Base {
        odoo: Document {
            master: master.odoo,
            ..bare(odoo)
        },
        outlook: Document {
            master: master.outlook,
            ..bare(outlook)
        },
    }
}

/// A group that both sides changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentConflict {
    /// `None` for the whole series.
    pub slot: Option<NaiveDate>,
    pub conflict: Conflict,
}

/// The states that both sides are to get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentMerge {
    /// Groups of the master that Outlook must get.
    pub to_outlook: BTreeSet<Group>,
    /// Odoo's document after it is written, before it is reduced to a window.
    pub odoo: Document,
    /// Outlook's document after it is written. With `continues_from`, its new series.
    pub outlook: Document,
    /// Set if Odoo shows only the later part of an old series, and changed the pattern of that
    /// part. Outlook's series then ends before this date, and `outlook` is a new series from it on.
    pub continues_from: Option<NaiveDate>,
    /// Whether the two sides together have excluded every occurrence.
    pub over: bool,
    pub conflicts: Vec<DocumentConflict>,
    /// Slots that one side changed and the other excluded.
    pub overruled: BTreeSet<NaiveDate>,
    /// Slots that one side changed and the other does not have, as its pattern differs.
    pub apart: BTreeSet<NaiveDate>,
}

impl DocumentMerge {
    /// Takes over the result for the masters; returns Odoo's and Outlook's.
    fn take(&mut self, events: Merge) -> (Event, Event) {
        self.to_outlook = events.to_outlook;
        let conflicts = events.conflicts.into_iter();
        self.conflicts
            .extend(conflicts.map(|conflict| DocumentConflict { slot: None, conflict }));
        (events.odoo, events.outlook)
    }
}

/// Merges the present documents, both in normal form. A meeting that takes place once on both sides
/// is only its master. Without a base (the two were matched, not made from each other) every
/// difference counts as changed on both sides, and Outlook decides which slots exist: a restored
/// record in Odoo harms nobody, but a cancellation in Outlook mails its guests.
pub fn merge(
    base: Option<&Base>,
    odoo: &Document,
    outlook: &Document,
    times: &EditTimes,
    policy: Policy,
) -> DocumentMerge {
    let mut merged = DocumentMerge {
        to_outlook: BTreeSet::new(),
        odoo: odoo.clone(),
        outlook: outlook.clone(),
        continues_from: None,
        over: false,
        conflicts: Vec::new(),
        overruled: BTreeSet::new(),
        apart: BTreeSet::new(),
    };
    if odoo.is_single() && outlook.is_single() {
        let before = base.map(Base::masters);
        let events = merge_events(before.as_ref(), &odoo.master, &outlook.master, times, policy);
        (merged.odoo.master, merged.outlook.master) = merged.take(events);
        return merged;
    }
    merge_schedules(base, times, policy, &mut merged);
    merge_templates(base, odoo, outlook, times, policy, &mut merged);
    merge_slots(base, odoo, outlook, times, policy, &mut merged);
    match (
        merged.odoo.clone().normalized(),
        merged.outlook.clone().normalized(),
    ) {
        (Some(odoo), Some(outlook)) => (merged.odoo, merged.outlook) = (odoo, outlook),
        _ => merged.over = true,
    }
    merged
}

/// Returns whether Odoo has only the later part of Outlook's series, which it does if 720
/// occurrences do not reach the window.
pub fn is_later_part(odoo: &Document, outlook: &Document) -> bool {
    odoo.start() > outlook.start()
        && outlook
            .rolled(odoo.start())
            .is_some_and(|rolled| rolled.same_schedule(odoo))
}

fn merge_schedules(base: Option<&Base>, times: &EditTimes, policy: Policy, merged: &mut DocumentMerge) {
    let (odoo, outlook) = (merged.odoo.clone(), merged.outlook.clone());
    if odoo.same_schedule(&outlook) {
        return;
    }
    let odoo_changed = base.is_none_or(|b| !b.odoo.same_schedule(&odoo));
    let outlook_changed = base.is_none_or(|b| !b.outlook.same_schedule(&outlook));
    let source = match (odoo_changed, outlook_changed) {
        (false, false) => return,
        (true, false) => Side::Odoo,
        (false, true) => Side::Outlook,
        (true, true) if is_later_part(&odoo, &outlook) => return,
        (true, true) => {
            let kept = winner(Group::Time, times, policy);
            let words = |series: &Document| {
                Arg::from(say::repeats_from(
                    words::rule(series.rule()),
                    words::time(&series.master.time),
                ))
            };
            merged.conflicts.push(DocumentConflict {
                slot: None,
                conflict: Conflict {
                    group: Group::Time,
                    kept,
                    odoo: words(&odoo),
                    outlook: words(&outlook),
                    same_kind: odoo.is_single() == outlook.is_single(),
                    fallen: Box::new(match kept {
                        Side::Odoo => outlook.clone(),
                        Side::Outlook => odoo.clone(),
                    }),
                },
            });
            kept
        }
    };
    let rolled = base.is_some_and(|b| is_later_part(&b.odoo, &b.outlook));
    match source {
        Side::Outlook => merged.odoo = merged.odoo.rescheduled(&outlook),
        Side::Odoo if !rolled => merged.outlook = merged.outlook.rescheduled(&odoo),
        Side::Odoo => {
            let whole = extended_back(&odoo, outlook.start());
            merged.continues_from = whole.is_none().then(|| odoo.start());
            merged.outlook = merged.outlook.rescheduled(&whole.unwrap_or(odoo));
        }
    }
}

/// Returns the series that begins at `start` and, from its own start on, is `part`; `None` if the
/// rule, extended back, does not have `start` in its phase.
fn extended_back(part: &Document, start: NaiveDate) -> Option<Document> {
    let mut whole = part.clone();
    whole.master.time = part.slot_time(start);
    let before = whole.slots().take_while(|slot| *slot < part.start()).count();
    if let super::End::Count(count) = part.rule().end {
        whole.set_end(super::End::Count(count.checked_add(u32::try_from(before).ok()?)?));
    }
    let reaches = whole.slots().next() == Some(start);
    (reaches && is_later_part(part, &whole)).then_some(whole)
}

fn merge_templates(
    base: Option<&Base>,
    odoo: &Document,
    outlook: &Document,
    times: &EditTimes,
    policy: Policy,
    merged: &mut DocumentMerge,
) {
    // The schedule decides about times, so they are made equal here.
    let one = &outlook.master;
    let there = in_room_of(at_time_of(&odoo.master, one), one);
    let before = base.map(|b| Base {
        odoo: in_room_of(at_time_of(&b.odoo.master, one), &there),
        outlook: in_room_of(at_time_of(&b.outlook.master, one), one),
    });
    let events = merge_events(before.as_ref(), &there, one, times, policy);
    let (in_odoo, in_outlook) = merged.take(events);
    // Both sides have a link to the same room. Each keeps its own.
    merged.odoo.master = at_time_of(&in_room_of(in_odoo, &odoo.master), &merged.odoo.master);
    merged.outlook.master = at_time_of(&in_room_of(in_outlook, one), &merged.outlook.master);
}

/// The four documents (both sides, both bases) under the merged schedule.
struct Four {
    odoo: Document,
    outlook: Document,
    base: Option<Base>,
}

impl Four {
    fn under(schedule: &Document, base: Option<&Base>, odoo: &Document, outlook: &Document) -> Self {
        let base = base.map(|b| Base {
            odoo: b.odoo.rescheduled(schedule),
            outlook: b.outlook.rescheduled(schedule),
        });
        Self {
            odoo: with_unsaid(odoo, schedule, base.as_ref().map(|b| &b.odoo)),
            outlook: with_unsaid(outlook, schedule, base.as_ref().map(|b| &b.outlook)),
            base,
        }
    }
}

/// Puts a side under the merged schedule. If the side's own schedule has no such slot (it ends
/// earlier), the side says nothing about the slot: the slot stays as it was `before`, and does not
/// count as restored by this side.
fn with_unsaid(side: &Document, schedule: &Document, before: Option<&Document>) -> Document {
    let mut under = side.rescheduled(schedule);
    let Some(before) = before else { return under };
    let mentioned = before.exceptions.keys().chain(&before.excluded_dates);
    if let Some(last) = mentioned.clone().max().copied()
        && !side.same_schedule(schedule)
    {
        // If the pattern has moved, a slot has moved by one period at most; both intervals are then
        // equal.
        let interval = side.rule().interval.min(schedule.rule().interval);
        let period = TimeDelta::try_days(366 * i64::from(interval.get()));
        let until = period.and_then(|period| last.checked_add_signed(period));
        let said = correspondence(side, schedule, until.unwrap_or(last));
        let said: BTreeSet<NaiveDate> = said.into_values().collect();
        for slot in mentioned.filter(|slot| !said.contains(slot)) {
            keep(*slot, before, &mut under);
        }
    }
    under
}

fn merge_slots(
    base: Option<&Base>,
    odoo: &Document,
    outlook: &Document,
    times: &EditTimes,
    policy: Policy,
    merged: &mut DocumentMerge,
) {
    let schedule = merged.outlook.clone();
    // Odoo has only the part from its own start on, so it says nothing about earlier slots.
    let known_from = is_later_part(odoo, outlook).then(|| odoo.start());
    let four = Four::under(&schedule, base, odoo, outlook);
    // Two different patterns have no slots in common.
    let is_apart = !merged.odoo.same_schedule(&merged.outlook);
    if is_apart
        && known_from.is_none()
        && !merged
            .odoo
            .rule()
            .same_dates(merged.odoo.start(), merged.outlook.rule(), merged.outlook.start())
    {
        if let Some(base) = base {
            let edited = [(&base.odoo, odoo), (&base.outlook, outlook)].into_iter();
            merged.apart = edited
                .flat_map(|(before, now)| edited_slots(before, now))
                .collect();
        }
        return;
    }
    let documents = [&four.odoo, &four.outlook].into_iter();
    let bases = four.base.iter().flat_map(|b| [&b.odoo, &b.outlook]);
    let slots: BTreeSet<NaiveDate> = documents
        .chain(bases)
        .flat_map(|series| series.exceptions.keys().chain(&series.excluded_dates))
        .copied()
        .collect();
    for series in [&mut merged.odoo, &mut merged.outlook] {
        series.exceptions.clear();
        series.excluded_dates.clear();
    }
    for slot in slots {
        if known_from.is_some_and(|from| slot < from) {
            for series in [&mut merged.odoo, &mut merged.outlook] {
                keep(slot, &four.outlook, series);
            }
            continue;
        }
        match existence(slot, &four) {
            Existence::Present => merge_slot(slot, &four, times, policy, merged),
            Existence::Gone { edited } => {
                merged.odoo.excluded_dates.insert(slot);
                merged.outlook.excluded_dates.insert(slot);
                if edited {
                    merged.overruled.insert(slot);
                }
            }
            Existence::Apart => {
                keep(slot, &four.odoo, &mut merged.odoo);
                keep(slot, &four.outlook, &mut merged.outlook);
            }
        }
    }
}

/// Returns the slots that a side has changed since before.
fn edited_slots(before: &Document, now: &Document) -> BTreeSet<NaiveDate> {
    let shared = Document {
        master: now.master.clone(),
        ..before.clone()
    };
    let changes = changes(&shared, now);
    let mut slots = changes.excluded_dates;
    slots.extend(changes.restored);
    slots.extend(changes.slots.into_keys());
    slots
}

fn keep(slot: NaiveDate, from: &Document, into: &mut Document) {
    if from.excluded_dates.contains(&slot) {
        into.excluded_dates.insert(slot);
    }
    if let Some(own) = from.exceptions.get(&slot) {
        into.exceptions.insert(slot, own.clone());
    }
}

enum Existence {
    Present,
    Gone {
        /// Whether the side that did not exclude the slot has changed its override.
        edited: bool,
    },
    /// The two differed in this when they last agreed: one side could not follow.
    Apart,
}

fn existence(slot: NaiveDate, four: &Four) -> Existence {
    let gone = |series: &Document| series.excluded_dates.contains(&slot);
    let (in_odoo, in_outlook) = (gone(&four.odoo), gone(&four.outlook));
    let there = match (&four.base, in_odoo == in_outlook) {
        (_, true) => in_odoo,
        (None, false) => in_outlook,
        (Some(b), false) => match (gone(&b.odoo) != in_odoo, gone(&b.outlook) != in_outlook) {
            (false, false) => return Existence::Apart,
            (true, false) => in_odoo,
            // Both can change to different states only if they were different before.
            (_, true) => in_outlook,
        },
    };
    if !there {
        return Existence::Present;
    }
    let edited = |now: &Document, before: Option<&Document>| match (now.occurrence(slot), before) {
        (None, _) => false,
        (Some(_), None) => now.exceptions.contains_key(&slot),
        (Some(now_says), Some(before)) => {
            let own =
                |series: &Document, group| series.exceptions.get(&slot).is_some_and(|own| own.has(group));
            before.occurrence(slot).is_some_and(|before_said| {
                Group::SINGLE.into_iter().chain([Group::Attendees]).any(|group| {
                    (own(now, group) || own(before, group)) && !same(group, &before_said, &now_says)
                })
            })
        }
    };
    Existence::Gone {
        edited: edited(&four.odoo, four.base.as_ref().map(|b| &b.odoo))
            || edited(&four.outlook, four.base.as_ref().map(|b| &b.outlook)),
    }
}

/// A side's view of one slot.
struct View {
    /// The unchanged occurrence in the merged series.
    regular: Event,
    own: Override,
    /// The agreed override.
    before: Option<Override>,
}

impl View {
    fn changed(&self, group: Group) -> bool {
        self.before.as_ref().is_none_or(|before| {
            let values = |own: &Override| own.onto(self.regular.clone());
            before.has(group) != self.own.has(group) || !same(group, &values(before), &values(&self.own))
        })
    }
}

fn merge_slot(slot: NaiveDate, four: &Four, times: &EditTimes, policy: Policy, merged: &mut DocumentMerge) {
    let own = |series: &Document| series.exceptions.get(&slot).cloned().unwrap_or_default();
    let odoo = View {
        regular: merged.odoo.regular(slot),
        own: own(&four.odoo),
        before: four.base.as_ref().map(|b| own(&b.odoo)),
    };
    let outlook = View {
        regular: merged.outlook.regular(slot),
        own: own(&four.outlook),
        before: four.base.as_ref().map(|b| own(&b.outlook)),
    };
    let occurrences = four
        .base
        .as_ref()
        .map(|b| (b.odoo.occurrence(slot), b.outlook.occurrence(slot)));
    let agreed = |group: Group| match &occurrences {
        Some((Some(odoo), Some(outlook))) => agree(group, odoo, outlook) || same(group, outlook, odoo),
        _ => true,
    };
    let was_never_agreed = match (&odoo.before, &outlook.before) {
        // See `first_base`.
        (Some(in_odoo), Some(in_outlook)) => *in_odoo == outlook.own && *in_outlook == odoo.own,
        _ => true,
    };
    // As each side has shown it, as the master's values may have been filled in by now.
    let shown = four.odoo.occurrence(slot).zip(four.outlook.occurrence(slot));
    let full = |group| {
        shown
            .as_ref()
            .and_then(|(odoo, outlook)| only_full(group, odoo, outlook))
    };
    let mut in_odoo = odoo.own.onto(odoo.regular.clone());
    let mut in_outlook = outlook.own.onto(outlook.regular.clone());
    for group in Group::SINGLE {
        if agree(group, &in_odoo, &in_outlook) || same(group, &in_outlook, &in_odoo) {
            continue;
        }
        let source = match (odoo.changed(group), outlook.changed(group)) {
            // An online meeting cannot be withdrawn, as for single events.
            _ if group == Group::Online
                && in_outlook.online
                && (odoo.changed(group) || outlook.changed(group)) =>
            {
                Side::Outlook
            }
            (true, false) => Side::Odoo,
            (false, true) => Side::Outlook,
            // The two differed when they last agreed: one of them does not store the value.
            (false, false) if !agreed(group) => continue,
            // Nobody changed the slot, but the master has changed: the slot's own value stays.
            (false, false) => match (odoo.own.has(group), outlook.own.has(group)) {
                (true, false) => Side::Odoo,
                (false, true) => Side::Outlook,
                _ => continue,
            },
            (true, true) if was_never_agreed && full(group).is_some() => full(group).unwrap_or(Side::Outlook),
            (true, true) => {
                let kept = winner(group, times, policy);
                merged.conflicts.push(DocumentConflict {
                    slot: Some(slot),
                    conflict: Conflict {
                        group,
                        kept,
                        odoo: words::value(group, &in_odoo),
                        outlook: words::value(group, &in_outlook),
                        same_kind: true,
                        fallen: Box::new(Document::single(match kept {
                            Side::Odoo => in_outlook.clone(),
                            Side::Outlook => in_odoo.clone(),
                        })),
                    },
                });
                kept
            }
        };
        match source {
            Side::Odoo => take_to_outlook(group, &mut in_outlook, &in_odoo),
            Side::Outlook => take(group, &mut in_odoo, &in_outlook),
        }
    }
    merge_slot_attendees(slot, four, &mut in_odoo, &mut in_outlook);
    for (series, view, event) in [
        (&mut merged.odoo, &odoo, &in_odoo),
        (&mut merged.outlook, &outlook, &in_outlook),
    ] {
        let own = Override::between(&view.regular, event);
        if !own.is_empty() {
            series.exceptions.insert(slot, own);
        }
    }
}

/// Merges the attendees of an occurrence one by one, starting from those of each side's occurrence
/// before the merge, whether the master's or its own.
fn merge_slot_attendees(slot: NaiveDate, four: &Four, in_odoo: &mut Event, in_outlook: &mut Event) {
    let series = [&four.odoo, &four.outlook].into_iter();
    let bases = four.base.iter().flat_map(|b| [&b.odoo, &b.outlook]);
    let own = |series: &Document| {
        let own = series.exceptions.get(&slot);
        own.is_some_and(|own| own.attendees.is_some())
    };
    if !series.chain(bases).any(own) {
        return;
    }
    let with = |series: &Document| {
        let mut event = in_outlook.clone();
        if let Some(occurrence) = series.occurrence(slot) {
            event.attendees = occurrence.attendees;
        }
        event
    };
    let base = four.base.as_ref().map(|b| Base {
        odoo: with(&b.odoo),
        outlook: with(&b.outlook),
    });
    let (odoo, outlook) = (with(&four.odoo), with(&four.outlook));
    let events = merge_events(
        base.as_ref(),
        &odoo,
        &outlook,
        &EditTimes::default(),
        Policy::Latest,
    );
    in_odoo.attendees = events.odoo.attendees;
    in_outlook.attendees = events.outlook.attendees;
}

#[cfg(test)]
mod tests;
