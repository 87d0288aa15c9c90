//! A single calendar event, as both Odoo and Outlook can express it.
//!
//! The type is a *projection*: each side stores more than this (Outlook's categories, Odoo's
//! messages). What is not here is never written, so it survives a round trip.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

/// A mail address in normal form (trimmed, lower case), the identity of an attendee.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Address(String);

impl Address {
    /// Parses an address. Returns `None` for text that cannot receive mail over the internet:
    /// empty, without `@`, or an Exchange X.500 address (`/o=…`), which Graph returns for
    /// colleagues who have left.
    pub fn parse(raw: &str) -> Option<Self> {
        let trimmed = raw.trim();
        let (local, domain) = trimmed.rsplit_once('@')?;
        let bad = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | ',' | ';');
        if local.is_empty() || domain.is_empty() || trimmed.starts_with('/') || trimmed.contains(bad) {
            return None;
        }
        Some(Self(trimmed.to_lowercase()))
    }

    /// Parses the addresses in a field that people fill: `"Bob" <bob@x.org>`, or several with
    /// comma, semicolon or blanks between them. Returns each once, in their order. Skips text that
    /// is not an address.
    pub fn parse_list(raw: &str) -> Vec<Self> {
        let (mut parts, mut quoted, mut angled) = (vec![String::new()], false, false);
        for char in raw.chars() {
            match char {
                '"' => quoted = !quoted,
                '<' if !quoted => {
                    // The text before it is a name.
                    angled = true;
                    parts.pop();
                    parts.push(String::new());
                }
                '>' if !quoted => {
                    angled = false;
                    parts.push(String::new());
                }
                ',' | ';' if !quoted && !angled => parts.push(String::new()),
                _ if quoted => {}
                char if char.is_whitespace() && !angled => parts.push(String::new()),
                char => {
                    if let Some(part) = parts.last_mut() {
                        part.push(char);
                    }
                }
            }
        }
        let mut seen = BTreeSet::new();
        let found = parts.iter().filter_map(|part| Self::parse(part));
        found.filter(|address| seen.insert(address.clone())).collect()
    }

    /// Returns the address of a person who has none: of no domain, and equal to nobody's.
    pub fn nowhere() -> Self {
        Self(String::new())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the part behind the `@`.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// When an event takes place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Time {
    /// Two instants. `zone` is the IANA zone the event was written in. It anchors the event, and
    /// does not move the instants.
    Timed {
        start: DateTime<Utc>,
        end: DateTime<Utc>,
        zone: String,
    },
    /// Whole days, the same dates for everybody. `end` is exclusive, as in iCalendar and Graph.
    AllDay { start: NaiveDate, end: NaiveDate },
}

impl Time {
    /// Returns whether both are the same span. The zone of single events is not compared, as Odoo
    /// stores none for them.
    pub fn same_span(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Timed { start, end, .. }, Self::Timed { start: s, end: e, .. }) => start == s && end == e,
            (Self::AllDay { start, end }, Self::AllDay { start: s, end: e }) => start == s && end == e,
            _ => false,
        }
    }

    /// Returns the instant after which the event is over; for all-day events, midnight UTC after
    /// the last day.
    pub fn ends_at(&self) -> DateTime<Utc> {
        match self {
            Self::Timed { end, .. } => *end,
            Self::AllDay { end, .. } => end.and_time(chrono::NaiveTime::MIN).and_utc(),
        }
    }

    /// Returns the instant at which the event begins; for all-day events, midnight UTC of the first
    /// day.
    pub fn starts_at(&self) -> DateTime<Utc> {
        match self {
            Self::Timed { start, .. } => *start,
            Self::AllDay { start, .. } => start.and_time(chrono::NaiveTime::MIN).and_utc(),
        }
    }
}

/// iCalendar's CLASS, with the values of Graph's `sensitivity`. Odoo has no `Personal`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Privacy {
    Normal,
    Personal,
    Private,
    Confidential,
}

/// Graph's `freeBusyStatus`. Odoo only has `Free` and `Busy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShowAs {
    Free,
    Tentative,
    Busy,
    OutOfOffice,
    WorkingElsewhere,
    Unknown,
}

impl ShowAs {
    /// Returns the part that Odoo can show.
    pub fn blocks_time(self) -> bool {
        self != Self::Free
    }
}

/// An attendee's response (iCalendar's PARTSTAT).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    NeedsAction,
    Accepted,
    Tentative,
    Declined,
}

/// iCalendar's ROLE/CUTYPE, with the values of Graph's `attendeeType`. Odoo only has `Required`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttendeeKind {
    Required,
    Optional,
    Resource,
}

/// An invited person. The organizer is not among the attendees.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Attendee {
    pub name: String,
    pub answer: Answer,
    pub kind: AttendeeKind,
    /// Other addresses of the same contact in Odoo, which Outlook invites one by one. They do not
    /// count as a difference between two states: only Odoo knows that they are one guest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Address>,
    /// Not in the list of attendees. The guest's own mailbox shows the meeting, as the guest was
    /// invited by a mail group or got a forwarded invitation. Never written to Outlook, and not a
    /// difference between two states.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unlisted: bool,
    /// Listed under one of `also`, which reaches the same mailbox, so the guest need not be invited
    /// by the known address.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_alias: bool,
    /// The address under which Outlook shows somebody who was written with another one, or vice
    /// versa. The base remembers it to interpret Outlook's list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown_as: Option<Address>,
}

impl PartialEq for Attendee {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.answer, self.kind) == (&other.name, other.answer, other.kind)
    }
}

impl Eq for Attendee {}

/// A name and an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    pub name: String,
    pub address: Address,
}

