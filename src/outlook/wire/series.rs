//! A series in Graph: reading its master, its exceptions and its excluded dates, and the bodies
//! that write it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};

use super::recurrence;
use super::{EventKind, ExtraForCreate, Unreadable, WireEvent, create_body, patch_body, to_event};
use crate::calendar::document::{Document, Override, Recurrence};
use crate::calendar::event::{Answer, Event, Time};
use crate::calendar::field::Group;
use crate::calendar::recurrence::NoFaithfulForm;
use crate::calendar::timezone;
use crate::words::{Sentence, say};

/// Why a master cannot be a series of the domain. For the journal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub enum NoSeries {
    Rule(#[from] NoFaithfulForm),
    Event(#[from] Unreadable),
    NoSlot,
    /// A phone has defined the zone's rules, and Graph does not return them (page *event resource
    /// type*).
    NoZone,
    /// To be treated as deleted.
    Empty,
}

impl NoSeries {
    /// Returns the reason for people, as a part of another sentence.
    pub fn sentence(&self) -> Sentence {
        match self {
            Self::Rule(form) => form.sentence(),
            Self::Event(event) => event.sentence(),
            Self::NoSlot => say::unreadable_slot(),
            Self::NoZone => say::unreadable_series_zone(),
            Self::Empty => say::unreadable_no_occurrence(),
        }
    }
}

/// Translates a series to normal form: the master with `cancelledOccurrences`, and its complete
/// exceptions (`exceptionOccurrences`, or `/instances`; not the stubs of a delta). Regular
/// occurrences among them are harmless.
///
/// # Errors
/// [`NoSeries`].
pub fn to_series(master: &WireEvent, exceptions: &[WireEvent]) -> Result<Document, NoSeries> {
    let missing = || NoFaithfulForm::Unreadable("it has no recurrence".to_owned());
    let recurrence = recurrence::read(master.recurrence.as_ref().ok_or_else(missing)?)?;
    let mut shared = to_event(master)?;
    if let Time::Timed { zone, .. } = &mut shared.time {
        let tz = zone_of(master, recurrence.zone.as_deref()).ok_or(NoSeries::NoZone)?;
        tz.name().clone_into(zone);
    }
    let mut series = Document {
        recurrence: Recurrence::Rule(recurrence.rule),
        master: shared,
        exceptions: BTreeMap::new(),
        excluded_dates: BTreeSet::new(),
    };
    // The rule counts from the range's start. That is the master's date, or before the first date
    // that the rule matches.
    series.master.time = series.slot_time(recurrence.start);
    for id in &master.cancelled_occurrences {
        series.excluded_dates.insert(date_in(id).ok_or(NoSeries::NoSlot)?);
    }
    for wire in exceptions {
        let slot = slot_of(wire, &series).ok_or(NoSeries::NoSlot)?;
        if wire.is_cancelled == Some(true) {
            // In a guest's mailbox an occurrence that the organizer excluded stays, marked as
            // cancelled.
            series.excluded_dates.insert(slot);
            continue;
        }
        let mut event = to_event(wire)?;
        if let (Time::Timed { zone, .. }, Time::Timed { zone: own, .. }) =
            (&series.master.time, &mut event.time)
        {
            zone.clone_into(own);
        }
        let regular = series.regular(slot);
        series
            .exceptions
            .insert(slot, Override::between(&regular, &event));
    }
    series.normalized().ok_or(NoSeries::Empty)
}

/// Returns the zone in which a series repeats. `named` is its `recurrenceTimeZone`. It is empty in
/// a guest's copy, where the zone is that of its start.
fn zone_of(master: &WireEvent, named: Option<&str>) -> Option<Tz> {
    match named {
        Some(name) => timezone::iana(name),
        None => master.named_zone(),
    }
}

/// Returns whether this is a series whose hours after the next clock change are unknown.
pub fn has_unnamed_zone(master: &WireEvent) -> bool {
    let recurrence = || recurrence::read(master.recurrence.as_ref()?).ok();
    master.is_all_day != Some(true)
        && recurrence().is_some_and(|r| zone_of(master, r.zone.as_deref()).is_none())
}

/// Stores the zone of a series without a named one.
pub fn store_zone(master: &mut WireEvent, tz: Tz) {
    if let Some(range) = master.recurrence.as_mut().and_then(|r| r.get_mut("range")) {
        range["recurrenceTimeZone"] = json!(tz.name());
    }
}

/// Returns the zone that [`store_zone`] has stored.
pub fn stored_zone(master: &WireEvent) -> Option<Tz> {
    let recurrence = recurrence::read(master.recurrence.as_ref()?).ok()?;
    zone_of(master, recurrence.zone.as_deref())
}

/// Returns whether the occurrences that Microsoft lists have the hours that the series has in a
/// zone. Changed occurrences are ignored.
pub fn has_hours_in(master: &WireEvent, tz: Tz, occurrences: &[WireEvent]) -> bool {
    let mut named = master.clone();
    store_zone(&mut named, tz);
    let Ok(series) = to_series(&named, &[]) else {
        return false;
    };
    let regular = occurrences
        .iter()
        .filter(|event| event.kind == Some(EventKind::Occurrence));
    let mut times = regular
        .filter_map(|event| to_event(event).ok())
        .map(|event| event.time);
    times.all(|time| {
        let slot = time.starts_at().with_timezone(&tz).date_naive();
        series.slot_time(slot).same_span(&time)
    })
}

/// Returns the slots that the owner of a guest's mailbox has declined. A declined occurrence leaves
/// the calendar (Graph, *event: decline*) and is then among `cancelledOccurrences`. An occurrence
/// that the organizer excludes is shown as cancelled first. `before` is the earlier master, `known`
/// the slots that were declined then. Without `before` the result is empty.
pub fn declined(
    master: &WireEvent,
    before: Option<&WireEvent>,
    known: &BTreeSet<NaiveDate>,
) -> BTreeSet<NaiveDate> {
    let Some(before) = before.filter(|before| before.recurrence == master.recurrence) else {
        return BTreeSet::new();
    };
    let out = |id: &String| before.cancelled_occurrences.contains(id);
    let shown = without_excluded_dates(before);
    let slot_then = |exception: &WireEvent| match &shown {
        Some(series) => slot_of(exception, series),
        None => exception.occurrence_id.as_deref().and_then(date_in),
    };
    let ended = |slot: NaiveDate| {
        before
            .exception_occurrences
            .iter()
            .any(|exception| exception.is_cancelled == Some(true) && slot_then(exception) == Some(slot))
    };
    master
        .cancelled_occurrences
        .iter()
        .filter_map(|id| Some((id, date_in(id)?)))
        .filter(|(id, slot)| known.contains(slot) || !out(id) && !ended(*slot))
        .map(|(_, slot)| slot)
        .collect()
}

/// Returns the responses of a guest's mailbox to single occurrences, if they differ from the
/// response to the whole. `declined` occurrences are not in the mailbox.
pub fn answers_to_one(
    master: &WireEvent,
    series: &Document,
    declined: &BTreeSet<NaiveDate>,
) -> BTreeMap<NaiveDate, Answer> {
    let exceptions = master
        .exception_occurrences
        .iter()
        .filter(|e| e.is_cancelled != Some(true));
    let said = exceptions.filter_map(|e| Some((slot_of(e, series)?, e.own_response()?)));
    let away = declined.iter().map(|slot| (*slot, Answer::Declined));
    said.filter(|(_, answer)| Some(*answer) != master.own_response())
        .chain(away)
        .collect()
}

/// Returns the slot of an occurrence or exception. It is the date of its `originalStart` if the
/// date in its `occurrenceId` (`OID.{master}.{date}`) is the same one, in the series' zone or in
/// UTC. Otherwise it is that date.
pub fn slot_of(wire: &WireEvent, series: &Document) -> Option<NaiveDate> {
    let told = wire.occurrence_id.as_deref().and_then(date_in);
    let begun = wire.original_start.map(|start| match &series.master.time {
        Time::Timed { .. } => start.with_timezone(&series.tz()).date_naive(),
        Time::AllDay { .. } => day_of(start, wire.zone()),
    });
    match (begun, told) {
        (Some(slot), Some(date)) if slot != date && utc_date(series, wire.zone(), slot) != date => Some(date),
        (slot, date) => slot.or(date),
    }
}

/// Returns the day that begins at an instant: at midnight of its zone (microsoft-graph-docs#2804)
/// or of UTC. If the name of the zone is unknown, it is the nearest day.
fn day_of(start: DateTime<Utc>, tz: Tz) -> NaiveDate {
    let there = start.with_timezone(&tz).naive_local();
    if there.time() == NaiveTime::MIN {
        return there.date();
    }
    (start + TimeDelta::hours(12)).date_naive()
}

/// Returns the UTC date on which the occurrence of a slot begins; an all-day one begins at midnight
/// in `tz`.
fn utc_date(series: &Document, tz: Tz, slot: NaiveDate) -> NaiveDate {
    match series.slot_time(slot) {
        Time::Timed { start, .. } => start.date_naive(),
        Time::AllDay { start, .. } => timezone::to_utc(start.and_time(NaiveTime::MIN), tz).date_naive(),
    }
}

/// The kind of dates in the ids of a series' excluded occurrences, as Microsoft does not document
/// it. The two kinds differ for evenings in America and mornings in Asia.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdDates {
    /// IdDates in the series' zone, or both kinds are the same.
    InZone,
    /// IdDates in UTC.
    InUtc,
    /// Unknown. The occurrences around this date can tell.
    Unclear(NaiveDate),
}

