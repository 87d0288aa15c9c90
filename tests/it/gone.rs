//! What counts as gone, and what does not: an immutable id outlives a deletion, and a drag may end it.

use serde_json::{Value, json};

use super::odoo::Odoo;
use super::stack::{ANN, BEN, id_of};
use super::world::{OUTSIDE, World, day, kinds, odoo_time, world};

async fn switch(w: &World, switches: Value) {
    w.stack.sim_call("PUT", "switches", switches).await;
}

fn daily() -> Value {
    json!({"pattern": {"type": "daily", "interval": 1},
        "range": {"type": "numbered", "startDate": day(2, "")[..10], "numberOfOccurrences": 5}})
}

async fn outlook_makes(w: &World, person: &str, subject: &str, more: Value) -> Value {
    let mut body = json!({"subject": subject,
        "start": {"dateTime": day(2, "10:00:00"), "timeZone": "UTC"},
        "end": {"dateTime": day(2, "11:00:00"), "timeZone": "UTC"}});
    for (name, value) in more.as_object().expect("properties") {
        body[name] = value.clone();
    }
    w.stack
        .sim_call("POST", &format!("mailboxes/{person}/events"), body)
        .await
}

fn is_active(odoo: &Odoo, name: &str) -> bool {
    let mut named = odoo.records.values().filter(|record| record["name"] == name);
    named.any(|record| record["active"] == true) || odoo.series_by_name(name).is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_is_gone_though_its_id_answers() {
    for answers in [true, false] {
        let mut w = world().await;
        switch(&w, json!({"deleted_answers": answers})).await;
        let single = outlook_makes(&w, ANN, "Single", json!({})).await;
        let series = outlook_makes(&w, ANN, "Series", json!({"recurrence": daily()})).await;
        let unseen = outlook_makes(&w, ANN, "Unseen", json!({})).await;
        w.quiet().await;
        for name in ["Single", "Series", "Unseen"] {
            assert!(is_active(&w.odoo, name), "{name}");
        }
        w.outlook_deletes(ANN, &single).await;
        w.outlook_deletes(ANN, &series).await;
        w.quiet().await;
        assert!(!is_active(&w.odoo, "Single"), "{answers}");
        assert!(!is_active(&w.odoo, "Series"), "{answers}");
        // A mailbox that is listed anew does not say what was deleted before.
        w.stack
            .sim_call("POST", &format!("mailboxes/{ANN}/delta-reset"), json!({}))
            .await;
        w.outlook_deletes(ANN, &unseen).await;
        w.quiet().await;
        assert!(!is_active(&w.odoo, "Unseen"), "{answers}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_in_another_calendar_is_not_gone() {
    let mut w = world().await;
    let event = outlook_makes(&w, ANN, "Moved", json!({})).await;
    w.quiet().await;
    let other = w
        .stack
        .sim_call(
            "POST",
            &format!("mailboxes/{ANN}/calendars"),
            json!({"name": "Other"}),
        )
        .await;
    let path = format!("mailboxes/{ANN}/events/{}/move", id_of(&event));
    w.stack
        .sim_call("POST", &path, json!({"calendar": other["id"]}))
        .await;
    w.quiet().await;
    assert!(is_active(&w.odoo, "Moved"));
    // And goes on being synced.
    let id = w.odoo.by_name("Moved").expect("in Odoo")["id"].as_i64().unwrap();
    w.odoo.write(id, json!({"name": "Moved!"}));
    w.quiet().await;
    assert!(w.stack.event(ANN, "Moved!").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_dragged_goes_on_under_its_new_id() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    switch(&w, json!({"drag_changes_id": true})).await;
    let event = w.outlook_creates(ANN, "Dragged", &[BEN, OUTSIDE]).await;
    w.quiet().await;
    let id = w.odoo.by_name("Dragged").expect("in Odoo")["id"]
        .as_i64()
        .unwrap();
    w.forget_mails().await;
    let at = |time| json!({"dateTime": day(4, time), "timeZone": "UTC"});
    w.outlook_edits(
        ANN,
        &event,
        json!({"start": at("09:00:00"), "end": at("10:00:00")}),
    )
    .await;
    w.quiet().await;
    assert_eq!(
        kinds(&w.stack.mails().await),
        [("update", BEN), ("update", OUTSIDE)]
    );
    let record = &w.odoo.records[&id];
    assert_eq!(record["active"], true);
    assert_eq!(record["start"], odoo_time(4, "09:00:00"));
    assert_eq!(w.odoo.records.len(), 1, "no twin");
    w.odoo.write(id, json!({"name": "Dragged on"}));
    w.quiet().await;
    assert!(w.stack.event(ANN, "Dragged on").await.is_some());
    assert!(w.stack.event(BEN, "Dragged on").await.is_some());
}

/// What an edit in Odoo meets that was made before anybody had heard of the deletion.
#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_what_was_just_deleted_does_not_count_as_written() {
    let mut w = world().await;
    let event = outlook_makes(&w, ANN, "Edited", json!({})).await;
    w.quiet().await;
    let id = w.odoo.by_name("Edited").expect("in Odoo")["id"].as_i64().unwrap();
    w.outlook_deletes(ANN, &event).await;
    w.odoo.write(id, json!({"name": "Edited late"}));
    w.quiet().await;
    let is_in_outlook = w.stack.event(ANN, "Edited late").await.is_some();
    assert_eq!(is_active(&w.odoo, "Edited late"), is_in_outlook);
}
