//! Subscriptions: how they are made, renewed and ended.

use crate::common::*;
use crate::hook::*;
use serde_json::{Value, json};

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
