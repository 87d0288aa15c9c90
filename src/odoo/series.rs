//! A series as it crosses the wire (`calendar.recurrence` with its events), and its translation.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, NaiveDateTime, TimeZone, Weekday};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::expansion::{First, check, rule_as_expanded, standard};
use super::identity::{StockIds, Was};
use super::mailboxes::Mailboxes;
use super::recurrence::RuleFields;
use super::snapshot::{AnsweredBy, AttendeeLine, Snapshot, Values, values};
use super::time::OdooTime;
use crate::calendar::document::changes::Changes;
use crate::calendar::document::{Document, Override, Recurrence};
use crate::calendar::event::{Event, Time};
use crate::calendar::field::Group;
use crate::calendar::invitations::Mailer;
use crate::calendar::recurrence::{End, NoFaithfulForm, Pattern, Rule};
use crate::calendar::timezone;
use crate::words::{Sentence, say};

/// A slot on the wire: `2026-11-22 10:00:00` (UTC), of an all-day series `2026-11-22`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slot(pub String);

/// A series of Odoo, as it is read from the rows that Odoo tells ([`super::rows::SeriesRows`]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesSnapshot {
    pub id: i32,
    /// Stays the same when Odoo replaces the record.
    pub key: String,
    pub link: Option<Uuid>,
    pub version: String,
    pub active: bool,
    pub rule: RuleFields,
    pub tz: String,
    /// 0 is Monday.
    pub week_start: u8,
    /// The first slot.
    pub dtstart: OdooTime,
    /// A [`Snapshot`] without what belongs to a single record; its times are the first slot's.
    pub template: Map<String, Value>,
    /// The slots that differ from the template shifted to them.
    #[serde(default)]
    pub slots: Vec<SlotSnapshot>,
    /// Every slot that has an active record, with the record's id.
    #[serde(default)]
    pub records: Vec<(Slot, i32)>,
    /// Slots of Odoo's expansion without an active record.
    #[serde(default)]
    pub missing: Vec<Slot>,
    pub base_id: Option<i32>,
    /// The event that it was before.
    #[serde(default)]
    pub was: Option<Was>,
    /// The key of the series that this one continues.
    #[serde(default)]
    pub split_from: Option<String>,
    /// The ids by which Odoo's built-in sync knew it before the database was paired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock_ids: Option<StockIds>,
    /// Which side mails its guests, as recorded when one of its events was saved; not part of the
    /// version.
    #[serde(default)]
    pub mailer: Option<Mailer>,
    /// The names of its first event's tags; not part of the version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// A rule of this Odoo keeps it out of Outlook; not part of the version.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub excluded: bool,
    pub create_date: OdooTime,
    pub write_date: OdooTime,
}

impl SeriesSnapshot {
    /// Returns who set a user's response to one occurrence, if that person may not respond for the
    /// user.
    pub fn unauthorized_responder(&self, slot: NaiveDate, tz: Tz, user_id: i32) -> Option<AnsweredBy> {
        self.line_of(slot, tz, user_id)?.unauthorized_responder().cloned()
    }

    /// Does what [`Snapshot::is_answered_in_odoo`](super::snapshot::Snapshot::is_answered_in_odoo)
    /// does, for one occurrence.
    pub fn is_answered_in_odoo(&self, slot: NaiveDate, tz: Tz, user_id: i32) -> bool {
        self.line_of(slot, tz, user_id)
            .is_some_and(|line| line.is_answered_in_odoo())
    }

    /// Returns the active record that is the occurrence of a date, if there is one.
    pub fn record_of(&self, slot: NaiveDate) -> Option<i32> {
        let tz = timezone::iana(&self.tz)?;
        let mut records = self.records.iter();
        records
            .find(|(own, _)| own.date(tz) == Some(slot))
            .map(|(_, id)| *id)
    }

    fn line_of(&self, slot: NaiveDate, tz: Tz, user_id: i32) -> Option<AttendeeLine> {
        let own = self.slots.iter().find(|own| own.slot.date(tz) == Some(slot));
        let lines = own
            .and_then(|own| own.differences.get("attendees"))
            .or_else(|| self.template.get("attendees"))?;
        let lines: Vec<AttendeeLine> = serde_json::from_value(lines.clone()).ok()?;
        lines.into_iter().find(|line| line.user_id == Some(user_id))
    }
}

