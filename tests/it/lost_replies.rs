//! A write whose answer is lost or late, and a killed service: nothing is lost or doubled.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::stack::{ANN, BEN, eventually};
use super::world::{CARLA, OUTSIDE, World, expire_leases, kinds, odoo_time, world};

/// Waits until a write is on the way to Outlook and cannot be cancelled.
async fn in_the_air(w: &World) {
    #[derive(diesel::QueryableByName)]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        count: i64,
    }
    eventually("a write is in the air", async || {
        let mut conn = w.service.engine.store.get().await.ok()?;
        let sql = "SELECT count(*) AS count FROM outlook_outbox WHERE in_flight_since IS NOT NULL";
        let counted: Count = diesel_async::RunQueryDsl::get_result(diesel::sql_query(sql), &mut conn)
            .await
            .ok()?;
        (counted.count > 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unarchived_while_its_deletion_is_under_way_it_is_made_anew() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    let id = w.odoo.create(7, "Wanted back", &start, &stop, &[BEN]);
    w.quiet().await;
    w.forget_mails().await;
    let slow = json!([{"method": "DELETE", "latency_ms": 5000, "count": 1}]);
    w.stack.sim_call("PUT", "faults", slow).await;
    w.odoo.write(id, json!({"active": false}));
    w.odoo.sync(&w.service).await;
    in_the_air(&w).await;
    w.odoo.write(id, json!({"active": true}));
    w.quiet().await;
    assert_eq!(w.odoo.records[&id]["active"], true);
    assert!(w.stack.event(ANN, "Wanted back").await.is_some());
    assert_eq!(
        kinds(&w.stack.mails().await),
        [("cancellation", BEN), ("invitation", BEN)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_creation_in_a_mailbox_that_is_not_worked() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    w.quiet().await;
    // The request never arrives, but nobody can know that: a created event would settle it when the
    // mailbox shows it.
    let lost = json!([{"method": "POST", "path": "/me/events", "cut": "before", "count": 1000}]);
    w.stack.sim_call("PUT", "faults", lost).await;
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    w.odoo.create(7, "In the air", &start, &stop, &[]);
    w.odoo.sync(&w.service).await;
    in_the_air(&w).await;
    w.odoo
        .call(&w.service, 7, "res.users", "stop", json!({"user_id": 7}))
        .await
        .expect("stopped");
    // Her invitation to Ben might be that event, for all the service knows. It is sent to Odoo
    // nevertheless.
    w.outlook_creates(ANN, "Elsewhere", &[BEN]).await;
    w.quiet().await;
    assert!(w.odoo.by_name("Elsewhere").is_some(), "{:?}", w.odoo.records);
}

/// Ann's meeting is in her mailbox and in Ben's, but its creation was not confirmed when she stopped
/// the sync. Ben's mailbox shows it first.
#[tokio::test(flavor = "multi_thread")]
async fn a_creation_of_somebody_who_stops_before_it_is_known_makes_no_twin() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    w.quiet().await;
    // The creation is carried out, and each further request of Ann's mailbox fails.
    let lost = json!([{"mailbox": ANN, "method": "POST", "path": "/me/events", "cut": "after", "count": 1000},
                      {"mailbox": ANN, "method": "GET", "cut": "before", "count": 1000}]);
    w.stack.sim_call("PUT", "faults", lost).await;
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    let id = w.odoo.create(7, "Kick-off", &start, &stop, &[BEN]);
    w.odoo.sync(&w.service).await;
    eventually("it is in her mailbox", async || {
        w.stack.event(ANN, "Kick-off").await
    })
    .await;
    w.odoo
        .call(&w.service, 7, "res.users", "stop", json!({"user_id": 7}))
        .await
        .expect("stopped");
    assert!(w.stack.event(BEN, "Kick-off").await.is_some());
    w.quiet().await;
    let named = |w: &World| {
        let all = w.odoo.records.values();
        all.filter(|record| record["name"] == "Kick-off").count()
    };
    assert_eq!(named(&w), 1, "{:?}", w.odoo.records);
    w.odoo.answer(id, 8, "accepted");
    w.stack.sim_call("DELETE", "faults", Value::Null).await;
    w.odoo
        .call(&w.service, 7, "res.users", "restart", json!({"user_id": 7}))
        .await
        .expect("restarted");
    w.quiet().await;
    w.odoo.write(id, json!({"location": "Room 4"}));
    w.quiet().await;
    assert_eq!(named(&w), 1, "{:?}", w.odoo.records);
    let event = w.stack.event(ANN, "Kick-off").await.expect("in Outlook");
    assert_eq!(event["location"]["displayName"], "Room 4");
    let copy = w.stack.event(BEN, "Kick-off").await.expect("a copy");
    assert_eq!(copy["responseStatus"]["response"], "accepted");
    let shown = w.stack.events(ANN).await;
    assert_eq!(shown.iter().filter(|one| one["subject"] == "Kick-off").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_of_both_sides_survive_a_creation_whose_answer_is_lost() {
    let mut w = world().await;
    let lost = json!([{"method": "POST", "path": "/me/events", "cut": "after", "count": 1}]);
    w.stack.sim_call("PUT", "faults", lost).await;
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    let id = w.odoo.create(7, "Made", &start, &stop, &[]);
    w.odoo.sync(&w.service).await;
    let event = eventually("made in Outlook", async || w.stack.event(ANN, "Made").await).await;
    w.odoo.write(id, json!({"name": "Made, and renamed"}));
    w.odoo.sync(&w.service).await;
    // Later than the rename, and of another property.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    w.outlook_edits(ANN, &event, json!({"location": {"displayName": "Rue X"}}))
        .await;
    w.quiet().await;
    let event = w.stack.event(ANN, "Made, and renamed").await.expect("renamed");
    assert_eq!(event["location"]["displayName"], "Rue X");
    let record = &w.odoo.records[&id];
    assert_eq!(
        (&record["name"], &record["location"]),
        (&json!("Made, and renamed"), &json!("Rue X"))
    );
}

/// Outlook has applied the first edit, and its answer is lost. The second edit undoes the first.
#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_is_undone_before_its_answer_is_known_is_undone_in_outlook() {
    let mut w = world().await;
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    let id = w.odoo.create(7, "Review", &start, &stop, &[BEN]);
    let weekly = w
        .odoo
        .create_weekly(7, "Stand-up", &odoo_time(5, "09:00:00"), 3, &[]);
    w.quiet().await;
    let lost = json!([{"method": "PATCH", "path": "/me/events", "cut": "after", "count": 1},
        {"method": "POST", "path": "$batch", "cut": "after", "nth": 2, "count": 1}]);
    w.stack.sim_call("PUT", "faults", lost).await;
    w.odoo.write(id, json!({"description": "<p>Agenda</p>"}));
    w.odoo.change_guests(id, &[OUTSIDE], &[BEN]);
    w.odoo.set_series(weekly, &json!({"location": "Room 1"}));
    w.odoo.sync(&w.service).await;
    let room = |event: &Value| event["location"]["displayName"].clone();
    eventually("Outlook has taken both", async || {
        let event = w.stack.event(ANN, "Review").await?;
        let series = w.stack.event(ANN, "Stand-up").await?;
        let body = event["body"]["content"]
            .as_str()
            .unwrap_or_default()
            .contains("Agenda");
        (body && room(&series) == "Room 1").then_some(())
    })
    .await;
    w.odoo.write(id, json!({"description": null}));
    w.odoo.change_guests(id, &[BEN], &[OUTSIDE]);
    w.odoo.set_series(weekly, &json!({"location": null}));
    w.odoo.sync(&w.service).await;
    // Later than that edit, and of another property.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let event = w.stack.event(ANN, "Review").await.expect("hers");
    w.outlook_edits(ANN, &event, json!({"subject": "Review!"})).await;
    w.quiet().await;
    let event = w.stack.event(ANN, "Review!").await.expect("renamed in Outlook");
    assert!(
        !event["body"]["content"]
            .as_str()
            .unwrap_or_default()
            .contains("Agenda")
    );
    assert_eq!(event["attendees"][0]["emailAddress"]["address"], BEN);
    let record = &w.odoo.records[&id];
    assert_eq!(
        (&record["name"], &record["description"]),
        (&json!("Review!"), &Value::Null)
    );
    let series = w.stack.event(ANN, "Stand-up").await.expect("the series");
    assert_eq!(room(&series), "");
    assert_eq!(w.odoo.records[&weekly]["template"]["location"], Value::Null);
}

/// The answer to a creation is lost, and in Outlook one guest is replaced before the creation is
/// repeated. That is an edit, not another address of the same guest.
#[tokio::test(flavor = "multi_thread")]
async fn a_guest_exchanged_before_a_creation_is_known_is_exchanged_in_odoo() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben");
    w.quiet().await;
    let lost = json!([{"method": "POST", "path": "/me/events", "cut": "after", "count": 1},
        {"method": "POST", "path": "$batch", "cut": "after", "count": 1}]);
    w.stack.sim_call("PUT", "faults", lost).await;
    let (start, stop) = (odoo_time(4, "09:00:00"), odoo_time(4, "10:00:00"));
    let single = w.odoo.create(7, "Single", &start, &stop, &[BEN, OUTSIDE]);
    let weekly = w
        .odoo
        .create_weekly(7, "Weekly", &odoo_time(5, "09:00:00"), 3, &[BEN, OUTSIDE]);
    w.odoo.sync(&w.service).await;
    for title in ["Single", "Weekly"] {
        let event = eventually("in Outlook", async || w.stack.event(ANN, title).await).await;
        let attendees = [CARLA, OUTSIDE].map(|address| json!({"emailAddress": {"address": address}}));
        w.outlook_edits(ANN, &event, json!({"attendees": attendees}))
            .await;
    }
    w.quiet().await;
    let guests = |lines: &Value| -> BTreeSet<String> {
        let lines = lines.as_array().expect("attendees").iter();
        let all = lines.map(|line| line["email"].as_str().expect("an address").to_owned());
        all.filter(|address| address != ANN).collect()
    };
    let wanted: BTreeSet<String> = [CARLA, OUTSIDE].map(str::to_owned).into();
    assert_eq!(guests(&w.odoo.records[&single]["attendees"]), wanted);
    assert_eq!(guests(&w.odoo.records[&weekly]["template"]["attendees"]), wanted);
    assert_eq!(w.stack.events(ANN).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_is_lost_makes_no_twin() {
    for fault in [
        json!({"method": "POST", "path": "/me/events", "cut": "after", "count": 1}),
        json!({"method": "POST", "path": "/me/events", "cut": "before", "count": 1}),
    ] {
        let mut w = world().await;
        w.stack.sim_call("PUT", "faults", json!([fault])).await;
        w.odoo.create(
            7,
            "Once",
            &odoo_time(2, "09:00:00"),
            &odoo_time(2, "10:00:00"),
            &[OUTSIDE],
        );
        w.quiet().await;
        assert!(w.stack.event(ANN, "Once").await.is_some());
        assert_eq!(kinds(&w.stack.mails().await), [("invitation", OUTSIDE)]);
        assert!(w.odoo.by_name("Once").is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_service_loses_and_doubles_nothing() {
    let mut w = world().await;
    w.outlook_creates(ANN, "Theirs", &[]).await;
    let id = w.odoo.create(
        7,
        "Ours",
        &odoo_time(2, "09:00:00"),
        &odoo_time(2, "10:00:00"),
        &[OUTSIDE],
    );
    // Sent by Odoo, and the answer is lost: killed before anything was sent to Outlook, or during
    // that.
    let _lost = w.odoo.hand_over(&w.service).await.expect("taken");
    w.service.kill().await;
    w.odoo.write(id, json!({"name": "Ours, renamed"}));
    let mut conn =
        <diesel_async::AsyncPgConnection as diesel_async::AsyncConnection>::establish(&w.stack.database_url)
            .await
            .expect("Postgres");
    expire_leases(&mut conn).await;
    w.service = w.stack.serve().await;
    w.quiet().await;
    assert!(w.stack.event(ANN, "Ours, renamed").await.is_some());
    assert!(w.stack.event(ANN, "Ours").await.is_none());
    assert!(w.odoo.by_name("Theirs").is_some());
    let invited = w
        .stack
        .mails()
        .await
        .iter()
        .filter(|(kind, _)| kind == "invitation")
        .count();
    assert_eq!(invited, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_lost_after_commit_makes_no_twin_in_odoo() {
    let mut w = world().await;
    w.outlook_creates(ANN, "Landed", &[]).await;
    let answer = eventually("a change for Odoo", async || {
        let answer = w.odoo.hand_over(&w.service).await.ok()?;
        let news = answer["changes"].as_array().is_some_and(|c| !c.is_empty());
        if !news {
            w.odoo.take(&answer);
        }
        news.then_some(answer)
    })
    .await;
    w.odoo.take(&answer);
    // The results are never sent, as if Odoo's worker died after its commit and its table of
    // results was lost.
    w.odoo.forget_results();
    w.quiet().await;
    assert!(w.odoo.by_name("Landed").is_some());
    let event = w.stack.event(ANN, "Landed").await.unwrap();
    w.outlook_edits(ANN, &event, json!({"subject": "Landed twice?"}))
        .await;
    w.quiet().await;
    assert!(w.odoo.by_name("Landed twice?").is_some());
}

/// A call may reach a process that stands still, or be on its way for long, while Odoo goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_comes_after_later_ones_is_ignored() {
    let mut w = world().await;
    let id = w.odoo.create(
        7,
        "Before",
        &odoo_time(4, "11:00:00"),
        &odoo_time(4, "12:00:00"),
        &[],
    );
    w.odoo.hand_over(&w.service).await.expect("an answer");
    // Odoo gives the next call up. Its clock shows when it made it.
    let mut late = w.odoo.copy();
    late.clock -= chrono::TimeDelta::seconds(3);
    w.odoo.write(id, json!({"name": "After"}));
    for _ in 0..3 {
        w.odoo.exchange(&w.service).await.expect("an answer");
    }
    w.quiet().await;

    let answer = late.hand_over(&w.service).await.expect("an answer");
    assert_eq!(answer["state"]["quarantined"], Value::Null);
    assert_eq!(answer["acked"], json!([]), "nothing of it is stored");
    w.quiet().await;
    assert!(w.stack.event(ANN, "After").await.is_some());
    assert!(w.odoo.by_name("After").is_some());
    assert_eq!(w.odoo.state["quarantined"], Value::Null);

    // A restored Odoo has a small number too, but calls now.
    late.clock = chrono::TimeDelta::zero();
    let answer = late.hand_over(&w.service).await.expect("an answer");
    assert!(answer["state"]["quarantined"].is_string());
}
