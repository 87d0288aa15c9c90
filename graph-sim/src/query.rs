//! OData query options and `Prefer`, as far as Outlook's calendar takes them.

use crate::error::GraphError;
use crate::event::Event;
use crate::event_view::Prefer;
use crate::property;
use crate::timezone;
use crate::values;
use chrono::{DateTime, TimeDelta, Utc};
use std::cmp::Ordering;

pub(crate) type Query = Vec<(String, String)>;

pub(crate) fn option<'a>(query: &'a Query, name: &str) -> Option<&'a str> {
    query
        .iter()
        .find(|(k, _)| k.eq_ignore_ascii_case(name))
        .map(|(_, v)| v.as_str())
}

pub(crate) fn number(
    query: &Query,
    name: &str,
    least: usize,
    most: usize,
) -> Result<Option<usize>, GraphError> {
    let Some(text) = option(query, name) else {
        return Ok(None);
    };
    let value = text.parse::<usize>().ok().filter(|n| (least..=most).contains(n));
    value.map(Some).ok_or_else(|| {
        GraphError::bad(
            "ErrorInvalidUrlQuery",
            format!("Invalid value '{text}' for the query option '{name}'."),
        )
    })
}

/// Refuses options that are unknown or not for this resource.
pub(crate) fn allow(query: &Query, allowed: &[&str]) -> Result<(), GraphError> {
    for (name, _) in query {
        let lower = name.to_ascii_lowercase();
        if lower.starts_with('$') && !allowed.contains(&lower.as_str()) {
            return Err(GraphError::bad(
                "ErrorInvalidUrlQuery",
                format!("The query option '{name}' is not supported for this resource."),
            ));
        }
    }
    Ok(())
}

/// Splits at top-level commas: not inside quotes or parentheses.
pub(crate) fn split_list(text: &str, separator: char) -> Vec<String> {
    let mut out = vec![String::new()];
    let (mut depth, mut quote) = (0_u32, None);
    for c in text.chars() {
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(q)) if c == q => quote = None,
            ('(', None) => depth += 1,
            (')', None) => depth = depth.saturating_sub(1),
            _ => {}
        }
        if c == separator && depth == 0 && quote.is_none() {
            out.push(String::new());
        } else if let Some(last) = out.last_mut() {
            last.push(c);
        }
    }
    out.into_iter()
        .map(|s| s.trim().to_owned())
        .filter(|s| !s.is_empty())
        .collect()
}

pub(crate) fn prefer(header: Option<&str>) -> Result<Prefer, GraphError> {
    let mut out = Prefer::default();
    for part in split_list(header.unwrap_or_default(), ',') {
        let (name, value) = part.split_once('=').unwrap_or((&part, ""));
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().trim_matches('"'));
        match name.as_str() {
            "outlook.timezone" => {
                let tz = timezone::resolve(value).ok_or_else(|| GraphError::zone(value))?;
                out.zone = Some((value.to_owned(), tz));
                out.applied.push(part.clone());
            }
            "outlook.body-content-type" => {
                out.text = value.eq_ignore_ascii_case("text");
                out.applied.push(part.clone());
            }
            "idtype" => {
                out.immutable = value.eq_ignore_ascii_case("ImmutableId");
                out.applied.push(part.clone());
            }
            "odata.maxpagesize" => {
                let size = value.parse::<usize>().ok().filter(|n| *n > 0);
                let size = size.ok_or_else(|| {
                    GraphError::bad(
                        "ErrorInvalidRequest",
                        "The value of odata.maxpagesize is not valid.",
                    )
                })?;
                out.page = Some(size.min(1000));
                out.applied.push(part.clone());
            }
            // Unknown preferences are passed over, as HTTP has it.
            _ => {}
        }
    }
    Ok(out)
}

pub(crate) fn select(query: &Query) -> Result<Option<Vec<String>>, GraphError> {
    let Some(text) = option(query, "$select") else {
        return Ok(None);
    };
    let mut names = Vec::new();
    for name in split_list(text, ',') {
        let head = name.split('/').next().unwrap_or_default().to_owned();
        if !property::EVENT.can_be_selected(&head) {
            return Err(GraphError::uri(format!(
                "Could not find a property named '{head}' on type 'Microsoft.OutlookServices.Event'."
            )));
        }
        names.push(head);
    }
    Ok(Some(names))
}

