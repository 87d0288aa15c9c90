//! Translates what a mailbox shows of an event into the domain.

mod guests;

use std::collections::BTreeSet;

use chrono::NaiveDate;
use serde_json::{Map, Value};

pub(crate) use self::guests::{as_listed, new_proposals};
use crate::calendar::document::Document;
use crate::calendar::event::{Address, Answer, Attendee, AttendeeKind, Event, Person};
use crate::engine::now;
use crate::odoo::snapshot::odoo_answer;
use crate::outlook::wire::{self, WireEvent};
use crate::store::addresses::Mailbox;
use crate::store::meetings::{Copy, SlotAnswers};
use crate::words::Words;

/// Makes a copy of what Graph shows.
///
/// # Errors
/// When it cannot be serialized.
pub(crate) fn copy_of(
    meeting_id: i64,
    account_id: i64,
    event: &WireEvent,
    shown: &Shown,
) -> anyhow::Result<Copy> {
    Ok(Copy {
        id: 0,
        meeting_id,
        account_id,
        graph_id: event.id.clone(),
        change_key: event.change_key.clone(),
        is_organizer: event.is_organizer.unwrap_or(false),
        state: serde_json::to_value(&shown.document)?,
        wire: serde_json::to_value(event)?,
        modified_at: event.last_modified_date_time,
        seen_at: now(),
        gone: false,
        cancelled: event.is_cancelled.unwrap_or(false),
        answer: event.own_response().map(|answer| odoo_answer(answer).to_owned()),
        answer_base: None,
        slot_answers: serde_json::to_value(&shown.slot_answers)?,
        slot_answers_base: serde_json::to_value(SlotAnswers::new())?,
        stub: None,
        unread: false,
        calendar: event.calendar.clone(),
    })
}

/// Returns whether a copy is only what its mailbox shows, without anything that was known before.
pub(crate) fn is_shown_so(copy: &Copy, mailbox: &Mailbox) -> bool {
    let Ok(event) = copy.wire_event::<WireEvent>() else {
        return false;
    };
    let Ok(shown) = project(&event, mailbox, None) else {
        return false;
    };
    let says_nothing = |answers: &Value| answers.as_object().is_some_and(Map::is_empty);
    serde_json::to_value(&shown.document).is_ok_and(|state| state == copy.state)
        && says_nothing(&copy.slot_answers)
        && says_nothing(&copy.slot_answers_base)
}

/// An event or a series as a mailbox shows it.
pub(crate) struct Shown {
    pub document: Document,
    /// See [`Copy::answers_to_one`].
    slot_answers: SlotAnswers,
}

