//! Notifications: how changes are told, and what becomes of them on their way.

use crate::common::*;
use crate::hook::*;
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn one_post_carries_the_notifications_of_all_who_have_its_url() {
    let w = world().await;
    calm(&w).await;
    let (ann, ben) = (w.login(ANN).await, w.login(BEN).await);
    for (grouping, posts) in [(true, 1), (false, 2)] {
        w.switch(json!({"notification_grouping": grouping})).await;
        let hook = Hook::new();
        let mut ids = Vec::new();
        for me in [&ann, &ben] {
            ids.push(subscribe(me, &hook.url(""), json!({"changeType": "created"})).await);
        }
        ann.create(json!({"attendees": guests(&[BEN])})).await.is(201);
        let mut whose = told(&hook.posts(posts).await, "subscriptionId");
        whose.sort();
        ids.sort();
        assert_eq!((hook.all().len(), whose), (posts, ids));
    }
}

#[tokio::test]
async fn a_change_is_told_as_often_as_the_switches_say() {
    let w = world().await;
    calm(&w).await;
    let me = w.login(ANN).await;
    let hook = Hook::new();
    subscribe(&me, &hook.url("?mine=1"), json!({})).await;
    w.switch(json!({"notification_create_twice": true, "notification_reorder": true}))
        .await;
    let path = format!("/me/events/{}", me.create(json!({})).await.is(201).id());
    assert_eq!(told(&hook.posts(1).await, "changeType"), ["updated", "created"]);
    w.switch(json!({"notification_edit_times": 3, "notification_duplicates": true}))
        .await;
    for (number, subject) in ["a", "b", "c"].iter().enumerate() {
        me.send("PATCH", &path, json!({"subject": subject})).await.is(200);
        hook.posts(3 + 2 * number).await;
    }
    let posts = hook.posts(7).await;
    let mut lengths: Vec<usize> = posts[1..]
        .iter()
        .map(|p| p["value"].as_array().unwrap().len())
        .collect();
    lengths.sort_unstable();
    assert_eq!(lengths, [1, 1, 2, 2, 3, 3]);
    assert!(
        hook.all().iter().all(|(path, _)| path == "/hook?mine=1"),
        "the query is kept"
    );
}

#[tokio::test]
async fn a_loss_is_told_or_not() {
    let w = world().await;
    calm(&w).await;
    let me = w.login(ANN).await;
    let hook = Hook::new();
    let id = subscribe(
        &me,
        &hook.url(""),
        json!({"lifecycleNotificationUrl": hook.url("/life")}),
    )
    .await;
    w.switch(json!({"notification_loss_every": 2})).await;
    me.create(json!({})).await.is(201);
    me.create(json!({})).await.is(201);
    me.create(json!({})).await.is(201);
    hook.posts(2).await;
    assert_eq!(counters(&w, &id).await.2, 1);
    w.switch(json!({"notification_loss_told": true})).await;
    me.create(json!({})).await.is(201);
    hook.posts(3).await;
    let (path, body) = hook.all().pop().unwrap();
    assert_eq!(
        (path.as_str(), &body["value"][0]["lifecycleEvent"]),
        ("/hook/life", &json!("missed"))
    );
    assert_eq!(body["value"][0]["subscriptionId"], id.as_str());
}

#[tokio::test]
async fn what_is_not_taken_is_sent_again_and_given_up() {
    let w = world().await;
    calm(&w).await;
    let me = w.login(ANN).await;
    let hook = Hook::new();
    let id = subscribe(&me, &hook.url(""), json!({})).await;
    hook.answers(503, Duration::ZERO);
    me.create(json!({})).await.is(201);
    hook.posts(2).await;
    hook.answers(202, Duration::ZERO);
    until_counted(&w, &id, |(sent, failed, lost)| {
        sent == 1 && failed >= 2 && lost == 0
    })
    .await;
    let posts = hook.posts(3).await;
    assert!(posts.iter().all(|post| *post == posts[0]), "the same each time");
    // A late answer is none.
    w.switch(json!({"notification_slow_ms": 50, "notification_retry_seconds": 1}))
        .await;
    hook.answers(202, Duration::from_millis(500));
    me.create(json!({})).await.is(201);
    until_counted(&w, &id, |(sent, _, lost)| sent == 1 && lost == 1).await;
}

#[tokio::test]
async fn an_endpoint_that_is_slow_too_often_gets_nothing_for_a_while() {
    let w = world().await;
    calm(&w).await;
    let me = w.login(ANN).await;
    let hook = Hook::new();
    let id = subscribe(&me, &hook.url(""), json!({})).await;
    w.switch(
        json!({"notification_slow_ms": 50, "notification_retry_seconds": 0, "endpoint_judged_after": 1}),
    )
    .await;
    hook.answers(202, Duration::from_millis(500));
    me.create(json!({})).await.is(201);
    until_counted(&w, &id, |(_, failed, lost)| (failed, lost) == (1, 1)).await;
    hook.answers(202, Duration::ZERO);
    me.create(json!({})).await.is(201);
    until_counted(&w, &id, |(sent, failed, lost)| (sent, failed, lost) == (0, 1, 2)).await;
    assert_eq!(hook.all().len(), 1, "the second was not even tried");
    w.switch(json!({"endpoint_window_seconds": 0, "notification_slow_ms": 3000}))
        .await;
    me.create(json!({})).await.is(201);
    until_counted(&w, &id, |(sent, ..)| sent == 1).await;
}

