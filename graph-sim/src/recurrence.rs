//! Recurrence patterns and ranges: validation and the dates they stand for.
//! Rules: Graph's recurrencePattern and recurrenceRange resource pages.

use crate::error::GraphError;
use crate::switches::LongPatterns;
use chrono::{Datelike, Days, Months, NaiveDate, NaiveTime, TimeDelta, Weekday};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    Daily,
    Weekly,
    AbsoluteMonthly,
    RelativeMonthly,
    AbsoluteYearly,
    RelativeYearly,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Index {
    First,
    Second,
    Third,
    Fourth,
    Last,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Range {
    NoEnd,
    EndDate { last: NaiveDate },
    Numbered { count: u32 },
}

/// What the clock on the wall shows at each occurrence. It is kept, for the first occurrence may fall into the hour that
/// daylight saving skips, and does not tell then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    pub start: NaiveTime,
    pub seconds: i64,
}

impl Clock {
    pub fn length(self) -> TimeDelta {
        TimeDelta::try_seconds(self.seconds).unwrap_or_default()
    }
}

/// A `patternedRecurrence`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recurrence {
    pub kind: Kind,
    pub interval: u32,
    pub days: Vec<Weekday>,
    pub first_day: Weekday,
    pub day_of_month: u32,
    pub month: u32,
    pub index: Index,
    pub start: NaiveDate,
    pub range: Range,
    /// As written; empty means: the event's own zone.
    pub zone: String,
    /// Of states saved before it was kept, the first occurrence tells it.
    #[serde(default)]
    pub clock: Option<Clock>,
}

/// Graph's `dayOfWeek`.
pub const DAYS: [&str; 7] = [
    "sunday",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
];

fn weekday(name: &str) -> Option<Weekday> {
    const ORDER: [Weekday; 7] = [
        Weekday::Sun,
        Weekday::Mon,
        Weekday::Tue,
        Weekday::Wed,
        Weekday::Thu,
        Weekday::Fri,
        Weekday::Sat,
    ];
    DAYS.iter()
        .position(|d| d.eq_ignore_ascii_case(name))
        .map(|i| ORDER[i])
}

fn day_name(day: Weekday) -> &'static str {
    DAYS[day.num_days_from_sunday() as usize]
}

fn bad(message: impl Into<String>) -> GraphError {
    GraphError::bad("ErrorPropertyValidationFailure", message)
}

fn object<'a>(value: &'a Value, what: &str) -> Result<&'a Map<String, Value>, GraphError> {
    value
        .as_object()
        .ok_or_else(|| GraphError::body(format!("'{what}' must be an object.")))
}

fn integer(map: &Map<String, Value>, key: &str) -> Result<Option<i64>, GraphError> {
    match map.get(key) {
        None => Ok(None),
        Some(Value::Number(n)) if n.is_i64() => Ok(n.as_i64()),
        Some(_) => Err(GraphError::mistyped(key, "Edm.Int32")),
    }
}

fn text<'a>(map: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, GraphError> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(s)) => Ok(Some(s)),
        Some(_) => Err(GraphError::mistyped(key, "Edm.String")),
    }
}

fn date(map: &Map<String, Value>, key: &str) -> Result<Option<NaiveDate>, GraphError> {
    match text(map, key)? {
        None => Ok(None),
        Some(s) => s
            .parse()
            .map(Some)
            .map_err(|_| GraphError::mistyped(key, "Edm.Date")),
    }
}

impl Recurrence {
    /// Refuses what Exchange has no room for.
    pub fn within(self, to_99: bool) -> Result<Self, GraphError> {
        let is_limited = matches!(
            self.kind,
            Kind::Weekly | Kind::AbsoluteMonthly | Kind::RelativeMonthly
        );
        if to_99 && is_limited && self.interval > 99 {
            return Err(bad("The recurrence pattern's interval must be between 1 and 99."));
        }
        Ok(self)
    }

    /// The same dates in the pattern that they are kept in.
    pub fn kept(mut self, long: LongPatterns) -> Self {
        let (kind, interval) = match (long, self.kind) {
            (LongPatterns::Months, Kind::AbsoluteYearly) if self.interval > 1 => {
                (Kind::AbsoluteMonthly, self.interval * 12)
            }
            (LongPatterns::Months, Kind::RelativeYearly) if self.interval > 1 => {
                (Kind::RelativeMonthly, self.interval * 12)
            }
            (LongPatterns::Years, Kind::AbsoluteMonthly) if self.interval.is_multiple_of(12) => {
                (Kind::AbsoluteYearly, self.interval / 12)
            }
            (LongPatterns::Years, Kind::RelativeMonthly) if self.interval.is_multiple_of(12) => {
                (Kind::RelativeYearly, self.interval / 12)
            }
            _ => return self,
        };
        self.month = match kind {
            Kind::AbsoluteYearly | Kind::RelativeYearly => self.start.month(),
            _ => 0,
        };
        self.kind = kind;
        self.interval = interval;
        self
    }

