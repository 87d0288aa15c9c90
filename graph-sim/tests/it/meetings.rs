use crate::common::*;
use serde_json::{Value, json};

fn mail(kind: &str, to: &str, subject: &str) -> (String, String, String) {
    (kind.into(), to.into(), subject.into())
}

#[tokio::test]
async fn one_copy_for_each_colleague_and_mail_for_all() {
    let w = world().await;
    let ann = w.login(ANN).await;
    let made = ann
        .create(json!({"subject": "Plan", "attendees": guests(&[BEN, "x@out.example"])}))
        .await
        .is(201);
    assert_eq!(
        w.mails().await,
        [
            mail("invitation", BEN, "Plan"),
            mail("invitation", "x@out.example", "Plan")
        ]
    );
    let copy = w.find(BEN, "Plan").await.unwrap();
    assert_eq!(copy["iCalUId"], made.body["iCalUId"]);
    assert_ne!(copy["id"], made.body["id"]);
    assert_eq!(copy["isOrganizer"], false);
    assert_eq!(copy["responseStatus"]["response"], "notResponded");
    assert_eq!(copy["showAs"], "tentative");
    assert_eq!(copy["attendees"][0]["emailAddress"]["name"], "Ben Baker");
    let log = w
        .sim(
            "GET",
            "/mails?kind=invitation&to=ben@contoso.example",
            Value::Null,
        )
        .await
        .body;
    assert_eq!(log["value"][0]["cause"]["method"], "POST");
    assert_eq!(log["value"][0]["ical_uid"], made.body["iCalUId"]);
}

#[tokio::test]
async fn which_patches_send_mail() {
    let w = world().await;
    let ann = w.login(ANN).await;
    let path = format!(
        "/me/events/{}",
        ann.create(json!({"attendees": guests(&[BEN])}))
            .await
            .is(201)
            .id()
    );
    w.forget_mails().await;
    for quiet in [
        json!({"categories": ["Red category"]}),
        json!({"isReminderOn": false, "reminderMinutesBeforeStart": 5, "showAs": "free"}),
        json!({"attendees": guests(&[BEN])}),
    ] {
        ann.send("PATCH", &path, quiet).await.is(200);
    }
    assert!(w.mails().await.is_empty());
    ann.send("PATCH", &path, json!({"attendees": guests(&[BEN, CARLA])}))
        .await
        .is(200);
    assert_eq!(w.mails().await, [mail("invitation", CARLA, "Test")]);
    w.forget_mails().await;
    ann.send(
        "PATCH",
        &path,
        json!({"location": {"displayName": "There"}, "attendees": guests(&[CARLA])}),
    )
    .await
    .is(200);
    assert_eq!(
        w.mails().await,
        [
            mail("cancellation", BEN, "Canceled: Test"),
            mail("update", CARLA, "Test")
        ]
    );
    let left = w.find(BEN, "Canceled: Test").await.unwrap();
    assert_eq!(left["isCancelled"], true);
    w.forget_mails().await;
    ann.send("DELETE", &path, Value::Null).await.is(204);
    assert_eq!(w.mails().await, [mail("cancellation", CARLA, "Canceled: Test")]);
    assert_eq!(
        w.find(CARLA, "Canceled: Test").await.unwrap()["isCancelled"],
        true
    );
}

