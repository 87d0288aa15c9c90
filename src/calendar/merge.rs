//! Three-way merge of one event, or of a series' master: which side's value of which property group
//! wins.
//!
//! The base keeps the *two* states that were last agreed on, Odoo's and Outlook's, each as that
//! side had it. A side has changed a group if the group differs from that side's own base. So
//! values that one side cannot show of the other (out of office, personal), or rewrites (HTML),
//! never count as a change.
//!
//! **A successful write is settled**, whatever the receiving side has stored: the base gets the
//! value that was written on the one side, and the value that is shown on the other. The value is
//! written again only if it changes at its source, or if the shown value changes. For attendees
//! this holds one by one ([`advance`]).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::document::Document;
use super::event::{Address, Answer, Attendee, AttendeeKind, Event};
use super::{body, words};
use crate::calendar::field::{Group, Side, agree, take, take_groups, take_to_outlook, unchanged};
use crate::words::Arg;

/// Which side wins if both changed the same group to different values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// The side with the later edit.
    #[default]
    Latest,
    Outlook,
    Odoo,
}

impl Policy {
    pub const ALL: [Self; 3] = [Self::Latest, Self::Outlook, Self::Odoo];

    pub fn name(self) -> &'static str {
        match self {
            Self::Latest => "latest",
            Self::Outlook => "outlook",
            Self::Odoo => "odoo",
        }
    }

    /// Parses a policy; returns `None` for an unknown name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.name() == name)
    }
}

/// What both sides last agreed on, each as that side had it: a whole document, or its master alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base<T = Document> {
    pub odoo: T,
    pub outlook: T,
}

impl Base {
    /// Returns the base of the masters.
    pub fn masters(&self) -> Base<Event> {
        Base {
            odoo: self.odoo.master.clone(),
            outlook: self.outlook.master.clone(),
        }
    }
}

/// When each side was last edited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EditTimes {
    /// By group, as Odoo's outbox has the time of every field. A missing group has not been saved
    /// since.
    pub odoo: BTreeMap<Group, DateTime<Utc>>,
    /// Graph's `lastModifiedDateTime`, of the event as a whole.
    pub outlook: Option<DateTime<Utc>>,
}

/// A group that both sides changed; the values are for the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    pub group: Group,
    pub kept: Side,
    pub odoo: Arg,
    pub outlook: Arg,
    /// Whether both are single events, or both series.
    pub same_kind: bool,
    /// The side that lost: an event, also of one occurrence, or the series whose schedule lost.
    pub fallen: Box<Document>,
}

/// What each side must take from the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merge {
    pub to_odoo: BTreeSet<Group>,
    pub to_outlook: BTreeSet<Group>,
    /// Odoo's state after `to_odoo` is written.
    pub odoo: Event,
    /// Outlook's state after `to_outlook` is written.
    pub outlook: Event,
    pub conflicts: Vec<Conflict>,
}

/// Returns which groups have arrived after a write to Outlook with an unknown outcome: those in
/// which Outlook now has the written value. Attendees are checked one by one ([`advance`]).
pub fn arrived(groups: &BTreeSet<Group>, odoo: &Event, outlook: &Event) -> BTreeSet<Group> {
    let is_there = |group: &Group| *group == Group::Attendees || agree(*group, odoo, outlook);
    groups.iter().copied().filter(is_there).collect()
}

/// Returns the side that has a value where the other has none, for two matched events without a
/// base.
pub(super) fn only_full(group: Group, odoo: &Event, outlook: &Event) -> Option<Side> {
    let is_empty = |event: &Event| match group {
        Group::Title => event.title.trim().is_empty(),
        Group::Body => body::same_meaning(&event.body, ""),
        Group::Location => event.location.trim().is_empty(),
        Group::Video => event.video.trim().is_empty(),
        Group::Reminder => event.reminder.is_none(),
        Group::Time | Group::Privacy | Group::ShowAs | Group::Online | Group::Attendees => false,
    };
    match (is_empty(odoo), is_empty(outlook)) {
        (false, true) => Some(Side::Odoo),
        (true, false) => Some(Side::Outlook),
        _ => None,
    }
}

/// Adapts a base that came from a guest's copy to the organizer's: availability and reminder belong
/// to each mailbox, so Odoo's later changes of them conflict with nothing.
pub fn by_organizer(mut base: Base<Event>, odoo: &Event, outlook: &Event) -> Base<Event> {
    for group in [Group::ShowAs, Group::Reminder] {
        if !unchanged(group, &base.odoo, odoo) {
            take(group, &mut base.outlook, outlook);
        }
    }
    base
}

