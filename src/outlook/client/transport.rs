//! One request to Graph and its reply: the address, the headers, the repeats of reads, and what a
//! failure means.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, IF_MATCH, RETRY_AFTER, WWW_AUTHENTICATE};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tracing::Instrument;
use url::Url;
use uuid::Uuid;

use super::challenge;
use crate::measures;
use crate::outlook::error::{GraphError, Limit};
use crate::outlook::text::make_storable;
use crate::outlook::wire::WireEvent;
use crate::traces;

/// How many rows a delta page holds unless [`GraphClient::with_page_size`] says otherwise.
pub const PAGE_SIZE: u16 = 50;

/// If Microsoft asks for a longer wait, the caller has to wait.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Microsoft asks for minutes. A longer wait is the mistake of a proxy, and would stop a mailbox
/// for as long.
pub(super) const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(6 * 3600);
/// The most pages of one list: enough for one occurrence per day over decades.
pub(super) const MOST_PAGES: usize = 100;
/// How long to wait for an answer with Microsoft's time.
pub(super) const LONGEST_LOOK: Duration = Duration::from_secs(5);
pub(super) const PREFER: HeaderName = HeaderName::from_static("prefer");
pub(super) const PREFERRED: &str = r#"IdType="ImmutableId", outlook.timezone="UTC""#;

/// A client of Graph for any number of mailboxes: each call brings its token. Cheap to clone.
#[derive(Clone, Debug)]
pub struct GraphClient {
    pub(super) http: reqwest::Client,
    pub(super) base: Url,
    pub(super) page_size: u16,
    /// The first half of the ids of its requests.
    pub(super) sender: u64,
    /// Microsoft's clock minus ours, in milliseconds.
    pub(super) offset: Arc<AtomicI64>,
}

/// A request without its token.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    /// The path without ids, for the log.
    pub(super) template: &'static str,
    pub(super) prefer: String,
    pub(super) if_match: Option<String>,
    pub(super) body: Option<Value>,
}