#[tokio::test]
async fn answers() {
    let w = world().await;
    let (ann, ben) = (w.login(ANN).await, w.login(BEN).await);
    let made = ann
        .create(json!({"subject": "Q", "attendees": guests(&[BEN, CARLA])}))
        .await
        .is(201);
    let mine = format!("/me/events/{}", made.id());
    let got = ann
        .send("POST", &format!("{mine}/accept"), json!({}))
        .await
        .is(400);
    assert_eq!(got.code(), "ErrorInvalidRequest");
    w.forget_mails().await;
    let copy = w.find(BEN, "Q").await.unwrap()["id"].as_str().unwrap().to_owned();
    let his = format!("/me/events/{copy}");
    let bad = ben
        .send(
            "POST",
            &format!("{his}/decline"),
            json!({"comment": "no", "sendResponse": false}),
        )
        .await;
    assert_eq!(bad.is(400).code(), "ErrorInvalidParameter");
    assert_eq!(
        ben.send("POST", &format!("{his}/cancel"), json!({}))
            .await
            .is(400)
            .code(),
        "ErrorInvalidRequest"
    );
    ben.send(
        "POST",
        &format!("{his}/accept"),
        json!({"Comment": "yes", "SendResponse": true}),
    )
    .await
    .is(202);
    assert_eq!(w.mails().await, [mail("response", ANN, "Q")]);
    let seen = ann.get(&mine).await.is(200).body;
    assert_eq!(seen["attendees"][0]["status"]["response"], "accepted");
    assert_ne!(seen["changeKey"], made.body["changeKey"]);
    assert_eq!(ben.get(&his).await.body["responseStatus"]["response"], "accepted");

    ann.send(
        "PATCH",
        &mine,
        json!({"start": at("2031-03-11T09:00:00"), "end": at("2031-03-11T10:00:00")}),
    )
    .await
    .is(200);
    let seen = ben.get(&his).await.is(200).body;
    assert_eq!(
        seen["responseStatus"]["response"], "notResponded",
        "a meeting that moved asks again"
    );
    assert_eq!(seen["start"]["dateTime"], "2031-03-11T09:00:00.0000000");

    w.forget_mails().await;
    w.switch(json!({"deleted_answers": false})).await;
    ben.send("POST", &format!("{his}/decline"), json!({}))
        .await
        .is(202);
    ben.get(&his).await.is(404);
    assert_eq!(
        ann.get(&mine).await.body["attendees"][0]["status"]["response"],
        "declined"
    );
    let hers = w.find(CARLA, "Q").await.unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let answer = json!({"response": "tentativelyAccept", "comment": "maybe"});
    w.sim(
        "POST",
        &format!("/mailboxes/{CARLA}/events/{hers}/respond"),
        answer,
    )
    .await
    .is(202);
    assert_eq!(
        ann.get(&mine).await.body["attendees"][1]["status"]["response"],
        "tentativelyAccepted"
    );
    ann.send("POST", &format!("{mine}/cancel"), json!({"comment": "sorry"}))
        .await
        .is(202);
    ann.get(&mine).await.is(404);
}

#[tokio::test]
async fn a_guests_changes_stay_local() {
    let w = world().await;
    let (ann, ben) = (w.login(ANN).await, w.login(BEN).await);
    let made = ann
        .create(json!({"subject": "Ours", "attendees": guests(&[BEN])}))
        .await
        .is(201);
    let copy = w.find(BEN, "Ours").await.unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    w.forget_mails().await;
    ben.send("PATCH", &format!("/me/events/{copy}"), json!({"subject": "Mine"}))
        .await
        .is(200);
    assert!(w.mails().await.is_empty());
    let mine = format!("/me/events/{}", made.id());
    assert_eq!(ann.get(&mine).await.body["subject"], "Ours");
    ann.send("PATCH", &mine, json!({"location": {"displayName": "There"}}))
        .await
        .is(200);
    assert_eq!(
        ben.get(&format!("/me/events/{copy}")).await.body["subject"],
        "Ours"
    );
    ben.send("DELETE", &format!("/me/events/{copy}"), Value::Null)
        .await
        .is(204);
    assert_eq!(w.mails().await.len(), 1, "an attendee's deletion tells nobody");
    ann.get(&mine).await.is(200);
}

