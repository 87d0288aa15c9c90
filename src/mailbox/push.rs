//! To Outlook: sends the pending writes of one mailbox, each exactly once in effect.
//!
//! Writes travel in batches of twenty (page *json-batching*), one batch at a time per mailbox.
//! While one travels, the answers to the previous one are stored. A write is marked as in flight
//! before it is sent. If a write is still marked when a run begins (the process died, or no answer
//! came), it is settled by asking. A creation is repeated unchanged, as its `transactionId` makes
//! Graph answer with the event that the first request made. For every other write, Outlook's
//! present state is read and planned from.

mod series;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Context;
use chrono::{NaiveDate, TimeDelta};
use diesel_async::AsyncConnection;
use secrecy::SecretString;
use tokio::time::Instant;

use crate::calendar::document::Document;
use crate::calendar::event::{Answer, Event, Time};
use crate::calendar::field::{Group, Side};
use crate::calendar::merge::{arrived, guests_as_sent};
use crate::engine::{Engine, now};
use crate::guards::budget;
use crate::mailbox::presence::{self, Presence};
use crate::mailbox::pull::link_of;
use crate::mailbox::trouble::{describe_limit, limit_pause, pause, writes_on_hold};
use crate::measures::{self, Purpose};
use crate::odoo::snapshot::odoo_answer;
use crate::outlook::GraphError;
use crate::outlook::client::{BATCH_LIMIT, BatchItem, BatchReply};
use crate::outlook::wire::series::to_series;
use crate::outlook::wire::{WireEvent, to_event};
use crate::planning::observation::{copy_of, project};
use crate::planning::people::People;
use crate::planning::planner::{self, Effects, read_answer, read_groups};
use crate::store::accounts::Account;
use crate::store::addresses::Mailbox;
use crate::store::databases::PlanningLock;
use crate::store::journal::{self, Level, Line};
use crate::store::meetings::{self, Copy, Identities};
use crate::store::outbox::{self, OutlookWrite, WriteKind};
use crate::store::put_aside::{self, Item};
use crate::store::reason::Reason;
use crate::store::unit::{Dossier, UnitOfWork};
use crate::store::{Connection, databases, from_json, leases, troubles};
use crate::traces;
use crate::words::{Said, say};

/// Attempts, over most of an hour, after which a write is set aside if only this event has trouble
/// with it.
const MOST_ATTEMPTS: i32 = 14;
/// How long the mailbox itself counts as the cause if it can be read but refuses several writes.
const MAILBOX_AT_FAULT_FOR: TimeDelta = TimeDelta::hours(12);
/// Bytes of request bodies in one batch. Graph accepts about four megabytes.
const BATCH_BYTES: usize = 2_000_000;

/// The result of a request.
enum Outcome {
    /// Graph carried the write out and answered with the event as it is now.
    Written(Box<WireEvent>),
    /// It is unknown whether the write took effect. This is the event as it is now, to plan from.
    Read(Box<WireEvent>),
    /// The event does not exist, or no longer.
    Gone,
    /// Done, with nothing to read.
    Done,
}

impl Outcome {
    fn event(&self) -> Option<&WireEvent> {
        match self {
            Self::Written(event) | Self::Read(event) => Some(event),
            Self::Gone | Self::Done => None,
        }
    }
}

/// A write whose answer is not stored yet.
struct Sent {
    write: OutlookWrite,
    result: Result<Outcome, GraphError>,
}

impl Sent {
    fn new(write: OutlookWrite, result: Result<Outcome, GraphError>) -> Self {
        let result = result.map_err(|error| match error {
            // This says nothing about the mailbox, and nothing about the event that may not change
            // in a moment.
            GraphError::NotFound | GraphError::Conflict | GraphError::ResyncRequired => {
                GraphError::without_effect(format!("a write was refused: {error}"))
            }
            error => error,
        });
        Self { write, result }
    }
}

/// The result of a batch.
#[derive(Default)]
struct BatchResult {
    sent: Vec<Sent>,
    /// Writes that were not sent, as there was no time or they would have met the same trouble; as
    /// they were before they were marked.
    unsent: Vec<OutlookWrite>,
}

impl BatchResult {
    /// Returns whether nothing more of the batch is sent.
    fn is_finished(&self, until: Instant) -> bool {
        error_that_ends_run(&self.sent).is_some() || !self.sent.is_empty() && Instant::now() >= until
    }
}

/// Sends everything that is due until the time `until`, and adds the effects to `effects`.
///
/// # Errors
/// When the mailbox as a whole is in trouble (throttled, token, network). The writes stay pending.
pub async fn push(
    engine: &Engine,
    account: &Account,
    token: &SecretString,
    until: Instant,
    effects: &mut Effects,
) -> Result<(), PushError> {
    let holds = budget::check(engine, account).await?;
    let followed = account.choices.to_choices().calendars;
    let mut sent: Vec<Sent> = Vec::new();
    let mut trouble = None;
    loop {
        let batch = match trouble {
            None if Instant::now() < until => claim_batch(engine, account, &sent, holds).await?,
            _ => Vec::new(),
        };
        if batch.is_empty() && sent.is_empty() {
            return trouble.map_or(Ok(()), |error| Err(PushError::Graph(error)));
        }
        let trace = traces::Writes::begin(account.id, batch.iter().map(|write| write.trace.as_deref()));
        let (answered, stored) = tokio::join!(
            trace.around(send(engine, token, &followed, batch, until)),
            settle(engine, account, sent, trouble.is_some())
        );
        for Sent { write, result } in &answered.sent {
            if let Err(error) = result {
                trace.fail(write.trace.as_deref(), error.kind());
            }
        }
        drop(trace);
        effects.merge(stored?);
        restore_unsent(engine, account, &answered.unsent).await?;
        sent = answered.sent;
        if trouble.is_none() {
            trouble = find_mailbox_trouble(engine, account, token, &mut sent).await?;
        }
    }
}

