//! The whole simulated world. It can be saved and loaded.

use super::log::{Delivery, Logline, Mail};
use super::logins::Logins;
use super::mailbox::{Calendar, Mailbox};
use super::people::{App, Person, Tenant};
use super::subscription::{Entry, Subscriptions};
use crate::error::GraphError;
use crate::faults::Fault;
use crate::switches::Switches;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// The only online meetings there are here.
pub(crate) const TEAMS: &str = "teamsForBusiness";

/// Everything there is. Mailboxes are found by their address in lower case.
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
    pub subscriptions: Subscriptions,
    /// With the time of arrival, in the order they were sent.
    #[serde(default)]
    pub under_way: VecDeque<(DateTime<Utc>, Delivery)>,
    /// The mailboxes, by their keys, that may have changes of which nobody was notified yet.
    #[serde(skip)]
    pub(crate) written: BTreeSet<String>,
    /// Lifecycle events that are not sent yet, with the URLs they go to.
    #[serde(skip)]
    pub(crate) lifecycle: Vec<(String, Entry)>,
    /// How many edits there were to notify of.
    #[serde(skip)]
    pub(crate) edits_told: u64,
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
    /// Finds a person by the primary address.
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
            self.subscriptions.rename(&before, to);
            self.written.insert(to.to_lowercase());
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

    pub(crate) fn person_by_id(&self, id: &str) -> Option<&Person> {
        self.people.iter().find(|p| p.id == id)
    }

    /// Whether the person has a mailbox: a license that was taken away leaves what is in it, and shuts it.
    fn is_open(&self, address: &str) -> Result<(), GraphError> {
        match self.person(address) {
            Some(person) if !person.mailbox => Err(no_mailbox()),
            _ => Ok(()),
        }
    }

    /// Finds an open mailbox.
    ///
    /// # Errors
    /// 404 `MailboxNotEnabledForRESTAPI` where there is none, or it is shut.
    pub fn mailbox(&self, address: &str) -> Result<&Mailbox, GraphError> {
        self.is_open(address)?;
        self.mailboxes.get(&address.to_lowercase()).ok_or_else(no_mailbox)
    }

    /// As [`World::mailbox`], to write to it. Whoever is subscribed to it is notified of what changes.
    pub fn mailbox_mut(&mut self, address: &str) -> Result<&mut Mailbox, GraphError> {
        self.is_open(address)?;
        let address = address.to_lowercase();
        let mailbox = self.mailboxes.get_mut(&address).ok_or_else(no_mailbox)?;
        self.written.insert(address);
        Ok(mailbox)
    }

    pub(crate) fn add_person(&mut self, person: Person) {
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
    pub(crate) fn by_alias(&self, tenant: &str, address: &str) -> Option<&Person> {
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

    /// Rebuilds what is not saved, after a state was loaded.
    pub fn reindex(&mut self) {
        for mailbox in self.mailboxes.values_mut() {
            mailbox.reindex();
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

    pub(crate) fn calendar_json(&self, calendar: &Calendar, person: &Person) -> Value {
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
