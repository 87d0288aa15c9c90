//! Rooms and other resources respond by themselves: their response does not count as anybody's
//! edit.

use serde_json::{Value, json};

use super::stack::{ANN, BEN};
use super::world::{OUTSIDE, World, day, kinds, odoo_time, world};

const ROOM: &str = "room1@contoso.example";

async fn with_room(rules: Value) -> World {
    let w = world().await;
    let room = json!({"address": ROOM, "name": "Room 1", "room": rules});
    w.stack.sim_call("POST", "people", room).await;
    w
}

fn guest(address: &str, kind: &str) -> Value {
    json!({"type": kind, "emailAddress": {"name": address, "address": address}})
}

fn meeting(subject: &str, guests: &Value) -> Value {
    json!({"subject": subject, "attendees": guests,
        "start": {"dateTime": day(2, "10:00:00"), "timeZone": "UTC"},
        "end": {"dateTime": day(2, "11:00:00"), "timeZone": "UTC"}})
}

async fn outlook_makes(w: &World, person: &str, body: Value) -> Value {
    w.stack
        .sim_call("POST", &format!("mailboxes/{person}/events"), body)
        .await
}

/// Returns the attendees in Odoo with their responses.
fn answers(record: &Value) -> Vec<(String, String)> {
    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let lines = record["attendees"].as_array().expect("attendees").iter();
    let mut all: Vec<_> = lines
        .map(|line| (text(line, "email"), text(line, "state")))
        .collect();
    all.sort();
    all
}

fn say(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(who, what): &(&str, &str)| ((*who).to_owned(), (*what).to_owned());
    expected.iter().map(owned).collect()
}

/// Returns the room in the list of the organizer's event: its type and its response.
async fn room_in_outlook(w: &World, subject: &str) -> (Value, Value) {
    let event = w.stack.event(ANN, subject).await.expect("Ann's");
    let list = event["attendees"].as_array().expect("attendees");
    let row = list.iter().find(|row| row["emailAddress"]["address"] == ROOM);
    let row = row.unwrap_or_else(|| panic!("no room: {list:#?}"));
    (row["type"].clone(), row["status"]["response"].clone())
}

/// Counts the requests that have written to events.
async fn writes(w: &World) -> usize {
    let asked = w.stack.sim_call("GET", "requests?path=events", Value::Null).await;
    let all = asked["value"].as_array().expect("requests").iter();
    all.filter(|request| request["method"] != "GET").count()
}

