//! The web page: what a person would do in Outlook, by hand.

use crate::body_text::{escape, plain_text};
use crate::control::person_cause;
use crate::error::GraphError;
use crate::event::{Content, Event};
use crate::form::Pairs;
use crate::login::Screen;
use crate::meetings::Answer;
use crate::notifications;
use crate::page_form::{Fields, fields, input_time};
use crate::sim::Sim;
use crate::state::{Mailbox, Person, Target, World};
use crate::timezone;
use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

const STYLE: &str = "\
:root{--ink:#1f2328;--soft:#57606a;--line:#d0d7de;--blue:#0f6cbd;--back:#f6f8fa}\
*{box-sizing:border-box}body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--back);margin:0}\
header{background:#fff;border-bottom:1px solid var(--line);padding:.7rem 1.5rem;display:flex;gap:1.5rem;align-items:baseline}\
header b{color:var(--blue)}a{color:var(--blue);text-decoration:none}a:hover{text-decoration:underline}\
main{max-width:62rem;margin:1.5rem auto;padding:0 1.5rem}h1{font-size:1.5rem;margin:.2rem 0 1rem}h2{font-size:1.05rem;margin:1.6rem 0 .5rem;color:var(--soft)}\
.card{background:#fff;border:1px solid var(--line);border-radius:6px;padding:1rem 1.2rem;margin:.6rem 0}\
.event{display:grid;grid-template-columns:8.5rem 1fr auto;gap:.8rem;background:#fff;border:1px solid var(--line);border-left:4px solid var(--blue);border-radius:4px;padding:.45rem .9rem;margin:.35rem 0}\
.event.free{border-left-color:#8c959f}.event.tentative{border-left-style:dashed}.event.oof{border-left-color:#8250df}.event.cancelled .subject{text-decoration:line-through}\
small,.soft{color:var(--soft)}.tag{font-size:.8rem;background:#eaeef2;border-radius:9px;padding:.05rem .55rem;margin-left:.3rem}\
label{display:block;margin:.6rem 0}label.line{display:inline-flex;gap:.4rem;align-items:center;margin-right:1.2rem}label span{display:block;color:var(--soft);font-size:.9rem}\
input,select,textarea{font:inherit;padding:.4rem .55rem;border:1px solid #8c959f;border-radius:4px;width:100%;background:#fff}input[type=checkbox]{width:auto}\
.two{display:grid;grid-template-columns:1fr 1fr;gap:0 1rem}button{font:inherit;padding:.45rem 1.1rem;border:1px solid #8c959f;border-radius:4px;background:#fff;cursor:pointer;margin:.4rem .5rem .2rem 0}\
button.main{background:var(--blue);border-color:var(--blue);color:#fff}button.bad{color:#b42318;border-color:#b42318}\
table{border-collapse:collapse;width:100%;background:#fff}td,th{border:1px solid var(--line);padding:.35rem .6rem;text-align:left;vertical-align:top}th{color:var(--soft);font-weight:600}\
.error{background:#fff1f0;border:1px solid #b42318;border-radius:6px;padding:.6rem 1rem}nav{display:flex;gap:1rem;margin:.6rem 0}";

fn frame(title: &str, inner: &str) -> Screen {
    frame_status(200, title, inner)
}

fn frame_status(status: u16, title: &str, inner: &str) -> Screen {
    Screen::Html(
        status,
        format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{} - Simulated Outlook</title>\
<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><style>{STYLE}</style></head><body>\
<header><b>Simulated Outlook</b><a href=\"/\">Mailboxes</a><a href=\"/mails\">Mails</a></header><main>{inner}</main></body></html>",
            escape(title)
        ),
    )
}

fn not_found() -> Screen {
    frame_status(
        404,
        "Not found",
        "<h1>Not found</h1><p>There is no such page.</p>",
    )
}

fn failed(error: &GraphError) -> Screen {
    frame_status(
        error.status,
        "Not done",
        &format!(
            "<h1>Outlook did not do that</h1><p class=\"error\" id=\"error\"><b>{}</b>: {}</p><p><a href=\"javascript:history.back()\">Back</a></p>",
            escape(&error.code),
            escape(&error.message)
        ),
    )
}