pub(super) fn winner(group: Group, times: &EditTimes, policy: Policy) -> Side {
    match policy {
        Policy::Odoo => Side::Odoo,
        Policy::Outlook => Side::Outlook,
        Policy::Latest => match (times.odoo.get(&group), times.outlook) {
            (Some(odoo), Some(outlook)) if *odoo > outlook => Side::Odoo,
            (Some(_), None) => Side::Odoo,
            _ => Side::Outlook,
        },
    }
}

/// Merges the two present states. Without a base (the two were matched, not made from each other)
/// every difference counts as changed on both sides, and the lists of attendees are united.
pub fn merge(
    base: Option<&Base<Event>>,
    odoo: &Event,
    outlook: &Event,
    times: &EditTimes,
    policy: Policy,
) -> Merge {
    let mut merged = Merge {
        to_odoo: BTreeSet::new(),
        to_outlook: BTreeSet::new(),
        odoo: odoo.clone(),
        outlook: outlook.clone(),
        conflicts: Vec::new(),
    };
    for group in Group::SINGLE {
        if agree(group, odoo, outlook) {
            continue;
        }
        let odoo_changed = base.is_none_or(|b| !unchanged(group, &b.odoo, odoo));
        let outlook_changed = base.is_none_or(|b| !unchanged(group, &b.outlook, outlook));
        let source = match (odoo_changed, outlook_changed) {
            (false, false) => continue,
            // Graph ignores the withdrawal of an online meeting (event resource type,
            // `isOnlineMeeting`).
            _ if group == Group::Online && outlook.online => Side::Outlook,
            (true, false) => Side::Odoo,
            (false, true) => Side::Outlook,
            (true, true) if base.is_none() && only_full(group, odoo, outlook).is_some() => {
                only_full(group, odoo, outlook).unwrap_or(Side::Outlook)
            }
            (true, true) => {
                let kept = winner(group, times, policy);
                merged.conflicts.push(Conflict {
                    group,
                    kept,
                    odoo: words::value(group, odoo),
                    outlook: words::value(group, outlook),
                    same_kind: true,
                    fallen: Box::new(Document::single(match kept {
                        Side::Odoo => outlook.clone(),
                        Side::Outlook => odoo.clone(),
                    })),
                });
                kept
            }
        };
        match source {
            Side::Odoo => {
                merged.to_outlook.insert(group);
                take_to_outlook(group, &mut merged.outlook, odoo);
            }
            Side::Outlook => {
                merged.to_odoo.insert(group);
                take(group, &mut merged.odoo, outlook);
            }
        }
    }
    merge_attendees(base, odoo, outlook, &mut merged);
    merged
}

/// What a write has sent, for the resulting base.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The attendees that were written; `None` if both sides are known to be as they are shown.
    pub guests: Option<BTreeSet<Address>>,
    /// Groups that are still to be written to the same side, in another request.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub left: BTreeSet<Group>,
    /// If Outlook no longer shows a response, it was lost with its row, and was not withdrawn.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub answers_stay: bool,
}

impl Told {
    /// Describes a write of this state.
    pub fn of(target: &Event) -> Self {
        let listed = target.attendees.iter().filter(|(_, attendee)| !attendee.unlisted);
        Self {
            guests: Some(listed.map(|(address, _)| address.clone()).collect()),
            ..Self::default()
        }
    }

    /// Describes a write with an unknown outcome: the shown state does not tell whether anything
    /// was refused.
    pub fn unknown(shown: &Event) -> Self {
        Self {
            guests: Some(shown.attendees.keys().cloned().collect()),
            ..Self::default()
        }
    }
}

/// Returns the base after some groups were written to the side `written`. `odoo` and `outlook` are
/// the state that was written from, and the state that is now shown.
///
/// If there was no base yet, the remaining differences must still count as changed: groups in
/// `left`, which are still to be written to the same side, at their source, and all others on the
/// side that was written.
pub fn advance(
    base: Option<Base<Event>>,
    groups: &BTreeSet<Group>,
    told: &Told,
    (odoo, outlook): (&Event, &Event),
    written: Side,
) -> Base<Event> {
    let mut base = base.unwrap_or_else(|| first_base(groups, told, (odoo, outlook), written));
    let single = groups.iter().filter(|group| **group != Group::Attendees);
    take_groups(single.clone(), &mut base.odoo, odoo);
    take_groups(single, &mut base.outlook, outlook);
    if groups.contains(&Group::Attendees) {
        match &told.guests {
            Some(guests) => {
                let earlier = base.outlook.attendees.clone();
                advance_attendees(&mut base, guests, (odoo, outlook), written);
                if told.answers_stay {
                    forget_lost_answers(&mut base.outlook.attendees, &earlier, &outlook.attendees);
                }
            }
            None => {
                base.odoo.attendees.clone_from(&odoo.attendees);
                base.outlook.attendees.clone_from(&outlook.attendees);
            }
        }
    }
    base
}

