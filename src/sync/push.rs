//! To Outlook: sends what is owed to one mailbox, in order, each write exactly once in effect.
//!
//! A write is marked as in flight before it leaves. One that is still marked when a run begins (the process died, or
//! no answer came) is settled by asking: a creation is repeated unchanged, as its `transactionId` makes Graph answer
//! with the first one's event; of anything else Outlook's present state is read, and planned from.

use std::time::Duration;

use anyhow::Context;
use chrono::TimeDelta;
use diesel_async::AsyncConnection;
use secrecy::SecretString;

use super::exchange::forget_times;
use super::people::People;
use super::planner::{self, Effects, read_answer, read_groups};
use super::pull::{project, store_copy};
use super::{Engine, now};
use crate::calendar::event::{Answer, Event};
use crate::calendar::merge::{Side, advance};
use crate::outlook::GraphError;
use crate::outlook::wire::WireEvent;
use crate::store::accounts::Account;
use crate::store::meetings::Meeting;
use crate::store::outbox::{self, OutlookWrite, kind};
use crate::store::{Connection, databases, from_json, meetings};

/// Attempts after which a write that only this event has trouble with is set aside.
const MOST_ATTEMPTS: i32 = 8;

/// What became of a request.
enum Outcome {
    /// Graph carried the write out and answered with the event as it is now.
    Written(Box<WireEvent>),
    /// Nothing is known of the write; this is the event as it is now, to be planned from.
    Read(Box<WireEvent>),
    /// The event does not exist (any more).
    Gone,
    /// Done; nothing to read.
    Done,
}

