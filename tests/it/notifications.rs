//! Microsoft's notifications of changes. Mailboxes are polled once an hour here, so what arrives was
//! announced.

use serde_json::{Value, json};

use super::answers::{answer_of_ben, in_outlook_ben_says};
use super::odoo::Odoo;
use super::proxy::Proxy;
use super::stack::{ANN, BEN, Stack, eventually, requests};
use super::world::{World, odoo_time};

struct Notified {
    w: World,
    proxy: Proxy,
}

/// Returns a world in which Ann is connected and her mailbox is notified of.
async fn notified() -> Notified {
    let mut n = connected(true).await;
    eventually("a subscription", async || {
        let subscribed = subscriptions(&n.w).await;
        (subscribed.len() == 1).then_some(())
    })
    .await;
    n.w.rested().await;
    n
}

/// Returns a world in which Ann is connected, with or without an address that answers.
async fn connected(is_reachable: bool) -> Notified {
    let stack = Stack::start().await;
    let proxy = Proxy::open().await;
    let service = stack.serve_notified(&proxy.url).await;
    proxy.lead_to(is_reachable.then_some(service.url.as_str()));
    let odoo = Odoo::pair(&service).await;
    let mut w = World { stack, service, odoo };
    w.odoo
        .connect(&w.stack, &w.service, 7)
        .await
        .expect("Ann is connected");
    w.odoo.sync(&w.service).await;
    Notified { w, proxy }
}

impl World {
    /// Waits until no run works a mailbox and none is due.
    async fn rested(&mut self) {
        for _ in 0..2 {
            eventually("every mailbox rests", async || {
                let busy = "accounts WHERE lease_id IS NOT NULL OR next_run_at < now() + interval '1 minute'";
                (self.count(busy).await == 0).then_some(())
            })
            .await;
            self.odoo.sync(&self.service).await;
        }
    }

    /// Lets something happen to Ann's subscriptions at Microsoft (a lifecycle event).
    async fn happens(&self, event: &str) {
        let body = json!({"address": ANN, "event": event});
        self.stack.sim_call("POST", "subscriptions/lifecycle", body).await;
    }

    /// Exchanges until Odoo has an event with this title.
    async fn comes_by_itself(&mut self, title: &str) {
        let World { odoo, service, .. } = self;
        let odoo = tokio::sync::Mutex::new(odoo);
        eventually(title, async || {
            let mut odoo = odoo.lock().await;
            odoo.sync(service).await;
            odoo.records
                .values()
                .any(|record| record["name"] == title)
                .then_some(())
        })
        .await;
    }
}

async fn subscriptions(w: &World) -> Vec<Value> {
    let list = w.stack.sim_call("GET", "subscriptions", Value::Null).await;
    list["value"].as_array().cloned().unwrap_or_default()
}

