//! Single events, in both directions.

use serde_json::{Value, json};

use super::odoo::Odoo;
use super::stack::{ANN, BEN, Stack, eventually, id_of};
use super::world::{CARLA, OUTSIDE, World, answer_in_odoo, day, expire_leases, kinds, odoo_time, world};

#[tokio::test(flavor = "multi_thread")]
async fn an_event_saved_in_odoo_reaches_outlook_with_its_invitations() {
    let mut w = world().await;
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    let id = w.odoo.create(7, "Kick-off", &start, &stop, &[BEN, OUTSIDE]);
    w.quiet().await;
    let event = w.stack.event(ANN, "Kick-off").await.expect("in Ann's Outlook");
    assert_eq!(
        event["start"]["dateTime"],
        format!("{}.0000000", day(2, "09:00:00"))
    );
    assert_eq!(event["originalStartTimeZone"], "Europe/Brussels");
    assert!(w.stack.event(BEN, "Kick-off").await.is_some(), "Ben has a copy");
    assert_eq!(
        kinds(&w.stack.mails().await),
        [("invitation", BEN), ("invitation", OUTSIDE)]
    );

    // A new time is an update for the guests; a reminder mails nobody.
    w.forget_mails().await;
    w.odoo.write(
        id,
        json!({"start": odoo_time(2, "13:00:00"), "stop": odoo_time(2, "14:00:00")}),
    );
    w.quiet().await;
    assert_eq!(
        kinds(&w.stack.mails().await),
        [("update", BEN), ("update", OUTSIDE)]
    );
    w.forget_mails().await;
    w.odoo
        .write(id, json!({"reminder_minutes": [30], "show_as": "free"}));
    w.quiet().await;
    let event = w.stack.event(ANN, "Kick-off").await.unwrap();
    assert_eq!(
        (&event["reminderMinutesBeforeStart"], &event["showAs"]),
        (&json!(30), &json!("free"))
    );
    assert_eq!(kinds(&w.stack.mails().await), []);

    // One guest is added, one removed.
    w.odoo.set_guests(id, &[BEN, CARLA]);
    w.quiet().await;
    assert_eq!(
        kinds(&w.stack.mails().await),
        [("cancellation", OUTSIDE), ("invitation", CARLA)]
    );

    // Archived: cancelled. Unarchived: invited again, to a new event.
    w.forget_mails().await;
    w.odoo.write(id, json!({"active": false}));
    w.quiet().await;
    assert!(w.stack.event(ANN, "Kick-off").await.is_none());
    assert_eq!(
        kinds(&w.stack.mails().await),
        [("cancellation", BEN), ("cancellation", CARLA)]
    );
    w.forget_mails().await;
    w.odoo.write(id, json!({"active": true}));
    w.quiet().await;
    assert!(w.stack.event(ANN, "Kick-off").await.is_some());
    assert_eq!(
        kinds(&w.stack.mails().await),
        [("invitation", BEN), ("invitation", CARLA)]
    );

    // Deleted: cancelled.
    w.forget_mails().await;
    w.odoo.unlink(id);
    w.quiet().await;
    assert!(w.stack.event(ANN, "Kick-off").await.is_none());
    assert_eq!(
        kinds(&w.stack.mails().await),
        [("cancellation", BEN), ("cancellation", CARLA)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_outlook_comes_to_odoo_and_goes() {
    let mut w = world().await;
    let event = w.outlook_creates(ANN, "Dentist", &[OUTSIDE]).await;
    w.quiet().await;
    let record = w.odoo.by_name("Dentist").expect("in Odoo").clone();
    assert_eq!(record["organizer"]["user_id"], 7);
    assert_eq!(record["attendees"].as_array().map(Vec::len), Some(2));
    let id = record["id"].as_i64().unwrap();
    w.forget_mails().await;

    w.outlook_edits(
        ANN,
        &event,
        json!({"subject": "Dentist!", "showAs": "oof", "location": {"displayName": "Rue X"}}),
    )
    .await;
    w.forget_mails().await;
    w.quiet().await;
    let record = &w.odoo.records[&id];
    assert_eq!(
        (&record["name"], &record["location"], &record["show_as"]),
        (&json!("Dentist!"), &json!("Rue X"), &json!("busy"))
    );

    // After an edit in Odoo, values that only Outlook has stay.
    w.odoo.write(id, json!({"name": "Dentist?"}));
    w.quiet().await;
    let event = w.stack.event(ANN, "Dentist?").await.expect("renamed");
    assert_eq!(event["showAs"], "oof");
    assert_eq!(kinds(&w.stack.mails().await), [("update", OUTSIDE)]);

    w.outlook_deletes(ANN, &event).await;
    w.quiet().await;
    assert_eq!(
        w.odoo.records[&id]["active"], false,
        "archived, with its conversation"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_sync_writes_nothing_and_mails_nobody() {
    let mut w = world().await;
    w.outlook_creates(ANN, "Both", &[BEN]).await;
    w.odoo.create(
        7,
        "Mine",
        &odoo_time(4, "09:00:00"),
        &odoo_time(4, "10:00:00"),
        &[OUTSIDE],
    );
    w.quiet().await;
    w.forget_mails().await;
    w.stack.sim_call("DELETE", "requests", Value::Null).await;
    w.quiet().await;
    w.quiet().await;
    let requests = w.stack.sim_call("GET", "requests", Value::Null).await;
    let writes: Vec<&Value> = requests["value"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|r| r["path"].as_str().is_some_and(|p| p.starts_with("/v1.0")) && r["method"] != "GET")
        .collect();
    assert!(writes.is_empty(), "{writes:?}");
    assert_eq!(w.stack.mails().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_of_both_sides_and_their_answers_are_merged_one_by_one() {
    let mut w = world().await;
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    let id = w.odoo.create(7, "Guests", &start, &stop, &[OUTSIDE, BEN]);
    w.quiet().await;
    w.forget_mails().await;
    let event = w.stack.event(ANN, "Guests").await.expect("in Outlook");
    let path = format!("mailboxes/{ANN}/events/{}/respond", id_of(&event));
    w.stack
        .sim_call("POST", &path, json!({"response": "accept", "as": OUTSIDE}))
        .await;
    let list =
        json!({"attendees": [{"type": "required", "emailAddress": {"name": OUTSIDE, "address": OUTSIDE}}]});
    w.outlook_edits(ANN, &event, list).await;
    w.odoo.set_guests(id, &[OUTSIDE, BEN, CARLA]);
    w.quiet().await;
    assert_eq!(
        kinds(&w.stack.mails().await),
        [("cancellation", BEN), ("invitation", CARLA)]
    );
    let record = &w.odoo.records[&id];
    let guests = record["attendees"].as_array().expect("attendees");
    assert!(guests.iter().all(|a| a["email"] != BEN), "{guests:?}");
    assert_eq!(answer_in_odoo(record, OUTSIDE), "accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_odd_character_spoils_itself_and_no_mailbox() {
    let mut w = world().await;
    w.outlook_creates(ANN, "Odd\u{0}one", &[OUTSIDE]).await;
    w.outlook_creates(ANN, "Fine", &[]).await;
    w.quiet().await;
    assert!(w.odoo.by_name("Fine").is_some());
    let odd = w
        .odoo
        .by_name("Odd\u{fffd}one")
        .expect("as far as it can be told")
        .clone();
    w.forget_mails().await;
    w.odoo
        .write(odd["id"].as_i64().expect("an id"), json!({"location": "Room 1"}));
    w.quiet().await;
    w.quiet().await;
    assert_eq!(kinds(&w.stack.mails().await), [("update", OUTSIDE)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn connecting_mails_nobody_and_matches_what_both_sides_have() {
    let stack = Stack::start().await;
    let service = stack.serve().await;
    let mut odoo = Odoo::pair(&service).await;
    let (start, stop) = (odoo_time(3, "09:00:00"), odoo_time(3, "10:00:00"));
    odoo.create(7, "With guests", &start, &stop, &[OUTSIDE, BEN]);
    odoo.create(7, "Alone", &start, &stop, &[]);
    // The same event on both sides, never linked. Brussels is one or two hours ahead of UTC.
    let w = World { stack, service, odoo };
    let twin = w.outlook_creates(ANN, "Twin", &[]).await;
    let World {
        stack,
        service,
        mut odoo,
    } = w;
    let at = |which: &str| twin[which]["dateTime"].as_str().unwrap()[..19].replace('T', " ");
    odoo.create(7, "Twin", &at("start"), &at("end"), &[]);
    // All events are older than the connection.
    for record in odoo.records.values_mut() {
        record["create_date"] = json!("2026-01-01 00:00:00");
    }
    let mut w = World { stack, service, odoo };
    w.odoo.sync(&w.service).await;
    w.odoo.connect(&w.stack, &w.service, 7).await.expect("connected");
    w.quiet().await;
    assert_eq!(w.stack.mails().await, []);
    assert!(
        w.stack.event(ANN, "With guests").await.is_none(),
        "waits for a person's choice"
    );
    assert!(w.stack.event(ANN, "Alone").await.is_some());
    assert!(
        w.stack.event(ANN, "Twin").await.is_some() && w.odoo.by_name("Twin").is_some(),
        "one of each"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_both_sides_changed_is_merged_and_told() {
    let mut w = world().await;
    let event = w.outlook_creates(ANN, "Merge", &[]).await;
    w.quiet().await;
    let id = w.odoo.by_name("Merge").unwrap()["id"].as_i64().unwrap();
    w.odoo.write(id, json!({"location": "Room 1"}));
    w.outlook_edits(ANN, &event, json!({"subject": "Merged"})).await;
    w.quiet().await;
    assert_eq!(w.odoo.records[&id]["name"], "Merged");
    let merged = w.stack.event(ANN, "Merged").await.expect("renamed");
    assert_eq!(merged["location"]["displayName"], "Room 1");

    w.odoo.write(id, json!({"name": "Odoo's"}));
    w.outlook_edits(ANN, &event, json!({"subject": "Outlook's"}))
        .await;
    w.quiet().await;
    let journal = w
        .odoo
        .call(&w.service, 7, "outlook.bridge", "journal", json!({"limit": 50}))
        .await
        .unwrap();
    let told = journal.as_array().unwrap().iter().any(|l| {
        let text = l["message"].as_str().unwrap_or("");
        text.contains("both sides") && text.contains("Odoo's") && text.contains("Outlook's")
    });
    assert!(told, "{journal}");
    let name = w.odoo.records[&id]["name"].as_str().unwrap().to_owned();
    assert!(
        w.stack.event(ANN, &name).await.is_some(),
        "both sides have {name}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_odoo_is_shut_out() {
    let mut w = world().await;
    let copy = w.odoo.copy();
    w.odoo.sync(&w.service).await;
    w.odoo.sync(&w.service).await;
    let mut copy = copy;
    copy.create(
        7,
        "From the copy",
        &odoo_time(2, "09:00:00"),
        &odoo_time(2, "10:00:00"),
        &[OUTSIDE],
    );
    let answer = copy.hand_over(&w.service).await.expect("an answer");
    assert!(answer["state"]["quarantined"].is_string());
    assert!(answer["acked"].as_array().unwrap().is_empty());
    assert!(w.stack.event(ANN, "From the copy").await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_refused_event_does_not_stop_the_others() {
    let mut w = world().await;
    // Graph accepts 500 attendees at most, and refuses an end before the start at once.
    let bad = w.odoo.create(
        7,
        "Backwards",
        &odoo_time(2, "10:00:00"),
        &odoo_time(2, "09:00:00"),
        &[],
    );
    w.odoo.create(
        7,
        "Fine",
        &odoo_time(2, "09:00:00"),
        &odoo_time(2, "10:00:00"),
        &[],
    );
    w.quiet().await;
    assert!(w.stack.event(ANN, "Fine").await.is_some());
    assert!(w.stack.event(ANN, "Backwards").await.is_none());
    w.odoo.write(bad, json!({"stop": odoo_time(2, "11:00:00")}));
    w.quiet().await;
    assert!(
        w.stack.event(ANN, "Backwards").await.is_some(),
        "tried again when it changed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_while_the_delta_was_lost_is_noticed() {
    let mut w = world().await;
    let event = w.outlook_creates(ANN, "Gone meanwhile", &[]).await;
    w.outlook_creates(ANN, "Stays", &[]).await;
    w.quiet().await;
    w.service.kill().await;
    w.stack
        .sim_call(
            "DELETE",
            &format!("mailboxes/{ANN}/events/{}", id_of(&event)),
            Value::Null,
        )
        .await;
    w.stack
        .sim_call("POST", &format!("mailboxes/{ANN}/delta-reset"), json!({}))
        .await;
    let mut conn =
        <diesel_async::AsyncPgConnection as diesel_async::AsyncConnection>::establish(&w.stack.database_url)
            .await
            .expect("Postgres");
    expire_leases(&mut conn).await;
    w.service = w.stack.serve().await;
    w.quiet().await;
    assert!(w.odoo.by_name("Gone meanwhile").is_none());
    assert!(w.odoo.by_name("Stays").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lapsed_login_holds_everything_until_the_next_one() {
    let mut w = world().await;
    w.stack
        .sim_call("PATCH", "switches", json!({"access_token_seconds": 60}))
        .await;
    w.odoo
        .connect(&w.stack, &w.service, 7)
        .await
        .expect("short tokens");
    let doomed = w.odoo.create(
        7,
        "Doomed",
        &odoo_time(2, "09:00:00"),
        &odoo_time(2, "10:00:00"),
        &[OUTSIDE],
    );
    w.quiet().await;
    w.stack
        .sim_call("POST", &format!("people/{ANN}/revoke"), Value::Null)
        .await;
    eventually("Ann must log in again", async || {
        w.odoo.sync(&w.service).await;
        (w.odoo.state["accounts"][0]["status"] == "need_auth").then_some(())
    })
    .await;
    w.forget_mails().await;
    w.odoo.unlink(doomed);
    w.odoo.create(
        7,
        "Meanwhile",
        &odoo_time(3, "09:00:00"),
        &odoo_time(3, "10:00:00"),
        &[],
    );
    w.odoo.sync(&w.service).await;
    w.odoo.connect(&w.stack, &w.service, 7).await.expect("back");
    w.quiet().await;
    assert!(w.stack.event(ANN, "Doomed").await.is_none());
    assert!(w.stack.event(ANN, "Meanwhile").await.is_some());
    assert_eq!(kinds(&w.stack.mails().await), [("cancellation", OUTSIDE)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_or_paused_nothing_moves_and_a_restart_settles_it() {
    let mut w = world().await;
    for (stop, start) in [
        (
            ("res.users", "stop", json!({"user_id": 7})),
            ("res.users", "restart", json!({"user_id": 7})),
        ),
        (
            ("res.config.settings", "set_values", json!({"paused": true})),
            ("res.config.settings", "set_values", json!({"paused": false})),
        ),
    ] {
        let id = w.odoo.create(
            7,
            "Before",
            &odoo_time(2, "09:00:00"),
            &odoo_time(2, "10:00:00"),
            &[OUTSIDE],
        );
        w.quiet().await;
        w.odoo
            .call(&w.service, 7, stop.0, stop.1, stop.2)
            .await
            .expect("stopped");
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        w.forget_mails().await;
        w.odoo.unlink(id);
        w.odoo.create(
            7,
            "During",
            &odoo_time(3, "09:00:00"),
            &odoo_time(3, "10:00:00"),
            &[],
        );
        w.odoo.sync(&w.service).await;
        tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
        assert!(w.stack.event(ANN, "Before").await.is_some() && w.stack.event(ANN, "During").await.is_none());
        w.odoo
            .call(&w.service, 7, start.0, start.1, start.2)
            .await
            .expect("restarted");
        w.quiet().await;
        assert!(w.stack.event(ANN, "Before").await.is_none() && w.stack.event(ANN, "During").await.is_some());
        assert_eq!(kinds(&w.stack.mails().await), [("cancellation", OUTSIDE)]);
        let during = w.odoo.by_name("During").unwrap()["id"].as_i64().unwrap();
        w.odoo.unlink(during);
        w.quiet().await;
    }
}
