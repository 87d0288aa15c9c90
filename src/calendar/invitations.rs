//! Which side mails a meeting's guests, whether Outlook gets them at all, and who would get which
//! mail.
//!
//! Graph cannot create a meeting with guests without inviting them. Guests whom Outlook must not
//! mail are therefore **withheld**: Outlook's event is without them. All states that are compared
//! with it are without them too, so that they do not count as removed.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::document::Document;
use super::document::Override;
use super::event::{Address, Attendee};
use crate::calendar::merge::Base;

/// Which side mails the guests of an event, as recorded when the event was saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mailer {
    /// Odoo sent nothing: Outlook must mail them.
    Outlook,
    /// Odoo has mailed them.
    Odoo,
    /// It was saved so that nobody is mailed (an import).
    Nobody,
}

/// The policy for a meeting's guests in Outlook.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Guests {
    /// They are invited with the meeting.
    #[default]
    AsSaved,
    /// The meeting existed with guests when its organizer connected, or a restored Odoo has it
    /// again: a person has to choose.
    Waiting,
    /// A person chose to keep it in Odoo only.
    LeftOut,
    /// A person chose to invite them, or saved the meeting after connecting.
    Announced,
    /// Outlook's event is without them, and Odoo mails them.
    Withheld,
}

impl Guests {
    pub const ALL: [Self; 5] = [
        Self::AsSaved,
        Self::Waiting,
        Self::LeftOut,
        Self::Announced,
        Self::Withheld,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::AsSaved => "as_saved",
            Self::Waiting => "waiting",
            Self::LeftOut => "left_out",
            Self::Announced => "announced",
            Self::Withheld => "withheld",
        }
    }

    /// Returns whether a meeting that Outlook does not have stays in Odoo only.
    pub fn stays_in_odoo(self) -> bool {
        matches!(self, Self::Waiting | Self::LeftOut)
    }
}

/// What is known about a meeting that Odoo has and Outlook does not.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    pub has_guests: bool,
    /// It was made before its organizer connected.
    pub existed: bool,
    pub over: bool,
    pub mailer: Option<Mailer>,
}

/// Returns the policy for the guests of a meeting before it is made in Outlook. Nobody is invited
/// to a past meeting, or twice.
pub fn before_creation(now: Guests, facts: Facts) -> Guests {
    if !facts.has_guests {
        return Guests::AsSaved;
    }
    match now {
        Guests::LeftOut | Guests::Withheld | Guests::Waiting => now,
        Guests::Announced if facts.over => Guests::Withheld,
        Guests::Announced => now,
        Guests::AsSaved if facts.existed => Guests::Waiting,
        _ if facts.over || matches!(facts.mailer, Some(Mailer::Odoo | Mailer::Nobody)) => Guests::Withheld,
        _ => Guests::AsSaved,
    }
}

/// The guests that were removed from a document. They are added again to what Odoo gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Withheld {
    all: BTreeMap<Address, Attendee>,
    /// Occurrences with guests of their own.
    slots: BTreeMap<NaiveDate, BTreeMap<Address, Attendee>>,
}

impl Withheld {
    /// Removes the guests from Odoo's document whom Outlook neither has nor had.
    pub fn take(odoo: &mut Document, outlook: Option<&Document>, base: Option<&Base>) -> Self {
        let shown: BTreeSet<Address> = outlook
            .into_iter()
            .chain(base.map(|base| &base.outlook))
            .flat_map(everybody)
            .cloned()
            .collect();
        let known = |address: &Address| shown.contains(address);
        let all = take_out(&mut odoo.master.attendees, known);
        let mut slots = BTreeMap::new();
        for (slot, own) in &mut odoo.exceptions {
            if let Some(attendees) = &mut own.attendees {
                slots.insert(*slot, take_out(attendees, known));
            }
            if own.attendees.as_ref() == Some(&odoo.master.attendees) {
                own.attendees = None;
            }
        }
        odoo.exceptions.retain(|_, own| !own.is_empty());
        Self { all, slots }
    }

    /// Adds them again to what Odoo gets.
    pub fn give_back(&self, series: &mut Document) {
        for own in series.exceptions.values_mut() {
            if let Some(attendees) = &mut own.attendees {
                attendees.extend(self.all.clone());
            }
        }
        for (slot, guests) in &self.slots {
            if series.excluded_dates.contains(slot) {
                continue;
            }
            let shared = series.master.attendees.clone();
            let own: &mut Override = series.exceptions.entry(*slot).or_default();
            let mut attendees = own.attendees.take().unwrap_or(shared);
            attendees.retain(|address, _| !self.all.contains_key(address));
            attendees.extend(guests.clone());
            own.attendees = Some(attendees);
        }
        series.master.attendees.extend(self.all.clone());
    }
}

fn take_out(
    attendees: &mut BTreeMap<Address, Attendee>,
    known: impl Fn(&Address) -> bool,
) -> BTreeMap<Address, Attendee> {
    let (stay, out) = std::mem::take(attendees)
        .into_iter()
        .partition(|(address, _)| known(address));
    *attendees = stay;
    out
}

/// Returns everybody who is invited to any occurrence.
pub fn everybody(series: &Document) -> impl Iterator<Item = &Address> {
    all_guests(series).map(|(address, _)| address)
}

/// Does the same with the attendee's data, once for each list that contains the attendee.
pub fn all_guests(series: &Document) -> impl Iterator<Item = (&Address, &Attendee)> {
    let own = series
        .exceptions
        .values()
        .filter_map(|own| own.attendees.as_ref());
    std::iter::once(&series.master.attendees).chain(own).flatten()
}

/// How many mails are sent to how many people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    pub events: usize,
    pub mails: usize,
    pub people: usize,
    /// See [`InternalDomains`].
    pub outside: usize,
}

