//! Single events, both ways.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::odoo::Odoo;
use super::stack::{ANN, BEN, Stack, eventually, id_of};
use super::world::{CARLA, OUTSIDE, World, day, expire_leases, kinds, odoo_time, world};

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

    // A new time is an update for the guests; a reminder is nobody's business.
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

    // One guest more, one less.
    w.odoo.set_guests(id, &[BEN, CARLA]);
    w.quiet().await;
    assert_eq!(
        kinds(&w.stack.mails().await),
        [("cancellation", OUTSIDE), ("invitation", CARLA)]
    );

    // Archived: cancelled. Unarchived: invited anew, to a new event.
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

    // Edited in Odoo, what only Outlook knows stays.
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
async fn two_connected_users_share_one_odoo_event_and_answer_for_themselves() {
    let mut w = world().await;
    w.odoo
        .connect(&w.stack, &w.service, 8)
        .await
        .expect("Ben is connected");
    w.quiet().await;
    let id = w.odoo.create(
        7,
        "Pairing",
        &odoo_time(2, "09:00:00"),
        &odoo_time(2, "10:00:00"),
        &[BEN],
    );
    w.quiet().await;
    assert!(w.odoo.by_name("Pairing").is_some(), "no twin from Ben's copy");
    w.forget_mails().await;

    w.odoo.answer(id, 8, "accepted");
    w.quiet().await;
    assert_eq!(kinds(&w.stack.mails().await), [("response", ANN)]);
    let copy = w.stack.event(BEN, "Pairing").await.unwrap();
    assert_eq!(copy["responseStatus"]["response"], "accepted");

    // Ben takes the meeting off his own Outlook: he has declined, the meeting stands.
    w.outlook_deletes(BEN, &copy).await;
    w.quiet().await;
    let record = w.odoo.by_name("Pairing").expect("still there");
    let ben = record["attendees"]
        .as_array()
        .unwrap()
        .iter()
        .find(|a| a["user_id"] == 8)
        .unwrap();
    assert_eq!(ben["state"], "declined");
    assert!(w.stack.event(ANN, "Pairing").await.is_some());
}

fn answer_in_odoo(record: &Value, address: &str) -> String {
    let attendees = record["attendees"].as_array().expect("attendees");
    let line = attendees.iter().find(|a| a["email"] == address).expect("a guest");
    line["state"].as_str().expect("a state").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_copy_that_comes_back_is_not_declined_for_its_owner() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    let id = w.odoo.create(7, "Review", &start, &stop, &[BEN]);
    w.quiet().await;
    w.odoo.answer(id, 8, "declined");
    w.quiet().await;
    assert!(w.stack.event(BEN, "Review").await.is_none(), "as Outlook does it");
    w.forget_mails().await;
    w.odoo.write(id, json!({"location": "Room 2"}));
    w.quiet().await;
    assert_eq!(kinds(&w.stack.mails().await), [("update", BEN)]);
    assert!(w.stack.event(BEN, "Review").await.is_some(), "asked again");
    assert_eq!(answer_in_odoo(&w.odoo.records[&id], BEN), "needsAction");
    w.odoo.answer(id, 8, "accepted");
    w.quiet().await;
    let copy = w.stack.event(BEN, "Review").await.expect("a copy");
    assert_eq!(copy["responseStatus"]["response"], "accepted");
}

