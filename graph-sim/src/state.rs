//! The whole simulated world: tenants, people, apps, mailboxes, mails. It can be saved and loaded.

use crate::delegates::{MeetingMessages, Role};
use crate::error::GraphError;
use crate::event::{Content, Event};
use crate::event_view::{Dates, View};
use crate::faults::{Fault, Switches};
use crate::login::Logins;
use crate::rooms::Room;
use crate::subscriptions::Subscription;
use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use rand::RngCore;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, VecDeque};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tenant {
    pub id: String,
    pub domain: String,
    pub name: String,
}

/// The only online meetings there are here.
pub const TEAMS: &str = "teamsForBusiness";

/// Tenant of all personal accounts (id-token-claims-reference).
pub const CONSUMERS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct App {
    pub client_id: String,
    #[serde(default)]
    pub secret: String,
    #[serde(default)]
    pub secret_expired: bool,
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub admin_consent_required: bool,
    /// The one tenant whose accounts may use it; none: an app for all.
    #[serde(default)]
    pub tenant: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Person {
    pub id: String,
    pub address: String,
    pub name: String,
    pub tenant: String,
    pub timezone: String,
    #[serde(default)]
    pub disabled: bool,
    /// An AADSTS number every redemption of this person's tokens fails with (50076, 53003, 50173 ...).
    #[serde(default)]
    pub token_error: Option<u32>,
    /// What Graph wants of this person's access tokens, else it answers 401 with a claims challenge.
    #[serde(default)]
    pub challenge: Option<Challenge>,
    /// False: signs in, yet Graph knows no mailbox.
    #[serde(default = "yes")]
    pub mailbox: bool,
    /// May consent for everybody in the tenant.
    #[serde(default)]
    pub admin: bool,
    /// Further addresses of the mailbox.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// What the person signs in with (`userPrincipalName`, `preferred_username`), which may be no address of theirs: mail to it
    /// reaches nobody. Without it the address.
    #[serde(default)]
    pub upn: Option<String>,
    /// A room or a resource, whose mailbox answers by itself.
    #[serde(default)]
    pub room: Option<Room>,
}

/// What a claims challenge asks for (page *claims-challenge*).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Challenge {
    /// As it comes back in the parameter `claims`.
    pub claims: serde_json::Map<String, Value>,
    /// Conditional Access wants the person: a refresh token does not bring it.
    #[serde(default)]
    pub interactive: bool,
}

fn yes() -> bool {
    true
}

impl Person {
    /// "mutable … not a valid email address" (page *id-token-claims-reference*).
    pub fn sign_in_name(&self) -> &str {
        self.upn.as_deref().unwrap_or(&self.address)
    }

    pub fn is_personal(&self) -> bool {
        self.tenant == CONSUMERS
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Calendar {
    pub id: String,
    pub name: String,
    pub is_default: bool,
    pub can_edit: bool,
    pub change: u64,
    pub owner: (String, String),
}

/// What the change log knows at one position.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Logged {
    Live(u64),
    /// Back in the calendar that it had left at the other position, under the immutable id it always had.
    Returned {
        key: u64,
        left: u64,
    },
    Gone {
        rest_id: String,
        immutable_id: String,
        calendar: String,
        /// As it was; unknown of states saved before it was kept.
        #[serde(default)]
        last: Option<Box<Event>>,
    },
}

/// A change worth a webhook.
#[derive(Clone, Debug)]
pub struct Poke {
    pub kind: &'static str,
    pub rest_id: String,
    pub immutable_id: String,
    pub change_key: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mailbox {
    pub address: String,
    pub salt: u64,
    pub calendars: Vec<Calendar>,
    pub events: BTreeMap<u64, Event>,
    /// Deleted Items.
    #[serde(default)]
    pub deleted: BTreeMap<u64, Event>,
    /// Every event once, at its latest change: a delta round reads a range of it.
    pub log: BTreeMap<u64, Logged>,
    pub next_key: u64,
    pub next_seq: u64,
    pub next_change: u64,
    /// Delta tokens of an older generation are dead.
    pub generation: u32,
    /// How far the clock of the server that holds the mailbox is ahead: in its timestamps and in `Date`.
    #[serde(default)]
    pub clock_skew_seconds: i64,
    /// `allowedOnlineMeetingProviders` of its calendars; without it Teams for work accounts and none for personal
    /// ones.
    #[serde(default)]
    pub providers: Option<Vec<String>>,
    /// The code that whatever mails somebody is refused with; empty: it is sent.
    #[serde(default)]
    pub sending_refused: String,
    /// Over its quota: nothing can be added, and nobody be mailed.
    #[serde(default)]
    pub full: bool,
    /// Who may see or change the primary calendar, by their addresses in lower case.
    #[serde(default)]
    pub permissions: BTreeMap<String, Role>,
    #[serde(default)]
    pub meeting_messages: MeetingMessages,
    #[serde(skip)]
    ids: HashMap<String, u64>,
    #[serde(skip)]
    icals: HashMap<String, u64>,
    #[serde(skip)]
    transactions: HashMap<String, u64>,
    /// Events whose change keys turn by themselves, and when.
    #[serde(skip)]
    pub turning: Vec<(DateTime<Utc>, u64)>,
    #[serde(skip)]
    pub pokes: Vec<Poke>,
}

/// When something was changed, and the number behind its change key.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    pub change: u64,
    pub time: DateTime<Utc>,
}

/// An event, or the occurrence of a series on its original date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    pub key: u64,
    pub day: Option<NaiveDate>,
}

