//! Writes to a series. Each is followed by reading the whole again: no answer of Graph shows what a write to a master did to its
//! changed occurrences.

use chrono::{NaiveDate, TimeDelta};
use secrecy::SecretString;

use super::{Outcome, answer_in, as_sent, find_made};
use crate::calendar::document::Document;
use crate::calendar::merge::{Side, Told, advance, arrived};
use crate::calendar::series::Series;
use crate::calendar::series::merge::{Written, advance as advance_series, base_of_creation};
use crate::outlook::GraphError;
use crate::outlook::wire::WireEvent;
use crate::outlook::wire::series::{slot_of, to_series};
use crate::store::outbox::{OutlookWrite, kind};
use crate::store::unit::Dossier;
use crate::sync::Engine;
use crate::sync::planner::read_groups;

/// Carries a write out that has never left before.
pub(super) async fn send(
    engine: &Engine,
    token: &SecretString,
    write: &OutlookWrite,
) -> Result<Outcome, GraphError> {
    let Some(id) = write.graph_id.as_deref() else {
        let made = create(engine, token, write).await?;
        return Ok(read(engine, token, &made)
            .await?
            .map_or(Outcome::Gone, Outcome::Written));
    };
    // It was planned against a state that may be past, and what single occurrences are called has to be asked anyway.
    let Some(present) = engine.graph.get_series(token, id).await? else {
        return Ok(Outcome::Gone);
    };
    let is_end = write.kind == kind::DELETE && write.slot.is_none();
    let is_answer = write.kind == kind::RESPOND;
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
    let done = match write.kind.as_str() {
        kind::DELETE => engine.graph.delete_event(token, &target).await.map(|_| ()),
        kind::RESPOND => {
            let answer = answer_in(write);
            engine.graph.respond(token, &target, answer, None, true).await
        }
        _ => {
            let if_match = write.change_key.as_deref().filter(|_| write.slot.is_none());
            let updated = engine
                .graph
                .update_event(token, &target, &write.body, if_match)
                .await;
            updated.map(|_| ())
        }
    };
    match done {
        Ok(()) if is_end => return Ok(Outcome::Gone),
        Ok(()) => {}
        Err(GraphError::Conflict | GraphError::NotFound) => return ask(engine, token, write).await,
        Err(error) => return Err(error),
    }
    Ok(read(engine, token, id)
        .await?
        .map_or(Outcome::Gone, Outcome::Written))
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
            Ok(id) => id,
            Err(error) => find_made(engine, token, write, error).await?,
        },
    };
    Ok(read(engine, token, &id)
        .await?
        .map_or(Outcome::Gone, Outcome::Read))
}

/// Makes a series, or finds the one that was made with the same `transactionId`.
async fn create(engine: &Engine, token: &SecretString, write: &OutlookWrite) -> Result<String, GraphError> {
    match engine.graph.create_event(token, &write.body).await {
        Ok(event) => Ok(event.id),
        Err(GraphError::DuplicateTransaction { existing: Some(id) }) => Ok(id),
        Err(error) => Err(error),
    }
}

/// The series as it is. If it cannot be read, nobody knows what became of the write before.
async fn read(engine: &Engine, token: &SecretString, id: &str) -> Result<Option<Box<WireEvent>>, GraphError> {
    match engine.graph.get_series(token, id).await {
        Ok(found) => Ok(found.map(Box::new)),
        Err(error) => Err(GraphError::Transient {
            outcome_unknown: true,
            retry_after: error.retry_after(),
            reason: error.to_string(),
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
    let is_lost = !written && write.kind != kind::CREATE;
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
    if write.kind == kind::CREATE {
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
        Some(slot) if write.kind == kind::UPDATE => Written::Slot { slot, groups },
        Some(slot) => Written::Presence(slot),
        None => Written::Whole { groups, schedule },
    };
    let base = meeting.series_base()?;
    let base = advance_series(base, &what, &told, (&odoo, &outlook), Side::Outlook);
    meeting.set_series_base(&base)
}
