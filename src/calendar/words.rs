//! Describes, for a person, what was done to an event.

use std::collections::BTreeSet;

use chrono::{DateTime, Month, TimeZone, Utc, Weekday};
use chrono_tz::Tz;

use super::event::{Address, Answer, Event, Privacy, ShowAs, Time};
use super::recurrence::{Days, End, Pattern, Position, Rule};
use crate::calendar::field::Group;

/// Describes a change of `groups` to `target`, as
/// `moved to Tue 24 Nov 2026, 14:00 to 15:00 (Europe/Brussels), title is now “Review”`. `before` is
/// the state before the change.
pub fn change(groups: &BTreeSet<Group>, before: &Event, target: &Event) -> String {
    let parts: Vec<String> = groups
        .iter()
        .filter_map(|group| part(*group, before, target))
        .collect();
    if parts.is_empty() {
        "brought up to date".to_owned()
    } else {
        parts.join(", ")
    }
}

fn part(group: Group, before: &Event, target: &Event) -> Option<String> {
    let quoted = |what: &str, value: &str| {
        if value.is_empty() {
            format!("{what} removed")
        } else {
            format!("{what} is now “{value}”")
        }
    };
    Some(match group {
        Group::Title => quoted("title", &target.title),
        Group::Body => "description changed".to_owned(),
        Group::Location => quoted("location", &target.location),
        Group::Time => format!("moved to {}", time(&target.time)),
        Group::Privacy => format!("privacy is now {}", privacy(target.privacy)),
        Group::ShowAs => format!("shown as {}", show_as(target.show_as)),
        Group::Reminder => target.reminder.map_or_else(
            || "reminder removed".to_owned(),
            |minutes| format!("reminder {minutes} minutes before"),
        ),
        Group::Video => quoted("video link", &target.video),
        Group::Online if target.online => "made a Teams meeting".to_owned(),
        Group::Online => "no longer a Teams meeting".to_owned(),
        Group::Attendees => return guests(before, target),
    })
}

