//! Events whose time zone has no name, and dates that may be in a zone or in UTC.

use serde_json::{Value, json};

use super::odoo::Odoo;
use super::stack::{ANN, Stack};
use super::world::{World, kinds};

const BEN: &str = super::stack::BEN;
const BRUSSELS: &str = "Europe/Brussels";
const NAMES: [&str; 3] = ["tzone://Microsoft/Custom", "Customized Time Zone", " "];

/// Returns a weekly series of four Mondays around the end of March 2027, as made in Outlook.
fn mondays(subject: &str, zone: &str) -> Value {
    json!({"subject": subject, "attendees": [{"type": "required", "emailAddress": {"address": BEN}}],
        "start": {"dateTime": "2027-03-15T10:00:00", "timeZone": zone}, "end": {"dateTime": "2027-03-15T11:00:00", "timeZone": zone},
        "recurrence": {"pattern": {"type": "weekly", "interval": 1, "daysOfWeek": ["monday"]},
            "range": {"type": "numbered", "startDate": "2027-03-15", "numberOfOccurrences": 4}}})
}

/// Returns Ann's mailbox with these events. Those after the first `named` have a zone called
/// `name`. Then she connects.
async fn with_events(name: &str, named: usize, events: Vec<Value>) -> World {
    let stack = Stack::start().await;
    for (number, event) in events.into_iter().enumerate() {
        let name = if number < named { "" } else { name };
        stack
            .sim_call("PUT", "switches", json!({ "names_no_zone": name }))
            .await;
        stack
            .sim_call("POST", &format!("mailboxes/{ANN}/events"), event)
            .await;
    }
    let service = stack.serve().await;
    let odoo = Odoo::pair(&service).await;
    let mut w = World { stack, service, odoo };
    w.odoo.connect(&w.stack, &w.service, 7).await.expect("connected");
    w.quiet().await;
    w.forget_mails().await;
    w.stack.sim_call("DELETE", "requests", Value::Null).await;
    w
}

fn single(subject: &str, zone: &str) -> Value {
    json!({"subject": subject, "start": {"dateTime": "2027-04-14T10:00:00", "timeZone": zone},
        "end": {"dateTime": "2027-04-14T11:00:00", "timeZone": zone}})
}

async fn in_outlook(w: &World, subject: &str) -> (Value, Vec<String>) {
    let event = w.stack.event(ANN, subject).await.expect("it is in Outlook");
    let occurrences = event["occurrences"].as_array().cloned().unwrap_or_default();
    let start = |o: &Value| o["start"]["dateTime"].as_str().unwrap()[..16].to_owned();
    let starts = occurrences.iter().map(start).collect();
    (event, starts)
}

fn in_odoo(w: &World, id: i64) -> Vec<String> {
    let occurrences = w.odoo.occurrences(id);
    occurrences
        .iter()
        .map(|(_, o)| o["start"].as_str().unwrap().to_owned())
        .collect()
}

/// Counts the mailbox events of a series that the service knows as repeating in a zone.
async fn repeating_in(w: &World, title: &str, zone: &str) -> i64 {
    let master = "state -> 'master'";
    w.count(&format!(
        "copies WHERE {master} ->> 'title' = '{title}' AND {master} -> 'time' ->> 'zone' = '{zone}'"
    ))
    .await
}