/// An occurrence with an override.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SlotSnapshot {
    pub id: i32,
    pub slot: Slot,
    /// Snapshot fields.
    pub differences: Map<String, Value>,
}

/// Why a snapshot cannot be a series of the domain. For the journal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub enum NoSeries {
    Rule(#[from] NoFaithfulForm),
    Unreadable(String),
    /// No occurrence is left. It counts as deleted.
    Empty,
}

impl NoSeries {
    /// Returns the reason for people, as a part of another sentence.
    pub fn sentence(&self) -> Sentence {
        match self {
            Self::Rule(form) => form.sentence(),
            Self::Unreadable(problem) => say::unreadable_value(problem),
            Self::Empty => say::unreadable_no_occurrence(),
        }
    }
}

fn unreadable(problem: impl ToString) -> NoSeries {
    NoSeries::Unreadable(problem.to_string())
}

impl SeriesSnapshot {
    /// Translates it to the domain, in normal form.
    ///
    /// An endless rule stays endless although Odoo has only its first 720 slots. If two or more of
    /// the last of these are missing, somebody has ended the series there.
    ///
    /// # Errors
    /// [`NoSeries`], above all if the rule does not match the records. The single events are then
    /// synced instead.
    pub fn to_series(&self, mailboxes: &Mailboxes) -> Result<Document, NoSeries> {
        let mut master = self.event(&self.template, mailboxes)?;
        let tz = timezone::iana(&self.tz).ok_or_else(|| unreadable(format!("no zone {}", self.tz)))?;
        if let Time::Timed { zone, .. } = &mut master.time {
            tz.name().clone_into(zone);
        }
        let allday = matches!(master.time, Time::AllDay { .. });
        let date_of = |slot: &Slot| {
            slot.date(tz)
                .ok_or_else(|| unreadable(format!("no slot {}", slot.0)))
        };
        let start = match &master.time {
            Time::AllDay { start, .. } => *start,
            Time::Timed { start, .. } => start.with_timezone(&tz).date_naive(),
        };
        let first = first_of(&master, tz);
        let rule = rule_as_expanded(&self.rule, first, start, self.week_start()?)?;
        let mut series = Document {
            recurrence: Recurrence::Rule(rule),
            master,
            exceptions: BTreeMap::new(),
            excluded_dates: self.missing.iter().map(date_of).collect::<Result<_, _>>()?,
        };
        let mut present = BTreeSet::new();
        for (slot, id) in &self.records {
            let slot = date_of(slot)?;
            if !present.insert(slot) {
                // It is unknown which of the two is Outlook's occurrence, and nothing of it may be
                // moved by guess.
                return Err(unreadable(format!(
                    "two of its events stand for {slot}: take the one that is a copy (event {id} or the other) out of the series"
                )));
            }
        }
        end_where_odoo_does(&mut series, &present);
        self.check_slots(&series, &present)?;
        for own in &self.slots {
            let slot = date_of(&own.slot)?;
            let regular = series.regular(slot);
            let mut fields = self.template.clone();
            write_time(&mut fields, &regular.time);
            fields.extend(own.differences.clone());
            let mut actual = self.event(&fields, mailboxes)?;
            if let (Time::Timed { zone, .. }, false) = (&mut actual.time, allday) {
                tz.name().clone_into(zone);
            }
            series
                .exceptions
                .insert(slot, Override::between(&regular, &actual));
        }
        series.normalized().ok_or(NoSeries::Empty)
    }

    /// Checks that the records match the rule and the missing slots. Otherwise a date would change
    /// silently.
    fn check_slots(&self, series: &Document, present: &BTreeSet<NaiveDate>) -> Result<(), NoSeries> {
        let (Some(first), Some(last)) = (present.first(), present.last()) else {
            return Ok(());
        };
        let said: BTreeSet<_> = series
            .slots()
            .take_while(|slot| slot <= last)
            .filter(|slot| slot >= first && !series.excluded_dates.contains(slot))
            .collect();
        match said.symmetric_difference(present).next() {
            None => Ok(()),
            Some(slot) => Err(unreadable(format!(
                "its rule and its occurrences disagree about {slot}"
            ))),
        }
    }