/// Returns the base of an event that was created in Outlook; `outlook` is what Outlook shows of it.
/// Its guests are compared one by one, as after any other write.
pub fn base_of_creation(odoo: &Event, outlook: &Event) -> Base<Event> {
    let mut base = Base {
        odoo: odoo.clone(),
        outlook: outlook.clone(),
    };
    base.odoo.attendees.clear();
    base.outlook.attendees.clear();
    let told = Told::of(odoo).guests.unwrap_or_default();
    advance_attendees(&mut base, &told, (odoo, outlook), Side::Outlook);
    base
}

/// Returns the guests that were sent to Outlook, derived from its present state: nobody had
/// responded then. A guest who is shown under another address was shown so from the beginning. This
/// does not hold for a guest all of whose addresses are known (`is_known`). In that case the
/// missing guest was removed since, and the shown one was invited.
pub fn guests_as_sent(
    odoo: &Event,
    now: &Event,
    is_known: impl Fn(&Address) -> bool,
) -> BTreeMap<Address, Attendee> {
    let told = Told::of(odoo).guests.unwrap_or_default();
    let mut sent = odoo.attendees.clone();
    for attendee in sent.values_mut() {
        attendee.answer = Answer::NeedsAction;
    }
    for (in_odoo, in_outlook) in shown_otherwise(&told, &odoo.attendees, &now.attendees, &BTreeMap::new()) {
        if is_known(&in_odoo) || is_known(&in_outlook) {
            continue;
        }
        if let Some(attendee) = sent.remove(&in_odoo) {
            sent.insert(in_outlook, attendee);
        }
    }
    sent
}

fn first_base(
    groups: &BTreeSet<Group>,
    told: &Told,
    (odoo, outlook): (&Event, &Event),
    written: Side,
) -> Base<Event> {
    let mut base = Base {
        odoo: odoo.clone(),
        outlook: outlook.clone(),
    };
    for group in Group::SINGLE {
        if groups.contains(&group) || agree(group, odoo, outlook) {
            continue;
        }
        match (written, told.left.contains(&group)) {
            (Side::Odoo, false) | (Side::Outlook, true) => take(group, &mut base.odoo, outlook),
            (Side::Outlook, false) | (Side::Odoo, true) => take(group, &mut base.outlook, odoo),
        }
    }
    // A guest whom only one side has is still to be written to the other.
    base.odoo
        .attendees
        .retain(|address, _| outlook.attendees.contains_key(address));
    base.outlook
        .attendees
        .retain(|address, _| odoo.attendees.contains_key(address));
    base
}

/// Returns the base after the attendees were written to `written`, one by one:
///
/// * An attendee who is shown otherwise than written is agreed on, as each side has them.
/// * An attendee who is shown as written, but whom the other side has otherwise, is still to be
///   written to the other side. The same holds for a response in Outlook after a write to Outlook.
/// * An attendee whom `written` shows by itself, and did not have before, is news for the other
///   side.
fn advance_attendees(
    base: &mut Base<Event>,
    told: &BTreeSet<Address>,
    (odoo, outlook): (&Event, &Event),
    written: Side,
) {
    let (from, shown) = match written {
        Side::Outlook => (&odoo.attendees, &outlook.attendees),
        Side::Odoo => (&outlook.attendees, &odoo.attendees),
    };
    let earlier = base.outlook.attendees.clone();
    let had = match written {
        Side::Outlook => earlier.clone(),
        Side::Odoo => base.odoo.attendees.clone(),
    };
    let known: BTreeSet<Address> = [&base.odoo, &base.outlook, odoo, outlook]
        .into_iter()
        .flat_map(|event| event.attendees.keys().cloned())
        .collect();
    let renamed = shown_otherwise(told, from, shown, &had);
    let missing = from
        .keys()
        .filter(|address| told.contains(*address) && !shown.contains_key(*address));
    // An attendee whom nobody has written may be one of the missing ones, and is then not new.
    let are_all_found = missing.count() == renamed.len();
    for address in &known {
        let is_shown = shown.contains_key(address);
        let differ = from.contains_key(address) != is_shown;
        let is_newcomer = is_shown && are_all_found && !had.contains_key(address);
        if differ && (told.contains(address) == is_shown || is_newcomer) {
            continue;
        }
        let mut agreed = outlook.attendees.get(address).cloned();
        if let (Some(agreed), Some(in_odoo)) = (&mut agreed, odoo.attendees.get(address))
            && written == Side::Outlook
            && in_odoo.answer != agreed.answer
        {
            agreed.answer = earlier.get(address).map_or(Answer::NeedsAction, |a| a.answer);
        }
        put(&mut base.outlook.attendees, address, agreed);
        put(
            &mut base.odoo.attendees,
            address,
            odoo.attendees.get(address).cloned(),
        );
    }
    for (wanted, got) in renamed {
        let (in_odoo, in_outlook) = match written {
            Side::Outlook => (wanted, got),
            Side::Odoo => (got, wanted),
        };
        let Some(mut attendee) = outlook.attendees.get(&in_outlook).cloned() else {
            continue;
        };
        base.outlook.attendees.remove(&in_outlook);
        attendee.also.push(in_outlook.clone());
        attendee.by_alias = true;
        attendee.shown_as = Some(in_outlook);
        base.outlook.attendees.insert(in_odoo, attendee);
    }
}

