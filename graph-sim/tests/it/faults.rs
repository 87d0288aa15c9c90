use crate::common::*;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[tokio::test]
async fn the_shapes_of_429() {
    let w = world().await;
    let me = w.login(ANN).await;
    for (shape, code) in [
        ("application", "ApplicationThrottled"),
        ("documented", "TooManyRequests"),
        ("unknown", "UnknownError"),
    ] {
        let fault = json!([{"mailbox": ANN, "path": "/me/calendar", "count": 1, "status": 429, "retry_after": 7, "shape": shape}]);
        w.sim("PUT", "/faults", fault).await.is(200);
        let got = me.get("/me/calendar").await.is(429);
        assert_eq!(got.code(), code);
        assert_eq!(got.headers["retry-after"], "7");
        me.get("/me/calendar").await.is(200);
    }
    w.sim("PUT", "/faults", json!([{"method": "POST", "status": 503}]))
        .await
        .is(200);
    me.get("/me/calendar").await.is(200);
    me.create(json!({})).await.is(503);
    w.sim("PUT", "/faults", json!([{"nonsense": 1}])).await.is(400);
    w.sim("DELETE", "/faults", Value::Null).await.is(204);
    me.create(json!({})).await.is(201);
}

#[tokio::test]
async fn a_connection_cut_before_or_after() {
    let w = world().await;
    let me = w.login(ANN).await;
    for (cut, there) in [("before", false), ("after", true)] {
        w.sim(
            "PUT",
            "/faults",
            json!([{"method": "POST", "count": 1, "cut": cut}]),
        )
        .await
        .is(200);
        let body = event(json!({"subject": cut}));
        let sent = me.request("POST", "/me/events").json(&body).send().await;
        assert!(sent.is_err(), "no answer at all, not a broken one");
        assert_eq!(w.find(ANN, cut).await.is_some(), there);
        // The same for one that travels in a batch: the connection is the batch's.
        let fault = json!([{"method": "POST", "path": "/me/events", "count": 1, "cut": cut}]);
        w.sim("PUT", "/faults", fault).await.is(200);
        let subject = format!("{cut} in a batch");
        let step = json!({"id": "1", "method": "POST", "url": "/me/events", "headers": {"Content-Type": "application/json"},
            "body": event(json!({"subject": subject}))});
        let sent = me.request("POST", "/$batch").json(&json!({"requests": [step]}));
        assert!(sent.send().await.is_err());
        assert_eq!(w.find(ANN, &subject).await.is_some(), there);
    }
    let log = w.sim("GET", "/requests?method=POST", Value::Null).await.body;
    assert!(
        log["value"]
            .as_array()
            .unwrap()
            .iter()
            .any(|r| r["fault"] == "fault 1")
    );
}

#[tokio::test]
async fn latency_and_four_at_a_time() {
    let w = world().await;
    let me = w.login(ANN).await;
    w.sim(
        "PUT",
        "/faults",
        json!([{"latency_ms": 400, "path": "/calendar"}]),
    )
    .await
    .is(200);
    let begun = Instant::now();
    let six = (0..6).map(|_| me.request("GET", "/me/calendar").send());
    let mut tasks = Vec::new();
    for one in six {
        tasks.push(tokio::spawn(one));
    }
    let mut throttled = 0;
    for task in tasks {
        let got = Got::of(task.await.unwrap().unwrap()).await;
        if got.status == 429 {
            throttled += 1;
            assert!(
                got.body["error"]["message"]
                    .as_str()
                    .unwrap()
                    .contains("MailboxConcurrency")
            );
            assert!(got.headers.contains_key("retry-after"));
        }
    }
    assert_eq!(throttled, 2);
    assert!(begun.elapsed() >= Duration::from_millis(400));
    w.switch(json!({"concurrency_limit": 0, "requests_per_10_min": 3}))
        .await;
    w.sim("DELETE", "/faults", Value::Null).await.is(204);
    me.get("/me/calendar").await.is(429);
}

#[tokio::test]
async fn each_request_of_a_batch_is_counted_and_refused_for_itself() {
    let w = world().await;
    let me = w.login(ANN).await;
    w.switch(json!({"requests_per_10_min": 3})).await;
    let requests: Vec<Value> = (1..=5)
        .map(|id| json!({"id": id.to_string(), "method": "GET", "url": "/me/calendar"}))
        .collect();
    let got = me
        .send("POST", "/$batch", json!({"requests": requests}))
        .await
        .is(200);
    let responses = got.body["responses"].as_array().unwrap();
    let refused: Vec<&Value> = responses.iter().filter(|r| r["status"] == 429).collect();
    assert_eq!(refused.len(), 2, "{responses:#?}");
    assert!(
        refused.iter().all(|r| r["headers"]["Retry-After"].is_string()),
        "{refused:#?}"
    );
}