    /// Returns what most occurrences share, as the snapshot of one event: the base event's.
    ///
    /// # Errors
    /// [`NoSeries::Unreadable`].
    pub fn template(&self) -> Result<Snapshot, NoSeries> {
        self.record(&self.template)
    }

    fn event(&self, fields: &Map<String, Value>, mailboxes: &Mailboxes) -> Result<Event, NoSeries> {
        self.record(fields)?.to_event(mailboxes).map_err(unreadable)
    }

    fn record(&self, fields: &Map<String, Value>) -> Result<Snapshot, NoSeries> {
        let mut fields = fields.clone();
        let own = json!({
            "id": self.base_id.unwrap_or_default(), "link": self.link, "version": self.version, "recurrent": true,
            "create_date": self.create_date, "write_date": self.write_date, "active": self.active,
        });
        if let Value::Object(own) = own {
            fields.extend(own);
        }
        // Only what kind of problem: the value itself may be somebody's data.
        serde_json::from_value(Value::Object(fields))
            .map_err(|error| unreadable(format!("{:?}", error.classify())))
    }

    fn week_start(&self) -> Result<Weekday, NoSeries> {
        Weekday::try_from(self.week_start)
            .map_err(|_| unreadable(format!("no week start {}", self.week_start)))
    }
}

/// Ends an endless series where Odoo ended it. Odoo has only the first slots. Missing slots at
/// their end end the series only if there are several: a user who deletes the last one that Odoo
/// shows means only that one.
fn end_where_odoo_does(series: &mut Document, present: &BTreeSet<NaiveDate>) {
    let Some(last) = present.last().filter(|_| series.rule().end == End::Forever) else {
        return;
    };
    if series.excluded_dates.range(*last..).count() > 1 {
        series.set_end(End::Until(*last));
        series.excluded_dates.retain(|slot| slot <= last);
    }
}

impl Slot {
    /// Returns the slot that Odoo has for a date, with Odoo's reading of a local time that occurs
    /// twice.
    pub fn of(series: &Document, slot: NaiveDate) -> Self {
        Self(match series.slot_time(slot) {
            Time::AllDay { .. } => slot.to_string(),
            Time::Timed { start, .. } => {
                let tz = series.tz();
                let local = start.with_timezone(&tz).naive_local();
                OdooTime::format(standard(local, tz))
            }
        })
    }

    /// Returns its date in the series' zone.
    pub fn date(&self, tz: Tz) -> Option<NaiveDate> {
        if let Ok(date) = self.0.parse() {
            return Some(date);
        }
        let at = NaiveDateTime::parse_from_str(&self.0, "%Y-%m-%d %H:%M:%S").ok()?;
        Some(tz.from_utc_datetime(&at).date_naive())
    }
}

fn write_time(fields: &mut Map<String, Value>, time: &Time) {
    let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    match time {
        Time::Timed { start, end, .. } => {
            set("start", json!(OdooTime::format(*start)));
            set("stop", json!(OdooTime::format(*end)));
        }
        Time::AllDay { start, end } => {
            set("start_date", json!(start));
            set("stop_date", json!(end.pred_opt().unwrap_or(*start).max(*start)));
        }
    }
}

impl SeriesSnapshot {
    /// Returns the weekday on which Odoo's weeks begin in this series; Monday if it cannot be read.
    pub fn first_weekday(&self) -> Weekday {
        self.week_start().unwrap_or(Weekday::Mon)
    }
}

/// The rule, times and slots of an `apply_series` change: the whole shape of the series, and the
/// values that are to be set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesShape {
    pub rule: RuleFields,
    pub tz: String,
    /// The first weekday with which `rule` is counted; 0 is Monday.
    pub week_start: u8,
    /// `start`/`stop` of the first slot, or `start_date`/`stop_date` (inclusive).
    #[serde(flatten)]
    pub first: Map<String, Value>,
    /// For every occurrence.
    pub values: Values,
    /// Everything that an occurrence has that was not there before, unless `slots` says otherwise.
    /// Given if the rule changes: which record becomes such an occurrence is for Odoo to choose,
    /// and may have values of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_values: Option<Values>,
    /// For single occurrences, over those. An occurrence that was moved is always here, with its
    /// times; an occurrence that is not here is at its slot.
    pub slots: Vec<SlotValues>,
    /// All of them.
    pub missing: Vec<Slot>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SlotValues {
    pub slot: Slot,
    pub values: Values,
}

