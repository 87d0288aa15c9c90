//! How far a first sync is.

use serde_json::{Value, json};

use super::leases::sql;
use super::odoo::Odoo;
use super::stack::{ANN, Stack, eventually};
use super::world::{World, active, odoo_time};

async fn progress(w: &World, user: i64) -> Value {
    let asked = json!({"user_id": user});
    let told = w
        .odoo
        .call(&w.service, user, "res.users", "progress", asked)
        .await;
    told.expect("an answer")
}

/// Outlook has 40 events, and Odoo one, when Ann connects.
#[tokio::test(flavor = "multi_thread")]
async fn it_is_told_until_both_sides_have_everything() {
    let stack = Stack::start().await;
    let service = stack.serve().await;
    let odoo = Odoo::pair(&service).await;
    let mut w = World { stack, service, odoo };
    assert_eq!(progress(&w, 7).await, Value::Null, "she is not connected");
    for number in 0..40 {
        w.outlook_creates(ANN, &format!("Event {number}"), &[]).await;
    }
    let (start, stop) = (odoo_time(3, "09:00:00"), odoo_time(3, "10:00:00"));
    w.odoo.create(7, "Dentist", &start, &stop, &[]);
    let busy = json!([{"mailbox": ANN, "path": "delta", "status": 503}]);
    w.stack.sim_call("PUT", "faults", busy).await;
    w.odoo.connect(&w.stack, &w.service, 7).await.expect("connected");

    let told = progress(&w, 7).await;
    assert_eq!(
        (&told["reading"], &told["found"], &told["left_in_odoo"]),
        (&json!(true), &json!(0), &json!(0))
    );
    assert_eq!(progress(&w, 8).await, Value::Null, "another user");

    w.stack.sim_call("DELETE", "faults", Value::Null).await;
    eventually("all were found", async || {
        let told = progress(&w, 7).await;
        (told["found"] == 40).then(|| assert_eq!(told["reading"], true, "Odoo has not told what it has"))
    })
    .await;
    w.quiet().await;
    assert_eq!(progress(&w, 7).await, Value::Null, "it is over");
    assert_eq!(active(&w), 41);

    for number in 40..43 {
        w.outlook_creates(ANN, &format!("Event {number}"), &[]).await;
    }
    w.worked(7).await;
    let left = json!({"reading": false, "found": 44, "left_in_odoo": 3, "left_in_outlook": 0});
    assert_eq!(progress(&w, 7).await, left);
    w.quiet().await;

    // What is saved later is no first sync.
    let before = "UPDATE accounts SET connected_at = now() - interval '2 days'";
    sql(&w.service.engine, before).await;
    let busy = json!([{"mailbox": ANN, "path": "$batch", "status": 503}]);
    w.stack.sim_call("PUT", "faults", busy).await;
    w.odoo.create(7, "Later", &start, &stop, &[]);
    w.odoo.sync(&w.service).await;
    assert_eq!(progress(&w, 7).await, Value::Null);
}
