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