/// Posts to the address for notifications; returns the status and the text of the answer.
async fn post(url: &str, query: &[(&str, &str)], body: &Value) -> (u16, String) {
    let request = reqwest::Client::new().post(url).query(query).json(body);
    let answer = request.send().await.expect("an answer");
    (answer.status().as_u16(), answer.text().await.expect("text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_in_outlook_is_read_at_once() {
    let mut n = notified().await;
    n.w.outlook_creates(ANN, "Announced", &[]).await;
    n.w.comes_by_itself("Announced").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_doubled_and_reordered_ends_equal() {
    let mut n = notified().await;
    let odd = json!({"notification_duplicates": true, "notification_reorder": true});
    n.w.stack.sim_call("PATCH", "switches", odd).await;
    for number in 0..10 {
        n.w.outlook_creates(ANN, &format!("Number {number}"), &[]).await;
    }
    for number in 0..10 {
        n.w.comes_by_itself(&format!("Number {number}")).await;
    }
    n.w.rested().await;
    assert_eq!(n.w.odoo.records.len(), 10, "no twins");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_lost_is_told_as_missed() {
    let mut n = notified().await;
    let lost = json!({"notification_loss_every": 1, "notification_loss_told": true});
    n.w.stack.sim_call("PATCH", "switches", lost).await;
    n.w.outlook_creates(ANN, "Not announced", &[]).await;
    n.w.comes_by_itself("Not announced").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_ones_change_nothing() {
    let n = notified().await;
    let known = subscriptions(&n.w).await.remove(0);
    let url = known["notification_url"].as_str().expect("an address");
    let heard = "subscriptions WHERE heard_at IS NOT NULL";
    n.w.sql("UPDATE subscriptions SET heard_at = NULL").await;
    let genuine =
        json!({"subscriptionId": known["id"], "clientState": known["client_state"], "changeType": "updated"});
    for (name, value) in [
        ("clientState", json!("guessed")),
        ("clientState", Value::Null),
        ("clientState", json!("x".repeat(10_000))),
        ("subscriptionId", json!("another")),
    ] {
        let mut forged = genuine.clone();
        forged[name] = value;
        let (status, text) = post(url, &[], &json!({"value": [forged, 5, null]})).await;
        assert_eq!((status, text.as_str()), (202, ""), "a forger learns nothing");
        assert_eq!(n.w.count(heard).await, 0, "{name}");
    }
    for body in [json!({"value": 5}), json!([]), json!({})] {
        assert_eq!(post(url, &[], &body).await.0, 400, "{body}");
    }
    let mut guessed = url.to_owned();
    guessed.pop();
    let (status, text) = post(&guessed, &[("validationToken", "t")], &json!(null)).await;
    assert_eq!((status, text.as_str()), (404, ""), "no secret, no token");
    let large = json!({"value": ["x".repeat(300 * 1024)]});
    assert_eq!(post(url, &[], &large).await.0, 413);
    let (_, text) = post(url, &[("validationToken", "a b<&é")], &json!(null)).await;
    assert_eq!(text, "a b<&é", "as Microsoft sent it");
    assert_eq!(post(url, &[], &json!({"value": [genuine]})).await.0, 202);
    assert_eq!(n.w.count(heard).await, 1, "the genuine one counts");
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_cost_nothing_and_hold_up_nobody() {
    let n = notified().await;
    let url = subscriptions(&n.w).await.remove(0)["notification_url"]
        .as_str()
        .expect("an address")
        .to_owned();
    let before = n.w.service.engine.store.statements.count();
    // Many at once, as the limit is one of a time.
    let client = reqwest::Client::new();
    let mut refused = 0_u64;
    for batch in 0..8 {
        let guesses = (0..50).map(|number| {
            let guessed = format!("{}{batch:016x}{number:016x}", &url[..url.len() - 32]);
            let request = client.post(guessed).json(&json!({"value": []}));
            async move { request.send().await.expect("an answer").status().as_u16() }
        });
        for status in futures_util::future::join_all(guesses).await {
            assert!(matches!(status, 404 | 429), "{status}");
            refused += u64::from(status == 429);
        }
    }
    assert!(refused > 50, "{refused} of 400");
    let asked = n.w.service.engine.store.statements.count() - before;
    assert!(
        asked <= 400 - refused + 20,
        "{asked} statements, and a few of the workers"
    );
    assert_eq!(
        post(&url, &[], &json!({"value": []})).await.0,
        202,
        "who knows it is heard"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_address_of_odoo_means_another_subscription() {
    let mut n = notified().await;
    let before = subscriptions(&n.w).await.remove(0);
    // A new pairing brings a new key, and the address follows from it.
    n.w.odoo.pair_again(&n.w.service).await;
    n.w.odoo.sync(&n.w.service).await;
    eventually("the other address is told", async || {
        let now = subscriptions(&n.w).await;
        (now.len() == 1 && now[0]["notification_url"] != before["notification_url"]).then_some(())
    })
    .await;
    n.w.rested().await;
    n.w.outlook_creates(ANN, "Heard there", &[]).await;
    n.w.comes_by_itself("Heard there").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_one_waits_for_an_address_that_cannot_be_reached() {
    let mut n = notified().await;
    n.proxy.lead_to(None);
    // Microsoft has removed it without a word, and the address cannot be reached now.
    n.w.sql("UPDATE subscriptions SET graph_id = 'removed', due_at = now()")
        .await;
    n.w.sql("UPDATE databases SET notify_retry_at = now() + interval '1 hour', notify_problem = 'x'")
        .await;
    n.w.stack.sim_call("DELETE", "requests", Value::Null).await;
    for _ in 0..3 {
        n.w.sql("UPDATE accounts SET next_run_at = now() WHERE lease_id IS NULL")
            .await;
        n.w.rested().await;
    }
    let asked = requests(&n.w.stack, "/subscriptions").await;
    assert_eq!(asked.len(), 1, "one renewal, and no more: {asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_subscription_is_made_again() {
    let mut n = notified().await;
    let before = subscriptions(&n.w).await.remove(0);
    n.w.happens("subscriptionRemoved").await;
    eventually("another subscription", async || {
        let now = subscriptions(&n.w).await;
        (now.len() == 1 && now[0]["id"] != before["id"]).then_some(())
    })
    .await;
    n.w.rested().await;
    n.w.outlook_creates(ANN, "After that", &[]).await;
    n.w.comes_by_itself("After that").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_renewed_when_microsoft_asks() {
    let n = notified().await;
    let before = subscriptions(&n.w).await.remove(0);
    let asked = json!({"address": ANN, "event": "reauthorizationRequired"});
    n.w.stack.sim_call("POST", "subscriptions/lifecycle", asked).await;
    eventually("a renewal", async || {
        let log = requests(&n.w.stack, "/subscriptions").await;
        let renewed = log.iter().any(|one| one["method"] == "PATCH");
        renewed.then_some(())
    })
    .await;
    let after = subscriptions(&n.w).await;
    assert_eq!((after.len(), &after[0]["id"]), (1, &before["id"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_renewed_ahead_of_its_end() {
    let n = notified().await;
    let ahead = "subscriptions WHERE due_at < expires_at - interval '10 minutes' AND due_at > now()";
    assert_eq!(n.w.count(ahead).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_makes_no_second_subscription() {
    let stack = Stack::start().await;
    let proxy = Proxy::open().await;
    let service = stack.serve_notified(&proxy.url).await;
    proxy.lead_to(Some(&service.url));
    let lost = json!([{"method": "POST", "path": "/subscriptions", "cut": "after", "count": 1}]);
    stack.sim_call("PUT", "faults", lost).await;
    let odoo = Odoo::pair(&service).await;
    let mut w = World { stack, service, odoo };
    w.odoo
        .connect(&w.stack, &w.service, 7)
        .await
        .expect("Ann is connected");
    w.odoo.sync(&w.service).await;
    eventually("the reply was lost", async || {
        (w.count("subscriptions WHERE failures = 1").await == 1).then_some(())
    })
    .await;
    assert_eq!(subscriptions(&w).await.len(), 1, "Microsoft has made it");
    w.sql("UPDATE subscriptions SET due_at = now()").await;
    w.sql("UPDATE accounts SET next_run_at = least(next_run_at, now())")
        .await;
    eventually("it is known", async || {
        (w.count("subscriptions WHERE graph_id IS NOT NULL").await == 1).then_some(())
    })
    .await;
    assert_eq!(subscriptions(&w).await.len(), 1, "one notifies");
    w.rested().await;
    w.outlook_creates(ANN, "Once", &[]).await;
    w.comes_by_itself("Once").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_cannot_be_reached_costs_one_request() {
    let mut n = connected(false).await;
    eventually("it was tried", async || {
        (n.w.count("databases WHERE notify_problem IS NOT NULL").await == 1).then_some(())
    })
    .await;
    n.w.odoo
        .connect(&n.w.stack, &n.w.service, 8)
        .await
        .expect("Ben too");
    n.w.rested().await;
    let tries = requests(&n.w.stack, "/subscriptions").await;
    assert_eq!(tries.len(), 1, "Ben's mailbox waits for the address");
    assert!(n.w.odoo.state["notify_problem"].is_string(), "{}", n.w.odoo.state);
    // The address answers again.
    n.proxy.lead_to(Some(&n.w.service.url));
    n.w.sql("UPDATE databases SET notify_retry_at = now()").await;
    n.w.sql("UPDATE subscriptions SET due_at = now()").await;
    n.w.sql("UPDATE accounts SET next_run_at = least(next_run_at, now())")
        .await;
    eventually("both subscribe", async || {
        (subscriptions(&n.w).await.len() == 2).then_some(())
    })
    .await;
    assert_eq!(n.w.count("databases WHERE notify_problem IS NOT NULL").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stops_is_not_told_any_more() {
    let n = notified().await;
    n.w.odoo
        .call(&n.w.service, 7, "res.users", "stop", json!({"user_id": 7}))
        .await
        .expect("stopped");
    outlook_bridge::worker::upkeep::once(&n.w.service.engine)
        .await
        .expect("carried out");
    assert!(subscriptions(&n.w).await.is_empty());
    assert_eq!(n.w.count("subscriptions").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_address_is_noticed_and_polled_around() {
    let mut n = notified().await;
    n.proxy.lead_to(None);
    // As if a change some minutes ago had not been announced.
    n.w.sql("UPDATE subscriptions SET since = now() - interval '1 hour', heard_at = now() - interval '30 minutes'")
        .await;
    n.w.sql("UPDATE accounts SET news_at = now() - interval '5 minutes', next_run_at = now()")
        .await;
    eventually("it is noticed", async || {
        (n.w.count("subscriptions WHERE silent_since IS NOT NULL").await == 1).then_some(())
    })
    .await;
    n.proxy.lead_to(Some(&n.w.service.url));
    n.w.outlook_creates(ANN, "Heard again", &[]).await;
    n.w.comes_by_itself("Heard again").await;
    assert_eq!(n.w.count("subscriptions WHERE silent_since IS NOT NULL").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guests_answer_is_announced_to_the_organizer() {
    let mut n = notified().await;
    n.w.odoo
        .connect(&n.w.stack, &n.w.service, 8)
        .await
        .expect("Ben too");
    eventually("both subscribe", async || {
        (subscriptions(&n.w).await.len() == 2).then_some(())
    })
    .await;
    n.w.rested().await;
    let (start, stop) = (odoo_time(3, "09:00:00"), odoo_time(3, "10:00:00"));
    let id = n.w.odoo.create(7, "Answered", &start, &stop, &[BEN]);
    n.w.odoo.sync(&n.w.service).await;
    eventually("the invitation", async || n.w.stack.event(BEN, "Answered").await).await;
    in_outlook_ben_says(&n.w, "Answered", "accept").await;
    let World { odoo, service, .. } = &mut n.w;
    let odoo = tokio::sync::Mutex::new(odoo);
    eventually("the answer", async || {
        let mut odoo = odoo.lock().await;
        odoo.sync(service).await;
        (answer_of_ben(&odoo.records[&id]) == "accepted").then_some(())
    })
    .await;
}