/// Sends everything that is due.
///
/// # Errors
/// When the mailbox as a whole is in trouble (throttled, token, network); what is owed stays.
pub async fn push(engine: &Engine, account: &Account, token: &SecretString) -> Result<Effects, PushError> {
    let mut effects = Effects::default();
    loop {
        let write = {
            let mut conn = engine.store.get().await?;
            let Some(write) = outbox::next_outlook(&mut conn, account.id, now()).await? else {
                return Ok(effects);
            };
            take_off(&mut conn, &write).await?
        };
        let Some(write) = write else { continue };
        match send(engine, token, &write).await {
            Ok(outcome) => effects.merge(settle(engine, account, &write, outcome).await?),
            Err(error) => effects.merge(fail(engine, account, write, error).await?),
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

impl From<diesel::result::Error> for PushError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Internal(error.into())
    }
}

/// Marks a write as in flight, unless the planner has thrown it away meanwhile. Returns the write as it was before,
/// so that one left over from a crash can be told.
async fn take_off(conn: &mut Connection, write: &OutlookWrite) -> anyhow::Result<Option<OutlookWrite>> {
    let (id, meeting_id) = (write.id, write.meeting_id);
    conn.transaction::<_, anyhow::Error, _>(async |conn| {
        // The planner replaces writes under this lock.
        meetings::lock(conn, meeting_id).await?;
        let write = outbox::outlook_by_id(conn, id).await?;
        if write.is_some() {
            outbox::take_off(conn, id, now()).await?;
        }
        Ok(write)
    })
    .await
}

async fn send(engine: &Engine, token: &SecretString, write: &OutlookWrite) -> Result<Outcome, GraphError> {
    let unsettled = write.in_flight_since.is_some();
    let Some(graph_id) = write.graph_id.as_deref() else {
        return match engine.graph.create_event(token, &write.body).await {
            // The first one's event, which somebody may have edited since.
            Ok(event) if unsettled => Ok(Outcome::Read(Box::new(event))),
            Ok(event) => Ok(Outcome::Written(Box::new(event))),
            Err(GraphError::DuplicateTransaction { existing: Some(id) }) => look(engine, token, &id).await,
            Err(error) => Err(error),
        };
    };
    if unsettled {
        return look(engine, token, graph_id).await;
    }
    let sent = match write.kind.as_str() {
        kind::UPDATE => {
            let seen = write.change_key.as_deref();
            let event = engine
                .graph
                .update_event(token, graph_id, &write.body, seen)
                .await;
            event.map(|event| Outcome::Written(Box::new(event)))
        }
        kind::DELETE => engine
            .graph
            .delete_event(token, graph_id)
            .await
            .map(|_| Outcome::Gone),
        _ => {
            let answer = read_answer(write.body.get("answer").and_then(|a| a.as_str()));
            engine
                .graph
                .respond(token, graph_id, answer, None, true)
                .await
                .map(|()| Outcome::Done)
        }
    };
    match sent {
        Err(GraphError::NotFound) => Ok(Outcome::Gone),
        Err(GraphError::Conflict) => look(engine, token, graph_id).await,
        other => other,
    }
}

async fn look(engine: &Engine, token: &SecretString, graph_id: &str) -> Result<Outcome, GraphError> {
    let found = engine.graph.get_event(token, graph_id).await?;
    Ok(found.map_or(Outcome::Gone, |event| Outcome::Read(Box::new(event))))
}

/// Stores the outcome, and plans what is left to do.
async fn settle(
    engine: &Engine,
    account: &Account,
    write: &OutlookWrite,
    outcome: Outcome,
) -> Result<Effects, PushError> {
    let mut conn = engine.store.get().await?;
    let effects = conn
        .transaction::<_, anyhow::Error, _>(async |conn| {
            databases::serialize(conn, account.database_id).await?;
            let mut meeting = meetings::lock(conn, write.meeting_id).await?;
            outbox::settle_outlook(conn, write.id).await?;
            let written = matches!(outcome, Outcome::Written(_));
            match outcome {
                Outcome::Written(event) | Outcome::Read(event) => {
                    let state = match project(&event, account) {
                        Ok(state) => state,
                        Err(reason) => {
                            note_set_aside(conn, account, &mut meeting, &reason).await?;
                            return Ok(Effects::default());
                        }
                    };
                    if meeting.ical_uid.is_none()
                        && is_free(conn, &meeting, event.ical_uid.as_deref()).await?
                    {
                        meeting.ical_uid.clone_from(&event.ical_uid);
                    }
                    // What was merely read is planned from, against the base as it was.
                    if let (true, Some(odoo)) = (written, &write.odoo_state) {
                        let odoo: Event = from_json(odoo.clone(), "Odoo state")?;
                        let groups = read_groups(&write.groups)?;
                        let base = advance(meeting.base()?, &groups, &odoo, &state, Side::Odoo);
                        meeting.set_base(Some(&base))?;
                        if write.kind == kind::UPDATE {
                            forget_times(&mut meeting, &groups)?;
                        }
                    }
                    meetings::save(conn, &meeting).await?;
                    store_copy(conn, meeting.id, account, &event, &state).await?;
                }
                Outcome::Gone => {
                    if let Some(id) = &write.graph_id
                        && let Some(copy) = meetings::copy_by_graph_id(conn, account.id, id).await?
                    {
                        meetings::mark_gone(conn, copy.id).await?;
                    }
                }
                Outcome::Done => {
                    if let Some(id) = &write.graph_id
                        && let Some(mut copy) = meetings::copy_by_graph_id(conn, account.id, id).await?
                    {
                        let answer = write
                            .body
                            .get("answer")
                            .and_then(|a| a.as_str())
                            .map(str::to_owned);
                        // A declined meeting leaves the calendar (Graph: event-decline).
                        copy.gone = read_answer(answer.as_deref()) == Answer::Declined;
                        copy.answer.clone_from(&answer);
                        copy.answer_base = answer;
                        meetings::save_copy(conn, &copy).await?;
                    }
                }
            }
            let people = People::load(conn, account.database_id, now()).await?;
            planner::replan(conn, &people, write.meeting_id).await
        })
        .await?;
    Ok(effects)
}

/// Sorts out a failure: the mailbox's trouble ends the run, the event's own sets the event aside.
async fn fail(
    engine: &Engine,
    account: &Account,
    write: OutlookWrite,
    error: GraphError,
) -> Result<Effects, PushError> {
    let mut conn = engine.store.get().await?;
    let words = error.to_string();
    tracing::warn!(account.id = account.id, meeting.id = write.meeting_id, kind = %write.kind, error = %words, "write failed");
    match &error {
        GraphError::Invalid { .. }
        | GraphError::Forbidden { .. }
        | GraphError::DuplicateTransaction { .. } => {
            set_aside(&mut conn, account, &write, &words).await?;
            Ok(Effects::default())
        }
        GraphError::Transient { outcome_unknown, .. } => {
            let unknown = *outcome_unknown || write.in_flight_since.is_some();
            let pause = backoff(write.attempts);
            outbox::postpone(&mut conn, write.id, now() + pause, &words, !unknown).await?;
            if write.attempts + 1 >= MOST_ATTEMPTS && !unknown {
                set_aside(&mut conn, account, &write, &words).await?;
                return Ok(Effects::default());
            }
            Err(PushError::Graph(error))
        }
        _ => {
            outbox::postpone(
                &mut conn,
                write.id,
                now(),
                &words,
                write.in_flight_since.is_none(),
            )
            .await?;
            Err(PushError::Graph(error))
        }
    }
}

/// Seconds that double with each attempt, to five minutes, with jitter.
fn backoff(attempts: i32) -> TimeDelta {
    let seconds = 2i64
        .saturating_pow(u32::try_from(attempts.clamp(0, 8)).unwrap_or(0))
        .min(300);
    let jitter = rand::random_range(0..=500);
    TimeDelta::seconds(seconds) + TimeDelta::milliseconds(jitter)
}

async fn set_aside(
    conn: &mut Connection,
    account: &Account,
    write: &OutlookWrite,
    words: &str,
) -> anyhow::Result<()> {
    conn.transaction::<_, anyhow::Error, _>(async |conn| {
        let mut meeting = meetings::lock(conn, write.meeting_id).await?;
        note_set_aside(conn, account, &mut meeting, words).await?;
        outbox::settle_outlook(conn, write.id).await?;
        Ok(())
    })
    .await
    .context("setting a meeting aside")
}

async fn note_set_aside(
    conn: &mut Connection,
    account: &Account,
    meeting: &mut Meeting,
    words: &str,
) -> anyhow::Result<()> {
    super::admin::refused(
        conn,
        meeting,
        account.odoo_user_id,
        format!("Outlook refused it: {words}"),
    )
    .await?;
    meetings::save(conn, meeting).await?;
    Ok(())
}

/// Whether no other meeting of the database has this identity.
async fn is_free(conn: &mut Connection, meeting: &Meeting, ical_uid: Option<&str>) -> anyhow::Result<bool> {
    let Some(uid) = ical_uid else { return Ok(false) };
    Ok(meetings::by_ical_uid(conn, meeting.database_id, uid)
        .await?
        .is_none())
}

/// How long a mailbox rests after a failure of its own.
pub fn rest_after(error: &GraphError, failures: i32) -> TimeDelta {
    match error {
        GraphError::Throttled { retry_after } => {
            TimeDelta::from_std(retry_after.unwrap_or(Duration::from_secs(10)))
                .unwrap_or(TimeDelta::seconds(10))
        }
        _ => backoff(failures),
    }
}
