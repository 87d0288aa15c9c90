//! A series as Odoo sends it: its rule, and a row for each of its events. The shared values, the
//! overrides and the excluded dates are derived from these rows.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc, Weekday};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::expansion::{First, expand};
use super::identity::{StockIds, Was};
use super::recurrence::RuleFields;
use super::series::{SeriesSnapshot, Slot, SlotSnapshot};
use super::time::OdooTime;
use crate::calendar::invitations::Mailer;
use crate::calendar::timezone;

/// The most dates of a rule that are computed. Odoo itself makes 720, unless the rule ends on a
/// date.
const MOST_DATES: usize = 100_000;

/// `calendar.recurrence` as `docs/EXCHANGE.md` describes it.
#[derive(Clone, Debug, Deserialize)]
pub struct SeriesRows {
    pub id: i32,
    /// Stays the same when Odoo replaces the record.
    pub key: String,
    pub link: Option<Uuid>,
    pub version: String,
    pub rule: RuleFields,
    pub tz: String,
    /// 0 is Monday.
    pub week_start: u8,
    /// The first slot; `None` if nobody has recorded it.
    pub dtstart: Option<OdooTime>,
    /// All of its events.
    pub rows: Vec<Row>,
    /// The contents of the rows: Odoo field → value, without the fields of the row itself.
    pub contents: Vec<Map<String, Value>>,
    pub base_id: Option<i32>,
    pub was: Option<Was>,
    pub split_from: Option<String>,
    #[serde(default)]
    pub stock_ids: Option<StockIds>,
    pub mailer: Option<Mailer>,
    #[serde(default)]
    pub tags: Vec<String>,
    #[serde(default)]
    pub excluded: bool,
    pub create_date: OdooTime,
    pub write_date: OdooTime,
}

/// One event of a series.
#[derive(Clone, Debug, Deserialize)]
pub struct Row {
    pub id: i32,
    /// Where the rule puts it, wherever it was moved since; for all-day events 08:00 of the day.
    /// `None` means where it is now.
    pub slot: Option<OdooTime>,
    pub active: bool,
    pub start: OdooTime,
    pub stop: OdooTime,
    /// Only for all-day events.
    #[serde(default)]
    pub start_date: Option<NaiveDate>,
    /// The last day, inclusive.
    #[serde(default)]
    pub stop_date: Option<NaiveDate>,
    /// The position of its content in `contents`.
    pub says: usize,
}

impl SeriesRows {
    /// Derives what the rows share, and what single ones have of their own.
    ///
    /// # Errors
    /// A sentence for the journal.
    pub fn read(mut self) -> Result<SeriesSnapshot, String> {
        self.rows.sort_by_key(|row| (row.slot(), row.id));
        let active: Vec<&Row> = self.rows.iter().filter(|row| row.active).collect();
        // A series whose events are all archived can still be read.
        let members = if active.is_empty() {
            self.rows.iter().collect()
        } else {
            active.clone()
        };
        let shared = Shared::of(&members, &self.contents)?;
        let first = self.dtstart.map_or_else(
            || members.first().map_or(self.create_date.0, |row| row.slot()),
            |first| first.0,
        );
        let template = shared.template_at(first);
        let own = |row: &Row| -> Result<SlotSnapshot, String> {
            Ok(SlotSnapshot {
                id: row.id,
                slot: shared.name(row.slot()),
                differences: shared.differences(row, content_of(row, &self.contents)?),
            })
        };
        let said = members
            .iter()
            .map(|row| own(row))
            .collect::<Result<Vec<_>, _>>()?;
        let known: BTreeSet<DateTime<Utc>> = active.iter().map(|row| row.slot()).collect();
        Ok(SeriesSnapshot {
            active: !active.is_empty(),
            slots: said
                .into_iter()
                .filter(|own| !own.differences.is_empty())
                .collect(),
            records: active
                .iter()
                .map(|row| (shared.name(row.slot()), row.id))
                .collect(),
            missing: self
                .dates(first, shared.is_allday)
                .into_iter()
                .filter(|date| !known.contains(date))
                .map(|date| shared.name(date))
                .collect(),
            template,
            id: self.id,
            key: self.key,
            link: self.link,
            version: self.version,
            rule: self.rule,
            tz: self.tz,
            week_start: self.week_start,
            dtstart: OdooTime(first),
            base_id: self.base_id,
            was: self.was,
            split_from: self.split_from,
            stock_ids: self.stock_ids,
            mailer: self.mailer,
            tags: self.tags,
            excluded: self.excluded,
            create_date: self.create_date,
            write_date: self.write_date,
        })
    }

    /// Returns the slots of the rule. Empty if the rule cannot be read, which is reported
    /// elsewhere.
    fn dates(&self, first: DateTime<Utc>, is_allday: bool) -> Vec<DateTime<Utc>> {
        let (Some(zone), Ok(week_start)) = (timezone::iana(&self.tz), Weekday::try_from(self.week_start))
        else {
            return Vec::new();
        };
        let first = First::of(first, zone, is_allday);
        let dates = expand(&self.rule, first, week_start, MOST_DATES).unwrap_or_default();
        dates.into_iter().map(|date| date.and_utc()).collect()
    }
}

fn content_of<'a>(row: &Row, contents: &'a [Map<String, Value>]) -> Result<&'a Map<String, Value>, String> {
    contents
        .get(row.says)
        .ok_or_else(|| format!("nobody knows what its event {} says", row.id))
}

/// The values that most events of a series share.
struct Shared {
    /// Odoo field → value, without times.
    fields: Map<String, Value>,
    is_allday: bool,
    /// For all-day events, the number of days minus one.
    length: TimeDelta,
}