#[tokio::test]
async fn what_is_on_its_way_outlives_its_subscription_or_not() {
    let w = world().await;
    calm(&w).await;
    let me = w.login(ANN).await;
    let hook = Hook::new();
    for (outlives, posts) in [(false, 0), (true, 1)] {
        w.switch(json!({"notification_outlives_subscription": outlives, "notification_delay_ms": 1500}))
            .await;
        let id = subscribe(&me, &hook.url(""), json!({"changeType": "created"})).await;
        me.create(json!({})).await.is(201);
        me.send("DELETE", &format!("/subscriptions/{id}"), Value::Null)
            .await
            .is(204);
        assert_eq!(hook.all().len(), 0);
        // The next one's notifications come after the first one's.
        w.switch(json!({"notification_delay_ms": 3000})).await;
        let next = subscribe(&me, &hook.url("/next"), json!({"changeType": "created"})).await;
        me.create(json!({})).await.is(201);
        let all = hook.posts(posts + 1).await;
        assert_eq!(told(&all[posts..], "subscriptionId"), [next.as_str()]);
        assert_eq!(told(&all[..posts], "subscriptionId"), vec![id; posts]);
        me.send("DELETE", &format!("/subscriptions/{next}"), Value::Null)
            .await
            .is(204);
        hook.kept.lock().unwrap().clear();
    }
}

#[tokio::test]
async fn notifications_can_be_forged() {
    let w = world().await;
    let hook = Hook::new();
    let forge = async |wish: Value| {
        w.sim(
            "POST",
            "/subscriptions/forge",
            with(json!({"url": hook.url("?x=1")}), &wish),
        )
        .await
    };
    let got = forge(json!({"notification": "not {JSON", "times": 3}))
        .await
        .is(200);
    assert_eq!(got.body["statuses"], json!([202, 202, 202]));
    assert_eq!(hook.all(), vec![("/hook?x=1".to_owned(), json!("not {JSON")); 3]);
    hook.answers(404, Duration::ZERO);
    let got = forge(json!({"notification": {"clientState": "guessed"}}))
        .await
        .is(200);
    assert_eq!(got.body["statuses"], json!([404]));
    forge(json!({"lifecycle": [{"lifecycleEvent": "subscriptionRemoved"}, 7]}))
        .await
        .is(200);
    let bodies = hook.posts(5).await;
    assert_eq!(bodies[3]["value"][0]["clientState"], "guessed");
    assert_eq!(bodies[3]["value"][0]["changeType"], "updated");
    assert_eq!(bodies[4]["value"][0]["lifecycleEvent"], "subscriptionRemoved");
    assert_eq!(bodies[4]["value"][1], 7);
    forge(json!({})).await.is(400);
    forge(json!({"notification": {}, "lifecycle": {}})).await.is(400);
    let nowhere = json!({"url": "http://127.0.0.1:9/", "notification": {}});
    assert_eq!(forge(nowhere).await.is(200).body["statuses"], json!([null]));
}

#[tokio::test]
async fn what_was_sent_can_be_repeated_after_its_subscription() {
    let w = world().await;
    calm(&w).await;
    let (ann, ben) = (w.login(ANN).await, w.login(BEN).await);
    let hook = Hook::new();
    let id = subscribe(&ann, &hook.url(""), json!({"changeType": "created"})).await;
    subscribe(&ben, &hook.url(""), json!({"changeType": "created"})).await;
    ann.create(json!({"attendees": guests(&[BEN])})).await.is(201);
    let first = hook.posts(1).await.remove(0);
    assert_eq!(first["value"].as_array().unwrap().len(), 2);
    ann.send("DELETE", &format!("/subscriptions/{id}"), Value::Null)
        .await
        .is(204);
    let wish = json!({"address": ANN, "after_seconds": 1});
    let sent = w.sim("POST", "/subscriptions/replay", wish).await.is(200);
    assert_eq!(sent.body["sent"], 1);
    let again = hook.posts(2).await.remove(1);
    let hers = first["value"]
        .as_array()
        .unwrap()
        .iter()
        .find(|e| e["subscriptionId"] == id.as_str());
    assert_eq!(again["value"], json!([hers.unwrap()]));
}

#[tokio::test]
async fn endpoints_are_listed_with_their_answers() {
    let w = world().await;
    calm(&w).await;
    let me = w.login(ANN).await;
    let hook = Hook::new();
    let life = json!({"lifecycleNotificationUrl": hook.url("/life")});
    let id = subscribe(&me, &hook.url(""), life).await;
    w.switch(
        json!({"endpoint_judged_after": 1, "notification_slow_ms": 50, "notification_retry_seconds": 0}),
    )
    .await;
    hook.answers(202, Duration::from_millis(500));
    let wish = json!({"address": ANN, "event": "missed"});
    assert_eq!(
        w.sim("POST", "/subscriptions/lifecycle", wish).await.is(200).body["sent"],
        1
    );
    until_counted(&w, &id, |(_, failed, _)| failed == 1).await;
    let all = w.sim("GET", "/subscriptions", Value::Null).await.is(200).body;
    let known = json!([{"endpoint": hook.address.to_string(), "answers": 1, "slow": 1, "state": "dropped"}]);
    assert_eq!(all["endpoints"], known);
    let unknown = json!({"address": ANN, "event": "expired"});
    w.sim("POST", "/subscriptions/lifecycle", unknown).await.is(400);
}
