//! What the service makes of recurrence rules, for whoever wants to check it against other software
//! (`tests/e2e/test_f_recurrence.py` does, against Odoo and graph-sim).
//!
//! Reads one JSON object a line and writes one for each. Input is a rule of either side:
//!
//! * `{"odoo": {"rule": {…}, "tz": "Europe/Brussels", "week_start": 0, "start": "2026-01-05 09:00:00"}}`: fields of
//!   `calendar.recurrence`, and the start of the base event (UTC; of an all-day one its date);
//! * `{"graph": {"recurrence": {…}, "zone": "Europe/Brussels", "time": "10:00:00"}}`: `patternedRecurrence`, zone and
//!   local time of the event (null: all day).
//!
//! The answer is `{"occurrences": […], "odoo": {…}, "graph": {…}}`: the first 720 starts (UTC as Odoo reads local
//! times, or dates); the rule for Odoo, in the shape of the input; and the event to POST to Graph; or
//! `{"reason": …}` instead of either. For a rule of Odoo's, `expansion` has the starts as Odoo itself is expected
//! to have them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, Write};

use anyhow::{Context, anyhow};
use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Weekday};
use chrono_tz::Tz;
use outlook_bridge::calendar::document::{Document, Recurrence};
use outlook_bridge::calendar::event::{Event, Privacy, ShowAs, Time};
use outlook_bridge::calendar::recurrence::{NoFaithfulForm, Rule};
use outlook_bridge::calendar::timezone;
use outlook_bridge::odoo::expansion::{First, check, expand, rule_as_expanded};
use outlook_bridge::odoo::recurrence::RuleFields;
use outlook_bridge::odoo::series::{Slot, counted_from};
use outlook_bridge::outlook::wire::ExtraForCreate;
use outlook_bridge::outlook::wire::recurrence;
use outlook_bridge::outlook::wire::series::create_series_body;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const LIMIT: usize = 720;
const FORMAT: &str = "%Y-%m-%d %H:%M:%S";

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Question {
    Odoo(OdooRule),
    Graph(GraphRule),
}

#[derive(Deserialize, Serialize)]
struct OdooRule {
    rule: RuleFields,
    tz: String,
    week_start: u8,
    start: String,
}

#[derive(Deserialize)]
struct GraphRule {
    recurrence: Value,
    zone: String,
    time: Option<NaiveTime>,
}

fn main() -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let answer = match serde_json::from_str(&line).with_context(|| line.clone())? {
            Question::Odoo(asked) => of_odoo(&asked)?,
            Question::Graph(asked) => of_graph(&asked)?,
        };
        writeln!(out, "{answer}")?;
    }
    Ok(())
}

fn of_odoo(asked: &OdooRule) -> anyhow::Result<Value> {
    let tz = zone(&asked.tz)?;
    let week_start = week_start(asked.week_start)?;
    let (first, date, time) = if let Ok(date) = asked.start.parse::<NaiveDate>() {
        (First::On { date, zone: tz }, date, None)
    } else {
        let start = NaiveDateTime::parse_from_str(&asked.start, FORMAT)?.and_utc();
        let local = start.with_timezone(&tz).naive_local();
        (First::At { start, zone: tz }, local.date(), Some(local.time()))
    };
    let rule = rule_as_expanded(&asked.rule, first, date, week_start)?;
    let expansion: Vec<String> = expand(&asked.rule, first, week_start, LIMIT)?
        .into_iter()
        .map(|at| said(at, time.is_none()))
        .collect();
    let mut answer = answer(rule, date, time, tz, week_start)?;
    answer["expansion"] = json!(expansion);
    Ok(answer)
}

fn of_graph(asked: &GraphRule) -> anyhow::Result<Value> {
    let read = recurrence::read(&asked.recurrence)?;
    answer(
        read.rule,
        read.start,
        asked.time,
        zone(&asked.zone)?,
        Weekday::Mon,
    )
}

fn answer(
    rule: Rule,
    start: NaiveDate,
    time: Option<NaiveTime>,
    tz: Tz,
    week_start: Weekday,
) -> anyhow::Result<Value> {
    let Some(series) = series(rule, start, time, tz).normalized() else {
        return Ok(json!({ "occurrences": [] }));
    };
    let occurrences: Vec<_> = series
        .slots()
        .take(LIMIT)
        .map(|slot| Slot::of(&series, slot))
        .collect();
    let extra = ExtraForCreate {
        transaction_id: "expand",
        link: uuid::Uuid::nil(),
    };
    Ok(json!({
        "occurrences": occurrences,
        "odoo": or_reason(for_odoo(&series, tz, week_start)),
        "graph": or_reason(create_series_body(&series, extra)),
    }))
}

fn for_odoo(series: &Document, tz: Tz, week_start: Weekday) -> Result<Value, NoFaithfulForm> {
    let week_start = counted_from(series.rule(), week_start);
    let rule = RuleFields::from_rule(series.rule(), series.start(), week_start)?;
    let first = match series.master.time {
        Time::Timed { start, .. } => First::At { start, zone: tz },
        Time::AllDay { start, .. } => First::On {
            date: start,
            zone: tz,
        },
    };
    check(&rule, series.rule(), first, week_start)?;
    Ok(json!({
        "rule": rule, "tz": tz.name(), "week_start": week_start.num_days_from_monday(),
        "start": Slot::of(series, series.start()),
    }))
}

fn or_reason(said: Result<Value, NoFaithfulForm>) -> Value {
    said.unwrap_or_else(|reason| json!({ "reason": reason.to_string() }))
}

fn said(at: NaiveDateTime, allday: bool) -> String {
    if allday {
        at.date().to_string()
    } else {
        at.format(FORMAT).to_string()
    }
}

fn zone(name: &str) -> anyhow::Result<Tz> {
    timezone::iana(name).ok_or_else(|| anyhow!("no zone {name}"))
}

fn week_start(number: u8) -> anyhow::Result<Weekday> {
    Weekday::try_from(number).map_err(|_| anyhow!("no week start {number}"))
}

/// An hour long, or a day.
fn series(rule: Rule, start: NaiveDate, time: Option<NaiveTime>, tz: Tz) -> Document {
    let time = match time {
        None => Time::AllDay {
            start,
            end: start + TimeDelta::days(1),
        },
        Some(time) => {
            let local = start.and_time(time);
            // As Odoo reads a local time that occurs twice.
            let at = tz.from_local_datetime(&local).latest();
            let start = at.map_or_else(|| timezone::to_utc(local, tz), |at| at.to_utc());
            Time::Timed {
                start,
                end: start + TimeDelta::hours(1),
                zone: tz.name().to_owned(),
            }
        }
    };
    Document {
        recurrence: Recurrence::Rule(rule),
        master: Event {
            title: "Series".to_owned(),
            body: String::new(),
            location: String::new(),
            time,
            privacy: Privacy::Normal,
            show_as: ShowAs::Busy,
            reminder: None,
            video: String::new(),
            online: false,
            organizer: None,
            attendees: BTreeMap::new(),
        },
        exceptions: BTreeMap::new(),
        excluded_dates: BTreeSet::new(),
    }
}
