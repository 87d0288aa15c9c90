//! Calls to Microsoft Graph's calendar, one method each.
//!
//! Reads are repeated up to three times if Microsoft asks for it or the network fails. Writes never
//! are: after a lost reply, the caller must find out what happened
//! ([`GraphError::outcome_unknown`]). Every call asks for immutable ids (page
//! *outlook-immutable-id*) and for times in UTC; the zone that an event was written in is a
//! property of its own.

use std::collections::BTreeSet;
use std::ops::Range;

use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;
use reqwest::Method;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use super::error::GraphError;
use super::wire::{DeltaRow, EmailAddress, LINK_PROPERTY, WireEvent};
use crate::calendar::event::{Address, Answer};
use requests::{action, etag, expand_link, respond_body, uid_filter};
use transport::{Call, EventList, MOST_PAGES, PREFERRED, read, too_many_pages, unreadable_body};

mod batch;
mod challenge;
mod ids;
mod requests;
mod subscriptions;
mod transport;

pub use batch::{BATCH_LIMIT, BatchItem, BatchReply, Deleted};
pub use ids::Instance;
pub use subscriptions::Subscription;
pub(super) use transport::retry_after;
pub use transport::{GraphClient, PAGE_SIZE};

/// Microsoft's own address.
pub const GRAPH_URL: &str = "https://graph.microsoft.com/v1.0";
/// The person who logged in (page *user: get*). The addresses are hints, not identities.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Me {
    pub id: String,
    pub display_name: Option<String>,
    pub mail: Option<String>,
    pub user_principal_name: Option<String>,
    /// `SMTP:` with the primary address, `smtp:` with each other one, and addresses of other kinds.
    #[serde(default)]
    pub proxy_addresses: Option<Vec<String>>,
}

impl Me {
    /// Returns the primary address, and the other addresses of the mailbox.
    pub fn addresses(&self) -> (Option<Address>, Vec<Address>) {
        let proxies = || self.proxy_addresses.iter().flatten();
        let primary = proxies().find_map(|proxy| Address::parse(proxy.strip_prefix("SMTP:")?));
        let mail = self.mail.as_deref().and_then(Address::parse);
        let primary = primary.or(mail.clone());
        let others = proxies().filter_map(|proxy| Address::parse(proxy.strip_prefix("smtp:")?));
        let name = self.user_principal_name.as_deref().and_then(Address::parse);
        let mut all: Vec<Address> = others.chain(mail).chain(name).collect();
        all.sort();
        all.dedup();
        all.retain(|address| Some(address) != primary.as_ref());
        (primary, all)
    }
}

/// The link to continue a delta with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageLink {
    /// The next page of this round.
    Next(String),
    /// The round is over. This link starts the next round, and is to be stored.
    Delta(String),
}

/// A page of a delta. An empty page need not be the last one.
#[derive(Clone, Debug, PartialEq)]
pub struct DeltaPage {
    pub rows: Vec<DeltaRow>,
    pub next: PageLink,
}

impl GraphClient {
    /// Returns the person whom the token belongs to.
    ///
    /// # Errors
    /// See [`GraphError`], as for all calls.
    pub async fn me(&self, token: &SecretString) -> Result<Me, GraphError> {
        let url = self.url(
            &["me"],
            &[("$select", "id,displayName,mail,userPrincipalName,proxyAddresses")],
        )?;
        self.get(token, url, "/me").await
    }