pub(crate) fn handle(sim: &Arc<Sim>, method: &str, path: &[&str], form: &Pairs) -> Screen {
    match (method, path) {
        ("GET", []) => home(&sim.world()),
        ("GET", ["mails"]) => mails(&sim.world()),
        ("GET", ["mailbox", address]) => week(&sim.world(), address, None),
        ("GET", ["mailbox", address, "from", day]) => week(&sim.world(), address, day.parse().ok()),
        ("GET", ["mailbox", address, "event", id]) => detail(&sim.world(), address, id),
        ("POST", ["mailbox", address, "events"]) => {
            let done = create(&mut sim.world(), address, form);
            settle(sim, done, address)
        }
        ("POST", ["mailbox", address, "event", id]) => {
            let done = act(&mut sim.world(), address, id, form);
            settle(sim, done, address)
        }
        _ => not_found(),
    }
}

fn settle(sim: &Arc<Sim>, done: Result<(), GraphError>, address: &str) -> Screen {
    sim.changed();
    notifications::deliver(sim);
    match done {
        Ok(()) => Screen::Redirect(format!("/mailbox/{address}")),
        Err(e) => failed(&e),
    }
}

fn home(world: &World) -> Screen {
    let cards: String = world
        .people
        .iter()
        .map(|p| {
            let tenant = world.tenants.iter().find(|t| t.id == p.tenant).map_or("Personal account", |t| t.name.as_str());
            let count = world.mailbox(&p.address).map(|m| m.events.len()).unwrap_or(0);
            format!(
                "<div class=\"card\"><a href=\"/mailbox/{a}\"><b>{}</b></a> <small>{a}</small><br><small>{} &middot; {count} events &middot; {}</small></div>",
                escape(&p.name),
                escape(tenant),
                escape(&p.timezone),
                a = escape(&p.address)
            )
        })
        .collect();
    frame("Mailboxes", &format!("<h1>Mailboxes</h1>{cards}"))
}

fn mails(world: &World) -> Screen {
    let rows: String = world
        .mails
        .iter()
        .rev()
        .take(500)
        .map(|m| {
            format!(
                "<tr class=\"mail\"><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td><small>{} {} ({})</small></td></tr>",
                m.time.format("%Y-%m-%d %H:%M:%S"),
                escape(&m.kind),
                escape(&m.from),
                escape(&m.to),
                escape(&m.subject),
                escape(&m.cause.method),
                escape(m.cause.path.split('?').next().unwrap_or_default()).chars().take(60).collect::<String>(),
                escape(&m.cause.via)
            )
        })
        .collect();
    let body = if rows.is_empty() {
        "<p class=\"soft\">No mail so far.</p>".to_owned()
    } else {
        format!(
            "<table id=\"mails\"><tr><th>Time (UTC)</th><th>Kind</th><th>From</th><th>To</th><th>Subject</th><th>Cause</th></tr>{rows}</table>"
        )
    };
    frame("Mails", &format!("<h1>Mails Outlook would have sent</h1>{body}"))
}

fn zone(person: &Person) -> Tz {
    timezone::resolve(&person.timezone).unwrap_or(Tz::UTC)
}

/// Local begin and end; an all-day event's are its dates.
fn local(c: &Content, tz: Tz) -> (NaiveDateTime, NaiveDateTime) {
    if c.all_day {
        (c.start.utc.naive_utc(), c.end.utc.naive_utc())
    } else {
        (
            timezone::to_local(tz, c.start.utc),
            timezone::to_local(tz, c.end.utc),
        )
    }
}

fn entry(
    mailbox: &Mailbox,
    event: &Event,
    day: Option<NaiveDate>,
    c: &Content,
    tz: Tz,
    address: &str,
) -> String {
    let (start, end) = local(c, tz);
    let time = if c.all_day {
        "All day".to_owned()
    } else {
        format!("{} - {}", start.format("%H:%M"), end.format("%H:%M"))
    };
    let mut tags = String::new();
    let mut tag = |text: &str| tags.push_str(&format!("<span class=\"tag\">{}</span>", escape(text)));
    if event.recurrence.is_some() {
        tag("series");
    }
    if c.sensitivity != "normal" {
        tag(&c.sensitivity);
    }
    if c.online {
        tag("Teams");
    }
    if !event.is_organizer {
        tag(&c.response);
    }
    if c.cancelled {
        tag("canceled");
    }
    let place = c
        .locations
        .first()
        .and_then(|l| l["displayName"].as_str())
        .unwrap_or_default();
    let class = format!("{}{}", c.show_as, if c.cancelled { " cancelled" } else { "" });
    format!(
        "<div class=\"event {class}\"><span>{time}</span><span><a class=\"subject\" href=\"/mailbox/{a}/event/{}\">{}</a>{tags}<br><small>{}</small></span><small>{}</small></div>",
        mailbox.id_of(event, day, false),
        if c.subject.is_empty() {
            "(no subject)".to_owned()
        } else {
            escape(&c.subject)
        },
        escape(place),
        match c.attendees.len() {
            0 => String::new(),
            1 => "1 guest".to_owned(),
            n => format!("{n} guests"),
        },
        a = escape(address)
    )
}

