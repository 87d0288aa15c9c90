//! Writes to a series. Each is followed by reading the whole again: no answer of Graph shows what a write to a master did to its
//! changed occurrences.

use chrono::{NaiveDate, TimeDelta};
use secrecy::SecretString;

use super::{Outcome, answer_in, as_sent, find_made, is_unchanged};
use crate::calendar::document::Document;
use crate::calendar::field::Side;
use crate::calendar::merge::{Told, advance, arrived};
use crate::calendar::series::Series;
use crate::calendar::series::merge::{Written, advance as advance_series, base_of_creation};
use crate::outlook::GraphError;
use crate::outlook::wire::series::{slot_of, to_series};
use crate::outlook::wire::{WireEvent, to_event};
use crate::store::outbox::{OutlookWrite, WriteKind};
use crate::store::unit::Dossier;

use crate::engine::{Engine, now};
use crate::mailbox::{shown, unsaid};
use crate::planning::planner::read_groups;

/// Carries a write out that has never left before.
pub(super) async fn send(
    engine: &Engine,
    token: &SecretString,
    write: &mut OutlookWrite,
) -> Result<Outcome, GraphError> {
    let Some(id) = write.graph_id.clone() else {
        let made = create(engine, token, write).await?;
        return read_back(engine, token, write, (&made.id, made.answer.as_deref())).await;
    };
    let id = id.as_str();
    // It was planned against a state that may be past, and what single occurrences are called has to be asked anyway.
    let Some(mut present) = engine.graph.get_series(token, id).await? else {
        return Ok(Outcome::Gone);
    };
    unsaid::recall(engine, write.account_id, token, &mut present).await?;
    let is_end = write.kind == WriteKind::Delete && write.slot.is_none();
    let is_answer = write.kind == WriteKind::Respond;
    // What was deleted takes an edit as well, and nobody sees it.
    if !is_end && !is_answer && !shown::is_shown(engine, token, &present).await? {
        return Ok(Outcome::Gone);
    }
    if !is_end && !is_answer && present.change_key != write.change_key {
        return Ok(Outcome::Read(Box::new(present)));
    }
    let target = match write.slot {
        None => id.to_owned(),
        Some(slot) => match find_occurrence(engine, token, &present, slot).await? {
            Some(occurrence) => occurrence,
            None => return Ok(Outcome::Read(Box::new(present))),
        },
    };
    let done = match write.kind {
        WriteKind::Delete => engine.graph.delete_event(token, &target).await.map(|_| None),
        WriteKind::Respond => {
            let answer = answer_in(write);
            let answered = engine.graph.respond(token, &target, answer, None, true).await;
            answered.map(|()| None)
        }
        WriteKind::Create | WriteKind::Update => {
            let if_match = write.change_key.as_deref().filter(|_| write.slot.is_none());
            let updated = engine
                .graph
                .update_event(token, &target, &write.body, if_match)
                .await;
            updated.map(Some)
        }
    };
    let answer = match done {
        Ok(_) if is_end => return Ok(Outcome::Gone),
        Ok(answer) => answer,
        Err(GraphError::Conflict) => {
            let found = ask(engine, token, write).await?;
            if !is_unchanged(write, &found) {
                return Ok(found);
            }
            let again = if write.kind == WriteKind::Delete {
                engine.graph.delete_event(token, &target).await.map(|_| None)
            } else {
                let updated = engine.graph.update_event(token, &target, &write.body, None).await;
                updated.map(Some)
            };
            match again {
                Ok(_) if is_end => return Ok(Outcome::Gone),
                Ok(answer) => answer,
                Err(GraphError::Conflict | GraphError::NotFound) => return ask(engine, token, write).await,
                Err(error) => return Err(error),
            }
        }
        Err(GraphError::NotFound) => return ask(engine, token, write).await,
        Err(error) => return Err(error),
    };
    read_back(engine, token, write, (id, answer.as_ref())).await
}

/// Reads a series after a write to it, which was answered with `answer`. What somebody has changed in between is news, and not
/// what Outlook has made of the write: then it counts as one whose answer never came.
async fn read_back(
    engine: &Engine,
    token: &SecretString,
    write: &mut OutlookWrite,
    (id, answer): (&str, Option<&WireEvent>),
) -> Result<Outcome, GraphError> {
    let Some(present) = read(engine, token, write.account_id, id).await? else {
        return Ok(Outcome::Gone);
    };
    if answer.is_some_and(|answer| is_overtaken(answer, &present)) {
        write.in_flight_since = Some(now());
        return Ok(Outcome::Read(present));
    }
    Ok(Outcome::Written(present))
}

/// Whether what a write was answered with is not what is there: the series itself, or one of its occurrences.
fn is_overtaken(answer: &WireEvent, present: &WireEvent) -> bool {
    let now = if answer.id == present.id {
        Some(present)
    } else {
        let mut exceptions = present.exception_occurrences.iter();
        exceptions.find(|event| event.id == answer.id)
    };
    let Some(now) = now else { return false };
    if answer.change_key == now.change_key {
        return false;
    }
    // The same change may be counted twice.
    match (to_series(answer, &[]), to_series(now, &[])) {
        (Ok(answer), Ok(now)) => answer != now,
        _ => match (to_event(answer), to_event(now)) {
            (Ok(answer), Ok(now)) => answer != now,
            _ => false,
        },
    }
}