    /// Reads `recurrence` of an event whose start, in its own zone, falls on `event_date`.
    pub fn parse(value: &Value, event_date: NaiveDate, clock: Clock) -> Result<Self, GraphError> {
        let map = object(value, "recurrence")?;
        let (Some(pattern), Some(range)) = (map.get("pattern"), map.get("range")) else {
            return Err(bad("Recurrence needs both a pattern and a range."));
        };
        let pattern = object(pattern, "pattern")?;
        let range = object(range, "range")?;
        let kind = match text(pattern, "type")?.unwrap_or_default() {
            "daily" => Kind::Daily,
            "weekly" => Kind::Weekly,
            "absoluteMonthly" => Kind::AbsoluteMonthly,
            "relativeMonthly" => Kind::RelativeMonthly,
            "absoluteYearly" => Kind::AbsoluteYearly,
            "relativeYearly" => Kind::RelativeYearly,
            other => {
                return Err(GraphError::body(format!(
                    "Requested value '{other}' was not found."
                )));
            }
        };
        let interval = integer(pattern, "interval")?.unwrap_or(0);
        if !(1..=999).contains(&interval) {
            return Err(bad(
                "The recurrence pattern's interval must be between 1 and 999.",
            ));
        }
        let mut days = Vec::new();
        match pattern.get("daysOfWeek") {
            None | Some(Value::Null) => {}
            Some(Value::Array(list)) => {
                for day in list {
                    let name = day
                        .as_str()
                        .ok_or_else(|| GraphError::mistyped("daysOfWeek", "graph.dayOfWeek"))?;
                    let day = weekday(name).ok_or_else(|| {
                        GraphError::body(format!("Requested value '{name}' was not found."))
                    })?;
                    if !days.contains(&day) {
                        days.push(day);
                    }
                }
            }
            Some(_) => return Err(GraphError::mistyped("daysOfWeek", "Collection(graph.dayOfWeek)")),
        }
        let first_day = match text(pattern, "firstDayOfWeek")? {
            None => Weekday::Sun,
            Some(name) => weekday(name)
                .ok_or_else(|| GraphError::body(format!("Requested value '{name}' was not found.")))?,
        };
        // Fields the type does not use are ignored, yet validated (recurrencePattern page).
        let day_of_month = integer(pattern, "dayOfMonth")?.unwrap_or(0);
        let month = integer(pattern, "month")?.unwrap_or(0);
        if !(0..=31).contains(&day_of_month) || !(0..=12).contains(&month) {
            return Err(bad("dayOfMonth or month is out of range."));
        }
        let index = match text(pattern, "index")? {
            None | Some("first") => Index::First,
            Some("second") => Index::Second,
            Some("third") => Index::Third,
            Some("fourth") => Index::Fourth,
            Some("last") => Index::Last,
            Some(other) => {
                return Err(GraphError::body(format!(
                    "Requested value '{other}' was not found."
                )));
            }
        };
        let needs_days = matches!(kind, Kind::Weekly | Kind::RelativeMonthly | Kind::RelativeYearly);
        if needs_days && days.is_empty() {
            return Err(bad("The recurrence pattern needs daysOfWeek."));
        }
        if matches!(kind, Kind::AbsoluteMonthly | Kind::AbsoluteYearly) && day_of_month == 0 {
            return Err(bad("The recurrence pattern needs dayOfMonth."));
        }
        if matches!(kind, Kind::AbsoluteYearly | Kind::RelativeYearly) && month == 0 {
            return Err(bad("The recurrence pattern needs month."));
        }
        let start = date(range, "startDate")?.ok_or_else(|| bad("The recurrence range needs startDate."))?;
        if start != event_date {
            return Err(GraphError::bad(
                "ErrorInvalidRecurrenceRange",
                "The start date of the recurrence range must be the date of the event's start.",
            ));
        }
        let zone = text(range, "recurrenceTimeZone")?.unwrap_or_default().to_owned();
        let end_date = date(range, "endDate")?;
        let count = integer(range, "numberOfOccurrences")?.unwrap_or(0);
        let range = match text(range, "type")?.unwrap_or_default() {
            "noEnd" => Range::NoEnd,
            "endDate" => {
                let last = end_date.ok_or_else(|| bad("The recurrence range needs endDate."))?;
                if last < start {
                    return Err(GraphError::bad(
                        "ErrorInvalidRecurrenceRange",
                        "The end date of the recurrence range is before its start date.",
                    ));
                }
                Range::EndDate { last }
            }
            "numbered" => match u32::try_from(count) {
                Ok(count) if (1..=999).contains(&count) => Range::Numbered { count },
                _ => return Err(bad("numberOfOccurrences must be between 1 and 999.")),
            },
            other => {
                return Err(GraphError::body(format!(
                    "Requested value '{other}' was not found."
                )));
            }
        };
        let mut this = Self {
            kind,
            interval: u32::try_from(interval).unwrap_or(1),
            days,
            first_day,
            day_of_month: u32::try_from(day_of_month).unwrap_or(0),
            month: u32::try_from(month).unwrap_or(0),
            index,
            start,
            range,
            zone,
            clock: Some(clock),
        };
        // "The first occurrence moves forward to the first day that matches": the range moves with it, so
        // that what is read back can be written again.
        match this.dates(None).next() {
            Some(first) => this.start = first,
            None => {
                return Err(GraphError::bad(
                    "ErrorInvalidRecurrenceRange",
                    "The recurrence has no occurrence in its range.",
                ));
            }
        }
        Ok(this)
    }

