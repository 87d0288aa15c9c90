//! What counts as gone and what does not: an immutable id outlives a deletion, and a drag may end
//! it.

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
        // A mailbox that is listed again does not report earlier deletions.
        w.stack
            .sim_call("POST", &format!("mailboxes/{ANN}/delta-reset"), json!({}))
            .await;
        w.outlook_deletes(ANN, &unseen).await;
        w.quiet().await;
        assert!(!is_active(&w.odoo, "Unseen"), "{answers}");
    }
}

/// Microsoft's documentation does not say which ids a delta names when a series is deleted.
#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_series_is_gone_whichever_ids_the_delta_names() {
    let last_workday = json!({"recurrence": {
        "range": {"type": "numbered", "startDate": "2027-01-29", "numberOfOccurrences": 4},
        "pattern": {"type": "relativeMonthly", "interval": 1, "index": "last",
            "daysOfWeek": ["monday", "tuesday", "wednesday", "thursday", "friday"]}},
        "start": {"dateTime": "2027-01-29T10:00:00", "timeZone": "UTC"},
        "end": {"dateTime": "2027-01-29T11:00:00", "timeZone": "UTC"}});
    let cases = [
        ("never", "occurrences", true),
        ("never", "occurrences", false),
        ("never", "both", true),
        ("never", "both", false),
        ("always", "occurrences", false),
    ];
    for (masters, named, answers) in cases {
        // A new world for each case, as many deletions at once would wait for approval.
        let mut w = world().await;
        let case = format!("masters {masters}, removed {named}, deleted answers {answers}");
        let switches =
            json!({"delta_masters": masters, "delta_series_removal": named, "deleted_answers": answers});
        switch(&w, switches).await;
        let series = outlook_makes(&w, ANN, "Series", json!({"recurrence": daily()})).await;
        outlook_makes(&w, ANN, "Stays", json!({"recurrence": daily()})).await;
        let apart = outlook_makes(&w, ANN, "Last workday", last_workday.clone()).await;
        w.quiet().await;
        for name in ["Series", "Stays", "Last workday"] {
            assert!(is_active(&w.odoo, name), "{name}, {case}");
        }
        w.outlook_deletes(ANN, &series).await;
        w.outlook_deletes(ANN, &apart).await;
        w.quiet().await;
        for name in ["Series", "Last workday"] {
            assert!(!is_active(&w.odoo, name), "{name}, {case}");
        }
        assert!(is_active(&w.odoo, "Stays"), "{case}");
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
    // It is still synced.
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

/// Odoo's edit was made before the service knew of the deletion.
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

async fn journal(w: &World) -> String {
    let journal = w
        .odoo
        .call(&w.service, 2, "outlook.bridge", "journal", json!({"limit": 100}));
    journal.await.expect("a journal").to_string()
}

/// Zoe, who has no mailbox here, invites Ben.
async fn zoe_invites_ben(w: &World, subject: &str) -> Value {
    let invited = json!({"invited_by": ["Zoe", OUTSIDE],
        "attendees": [{"type": "required", "emailAddress": {"address": BEN}}]});
    outlook_makes(w, BEN, subject, invited).await
}

fn answer_of_ben(w: &World, name: &str) -> String {
    let record = w.odoo.records.values().find(|record| record["name"] == name);
    let guests = record.expect("in Odoo")["attendees"].as_array().expect("guests");
    let ben = guests.iter().find(|guest| guest["user_id"] == 8).expect("Ben");
    ben["state"].as_str().expect("an answer").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_meeting_that_leaves_a_guests_calendar_is_no_decline() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    let (known, unknown) = (
        zoe_invites_ben(&w, "Known").await,
        zoe_invites_ben(&w, "Unknown").await,
    );
    let own = w.outlook_creates(ANN, "Ann's", &[BEN]).await;
    w.quiet().await;
    for (copy, how) in [(&known, "deleted"), (&unknown, "purged")] {
        switch(&w, json!({"cancelled_copies": how})).await;
        let path = format!("mailboxes/{BEN}/events/{}/called-off", id_of(copy));
        w.stack.sim_call("POST", &path, json!({})).await;
    }
    w.outlook_deletes(ANN, &own).await;
    w.forget_mails().await;
    w.quiet().await;
    // Deleted Items show that it was cancelled.
    assert!(!is_active(&w.odoo, "Known"));
    assert_ne!(answer_of_ben(&w, "Known"), "declined");
    // Nothing shows why it is gone: the journal says so, and the event is kept.
    assert!(is_active(&w.odoo, "Unknown"));
    assert_eq!(answer_of_ben(&w, "Unknown"), "declined");
    let journal = journal(&w).await;
    assert!(
        journal.contains("“Unknown” has left the calendar in Outlook, which does not say why"),
        "{journal}"
    );
    assert!(!journal.contains("“Known” has left"), "{journal}");
    assert!(!is_active(&w.odoo, "Ann's"));
    assert_eq!(w.stack.mails().await, [], "nobody answers for Ben");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_declined_and_stays_in_the_calendar_is_declined() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    switch(&w, json!({"declined_kept": true})).await;
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    let id = w.odoo.create(7, "Kept", &start, &stop, &[BEN]);
    w.quiet().await;
    // First in Odoo, then in Outlook.
    w.odoo.answer(id, 8, "declined");
    w.quiet().await;
    let copy = w.stack.event(BEN, "Kept").await.expect("kept");
    assert_eq!(copy["responseStatus"]["response"], "declined");
    assert_eq!(answer_of_ben(&w, "Kept"), "declined");
    let respond = format!("mailboxes/{BEN}/events/{}/respond", id_of(&copy));
    for (response, state) in [("accept", "accepted"), ("decline", "declined")] {
        w.stack
            .sim_call("POST", &respond, json!({"response": response}))
            .await;
        w.quiet().await;
        assert_eq!(answer_of_ben(&w, "Kept"), state);
    }
    w.forget_mails().await;
    w.quiet().await;
    assert_eq!(w.stack.mails().await, []);
    assert!(is_active(&w.odoo, "Kept"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_answered_counts_by_their_own_mailboxes_and_the_organizers() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    switch(&w, json!({"guests_see_answers": true})).await;
    let event = w.outlook_creates(ANN, "Seen", &[BEN, OUTSIDE]).await;
    w.quiet().await;
    let answer = |answer: &str| json!({"response": answer, "as": OUTSIDE});
    let path = format!("mailboxes/{ANN}/events/{}/respond", id_of(&event));
    w.stack.sim_call("POST", &path, answer("accept")).await;
    // With this edit Ben's copy gets the response, but no later one.
    w.outlook_edits(ANN, &event, json!({"location": {"displayName": "There"}}))
        .await;
    w.stack.sim_call("POST", &path, answer("decline")).await;
    w.forget_mails().await;
    w.quiet().await;
    let copy = w.stack.event(BEN, "Seen").await.expect("a copy");
    assert_eq!(copy["attendees"][2]["status"]["response"], "accepted", "stale");
    let record = w.odoo.by_name("Seen").expect("in Odoo");
    let guests = record["attendees"].as_array().expect("guests");
    let outside = guests
        .iter()
        .find(|guest| guest["email"] == OUTSIDE)
        .expect("Zoe");
    assert_eq!(outside["state"], "declined");
    assert_eq!(guests.len(), 3, "the organizer is listed once: {guests:?}");
    assert_eq!(w.stack.mails().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn exceptions_that_a_list_leaves_out_are_not_gone() {
    let mut w = world().await;
    let recurrence = json!({"range": {"type": "numbered", "startDate": "2027-01-29", "numberOfOccurrences": 4},
        "pattern": {"type": "relativeMonthly", "interval": 1, "index": "last",
            "daysOfWeek": ["monday", "tuesday", "wednesday", "thursday", "friday"]}});
    let at = |time: &str| json!({"dateTime": format!("2027-01-29T{time}"), "timeZone": "Europe/Brussels"});
    let times = json!({"start": at("10:00:00"), "end": at("11:00:00"), "recurrence": recurrence});
    let master = outlook_makes(&w, ANN, "Closing", times).await;
    w.quiet().await;
    let active = |w: &World| {
        let records = w.odoo.records.values();
        let mut names: Vec<String> = records
            .filter(|record| record["active"] == true)
            .filter_map(|record| record["name"].as_str().map(str::to_owned))
            .collect();
        names.sort();
        names
    };
    assert_eq!(active(&w).len(), 4);
    switch(&w, json!({"instances_omit_exceptions": true})).await;
    let second = json!({"id": master["occurrences"][1]["id"]});
    w.outlook_edits(ANN, &second, json!({"subject": "Closing early"}))
        .await;
    w.quiet().await;
    assert_eq!(active(&w), ["Closing", "Closing", "Closing", "Closing early"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_without_an_icaluid_is_spoken_of() {
    let mut w = world().await;
    switch(&w, json!({"blanks_uid": "Nameless"})).await;
    outlook_makes(&w, ANN, "Nameless", json!({})).await;
    w.quiet().await;
    assert!(w.odoo.by_name("Nameless").is_none());
    let said = journal(&w).await;
    assert!(said.contains("Outlook gives it no iCalUId"), "{said}");
    // An event that was known before stays known, and one that gets its iCalUId later is synced
    // then.
    switch(&w, json!({"blanks_uid": "Known"})).await;
    let known = outlook_makes(&w, ANN, "Named", json!({})).await;
    w.quiet().await;
    w.outlook_edits(ANN, &known, json!({"subject": "Known"})).await;
    w.outlook_edits(
        ANN,
        &w.stack.event(ANN, "Nameless").await.expect("there"),
        json!({"subject": "Nameless no more"}),
    )
    .await;
    w.quiet().await;
    assert!(is_active(&w.odoo, "Known"));
    assert!(is_active(&w.odoo, "Nameless no more"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_moved_away_and_back_is_still_there() {
    let mut w = world().await;
    let event = outlook_makes(&w, ANN, "There and back", json!({})).await;
    w.quiet().await;
    let calendars = format!("mailboxes/{ANN}/calendars");
    let other = w
        .stack
        .sim_call("POST", &calendars, json!({"name": "Other"}))
        .await;
    let mailboxes = w.stack.sim_call("GET", "mailboxes", Value::Null).await;
    let ann = mailboxes["value"]
        .as_array()
        .expect("people")
        .iter()
        .find(|p| p["address"] == ANN);
    let own = ann.expect("Ann")["calendars"][0]["id"].clone();
    let mut event = event;
    for calendar in [other["id"].clone(), own] {
        let path = format!("mailboxes/{ANN}/events/{}/move", id_of(&event));
        event = w
            .stack
            .sim_call("POST", &path, json!({"calendar": calendar}))
            .await;
    }
    w.quiet().await;
    assert!(is_active(&w.odoo, "There and back"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_key_that_turns_by_itself_is_no_edit() {
    let mut w = world().await;
    switch(&w, json!({"change_key_turns": true})).await;
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    let id = w.odoo.create(7, "Turning", &start, &stop, &[OUTSIDE]);
    w.quiet().await;
    tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
    // Before the new change key is known.
    w.odoo.write(id, json!({"name": "Turned"}));
    w.quiet().await;
    assert!(w.stack.event(ANN, "Turned").await.is_some());
    assert_eq!(
        kinds(&w.stack.mails().await),
        [("invitation", OUTSIDE), ("update", OUTSIDE)]
    );
    assert_eq!(w.count("meetings WHERE set_aside IS NOT NULL").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_never_arrived_is_not_told_as_done() {
    let mut w = world().await;
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    let id = w.odoo.create(7, "Sent", &start, &stop, &[]);
    w.quiet().await;
    let event = w.stack.event(ANN, "Sent").await.expect("in Outlook");
    // The request is lost, and meanwhile the change key changes for a reason that Odoo cannot show.
    let lost =
        json!({"method": "PATCH", "path": "/me/events", "count": 1, "status": 504, "latency_ms": 2500});
    w.stack.sim_call("PUT", "faults", lost).await;
    w.odoo.write(id, json!({"name": "Lost"}));
    w.odoo.sync(&w.service).await;
    super::stack::eventually("it is on its way", async || {
        let flying = "outlook_outbox WHERE in_flight_since IS NOT NULL";
        (w.count(flying).await > 0).then_some(())
    })
    .await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    w.outlook_edits(ANN, &event, json!({"categories": ["Red category"]}))
        .await;
    w.quiet().await;
    assert!(w.stack.event(ANN, "Lost").await.is_some(), "sent again");
    let kwargs = json!({"user_id": 7, "res_id": id, "key": w.odoo.records[&id]["key"], "limit": 50});
    let lines = w
        .odoo
        .call(&w.service, 7, "outlook.bridge", "journal", kwargs)
        .await;
    let said = lines.expect("the journal").to_string();
    let told = said.matches("title is now").count();
    assert_eq!(told, 1, "once, when it was so: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_microsoft_does_not_answer_is_narrowed_and_widened_again() {
    let mut w = world().await;
    switch(&w, json!({"delta_longest_days": 300})).await;
    w.stack
        .sim_call("POST", &format!("mailboxes/{ANN}/delta-reset"), json!({}))
        .await;
    outlook_makes(&w, ANN, "Near", json!({})).await;
    super::stack::eventually("it is read all the same", async || {
        let mut conn = w.service.engine.store.get().await.ok()?;
        let hurry = "UPDATE accounts SET next_run_at = now(), rest_until = NULL WHERE lease_id IS NULL";
        diesel_async::RunQueryDsl::execute(diesel::sql_query(hurry), &mut conn)
            .await
            .ok()?;
        w.odoo.sync(&w.service).await;
        w.odoo.by_name("Near").map(|_| ())
    })
    .await;
    assert!(w.count("troubles WHERE halvings > 0").await == 1);
    let said = journal(&w).await;
    assert!(said.contains("fails at listing the calendar"), "{said}");
    // A day later, the whole window is tried again.
    switch(&w, json!({"delta_longest_days": 0})).await;
    let narrowed = "troubles WHERE halvings > 0";
    for _ in 0..5 {
        let mut conn = w.service.engine.store.get().await.expect("Postgres");
        let later = "UPDATE troubles SET halved_at = halved_at - interval '2 days'";
        diesel_async::RunQueryDsl::execute(diesel::sql_query(later), &mut conn)
            .await
            .expect("later");
        drop(conn);
        w.quiet().await;
        if w.count(narrowed).await == 0 {
            break;
        }
    }
    assert_eq!(w.count(narrowed).await, 0);
    assert!(is_active(&w.odoo, "Near"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_both_sides_deleted_at_once_is_done() {
    let mut w = world().await;
    let single = outlook_makes(&w, ANN, "Twice", json!({})).await;
    let series = outlook_makes(&w, ANN, "Twice daily", json!({"recurrence": daily()})).await;
    w.quiet().await;
    let id = w.odoo.by_name("Twice").expect("in Odoo")["id"].as_i64().unwrap();
    let daily = w.odoo.series_by_name("Twice daily").expect("in Odoo");
    for event in [&single, &series] {
        w.outlook_deletes(ANN, event).await;
    }
    for record in [id, daily] {
        w.odoo.unlink(record);
    }
    w.quiet().await;
    assert_eq!(w.count("meetings WHERE set_aside IS NOT NULL").await, 0);
    assert_eq!(w.count("outlook_outbox").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guests_copy_that_comes_later_is_the_same_meeting() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    switch(&w, json!({"delivery_seconds": 3600})).await;
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    let id = w.odoo.create(7, "Late", &start, &stop, &[BEN]);
    w.quiet().await;
    assert!(w.stack.event(BEN, "Late").await.is_none(), "not yet");
    // Ben responds in Odoo before his calendar has the event.
    w.odoo.answer(id, 8, "accepted");
    w.quiet().await;
    assert!(w.stack.event(BEN, "Late").await.is_none(), "still not");
    switch(&w, json!({"delivery_seconds": 0})).await;
    w.quiet().await;
    w.quiet().await;
    assert_eq!(w.odoo.records.len(), 1, "no twin");
    assert_eq!(answer_of_ben(&w, "Late"), "accepted");
    let copy = w.stack.event(BEN, "Late").await.expect("a copy");
    assert_eq!(copy["responseStatus"]["response"], "accepted");
    assert_eq!(
        kinds(&w.stack.mails().await),
        [("invitation", BEN), ("response", ANN)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_whose_calendar_never_has_it_keeps_nothing_busy() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    switch(&w, json!({"automatic_entries": false})).await;
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    let id = w.odoo.create(7, "Never", &start, &stop, &[BEN]);
    w.quiet().await;
    let event = w.stack.event(ANN, "Never").await.expect("in Ann's");
    // By mail, as a guest from outside responds.
    let path = format!("mailboxes/{ANN}/events/{}/respond", id_of(&event));
    let accepted = json!({"response": "accept", "as": BEN});
    w.stack.sim_call("POST", &path, accepted).await;
    w.quiet().await;
    assert_eq!(answer_of_ben(&w, "Never"), "accepted");
    w.odoo.write(id, json!({"location": "There"}));
    w.quiet().await;
    w.quiet().await;
    assert_eq!(
        kinds(&w.stack.mails().await),
        [("invitation", BEN), ("update", BEN)]
    );
    assert_eq!(answer_of_ben(&w, "Never"), "accepted");
    assert_eq!(w.odoo.records.len(), 1);
}