fn week(world: &World, address: &str, from: Option<NaiveDate>) -> Screen {
    let (Some(person), Ok(mailbox)) = (world.person(address), world.mailbox(address)) else {
        return not_found();
    };
    let tz = zone(person);
    let today = timezone::to_local(tz, Utc::now()).date();
    // A week back and four ahead: enough to see what was just made.
    let first = from.unwrap_or(today - Days::new(7));
    let last = first + Days::new(35);
    let (begin, end): (DateTime<Utc>, DateTime<Utc>) = (
        timezone::to_utc(tz, first.and_time(chrono::NaiveTime::MIN)),
        timezone::to_utc(tz, last.and_time(chrono::NaiveTime::MIN)),
    );
    let mut days: BTreeMap<NaiveDate, Vec<(NaiveDateTime, String)>> = BTreeMap::new();
    for event in mailbox.events.values() {
        let slots: Vec<Option<NaiveDate>> = if event.recurrence.is_some() {
            event.in_window(begin, end).into_iter().map(Some).collect()
        } else if event.content.touches(begin, end) {
            vec![None]
        } else {
            Vec::new()
        };
        for slot in slots {
            let content = slot.map_or_else(|| event.content.clone(), |d| event.occurrence(d));
            let start = local(&content, tz).0;
            let line = entry(mailbox, event, slot, &content, tz, address);
            days.entry(start.date()).or_default().push((start, line));
        }
    }
    let mut list = String::new();
    for (day, mut entries) in days {
        entries.sort();
        let mark = if day == today { " (today)" } else { "" };
        list.push_str(&format!("<h2>{}{mark}</h2>", day.format("%A, %-d %B %Y")));
        entries.into_iter().for_each(|(_, line)| list.push_str(&line));
    }
    if list.is_empty() {
        list = "<p class=\"soft\">No events in these weeks.</p>".into();
    }
    let at = today.and_hms_opt(9, 0, 0).unwrap_or_default() + TimeDelta::days(1);
    let a = escape(address);
    let inner = format!(
        "<h1>{}</h1><p class=\"soft\">{a} &middot; times in {}</p>\
<nav><a href=\"/mailbox/{a}/from/{}\">Earlier</a><a href=\"/mailbox/{a}\">Now</a><a href=\"/mailbox/{a}/from/{}\">Later</a></nav>\
<details class=\"card\" id=\"new-event\" open><summary><b>New event</b></summary>\
<form id=\"new-event-form\" method=\"post\" action=\"/mailbox/{a}/events\">{}\
<button class=\"main\" id=\"create\" type=\"submit\">Create</button></form></details><div id=\"events\">{list}</div>",
        escape(&person.name),
        escape(&person.timezone),
        first - Days::new(35),
        last,
        fields(
            &Fields {
                start: input_time(at),
                end: input_time(at + TimeDelta::minutes(30)),
                ..Fields::default()
            },
            false
        )
    );
    frame(&person.name, &inner)
}

