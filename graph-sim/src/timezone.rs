//! Zone names as Graph takes them: Windows or IANA, resolved to rules from the tz database.

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use windows_timezones::WindowsTimezone;

/// Resolves a Windows or an IANA name; `None` means Graph answers TimeZoneNotSupportedException.
pub(crate) fn resolve(name: &str) -> Option<Tz> {
    if name.eq_ignore_ascii_case("utc") || name.eq_ignore_ascii_case("tzone://Microsoft/Utc") {
        return Some(Tz::UTC);
    }
    if let Ok(windows) = name.parse::<WindowsTimezone>() {
        return windows.tzdb_id().parse().ok();
    }
    name.parse().ok()
}

/// The Windows name of a zone, where one exists.
pub(crate) fn windows_name(tz: Tz) -> Option<&'static str> {
    if tz == Tz::UTC {
        return Some("UTC");
    }
    WindowsTimezone::try_from(tz).ok().map(WindowsTimezone::name)
}

/// Do two names, whatever their dialect, stand for the same zone?
pub(crate) fn same_zone(a: &str, b: &str) -> bool {
    if a.eq_ignore_ascii_case(b) {
        return true;
    }
    match (resolve(a), resolve(b)) {
        (Some(x), Some(y)) => x == y || (windows_name(x).is_some() && windows_name(x) == windows_name(y)),
        _ => false,
    }
}

/// A wall-clock time to an instant. A time skipped by daylight saving moves forward by the gap, one that
/// occurs twice means the first: what Exchange does with such times.
pub(crate) fn to_utc(tz: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    match tz.from_local_datetime(&local) {
        LocalResult::Single(t) | LocalResult::Ambiguous(t, _) => t.with_timezone(&Utc),
        LocalResult::None => {
            let before = local - TimeDelta::hours(3);
            match tz.from_local_datetime(&before) {
                LocalResult::Single(t) | LocalResult::Ambiguous(t, _) => {
                    t.with_timezone(&Utc) + TimeDelta::hours(3)
                }
                LocalResult::None => Utc.from_utc_datetime(&local),
            }
        }
    }
}

pub(crate) fn to_local(tz: Tz, instant: DateTime<Utc>) -> NaiveDateTime {
    instant.with_timezone(&tz).naive_local()
}

/// Names for `supportedTimeZones`, in both dialects.
pub(crate) fn windows_names() -> Vec<&'static str> {
    let mut names: Vec<&'static str> = chrono_tz::TZ_VARIANTS
        .iter()
        .filter_map(|tz| windows_name(*tz))
        .collect();
    names.push("UTC");
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_dialects_resolve() {
        assert_eq!(resolve("Pacific Standard Time"), Some(Tz::America__Los_Angeles));
        assert_eq!(resolve("Europe/Berlin"), Some(Tz::Europe__Berlin));
        assert_eq!(resolve("Mars/Olympus"), None);
        assert!(same_zone("W. Europe Standard Time", "Europe/Berlin"));
        assert!(!same_zone("W. Europe Standard Time", "Europe/London"));
        assert!(windows_names().len() > 100);
    }

    #[test]
    fn the_gap_moves_forward() {
        let gap = chrono::NaiveDate::from_ymd_opt(2026, 3, 29).and_then(|d| d.and_hms_opt(2, 30, 0));
        let gap = gap.unwrap();
        assert_eq!(
            to_local(Tz::Europe__Berlin, to_utc(Tz::Europe__Berlin, gap)).to_string(),
            "2026-03-29 03:30:00"
        );
    }
}
