//! The window of days in which events are exchanged.

use serde_json::{Value, json};

use super::stack::{ANN, requests};
use super::world::{active, day, odoo_time, world};

#[tokio::test(flavor = "multi_thread")]
async fn what_leaves_the_window_is_not_deleted_and_the_window_moves_on() {
    let mut w = world().await;
    let event = w.outlook_creates(ANN, "Far away", &[]).await;
    w.outlook_creates(ANN, "Near", &[]).await;
    w.quiet().await;
    let id = w.odoo.by_name("Far away").unwrap()["id"].as_i64().unwrap();
    // Moved out of the window: Graph reports it as “removed”.
    let at = |time| json!({"dateTime": day(2000, time), "timeZone": "UTC"});
    w.outlook_edits(
        ANN,
        &event,
        json!({"start": at("10:00:00"), "end": at("11:00:00")}),
    )
    .await;
    w.quiet().await;
    let moved = odoo_time(2000, "10:00:00");
    assert_eq!(
        (&w.odoo.records[&id]["active"], &w.odoo.records[&id]["start"]),
        (&json!(true), &json!(moved))
    );
    // The end of the window is near, so the window is opened again.
    let mut conn = w.service.engine.store.get().await.unwrap();
    let near = "UPDATE accounts SET window_end = now() + interval '10 days'";
    diesel_async::RunQueryDsl::execute(diesel::sql_query(near), &mut conn)
        .await
        .unwrap();
    drop(conn);
    w.stack.sim_call("DELETE", "requests", Value::Null).await;
    w.quiet().await;
    let opened = requests(&w.stack, "calendarView/delta").await;
    assert!(
        opened.iter().any(|r| r.to_string().contains("startDateTime")),
        "{opened:?}"
    );
    assert_eq!(active(&w), 2, "what is outside was not asked for");
    w.outlook_creates(ANN, "Later", &[]).await;
    w.quiet().await;
    assert!(w.odoo.by_name("Later").is_some(), "and goes on from there");
}
