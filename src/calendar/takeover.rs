//! The base for the first merge of an event that Odoo's built-in sync had linked.
//!
//! It is unknown what that sync last saw. If the two sides differ, Outlook's value is taken, as a
//! write to Odoo mails nobody. Only edits in Odoo since the pairing count as changes of Odoo.

use std::collections::BTreeSet;

use super::body;
use super::document::Document;
use super::event::{Answer, Event};
use crate::calendar::field::{Group, take_groups};
use crate::calendar::merge::Base;

/// Returns the base of two masters. `edited` are the groups that were edited in Odoo since the
/// pairing. `sent` is the description that the built-in sync sent, if it sent more than Odoo's.
fn masters_of(odoo: &Event, outlook: &Event, edited: &BTreeSet<Group>, sent: Option<&str>) -> Base<Event> {
    let mut base = Base {
        odoo: odoo.clone(),
        outlook: odoo.clone(),
    };
    take_groups(edited, &mut base.odoo, outlook);
    take_groups(edited, &mut base.outlook, outlook);
    if !edited.contains(&Group::Body) && sent.is_some_and(|sent| body::same_meaning(sent, &outlook.body)) {
        base.outlook.body.clone_from(&outlook.body);
    }
    // If Outlook has no response, that does not withdraw Odoo's.
    for (address, attendee) in &mut base.outlook.attendees {
        if outlook
            .attendees
            .get(address)
            .is_some_and(|a| a.answer == Answer::NeedsAction)
        {
            attendee.answer = Answer::NeedsAction;
        }
    }
    base
}

/// Returns the base of two documents, like `masters_of`. If a series' dates or single occurrences
/// were edited, everything in Odoo counts as changed.
pub fn base_of(odoo: &Document, outlook: &Document, edited: &BTreeSet<Group>, sent: Option<&str>) -> Base {
    let is_single = odoo.is_single() && outlook.is_single();
    if edited.contains(&Group::Time) && !is_single {
        return Base {
            odoo: outlook.clone(),
            outlook: outlook.clone(),
        };
    }
    let master = masters_of(&odoo.master, &outlook.master, edited, sent);
    let with = |master: Event| Document {
        master,
        ..odoo.clone()
    };
    Base {
        odoo: with(master.odoo),
        outlook: with(master.outlook),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::event::{Address, Attendee, AttendeeKind};
    use super::*;
    use crate::calendar::field::unchanged;
    use crate::calendar::merge::tests::{event, sample, times};
    use crate::calendar::merge::{EditTimes, Policy, merge};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn moving_in_writes_nothing_to_outlook(
            odoo in event(),
            outlook in event(),
            times in times(),
            policy in prop_oneof![Just(Policy::Latest), Just(Policy::Odoo), Just(Policy::Outlook)],
        ) {
            let base = masters_of(&odoo, &outlook, &BTreeSet::new(), None);
            let merged = merge(Some(&base), &odoo, &outlook, &times, policy);
            prop_assert_eq!(merged.to_outlook, BTreeSet::new());
        }

        #[test]
        fn what_was_edited_since_the_pairing_goes_to_outlook(odoo in event(), outlook in event()) {
            let edited = BTreeSet::from([Group::Title]);
            let base = masters_of(&odoo, &outlook, &edited, None);
            let merged = merge(Some(&base), &odoo, &outlook, &EditTimes::default(), Policy::Latest);
            prop_assert_eq!(&merged.outlook.title, &odoo.title);
            prop_assert!(unchanged(Group::Title, &merged.odoo, &odoo));
            prop_assert!(merged.to_outlook.iter().all(|group| *group == Group::Title));
        }
    }

    #[test]
    fn the_contacts_that_odoo_appended_stay_in_outlook_alone() {
        let (mut odoo, mut outlook) = (sample(), sample());
        odoo.body = "<p>Agenda</p>".to_owned();
        outlook.body = "<html><body><p>Agenda</p><br>Contact: Ann</body></html>".to_owned();
        let sent = Some("<div><p>Agenda</p><br>Contact: Ann</div>");
        let base = masters_of(&odoo, &outlook, &BTreeSet::new(), sent);
        let merged = merge(
            Some(&base),
            &odoo,
            &outlook,
            &EditTimes::default(),
            Policy::Latest,
        );
        assert_eq!(
            (merged.to_odoo, merged.to_outlook),
            (BTreeSet::new(), BTreeSet::new())
        );
    }

    #[test]
    fn an_answer_that_outlook_does_not_know_stays_in_odoo() {
        let (mut odoo, mut outlook) = (sample(), sample());
        let guest = Address::parse("guest@fabrikam.example").expect("an address");
        for (side, answer) in [(&mut odoo, Answer::Accepted), (&mut outlook, Answer::NeedsAction)] {
            let attendee = Attendee {
                name: "Guest".to_owned(),
                answer,
                kind: AttendeeKind::Required,
                also: Vec::new(),
                unlisted: false,
                by_alias: false,
                shown_as: None,
            };
            side.attendees.insert(guest.clone(), attendee);
        }
        let base = masters_of(&odoo, &outlook, &BTreeSet::new(), None);
        let merged = merge(
            Some(&base),
            &odoo,
            &outlook,
            &EditTimes::default(),
            Policy::Latest,
        );
        assert_eq!(merged.to_odoo, BTreeSet::new());
    }
}
