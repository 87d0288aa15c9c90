//! Series and time zones: skipped hours, zones without a name, and the dates inside ids.

use crate::common::*;
use crate::series::{berlin, instances, series, weekly};
use serde_json::{Value, json};

#[tokio::test]
async fn a_first_occurrence_in_the_hour_that_is_skipped() {
    let w = world().await;
    let me = w.login(ANN).await;
    // The first Sunday from the 25th on is the 30th, when the clocks go from 2:00 to 3:00.
    let recurrence = json!({"pattern": {"type": "weekly", "interval": 1, "daysOfWeek": ["sunday"]},
        "range": {"type": "numbered", "startDate": "2031-03-25", "numberOfOccurrences": 2}});
    let made = series(&me, json!({"start": berlin("2031-03-25T02:30:00"), "end": berlin("2031-03-25T03:30:00"), "recurrence": recurrence})).await;
    let all = instances(&me, made["id"].as_str().unwrap()).await;
    let starts: Vec<&str> = all
        .iter()
        .map(|e| e["start"]["dateTime"].as_str().unwrap())
        .collect();
    assert_eq!(
        starts,
        ["2031-03-30T01:30:00.0000000", "2031-04-06T00:30:00.0000000"]
    );
}

#[tokio::test]
async fn a_zone_without_a_name_keeps_its_rules_until_a_start_is_written() {
    let w = world().await;
    let me = w.login(ANN).await;
    for name in ["tzone://Microsoft/Custom", " "] {
        w.switch(json!({"names_no_zone": name})).await;
        let body = json!({"start": berlin("2031-03-10T09:00:00"), "end": berlin("2031-03-10T10:00:00"), "recurrence": weekly()});
        let made = w
            .sim("POST", &format!("/mailboxes/{ANN}/events"), body)
            .await
            .is(201)
            .body;
        let id = made["id"].as_str().unwrap();
        let told = me.get(&format!("/me/events/{id}")).await.is(200).body;
        assert_eq!(told["originalStartTimeZone"], name.trim());
        assert_eq!(told["originalEndTimeZone"], name.trim());
        assert_eq!(told["recurrence"]["range"]["recurrenceTimeZone"], name.trim());
        let hours = |all: &[Value]| -> Vec<String> {
            all.iter()
                .map(|e| e["start"]["dateTime"].as_str().unwrap()[11..16].to_owned())
                .collect()
        };
        let all = instances(&me, id).await;
        assert_eq!(
            hours(&all),
            ["08:00", "08:00", "08:00", "07:00", "07:00", "07:00"]
        );
        assert_eq!(all[0]["originalStartTimeZone"], name.trim());
        let path = format!("/me/events/{id}");
        let mut named = weekly();
        named["range"]["recurrenceTimeZone"] = json!("W. Europe Standard Time");
        let got = me
            .send("PATCH", &path, json!({"recurrence": named}))
            .await
            .is(400);
        assert_eq!(got.code(), "ErrorPropertyValidationFailure");
        let written = json!({"start": berlin("2031-03-10T11:00:00"), "end": berlin("2031-03-10T12:00:00"), "recurrence": weekly()});
        let told = me.send("PATCH", &path, written).await.is(200).body;
        assert_eq!(told["originalStartTimeZone"], "W. Europe Standard Time");
        assert_eq!(hours(&instances(&me, id).await)[3], "09:00");
    }
}

#[tokio::test]
async fn a_mailboxs_settings_have_a_permission_of_their_own() {
    let w = world().await;
    let me = w.login(ANN).await;
    let got = me.get("/me/mailboxSettings").await.is(403);
    assert_eq!(got.code(), "ErrorAccessDenied");
    let scope = format!("{SCOPE} MailboxSettings.Read");
    let code = w.code_with(ANN, &[("scope", &scope)]).await;
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("code_verifier", VERIFIER),
    ];
    let token = w.token(&fields).await.is(200).body["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let got = Me { world: &w, token }.get("/me/mailboxSettings").await.is(200);
    assert_eq!(got.body["timeZone"], "Romance Standard Time");
}

#[tokio::test]
async fn the_dates_inside_ids_are_the_zones_or_utcs() {
    let w = world().await;
    let me = w.login(ANN).await;
    let days = json!({"pattern": {"type": "daily", "interval": 1},
        "range": {"type": "numbered", "startDate": "2031-03-10", "numberOfOccurrences": 4}});
    let select = "originalStart,occurrenceId,cancelledOccurrences,exceptionOccurrences,subject";
    for (zone, from, to, all_day, in_utc, date, start) in [
        (
            "Eastern Standard Time",
            "2031-03-10T20:00:00",
            "2031-03-10T21:00:00",
            false,
            "2031-03-12",
            "2031-03-11",
            "2031-03-12T00:00:00Z",
        ),
        (
            "Tokyo Standard Time",
            "2031-03-10T07:00:00",
            "2031-03-10T08:00:00",
            false,
            "2031-03-10",
            "2031-03-11",
            "2031-03-10T22:00:00Z",
        ),
        (
            "W. Europe Standard Time",
            "2031-03-10T00:00:00",
            "2031-03-11T00:00:00",
            true,
            "2031-03-10",
            "2031-03-11",
            "2031-03-10T23:00:00Z",
        ),
        (
            "Eastern Standard Time",
            "2031-03-10T00:00:00",
            "2031-03-11T00:00:00",
            true,
            "2031-03-11",
            "2031-03-11",
            "2031-03-11T04:00:00Z",
        ),
    ] {
        for utc in [false, true] {
            w.switch(json!({"occurrence_dates_in_utc": utc})).await;
            let at = |time: &str| json!({"dateTime": time, "timeZone": zone});
            let body = json!({"start": at(from), "end": at(to), "isAllDay": all_day, "recurrence": days});
            let id = me.create(body).await.is(201).id();
            let all = instances(&me, &id).await;
            let one = |n: usize| format!("/me/events/{}", all[n]["id"].as_str().unwrap());
            me.send("PATCH", &one(1), json!({"subject": "Special"}))
                .await
                .is(200);
            me.send("DELETE", &one(2), Value::Null).await.is(204);
            let path = format!("/me/events/{id}?$select={select}&$expand=exceptionOccurrences");
            let master = me.get(&path).await.is(200).body;
            let named = |day: &str| json!(format!("OID.{id}.{day}"));
            let exception = &master["exceptionOccurrences"][0];
            assert_eq!(
                exception["occurrenceId"],
                named(if utc { in_utc } else { date }),
                "{zone} {utc}"
            );
            assert_eq!(exception["originalStart"], start, "{zone}");
            let next: chrono::NaiveDate = if utc { in_utc } else { date }.parse().unwrap();
            let next = next.succ_opt().unwrap().to_string();
            assert_eq!(
                master["cancelledOccurrences"],
                json!([named(&next)]),
                "{zone} {utc}"
            );
        }
    }
    w.switch(json!({"all_day_original_start_local": false})).await;
    let at = |time: &str| json!({"dateTime": time, "timeZone": "W. Europe Standard Time"});
    let body = json!({"start": at("2031-03-10T00:00:00"), "end": at("2031-03-11T00:00:00"), "isAllDay": true, "recurrence": days});
    let id = me.create(body).await.is(201).id();
    let one = instances(&me, &id).await[1]["id"].as_str().unwrap().to_owned();
    let got = me
        .get(&format!("/me/events/{one}?$select=originalStart"))
        .await
        .is(200);
    assert_eq!(got.body["originalStart"], "2031-03-11T00:00:00Z");
}