/// Why a push ended early.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    #[error(transparent)]
    Graph(GraphError),
    #[error(transparent)]
    Internal(#[from] anyhow::Error),
}

/// Decides whether failures are trouble of the mailbox, which then applies to every write in it. If
/// Microsoft fails at everything or refuses everything, the mailbox is the cause if it cannot be
/// read either, or refuses several writes at once. Then no event is set aside and no attempt is
/// counted.
async fn find_mailbox_trouble(
    engine: &Engine,
    account: &Account,
    token: &SecretString,
    answered: &mut [Sent],
) -> anyhow::Result<Option<GraphError>> {
    if let Some(error) = error_that_ends_run(answered) {
        return Ok(Some(error));
    }
    let is_refusal = |error: &GraphError| {
        is_transient(error)
            || matches!(
                error,
                GraphError::Forbidden { .. } | GraphError::Unreachable { .. }
            )
    };
    let refused = errors(answered).filter(|error| is_refusal(error)).count();
    if refused == 0 || answered.iter().any(|sent| sent.result.is_ok()) {
        return Ok(None);
    }
    let closed = match engine.graph.check_reachable(token).await {
        Err(trouble) => Some(trouble),
        Ok(()) if refused == 1 || !is_mailbox_at_fault(engine, account).await? => return Ok(None),
        Ok(()) => None,
    };
    for sent in answered.iter_mut() {
        sent.result = match std::mem::replace(&mut sent.result, Ok(Outcome::Done)) {
            Err(error) if is_refusal(&error) && !is_transient(&error) => {
                Err(closed.clone().unwrap_or_else(|| error.into_mailbox_error()))
            }
            result => result,
        };
    }
    let longest = || errors(answered).max_by_key(|error| error.retry_after()).cloned();
    Ok(closed.or_else(longest))
}

/// Returns whether several writes that are refused at once still count as the mailbox's trouble.
async fn is_mailbox_at_fault(engine: &Engine, account: &Account) -> anyhow::Result<bool> {
    let mut conn = engine.store.get().await?;
    let since = troubles::note_refused(&mut conn, account.id, now()).await?;
    Ok(since > now() - MAILBOX_AT_FAULT_FOR)
}

/// Returns the error that ends the run whatever the other results are: throttling, or a token that
/// is not accepted.
fn error_that_ends_run(answered: &[Sent]) -> Option<GraphError> {
    errors(answered)
        .filter(|error| error.concerns_mailbox())
        .max_by_key(|error| error.retry_after())
        .cloned()
}

fn errors(answered: &[Sent]) -> impl Iterator<Item = &GraphError> {
    answered.iter().filter_map(|sent| sent.result.as_ref().err())
}

fn is_transient(error: &GraphError) -> bool {
    matches!(error, GraphError::Transient { .. })
}

/// Marks the next batch as in flight. Returns the writes as they were before, so that those left
/// over from a crash can be recognized.
async fn claim_batch(
    engine: &Engine,
    account: &Account,
    sent: &[Sent],
    holds: bool,
) -> anyhow::Result<Vec<OutlookWrite>> {
    let except: Vec<i64> = sent.iter().map(|s| s.write.id).collect();
    let mut conn = engine.store.get().await?;
    let waits = writes_on_hold(&troubles::of(&mut conn, account.id).await?, holds);
    if !outbox::is_outlook_due(&mut conn, account.id, &except, now(), waits).await? {
        return Ok(Vec::new());
    }
    conn.transaction::<_, anyhow::Error, _>(async |conn| {
        // The planner replaces writes under this lock.
        let _lock = databases::serialize(conn, account.database_id, Purpose::Push).await?;
        leases::hold(conn, account).await?;
        let limit = i64::try_from(BATCH_LIMIT)?;
        let mut batch = outbox::due_outlook(conn, account.id, except, now(), limit, waits).await?;
        let mut bytes = 0;
        let fit = batch.iter().take_while(|write| {
            bytes += write.body.to_string().len();
            bytes <= BATCH_BYTES
        });
        let fit = fit.count().max(1);
        batch.truncate(fit);
        let batch = budget::within_the_hour(conn, account, batch).await?;
        if !batch.is_empty() {
            outbox::mark_in_flight(conn, batch.iter().map(|w| w.id).collect(), now()).await?;
        }
        Ok(batch)
    })
    .await
}

