//! Values in the JSON that a request carries: what is refused, and with which words.

use crate::error::GraphError;
use crate::property;
use crate::timezone;
use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::{Map, Value, json};

/// A time as written.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) local: NaiveDateTime,
    pub(crate) utc: DateTime<Utc>,
    pub(crate) zone: String,
}

pub(crate) fn object<'a>(
    value: &'a Value,
    name: &str,
    kind: &str,
) -> Result<&'a Map<String, Value>, GraphError> {
    value.as_object().ok_or_else(|| GraphError::mistyped(name, kind))
}

/// Microsoft's OData reader turns text into a boolean (odata.net, `ODataPayloadValueConverter`), and clients in
/// the field send it: python-o365 writes `"isOnlineMeeting": "false"` into every new event.
pub(crate) fn boolean(value: &Value, name: &str) -> Result<bool, GraphError> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
    .ok_or_else(|| GraphError::mistyped(name, "Edm.Boolean"))
}

pub(crate) fn string<'a>(value: &'a Value, name: &str) -> Result<&'a str, GraphError> {
    match value {
        Value::Null => Ok(""),
        Value::String(s) => Ok(s),
        _ => Err(GraphError::mistyped(name, "Edm.String")),
    }
}

pub(crate) fn choice(value: &Value, name: &str, allowed: &[&str]) -> Result<String, GraphError> {
    let given = value
        .as_str()
        .ok_or_else(|| GraphError::mistyped(name, "enumeration"))?;
    allowed
        .iter()
        .find(|a| a.eq_ignore_ascii_case(given))
        .map(|a| (*a).to_owned())
        .ok_or_else(|| GraphError::body(format!("Requested value '{given}' was not found.")))
}

pub(crate) fn parse_time(text: &str) -> Option<NaiveDateTime> {
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"]
        .iter()
        .find_map(|f| NaiveDateTime::parse_from_str(text, f).ok())
}

pub(crate) fn moment(value: &Value, name: &str) -> Result<Written, GraphError> {
    let map = object(value, name, "microsoft.graph.dateTimeTimeZone")?;
    let text = match map.get("dateTime") {
        Some(Value::String(s)) => s.as_str(),
        _ => return Err(GraphError::mistyped("dateTime", "Edm.String")),
    };
    let zone = match map.get("timeZone") {
        Some(Value::String(s)) => s.as_str(),
        None | Some(Value::Null) => return Err(GraphError::zone("")),
        Some(_) => return Err(GraphError::mistyped("timeZone", "Edm.String")),
    };
    let tz = timezone::resolve(zone).ok_or_else(|| GraphError::zone(zone))?;
    // An offset inside dateTime pins the instant; the zone then only anchors a series.
    if let Ok(fixed) = DateTime::parse_from_rfc3339(text) {
        let utc = fixed.with_timezone(&Utc);
        return Ok(Written {
            local: timezone::to_local(tz, utc),
            utc,
            zone: zone.to_owned(),
        });
    }
    let local = parse_time(text).ok_or_else(|| {
        GraphError::bad(
            "ErrorPropertyValidationFailure",
            format!("The dateTime '{text}' of '{name}' is not a valid date and time."),
        )
    })?;
    Ok(Written {
        local,
        utc: timezone::to_utc(tz, local),
        zone: zone.to_owned(),
    })
}

/// Refuses what is no time, `dateTimeTimeZone`, that an event could have.
pub(crate) fn check_time(value: &Value, name: &str) -> Result<(), GraphError> {
    moment(value, name).map(|_| ())
}

/// Refuses what is no time slot: a proposal of a new time.
pub(crate) fn check_slot(value: &Value) -> Result<(), GraphError> {
    let start = moment(value.get("start").unwrap_or(&Value::Null), "start")?;
    let end = moment(value.get("end").unwrap_or(&Value::Null), "end")?;
    if end.utc < start.utc {
        return Err(GraphError::bad(
            "ErrorPropertyValidationFailure",
            "At least one property failed validation.",
        ));
    }
    Ok(())
}

pub(crate) fn location(value: &Value) -> Result<Option<Value>, GraphError> {
    if value.is_null() {
        return Ok(None);
    }
    let kind = "microsoft.graph.location";
    let map = object(value, "location", kind)?;
    let name = string(map.get("displayName").unwrap_or(&Value::Null), "displayName")?;
    let given = |name: &str| map.get(name).filter(|v| v.is_object()).cloned();
    let address = given("address").unwrap_or_else(|| json!({}));
    let kind = match map.get("locationType") {
        None | Some(Value::Null) => "default".to_owned(),
        Some(v) => choice(v, "locationType", property::LOCATION_TYPE)?,
    };
    if name.is_empty() && address.as_object().is_some_and(Map::is_empty) {
        return Ok(None);
    }
    let mut out = json!({
        "displayName": name, "locationType": kind, "uniqueId": name, "uniqueIdType": "private",
        "address": address, "coordinates": {},
    });
    for key in ["locationUri", "locationEmailAddress"] {
        if let Some(value) = map.get(key) {
            out[key] = Value::String(string(value, key)?.to_owned());
        }
    }
    if let Some(coordinates) = given("coordinates") {
        out["coordinates"] = coordinates;
    }
    Ok(Some(out))
}

/// `{type} {guid} Name n`, `{type} {guid} Id 0x..` or `{type} 0xTAG`, in one spelling: the name keeps its
/// case, the rest does not matter (singleValueLegacyExtendedProperty page).
pub(crate) fn extended_id(id: &str) -> Option<String> {
    let mut parts = id.splitn(4, ' ');
    let kind = parts.next()?;
    let kinds = [
        "Binary",
        "Boolean",
        "CLSID",
        "Double",
        "Float",
        "Integer",
        "Long",
        "Short",
        "String",
        "SystemTime",
        "Currency",
        "ApplicationTime",
    ];
    let kind = kinds.iter().find(|k| k.eq_ignore_ascii_case(kind))?;
    let second = parts.next()?;
    if let Some(tag) = second.strip_prefix("0x") {
        u32::from_str_radix(tag, 16).ok()?;
        return Some(format!("{kind} {}", second.to_lowercase()));
    }
    let guid = second.strip_prefix('{')?.strip_suffix('}')?;
    uuid::Uuid::parse_str(guid).ok()?;
    let word = parts.next()?;
    let name = parts.next()?;
    if name.is_empty() {
        return None;
    }
    let guid = guid.to_lowercase();
    if word.eq_ignore_ascii_case("name") {
        Some(format!("{kind} {{{guid}}} Name {name}"))
    } else if word.eq_ignore_ascii_case("id") {
        u32::from_str_radix(name.strip_prefix("0x")?, 16).ok()?;
        Some(format!("{kind} {{{guid}}} Id {}", name.to_lowercase()))
    } else {
        None
    }
}