const REST: &str = "AAMkAD";
const IMMUTABLE: &str = "AAkALg";
const REST_LENGTH: usize = 126;
const IMMUTABLE_LENGTH: usize = 70;
const SLOT: &str = "FRAAg";

pub fn random(bytes: usize) -> String {
    use base64::Engine;
    let mut buffer = vec![0_u8; bytes];
    rand::rng().fill_bytes(&mut buffer);
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(buffer)
}

fn new_rest_id() -> String {
    format!("{REST}{}", random(90))
}

fn new_immutable_id() -> String {
    format!("{IMMUTABLE}{}", random(48))
}

/// The id of an occurrence: its master's, and the date of its slot.
pub fn slot_id(master: &str, day: NaiveDate) -> String {
    format!("{master}{SLOT}{:08x}==", day.num_days_from_ce())
}

impl Mailbox {
    pub fn new(person: &Person) -> Self {
        let owner = (person.name.clone(), person.address.clone());
        let calendar = |name: &str, is_default: bool, can_edit: bool| Calendar {
            id: format!("{REST}{}", random(90)),
            name: name.to_owned(),
            is_default,
            can_edit,
            change: 1,
            owner: owner.clone(),
        };
        Self {
            address: person.address.clone(),
            salt: rand::rng().next_u64(),
            // Birthdays can be read and not written.
            calendars: vec![
                calendar("Calendar", true, true),
                calendar("Birthdays", false, false),
            ],
            events: BTreeMap::new(),
            deleted: BTreeMap::new(),
            log: BTreeMap::new(),
            next_key: 1,
            next_seq: 1,
            next_change: 1,
            generation: 1,
            clock_skew_seconds: 0,
            providers: None,
            sending_refused: String::new(),
            full: false,
            permissions: BTreeMap::new(),
            meeting_messages: MeetingMessages::default(),
            ids: HashMap::new(),
            icals: HashMap::new(),
            transactions: HashMap::new(),
            turning: Vec::new(),
            pokes: Vec::new(),
        }
    }

    pub fn add_calendar(&mut self, name: &str, can_edit: bool, owner: (String, String)) -> String {
        let id = new_rest_id();
        self.calendars.push(Calendar {
            id: id.clone(),
            name: name.to_owned(),
            is_default: false,
            can_edit,
            change: 1,
            owner,
        });
        id
    }

    pub fn reindex(&mut self) {
        self.ids.clear();
        self.icals.clear();
        self.transactions.clear();
        let events = std::mem::take(&mut self.events);
        for event in events.values() {
            self.index(event);
        }
        self.events = events;
    }

    pub fn primary(&self) -> &str {
        self.calendars
            .iter()
            .find(|c| c.is_default)
            .map_or("", |c| c.id.as_str())
    }

    pub fn calendar(&self, id: &str) -> Option<&Calendar> {
        self.calendars.iter().find(|c| c.id == id)
    }

    /// An event of a calendar.
    pub fn find(&self, id: &str) -> Result<Target, GraphError> {
        let found = self.find_anywhere(id)?;
        if self.events.contains_key(&found.key) {
            Ok(found)
        } else {
            Err(GraphError::not_found())
        }
    }