/// Checks whether Odoo can repeat a series at all.
///
/// # Errors
/// [`NoFaithfulForm`], with the reason why not.
pub fn check_sayable(series: &Document) -> Result<(), NoFaithfulForm> {
    said(series, counted_from(series.rule(), Weekday::Mon)).map(|_| ())
}

fn said(series: &Document, week_start: Weekday) -> Result<RuleFields, NoFaithfulForm> {
    let rule = RuleFields::from_rule(series.rule(), series.start(), week_start)?;
    check(
        &rule,
        series.rule(),
        first_of(&series.master, series.tz()),
        week_start,
    )?;
    Ok(rule)
}

/// Returns the times of a series' first event, with `rule` and `tz` as in a [`SeriesShape`]: what a
/// person enters in Odoo's form to repeat an event so.
///
/// # Errors
/// [`NoFaithfulForm`], if Odoo cannot repeat it so.
pub fn schedule_values(series: &Document, mailboxes: &Mailboxes) -> Result<Values, NoFaithfulForm> {
    let rule = said(series, counted_from(series.rule(), Weekday::Mon))?;
    let mut fields = values(&BTreeSet::from([Group::Time]), &series.master, None, mailboxes);
    fields.insert("rule".to_owned(), json!(rule));
    fields.insert("tz".to_owned(), json!(series.tz().name()));
    Ok(fields)
}

/// Returns the day on which Odoo's weeks are to begin; the add-on stores one for each series. If it
/// matters, it is the rule's own, otherwise the present one.
pub fn counted_from(rule: &Rule, present: Weekday) -> Weekday {
    match rule.pattern {
        Pattern::Weekly { week_start, .. } if rule.interval.get() > 1 => week_start,
        _ => present,
    }
}

/// Returns the shape that makes Odoo's series `target`, which is already reduced to Odoo's window.
/// `changes` are those from the present series; `None` if there is none yet, and everything is set.
///
/// # Errors
/// [`NoFaithfulForm`], if Odoo would have other dates, now or when it next expands the rule itself.
pub fn shape(
    target: &Document,
    changes: Option<&Changes>,
    present: Option<&Snapshot>,
    week_start: Weekday,
    mailboxes: &Mailboxes,
) -> Result<SeriesShape, NoFaithfulForm> {
    let week_start = counted_from(target.rule(), week_start);
    let rule = said(target, week_start)?;
    let everything = || Group::SINGLE.into_iter().chain([Group::Attendees]);
    let all: BTreeSet<Group> = everything().filter(|group| *group != Group::Time).collect();
    let groups = changes.map_or_else(|| all.clone(), |changes| changes.groups.clone());
    let values_of = |groups: &BTreeSet<Group>, event: &Event| values(groups, event, present, mailboxes);
    let mut own: BTreeMap<NaiveDate, BTreeSet<Group>> = changes.map(|c| c.slots.clone()).unwrap_or_default();
    for (slot, differences) in &target.exceptions {
        let written = everything()
            .filter(|group| differences.has(*group) && (changes.is_none() || *group == Group::Time));
        own.entry(*slot).or_default().extend(written);
    }
    let slots = own.iter().filter(|(_, groups)| !groups.is_empty());
    let slots = slots.filter_map(|(slot, groups)| {
        Some(SlotValues {
            slot: Slot::of(target, *slot),
            values: values_of(groups, &target.occurrence(*slot)?),
        })
    });
    let mut times = values_of(&BTreeSet::from([Group::Time]), &target.master);
    times.remove("allday");
    Ok(SeriesShape {
        rule,
        tz: target.tz().name().to_owned(),
        week_start: u8::try_from(week_start.num_days_from_monday()).unwrap_or_default(),
        first: times,
        values: values_of(&groups, &target.master),
        new_values: changes
            .filter(|changes| changes.rule)
            .map(|_| values_of(&all, &target.master)),
        slots: slots.collect(),
        missing: target
            .excluded_dates
            .iter()
            .map(|slot| Slot::of(target, *slot))
            .collect(),
    })
}