/// Finds the kind from the master, its exceptions, and its listed occurrences.
pub fn find_id_dates(master: &WireEvent, occurrences: &[WireEvent]) -> IdDates {
    let Some(bare) = without_excluded_dates(master).filter(|_| !master.cancelled_occurrences.is_empty())
    else {
        return IdDates::InZone;
    };
    let tz = stored_zone(master).unwrap_or(Tz::UTC);
    let in_utc = |date: NaiveDate| slot_in_utc(&bare, tz, date);
    let mut unclear = None;
    let taken_out = master.cancelled_occurrences.iter().filter_map(|id| date_in(id));
    for date in taken_out.filter(|date| in_utc(*date) != Some(*date)) {
        unclear = unclear.or(Some(date));
        let is_slot = |slot: NaiveDate| {
            let next = slot.succ_opt();
            next.and_then(|next| bare.rule().last_before(bare.start(), next)) == Some(slot)
        };
        let is_listed = |slot: NaiveDate| {
            occurrences
                .iter()
                .any(|event| slot_of(event, &bare) == Some(slot))
        };
        let may_be = |slot: NaiveDate| is_slot(slot) && !is_listed(slot);
        match (may_be(date), in_utc(date).is_some_and(may_be)) {
            (true, false) => return IdDates::InZone,
            (false, true) => return IdDates::InUtc,
            _ => {}
        }
    }
    let Some(unclear) = unclear else {
        return IdDates::InZone;
    };
    for event in master.exception_occurrences.iter().chain(occurrences) {
        let told = event.occurrence_id.as_deref().and_then(date_in);
        if let (Some(slot), Some(date), Some(_)) = (slot_of(event, &bare), told, event.original_start)
            && utc_date(&bare, tz, slot) != slot
        {
            return if date == slot {
                IdDates::InZone
            } else {
                IdDates::InUtc
            };
        }
    }
    IdDates::Unclear(unclear)
}