    /// An event of a calendar, or of Deleted Items.
    pub fn held(&self, key: u64) -> Option<&Event> {
        self.events.get(&key).or_else(|| self.deleted.get(&key))
    }

    /// Resolves an id of either format, of what is in Deleted Items as well; ids are case-sensitive.
    pub fn find_anywhere(&self, id: &str) -> Result<Target, GraphError> {
        let malformed = || GraphError::bad("ErrorInvalidIdMalformed", "Id is malformed.");
        let base = if id.starts_with(REST) {
            REST_LENGTH
        } else if id.starts_with(IMMUTABLE) {
            IMMUTABLE_LENGTH
        } else {
            return Err(malformed());
        };
        let (Some(head), Some(tail)) = (id.get(..base), id.get(base..)) else {
            return Err(malformed());
        };
        let day = match tail {
            "" => None,
            tail => {
                let number = tail
                    .strip_prefix(SLOT)
                    .and_then(|t| t.strip_suffix("=="))
                    .ok_or_else(malformed)?;
                let number = i32::from_str_radix(number, 16).map_err(|_| malformed())?;
                Some(NaiveDate::from_num_days_from_ce_opt(number).ok_or_else(malformed)?)
            }
        };
        let key = match self.ids.get(head) {
            Some(key) => *key,
            // The other id went with the folder.
            None => self
                .deleted
                .values()
                .find(|event| event.immutable_id == head)
                .map(|event| event.key)
                .ok_or_else(GraphError::not_found)?,
        };
        if let Some(day) = day {
            let event = self.held(key).ok_or_else(GraphError::not_found)?;
            if event.recurrence.is_none() || !event.has_occurrence(day) {
                return Err(GraphError::not_found());
            }
        }
        Ok(Target { key, day })
    }

    /// Resolves an id that is said to be of one of the formats.
    pub fn find_as(&self, id: &str, immutable: bool) -> Result<Target, GraphError> {
        if id.starts_with(IMMUTABLE) != immutable {
            return Err(GraphError::bad("ErrorInvalidIdMalformed", "Id is malformed."));
        }
        self.find(id)
    }

    pub fn by_ical(&self, uid: &str) -> Option<u64> {
        self.icals.get(uid).copied()
    }

    pub fn by_transaction(&self, id: &str) -> Option<&Event> {
        self.events.get(self.transactions.get(id)?)
    }

    fn change_key(&self, change: u64) -> String {
        use base64::Engine;
        let mut bytes = self.salt.to_be_bytes().to_vec();
        bytes.extend(change.to_be_bytes());
        bytes.extend(self.salt.rotate_left(17).to_le_bytes()[..4].iter());
        base64::engine::general_purpose::STANDARD.encode(bytes)
    }

    pub fn etag(&self, target: Target) -> Option<String> {
        let event = self.held(target.key)?;
        let change = target
            .day
            .and_then(|d| event.exceptions.get(&d))
            .map_or(event.change, |x| x.change);
        Some(format!("W/\"{}\"", self.change_key(change)))
    }

    pub fn id_of(&self, event: &Event, day: Option<NaiveDate>, immutable: bool) -> String {
        let base = if immutable {
            &event.immutable_id
        } else {
            &event.rest_id
        };
        day.map_or_else(|| base.clone(), |d| slot_id(base, d))
    }

