use crate::common::*;
use serde_json::{Value, json};

pub(crate) fn weekly() -> Value {
    json!({"pattern": {"type": "weekly", "interval": 1, "daysOfWeek": ["monday"]},
           "range": {"type": "numbered", "startDate": "2031-03-10", "numberOfOccurrences": 6}})
}

pub(crate) fn berlin(time: &str) -> Value {
    json!({"dateTime": time, "timeZone": "W. Europe Standard Time"})
}

pub(crate) async fn series(me: &Me<'_>, extra: Value) -> Value {
    let body = json!({"start": berlin("2031-03-10T09:00:00"), "end": berlin("2031-03-10T10:00:00"), "recurrence": weekly()});
    me.create(with(body, &extra)).await.is(201).body
}

pub(crate) async fn instances(me: &Me<'_>, id: &str) -> Vec<Value> {
    let path = format!("/me/events/{id}/instances?startDateTime=2031-01-01&endDateTime=2031-12-31&$top=100");
    me.get(&path).await.is(200).body["value"]
        .as_array()
        .unwrap()
        .clone()
}

#[tokio::test]
async fn occurrences_keep_their_wall_clock() {
    let w = world().await;
    let me = w.login(ANN).await;
    let master = series(&me, json!({})).await;
    assert_eq!(master["type"], "seriesMaster");
    let range = &master["recurrence"]["range"];
    assert_eq!(range["endDate"], "0001-01-01");
    assert_eq!(range["recurrenceTimeZone"], "W. Europe Standard Time");
    let all = instances(&me, master["id"].as_str().unwrap()).await;
    let starts: Vec<&str> = all
        .iter()
        .map(|e| e["start"]["dateTime"].as_str().unwrap())
        .collect();
    assert_eq!(starts.len(), 6);
    assert_eq!(starts[0], "2031-03-10T08:00:00.0000000");
    assert_eq!(
        starts[3], "2031-03-31T07:00:00.0000000",
        "after the clocks changed"
    );
    assert!(
        all.iter()
            .all(|e| e["type"] == "occurrence" && e["recurrence"].is_null())
    );
    assert!(all[0].get("originalStart").is_none());
    assert_eq!(&all[1]["iCalUId"].as_str().unwrap()[32..40], "07EF0311");
    let one = all[1]["id"].as_str().unwrap();
    let got = me
        .get(&format!("/me/events/{one}?$select=originalStart,subject"))
        .await
        .is(200);
    assert_eq!(got.body["originalStart"], "2031-03-17T08:00:00Z");
}

#[tokio::test]
async fn exceptions_and_holes() {
    let w = world().await;
    let me = w.login(ANN).await;
    let id = series(&me, json!({})).await["id"].as_str().unwrap().to_owned();
    let all = instances(&me, &id).await;
    let path = |i: usize| format!("/me/events/{}", all[i]["id"].as_str().unwrap());
    let changed = me
        .send("PATCH", &path(1), json!({"subject": "Special"}))
        .await
        .is(200);
    assert_eq!(changed.body["type"], "exception");
    let cross = json!({"start": berlin("2031-03-31T09:00:00"), "end": berlin("2031-03-31T10:00:00")});
    let got = me.send("PATCH", &path(2), cross).await.is(400);
    assert_eq!(got.code(), "ErrorOccurrenceCrossingBoundary");
    me.send("DELETE", &path(4), Value::Null).await.is(204);
    me.get(&path(4)).await.is(404);
    let master = me
        .get(&format!("/me/events/{id}?$select=subject,cancelledOccurrences"))
        .await
        .is(200);
    assert_eq!(
        master.body["cancelledOccurrences"],
        json!([format!("OID.{id}.2031-04-07")])
    );
    let plain = me.get(&format!("/me/events/{id}")).await.is(200);
    assert!(plain.body.get("cancelledOccurrences").is_none());
    let both = "$select=subject,exceptionOccurrences&$expand=exceptionOccurrences";
    let master = me.get(&format!("/me/events/{id}?{both}")).await.is(200);
    assert_eq!(master.body["exceptionOccurrences"][0]["subject"], "Special");
    let unselected = me
        .get(&format!("/me/events/{id}?$expand=exceptionOccurrences"))
        .await
        .is(200);
    assert!(unselected.body.get("exceptionOccurrences").is_none());

    me.send(
        "PATCH",
        &format!("/me/events/{id}"),
        json!({"subject": "All", "location": {"displayName": "L"}}),
    )
    .await
    .is(200);
    let kept = me.get(&path(1)).await.is(200);
    assert_eq!(
        (&kept.body["subject"], &kept.body["location"]["displayName"]),
        (&json!("Special"), &json!("L"))
    );
    let mut pattern = weekly();
    pattern["pattern"]["interval"] = json!(2);
    me.send(
        "PATCH",
        &format!("/me/events/{id}"),
        json!({"recurrence": pattern}),
    )
    .await
    .is(200);
    let all = instances(&me, &id).await;
    assert_eq!(all.len(), 6);
    assert!(
        all.iter().all(|e| e["type"] == "occurrence"),
        "a new pattern drops the exceptions"
    );
}

