//! A record of Odoo as it is sent, and its translation to and from the domain.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::identity::{StockIds, Was};
use super::mailboxes::Mailboxes;
use super::time::OdooTime;
use crate::calendar::body;
use crate::calendar::event::{
    Address, Aliases, Answer, Attendee, AttendeeKind, Event, Person, Privacy, ShowAs, Time,
};
use crate::calendar::field::Group;
use crate::calendar::invitations::Mailer;
use crate::words::{Sentence, say};

/// `calendar.event` as `docs/EXCHANGE.md` describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    pub id: i32,
    pub link: Option<Uuid>,
    pub version: String,
    pub active: bool,
    /// Belongs to a `calendar.recurrence`.
    pub recurrent: bool,
    pub name: Option<String>,
    pub description: Option<String>,
    pub location: Option<String>,
    pub videocall_location: Option<String>,
    /// Somebody asked for a Teams meeting.
    #[serde(default)]
    pub online_meeting: bool,
    pub allday: bool,
    pub start: OdooTime,
    pub stop: OdooTime,
    pub start_date: Option<NaiveDate>,
    /// The last day, inclusive.
    pub stop_date: Option<NaiveDate>,
    pub tz: String,
    pub privacy: Option<String>,
    pub default_privacy: Option<String>,
    pub show_as: Option<String>,
    pub reminder_minutes: Vec<i32>,
    pub organizer: Option<Organizer>,
    pub attendees: Vec<AttendeeLine>,
    /// The series that it was before.
    #[serde(default)]
    pub was: Option<Was>,
    /// The ids by which Odoo's built-in sync knew it before the database was paired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock_ids: Option<StockIds>,
    /// Which side mails its guests, as recorded when it was saved; not part of the version.
    #[serde(default)]
    pub mailer: Option<Mailer>,
    /// The names of its tags; not part of the version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// A rule of this Odoo keeps it out of Outlook; not part of the version.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub excluded: bool,
    pub create_date: OdooTime,
    pub write_date: OdooTime,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Organizer {
    pub user_id: i32,
    #[serde(default)]
    pub partner_id: Option<i32>,
    pub email: Option<String>,
    pub name: Option<String>,
}

impl Organizer {
    fn addresses(&self) -> Vec<Address> {
        Address::parse_list(self.email.as_deref().unwrap_or_default())
    }
}

/// One `calendar.attendee`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttendeeLine {
    /// Not sent for a series, where each event has lines of its own.
    #[serde(default)]
    pub id: i32,
    pub partner_id: i32,
    /// The internal user behind the partner, if any.
    pub user_id: Option<i32>,
    pub email: Option<String>,
    pub name: Option<String>,
    pub state: String,
    /// Who set the response; absent if Outlook did, or if it is older than this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<AnsweredBy>,
}

/// Who set a guest's response in Odoo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnsweredBy {
    pub uid: i32,
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub is_admin: bool,
    /// By the guest's own link, without a login.
    #[serde(default)]
    pub by_link: bool,
}

/// Why a record of Odoo cannot be an event of the domain. For the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoEvent {
    #[error("{}", self.sentence())]
    LastDay,
}

impl NoEvent {
    /// Returns the reason for people, as a part of another sentence.
    pub fn sentence(self) -> Sentence {
        match self {
            Self::LastDay => say::unreadable_last_day(),
        }
    }
}

/// The values of an `OdooChange`: Odoo field → value, for the fields that the add-on permits.
pub type Values = Map<String, Value>;

impl Snapshot {
    /// Translates the record to the domain.
    ///
    /// # Errors
    /// [`NoEvent`], if the record cannot be an event at all.
    pub fn to_event(&self, mailboxes: &Mailboxes) -> Result<Event, NoEvent> {
        Ok(Event {
            title: self.name.clone().unwrap_or_default(),
            body: body::from_odoo(self.description.as_deref().unwrap_or_default()).into_owned(),
            location: self.location.clone().unwrap_or_default(),
            time: self.time()?,
            privacy: privacy(self.privacy.as_deref().or(self.default_privacy.as_deref())),
            show_as: if self.show_as.as_deref() == Some("free") {
                ShowAs::Free
            } else {
                ShowAs::Busy
            },
            reminder: self.reminder_minutes.iter().copied().min(),
            video: self.videocall_location.clone().unwrap_or_default(),
            online: self.online_meeting,
            organizer: self.organizer_person(mailboxes),
            attendees: self.attendees(mailboxes),
        })
    }