// ---------------------------------------------------------------------------------------------------------
// $filter

#[derive(Debug)]
enum Test {
    Compare {
        path: String,
        op: String,
        value: String,
        quoted: bool,
    },
    StartsWith {
        path: String,
        value: String,
    },
    Extended {
        id: String,
        value: String,
    },
}

#[derive(Debug)]
pub(crate) struct Filter(Vec<Test>);

fn unquote(text: &str) -> Option<String> {
    let inner = text.trim().strip_prefix('\'')?.strip_suffix('\'')?;
    Some(inner.replace("''", "'"))
}

/// Splits at the word `and`, outside quotes and parentheses.
fn conjuncts(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut current: Vec<String> = Vec::new();
    for word in split_list(text, ' ') {
        if word.eq_ignore_ascii_case("and") {
            out.push(current.join(" "));
            current.clear();
        } else {
            current.push(word);
        }
    }
    out.push(current.join(" "));
    out
}

impl Filter {
    pub(crate) fn parse(text: &str) -> Result<Self, GraphError> {
        let bad = || {
            GraphError::bad(
                "ErrorInvalidUrlQueryFilter",
                format!("The query filter contains one or more invalid nodes: {text}"),
            )
        };
        let mut tests = Vec::new();
        for part in conjuncts(text) {
            let mut part = part.trim().to_owned();
            while part.starts_with('(') && part.ends_with(')') {
                part = part[1..part.len() - 1].trim().to_owned();
                if conjuncts(&part).len() > 1 {
                    tests.extend(Self::parse(&part)?.0);
                    part.clear();
                }
            }
            if part.is_empty() {
                continue;
            }
            let lower = part.to_ascii_lowercase();
            if lower.starts_with("singlevalueextendedproperties/any(") {
                tests.push(extended(&part).ok_or_else(bad)?);
            } else if lower.starts_with("startswith(") && part.ends_with(')') {
                let args = split_list(&part["startswith(".len()..part.len() - 1], ',');
                let [path, value] = args.as_slice() else {
                    return Err(bad());
                };
                known_path(path).ok_or_else(bad)?;
                tests.push(Test::StartsWith {
                    path: path.clone(),
                    value: unquote(value).ok_or_else(bad)?,
                });
            } else {
                let words = split_list(&part, ' ');
                let [path, op, value] = words.as_slice() else {
                    return Err(bad());
                };
                known_path(path).ok_or_else(bad)?;
                if path.starts_with("organizer/") {
                    // Seen on the live service (microsoft-graph-docs#426).
                    return Err(GraphError::bad(
                        "UnsupportedEntityExpression",
                        "The query filter contains one or more invalid nodes.",
                    ));
                }
                let op = op.to_ascii_lowercase();
                if !["eq", "ne", "lt", "le", "gt", "ge"].contains(&op.as_str()) {
                    return Err(bad());
                }
                let text = unquote(value);
                tests.push(Test::Compare {
                    path: path.clone(),
                    op,
                    quoted: text.is_some(),
                    value: text.unwrap_or_else(|| value.clone()),
                });
            }
        }
        Ok(Self(tests))
    }

    pub(crate) fn passes(&self, event: &Event) -> bool {
        self.0.iter().all(|test| match test {
            Test::Extended { id, value } => {
                let has = |list: &[(String, String)]| {
                    list.iter()
                        .any(|(i, v)| i == id && v.to_lowercase() == value.to_lowercase())
                };
                has(&event.extended)
            }
            Test::StartsWith { path, value } => field(event, path)
                .to_lowercase()
                .starts_with(&value.to_lowercase()),
            Test::Compare { path, op, value, .. } => {
                let order = if is_time(path) {
                    match (instant_of(event, path), window_time(value, path).ok()) {
                        (Some(a), Some(b)) => a.cmp(&b),
                        _ => return false,
                    }
                } else {
                    field(event, path).to_lowercase().cmp(&value.to_lowercase())
                };
                match op.as_str() {
                    "eq" => order == Ordering::Equal,
                    "ne" => order != Ordering::Equal,
                    "lt" => order == Ordering::Less,
                    "le" => order != Ordering::Greater,
                    "gt" => order == Ordering::Greater,
                    _ => order != Ordering::Less,
                }
            }
        })
    }

