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

/// What a mailbox has for an id. An event says which further calendar it is in.
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
        let place = match engine.graph.get_series(token, master).await? {
            Some(master) => place_of(engine, token, &master).await?,
            None => Place::Nowhere,
        };
        return Ok(present_at(place, event));
    }
    let now = event.ical_uid.as_deref().filter(|now| !now.is_empty());
    if let Some(now) = now.filter(|now| Some(*now) != uid)
        && let Some(seen) = find_in_own_calendar(engine, token, id, now).await?
    {
        return Ok(seen);
    }
    let place = match now {
        Some(uid) => in_other_calendar(engine, token, id, uid).await?,
        // Without an `iCalUId` it cannot be looked for.
        None => Place::Own,
    };
    Ok(present_at(place, event))
}

/// Looks for an event that a further calendar has shown; `uid` is its last known `iCalUId`. For most
/// events this takes one request.
pub(crate) async fn find_event_in(
    engine: &Engine,
    token: &SecretString,
    calendar: &str,
    id: &str,
    uid: Option<&str>,
) -> Result<Presence, GraphError> {
    if let Some(uid) = uid.filter(|uid| !uid.is_empty()) {
        let listed = match engine.graph.find_in_calendar(token, calendar, uid).await {
            // The calendar itself is gone.
            Err(GraphError::NotFound) => Vec::new(),
            listed => listed?,
        };
        if let Some(event) = listed.into_iter().find(|event| event.id == id) {
            let event = if event.is_series() {
                match engine.graph.get_series(token, id).await? {
                    Some(whole) => whole,
                    // It was deleted a moment ago.
                    None => return Ok(Presence::Gone(None)),
                }
            } else {
                event
            };
            return Ok(present_at(Place::Further(calendar.to_owned()), event));
        }
    }
    // The event may have moved to another calendar. Another event with its `iCalUId` is another one.
    match find_event(engine, token, id, uid).await? {
        Presence::Moved(_) => Ok(Presence::Gone(None)),
        found => Ok(found),
    }
}

/// Where a mailbox has an event.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Own,
    /// A further calendar, by its id.
    Further(String),
    Nowhere,
}

fn present_at(place: Place, mut event: WireEvent) -> Presence {
    event.calendar = match place {
        Place::Own => None,
        Place::Further(calendar) => Some(calendar),
        Place::Nowhere => return Presence::Gone(Some(Box::new(event))),
    };
    Presence::Present(Box::new(event))
}

/// Returns whether a calendar contains a single event or series that was just read by its id.
pub(crate) async fn is_shown(
    engine: &Engine,
    token: &SecretString,
    event: &WireEvent,
) -> Result<bool, GraphError> {
    Ok(place_of(engine, token, event).await? != Place::Nowhere)
}

/// Returns which further calendar contains a single event or series that was just read by its id.
pub(crate) async fn further_calendar_of(
    engine: &Engine,
    token: &SecretString,
    event: &WireEvent,
) -> Result<Option<String>, GraphError> {
    Ok(match place_of(engine, token, event).await? {
        Place::Further(calendar) => Some(calendar),
        Place::Own | Place::Nowhere => None,
    })
}

/// Returns which calendar contains a single event or series that was just read by its id.
async fn place_of(engine: &Engine, token: &SecretString, event: &WireEvent) -> Result<Place, GraphError> {
    let Some(uid) = event.ical_uid.as_deref().filter(|uid| !uid.is_empty()) else {
        return Ok(Place::Own);
    };
    let listed = engine.graph.find_by_ical_uid(token, uid).await?;
    if listed.iter().any(|other| other.id == event.id) {
        return Ok(Place::Own);
    }
    in_other_calendar(engine, token, &event.id, uid).await
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

/// Returns which other calendar of the mailbox has it: then somebody moved it there, and did not
/// delete it.
async fn in_other_calendar(
    engine: &Engine,
    token: &SecretString,
    id: &str,
    uid: &str,
) -> Result<Place, GraphError> {
    let others = engine.graph.other_calendars(token).await?;
    for calendars in others.chunks(BATCH_LIMIT) {
        let items = calendars.iter().map(|calendar| BatchItem::Find {
            calendar: Some(calendar.id.clone()),
            uid: uid.to_owned(),
        });
        let found = engine.graph.batch(token, items.collect()).await?;
        for (calendar, found) in calendars.iter().zip(found) {
            match found {
                Ok(BatchReply::Events(events)) if events.iter().any(|event| event.id == id) => {
                    return Ok(Place::Further(calendar.id.clone()));
                }
                Ok(_) => {}
                // For example, a calendar of somebody else, who no longer shares it.
                Err(error) if error.may_concern_one_event() || matches!(error, GraphError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(Place::Nowhere)
}
