//! Microsoft fails for a while, or refuses something again and again. Nothing that could be done
//! later is given up for that, and nothing else waits.

use std::net::SocketAddr;
use std::time::Duration;

use chrono::TimeDelta;
use outlook_bridge::store::reason::{Reason, Words};
use outlook_bridge::store::{accounts, databases, put_aside};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::odoo::Odoo;
use super::putting_aside::of_event;
use super::stack::{ANN, BEN, Stack, eventually};
use super::world::{CARLA, OUTSIDE, World, odoo_time, world};

/// A connection to the simulator. While it is closed, nothing listens at its address.
struct Way {
    address: SocketAddr,
    to: String,
    open: Option<JoinHandle<()>>,
}

impl Way {
    async fn to(url: &str) -> Self {
        let to = url.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let open = Some(tokio::spawn(forward(listener, to.clone())));
        Self { address, to, open }
    }

    async fn shut(&mut self) {
        if let Some(open) = self.open.take() {
            open.abort();
            assert!(open.await.is_err(), "aborted");
        }
    }

    async fn open(&mut self) {
        let listener = TcpListener::bind(self.address).await.expect("the same port");
        self.open = Some(tokio::spawn(forward(listener, self.to.clone())));
    }
}

async fn forward(listener: TcpListener, to: String) {
    let mut connections = JoinSet::new();
    while let Ok((mut from, _)) = listener.accept().await {
        let to = to.clone();
        connections.spawn(async move {
            let mut onward = TcpStream::connect(to).await.expect("the simulator");
            let _bytes = tokio::io::copy_bidirectional(&mut from, &mut onward).await;
        });
    }
}

async fn by_a_way() -> (World, Way) {
    let stack = Stack::start().await;
    let way = Way::to(&stack.sim.url()).await;
    let graph = format!("http://{}", way.address);
    let service = stack.serve_by(&graph, 12, TimeDelta::milliseconds(300)).await;
    let odoo = Odoo::pair(&service).await;
    let mut w = World { stack, service, odoo };
    w.odoo.connect(&w.stack, &w.service, 7).await.expect("Ann");
    w.quiet().await;
    (w, way)
}

impl World {
    /// Makes all mailboxes and all writes due now.
    async fn hurry(&self) {
        self.sql("UPDATE outlook_outbox SET next_attempt_at = now()")
            .await;
        self.sql("UPDATE accounts SET next_run_at = now(), rest_until = NULL")
            .await;
    }

    fn save(&mut self, name: &str) -> i64 {
        let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
        self.odoo.create(7, name, &start, &stop, &[OUTSIDE])
    }

