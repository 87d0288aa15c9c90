use crate::common::*;
use serde_json::{Value, json};

#[tokio::test]
async fn a_life() {
    let w = world().await;
    let me = w.login(ANN).await;
    let made = me
        .create(
            json!({"body": {"contentType": "text", "content": "a <b>"}, "location": {"displayName": "Here"}}),
        )
        .await
        .is(201);
    let id = made.id();
    assert_eq!(
        made.body["start"],
        json!({"dateTime": "2031-03-10T09:00:00.0000000", "timeZone": "UTC"})
    );
    assert_eq!(
        made.body["@odata.etag"],
        format!("W/\"{}\"", made.body["changeKey"].as_str().unwrap())
    );
    assert!(
        made.body["body"]["content"]
            .as_str()
            .unwrap()
            .starts_with("<html>")
    );
    assert_eq!(made.body["bodyPreview"], "a <b>");
    assert_eq!(made.body["type"], "singleInstance");
    assert_eq!(made.body["responseStatus"]["response"], "organizer");
    assert_eq!(made.body["locations"][0]["displayName"], "Here");

    let got = me
        .get_with(
            &format!("/me/events/{id}"),
            "outlook.timezone=\"W. Europe Standard Time\"",
        )
        .await
        .is(200);
    assert_eq!(got.body["start"]["dateTime"], "2031-03-10T10:00:00.0000000");
    assert!(
        got.headers["preference-applied"]
            .to_str()
            .unwrap()
            .contains("outlook.timezone")
    );
    let got = me
        .get_with(&format!("/me/events/{id}"), "outlook.body-content-type=\"text\"")
        .await
        .is(200);
    assert_eq!(
        got.body["body"],
        json!({"contentType": "text", "content": "a <b>"})
    );
    let got = me.get(&format!("/me/events/{id}?$select=subject")).await.is(200);
    assert!(got.body.get("body").is_none() && got.body["id"] == id.as_str());

    let patched = me
        .send("PATCH", &format!("/me/events/{id}"), json!({"subject": "Other"}))
        .await
        .is(200);
    assert_eq!(patched.body["subject"], "Other");
    assert_ne!(patched.body["changeKey"], made.body["changeKey"]);
    me.send("DELETE", &format!("/me/events/{id}"), Value::Null)
        .await
        .is(204);
    w.switch(json!({"deleted_answers": false})).await;
    let gone = me
        .send("DELETE", &format!("/me/events/{id}"), Value::Null)
        .await
        .is(404);
    assert_eq!(gone.code(), "ErrorItemNotFound");
    assert!(gone.body["error"]["innerError"]["request-id"].is_string());
}

#[tokio::test]
async fn what_is_refused() {
    let w = world().await;
    let me = w.login(ANN).await;
    for (body, code) in [
        (json!({"nonsense": 1}), "RequestBodyRead"),
        (json!({"subject": 7}), "RequestBodyRead"),
        (json!({"importance": "huge"}), "RequestBodyRead"),
        (json!({"start": null}), "RequestBodyRead"),
        (
            json!({"start": {"dateTime": "2031-03-10T09:00:00"}}),
            "TimeZoneNotSupportedException",
        ),
        (
            json!({"end": at("2031-03-10T08:00:00")}),
            "ErrorPropertyValidationFailure",
        ),
        (json!({"isAllDay": true}), "ErrorInvalidRequest"),
        (json!({"body": null}), "ErrorInvalidRequest"),
        (
            json!({"attendees": guests(&["no address"])}),
            "ErrorInvalidRecipients",
        ),
        (
            json!({"singleValueExtendedProperties": [{"id": "bad", "value": "x"}]}),
            "ErrorInvalidProperty",
        ),
    ] {
        let got = me.create(body.clone()).await.is(400);
        assert_eq!(got.code(), code, "{body}");
    }
    let got = me
        .send("POST", "/me/events", json!({"subject": "no times"}))
        .await
        .is(400);
    assert!(
        got.body["error"]["message"]
            .as_str()
            .unwrap()
            .contains("Event.Start")
    );
    let id = me.create(json!({})).await.is(201).id();
    let alone = me
        .send("PATCH", &format!("/me/events/{id}"), json!({"isAllDay": true}))
        .await
        .is(400);
    assert_eq!(alone.body["error"]["message"], "Missing parameters: Event.Start");
    let text = me.request("POST", "/me/events").body("{}").send().await.unwrap();
    assert_eq!(text.status(), 415);
    let broken = me
        .request("POST", "/me/events")
        .header("content-type", "application/json")
        .body("{");
    assert_eq!(broken.send().await.unwrap().status(), 400);
    for path in [
        "/me/events?$top=0",
        "/me/events?$search=x",
        "/me/events?$filter=nonsense",
        "/me/events?$select=nope",
        "/me/events/!!",
        "/me/nothing",
        "/me/calendarView",
    ] {
        me.get(path).await.is(400);
    }
    let far = "/me/calendarView?startDateTime=2020-01-01T00:00:00Z&endDateTime=2031-01-01T00:00:00Z";
    assert_eq!(me.get(far).await.is(400).code(), "ErrorInvalidRequest");
    assert_eq!(
        me.get("/users/ben@contoso.example/events").await.is(403).code(),
        "ErrorAccessDenied"
    );
    assert_eq!(
        me.get("/users/nobody@contoso.example/events")
            .await
            .is(404)
            .code(),
        "ErrorInvalidUser"
    );
    let got = me
        .get_with("/me/events", "outlook.timezone=\"Mars\"")
        .await
        .is(400);
    assert_eq!(got.code(), "TimeZoneNotSupportedException");
}

