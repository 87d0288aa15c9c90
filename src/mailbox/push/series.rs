//! Writes to a series. After each write the whole series is read again, as no answer of Graph shows
//! what a write to a master did to its changed occurrences.

use std::collections::BTreeSet;

use chrono::{NaiveDate, TimeDelta};
use secrecy::SecretString;

use super::{Outcome, as_sent, find_created_event, is_unchanged, response_in};
use crate::calendar::document::Document;
use crate::calendar::document::merge::{Written, advance, base_of_creation};
use crate::calendar::field::Side;
use crate::calendar::merge::{Base, Told, arrived};
use crate::outlook::GraphError;
use crate::outlook::wire::series::{slot_of, to_series};
use crate::outlook::wire::{WireEvent, to_event};
use crate::store::outbox::{OutlookWrite, WriteKind};
use crate::store::unit::Dossier;

use crate::engine::{Engine, now};
use crate::mailbox::{presence, series_completion};
use crate::planning::people::People;
use crate::planning::planner::read_groups;

/// Sends a write that was never sent before.
pub(super) async fn send(
    engine: &Engine,
    token: &SecretString,
    followed: &BTreeSet<String>,
    write: &mut OutlookWrite,
) -> Result<Outcome, GraphError> {
    let Some(id) = write.graph_id.clone() else {
        let made = create(engine, token, write).await?;
        return read_after_write(engine, token, write, (&made.id, made.answer.as_deref())).await;
    };
    let id = id.as_str();
    // The write was planned against a state that may be outdated, and the ids of single occurrences
    // have to be requested anyway.
    let Some(mut present) = engine.graph.get_series(token, id).await? else {
        return Ok(Outcome::Gone);
    };
    series_completion::complete_from_store(engine, write.account_id, token, &mut present).await?;
    // Nothing is written to a further calendar that is followed.
    if !followed.is_empty()
        && let Some(calendar) = presence::further_calendar_of(engine, token, &present).await?
        && followed.contains(&calendar)
    {
        present.calendar = Some(calendar);
        return Ok(Outcome::Read(Box::new(present)));
    }
    let is_end = write.kind == WriteKind::Delete && write.slot.is_none();
    let is_answer = write.kind == WriteKind::Respond;
    // A deleted event accepts edits too, and nobody would see them.
    if !is_end && !is_answer && !presence::is_shown(engine, token, &present).await? {
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
    if is_answer && is_cancelled_by_organizer(&present, &target) {
        return Ok(Outcome::Read(Box::new(present)));
    }
    let done = match write.kind {
        WriteKind::Delete => engine.graph.delete_event(token, &target).await.map(|_| None),
        WriteKind::Respond => {
            let answer = response_in(write);
            let answered = engine.graph.respond(token, &target, answer).await;
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
            let found = find_outcome(engine, token, write).await?;
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
                Err(GraphError::Conflict | GraphError::NotFound) => {
                    return find_outcome(engine, token, write).await;
                }
                Err(error) => return Err(error),
            }
        }
        Err(GraphError::NotFound) => return find_outcome(engine, token, write).await,
        Err(error) => return Err(error),
    };
    read_after_write(engine, token, write, (id, answer.as_ref())).await
}

/// Returns whether the organizer has cancelled a series, or the occurrence with this id. Nobody
/// waits for a response to it, and Graph may refuse one.
fn is_cancelled_by_organizer(series: &WireEvent, id: &str) -> bool {
    let exceptions = series.exception_occurrences.iter();
    std::iter::once(series)
        .chain(exceptions.filter(|event| event.id == id))
        .any(|event| event.is_cancelled == Some(true))
}

/// Reads a series after a write to it, which was answered with `answer`. If somebody has changed
/// the series in between, that is news, and not Outlook's form of the write. The write then counts
/// as one whose answer was lost.
async fn read_after_write(
    engine: &Engine,
    token: &SecretString,
    write: &mut OutlookWrite,
    (id, answer): (&str, Option<&WireEvent>),
) -> Result<Outcome, GraphError> {
    let Some(present) = read(engine, token, write.account_id, id).await? else {
        return Ok(Outcome::Gone);
    };
    if answer.is_some_and(|answer| was_edited_meanwhile(answer, &present)) || has_reappeared(write, &present)
    {
        write.in_flight_since = Some(now());
        return Ok(Outcome::Read(present));
    }
    Ok(Outcome::Written(present))
}

/// Returns whether an occurrence that was just excluded is shown, because somebody has edited it
/// meanwhile.
fn has_reappeared(write: &OutlookWrite, present: &WireEvent) -> bool {
    let Some(slot) = write.slot.filter(|_| write.kind == WriteKind::Delete) else {
        return false;
    };
    to_series(present, &present.exception_occurrences).is_ok_and(|series| series.occurrence(slot).is_some())
}

/// Returns whether the answer to a write differs from what exists now: the series itself, or one of
/// its occurrences.
fn was_edited_meanwhile(answer: &WireEvent, present: &WireEvent) -> bool {
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
    // The change key alone says nothing, as the same change may be counted twice.
    match (to_series(answer, &[]), to_series(now, &[])) {
        (Ok(answer), Ok(now)) => answer != now,
        _ => match (to_event(answer), to_event(now)) {
            (Ok(answer), Ok(now)) => answer != now,
            _ => false,
        },
    }
}

/// Finds out what became of a write whose outcome is unknown.
pub(super) async fn find_outcome(
    engine: &Engine,
    token: &SecretString,
    write: &OutlookWrite,
) -> Result<Outcome, GraphError> {
    let id = match &write.graph_id {
        Some(id) => id.clone(),
        None => match create(engine, token, write).await {
            Ok(made) => made.id,
            Err(error) => find_created_event(engine, token, write, error).await?,
        },
    };
    Ok(read(engine, token, write.account_id, &id)
        .await?
        .map_or(Outcome::Gone, Outcome::Read))
}