fn guests(before: &Event, target: &Event) -> Option<String> {
    let addresses = |event: &Event| event.attendees.keys().cloned().collect::<BTreeSet<Address>>();
    let (old, new) = (addresses(before), addresses(target));
    let list = |set: Vec<&Address>| set.iter().map(|a| a.as_str()).collect::<Vec<_>>().join(", ");
    let added = list(new.difference(&old).collect());
    let removed = list(old.difference(&new).collect());
    let answers: Vec<String> = target
        .attendees
        .iter()
        .filter(|(address, now)| {
            before
                .attendees
                .get(address)
                .is_some_and(|then| then.answer != now.answer)
        })
        .map(|(address, now)| format!("{address} {}", answer(now.answer)))
        .collect();
    let parts: Vec<String> = [
        (!added.is_empty()).then(|| format!("invited {added}")),
        (!removed.is_empty()).then(|| format!("no longer invited {removed}")),
        (!answers.is_empty()).then(|| answers.join(", ")),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Describes when an event takes place, in the zone it was written in.
pub fn time(time: &Time) -> String {
    match time {
        Time::AllDay { start, end } => {
            let last = end.pred_opt().unwrap_or(*end).max(*start);
            if last == *start {
                start.format("%a %-d %b %Y").to_string()
            } else {
                format!("{} to {}", start.format("%a %-d %b"), last.format("%a %-d %b %Y"))
            }
        }
        Time::Timed { start, end, zone } => match zone.parse::<Tz>() {
            Ok(tz) => span(*start, *end, &tz, zone),
            Err(_) => span(*start, *end, &Utc, "UTC"),
        },
    }
}

fn span<Z: TimeZone>(start: DateTime<Utc>, end: DateTime<Utc>, zone: &Z, name: &str) -> String
where
    Z::Offset: std::fmt::Display,
{
    let (start, end) = (start.with_timezone(zone), end.with_timezone(zone));
    let until = if start.date_naive() == end.date_naive() {
        end.format("%H:%M").to_string()
    } else {
        end.format("%a %-d %b, %H:%M").to_string()
    };
    format!("{} to {until} ({name})", start.format("%a %-d %b %Y, %H:%M"))
}

/// Describes how a series repeats, as `every 2 weeks on Tue and Thu, until 31 Dec 2026`.
pub fn rule(rule: &Rule) -> String {
    let every = |unit: &str| match rule.interval.get() {
        1 => format!("every {unit}"),
        n => format!("every {n} {unit}s"),
    };
    let (every, when) = match rule.pattern {
        Pattern::Daily => (every("day"), String::new()),
        Pattern::Weekly { days, .. } => (every("week"), format!(" on {}", weekdays(days))),
        Pattern::MonthlyByDate { day, .. } => (every("month"), format!(" on day {day}")),
        Pattern::MonthlyByDay { position, days } => {
            (every("month"), format!(" on the {}", nth_day(position, days)))
        }
        Pattern::YearlyByDate { month, day, .. } => {
            (every("year"), format!(" on {day} {}", month_name(month)))
        }
        Pattern::YearlyByDay {
            month,
            position,
            days,
        } => (
            every("year"),
            format!(" on the {} of {}", nth_day(position, days), month_name(month)),
        ),
    };
    let end = match rule.end {
        End::Forever => String::new(),
        End::Count(count) if count.get() == 1 => ", once".to_owned(),
        End::Count(count) => format!(", {count} times"),
        End::Until(last) => format!(", until {}", last.format("%-d %b %Y")),
    };
    format!("{every}{when}{end}")
}

fn weekdays(days: Days) -> String {
    let names: Vec<String> = days.iter().map(|day| day.to_string()).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => "no day".to_owned(),
    }
}

fn nth_day(position: Position, days: Days) -> String {
    let nth = match position {
        Position::First => "first",
        Position::Second => "second",
        Position::Third => "third",
        Position::Fourth => "fourth",
        Position::Last => "last",
    };
    let all = |wanted: &[Weekday]| days == wanted.iter().copied().collect::<Days>();
    let workdays = [
        Weekday::Mon,
        Weekday::Tue,
        Weekday::Wed,
        Weekday::Thu,
        Weekday::Fri,
    ];
    let what = match days.len() {
        7 => "day".to_owned(),
        _ if all(&workdays) => "workday".to_owned(),
        _ if all(&[Weekday::Sat, Weekday::Sun]) => "day of a weekend".to_owned(),
        1 => weekdays(days),
        _ => format!("of {}", weekdays(days)),
    };
    format!("{nth} {what}")
}

fn month_name(month: u32) -> &'static str {
    let named = u8::try_from(month)
        .ok()
        .and_then(|month| Month::try_from(month).ok());
    named.map_or("?", |month| month.name())
}

fn privacy(privacy: Privacy) -> &'static str {
    match privacy {
        Privacy::Normal => "public",
        Privacy::Personal => "personal",
        Privacy::Private => "private",
        Privacy::Confidential => "confidential",
    }
}

fn show_as(show_as: ShowAs) -> &'static str {
    match show_as {
        ShowAs::Free => "free",
        ShowAs::Tentative => "tentative",
        ShowAs::Busy => "busy",
        ShowAs::OutOfOffice => "out of office",
        ShowAs::WorkingElsewhere => "working elsewhere",
        ShowAs::Unknown => "unknown",
    }
}

/// Returns a response as a verb: `accepted`.
pub fn answer(answer: Answer) -> &'static str {
    match answer {
        Answer::NeedsAction => "has not answered yet",
        Answer::Accepted => "accepted",
        Answer::Tentative => "may come",
        Answer::Declined => "declined",
    }
}