#[tokio::test]
async fn all_day() {
    let w = world().await;
    let me = w.login(ANN).await;
    let day = |d: &str| json!({"dateTime": format!("{d}T00:00:00"), "timeZone": "Europe/Brussels"});
    let made = me
        .create(json!({"isAllDay": true, "start": day("2031-03-10"), "end": day("2031-03-11")}))
        .await
        .is(201);
    assert_eq!(made.body["start"]["dateTime"], "2031-03-10T00:00:00.0000000");
    assert_eq!(made.body["originalStartTimeZone"], "Europe/Brussels");
    let got = me
        .create(json!({"isAllDay": true, "start": day("2031-03-10"), "end": day("2031-03-10")}))
        .await;
    assert!(
        got.is(400).body["error"]["message"]
            .as_str()
            .unwrap()
            .contains("24 hours")
    );
}

#[tokio::test]
async fn a_transaction_is_done_once() {
    let w = world().await;
    let me = w.login(ANN).await;
    let body = json!({"transactionId": "t-1", "attendees": guests(&[BEN])});
    let first = me.create(body.clone()).await.is(201);
    let again = me.create(body).await.is(201);
    assert_eq!(first.id(), again.id());
    assert_eq!(w.mails().await.len(), 1);
    let other = me
        .create(json!({"transactionId": "t-1", "subject": "Else"}))
        .await
        .is(400);
    assert_eq!(other.code(), "ErrorDuplicateTransactionId");
    assert_eq!(other.body["error"]["@event.existingEventId"], first.body["id"]);
    w.switch(json!({"duplicate_transaction_status": 409})).await;
    me.create(json!({"transactionId": "t-1", "subject": "Else"}))
        .await
        .is(409);
}

#[tokio::test]
async fn if_match() {
    let w = world().await;
    let me = w.login(ANN).await;
    let made = me.create(json!({})).await.is(201);
    let path = format!("/me/events/{}", made.id());
    let etag = made.body["@odata.etag"].as_str().unwrap();
    let patch = |tag: &str| {
        me.request("PATCH", &path)
            .header("If-Match", tag)
            .json(&json!({"subject": "x"}))
            .send()
    };
    assert_eq!(patch(etag).await.unwrap().status(), 200);
    let late = Got::of(patch(etag).await.unwrap()).await.is(412);
    assert_eq!(late.code(), "ErrorIrresolvableConflict");
    assert_eq!(patch("*").await.unwrap().status(), 200);
    let delete = me
        .request("DELETE", &path)
        .header("If-Match", etag)
        .send()
        .await
        .unwrap();
    assert_eq!(delete.status(), 412);
    w.switch(json!({"if_match_enforced": false})).await;
    assert_eq!(patch(etag).await.unwrap().status(), 200);
}

