//! How the engine goes about many writes at once.

use diesel_async::RunQueryDsl;
use outlook_bridge::store::databases;
use outlook_bridge::store::journal::{self, Level, Line};
use serde_json::{Value, json};

use super::stack::{ANN, BEN, Stack, eventually};
use super::world::{CARLA, World, day, kinds, odoo_time, world};

async fn requests(stack: &Stack, path: &str) -> Vec<Value> {
    let log = stack
        .sim_call("GET", &format!("requests?path={path}"), Value::Null)
        .await;
    log["value"].as_array().cloned().unwrap_or_default()
}

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
        // The third creation is throttled, the fifth fails in passing.
        {"mailbox": ANN, "method": "POST", "path": "/me/events", "nth": 3, "count": 1, "status": 429, "retry_after": 1},
        {"mailbox": ANN, "method": "POST", "path": "/me/events", "nth": 5, "count": 1, "status": 503},
    ]);
    w.stack.sim_call("PUT", "faults", faults).await;
    create_many(&mut w, 10, &[CARLA]);
    // One that Graph refuses whatever happens: it ends before it begins.
    let (start, stop) = (odoo_time(3, "09:00:00"), odoo_time(3, "08:00:00"));
    w.odoo.create(7, "Backwards", &start, &stop, &[]);
    w.quiet().await;
    assert_eq!(w.stack.events(ANN).await.len(), 10);
    assert_eq!(w.stack.mails().await.len(), 10, "one invitation for each");
}

async fn brake_world(count: usize) -> World {
    let mut w = world().await;
    for n in 0..count {
        w.outlook_creates(ANN, &format!("Event {n}"), &[]).await;
    }
    w.quiet().await;
    assert_eq!(active(&w), count);
    w
}

fn active(w: &World) -> usize {
    w.odoo.records.values().filter(|r| r["active"] == true).count()
}

/// While syncing is paused, so that one sync sees them all.
async fn delete_in_outlook(w: &World, count: usize) {
    pause(w, true).await;
    for event in w.stack.events(ANN).await.iter().take(count) {
        w.outlook_deletes(ANN, event).await;
    }
    pause(w, false).await;
}