/// Sends a batch. New writes go together. Unsettled ones are settled by asking, one by one (Graph
/// runs four requests of a mailbox at a time, and a batch may be four already). After `until`, at
/// most one request of these is sent.
async fn send(
    engine: &Engine,
    token: &SecretString,
    followed: &BTreeSet<String>,
    writes: Vec<OutlookWrite>,
    until: Instant,
) -> BatchResult {
    let mut answered = BatchResult::default();
    let (unsettled, fresh): (Vec<_>, Vec<_>) = writes.into_iter().partition(|w| w.in_flight_since.is_some());
    let (series, fresh): (Vec<_>, Vec<_>) = fresh.into_iter().partition(|w| w.series);
    for mut write in unsettled.into_iter().chain(series) {
        if answered.is_finished(until) {
            answered.unsent.push(write);
            continue;
        }
        let result = if write.in_flight_since.is_some() {
            find_outcome(engine, token, &write).await
        } else {
            series::send(engine, token, followed, &mut write).await
        };
        answered.sent.push(Sent::new(write, result));
    }
    if answered.is_finished(until) {
        answered.unsent.extend(fresh);
        return answered;
    }
    let fresh = recheck_updates(engine, token, followed, fresh, &mut answered.sent).await;
    if answered.is_finished(until) {
        answered.unsent.extend(fresh);
        return answered;
    }
    let answers = batch(engine, token, fresh.iter().map(batch_item).collect()).await;
    for (write, answer) in fresh.into_iter().zip(answers) {
        let result = match (answer, write.graph_id.as_deref()) {
            (Ok(BatchReply::Event(event)), _) => Ok(Outcome::Written(event)),
            (Ok(BatchReply::Deleted(_)), _) => Ok(Outcome::Gone),
            (Ok(BatchReply::Answered | BatchReply::Events(_)), _) => Ok(Outcome::Done),
            (Err(GraphError::DuplicateTransaction { existing: Some(id) }), _) => {
                read_present(engine, token, &write, &id).await
            }
            (Err(GraphError::NotFound), Some(_)) => Ok(Outcome::Gone),
            (Err(GraphError::Conflict), Some(id)) => {
                let found = read_present(engine, token, &write, id).await;
                match found {
                    Ok(found) if is_unchanged(&write, &found) => {
                        resend_unconditionally(engine, token, &write, id).await
                    }
                    found => found,
                }
            }
            (Err(error), Some(id)) if write.kind == WriteKind::Respond && error.may_concern_one_event() => {
                explain_refused_response(engine, token, &write, id, error).await
            }
            (Err(error), _) => Err(error),
        };
        answered.sent.push(Sent::new(write, result));
    }
    answered
}

/// Finds out whether a response was refused because the organizer has cancelled the meeting since.
/// The meeting is then planned from that.
///
/// # Errors
/// The refusal if the meeting still exists, or the error of looking.
async fn explain_refused_response(
    engine: &Engine,
    token: &SecretString,
    write: &OutlookWrite,
    id: &str,
    refusal: GraphError,
) -> Result<Outcome, GraphError> {
    let found = read_present(engine, token, write, id).await?;
    let stands = found
        .event()
        .is_some_and(|event| event.is_cancelled != Some(true));
    if stands { Err(refusal) } else { Ok(found) }
}

/// Returns whether Graph refused a change because of another change that it does not show: the
/// event is as it was when the change was planned.
fn is_unchanged(write: &OutlookWrite, found: &Outcome) -> bool {
    let is_as_planned =
        |event: &WireEvent| event.change_key.is_some() && event.change_key == write.change_key;
    write.kind != WriteKind::Respond && found.event().is_some_and(is_as_planned)
}

/// Sends such a change again, without the condition (`If-Match`) that failed.
async fn resend_unconditionally(
    engine: &Engine,
    token: &SecretString,
    write: &OutlookWrite,
    id: &str,
) -> Result<Outcome, GraphError> {
    let sent = match write.kind {
        WriteKind::Delete => engine.graph.delete_event(token, id).await.map(|_| Outcome::Gone),
        WriteKind::Create | WriteKind::Update | WriteKind::Respond => {
            let updated = engine.graph.update_event(token, id, &write.body, None).await;
            updated.map(|event| Outcome::Written(Box::new(event)))
        }
    };
    match sent {
        Ok(outcome) => Ok(outcome),
        Err(GraphError::Conflict | GraphError::NotFound) => read_present(engine, token, write, id).await,
        Err(error) => Err(error),
    }
}

/// Gives back writes that were marked and not sent. Nobody has to ask what became of them, and they
/// do not count as attempts.
async fn restore_unsent(engine: &Engine, account: &Account, unsent: &[OutlookWrite]) -> anyhow::Result<()> {
    if unsent.is_empty() {
        return Ok(());
    }
    let mut conn = engine.store.get().await?;
    conn.transaction::<_, anyhow::Error, _>(async |conn| {
        leases::hold(conn, account).await?;
        for write in unsent {
            outbox::restore_unsent(conn, write).await?;
        }
        Ok(())
    })
    .await
}

async fn batch(
    engine: &Engine,
    token: &SecretString,
    items: Vec<BatchItem>,
) -> Vec<Result<BatchReply, GraphError>> {
    let refused = match engine.graph.batch(token, items.clone()).await {
        Ok(answers) => return answers,
        Err(error) => error,
    };
    if refused.concerns_mailbox() || is_transient(&refused) {
        return vec![Err(refused); items.len()];
    }
    // One of them may be the cause. Each is sent by itself, once.
    tracing::warn!(error = %refused, "a batch was refused as a whole");
    let mut answers = Vec::with_capacity(items.len());
    for item in items {
        let rest = answers.last().and_then(|last: &Result<BatchReply, GraphError>| {
            let error = last.as_ref().err()?;
            error.concerns_mailbox().then(|| error.clone())
        });
        answers.push(match rest {
            Some(error) => Err(error),
            None => engine.graph.single(token, item).await,
        });
    }
    answers
}