    /// `nameless`: the zone is told as `default_zone`, whatever was written.
    pub fn json(&self, default_zone: &str, nameless: bool) -> Value {
        let index = serde_json::to_value(self.index).unwrap_or(Value::Null);
        let kind = serde_json::to_value(self.kind).unwrap_or(Value::Null);
        let mut pattern = json!({
            "type": kind,
            "interval": self.interval,
            "month": self.month,
            "dayOfMonth": self.day_of_month,
            "firstDayOfWeek": day_name(self.first_day),
            "index": index,
        });
        if !self.days.is_empty() {
            pattern["daysOfWeek"] = self.days.iter().map(|d| day_name(*d)).collect();
        }
        let zone = if self.zone.is_empty() || nameless {
            default_zone
        } else {
            &self.zone
        };
        let (name, end, count) = match self.range {
            Range::NoEnd => ("noEnd", "0001-01-01".to_owned(), 0),
            Range::EndDate { last } => ("endDate", last.to_string(), 0),
            Range::Numbered { count } => ("numbered", "0001-01-01".to_owned(), count),
        };
        json!({"pattern": pattern, "range": {
            "type": name, "startDate": self.start.to_string(), "endDate": end,
            "recurrenceTimeZone": zone, "numberOfOccurrences": count,
        }})
    }

    /// The pattern alone, without its range's end: what decides whether exceptions survive an edit.
    pub(crate) fn same_pattern(&self, other: &Self, with_first_day: bool) -> bool {
        (!with_first_day || self.first_day == other.first_day)
            && self.kind == other.kind
            && self.interval == other.interval
            && self.days == other.days
            && self.day_of_month == other.day_of_month
            && self.month == other.month
            && self.index == other.index
            && self.start == other.start
    }

    /// The slots' dates in order, up to `until` (inclusive) where the range has no end of its own.
    pub fn dates(&self, until: Option<NaiveDate>) -> Dates<'_> {
        Dates {
            rule: self,
            period: 0,
            pending: Vec::new(),
            taken: 0,
            until,
            dry: 0,
        }
    }

    /// Tells whether the rule has an occurrence on a date.
    pub fn contains(&self, day: NaiveDate) -> bool {
        self.dates(Some(day)).any(|d| d == day)
    }

    fn matches(&self, day: NaiveDate) -> bool {
        self.days.contains(&day.weekday())
    }

    /// The candidate dates of the n-th period (day, week, month, year), not yet cut to the range.
    fn period(&self, n: u32) -> Option<Vec<NaiveDate>> {
        let step = n.checked_mul(self.interval)?;
        match self.kind {
            Kind::Daily => Some(vec![self.start.checked_add_days(Days::new(u64::from(step)))?]),
            Kind::Weekly => {
                let back = self.start.weekday().days_since(self.first_day);
                let week = self.start.checked_sub_days(Days::new(u64::from(back)))?;
                let week = week.checked_add_days(Days::new(u64::from(step) * 7))?;
                Some(
                    (0..7)
                        .filter_map(|i| week.checked_add_days(Days::new(i)))
                        .filter(|d| self.matches(*d))
                        .collect(),
                )
            }
            Kind::AbsoluteMonthly | Kind::RelativeMonthly => {
                let month = self.start.with_day(1)?.checked_add_months(Months::new(step))?;
                Some(self.in_month(month).into_iter().collect())
            }
            Kind::AbsoluteYearly | Kind::RelativeYearly => {
                let year = self.start.year().checked_add(i32::try_from(step).ok()?)?;
                let month = NaiveDate::from_ymd_opt(year, self.month, 1)?;
                Some(self.in_month(month).into_iter().collect())
            }
        }
    }

    fn in_month(&self, first: NaiveDate) -> Option<NaiveDate> {
        let next = first.checked_add_months(Months::new(1))?;
        let length = u32::try_from((next - first).num_days()).ok()?;
        match self.kind {
            // A month too short takes its last day, as Exchange's recurrence does (MS-OXOCAL, Month).
            Kind::AbsoluteMonthly | Kind::AbsoluteYearly => first.with_day(self.day_of_month.min(length)),
            _ => {
                let fits: Vec<NaiveDate> = (1..=length)
                    .filter_map(|d| first.with_day(d))
                    .filter(|d| self.matches(*d))
                    .collect();
                match self.index {
                    Index::First => fits.first(),
                    Index::Second => fits.get(1),
                    Index::Third => fits.get(2),
                    Index::Fourth => fits.get(3),
                    Index::Last => fits.last(),
                }
                .copied()
            }
        }
    }
}

