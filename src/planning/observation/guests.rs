//! Guests whose address Graph has replaced, or whom it no longer shows.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::calendar::event::{Address, Answer, Attendee, AttendeeKind};
use crate::calendar::words;
use crate::outlook::wire::series::date_in;
use crate::outlook::wire::{EmailAddress, ResponseStatus, WireAttendee, WireEvent};
use crate::store::meetings::Copy;
use crate::words::{Arg, Sentence, say};

type Guests = BTreeMap<Address, Attendee>;

/// Restores the addresses that the guests had. Graph has been seen to show an Exchange X.500 path
/// instead of a guest's address after the guest has responded (microsoft-graph-docs#13898). A guest
/// does not count as removed while such a path may be theirs, or while guests are hidden from the
/// mailbox's owner.
pub(crate) fn with_known_addresses<'a>(event: &'a WireEvent, before: Option<&Copy>) -> Cow<'a, WireEvent> {
    let exceptions = || event.exception_occurrences.iter();
    let is_lacking = std::iter::once(event)
        .chain(exceptions())
        .any(|e| e.hides_guests() || e.attendees_without_address().next().is_some());
    // If the earlier state cannot be read, it does not help; another place reports that.
    let Some(known) = before
        .filter(|_| is_lacking)
        .and_then(|copy| copy.document().ok())
    else {
        return Cow::Borrowed(event);
    };
    let mut restored = event.clone();
    restore(&mut restored, &known.master.attendees);
    for exception in &mut restored.exception_occurrences {
        let slot = exception.occurrence_id.as_deref().and_then(date_in);
        let own = slot.and_then(|slot| known.exceptions.get(&slot)?.attendees.as_ref());
        restore(exception, own.unwrap_or(&known.master.attendees));
    }
    Cow::Owned(restored)
}

/// Returns the event that Outlook lists for a copy, with the addresses that its guests had.
///
/// # Errors
/// When what is stored cannot be read.
pub(crate) fn as_listed(copy: &Copy) -> anyhow::Result<WireEvent> {
    let event = copy.wire_event()?;
    Ok(with_known_addresses(&event, Some(copy)).into_owned())
}

fn restore(event: &mut WireEvent, known: &Guests) {
    let address = |guest: &WireAttendee| guest.email_address.address.as_deref().and_then(Address::parse);
    let organizer = event
        .organizer
        .as_ref()
        .and_then(|o| o.email_address.name.clone());
    let mut listed: BTreeSet<Address> = event.attendees.iter().filter_map(address).collect();
    listed.extend(event.organizer_person().map(|person| person.address));
    let mut nameless = event.hides_guests();
    for guest in event
        .attendees
        .iter_mut()
        .filter(|guest| address(guest).is_none())
    {
        let name = guest
            .email_address
            .name
            .clone()
            .unwrap_or_default()
            .to_lowercase();
        if organizer
            .as_ref()
            .is_some_and(|organizer| organizer.to_lowercase() == name)
        {
            continue;
        }
        let is_it = |(address, one): &(&Address, &Attendee)| {
            !one.unlisted && !listed.contains(*address) && one.name.to_lowercase() == name
        };
        let mut found = known.iter().filter(is_it).map(|(address, _)| address.clone());
        match (found.next(), found.next()) {
            (Some(address), None) => {
                guest.email_address.address = Some(address.to_string());
                listed.insert(address);
            }
            _ => nameless = true,
        }
    }
    if nameless {
        let missing = known
            .iter()
            .filter(|(address, one)| !one.unlisted && !listed.contains(*address));
        event
            .attendees
            .extend(missing.map(|(address, one)| as_shown(address, one)));
    }
}