#[tokio::test]
async fn forwarding() {
    let w = world().await;
    let ann = w.login(ANN).await;
    let id = ann
        .create(json!({"subject": "F", "attendees": guests(&[BEN])}))
        .await
        .is(201)
        .id();
    w.forget_mails().await;
    let body = json!({"ToRecipients": [{"emailAddress": {"address": CARLA}}], "Comment": "for you"});
    ann.send("POST", &format!("/me/events/{id}/forward"), body)
        .await
        .is(202);
    assert_eq!(w.mails().await, [mail("invitation", CARLA, "FW: F")]);
    assert!(w.find(CARLA, "F").await.is_some());
}

/// Who is invited to one occurrence has it as an event of their own, and nothing of the series.
#[tokio::test]
async fn a_guest_of_one_occurrence() {
    let w = world().await;
    let (ann, ben) = (w.login(ANN).await, w.login(BEN).await);
    let recurrence = json!({"pattern": {"type": "daily", "interval": 1},
        "range": {"type": "numbered", "startDate": "2031-03-10", "numberOfOccurrences": 3}});
    let master = ann
        .create(json!({"subject": "Daily", "recurrence": recurrence, "attendees": guests(&[CARLA])}))
        .await
        .is(201);
    let path = format!(
        "/me/events/{}/instances?startDateTime=2031-03-01&endDateTime=2031-04-01",
        master.id()
    );
    let second = ann.get(&path).await.is(200).body["value"][1].clone();
    let hers = format!("/me/events/{}", second["id"].as_str().unwrap());
    w.forget_mails().await;
    let body = json!({"subject": "Daily, with Ben", "attendees": guests(&[CARLA, BEN])});
    ann.send("PATCH", &hers, body).await.is(200);
    assert!(
        w.mails()
            .await
            .contains(&mail("invitation", BEN, "Daily, with Ben"))
    );
    let copy = w.find(BEN, "Daily, with Ben").await.unwrap();
    assert_eq!(copy["type"], "singleInstance");
    assert_eq!(copy["iCalUId"], second["iCalUId"]);
    assert_eq!(copy["uid"], master.body["iCalUId"]);
    assert!(w.find(BEN, "Daily").await.is_none());

    let his = format!("/me/events/{}", copy["id"].as_str().unwrap());
    ben.send("POST", &format!("{his}/accept"), json!({}))
        .await
        .is(202);
    let seen = ann.get(&hers).await.is(200).body;
    assert_eq!(seen["attendees"][1]["status"]["response"], "accepted");
    ann.send("PATCH", &hers, json!({"location": {"displayName": "There"}}))
        .await
        .is(200);
    assert_eq!(ben.get(&his).await.body["location"]["displayName"], "There");
    w.forget_mails().await;
    ann.send("DELETE", &format!("/me/events/{}", master.id()), Value::Null)
        .await
        .is(204);
    assert!(
        w.mails()
            .await
            .contains(&mail("cancellation", BEN, "Canceled: Daily, with Ben"))
    );
    assert_eq!(ben.get(&his).await.is(200).body["isCancelled"], true);
}

#[tokio::test]
async fn what_becomes_of_a_guests_copy_of_a_cancelled_meeting() {
    for (how, status) in [("marked", 200), ("deleted", 200), ("purged", 404)] {
        let w = world().await;
        w.switch(json!({"cancelled_copies": how})).await;
        let (ann, ben) = (w.login(ANN).await, w.login(BEN).await);
        let made = ann
            .create(json!({"subject": "Off", "attendees": guests(&[BEN])}))
            .await
            .is(201);
        let copy = w.find(BEN, "Off").await.unwrap();
        let rest = format!("/me/events/{}", copy["id"].as_str().unwrap());
        let lasting = ben.get_with(&rest, "IdType=\"ImmutableId\"").await.is(200).id();
        ann.send("DELETE", &format!("/me/events/{}", made.id()), Value::Null)
            .await
            .is(204);
        let there = w.find(BEN, "Canceled: Off").await.is_some();
        assert_eq!(there, how == "marked");
        let got = ben.get(&format!("/me/events/{lasting}")).await.is(status);
        if status == 200 {
            assert_eq!(got.body["isCancelled"], true, "{how}");
        }
    }
}