impl Shared {
    /// Finds the values that most events have; if several are equally frequent, the earliest
    /// event's.
    fn of(members: &[&Row], contents: &[Map<String, Value>]) -> Result<Self, String> {
        let Some(first) = members.first() else {
            return Err("it has no event".to_owned());
        };
        let mut said: Vec<(&Map<String, Value>, usize)> = Vec::new();
        let mut places = BTreeMap::new();
        for row in members {
            let content = content_of(row, contents)?;
            let place = *places.entry(row.says).or_insert(said.len());
            match said.get_mut(place) {
                Some((_, count)) => *count += 1,
                None => said.push((content, 1)),
            }
        }
        let mut fields = Map::new();
        for name in content_of(first, contents)?.keys() {
            let values = said.iter().map(|(content, count)| {
                let value = content.get(name).unwrap_or(&Value::Null);
                (comparable(name, value), value, *count)
            });
            if let Some(value) = most(values) {
                fields.insert(name.clone(), value.clone());
            }
        }
        let is_allday = is_allday(&fields);
        let mut lengths = Vec::new();
        for row in members {
            if is_allday == self::is_allday(content_of(row, contents)?) {
                let length = row.length(is_allday);
                lengths.push((length, length, 1));
            }
        }
        let length = most(lengths.into_iter()).unwrap_or_default();
        Ok(Self {
            fields,
            is_allday,
            length,
        })
    }

    /// Returns the unchanged event of a slot: it begins at the slot, and is as long as the others.
    fn template_at(&self, slot: DateTime<Utc>) -> Map<String, Value> {
        let mut fields = self.fields.clone();
        fields.extend(self.times_at(slot));
        fields
    }

    fn times_at(&self, slot: DateTime<Utc>) -> Map<String, Value> {
        let stop = slot + self.length;
        times(
            slot,
            stop,
            self.is_allday.then(|| (slot.date_naive(), stop.date_naive())),
        )
    }

    fn differences(&self, row: &Row, content: &Map<String, Value>) -> Map<String, Value> {
        let none = Value::Null;
        let differs = |name: &str, value: &Value| {
            let shared = self.fields.get(name).unwrap_or(&none);
            value != shared && comparable(name, value) != comparable(name, shared)
        };
        let mut differences: Map<String, Value> = content
            .iter()
            .filter(|(name, value)| differs(name, value))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let is_allday = is_allday(content);
        let expected = self.times_at(row.slot());
        let own = row.times(is_allday).into_iter().filter(|(name, value)| {
            // The hours of all-day events mean nothing.
            let is_silent = is_allday && self.is_allday && matches!(name.as_str(), "start" | "stop");
            !is_silent && expected.get(name) != Some(value)
        });
        differences.extend(own);
        differences
    }

    fn name(&self, slot: DateTime<Utc>) -> Slot {
        Slot(if self.is_allday {
            slot.date_naive().to_string()
        } else {
            OdooTime::format(slot)
        })
    }
}

impl Row {
    fn slot(&self) -> DateTime<Utc> {
        self.slot.unwrap_or(self.start).0
    }

    fn length(&self, is_allday: bool) -> TimeDelta {
        match self.days().filter(|_| is_allday) {
            Some((first, last)) => last - first,
            None => self.stop.0 - self.start.0,
        }
    }

    fn days(&self) -> Option<(NaiveDate, NaiveDate)> {
        let first = self.start_date?;
        Some((first, self.stop_date.unwrap_or(first)))
    }

    fn times(&self, is_allday: bool) -> Map<String, Value> {
        times(self.start.0, self.stop.0, self.days().filter(|_| is_allday))
    }
}

fn is_allday(content: &Map<String, Value>) -> bool {
    content.get("allday") == Some(&Value::Bool(true))
}

fn times(
    start: DateTime<Utc>,
    stop: DateTime<Utc>,
    days: Option<(NaiveDate, NaiveDate)>,
) -> Map<String, Value> {
    let (first, last) = days.unzip();
    let times = [
        ("start", json!(OdooTime::format(start))),
        ("stop", json!(OdooTime::format(stop))),
        ("start_date", json!(first)),
        ("stop_date", json!(last)),
    ];
    times
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect()
}

/// Returns what distinguishes a value. Each event has attendee lines of its own, and who set a
/// response is recorded in only one of them, so the line's id and that person are left out.
fn comparable(name: &str, value: &Value) -> String {
    let (true, Value::Array(lines)) = (name == "attendees", value) else {
        return value.to_string();
    };
    let mut lines: Vec<String> = lines
        .iter()
        .map(|line| {
            let mut line = line.clone();
            if let Some(line) = line.as_object_mut() {
                line.remove("id");
                line.remove("answered_by");
            }
            line.to_string()
        })
        .collect();
    lines.sort();
    lines.join("\n")
}

/// Returns the most frequent value; if several are equally frequent, the first one.
fn most<K: Ord, V>(counted: impl Iterator<Item = (K, V, usize)>) -> Option<V> {
    let mut places: BTreeMap<K, usize> = BTreeMap::new();
    let mut counts: Vec<(V, usize)> = Vec::new();
    for (key, value, count) in counted {
        let place = *places.entry(key).or_insert(counts.len());
        match counts.get_mut(place) {
            Some((_, known)) => *known += count,
            None => counts.push((value, count)),
        }
    }
    let highest = counts.iter().map(|(_, count)| *count).max()?;
    counts
        .into_iter()
        .find(|(_, count)| *count == highest)
        .map(|(value, _)| value)
}

#[cfg(test)]
mod tests;