/// Reads the events that are about to be changed. An update was planned against a state that may be
/// outdated, and Graph does not document that it refuses such an update (`If-Match` is sent all the
/// same, for changes in between). Events that have changed are planned again; the others are
/// written. So are events that have moved to a further calendar that is followed, to which nothing is
/// written: if there are such calendars, deletions and responses are checked as well.
async fn recheck_updates(
    engine: &Engine,
    token: &SecretString,
    followed: &BTreeSet<String>,
    fresh: Vec<OutlookWrite>,
    sent: &mut Vec<Sent>,
) -> Vec<OutlookWrite> {
    let (updates, mut unchanged): (Vec<_>, Vec<_>) = fresh
        .into_iter()
        .partition(|w| (w.kind == WriteKind::Update || !followed.is_empty()) && w.graph_id.is_some());
    let Some(account_id) = updates.first().map(|write| write.account_id) else {
        return unchanged;
    };
    let ids = updates.iter().filter_map(|write| write.graph_id.as_deref());
    let uids = uids_of(engine, account_id, ids.collect()).await;
    let items = updates
        .iter()
        .filter_map(|write| write.graph_id.clone())
        .map(|id| match uids.get(&id) {
            Some(uid) => BatchItem::Find {
                calendar: None,
                uid: uid.clone(),
            },
            None => BatchItem::Get { id },
        })
        .collect();
    let answers = batch(engine, token, items).await;
    for (write, answer) in updates.into_iter().zip(answers) {
        let id = write.graph_id.clone().unwrap_or_default();
        let result = match answer {
            Ok(BatchReply::Event(event)) => Ok(Outcome::Read(event)),
            Ok(BatchReply::Events(listed)) => match listed.into_iter().find(|event| event.id == id) {
                Some(event) => Ok(Outcome::Read(Box::new(event))),
                None => read_present(engine, token, &write, &id).await,
            },
            Ok(_) | Err(GraphError::NotFound) => Ok(Outcome::Gone),
            Err(error) => Err(error),
        };
        match result {
            Ok(Outcome::Read(event))
                if event.id == id
                    && (event.change_key == write.change_key || write.kind != WriteKind::Update)
                    && !is_followed(&event, followed) =>
            {
                unchanged.push(write);
            }
            result => sent.push(Sent::new(write, result)),
        }
    }
    unchanged
}

/// Returns whether an event is in a further calendar that is only read.
fn is_followed(event: &WireEvent, followed: &BTreeSet<String>) -> bool {
    event.calendar.as_ref().is_some_and(|id| followed.contains(id))
}

/// Returns the known `iCalUId`s of events. If they cannot be read, an event is requested by its id
/// alone.
async fn uids_of(engine: &Engine, account_id: i64, ids: Vec<&str>) -> BTreeMap<String, String> {
    let read = async {
        let mut conn = engine.store.get().await?;
        anyhow::Ok(meetings::uids_of(&mut conn, account_id, ids).await?)
    };
    read.await.unwrap_or_else(|error| {
        tracing::warn!(
            account.id = account_id,
            error = format!("{error:#}"),
            "what events are called is not read"
        );
        BTreeMap::new()
    })
}

fn batch_item(write: &OutlookWrite) -> BatchItem {
    let Some(id) = write.graph_id.clone() else {
        return BatchItem::Create {
            body: write.body.clone(),
        };
    };
    match write.kind {
        WriteKind::Update => BatchItem::Update {
            id,
            body: write.body.clone(),
            if_match: write.change_key.clone(),
        },
        WriteKind::Delete => BatchItem::Delete { id },
        WriteKind::Create | WriteKind::Respond => BatchItem::Respond {
            id,
            answer: response_in(write),
        },
    }
}

fn response_in(write: &OutlookWrite) -> Answer {
    read_answer(write.body.get("answer").and_then(|a| a.as_str()))
}

/// Finds out what became of a write whose outcome is unknown.
async fn find_outcome(
    engine: &Engine,
    token: &SecretString,
    write: &OutlookWrite,
) -> Result<Outcome, GraphError> {
    if write.series {
        return series::find_outcome(engine, token, write).await;
    }
    match write.graph_id.as_deref() {
        // Deleting twice is harmless: if the event was deleted, there is nothing left to cancel.
        Some(graph_id) if write.stands => engine
            .graph
            .delete_event(token, graph_id)
            .await
            .map(|_| Outcome::Gone),
        Some(graph_id) => read_present(engine, token, write, graph_id).await,
        None => match engine.graph.create_event(token, &write.body).await {
            // The event that the first request made. Somebody may have edited it since.
            Ok(event) => Ok(Outcome::Read(Box::new(event))),
            Err(GraphError::DuplicateTransaction { existing: Some(id) }) => {
                read_present(engine, token, write, &id).await
            }
            Err(error) => {
                let id = find_created_event(engine, token, write, error).await?;
                read_present(engine, token, write, &id).await
            }
        },
    }
}

/// Looks for the event of a creation that fails again and again, as it may have been carried out
/// all the same. Our link identifies the event.
///
/// # Errors
/// The failure itself while there were few; later [`GraphError::GaveUp`] if there is no such event.
async fn find_created_event(
    engine: &Engine,
    token: &SecretString,
    write: &OutlookWrite,
    failure: GraphError,
) -> Result<String, GraphError> {
    if !is_transient(&failure) || write.attempts < MOST_ATTEMPTS {
        return Err(failure);
    }
    let sent: Option<WireEvent> = serde_json::from_value(write.body.clone()).ok();
    let found = match sent.as_ref().and_then(link_of) {
        Some(link) => engine.graph.find_by_link(token, link).await?,
        None => Vec::new(),
    };
    let transaction = sent.and_then(|event| event.transaction_id);
    let made = found
        .into_iter()
        .find(|event| event.transaction_id.is_none() || event.transaction_id == transaction);
    made.map(|event| event.id).ok_or_else(|| GraphError::GaveUp {
        reason: failure.to_string(),
    })
}

/// Returns what a calendar shows of an event, possibly under another id.
async fn read_present(
    engine: &Engine,
    token: &SecretString,
    write: &OutlookWrite,
    id: &str,
) -> Result<Outcome, GraphError> {
    let uid = uids_of(engine, write.account_id, vec![id]).await.remove(id);
    let seen: Presence = presence::find_event(engine, token, id, uid.as_deref()).await?;
    Ok(seen.event().map_or(Outcome::Gone, Outcome::Read))
}

