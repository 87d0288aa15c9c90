//! Recurring events.

use serde_json::{Value, json};

use super::odoo::Odoo;
use super::stack::{ANN, BEN, Stack, eventually, id_of};
use super::world::{CARLA, OUTSIDE, World, kinds, odoo_time, world};

/// Makes a meeting of Ann's on the last working day of each month, for half a year, with Ben and a
/// guest from outside.
async fn last_working_days(stack: &Stack) -> Value {
    let attendees: Vec<Value> = [BEN, OUTSIDE]
        .iter()
        .map(|a| json!({"type": "required", "emailAddress": {"address": a}}))
        .collect();
    let body = json!({"subject": "Closing", "start": {"dateTime": "2027-01-29T10:00:00", "timeZone": "Europe/Brussels"},
        "end": {"dateTime": "2027-01-29T11:00:00", "timeZone": "Europe/Brussels"}, "attendees": attendees,
        "recurrence": {"range": {"type": "numbered", "startDate": "2027-01-29", "numberOfOccurrences": 6},
            "pattern": {"type": "relativeMonthly", "interval": 1, "index": "last",
                "daysOfWeek": ["monday", "tuesday", "wednesday", "thursday", "friday"]}}});
    stack
        .sim_call("POST", &format!("mailboxes/{ANN}/events"), body)
        .await
}

