//! How both sides show a series, occurrence by occurrence.

use chrono::{NaiveDate, NaiveDateTime, TimeZone};
use chrono_tz::Europe::Brussels;
use serde_json::Value;

use super::people::{Side, address_of};
use super::series::{Occurrence, Shape};
use super::shown::{guests_of_copy, guests_of_record, id_of, live};
use super::world::World;

/// How many occurrences of a series are compared.
const COMPARED: usize = 40;

pub(super) const STAMP: &str = "%Y-%m-%dT%H:%M:%S";

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

impl World {
    fn record_of_series(&self, index: usize) -> Option<&Value> {
        let mark = format!("{} ", self.series[index].mark);
        let mut found: Vec<&Value> = self
            .odoo
            .records
            .values()
            .filter(|r| text(&r["template"]["name"]).starts_with(&mark))
            .collect();
        // As with single events: records archived at the backup may stay so, beside the newer
        // record.
        if self.is_restored && found.len() > 1 {
            found.retain(|r| r["active"] == true);
        }
        assert!(found.len() <= 1, "two records of {mark}in Odoo: {found:#?}");
        found.pop()
    }

    pub(super) fn active_series(&self, index: usize) -> Option<i64> {
        self.record_of_series(index)
            .filter(|r| r["active"] == true)
            .map(id_of)
    }

    pub(super) fn shape(&self, index: usize, side: Side) -> Option<Shape> {
        match side {
            Side::Odoo => self.shape_in_odoo(index),
            Side::Outlook => self.shape_in_outlook(index),
        }
    }

    fn shape_in_odoo(&self, index: usize) -> Option<Shape> {
        let id = self.active_series(index)?;
        let record = &self.odoo.records[&id];
        let stamp = |value: &Value| text(value).replace(' ', "T");
        let occurrences = self.odoo.occurrences(id).into_iter().take(COMPARED);
        let organizer = address_of(self.series[index].organizer);
        Some(Shape {
            occurrences: occurrences
                .map(|(date, fields)| {
                    let occurrence = Occurrence {
                        start: stamp(&fields["start"]),
                        end: stamp(&fields["stop"]),
                        title: text(&fields["name"]).to_owned(),
                        place: text(&fields["location"]).to_owned(),
                    };
                    (date, occurrence)
                })
                .collect(),
            guests: guests_of_record(&record["template"], organizer),
        })
    }

    fn shape_in_outlook(&self, index: usize) -> Option<Shape> {
        let series = &self.series[index];
        let address = address_of(series.organizer);
        let microsoft = self.stack.sim.sim.world();
        let (_, shown) = live(&microsoft, address, &series.mark, true)?;
        let stamp = |moment: &Value| text(&moment["dateTime"])[..19].to_owned();
        let exceptions = shown["exceptions"].as_array();
        let place_of = |id: &Value| {
            let own = exceptions.into_iter().flatten().find(|e| e["id"] == *id);
            text(&own.unwrap_or(&shown)["location"]["displayName"]).to_owned()
        };
        let occurrences = shown["occurrences"]
            .as_array()
            .into_iter()
            .flatten()
            .take(COMPARED);
        Some(Shape {
            occurrences: occurrences
                .map(|one| {
                    let occurrence = Occurrence {
                        start: stamp(&one["start"]),
                        end: stamp(&one["end"]),
                        title: text(&one["subject"]).to_owned(),
                        place: place_of(&one["id"]),
                    };
                    (text(&one["date"]).parse().expect("a date"), occurrence)
                })
                .collect(),
            guests: guests_of_copy(&shown, address),
        })
    }

    /// Returns how many occurrences differ from the others, in Outlook or in Odoo.
    pub fn of_their_own(&self, index: usize) -> usize {
        let series = &self.series[index];
        let microsoft = self.stack.sim.sim.world();
        let shown = live(&microsoft, address_of(series.organizer), &series.mark, true);
        let there = shown.map_or(0, |(_, shown)| shown["exceptions"].as_array().map_or(0, Vec::len));
        // Occurrences that were taken out count, too: a new pattern may bring one back and cancel
        // it again.
        let count = |r: &Value, name: &str| r[name].as_array().map_or(0, Vec::len);
        let (here, out) = self
            .record_of_series(index)
            .map_or((0, 0), |r| (count(r, "slots"), count(r, "missing")));
        there.max(here) + out
    }

    /// Returns where the rule begins, in the time zone of Brussels.
    pub(super) fn first_start(&self, index: usize, side: Side) -> Option<NaiveDateTime> {
        let at = match side {
            Side::Odoo => {
                let id = self.active_series(index)?;
                text(&self.odoo.records[&id]["dtstart"]).replace(' ', "T")
            }
            Side::Outlook => {
                let series = &self.series[index];
                let microsoft = self.stack.sim.sim.world();
                let (_, shown) = live(&microsoft, address_of(series.organizer), &series.mark, true)?;
                text(&shown["start"]["dateTime"])[..19].to_owned()
            }
        };
        let at = NaiveDateTime::parse_from_str(&at, STAMP).expect("a time");
        Some(Brussels.from_utc_datetime(&at).naive_local())
    }

    /// Returns an existing occurrence, and how many existing ones follow it.
    pub(super) fn the(
        &self,
        index: usize,
        side: Side,
        number: usize,
    ) -> Option<(NaiveDate, Occurrence, usize)> {
        let shape = self.shape(index, side)?;
        let after = shape.occurrences.len().checked_sub(number + 1)?;
        let (date, one) = shape.occurrences.into_iter().nth(number)?;
        Some((date, one, after))
    }

    /// Returns the index of a date among Odoo's original dates.
    pub(super) fn slot_number(&self, id: i64, date: NaiveDate) -> Option<usize> {
        (0..)
            .zip(self.odoo.dates(id))
            .find(|(_, day)| *day == date)
            .map(|(n, _)| n)
    }

    pub fn is_mark_of_series(&self, mark: &str) -> bool {
        self.series.iter().any(|series| series.mark == mark)
    }
}