    /// Exchanges until the event is in Odoo.
    async fn arrives(&mut self, name: &str) {
        eventually("it comes to Odoo", async || {
            self.odoo.sync(&self.service).await;
            self.odoo.by_name(name).map(|_| ())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_gives_nothing_up_however_often_it_is_tried() {
    let (mut w, mut way) = by_a_way().await;
    way.shut().await;
    w.save_three();
    w.odoo.sync(&w.service).await;
    for attempt in 1..=15 {
        w.hurry().await;
        let failed = format!("accounts WHERE failures >= {attempt} AND lease_id IS NULL");
        w.becomes("it has failed once more", 1, &failed).await;
    }
    w.odoo.sync(&w.service).await;
    assert_eq!(w.count("meetings WHERE set_aside IS NOT NULL").await, 0);
    assert_eq!(
        w.count("odoo_outbox").await,
        0,
        "Odoo is not told to invite anybody"
    );
    assert_eq!(
        w.count("outlook_outbox WHERE attempts > 1").await,
        0,
        "none of them counts"
    );
    way.open().await;
    w.hurry().await;
    w.has_three_in_outlook().await;
    assert_eq!(w.count("journal WHERE message LIKE '%Odoo invites%'").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_is_refused_in_any_words_stops_neither_direction() {
    let mut w = world().await;
    for (status, code) in [
        (404, "ErrorItemNotFound"),
        (409, "ErrorFolderExists"),
        (412, "ErrorIrresolvableConflict"),
        (410, "ErrorGone"),
    ] {
        w.faults(
            json!([{"mailbox": ANN, "method": "POST", "path": "/me/events", "status": status, "code": code}]),
        )
        .await;
        w.save(&format!("Refused with {status}"));
        w.odoo.sync(&w.service).await;
        let from_outlook = format!("While it is {status}");
        w.outlook_creates(ANN, &from_outlook, &[]).await;
        w.arrives(&from_outlook).await;
        assert_eq!(
            w.count("accounts WHERE failures > 0").await,
            0,
            "{status}: no failure of the mailbox"
        );
        w.stack.sim_call("DELETE", "faults", Value::Null).await;
        w.hurry().await;
        w.quiet().await;
        assert!(
            w.stack
                .event(ANN, &format!("Refused with {status}"))
                .await
                .is_some(),
            "{status}: it is tried again"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_takes_no_writes_is_not_lost_patience_with_for_being_woken_often() {
    let mut w = world().await;
    w.faults(json!([{"mailbox": ANN, "method": "POST", "path": "/me/events", "status": 403}]))
        .await;
    w.save_three();
    w.odoo.sync(&w.service).await;
    w.becomes(
        "it has failed",
        1,
        "accounts WHERE failures > 0 AND lease_id IS NULL",
    )
    .await;
    w.sql("UPDATE accounts SET failures = 40").await;
    w.hurry().await;
    w.becomes(
        "it has failed again",
        1,
        "accounts WHERE failures > 40 AND lease_id IS NULL",
    )
    .await;
    assert_eq!(w.count("meetings WHERE set_aside IS NOT NULL").await, 0);
    // After half a day, the events count as the cause.
    w.sql("UPDATE troubles SET refused_since = now() - interval '13 hours'")
        .await;
    w.hurry().await;
    w.becomes("they are set aside", 3, "meetings WHERE set_aside IS NOT NULL")
        .await;
    w.becomes(
        "the mailbox is well",
        0,
        "troubles t JOIN accounts a ON a.id = t.account_id WHERE t.refused_since IS NOT NULL OR a.failures > 0",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_were_not_told_once_are_asked_for_again() {
    let mut w = world().await;
    let alias = "benjamin@contoso.example";
    w.stack
        .sim_call("PATCH", &format!("people/{BEN}"), json!({"aliases": [alias]}))
        .await;
    w.faults(json!([{"mailbox": BEN, "path": "/me?", "status": 403}]))
        .await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben");
    w.quiet().await;
    let known = format!("account_addresses WHERE '{alias}' = ANY (aliases)");
    assert_eq!(w.count(&known).await, 0);
    w.stack.sim_call("DELETE", "faults", Value::Null).await;
    w.becomes("they are known", 1, &known).await;
    w.quiet().await;
    w.stack.sim_call("DELETE", "requests", Value::Null).await;
    w.quiet().await;
    let log = w.stack.sim_call("GET", "requests", Value::Null).await;
    let asked = log["value"].as_array().expect("a log").iter();
    let asked = asked.filter(|line| {
        line["path"]
            .as_str()
            .is_some_and(|path| path.starts_with("/v1.0/me?") || path == "/v1.0/me")
    });
    assert_eq!(asked.count(), 0, "once they are known nobody asks again");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_aside_is_not_asked_for_with_what_is_missing() {
    let mut w = world().await;
    let mut events = Vec::new();
    for name in ["One", "Two"] {
        events.push(w.outlook_creates(ANN, name, &[]).await);
    }
    w.quiet().await;
    // Neither event is listed any more, and one of them cannot be read.
    let closed = of_event(&events[0], json!({"status": 403}));
    w.faults(json!([closed])).await;
    let list = "UPDATE accounts SET delta_link = NULL";
    w.stack
        .sim_call("PATCH", "switches", json!({"garbles_subject": "One"}))
        .await;
    w.outlook_edits(ANN, &events[0], json!({"location": {"displayName": "Room 1"}}))
        .await;
    w.becomes("it is put aside", 1, "put_aside WHERE reason IS NOT NULL")
        .await;
    w.sql("UPDATE put_aside SET next_at = now() + interval '1 day'")
        .await;
    w.stack.sim_call("DELETE", "requests", Value::Null).await;
    w.sql(list).await;
    w.quiet().await;
    let log = w.stack.sim_call("GET", "requests", Value::Null).await;
    let id = events[0]["immutableId"].as_str().expect("an id");
    let asked = log["value"].as_array().expect("a log").iter();
    let asked = asked.filter(|line| {
        line["path"]
            .as_str()
            .is_some_and(|path| path.contains(id.trim_end_matches('=')))
    });
    assert_eq!(asked.count(), 0, "it is asked for when it is due");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_with_the_brake_on_is_not_worked_for_what_is_put_aside() {
    let stack = Stack::start().await;
    let service = stack.serve_by(&stack.sim.url(), 12, TimeDelta::hours(1)).await;
    let odoo = Odoo::pair(&service).await;
    let mut w = World { stack, service, odoo };
    w.odoo.connect(&w.stack, &w.service, 7).await.expect("Ann");
    w.odoo.sync(&w.service).await;
    w.becomes(
        "it is listed",
        1,
        "accounts WHERE pulled_once AND lease_id IS NULL",
    )
    .await;
    w.sql("UPDATE accounts SET brake_at = now(), next_run_at = now()")
        .await;
    w.sql(
        r#"INSERT INTO put_aside (account_id, graph_id, reason, attempts, since, next_at)
             SELECT id, 'x', '{"code": "not_planned"}', 0, now(), now() FROM accounts"#,
    )
    .await;
    let mut runs = w.service.engine.runs.subscribe();
    tokio::time::sleep(Duration::from_secs(6)).await;
    let mut count = 0;
    while runs.try_recv().is_ok() {
        count += 1;
    }
    assert!(count <= 2, "{count} runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exception_that_cannot_be_read_for_a_while_is_no_second_event() {
    let mut w = world().await;
    w.stack
        .sim_call("PATCH", "switches", json!({"delta_full_exceptions": true}))
        .await;
    w.outlook_repeats("Stand-up").await;
    w.quiet().await;
    assert_eq!(w.odoo.records.len(), 1);
    w.stack
        .sim_call("PATCH", "switches", json!({"garbles_subject": "Garbled"}))
        .await;
    let series = w.stack.event(ANN, "Stand-up").await.expect("a series");
    let second = series["occurrences"][1].clone();
    w.outlook_edits(ANN, &second, json!({"subject": "Garbled"})).await;
    w.becomes(
        "it is put aside",
        1,
        "put_aside WHERE reason ->> 'code' IN ('unreadable_row', 'microsoft_fails')",
    )
    .await;
    w.heal().await;
    w.becomes("it was looked at", 0, "put_aside").await;
    w.quiet().await;
    assert_eq!(w.odoo.records.len(), 1, "{:?}", w.odoo.records);
    assert_eq!(w.count("meetings").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_even_be_set_aside_properly_stops_nothing() {
    let mut w = world().await;
    w.faults(json!([{"mailbox": ANN, "method": "POST", "path": "/me/events", "status": 403}]))
        .await;
    w.sql("UPDATE accounts SET rest_until = now() + interval '1 hour'")
        .await;
    w.save("Of another version");
    w.odoo.sync(&w.service).await;
    w.becomes("it is owed", 1, "outlook_outbox").await;
    w.sql(r#"UPDATE meetings SET odoo_state = '{"of": 2030, "mailer": "outlook"}'"#)
        .await;
    w.outlook_creates(ANN, "From Outlook", &[]).await;
    w.sql("UPDATE accounts SET rest_until = NULL").await;
    w.becomes(
        "it is set aside",
        1,
        "meetings WHERE set_aside::text LIKE '%ErrorAccessDenied%'",
    )
    .await;
    w.arrives("From Outlook").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_run_says_nothing_over_the_reason_of_a_disconnection() {
    let w = world().await;
    w.sql("UPDATE accounts SET reason = 'An old one'").await;
    w.faults(json!([{"mailbox": ANN, "path": "/delta", "latency_ms": 3000}]))
        .await;
    w.becomes(
        "a run is under way",
        1,
        "accounts WHERE lease_id IS NOT NULL AND reason IS NOT NULL",
    )
    .await;
    w.sql("UPDATE accounts SET state = 'need_auth', reason = 'Somebody has reset it'")
        .await;
    w.becomes("the run is over", 0, "accounts WHERE lease_id IS NOT NULL")
        .await;
    assert_eq!(
        w.count("accounts WHERE reason = 'Somebody has reset it'").await,
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn reasons_that_take_turns_wait_longer_each_time_and_are_said_once() {
    let mut w = world().await;
    w.service.stop_working().await;
    let mut conn = w.service.engine.store.get().await.expect("Postgres");
    let database = databases::all(&mut conn).await.expect("databases")[0].id;
    let account = accounts::of_database(&mut conn, database)
        .await
        .expect("accounts")[0]
        .id;
    let failing = |how: &str| Reason::MicrosoftFails(Words::new(how));
    let mut said = 0;
    let now = chrono::Utc::now();
    for reason in ["timeout", "500", "timeout", "500"] {
        let item = put_aside::Item::Shown("x");
        let wait = |attempts| TimeDelta::minutes(1) * attempts;
        let is_news = put_aside::put(&mut conn, account, item, Some(&failing(reason)), wait, now).await;
        said += i32::from(is_news.expect("stored"));
    }
    assert_eq!(said, 1);
    assert_eq!(
        w.count("put_aside WHERE attempts = 3 AND next_at >= since + interval '3 minutes'")
            .await,
        1
    );
    let (item, tomorrow) = (put_aside::Item::Shown("x"), now + TimeDelta::hours(25));
    let wait = |_| TimeDelta::zero();
    let is_news = put_aside::put(
        &mut conn,
        account,
        item,
        Some(&failing("timeout")),
        wait,
        tomorrow,
    )
    .await;
    assert!(is_news.expect("stored"), "once a day it is");
}

/// If three mailboxes of a tenant are throttled at once, none of them is used until the last one's
/// time is over. Those of another tenant go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_is_throttled_rests_as_a_whole_and_alone() {
    let mut w = world().await;
    let fay = "fay@fabrikam.example";
    w.stack
        .sim_call(
            "POST",
            "people",
            json!({"address": fay, "name": "Fay", "tenant": "fabrikam.example"}),
        )
        .await;
    w.odoo.users.insert(9, CARLA.to_owned());
    w.odoo.users.insert(10, fay.to_owned());
    for user in [8, 9, 10] {
        w.odoo
            .connect(&w.stack, &w.service, user)
            .await
            .expect("connected");
    }
    w.quiet().await;
    let throttled = |mailbox: &str, seconds: i32| json!([{"mailbox": mailbox, "path": "calendarView/delta", "count": 1, "status": 429, "retry_after": seconds}]);
    let rests = async |count: i64, interval: &str| {
        let resting = format!("accounts WHERE rest_until > now() + interval '{interval}'");
        eventually("they rest", async || {
            (w.count(&resting).await == count).then_some(())
        })
        .await;
    };
    w.stack.sim_call("PUT", "faults", throttled(fay, 60)).await;
    rests(1, "20 seconds").await;
    w.sql("UPDATE accounts SET rest_until = NULL, next_run_at = now()")
        .await;
    w.worked(10).await;
    w.stack.sim_call("PUT", "faults", throttled(ANN, 60)).await;
    rests(1, "20 seconds").await;
    w.stack.sim_call("PUT", "faults", throttled(BEN, 60)).await;
    rests(2, "20 seconds").await;
    w.worked(9).await;
    w.stack.sim_call("PUT", "faults", throttled(CARLA, 600)).await;
    rests(3, "9 minutes").await;
    w.worked(10).await;
}