/// Why what a mailbox shows cannot be an event of the domain. For the journal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error(transparent)]
    Event(#[from] wire::Unreadable),
    /// The stored earlier state cannot be read.
    #[error(transparent)]
    Stored(#[from] anyhow::Error),
}

impl Unreadable {
    /// Returns the reason for people, as a part of another sentence.
    pub fn words(&self) -> Words {
        match self {
            Self::Event(event) => event.sentence().into(),
            Self::Stored(error) => Words::new(error),
        }
    }
}

/// Translates an event or a series of this mailbox; `before` is the copy that was stored earlier.
/// In an attendee's mailbox the owner's own response counts, as Graph hides or delays it in the
/// list of attendees. An occurrence that the owner declined still takes place.
///
/// # Errors
/// [`Unreadable`].
pub(crate) fn project(
    event: &WireEvent,
    mailbox: &Mailbox,
    before: Option<&Copy>,
) -> Result<Shown, Unreadable> {
    let event = &*guests::with_known_addresses(event, before);
    let mut shown = Shown {
        document: Document::single(wire::to_event(event)?),
        slot_answers: SlotAnswers::new(),
    };
    let is_own = event.is_organizer == Some(true);
    let organizer = mailbox.address.clone().filter(|_| is_own);
    let owner = mailbox.address.clone().filter(|_| !is_own);
    let aliases = mailbox.renaming();
    let single = &mut shown.document.master;
    if owner.is_some() {
        aliases.rename(&mut single.attendees, None);
    }
    if let Some(organizer) = &organizer {
        organized_by(single, organizer);
    }
    if !event.is_series() {
        if let (Some(owner), Some(answer)) = (&owner, event.own_response()) {
            answer_for(single, owner, answer);
        }
        return Ok(shown);
    }
    let mut whole = event.clone();
    let exceptions = std::mem::take(&mut whole.exception_occurrences);
    let declined = match &owner {
        Some(_) => declined(event, before)?,
        None => BTreeSet::new(),
    };
    whole
        .cancelled_occurrences
        .retain(|id| !wire::series::date_in(id).is_some_and(|slot| declined.contains(&slot)));
    match wire::series::to_series(&whole, &exceptions) {
        Ok(mut series) => {
            if let Some(organizer) = &organizer {
                series_organized_by(&mut series, organizer);
            }
            if let Some(owner) = &owner {
                let own = series
                    .exceptions
                    .values_mut()
                    .filter_map(|own| own.attendees.as_mut());
                for attendees in own.chain([&mut series.master.attendees]) {
                    aliases.rename(attendees, None);
                }
                shown.slot_answers = wire::series::answers_to_one(event, &series, &declined);
                let answer = event.own_response();
                series = answered(series, owner, answer, &shown.slot_answers);
            }
            shown.document = series;
        }
        Err(reason) => {
            shown.document = Document::unsayable(reason.sentence().into(), shown.document.master);
        }
    }
    Ok(shown)
}

/// Translates what a further calendar shows: the owner's view of it. The owner organizes it in Odoo,
/// and nobody else takes part, so that it is in the owner's calendar, and nobody becomes a contact
/// or is mailed because of it.
///
/// # Errors
/// [`Unreadable`].
pub(crate) fn project_view(
    event: &WireEvent,
    mailbox: &Mailbox,
    before: Option<&Copy>,
) -> Result<Shown, Unreadable> {
    let mut own = WireEvent {
        is_organizer: Some(true),
        attendees: Vec::new(),
        organizer: None,
        ..event.clone()
    };
    for exception in &mut own.exception_occurrences {
        exception.is_organizer = Some(true);
        exception.attendees = Vec::new();
        exception.organizer = None;
    }
    project(&own, mailbox, before)
}

/// Makes the mailbox the organizer, as Graph's `isOrganizer` says. The event may name its organizer
/// by another address of the mailbox, or by none.
fn organized_by(event: &mut Event, mailbox: &Address) {
    let named = event.organizer.take();
    if let Some(named) = &named {
        event.attendees.remove(&named.address);
    }
    event.attendees.remove(mailbox);
    event.organizer = Some(Person {
        name: named.map(|person| person.name).unwrap_or_default(),
        address: mailbox.clone(),
    });
}

/// Does the same for a series, whose occurrences may have guests of their own.
fn series_organized_by(series: &mut Document, mailbox: &Address) {
    let named = series
        .master
        .organizer
        .as_ref()
        .map(|named| named.address.clone());
    organized_by(&mut series.master, mailbox);
    let own = series
        .exceptions
        .values_mut()
        .filter_map(|own| own.attendees.as_mut());
    for attendees in own {
        attendees.retain(|address, _| address != mailbox && Some(address) != named.as_ref());
    }
}

fn declined(event: &WireEvent, before: Option<&Copy>) -> Result<BTreeSet<NaiveDate>, Unreadable> {
    let Some(before) = before.filter(|copy| !copy.gone) else {
        return Ok(BTreeSet::new());
    };
    let answers = before.answers_to_one()?;
    let known = answers
        .into_iter()
        .filter(|(_, answer)| *answer == Answer::Declined);
    let known = known.map(|(slot, _)| slot).collect();
    let before: WireEvent = before.wire_event()?;
    Ok(wire::series::declined(event, Some(&before), &known))
}

/// Adds its owner's responses to a series: to the whole, and to single occurrences.
fn answered(mut series: Document, owner: &Address, whole: Option<Answer>, to_one: &SlotAnswers) -> Document {
    if let Some(whole) = whole {
        answer_for(&mut series.master, owner, whole);
    }
    let own: BTreeSet<NaiveDate> = series.exceptions.keys().chain(to_one.keys()).copied().collect();
    for slot in own {
        let (Some(mut event), Some(answer)) = (series.occurrence(slot), to_one.get(&slot).copied().or(whole))
        else {
            continue;
        };
        answer_for(&mut event, owner, answer);
        series.set_occurrence(slot, &event);
    }
    series
}

fn answer_for(state: &mut Event, owner: &Address, answer: Answer) {
    let attendee = state.attendees.entry(owner.clone()).or_insert_with(|| Attendee {
        name: owner.to_string(),
        answer: Answer::NeedsAction,
        kind: AttendeeKind::Required,
        also: Vec::new(),
        unlisted: true,
        by_alias: false,
        shown_as: None,
    });
    attendee.answer = answer;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_own_meeting_is_the_mailboxs_under_whichever_address_it_names_its_organizer() {
        let mailbox = Address::parse("ann@contoso.example").unwrap();
        for named in [
            serde_json::json!({ "emailAddress": { "name": "Ann", "address": "ann.archer@contoso.example" } }),
            serde_json::json!({ "emailAddress": { "name": "Ann", "address": "" } }),
            serde_json::Value::Null,
        ] {
            let event: WireEvent = serde_json::from_value(serde_json::json!({
                "id": "E", "subject": "Own", "isOrganizer": true, "isAllDay": false, "organizer": named,
                "start": { "dateTime": "2027-03-01T09:00:00.0000000", "timeZone": "UTC" },
                "end": { "dateTime": "2027-03-01T10:00:00.0000000", "timeZone": "UTC" },
                "attendees": [
                    { "emailAddress": { "address": "ann@contoso.example" } },
                    { "emailAddress": { "address": "zoe@northwind.example" } },
                ],
            }))
            .unwrap();
            let mut shown = wire::to_event(&event).unwrap();
            organized_by(&mut shown, &mailbox);
            assert_eq!(shown.organizer.as_ref().map(|o| &o.address), Some(&mailbox));
            let guests: Vec<_> = shown.attendees.keys().map(Address::as_str).collect();
            assert_eq!(guests, ["zoe@northwind.example"]);
        }
    }

    #[test]
    fn an_own_series_has_no_owner_among_the_guests_of_its_exceptions() {
        let at = |h: &str, day: &str| serde_json::json!({"dateTime": format!("2027-03-{day}T{h}:00:00.0000000"), "timeZone": "UTC"});
        let guest = |a: &str| serde_json::json!({"emailAddress": {"address": a}});
        let organizer =
            serde_json::json!({"emailAddress": {"name": "Ann", "address": "ann.archer@contoso.example"}});
        let event: WireEvent = serde_json::from_value(serde_json::json!({
            "id": "M", "type": "seriesMaster", "subject": "Own", "isOrganizer": true, "isAllDay": false, "organizer": organizer,
            "start": at("09", "01"), "end": at("10", "01"), "originalStartTimeZone": "UTC", "originalEndTimeZone": "UTC",
            "recurrence": {"pattern": {"type": "daily", "interval": 1, "firstDayOfWeek": "sunday"},
                "range": {"type": "numbered", "startDate": "2027-03-01", "endDate": "0001-01-01", "numberOfOccurrences": 4, "recurrenceTimeZone": "UTC"}},
            "attendees": [guest("ann@contoso.example"), guest("zoe@northwind.example")],
        })).unwrap();
        let exception: WireEvent = serde_json::from_value(serde_json::json!({
            "id": "X", "type": "exception", "seriesMasterId": "M", "subject": "Own", "isOrganizer": true, "isAllDay": false, "organizer": organizer,
            "occurrenceId": "OID.M.2027-03-02", "originalStart": "2027-03-02T09:00:00Z",
            "start": at("09", "02"), "end": at("10", "02"), "originalStartTimeZone": "UTC", "originalEndTimeZone": "UTC",
            "attendees": [guest("ann@contoso.example"), guest("zoe@northwind.example"), guest("eve@northwind.example")],
        })).unwrap();
        let mut series = wire::series::to_series(&event, &[exception]).unwrap();
        series_organized_by(&mut series, &Address::parse("ann@contoso.example").unwrap());
        let one = series
            .occurrence(NaiveDate::from_ymd_opt(2027, 3, 2).unwrap())
            .unwrap();
        let guests: Vec<_> = one.attendees.keys().map(Address::as_str).collect();
        assert_eq!(guests, ["eve@northwind.example", "zoe@northwind.example"]);
    }
}