/// Whether the hours are told with `recurrence` or without it, and whatever the switch says.
#[tokio::test]
async fn new_hours_drop_exceptions_or_keep_them() {
    let w = world().await;
    let me = w.login(ANN).await;
    for (drops, named) in [(true, true), (true, false), (false, true), (false, false)] {
        w.switch(json!({"time_change_drops_exceptions": drops})).await;
        let id = series(&me, json!({})).await["id"].as_str().unwrap().to_owned();
        let one = instances(&me, &id).await[1].clone();
        let path = format!("/me/events/{}", one["id"].as_str().unwrap());
        me.send("PATCH", &path, json!({"subject": "Special"}))
            .await
            .is(200);
        let mut hours = json!({"start": berlin("2031-03-10T11:00:00"), "end": berlin("2031-03-10T12:00:00")});
        if named {
            hours["recurrence"] = weekly();
        }
        me.send("PATCH", &format!("/me/events/{id}"), hours).await.is(200);
        let now = &instances(&me, &id).await[1];
        let expected = if drops {
            ("occurrence", json!("2031-03-17T10:00:00.0000000"))
        } else {
            ("exception", one["start"]["dateTime"].clone())
        };
        assert_eq!(
            (now["type"].as_str().unwrap(), &now["start"]["dateTime"]),
            (expected.0, &expected.1),
            "drops: {drops}, recurrence named: {named}"
        );
    }
}