/// A new series, with the answer to its creation.
struct CreatedSeries {
    id: String,
    answer: Option<Box<WireEvent>>,
}

/// Creates a series, or finds the one that was created with the same `transactionId`.
async fn create(
    engine: &Engine,
    token: &SecretString,
    write: &OutlookWrite,
) -> Result<CreatedSeries, GraphError> {
    match engine.graph.create_event(token, &write.body).await {
        Ok(event) => Ok(CreatedSeries {
            id: event.id.clone(),
            answer: Some(Box::new(event)),
        }),
        Err(GraphError::DuplicateTransaction { existing: Some(id) }) => {
            Ok(CreatedSeries { id, answer: None })
        }
        Err(error) => Err(error),
    }
}

/// Reads the series. If it cannot be read, the outcome of the write before is unknown.
async fn read(
    engine: &Engine,
    token: &SecretString,
    account_id: i64,
    id: &str,
) -> Result<Option<Box<WireEvent>>, GraphError> {
    let found = async {
        let mut found = engine.graph.get_series(token, id).await?;
        if let Some(event) = &mut found {
            series_completion::complete_from_store(engine, account_id, token, event).await?;
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

/// Returns the id of the occurrence of a slot, wherever it was moved; `None` if it was excluded.
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

/// Moves the base. A completed write counts as agreed. If its outcome was unknown and the event was
/// merely read, only the part that has arrived does. `outlook` is the state of `event`.
pub(super) fn advance_base(
    dossier: &mut Dossier,
    write: &OutlookWrite,
    (odoo, outlook, event): (&Document, &Document, &WireEvent),
    written: bool,
    people: &People,
) -> anyhow::Result<()> {
    let meeting = &mut dossier.meeting;
    let mut groups = read_groups(&write.groups)?;
    let is_lost = !written && write.kind != WriteKind::Create;
    let told = if is_lost {
        let shown = write
            .slot
            .map_or(Some(outlook.master.clone()), |slot| outlook.occurrence(slot));
        shown.as_ref().map(Told::unknown).unwrap_or_default()
    } else {
        write.told()?
    };
    let mut schedule = write.body.get("recurrence").is_some();
    if is_lost {
        match write.slot {
            Some(slot) => match (odoo.occurrence(slot), outlook.occurrence(slot)) {
                (None, None) => {}
                (Some(sent), Some(there)) if arrived(&groups, &sent, &there) == groups => {}
                _ => return Ok(()),
            },
            None => {
                groups = arrived(&groups, &odoo.master, &outlook.master);
                schedule &= odoo.same_schedule(outlook);
            }
        }
    }
    let mut base = if write.kind == WriteKind::Create {
        let mut sent = if written { outlook.clone() } else { odoo.clone() };
        if !written {
            sent.master = as_sent(&odoo.master, &outlook.master, people);
        }
        let mut base = base_of_creation(odoo, &sent);
        if meeting.revived {
            reset_responses(&mut base);
        }
        base
    } else {
        let what = match write.slot {
            Some(slot) if write.kind == WriteKind::Update => Written::Slot {
                slot,
                groups: groups.clone(),
            },
            Some(slot) => Written::Presence(slot),
            None => Written::Whole {
                groups: groups.clone(),
                schedule,
            },
        };
        advance(meeting.base()?, &what, &told, (odoo, outlook), Side::Outlook)
    };
    if write.slot.is_none() && event.own_join_url().is_some_and(|url| url != odoo.master.video) {
        // Outlook's own link is news for Odoo.
        base.outlook.master.video.clone_from(&base.odoo.master.video);
    }
    meeting.set_base(Some(&base))?;
    // For a series the times are forgotten once everything is agreed on.
    if written && write.kind == WriteKind::Update && !write.series {
        dossier.forget_times(&groups)?;
    }
    Ok(())
}

/// Resets responses in the base. The guests whom a revived meeting invites again have not responded
/// yet; their responses to the earlier meeting count as withdrawn.
fn reset_responses(base: &mut Base) {
    for (address, attendee) in &mut base.outlook.master.attendees {
        if let Some(earlier) = base.odoo.master.attendees.get(address) {
            attendee.answer = earlier.answer;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_occurrence_that_was_taken_out_and_is_shown_was_edited_by_somebody() {
        let date = |day: &str| day.parse::<NaiveDate>().unwrap();
        let write = OutlookWrite {
            kind: WriteKind::Delete,
            slot: Some(date("2027-01-11")),
            ..OutlookWrite::default()
        };
        let shown = |cancelled: &[&str]| -> WireEvent {
            serde_json::from_value(json!({
                "id": "series", "type": "seriesMaster", "subject": "Weekly", "cancelledOccurrences": cancelled,
                "start": {"dateTime": "2027-01-04T09:00:00", "timeZone": "UTC"},
                "end": {"dateTime": "2027-01-04T10:00:00", "timeZone": "UTC"},
                "originalStartTimeZone": "UTC", "originalEndTimeZone": "UTC",
                "recurrence": {"pattern": {"type": "weekly", "interval": 1, "daysOfWeek": ["monday"], "firstDayOfWeek": "monday"},
                    "range": {"type": "numbered", "startDate": "2027-01-04", "numberOfOccurrences": 3, "recurrenceTimeZone": "UTC"}}}))
            .unwrap()
        };
        assert!(has_reappeared(&write, &shown(&[])));
        assert!(!has_reappeared(&write, &shown(&["OID.series.2027-01-11"])));
    }
}