/// The domains of a database's mailboxes. A person with an address of another domain is *outside*.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InternalDomains(BTreeSet<String>);

impl InternalDomains {
    pub fn of<'a>(mailboxes: impl IntoIterator<Item = &'a Address>) -> Self {
        Self(mailboxes.into_iter().map(|one| one.domain().to_owned()).collect())
    }

    pub fn is_outside(&self, address: &Address) -> bool {
        !self.0.contains(address.domain())
    }
}

/// Counts the mails of some events, each given with the addresses that it mails.
pub fn tally<'a, I>(inside: &InternalDomains, events: impl IntoIterator<Item = I>) -> Tally
where
    I: IntoIterator<Item = &'a Address>,
{
    let mut tally = Tally::default();
    let mut people = BTreeSet::new();
    for event in events {
        tally.events += 1;
        for address in event {
            tally.mails += 1;
            people.insert(address);
        }
    }
    tally.people = people.len();
    tally.outside = people.iter().filter(|one| inside.is_outside(one)).count();
    tally
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::document::plan::{OdooStep, OutlookWrite, Situation, State, plan};
    use super::super::plan::Rights;
    use super::*;
    use crate::calendar::field::Group;
    use crate::calendar::merge::Policy;
    use crate::calendar::merge::tests::{event, times};

    fn facts(existed: bool, over: bool, mailer: Option<Mailer>) -> Facts {
        Facts {
            has_guests: true,
            existed,
            over,
            mailer,
        }
    }

    #[test]
    fn nobody_is_invited_by_surprise_or_twice() {
        use Guests::{Announced, AsSaved, LeftOut, Waiting, Withheld};
        let (by_outlook, by_odoo, by_nobody) =
            (Some(Mailer::Outlook), Some(Mailer::Odoo), Some(Mailer::Nobody));
        for (now, existed, over, mailer, then) in [
            (AsSaved, false, false, None, AsSaved),
            (AsSaved, false, false, by_outlook, AsSaved),
            (AsSaved, false, false, by_odoo, Withheld),
            (AsSaved, false, false, by_nobody, Withheld),
            (AsSaved, false, true, by_outlook, Withheld),
            (AsSaved, true, false, None, Waiting),
            (AsSaved, true, false, by_outlook, Waiting),
            (AsSaved, true, true, by_odoo, Waiting),
            (Waiting, true, false, by_odoo, Waiting),
            (LeftOut, true, false, None, LeftOut),
            (Announced, true, false, None, Announced),
            (Announced, true, true, None, Withheld),
            (Announced, false, false, by_odoo, Announced),
            (Withheld, true, false, by_outlook, Withheld),
        ] {
            let at = facts(existed, over, mailer);
            assert_eq!(before_creation(now, at), then, "{now:?} {at:?}");
            let alone = Facts {
                has_guests: false,
                ..at
            };
            assert_eq!(before_creation(now, alone), AsSaved, "{now:?} {alone:?}");
            let named = Guests::ALL.into_iter().find(|one| one.name() == now.name());
            assert_eq!(named, Some(now));
        }
    }

    #[test]
    fn mails_are_counted_by_event_and_people_once() {
        let address = |text: &str| Address::parse(text).unwrap();
        let (ann, ben, zoe) = (
            address("ann@a.example"),
            address("ben@a.example"),
            address("zoe@z.example"),
        );
        let tally = tally(
            &InternalDomains::of([&ann]),
            [vec![&ben, &zoe], vec![&zoe], vec![]],
        );
        let expected = Tally {
            events: 3,
            mails: 3,
            people: 2,
            outside: 1,
        };
        assert_eq!(tally, expected);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Outlook never gets withheld guests, and Odoo keeps them, whatever either side does.
        #[test]
        fn withheld_guests_stay_where_they_are(agreed in event(), odoo in event(), outlook in event(), t in times()) {
            let [agreed, odoo, outlook] = [agreed, odoo, outlook].map(Document::single);
            let base = Base { odoo: agreed.clone(), outlook: agreed };
            let mut stripped = odoo.clone();
            let withheld = Withheld::take(&mut stripped, Some(&outlook), Some(&base));
            let plan = plan(&Situation {
                base: Some(&base),
                odoo: State::Present(&stripped),
                outlook: State::Present(&outlook),
                rights: Rights::Write,
                create_in_outlook: true,
                create_in_odoo: true,
                times: &t,
                policy: Policy::Latest,
            });
            if let Some(OutlookWrite::Master { target, .. }) = plan.outlook.writes.first() {
                for address in target.master.attendees.keys() {
                    prop_assert!(outlook.master.attendees.contains_key(address));
                }
            }
            if let OdooStep::Apply { changes, target } = plan.odoo {
                let mut target = target;
                withheld.give_back(&mut target);
                if changes.groups.contains(&Group::Attendees) {
                    for address in odoo.master.attendees.keys() {
                        let gone = base.outlook.master.attendees.contains_key(address) && !outlook.master.attendees.contains_key(address);
                        prop_assert!(gone || target.master.attendees.contains_key(address));
                    }
                }
            }
        }

        #[test]
        fn what_is_given_back_to_a_series_is_what_was_taken(master in event(), own in event()) {
            let mut series = Document::single(master);
            let slot = series.start();
            let differs = own.attendees != series.master.attendees;
            if differs {
                let own = Override { attendees: Some(own.attendees), ..Override::default() };
                series.exceptions.insert(slot, own);
            }
            let mut stripped = series.clone();
            let withheld = Withheld::take(&mut stripped, None, None);
            prop_assert_eq!(everybody(&stripped).count(), 0);
            withheld.give_back(&mut stripped);
            prop_assert_eq!(stripped, series);
        }
    }
}
