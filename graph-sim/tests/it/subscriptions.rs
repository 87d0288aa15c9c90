//! Subscriptions: how they are made, renewed and ended.

use crate::common::*;
use crate::hook::*;
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn a_subscription_lives_as_long_as_it_is_renewed() {
    let w = world().await;
    let me = w.login(ANN).await;
    let hook = Hook::new();
    let url = hook.url("");
    let soon = (chrono::Utc::now() + chrono::TimeDelta::hours(2)).to_rfc3339();
    let ask = |url: &str, resource: &str, until: &str| {
        json!({"changeType": "created,updated,deleted", "notificationUrl": url, "resource": resource,
               "expirationDateTime": until, "clientState": "secret"})
    };
    me.send(
        "POST",
        "/subscriptions",
        ask("http://127.0.0.1:9/none", "/me/events", &soon),
    )
    .await
    .is(400);
    me.send("POST", "/subscriptions", ask(&url, "/me/messages", &soon))
        .await
        .is(400);
    me.send(
        "POST",
        "/subscriptions",
        ask(&url, "/me/events", "2099-01-01T00:00:00Z"),
    )
    .await
    .is(400);
    let made = me
        .send("POST", "/subscriptions", ask(&url, "/me/events", &soon))
        .await
        .is(201);
    assert_eq!(made.body["applicationId"], CLIENT);
    let path = format!("/subscriptions/{}", made.id());
    for (told, status, minutes) in [(false, 204, 4230), (true, 200, 10_080)] {
        w.switch(
            json!({"client_state_told": told, "reauthorize_status": status, "subscription_minutes": minutes}),
        )
        .await;
        let shown = me.get(&path).await.is(200).body;
        let state = if told { json!("secret") } else { Value::Null };
        assert_eq!(shown["clientState"], state);
        me.send("POST", &format!("{path}/reauthorize"), Value::Null)
            .await
            .is(status);
        let within = |minutes| (chrono::Utc::now() + chrono::TimeDelta::minutes(minutes)).to_rfc3339();
        let last = json!({"expirationDateTime": within(minutes - 1)});
        me.send("PATCH", &path, last).await.is(200);
        let beyond = json!({"expirationDateTime": within(minutes + 1)});
        me.send("PATCH", &path, beyond).await.is(400);
    }
    me.create(json!({})).await.is(201);
    let first = hook.posts(1).await[0].clone();
    assert_eq!(
        first["value"].as_array().unwrap().len(),
        2,
        "a create is told as created and updated"
    );
    assert_eq!(first["value"][0]["clientState"], "secret");
    me.send("PATCH", &path, json!({"expirationDateTime": soon}))
        .await
        .is(200);
    me.send("DELETE", &path, Value::Null).await.is(204);
    me.send("PATCH", &path, json!({"expirationDateTime": soon}))
        .await
        .is(404);
}

#[tokio::test]
async fn a_renamed_mailbox_keeps_its_subscriptions() {
    let w = world().await;
    let me = w.login(ANN).await;
    let hook = Hook::new();
    let id = subscribe(&me, &hook.url(""), json!({})).await;
    let to = json!({"address": "ann.new@contoso.example"});
    w.sim("POST", &format!("/people/{ANN}/rename"), to).await.is(200);
    me.create(json!({})).await.is(201);
    assert_eq!(hook.posts(1).await[0]["value"][0]["subscriptionId"], id.as_str());
    let state = w.sim("GET", "/state", Value::Null).await.is(200).body;
    w.sim("PUT", "/state", state).await.is(204);
    me.create(json!({})).await.is(201);
    assert_eq!(hook.posts(2).await[1]["value"][0]["subscriptionId"], id.as_str());
    me.send("DELETE", &format!("/subscriptions/{id}"), Value::Null)
        .await
        .is(204);
    let left = w.sim("GET", "/subscriptions", Value::Null).await.is(200).body;
    assert_eq!(left["value"], json!([]));
}

