//! Many writes at once: how they are batched, and a mailbox that must pause.

use serde_json::{Value, json};

use super::stack::{ANN, requests};
use super::world::{CARLA, World, odoo_time, world};

fn create_many(w: &mut World, count: usize, guests: &[&str]) {
    for n in 0..count {
        let (start, stop) = (odoo_time(3, "09:00:00"), odoo_time(3, "09:30:00"));
        w.odoo.create(7, &format!("Event {n}"), &start, &stop, guests);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writes_travel_in_batches_of_twenty() {
    let mut w = world().await;
    w.stack.sim_call("DELETE", "requests", Value::Null).await;
    create_many(&mut w, 45, &[CARLA]);
    w.quiet().await;
    assert_eq!(w.stack.events(ANN).await.len(), 45);
    let batches = requests(&w.stack, "batch").await;
    assert_eq!(batches.len(), 3, "20 + 20 + 5: {batches:#?}");
    assert_eq!(w.stack.mails().await.len(), 45, "one invitation for each");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_batch_each_write_fails_for_itself() {
    let mut w = world().await;
    let faults = json!([
        // The third creation is throttled, the fifth fails temporarily.
        {"mailbox": ANN, "method": "POST", "path": "/me/events", "nth": 3, "count": 1, "status": 429, "retry_after": 1},
        {"mailbox": ANN, "method": "POST", "path": "/me/events", "nth": 5, "count": 1, "status": 503},
    ]);
    w.stack.sim_call("PUT", "faults", faults).await;
    create_many(&mut w, 10, &[CARLA]);
    // Graph always refuses this one, which ends before it begins.
    let (start, stop) = (odoo_time(3, "09:00:00"), odoo_time(3, "08:00:00"));
    w.odoo.create(7, "Backwards", &start, &stop, &[]);
    w.quiet().await;
    assert_eq!(w.stack.events(ANN).await.len(), 10);
    assert_eq!(w.stack.mails().await.len(), 10, "one invitation for each");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_must_rest_is_not_written_to_in_the_same_run() {
    let mut w = world().await;
    let (start, stop) = (odoo_time(3, "09:00:00"), odoo_time(3, "10:00:00"));
    let id = w.odoo.create(7, "First", &start, &stop, &[]);
    w.quiet().await;
    w.stack.sim_call("DELETE", "requests", Value::Null).await;
    let rest = json!([{"mailbox": ANN, "path": "$batch", "count": 1, "status": 429, "retry_after": 1}]);
    w.stack.sim_call("PUT", "faults", rest).await;
    w.odoo.write(id, json!({"name": "Renamed"}));
    w.odoo.create(7, "Second", &start, &stop, &[]);
    w.quiet().await;
    assert!(w.stack.event(ANN, "Renamed").await.is_some() && w.stack.event(ANN, "Second").await.is_some());
    let batches = requests(&w.stack, "batch").await;
    assert_eq!(
        batches.len(),
        3,
        "refused; then looked at, then written: {batches:#?}"
    );
}