/// Describes the value of one group, for a conflict's line.
pub fn value(group: Group, event: &Event) -> String {
    match group {
        Group::Title => event.title.clone(),
        Group::Body => super::body::as_text(&event.body),
        Group::Location => event.location.clone(),
        Group::Time => time(&event.time),
        Group::Privacy => privacy(event.privacy).to_owned(),
        Group::ShowAs => show_as(event.show_as).to_owned(),
        Group::Reminder => event.reminder.map_or_else(
            || "none".to_owned(),
            |minutes| format!("{minutes} minutes before"),
        ),
        Group::Video => event.video.clone(),
        Group::Online => if event.online { "Teams" } else { "not online" }.to_owned(),
        Group::Attendees => event
            .attendees
            .keys()
            .map(Address::as_str)
            .collect::<Vec<_>>()
            .join(", "),
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;
    use crate::calendar::merge::tests::sample;

    #[test]
    fn a_move_is_told_in_the_events_own_zone() {
        let before = sample();
        let mut target = before.clone();
        target.time = Time::Timed {
            start: Utc.with_ymd_and_hms(2026, 11, 24, 13, 0, 0).unwrap(),
            end: Utc.with_ymd_and_hms(2026, 11, 24, 14, 0, 0).unwrap(),
            zone: "Europe/Brussels".into(),
        };
        target.title = "Quarterly review".into();
        let groups = BTreeSet::from([Group::Title, Group::Time]);
        assert_eq!(
            change(&groups, &before, &target),
            "title is now “Quarterly review”, moved to Tue 24 Nov 2026, 14:00 to 15:00 (Europe/Brussels)"
        );
    }

    #[test]
    fn a_rule_is_told_in_words() {
        let days = |of: &[Weekday]| of.iter().copied().collect::<Days>();
        let told = |pattern, interval: u32, end| {
            let interval = interval.try_into().unwrap();
            rule(&Rule {
                pattern,
                interval,
                end,
            })
        };
        let weekly = |of: &[Weekday]| Pattern::Weekly {
            days: days(of),
            week_start: Weekday::Mon,
        };
        assert_eq!(told(Pattern::Daily, 1, End::Forever), "every day");
        let three = weekly(&[Weekday::Mon, Weekday::Wed, Weekday::Fri]);
        assert_eq!(
            told(three, 1, End::Count(40.try_into().unwrap())),
            "every week on Mon, Wed and Fri, 40 times"
        );
        let last = NaiveDate::from_ymd_opt(2026, 12, 31).unwrap();
        assert_eq!(
            told(weekly(&[Weekday::Tue]), 2, End::Until(last)),
            "every 2 weeks on Tue, until 31 Dec 2026"
        );
        let by_day = |position, of: &[Weekday]| Pattern::MonthlyByDay {
            position,
            days: days(of),
        };
        let friday = by_day(Position::Last, &[Weekday::Fri]);
        assert_eq!(told(friday, 1, End::Forever), "every month on the last Fri");
        let weekend = by_day(Position::First, &[Weekday::Sat, Weekday::Sun]);
        assert_eq!(
            told(weekend, 3, End::Forever),
            "every 3 months on the first day of a weekend"
        );
        let skip = crate::calendar::recurrence::Skip::Omit;
        let yearly = Pattern::YearlyByDate {
            month: 3,
            day: 5,
            skip,
        };
        assert_eq!(
            told(yearly, 1, End::Count(1.try_into().unwrap())),
            "every year on 5 March, once"
        );
    }

    #[test]
    fn whole_days_and_guests() {
        let day = |d| NaiveDate::from_ymd_opt(2026, 11, d).unwrap();
        let all_day = |start, end| {
            time(&Time::AllDay {
                start: day(start),
                end: day(end),
            })
        };
        assert_eq!(all_day(24, 25), "Tue 24 Nov 2026");
        assert_eq!(all_day(24, 27), "Tue 24 Nov to Thu 26 Nov 2026");
        let before = sample();
        let mut target = before.clone();
        target.attendees.clear();
        let words = change(&BTreeSet::from([Group::Attendees]), &before, &target);
        assert!(
            before.attendees.is_empty() || words.starts_with("no longer invited "),
            "{words}"
        );
        assert_eq!(change(&BTreeSet::new(), &before, &target), "brought up to date");
    }
}