    /// An equality on iCalUId can be answered from the index.
    pub(crate) fn ical_uid(&self) -> Option<&str> {
        self.0.iter().find_map(|t| match t {
            Test::Compare {
                path,
                op,
                value,
                quoted: true,
            } if path == "iCalUId" && op == "eq" => Some(value.as_str()),
            _ => None,
        })
    }
}

fn extended(part: &str) -> Option<Test> {
    let inner = part[part.find('(')? + 1..].strip_suffix(')')?;
    let (variable, condition) = inner.split_once(':')?;
    let variable = variable.trim();
    let (mut id, mut value) = (None, None);
    for test in conjuncts(condition) {
        let words = split_list(&test, ' ');
        let [path, op, literal] = words.as_slice() else {
            return None;
        };
        if !op.eq_ignore_ascii_case("eq") {
            return None;
        }
        let literal = unquote(literal)?;
        match path.strip_prefix(variable)? {
            "/id" => id = Some(values::extended_id(&literal)?),
            "/value" => value = Some(literal),
            _ => return None,
        }
    }
    Some(Test::Extended {
        id: id?,
        value: value?,
    })
}

const PATHS: &[&str] = &[
    "iCalUId",
    "uid",
    "subject",
    "type",
    "isAllDay",
    "isCancelled",
    "isOrganizer",
    "importance",
    "sensitivity",
    "showAs",
    "start/dateTime",
    "end/dateTime",
    "createdDateTime",
    "lastModifiedDateTime",
    "seriesMasterId",
    "isOnlineMeeting",
    "organizer/emailAddress/address",
];

fn known_path(path: &str) -> Option<()> {
    PATHS.contains(&path).then_some(())
}

fn is_time(path: &str) -> bool {
    path.ends_with("dateTime") || path.ends_with("DateTime")
}

fn instant_of(event: &Event, path: &str) -> Option<DateTime<Utc>> {
    match path {
        "start/dateTime" => Some(event.content.start.utc),
        "end/dateTime" => Some(event.content.end.utc),
        "createdDateTime" => Some(event.created),
        "lastModifiedDateTime" => Some(event.modified),
        _ => None,
    }
}

fn field(event: &Event, path: &str) -> String {
    let c = &event.content;
    match path {
        "iCalUId" | "uid" => event.ical_uid.clone(),
        "subject" => c.subject.clone(),
        "type" => if event.recurrence.is_some() {
            "seriesMaster"
        } else {
            "singleInstance"
        }
        .into(),
        "isAllDay" => c.all_day.to_string(),
        "isCancelled" => c.cancelled.to_string(),
        "isOrganizer" => event.is_organizer.to_string(),
        "isOnlineMeeting" => c.online.to_string(),
        "importance" => c.importance.clone(),
        "sensitivity" => c.sensitivity.clone(),
        "showAs" => c.show_as.clone(),
        "organizer/emailAddress/address" => event.organizer.1.clone(),
        "seriesMasterId" => "null".into(),
        _ => String::new(),
    }
}

/// `$orderby`: a property and a direction.
pub(crate) fn order(query: &Query) -> Result<Option<(String, bool)>, GraphError> {
    let Some(text) = option(query, "$orderby") else {
        return Ok(None);
    };
    let first = split_list(text, ',').into_iter().next().unwrap_or_default();
    let words = split_list(&first, ' ');
    let path = words.first().cloned().unwrap_or_default();
    known_path(&path).ok_or_else(|| {
        GraphError::uri(format!(
            "Could not find a property named '{path}' on type 'Microsoft.OutlookServices.Event'."
        ))
    })?;
    let down = words.get(1).is_some_and(|d| d.eq_ignore_ascii_case("desc"));
    Ok(Some((path, down)))
}

pub(crate) fn compare(a: &Event, b: &Event, path: &str) -> Ordering {
    match (instant_of(a, path), instant_of(b, path)) {
        (Some(x), Some(y)) => x.cmp(&y),
        _ => field(a, path).cmp(&field(b, path)),
    }
}

/// `$expand`: the extended properties asked for, and the navigation properties.
#[derive(Debug, Default)]
pub(crate) struct Expand {
    pub extended: Vec<String>,
    pub others: Vec<String>,
}