    pub fn view<'a>(
        &self,
        event: &'a Event,
        day: Option<NaiveDate>,
        immutable: bool,
        undeclared: bool,
    ) -> View<'a> {
        // The occurrences of a series share its change key until they are changed themselves.
        let change = day
            .and_then(|d| event.exceptions.get(&d))
            .map_or(event.change, |x| x.change);
        View {
            event,
            day,
            id: self.id_of(event, day, immutable),
            master_id: day.map(|_| self.id_of(event, None, immutable)),
            change_key: self.change_key(change),
            undeclared,
            dates: Dates::default(),
        }
    }

    /// The time by the clock of this mailbox's server.
    pub fn now(&self) -> DateTime<Utc> {
        Utc::now() + TimeDelta::try_seconds(self.clock_skew_seconds).unwrap_or_default()
    }

    pub fn stamp(&mut self) -> Stamp {
        Stamp {
            change: self.take_change(),
            time: self.now(),
        }
    }

    fn take_change(&mut self) -> u64 {
        self.next_change += 1;
        self.next_change
    }

    fn take_seq(&mut self) -> u64 {
        self.next_seq += 1;
        self.next_seq
    }

    /// Lets an event be found by its ids.
    fn index(&mut self, event: &Event) {
        let key = event.key;
        self.ids.insert(event.rest_id.clone(), key);
        self.ids.insert(event.immutable_id.clone(), key);
        self.icals.insert(event.ical_uid.clone(), key);
        if let Some(id) = &event.transaction {
            self.transactions.insert(id.clone(), key);
        }
    }

    /// Stores a new event, giving it key, ids and its place in the log.
    pub fn insert(&mut self, mut event: Event) -> u64 {
        let key = self.next_key;
        self.next_key += 1;
        event.key = key;
        event.rest_id = new_rest_id();
        event.immutable_id = new_immutable_id();
        event.created = self.now();
        event.modified = event.created;
        event.reach = None;
        event.extend_reach();
        event.change = self.take_change();
        event.seq = self.take_seq();
        self.log.insert(event.seq, Logged::Live(key));
        self.index(&event);
        // One create is notified as created and as updated.
        self.poke("created", &event);
        self.poke("updated", &event);
        self.events.insert(key, event);
        key
    }

    fn poke(&mut self, kind: &'static str, event: &Event) {
        let change_key = self.change_key(event.change);
        self.pokes.push(Poke {
            kind,
            rest_id: event.rest_id.clone(),
            immutable_id: event.immutable_id.clone(),
            change_key,
        });
    }

    /// Puts a changed event back: new change key, new place in the log.
    pub fn replace(&mut self, mut event: Event) {
        event.change = self.take_change();
        event.modified = self.now();
        event.extend_reach();
        let before = self.events.get(&event.key);
        event.was_single |= before.is_some_and(|before| before.recurrence.is_none());
        self.log.remove(&event.seq);
        event.seq = self.take_seq();
        self.log.insert(event.seq, Logged::Live(event.key));
        self.poke("updated", &event);
        self.events.insert(event.key, event);
    }

    pub fn remove(&mut self, key: u64) -> Option<Event> {
        let event = self.events.remove(&key)?;
        self.log.remove(&event.seq);
        self.ids.remove(&event.rest_id);
        self.ids.remove(&event.immutable_id);
        self.icals.remove(&event.ical_uid);
        if let Some(id) = &event.transaction {
            self.transactions.remove(id);
        }
        let seq = self.take_seq();
        self.log.insert(seq, gone(&event));
        self.poke("deleted", &event);
        self.deleted.insert(key, event.clone());
        Some(event)
    }

    /// A change of what lies in Deleted Items: no calendar shows it, and nobody is told.
    pub fn replace_deleted(&mut self, mut event: Event) {
        event.change = self.take_change();
        event.modified = self.now();
        self.deleted.insert(event.key, event);
    }

    /// An event goes on under other ids.
    pub fn renew_ids(&mut self, key: u64) -> Result<(), GraphError> {
        let mut event = self.events.get(&key).cloned().ok_or_else(GraphError::not_found)?;
        let seq = self.take_seq();
        self.log.insert(seq, gone(&event));
        self.poke("deleted", &event);
        self.ids.remove(&event.rest_id);
        self.ids.remove(&event.immutable_id);
        event.rest_id = new_rest_id();
        event.immutable_id = new_immutable_id();
        self.index(&event);
        self.replace(event);
        Ok(())
    }

    /// A person takes an event back out of Deleted Items: moved, and not copied, so it keeps its immutable id. Nobody is told.
    pub fn put_back(&mut self, id: &str) -> Result<u64, GraphError> {
        let found = self.log.iter().rev().find_map(|(seq, logged)| match logged {
            Logged::Gone {
                rest_id,
                immutable_id,
                last: Some(last),
                ..
            } if rest_id == id || immutable_id == id => Some((*seq, last.as_ref().clone())),
            _ => None,
        });
        let (seq, mut event) = found
            .filter(|(_, event)| !self.ids.contains_key(&event.immutable_id))
            .ok_or_else(GraphError::not_found)?;
        // The log has every event once.
        self.log.remove(&seq);
        let key = event.key;
        self.deleted.remove(&key);
        event.rest_id = new_rest_id();
        self.index(&event);
        self.replace(event);
        Ok(key)
    }

    /// Gives those a new change key whose time has come; nothing else of them changes.
    pub fn turn(&mut self) {
        let now = Utc::now();
        let (due, later) = std::mem::take(&mut self.turning)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        self.turning = later;
        let due: Vec<(DateTime<Utc>, u64)> = due;
        for (_, key) in due {
            if let Some(event) = self.events.get(&key).cloned() {
                let modified = event.modified;
                self.replace(event);
                if let Some(event) = self.events.get_mut(&key) {
                    event.modified = modified;
                }
            }
        }
    }

    /// A person drags an event to another calendar: the id changes, the immutable id stays. One that comes back to the person's own
    /// may be `untold` by a delta.
    pub fn relocate(&mut self, key: u64, calendar: &str, untold: bool) -> Result<(), GraphError> {
        if self.calendar(calendar).is_none() {
            return Err(GraphError::not_found());
        }
        let mut event = self.events.get(&key).cloned().ok_or_else(GraphError::not_found)?;
        let seq = self.take_seq();
        self.log.insert(seq, gone(&event));
        self.poke("deleted", &event);
        self.ids.remove(&event.rest_id);
        event.rest_id = new_rest_id();
        let is_elsewhere = event.calendar != calendar;
        event.calendar = calendar.to_owned();
        let immutable_id = event.immutable_id.clone();
        self.ids.insert(event.rest_id.clone(), key);
        self.replace(event);
        let left = self.log.iter().rev().find_map(|(seq, logged)| match logged {
            Logged::Gone {
                immutable_id: id,
                calendar: left,
                ..
            } if *id == immutable_id && left == calendar => Some(*seq),
            _ => None,
        });
        if let (true, Some(left)) = (untold && is_elsewhere && calendar == self.primary(), left) {
            let at = self.events.get(&key).map(|event| event.seq);
            self.log
                .extend(at.map(|seq| (seq, Logged::Returned { key, left })));
        }
        Ok(())
    }
}