/// Ben accepts in Outlook while his own mailbox is not looked into: Odoo hears of it from Ann's, and then Ann moves the
/// meeting in Outlook or does not. Ben's mailbox is next, before Odoo's.
async fn accepted_behind_our_back(is_moved: bool) {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    let event = w.outlook_creates(ANN, "Review", &[BEN]).await;
    w.quiet().await;
    let of_ben = json!({"user_id": 8});
    w.odoo
        .call(&w.service, 8, "res.users", "stop", of_ben.clone())
        .await
        .expect("stopped");
    let copy = w.stack.event(BEN, "Review").await.expect("a copy");
    let path = format!("mailboxes/{BEN}/events/{}/respond", id_of(&copy));
    w.stack
        .sim_call("POST", &path, json!({"response": "accept"}))
        .await;
    w.quiet().await;
    let record = w.odoo.by_name("Review").expect("in Odoo");
    assert_eq!(answer_in_odoo(record, BEN), "accepted", "by Ann's mailbox");
    if is_moved {
        let at = |time| json!({"dateTime": day(4, time), "timeZone": "Europe/Brussels"});
        let moved = json!({"start": at("10:00:00"), "end": at("11:00:00")});
        w.outlook_edits(ANN, &event, moved).await;
        w.worked(7).await;
    }
    w.forget_mails().await;
    w.odoo
        .call(&w.service, 8, "res.users", "restart", of_ben)
        .await
        .expect("restarted");
    w.worked(8).await;
    w.quiet().await;
    assert_eq!(w.stack.mails().await, []);
    let record = w.odoo.by_name("Review").expect("in Odoo");
    let answer = if is_moved { "needsAction" } else { "accepted" };
    assert_eq!(answer_in_odoo(record, BEN), answer);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_the_organizer_has_is_not_sent_again() {
    accepted_behind_our_back(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_a_new_time_took_back_is_not_sent_again() {
    accepted_behind_our_back(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revived_meeting_asks_everybody_anew() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    let id = w.odoo.create(7, "Review", &start, &stop, &[BEN, OUTSIDE]);
    w.quiet().await;
    w.odoo.answer(id, 8, "accepted");
    let event = w.stack.event(ANN, "Review").await.expect("in Outlook");
    let path = format!("mailboxes/{ANN}/events/{}/respond", id_of(&event));
    w.stack
        .sim_call("POST", &path, json!({"response": "accept", "as": OUTSIDE}))
        .await;
    w.quiet().await;
    assert_eq!(answer_in_odoo(&w.odoo.records[&id], OUTSIDE), "accepted");
    w.odoo.write(id, json!({"active": false}));
    w.quiet().await;
    w.forget_mails().await;
    w.odoo.write(id, json!({"active": true}));
    w.quiet().await;
    assert_eq!(
        kinds(&w.stack.mails().await),
        [("invitation", BEN), ("invitation", OUTSIDE)],
        "and no answer that nobody gave"
    );
    for guest in [BEN, OUTSIDE] {
        assert_eq!(
            answer_in_odoo(&w.odoo.records[&id], guest),
            "needsAction",
            "{guest}"
        );
    }
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

/// Waits until a write is under way to Outlook, and so cannot be called back.
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
async fn nobody_waits_for_a_creation_in_a_mailbox_that_is_not_worked() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    w.quiet().await;
    // It never arrives, and nobody can know: an event that was made would settle it as soon as the mailbox shows it.
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
    // What else she invites Ben to may be that event for all that is known, and is told all the same.
    w.outlook_creates(ANN, "Elsewhere", &[BEN]).await;
    w.quiet().await;
    assert!(w.odoo.by_name("Elsewhere").is_some(), "{:?}", w.odoo.records);
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
    // Later than the new name, and nothing of it.
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

/// Outlook has taken the first edit and its answer is lost; the second one puts back what was before.
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
    w.odoo.set_series(weekly, json!({"location": "Room 1"}));
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
    w.odoo.set_series(weekly, json!({"location": null}));
    w.odoo.sync(&w.service).await;
    // Later than that, and nothing of it.
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

#[tokio::test(flavor = "multi_thread")]
async fn connecting_mails_nobody_and_matches_what_both_sides_have() {
    let stack = Stack::start().await;
    let service = stack.serve().await;
    let mut odoo = Odoo::pair(&service).await;
    let (start, stop) = (odoo_time(3, "09:00:00"), odoo_time(3, "10:00:00"));
    odoo.create(7, "With guests", &start, &stop, &[OUTSIDE, BEN]);
    odoo.create(7, "Alone", &start, &stop, &[]);
    // The same event on both sides, never linked: Brussels is an hour or two ahead of UTC.
    let w = World { stack, service, odoo };
    let twin = w.outlook_creates(ANN, "Twin", &[]).await;
    let World {
        stack,
        service,
        mut odoo,
    } = w;
    let at = |which: &str| twin[which]["dateTime"].as_str().unwrap()[..19].replace('T', " ");
    odoo.create(7, "Twin", &at("start"), &at("end"), &[]);
    // Everything existed before the connection.
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
    // Handed over, and the answer lost: killed before anything left for Outlook, or in the middle of it.
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
    // The results never leave: as if Odoo's worker died after its commit, and its table of results with it.
    w.odoo.forget_results();
    w.quiet().await;
    assert!(w.odoo.by_name("Landed").is_some());
    let event = w.stack.event(ANN, "Landed").await.unwrap();
    w.outlook_edits(ANN, &event, json!({"subject": "Landed twice?"}))
        .await;
    w.quiet().await;
    assert!(w.odoo.by_name("Landed twice?").is_some());
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
    // Graph takes 500 attendees at the most; an end before the start it refuses at once.
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

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_whose_reply_was_lost_is_not_told_again_for_a_new_time() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    let id = w.odoo.create(7, "Review", &start, &stop, &[BEN]);
    w.quiet().await;
    w.forget_mails().await;
    let lost = json!([{"mailbox": BEN, "method": "POST", "path": "$batch", "cut": "after", "count": 1}]);
    w.stack.sim_call("PUT", "faults", lost).await;
    w.odoo.answer(id, 8, "accepted");
    w.odoo.sync(&w.service).await;
    eventually("the answer is told", async || {
        (kinds(&w.stack.mails().await) == [("response", ANN)]).then_some(())
    })
    .await;
    let event = w.stack.event(ANN, "Review").await.expect("in Outlook");
    let moved = json!({"start": {"dateTime": day(4, "10:00:00"), "timeZone": "UTC"},
        "end": {"dateTime": day(4, "11:00:00"), "timeZone": "UTC"}});
    w.outlook_edits(ANN, &event, moved).await;
    w.quiet().await;
    let mails = w.stack.mails().await;
    let told = kinds(&mails)
        .iter()
        .filter(|(kind, _)| *kind == "response")
        .count();
    assert_eq!(told, 1, "{mails:?}");
    assert_eq!(answer_in_odoo(&w.odoo.records[&id], BEN), "needsAction");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_a_guests_mailbox_has_shown_is_deleted_by_its_organizer_later() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    w.quiet().await;
    // Ann's mailbox cannot be read for a while.
    let away = json!([{"mailbox": ANN, "path": "delta", "status": 503}]);
    w.stack.sim_call("PUT", "faults", away).await;
    w.outlook_creates(ANN, "Seen by Ben", &[BEN]).await;
    let id = eventually("it comes to Odoo by Ben's mailbox", async || {
        w.odoo.sync(&w.service).await;
        w.odoo.by_name("Seen by Ben").map(|r| r["id"].as_i64().unwrap())
    })
    .await;
    w.forget_mails().await;
    w.odoo.write(id, json!({"active": false}));
    w.odoo.sync(&w.service).await;
    w.stack.sim_call("DELETE", "faults", Value::Null).await;
    w.quiet().await;
    assert!(w.stack.event(ANN, "Seen by Ben").await.is_none());
    assert_eq!(kinds(&w.stack.mails().await), [("cancellation", BEN)]);
}

/// The answer to a creation is lost, and in Outlook one guest is exchanged for another before it is asked for again: that is an
/// edit, and not another address of the same guest.
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