#[tokio::test]
async fn ids_of_two_kinds() {
    let w = world().await;
    let me = w.login(ANN).await;
    let rest = me.create(json!({})).await.is(201).id();
    let lasting = me
        .get_with(&format!("/me/events/{rest}"), "IdType=\"ImmutableId\"")
        .await
        .is(200)
        .id();
    assert_ne!(rest, lasting);
    me.get(&format!("/me/events/{lasting}")).await.is(200);
    let body =
        json!({"inputIds": [rest, "AAMk"], "sourceIdType": "restId", "targetIdType": "restImmutableEntryId"});
    let got = me.send("POST", "/me/translateExchangeIds", body).await.is(200);
    assert_eq!(got.body["value"][0]["targetId"], lasting.as_str());
    assert!(got.body["value"][1]["errorDetails"]["code"].is_string());
    let body = json!({"inputIds": [lasting, rest], "sourceIdType": "restImmutableEntryId", "targetIdType": "restId"});
    let got = me.send("POST", "/me/translateExchangeIds", body).await.is(200);
    assert_eq!(got.body["value"][0]["targetId"], rest.as_str());
    assert!(
        got.body["value"][1]["errorDetails"]["code"].is_string(),
        "not of that kind"
    );
    let other = w
        .sim(
            "POST",
            &format!("/mailboxes/{ANN}/calendars"),
            json!({"name": "Side"}),
        )
        .await
        .is(201)
        .id();
    w.sim(
        "POST",
        &format!("/mailboxes/{ANN}/events/{rest}/move"),
        json!({"calendar": other}),
    )
    .await
    .is(200);
    me.get(&format!("/me/events/{rest}")).await.is(404);
    let moved = me.get(&format!("/me/events/{lasting}")).await.is(200).id();
    assert_ne!(moved, rest);
    me.get(&format!("/me/calendars/{other}/events/{moved}"))
        .await
        .is(200);
    me.get(&format!("/me/calendar/events/{moved}")).await.is(404);
}

#[tokio::test]
async fn out_of_deleted_items() {
    let w = world().await;
    let me = w.login(ANN).await;
    let lasting = me.create(json!({"subject": "Back"})).await.is(201).id();
    let path = format!("/me/events/{lasting}");
    let restore = format!("/mailboxes/{ANN}/events/{lasting}/restore");
    w.sim("POST", &restore, json!({})).await.is(404);
    me.send("DELETE", &path, Value::Null).await.is(204);
    w.switch(json!({"deleted_answers": false})).await;
    me.get(&path).await.is(404);
    w.sim("POST", &restore, json!({})).await.is(200);
    w.sim("POST", &restore, json!({})).await.is(404);
    let listed = w
        .sim("GET", &format!("/mailboxes/{ANN}/events"), json!(null))
        .await
        .is(200);
    let back = listed.body["value"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|e| e["subject"] == "Back")
        .count();
    assert_eq!(back, 1);
}

