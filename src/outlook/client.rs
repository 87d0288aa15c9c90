//! Calls to Microsoft Graph's calendar, one method each.
//!
//! Reads are repeated up to three times if Microsoft asks for it or the network fails. Writes never
//! are: after a lost reply, the caller must find out what happened
//! ([`GraphError::outcome_unknown`]). Every call asks for immutable ids (page
//! *outlook-immutable-id*) and for times in UTC; the zone that an event was written in is a
//! property of its own.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use chrono_tz::Tz;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, IF_MATCH, RETRY_AFTER, WWW_AUTHENTICATE};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tracing::Instrument;
use url::Url;
use uuid::Uuid;

use super::error::{GraphError, Limit};
use super::text::readable;
use super::wire::{DeltaRow, LINK_PROPERTY, WireEvent};
use crate::calendar::event::Address;
use crate::calendar::event::Answer;

mod challenge;
mod ids;

pub use ids::Instance;

/// Microsoft's own address.
pub const GRAPH_URL: &str = "https://graph.microsoft.com/v1.0";
/// How many requests Graph accepts in one batch (page *json-batching*).
pub const BATCH_LIMIT: usize = 20;
/// How many rows a delta page holds unless [`GraphClient::with_page_size`] says otherwise.
pub const PAGE_SIZE: u16 = 50;

/// If Microsoft asks for a longer wait, the caller has to wait.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Microsoft asks for minutes. A longer wait is the mistake of a proxy, and would stop a mailbox
/// for as long.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(6 * 3600);
/// The most pages of one list: enough for one occurrence per day over decades.
const MOST_PAGES: usize = 100;
/// How long to wait for an answer with Microsoft's time.
const LONGEST_LOOK: Duration = Duration::from_secs(5);
const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERRED: &str = r#"IdType="ImmutableId", outlook.timezone="UTC""#;

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
pub enum Next {
    /// The next page of this round.
    Page(String),
    /// The round is over. This link starts the next round, and is to be stored.
    Round(String),
}

/// A page of a delta. An empty page need not be the last one.
#[derive(Clone, Debug, PartialEq)]
pub struct DeltaPage {
    pub rows: Vec<DeltaRow>,
    pub next: Next,
}

/// What a deletion found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    Done,
    /// The event did not exist any more.
    Gone,
}

/// One request of a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum BatchItem {
    /// See [`GraphClient::get_event`].
    Get { id: String },
    /// See [`GraphClient::find_by_ical_uid`]: in `calendar`, or else in the user's own.
    Find { calendar: Option<String>, uid: String },
    /// See [`GraphClient::create_event`].
    Create { body: Value },
    /// See [`GraphClient::update_event`].
    Update {
        id: String,
        body: Value,
        if_match: Option<String>,
    },
    /// See [`GraphClient::delete_event`].
    Delete { id: String },
    /// See [`GraphClient::respond`].
    Respond { id: String, answer: Answer },
}

/// The answer to one request of a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum BatchReply {
    /// The event as it is after [`BatchItem::Create`] or [`BatchItem::Update`].
    Event(Box<WireEvent>),
    /// The answer to [`BatchItem::Find`].
    Events(Vec<WireEvent>),
    Deleted(Deleted),
    Answered,
}

/// A client of Graph for any number of mailboxes: each call brings its token. Cheap to clone.
#[derive(Clone, Debug)]
pub struct GraphClient {
    http: reqwest::Client,
    base: Url,
    page_size: u16,
    /// Microsoft's clock minus ours, in milliseconds.
    offset: Arc<AtomicI64>,
}

/// A request without its token.
struct Call {
    method: Method,
    url: Url,
    /// The path without ids, for the log.
    template: &'static str,
    prefer: String,
    if_match: Option<String>,
    body: Option<Value>,
}

struct Reply {
    retry_after: Option<Duration>,
    body: Vec<u8>,
}