/// Stores the outcomes, and plans what is left to do. `in_trouble` says that the mailbox as a whole
/// is in trouble.
async fn settle(
    engine: &Engine,
    account: &Account,
    sent: Vec<Sent>,
    in_trouble: bool,
) -> anyhow::Result<Effects> {
    let mut effects = Effects::default();
    if sent.is_empty() {
        return Ok(effects);
    }
    let mut outcomes = Vec::with_capacity(sent.len());
    for Sent { write, result } in sent {
        match result {
            Ok(outcome) => outcomes.push((write, outcome)),
            Err(error) => handle_failure(engine, account, write, error, in_trouble).await?,
        }
    }
    if !outcomes.is_empty() {
        let mut conn = engine.store.get().await?;
        troubles::end_refusal(&mut conn, account.id).await?;
        if outcomes.iter().any(has_mailed) {
            troubles::end_limit(&mut conn, account.id).await?;
        }
    }
    match settle_together(engine, account, &outcomes).await {
        Ok(together) => effects.merge(together),
        // A result that cannot be stored must not keep the others from being stored.
        Err(error) => {
            tracing::error!(
                error = format!("{error:#}"),
                "a batch was not stored, storing one by one"
            );
            for outcome in &outcomes {
                match settle_together(engine, account, std::slice::from_ref(outcome)).await {
                    Ok(one) => effects.merge(one),
                    Err(error) => {
                        tracing::error!(
                            meeting.id = outcome.0.meeting_id,
                            error = format!("{error:#}"),
                            "not stored"
                        );
                        let mut conn = engine.store.get().await?;
                        let reason = Reason::AnswerNotStored;
                        set_aside(&mut conn, account, &outcome.0, &reason, true).await?;
                    }
                }
            }
        }
    }
    Ok(effects)
}

/// Returns whether Microsoft has just carried out a write that mails somebody.
fn has_mailed((write, outcome): &(OutlookWrite, Outcome)) -> bool {
    let is_done = matches!(outcome, Outcome::Written(_) | Outcome::Done)
        || matches!(outcome, Outcome::Gone) && write.kind == WriteKind::Delete;
    is_done && write.in_flight_since.is_none() && (write.mails > 0 || write.kind == WriteKind::Respond)
}

async fn settle_together(
    engine: &Engine,
    account: &Account,
    outcomes: &[(OutlookWrite, Outcome)],
) -> anyhow::Result<Effects> {
    let mut effects = Effects::default();
    let mut arrived = Vec::new();
    if outcomes.is_empty() {
        return Ok(effects);
    }
    let mut conn = engine.store.get().await?;
    People::prepare(&mut conn, account.database_id).await?;
    conn.transaction::<_, anyhow::Error, _>(async |conn| {
        let lock = databases::serialize(conn, account.database_id, Purpose::Push).await?;
        leases::hold(conn, account).await?;
        let people = People::load(conn, account.database_id, now()).await?;
        let mailbox = people.mailbox_of(account);
        let mut unit = load_meetings(conn, &lock, account, outcomes).await?;
        let mut given_up = Vec::new();
        for (write, outcome) in outcomes {
            let saved_at = unit.get(write.meeting_id)?.meeting.saved_at;
            settle_one(&mut unit, (account, &mailbox), &people, write, outcome)?;
            let dossier = unit.get(write.meeting_id)?;
            effects.merge(planner::replan(dossier, &people)?);
            if dossier.writes.is_empty() {
                arrived.extend(saved_at);
            }
            if is_given_up(dossier, write, outcome) {
                note_set_aside(dossier, account, Reason::InVain);
                effects.merge(planner::tell_who_mails(dossier, &people)?);
                given_up.push(write.meeting_id);
            }
        }
        unit.save(conn, people.now).await?;
        for meeting in given_up {
            put_aside::put(
                conn,
                account.id,
                Item::Meeting(meeting),
                Some(&Reason::InVain),
                one_day,
                now(),
            )
            .await?;
        }
        Ok(())
    })
    .await?;
    for saved_at in arrived {
        let took = (now() - saved_at).as_seconds_f64();
        // Another process has noted it, by its own clock.
        measures::SAVE_TO_MICROSOFT.record("", took.max(0.0));
    }
    Ok(effects)
}

/// Returns whether a write with an unknown outcome is pending once more, and was repeated often
/// enough. Until then it counts as the same write.
fn is_given_up(dossier: &mut Dossier, write: &OutlookWrite, outcome: &Outcome) -> bool {
    if write.in_flight_since.is_none() || !matches!(outcome, Outcome::Read(_)) {
        return false;
    }
    let digest = planner::repeats::of_write(write);
    let is_it = |other: &OutlookWrite| other.id == 0 && planner::repeats::of_write(other) == digest;
    let Some(again) = dossier.writes.iter_mut().find(|other| is_it(other)) else {
        return false;
    };
    if write.attempts < MOST_ATTEMPTS {
        again.attempts = write.attempts;
        again.next_attempt_at = now() + pause(write.attempts, None);
        return false;
    }
    dossier.writes.retain(|other| !is_it(other));
    true
}

/// A refused write is tried again the next day.
fn one_day(_attempts: i32) -> TimeDelta {
    TimeDelta::days(1)
}