    fn time(&self) -> Result<Time, NoEvent> {
        if !self.allday {
            return Ok(Time::Timed {
                start: self.start.0,
                end: self.stop.0,
                zone: self.tz.clone(),
            });
        }
        let start = self.start_date.unwrap_or(self.start.0.date_naive());
        let last = self.stop_date.unwrap_or(self.stop.0.date_naive()).max(start);
        let end = last.checked_add_days(Days::new(1)).ok_or(NoEvent::LastDay)?;
        Ok(Time::AllDay { start, end })
    }

    fn organizer_person(&self, mailboxes: &Mailboxes) -> Option<Person> {
        let organizer = self.organizer.as_ref()?;
        let address = mailboxes
            .get(&organizer.user_id)
            .cloned()
            .or_else(|| organizer.addresses().into_iter().next())?;
        Some(Person {
            name: organizer.name.clone().unwrap_or_default(),
            address,
        })
    }

    fn is_organizer(&self, line: &AttendeeLine) -> bool {
        self.organizer
            .as_ref()
            .is_some_and(|o| line.user_id == Some(o.user_id) || o.partner_id == Some(line.partner_id))
    }

    fn attendees(&self, mailboxes: &Mailboxes) -> BTreeMap<Address, Attendee> {
        // A contact with one of the organizer's addresses is the organizer: Outlook invites nobody
        // to their own meeting.
        let own = self.organizer_addresses(mailboxes);
        let guests = self.attendees.iter().filter(|line| !self.is_organizer(line));
        let mut attendees: BTreeMap<Address, Attendee> = BTreeMap::new();
        let mut users = BTreeSet::new();
        for line in guests {
            let addresses = line.addresses(mailboxes).into_iter();
            let mut addresses = addresses.filter(|address| !own.contains(address));
            let Some(address) = addresses.next() else {
                continue;
            };
            // If two contacts have one address, a user's own counts, or else the one that has
            // responded.
            let is_users = line.user_id.is_some();
            let speaks = match attendees.get(&address) {
                None => true,
                Some(_) if users.contains(&address) => false,
                Some(earlier) => is_users || earlier.answer == Answer::NeedsAction,
            };
            if !speaks {
                continue;
            }
            if is_users {
                users.insert(address.clone());
            }
            let attendee = Attendee {
                name: line.name.clone().unwrap_or_default(),
                answer: answer(&line.state),
                kind: AttendeeKind::Required,
                also: addresses.collect(),
                unlisted: false,
                by_alias: false,
                shown_as: None,
            };
            attendees.insert(address, attendee);
        }
        // An address that two contacts have is invited once.
        let mut taken: BTreeSet<Address> = attendees.keys().cloned().collect();
        for attendee in attendees.values_mut() {
            attendee.also.retain(|address| taken.insert(address.clone()));
        }
        attendees
    }

    fn organizer_addresses(&self, mailboxes: &Mailboxes) -> BTreeSet<Address> {
        let Some(organizer) = &self.organizer else {
            return BTreeSet::new();
        };
        let mailbox = mailboxes.get(&organizer.user_id).cloned();
        let others = known(&organizer.addresses(), mailboxes);
        mailbox.into_iter().chain(others).collect()
    }

    /// Returns the addresses under which Outlook may list people whom Odoo lists under another one:
    /// their mailbox's, or the first of several addresses of a contact.
    pub fn aliases(&self, mailboxes: &Mailboxes) -> Aliases {
        let organizers = self.organizer_addresses(mailboxes);
        let mut aliases = mailboxes.aliases();
        for line in &self.attendees {
            let is_theirs = |address: &Address| self.is_organizer(line) || !organizers.contains(address);
            let Some(known) = line
                .addresses(mailboxes)
                .into_iter()
                .find(|address| is_theirs(address))
            else {
                continue;
            };
            let others = Address::parse_list(line.email.as_deref().unwrap_or_default()).into_iter();
            let others = others.filter(|other| *other != known && is_theirs(other));
            aliases.own.extend(others.map(|other| (other, known.clone())));
        }
        // The organizer's other addresses are the organizer's, even if the organizer is not a
        // guest.
        if let Some(known) = self
            .organizer_person(mailboxes)
            .map(|organizer| organizer.address)
        {
            let organizer = self.organizer.iter().flat_map(Organizer::addresses);
            let others = organizer.chain(organizers).filter(|other| *other != known);
            aliases.own.extend(others.map(|other| (other, known.clone())));
        }
        // An address that is somebody's own belongs to that person.
        let own: BTreeSet<Address> = self.attendees(mailboxes).into_keys().collect();
        aliases.own.retain(|alias, _| !own.contains(alias));
        aliases
    }