/// MS-OXOCAL 3.1.4.7.3.5: who was told of an exception is told what became of it, and what is dropped is dropped with the holes.
#[tokio::test]
async fn each_exception_is_mailed_about_and_holes_close() {
    let w = world().await;
    let me = w.login(ANN).await;
    let guests = |all: &[&str]| -> Value {
        all.iter()
            .map(|a| json!({"emailAddress": {"address": a}, "type": "required"}))
            .collect()
    };
    let hours = json!({"start": berlin("2031-03-10T11:00:00"), "end": berlin("2031-03-10T12:00:00"), "recurrence": weekly()});
    let mut sooner = weekly();
    sooner["range"]["numberOfOccurrences"] = json!(5);
    let end = json!({"recurrence": sooner});
    let fewer = json!({"attendees": guests(&[CARLA])});
    let (told, update) = (("cancellation", BEN), ("update", BEN));
    let (carla, also) = (("cancellation", CARLA), ("update", CARLA));
    for (change, switches, mails, slots) in [
        (&hours, json!({}), vec![told, carla, update, also], 6),
        (
            &hours,
            json!({"rewrites_bring_deleted_back": false}),
            vec![told, carla, update, also],
            5,
        ),
        (
            &hours,
            json!({"mails_each_exception": false}),
            vec![update, also],
            6,
        ),
        (
            &hours,
            json!({"time_change_drops_exceptions": false}),
            vec![update, update, also, also],
            5,
        ),
        (&end, json!({}), vec![update, update, also, also], 4),
        (
            &end,
            json!({"end_change_drops_exceptions": true}),
            vec![told, carla, update, also],
            5,
        ),
        (&fewer, json!({}), vec![told, told], 5),
    ] {
        w.sim("DELETE", "/switches", Value::Null).await;
        w.switch(switches.clone()).await;
        let id = series(&me, json!({"attendees": guests(&[BEN, CARLA])})).await["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let all = instances(&me, &id).await;
        let one = |n: usize| format!("/me/events/{}", all[n]["id"].as_str().unwrap());
        me.send("PATCH", &one(1), json!({"subject": "Special"}))
            .await
            .is(200);
        me.send("DELETE", &one(3), Value::Null).await.is(204);
        w.forget_mails().await;
        me.send("PATCH", &format!("/me/events/{id}"), change.clone())
            .await
            .is(200);
        let sent = w.mails().await;
        let mut kinds: Vec<(&str, &str)> = sent
            .iter()
            .map(|(kind, to, _)| (kind.as_str(), to.as_str()))
            .collect();
        kinds.sort_unstable();
        let mut mails = mails;
        mails.sort_unstable();
        assert_eq!(kinds, mails, "{change} {switches}");
        assert_eq!(instances(&me, &id).await.len(), slots, "{change} {switches}");
    }
    // The whole, and then what is still to come of single occurrences.
    w.sim("DELETE", "/switches", Value::Null).await;
    let id = series(&me, json!({"attendees": guests(&[BEN])})).await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let one = instances(&me, &id).await[1]["id"].as_str().unwrap().to_owned();
    me.send(
        "PATCH",
        &format!("/me/events/{one}"),
        json!({"subject": "Special"}),
    )
    .await
    .is(200);
    w.forget_mails().await;
    me.send("DELETE", &format!("/me/events/{id}"), Value::Null)
        .await
        .is(204);
    assert_eq!(w.mails().await.len(), 2);
}

#[tokio::test]
async fn single_and_series() {
    let w = world().await;
    let me = w.login(ANN).await;
    let single = me
        .create(json!({"start": berlin("2031-03-10T09:00:00"), "end": berlin("2031-03-10T10:00:00")}))
        .await
        .is(201);
    let path = format!("/me/events/{}", single.id());
    let got = me
        .send("PATCH", &path, json!({"recurrence": weekly()}))
        .await
        .is(200);
    assert_eq!(
        (&got.body["type"], got.id()),
        (&json!("seriesMaster"), single.id())
    );
    let zone = json!({"start": at("2031-03-10T09:00:00"), "end": at("2031-03-10T10:00:00")});
    assert_eq!(
        me.send("PATCH", &path, zone).await.is(400).code(),
        "ErrorPropertyValidationFailure"
    );
    let got = me.send("PATCH", &path, json!({"recurrence": null})).await.is(200);
    assert_eq!(got.body["type"], "singleInstance");
    let mut late = weekly();
    late["range"]["startDate"] = json!("2031-03-11");
    assert_eq!(
        me.send("PATCH", &path, json!({"recurrence": late}))
            .await
            .is(400)
            .code(),
        "ErrorInvalidRecurrenceRange"
    );
    let mut zone = weekly();
    zone["range"]["recurrenceTimeZone"] = json!("UTC");
    assert_eq!(
        me.send("PATCH", &path, json!({"recurrence": zone}))
            .await
            .is(400)
            .code(),
        "ErrorPropertyValidationFailure"
    );
}

#[tokio::test]
async fn mails_and_copies_of_a_series() {
    let w = world().await;
    let (ann, ben) = (w.login(ANN).await, w.login(BEN).await);
    let id = series(&ann, json!({"subject": "S", "attendees": guests(&[BEN])})).await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let copy = w.find(BEN, "S").await.unwrap();
    let his = instances(&ben, copy["id"].as_str().unwrap()).await;
    assert_eq!(his.len(), 6);
    let hers = instances(&ann, &id).await;
    w.forget_mails().await;
    ann.send(
        "PATCH",
        &format!("/me/events/{}", hers[1]["id"].as_str().unwrap()),
        json!({"subject": "S2"}),
    )
    .await
    .is(200);
    assert_eq!(w.mails().await.len(), 1);
    assert_eq!(
        instances(&ben, copy["id"].as_str().unwrap()).await[1]["subject"],
        "S2"
    );
    w.forget_mails().await;
    ann.send(
        "PATCH",
        &format!("/me/events/{id}"),
        json!({"importance": "high"}),
    )
    .await
    .is(200);
    assert_eq!(
        w.mails().await.len(),
        2,
        "one for the master, one for its exception"
    );
    w.forget_mails().await;
    ann.send(
        "DELETE",
        &format!("/me/events/{}", hers[3]["id"].as_str().unwrap()),
        Value::Null,
    )
    .await
    .is(204);
    assert_eq!(w.mails().await.len(), 1);
    assert_eq!(
        instances(&ben, copy["id"].as_str().unwrap()).await[3]["isCancelled"],
        true
    );
    let one = format!("/me/events/{}/decline", his[0]["id"].as_str().unwrap());
    ben.send("POST", &one, json!({})).await.is(202);
    assert_eq!(instances(&ben, copy["id"].as_str().unwrap()).await.len(), 5);
    let seen = instances(&ann, &id).await;
    assert_eq!(seen[0]["attendees"][0]["status"]["response"], "declined");
}

#[tokio::test]
async fn a_series_has_whole_minutes_and_does_not_last_into_the_next() {
    let w = world().await;
    let me = w.login(ANN).await;
    let odd = json!({"start": berlin("2031-03-10T09:00:40"), "end": berlin("2031-03-10T10:00:50"), "recurrence": weekly()});
    let made = me.create(odd.clone()).await.is(201);
    let hours =
        |event: &Value| ["start", "end"].map(|at| event[at]["dateTime"].as_str().unwrap()[11..19].to_owned());
    assert_eq!(hours(&made.body), ["08:00:00", "09:00:00"]);
    let one = instances(&me, &made.id()).await[3].clone();
    assert_eq!(hours(&one), ["07:00:00", "08:00:00"]);
    let path = format!("/me/events/{}", one["id"].as_str().unwrap());
    let later = json!({"start": berlin("2031-03-31T09:30:20"), "end": berlin("2031-03-31T10:30:20")});
    let moved = me.send("PATCH", &path, later).await.is(200);
    assert_eq!(hours(&moved.body), ["07:30:00", "08:30:00"]);
    w.switch(json!({"series_in_whole_minutes": false})).await;
    let made = me.create(odd).await.is(201);
    assert_eq!(hours(&made.body), ["08:00:40", "09:00:50"]);

    let long = json!({"start": berlin("2031-03-10T09:00:00"), "end": berlin("2031-03-18T09:00:00"), "recurrence": weekly()});
    let got = me.create(long).await.is(400);
    assert_eq!(got.code(), "ErrorOccurrenceTimeSpanTooBig");
    let end = json!({"end": berlin("2031-03-18T09:00:00")});
    let got = me
        .send("PATCH", &format!("/me/events/{}", made.id()), end)
        .await
        .is(400);
    assert_eq!(got.code(), "ErrorOccurrenceTimeSpanTooBig");
}

#[tokio::test]
async fn the_first_day_of_the_week_alone_is_a_new_pattern_or_not() {
    let w = world().await;
    let me = w.login(ANN).await;
    for is_pattern in [true, false] {
        w.switch(json!({"first_day_is_pattern": is_pattern})).await;
        let id = series(&me, json!({})).await["id"].as_str().unwrap().to_owned();
        let one = instances(&me, &id).await[1]["id"].as_str().unwrap().to_owned();
        me.send(
            "PATCH",
            &format!("/me/events/{one}"),
            json!({"subject": "Special"}),
        )
        .await
        .is(200);
        let mut other = weekly();
        other["pattern"]["firstDayOfWeek"] = json!("monday");
        me.send("PATCH", &format!("/me/events/{id}"), json!({"recurrence": other}))
            .await
            .is(200);
        let is_kept = instances(&me, &id).await[1]["type"] == "exception";
        assert_eq!(is_kept, !is_pattern);
    }
}

#[tokio::test]
async fn what_is_kept_of_long_intervals_and_of_series_without_occurrences() {
    let w = world().await;
    let me = w.login(ANN).await;
    let series = |kind: &str, interval: u32| {
        json!({"recurrence": {
            "pattern": {"type": kind, "interval": interval, "dayOfMonth": 10, "month": 3, "daysOfWeek": ["monday"]},
            "range": {"type": "numbered", "startDate": "2031-03-10", "numberOfOccurrences": 2}}})
    };
    for (kept, kind, interval, shown) in [
        ("months", "absoluteYearly", 2, ("absoluteMonthly", 24)),
        ("years", "absoluteMonthly", 24, ("absoluteYearly", 2)),
        ("asWritten", "absoluteYearly", 2, ("absoluteYearly", 2)),
        ("months", "absoluteYearly", 1, ("absoluteYearly", 1)),
        ("years", "absoluteMonthly", 7, ("absoluteMonthly", 7)),
    ] {
        w.switch(json!({"long_patterns": kept})).await;
        let made = me.create(series(kind, interval)).await.is(201).body;
        let pattern = &made["recurrence"]["pattern"];
        assert_eq!(
            (
                pattern["type"].as_str().unwrap(),
                pattern["interval"].as_i64().unwrap()
            ),
            shown
        );
        let id = made["id"].as_str().unwrap();
        let window = "startDateTime=2031-01-01T00:00:00Z&endDateTime=2035-12-31T00:00:00Z";
        let listed = me
            .get(&format!("/me/events/{id}/instances?{window}"))
            .await
            .is(200)
            .body;
        assert_eq!(listed["value"].as_array().unwrap().len(), 2, "the same dates");
    }
    for (to_99, status) in [(true, 400), (false, 201)] {
        w.switch(json!({"intervals_to_99": to_99})).await;
        me.create(series("weekly", 100)).await.is(status);
        me.create(series("absoluteMonthly", 100)).await.is(status);
        me.create(series("weekly", 99)).await.is(201);
    }
    for (ends, status) in [(false, 200), (true, 404)] {
        w.switch(json!({"last_occurrence_ends_series": ends, "deleted_answers": false}))
            .await;
        let id = me.create(series("daily", 1)).await.is(201).id();
        let window = "startDateTime=2031-01-01T00:00:00Z&endDateTime=2031-12-31T00:00:00Z";
        let listed = me
            .get(&format!("/me/events/{id}/instances?{window}"))
            .await
            .is(200)
            .body;
        for one in listed["value"].as_array().unwrap() {
            let path = format!("/me/events/{}", one["id"].as_str().unwrap());
            me.send("DELETE", &path, Value::Null).await.is(204);
        }
        me.get(&format!("/me/events/{id}")).await.is(status);
    }
}