impl GraphClient {
    /// Makes a client. `base` is the address up to the version
    /// (`https://graph.microsoft.com/v1.0`); a bare host gets `/v1.0`.
    pub fn new(http: reqwest::Client, mut base: Url) -> Self {
        base.set_query(None);
        base.set_fragment(None);
        let path = base.path().trim_end_matches('/').to_owned();
        base.set_path(if path.is_empty() { "/v1.0" } else { &path });
        Self {
            http,
            base,
            page_size: PAGE_SIZE,
            offset: Arc::default(),
        }
    }

    /// Sets how many rows a delta page may hold, at most.
    #[must_use]
    pub fn with_page_size(mut self, rows: u16) -> Self {
        self.page_size = rows.max(1);
        self
    }

    /// Returns Microsoft's clock minus ours, from the `Date` of the latest reply (whole seconds);
    /// zero before the first reply. The edit times of both sides are compared on Microsoft's clock.
    pub fn clock_offset(&self) -> TimeDelta {
        TimeDelta::milliseconds(self.offset.load(Ordering::Relaxed))
    }

    /// Asks only for Microsoft's time, so that [`Self::clock_offset`] is known before the first
    /// call of a mailbox. Without a token the request is refused, but the refusal has a `Date` too.
    pub async fn learn_clock(&self) {
        match self
            .http
            .get(self.base.clone())
            .timeout(LONGEST_LOOK)
            .send()
            .await
        {
            Ok(answer) => self.note_clock(answer.headers()),
            Err(error) => {
                let error = error.without_url();
                tracing::warn!(%error, "Microsoft's time is not known yet: until it is, the two clocks are taken for equal");
            }
        }
    }

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

    /// Returns the first page of a delta of the user's own calendar (page *event: delta*). The
    /// links that follow keep this window. Widen it by a day for all-day events.
    ///
    /// # Errors
    /// [`GraphError::Invalid`] for a window beyond 1825 days.
    pub async fn calendar_view_delta_start(
        &self,
        token: &SecretString,
        start: DateTime<Utc>,
        end: DateTime<Utc>,
    ) -> Result<DeltaPage, GraphError> {
        let at = |t: DateTime<Utc>| t.to_rfc3339_opts(SecondsFormat::Secs, true);
        let window = [("startDateTime", at(start)), ("endDateTime", at(end))];
        let query: Vec<_> = window
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let url = self.url(&["me", "calendarView", "delta"], &query)?;
        self.delta_page(token, url).await
    }

