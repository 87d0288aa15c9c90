//! Online meetings: Teams meetings that Odoo asks for, and mailboxes that cannot have any.

use serde_json::{Value, json};

use super::stack::ANN;
use super::world::{CARLA, kinds, odoo_time, world};

#[tokio::test(flavor = "multi_thread")]
async fn a_teams_meeting_is_made_when_asked_for_and_its_link_comes_back() {
    let mut w = world().await;
    let (start, stop) = (odoo_time(3, "09:00:00"), odoo_time(3, "10:00:00"));
    let plain = w.odoo.create(7, "No place", &start, &stop, &[CARLA]);
    let online = w.odoo.create(7, "Online", &start, &stop, &[CARLA]);
    w.odoo.write(online, json!({"online_meeting": true}));
    w.quiet().await;
    assert_eq!(
        w.stack.event(ANN, "No place").await.unwrap()["isOnlineMeeting"],
        false
    );
    assert_eq!(
        w.stack.event(ANN, "Online").await.unwrap()["isOnlineMeeting"],
        true
    );
    assert_eq!(w.odoo.records[&plain]["videocall_location"], Value::Null);
    let link = w.odoo.records[&online]["videocall_location"].clone();
    assert!(
        link.as_str().is_some_and(|l| l.starts_with("https://teams")),
        "{link}"
    );
    assert_eq!(
        w.stack.mails().await.len(),
        2,
        "the link on its way back mails nobody"
    );
    // If it is asked for later, the guest is told. If it is taken back, it stays, as Outlook cannot
    // undo it.
    w.odoo.write(plain, json!({"online_meeting": true}));
    w.odoo.write(online, json!({"online_meeting": false}));
    w.quiet().await;
    assert_eq!(
        w.stack.event(ANN, "No place").await.unwrap()["isOnlineMeeting"],
        true
    );
    assert_eq!(w.odoo.records[&online]["online_meeting"], true);
    let mails = w.stack.mails().await;
    assert_eq!(kinds(&mails)[2..], [("update", CARLA)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_without_teams_says_so_once() {
    let mut w = world().await;
    let none = json!({"providers": []});
    w.stack.sim_call("PATCH", &format!("mailboxes/{ANN}"), none).await;
    let (start, stop) = (odoo_time(3, "09:00:00"), odoo_time(3, "10:00:00"));
    let id = w.odoo.create(7, "Not online", &start, &stop, &[]);
    w.odoo.write(id, json!({"online_meeting": true}));
    w.quiet().await;
    w.odoo.write(id, json!({"location": "Room 1"}));
    w.quiet().await;
    let event = w.stack.event(ANN, "Not online").await.unwrap();
    assert_eq!(
        (&event["isOnlineMeeting"], &event["location"]["displayName"]),
        (&json!(false), &json!("Room 1"))
    );
    let journal = json!({"res_id": id});
    let lines = w
        .odoo
        .call(&w.service, 2, "outlook.bridge", "journal", journal)
        .await
        .unwrap();
    let said = lines.as_array().unwrap().iter();
    let said = said.filter(|line| line["message"].as_str().unwrap().contains("cannot hold"));
    assert_eq!(said.count(), 1, "{lines:#}");
}