/// One event, as one side has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub title: String,
    /// HTML as that side has it. Compare it with [`crate::calendar::body::same_meaning`].
    pub body: String,
    pub location: String,
    pub time: Time,
    pub privacy: Privacy,
    pub show_as: ShowAs,
    /// Minutes before the start; `None` without a reminder.
    pub reminder: Option<i32>,
    /// A link to join online; empty if there is none.
    pub video: String,
    /// Whether Outlook holds the meeting online, or is asked to (Teams). `video` is then its link.
    #[serde(default)]
    pub online: bool,
    /// `None` if the side has none (Odoo's events without organizer).
    pub organizer: Option<Person>,
    pub attendees: BTreeMap<Address, Attendee>,
}

impl Event {
    /// Returns the addresses that a mail about this event would go to.
    pub fn guests(&self) -> impl Iterator<Item = &Address> {
        let organizer = self.organizer.as_ref().map(|o| &o.address);
        self.attendees
            .keys()
            .filter(move |address| Some(*address) != organizer)
    }
}

/// The mailboxes of a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The known address of a mailbox, by each of its other addresses.
    pub aliases: BTreeMap<Address, Address>,
    /// The addresses by which the mailboxes are known.
    pub mailboxes: BTreeSet<Address>,
}

/// The addresses under which Outlook may list people who are known by another one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aliases {
    /// For one event's contacts: the known address of a person, by each other one.
    pub own: BTreeMap<Address, Address>,
    pub known: Arc<Known>,
    /// Addresses under which Outlook has shown a person who was written with another one.
    pub seen: BTreeMap<Address, Address>,
}

impl Aliases {
    fn get(&self, address: &Address) -> Option<&Address> {
        let known = self.own.get(address).or_else(|| self.known.aliases.get(address));
        known.or_else(|| self.seen.get(address))
    }

    /// Adds the addresses under which Outlook has shown people who were written with another one.
    /// `agreed` are its attendees as last agreed on. An address that somebody in Odoo has
    /// (`in_odoo`) belongs to that person.
    pub fn learn<'a>(
        &mut self,
        agreed: impl IntoIterator<Item = (&'a Address, &'a Attendee)>,
        in_odoo: &BTreeSet<&Address>,
    ) {
        let shown = agreed.into_iter().filter_map(|(address, attendee)| {
            let shown = attendee.shown_as.as_ref()?;
            (!in_odoo.contains(shown)).then(|| (shown.clone(), address.clone()))
        });
        self.seen.extend(shown);
    }

    /// Renames attendees to the addresses by which they are known. Each keeps Outlook's address in
    /// `also`, so that no write removes it. The organizer is not an attendee, under whichever
    /// address.
    pub fn rename(&self, attendees: &mut BTreeMap<Address, Attendee>, organizer: Option<&Address>) {
        let renamed = attendees
            .keys()
            .filter_map(|from| Some((from.clone(), self.get(from)?.clone())));
        for (from, to) in renamed.collect::<Vec<_>>() {
            let Some(mut attendee) = attendees.remove(&from) else {
                continue;
            };
            // A guest who is invited by another address of the mailbox is invited.
            let is_seen = self.seen.get(&from) == Some(&to);
            attendee.by_alias = is_seen || self.known.mailboxes.contains(&to);
            attendee.shown_as = is_seen.then(|| from.clone());
            let known = attendees.entry(to).or_insert_with(|| attendee.clone());
            known.shown_as = known.shown_as.take().or(attendee.shown_as);
            // If a person is invited by several addresses, the one with a response counts.
            if known.answer == Answer::NeedsAction {
                known.answer = attendee.answer;
            }
            if !known.also.contains(&from) {
                known.also.push(from);
            }
        }
        if let Some(organizer) = organizer {
            attendees.remove(organizer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_in_an_address_field_is_found() {
        let found = |raw: &str| {
            let list = Address::parse_list(raw).into_iter();
            list.map(|address| address.to_string()).collect::<Vec<_>>()
        };
        let both = ["a@ext.example", "b@ext.example"];
        assert_eq!(found(r#""Bob Bee" <Bob@ext.example>"#), ["bob@ext.example"]);
        assert_eq!(found(r#""Bee, Bob; jr" <bob@ext.example>"#), ["bob@ext.example"]);
        assert_eq!(found("Bob Bee <bob@ext.example>"), ["bob@ext.example"]);
        assert_eq!(found("  bob@ext.example \n"), ["bob@ext.example"]);
        for list in [
            "a@ext.example, b@ext.example",
            "a@ext.example;b@ext.example",
            "a@ext.example b@ext.example",
            "A <a@ext.example>, B <b@ext.example>; a@ext.example",
        ] {
            assert_eq!(found(list), both, "{list}");
        }
        for nobody in ["", "bob", "call him", "<>", "\"", "/o=Exchange/cn=bob", "<a@b"] {
            assert!(found(nobody).len() <= 1, "{nobody}");
        }
        assert_eq!(found("ask Bob, or bob@ext.example"), ["bob@ext.example"]);
    }

    #[test]
    fn addresses_are_normalized_and_the_unusable_refused() {
        assert_eq!(
            Address::parse(" Bob@Contoso.COM ").unwrap().as_str(),
            "bob@contoso.com"
        );
        assert_eq!(Address::parse("a@b").unwrap().domain(), "b");
        for bad in [
            "",
            "bob",
            "@x",
            "bob@",
            "/o=Exchange/cn=bob@x",
            "a b@c",
            "Bob <bob@x.org>",
        ] {
            assert_eq!(Address::parse(bad), None, "{bad:?}");
        }
    }
}
