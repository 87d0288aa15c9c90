//! An app's endpoint for notifications, and how the tests subscribe to them.

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
pub struct Hook {
    pub address: std::net::SocketAddr,
    pub kept: Arc<Mutex<Vec<(String, Value)>>>,
    manner: Manner,
}

impl Hook {
    pub fn new() -> Self {
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

    pub fn url(&self, path: &str) -> String {
        format!("http://{}/hook{path}", self.address)
    }

    pub fn answers(&self, status: u16, after: Duration) {
        *self.manner.lock().unwrap() = (status, after);
    }

    pub fn all(&self) -> Vec<(String, Value)> {
        self.kept.lock().unwrap().clone()
    }

    /// Returns the bodies of the notifications, as soon as there are so many.
    #[track_caller]
    pub fn posts(&self, at_least: usize) -> impl Future<Output = Vec<Value>> {
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
pub fn within(minutes: i64) -> String {
    (chrono::Utc::now() + chrono::TimeDelta::minutes(minutes)).to_rfc3339()
}

/// Returns the body that asks for a subscription to one's events.
pub fn wish(url: &str, extra: Value) -> Value {
    let body = json!({"changeType": "created,updated,deleted", "notificationUrl": url, "resource": "/me/events",
                      "expirationDateTime": within(120), "clientState": "secret"});
    with(body, &extra)
}

/// Turns off what notifications do by themselves.
pub async fn calm(w: &World) {
    w.switch(
        json!({"notification_duplicates": false, "notification_reorder": false, "notification_delay_ms": 0,
                    "notification_create_twice": false, "notification_edit_times": 1}),
    )
    .await;
}

/// Returns what the entries of notifications say under a name.
pub fn told(posts: &[Value], name: &str) -> Vec<String> {
    let entries = posts.iter().flat_map(|post| post["value"].as_array().unwrap());
    entries
        .map(|entry| entry[name].as_str().unwrap().to_owned())
        .collect()
}

pub async fn counters(w: &World, id: &str) -> (u64, u64, u64) {
    let all = w.sim("GET", "/subscriptions", Value::Null).await.is(200).body;
    let list = all["value"].as_array().unwrap();
    let one = list.iter().find(|s| s["id"] == id).unwrap();
    let number = |name: &str| one[name].as_u64().unwrap();
    (number("sent"), number("failed"), number("lost"))
}

/// Waits until a subscription's counters are right.
pub async fn until_counted(w: &World, id: &str, right: impl Fn((u64, u64, u64)) -> bool) {
    let begun = std::time::Instant::now();
    while !right(counters(w, id).await) {
        assert!(begun.elapsed() < PATIENCE, "{:?}", counters(w, id).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub async fn subscribe(me: &Me<'_>, url: &str, extra: Value) -> String {
    me.send("POST", "/subscriptions", wish(url, extra))
        .await
        .is(201)
        .id()
}