/// Replaces the dates in the ids of excluded occurrences by dates in the series' zone.
pub fn convert_id_dates_to_zone(master: &mut WireEvent) {
    let Some(bare) = without_excluded_dates(master) else {
        return;
    };
    let tz = stored_zone(master).unwrap_or(Tz::UTC);
    for id in &mut master.cancelled_occurrences {
        let slot = date_in(id).and_then(|date| slot_in_utc(&bare, tz, date));
        if let (Some(slot), Some((head, _))) = (slot, id.rsplit_once('.')) {
            *id = format!("{head}.{slot}");
        }
    }
}

/// Returns the series without its excluded dates.
fn without_excluded_dates(master: &WireEvent) -> Option<Document> {
    let mut bare = master.clone();
    bare.cancelled_occurrences.clear();
    to_series(&bare, &[]).ok()
}

/// Returns the slot that begins on a UTC date.
fn slot_in_utc(series: &Document, tz: Tz, date: NaiveDate) -> Option<NaiveDate> {
    [Some(date), date.pred_opt(), date.succ_opt()]
        .into_iter()
        .flatten()
        .find(|slot| utc_date(series, tz, *slot) == date)
}

/// Returns the date in an `occurrenceId`.
pub fn date_in(occurrence_id: &str) -> Option<NaiveDate> {
    occurrence_id.rsplit_once('.')?.1.parse().ok()
}