#[tokio::test]
async fn a_subscription_is_asked_for_reauthorization_and_pauses() {
    let w = world().await;
    calm(&w).await;
    let me = w.login(ANN).await;
    let hook = Hook::new();
    let life = json!({"lifecycleNotificationUrl": hook.url("/life"), "changeType": "created"});
    let id = subscribe(&me, &hook.url(""), life).await;
    let path = format!("/subscriptions/{id}");
    // It ends in two hours.
    w.switch(json!({"reauthorize_ahead_seconds": 3 * 3600})).await;
    let asked = hook.posts(1).await;
    assert_eq!(told(&asked, "lifecycleEvent"), ["reauthorizationRequired"]);
    assert_eq!(asked[0]["value"][0]["clientState"], "secret");
    me.create(json!({})).await.is(201);
    until_counted(&w, &id, |(_, _, lost)| lost == 1).await;
    me.send("POST", &format!("{path}/reauthorize"), Value::Null)
        .await
        .is(204);
    me.create(json!({})).await.is(201);
    assert_eq!(told(&hook.posts(2).await[1..], "changeType"), ["created"]);
    // Asked once for each end, and a renewal is as good.
    me.send("PATCH", &path, json!({"expirationDateTime": within(100)}))
        .await
        .is(200);
    hook.posts(3).await;
    me.send("PATCH", &path, json!({"expirationDateTime": within(1000)}))
        .await
        .is(200);
    me.create(json!({})).await.is(201);
    let events: Vec<Value> = hook
        .posts(4)
        .await
        .iter()
        .map(|p| p["value"][0]["changeType"].clone())
        .collect();
    assert_eq!(
        events,
        [Value::Null, json!("created"), Value::Null, json!("created")]
    );
}

#[tokio::test]
async fn a_subscription_may_need_the_token_it_was_made_with() {
    let w = world().await;
    calm(&w).await;
    w.switch(json!({"access_token_seconds": 600, "reauthorization_pauses_at_once": false}))
        .await;
    let me = w.login(ANN).await;
    let hook = Hook::new();
    let life = json!({"lifecycleNotificationUrl": hook.url("/life"), "changeType": "created"});
    let id = subscribe(&me, &hook.url(""), life).await;
    me.create(json!({})).await.is(201);
    hook.posts(1).await;
    w.switch(json!({"subscription_needs_token": true})).await;
    assert_eq!(
        told(&hook.posts(2).await[1..], "lifecycleEvent"),
        ["reauthorizationRequired"]
    );
    me.create(json!({})).await.is(201);
    assert_eq!(
        told(&hook.posts(3).await[2..], "changeType"),
        ["created"],
        "it goes on for a while"
    );
    w.switch(json!({"access_token_seconds": 7200})).await;
    let later = w.login(ANN).await;
    later
        .send("POST", &format!("/subscriptions/{id}/reauthorize"), Value::Null)
        .await
        .is(204);
    let all = w.sim("GET", "/subscriptions", Value::Null).await.is(200).body;
    let until = all["value"][0]["authorized_until"].as_str().unwrap();
    assert!(
        until.parse::<chrono::DateTime<chrono::Utc>>().unwrap()
            > chrono::Utc::now() + chrono::TimeDelta::hours(1)
    );
}