pub(crate) fn expand(query: &Query) -> Result<Expand, GraphError> {
    let mut out = Expand::default();
    let Some(text) = option(query, "$expand") else {
        return Ok(out);
    };
    for part in split_list(text, ',') {
        let (name, options) = match part.split_once('(') {
            Some((name, rest)) => (name.trim(), rest.strip_suffix(')').unwrap_or(rest)),
            None => (part.as_str(), ""),
        };
        match name {
            "singleValueExtendedProperties" => {
                let filter = options.trim().strip_prefix("$filter=").ok_or_else(|| {
                    GraphError::bad(
                        "ErrorInvalidUrlQuery",
                        "singleValueExtendedProperties needs a $filter on id.",
                    )
                })?;
                // Several ids are joined by `or`.
                for word in split_list(filter, ' ') {
                    if let Some(id) = unquote(word.trim_matches(|c| c == '(' || c == ')')) {
                        out.extended.push(values::extended_id(&id).ok_or_else(|| {
                            GraphError::bad(
                                "ErrorInvalidProperty",
                                format!("The property id '{id}' is invalid."),
                            )
                        })?);
                    }
                }
            }
            "exceptionOccurrences" | "calendar" | "attachments" | "instances" | "extensions" => {
                out.others.push(name.to_owned());
            }
            other => {
                return Err(GraphError::uri(format!(
                    "Could not find a property named '{other}' on type 'Microsoft.OutlookServices.Event'."
                )));
            }
        }
    }
    Ok(out)
}

/// A window's instant: its own offset counts, none is UTC, `Prefer` does not matter.
pub(crate) fn window_time(value: &str, name: &str) -> Result<DateTime<Utc>, GraphError> {
    // A '+' that was not escaped has become a space.
    let text = value.trim().replace(' ', "+");
    if let Ok(t) = DateTime::parse_from_rfc3339(&text) {
        return Ok(t.with_timezone(&Utc));
    }
    values::parse_time(&text)
        .or_else(|| {
            text.parse::<chrono::NaiveDate>()
                .ok()
                .map(|d| d.and_time(chrono::NaiveTime::MIN))
        })
        .map(|t| t.and_utc())
        .ok_or_else(|| {
            GraphError::bad(
                "ErrorInvalidParameter",
                format!("The value '{value}' of parameter '{name}' is invalid."),
            )
        })
}

pub(crate) fn window(query: &[(String, String)]) -> Result<(DateTime<Utc>, DateTime<Utc>), GraphError> {
    let get = |name: &str| {
        let value = query
            .iter()
            .find(|(k, _)| k.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str());
        value.ok_or_else(|| {
            GraphError::request(format!(
                "This request requires a time window specified by the query string parameters StartDateTime and EndDateTime ({name} is missing)."
            ))
        })
    };
    let start = window_time(get("startDateTime")?, "StartDateTime")?;
    let end = window_time(get("endDateTime")?, "EndDateTime")?;
    if end < start {
        return Err(GraphError::bad(
            "ErrorInvalidParameter",
            "EndDateTime is before StartDateTime.",
        ));
    }
    if end - start > TimeDelta::days(1825) {
        return Err(GraphError::request(
            "Your request can't be completed. The range between the start and end dates is greater than the allowed range. Maximum number of days: 1825",
        ));
    }
    Ok((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefer_takes_a_list() {
        let p = prefer(Some(
            "outlook.timezone=\"Europe/Berlin\", IdType=\"ImmutableId\",odata.maxpagesize=7",
        ))
        .unwrap();
        assert!(p.immutable && p.zone.is_some() && p.page == Some(7));
        assert_eq!(
            prefer(Some("outlook.timezone=\"X\"")).unwrap_err().code,
            "TimeZoneNotSupportedException"
        );
    }

    #[test]
    fn filters() {
        let id = "String {66f5a359-4659-4830-9070-00047ec6ac6e} Name a and b";
        let text = format!(
            "singleValueExtendedProperties/Any(ep: ep/id eq '{id}' and ep/value eq 'it''s') and isAllDay eq false"
        );
        assert_eq!(Filter::parse(&text).unwrap().0.len(), 2);
        assert!(Filter::parse("nonsense eq 1").is_err());
        let organizer = Filter::parse("organizer/emailAddress/address eq 'ann@contoso.example'").unwrap_err();
        assert_eq!(organizer.code, "UnsupportedEntityExpression");
        assert!(Filter::parse("subject eq 'a' or subject eq 'b'").is_err());
        assert_eq!(Filter::parse("iCalUId eq '04'").unwrap().ical_uid(), Some("04"));
    }
}