fn detail(world: &World, address: &str, id: &str) -> Screen {
    let (Some(person), Ok(mailbox)) = (world.person(address), world.mailbox(address)) else {
        return not_found();
    };
    let Ok(target) = mailbox.find(id) else {
        return frame_status(
            404,
            "Gone",
            "<h1>Gone</h1><p>There is no such event in this mailbox.</p>",
        );
    };
    let Some(event) = mailbox.events.get(&target.key) else {
        return not_found();
    };
    let c = target
        .day
        .map_or_else(|| event.content.clone(), |d| event.occurrence(d));
    let tz = zone(person);
    let (start, mut end) = local(&c, tz);
    if c.all_day {
        end -= TimeDelta::days(1);
    }
    let guests = c
        .attendees
        .iter()
        .map(|a| a.address.as_str())
        .collect::<Vec<_>>()
        .join(", ");
    let text = plain_text(&c.body);
    let f = Fields {
        subject: c.subject.clone(),
        start: input_time(start),
        end: input_time(end),
        all_day: c.all_day,
        location: c
            .locations
            .first()
            .and_then(|l| l["displayName"].as_str())
            .unwrap_or_default()
            .to_owned(),
        attendees: guests,
        body: text.clone(),
        sensitivity: c.sensitivity.clone(),
        show_as: c.show_as.clone(),
        teams: c.online,
    };
    let a = escape(address);
    let answers: String = c
        .attendees
        .iter()
        .map(|g| {
            format!(
                "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
                escape(&g.name),
                escape(&g.address),
                escape(&g.response)
            )
        })
        .collect();
    let list = if answers.is_empty() {
        String::new()
    } else {
        format!(
            "<h2>Guests</h2><table id=\"guests\"><tr><th>Name</th><th>Address</th><th>Answer</th></tr>{answers}</table>"
        )
    };
    let respond = if event.is_organizer || c.cancelled {
        String::new()
    } else {
        "<div class=\"card\"><b>Answer the invitation</b><br>\
<label><span>Comment</span><input name=\"comment\" id=\"comment\"></label>\
<button id=\"accept\" name=\"action\" value=\"accept\">Accept</button>\
<button id=\"tentative\" name=\"action\" value=\"tentative\">Tentative</button>\
<button id=\"decline\" name=\"action\" value=\"decline\">Decline</button></div>"
            .to_owned()
    };
    let series = match (target.day, &event.recurrence) {
        (Some(_), _) => format!(
            "<p>One of a series. <a id=\"series\" href=\"/mailbox/{a}/event/{}\">Open the series</a></p>",
            event.rest_id
        ),
        (None, Some(_)) => "<p>This is a whole series: changes go to all its occurrences.</p>".to_owned(),
        _ => String::new(),
    };
    let inner = format!(
        "<h1>{}</h1><p class=\"soft\">Organizer: {} &lt;{}&gt; &middot; {} &middot; {}</p>{series}\
<form id=\"event-form\" method=\"post\" action=\"/mailbox/{a}/event/{}\"><input type=\"hidden\" name=\"old_body\" value=\"{}\"><div class=\"card\">{}\
<button class=\"main\" id=\"save\" name=\"action\" value=\"save\">Save</button>\
<button class=\"bad\" id=\"delete\" name=\"action\" value=\"delete\">Delete</button></div>{respond}</form>{list}\
<p><a href=\"/mailbox/{a}\">Back to the calendar</a></p>",
        escape(&c.subject),
        escape(&event.organizer.0),
        escape(&event.organizer.1),
        escape(&c.response),
        if c.cancelled { "canceled" } else { "as planned" },
        mailbox.id_of(event, target.day, false),
        escape(&text),
        fields(&f, true)
    );
    frame(&c.subject, &inner)
}

fn value<'a>(form: &'a Pairs, name: &str) -> &'a str {
    form.iter().find(|(k, _)| k == name).map_or("", |(_, v)| v.trim())
}

/// The form as the Graph body a person's click stands for.
fn body_of(form: &Pairs, person: &Person) -> Result<Map<String, Value>, GraphError> {
    let all_day = value(form, "allday") == "1";
    let time = |name: &str| -> Result<NaiveDateTime, GraphError> {
        let text = value(form, name);
        crate::values::parse_time(text)
            .or_else(|| {
                text.parse::<NaiveDate>()
                    .ok()
                    .map(|d| d.and_time(chrono::NaiveTime::MIN))
            })
            .ok_or_else(|| GraphError::request(format!("'{text}' is not a date and time.")))
    };
    let (mut start, mut end) = (time("start")?, time("end")?);
    if all_day {
        start = start.date().and_time(chrono::NaiveTime::MIN);
        // People name the last day; Outlook keeps the day after.
        end = end.date().and_time(chrono::NaiveTime::MIN) + TimeDelta::days(1);
    }
    let at = |t: NaiveDateTime| json!({"dateTime": t.format("%Y-%m-%dT%H:%M:%S").to_string(), "timeZone": person.timezone});
    let guests: Vec<Value> = value(form, "attendees")
        .split([',', ';'])
        .map(str::trim)
        .filter(|a| !a.is_empty())
        .map(|a| json!({"type": "required", "emailAddress": {"address": a}}))
        .collect();
    let mut out = Map::new();
    out.insert("subject".into(), value(form, "subject").into());
    out.insert("start".into(), at(start));
    out.insert("end".into(), at(end));
    out.insert("isAllDay".into(), all_day.into());
    out.insert("location".into(), json!({"displayName": value(form, "location")}));
    out.insert("attendees".into(), guests.into());
    for (name, property) in [("showas", "showAs"), ("sensitivity", "sensitivity")] {
        if !value(form, name).is_empty() {
            out.insert(property.into(), value(form, name).into());
        }
    }
    if value(form, "body") != value(form, "old_body") {
        out.insert(
            "body".into(),
            json!({"contentType": "text", "content": value(form, "body")}),
        );
    }
    if value(form, "teams") == "1" {
        out.insert("isOnlineMeeting".into(), true.into());
    }
    Ok(out)
}

