//! Describes, for a person, what was done to an event.

use std::collections::BTreeSet;

use chrono::Weekday;

use super::event::{Address, Answer, Event, Privacy, ShowAs, Time};
use super::recurrence::{Days, End, Pattern, Position, Rule};
use crate::calendar::field::Group;
use crate::words::{Arg, MonthOfYear, Sentence, Span, Weekdays, say};

/// How English writes a day.
pub const DAY: &str = "%a %-d %b %Y";

/// Describes a change of `groups` to `target`, as
/// `moved to Tue 24 Nov 2026, 14:00 to 15:00 (Europe/Brussels), title is now “Review”`. `before` is
/// the state before the change.
pub fn change(groups: &BTreeSet<Group>, before: &Event, target: &Event) -> Arg {
    let parts: Vec<Sentence> = groups
        .iter()
        .flat_map(|group| part(*group, before, target))
        .collect();
    if parts.is_empty() {
        say::brought_up_to_date().into()
    } else {
        parts.into()
    }
}

fn part(group: Group, before: &Event, target: &Event) -> Vec<Sentence> {
    let one = match group {
        Group::Title if target.title.is_empty() => say::title_removed(),
        Group::Title => say::title_is_now(&target.title),
        Group::Body => say::description_changed(),
        Group::Location if target.location.is_empty() => say::location_removed(),
        Group::Location => say::location_is_now(&target.location),
        Group::Time => say::moved_to(time(&target.time)),
        Group::Privacy => say::privacy_is_now(privacy(target.privacy)),
        Group::ShowAs => say::shown_as(show_as(target.show_as)),
        Group::Reminder => target
            .reminder
            .map_or_else(say::reminder_removed, say::reminder_before),
        Group::Video if target.video.is_empty() => say::video_removed(),
        Group::Video => say::video_is_now(&target.video),
        Group::Online if target.online => say::made_online(),
        Group::Online => say::no_longer_online(),
        Group::Attendees => return guests(before, target),
    };
    vec![one]
}

fn guests(before: &Event, target: &Event) -> Vec<Sentence> {
    let addresses = |event: &Event| event.attendees.keys().cloned().collect::<BTreeSet<Address>>();
    let (old, new) = (addresses(before), addresses(target));
    let list = |set: Vec<&Address>| set.iter().map(|a| a.to_string()).collect::<Vec<_>>();
    let added = list(new.difference(&old).collect());
    let removed = list(old.difference(&new).collect());
    let answers = target
        .attendees
        .iter()
        .filter(|(address, now)| {
            before
                .attendees
                .get(address)
                .is_some_and(|then| then.answer != now.answer)
        })
        .map(|(address, now)| answer(address, now.answer));
    let changed = [
        (!added.is_empty()).then(|| say::invited(added)),
        (!removed.is_empty()).then(|| say::no_longer_invited(removed)),
    ];
    changed.into_iter().flatten().chain(answers).collect()
}

/// Describes when an event takes place. English says it in the zone it was written in. The template
/// that it is put into has the format of a single day.
pub fn time(time: &Time) -> Arg {
    match time {
        Time::AllDay { start, end } => {
            let last = end.pred_opt().unwrap_or(*end).max(*start);
            if last == *start {
                (*start).into()
            } else {
                say::days(*start, last).into()
            }
        }
        Time::Timed { start, end, zone } => Span::new(*start, *end, zone).into(),
    }
}

/// Describes how a series repeats, as `every 2 weeks on Tue and Thu, until 31 Dec 2026`.
pub fn rule(rule: &Rule) -> Sentence {
    type Every = (fn() -> Sentence, fn(u32) -> Sentence);
    let every = |(one, several): Every| match rule.interval.get() {
        1 => one(),
        n => several(n),
    };
    let months: Every = (say::every_month, say::every_months);
    let years: Every = (say::every_year, say::every_years);
    let repeats = match rule.pattern {
        Pattern::Daily => every((say::every_day, say::every_days)),
        Pattern::Weekly { days, .. } => {
            let every = every((say::every_week, say::every_weeks));
            say::on_weekdays(every, weekdays(days))
        }
        Pattern::MonthlyByDate { day, .. } => say::on_day_of_month(every(months), day),
        Pattern::MonthlyByDay { position, days } => say::on_nth(every(months), nth_day(position, days)),
        Pattern::YearlyByDate { month, day, .. } => say::on_date(every(years), day, MonthOfYear::new(month)),
        Pattern::YearlyByDay {
            month,
            position,
            days,
        } => say::on_nth_of_month(every(years), nth_day(position, days), MonthOfYear::new(month)),
    };
    match rule.end {
        End::Forever => repeats,
        End::Count(count) if count.get() == 1 => say::rule_once(repeats),
        End::Count(count) => say::rule_times(repeats, count.get()),
        End::Until(last) => say::rule_until(repeats, last),
    }
}