/// Agrees to Outlook's state for guests whose responses were lost with their rows; Odoo keeps them.
fn forget_lost_answers(
    agreed: &mut BTreeMap<Address, Attendee>,
    earlier: &BTreeMap<Address, Attendee>,
    shown: &BTreeMap<Address, Attendee>,
) {
    for (address, attendee) in agreed {
        let is_lost = shown
            .get(address)
            .is_some_and(|now| now.answer == Answer::NeedsAction);
        if is_lost && earlier.contains_key(address) {
            attendee.answer = Answer::NeedsAction;
        }
    }
}

fn put(attendees: &mut BTreeMap<Address, Attendee>, address: &Address, attendee: Option<Attendee>) {
    match attendee {
        Some(attendee) => attendees.insert(address.clone(), attendee),
        None => attendees.remove(address),
    };
}

/// Finds a guest who was written with one address and is shown under another. This is the only
/// missing guest if there is only one whom nobody has written; if there are several, the one with
/// the same name.
fn shown_otherwise(
    told: &BTreeSet<Address>,
    from: &BTreeMap<Address, Attendee>,
    shown: &BTreeMap<Address, Attendee>,
    had: &BTreeMap<Address, Attendee>,
) -> Vec<(Address, Address)> {
    let missing: Vec<_> = from
        .iter()
        .filter(|(address, _)| told.contains(*address) && !shown.contains_key(*address))
        .collect();
    let strangers: Vec<_> = shown
        .iter()
        .filter(|(address, _)| {
            !told.contains(*address) && !from.contains_key(*address) && !had.contains_key(*address)
        })
        .filter(|(_, attendee)| attendee.kind != AttendeeKind::Resource && !attendee.unlisted)
        .collect();
    if let ([(wanted, _)], [(got, _)]) = (&missing[..], &strangers[..]) {
        return vec![((*wanted).clone(), (*got).clone())];
    }
    let same_name = |a: &Attendee, b: &Attendee| {
        let name = a.name.trim();
        !name.is_empty() && name.to_lowercase() == b.name.trim().to_lowercase()
    };
    let only = |attendee: &Attendee, among: &[(&Address, &Attendee)]| {
        let mut named = among.iter().filter(|(_, other)| same_name(attendee, other));
        let first = named.next().map(|(address, _)| (*address).clone());
        first.filter(|_| named.next().is_none())
    };
    let pairs = missing.iter().filter_map(|(wanted, attendee)| {
        only(attendee, &missing)?;
        Some(((*wanted).clone(), only(attendee, &strangers)?))
    });
    pairs.collect()
}

fn merge_attendees(base: Option<&Base<Event>>, odoo: &Event, outlook: &Event, merged: &mut Merge) {
    let everybody: BTreeSet<&Address> = odoo.attendees.keys().chain(outlook.attendees.keys()).collect();
    let had = |address: &Address| {
        let has = |event: &Event| event.attendees.contains_key(address);
        base.map_or((false, false), |base| (has(&base.odoo), has(&base.outlook)))
    };
    for address in everybody {
        match (odoo.attendees.get(address), outlook.attendees.get(address)) {
            (Some(in_odoo), Some(in_outlook)) => {
                if let Some(answer) = answer_for_odoo(base, address, in_odoo, in_outlook) {
                    merged.to_odoo.insert(Group::Attendees);
                    if let Some(attendee) = merged.odoo.attendees.get_mut(address) {
                        attendee.answer = answer;
                    }
                }
                merge_other_addresses(base, address, (in_odoo, in_outlook), merged);
            }
            (Some(in_odoo), None) => match had(address) {
                // It was written to Outlook, which does not show it.
                (true, false) => {}
                (true, true) => {
                    merged.to_odoo.insert(Group::Attendees);
                    merged.odoo.attendees.remove(address);
                }
                (false, _) => {
                    merged.to_outlook.insert(Group::Attendees);
                    // Nobody can respond for somebody else, so Outlook starts without a response.
                    let invited = Attendee {
                        name: in_odoo.name.clone(),
                        answer: Answer::NeedsAction,
                        kind: AttendeeKind::Required,
                        also: in_odoo.also.clone(),
                        unlisted: false,
                        by_alias: false,
                        shown_as: None,
                    };
                    merged.outlook.attendees.insert(address.clone(), invited);
                }
            },
            (None, Some(in_outlook)) => match had(address) {
                // It was written to Odoo, which does not show it.
                (false, true) => {}
                (true, true) => {
                    merged.to_outlook.insert(Group::Attendees);
                    merged.outlook.attendees.remove(address);
                }
                (_, false) => {
                    merged.to_odoo.insert(Group::Attendees);
                    merged.odoo.attendees.insert(address.clone(), in_outlook.clone());
                }
            },
            (None, None) => {}
        }
    }
}