/// Returns the body of `POST /me/events` for a series, without exceptions and excluded dates.
///
/// # Errors
/// [`NoFaithfulForm`], if Outlook would have other dates.
pub fn create_series_body(series: &Document, extra: ExtraForCreate<'_>) -> Result<Value, NoFaithfulForm> {
    let mut body = create_body(&master_to_write(series), extra);
    body["recurrence"] = recurrence::write(series.rule(), series.start())?;
    Ok(body)
}

/// Returns the body of the one PATCH of a master (`OutlookWrite::Master`): the named groups, and
/// the recurrence, which must be written together with a start on another date or in another zone.
///
/// # Errors
/// As [`create_series_body`].
pub fn patch_series_body(
    groups: &BTreeSet<Group>,
    with_recurrence: bool,
    target: &Document,
    now: &WireEvent,
) -> Result<Value, NoFaithfulForm> {
    let groups: Vec<_> = groups.iter().copied().collect();
    let mut body = patch_body(&groups, &master_to_write(target), now);
    if with_recurrence {
        body["recurrence"] = recurrence::write(target.rule(), target.start())?;
    }
    Ok(body)
}

/// Returns the master with times that can be expressed in the series' zone: in an hour that occurs
/// twice, the first. A first occurrence written in UTC would anchor the whole series there.
fn master_to_write(series: &Document) -> Event {
    let mut event = series.master.clone();
    if let Time::Timed { start, end, .. } = &mut event.time {
        let tz = series.tz();
        for at in [start, end] {
            *at = timezone::to_utc(at.with_timezone(&tz).naive_local(), tz);
        }
    }
    event
}