    /// Returns the names of attendees without a usable address, whom Outlook cannot invite.
    pub fn unreachable(&self, mailboxes: &Mailboxes) -> Vec<&str> {
        self.attendees
            .iter()
            .filter(|line| !self.is_organizer(line) && line.addresses(mailboxes).is_empty())
            .map(|line| line.name.as_deref().unwrap_or("somebody without a name"))
            .collect()
    }

    /// Returns the response of a user who is an attendee and not the organizer.
    pub fn answer_of(&self, user_id: i32) -> Option<Answer> {
        self.attendees
            .iter()
            .find(|line| line.user_id == Some(user_id) && !self.is_organizer(line))
            .map(|line| answer(&line.state))
    }

    /// Returns who set a user's response, if that person may not respond for the user.
    pub fn unauthorized_responder(&self, user_id: i32) -> Option<&AnsweredBy> {
        let line = self.attendees.iter().find(|line| line.user_id == Some(user_id))?;
        line.unauthorized_responder()
    }

    /// Returns whether a user's present response was given in Odoo by somebody who may. A response
    /// that came from Outlook has no such person.
    pub fn is_answered_in_odoo(&self, user_id: i32) -> bool {
        let line = self.attendees.iter().find(|line| line.user_id == Some(user_id));
        line.is_some_and(AttendeeLine::is_answered_in_odoo)
    }
}

impl AttendeeLine {
    /// See [`Snapshot::is_answered_in_odoo`].
    pub fn is_answered_in_odoo(&self) -> bool {
        self.answered_by.is_some() && self.unauthorized_responder().is_none()
    }

    /// Returns who set the response, if that person may not respond for the guest.
    pub fn unauthorized_responder(&self) -> Option<&AnsweredBy> {
        let by = self.answered_by.as_ref()?;
        (!by.is_admin && !by.by_link && Some(by.uid) != self.user_id).then_some(by)
    }
}

/// Replaces each mailbox's other addresses by its known one.
fn known(addresses: &[Address], mailboxes: &Mailboxes) -> Vec<Address> {
    let mut all = Vec::new();
    for address in addresses {
        let address = mailboxes.known(address);
        if !all.contains(address) {
            all.push(address.clone());
        }
    }
    all
}

impl AttendeeLine {
    /// Returns the addresses by which Outlook invites them; the first one identifies them.
    fn addresses(&self, mailboxes: &Mailboxes) -> Vec<Address> {
        let mailbox = self.user_id.and_then(|user| mailboxes.get(&user).cloned());
        if let Some(mailbox) = mailbox {
            return vec![mailbox];
        }
        known(
            &Address::parse_list(self.email.as_deref().unwrap_or_default()),
            mailboxes,
        )
    }
}

/// Returns the group of an Odoo field, if the field is synced.
pub fn group_of_field(field: &str) -> Option<Group> {
    Some(match field {
        "name" => Group::Title,
        "description" => Group::Body,
        "location" => Group::Location,
        "videocall_location" => Group::Video,
        "online_meeting" => Group::Online,
        "allday" | "start" | "stop" | "start_date" | "stop_date" | "duration" => Group::Time,
        "privacy" => Group::Privacy,
        "show_as" => Group::ShowAs,
        "alarm_ids" | "reminder_minutes" => Group::Reminder,
        "attendee_ids" | "partner_ids" | "attendees" => Group::Attendees,
        _ => return None,
    })
}