#[tokio::test]
async fn what_was_declined_may_stay() {
    let w = world().await;
    w.switch(json!({"declined_kept": true})).await;
    let (ann, ben) = (w.login(ANN).await, w.login(BEN).await);
    ann.create(json!({"subject": "Kept", "attendees": guests(&[BEN])}))
        .await
        .is(201);
    let copy = w.find(BEN, "Kept").await.unwrap();
    let path = format!("/me/events/{}", copy["id"].as_str().unwrap());
    ben.send("POST", &format!("{path}/decline"), json!({}))
        .await
        .is(202);
    let kept = ben.get(&path).await.is(200).body;
    assert_eq!(kept["responseStatus"]["response"], "declined");
    assert_eq!(kept["showAs"], "free");
}

#[tokio::test]
async fn a_guest_may_see_the_organizer_and_the_others_answers() {
    let w = world().await;
    w.switch(json!({"guests_see_answers": true})).await;
    let ann = w.login(ANN).await;
    let made = ann
        .create(json!({"subject": "Seen", "attendees": guests(&[BEN, CARLA])}))
        .await
        .is(201);
    let hers = w.find(CARLA, "Seen").await.unwrap();
    let path = format!(
        "/mailboxes/{CARLA}/events/{}/respond",
        hers["id"].as_str().unwrap()
    );
    w.sim("POST", &path, json!({"response": "accept"})).await.is(202);
    let place = json!({"location": {"displayName": "There"}});
    ann.send("PATCH", &format!("/me/events/{}", made.id()), place)
        .await
        .is(200);
    let seen = w.find(BEN, "Seen").await.unwrap();
    let rows: Vec<(&str, &str)> = seen["attendees"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| {
            let text = |path: &str| a.pointer(path).and_then(Value::as_str).unwrap();
            (text("/emailAddress/address"), text("/status/response"))
        })
        .collect();
    assert_eq!(rows, [(ANN, "none"), (BEN, "none"), (CARLA, "accepted")]);
}

#[tokio::test]
async fn a_copy_comes_later_or_never() {
    let w = world().await;
    let ann = w.login(ANN).await;
    w.switch(json!({"delivery_seconds": 1})).await;
    let made = ann
        .create(json!({"subject": "Late", "attendees": guests(&[BEN])}))
        .await
        .is(201);
    assert_eq!(w.mails().await, [mail("invitation", BEN, "Late")]);
    assert!(w.find(BEN, "Late").await.is_none());
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    assert!(w.find(BEN, "Late").await.is_some());
    ann.send("DELETE", &format!("/me/events/{}", made.id()), Value::Null)
        .await
        .is(204);
    assert!(w.find(BEN, "Late").await.is_some());
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    assert!(w.find(BEN, "Canceled: Late").await.is_some());
    w.switch(json!({"delivery_seconds": 0, "automatic_entries": false}))
        .await;
    ann.create(json!({"subject": "Never", "attendees": guests(&[BEN])}))
        .await
        .is(201);
    assert!(w.find(BEN, "Never").await.is_none());
}

#[tokio::test]
async fn a_cancelled_meeting_can_be_answered_or_not() {
    let w = world().await;
    let (ann, ben) = (w.login(ANN).await, w.login(BEN).await);
    let id = ann
        .create(json!({"subject": "Off", "attendees": guests(&[BEN])}))
        .await
        .is(201)
        .id();
    ann.send("POST", &format!("/me/events/{id}/cancel"), json!({}))
        .await
        .is(202);
    let copy = w.find(BEN, "Canceled: Off").await.expect("marked");
    assert_eq!(copy["isReminderOn"], true);
    let accept = format!("/me/events/{}/accept", copy["id"].as_str().unwrap());
    for (takes, status) in [(false, 400), (true, 202)] {
        w.switch(json!({"cancelled_takes_answers": takes})).await;
        ben.send("POST", &accept, json!({"sendResponse": false}))
            .await
            .is(status);
    }
}