async fn writes(w: &World) -> usize {
    let path = format!("requests?mailbox={ANN}&method=PATCH");
    let requests = w.stack.sim_call("GET", &path, Value::Null).await;
    requests["value"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_in_a_zone_without_a_name_keeps_its_hours_when_the_clocks_change() {
    for name in NAMES {
        let others = vec![
            single("Other", BRUSSELS),
            single("Elsewhere", "Pacific Standard Time"),
            mondays("Phone", BRUSSELS),
        ];
        let mut w = with_events(name, 2, others).await;
        let id = w.odoo.series_by_name("Phone").expect("one series");
        let hours = [
            "2027-03-15 09:00:00",
            "2027-03-22 09:00:00",
            "2027-03-29 08:00:00",
            "2027-04-05 08:00:00",
        ];
        assert_eq!(in_odoo(&w, id), hours, "{name}");
        assert_eq!(repeating_in(&w, "Phone", BRUSSELS).await, 1, "{name}");

        // Title and place change no time, and neither does a change of other properties in Outlook.
        w.odoo
            .set_series(id, &json!({"name": "Telephone", "location": "Attic"}));
        w.quiet().await;
        let (event, starts) = in_outlook(&w, "Telephone").await;
        assert_eq!(event["location"]["displayName"], "Attic");
        assert_eq!(event["originalStartTimeZone"], name.trim(), "no time was written");
        let told = [
            "2027-03-15T09:00",
            "2027-03-22T09:00",
            "2027-03-29T08:00",
            "2027-04-05T08:00",
        ];
        assert_eq!(starts, told, "{name}");
        assert_eq!(writes(&w).await, 1);
        w.outlook_edits(ANN, &event, json!({"subject": "Phone again"}))
            .await;
        w.quiet().await;
        assert_eq!(in_odoo(&w, id), hours);
        w.forget_mails().await;

        // Another hour: Microsoft gets a zone that it knows, and the hours are right before and
        // after the change.
        w.odoo.shift_series(id, 30);
        w.quiet().await;
        let (event, starts) = in_outlook(&w, "Phone again").await;
        let told = [
            "2027-03-15T09:30",
            "2027-03-22T09:30",
            "2027-03-29T08:30",
            "2027-04-05T08:30",
        ];
        assert_eq!(starts, told, "{name}");
        assert_eq!(event["originalStartTimeZone"], BRUSSELS);
        assert_eq!(kinds(&w.stack.mails().await), [("update", BEN)], "{name}");
        assert_eq!(writes(&w).await, 2, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_zone_is_the_one_with_the_hours_that_outlook_lists() {
    // Most of the mailbox is in New York, where summer time begins on another day.
    let events = vec![
        single("One", "Eastern Standard Time"),
        single("Two", "Eastern Standard Time"),
        single("Three", BRUSSELS),
        mondays("Phone", BRUSSELS),
        json!({"subject": "Late", "start": {"dateTime": "2027-03-14T10:00:00", "timeZone": BRUSSELS},
            "end": {"dateTime": "2027-03-14T10:30:00", "timeZone": BRUSSELS},
            "recurrence": {"pattern": {"type": "daily", "interval": 10},
                "range": {"type": "numbered", "startDate": "2027-03-14", "numberOfOccurrences": 30}}}),
    ];
    let mut w = with_events(NAMES[0], 3, events).await;
    for subject in ["Phone", "Late"] {
        let id = w.odoo.series_by_name(subject).expect("one series");
        assert_eq!(repeating_in(&w, subject, BRUSSELS).await, 1, "{subject}");
        let (_, starts) = in_outlook(&w, subject).await;
        let of_odoo: Vec<String> = in_odoo(&w, id)
            .iter()
            .map(|start| start[..16].replace(' ', "T"))
            .collect();
        assert_eq!(of_odoo, starts, "{subject}");
    }
    // The zone that was found is not looked for again.
    let asked = w
        .stack
        .sim_call("GET", "requests?path=$orderby", Value::Null)
        .await;
    assert_eq!(asked["value"], json!([]));
    let (event, _) = in_outlook(&w, "Late").await;
    w.outlook_edits(ANN, &event, json!({"subject": "Later"})).await;
    w.quiet().await;
    assert!(w.odoo.series_by_name("Later").is_some());
    let asked = w
        .stack
        .sim_call("GET", "requests?path=$orderby", Value::Null)
        .await;
    assert_eq!(asked["value"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_zone_to_go_by_each_occurrence_is_synced_by_itself() {
    let mut w = with_events(NAMES[1], 0, vec![mondays("Phone", BRUSSELS)]).await;
    assert_eq!(w.odoo.series_by_name("Phone"), None);
    let starts = |w: &World| {
        let mut starts: Vec<String> = w
            .odoo
            .records
            .values()
            .filter(|r| r["name"] == "Phone" && r["active"] == true)
            .map(|r| r["start"].as_str().unwrap().to_owned())
            .collect();
        starts.sort();
        starts
    };
    let hours = [
        "2027-03-15 09:00:00",
        "2027-03-22 09:00:00",
        "2027-03-29 08:00:00",
        "2027-04-05 08:00:00",
    ];
    assert_eq!(starts(&w), hours);
    let journal = w
        .odoo
        .call(&w.service, 7, "outlook.bridge", "journal", json!({"limit": 50}))
        .await
        .unwrap();
    assert!(
        journal.to_string().contains("its time zone has no name"),
        "{journal}"
    );

    // Once the mailbox names a zone, the next change makes it one series.
    w.stack
        .sim_call("PUT", "switches", json!({"names_no_zone": ""}))
        .await;
    w.stack
        .sim_call(
            "POST",
            &format!("mailboxes/{ANN}/events"),
            single("Named", BRUSSELS),
        )
        .await;
    let (event, _) = in_outlook(&w, "Phone").await;
    w.outlook_edits(ANN, &event, json!({"location": {"displayName": "Attic"}}))
        .await;
    w.quiet().await;
    let id = w.odoo.series_by_name("Phone").expect("one series");
    assert_eq!(in_odoo(&w, id), hours);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_event_in_a_zone_without_a_name_is_not_moved() {
    for name in NAMES {
        let mut w = with_events(name, 0, vec![single("Once", BRUSSELS)]).await;
        let id = w.odoo.by_name("Once").unwrap()["id"].as_i64().unwrap();
        assert_eq!(w.odoo.records[&id]["start"], "2027-04-14 08:00:00");
        w.odoo
            .write(id, json!({"name": "Once more", "location": "Attic"}));
        w.quiet().await;
        let (event, _) = in_outlook(&w, "Once more").await;
        assert_eq!(event["start"]["dateTime"], "2027-04-14T08:00:00.0000000");
        assert_eq!(event["originalStartTimeZone"], name.trim(), "no time was written");
        w.odoo.write(
            id,
            json!({"start": "2027-04-14 09:00:00", "stop": "2027-04-14 10:00:00"}),
        );
        w.quiet().await;
        let (event, _) = in_outlook(&w, "Once more").await;
        assert_eq!(event["start"]["dateTime"], "2027-04-14T09:00:00.0000000");
        assert_eq!(
            event["originalStartTimeZone"], "Europe/Brussels",
            "the zone that Odoo's event has"
        );
    }
}

/// Returns a series at an hour that is another day in UTC, daily or every Monday, around the end of
/// March 2027.
fn nights(rhythm: &str) -> Value {
    json!({"subject": "Night", "attendees": [{"type": "required", "emailAddress": {"address": BEN}}],
        "start": {"dateTime": "2027-03-22T00:30:00", "timeZone": BRUSSELS}, "end": {"dateTime": "2027-03-22T01:00:00", "timeZone": BRUSSELS},
        "recurrence": {"pattern": {"type": rhythm, "interval": 1, "daysOfWeek": ["monday"]},
            "range": {"type": "numbered", "startDate": "2027-03-22", "numberOfOccurrences": 12}}})
}

async fn nth(w: &World, n: usize) -> Value {
    let (event, _) = in_outlook(w, "Night").await;
    event["occurrences"][n].clone()
}

fn as_odoo_has_it(starts: &[String]) -> Vec<String> {
    starts
        .iter()
        .map(|at| format!("{}:00", at.replace('T', " ")))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_out_or_changed_is_the_right_one_whichever_dates_the_ids_have() {
    for (utc, rhythm) in [(false, "daily"), (true, "daily"), (true, "weekly")] {
        let mut w = with_events("", 0, vec![nights(rhythm)]).await;
        w.stack
            .sim_call("PUT", "switches", json!({"occurrence_dates_in_utc": utc}))
            .await;
        let id = w.odoo.series_by_name("Night").expect("one series");
        let about = format!("{rhythm} {utc}");
        // In Outlook one is deleted, and later another one is renamed.
        let one = nth(&w, 3).await;
        w.outlook_deletes(ANN, &one).await;
        w.quiet().await;
        let (_, starts) = in_outlook(&w, "Night").await;
        assert_eq!(
            in_odoo(&w, id),
            as_odoo_has_it(&starts),
            "{about}: deleted in Outlook"
        );
        let one = nth(&w, 7).await;
        w.outlook_edits(ANN, &one, json!({"subject": "Special"})).await;
        w.quiet().await;
        let names = |w: &World| -> Vec<String> {
            let own = w
                .odoo
                .occurrences(id)
                .into_iter()
                .filter(|(_, o)| o["name"] == "Special");
            own.map(|(_, o)| o["start"].as_str().unwrap().to_owned())
                .collect()
        };
        assert_eq!(names(&w), as_odoo_has_it(&starts[7..8]), "{about}");
        // The same in Odoo.
        w.odoo.set_there(id, 1, false);
        w.quiet().await;
        let mut kept = starts.clone();
        kept.remove(1);
        let (_, starts) = in_outlook(&w, "Night").await;
        assert_eq!(starts, kept, "{about}: taken out in Odoo");
        w.odoo.set_one(id, 5, &json!({"name": "Of Odoo"}));
        w.quiet().await;
        let (event, _) = in_outlook(&w, "Night").await;
        let occurrences = event["occurrences"].as_array().unwrap().iter();
        let renamed: Vec<&Value> = occurrences.filter(|o| o["subject"] == "Of Odoo").collect();
        let slot = w.odoo.slot(id, 5).replace(' ', "T");
        assert_eq!(renamed.len(), 1, "{about}");
        assert_eq!(
            renamed[0]["start"]["dateTime"].as_str().unwrap()[..19],
            slot[..19],
            "{about}"
        );
        assert_eq!(in_odoo(&w, id), as_odoo_has_it(&kept), "{about}");
        assert_eq!(writes(&w).await, 1, "{about}: the rename alone");
    }
}