pub(super) struct Reply {
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
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
            sender: Uuid::new_v4().as_u64_pair().0,
            offset: Arc::default(),
        }
    }

    /// Sets how many rows a delta page may hold, at most.
    #[must_use]
    pub fn with_page_size(mut self, rows: u16) -> Self {
        self.page_size = rows.max(1);
        self
    }

    /// Gives its requests ids (`client-request-id`) that begin as the id of this process, so that
    /// Microsoft's log tells the processes apart.
    #[must_use]
    pub fn of_process(mut self, process: Uuid) -> Self {
        self.sender = process.as_u64_pair().0;
        self
    }

    fn request_id(&self) -> Uuid {
        Uuid::from_u64_pair(self.sender, Uuid::new_v4().as_u64_pair().1)
    }

    /// Returns Graph's address, with its version.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// Returns whether Graph is called over TLS, as Microsoft's is. A stand-in for tests need not be.
    pub fn is_encrypted(&self) -> bool {
        self.base.scheme() == "https"
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

    /// Checks and parses the link to the next page of a list.
    pub(super) fn parse_next_link(&self, link: &str) -> Result<Url, GraphError> {
        let url = Url::parse(link).ok().filter(|url| self.is_on_graph_host(url));
        url.ok_or_else(|| unreadable_body(&Method::GET))
    }

    pub(super) fn is_on_graph_host(&self, url: &Url) -> bool {
        let inside = url
            .path()
            .strip_prefix(self.base.path())
            .is_some_and(|rest| rest.starts_with('/'));
        url.origin() == self.base.origin() && url.origin().is_tuple() && inside && url.username().is_empty()
    }

    /// Builds a URL. Each id becomes one path segment, whatever characters it has.
    pub(super) fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Url, GraphError> {
        if path.iter().any(|segment| matches!(*segment, "" | "." | "..")) {
            return Err(GraphError::invalid_request(
                "BadId",
                "an id that cannot be part of an address",
            ));
        }
        let mut url = self.base.clone();
        let Ok(mut segments) = url.path_segments_mut() else {
            return Err(GraphError::invalid_request(
                "BadBase",
                "Graph's address cannot have a path",
            ));
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

    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        token: &SecretString,
        url: Url,
        template: &'static str,
    ) -> Result<T, GraphError> {
        self.get_with_retries(token, &Call::new(Method::GET, url, template))
            .await
    }

    /// Sends a read, three times at most.
    pub(super) async fn get_with_retries<T: DeserializeOwned>(
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
                Err(GraphError::Conflict) => Err(GraphError::without_effect("conflict on a read")),
                other => other,
            }
        };
        once.retry(backoff)
            .when(|error| error.is_temporary() && error.retry_after().is_none_or(|wait| wait <= LONGEST_WAIT))
            .adjust(|error, planned| planned.map(|delay| error.retry_after().unwrap_or(delay)))
            .await
    }

    pub(super) async fn send(&self, token: &SecretString, call: &Call) -> Result<Reply, GraphError> {
        let span = tracing::debug_span!(
            "graph",
            method = %call.method,
            path = call.template,
            status = tracing::field::Empty,
            request_id = tracing::field::Empty,
        );
        let trace = traces::Span::of_request(call.method.as_str(), call.template);
        let sent = trace
            .around(self.send_once(token, call, &trace).instrument(span))
            .await;
        if let Err(error) = &sent {
            trace.fail(error.kind());
        }
        sent
    }

    async fn send_once(
        &self,
        token: &SecretString,
        call: &Call,
        trace: &traces::Span,
    ) -> Result<Reply, GraphError> {
        let span = tracing::Span::current();
        let mut request = self
            .http
            .request(call.method.clone(), call.url.clone())
            .bearer_auth(token.expose_secret())
            .header(PREFER, &call.prefer)
            .header("client-request-id", self.request_id().to_string());
        if let Some(key) = &call.if_match {
            let value = HeaderValue::from_str(key).map_err(|_| {
                GraphError::invalid_request("BadChangeKey", "a change key that cannot be sent")
            })?;
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
            measures::MICROSOFT.add("unreachable", 1);
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
        note_answer(status.as_u16());
        let headers = response.headers();
        span.record("status", status.as_u16());
        trace.note("http.response.status_code", i64::from(status.as_u16()));
        if let Some(id) = headers.get("request-id").and_then(|id| id.to_str().ok()) {
            span.record("request_id", id);
            trace.note("request.id", id.to_owned());
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
        let body = serde_json::from_str(&make_storable(&reply.body)).unwrap_or(Value::Null);
        let error = match claims {
            Some(claims) if status.as_u16() == 401 => GraphError::Challenged { claims },
            _ => error_of_reply(&call.method, status.as_u16(), reply.retry_after, &body),
        };
        tracing::debug!(code = code_of(&body), "refused");
        Err(error)
    }

    pub(super) fn note_clock(&self, headers: &HeaderMap) {
        let date = headers.get(reqwest::header::DATE).and_then(|d| d.to_str().ok());
        if let Some(theirs) = date.and_then(|d| DateTime::parse_from_rfc2822(d).ok()) {
            let offset = theirs.to_utc() - Utc::now();
            self.offset.store(offset.num_milliseconds(), Ordering::Relaxed);
        }
    }
}

impl Call {
    pub(super) fn new(method: Method, url: Url, template: &'static str) -> Self {
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
pub(super) struct EventList {
    #[serde(default)]
    pub(super) value: Vec<WireEvent>,
    #[serde(rename = "@odata.nextLink")]
    pub(super) next_link: Option<String>,
}

/// The error for a list with more pages than is possible.
pub(super) fn too_many_pages() -> GraphError {
    GraphError::without_effect(format!("a list of more than {MOST_PAGES} pages"))
}

/// The error for a 2xx with an unreadable body. The outcome of a write is then unknown.
pub(super) fn unreadable_body(method: &Method) -> GraphError {
    GraphError::Transient {
        outcome_unknown: *method != Method::GET,
        retry_after: None,
        reason: "unreadable reply".to_owned(),
        status: None,
    }
}

pub(super) fn read<T: DeserializeOwned>(method: &Method, reply: &Reply) -> Result<T, GraphError> {
    // The error of serde_json may quote the reply, so it is dropped.
    serde_json::from_str(&make_storable(&reply.body)).map_err(|_| unreadable_body(method))
}

pub(super) fn code_of(body: &Value) -> &str {
    body.pointer("/error/code")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Counts an answer, of a request or of a part of a batch.
pub(super) fn note_answer(status: u16) {
    let outcome = match status {
        200..300 => "ok",
        429 => "throttled",
        408 | 500.. => "failed",
        _ => "refused",
    };
    measures::MICROSOFT.add(outcome, 1);
}

/// Returns the error for a reply that is not 2xx (pages *errors*, *throttling*; the shape of
/// `error` varies).
pub(super) fn error_of_reply(
    method: &Method,
    status: u16,
    retry_after: Option<Duration>,
    body: &Value,
) -> GraphError {
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
pub fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    parse_retry_after(headers.get(RETRY_AFTER)?.to_str().ok()?.trim(), now)
}

/// Parses a `Retry-After`: seconds, or a date.
pub(super) fn parse_retry_after(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER));
    }
    let until = DateTime::parse_from_rfc2822(value).ok()?.to_utc();
    let wait = until.signed_duration_since(now).to_std().unwrap_or_default();
    Some(wait.min(LONGEST_RETRY_AFTER))
}
