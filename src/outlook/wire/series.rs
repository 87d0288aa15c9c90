//! A series in Graph: its master, its exceptions and what was taken out, and what to write of it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, TimeZone};
use serde_json::{Value, json};

use super::recurrence;
use super::{ExtraForCreate, Unreadable, WireEvent, create_body, patch_body, to_event};
use crate::calendar::event::{Answer, Event, Time};
use crate::calendar::merge::Group;
use crate::calendar::recurrence::NoFaithfulForm;
use crate::calendar::series::{Differences, Series};
use crate::calendar::timezone;

/// Why a master is no series of the domain. For the journal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSeries {
    #[error(transparent)]
    Rule(#[from] NoFaithfulForm),
    #[error(transparent)]
    Event(#[from] Unreadable),
    #[error("it cannot be told which occurrence was changed or taken out")]
    NoSlot,
    /// To be treated as deleted.
    #[error("it has no occurrence")]
    Empty,
}

/// The domain's view, in normal form: the master with `cancelledOccurrences`, and its exceptions in full
/// (`exceptionOccurrences`, or `/instances`; not the stubs of a delta). Regular occurrences among them do no harm.
///
/// # Errors
/// [`NoSeries`].
pub fn to_series(master: &WireEvent, exceptions: &[WireEvent]) -> Result<Series, NoSeries> {
    let missing = || NoFaithfulForm::Unreadable("it has no recurrence".to_owned());
    let recurrence = recurrence::read(master.recurrence.as_ref().ok_or_else(missing)?)?;
    let mut template = to_event(master)?;
    let named = recurrence.zone.as_deref().and_then(timezone::iana);
    if let (Time::Timed { zone, .. }, Some(tz)) = (&mut template.time, named) {
        tz.name().clone_into(zone);
    }
    let mut series = Series {
        rule: recurrence.rule,
        template,
        exceptions: BTreeMap::new(),
        cancelled: BTreeSet::new(),
    };
    // The rule counts from the range's start, which is the master's date, or before the first date that fits.
    series.template.time = series.slot_time(recurrence.start);
    for id in &master.cancelled_occurrences {
        series.cancelled.insert(date_in(id).ok_or(NoSeries::NoSlot)?);
    }
    for wire in exceptions {
        let slot = slot_of(wire, &series).ok_or(NoSeries::NoSlot)?;
        if wire.is_cancelled == Some(true) {
            // In a guest's mailbox what the organizer took out stays, marked.
            series.cancelled.insert(slot);
            continue;
        }
        let mut event = to_event(wire)?;
        if let (Time::Timed { zone, .. }, Time::Timed { zone: own, .. }) =
            (&series.template.time, &mut event.time)
        {
            zone.clone_into(own);
        }
        let regular = series.regular(slot);
        series
            .exceptions
            .insert(slot, Differences::between(&regular, &event));
    }
    series.normalised().ok_or(NoSeries::Empty)
}

/// The slots that the owner of a guest's mailbox has declined: a declined occurrence leaves the calendar (Graph, *event:
/// decline*), and then is among `cancelledOccurrences`. What the organizer takes out is shown as cancelled first. `before` is the
/// master as it was, `known` are the slots that were declined by then. Without `before` nothing is taken for declined.
pub fn declined(
    master: &WireEvent,
    before: Option<&WireEvent>,
    known: &BTreeSet<NaiveDate>,
) -> BTreeSet<NaiveDate> {
    let Some(before) = before.filter(|before| before.recurrence == master.recurrence) else {
        return BTreeSet::new();
    };
    let out = |id: &String| before.cancelled_occurrences.contains(id);
    let ended = |slot: NaiveDate| {
        before.exception_occurrences.iter().any(|exception| {
            exception.is_cancelled == Some(true)
                && exception.occurrence_id.as_deref().and_then(date_in) == Some(slot)
        })
    };
    master
        .cancelled_occurrences
        .iter()
        .filter_map(|id| Some((id, date_in(id)?)))
        .filter(|(id, slot)| known.contains(slot) || !out(id) && !ended(*slot))
        .map(|(_, slot)| slot)
        .collect()
}

/// What the owner of a guest's mailbox has said to single occurrences, where that is not what they said to the whole;
/// `declined` are not in the mailbox.
pub fn answers_to_one(
    master: &WireEvent,
    series: &Series,
    declined: &BTreeSet<NaiveDate>,
) -> BTreeMap<NaiveDate, Answer> {
    let exceptions = master
        .exception_occurrences
        .iter()
        .filter(|e| e.is_cancelled != Some(true));
    let said = exceptions.filter_map(|e| Some((slot_of(e, series)?, e.own_answer()?)));
    let away = declined.iter().map(|slot| (*slot, Answer::Declined));
    said.filter(|(_, answer)| Some(*answer) != master.own_answer())
        .chain(away)
        .collect()
}

/// The slot of an occurrence or exception: the date in its `occurrenceId` (`OID.{master}.{date}`), else that of
/// `originalStart` in the series' zone.
pub fn slot_of(wire: &WireEvent, series: &Series) -> Option<NaiveDate> {
    wire.occurrence_id.as_deref().and_then(date_in).or_else(|| {
        let start = wire.original_start?;
        let tz = match &series.template.time {
            Time::Timed { .. } => series.tz(),
            // Midnight where the event was made.
            Time::AllDay { .. } => wire.zone(),
        };
        Some(tz.from_utc_datetime(&start.naive_utc()).date_naive())
    })
}

/// The date in an `occurrenceId`.
pub fn date_in(occurrence_id: &str) -> Option<NaiveDate> {
    occurrence_id.rsplit_once('.')?.1.parse().ok()
}

/// The body of `POST /me/events` for a series; exceptions and cancellations are not in it.
///
/// # Errors
/// [`NoFaithfulForm`], if Outlook would have other dates.
pub fn create_series_body(series: &Series, extra: ExtraForCreate<'_>) -> Result<Value, NoFaithfulForm> {
    let mut body = create_body(&sayable(series), extra);
    body["recurrence"] = recurrence::write(&series.rule, series.start())?;
    Ok(body)
}

/// The body of the one PATCH of a master (`OutlookWrite::Master`): the named groups of the template, and the
/// recurrence, which must go with a start on another date or in another zone.
///
/// # Errors
/// As [`create_series_body`].
pub fn patch_series_body(
    groups: &BTreeSet<Group>,
    with_recurrence: bool,
    target: &Series,
    now: &WireEvent,
) -> Result<Value, NoFaithfulForm> {
    let groups: Vec<_> = groups.iter().copied().collect();
    let mut body = patch_body(&groups, &sayable(target), now);
    if with_recurrence {
        body["recurrence"] = recurrence::write(&target.rule, target.start())?;
    }
    Ok(body)
}

/// The template with times that can be said in the series' zone: of an hour that occurs twice the first. A first
/// occurrence written in UTC would anchor the whole series there.
fn sayable(series: &Series) -> Event {
    let mut event = series.template.clone();
    if let Time::Timed { start, end, .. } = &mut event.time {
        let tz = series.tz();
        for at in [start, end] {
            *at = timezone::to_utc(at.with_timezone(&tz).naive_local(), tz);
        }
    }
    event
}

/// `recurrence: null`, which makes a series the single event of its first occurrence.
pub fn single_body() -> Value {
    json!({ "recurrence": null })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::calendar::recurrence::End;
    use crate::calendar::recurrence::tests::{date, nonzero};

    fn master() -> Value {
        json!({
            "id": "M", "type": "seriesMaster", "subject": "Review", "isAllDay": false, "showAs": "busy",
            "start": {"dateTime": "2026-10-06T08:00:00.0000000", "timeZone": "UTC"},
            "end": {"dateTime": "2026-10-06T09:00:00.0000000", "timeZone": "UTC"},
            "originalStartTimeZone": "Romance Standard Time", "originalEndTimeZone": "Romance Standard Time",
            "recurrence": {
                "pattern": {"type": "weekly", "interval": 1, "daysOfWeek": ["tuesday"], "firstDayOfWeek": "monday",
                            "month": 0, "dayOfMonth": 0, "index": "first"},
                "range": {"type": "numbered", "startDate": "2026-10-06", "endDate": "0001-01-01",
                          "numberOfOccurrences": 6, "recurrenceTimeZone": "Romance Standard Time"}},
            "cancelledOccurrences": ["OID.M.2026-10-13", "OID.M.2026-11-10"]
        })
    }

    fn exception(extra: &Value) -> WireEvent {
        let mut event = json!({
            "id": "X", "type": "exception", "seriesMasterId": "M", "subject": "Review", "isAllDay": false, "showAs": "busy",
            "start": {"dateTime": "2026-10-27T09:00:00.0000000", "timeZone": "UTC"},
            "end": {"dateTime": "2026-10-27T10:00:00.0000000", "timeZone": "UTC"},
            "originalStart": "2026-10-27T09:00:00Z", "originalStartTimeZone": "Romance Standard Time"
        });
        event
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        serde_json::from_value(event).unwrap()
    }

    fn read(master: Value, exceptions: &[WireEvent]) -> Result<Series, NoSeries> {
        to_series(&serde_json::from_value(master).unwrap(), exceptions)
    }

    #[test]
    fn a_master_and_its_exceptions_become_a_series() {
        let renamed = exception(&json!({"subject": "Other"}));
        let moved = exception(&json!({
            "start": {"dateTime": "2026-10-22T08:00:00", "timeZone": "UTC"},
            "end": {"dateTime": "2026-10-22T09:00:00", "timeZone": "UTC"},
            "originalStart": null, "occurrenceId": "OID.M.2026-10-20"}));
        let series = read(master(), &[renamed, moved]).unwrap();
        assert_eq!(
            (series.start(), series.tz()),
            (date("2026-10-06"), chrono_tz::Tz::Europe__Paris)
        );
        assert_eq!(series.cancelled, [date("2026-10-13")].into());
        assert_eq!(
            series.rule.end,
            End::Count(nonzero(5)),
            "a missing tail is an earlier end"
        );
        let own = &series.exceptions[&date("2026-10-27")];
        assert!(
            own.title.is_some() && own.time.is_none(),
            "the hour holds over the end of summer time"
        );
        let slots: Vec<_> = series.exceptions.keys().map(ToString::to_string).collect();
        assert_eq!(slots, ["2026-10-20", "2026-10-27"]);
    }

    #[test]
    fn what_a_guest_declined_is_told_from_what_the_organizer_took_out() {
        let mut before = master();
        before["responseStatus"] = json!({"response": "accepted"});
        let ended = json!({"isCancelled": true, "occurrenceId": "OID.M.2026-10-27"});
        let unanswered = json!({"occurrenceId": "OID.M.2026-11-03", "responseStatus": {"response": "notResponded"},
            "start": {"dateTime": "2026-11-03T10:00:00", "timeZone": "UTC"}, "end": {"dateTime": "2026-11-03T11:00:00", "timeZone": "UTC"}});
        let exceptions = [exception(&ended), exception(&unanswered)];
        let series = read(before.clone(), &exceptions).unwrap();
        assert!(series.cancelled.contains(&date("2026-10-27")), "shown, but over");
        let mut before: WireEvent = serde_json::from_value(before).unwrap();
        before.exception_occurrences = exceptions.to_vec();

        let mut now = before.clone();
        now.exception_occurrences.remove(0);
        now.cancelled_occurrences
            .extend(["OID.M.2026-10-20", "OID.M.2026-10-27"].map(str::to_owned));
        let nothing = BTreeSet::new();
        let away = declined(&now, Some(&before), &nothing);
        assert_eq!(away, [date("2026-10-20")].into());
        assert_eq!(
            declined(&now, Some(&now), &away),
            away,
            "it goes on being declined"
        );
        assert!(
            declined(&now, None, &nothing).is_empty(),
            "nobody knows who took it out"
        );
        let mut elsewhere = now.clone();
        elsewhere.recurrence.as_mut().unwrap()["pattern"]["interval"] = json!(2);
        assert!(
            declined(&elsewhere, Some(&before), &away).is_empty(),
            "the slots are others"
        );

        let said = answers_to_one(&now, &series, &away);
        let expected = [
            (date("2026-10-20"), Answer::Declined),
            (date("2026-11-03"), Answer::NeedsAction),
        ];
        assert_eq!(said, expected.into());
    }

    #[test]
    fn what_cannot_be_placed_is_no_series() {
        let nowhere = exception(&json!({"originalStart": null}));
        assert_eq!(read(master(), &[nowhere]), Err(NoSeries::NoSlot));
        let mut single = master();
        single["recurrence"] = Value::Null;
        assert!(matches!(read(single, &[]), Err(NoSeries::Rule(_))));
    }

    #[test]
    fn it_is_written_in_its_zone_with_the_date_of_its_start() {
        let series = read(master(), &[]).unwrap();
        let link = Uuid::nil();
        let extra = ExtraForCreate {
            transaction_id: "t",
            link,
        };
        let body = create_series_body(&series, extra).unwrap();
        assert_eq!(
            body["start"],
            json!({"dateTime": "2026-10-06T10:00:00", "timeZone": "Europe/Paris"})
        );
        assert_eq!(body["recurrence"]["range"]["startDate"], "2026-10-06");
        let now: WireEvent = serde_json::from_value(master()).unwrap();
        let ended = patch_series_body(&BTreeSet::new(), true, &series, &now).unwrap();
        assert_eq!(
            ended.as_object().unwrap().keys().collect::<Vec<_>>(),
            ["recurrence"]
        );
    }

    #[test]
    fn an_hour_that_occurs_twice_does_not_anchor_it_in_utc() {
        let mut night = master();
        night["start"]["dateTime"] = json!("2026-10-25T01:30:00");
        night["end"]["dateTime"] = json!("2026-10-25T02:30:00");
        night["recurrence"]["pattern"] = json!({"type": "daily", "interval": 1});
        night["recurrence"]["range"]["startDate"] = json!("2026-10-25");
        night["cancelledOccurrences"] = json!([]);
        let series = read(night, &[]).unwrap();
        let extra = ExtraForCreate {
            transaction_id: "t",
            link: Uuid::nil(),
        };
        let body = create_series_body(&series, extra).unwrap();
        assert_eq!(
            body["start"],
            json!({"dateTime": "2026-10-25T02:30:00", "timeZone": "Europe/Paris"})
        );
    }
}