/// Reads the meetings that the outcomes are about.
async fn load_meetings(
    conn: &mut Connection,
    lock: &PlanningLock,
    account: &Account,
    outcomes: &[(OutlookWrite, Outcome)],
) -> anyhow::Result<UnitOfWork> {
    let ids: Vec<i64> = outcomes.iter().map(|(write, _)| write.meeting_id).collect();
    let mut unit = UnitOfWork::of(conn, lock, &ids).await?;
    let made = outcomes.iter().filter_map(|(_, outcome)| outcome.event());
    // Known events are not looked up.
    let unknown: Vec<&WireEvent> = made.filter(|e| unit.copy(account.id, &e.id).is_none()).collect();
    if !unknown.is_empty() {
        let graph_ids = unknown.iter().map(|event| event.id.as_str()).collect();
        unit.read_copies(conn, account.id, graph_ids).await?;
        let identities = Identities {
            uids: unknown
                .iter()
                .filter_map(|event| event.ical_uid.as_deref())
                .collect(),
            ..Identities::default()
        };
        unit.read_identities(conn, &identities).await?;
    }
    Ok(unit)
}

fn settle_one(
    unit: &mut UnitOfWork,
    (account, mailbox): (&Account, &Mailbox),
    people: &People,
    write: &OutlookWrite,
    outcome: &Outcome,
) -> anyhow::Result<()> {
    let uid = outcome.event().and_then(|event| event.ical_uid.as_deref());
    // Whether no other meeting of the database has this identity.
    let is_free = uid.is_some_and(|uid| unit.by_ical_uid(uid).is_none());
    let dossier = unit.get(write.meeting_id)?;
    dossier.writes.retain(|w| w.id != write.id);
    // Graph was busy with the event, so it is still to be deleted.
    if write.stands && matches!(outcome, Outcome::Read(_)) {
        dossier.writes.push(OutlookWrite {
            id: 0,
            in_flight_since: None,
            ..write.clone()
        });
        return Ok(());
    }
    let written = matches!(outcome, Outcome::Written(_));
    // A write that left the event unchanged counts as done (such as one to an occurrence that Outlook
    // does not show), or it would be repeated forever.
    let came_to_nothing = write.in_flight_since.is_none()
        && outcome
            .event()
            .is_some_and(|event| event.change_key == write.change_key);
    // Likewise an excluded occurrence that Outlook still shows.
    let is_there_again = write.kind == WriteKind::Delete
        && write.slot.is_some()
        && write.in_flight_since.is_some()
        && outcome.event().is_some();
    if written || came_to_nothing || is_there_again || matches!(outcome, Outcome::Done) {
        dossier.meeting.note_told(&planner::repeats::of_write(write));
        dossier.meeting.count_write(people.now);
    }
    if took_effect(write, outcome) {
        // The collected change was sent, so the next one is new. For a series more may follow,
        // which its planner knows. A guest's response is never the collected change.
        if write.kind != WriteKind::Respond {
            dossier.meeting.collected &= write.series;
            // If the meeting moves to another mailbox, this write is not all that they saved.
            let is_handed_over =
                write.kind == WriteKind::Delete && dossier.meeting.goes_to_another_than(account.odoo_user_id);
            if !write.series && !is_handed_over {
                dossier.meeting.forget_savers();
            }
        }
        dossier.tell(
            account.odoo_user_id,
            Side::Outlook,
            write.mails,
            write.line.clone(),
        )?;
    }
    match outcome {
        Outcome::Written(event) | Outcome::Read(event) => {
            let before = dossier.copy_mut(account.id, &event.id).map(|copy| copy.clone());
            let shown = match project(event, mailbox, before.as_ref()) {
                Ok(shown) => shown,
                Err(problem) => {
                    let reason = Reason::UnreadableInOutlook(problem.words());
                    note_set_aside(dossier, account, reason);
                    return Ok(());
                }
            };
            let state = &planner::as_known(&dossier.meeting, &shown.document, people)?;
            if dossier.meeting.ical_uid.is_none() && is_free {
                dossier.meeting.ical_uid.clone_from(&event.ical_uid);
            }
            // If the event was merely read, the base stays and the meeting is planned from the
            // event. After a creation, the base is what was sent; after a write with an unknown
            // outcome, what has arrived of it.
            let is_creation = write.kind == WriteKind::Create;
            let is_lost = write.kind == WriteKind::Update && write.in_flight_since.is_some() && !written;
            let odoo: Option<Document> = match &write.odoo_state {
                Some(odoo) if written || is_creation || is_lost => {
                    Some(from_json(odoo.clone(), "Odoo state")?)
                }
                _ => None,
            };
            // An event that has become a series meanwhile is compared as it is.
            if let Some(odoo) = odoo.filter(|_| write.series || state.is_single()) {
                series::advance_base(dossier, write, (&odoo, state, event), written, people)?;
                let is_asked = write.slot.is_none() && read_groups(&write.groups)?.contains(&Group::Online);
                if is_asked && odoo.master.online && !state.master.online {
                    note_not_online(dossier, account);
                }
            }
            let state = &shown.document.master;
            // The event continues under another id.
            let earlier = write.graph_id.as_deref().filter(|id| *id != event.id);
            if let Some(copy) = earlier.and_then(|id| dossier.copy_mut(account.id, id)) {
                copy.gone = true;
            }
            let mut seen = copy_of(write.meeting_id, account.id, event, &shown)?;
            if !is_followed(event, &account.choices.to_choices().calendars) {
                seen.calendar = before.and_then(|copy| copy.calendar);
            }
            unit.see_copy(seen)?;
            let dossier = unit.get(write.meeting_id)?;
            let copy = dossier.copy_mut(account.id, &event.id);
            if let (Some(copy), true) = (copy, write.kind == WriteKind::Respond) {
                match write.slot {
                    Some(slot) if written || is_the_answer_to_one(write, slot, copy)? => {
                        copy.agree_to_one(slot, response_in(write))?;
                    }
                    None if is_the_answer(write, event) || may_be_taken_back(write, event, state) => {
                        copy.answer_base = Some(odoo_answer(response_in(write)).to_owned());
                    }
                    _ => {}
                }
            }
        }
        Outcome::Gone => {
            let graph_id = write.graph_id.as_deref().unwrap_or_default();
            if let Some(copy) = dossier.copy_mut(account.id, graph_id) {
                copy.gone = true;
                // A declined meeting leaves the calendar, even if the result of declining is unknown.
                let is_lost = write.kind == WriteKind::Respond && write.in_flight_since.is_some();
                if is_lost && write.slot.is_none() && response_in(write) == Answer::Declined {
                    copy.answer_base = Some(odoo_answer(Answer::Declined).to_owned());
                }
            }
            // If somebody in Odoo wants the event back meanwhile, it must be made again; it must
            // not count as deleted in Outlook. The deletion of a reset does not end the meeting, as
            // the reset's options decide what follows.
            if write.kind == WriteKind::Delete && write.slot.is_none() && !account.resetting {
                dossier.meeting.ended = true;
            }
        }
        Outcome::Done => {
            let graph_id = write.graph_id.as_deref().unwrap_or_default();
            if let Some(copy) = dossier.copy_mut(account.id, graph_id) {
                let answer = write.body.get("answer").and_then(|a| a.as_str());
                // A declined meeting leaves the calendar (Graph: event-decline).
                copy.gone = read_answer(answer) == Answer::Declined;
                copy.answer = answer.map(str::to_owned);
                copy.answer_base.clone_from(&copy.answer);
                // A response to the whole series is a response to each occurrence that exists.
                let mut to_one = copy.answers_to_one()?;
                to_one.retain(|_, answer| *answer == Answer::Declined);
                copy.slot_answers = serde_json::to_value(to_one)?;
            }
        }
    }
    Ok(())
}

