//! OData's primitive types as JSON (OData JSON Format 4.01, "Primitive Value"; ranges: OData CSDL).

use chrono::{DateTime, NaiveDate, NaiveTime};
use serde_json::Value;

fn whole(value: &Value, least: i64, most: i64) -> bool {
    value.as_i64().is_some_and(|n| (least..=most).contains(&n))
}

/// Whether it is text of which something holds.
pub(crate) fn text(value: &Value, holds: impl Fn(&str) -> bool) -> bool {
    value.as_str().is_some_and(holds)
}

/// ISO 8601, days and smaller: `P1DT2H`, `-PT15M`, `PT0.5S`.
fn is_duration(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let Some(rest) = text.strip_prefix('P') else {
        return false;
    };
    let (days, time) = match rest.split_once('T') {
        Some((days, time)) => (days, Some(time)),
        None => (rest, None),
    };
    let number = |n: &str, fraction: bool| {
        let (whole, part) = n.split_once('.').map_or((n, None), |(w, p)| (w, Some(p)));
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        digits(whole) && part.is_none_or(|p| fraction && digits(p))
    };
    let days_fit = days.is_empty() || days.strip_suffix('D').is_some_and(|n| number(n, false));
    let Some(mut time) = time else {
        return days_fit && !days.is_empty();
    };
    if time.is_empty() {
        return false;
    }
    for unit in ['H', 'M', 'S'] {
        if let Some((n, rest)) = time.split_once(unit) {
            if !number(n, unit == 'S') {
                return false;
            }
            time = rest;
        }
    }
    days_fit && time.is_empty()
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok()
}

fn is_time_of_day(text: &str) -> bool {
    ["%H:%M:%S%.f", "%H:%M"]
        .iter()
        .any(|f| NaiveTime::parse_from_str(text, f).is_ok())
}

/// Whether a value is of a primitive type, `Edm.…`; `None` for one that is not known here.
pub(crate) fn is(kind: &str, value: &Value) -> Option<bool> {
    Some(match kind {
        "Edm.String" | "Edm.Stream" => value.is_string(),
        "Edm.Boolean" => value.is_boolean(),
        "Edm.Byte" => whole(value, 0, 255),
        "Edm.SByte" => whole(value, -128, 127),
        "Edm.Int16" => whole(value, i16::MIN.into(), i16::MAX.into()),
        "Edm.Int32" => whole(value, i32::MIN.into(), i32::MAX.into()),
        "Edm.Int64" => value.is_i64(),
        "Edm.Double" | "Edm.Single" | "Edm.Decimal" => {
            value.is_number() || text(value, |t| ["INF", "-INF", "NaN"].contains(&t))
        }
        "Edm.Date" => text(value, is_date),
        "Edm.TimeOfDay" => text(value, is_time_of_day),
        "Edm.Duration" => text(value, is_duration),
        "Edm.DateTimeOffset" => text(value, |t| DateTime::parse_from_rfc3339(t).is_ok()),
        "Edm.Guid" => text(value, |t| t.len() == 36 && uuid::Uuid::parse_str(t).is_ok()),
        "Edm.Binary" => text(value, |t| {
            t.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_+/=".contains(&b))
        }),
        _ => return None,
    })
}

/// The same of what a client writes: Microsoft's reader makes a boolean of text as well (odata.net,
/// `ODataPayloadValueConverter`), and python-o365 sends `"isOnlineMeeting": "false"`.
pub(crate) fn is_written(kind: &str, value: &Value) -> Option<bool> {
    let word = |t: &str| t.eq_ignore_ascii_case("true") || t.eq_ignore_ascii_case("false");
    if kind == "Edm.Boolean" && text(value, word) {
        return Some(true);
    }
    is(kind, value)
}