/// Returns the values that give an Odoo record the named groups of `target`. `present` is the
/// record as it is (`None` for a new one); `user` finds the Odoo user of an address.
pub fn values(
    groups: &BTreeSet<Group>,
    target: &Event,
    present: Option<&Snapshot>,
    mailboxes: &Mailboxes,
) -> Values {
    let mut values = Values::new();
    let mut set = |key: &str, value: Value| values.insert(key.to_owned(), value);
    for group in groups {
        match group {
            Group::Title => {
                set(
                    "name",
                    json!(if target.title.is_empty() {
                        "(No title)"
                    } else {
                        &target.title
                    }),
                );
            }
            Group::Body => {
                let html = body::for_odoo(&target.body, mailboxes.odoo());
                set("description", text_or_null(&html));
            }
            Group::Location => {
                set("location", text_or_null(&target.location));
            }
            Group::Video => {
                set("videocall_location", text_or_null(&target.video));
            }
            Group::Online => {
                set("online_meeting", json!(target.online));
            }
            Group::Privacy => {
                set("privacy", json!(odoo_privacy(target.privacy)));
            }
            Group::ShowAs => {
                set(
                    "show_as",
                    json!(if target.show_as.blocks_time() {
                        "busy"
                    } else {
                        "free"
                    }),
                );
            }
            Group::Reminder => {
                set("reminder_minutes", json!(reminders(target.reminder, present)));
            }
            Group::Attendees => {
                set("attendees", attendee_values(target, mailboxes));
            }
            Group::Time => match &target.time {
                Time::Timed { start, end, .. } => {
                    set("allday", json!(false));
                    set("start", json!(OdooTime::format(*start)));
                    set("stop", json!(OdooTime::format(*end)));
                }
                Time::AllDay { start, end } => {
                    let last = end.checked_sub_days(Days::new(1)).unwrap_or(*start).max(*start);
                    set("allday", json!(true));
                    set("start_date", json!(start));
                    set("stop_date", json!(last));
                }
            },
        }
    }
    values
}

/// Returns the values of a new record in Odoo: every group, and its organizer.
pub fn create_values(target: &Event, mailboxes: &Mailboxes) -> Values {
    let groups = Group::SINGLE.into_iter().chain([Group::Attendees]).collect();
    let mut values = values(&groups, target, None, mailboxes);
    let organizer = target.organizer.as_ref().map(|person| {
        json!({"user_id": mailboxes.user_of(&person.address), "email": person.address, "name": person.name})
    });
    values.insert("organizer".to_owned(), organizer.unwrap_or(Value::Null));
    values
}

fn attendee_values(target: &Event, mailboxes: &Mailboxes) -> Value {
    target
        .attendees
        .iter()
        .map(|(address, attendee)| {
            json!({
                "email": address,
                "name": attendee.name,
                "state": odoo_answer(attendee.answer),
                "user_id": mailboxes.user_of(address),
            })
        })
        .collect()
}

/// Odoo may have several reminders where Outlook has one. The one that Outlook shows (the shortest)
/// is replaced, the others stay.
fn reminders(target: Option<i32>, present: Option<&Snapshot>) -> Vec<i32> {
    let mut minutes: BTreeSet<i32> = present
        .map(|p| p.reminder_minutes.iter().copied().collect())
        .unwrap_or_default();
    match target {
        None => minutes.clear(),
        Some(target) => {
            minutes.pop_first();
            minutes.retain(|m| *m > target);
            minutes.insert(target);
        }
    }
    minutes.into_iter().collect()
}

fn text_or_null(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { json!(text) }
}

fn privacy(name: Option<&str>) -> Privacy {
    match name {
        Some("private") => Privacy::Private,
        Some("confidential") => Privacy::Confidential,
        _ => Privacy::Normal,
    }
}

fn odoo_privacy(privacy: Privacy) -> &'static str {
    match privacy {
        Privacy::Normal | Privacy::Personal => "public",
        Privacy::Private => "private",
        Privacy::Confidential => "confidential",
    }
}

fn answer(state: &str) -> Answer {
    match state {
        "accepted" => Answer::Accepted,
        "tentative" => Answer::Tentative,
        "declined" => Answer::Declined,
        _ => Answer::NeedsAction,
    }
}

/// Returns Odoo's name of a response (`calendar.attendee.state`).
pub fn odoo_answer(answer: Answer) -> &'static str {
    match answer {
        Answer::NeedsAction => "needsAction",
        Answer::Accepted => "accepted",
        Answer::Tentative => "tentative",
        Answer::Declined => "declined",
    }
}

