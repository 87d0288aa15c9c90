//! What Odoo cannot express of an event in Outlook survives every edit in Odoo.

use serde_json::{Value, json};

use super::stack::{ANN, BEN};
use super::world::{CARLA, OUTSIDE, World, day, odoo_time, world};

const ROOM: &str = "room@contoso.example";

fn guest(address: &str, kind: &str) -> Value {
    json!({"type": kind, "emailAddress": {"name": address, "address": address}})
}

/// Returns what only Outlook has of an event, including which attendees are not required.
fn only_outlooks(event: &Value) -> Value {
    let mut only = json!({});
    for key in [
        "categories",
        "importance",
        "showAs",
        "sensitivity",
        "responseRequested",
        "allowNewTimeProposals",
    ] {
        only[key] = event[key].clone();
    }
    let all = event["attendees"].as_array().expect("attendees").iter();
    let kinds = all.map(|a| json!([a["emailAddress"]["address"], a["type"]]));
    only["kinds"] = kinds.filter(|kind| kind[1] != "required").collect();
    let places = event["locations"].as_array().expect("locations").iter();
    only["places"] = places
        .map(|p| json!([p["displayName"], p["address"]["city"]]))
        .collect();
    only
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_outlook_knows_survives_every_edit_in_odoo() {
    let mut w = world().await;
    let at = |time| json!({"dateTime": day(3, time), "timeZone": "Europe/Brussels"});
    let body = json!({"subject": "Offsite", "start": at("10:00:00"), "end": at("11:00:00"),
        "categories": ["Red category", "Trips"], "importance": "high", "showAs": "oof", "sensitivity": "personal",
        "responseRequested": false, "allowNewTimeProposals": false,
        "locations": [{"displayName": "Harry's Bar"}, {"displayName": "Fourth Coffee", "address": {"city": "Ghent"}}],
        "attendees": [guest(BEN, "required"), guest(OUTSIDE, "optional"), guest(ROOM, "resource")]});
    w.stack
        .sim_call("POST", &format!("mailboxes/{ANN}/events"), body)
        .await;
    w.quiet().await;
    let id = w.odoo.by_name("Offsite").expect("in Odoo")["id"]
        .as_i64()
        .expect("an id");
    let made = w.stack.event(ANN, "Offsite").await.expect("in Outlook");
    let mut expected = only_outlooks(&made);
    assert_eq!(expected["places"].as_array().map(Vec::len), Some(2));
    for values in [
        json!({"name": "Offsite!"}),
        json!({"description": "<p>Bring a coat</p>"}),
        json!({"start": odoo_time(4, "09:00:00"), "stop": odoo_time(4, "10:00:00")}),
        json!({"reminder_minutes": [30]}),
        json!({"videocall_location": "https://odoo.example/discuss/1"}),
        json!({"location": "Harry's New Bar"}),
    ] {
        if values.get("location").is_some() {
            expected["places"][0][0] = values["location"].clone();
        }
        w.odoo.write(id, values.clone());
        w.quiet().await;
        let now = w.stack.event(ANN, "Offsite!").await.expect("in Outlook");
        assert_eq!(only_outlooks(&now), expected, "after {values}");
    }
    // The list of guests is written as a whole.
    w.odoo.change_guests(id, &[CARLA], &[BEN]);
    w.quiet().await;
    let now = w.stack.event(ANN, "Offsite!").await.expect("in Outlook");
    assert_eq!(
        now["attendees"].as_array().map(Vec::len),
        Some(3),
        "{}",
        now["attendees"]
    );
    assert_eq!(only_outlooks(&now), expected, "after another guest");
    // Odoo can change what it can express.
    w.odoo.write(
        id,
        json!({"show_as": "free", "privacy": "private", "location": null}),
    );
    w.quiet().await;
    let now = w.stack.event(ANN, "Offsite!").await.expect("in Outlook");
    assert_eq!(
        (&now["showAs"], &now["sensitivity"]),
        (&json!("free"), &json!("private"))
    );
    assert_eq!(only_outlooks(&now)["places"], json!([["Fourth Coffee", "Ghent"]]));
    assert_eq!(
        w.odoo.records[&id]["location"],
        Value::Null,
        "and stays without a place in Odoo"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_video_link_beside_a_place_is_in_the_invitation_once() {
    let mut w = world().await;
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    let link = "https://odoo.example/calendar/join_videocall/abc?a=1&b=2";
    let id = w.odoo.create(7, "Both", &start, &stop, &[OUTSIDE]);
    w.odoo.write(
        id,
        json!({"location": "Room 1", "videocall_location": link, "description": "<p>Agenda</p>"}),
    );
    w.quiet().await;
    let body = async |w: &World| {
        let event = w.stack.event(ANN, "Both").await.expect("in Outlook");
        event["body"]["content"].as_str().expect("a body").to_owned()
    };
    let escaped = link.replace('&', "&amp;");
    assert!(body(&w).await.contains(&escaped), "{}", body(&w).await);
    // Edits on either side, including the text itself.
    let event = w.stack.event(ANN, "Both").await.expect("in Outlook");
    w.outlook_edits(ANN, &event, json!({"location": {"displayName": "Room 2"}}))
        .await;
    w.quiet().await;
    w.odoo.write(id, json!({"description": "<p>Another agenda</p>"}));
    w.quiet().await;
    w.odoo.write(id, json!({"location": "Room 3"}));
    w.quiet().await;
    let html = body(&w).await;
    assert_eq!(html.matches("Video:").count(), 1, "{html}");
    let record = &w.odoo.records[&id];
    assert_eq!(
        (&record["location"], &record["videocall_location"]),
        (&json!("Room 3"), &json!(link))
    );
    assert_eq!(record["description"], "<p>Another agenda</p>");
    w.forget_mails().await;
    w.quiet().await;
    assert_eq!(w.stack.mails().await, [], "it has come to rest");
    // Removing the line in Outlook removes the link in Odoo.
    let event = w.stack.event(ANN, "Both").await.expect("in Outlook");
    w.outlook_edits(
        ANN,
        &event,
        json!({"body": {"contentType": "html", "content": "<p>Another agenda</p>"}}),
    )
    .await;
    w.quiet().await;
    assert_eq!(w.odoo.records[&id]["videocall_location"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn long_descriptions_reach_outlook_and_what_is_too_long_holds_nothing_up() {
    let mut w = world().await;
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    let pasted = |size: usize| format!("<p>{}</p>", "word ".repeat(size / 5));
    let ids: Vec<i64> = (0..6)
        .map(|number| {
            let id = w.odoo.create(7, &format!("Long {number}"), &start, &stop, &[]);
            let size = if number == 2 { 2_100_000 } else { 1_200_000 };
            w.odoo.write(id, json!({"description": pasted(size)}));
            id
        })
        .collect();
    w.quiet().await;
    for number in 0..6 {
        let event = w.stack.event(ANN, &format!("Long {number}")).await;
        assert_eq!(event.is_some(), number != 2, "Long {number}");
    }
    let journal = w
        .odoo
        .call(
            &w.service,
            2,
            "outlook.bridge",
            "journal",
            json!({"res_id": ids[2]}),
        )
        .await
        .expect("a journal");
    let said = journal[0]["message"].as_str().expect("words");
    assert!(said.contains("too large for Outlook (2.2 MB"), "{said}");
    w.odoo.write(ids[2], json!({"description": "<p>Short</p>"}));
    w.quiet().await;
    assert!(w.stack.event(ANN, "Long 2").await.is_some());
    // Too long again, and then deleted: it is deleted from Outlook nevertheless.
    w.odoo.write(ids[2], json!({"description": pasted(2_100_000)}));
    w.quiet().await;
    w.odoo.write(ids[2], json!({"active": false}));
    w.odoo.write(ids[1], json!({"description": pasted(2_100_000)}));
    w.odoo.unlink(ids[1]);
    w.quiet().await;
    for subject in ["Long 1", "Long 2"] {
        assert!(w.stack.event(ANN, subject).await.is_none(), "{subject}");
    }
}