    /// Returns the address of the mailbox that contains the user's own calendar.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub async fn calendar_owner(&self, token: &SecretString) -> Result<Option<Address>, GraphError> {
        #[derive(Deserialize)]
        struct Calendar {
            owner: Option<WireAddress>,
        }
        #[derive(Deserialize)]
        struct WireAddress {
            address: Option<String>,
        }
        let url = self.url(&["me", "calendar"], &[("$select", "id,owner")])?;
        let calendar: Calendar = self.get(token, url, "/me/calendar").await?;
        let address = calendar.owner.and_then(|owner| owner.address);
        Ok(address.as_deref().and_then(Address::parse))
    }

    /// Returns the first page of a delta of a further calendar, or else of the user's own (page
    /// *event: delta*; page *delta query for events* says that any of the user's calendars can be
    /// followed). The links that follow keep this window. Widen it by a day for all-day events.
    ///
    /// # Errors
    /// [`GraphError::Invalid`] for a window beyond 1825 days, [`GraphError::NotFound`] if the mailbox
    /// does not have the calendar any more.
    pub async fn calendar_view_delta_start(
        &self,
        token: &SecretString,
        calendar: Option<&str>,
        start: DateTime<Utc>,
        end: DateTime<Utc>,
    ) -> Result<DeltaPage, GraphError> {
        let at = |t: DateTime<Utc>| t.to_rfc3339_opts(SecondsFormat::Secs, true);
        let window = [("startDateTime", at(start)), ("endDateTime", at(end))];
        let query: Vec<_> = window
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let url = match calendar {
            Some(id) => self.url(&["me", "calendars", id, "calendarView", "delta"], &query)?,
            None => self.url(&["me", "calendarView", "delta"], &query)?,
        };
        self.delta_page(token, url).await
    }

    /// Returns the page behind a link of an earlier page.
    ///
    /// # Errors
    /// [`GraphError::ResyncRequired`] if Microsoft no longer knows the link, or if it leads to
    /// another host: a token is never sent there.
    pub async fn delta_next(&self, token: &SecretString, link: &str) -> Result<DeltaPage, GraphError> {
        let url = Url::parse(link).map_err(|_| GraphError::ResyncRequired)?;
        if !self.is_on_graph_host(&url) {
            tracing::warn!("a delta link that leads away from Graph was not followed");
            return Err(GraphError::ResyncRequired);
        }
        match self.delta_page(token, url).await {
            Err(
                GraphError::NotFound
                | GraphError::Unreachable { .. }
                | GraphError::Invalid { status: 400, .. },
            ) => Err(GraphError::ResyncRequired),
            other => other,
        }
    }

    /// Returns one event with our link property; `None` if it does not exist.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub async fn get_event(&self, token: &SecretString, id: &str) -> Result<Option<WireEvent>, GraphError> {
        let url = self.url(&["me", "events", id], &[("$expand", &expand_link())])?;
        match self.get(token, url, "/me/events/{id}").await {
            Ok(event) => Ok(Some(event)),
            Err(GraphError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns a complete series: its master with `exceptionOccurrences` and
    /// `cancelledOccurrences`. Graph returns these only for a master that is requested by id, and
    /// only if they are selected (and the former expanded). A single event is returned as one.
    /// `None` if the event does not exist.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub async fn get_series(&self, token: &SecretString, id: &str) -> Result<Option<WireEvent>, GraphError> {
        let expand = format!("exceptionOccurrences,{}", expand_link());
        let query = [("$select", SERIES_PROPERTIES), ("$expand", expand.as_str())];
        let url = self.url(&["me", "events", id], &query)?;
        match self.get(token, url, "/me/events/{id}").await {
            Ok(event) => Ok(Some(event)),
            Err(GraphError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the occurrences of a series that touch a window, including exceptions (page *event:
    /// list instances*).
    ///
    /// # Errors
    /// See [`GraphError`].
    pub async fn instances(
        &self,
        token: &SecretString,
        id: &str,
        window: Range<DateTime<Utc>>,
    ) -> Result<Vec<WireEvent>, GraphError> {
        let format = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let (start, end) = (format(window.start), format(window.end));
        let query = [
            ("startDateTime", start.as_str()),
            ("endDateTime", end.as_str()),
            ("$select", INSTANCE_PROPERTIES),
            ("$top", "100"),
        ];
        let url = self.url(&["me", "events", id, "instances"], &query)?;
        self.whole_list(token, url, "/me/events/{id}/instances").await
    }

    /// Returns the ids of the series in a further calendar, or else in the user's own.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub async fn series_ids(
        &self,
        token: &SecretString,
        calendar: Option<&str>,
    ) -> Result<BTreeSet<String>, GraphError> {
        let query = [
            ("$filter", "type eq 'seriesMaster'"),
            ("$select", "id"),
            ("$top", "200"),
        ];
        let (url, route) = match calendar {
            Some(id) => (
                self.url(&["me", "calendars", id, "events"], &query)?,
                "/me/calendars/{id}/events",
            ),
            None => (
                self.url(&["me", "calendar", "events"], &query)?,
                "/me/calendar/events",
            ),
        };
        let listed = self.whole_list(token, url, route).await?;
        Ok(listed.into_iter().map(|master| master.id).collect())
    }

    /// Returns the events (single ones and masters) with this iCalendar UID, normally one.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub async fn find_by_ical_uid(
        &self,
        token: &SecretString,
        uid: &str,
    ) -> Result<Vec<WireEvent>, GraphError> {
        self.find(token, &uid_filter(uid)).await
    }

    /// Returns the events (single ones and masters) with this iCalendar UID in a further calendar.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub async fn find_in_calendar(
        &self,
        token: &SecretString,
        calendar: &str,
        uid: &str,
    ) -> Result<Vec<WireEvent>, GraphError> {
        self.find_in(token, Some(calendar), &uid_filter(uid)).await
    }

    /// Returns the mailbox's calendars, except the user's own, also those that others share (page
    /// *user: list calendars*).
    ///
    /// # Errors
    /// See [`GraphError`].
    pub async fn other_calendars(&self, token: &SecretString) -> Result<Vec<WireCalendar>, GraphError> {
        let query = [
            ("$select", "id,name,isDefaultCalendar,canEdit,owner"),
            ("$top", "100"),
        ];
        let mut url = self.url(&["me", "calendars"], &query)?;
        let mut others = Vec::new();
        for _ in 0..MOST_PAGES {
            let found: Calendars = self.get(token, url, "/me/calendars").await?;
            others.extend(found.value.into_iter().filter(|one| !one.is_default_calendar));
            let Some(link) = found.next_link else {
                return Ok(others);
            };
            url = self.parse_next_link(&link)?;
        }
        Err(too_many_pages())
    }

    /// Returns the events with our link UUID, normally one (page
    /// *singleValueLegacyExtendedProperty: get*).
    ///
    /// # Errors
    /// See [`GraphError`].
    pub async fn find_by_link(&self, token: &SecretString, link: Uuid) -> Result<Vec<WireEvent>, GraphError> {
        let filter = format!(
            "singleValueExtendedProperties/Any(ep: ep/id eq '{LINK_PROPERTY}' and ep/value eq '{link}')"
        );
        self.find(token, &filter).await
    }

    /// Returns the time zones of the events that were changed last in the mailbox: those of its own
    /// meetings first, and among them the most frequent first. Leaves out zones that nobody chose
    /// for their rules: UTC, and those of all-day events.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub async fn recent_zones(&self, token: &SecretString) -> Result<Vec<Tz>, GraphError> {
        let query = [
            (
                "$select",
                "id,isOrganizer,isAllDay,originalStartTimeZone,originalEndTimeZone",
            ),
            ("$orderby", "lastModifiedDateTime desc"),
            ("$top", "100"),
        ];
        let url = self.url(&["me", "events"], &query)?;
        let found: EventList = self.get(token, url, "/me/events").await?;
        let mut counts: Vec<(Tz, (u32, u32))> = Vec::new();
        for event in found.value.iter().filter(|event| event.is_all_day != Some(true)) {
            let Some(tz) = event.named_zone().filter(|tz| *tz != Tz::UTC) else {
                continue;
            };
            let own = u32::from(event.is_organizer == Some(true));
            match counts.iter_mut().find(|(known, _)| *known == tz) {
                Some((_, (owned, all))) => (*owned, *all) = (*owned + own, *all + 1),
                None => counts.push((tz, (own, 1))),
            }
        }
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        Ok(counts.into_iter().map(|(tz, _)| tz).collect())
    }

    /// Creates an event; [`super::wire::create_body`] makes `body`. The same body with the same
    /// transaction id returns the event of the first call.
    ///
    /// # Errors
    /// [`GraphError::DuplicateTransaction`] if the id was used for other content.
    pub async fn create_event(&self, token: &SecretString, body: &Value) -> Result<WireEvent, GraphError> {
        let url = self.url(&["me", "events"], &[])?;
        let call = Call {
            body: Some(body.clone()),
            ..Call::new(Method::POST, url, "/me/events")
        };
        read(&call.method, &self.send(token, &call).await?)
    }

    /// Changes an event; [`super::wire::patch_body`] makes `body`. With `if_match` (a change key)
    /// Graph may refuse if the event has changed since. This is not documented, so do not rely on
    /// it.
    ///
    /// # Errors
    /// [`GraphError::Conflict`] if the event has changed since.
    pub async fn update_event(
        &self,
        token: &SecretString,
        id: &str,
        body: &Value,
        if_match: Option<&str>,
    ) -> Result<WireEvent, GraphError> {
        let url = self.url(&["me", "events", id], &[])?;
        let call = Call {
            body: Some(body.clone()),
            if_match: if_match.map(etag),
            ..Call::new(Method::PATCH, url, "/me/events/{id}")
        };
        read(&call.method, &self.send(token, &call).await?)
    }

    /// Deletes an event. In the organizer's mailbox this cancels the meeting and mails the attendees (page
    /// *event: delete*).
    ///
    /// # Errors
    /// See [`GraphError`]. It is not an error if the event does not exist any more.
    pub async fn delete_event(&self, token: &SecretString, id: &str) -> Result<Deleted, GraphError> {
        let url = self.url(&["me", "events", id], &[])?;
        match self
            .send(token, &Call::new(Method::DELETE, url, "/me/events/{id}"))
            .await
        {
            Ok(_) => Ok(Deleted::Done),
            Err(GraphError::NotFound) => Ok(Deleted::Gone),
            Err(error) => Err(error),
        }
    }

    /// Responds to an invitation in the attendee's mailbox (pages *event: accept*,
    /// *tentativelyAccept*, *decline*), and mails the organizer. Declining moves the event out of
    /// the calendar.
    ///
    /// # Errors
    /// [`GraphError::Invalid`] for [`Answer::NeedsAction`], which Graph cannot express, and in the
    /// organizer's mailbox.
    pub async fn respond(&self, token: &SecretString, id: &str, answer: Answer) -> Result<(), GraphError> {
        let (action, template) = action(answer)?;
        let url = self.url(&["me", "events", id, action], &[])?;
        let body = Some(respond_body());
        self.send(
            token,
            &Call {
                body,
                ..Call::new(Method::POST, url, template)
            },
        )
        .await
        .map(|_| ())
    }

    /// Requests the mailbox's own calendar without its events, to learn whether the mailbox can be
    /// read at all.
    ///
    /// # Errors
    /// What is wrong with the mailbox as a whole.
    pub async fn check_reachable(&self, token: &SecretString) -> Result<(), GraphError> {
        let url = self.url(&["me", "calendar"], &[("$select", "id")])?;
        let reached: Result<Value, GraphError> = self.get(token, url, "/me/calendar").await;
        reached.map(|_| ()).map_err(|error| match error {
            GraphError::NotFound => GraphError::MailboxClosed {
                code: "ErrorItemNotFound".to_owned(),
            },
            other => other.into_mailbox_error(),
        })
    }

    /// Reads all pages of a list.
    async fn whole_list(
        &self,
        token: &SecretString,
        mut url: Url,
        route: &'static str,
    ) -> Result<Vec<WireEvent>, GraphError> {
        let mut events = Vec::new();
        for _ in 0..MOST_PAGES {
            let found: EventList = self.get(token, url, route).await?;
            events.extend(found.value);
            let Some(link) = found.next_link else {
                return Ok(events);
            };
            url = self.parse_next_link(&link)?;
        }
        Err(too_many_pages())
    }

    async fn find(&self, token: &SecretString, filter: &str) -> Result<Vec<WireEvent>, GraphError> {
        self.find_in(token, None, filter).await
    }

    pub(super) async fn find_in(
        &self,
        token: &SecretString,
        calendar: Option<&str>,
        filter: &str,
    ) -> Result<Vec<WireEvent>, GraphError> {
        let query = [("$filter", filter), ("$expand", &expand_link()), ("$top", "10")];
        let url = match calendar {
            Some(calendar) => self.url(&["me", "calendars", calendar, "events"], &query)?,
            None => self.url(&["me", "events"], &query)?,
        };
        let found: EventList = self.get(token, url, "/me/events").await?;
        Ok(found.value)
    }

    async fn delta_page(&self, token: &SecretString, url: Url) -> Result<DeltaPage, GraphError> {
        // The token in the link contains the window, but no header, so each page is requested with
        // all headers.
        let prefer = format!("{PREFERRED}, odata.maxpagesize={}", self.page_size);
        let call = Call {
            prefer,
            ..Call::new(Method::GET, url, "/me/calendarView/delta")
        };
        let page: RawPage = self.get_with_retries(token, &call).await?;
        let next = match (page.next_link, page.delta_link) {
            (Some(link), _) => PageLink::Next(link),
            (None, Some(link)) => PageLink::Delta(link),
            (None, None) => return Err(unreadable_body(&call.method)),
        };
        Ok(DeltaPage {
            rows: page.value.into_iter().map(DeltaRow::read).collect(),
            next,
        })
    }
}

