//! Finds out whether a mailbox shows an event. An immutable id outlives a change of folder (page
//! *outlook-immutable-id*): a deleted event lies in Deleted Items, where its id can still be
//! answered. And a client may give an event another id. So a request for an id returns the content
//! of an event, and only a calendar's list by `iCalUId` shows whether the event exists, and under
//! which id.

use secrecy::SecretString;

use crate::engine::Engine;
use crate::outlook::GraphError;
use crate::outlook::client::{BATCH_LIMIT, BatchItem, BatchReply};
use crate::outlook::wire::WireEvent;

/// What a mailbox has for an id.
pub(crate) enum Presence {
    /// It is in a calendar. A series is complete.
    Present(Box<WireEvent>),
    /// It exists under another id.
    Moved(Box<WireEvent>),
    /// No calendar shows it. The event is as Deleted Items have it, if they do.
    Gone(Option<Box<WireEvent>>),
}

impl Presence {
    pub(crate) fn event(self) -> Option<Box<WireEvent>> {
        match self {
            Self::Present(event) | Self::Moved(event) => Some(event),
            Self::Gone(_) => None,
        }
    }
}

/// Looks for an event; `uid` is its last known `iCalUId`. For most events this takes one request.
pub(crate) async fn find_event(
    engine: &Engine,
    token: &SecretString,
    id: &str,
    uid: Option<&str>,
) -> Result<Presence, GraphError> {
    let uid = uid.filter(|uid| !uid.is_empty());
    if let Some(uid) = uid
        && let Some(seen) = find_in_own_calendar(engine, token, id, uid).await?
    {
        return Ok(seen);
    }
    let Some(event) = engine.graph.get_series(token, id).await? else {
        return Ok(Presence::Gone(None));
    };
    // Lists contain single events and series, but no occurrences.
    if let Some(master) = event.series_master_id.as_deref() {
        let master = engine.graph.get_series(token, master).await?;
        return match master {
            Some(master) if is_shown(engine, token, &master).await? => Ok(Presence::Present(Box::new(event))),
            _ => Ok(Presence::Gone(Some(Box::new(event)))),
        };
    }
    let now = event.ical_uid.as_deref().filter(|now| !now.is_empty());
    if let Some(now) = now.filter(|now| Some(*now) != uid)
        && let Some(seen) = find_in_own_calendar(engine, token, id, now).await?
    {
        return Ok(seen);
    }
    let is_there = match now {
        Some(uid) => is_in_other_calendar(engine, token, id, uid).await?,
        // Without an `iCalUId` it cannot be looked for.
        None => true,
    };
    let event = Box::new(event);
    Ok(if is_there {
        Presence::Present(event)
    } else {
        Presence::Gone(Some(event))
    })
}

/// Returns whether a calendar contains a single event or series that was just read by its id.
pub(crate) async fn is_shown(
    engine: &Engine,
    token: &SecretString,
    event: &WireEvent,
) -> Result<bool, GraphError> {
    let Some(uid) = event.ical_uid.as_deref().filter(|uid| !uid.is_empty()) else {
        return Ok(true);
    };
    let listed = engine.graph.find_by_ical_uid(token, uid).await?;
    if listed.iter().any(|other| other.id == event.id) {
        return Ok(true);
    }
    is_in_other_calendar(engine, token, &event.id, uid).await
}

/// Returns what the user's own calendar lists.
async fn find_in_own_calendar(
    engine: &Engine,
    token: &SecretString,
    id: &str,
    uid: &str,
) -> Result<Option<Presence>, GraphError> {
    let mut listed = engine.graph.find_by_ical_uid(token, uid).await?;
    let same = listed.iter().position(|event| event.id == id);
    let Some(event) = same.map(|at| listed.swap_remove(at)).or_else(|| listed.pop()) else {
        return Ok(None);
    };
    let is_same = event.id == id;
    let event = if event.is_series() {
        match engine.graph.get_series(token, &event.id).await? {
            Some(whole) => whole,
            // It was deleted a moment ago.
            None => return Ok(Some(Presence::Gone(None))),
        }
    } else {
        event
    };
    let event = Box::new(event);
    Ok(Some(if is_same {
        Presence::Present(event)
    } else {
        Presence::Moved(event)
    }))
}

/// Returns whether another calendar of the mailbox has it: then somebody moved it there, and did
/// not delete it.
async fn is_in_other_calendar(
    engine: &Engine,
    token: &SecretString,
    id: &str,
    uid: &str,
) -> Result<bool, GraphError> {
    let others = engine.graph.other_calendars(token).await?;
    for calendars in others.chunks(BATCH_LIMIT) {
        let items = calendars.iter().map(|calendar| BatchItem::Find {
            calendar: Some(calendar.clone()),
            uid: uid.to_owned(),
        });
        for found in engine.graph.batch(token, items.collect()).await? {
            match found {
                Ok(BatchReply::Events(events)) if events.iter().any(|event| event.id == id) => {
                    return Ok(true);
                }
                Ok(_) => {}
                // For example, a calendar of somebody else, who no longer shares it.
                Err(error) if error.may_concern_one_event() || matches!(error, GraphError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(false)
}