/// Merges the further addresses of a guest whom both sides have. A guest who is invited by several
/// addresses stays invited by them, whatever else is written. An address that was added to the
/// contact is still to be written to Outlook.
fn merge_other_addresses(
    base: Option<&Base<Event>>,
    address: &Address,
    (in_odoo, in_outlook): (&Attendee, &Attendee),
    merged: &mut Merge,
) {
    let told = base.and_then(|b| b.odoo.attendees.get(address));
    let told = told.map_or(&in_outlook.also, |attendee| &attendee.also);
    if in_odoo.also.iter().any(|other| !told.contains(other)) {
        merged.to_outlook.insert(Group::Attendees);
    }
    if let Some(attendee) = merged.outlook.attendees.get_mut(address) {
        for other in &in_odoo.also {
            if !attendee.also.contains(other) {
                attendee.also.push(other.clone());
            }
        }
    }
}

/// Returns the response that Odoo must take from Outlook, if any. Responses go to Outlook only from
/// the attendee's own mailbox, never through the organizer's copy.
fn answer_for_odoo(
    base: Option<&Base<Event>>,
    address: &Address,
    odoo: &Attendee,
    outlook: &Attendee,
) -> Option<Answer> {
    if odoo.answer == outlook.answer {
        return None;
    }
    let before = base
        .and_then(|b| b.outlook.attendees.get(address))
        .map(|a| a.answer);
    let changed = before.map_or(outlook.answer != Answer::NeedsAction, |before| {
        before != outlook.answer
    });
    changed.then_some(outlook.answer)
}