/// Checks that nothing more is written, mailed or pending.
async fn at_rest(w: &mut World) {
    w.forget_mails().await;
    w.stack.sim_call("DELETE", "requests", Value::Null).await;
    w.quiet().await;
    assert_eq!(w.stack.mails().await, [], "it has come to rest");
    assert!(w.odoo.is_idle());
    assert_eq!(writes(w).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_of_a_meeting_from_outlook_answers_in_odoo_and_stays_a_resource() {
    for delay in [0, 1] {
        let mut w = with_room(json!({})).await;
        w.stack
            .sim_call("PUT", "switches", json!({"delivery_seconds": delay}))
            .await;
        let guests = json!([guest(ROOM, "resource"), guest(OUTSIDE, "required")]);
        outlook_makes(&w, ANN, meeting("Review", &guests)).await;
        tokio::time::sleep(std::time::Duration::from_millis(delay * 1100)).await;
        w.quiet().await;
        let expected = say(&[(ANN, "accepted"), (ROOM, "accepted"), (OUTSIDE, "needsAction")]);
        let record = w.odoo.by_name("Review").expect("in Odoo");
        let id = record["id"].as_i64().expect("an id");
        assert_eq!(answers(record), expected);
        at_rest(&mut w).await;

        // The room gets an edit in Odoo like everybody, and nobody is asked to respond again.
        w.odoo.write(id, json!({"name": "Review!"}));
        w.quiet().await;
        let mails = w.stack.mails().await;
        assert_eq!(kinds(&mails), [("update", ROOM), ("update", OUTSIDE)]);
        assert_eq!(
            room_in_outlook(&w, "Review!").await,
            (json!("resource"), json!("accepted"))
        );
        w.odoo.change_guests(id, &[BEN], &[OUTSIDE]);
        w.quiet().await;
        assert_eq!(
            room_in_outlook(&w, "Review!").await,
            (json!("resource"), json!("accepted"))
        );
        at_rest(&mut w).await;

        // A new time asks the room again, and it responds.
        let (start, stop) = (odoo_time(3, "09:00:00"), odoo_time(3, "10:00:00"));
        w.odoo.write(id, json!({"start": start, "stop": stop}));
        w.quiet().await;
        tokio::time::sleep(std::time::Duration::from_millis(delay * 1100)).await;
        w.quiet().await;
        let answer = (json!("resource"), json!("accepted"));
        assert_eq!(room_in_outlook(&w, "Review!").await, answer);
        let expected = say(&[(ANN, "accepted"), (BEN, "needsAction"), (ROOM, "accepted")]);
        assert_eq!(answers(&w.odoo.records[&id]), expected);
        at_rest(&mut w).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_odoo_invites_by_its_address_declines_when_it_is_taken() {
    let mut w = with_room(json!({})).await;
    outlook_makes(&w, BEN, meeting("Taken", &json!([guest(ROOM, "resource")]))).await;
    let (start, stop) = (odoo_time(2, "10:30:00"), odoo_time(2, "11:30:00"));
    let id = w.odoo.create(7, "Late", &start, &stop, &[ROOM, OUTSIDE]);
    w.quiet().await;
    assert_eq!(writes(&w).await, 1);
    let expected = |answer| say(&[(ANN, "accepted"), (ROOM, answer), (OUTSIDE, "needsAction")]);
    assert_eq!(answers(&w.odoo.records[&id]), expected("declined"));
    at_rest(&mut w).await;

    // Without a new time the room stays declined, and stays on the meeting.
    w.odoo.write(id, json!({"description": "<p>Agenda</p>"}));
    w.quiet().await;
    assert_eq!(
        room_in_outlook(&w, "Late").await,
        (json!("required"), json!("declined"))
    );
    assert_eq!(answers(&w.odoo.records[&id]), expected("declined"));
    at_rest(&mut w).await;

    // When it is free, it accepts.
    let (start, stop) = (odoo_time(2, "14:00:00"), odoo_time(2, "15:00:00"));
    w.odoo.write(id, json!({"start": start, "stop": stop}));
    w.quiet().await;
    assert_eq!(answers(&w.odoo.records[&id]), expected("accepted"));
    at_rest(&mut w).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_series_a_room_declines_all_or_one_occurrence() {
    for (rules, whole) in [(json!({}), "declined"), (json!({"conflicts": 1}), "accepted")] {
        let mut w = with_room(rules).await;
        let mut taken = meeting("Taken", &json!([guest(ROOM, "resource")]));
        taken["start"]["dateTime"] = day(9, "09:00:00").into();
        taken["end"]["dateTime"] = day(9, "10:00:00").into();
        outlook_makes(&w, BEN, taken).await;
        let start = odoo_time(2, "09:00:00");
        let id = w.odoo.create_weekly(7, "Weekly", &start, 3, &[ROOM, OUTSIDE]);
        w.quiet().await;
        w.quiet().await;
        let said = |w: &World| {
            let of = |number| {
                let lines = w.odoo.attendees_of(id, number);
                let line = lines.iter().find(|line| line["email"] == ROOM);
                line.expect("the room")["state"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            };
            [of(0), of(1), of(2)]
        };
        assert_eq!(said(&w), [whole, "declined", whole]);
        at_rest(&mut w).await;
        assert_eq!(said(&w), [whole, "declined", whole]);
    }
}