/// Returns `recurrence: null`, which makes a series the single event of its first occurrence.
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

    fn read(master: Value, exceptions: &[WireEvent]) -> Result<Document, NoSeries> {
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
        assert_eq!(series.excluded_dates, [date("2026-10-13")].into());
        assert_eq!(
            series.rule().end,
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
        assert!(
            series.excluded_dates.contains(&date("2026-10-27")),
            "shown, but over"
        );
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

    /// A daily series of six whose third and fifth occurrence were taken out and whose second was renamed, as Graph tells it: in the zone, or
    /// in UTC.
    fn daily(zone: &str, start: &str, all_day: bool, utc: bool) -> WireEvent {
        let tz = timezone::iana(zone).unwrap();
        let begin: chrono::NaiveDateTime = start.parse().unwrap();
        let at = |n: i64| timezone::to_utc(begin + TimeDelta::days(n), tz);
        let told = |n: i64| {
            let at = if all_day {
                (begin + TimeDelta::days(n)).and_utc()
            } else {
                at(n)
            };
            json!({"dateTime": at.naive_utc().format("%Y-%m-%dT%H:%M:%S").to_string(), "timeZone": "UTC"})
        };
        let id = |n: i64| {
            let date = if utc {
                at(n).date_naive()
            } else {
                (begin + TimeDelta::days(n)).date()
            };
            format!("OID.M.{date}")
        };
        let event = |kind: &str, n: i64, length: i64| {
            json!({"id": kind, "type": kind, "subject": "Daily", "isAllDay": all_day, "showAs": "busy", "start": told(n), "end": told(n + length),
                "originalStartTimeZone": zone, "originalEndTimeZone": zone, "occurrenceId": id(n), "originalStart": at(n).to_rfc3339()})
        };
        let length = i64::from(all_day);
        let mut exception = event("exception", 1, length);
        exception["subject"] = json!("Other");
        let mut master = event("seriesMaster", 0, length);
        master["recurrence"] = json!({"pattern": {"type": "daily", "interval": 1},
            "range": {"type": "numbered", "startDate": begin.date(), "numberOfOccurrences": 6, "recurrenceTimeZone": zone}});
        master["cancelledOccurrences"] = json!([id(2), id(4)]);
        master["exceptionOccurrences"] = json!([exception]);
        serde_json::from_value(master).unwrap()
    }

    #[test]
    fn slots_are_the_same_whichever_dates_the_ids_have() {
        // The clocks change in these days.
        for (zone, start, all_day) in [
            ("America/New_York", "2027-03-12T19:30:00", false),
            ("America/Los_Angeles", "2027-03-12T20:00:00", false),
            ("Asia/Tokyo", "2027-03-12T07:00:00", false),
            ("Europe/Brussels", "2027-03-25T00:30:00", false),
            ("Europe/Brussels", "2027-03-25T12:00:00", false),
            ("Pacific/Auckland", "2027-04-01T00:00:00", true),
            ("Europe/Brussels", "2027-03-25T00:00:00", true),
            ("America/New_York", "2027-03-12T00:00:00", true),
        ] {
            let begin: NaiveDate = start[..10].parse().unwrap();
            let day = |n: u64| begin + chrono::Days::new(n);
            let expected = |series: &Document| {
                series.start() == begin
                    && series.excluded_dates == [day(2), day(4)].into()
                    && series.exceptions.keys().copied().eq([day(1)])
            };
            for utc in [false, true] {
                for is_asked in [false, true] {
                    let mut master = daily(zone, start, all_day, utc);
                    let about = format!("{zone} {start} {utc} {is_asked}");
                    let mut listed = Vec::new();
                    if is_asked {
                        // No exception shows it, but the neighbors are listed.
                        let whole = daily(zone, start, all_day, utc);
                        listed = [0, 1, 3, 5].map(|n| occurrence(&whole, n)).to_vec();
                        master.exception_occurrences.clear();
                    }
                    match find_id_dates(&master, &listed) {
                        IdDates::InUtc => convert_id_dates_to_zone(&mut master),
                        IdDates::InZone => {}
                        IdDates::Unclear(_) => panic!("unclear: {about}"),
                    }
                    master.exception_occurrences = daily(zone, start, all_day, utc).exception_occurrences;
                    let exceptions = master.exception_occurrences.clone();
                    let series = to_series(&master, &exceptions).unwrap();
                    assert!(expected(&series), "{about}: {series:?}");
                }
            }
        }
    }

    /// Returns an occurrence as Outlook lists it.
    fn occurrence(master: &WireEvent, n: i64) -> WireEvent {
        let mut one = master.clone();
        one.kind = Some(EventKind::Occurrence);
        let later = |at: DateTime<Utc>| {
            let tz = stored_zone(master).unwrap();
            timezone::to_utc(at.with_timezone(&tz).naive_local() + TimeDelta::days(n), tz)
        };
        let start = later(master.original_start.unwrap());
        let is_utc = master.occurrence_id.as_deref().and_then(date_in)
            == master.original_start.map(|at| at.date_naive());
        let tz = stored_zone(master).unwrap();
        let date = if is_utc {
            start.date_naive()
        } else {
            start.with_timezone(&tz).date_naive()
        };
        one.original_start = Some(start);
        one.occurrence_id = Some(format!("OID.M.{date}"));
        one
    }

    #[test]
    fn a_zone_without_a_name_is_the_one_that_has_the_hours() {
        for name in ["tzone://Microsoft/Custom", "Customized Time Zone", ""] {
            let mut master = daily("America/New_York", "2027-03-12T19:30:00", false, false);
            let listed: Vec<WireEvent> = [0, 1, 3, 5]
                .map(|n| {
                    let mut one = occurrence(&master, n);
                    let told = |at: DateTime<Utc>| json!({"dateTime": at.naive_utc().format("%Y-%m-%dT%H:%M:%S").to_string(), "timeZone": "UTC"});
                    let at = one.original_start.unwrap();
                    one.start = serde_json::from_value(told(at)).unwrap();
                    one.end = serde_json::from_value(told(at)).unwrap();
                    one
                })
                .into();
            assert!(!has_unnamed_zone(&master));
            master.original_start_time_zone = Some(name.to_owned());
            master.original_end_time_zone = Some(name.to_owned());
            master.recurrence.as_mut().unwrap()["range"]["recurrenceTimeZone"] = json!(name);
            assert!(has_unnamed_zone(&master));
            assert_eq!(
                to_series(&master, &[]),
                Err(NoSeries::NoZone),
                "never UTC silently"
            );
            let fits = |zone: &str| has_hours_in(&master, timezone::iana(zone).unwrap(), &listed);
            assert!(fits("America/New_York") && fits("America/Toronto"));
            assert!(!fits("America/Panama") && !fits("Europe/Brussels") && !fits("UTC"));
            store_zone(&mut master, chrono_tz::Tz::America__New_York);
            assert_eq!(stored_zone(&master), Some(chrono_tz::Tz::America__New_York));
            assert_eq!(
                to_series(&master, &[]).unwrap().tz(),
                chrono_tz::Tz::America__New_York
            );
        }
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