/// Returns whether the mailbox has the response that was sent without a result. Then it is no news:
/// a response that was given in Odoo since is newer.
fn is_the_answer(write: &OutlookWrite, event: &WireEvent) -> bool {
    write.in_flight_since.is_some() && event.own_response() == Some(response_in(write))
}

/// Does the same for the response to one occurrence.
fn is_the_answer_to_one(write: &OutlookWrite, slot: NaiveDate, copy: &Copy) -> anyhow::Result<bool> {
    Ok(write.in_flight_since.is_some() && copy.answers_to_one()?.get(&slot) == Some(&response_in(write)))
}

/// Returns whether a response without a result was given to a time that has changed. It may have
/// been sent, and the new time has then reset it. It is not sent twice, and Odoo learns that its
/// guest is asked again.
fn may_be_taken_back(write: &OutlookWrite, event: &WireEvent, state: &Event) -> bool {
    let answered = write.body.get("time").cloned();
    let answered = answered.and_then(|time| serde_json::from_value::<Time>(time).ok());
    write.in_flight_since.is_some()
        && event.own_response() == Some(Answer::NeedsAction)
        && answered.is_some_and(|time| !time.same_span(&state.time))
}

/// Returns whether the write was carried out or, after an interruption, must be assumed to have
/// been.
fn took_effect(write: &OutlookWrite, outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Written(_) | Outcome::Done => true,
        Outcome::Gone => write.kind == WriteKind::Delete && write.slot.is_none(),
        Outcome::Read(event) => {
            write.in_flight_since.is_some() && write.graph_id.is_none()
                || write.kind == WriteKind::Update
                    && write.in_flight_since.is_some()
                    && event.change_key != write.change_key
                    && has_arrived(write, event)
        }
    }
}

/// Returns whether an event has the values that a change was to write. A change key may also change
/// by itself.
fn has_arrived(write: &OutlookWrite, event: &WireEvent) -> bool {
    let sent = write.odoo_state.clone();
    let sent = sent.and_then(|sent| from_json::<Document>(sent, "Odoo state").ok());
    let (Some(odoo), Ok(groups)) = (sent, read_groups(&write.groups)) else {
        return false;
    };
    let has = |odoo: &Event, outlook: &Event| arrived(&groups, odoo, outlook) == groups;
    if odoo.is_single() {
        return to_event(event).is_ok_and(|outlook| has(&odoo.master, &outlook));
    }
    let Ok(outlook) = to_series(event, &event.exception_occurrences) else {
        return false;
    };
    match write.slot {
        Some(slot) => match (odoo.occurrence(slot), outlook.occurrence(slot)) {
            (Some(odoo), Some(outlook)) => has(&odoo, &outlook),
            (odoo, outlook) => odoo.is_none() == outlook.is_none(),
        },
        None => {
            let schedule = write.body.get("recurrence").is_some();
            has(&odoo.master, &outlook.master) && (!schedule || odoo.same_schedule(&outlook))
        }
    }
}