fn first_of(master: &Event, zone: Tz) -> First {
    match master.time {
        Time::Timed { start, .. } => First::At { start, zone },
        Time::AllDay { start, .. } => First::On { date: start, zone },
    }
}

/// Does what [`super::snapshot::group_of_field`] does, for a series: the rule's fields belong to
/// [`Group::Time`].
pub fn group_of_field(field: &str) -> Option<Group> {
    const RULE: [&str; 17] = [
        "rrule",
        "rrule_type",
        "interval",
        "end_type",
        "count",
        "until",
        "mon",
        "tue",
        "wed",
        "thu",
        "fri",
        "sat",
        "sun",
        "month_by",
        "day",
        "weekday",
        "byday",
    ];
    if RULE.contains(&field) || ["event_tz", "rule", "slots"].contains(&field) {
        Some(Group::Time)
    } else {
        super::snapshot::group_of_field(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::document::changes::changes;
    use crate::calendar::recurrence::tests::date;

    /// Weekly on Tuesdays at ten in Brussels over the end of summer time, four times.
    fn snapshot() -> Value {
        let record = serde_json::to_value(crate::odoo::snapshot::tests::snapshot()).unwrap();
        let mut template = record.as_object().unwrap().clone();
        for name in ["id", "link", "version", "recurrent", "create_date", "write_date"] {
            template.remove(name);
        }
        template.insert("start".into(), json!("2026-10-13 08:00:00"));
        template.insert("stop".into(), json!("2026-10-13 09:00:00"));
        json!({
            "model": "calendar.recurrence", "id": 3, "key": "k", "link": null, "version": "v", "active": true,
            "rule": {"rrule_type": "weekly", "interval": 1, "end_type": "count", "count": 4, "until": null,
                     "mon": false, "tue": true, "wed": false, "thu": false, "fri": false, "sat": false, "sun": false,
                     "month_by": "date", "day": 1, "weekday": null, "byday": null},
            "tz": "Europe/Brussels", "week_start": 0, "dtstart": "2026-10-13 08:00:00", "template": template,
            "slots": [{"id": 12, "slot": "2026-10-27 09:00:00", "differences": {"name": "Other", "start": "2026-10-28 09:00:00", "stop": "2026-10-28 10:00:00"}}],
            "records": [["2026-10-13 08:00:00", 10], ["2026-10-27 09:00:00", 12], ["2026-11-03 09:00:00", 13]],
            "missing": ["2026-10-20 08:00:00"], "base_id": 10,
            "create_date": "2026-10-01 09:00:00", "write_date": "2026-10-01 09:00:00"
        })
    }

    fn read(value: Value) -> Result<Document, NoSeries> {
        serde_json::from_value::<SeriesSnapshot>(value)
            .unwrap()
            .to_series(&Mailboxes::new())
    }

    #[test]
    fn a_snapshot_becomes_a_series_and_goes_back() {
        let series = read(snapshot()).unwrap();
        assert_eq!(series.start(), date("2026-10-13"));
        assert_eq!(series.excluded_dates, [date("2026-10-20")].into());
        let own = &series.exceptions[&date("2026-10-27")];
        assert!(own.title.as_deref() == Some("Other") && own.time.is_some() && own.body.is_none());
        let shape = shape(&series, None, None, Weekday::Mon, &Mailboxes::new()).unwrap();
        assert_eq!(shape.missing, [Slot("2026-10-20 08:00:00".into())]);
        assert_eq!(shape.slots[0].slot, Slot("2026-10-27 09:00:00".into()));
        assert_eq!(shape.slots[0].values["start"], "2026-10-28 09:00:00");
        let sent = serde_json::to_value(&shape).unwrap();
        assert_eq!(
            (&sent["start"], &sent["tz"], &sent["rule"]["tue"]),
            (
                &json!("2026-10-13 08:00:00"),
                &json!("Europe/Brussels"),
                &json!(true)
            )
        );
        assert!(sent["values"].get("start").is_none());
    }

    #[test]
    fn a_moved_occurrence_is_named_with_its_times_whatever_changed() {
        let series = read(snapshot()).unwrap();
        let mut target = series.clone();
        target.master.title = "All".into();
        let changes = changes(&series, &target);
        let shape = shape(&target, Some(&changes), None, Weekday::Mon, &Mailboxes::new()).unwrap();
        assert_eq!(shape.values.keys().collect::<Vec<_>>(), ["name"]);
        let own = &shape.slots[0].values;
        assert_eq!(
            (&own["name"], &own["start"]),
            (&json!("Other"), &json!("2026-10-28 09:00:00"))
        );
    }

    #[test]
    fn weeks_are_counted_as_the_rule_counts_them() {
        let mut odd = snapshot();
        odd["rule"]["interval"] = json!(2);
        odd["rule"]["sun"] = json!(true);
        odd["week_start"] = json!(6);
        for name in ["records", "slots", "missing"] {
            odd[name] = json!([]);
        }
        let series = read(odd).unwrap();
        let shape = shape(&series, None, None, Weekday::Mon, &Mailboxes::new()).unwrap();
        assert_eq!(shape.week_start, 6);
        check_sayable(&series).unwrap();
    }

    #[test]
    fn records_that_the_rule_does_not_give_are_no_series() {
        let mut odd = snapshot();
        odd["records"][1] = json!(["2026-10-28 09:00:00", 12]);
        assert!(matches!(read(odd), Err(NoSeries::Unreadable(_))));
        let mut gone = snapshot();
        gone["records"] = json!([]);
        gone["slots"] = json!([]);
        gone["missing"] = json!([
            "2026-10-13 08:00:00",
            "2026-10-20 08:00:00",
            "2026-10-27 09:00:00",
            "2026-11-03 09:00:00"
        ]);
        assert_eq!(read(gone), Err(NoSeries::Empty));
        let mut nowhere = snapshot();
        nowhere["tz"] = json!("Mars/Olympus");
        assert!(read(nowhere).is_err());
    }

    #[test]
    fn two_records_of_one_slot_are_no_series() {
        let mut odd = snapshot();
        let copy = json!([odd["records"][1][0], 99]);
        if let Some(records) = odd["records"].as_array_mut() {
            records.push(copy);
        }
        let Err(NoSeries::Unreadable(words)) = read(odd) else {
            panic!("it was taken for a series");
        };
        assert!(words.contains("2026-10-27") && words.contains("99"), "{words}");
    }

    #[test]
    fn an_endless_series_ends_where_several_of_its_last_are_missing() {
        let mut endless = snapshot();
        endless["rule"]["end_type"] = json!("forever");
        endless["missing"] = json!(["2026-10-20 08:00:00", "2026-11-10 09:00:00"]);
        assert_eq!(read(endless.clone()).unwrap().rule().end, End::Forever);
        endless["missing"] = json!([
            "2026-10-20 08:00:00",
            "2026-11-10 09:00:00",
            "2026-11-17 09:00:00"
        ]);
        assert_eq!(read(endless).unwrap().rule().end, End::Until(date("2026-11-03")));
    }

    #[test]
    fn whole_days_have_dates_for_slots() {
        let mut days = snapshot();
        days["template"]["allday"] = json!(true);
        days["template"]["start_date"] = json!("2026-10-13");
        days["template"]["stop_date"] = json!("2026-10-14");
        days["slots"] = json!([{"id": 12, "slot": "2026-10-27", "differences": {"stop_date": "2026-10-27"}}]);
        days["records"] = json!([["2026-10-13", 10], ["2026-10-27", 12], ["2026-11-03", 13]]);
        days["missing"] = json!(["2026-10-20"]);
        let series = read(days).unwrap();
        let own = &series.exceptions[&date("2026-10-27")].time;
        assert_eq!(
            own,
            &Some(Time::AllDay {
                start: date("2026-10-27"),
                end: date("2026-10-28")
            })
        );
        let shape = shape(&series, None, None, Weekday::Mon, &Mailboxes::new()).unwrap();
        assert_eq!(shape.first["stop_date"], "2026-10-14");
        assert_eq!(shape.missing, [Slot("2026-10-20".into())]);
    }
}