#[tokio::test]
async fn extended_properties() {
    let w = world().await;
    let me = w.login(ANN).await;
    let name = "String {66f5a359-4659-4830-9070-00047ec6ac6e} Name odoo";
    let made = me
        .create(json!({"singleValueExtendedProperties": [{"id": name, "value": "Key-7"}]}))
        .await
        .is(201);
    assert!(made.body.get("singleValueExtendedProperties").is_none());
    let get = |query: Vec<(&'static str, String)>| me.request("GET", "/me/events").query(&query).send();
    let filter = |value: &str| {
        vec![(
            "$filter",
            format!("singleValueExtendedProperties/Any(ep: ep/id eq '{name}' and ep/value eq '{value}')"),
        )]
    };
    let hit = Got::of(get(filter("KEY-7")).await.unwrap()).await.is(200);
    assert_eq!(hit.body["value"].as_array().unwrap().len(), 1);
    let none = Got::of(get(filter("Key-8")).await.unwrap()).await.is(200);
    assert!(none.body["value"].as_array().unwrap().is_empty());
    let expand = [(
        "$expand",
        format!("singleValueExtendedProperties($filter=id eq '{name}')"),
    )];
    let one = me
        .request("GET", &format!("/me/events/{}", made.id()))
        .query(&expand)
        .send()
        .await
        .unwrap();
    let one = Got::of(one).await.is(200);
    assert_eq!(one.body["singleValueExtendedProperties"][0]["value"], "Key-7");
    let uid = made.body["iCalUId"].as_str().unwrap();
    let hit = Got::of(
        get(vec![("$filter", format!("iCalUId eq '{uid}'"))])
            .await
            .unwrap(),
    )
    .await
    .is(200);
    assert_eq!(hit.body["value"][0]["id"], made.body["id"]);
}

#[tokio::test]
async fn what_is_deleted_still_answers() {
    let w = world().await;
    let me = w.login(ANN).await;
    let made = me.create(json!({"subject": "Over"})).await.is(201);
    let uid = made.body["iCalUId"].as_str().unwrap();
    let mutable = format!("/me/events/{}", made.id());
    let lasting = me.get_with(&mutable, "IdType=\"ImmutableId\"").await.is(200).id();
    let path = format!("/me/events/{lasting}");
    me.send("DELETE", &mutable, Value::Null).await.is(204);
    me.get(&mutable).await.is(404);
    assert_eq!(me.get(&path).await.is(200).body["iCalUId"], uid);
    let listed = me
        .get(&format!("/me/events?$filter=iCalUId eq '{uid}'"))
        .await
        .is(200);
    assert_eq!(listed.body["value"], json!([]));
    let changed = me.send("PATCH", &path, json!({"subject": "Under"})).await.is(200);
    assert_ne!(changed.body["changeKey"], made.body["changeKey"]);
    assert!(w.find(ANN, "Under").await.is_none());
    let again = me.send("DELETE", &path, Value::Null).await.is(403);
    assert_eq!(again.code(), "ErrorCannotDeleteObject");
    me.send("POST", &format!("{path}/permanentDelete"), json!({}))
        .await
        .is(204);
    assert_eq!(me.get(&path).await.is(404).code(), "ErrorItemNotFound");
}

#[tokio::test]
async fn who_drags_an_event_may_change_its_ids() {
    let w = world().await;
    let me = w.login(ANN).await;
    w.switch(json!({"drag_changes_id": true})).await;
    let made = me.create(json!({"subject": "Dragged"})).await.is(201);
    let path = format!("/mailboxes/{ANN}/events/{}", made.id());
    w.sim("PATCH", &path, json!({"subject": "Named"})).await.is(200);
    me.get(&format!("/me/events/{}", made.id())).await.is(200);
    let time = json!({"start": at("2031-03-11T09:00:00"), "end": at("2031-03-11T10:00:00")});
    w.sim("PATCH", &path, time).await.is(200);
    me.get(&format!("/me/events/{}", made.id())).await.is(404);
    let moved = w.find(ANN, "Named").await.unwrap();
    assert_eq!(moved["iCalUId"], made.body["iCalUId"]);
}

#[tokio::test]
async fn long_texts_are_cut_or_refused_and_reminders_have_a_range() {
    let w = world().await;
    let me = w.login(ANN).await;
    let long = "a".repeat(300);
    let body = json!({"subject": long, "location": {"displayName": long}});
    let made = me.create(body.clone()).await.is(201).body;
    let cut = format!("{}…", "a".repeat(254));
    assert_eq!(
        (&made["subject"], &made["location"]["displayName"]),
        (&json!(cut), &json!(cut))
    );
    w.switch(json!({"long_texts_are_cut": false})).await;
    for part in [
        json!({"subject": long}),
        json!({"location": {"displayName": long}}),
    ] {
        assert_eq!(
            me.create(part).await.is(400).code(),
            "ErrorPropertyValidationFailure"
        );
    }
    for (minutes, status) in [(2_629_800, 201), (2_629_801, 400), (0, 201), (-1, 400)] {
        me.create(json!({"reminderMinutesBeforeStart": minutes}))
            .await
            .is(status);
    }
}

#[tokio::test]
async fn the_choices_of_single_events() {
    let w = world().await;
    let me = w.login(ANN).await;
    let id = me.create(json!({"transactionId": "first"})).await.is(201).id();
    let path = format!("/me/events/{id}");
    let window = "startDateTime=2031-01-01T00:00:00Z&endDateTime=2031-12-31T00:00:00Z";
    for (is_strict, status, untyped) in [(true, 400, 415), (false, 200, 400)] {
        w.switch(
            json!({"transaction_change_refused": is_strict, "all_day_wants_times": is_strict,
            "instances_of_single_refused": is_strict, "untyped_body_status": untyped}),
        )
        .await;
        me.send("PATCH", &path, json!({"transactionId": "second"}))
            .await
            .is(status);
        me.send("PATCH", &path, json!({"isAllDay": false}))
            .await
            .is(status);
        me.send("PATCH", &path, json!({"isAllDay": true})).await.is(400);
        me.get(&format!("{path}/instances?{window}")).await.is(status);
        let text = me.request("POST", "/me/events").body("{}").send().await.unwrap();
        assert_eq!(text.status(), untyped);
    }
    let shown = me.get(&path).await.is(200).body;
    assert_eq!(shown["transactionId"], "first");
}