/// Handles a failure. If it is the event's own, the event is set aside. If it is the mailbox's
/// (`in_trouble`), the write waits.
async fn handle_failure(
    engine: &Engine,
    account: &Account,
    write: OutlookWrite,
    error: GraphError,
    in_trouble: bool,
) -> anyhow::Result<()> {
    let mut conn = engine.store.get().await?;
    let reason = reason_of(&error);
    let words = reason.to_string();
    tracing::warn!(account.id = account.id, meeting.id = write.meeting_id, kind = %write.kind, error = %words, "write failed");
    if let GraphError::Limited {
        limit,
        code,
        retry_after,
    } = &error
    {
        let words = Said::from(describe_limit(*limit, code));
        let is_news =
            wait_for_limit(&mut conn, account, &write, (code.as_str(), &words), *retry_after).await?;
        if is_news {
            engine.poke(account.database_id, [account.odoo_user_id].into());
        }
        return Ok(());
    }
    if error.may_concern_one_event() {
        return set_aside(&mut conn, account, &write, &reason, error.may_succeed_later()).await;
    }
    let is_own = is_transient(&error) && !in_trouble;
    let unknown = error.outcome_unknown() || write.in_flight_since.is_some();
    let failure = outbox::Failure {
        // The mailbox itself rests as long as it must.
        wait: if is_own {
            pause(write.attempts, error.retry_after())
        } else {
            TimeDelta::zero()
        },
        had_no_effect: !unknown,
        attempts: write.attempts + i32::from(is_own),
    };
    conn.transaction::<_, anyhow::Error, _>(async |conn| {
        leases::hold(conn, account).await?;
        outbox::postpone(conn, write.id, &words, &failure, now()).await?;
        Ok(())
    })
    .await?;
    if is_own && !unknown && write.attempts + 1 >= MOST_ATTEMPTS {
        set_aside(&mut conn, account, &write, &reason, true).await?;
    }
    Ok(())
}

/// Lets a write wait after the mailbox has reached a limit of its own, as long as all other writes
/// that the limit concerns. It does not count as a failure, and nothing is set aside. Returns
/// whether the limit is news.
async fn wait_for_limit(
    conn: &mut Connection,
    account: &Account,
    write: &OutlookWrite,
    (code, words): (&str, &Said),
    asked: Option<Duration>,
) -> anyhow::Result<bool> {
    conn.transaction::<_, anyhow::Error, _>(async |conn| {
        leases::hold(conn, account).await?;
        let known = troubles::of(conn, account.id).await?;
        let until = match known.limited_until.filter(|until| *until > now()) {
            Some(until) => until,
            None => {
                let until = now() + limit_pause(known.limited_times, asked);
                troubles::note_limit(conn, account.id, code, known.limited_times + 1, until).await?;
                until
            }
        };
        if known.limited_by.is_none() {
            let (database, user) = (account.database_id, Some(account.odoo_user_id));
            let line = Line::general(database, user, Level::Warning, words.clone());
            journal::write(conn, line).await?;
        }
        let failure = outbox::Failure {
            wait: until - now(),
            had_no_effect: write.in_flight_since.is_none(),
            // Its mails are counted once.
            attempts: write.attempts.max(1),
        };
        outbox::postpone(conn, write.id, &words.message, &failure, now()).await?;
        Ok(known.limited_by.is_none())
    })
    .await
    .context("noting a limit of the mailbox")
}

/// Returns why a write failed.
fn reason_of(error: &GraphError) -> Reason {
    match error {
        GraphError::Transient { .. } | GraphError::GaveUp { .. } => {
            Reason::MicrosoftFails(error.words().into())
        }
        refusal if refusal.may_succeed_later() => Reason::RefusedForNow(refusal.words().into()),
        refusal => Reason::RefusedByOutlook(refusal.words().into()),
    }
}

/// Sets a meeting aside.
async fn set_aside(
    conn: &mut Connection,
    account: &Account,
    write: &OutlookWrite,
    reason: &Reason,
    may_heal: bool,
) -> anyhow::Result<()> {
    conn.transaction::<_, anyhow::Error, _>(async |conn| {
        let lock = databases::serialize(conn, account.database_id, Purpose::Push).await?;
        leases::hold(conn, account).await?;
        let is_news = if may_heal {
            let item = Item::Meeting(write.meeting_id);
            put_aside::put(conn, account.id, item, Some(reason), one_day, now()).await?
        } else {
            // If it was refused for another reason before, it is not tried every day because of
            // that.
            put_aside::clear_meetings(conn, account.id, &[write.meeting_id]).await?;
            true
        };
        let mut unit = UnitOfWork::of(conn, &lock, &[write.meeting_id]).await?;
        let dossier = unit.get(write.meeting_id)?;
        note_set_aside(dossier, account, reason.clone());
        if !is_news {
            // The journal said so on the first day.
            dossier.lines.clear();
        }
        dossier.writes.retain(|w| w.id != write.id);
        // As Outlook will never mail the guests, Odoo does.
        let people = People::load(conn, account.database_id, now()).await?;
        if let Err(error) = planner::tell_who_mails(dossier, &people) {
            // This may be the cause of the failed write, and must not stop the mailbox.
            tracing::error!(
                meeting.id = write.meeting_id,
                error = format!("{error:#}"),
                "Odoo is not told who tells the guests"
            );
        }
        unit.save(conn, now()).await
    })
    .await
    .context("setting a meeting aside")
}

fn note_not_online(dossier: &mut Dossier, account: &Account) {
    let message = say::not_online();
    let user_id = Some(account.odoo_user_id);
    let line = Line::of(&dossier.meeting, user_id, Level::Warning, message, None);
    dossier.lines.push(line);
}

fn note_set_aside(dossier: &mut Dossier, account: &Account, reason: Reason) {
    planner::refusals::set_aside(dossier, account.odoo_user_id, reason);
}

/// Returns Outlook's event as a creation left it, if the answer to the creation was lost; `now` is
/// the event's present state. A video link that Outlook has no room for is not part of it, and only
/// Outlook says whether the meeting is held online.
fn as_sent(odoo: &Event, now: &Event, people: &People) -> Event {
    let mut sent = odoo.clone();
    sent.video.clone_from(&now.video);
    sent.online = now.online;
    sent.attendees = guests_as_sent(odoo, now, |guest| people.account_of_address(guest).is_some());
    sent
}