#[tokio::test]
async fn an_app_and_a_tenant_have_limits_of_their_own() {
    let w = world().await;
    let (ann, ben) = (w.login(ANN).await, w.login(BEN).await);
    w.switch(json!({"tenant_requests_per_10_min": 2})).await;
    ann.get("/me/calendar").await.is(200);
    ben.get("/me/calendar").await.is(200);
    ben.get("/me/calendar").await.is(429);
    w.switch(json!({"tenant_requests_per_10_min": 0, "app_concurrency_limit": 1}))
        .await;
    w.sim("PUT", "/faults", json!([{"mailbox": ANN, "latency_ms": 500}]))
        .await
        .is(200);
    let (slow, refused) = tokio::join!(ann.get("/me/calendar"), async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        ben.get("/me/calendar").await
    });
    slow.is(200);
    refused.is(429);
}

#[tokio::test]
async fn slow_bodies_and_spurious_412() {
    let w = world().await;
    let me = w.login(ANN).await;
    w.sim("PUT", "/faults", json!([{"slow_body_ms": 300, "count": 1}]))
        .await
        .is(200);
    let begun = Instant::now();
    assert!(me.get("/me/calendars").await.is(200).body["value"].is_array());
    assert!(begun.elapsed() >= Duration::from_millis(250));
    w.switch(json!({"spurious_412_every": 2})).await;
    let got = [
        me.get("/me/calendars").await.status,
        me.get("/me/calendars").await.status,
    ];
    assert!(got.contains(&412) && got.contains(&200));
}

#[tokio::test]
async fn the_token_endpoint_has_bad_days() {
    let w = world().await;
    w.sim(
        "PUT",
        "/faults",
        json!([{"path": "/token", "status": 503, "count": 1}]),
    )
    .await
    .is(200);
    let code = w.code(ANN).await;
    let grant = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("code_verifier", VERIFIER),
    ];
    w.token(&grant).await.is(503);
    w.token(&grant).await.is(200);
}

#[tokio::test]
async fn luck_with_a_seed() {
    let w = world().await;
    let me = w.login(ANN).await;
    let mut runs = Vec::new();
    for seed in [7, 7, 8] {
        let fault = json!({"mailbox": ANN, "probability": 0.3, "seed": seed, "status": 503});
        w.sim("PUT", "/faults", fault).await.is(200);
        let mut statuses = Vec::new();
        for _ in 0..40 {
            statuses.push(me.get("/me/calendar").await.status);
        }
        runs.push(statuses);
    }
    assert!(runs[0].contains(&503) && runs[0].contains(&200));
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
    w.sim("PUT", "/faults", json!({"probability": 2})).await.is(400);
    let kept = w.sim("GET", "/faults", Value::Null).await.body;
    assert_eq!(
        kept["value"][0]["seed"], 8,
        "a refused list leaves the faults there were"
    );
}

#[tokio::test]
async fn a_gateway_loses_patience_after_the_write() {
    let w = world().await;
    let me = w.login(ANN).await;
    let fault = json!({"method": "POST", "count": 1, "status": 504, "took_effect": true});
    w.sim("PUT", "/faults", fault).await.is(200);
    let got = me.create(json!({"subject": "Made all the same"})).await.is(504);
    assert_eq!(got.code(), "ErrorTimeoutExpired");
    assert!(w.find(ANN, "Made all the same").await.is_some());
    w.sim("PUT", "/faults", json!({"status": 509, "count": 1}))
        .await
        .is(200);
    assert_eq!(
        me.get("/me/calendar").await.is(509).code(),
        "BandwidthLimitExceeded"
    );
}

#[tokio::test]
async fn a_token_expires_in_the_middle() {
    let w = world().await;
    let me = w.login(ANN).await;
    let other = w.login(ANN).await;
    w.sim(
        "PUT",
        "/faults",
        json!({"nth": 2, "count": 1, "expire_token": true}),
    )
    .await
    .is(200);
    me.get("/me/calendar").await.is(200);
    let got = me.get("/me/calendar").await.is(401);
    assert_eq!(got.code(), "InvalidAuthenticationToken");
    assert!(got.headers.contains_key("www-authenticate"));
    me.get("/me/calendar").await.is(401);
    other.get("/me/calendar").await.is(200);
}

#[tokio::test]
async fn too_much_is_uploaded() {
    let w = world().await;
    let me = w.login(ANN).await;
    w.switch(json!({"upload_bytes_per_5_min": 2000})).await;
    me.create(json!({})).await.is(201);
    let long = json!({"body": {"contentType": "text", "content": "x".repeat(2000)}});
    let got = me.create(long).await.is(429);
    assert_eq!(got.code(), "ApplicationThrottled");
    assert!(got.headers.contains_key("retry-after"));
    me.get("/me/calendar").await.is(200);
}

