//! Rooms answer by themselves.

use crate::common::*;
use serde_json::{Value, json};

const ROOM: &str = "room1@contoso.example";

async fn with_room(rules: Value) -> World {
    let w = world().await;
    let room = json!({"address": ROOM, "name": "Room 1", "room": rules});
    w.sim("POST", "/people", room).await.is(201);
    w
}

fn resource() -> Value {
    json!([{"type": "resource", "emailAddress": {"address": ROOM}}])
}

fn said(event: &Value) -> &str {
    event
        .pointer("/attendees/0/status/response")
        .and_then(Value::as_str)
        .unwrap()
}

async fn held(w: &World) -> Vec<Value> {
    let got = w
        .sim("GET", &format!("/mailboxes/{ROOM}/events"), Value::Null)
        .await;
    got.body["value"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_room_takes_who_comes_first() {
    let w = with_room(json!({})).await;
    let (ann, ben) = (w.login(ANN).await, w.login(BEN).await);
    let made = ann.create(json!({"attendees": resource()})).await.is(201);
    let first = format!("/me/events/{}", made.id());
    let event = ann.get(&first).await.body;
    assert_eq!(said(&event), "accepted");
    assert_eq!(event["attendees"][0]["type"], "resource");
    let copies = held(&w).await;
    assert_eq!(copies.len(), 1);
    assert_eq!(copies[0]["subject"], event["organizer"]["emailAddress"]["name"]);
    let mails: Vec<_> = w
        .mails()
        .await
        .into_iter()
        .map(|(kind, to, _)| (kind, to))
        .collect();
    let mail = |kind: &str, to: &str| (kind.to_owned(), to.to_owned());
    assert_eq!(mails, [mail("invitation", ROOM), mail("response", ANN)]);

    // The next one comes too late, until the first gives way.
    let second = ben.create(json!({"attendees": resource()})).await.is(201).id();
    let second = format!("/me/events/{second}");
    assert_eq!(said(&ben.get(&second).await.body), "declined");
    assert_eq!(held(&w).await.len(), 1);
    let later = json!({"start": at("2031-03-10T12:00:00"), "end": at("2031-03-10T13:00:00")});
    let moved = ann.send("PATCH", &first, later).await.is(200).body;
    assert_eq!(said(&moved), "accepted");
    let again = json!({"start": at("2031-03-10T09:30:00"), "end": at("2031-03-10T10:00:00")});
    ben.send("PATCH", &second, again).await.is(200);
    assert_eq!(said(&ben.get(&second).await.body), "accepted");

    // What moves nothing is not judged again.
    w.forget_mails().await;
    ann.send("PATCH", &first, json!({"subject": "Renamed"}))
        .await
        .is(200);
    assert_eq!(w.mails().await.len(), 1, "the update alone");
    assert_eq!(said(&ann.get(&first).await.body), "accepted");
}

#[tokio::test]
async fn a_room_hears_of_it_when_it_is_delivered_and_needs_no_automatic_entry() {
    let w = with_room(json!({})).await;
    w.switch(json!({"delivery_seconds": 1, "automatic_entries": false}))
        .await;
    let ann = w.login(ANN).await;
    let made = ann.create(json!({"attendees": resource()})).await.is(201);
    let path = format!("/me/events/{}", made.id());
    assert_eq!(said(&ann.get(&path).await.body), "none");
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    assert_eq!(said(&ann.get(&path).await.body), "accepted");
}

#[tokio::test]
async fn of_a_series_a_room_declines_all_or_single_occurrences() {
    for (rules, whole) in [(json!({}), "declined"), (json!({"conflicts": 1}), "accepted")] {
        let w = with_room(rules).await;
        let (ann, ben) = (w.login(ANN).await, w.login(BEN).await);
        let noon = json!({"start": at("2031-03-11T09:00:00"), "end": at("2031-03-11T09:30:00"), "attendees": resource()});
        ben.create(noon).await.is(201);
        let daily = json!({"pattern": {"type": "daily", "interval": 1},
            "range": {"type": "numbered", "startDate": "2031-03-10", "numberOfOccurrences": 3}});
        let series = json!({"recurrence": daily, "attendees": resource()});
        let id = ann.create(series).await.is(201).id();
        let instances = format!(
            "/me/events/{id}/instances?startDateTime=2031-03-01T00:00:00Z&endDateTime=2031-04-01T00:00:00Z"
        );
        let answers = async || {
            let got = ann.get(&instances).await.is(200).body;
            let mut rows = got["value"].as_array().unwrap().clone();
            rows.sort_by_key(|row| row["start"]["dateTime"].to_string());
            rows.iter().map(|row| said(row).to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(said(&ann.get(&format!("/me/events/{id}")).await.body), whole);
        assert_eq!(answers().await, [whole, "declined", whole]);
        if whole == "accepted" {
            // The occurrence that was declined goes where the room is free.
            let got = ann.get(&instances).await.is(200).body;
            let rows = got["value"].as_array().unwrap();
            let one = rows.iter().find(|row| said(row) == "declined").unwrap();
            let later = json!({"start": at("2031-03-11T12:00:00"), "end": at("2031-03-11T13:00:00")});
            let path = format!("/me/events/{}", one["id"].as_str().unwrap());
            ann.send("PATCH", &path, later).await.is(200);
            assert_eq!(answers().await, ["accepted"; 3]);
        }
    }
}