    /// Returns the page behind a link of an earlier page.
    ///
    /// # Errors
    /// [`GraphError::ResyncRequired`] if Microsoft no longer knows the link, or if it leads to
    /// another host: a token is never sent there.
    pub async fn delta_next(&self, token: &SecretString, link: &str) -> Result<DeltaPage, GraphError> {
        let url = Url::parse(link).map_err(|_| GraphError::ResyncRequired)?;
        if !self.is_ours(&url) {
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

    /// Returns the ids of the series in the user's own calendar.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub async fn series_ids(&self, token: &SecretString) -> Result<BTreeSet<String>, GraphError> {
        let query = [
            ("$filter", "type eq 'seriesMaster'"),
            ("$select", "id"),
            ("$top", "200"),
        ];
        let url = self.url(&["me", "calendar", "events"], &query)?;
        let listed = self.whole_list(token, url, "/me/calendar/events").await?;
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

    /// Returns the ids of the mailbox's calendars, except the user's own (page *user: list
    /// calendars*).
    ///
    /// # Errors
    /// See [`GraphError`].
    pub async fn other_calendars(&self, token: &SecretString) -> Result<Vec<String>, GraphError> {
        let query = [("$select", "id,isDefaultCalendar"), ("$top", "100")];
        let mut url = self.url(&["me", "calendars"], &query)?;
        let mut ids = Vec::new();
        for _ in 0..MOST_PAGES {
            let found: Calendars = self.get(token, url, "/me/calendars").await?;
            let others = found.value.into_iter().filter(|one| !one.is_default_calendar);
            ids.extend(others.map(|calendar| calendar.id));
            let Some(link) = found.next_link else {
                return Ok(ids);
            };
            url = self.next_of(&link)?;
        }
        Err(endless())
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
    pub async fn zones(&self, token: &SecretString) -> Result<Vec<Tz>, GraphError> {
        let query = [
            (
                "$select",
                "id,isOrganizer,isAllDay,originalStartTimeZone,originalEndTimeZone",
            ),
            ("$orderby", "lastModifiedDateTime desc"),
            ("$top", "100"),
        ];
        let url = self.url(&["me", "events"], &query)?;
        let found: Found = self.get(token, url, "/me/events").await?;
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

    /// Carries out up to [`BATCH_LIMIT`] requests that do not depend on each other, in any order. The outcomes are
    /// in the order of the items.
    ///
    /// # Errors
    /// If the batch as a whole failed. [`GraphError::outcome_unknown`] then applies to every item.
    pub async fn batch(
        &self,
        token: &SecretString,
        items: Vec<BatchItem>,
    ) -> Result<Vec<Result<BatchReply, GraphError>>, GraphError> {
        if items.len() > BATCH_LIMIT {
            return Err(GraphError::ours(
                "BatchTooLarge",
                "more than 20 requests in one batch",
            ));
        }
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let mut outcomes: Vec<Option<Result<BatchReply, GraphError>>> = vec![None; items.len()];
        let mut requests = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match self.batch_request(index, item) {
                Ok(request) => requests.push(request),
                Err(error) => outcomes[index] = Some(Err(error)),
            }
        }
        if !requests.is_empty() {
            let body = Some(json!({ "requests": requests }));
            let call = Call {
                body,
                ..Call::new(Method::POST, self.url(&["$batch"], &[])?, "/$batch")
            };
            let replies: BatchReplies = read(&call.method, &self.send(token, &call).await?)?;
            for reply in replies.responses {
                let Some(index) = reply.id.parse::<usize>().ok().filter(|i| *i < items.len()) else {
                    continue;
                };
                outcomes[index] = Some(reply.outcome(&items[index]));
            }
        }
        let lost = || {
            Err(GraphError::Transient {
                outcome_unknown: true,
                retry_after: None,
                reason: "no reply in the batch".into(),
                status: None,
            })
        };
        Ok(outcomes
            .into_iter()
            .map(|outcome| outcome.unwrap_or_else(lost))
            .collect())
    }

    fn batch_request(&self, index: usize, item: &BatchItem) -> Result<Value, GraphError> {
        let mut query = Vec::new();
        let expand = expand_link();
        let filter;
        let (method, path, body, if_match) = match item {
            BatchItem::Get { id } => {
                query.push(("$expand", expand.as_str()));
                ("GET", vec!["me", "events", id], None, None)
            }
            BatchItem::Find { calendar, uid } => {
                filter = uid_filter(uid);
                query.extend([("$filter", filter.as_str()), ("$expand", &expand), ("$top", "10")]);
                let path = match calendar {
                    Some(calendar) => vec!["me", "calendars", calendar, "events"],
                    None => vec!["me", "events"],
                };
                ("GET", path, None, None)
            }
            BatchItem::Create { body } => ("POST", vec!["me", "events"], Some(body.clone()), None),
            BatchItem::Update { id, body, if_match } => (
                "PATCH",
                vec!["me", "events", id],
                Some(body.clone()),
                if_match.as_deref(),
            ),
            BatchItem::Delete { id } => ("DELETE", vec!["me", "events", id], None, None),
            BatchItem::Respond { id, answer } => {
                let body = respond_body();
                (
                    "POST",
                    vec!["me", "events", id, action(*answer)?.0],
                    Some(body),
                    None,
                )
            }
        };
        let url = self.url(&path, &query)?;
        let relative = url.path().strip_prefix(self.base.path()).unwrap_or(url.path());
        let relative = match url.query() {
            Some(query) => format!("{relative}?{query}"),
            None => relative.to_owned(),
        };
        let mut headers = json!({ "Prefer": PREFERRED });
        if let Some(key) = if_match {
            headers["If-Match"] = json!(etag(key));
        }
        let mut request = json!({ "id": index.to_string(), "method": method, "url": relative });
        if let Some(body) = body {
            headers["Content-Type"] = json!("application/json");
            request["body"] = body;
        }
        request["headers"] = headers;
        Ok(request)
    }

    /// Carries out one request by itself.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub async fn single(&self, token: &SecretString, item: BatchItem) -> Result<BatchReply, GraphError> {
        let event = |event| BatchReply::Event(Box::new(event));
        match item {
            BatchItem::Get { id } => self
                .get_event(token, &id)
                .await?
                .map(event)
                .ok_or(GraphError::NotFound),
            BatchItem::Find { calendar, uid } => self
                .find_in(token, calendar.as_deref(), &uid_filter(&uid))
                .await
                .map(BatchReply::Events),
            BatchItem::Create { body } => self.create_event(token, &body).await.map(event),
            BatchItem::Update { id, body, if_match } => self
                .update_event(token, &id, &body, if_match.as_deref())
                .await
                .map(event),
            BatchItem::Delete { id } => self.delete_event(token, &id).await.map(BatchReply::Deleted),
            BatchItem::Respond { id, answer } => self
                .respond(token, &id, answer)
                .await
                .map(|()| BatchReply::Answered),
        }
    }

    /// Requests the mailbox's own calendar without its events, to learn whether the mailbox can be
    /// read at all.
    ///
    /// # Errors
    /// What is wrong with the mailbox as a whole.
    pub async fn reach(&self, token: &SecretString) -> Result<(), GraphError> {
        let url = self.url(&["me", "calendar"], &[("$select", "id")])?;
        let reached: Result<Value, GraphError> = self.get(token, url, "/me/calendar").await;
        reached.map(|_| ()).map_err(|error| match error {
            GraphError::NotFound => GraphError::MailboxClosed {
                code: "ErrorItemNotFound".to_owned(),
            },
            other => other.of_mailbox(),
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
            let found: Found = self.get(token, url, route).await?;
            events.extend(found.value);
            let Some(link) = found.next_link else {
                return Ok(events);
            };
            url = self.next_of(&link)?;
        }
        Err(endless())
    }

    async fn find(&self, token: &SecretString, filter: &str) -> Result<Vec<WireEvent>, GraphError> {
        self.find_in(token, None, filter).await
    }

    async fn find_in(
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
        let found: Found = self.get(token, url, "/me/events").await?;
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
        let page: RawPage = self.read_again(token, &call).await?;
        let next = match (page.next_link, page.delta_link) {
            (Some(link), _) => Next::Page(link),
            (None, Some(link)) => Next::Round(link),
            (None, None) => return Err(unreadable(&call.method)),
        };
        Ok(DeltaPage {
            rows: page.value.into_iter().map(DeltaRow::read).collect(),
            next,
        })
    }

    /// Checks and parses the link to the next page of a list.
    fn next_of(&self, link: &str) -> Result<Url, GraphError> {
        let url = Url::parse(link).ok().filter(|url| self.is_ours(url));
        url.ok_or_else(|| unreadable(&Method::GET))
    }

    fn is_ours(&self, url: &Url) -> bool {
        let inside = url
            .path()
            .strip_prefix(self.base.path())
            .is_some_and(|rest| rest.starts_with('/'));
        url.origin() == self.base.origin() && url.origin().is_tuple() && inside && url.username().is_empty()
    }

    /// Builds a URL. Each id becomes one path segment, whatever characters it has.
    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Url, GraphError> {
        if path.iter().any(|segment| matches!(*segment, "" | "." | "..")) {
            return Err(GraphError::ours(
                "BadId",
                "an id that cannot be part of an address",
            ));
        }
        let mut url = self.base.clone();
        let Ok(mut segments) = url.path_segments_mut() else {
            return Err(GraphError::ours("BadBase", "Graph's address cannot have a path"));
        };
        segments.extend(path);
        drop(segments);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
            // Form encoding writes a space as `+`, which OData reads as a plus.
            let spaced = url.query().map(|q| q.replace('+', "%20"));
            url.set_query(spaced.as_deref());
        }
        Ok(url)
    }

    async fn get<T: DeserializeOwned>(
        &self,
        token: &SecretString,
        url: Url,
        template: &'static str,
    ) -> Result<T, GraphError> {
        self.read_again(token, &Call::new(Method::GET, url, template))
            .await
    }

    /// Sends a read, three times at most.
    async fn read_again<T: DeserializeOwned>(
        &self,
        token: &SecretString,
        call: &Call,
    ) -> Result<T, GraphError> {
        let backoff = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(300))
            .with_max_delay(LONGEST_WAIT)
            .with_max_times(2)
            .with_jitter();
        let once = || async {
            match self
                .send(token, call)
                .await
                .and_then(|reply| read(&call.method, &reply))
            {
                // Graph has been seen to answer plain reads with a conflict, although nothing was
                // changed.
                Err(GraphError::Conflict) => Err(GraphError::passing("conflict on a read")),
                other => other,
            }
        };
        once.retry(backoff)
            .when(|error| error.is_temporary() && error.retry_after().is_none_or(|wait| wait <= LONGEST_WAIT))
            .adjust(|error, planned| planned.map(|delay| error.retry_after().unwrap_or(delay)))
            .await
    }

    async fn send(&self, token: &SecretString, call: &Call) -> Result<Reply, GraphError> {
        let span = tracing::debug_span!(
            "graph",
            method = %call.method,
            path = call.template,
            status = tracing::field::Empty,
            request_id = tracing::field::Empty,
        );
        self.send_once(token, call).instrument(span).await
    }

    async fn send_once(&self, token: &SecretString, call: &Call) -> Result<Reply, GraphError> {
        let span = tracing::Span::current();
        let mut request = self
            .http
            .request(call.method.clone(), call.url.clone())
            .bearer_auth(token.expose_secret())
            .header(PREFER, &call.prefer)
            .header("client-request-id", Uuid::new_v4().to_string());
        if let Some(key) = &call.if_match {
            let value = HeaderValue::from_str(key)
                .map_err(|_| GraphError::ours("BadChangeKey", "a change key that cannot be sent"))?;
            request = request.header(IF_MATCH, value);
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        let lost = |error: reqwest::Error| {
            let reason = if error.is_connect() {
                "connect"
            } else if error.is_timeout() {
                "timeout"
            } else {
                "network"
            };
            tracing::debug!(reason, "no reply from Graph");
            GraphError::Transient {
                outcome_unknown: call.method != Method::GET && !error.is_connect() && !error.is_builder(),
                retry_after: None,
                reason: reason.to_owned(),
                status: None,
            }
        };
        let response = request.send().await.map_err(lost)?;
        let status = response.status();
        let headers = response.headers();
        span.record("status", status.as_u16());
        if let Some(id) = headers.get("request-id").and_then(|id| id.to_str().ok()) {
            span.record("request_id", id);
        }
        self.note_clock(headers);
        let retry_after = retry_after(headers, Utc::now());
        let claims = headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .find_map(|header| challenge::claims_in(header.to_str().ok()?));
        let body = response.bytes().await.map_err(lost)?.to_vec();
        let reply = Reply { retry_after, body };
        if status.is_success() {
            tracing::debug!("answered");
            return Ok(reply);
        }
        let body = serde_json::from_str(&readable(&reply.body)).unwrap_or(Value::Null);
        let error = match claims {
            Some(claims) if status.as_u16() == 401 => GraphError::Challenged { claims },
            _ => failure(&call.method, status.as_u16(), reply.retry_after, &body),
        };
        tracing::debug!(code = code_of(&body), "refused");
        Err(error)
    }

    fn note_clock(&self, headers: &HeaderMap) {
        let date = headers.get(reqwest::header::DATE).and_then(|d| d.to_str().ok());
        if let Some(theirs) = date.and_then(|d| DateTime::parse_from_rfc2822(d).ok()) {
            let offset = theirs.to_utc() - Utc::now();
            self.offset.store(offset.num_milliseconds(), Ordering::Relaxed);
        }
    }
}

impl Call {
    fn new(method: Method, url: Url, template: &'static str) -> Self {
        Self {
            method,
            url,
            template,
            prefer: PREFERRED.to_owned(),
            if_match: None,
            body: None,
        }
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
struct Found {
    #[serde(default)]
    value: Vec<WireEvent>,
    #[serde(rename = "@odata.nextLink")]
    next_link: Option<String>,
}

#[derive(Deserialize)]
struct Calendars {
    #[serde(default)]
    value: Vec<Calendar>,
    #[serde(rename = "@odata.nextLink")]
    next_link: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Calendar {
    id: String,
    #[serde(default)]
    is_default_calendar: bool,
}

#[derive(Deserialize)]
struct BatchReplies {
    #[serde(default)]
    responses: Vec<RawBatchReply>,
}

#[derive(Deserialize)]
struct RawBatchReply {
    #[serde(default)]
    id: String,
    status: u16,
    #[serde(default)]
    headers: Option<serde_json::Map<String, Value>>,
    #[serde(default)]
    body: Value,
}

impl RawBatchReply {
    fn outcome(self, item: &BatchItem) -> Result<BatchReply, GraphError> {
        let (method, is_delete) = match item {
            BatchItem::Get { .. } | BatchItem::Find { .. } => (Method::GET, false),
            BatchItem::Delete { .. } => (Method::DELETE, true),
            BatchItem::Update { .. } => (Method::PATCH, false),
            BatchItem::Create { .. } | BatchItem::Respond { .. } => (Method::POST, false),
        };
        if !(200..300).contains(&self.status) {
            let claims = self.header("www-authenticate").and_then(Value::as_str);
            let error = match claims.and_then(challenge::claims_in) {
                Some(claims) if self.status == 401 => GraphError::Challenged { claims },
                _ => failure(&method, self.status, self.retry_after(), &self.body),
            };
            return match error {
                GraphError::NotFound if is_delete => Ok(BatchReply::Deleted(Deleted::Gone)),
                error => Err(error),
            };
        }
        match item {
            BatchItem::Delete { .. } => Ok(BatchReply::Deleted(Deleted::Done)),
            BatchItem::Respond { .. } => Ok(BatchReply::Answered),
            BatchItem::Find { .. } => serde_json::from_value(self.body)
                .map(|found: Found| BatchReply::Events(found.value))
                .map_err(|_| unreadable(&method)),
            BatchItem::Get { .. } | BatchItem::Create { .. } | BatchItem::Update { .. } => {
                serde_json::from_value(self.body)
                    .map(|event| BatchReply::Event(Box::new(event)))
                    .map_err(|_| unreadable(&method))
            }
        }
    }

    fn header(&self, name: &str) -> Option<&Value> {
        let mut headers = self.headers.as_ref()?.iter();
        headers
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    fn retry_after(&self) -> Option<Duration> {
        let value = self.header("retry-after")?;
        match value.as_u64() {
            Some(seconds) => Some(Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER)),
            None => wait_of(value.as_str()?.trim(), Utc::now()),
        }
    }
}

/// The error for a list with more pages than is possible.
fn endless() -> GraphError {
    GraphError::passing(format!("a list of more than {MOST_PAGES} pages"))
}

/// The error for a 2xx with an unreadable body. The outcome of a write is then unknown.
fn unreadable(method: &Method) -> GraphError {
    GraphError::Transient {
        outcome_unknown: *method != Method::GET,
        retry_after: None,
        reason: "unreadable reply".to_owned(),
        status: None,
    }
}

fn read<T: DeserializeOwned>(method: &Method, reply: &Reply) -> Result<T, GraphError> {
    // The error of serde_json may quote the reply, so it is dropped.
    serde_json::from_str(&readable(&reply.body)).map_err(|_| unreadable(method))
}

fn code_of(body: &Value) -> &str {
    body.pointer("/error/code")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Returns the error for a reply that is not 2xx (pages *errors*, *throttling*; the shape of
/// `error` varies).
fn failure(method: &Method, status: u16, retry_after: Option<Duration>, body: &Value) -> GraphError {
    let code = code_of(body).to_owned();
    let message = body
        .pointer("/error/message")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let no_mailbox = [
        "MailboxNotEnabledForRESTAPI",
        "MailboxNotSupportedForRESTAPI",
        "MailboxNotHostedInExchangeOnline",
        "ErrorNonExistentMailbox",
        "ErrorInvalidUser",
    ];
    if no_mailbox.contains(&code.as_str()) {
        return GraphError::MailboxMissing;
    }
    if let Some(limit) = Limit::of(status, &code) {
        return GraphError::Limited {
            limit,
            code,
            retry_after,
        };
    }
    match (status, code.as_str()) {
        (400 | 409, "ErrorDuplicateTransactionId") => {
            let existing = [
                "/error/@event.existingEventId",
                "/error/innerError/@event.existingEventId",
            ]
            .iter()
            .find_map(|path| body.pointer(path)?.as_str())
            .filter(|id| !id.is_empty())
            .map(str::to_owned);
            GraphError::DuplicateTransaction { existing }
        }
        (_, "SyncStateNotFound" | "resyncRequired" | "SyncStateInvalid") | (410, _) => {
            GraphError::ResyncRequired
        }
        (401, _) => GraphError::Unauthorized,
        // It lies in Deleted Items or below; no calendar has it.
        (403, "ErrorCannotDeleteObject") if *method == Method::DELETE => GraphError::NotFound,
        (403, _) => GraphError::Forbidden { code },
        (404, "ErrorItemNotFound") => GraphError::NotFound,
        (404, _) => GraphError::Unreachable { code },
        (409 | 412, _) => GraphError::Conflict,
        (429, _) => GraphError::Throttled { retry_after },
        (408 | 500.., _) => GraphError::Transient {
            outcome_unknown: *method != Method::GET,
            retry_after,
            reason: format!("{status} {code}").trim_end().to_owned(),
            status: Some(status),
        },
        _ => GraphError::Invalid {
            status,
            code,
            message,
        },
    }
}

/// Returns how long a reply asks to wait.
pub(super) fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    wait_of(headers.get(RETRY_AFTER)?.to_str().ok()?.trim(), now)
}

/// Parses a `Retry-After`: seconds, or a date.
fn wait_of(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER));
    }
    let until = DateTime::parse_from_rfc2822(value).ok()?.to_utc();
    let wait = until.signed_duration_since(now).to_std().unwrap_or_default();
    Some(wait.min(LONGEST_RETRY_AFTER))
}

/// Returns the `If-Match` value for a change key; an etag is used unchanged.
fn etag(change_key: &str) -> String {
    if change_key.starts_with("W/") || change_key == "*" {
        change_key.to_owned()
    } else {
        format!("W/\"{change_key}\"")
    }
}

/// The properties that are read of an event, and of a master's exceptions.
macro_rules! event_properties {
    () => {
        "id,iCalUId,changeKey,type,seriesMasterId,occurrenceId,originalStart,originalStartTimeZone,originalEndTimeZone,\
         createdDateTime,lastModifiedDateTime,subject,body,start,end,isAllDay,location,locations,attendees,organizer,isOrganizer,\
         isCancelled,isDraft,responseStatus,responseRequested,sensitivity,showAs,isReminderOn,reminderMinutesBeforeStart,\
         isOnlineMeeting,onlineMeeting,onlineMeetingUrl,hasAttachments,hideAttendees,webLink"
    };
}
const INSTANCE_PROPERTIES: &str = event_properties!();
const SERIES_PROPERTIES: &str = concat!(
    event_properties!(),
    ",transactionId,recurrence,cancelledOccurrences,exceptionOccurrences"
);

fn expand_link() -> String {
    format!("singleValueExtendedProperties($filter=id eq '{LINK_PROPERTY}')")
}

fn uid_filter(uid: &str) -> String {
    format!("iCalUId eq '{}'", quoted(uid))
}

/// Escapes text for an OData string literal.
fn quoted(text: &str) -> String {
    text.replace('\'', "''")
}

fn action(answer: Answer) -> Result<(&'static str, &'static str), GraphError> {
    match answer {
        Answer::Accepted => Ok(("accept", "/me/events/{id}/accept")),
        Answer::Tentative => Ok(("tentativelyAccept", "/me/events/{id}/tentativelyAccept")),
        Answer::Declined => Ok(("decline", "/me/events/{id}/decline")),
        Answer::NeedsAction => Err(GraphError::ours("NoAnswer", "an answer cannot be taken back")),
    }
}

fn respond_body() -> Value {
    json!({ "sendResponse": true })
}

#[cfg(test)]
mod tests;