/// The organizer's series of five days with Ben, and his copy of it.
async fn daily(w: &World, ann: &Me<'_>) -> (String, Value) {
    let recurrence = json!({"pattern": {"type": "daily", "interval": 1},
        "range": {"type": "numbered", "startDate": "2031-03-10", "numberOfOccurrences": 5}});
    let body = json!({"subject": "Daily", "attendees": guests(&[BEN]), "recurrence": recurrence});
    let id = ann.create(body).await.is(201).id();
    (id, w.find(BEN, "Daily").await.expect("his"))
}

#[tokio::test]
async fn a_cancelled_series_or_occurrence_can_be_answered_or_not() {
    for of_all in [true, false] {
        let w = world().await;
        let (ann, ben) = (w.login(ANN).await, w.login(BEN).await);
        let (id, copy) = daily(&w, &ann).await;
        let hers = w.find(ANN, "Daily").await.unwrap();
        let second = hers["occurrences"][1]["id"].as_str().unwrap();
        let off = if of_all { &id } else { second };
        ann.send("POST", &format!("/me/events/{off}/cancel"), json!({}))
            .await
            .is(202);
        let accept = |event: &Value| format!("/me/events/{}/accept", event["id"].as_str().unwrap());
        let days = &copy["occurrences"];
        for (takes, status) in [(false, 400), (true, 202)] {
            w.switch(json!({"cancelled_takes_answers": takes})).await;
            let silent = || json!({"sendResponse": false});
            ben.send("POST", &accept(&days[1]), silent()).await.is(status);
            for stands in [&days[2], &copy] {
                let status = if of_all { status } else { 202 };
                ben.send("POST", &accept(stands), silent()).await.is(status);
            }
        }
    }
}

#[tokio::test]
async fn another_time_is_proposed_for_a_series_or_one_occurrence() {
    for of_all in [true, false] {
        let w = world().await;
        let (ann, ben) = (w.login(ANN).await, w.login(BEN).await);
        let (_, copy) = daily(&w, &ann).await;
        let target = if of_all { &copy } else { &copy["occurrences"][1] };
        let slot = json!({"start": at("2031-03-11T15:00:00"), "end": at("2031-03-11T16:00:00")});
        let path = format!("/me/events/{}/decline", target["id"].as_str().unwrap());
        ben.send("POST", &path, json!({"proposedNewTime": slot}))
            .await
            .is(202);
        let hers = w.find(ANN, "Daily").await.unwrap();
        let proposes = |event: &Value| event["attendees"][0].get("proposedNewTime").is_some();
        let days = hers["occurrences"].as_array().unwrap();
        let seen: Vec<bool> = std::iter::once(&hers).chain(days).map(proposes).collect();
        let one = [false, false, true, false, false, false];
        assert_eq!(seen, if of_all { [true; 6] } else { one });
    }
}

#[tokio::test]
async fn outlook_for_windows_takes_lists_apart() {
    let w = world().await;
    let me = w.login(ANN).await;
    let body = json!({"contentType": "html", "content": "<ul><li><em>a</em></li></ul>"});
    for rewrites in [true, false] {
        w.switch(json!({"windows_rewrites_bodies": rewrites})).await;
        let id = me.create(json!({"body": &body})).await.is(201).id();
        let edit = format!("/mailboxes/{ANN}/events/{id}");
        w.sim("PATCH", &edit, json!({"showAs": "free"})).await.is(200);
        let content = async || {
            let shown = me.get(&format!("/me/events/{id}")).await.is(200).body;
            shown["body"]["content"].as_str().unwrap().to_owned()
        };
        assert!(content().await.contains("<li>"), "nobody else sees that");
        w.sim("PATCH", &edit, json!({"subject": "Edited"})).await.is(200);
        assert_eq!(content().await.contains("MsoListParagraph"), rewrites);
        assert_eq!(content().await.contains("<li>"), !rewrites);
    }
}