fn as_shown(address: &Address, guest: &Attendee) -> WireAttendee {
    let kind = match guest.kind {
        AttendeeKind::Required => "required",
        AttendeeKind::Optional => "optional",
        AttendeeKind::Resource => "resource",
    };
    let response = match guest.answer {
        Answer::Accepted => "accepted",
        Answer::Tentative => "tentativelyAccepted",
        Answer::Declined => "declined",
        Answer::NeedsAction => "none",
    };
    WireAttendee {
        kind: Some(kind.to_owned()),
        email_address: EmailAddress {
            name: Some(guest.name.clone()),
            address: Some(address.to_string()),
        },
        status: Some(ResponseStatus {
            response: Some(response.to_owned()),
            time: None,
        }),
        proposed_new_time: None,
    }
}

/// Returns the proposals of guests of the organizer's event, as the journal words them. Leaves out
/// those that were made `before`.
pub(crate) fn new_proposals(event: &WireEvent, before: Option<&WireEvent>) -> Vec<Sentence> {
    if event.is_organizer != Some(true) {
        return Vec::new();
    }
    let mut news = proposals_in(event);
    if let Some(before) = before {
        let known = proposals_in(before);
        news.retain(|what, _| !known.contains_key(what));
    }
    let line = |((who, _), (time, title)): ((String, String), (Arg, Option<String>))| {
        let who = match who.as_str() {
            "" => Arg::from(say::a_guest()),
            who => who.into(),
        };
        say::proposes(title.unwrap_or_default(), who, time)
    };
    news.into_iter().map(line).collect()
}

/// Lists who proposes which other time, with the time and the title of the event it is for. Each
/// changed occurrence of a series also contains the proposals for the whole.
fn proposals_in(event: &WireEvent) -> BTreeMap<(String, String), (Arg, Option<String>)> {
    let mut all = BTreeMap::new();
    for event in std::iter::once(event).chain(&event.exception_occurrences) {
        for (who, time) in event.proposals() {
            let name = who.name.as_deref().or(who.address.as_deref());
            let time = words::time(&time);
            let what = (name.unwrap_or_default().to_owned(), time.in_english(words::DAY));
            all.entry(what).or_insert_with(|| (time, event.subject.clone()));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::outlook::wire;

    fn meeting(guests: &[(&str, &str)]) -> WireEvent {
        let guests: Vec<_> = guests
            .iter()
            .map(|(name, address)| json!({"emailAddress": {"name": name, "address": address}}))
            .collect();
        serde_json::from_value(json!({
            "id": "E", "subject": "S", "isAllDay": false, "attendees": guests,
            "organizer": {"emailAddress": {"name": "Ann", "address": "ann@contoso.example"}},
            "start": {"dateTime": "2027-03-01T09:00:00.0000000", "timeZone": "UTC"},
            "end": {"dateTime": "2027-03-01T10:00:00.0000000", "timeZone": "UTC"},
        }))
        .unwrap()
    }

    fn after(before: &WireEvent, mut now: WireEvent) -> Vec<String> {
        restore(&mut now, &wire::to_event(before).unwrap().attendees);
        let guests = wire::to_event(&now).unwrap().attendees;
        guests.keys().map(ToString::to_string).collect()
    }

    #[test]
    fn a_guest_whose_address_becomes_a_path_keeps_the_address() {
        const PATH: &str = "/o=ExchangeLabs/ou=Exchange Administrative Group/cn=Recipients/cn=1a2b-zoe";
        let (zoe, bob) = (("Zoe", "zoe@outside.example"), ("Bob", "bob@outside.example"));
        let before = meeting(&[zoe, bob]);
        let both = ["bob@outside.example", "zoe@outside.example"];
        assert_eq!(after(&before, meeting(&[("zoe", PATH), bob])), both);
        assert_eq!(
            after(&before, meeting(&[("Z.", PATH), bob])),
            both,
            "it may be she"
        );
        assert_eq!(
            after(&before, meeting(&[("Zoe", PATH)])),
            ["zoe@outside.example"],
            "Bob was removed"
        );
        assert_eq!(after(&before, meeting(&[bob])), ["bob@outside.example"]);
        assert_eq!(
            after(&before, meeting(&[("Ann", PATH), bob])),
            ["bob@outside.example"],
            "the organizer is no guest"
        );
    }
}
