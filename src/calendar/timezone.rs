//! Names of time zones, and conversion of local times to instants.
//!
//! Graph returns the zone name that was written: an IANA name or a Windows name
//! (`originalStartTimeZone`); Exchange adds spellings of its own. Everything here becomes a
//! [`chrono_tz::Tz`], whose `name()` both Graph and Odoo accept.

use chrono::{DateTime, LocalResult, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use windows_timezones::WindowsTimezone;

/// Spellings that are neither in the IANA database nor in Unicode's list of Windows zones: zones
/// that Windows has withdrawn but old mailboxes still name, and Exchange's words for UTC.
const ALIASES: &[(&str, Tz)] = &[
    ("tzone://Microsoft/Utc", Tz::UTC),
    ("Coordinated Universal Time", Tz::UTC),
    ("Z", Tz::UTC),
    ("Kamchatka Standard Time", Tz::Asia__Kamchatka),
    ("Mid-Atlantic Standard Time", Tz::Etc__GMTPlus2),
    ("Armenian Standard Time", Tz::Asia__Yerevan),
    ("Mexico Standard Time", Tz::America__Mexico_City),
    ("Mexico Standard Time 2", Tz::America__Chihuahua),
];

/// Returns the zone of a name: an IANA name (aliases such as `Asia/Kolkata` included, in any case),
/// a Windows name (`W. Europe Standard Time`), or one of Exchange's words for UTC.
///
/// Returns `None` for a name without a zone: empty, unknown, or the custom rules that Exchange
/// calls `tzone://Microsoft/Custom` and `Customized Time Zone`.
pub fn iana(name: &str) -> Option<Tz> {
    let name = name.trim();
    name.parse()
        .ok()
        .or_else(|| alias(name))
        .or_else(|| name.parse::<WindowsTimezone>().ok()?.tzdb_id().parse().ok())
        .or_else(|| {
            TZ_VARIANTS
                .iter()
                .copied()
                .find(|tz| tz.name().eq_ignore_ascii_case(name))
        })
}

fn alias(name: &str) -> Option<Tz> {
    ALIASES
        .iter()
        .find(|(alias, _)| alias.eq_ignore_ascii_case(name))
        .map(|(_, tz)| *tz)
}

/// Converts a local time to an instant. A time that the zone skips (the clocks go forward) is moved
/// forward by the length of the gap. If a time occurs twice, the first one is taken. iCalendar
/// defines both (RFC 5545, 3.3.5).
pub fn to_utc(local: NaiveDateTime, tz: Tz) -> DateTime<Utc> {
    match tz.from_local_datetime(&local) {
        LocalResult::Single(at) => at.to_utc(),
        LocalResult::Ambiguous(a, b) => a.to_utc().min(b.to_utc()),
        LocalResult::None => {
            // The offset in force before the gap; the longest gap ever was a whole day (Samoa, 2011).
            let before = (1..=50)
                .find_map(|half_hours| {
                    let earlier = local.checked_sub_signed(TimeDelta::minutes(30 * half_hours))?;
                    tz.from_local_datetime(&earlier).latest()
                })
                .map_or(0, |at| at.offset().fix().local_minus_utc());
            local.and_utc() - TimeDelta::seconds(i64::from(before))
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{NaiveDate, Timelike};

    use super::*;

    /// All names in Unicode's list of Windows zones.
    const WINDOWS: &str = "Dateline Standard Time;UTC-11;Aleutian Standard Time;Hawaiian Standard Time;Marquesas Standard Time;Alaskan Standard Time;UTC-09;Pacific Standard Time (Mexico);UTC-08;Pacific Standard Time;US Mountain Standard Time;Mountain Standard Time (Mexico);Mountain Standard Time;Yukon Standard Time;Central America Standard Time;Central Standard Time;Easter Island Standard Time;Central Standard Time (Mexico);Canada Central Standard Time;SA Pacific Standard Time;Eastern Standard Time (Mexico);Eastern Standard Time;Haiti Standard Time;Cuba Standard Time;US Eastern Standard Time;Turks And Caicos Standard Time;Paraguay Standard Time;Atlantic Standard Time;Venezuela Standard Time;Central Brazilian Standard Time;SA Western Standard Time;Pacific SA Standard Time;Newfoundland Standard Time;Tocantins Standard Time;E. South America Standard Time;SA Eastern Standard Time;Argentina Standard Time;Greenland Standard Time;Montevideo Standard Time;Magallanes Standard Time;Saint Pierre Standard Time;Bahia Standard Time;UTC-02;Azores Standard Time;Cape Verde Standard Time;UTC;GMT Standard Time;Greenwich Standard Time;Sao Tome Standard Time;Morocco Standard Time;W. Europe Standard Time;Central Europe Standard Time;Romance Standard Time;Central European Standard Time;W. Central Africa Standard Time;Jordan Standard Time;GTB Standard Time;Middle East Standard Time;Egypt Standard Time;E. Europe Standard Time;Syria Standard Time;West Bank Standard Time;South Africa Standard Time;FLE Standard Time;Israel Standard Time;South Sudan Standard Time;Kaliningrad Standard Time;Sudan Standard Time;Libya Standard Time;Namibia Standard Time;Arabic Standard Time;Turkey Standard Time;Arab Standard Time;Belarus Standard Time;Russian Standard Time;E. Africa Standard Time;Iran Standard Time;Arabian Standard Time;Astrakhan Standard Time;Azerbaijan Standard Time;Russia Time Zone 3;Mauritius Standard Time;Saratov Standard Time;Georgian Standard Time;Volgograd Standard Time;Caucasus Standard Time;Afghanistan Standard Time;West Asia Standard Time;Ekaterinburg Standard Time;Pakistan Standard Time;Qyzylorda Standard Time;India Standard Time;Sri Lanka Standard Time;Nepal Standard Time;Central Asia Standard Time;Bangladesh Standard Time;Omsk Standard Time;Myanmar Standard Time;SE Asia Standard Time;Altai Standard Time;W. Mongolia Standard Time;North Asia Standard Time;N. Central Asia Standard Time;Tomsk Standard Time;China Standard Time;North Asia East Standard Time;Singapore Standard Time;W. Australia Standard Time;Taipei Standard Time;Ulaanbaatar Standard Time;Aus Central W. Standard Time;Transbaikal Standard Time;Tokyo Standard Time;North Korea Standard Time;Korea Standard Time;Yakutsk Standard Time;Cen. Australia Standard Time;AUS Central Standard Time;E. Australia Standard Time;AUS Eastern Standard Time;West Pacific Standard Time;Tasmania Standard Time;Vladivostok Standard Time;Lord Howe Standard Time;Bougainville Standard Time;Russia Time Zone 10;Magadan Standard Time;Norfolk Standard Time;Sakhalin Standard Time;Central Pacific Standard Time;Russia Time Zone 11;New Zealand Standard Time;UTC+12;Fiji Standard Time;Chatham Islands Standard Time;UTC+13;Tonga Standard Time;Samoa Standard Time;Line Islands Standard Time";

    /// The offset from UTC at every hour of two years.
    fn rules(tz: Tz) -> Vec<i32> {
        let start = NaiveDate::from_ymd_opt(2026, 1, 1)
            .unwrap()
            .and_hms_opt(0, 0, 0)
            .unwrap();
        (0..2 * 366 * 24)
            .map(|hour| {
                tz.offset_from_utc_datetime(&(start + TimeDelta::hours(hour)))
                    .fix()
                    .local_minus_utc()
            })
            .collect()
    }

    fn local(text: &str) -> NaiveDateTime {
        text.parse().unwrap()
    }

    #[test]
    fn every_windows_name_is_a_zone_and_keeps_its_rules_by_its_iana_name() {
        for name in WINDOWS.split(';') {
            let tz = iana(name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(rules(iana(tz.name()).unwrap()), rules(tz), "{name}");
        }
    }

    #[test]
    fn every_iana_name_is_itself() {
        for tz in TZ_VARIANTS {
            assert_eq!(iana(tz.name()), Some(tz));
        }
    }

    #[test]
    fn the_renamed_zones_have_the_rules_of_their_windows_zone() {
        for (name, windows) in [
            ("Asia/Kolkata", "India Standard Time"),
            ("Europe/Kyiv", "FLE Standard Time"),
            ("America/Argentina/Buenos_Aires", "Argentina Standard Time"),
            ("Asia/Kathmandu", "Nepal Standard Time"),
            ("Asia/Yangon", "Myanmar Standard Time"),
            ("Asia/Ho_Chi_Minh", "SE Asia Standard Time"),
            ("America/Indiana/Indianapolis", "US Eastern Standard Time"),
            ("Atlantic/Faroe", "GMT Standard Time"),
            ("America/Nuuk", "Greenland Standard Time"),
            ("Etc/UTC", "UTC"),
            ("Europe/Vienna", "W. Europe Standard Time"),
        ] {
            assert_eq!(
                rules(iana(name).unwrap()),
                rules(iana(windows).unwrap()),
                "{name}"
            );
        }
    }

    #[test]
    fn exchange_has_words_of_its_own() {
        assert_eq!(iana("tzone://Microsoft/Utc"), Some(Tz::UTC));
        assert_eq!(iana(" europe/berlin "), Some(Tz::Europe__Berlin));
        for nothing in [
            "",
            "tzone://Microsoft/Custom",
            "Customized Time Zone",
            "Mars/Olympus Mons",
            "+01:00",
        ] {
            assert_eq!(iana(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn a_skipped_time_moves_on_and_a_doubled_one_is_the_first() {
        let berlin = Tz::Europe__Berlin;
        assert_eq!(
            to_utc(local("2026-03-29T02:30:00"), berlin).naive_utc(),
            local("2026-03-29T01:30:00")
        );
        assert_eq!(
            to_utc(local("2026-10-25T02:30:00"), berlin).naive_utc(),
            local("2026-10-25T00:30:00")
        );
        assert_eq!(
            to_utc(local("2026-07-01T12:00:00"), berlin).naive_utc(),
            local("2026-07-01T10:00:00")
        );
        let samoa = to_utc(local("2011-12-30T12:00:00"), Tz::Pacific__Apia);
        assert_eq!(
            samoa.with_timezone(&Tz::Pacific__Apia).naive_local(),
            local("2011-12-31T12:00:00")
        );
        let troll = to_utc(local("2026-03-29T02:00:00"), Tz::Antarctica__Troll);
        assert_eq!(troll.with_timezone(&Tz::Antarctica__Troll).hour(), 4);
    }

    #[test]
    fn instants_come_back_from_local_time_in_every_zone() {
        let start = local("2026-01-01T00:00:00");
        for tz in TZ_VARIANTS {
            for step in 0..366 {
                let at = (start + TimeDelta::hours(step * 25)).and_utc();
                let wall = at.with_timezone(&tz).naive_local();
                let back = to_utc(wall, tz);
                assert!(back == at || tz.from_local_datetime(&wall).latest() == Some(at.with_timezone(&tz)));
            }
        }
    }
}