/// Finds out what became of a write that nobody knows the end of.
pub(super) async fn ask(
    engine: &Engine,
    token: &SecretString,
    write: &OutlookWrite,
) -> Result<Outcome, GraphError> {
    let id = match &write.graph_id {
        Some(id) => id.clone(),
        None => match create(engine, token, write).await {
            Ok(made) => made.id,
            Err(error) => find_made(engine, token, write, error).await?,
        },
    };
    Ok(read(engine, token, write.account_id, &id)
        .await?
        .map_or(Outcome::Gone, Outcome::Read))
}

/// A series that was made, with the answer that says so.
struct Made {
    id: String,
    answer: Option<Box<WireEvent>>,
}

/// Makes a series, or finds the one that was made with the same `transactionId`.
async fn create(engine: &Engine, token: &SecretString, write: &OutlookWrite) -> Result<Made, GraphError> {
    match engine.graph.create_event(token, &write.body).await {
        Ok(event) => Ok(Made {
            id: event.id.clone(),
            answer: Some(Box::new(event)),
        }),
        Err(GraphError::DuplicateTransaction { existing: Some(id) }) => Ok(Made { id, answer: None }),
        Err(error) => Err(error),
    }
}

/// The series as it is. If it cannot be read, nobody knows what became of the write before.
async fn read(
    engine: &Engine,
    token: &SecretString,
    account_id: i64,
    id: &str,
) -> Result<Option<Box<WireEvent>>, GraphError> {
    let found = async {
        let mut found = engine.graph.get_series(token, id).await?;
        if let Some(event) = &mut found {
            unsaid::recall(engine, account_id, token, event).await?;
        }
        Ok(found.map(Box::new))
    };
    match found.await {
        Ok(found) => Ok(found),
        Err::<_, GraphError>(error) => Err(GraphError::Transient {
            outcome_unknown: true,
            retry_after: error.retry_after(),
            reason: error.to_string(),
            status: None,
        }),
    }
}

/// The id of the occurrence of a slot, wherever it was moved; `None` if it was taken out.
async fn find_occurrence(
    engine: &Engine,
    token: &SecretString,
    master: &WireEvent,
    slot: NaiveDate,
) -> Result<Option<String>, GraphError> {
    let Ok(series) = to_series(master, &[]) else {
        return Ok(None);
    };
    let is_it = |event: &&WireEvent| slot_of(event, &series) == Some(slot);
    if let Some(exception) = master.exception_occurrences.iter().find(is_it) {
        return Ok(Some(exception.id.clone()));
    }
    let time = series.slot_time(slot);
    let (start, end) = (time.starts_at(), time.ends_at());
    let window = start - TimeDelta::days(1)..end + TimeDelta::days(1);
    let instances = engine.graph.instances(token, &master.id, window).await?;
    Ok(instances.iter().find(is_it).map(|event| event.id.clone()))
}

/// Takes what was written for agreed; what was in the air and is merely read, as far as it has arrived.
pub(super) fn advance_base(
    dossier: &mut Dossier,
    write: &OutlookWrite,
    odoo: &Document,
    outlook: &Document,
    written: bool,
) -> anyhow::Result<()> {
    let meeting = &mut dossier.meeting;
    let mut groups = read_groups(&write.groups)?;
    let is_lost = !written && write.kind != WriteKind::Create;
    let told = if is_lost {
        let shown = outlook.clone().into_series();
        let shown = write
            .slot
            .map_or(Some(shown.template.clone()), |slot| shown.occurrence(slot));
        shown.as_ref().map(Told::unknown).unwrap_or_default()
    } else {
        write.told()?
    };
    if let (Document::Event(odoo), Document::Event(outlook)) = (odoo, outlook) {
        if is_lost {
            groups = arrived(&groups, odoo, outlook);
        }
        let base = advance(meeting.base()?, &groups, &told, (odoo, outlook), Side::Outlook);
        return meeting.set_base(Some(&base));
    }
    let (odoo, outlook) = (odoo.clone().into_series(), outlook.clone().into_series());
    if write.kind == WriteKind::Create {
        let sent = if written {
            outlook
        } else {
            let template = as_sent(&odoo.template, &outlook.template);
            Series {
                template,
                ..odoo.clone()
            }
        };
        return meeting.set_series_base(&base_of_creation(&odoo, &sent));
    }
    let mut schedule = write.body.get("recurrence").is_some();
    if is_lost {
        match write.slot {
            Some(slot) => match (odoo.occurrence(slot), outlook.occurrence(slot)) {
                (None, None) => {}
                (Some(sent), Some(there)) if arrived(&groups, &sent, &there) == groups => {}
                _ => return Ok(()),
            },
            None => {
                groups = arrived(&groups, &odoo.template, &outlook.template);
                schedule &= odoo.same_schedule(&outlook);
            }
        }
    }
    let what = match write.slot {
        Some(slot) if write.kind == WriteKind::Update => Written::Slot { slot, groups },
        Some(slot) => Written::Presence(slot),
        None => Written::Whole { groups, schedule },
    };
    let base = meeting.series_base()?;
    let base = advance_series(base, &what, &told, (&odoo, &outlook), Side::Outlook);
    meeting.set_series_base(&base)
}