async fn pause(w: &World, paused: bool) {
    let kwargs = json!({"paused": paused});
    w.odoo
        .call(&w.service, 2, "res.config.settings", "set_values", kwargs)
        .await
        .unwrap();
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
    // A few are believed.
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
    // What people do on purpose goes on.
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
    w.quiet().await;
    assert_eq!(active(&w), 3);
    assert_eq!(w.odoo.state["accounts"][0]["status"], "active");
    assert!(answer(&w, true).await.is_err(), "answered already");
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
    // What was decided on is history.
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
    // Syncing goes on, and what is archived and brought back is a new wish.
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
        // The side that loses is edited last.
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
async fn a_restored_odoo_gets_back_what_it_lost_and_mails_nobody() {
    let mut w = world().await;
    let at = |hour: &str| odoo_time(4, hour);
    w.odoo
        .create(7, "Kept", &at("09:00:00"), &at("10:00:00"), &[CARLA]);
    w.quiet().await;
    let backup = w.odoo.copy();
    // After the backup: one made, one changed, on either side.
    w.odoo
        .create(7, "Lost", &at("11:00:00"), &at("12:00:00"), &[CARLA]);
    w.outlook_creates(ANN, "Fetched later", &[]).await;
    w.quiet().await;
    let kept = w.stack.event(ANN, "Kept").await.unwrap();
    w.outlook_edits(ANN, &kept, json!({"subject": "Kept, renamed"}))
        .await;
    w.quiet().await;
    w.forget_mails().await;
    let before: Vec<Value> = w.stack.events(ANN).await;

    w.odoo = backup;
    let answer = w.odoo.hand_over(&w.service).await.unwrap();
    assert!(answer["state"]["quarantined"].is_string());
    w.odoo.pair_again(&w.service).await;
    // Somebody works on meanwhile; the restored database gives the lost event's id out again.
    let reused = w
        .odoo
        .create(7, "New after all", &at("15:00:00"), &at("16:00:00"), &[]);
    w.quiet().await;
    w.quiet().await;
    for name in ["Lost", "Fetched later", "Kept, renamed", "New after all"] {
        assert!(w.odoo.by_name(name).is_some(), "{name}: {:#?}", w.odoo.records);
    }
    assert_eq!(w.odoo.by_name("New after all").unwrap()["id"], reused);
    assert_eq!(active(&w), 4);
    assert!(w.stack.event(ANN, "New after all").await.is_some());
    assert_eq!(w.stack.events(ANN).await.len(), before.len() + 1);
    assert!(w.stack.mails().await.is_empty(), "{:?}", w.stack.mails().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_odoo_invites_nobody_to_what_had_been_deleted() {
    let mut w = world().await;
    let at = |hour: &str| odoo_time(4, hour);
    let deleted = w
        .odoo
        .create(7, "Deleted", &at("09:00:00"), &at("10:00:00"), &[CARLA]);
    let alone = w.odoo.create(7, "Alone", &at("12:00:00"), &at("13:00:00"), &[]);
    let series = w.odoo.create_weekly(7, "Series", &at("15:00:00"), 4, &[CARLA]);
    w.quiet().await;
    let backup = w.odoo.copy();
    for id in [deleted, alone, series] {
        w.odoo.unlink(id);
    }
    w.quiet().await;
    assert_eq!(w.stack.events(ANN).await.len(), 0);
    w.forget_mails().await;

    w.odoo = backup;
    w.odoo.hand_over(&w.service).await.unwrap();
    w.odoo.pair_again(&w.service).await;
    w.quiet().await;
    w.quiet().await;
    assert_eq!(w.stack.mails().await, []);
    let subjects: Vec<Value> = w
        .stack
        .events(ANN)
        .await
        .iter()
        .map(|e| e["subject"].clone())
        .collect();
    assert_eq!(subjects, ["Alone"], "what mails nobody is as Odoo has it");
    for name in ["Deleted", "Alone", "Series"] {
        let is_it = |r: &&Value| r["name"] == name || r["template"]["name"] == name;
        let record = w.odoo.records.values().find(is_it).expect("in Odoo");
        assert_eq!(record["active"], true, "{name}");
    }
    let journal = w
        .odoo
        .call(
            &w.service,
            2,
            "outlook.bridge",
            "journal",
            json!({"res_id": deleted}),
        )
        .await
        .unwrap();
    assert!(
        journal[0]["message"].as_str().unwrap().contains("in Odoo again"),
        "{journal}"
    );
    // It is its organizer's to choose, and an edit is no choice.
    w.odoo.write(deleted, json!({"location": "Room 1"}));
    w.quiet().await;
    assert_eq!(w.stack.mails().await, []);
    assert!(w.stack.event(ANN, "Deleted").await.is_none());
}

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
    // Asked for later, it is told to the guest; taken back, it stays: Outlook does not do that.
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

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_in_outlook_is_not_overwritten_unseen_though_graph_would_let_it() {
    let mut w = world().await;
    let lenient = json!({"if_match_enforced": false});
    w.stack.sim_call("PUT", "switches", lenient).await;
    let event = w.outlook_creates(ANN, "Both", &[]).await;
    w.quiet().await;
    let id = w.odoo.by_name("Both").unwrap()["id"].as_i64().unwrap();
    // While nothing is polled: Odoo's edit is planned against what Outlook was, and is the earlier one.
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

#[tokio::test(flavor = "multi_thread")]
async fn what_leaves_the_window_is_not_deleted_and_the_window_moves_on() {
    let mut w = world().await;
    let event = w.outlook_creates(ANN, "Far away", &[]).await;
    w.outlook_creates(ANN, "Near", &[]).await;
    w.quiet().await;
    let id = w.odoo.by_name("Far away").unwrap()["id"].as_i64().unwrap();
    // Past what is looked at: Graph says “removed”.
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
    // The end of the window comes near: it is opened anew.
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

/// What was made anew in Outlook since the backup is the meeting that the restored service knows as ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_service_knows_its_later_generation_again() {
    know_again(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_service_waits_for_the_organizers_mailbox_to_know_it_again() {
    know_again(true).await;
}

async fn know_again(guest_first: bool) {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben");
    let at = |hour: &str| odoo_time(4, hour);
    let id = w
        .odoo
        .create(7, "Review", &at("09:00:00"), &at("10:00:00"), &[BEN, CARLA]);
    w.quiet().await;
    w.odoo.write(id, json!({"active": false}));
    w.quiet().await;
    assert!(w.stack.event(ANN, "Review").await.is_none());
    w.back_up().await;
    w.odoo.write(id, json!({"active": true}));
    w.quiet().await;
    let event = w.stack.event(ANN, "Review").await.expect("made anew");
    w.outlook_deletes(ANN, &event).await;
    w.quiet().await;
    w.odoo.write(id, json!({"active": true}));
    w.quiet().await;
    let event = w.stack.event(ANN, "Review").await.expect("made anew again");
    w.forget_mails().await;

    w.restore().await;
    if guest_first {
        let fault =
            json!({"mailbox": ANN, "method": "GET", "path": "calendarView/delta", "count": 4, "status": 503});
        w.stack.sim_call("POST", "faults", fault).await;
    }
    w.odoo.pair_again(&w.service).await;
    if guest_first {
        w.odoo.sync(&w.service).await;
        w.worked(8).await;
        w.odoo.sync(&w.service).await;
    }
    w.quiet().await;
    w.quiet().await;
    assert_eq!(active(&w), 1, "{:#?}", w.odoo.records);
    assert_eq!(w.odoo.records[&id]["active"], true);
    assert_eq!(w.stack.events(ANN).await.len(), 1);
    assert_eq!(w.stack.mails().await, []);
    // The two are one.
    w.outlook_edits(ANN, &event, json!({"subject": "Reviewed"})).await;
    w.quiet().await;
    assert_eq!(w.odoo.records[&id]["name"], "Reviewed");
    w.odoo.write(id, json!({"name": "Reviewed twice"}));
    w.quiet().await;
    assert!(w.stack.event(ANN, "Reviewed twice").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn pairing_anew_waits_for_what_is_being_stored() {
    let w = world().await;
    let mut conn = w.service.engine.store.get().await.unwrap();
    let database = databases::all(&mut conn).await.unwrap().remove(0);
    let mut odoo = w.odoo.clone();
    let storing = async {
        diesel::sql_query("BEGIN").execute(&mut conn).await.unwrap();
        databases::serialize(&mut conn, database.id).await.unwrap();
        eventually("the pairing waits", async || {
            (w.count("pg_locks WHERE NOT granted").await > 0).then_some(())
        })
        .await;
        let line = Line::general(database.id, None, Level::Info, "Stored meanwhile".to_owned());
        journal::write(&mut conn, line).await.expect("stored");
        diesel::sql_query("COMMIT").execute(&mut conn).await.unwrap();
    };
    tokio::join!(storing, odoo.pair_again(&w.service));
}

/// Microsoft's server says now and then that an event has changed which has not.
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
    w.odoo.set_series(series, json!({"name": "Weekly, renamed"}));
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