fn starts(odoo: &Odoo, name: &str) -> Vec<String> {
    let mut starts: Vec<String> = odoo
        .records
        .values()
        .filter(|r| r["name"] == name && r["active"] == true)
        .map(|r| r["start"].as_str().unwrap().to_owned())
        .collect();
    starts.sort();
    starts
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_that_odoo_cannot_repeat_is_synced_by_its_occurrences() {
    let stack = Stack::start().await;
    let service = stack.serve().await;
    let odoo = Odoo::pair(&service).await;
    let mut w = World { stack, service, odoo };
    let master = last_working_days(&w.stack).await;
    w.forget_mails().await;
    for user in [7, 8] {
        w.odoo
            .connect(&w.stack, &w.service, user)
            .await
            .expect("connected");
        w.quiet().await;
    }
    // Ten in Brussels, in summer and winter; one record each, whichever mailbox shows it.
    let all = [
        "2027-01-29 09:00:00",
        "2027-02-26 09:00:00",
        "2027-03-31 08:00:00",
        "2027-04-30 08:00:00",
        "2027-05-31 08:00:00",
        "2027-06-30 08:00:00",
    ];
    assert_eq!(starts(&w.odoo, "Closing"), all);
    let journal = w
        .odoo
        .call(&w.service, 7, "outlook.bridge", "journal", json!({"limit": 50}))
        .await
        .unwrap();
    let said = journal
        .to_string()
        .matches("Each occurrence is synced as an event of its own")
        .count();
    assert_eq!(said, 2, "once for each mailbox: {journal}");
    assert!(w.stack.mails().await.is_empty());

    // In Odoo one is moved and one deleted; in Outlook one is deleted.
    let find = |w: &World, start: &str| {
        let found = w
            .odoo
            .records
            .values()
            .find(|r| r["name"] == "Closing" && r["start"] == start);
        found.unwrap()["id"].as_i64().unwrap()
    };
    let moved = find(&w, all[1]);
    w.odoo.write(
        moved,
        json!({"start": "2027-02-25 13:00:00", "stop": "2027-02-25 14:00:00"}),
    );
    w.quiet().await;
    let mails = w.stack.mails().await;
    assert_eq!(kinds(&mails), [("update", BEN), ("update", OUTSIDE)]);
    w.forget_mails().await;
    let away = find(&w, all[2]);
    w.odoo.unlink(away);
    w.quiet().await;
    let mails = w.stack.mails().await;
    assert_eq!(kinds(&mails), [("cancellation", BEN), ("cancellation", OUTSIDE)]);
    let in_outlook = |event: &Value| -> Vec<String> {
        let occurrences = event["occurrences"].as_array().unwrap();
        occurrences
            .iter()
            .map(|o| o["start"]["dateTime"].as_str().unwrap()[..16].to_owned())
            .collect()
    };
    let event = w.stack.event(ANN, "Closing").await.unwrap();
    assert_eq!(
        in_outlook(&event),
        [
            "2027-01-29T09:00",
            "2027-02-25T13:00",
            "2027-04-30T08:00",
            "2027-05-31T08:00",
            "2027-06-30T08:00"
        ]
    );
    let last = event["occurrences"][4].clone();
    w.outlook_deletes(ANN, &last).await;
    w.quiet().await;
    assert_eq!(
        starts(&w.odoo, "Closing"),
        ["2027-01-29 09:00:00", "2027-02-25 13:00:00", all[3], all[4]]
    );

    // Odoo can express every Friday, so it is one series again.
    w.forget_mails().await;
    let pattern = json!({"recurrence": {"pattern": {"type": "weekly", "interval": 1, "daysOfWeek": ["friday"]},
        "range": {"type": "numbered", "startDate": "2027-01-29", "numberOfOccurrences": 4}}});
    w.outlook_edits(ANN, &master, pattern).await;
    w.quiet().await;
    assert_eq!(starts(&w.odoo, "Closing"), Vec::<String>::new());
    assert!(w.odoo.series_by_name("Closing").is_some());
    // And back.
    let event = w.stack.event(ANN, "Closing").await.unwrap();
    let pattern = json!({"recurrence": {"pattern": {"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 29},
        "range": {"type": "numbered", "startDate": "2027-01-29", "numberOfOccurrences": 3}}});
    assert_eq!(id_of(&event), id_of(&master));
    w.outlook_edits(ANN, &master, pattern).await;
    w.quiet().await;
    assert_eq!(
        starts(&w.odoo, "Closing"),
        [
            "2027-01-29 09:00:00",
            "2027-02-28 09:00:00",
            "2027-03-29 08:00:00"
        ]
    );
    assert!(w.odoo.series_by_name("Closing").is_none());
    // The whole series is deleted in Outlook.
    w.outlook_deletes(ANN, &master).await;
    w.quiet().await;
    assert_eq!(starts(&w.odoo, "Closing"), Vec::<String>::new());
}

/// Makes Ann's weekly meeting with Ben, who is connected, and a guest from outside, on both sides
/// and unanswered.
pub async fn weekly_with_ben() -> (World, i64) {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("connected");
    w.quiet().await;
    let id = w
        .odoo
        .create_weekly(7, "Weekly", "2027-03-01 09:00:00", 6, &[BEN, OUTSIDE]);
    w.quiet().await;
    w.forget_mails().await;
    (w, id)
}

pub async fn occurrence(w: &World, person: &str, day: &str) -> Option<Value> {
    let event = w.stack.event(person, "Weekly").await.expect("a series");
    let occurrences = event["occurrences"].as_array().expect("occurrences").clone();
    occurrences.into_iter().find(|o| {
        o["start"]["dateTime"]
            .as_str()
            .is_some_and(|at| at.starts_with(day))
    })
}

/// Returns a guest's response in the organizer's Outlook.
async fn tallied(w: &World, day: &str, guest: &str) -> String {
    let shown = occurrence(w, ANN, day).await.expect("an occurrence");
    let attendees = shown["attendees"].as_array().expect("attendees");
    let line = attendees.iter().find(|a| a["emailAddress"]["address"] == guest);
    line.expect("a guest")["status"]["response"]
        .as_str()
        .expect("a response")
        .to_owned()
}

async fn answer_in_outlook(w: &World, person: &str, event: &Value, body: Value) {
    let path = format!("mailboxes/{person}/events/{}/respond", id_of(event));
    w.stack.sim_call("POST", &path, body).await;
}

/// Returns the writes to Ann's calendar since the requests were forgotten. A guest's response must
/// cause none.
pub async fn writes_to_anns_calendar(w: &World) -> Vec<Value> {
    let requests = w
        .stack
        .sim_call("GET", &format!("requests?mailbox={ANN}"), Value::Null)
        .await;
    let writes = requests["value"].as_array().expect("requests").clone();
    writes
        .into_iter()
        .filter(|r| r["method"] != "GET" && !r["path"].as_str().is_some_and(|p| p.ends_with("$batch")))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_one_occurrence_in_odoo_is_told_from_the_guests_mailbox() {
    let (mut w, id) = weekly_with_ben().await;
    w.stack.sim_call("DELETE", "requests", Value::Null).await;
    for (number, day, state, response) in [
        (1, "2027-03-08", "accepted", "accepted"),
        (2, "2027-03-15", "tentative", "tentativelyAccepted"),
        (3, "2027-03-22", "declined", "declined"),
    ] {
        w.odoo.answer_one(id, number, 8, state);
        w.quiet().await;
        assert_eq!(tallied(&w, day, BEN).await, response);
        assert_eq!(w.odoo.answer_to_one(id, number, 8), state);
        let mails = w.stack.mails().await;
        assert_eq!(kinds(&mails), [("response", ANN)], "{state} is told once");
        w.forget_mails().await;
    }
    assert!(
        occurrence(&w, BEN, "2027-03-22").await.is_none(),
        "what Ben declines leaves his calendar"
    );
    assert!(occurrence(&w, ANN, "2027-03-22").await.is_some());
    assert_eq!(
        tallied(&w, "2027-03-01", BEN).await,
        "none",
        "the others are not answered"
    );
    assert_eq!(w.odoo.answer_to_one(id, 0, 8), "needsAction");
    // Two responses at once.
    w.odoo.answer_one(id, 4, 8, "accepted");
    w.odoo.answer_one(id, 5, 8, "tentative");
    w.quiet().await;
    for (day, response) in [("2027-03-29", "accepted"), ("2027-04-05", "tentativelyAccepted")] {
        assert_eq!(tallied(&w, day, BEN).await, response);
    }
    assert_eq!(kinds(&w.stack.mails().await), [("response", ANN); 2]);
    w.forget_mails().await;
    assert!(writes_to_anns_calendar(&w).await.is_empty());

    // A declined occurrence can no longer be answered in Outlook; one that is not declined can be.
    w.odoo.answer_one(id, 1, 8, "declined");
    w.quiet().await;
    assert_eq!(tallied(&w, "2027-03-08", BEN).await, "declined");
    w.odoo.answer_one(id, 3, 8, "accepted");
    w.quiet().await;
    assert_eq!(
        w.odoo.answer_to_one(id, 3, 8),
        "accepted",
        "what was said in Odoo stays there"
    );
    let mails = w.stack.mails().await;
    assert_eq!(kinds(&mails), [("response", ANN)]);
}

/// The organizer's list keeps a response from before the occurrence was changed, which is not the
/// new response.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_given_again_to_one_occurrence_is_told_again() {
    let (mut w, id) = weekly_with_ben().await;
    let declined = occurrence(&w, BEN, "2027-03-15").await.unwrap();
    answer_in_outlook(&w, BEN, &declined, json!({"response": "decline"})).await;
    w.quiet().await;
    let of_ann = occurrence(&w, ANN, "2027-03-15").await.unwrap();
    w.outlook_edits(ANN, &of_ann, json!({"location": {"displayName": "Room 1"}}))
        .await;
    w.quiet().await;
    assert_eq!(w.odoo.answer_to_one(id, 2, 8), "needsAction", "asked anew");
    assert_eq!(tallied(&w, "2027-03-15", BEN).await, "declined");
    w.forget_mails().await;
    w.odoo.answer_one(id, 2, 8, "declined");
    w.quiet().await;
    assert_eq!(w.odoo.answer_to_one(id, 2, 8), "declined");
    assert!(occurrence(&w, BEN, "2027-03-15").await.is_none(), "declined");
    assert_eq!(kinds(&w.stack.mails().await), [("response", ANN)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_one_occurrence_in_outlook_reaches_odoo() {
    let (mut w, id) = weekly_with_ben().await;
    let accepted = occurrence(&w, BEN, "2027-03-08").await.unwrap();
    answer_in_outlook(&w, BEN, &accepted, json!({"response": "accept"})).await;
    let declined = occurrence(&w, BEN, "2027-03-15").await.unwrap();
    answer_in_outlook(&w, BEN, &declined, json!({"response": "decline"})).await;
    let of_ann = occurrence(&w, ANN, "2027-03-22").await.unwrap();
    answer_in_outlook(
        &w,
        ANN,
        &of_ann,
        json!({"response": "tentativelyAccept", "as": OUTSIDE}),
    )
    .await;
    w.forget_mails().await;
    w.stack.sim_call("DELETE", "requests", Value::Null).await;
    w.quiet().await;
    w.quiet().await;
    let of_ben: Vec<_> = (0..6).map(|n| w.odoo.answer_to_one(id, n, 8)).collect();
    assert_eq!(
        of_ben,
        [
            "needsAction",
            "accepted",
            "declined",
            "needsAction",
            "needsAction",
            "needsAction"
        ]
    );
    let series = w.odoo.records[&id].to_string();
    assert_eq!(
        series.matches("\"tentative\"").count(),
        1,
        "the guest outside, by Ann's mailbox: {series}"
    );
    assert!(w.stack.mails().await.is_empty(), "nobody is told again");
    assert!(writes_to_anns_calendar(&w).await.is_empty());

    // All occurrences at once, from either side.
    w.odoo.answer_all(id, 8, "accepted");
    w.quiet().await;
    for day in ["2027-03-01", "2027-03-08", "2027-03-29"] {
        assert_eq!(tallied(&w, day, BEN).await, "accepted");
    }
    let mails = w.stack.mails().await;
    assert_eq!(kinds(&mails), [("response", ANN)], "one answer to the whole");
    let of_ben: Vec<_> = (0..6).map(|n| w.odoo.answer_to_one(id, n, 8)).collect();
    assert_eq!(of_ben, ["accepted"; 6]);
}

/// Somebody makes a series in Outlook with Ann as the guest. Returns its id in Odoo.
async fn weekly_of(w: &mut World, organizer: &str) -> i64 {
    let body = json!({"subject": "Weekly", "attendees": [{"type": "required", "emailAddress": {"address": ANN}}],
        "start": {"dateTime": "2027-03-01T10:00:00", "timeZone": "Europe/Brussels"},
        "end": {"dateTime": "2027-03-01T11:00:00", "timeZone": "Europe/Brussels"},
        "recurrence": {"pattern": {"type": "weekly", "interval": 1, "daysOfWeek": ["monday"]},
            "range": {"type": "numbered", "startDate": "2027-03-01", "numberOfOccurrences": 5}}});
    w.stack
        .sim_call("POST", &format!("mailboxes/{organizer}/events"), body)
        .await;
    w.quiet().await;
    w.odoo.series_by_name("Weekly").expect("it is in Odoo")
}

/// Changes that Odoo gets from Outlook meanwhile must not make the service lose Odoo's change.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_in_odoo_before_the_organizers_mailbox_is_read_is_written_then() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("connected");
    w.quiet().await;
    w.odoo
        .call(&w.service, 8, "res.users", "stop", json!({"user_id": 8}))
        .await
        .expect("stopped");
    let id = weekly_of(&mut w, BEN).await;
    w.odoo.set_one(id, 1, &json!({"name": "Own in Odoo"}));
    w.quiet().await;
    let third = occurrence(&w, BEN, "2027-03-15").await.unwrap();
    w.outlook_edits(BEN, &third, json!({"subject": "Own in Outlook"}))
        .await;
    w.quiet().await;
    let names = |w: &World| -> Vec<String> {
        let all = w.odoo.occurrences(id).into_iter();
        all.map(|(_, fields)| fields["name"].as_str().expect("a name").to_owned())
            .collect()
    };
    let expected = ["Weekly", "Own in Odoo", "Own in Outlook", "Weekly", "Weekly"];
    assert_eq!(names(&w), expected);
    w.odoo
        .call(&w.service, 8, "res.users", "restart", json!({"user_id": 8}))
        .await
        .expect("goes on");
    w.quiet().await;
    w.quiet().await;
    assert_eq!(names(&w), expected);
    let second = occurrence(&w, BEN, "2027-03-08").await.unwrap();
    assert_eq!(second["subject"], "Own in Odoo");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_guest_declines_of_a_series_from_outside_stays_in_odoo() {
    let mut w = world().await;
    // Ann is the guest. Carla, the organizer, is not a user here.
    let id = weekly_of(&mut w, CARLA).await;
    // With the last occurrence, as the series could seem to be shortened.
    for day in ["2027-03-08", "2027-03-29"] {
        let event = occurrence(&w, ANN, day).await.unwrap();
        answer_in_outlook(&w, ANN, &event, json!({"response": "decline"})).await;
    }
    w.quiet().await;
    assert_eq!(w.odoo.records[&id]["records"].as_array().unwrap().len(), 5);
    let of_ann: Vec<_> = (0..5).map(|n| w.odoo.answer_to_one(id, n, 7)).collect();
    assert_eq!(
        of_ann,
        [
            "needsAction",
            "declined",
            "needsAction",
            "needsAction",
            "declined"
        ]
    );
    // An occurrence that Carla deletes is excluded, though Ann's Outlook still shows it as
    // cancelled.
    let of_carla = occurrence(&w, CARLA, "2027-03-15").await.unwrap();
    w.outlook_deletes(CARLA, &of_carla).await;
    w.quiet().await;
    let missing = w.odoo.records[&id]["missing"].clone();
    assert_eq!(missing, json!(["2027-03-15 09:00:00"]));
    // She accepts the first occurrence in Odoo.
    w.forget_mails().await;
    w.odoo.answer_one(id, 0, 7, "accepted");
    w.quiet().await;
    assert_eq!(kinds(&w.stack.mails().await), [("response", CARLA)]);
    assert_eq!(w.odoo.answer_to_one(id, 0, 7), "accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_invited_to_one_occurrence_sees_it_once() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("connected");
    w.quiet().await;
    let id = w
        .odoo
        .create_weekly(7, "Weekly", "2027-03-01 09:00:00", 4, &[OUTSIDE]);
    w.quiet().await;
    let second = occurrence(&w, ANN, "2027-03-08").await.unwrap();
    let attendees =
        [OUTSIDE, BEN].map(|guest| json!({"type": "required", "emailAddress": {"address": guest}}));
    let guests = json!({ "attendees": attendees });
    w.outlook_edits(ANN, &second, guests).await;
    w.quiet().await;
    let in_bens = w.stack.event(BEN, "Weekly").await.expect("Ben has it");
    assert!(in_bens["recurrence"].is_null());
    assert!(
        starts(&w.odoo, "Weekly").is_empty(),
        "it is an occurrence in Odoo, and no event beside it"
    );
    assert_eq!(w.odoo.answer_to_one(id, 1, 8), "needsAction");
    // His response comes from the organizer's mailbox.
    answer_in_outlook(&w, BEN, &in_bens, json!({"response": "accept"})).await;
    w.quiet().await;
    w.quiet().await;
    assert_eq!(w.odoo.answer_to_one(id, 1, 8), "accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_occurrence_taken_out_of_the_archive_is_an_event_of_its_own() {
    let mut w = world().await;
    let id = w
        .odoo
        .create_weekly(7, "Weekly", &odoo_time(5, "09:00:00"), 4, &[OUTSIDE]);
    w.quiet().await;
    w.odoo.set_there(id, 1, false);
    w.quiet().await;
    w.forget_mails().await;

    w.odoo.set_there(id, 1, true);
    w.quiet().await;
    w.quiet().await;
    assert_eq!(w.odoo.records[&id]["missing"].as_array().map(Vec::len), Some(1));
    let singles: Vec<&Value> = w
        .odoo
        .records
        .values()
        .filter(|r| r["model"] == "calendar.event")
        .collect();
    assert_eq!(singles.len(), 1, "{singles:?}");
    let events = w.stack.events(ANN).await;
    let single = events
        .iter()
        .find(|e| e["subject"] == "Weekly" && e["type"] == "singleInstance");
    assert!(single.is_some(), "{events:?}");
    assert_eq!(kinds(&w.stack.mails().await), [("invitation", OUTSIDE)]);
    w.forget_mails().await;
    w.quiet().await;
    assert_eq!(w.stack.mails().await, [], "it has come to rest");
    // The rest of the series is still synced as a series.
    w.odoo.set_series(id, &json!({"location": "Room 1"}));
    w.quiet().await;
    assert_eq!(kinds(&w.stack.mails().await), [("update", OUTSIDE)]);
}

/// Waits until Microsoft has carried out a write with this method.
async fn written(w: &World, method: &str) {
    eventually("it is written", async || {
        let requests = w.stack.sim_call("GET", "requests", Value::Null).await;
        let done =
            |r: &Value| r["method"] == method && r["path"].as_str().is_some_and(|p| p.contains("/me/events"));
        requests["value"].as_array()?.iter().any(done).then_some(())
    })
    .await;
}

/// After a write, the series is read again. A change made in between does not count as a result of
/// the write.
#[tokio::test(flavor = "multi_thread")]
async fn what_changes_between_a_write_and_its_reading_again_is_news() {
    let mut w = world().await;
    let slow = |nth: i32| json!([{"mailbox": ANN, "method": "GET", "path": "/me/events/", "nth": nth, "count": 1, "latency_ms": 1500}]);
    for (number, method) in ["POST", "PATCH"].into_iter().enumerate() {
        w.stack.sim_call("DELETE", "requests", Value::Null).await;
        // A changed series is also read before it is written.
        w.stack
            .sim_call("PUT", "faults", slow(1 + i32::try_from(number).unwrap()))
            .await;
        let in_odoo = format!("Odoo's {method}");
        match method {
            "POST" => drop(
                w.odoo
                    .create_weekly(7, &in_odoo, &odoo_time(4, "09:00:00"), 4, &[]),
            ),
            _ => {
                let id = w.odoo.series_by_name("Outlook's POST").expect("in Odoo");
                w.odoo.set_series(id, &json!({"name": in_odoo}));
            }
        }
        w.odoo.exchange(&w.service).await.expect("an exchange");
        written(&w, method).await;
        let event = w.stack.event(ANN, &in_odoo).await.expect("in Outlook");
        let in_outlook = format!("Outlook's {method}");
        w.outlook_edits(ANN, &event, json!({"subject": in_outlook})).await;
        w.quiet().await;
        w.quiet().await;
        assert!(
            w.odoo.series_by_name(&in_outlook).is_some(),
            "{:#?}",
            w.odoo.records
        );
        assert!(w.stack.event(ANN, &in_outlook).await.is_some());
        assert_eq!(w.odoo.records.len(), 1);
    }
}

/// As for a single event, a Teams link that Outlook has made on request is news for Odoo.
#[tokio::test(flavor = "multi_thread")]
async fn a_series_that_is_held_online_has_its_link_in_odoo() {
    let mut w = world().await;
    let id = w
        .odoo
        .create_weekly(7, "Online", &odoo_time(4, "09:00:00"), 4, &[OUTSIDE]);
    w.odoo.set_series(id, &json!({"online_meeting": true}));
    w.quiet().await;
    assert_eq!(
        w.stack.event(ANN, "Online").await.unwrap()["isOnlineMeeting"],
        true
    );
    let link = &w.odoo.records[&id]["template"]["videocall_location"];
    assert!(
        link.as_str().is_some_and(|l| l.starts_with("https://teams")),
        "{link}"
    );
    assert_eq!(kinds(&w.stack.mails().await), [("invitation", OUTSIDE)]);
}
