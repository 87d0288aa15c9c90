//! An event as the control API shows it, with its occurrences and exceptions.

use crate::event::Event;
use crate::event_view::Prefer;
use crate::state::{Mailbox, Target};
use chrono::TimeDelta;
use serde_json::{Value, json};

/// The first occurrences of a series as they are: what a person would see in the calendar.
fn occurrences(mailbox: &Mailbox, event: &Event) -> Vec<Value> {
    const MOST: usize = 400;
    let first = event.content.start.utc;
    let days = event.in_window(first - TimeDelta::days(400), first + TimeDelta::days(5 * 366));
    let shown = days.into_iter().take(MOST).map(|day| {
        let view = mailbox.view(event, Some(day), false, true).json(&Prefer::default());
        let take = |name: &str| view.get(name).cloned().unwrap_or_default();
        json!({"date": day.to_string(), "id": take("id"), "subject": take("subject"), "start": take("start"), "end": take("end"),
               "attendees": take("attendees")})
    });
    shown.collect()
}

/// Returns everything about an event as the control API shows it, with times in UTC.
pub fn dump(mailbox: &Mailbox, target: Target) -> Value {
    let Some(event) = mailbox.events.get(&target.key) else {
        return Value::Null;
    };
    let view = mailbox.view(event, target.day, false, true);
    let mut out = view.json(&Prefer::default());
    out.insert(
        "immutableId".into(),
        mailbox.id_of(event, target.day, true).into(),
    );
    out.insert(
        "calendar".into(),
        mailbox
            .calendar(&event.calendar)
            .map(|c| c.name.clone())
            .unwrap_or_default()
            .into(),
    );
    let extended: Vec<Value> = event
        .extended
        .iter()
        .map(|(id, value)| json!({"id": id, "value": value}))
        .collect();
    out.insert("singleValueExtendedProperties".into(), json!(extended));
    let attached: Vec<Value> = view
        .content()
        .attachments
        .iter()
        .map(|one| json!({"key": one.key, "name": one.name, "size": one.size, "isInline": one.inline, "contentId": one.content_id}))
        .collect();
    out.insert("attachments".into(), json!(attached));
    if target.day.is_none() && event.recurrence.is_some() {
        let cancelled: Vec<String> = event.deleted.iter().map(ToString::to_string).collect();
        out.insert("cancelledDates".into(), json!(cancelled));
        let exceptions: Vec<Value> = event
            .exceptions
            .keys()
            .map(|day| {
                dump(
                    mailbox,
                    Target {
                        key: target.key,
                        day: Some(*day),
                    },
                )
            })
            .collect();
        out.insert("exceptions".into(), json!(exceptions));
        out.insert("occurrences".into(), json!(occurrences(mailbox, event)));
    }
    out.insert("originalStart".into(), json!(view.original_start()));
    Value::Object(out)
}
