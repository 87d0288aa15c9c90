//! Meetings that had ended and are wanted again in Outlook.

use serde_json::{Value, json};

use super::stack::{ANN, id_of};
use super::world::{CARLA, OUTSIDE, World, kinds, odoo_time, world};

async fn taken_back(w: &World, person: &str, event: &Value) {
    let path = format!("mailboxes/{person}/events/{}/restore", id_of(event));
    w.stack.sim_call("POST", &path, json!({})).await;
}

/// Returns the record's id and Outlook's event, after the event's deletion has archived the record.
async fn deleted_in_outlook(w: &mut World, title: &str) -> (i64, Value) {
    let event = w.outlook_creates(ANN, title, &[OUTSIDE]).await;
    w.quiet().await;
    let id = w.odoo.by_name(title).expect("in Odoo")["id"].as_i64().unwrap();
    w.outlook_deletes(ANN, &event).await;
    w.quiet().await;
    assert_eq!(w.odoo.records[&id]["active"], false);
    w.forget_mails().await;
    (id, event)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_is_undone_in_outlook_is_undone_in_odoo() {
    let mut w = world().await;
    let (id, event) = deleted_in_outlook(&mut w, "Dentist").await;
    let records = w.odoo.records.len();
    taken_back(&w, ANN, &event).await;
    let event = w.stack.event(ANN, "Dentist").await.expect("it is there again");
    w.outlook_edits(ANN, &event, json!({"location": {"displayName": "Rue X"}}))
        .await;
    w.forget_mails().await;
    w.quiet().await;
    let record = &w.odoo.records[&id];
    assert_eq!(
        (&record["active"], &record["location"]),
        (&json!(true), &json!("Rue X"))
    );
    assert_eq!(w.odoo.records.len(), records, "no twin");
    assert_eq!(kinds(&w.stack.mails().await), [], "nobody was mailed");

    // It is synced like any other, and ends again.
    w.odoo.write(id, json!({"name": "Dentist?"}));
    w.quiet().await;
    let event = w.stack.event(ANN, "Dentist?").await.expect("renamed");
    assert_eq!(kinds(&w.stack.mails().await), [("update", OUTSIDE)]);
    w.outlook_deletes(ANN, &event).await;
    w.quiet().await;
    assert_eq!(w.odoo.records[&id]["active"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_in_odoo_wanted_gone_comes_back_as_an_event_of_its_own() {
    let mut w = world().await;
    w.outlook_creates(ANN, "Dentist", &[]).await;
    w.quiet().await;
    let id = w.odoo.by_name("Dentist").expect("in Odoo")["id"]
        .as_i64()
        .unwrap();
    for archived in [true, false] {
        let event = w.stack.event(ANN, "Dentist").await.expect("in Outlook");
        if archived {
            w.odoo.write(id, json!({"active": false}));
        } else {
            let again = w.odoo.by_name("Dentist").expect("made anew")["id"].as_i64();
            w.odoo.unlink(again.unwrap());
        }
        w.quiet().await;
        assert!(
            w.stack.event(ANN, "Dentist").await.is_none(),
            "deleted from Outlook"
        );
        taken_back(&w, ANN, &event).await;
        w.quiet().await;
        let again = w.odoo.by_name("Dentist").expect("it is in Odoo again");
        assert_ne!(again["id"], id);
        assert!(
            w.stack.event(ANN, "Dentist").await.is_some(),
            "and stays in Outlook"
        );
    }
    assert_eq!(w.odoo.records[&id]["active"], false, "what was archived stays so");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_that_is_taken_back_has_the_occurrences_that_it_had() {
    let mut w = world().await;
    let id = w
        .odoo
        .create_weekly(7, "Stand-up", &odoo_time(5, "09:00:00"), 4, &[OUTSIDE]);
    w.quiet().await;
    let event = w.stack.event(ANN, "Stand-up").await.expect("in Outlook");
    let key = w.odoo.records[&id]["key"].clone();
    w.outlook_deletes(ANN, &event).await;
    w.quiet().await;
    assert_eq!(w.odoo.records[&id]["active"], false);
    w.forget_mails().await;
    taken_back(&w, ANN, &event).await;
    w.quiet().await;
    let record = &w.odoo.records[&id];
    assert_eq!((&record["active"], &record["key"]), (&json!(true), &key));
    assert_eq!(w.odoo.series_by_name("Stand-up"), Some(id), "no twin");
    assert_eq!(kinds(&w.stack.mails().await), [], "nobody was mailed");
    assert!(
        w.stack.event(ANN, "Stand-up").await.is_some(),
        "it stays in Outlook"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_invited_again_from_outside_has_the_meeting_again() {
    let mut w = world().await;
    // Carla is not connected.
    let event = w.outlook_creates(CARLA, "Review", &[ANN, OUTSIDE]).await;
    w.quiet().await;
    let id = w.odoo.by_name("Review").expect("in Odoo")["id"].as_i64().unwrap();
    let guests = |list: &[&str]| {
        let list: Vec<Value> = list
            .iter()
            .map(|a| json!({"type": "required", "emailAddress": {"name": a, "address": a}}))
            .collect();
        json!({ "attendees": list })
    };
    for _ in 0..2 {
        w.outlook_edits(CARLA, &event, guests(&[OUTSIDE])).await;
        w.quiet().await;
        assert_eq!(w.odoo.records[&id]["active"], false);
        w.outlook_edits(CARLA, &event, guests(&[ANN, OUTSIDE])).await;
        w.quiet().await;
        assert_eq!(w.odoo.records[&id]["active"], true);
        assert!(w.odoo.by_name("Review").is_some(), "and no twin");
    }
}