#[cfg(test)]
pub(crate) mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::super::event::{Privacy, ShowAs, Time};
    use super::*;

    pub(crate) fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::<Utc>::from_timestamp(1_795_000_000, 0).unwrap() + TimeDelta::minutes(minutes)
    }

    fn answer() -> impl Strategy<Value = Answer> {
        prop_oneof![
            Just(Answer::NeedsAction),
            Just(Answer::Accepted),
            Just(Answer::Tentative),
            Just(Answer::Declined)
        ]
    }

    prop_compose! {
        /// Few values for each group, so that equal and different ones both occur often.
        pub(crate) fn event()(
            title in "[ab]",
            body in prop_oneof![Just(String::new()), Just("<p>x</p>".to_owned()), Just("<p>y</p>".to_owned())],
            location in prop_oneof![Just(String::new()), Just("Room".to_owned())],
            start in 0i64..3,
            length in 1i64..3,
            allday in any::<bool>(),
            privacy in prop_oneof![Just(Privacy::Normal), Just(Privacy::Private)],
            show_as in prop_oneof![Just(ShowAs::Free), Just(ShowAs::Busy)],
            reminder in proptest::option::of(0i32..2),
            attendees in proptest::collection::btree_map("[xyz]", answer(), 0..3),
        ) -> Event {
            let time = if allday {
                let start = at(start * 1440).date_naive();
                Time::AllDay { start, end: start + TimeDelta::days(length) }
            } else {
                Time::Timed { start: at(start * 30), end: at(start * 30 + length * 30), zone: "UTC".into() }
            };
            Event {
                title, body, location, time, privacy, show_as, reminder,
                video: String::new(),
                online: false,
                organizer: None,
                attendees: attendees.into_iter().map(|(name, answer)| {
                    let address = Address::parse(&format!("{name}@example.org")).unwrap();
                    (address, Attendee { name, answer, kind: AttendeeKind::Required, also: Vec::new(), unlisted: false, by_alias: false, shown_as: None })
                }).collect(),
            }
        }
    }

    prop_compose! {
        pub(crate) fn times()(odoo in 0i64..4, outlook in 4i64..8, flip in any::<bool>()) -> EditTimes {
            let (odoo, outlook) = if flip { (outlook, odoo) } else { (odoo, outlook) };
            EditTimes {
                odoo: Group::SINGLE.into_iter().map(|g| (g, at(odoo))).collect(),
                outlook: Some(at(outlook)),
            }
        }
    }

    fn policy() -> impl Strategy<Value = Policy> {
        prop_oneof![Just(Policy::Latest), Just(Policy::Odoo), Just(Policy::Outlook)]
    }

    /// Returns the state that both sides must have after a merge is written: everything except
    /// Outlook's unanswered invitations.
    fn settled(merged: &Merge) -> bool {
        Group::SINGLE
            .into_iter()
            .all(|g| agree(g, &merged.odoo, &merged.outlook))
            && merged.odoo.attendees.keys().eq(merged.outlook.attendees.keys())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn a_written_merge_leaves_nothing_to_write(o in event(), l in event(), t in times(), p in policy()) {
            let first = merge(None, &o, &l, &t, p);
            prop_assert!(settled(&first));
            let base = Base { odoo: first.odoo.clone(), outlook: first.outlook.clone() };
            let again = merge(Some(&base), &first.odoo, &first.outlook, &t, p);
            prop_assert!(again.to_odoo.is_empty() && again.to_outlook.is_empty() && again.conflicts.is_empty());
        }

        #[test]
        fn what_one_side_alone_changed_is_taken(b in event(), changed in event(), t in times(), p in policy()) {
            let base = Base { odoo: b.clone(), outlook: b.clone() };
            let from_odoo = merge(Some(&base), &changed, &b, &t, p);
            prop_assert!(from_odoo.conflicts.is_empty());
            for group in Group::SINGLE {
                prop_assert!(unchanged(group, &from_odoo.outlook, &changed));
            }
            prop_assert!(from_odoo.outlook.attendees.keys().eq(changed.attendees.keys()));
            let from_outlook = merge(Some(&base), &b, &changed, &t, p);
            prop_assert!(from_outlook.conflicts.is_empty() && from_outlook.to_outlook.is_empty());
            prop_assert!(from_outlook.odoo.attendees == changed.attendees);
        }

        #[test]
        fn swapping_the_sides_swaps_the_groups(b in event(), x in event(), y in event(), t in times()) {
            let base = Base { odoo: b.clone(), outlook: b };
            let straight = merge(Some(&base), &x, &y, &t, Policy::Odoo);
            let swapped = merge(Some(&base), &y, &x, &t, Policy::Outlook);
            let single = |groups: &BTreeSet<Group>| {
                groups.iter().copied().filter(|g| *g != Group::Attendees).collect::<Vec<_>>()
            };
            prop_assert_eq!(single(&straight.to_outlook), single(&swapped.to_odoo));
            prop_assert_eq!(single(&straight.to_odoo), single(&swapped.to_outlook));
        }

        #[test]
        fn the_order_of_one_sided_news_does_not_matter(b in event(), o in event(), l in event(), t in times(), p in policy()) {
            // Odoo changes the title, Outlook the location and time. The order of arrival does not
            // matter.
            let mut odoo = b.clone();
            take(Group::Title, &mut odoo, &o);
            let mut outlook = b.clone();
            take_groups([&Group::Location, &Group::Time], &mut outlook, &l);
            let base = Base { odoo: b.clone(), outlook: b.clone() };
            let together = merge(Some(&base), &odoo, &outlook, &t, p);
            let first = merge(Some(&base), &odoo, &b, &t, p);
            let mid = Base { odoo: first.odoo.clone(), outlook: first.outlook.clone() };
            let mut later = first.outlook.clone();
            take_groups([&Group::Location, &Group::Time], &mut later, &l);
            let second = merge(Some(&mid), &first.odoo, &later, &t, p);
            prop_assert_eq!(together.odoo, second.odoo);
            prop_assert_eq!(together.outlook, second.outlook);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn matching_two_empties_nothing(o in event(), l in event(), t in times(), p in policy()) {
            let merged = merge(None, &o, &l, &t, p);
            for (group, is_full) in [
                (Group::Body, (|e: &Event| !e.body.is_empty()) as fn(&Event) -> bool),
                (Group::Location, |e| !e.location.is_empty()),
                (Group::Reminder, |e| e.reminder.is_some()),
            ] {
                if is_full(&o) || is_full(&l) {
                    prop_assert!(is_full(&merged.odoo) && is_full(&merged.outlook), "{group:?}");
                }
            }
        }

        #[test]
        fn a_title_that_outlook_cuts_is_told_once(
            title in "[a-zäß𝄞 ]{250,300}", b in event(), l in event(), t in times(), p in policy()
        ) {
            let mut odoo = b.clone();
            odoo.title = title.clone();
            let base = Base { odoo: b.clone(), outlook: b };
            let mut outlook = base.outlook.clone();
            let first = merge(Some(&base), &odoo, &outlook, &t, p);
            prop_assert!(first.outlook.title.encode_utf16().count() <= 255);
            outlook.title.clone_from(&first.outlook.title);
            for base in [None, Some(Base { odoo: odoo.clone(), outlook: outlook.clone() })] {
                let again = merge(base.as_ref(), &odoo, &outlook, &t, p);
                prop_assert!(!again.to_outlook.contains(&Group::Title) && !again.to_odoo.contains(&Group::Title));
            }
            // An edit in Outlook counts nevertheless.
            let base = Base { odoo: odoo.clone(), outlook: outlook.clone() };
            outlook.title = format!("{} renamed", l.title);
            let renamed = merge(Some(&base), &odoo, &outlook, &t, p);
            prop_assert_eq!(&renamed.odoo.title, &outlook.title);
        }
    }

    #[test]
    fn what_odoo_cannot_show_is_no_difference() {
        let mut odoo = sample();
        let mut outlook = sample();
        odoo.show_as = ShowAs::Busy;
        outlook.show_as = ShowAs::OutOfOffice;
        outlook.privacy = Privacy::Personal;
        let merged = merge(None, &odoo, &outlook, &EditTimes::default(), Policy::Latest);
        assert!(merged.to_odoo.is_empty() && merged.to_outlook.is_empty());
    }

    fn with_guests(guests: &[&str]) -> Event {
        let address = |name: &&str| Address::parse(&format!("{name}@example.org")).unwrap();
        Event {
            attendees: guests.iter().map(|name| (address(name), guest(name))).collect(),
            ..sample()
        }
    }

    #[test]
    fn a_guest_who_came_while_another_was_told_is_news_to_the_other_side() {
        let groups = BTreeSet::from([Group::Attendees]);
        let (times, policy) = (EditTimes::default(), Policy::Latest);
        let before = with_guests(&["x"]);
        let base = Base {
            odoo: before.clone(),
            outlook: before,
        };
        let (odoo, told, outlook) = (
            with_guests(&["x", "y"]),
            with_guests(&["x", "y"]),
            with_guests(&["x", "y", "z"]),
        );
        let base = advance(
            Some(base),
            &groups,
            &Told::of(&told),
            (&odoo, &outlook),
            Side::Outlook,
        );
        let next = merge(Some(&base), &odoo, &outlook, &times, policy);
        assert_eq!(next.odoo.attendees, outlook.attendees);
        assert!(next.to_outlook.is_empty());
        // An Odoo that does not store them gets them once.
        let base = advance(
            Some(base),
            &groups,
            &Told::of(&next.odoo),
            (&odoo, &outlook),
            Side::Odoo,
        );
        assert!(
            merge(Some(&base), &odoo, &outlook, &times, policy)
                .to_odoo
                .is_empty()
        );
        // A guest who may be one of the written guests, under another name and address, is not sent
        // to Odoo as a further guest.
        let outlook = with_guests(&["x", "v", "w"]);
        let before = with_guests(&["x"]);
        let base = Base {
            odoo: before.clone(),
            outlook: before,
        };
        let odoo = with_guests(&["x", "y", "z"]);
        let base = advance(
            Some(base),
            &groups,
            &Told::of(&odoo),
            (&odoo, &outlook),
            Side::Outlook,
        );
        let next = merge(Some(&base), &odoo, &outlook, &times, policy);
        assert!(next.to_odoo.is_empty() && next.to_outlook.is_empty());
    }

    #[test]
    fn a_guest_shown_under_another_address_is_known_from_the_creation_on() {
        let odoo = with_guests(&["x", "y"]);
        let outlook = with_guests(&["x", "other"]);
        let address = |name: &str| Address::parse(&format!("{name}@example.org")).unwrap();
        let base = base_of_creation(&odoo, &outlook);
        assert_eq!(
            base.outlook.attendees[&address("y")].shown_as,
            Some(address("other"))
        );
        assert!(base.odoo.attendees.keys().eq(odoo.attendees.keys()));
        // The same holds if only the present state is known.
        let mut now = outlook;
        now.attendees.get_mut(&address("other")).unwrap().answer = Answer::Accepted;
        let sent = Event {
            attendees: guests_as_sent(&odoo, &now, |_| false),
            ..odoo.clone()
        };
        let base = base_of_creation(&odoo, &sent);
        assert_eq!(
            base.outlook.attendees[&address("y")].shown_as,
            Some(address("other"))
        );
        assert_eq!(base.outlook.attendees[&address("y")].answer, Answer::NeedsAction);
        // But a user's mailbox is shown under its known addresses.
        let sent = guests_as_sent(&odoo, &now, |guest| *guest == address("y"));
        assert!(sent.keys().eq(odoo.attendees.keys()));
    }

    #[test]
    fn a_changed_call_of_odoos_is_told() {
        let call = |server: &str, token: &str| Event {
            video: format!("https://{server}/calendar/join_videocall/{token}"),
            ..sample()
        };
        let before = call("odoo.example", "a");
        let base = Base {
            odoo: before.clone(),
            outlook: before.clone(),
        };
        for odoo in [call("odoo.example", "b"), call("moved.example", "a")] {
            let next = merge(Some(&base), &odoo, &before, &EditTimes::default(), Policy::Latest);
            assert_eq!(next.to_outlook, BTreeSet::from([Group::Video]));
            assert_eq!(next.outlook.video, odoo.video);
        }
    }

    #[test]
    fn both_values_of_a_conflict_are_kept_for_the_journal() {
        let base = Base {
            odoo: sample(),
            outlook: sample(),
        };
        let mut odoo = sample();
        odoo.title = "Y".into();
        let mut outlook = sample();
        outlook.title = "X".into();
        let merged = merge(
            Some(&base),
            &odoo,
            &outlook,
            &EditTimes::default(),
            Policy::Latest,
        );
        let conflict = &merged.conflicts[0];
        assert_eq!(
            (
                conflict.kept,
                conflict.odoo.in_english("").as_str(),
                conflict.outlook.in_english("").as_str()
            ),
            (Side::Outlook, "Y", "X")
        );
    }

    #[test]
    fn an_online_meeting_is_asked_for_and_never_taken_back() {
        let offline = sample();
        let mut online = sample();
        online.online = true;
        let times = EditTimes::default();
        let both = |event: &Event| Base {
            odoo: event.clone(),
            outlook: event.clone(),
        };
        let asked = merge(Some(&both(&offline)), &online, &offline, &times, Policy::Latest);
        assert_eq!(asked.to_outlook, BTreeSet::from([Group::Online]));
        let taken_back = merge(Some(&both(&online)), &offline, &online, &times, Policy::Odoo);
        assert_eq!(taken_back.to_odoo, BTreeSet::from([Group::Online]));
        assert!(taken_back.to_outlook.is_empty() && taken_back.conflicts.is_empty());
        // Outlook was asked and could not do it. It is not asked again and again.
        let refused = Base {
            odoo: online.clone(),
            outlook: offline.clone(),
        };
        let settled = merge(Some(&refused), &online, &offline, &times, Policy::Latest);
        assert!(settled.to_outlook.is_empty() && settled.to_odoo.is_empty());
    }

    pub(crate) fn guest(name: &str) -> Attendee {
        Attendee {
            name: name.to_owned(),
            answer: Answer::NeedsAction,
            kind: AttendeeKind::Required,
            also: Vec::new(),
            unlisted: false,
            by_alias: false,
            shown_as: None,
        }
    }

    pub(crate) fn sample() -> Event {
        Event {
            title: "Review".into(),
            body: String::new(),
            location: String::new(),
            time: Time::Timed {
                start: at(0),
                end: at(60),
                zone: "UTC".into(),
            },
            privacy: Privacy::Normal,
            show_as: ShowAs::Busy,
            reminder: None,
            video: String::new(),
            online: false,
            organizer: None,
            attendees: BTreeMap::new(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn what_has_arrived_is_agreed_on_and_the_rest_goes_on_counting(b in event(), sent in event(), there in event()) {
            let base = Base { odoo: b.clone(), outlook: b };
            let groups = arrived(&Group::SINGLE.into(), &sent, &there);
            let next = advance(Some(base.clone()), &groups, &Told::default(), (&sent, &there), Side::Outlook);
            for group in Group::SINGLE {
                let (odoo, outlook) = if groups.contains(&group) { (&sent, &there) } else { (&base.odoo, &base.outlook) };
                prop_assert!(unchanged(group, &next.odoo, odoo) && unchanged(group, &next.outlook, outlook));
            }
        }

        #[test]
        fn what_odoo_changed_of_a_guests_copy_is_no_conflict_with_the_organizers(b in event(), guest in event(), o in event(), l in event(), t in times()) {
            let base = by_organizer(Base { odoo: b, outlook: guest }, &o, &l);
            let merged = merge(Some(&base), &o, &l, &t, Policy::Latest);
            let own = |group: Group| matches!(group, Group::ShowAs | Group::Reminder);
            prop_assert!(!merged.conflicts.iter().any(|conflict| own(conflict.group)), "{:?}", merged.conflicts);
        }
    }
}
