//! Users who leave Odoo, and mailboxes that are removed, move or get another user: what stays, and
//! who is told.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::resets::{ALL, at, furnished, has_status, in_odoo};
use super::stack::{ANN, BEN};
use super::world::world;

#[tokio::test(flavor = "multi_thread")]
async fn who_is_archived_is_disconnected_and_comes_back_by_logging_in() {
    let mut w = furnished().await;
    w.forget_mails().await;
    let before = w.stack.events(ANN).await;
    w.odoo.departed = vec![json!({"user_id": 7, "deleted": false})];
    w.odoo.sync(&w.service).await;
    w.odoo.departed.clear();
    let reason = has_status(&mut w, 7, "need_auth").await;
    assert!(reason.contains("archived"), "{reason}");
    assert_eq!(
        w.count(
            "accounts WHERE odoo_user_id = 7 AND (access_token IS NOT NULL OR refresh_token IS NOT NULL)"
        )
        .await,
        0
    );
    let id = w.odoo.by_name("Alone").unwrap()["id"].as_i64().unwrap();
    w.odoo.write(id, json!({"name": "Alone, later"}));
    w.odoo.sync(&w.service).await;
    assert_eq!(w.stack.events(ANN).await, before);
    w.odoo.connect(&w.stack, &w.service, 7).await.expect("back");
    w.quiet().await;
    assert!(w.stack.event(ANN, "Alone, later").await.is_some());
    assert_eq!(w.stack.mails().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_deleted_is_forgotten_and_outlook_keeps_the_events() {
    let mut w = furnished().await;
    w.forget_mails().await;
    let before = w.stack.events(ANN).await;
    // Odoo's database clears the organizer of a deleted user's events, without calling a hook.
    w.odoo.departed = vec![
        json!({"user_id": 7, "deleted": true}),
        json!({"user_id": 99, "deleted": true}),
    ];
    w.odoo.sync(&w.service).await;
    w.odoo.departed.clear();
    let accounts = w.odoo.state["accounts"].as_array().unwrap();
    assert_eq!(accounts.len(), 1, "{accounts:?}");
    assert_eq!(accounts[0]["user_id"], 8);
    // Ben still gets changes of the meeting in Outlook.
    let meeting = w.stack.event(ANN, "Meeting").await.unwrap();
    w.outlook_edits(ANN, &meeting, json!({"location": {"displayName": "Room 9"}}))
        .await;
    w.forget_mails().await;
    w.quiet().await;
    assert_eq!(w.odoo.by_name("Meeting").unwrap()["location"], "Room 9");
    assert_eq!(w.stack.events(ANN).await.len(), before.len());
    assert_eq!(w.stack.mails().await, []);
    // The mailbox can be connected by another user.
    w.odoo.users.insert(9, ANN.to_owned());
    w.odoo
        .connect(&w.stack, &w.service, 9)
        .await
        .expect("the successor");
    w.quiet().await;
    assert_eq!(w.stack.mails().await, []);
    assert_eq!(in_odoo(&w, &ALL), ["Alone", "Meeting", "Hers"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_handed_to_another_user_is_that_users_alone() {
    let mut w = furnished().await;
    w.odoo.departed = vec![json!({"user_id": 7, "deleted": false})];
    w.odoo.sync(&w.service).await;
    w.odoo.departed.clear();
    w.odoo.users.insert(9, ANN.to_owned());
    w.odoo
        .connect(&w.stack, &w.service, 9)
        .await
        .expect("the successor");
    w.quiet().await;
    assert_eq!(in_odoo(&w, &ALL), ["Alone", "Meeting", "Hers"], "no twins");
    let error = w.odoo.connect(&w.stack, &w.service, 7).await.unwrap_err();
    assert!(error.to_string().contains("connected already"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_mailbox_or_a_license_the_user_is_told_and_nothing_is_lost() {
    let mut w = world().await;
    let (start, stop) = at(2);
    let id = w.odoo.create(7, "Kept", &start, &stop, &[]);
    w.quiet().await;
    let person = format!("people/{ANN}");
    w.stack
        .sim_call("PATCH", &person, json!({"mailbox": false}))
        .await;
    let reason = has_status(&mut w, 7, "attention").await;
    assert!(
        reason.contains("no Outlook mailbox") && reason.contains("license"),
        "{reason}"
    );
    w.odoo.write(id, json!({"name": "Kept, later"}));
    w.odoo.sync(&w.service).await;
    assert!(
        w.odoo.by_name("Kept, later").is_some(),
        "nothing is taken for deleted"
    );
    w.stack.sim_call("PATCH", &person, json!({"mailbox": true})).await;
    // It is tried again within the hour, or as soon as somebody opens the calendar.
    w.odoo.waiting = Some(7);
    has_status(&mut w, 7, "active").await;
    w.quiet().await;
    assert!(w.stack.event(ANN, "Kept, later").await.is_some());
    // A user without a mailbox logs in, and learns why nothing is synced.
    w.stack
        .sim_call("PATCH", &format!("people/{BEN}"), json!({"mailbox": false}))
        .await;
    w.odoo
        .connect(&w.stack, &w.service, 8)
        .await
        .expect("a login is a login");
    let reason = has_status(&mut w, 8, "attention").await;
    assert!(reason.contains("no Outlook mailbox"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_was_moved_has_other_ids_for_the_same_events() {
    let mut w = furnished().await;
    w.forget_mails().await;
    let before: BTreeMap<i64, Value> = w.odoo.records.clone();
    // A mailbox that was moved to another server has new ids, and its delta tokens are invalid.
    let mut state = w.stack.sim_call("GET", "state", Value::Null).await;
    rename_ids(&mut state);
    w.stack.sim_call("PUT", "state", state).await;
    w.stack
        .sim_call("POST", &format!("mailboxes/{ANN}/delta-reset"), json!({}))
        .await;
    w.quiet().await;
    assert_eq!(w.odoo.records.len(), before.len(), "no twins");
    let id = w.odoo.by_name("Alone").unwrap()["id"].as_i64().unwrap();
    w.odoo.write(id, json!({"name": "Alone, later"}));
    w.quiet().await;
    assert!(w.stack.event(ANN, "Alone, later").await.is_some());
    assert_eq!(w.stack.mails().await, []);
}

/// Gives each event of Ann's mailbox another id.
fn rename_ids(state: &mut Value) {
    let mailbox = &mut state["mailboxes"][ANN];
    let mut text = mailbox.to_string();
    for event in mailbox["events"].as_object().expect("events by key").values() {
        for name in ["rest_id", "immutable_id"] {
            let id = event[name].as_str().expect("an id");
            let moved: String = id[id.len() - 8..].chars().rev().collect();
            text = text.replace(id, &format!("{}{moved}", &id[..id.len() - 8]));
        }
    }
    *mailbox = serde_json::from_str(&text).expect("still JSON");
}