#[derive(Deserialize)]
struct RawPage {
    #[serde(default)]
    value: Vec<Value>,
    #[serde(rename = "@odata.nextLink")]
    next_link: Option<String>,
    #[serde(rename = "@odata.deltaLink")]
    delta_link: Option<String>,
}

#[derive(Deserialize)]
struct Calendars {
    #[serde(default)]
    value: Vec<WireCalendar>,
    #[serde(rename = "@odata.nextLink")]
    next_link: Option<String>,
}

/// Graph's `calendar`, as far as it is read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WireCalendar {
    pub id: String,
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    is_default_calendar: bool,
    /// Whether the user may change its events: a calendar of birthdays, or of public holidays, can
    /// only be read.
    #[serde(default)]
    pub can_edit: Option<bool>,
    #[serde(default)]
    owner: Option<EmailAddress>,
}

impl WireCalendar {
    /// Returns who owns it: somebody else, if it is shared.
    pub fn owner(&self) -> Option<Address> {
        Address::parse(self.owner.as_ref()?.address.as_deref()?)
    }
}

/// The properties that are read of an event, and of a master's exceptions.
macro_rules! event_properties {
    () => {
        "id,iCalUId,changeKey,type,seriesMasterId,occurrenceId,originalStart,originalStartTimeZone,originalEndTimeZone,\
         createdDateTime,lastModifiedDateTime,subject,body,start,end,isAllDay,location,locations,attendees,organizer,isOrganizer,\
         isCancelled,isDraft,responseStatus,responseRequested,sensitivity,categories,showAs,isReminderOn,reminderMinutesBeforeStart,\
         isOnlineMeeting,onlineMeeting,onlineMeetingUrl,hasAttachments,hideAttendees,webLink"
    };
}
const INSTANCE_PROPERTIES: &str = event_properties!();
const SERIES_PROPERTIES: &str = concat!(
    event_properties!(),
    ",transactionId,recurrence,cancelledOccurrences,exceptionOccurrences"
);

#[cfg(test)]
mod tests;