#[tokio::test]
async fn a_subscription_ends_with_the_login() {
    let w = world().await;
    calm(&w).await;
    let end = [
        ("POST", format!("/people/{ANN}/revoke"), Value::Null),
        ("POST", format!("/people/{ANN}/forget-consent"), Value::Null),
        ("PATCH", format!("/people/{ANN}"), json!({"token_error": 50173})),
        ("PATCH", format!("/people/{ANN}"), json!({"disabled": true})),
    ];
    for (method, path, body) in end {
        w.sim("PATCH", &format!("/people/{ANN}"), json!({"token_error": null}))
            .await
            .is(200);
        let me = w.login(ANN).await;
        for is_told in [true, false] {
            w.sim("PATCH", &format!("/people/{ANN}"), json!({"disabled": false}))
                .await
                .is(200);
            w.switch(json!({"subscription_removal_told": is_told})).await;
            let hook = Hook::new();
            let life = json!({"lifecycleNotificationUrl": hook.url("/life")});
            let id = subscribe(&me, &hook.url(""), life).await;
            w.sim(method, &path, body.clone()).await.is(200);
            if is_told {
                assert_eq!(
                    told(&hook.posts(1).await, "lifecycleEvent"),
                    ["subscriptionRemoved"]
                );
            }
            let left = w.sim("GET", "/subscriptions", Value::Null).await.is(200).body;
            assert_eq!(left["value"], json!([]), "{path}: {id}");
            assert_eq!(hook.all().len(), usize::from(is_told));
        }
    }
}

#[tokio::test]
async fn subscriptions_are_limited_and_maybe_one_of_a_kind() {
    let w = world().await;
    let me = w.login(ANN).await;
    let hook = Hook::new();
    let url = hook.url("");
    let first = subscribe(&me, &url, json!({})).await;
    w.switch(json!({"duplicate_subscriptions_refused": true})).await;
    let same = json!({"changeType": "deleted,created,updated", "resource": "me/events"});
    let refused = me.send("POST", "/subscriptions", wish(&url, same)).await.is(409);
    assert!(
        refused.body["error"]["message"]
            .as_str()
            .unwrap()
            .contains(&first)
    );
    subscribe(&me, &url, json!({"changeType": "created"})).await;
    w.switch(json!({"duplicate_subscriptions_refused": false, "subscriptions_per_mailbox": 3}))
        .await;
    subscribe(&me, &url, json!({})).await;
    me.send("POST", "/subscriptions", wish(&url, json!({})))
        .await
        .is(403);
    let ben = w.login(BEN).await;
    subscribe(&ben, &url, json!({})).await;
    let own = me.get("/subscriptions").await.is(200).body;
    assert_eq!(own["value"].as_array().unwrap().len(), 3);
    let path = format!("/subscriptions/{first}");
    ben.get(&path).await.is(404);
    ben.send("PATCH", &path, json!({"expirationDateTime": within(60)}))
        .await
        .is(404);
    ben.send("POST", &format!("{path}/reauthorize"), Value::Null)
        .await
        .is(404);
    ben.send("DELETE", &path, Value::Null).await.is(404);
    let more = json!({"expirationDateTime": within(60), "lifecycleNotificationUrl": hook.url("/life")});
    me.send("PATCH", &path, more).await.is(400);
    me.send("PATCH", &path, json!({})).await.is(400);
}

#[tokio::test]
async fn a_short_subscription_is_lengthened() {
    let w = world().await;
    let me = w.login(ANN).await;
    let hook = Hook::new();
    let made = me
        .send(
            "POST",
            "/subscriptions",
            wish(&hook.url(""), json!({"expirationDateTime": within(1)})),
        )
        .await
        .is(201);
    let until = made.body["expirationDateTime"]
        .as_str()
        .unwrap()
        .parse::<chrono::DateTime<chrono::Utc>>();
    assert!(until.unwrap() > chrono::Utc::now() + chrono::TimeDelta::minutes(44));
    me.send(
        "POST",
        "/subscriptions",
        wish(&hook.url(""), json!({"expirationDateTime": within(-1)})),
    )
    .await
    .is(400);
    hook.answers(200, Duration::ZERO);
    for (name, value) in [
        ("clientState", json!("x".repeat(129))),
        ("changeType", json!("created,moved")),
        ("includeResourceData", json!(true)),
        ("notificationUrl", json!("ftp://hook.example")),
        ("lifecycleNotificationUrl", json!("http://127.0.0.1:9/none")),
    ] {
        me.send(
            "POST",
            "/subscriptions",
            wish(&hook.url(""), json!({name: value})),
        )
        .await
        .is(400);
    }
}