#[tokio::test]
async fn a_clock_that_is_ahead() {
    let w = world().await;
    let me = w.login(ANN).await;
    w.sim(
        "PATCH",
        &format!("/mailboxes/{ANN}"),
        json!({"clock_skew_seconds": 7200}),
    )
    .await
    .is(200);
    let ahead = |text: &str| {
        let told = chrono::DateTime::parse_from_rfc3339(text)
            .or_else(|_| chrono::DateTime::parse_from_rfc2822(text))
            .unwrap();
        (told.to_utc() - chrono::Utc::now()).num_seconds() > 3600
    };
    let made = me.create(json!({})).await.is(201);
    assert!(ahead(made.body["lastModifiedDateTime"].as_str().unwrap()));
    assert!(ahead(made.headers["date"].to_str().unwrap()));
    assert_eq!(made.headers.get_all("date").iter().count(), 1);
    let other = w.login(BEN).await.create(json!({})).await.is(201);
    assert!(!ahead(other.body["createdDateTime"].as_str().unwrap()));
    assert!(!ahead(other.headers["date"].to_str().unwrap()));
}

#[tokio::test]
async fn four_of_a_batch_run_at_once() {
    let w = world().await;
    let me = w.login(ANN).await;
    // The first request is held up: what does not wait for it is answered, and logged, before it.
    let slow = json!([{"path": "/me/calendar", "latency_ms": 300, "count": 1}]);
    let step =
        |i: i32| json!({"id": i.to_string(), "method": "GET", "url": format!("/me/calendar?$top={i}")});
    let overtook = async |requests: Vec<Value>| {
        w.sim("PUT", "/faults", slow.clone()).await.is(200);
        w.sim("DELETE", "/requests", Value::Null).await.is(204);
        me.send("POST", "/$batch", json!({"requests": requests}))
            .await
            .is(200);
        let log = w.sim("GET", "/requests?path=/me/calendar", Value::Null).await;
        let log = log.body["value"].as_array().unwrap().clone();
        log.iter().position(|line| line["fault"].is_string()).unwrap()
    };
    assert_eq!(overtook((1..=8).map(step).collect()).await, 7);
    let mut chain: Vec<Value> = (1..=4).map(step).collect();
    for (i, request) in chain.iter_mut().enumerate().skip(1) {
        request["dependsOn"] = json!([i.to_string()]);
    }
    assert_eq!(overtook(chain).await, 0);
}

#[tokio::test]
async fn a_mailbox_that_may_send_nothing_takes_what_mails_nobody() {
    let w = world().await;
    let me = w.login(ANN).await;
    let meeting = json!({"attendees": guests(&[BEN])});
    let held = me.create(meeting.clone()).await.is(201).id();
    for (code, status) in [
        ("ErrorMessageSubmissionBlocked", 403),
        ("ErrorExceededMessageLimit", 429),
    ] {
        w.sim(
            "PATCH",
            &format!("/mailboxes/{ANN}"),
            json!({"sending_refused": code}),
        )
        .await;
        let mails = w.mails().await.len();
        assert_eq!(me.create(meeting.clone()).await.is(status).code(), code);
        let path = format!("/me/events/{held}");
        let moved = json!({"subject": "Renamed"});
        assert_eq!(me.send("PATCH", &path, moved).await.is(status).code(), code);
        me.send("PATCH", &path, json!({"showAs": "free"})).await.is(200);
        me.create(json!({})).await.is(201);
        assert_eq!(
            me.send("DELETE", &path, Value::Null).await.is(status).code(),
            code
        );
        let shown = me.get(&path).await.is(200).body;
        assert_ne!(shown["subject"], "Renamed", "nothing of it has happened");
        assert_eq!(w.mails().await.len(), mails);
    }
    w.sim(
        "PATCH",
        &format!("/mailboxes/{ANN}"),
        json!({"sending_refused": ""}),
    )
    .await;
    me.create(meeting).await.is(201);
}

#[tokio::test]
async fn a_full_mailbox_takes_what_needs_no_room() {
    let w = world().await;
    let me = w.login(ANN).await;
    let own = me.create(json!({})).await.is(201).id();
    let path = format!("/me/events/{own}");
    let delta = "/me/calendarView/delta?startDateTime=2031-03-01T00:00:00Z&endDateTime=2031-03-20T00:00:00Z";
    w.sim("PATCH", &format!("/mailboxes/{ANN}"), json!({"full": true}))
        .await;
    for status in [403, 507] {
        w.sim(
            "PUT",
            "/switches",
            json!({"full_mailbox_status": status, "full_mailbox_refuses_delta": status == 403}),
        )
        .await;
        assert_eq!(me.create(json!({})).await.is(status).code(), "ErrorQuotaExceeded");
        let guest = json!({"attendees": guests(&[BEN])});
        me.send("PATCH", &path, guest).await.is(status);
        me.send("PATCH", &path, json!({"subject": "Shorter"}))
            .await
            .is(200);
        me.get(delta).await.is(if status == 403 { 403 } else { 200 });
    }
    me.send("DELETE", &path, Value::Null).await.is(204);
}
