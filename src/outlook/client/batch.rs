//! Several requests in one (page *json-batching*).

use std::time::Duration;

use chrono::Utc;
use reqwest::Method;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

use super::challenge;
use super::requests::{action, etag, expand_link, respond_body, uid_filter};
use super::transport::{
    Call, EventList, GraphClient, LONGEST_RETRY_AFTER, PREFERRED, error_of_reply, note_answer,
    parse_retry_after, read, unreadable_body,
};
use crate::calendar::event::Answer;
use crate::outlook::error::GraphError;
use crate::outlook::wire::WireEvent;

/// How many requests Graph accepts in one batch (page *json-batching*).
pub const BATCH_LIMIT: usize = 20;

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

impl GraphClient {
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
            return Err(GraphError::invalid_request(
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
        note_answer(self.status);
        if !(200..300).contains(&self.status) {
            let claims = self.header("www-authenticate").and_then(Value::as_str);
            let error = match claims.and_then(challenge::claims_in) {
                Some(claims) if self.status == 401 => GraphError::Challenged { claims },
                _ => error_of_reply(&method, self.status, self.retry_after(), &self.body),
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
                .map(|found: EventList| BatchReply::Events(found.value))
                .map_err(|_| unreadable_body(&method)),
            BatchItem::Get { .. } | BatchItem::Create { .. } | BatchItem::Update { .. } => {
                serde_json::from_value(self.body)
                    .map(|event| BatchReply::Event(Box::new(event)))
                    .map_err(|_| unreadable_body(&method))
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
            None => parse_retry_after(value.as_str()?.trim(), Utc::now()),
        }
    }
}
