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