fn person_of(world: &World, address: &str) -> Result<Person, GraphError> {
    world.person(address).cloned().ok_or_else(GraphError::not_found)
}

fn create(world: &mut World, address: &str, form: &Pairs) -> Result<(), GraphError> {
    let person = person_of(world, address)?;
    let body = body_of(form, &person)?;
    world.create(
        address,
        None,
        &body,
        &person_cause("POST", &format!("/mailbox/{address}/events")),
    )?;
    Ok(())
}

/// Drops from a body what stays as it is: Outlook sends what the person changed.
fn only_changes(body: &mut Map<String, Value>, world: &World, address: &str, target: Target, tz: Tz) {
    let Ok(mailbox) = world.mailbox(address) else {
        return;
    };
    let Some(event) = mailbox.events.get(&target.key) else {
        return;
    };
    let c = target
        .day
        .map_or_else(|| event.content.clone(), |d| event.occurrence(d));
    let (start, end) = local(&c, tz);
    let same_time = |v: Option<&Value>, t: NaiveDateTime| {
        v.and_then(|v| v["dateTime"].as_str())
            .and_then(crate::values::parse_time)
            == Some(t)
    };
    let all_day = body.get("isAllDay").and_then(Value::as_bool);
    if same_time(body.get("start"), start) && same_time(body.get("end"), end) && all_day == Some(c.all_day) {
        ["start", "end", "isAllDay"].iter().for_each(|n| {
            body.remove(*n);
        });
    }
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let (subject, show_as, sensitivity) = (text("subject"), text("showAs"), text("sensitivity"));
    let place = c
        .locations
        .first()
        .and_then(|l| l["displayName"].as_str())
        .unwrap_or_default();
    let same_place = body.get("location").and_then(|l| l["displayName"].as_str()) == Some(place);
    let guests: Vec<String> = body
        .get("attendees")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|a| a["emailAddress"]["address"].as_str().map(str::to_lowercase))
        .collect();
    let known: Vec<String> = c.attendees.iter().map(|a| a.address.to_lowercase()).collect();
    let unchanged = [
        ("subject", subject.as_deref() == Some(&c.subject)),
        ("showAs", show_as.as_deref() == Some(&c.show_as)),
        ("sensitivity", sensitivity.as_deref() == Some(&c.sensitivity)),
        ("location", same_place),
        ("attendees", guests == known),
    ];
    for (name, same) in unchanged {
        if same {
            body.remove(name);
        }
    }
    // Guests keep the part they had.
    if let Some(list) = body.get_mut("attendees").and_then(Value::as_array_mut) {
        for guest in list {
            let address = guest["emailAddress"]["address"]
                .as_str()
                .unwrap_or_default()
                .to_lowercase();
            if let Some(a) = c.attendees.iter().find(|a| a.address.to_lowercase() == address) {
                guest["type"] = a.kind.clone().into();
                guest["emailAddress"]["name"] = a.name.clone().into();
            }
        }
    }
}

fn act(world: &mut World, address: &str, id: &str, form: &Pairs) -> Result<(), GraphError> {
    let person = person_of(world, address)?;
    let target = world.mailbox(address)?.find(id)?;
    let cause = person_cause("POST", &format!("/mailbox/{address}/event/{id}"));
    let comment = Some(value(form, "comment")).filter(|c| !c.is_empty());
    match value(form, "action") {
        "delete" => world.delete(address, target, None, "", &cause),
        "save" | "" => {
            let mut body = body_of(form, &person)?;
            only_changes(&mut body, world, address, target, zone(&person));
            if body.is_empty() {
                Ok(())
            } else {
                world.patch(address, target, &body, None, &cause)
            }
        }
        word => {
            let answer = Answer::parse(word).ok_or_else(|| GraphError::request("Unknown action."))?;
            world.respond(address, target, answer, comment, true, None, &cause)
        }
    }
}