/// Returns whether an event is over, so that nobody is invited to it.
pub fn is_over(event: &Event, now: chrono::DateTime<Utc>) -> bool {
    event.time.ends_at() < now
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn snapshot() -> Snapshot {
        serde_json::from_value(json!({
            "model": "calendar.event", "id": 42, "link": null, "version": "v1", "active": true, "recurrent": false,
            "name": "Review", "description": "<p>Agenda</p>", "location": null, "videocall_location": null,
            "allday": false, "start": "2026-11-22 10:00:00", "stop": "2026-11-22 11:00:00",
            "start_date": null, "stop_date": null, "tz": "Europe/Brussels",
            "privacy": null, "default_privacy": "private", "show_as": "busy", "reminder_minutes": [60, 15],
            "organizer": {"user_id": 7, "partner_id": 11, "email": "ann@contoso.com", "name": "Ann"},
            "attendees": [
                {"id": 4, "partner_id": 11, "user_id": 7, "email": "ann@contoso.com", "name": "Ann", "state": "accepted"},
                {"id": 5, "partner_id": 12, "user_id": 8, "email": "bob@contoso.com", "name": "Bob", "state": "tentative"},
                {"id": 6, "partner_id": 13, "user_id": null, "email": null, "name": "Cy", "state": "needsAction"}],
            "create_date": "2026-11-22 09:00:00", "write_date": "2026-11-22 09:00:00"
        }))
        .unwrap()
    }

    #[test]
    fn a_snapshot_becomes_an_event() {
        let mailboxes = Mailboxes::from([(8, Address::parse("b2@contoso.com").unwrap())]);
        let event = snapshot().to_event(&mailboxes).unwrap();
        assert_eq!((event.privacy, event.reminder), (Privacy::Private, Some(15)));
        let addresses: Vec<_> = event.attendees.keys().map(Address::as_str).collect();
        assert_eq!(
            addresses,
            ["b2@contoso.com"],
            "the organizer is no attendee, a mailbox's address counts"
        );
        assert_eq!(snapshot().unreachable(&mailboxes), ["Cy"]);
        assert_eq!(snapshot().answer_of(8), Some(Answer::Tentative));
        assert_eq!(snapshot().answer_of(7), None);
    }

    #[test]
    fn a_contact_with_the_organizers_address_is_no_guest() {
        let mut record = snapshot();
        let double = |email: &str| AttendeeLine {
            id: 9,
            partner_id: 99,
            user_id: None,
            email: Some(email.to_owned()),
            name: Some("Ann again".to_owned()),
            state: "needsAction".to_owned(),
            answered_by: None,
        };
        record.attendees.push(double("Ann@Contoso.com"));
        record.attendees.push(double("ann@corp.example"));
        let mailboxes = Mailboxes::from([(7, Address::parse("ann@corp.example").unwrap())]);
        let event = record.to_event(&mailboxes).unwrap();
        let guests: Vec<_> = event.attendees.keys().map(Address::as_str).collect();
        assert_eq!(guests, ["bob@contoso.com"]);
    }

    #[test]
    fn of_two_contacts_with_one_address_the_users_own_has_the_answer() {
        let line = |user_id, state: &str| AttendeeLine {
            id: 9,
            partner_id: 99,
            user_id,
            email: Some("ben@contoso.com".to_owned()),
            name: Some("Ben".to_owned()),
            state: state.to_owned(),
            answered_by: None,
        };
        for (lines, answer) in [
            (
                [line(Some(8), "tentative"), line(None, "needsAction")],
                Answer::Tentative,
            ),
            (
                [line(None, "declined"), line(Some(8), "needsAction")],
                Answer::NeedsAction,
            ),
            (
                [line(None, "needsAction"), line(None, "accepted")],
                Answer::Accepted,
            ),
            (
                [line(None, "accepted"), line(None, "needsAction")],
                Answer::Accepted,
            ),
        ] {
            let record = Snapshot {
                attendees: lines.to_vec(),
                ..snapshot()
            };
            let event = record.to_event(&Mailboxes::new()).unwrap();
            let answers: Vec<_> = event.attendees.values().map(|guest| guest.answer).collect();
            assert_eq!(answers, [answer], "{lines:?}");
        }
    }

    #[test]
    fn an_address_of_the_organizers_that_outlook_invites_is_the_organizer() {
        let address = |text: &str| Address::parse(text).unwrap();
        let mut record = snapshot();
        // Nor is the organizer's own line among the attendees.
        record.attendees.remove(0);
        let mailboxes = Mailboxes::of([(7, address("ann@corp.example"), vec![address("a.nn@corp.example")])]);
        let mut event = record.to_event(&mailboxes).unwrap();
        let guest = event.attendees.values().next().unwrap().clone();
        for own in ["ann@contoso.com", "a.nn@corp.example", "ann@corp.example"] {
            event.attendees.insert(address(own), guest.clone());
        }
        let organizer = event.organizer.as_ref().map(|organizer| &organizer.address);
        record.aliases(&mailboxes).rename(&mut event.attendees, organizer);
        let guests: Vec<_> = event.attendees.keys().map(Address::as_str).collect();
        assert_eq!(guests, ["bob@contoso.com"]);
    }

    #[test]
    fn a_contact_with_two_addresses_is_one_guest_whom_outlook_invites_twice() {
        let mut record = snapshot();
        record.attendees[1].user_id = None;
        record.attendees[1].email = Some("\"Bob\" <bob@contoso.com>; bob@home.example".to_owned());
        let event = record.to_event(&Mailboxes::new()).unwrap();
        let [(address, bob)] = &event.attendees.iter().collect::<Vec<_>>()[..] else {
            panic!("{:?}", event.attendees);
        };
        assert_eq!(address.as_str(), "bob@contoso.com");
        assert_eq!(bob.also, [Address::parse("bob@home.example").unwrap()]);
        let aliases = record.aliases(&Mailboxes::new());
        assert_eq!(aliases.own.get(&bob.also[0]), Some(*address));
    }

    #[test]
    fn addresses_that_contacts_share_are_invited_once_and_none_is_lost() {
        let mut record = snapshot();
        let line = |id: i32, email: &str| AttendeeLine {
            id,
            partner_id: id + 50,
            user_id: None,
            email: Some(email.to_owned()),
            name: Some("Somebody".to_owned()),
            state: "needsAction".to_owned(),
            answered_by: None,
        };
        record.attendees = vec![
            line(5, "a@ext.example, b@ext.example"),
            line(6, "b@ext.example"),
            line(7, "ann@contoso.com; c@ext.example, d@ext.example"),
        ];
        let event = record.to_event(&Mailboxes::new()).unwrap();
        let all: Vec<&str> = event
            .attendees
            .iter()
            .flat_map(|(address, attendee)| std::iter::once(address).chain(&attendee.also))
            .map(Address::as_str)
            .collect();
        assert_eq!(
            all,
            ["a@ext.example", "b@ext.example", "c@ext.example", "d@ext.example"]
        );
        let aliases = record.aliases(&Mailboxes::new());
        let alias: Vec<_> = aliases
            .own
            .iter()
            .map(|(from, to)| (from.as_str(), to.as_str()))
            .collect();
        assert_eq!(alias, [("d@ext.example", "c@ext.example")]);
    }

    #[test]
    fn whole_days_end_exclusively_and_come_back() {
        let mut record = snapshot();
        record.allday = true;
        record.start_date = NaiveDate::from_ymd_opt(2026, 12, 24);
        record.stop_date = NaiveDate::from_ymd_opt(2026, 12, 26);
        let event = record.to_event(&Mailboxes::new()).unwrap();
        assert_eq!(event.time.ends_at().to_string(), "2026-12-27 00:00:00 UTC");
        let back = values(
            &BTreeSet::from([Group::Time]),
            &event,
            Some(&record),
            &Mailboxes::new(),
        );
        assert_eq!(back["stop_date"], "2026-12-26");
    }

    #[test]
    fn a_reminder_from_outlook_leaves_the_longer_ones() {
        assert_eq!(reminders(Some(30), Some(&snapshot())), [30, 60]);
        assert_eq!(reminders(None, Some(&snapshot())), [] as [i32; 0]);
        assert_eq!(reminders(Some(5), None), [5]);
    }
}