fn gone(event: &Event) -> Logged {
    Logged::Gone {
        rest_id: event.rest_id.clone(),
        immutable_id: event.immutable_id.clone(),
        calendar: event.calendar.clone(),
        last: Some(Box::new(event.clone())),
    }
}

/// What is on its way to a guest's calendar.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Delivery {
    /// The organizer's event as it was sent.
    Copy {
        organizer: Person,
        event: Box<Event>,
        guest: String,
        reset: bool,
    },
    /// One occurrence, to whom is not invited to the series.
    Instance {
        organizer: Person,
        event: Box<Event>,
        day: NaiveDate,
        guest: String,
        reset: bool,
    },
    Cancellation {
        organizer: Person,
        ical_uid: String,
        day: Option<NaiveDate>,
        guest: String,
    },
}

/// Which request made something happen.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cause {
    pub request_id: String,
    pub method: String,
    pub path: String,
    /// `graph`, or `outlook` for a person's own doing through the control API or the page.
    pub via: String,
    /// Who did it in somebody else's calendar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mail {
    pub id: u64,
    pub time: DateTime<Utc>,
    pub kind: String,
    pub from: String,
    /// Who sent it on behalf of `from`, or `from` itself.
    #[serde(default)]
    pub sender: String,
    pub to: String,
    pub subject: String,
    pub comment: String,
    pub ical_uid: String,
    pub event_id: String,
    pub cause: Cause,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Logline {
    pub time: DateTime<Utc>,
    pub method: String,
    pub path: String,
    pub status: u16,
    pub mailbox: Option<String>,
    pub request_id: String,
    pub client_request_id: Option<String>,
    pub prefer: Option<String>,
    pub if_match: Option<String>,
    pub duration_ms: u64,
    pub fault: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct World {
    pub tenants: Vec<Tenant>,
    pub apps: Vec<App>,
    pub people: Vec<Person>,
    /// Mail groups: the addresses of the members by the group's, in lower case.
    #[serde(default)]
    pub groups: BTreeMap<String, Vec<String>>,
    pub mailboxes: BTreeMap<String, Mailbox>,
    pub mails: Vec<Mail>,
    pub next_mail: u64,
    pub logins: Logins,
    pub switches: Switches,
    pub faults: Vec<Fault>,
    pub subscriptions: Vec<Subscription>,
    /// With the time of arrival, in the order they were sent.
    #[serde(default)]
    pub under_way: VecDeque<(DateTime<Utc>, Delivery)>,
    #[serde(skip)]
    pub requests: VecDeque<Logline>,
    /// Requests at work, per app and mailbox, and per app.
    #[serde(skip)]
    pub in_flight: HashMap<String, usize>,
    /// Start of the ten-minute window and requests counted in it, per app and mailbox or tenant.
    #[serde(skip)]
    pub counted: HashMap<String, (i64, u64)>,
    /// Start of the five-minute window and bytes written in it, per app and mailbox.
    #[serde(skip)]
    pub uploaded: HashMap<String, (i64, u64)>,
}

impl World {
    pub fn person(&self, address: &str) -> Option<&Person> {
        self.people
            .iter()
            .find(|p| p.address.eq_ignore_ascii_case(address))
    }

    /// Who signs in by a name: the sign-in name, or the address where that is none.
    pub fn signing_in(&self, name: &str) -> Option<&Person> {
        let by_name = |p: &&Person| p.sign_in_name().eq_ignore_ascii_case(name);
        self.people.iter().find(by_name).or_else(|| self.person(name))
    }

    /// A mailbox gets another primary address, and keeps the earlier one as an alias. What people of the tenant have of it in their
    /// calendars is shown under the new one: addresses of the directory are looked up when they are read.
    pub fn rename(&mut self, address: &str, to: &str) -> Option<Person> {
        if self.person(to).is_some()
            || self
                .by_any_address(to)
                .is_some_and(|p| !p.address.eq_ignore_ascii_case(address))
        {
            return None;
        }
        let person = self
            .people
            .iter_mut()
            .find(|p| p.address.eq_ignore_ascii_case(address))?;
        let before = std::mem::replace(&mut person.address, to.to_owned());
        person.aliases.retain(|alias| !alias.eq_ignore_ascii_case(to));
        person.aliases.push(before.clone());
        let person = person.clone();
        if let Some(mut mailbox) = self.mailboxes.remove(&before.to_lowercase()) {
            to.clone_into(&mut mailbox.address);
            self.mailboxes.insert(to.to_lowercase(), mailbox);
        }
        let is_it = |known: &str| known.eq_ignore_ascii_case(&before);
        for (owner, mailbox) in &mut self.mailboxes {
            let of_tenant = self
                .people
                .iter()
                .any(|p| p.tenant == person.tenant && p.address.eq_ignore_ascii_case(owner));
            if !of_tenant {
                continue;
            }
            if let Some(role) = mailbox.permissions.remove(&before.to_lowercase()) {
                mailbox.permissions.insert(to.to_lowercase(), role);
            }
            for calendar in &mut mailbox.calendars {
                if is_it(&calendar.owner.1) {
                    to.clone_into(&mut calendar.owner.1);
                }
            }
            for event in mailbox.events.values_mut() {
                if is_it(&event.organizer.1) {
                    to.clone_into(&mut event.organizer.1);
                }
                let exceptions = event.exceptions.values_mut().map(|x| &mut x.content);
                for content in exceptions.chain([&mut event.content]) {
                    for attendee in content.attendees.iter_mut().filter(|a| is_it(&a.address)) {
                        to.clone_into(&mut attendee.address);
                    }
                }
            }
        }
        Some(person)
    }

    fn by_any_address(&self, address: &str) -> Option<&Person> {
        let has = |known: &str| known.eq_ignore_ascii_case(address);
        self.people
            .iter()
            .find(|p| has(&p.address) || p.aliases.iter().any(|alias| has(alias)))
    }

    pub fn person_by_id(&self, id: &str) -> Option<&Person> {
        self.people.iter().find(|p| p.id == id)
    }

    /// Whether the person has a mailbox: a license that was taken away leaves what is in it, and shuts it.
    fn is_open(&self, address: &str) -> Result<(), GraphError> {
        match self.person(address) {
            Some(person) if !person.mailbox => Err(no_mailbox()),
            _ => Ok(()),
        }
    }

    pub fn mailbox(&self, address: &str) -> Result<&Mailbox, GraphError> {
        self.is_open(address)?;
        self.mailboxes.get(&address.to_lowercase()).ok_or_else(no_mailbox)
    }

    pub fn mailbox_mut(&mut self, address: &str) -> Result<&mut Mailbox, GraphError> {
        self.is_open(address)?;
        self.mailboxes
            .get_mut(&address.to_lowercase())
            .ok_or_else(no_mailbox)
    }

    pub fn add_person(&mut self, person: Person) {
        if person.mailbox {
            self.mailboxes
                .entry(person.address.to_lowercase())
                .or_insert_with(|| Mailbox::new(&person));
        }
        match self
            .people
            .iter_mut()
            .find(|p| p.address.eq_ignore_ascii_case(&person.address))
        {
            Some(old) => *old = person,
            None => self.people.push(person),
        }
    }

    pub fn add_app(&mut self, app: App) {
        match self.apps.iter_mut().find(|a| a.client_id == app.client_id) {
            Some(old) => *old = app,
            None => self.apps.push(app),
        }
    }

    /// The person behind an address, if they are of the same organization.
    pub fn colleague(&self, tenant: &str, address: &str) -> Option<&Person> {
        self.person(address)
            .filter(|p| p.tenant == tenant && !p.is_personal() && p.mailbox)
    }

    /// The colleague who has an address as one of several.
    pub fn by_alias(&self, tenant: &str, address: &str) -> Option<&Person> {
        let has =
            |p: &&Person| p.tenant == tenant && p.aliases.iter().any(|a| a.eq_ignore_ascii_case(address));
        self.people.iter().find(has)
    }

    /// The colleagues whom mail to an address reaches: the owner of a mailbox, by any of its addresses, or a group's members.
    pub fn reached(&self, tenant: &str, address: &str) -> Vec<String> {
        let owner = |address: &str| {
            let has = |known: &String| known.eq_ignore_ascii_case(address);
            let owner = self
                .people
                .iter()
                .find(|p| has(&p.address) || p.aliases.iter().any(has))?;
            self.colleague(tenant, &owner.address).map(|p| p.address.clone())
        };
        match self.groups.get(&address.to_lowercase()) {
            Some(members) => members.iter().filter_map(|member| owner(member)).collect(),
            None => owner(address).into_iter().collect(),
        }
    }

    pub fn reindex(&mut self) {
        for mailbox in self.mailboxes.values_mut() {
            mailbox.reindex();
        }
    }

    #[allow(clippy::too_many_arguments, reason = "the columns of the mail log")]
    pub fn mail(
        &mut self,
        kind: &str,
        from: &str,
        to: &str,
        content: &Content,
        comment: &str,
        ical_uid: &str,
        event_id: &str,
        cause: &Cause,
    ) {
        let subject = match kind {
            "cancellation" => format!("Canceled: {}", content.subject),
            _ => content.subject.clone(),
        };
        for to in self.messages_reach(to) {
            self.next_mail += 1;
            self.mails.push(Mail {
                id: self.next_mail,
                time: Utc::now(),
                kind: kind.to_owned(),
                from: from.to_owned(),
                sender: cause.by.as_deref().unwrap_or(from).to_owned(),
                to,
                subject: subject.clone(),
                comment: comment.to_owned(),
                ical_uid: ical_uid.to_owned(),
                event_id: event_id.to_owned(),
                cause: cause.clone(),
            });
        }
    }

    /// The online meetings the person's calendars offer, the default first.
    pub fn providers(&self, person: &Person) -> Vec<String> {
        match self
            .mailbox(&person.address)
            .ok()
            .and_then(|m| m.providers.clone())
        {
            Some(given) => given,
            None if person.is_personal() => Vec::new(),
            None => vec![TEAMS.to_owned()],
        }
    }

    pub fn calendar_json(&self, calendar: &Calendar, person: &Person) -> Value {
        let providers = self.providers(person);
        let default = providers.first().map_or("unknown", String::as_str);
        json!({
            "id": calendar.id,
            "name": calendar.name,
            "color": "auto",
            "hexColor": "",
            "changeKey": format!("{:x}", calendar.change),
            "isDefaultCalendar": calendar.is_default,
            "canShare": calendar.is_default,
            "canViewPrivateItems": true,
            "canEdit": calendar.can_edit,
            "allowedOnlineMeetingProviders": providers,
            "defaultOnlineMeetingProvider": default,
            "isTallyingResponses": calendar.is_default,
            "isRemovable": !calendar.is_default,
            "owner": {"name": calendar.owner.0, "address": calendar.owner.1},
        })
    }
}

fn no_mailbox() -> GraphError {
    GraphError::new(
        404,
        "MailboxNotEnabledForRESTAPI",
        "REST API is not yet supported for this mailbox.",
    )
}