pub struct Dates<'a> {
    rule: &'a Recurrence,
    period: u32,
    pending: Vec<NaiveDate>,
    taken: u32,
    until: Option<NaiveDate>,
    dry: u32,
}

impl Iterator for Dates<'_> {
    type Item = NaiveDate;

    fn next(&mut self) -> Option<NaiveDate> {
        loop {
            if let Range::Numbered { count } = self.rule.range
                && self.taken >= count
            {
                return None;
            }
            if let Some(day) = self.pending.pop() {
                if day < self.rule.start {
                    continue;
                }
                if let Range::EndDate { last } = self.rule.range
                    && day > last
                {
                    return None;
                }
                if self.until.is_some_and(|until| day > until) {
                    return None;
                }
                self.taken += 1;
                self.dry = 0;
                return Some(day);
            }
            // A rule that never fits (a fifth Monday every ... ) must end as well.
            self.dry += 1;
            if self.dry > 1000 {
                return None;
            }
            let mut dates = self.rule.period(self.period)?;
            self.period += 1;
            dates.reverse();
            self.pending = dates;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: Clock = Clock {
        start: NaiveTime::MIN,
        seconds: 3600,
    };

    fn rule(pattern: Value, range: Value) -> Recurrence {
        let start: NaiveDate = range["startDate"].as_str().unwrap().parse().unwrap();
        Recurrence::parse(&json!({"pattern": pattern, "range": range}), start, CLOCK).unwrap()
    }

    fn dates(rule: &Recurrence) -> Vec<String> {
        rule.dates(None).take(5).map(|d| d.to_string()).collect()
    }

    #[test]
    fn weekly_in_step_with_its_first_day() {
        let r = rule(
            json!({"type":"weekly","interval":2,"daysOfWeek":["monday","wednesday"],"firstDayOfWeek":"monday"}),
            json!({"type":"numbered","startDate":"2026-11-25","numberOfOccurrences":4}),
        );
        assert_eq!(
            dates(&r),
            ["2026-11-25", "2026-12-07", "2026-12-09", "2026-12-21"]
        );
    }

    #[test]
    fn months_and_years() {
        let r = rule(
            json!({"type":"absoluteMonthly","interval":1,"dayOfMonth":31}),
            json!({"type":"endDate","startDate":"2027-01-31","endDate":"2027-03-31"}),
        );
        assert_eq!(dates(&r), ["2027-01-31", "2027-02-28", "2027-03-31"]);
        let r = rule(
            json!({"type":"relativeMonthly","interval":1,"daysOfWeek":["tuesday"],"index":"last"}),
            json!({"type":"noEnd","startDate":"2026-11-24"}),
        );
        assert_eq!(dates(&r)[..3], ["2026-11-24", "2026-12-29", "2027-01-26"]);
        let r = rule(
            json!({"type":"relativeYearly","interval":1,"daysOfWeek":["thursday"],"index":"fourth","month":11}),
            json!({"type":"noEnd","startDate":"2026-11-01"}),
        );
        assert_eq!(r.start.to_string(), "2026-11-26");
        assert_eq!(dates(&r)[..2], ["2026-11-26", "2027-11-25"]);
    }

    #[test]
    fn refusals() {
        let start: NaiveDate = "2026-11-24".parse().unwrap();
        let parse = |v: Value| Recurrence::parse(&v, start, CLOCK).unwrap_err().code;
        let range = json!({"type":"noEnd","startDate":"2026-11-25"});
        let daily = json!({"type":"daily","interval":1});
        assert_eq!(
            parse(json!({"pattern": daily, "range": range})),
            "ErrorInvalidRecurrenceRange"
        );
        let range = json!({"type":"noEnd","startDate":"2026-11-24"});
        assert_eq!(
            parse(json!({"pattern": {"type":"daily"}, "range": range})),
            "ErrorPropertyValidationFailure"
        );
        assert_eq!(
            parse(json!({"pattern": {"type":"weekly","interval":1}, "range": range})),
            "ErrorPropertyValidationFailure"
        );
    }
}