fn weekdays(days: Days) -> Weekdays {
    days.iter().collect()
}

fn nth_day(position: Position, days: Days) -> Sentence {
    let all = |wanted: &[Weekday]| days == wanted.iter().copied().collect::<Days>();
    let workdays = [
        Weekday::Mon,
        Weekday::Tue,
        Weekday::Wed,
        Weekday::Thu,
        Weekday::Fri,
    ];
    let what: Arg = match days.len() {
        7 => say::any_day().into(),
        _ if all(&workdays) => say::workday().into(),
        _ if all(&[Weekday::Sat, Weekday::Sun]) => say::weekend_day().into(),
        1 => weekdays(days).into(),
        _ => say::of_weekdays(weekdays(days)).into(),
    };
    match position {
        Position::First => say::nth_first(what),
        Position::Second => say::nth_second(what),
        Position::Third => say::nth_third(what),
        Position::Fourth => say::nth_fourth(what),
        Position::Last => say::nth_last(what),
    }
}

fn privacy(privacy: Privacy) -> Sentence {
    match privacy {
        Privacy::Normal => say::privacy_normal(),
        Privacy::Personal => say::privacy_personal(),
        Privacy::Private => say::privacy_private(),
        Privacy::Confidential => say::privacy_confidential(),
    }
}

fn show_as(show_as: ShowAs) -> Sentence {
    match show_as {
        ShowAs::Free => say::show_as_free(),
        ShowAs::Tentative => say::show_as_tentative(),
        ShowAs::Busy => say::show_as_busy(),
        ShowAs::OutOfOffice => say::show_as_out_of_office(),
        ShowAs::WorkingElsewhere => say::show_as_working_elsewhere(),
        ShowAs::Unknown => say::show_as_unknown(),
    }
}

/// Says a guest's response, as `ann@contoso.example accepted`.
pub fn answer(guest: &Address, answer: Answer) -> Sentence {
    let guest = guest.as_str();
    match answer {
        Answer::NeedsAction => say::has_not_answered(guest),
        Answer::Accepted => say::has_accepted(guest),
        Answer::Tentative => say::may_come(guest),
        Answer::Declined => say::has_declined(guest),
    }
}

/// Says the name that a person uses for a group.
pub fn group(group: Group) -> Sentence {
    match group {
        Group::Title => say::group_title(),
        Group::Body => say::group_body(),
        Group::Location => say::group_location(),
        Group::Time => say::group_time(),
        Group::Privacy => say::group_privacy(),
        Group::ShowAs => say::group_show_as(),
        Group::Reminder => say::group_reminder(),
        Group::Video => say::group_video(),
        Group::Online => say::group_online(),
        Group::Attendees => say::group_attendees(),
    }
}

/// Describes the value of one group, for a conflict's line.
pub fn value(group: Group, event: &Event) -> Arg {
    match group {
        Group::Title => (&event.title).into(),
        Group::Body => super::body::as_text(&event.body).into(),
        Group::Location => (&event.location).into(),
        Group::Time => time(&event.time),
        Group::Privacy => privacy(event.privacy).into(),
        Group::ShowAs => show_as(event.show_as).into(),
        Group::Reminder => event
            .reminder
            .map_or_else(say::no_reminder, say::minutes_before)
            .into(),
        Group::Video => (&event.video).into(),
        Group::Online if event.online => say::is_online().into(),
        Group::Online => say::is_not_online().into(),
        Group::Attendees => {
            let guests: Vec<&str> = event.attendees.keys().map(Address::as_str).collect();
            guests.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{NaiveDate, TimeZone, Utc};

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
            change(&groups, &before, &target).in_english(""),
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
            .to_string()
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
            .in_english(DAY)
        };
        assert_eq!(all_day(24, 25), "Tue 24 Nov 2026");
        assert_eq!(all_day(24, 27), "Tue 24 Nov to Thu 26 Nov 2026");
        let before = sample();
        let mut target = before.clone();
        target.attendees.clear();
        let words = change(&BTreeSet::from([Group::Attendees]), &before, &target).in_english("");
        assert!(
            before.attendees.is_empty() || words.starts_with("no longer invited "),
            "{words}"
        );
        assert_eq!(
            change(&BTreeSet::new(), &before, &target).in_english(""),
            "brought up to date"
        );
    }
}
