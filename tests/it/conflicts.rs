//! Both sides change the same event: which value stays, and how the conflict is noticed.

use serde_json::json;

use super::stack::ANN;
use super::world::{odoo_time, pause, world};

#[tokio::test(flavor = "multi_thread")]
async fn a_database_keeps_the_side_it_chose() {
    for (policy, title) in [("odoo", "Odoo’s"), ("outlook", "Outlook’s")] {
        let mut w = world().await;
        let refused = json!({"policy": "whoever"});
        assert!(
            w.odoo
                .call(&w.service, 2, "res.config.settings", "set_values", refused)
                .await
                .is_err()
        );
        let chosen = json!({"policy": policy});
        w.odoo
            .call(&w.service, 2, "res.config.settings", "set_values", chosen)
            .await
            .unwrap();
        let event = w.outlook_creates(ANN, "Both", &[]).await;
        w.quiet().await;
        assert_eq!(w.odoo.state["policy"], policy);
        let id = w.odoo.by_name("Both").unwrap()["id"].as_i64().unwrap();
        // The losing side is edited last.
        if policy == "odoo" {
            w.odoo.write(id, json!({"name": "Odoo’s"}));
            w.outlook_edits(ANN, &event, json!({"subject": "Outlook’s"}))
                .await;
        } else {
            w.outlook_edits(ANN, &event, json!({"subject": "Outlook’s"}))
                .await;
            w.odoo.write(id, json!({"name": "Odoo’s"}));
        }
        w.quiet().await;
        assert!(w.odoo.by_name(title).is_some(), "{policy}");
        assert!(w.stack.event(ANN, title).await.is_some(), "{policy}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_in_outlook_is_not_overwritten_unseen_though_graph_would_let_it() {
    let mut w = world().await;
    let lenient = json!({"if_match_enforced": false});
    w.stack.sim_call("PUT", "switches", lenient).await;
    let event = w.outlook_creates(ANN, "Both", &[]).await;
    w.quiet().await;
    let id = w.odoo.by_name("Both").unwrap()["id"].as_i64().unwrap();
    // While paused, Odoo's edit is planned against Outlook's old state, and is the earlier one.
    pause(&w, true).await;
    w.odoo.write(id, json!({"name": "Odoo’s", "location": "Room 1"}));
    w.odoo.hand_over(&w.service).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    w.outlook_edits(ANN, &event, json!({"subject": "Outlook’s"}))
        .await;
    pause(&w, false).await;
    w.quiet().await;
    let now = w
        .stack
        .event(ANN, "Outlook’s")
        .await
        .expect("the later edit stands");
    assert_eq!(now["location"]["displayName"], "Room 1");
    let record = &w.odoo.records[&id];
    assert_eq!(
        (&record["name"], &record["location"]),
        (&json!("Outlook’s"), &json!("Room 1"))
    );
    let kwargs = json!({"res_id": id});
    let lines = w
        .odoo
        .call(&w.service, 2, "outlook.bridge", "journal", kwargs)
        .await
        .unwrap();
    assert!(
        lines.to_string().contains("title changed on both sides"),
        "{lines:#}"
    );
}

/// Microsoft's server sometimes says that an event has changed although it has not.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_for_a_change_that_nobody_made_is_not_taken_for_an_answer() {
    let mut w = world().await;
    let id = w.odoo.create(
        7,
        "Single",
        &odoo_time(3, "09:00:00"),
        &odoo_time(3, "10:00:00"),
        &[],
    );
    let series = w
        .odoo
        .create_weekly(7, "Weekly", &odoo_time(4, "09:00:00"), 3, &[]);
    w.quiet().await;
    let refused =
        json!([{"mailbox": ANN, "method": "PATCH", "path": "/me/events/", "count": 3, "status": 412}]);
    w.stack.sim_call("PUT", "faults", refused.clone()).await;
    w.odoo.write(id, json!({"name": "Single, renamed"}));
    w.quiet().await;
    assert!(w.stack.event(ANN, "Single, renamed").await.is_some());
    w.stack.sim_call("PUT", "faults", refused).await;
    w.odoo.set_series(series, &json!({"name": "Weekly, renamed"}));
    w.quiet().await;
    assert!(w.stack.event(ANN, "Weekly, renamed").await.is_some());
    let refused =
        json!([{"mailbox": ANN, "method": "DELETE", "path": "/me/events/", "count": 3, "status": 412}]);
    w.stack.sim_call("PUT", "faults", refused).await;
    w.odoo.unlink(id);
    w.quiet().await;
    assert!(w.stack.event(ANN, "Single, renamed").await.is_none());
    assert_eq!(w.count("meetings WHERE set_aside IS NOT NULL").await, 0);
}
