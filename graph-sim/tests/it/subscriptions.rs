//! Subscriptions, and the notifications of changes that they bring.

use crate::common::*;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// How notifications are answered: with which status, after which time.
type Manner = Arc<Mutex<(u16, Duration)>>;

/// An app's endpoint: it answers handshakes, and keeps the path and the body of each notification.
struct Hook {
    address: std::net::SocketAddr,
    kept: Arc<Mutex<Vec<(String, Value)>>>,
    manner: Manner,
}

impl Hook {
    fn new() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let hook = Self {
            address: socket.local_addr().unwrap(),
            kept: Arc::default(),
            manner: Arc::new(Mutex::new((202, Duration::ZERO))),
        };
        let (kept, manner) = (hook.kept.clone(), hook.manner.clone());
        std::thread::spawn(move || {
            for stream in socket.incoming() {
                let (kept, manner) = (kept.clone(), manner.clone());
                std::thread::spawn(move || answer(stream.unwrap(), &kept, &manner));
            }
        });
        hook
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/hook{path}", self.address)
    }

    fn answers(&self, status: u16, after: Duration) {
        *self.manner.lock().unwrap() = (status, after);
    }

    fn all(&self) -> Vec<(String, Value)> {
        self.kept.lock().unwrap().clone()
    }

    /// Returns the bodies of the notifications, as soon as there are so many.
    #[track_caller]
    fn posts(&self, at_least: usize) -> impl Future<Output = Vec<Value>> {
        let at = std::panic::Location::caller();
        async move {
            let begun = std::time::Instant::now();
            while self.all().len() < at_least {
                assert!(begun.elapsed() < PATIENCE, "{at}: only {:#?}", self.all());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            self.all().into_iter().map(|(_, body)| body).collect()
        }
    }
}

fn answer(mut stream: TcpStream, kept: &Mutex<Vec<(String, Value)>>, manner: &Manner) {
    let mut text = String::new();
    let mut buffer = [0_u8; 65536];
    let head = loop {
        let n = stream.read(&mut buffer).unwrap_or_default();
        text.push_str(&String::from_utf8_lossy(&buffer[..n]));
        let head = text.find("\r\n\r\n").map(|at| at + 4);
        let length = text.to_lowercase().lines().find_map(|line| {
            let length = line.strip_prefix("content-length: ")?;
            length.trim().parse::<usize>().ok()
        });
        if n == 0 || head.is_some_and(|head| text.len() >= head + length.unwrap_or_default()) {
            break head;
        }
    };
    let Some(head) = head else {
        return;
    };
    let path = text.split(' ').nth(1).unwrap();
    let url = url::Url::parse(&format!("http://hook{path}")).unwrap();
    let token = url.query_pairs().find(|(name, _)| name == "validationToken");
    let (status, body) = match token {
        Some((_, token)) => (200, token.into_owned()),
        None => {
            let (status, after) = *manner.lock().unwrap();
            let body = &text[head..];
            let body = serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.into()));
            kept.lock().unwrap().push((path.to_owned(), body));
            std::thread::sleep(after);
            (status, String::new())
        }
    };
    let reply = format!(
        "HTTP/1.1 {status} Said\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    // The simulator may have given up.
    let _ = stream.write_all(reply.as_bytes());
}

/// Returns an instant in so many minutes.
fn within(minutes: i64) -> String {
    (chrono::Utc::now() + chrono::TimeDelta::minutes(minutes)).to_rfc3339()
}

/// Returns the body that asks for a subscription to one's events.
fn wish(url: &str, extra: Value) -> Value {
    let body = json!({"changeType": "created,updated,deleted", "notificationUrl": url, "resource": "/me/events",
                      "expirationDateTime": within(120), "clientState": "secret"});
    with(body, &extra)
}

/// Turns off what notifications do by themselves.
async fn calm(w: &World) {
    w.switch(
        json!({"notification_duplicates": false, "notification_reorder": false, "notification_delay_ms": 0,
                    "notification_create_twice": false, "notification_edit_times": 1}),
    )
    .await;
}

/// Returns what the entries of notifications say under a name.
fn told(posts: &[Value], name: &str) -> Vec<String> {
    let entries = posts.iter().flat_map(|post| post["value"].as_array().unwrap());
    entries
        .map(|entry| entry[name].as_str().unwrap().to_owned())
        .collect()
}

async fn counters(w: &World, id: &str) -> (u64, u64, u64) {
    let all = w.sim("GET", "/subscriptions", Value::Null).await.is(200).body;
    let list = all["value"].as_array().unwrap();
    let one = list.iter().find(|s| s["id"] == id).unwrap();
    let number = |name: &str| one[name].as_u64().unwrap();
    (number("sent"), number("failed"), number("lost"))
}

/// Waits until a subscription's counters are right.
async fn until_counted(w: &World, id: &str, right: impl Fn((u64, u64, u64)) -> bool) {
    let begun = std::time::Instant::now();
    while !right(counters(w, id).await) {
        assert!(begun.elapsed() < PATIENCE, "{:?}", counters(w, id).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn subscribe(me: &Me<'_>, url: &str, extra: Value) -> String {
    me.send("POST", "/subscriptions", wish(url, extra))
        .await
        .is(201)
        .id()
}

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
