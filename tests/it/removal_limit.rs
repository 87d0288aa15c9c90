//! The removal limit: too many removals at once wait for an administrator.

use serde_json::{Value, json};

use super::stack::ANN;
use super::world::{CARLA, World, active, odoo_time, pause, world};

async fn brake_world(count: usize) -> World {
    let mut w = world().await;
    for n in 0..count {
        w.outlook_creates(ANN, &format!("Event {n}"), &[]).await;
    }
    w.quiet().await;
    assert_eq!(active(&w), count);
    w
}

/// Deletes events while syncing is paused, so that one sync finds all deletions.
async fn delete_in_outlook(w: &World, count: usize) {
    pause(w, true).await;
    for event in w.stack.events(ANN).await.iter().take(count) {
        w.outlook_deletes(ANN, event).await;
    }
    pause(w, false).await;
}

async fn answer(w: &World, remove: bool) -> Result<Value, Value> {
    let kwargs = json!({"user_id": 7, "remove": remove});
    w.odoo
        .call(&w.service, 2, "res.users", "answer_removals", kwargs)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn many_removals_wait_for_an_admin_who_may_agree() {
    let mut w = brake_world(30).await;
    // A few deletions need no approval.
    delete_in_outlook(&w, 3).await;
    w.quiet().await;
    assert_eq!(active(&w), 27);
    assert!(answer(&w, true).await.is_err(), "nothing waits yet");
    delete_in_outlook(&w, 25).await;
    w.quiet().await;
    assert_eq!(active(&w), 27, "nothing was applied");
    let account = &w.odoo.state["accounts"][0];
    assert_eq!(
        (&account["status"], &account["removals"]),
        (&json!("attention"), &json!(25))
    );
    let reason = account["reason"].as_str().unwrap();
    assert!(
        reason.contains("28 of this user's 30 events") && reason.contains("other 25"),
        "{reason}"
    );
    // What people do in Odoo is still synced.
    w.odoo.create(
        7,
        "Meanwhile",
        &odoo_time(3, "09:00:00"),
        &odoo_time(3, "10:00:00"),
        &[CARLA],
    );
    w.odoo.sync(&w.service).await;
    w.quiet().await;
    assert!(w.stack.event(ANN, "Meanwhile").await.is_some());
    let kwargs = json!({"user_id": 7});
    let list = w
        .odoo
        .call(&w.service, 2, "res.users", "removals", kwargs)
        .await
        .unwrap();
    assert_eq!(list.as_array().map(Vec::len), Some(25));
    answer(&w, true).await.unwrap();
    // Odoo repeats the call after a conflict of transactions.
    answer(&w, true).await.expect("the same answer once more");
    let said = "journal WHERE message LIKE '%an administrator decided%'";
    assert_eq!(w.count(said).await, 1);
    w.quiet().await;
    assert_eq!(active(&w), 3);
    assert_eq!(w.odoo.state["accounts"][0]["status"], "active");
    assert!(
        answer(&w, false).await.is_err(),
        "the other answer was given already"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn removals_that_trickle_in_are_counted_together() {
    let mut w = brake_world(50).await;
    for left in [42, 34] {
        delete_in_outlook(&w, 8).await;
        w.quiet().await;
        assert_eq!(active(&w), left);
    }
    delete_in_outlook(&w, 8).await;
    w.quiet().await;
    assert_eq!(active(&w), 34, "24 of 50 are too many");
    let account = &w.odoo.state["accounts"][0];
    assert_eq!(account["removals"], 8, "{account}");
    let reason = account["reason"].as_str().unwrap();
    assert!(reason.contains("24 of this user's 50 events"), "{reason}");
    answer(&w, true).await.unwrap();
    w.quiet().await;
    assert_eq!(active(&w), 26);
    // Approved deletions do not count again.
    delete_in_outlook(&w, 3).await;
    w.quiet().await;
    assert_eq!(active(&w), 23);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_removals_wait_for_an_admin_who_may_refuse() {
    let mut w = brake_world(22).await;
    delete_in_outlook(&w, 22).await;
    w.quiet().await;
    assert_eq!(active(&w), 22);
    answer(&w, false).await.unwrap();
    w.quiet().await;
    assert_eq!(active(&w), 22, "Odoo keeps them");
    let event = w.odoo.by_name("Event 3").unwrap()["id"].clone();
    let kwargs = json!({"res_id": event});
    let lines = w
        .odoo
        .call(&w.service, 2, "outlook.bridge", "journal", kwargs)
        .await
        .unwrap();
    assert!(lines.to_string().contains("decided to keep it"), "{lines:#}");
    assert!(
        w.stack.events(ANN).await.is_empty(),
        "and does not bring them back"
    );
    // Syncing goes on. An event that is archived and unarchived counts as wanted again.
    let kept = w.odoo.by_name("Event 7").unwrap()["id"].as_i64().unwrap();
    w.odoo.write(kept, json!({"active": false}));
    w.quiet().await;
    w.odoo.write(kept, json!({"active": true}));
    w.outlook_creates(ANN, "Later", &[]).await;
    w.quiet().await;
    assert!(w.odoo.by_name("Later").is_some());
    assert!(w.stack.event(ANN, "Event 7").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_of_many_in_odoo_is_a_persons_wish() {
    let mut w = brake_world(25).await;
    let ids: Vec<i64> = w.odoo.records.keys().copied().collect();
    for id in ids {
        w.odoo.unlink(id);
    }
    w.quiet().await;
    assert!(w.stack.events(ANN).await.is_empty());
}
