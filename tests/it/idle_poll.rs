//! The poll of a mailbox in which nothing is pending.

use std::time::Instant;

use chrono::Utc;
use outlook_bridge::engine::Engine;
use outlook_bridge::mailbox::idle::hearing_if_idle;
use outlook_bridge::store::accounts;
use outlook_bridge::store::leases::{self, Claimed, Outcome};
use outlook_bridge::worker;

use super::leases::{IN_A_DAY, claim_whole, idle, sql};
use super::stack::{ANN, requests};
use super::world::World;

/// Makes all mailboxes due for a poll.
const DUE: &str = "UPDATE accounts SET lease_id = NULL, next_run_at = now(), urgency = 4";

/// Returns a world with nothing pending, whose mailboxes no worker runs.
async fn at_rest() -> (World, Engine) {
    let (mut w, engine) = idle().await;
    // Nothing is told twice, so that a mailbox without changes has an empty delta.
    let plain = serde_json::json!({"delta_repeats": false, "delta_empty_pages": false});
    w.stack.sim_call("PATCH", "switches", plain).await;
    // The test has stopped the workers, maybe in the middle of a run.
    for round in 0..10 {
        sql(&engine, DUE).await;
        let claimed = claim_whole(&engine, 8, 8).await;
        if round > 2 && claimed.iter().all(|one| is_idle(&engine, one)) {
            sql(&engine, DUE).await;
            return (w, engine);
        }
        for claimed in claimed {
            worker::run(
                &engine,
                &worker::Free::of(&engine.settings),
                claimed,
                Instant::now().into(),
            )
            .await;
        }
        w.odoo.sync(&w.service).await;
    }
    panic!("something is pending all the time");
}

fn is_idle(engine: &Engine, claimed: &Claimed) -> bool {
    hearing_if_idle(engine, claimed, Utc::now())
        .expect("a key")
        .is_some()
}

async fn one(engine: &Engine) -> Claimed {
    claim_whole(engine, 1, 8).await.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_one_request_and_two_statements() {
    let (w, engine) = at_rest().await;
    let claimed = one(&engine).await;
    assert!(is_idle(&engine, &claimed), "nothing is pending");
    // The statement that has taken it, and the one that gives it back.
    sql(&engine, DUE).await;
    w.stack
        .sim_call("DELETE", "requests", serde_json::Value::Null)
        .await;
    let before = engine.store.statements.count();
    let claimed = one(&engine).await;
    assert!(is_idle(&engine, &claimed), "nothing is pending");
    worker::run(
        &engine,
        &worker::Free::of(&engine.settings),
        claimed,
        Instant::now().into(),
    )
    .await;
    // One has taken it, and one gives it back.
    assert_eq!(engine.store.statements.count() - before, 2);
    let asked = requests(&w.stack, "").await;
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(w.count("accounts WHERE lease_id IS NOT NULL").await, 0);
    assert_eq!(w.count("accounts WHERE next_run_at > now()").await, 1, "it rests");
}

#[tokio::test(flavor = "multi_thread")]
async fn news_that_it_finds_is_worked_at_once() {
    let (mut w, engine) = at_rest().await;
    w.outlook_creates(ANN, "News", &[]).await;
    for claimed in claim_whole(&engine, 8, 8).await {
        worker::run(
            &engine,
            &worker::Free::of(&engine.settings),
            claimed,
            Instant::now().into(),
        )
        .await;
    }
    w.odoo.sync(&w.service).await;
    assert!(w.odoo.records.values().any(|record| record["name"] == "News"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_pending_needs_a_whole_run() {
    let (_w, engine) = at_rest().await;
    for (pending, and_undone) in [
        (
            "accounts SET pulled_once = false",
            "accounts SET pulled_once = true",
        ),
        (
            "accounts SET listing_since = now()",
            "accounts SET listing_since = NULL",
        ),
        ("accounts SET reason = 'x'", "accounts SET reason = NULL"),
        ("accounts SET failures = 1", "accounts SET failures = 0"),
        (
            "accounts SET existing = 'moving'",
            "accounts SET existing = 'told'",
        ),
        ("accounts SET resetting = true", "accounts SET resetting = false"),
        ("accounts SET brake_at = now()", "accounts SET brake_at = NULL"),
        ("accounts SET mails_held = 1", "accounts SET mails_held = 0"),
        (
            "accounts SET access_expires_at = now() + interval '4 minutes'",
            "accounts SET access_expires_at = now() + interval '1 hour'",
        ),
        (
            "accounts SET window_end = now() + interval '364 days'",
            "accounts SET window_end = now() + interval '730 days'",
        ),
        (
            "account_addresses SET told_at = now() - interval '2 days'",
            "account_addresses SET told_at = now()",
        ),
    ] {
        assert!(is_idle(&engine, &one(&engine).await), "before {pending}");
        let again = DUE;
        sql(&engine, &format!("UPDATE {pending}")).await;
        sql(&engine, again).await;
        assert!(!is_idle(&engine, &one(&engine).await), "{pending}");
        sql(&engine, &format!("UPDATE {and_undone}")).await;
        sql(&engine, again).await;
    }
    for pending in [
        "put_aside (account_id, graph_id, since, next_at) SELECT id, 'x', now(), now() FROM accounts",
        "troubles (account_id, halvings) SELECT id, 1 FROM accounts",
        "subscriptions (account_id, state_hash, url_hash, since, due_at) SELECT id, id::text::bytea, '', now(), now() FROM accounts",
    ] {
        sql(&engine, &format!("INSERT INTO {pending}")).await;
        sql(&engine, DUE).await;
        assert!(!is_idle(&engine, &one(&engine).await), "{pending}");
        let table = pending.split(' ').next().expect("a table");
        sql(&engine, &format!("DELETE FROM {table}")).await;
        sql(&engine, DUE).await;
    }
    assert!(is_idle(&engine, &one(&engine).await), "all was undone");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_lease_it_stores_nothing() {
    let (_w, engine) = at_rest().await;
    let lease = one(&engine).await.lease;
    sql(&engine, "UPDATE accounts SET lease_id = gen_random_uuid()").await;
    let mut conn = engine.store.get().await.expect("Postgres");
    let before = accounts::by_id(&mut conn, lease.account_id).await.expect("read");
    let outcome = Outcome::Idle {
        at: Utc::now(),
        delta_link: "of a run that lost".to_owned(),
    };
    leases::release(&mut conn, lease, IN_A_DAY, outcome)
        .await
        .expect("asked");
    let after = accounts::by_id(&mut conn, lease.account_id).await.expect("read");
    assert_eq!(before.delta_link, after.delta_link);
    assert_eq!(before.lease_id, after.lease_id);
}
