//! Leases: no mailbox is run by two processes, none is forgotten, and none waits for a busy
//! neighbor.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use outlook_bridge::auth::accounts as logins;
use outlook_bridge::engine::Engine;
use outlook_bridge::engine::lease::{Ended, under};
use outlook_bridge::mailbox::pull::pull;
use outlook_bridge::measures::Purpose;
use outlook_bridge::planning::planner::Effects;
use outlook_bridge::store::accounts::{self, Account};
use outlook_bridge::store::databases;
use outlook_bridge::store::leases::{
    self, Claimed, Claims, Lease, LeaseLost, Next, Outcome, Places, Urgency,
};
use serde_json::json;
use tokio::time::Instant;

use super::odoo::Odoo;
use super::stack::{ANN, BEN, eventually};
use super::world::{CARLA, World, odoo_time, world};

pub const IN_A_DAY: Next = Next {
    rest: TimeDelta::days(1),
    urgency: Urgency::Poll,
};

/// Returns a world whose mailboxes no worker runs, with the engine to run them.
pub async fn idle() -> (World, Engine) {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    w.quiet().await;
    let engine = w.service.engine.clone();
    w.service.stop_working().await;
    sql(
        &engine,
        "UPDATE accounts SET lease_id = NULL, next_run_at = now()",
    )
    .await;
    (w, engine)
}

pub async fn sql(engine: &Engine, statement: &str) {
    let mut conn = engine.store.get().await.expect("Postgres");
    diesel::sql_query(statement)
        .execute(&mut conn)
        .await
        .expect("carried out");
}

async fn claim(engine: &Engine, limit: i64) -> Vec<Lease> {
    claim_share(engine, limit, i64::MAX).await
}

async fn claim_share(engine: &Engine, limit: i64, share: i64) -> Vec<Lease> {
    let claimed = claim_whole(engine, limit, share).await;
    claimed.into_iter().map(|one| one.lease).collect()
}

/// Takes due mailboxes, with what a poll of an idle one needs: up to `limit` for workers, and as
/// many for polls.
pub async fn claim_whole(engine: &Engine, limit: i64, share: i64) -> Vec<Claimed> {
    let all = |number: i64| Places {
        workers: number,
        patient: number,
        polls: number,
    };
    claim_places(engine, all(limit), all(share)).await
}

async fn claim_places(engine: &Engine, free: Places, share: Places) -> Vec<Claimed> {
    let claims = Claims {
        process: engine.process,
        present: Utc::now(),
        free,
        share,
    };
    let mut conn = engine.store.get().await.expect("Postgres");
    leases::claim_due(&mut conn, claims).await.expect("claimed")
}

async fn wake(engine: &Engine, ids: &[i64], urgency: Urgency) {
    let mut conn = engine.store.get().await.expect("Postgres");
    leases::wake(&mut conn, ids.to_vec(), urgency)
        .await
        .expect("woken");
}

async fn account_of(engine: &Engine, lease: Lease) -> Account {
    let mut conn = engine.store.get().await.expect("Postgres");
    accounts::by_id(&mut conn, lease.account_id)
        .await
        .expect("an account")
}

async fn free(engine: &Engine, lease: Lease) {
    let mut conn = engine.store.get().await.expect("Postgres");
    let standing = leases::standing(&mut conn).await.expect("leases");
    let seen = standing.iter().find(|s| s.id == lease.id).expect("it stands");
    assert!(leases::free(&mut conn, *seen).await.expect("freed"));
}

async fn release(engine: &Engine, lease: Lease) {
    let mut conn = engine.store.get().await.expect("Postgres");
    let outcome = Outcome::Done { at: Utc::now() };
    leases::release(&mut conn, lease, IN_A_DAY, outcome)
        .await
        .expect("given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wake_that_comes_during_a_run_is_not_lost() {
    let (_w, engine) = idle().await;
    let taken = claim(&engine, 2).await;
    assert_eq!(taken.len(), 2);
    assert!(claim(&engine, 2).await.is_empty(), "they are being worked");
    wake(&engine, &[taken[0].account_id], Urgency::Saved).await;
    assert!(claim(&engine, 2).await.is_empty(), "they are still being worked");
    for lease in &taken {
        release(&engine, *lease).await;
    }
    let again = claim(&engine, 2).await;
    assert_eq!(
        again.iter().map(|l| l.account_id).collect::<Vec<_>>(),
        [taken[0].account_id]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_database_leaves_workers_to_the_others() {
    let (w, engine) = idle().await;
    assert_eq!(claim_share(&engine, 2, 1).await.len(), 2, "there are no others");
    sql(
        &engine,
        "UPDATE accounts SET lease_id = NULL, next_run_at = now()",
    )
    .await;
    Odoo::pair(&w.service).await;
    assert_eq!(claim_share(&engine, 2, 1).await.len(), 1);
    assert!(claim_share(&engine, 1, 1).await.is_empty(), "it has its share");
    assert_eq!(claim_share(&engine, 1, 2).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_lease_was_given_away_stores_nothing() {
    let (w, engine) = idle().await;
    w.outlook_creates(ANN, "Planning", &[BEN]).await;
    let taken = claim(&engine, 2).await;
    let mut runs = Vec::new();
    for lease in &taken {
        runs.push((*lease, account_of(&engine, *lease).await));
        free(&engine, *lease).await;
    }
    let next = claim(&engine, 2).await;
    assert_eq!(next.len(), 2, "free again");
    let before = w.count("meetings").await;
    for (lease, account) in &runs {
        let mut conn = engine.store.get().await.expect("Postgres");
        assert!(!leases::renew(&mut conn, *lease).await.expect("asked"));
        let held = leases::hold(&mut conn, account).await.expect_err("lost");
        assert!(held.is::<LeaseLost>(), "{held:#}");
        let database = databases::by_id(&conn, account.database_id)
            .await
            .expect("a database");
        let token = logins::fresh_token(&engine, account, &database)
            .await
            .expect("a token");
        let late = Instant::now() + Duration::from_secs(60);
        let failed = pull(&engine, account, &token, late, &mut Effects::default()).await;
        assert!(failed.is_err(), "it has stored a page");
    }
    assert_eq!(w.count("meetings").await, before);
    // It does not end the lease of the present holder, either.
    release(&engine, taken[0]).await;
    assert_eq!(w.count("accounts WHERE lease_id IS NOT NULL").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_frees_a_mailbox_while_its_run_stores() {
    let (_w, engine) = idle().await;
    let lease = claim(&engine, 1).await[0];
    let account = account_of(&engine, lease).await;
    let mut storing = engine.store.get().await.expect("Postgres");
    diesel::sql_query("BEGIN")
        .execute(&mut storing)
        .await
        .expect("begun");
    leases::hold(&mut storing, &account).await.expect("held");
    let mut other = engine.store.get().await.expect("Postgres");
    let seen = leases::standing(&mut other).await.expect("leases")[0];
    assert!(!leases::free(&mut other, seen).await.expect("asked"));
    // The lease can still be renewed meanwhile, and then it does not count as standing still any
    // more.
    assert!(leases::renew(&mut other, lease).await.expect("renewed"));
    diesel::sql_query("COMMIT")
        .execute(&mut storing)
        .await
        .expect("stored");
    assert!(
        !leases::free(&mut other, seen).await.expect("asked"),
        "it was renewed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_under_a_lease_ends_with_it() {
    let (_w, engine) = idle().await;
    let leases = claim(&engine, 2).await;
    let steps = std::cell::Cell::new(0);
    let work = async {
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            steps.set(steps.get() + 1);
        }
    };
    // It was taken so long ago that it may have been freed: no step is done.
    let long_ago = Instant::now() - leases::LEASE;
    let ended = under(&engine, leases[0], long_ago, work).await;
    assert!(matches!(ended, Ended::<()>::Lost), "{ended:?}");
    assert_eq!(steps.get(), 0);
    // Given to another holder during the work, it ends at the next renewal.
    free(&engine, leases[1]).await;
    let ended = under(&engine, leases[1], Instant::now(), std::future::pending::<()>()).await;
    assert!(matches!(ended, Ended::Lost), "{ended:?}");
    let ended = under(&engine, leases[0], Instant::now(), async {
        panic!("a fault of ours")
    })
    .await;
    assert!(matches!(ended, Ended::<()>::Panicked), "{ended:?}");
}

/// Adds a database with fifty mailboxes, 1001 to 1050, that have been due for a poll for a minute.
async fn add_a_large_database(engine: &Engine) {
    sql(
        engine,
        "INSERT INTO databases SELECT (jsonb_populate_record(d, jsonb_build_object('id', gen_random_uuid(), 'uuid', 'large',
             'key_hash', '\\x00'))).* FROM databases d",
    )
    .await;
    sql(
        engine,
        "INSERT INTO accounts SELECT (jsonb_populate_record(a, jsonb_build_object('id', 1000 + n, 'odoo_user_id', 1000 + n,
             'object_id', 'o' || n, 'next_run_at', now() - interval '1 minute', 'urgency', 4, 'database_id',
             (SELECT id FROM databases WHERE uuid = 'large')))).* FROM accounts a, generate_series(1, 50) n WHERE a.id = 1",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn databases_take_turns() {
    let (_w, engine) = idle().await;
    add_a_large_database(&engine).await;
    let taken = claim(&engine, 4).await;
    let large = taken.iter().filter(|l| l.account_id > 1000).count();
    assert_eq!((taken.len(), large), (4, 2), "each database has its share");
}

/// A person who waits, then what was saved, then news, then what is left to do. Polls have places
/// of their own.
#[tokio::test(flavor = "multi_thread")]
async fn the_most_urgent_comes_first() {
    let (_w, engine) = idle().await;
    add_a_large_database(&engine).await;
    for (id, urgency) in [
        (1001, Urgency::Rest),
        (1002, Urgency::News),
        (1003, Urgency::Saved),
        (1004, Urgency::Person),
        // Whatever else is known of it.
        (1004, Urgency::News),
    ] {
        wake(&engine, &[id], urgency).await;
    }
    let workers = |workers: i64, patient: i64| Places {
        workers,
        patient,
        polls: 0,
    };
    let ids = async |free: Places| -> Vec<i64> {
        let claimed = claim_places(&engine, free, workers(9, 9)).await;
        claimed.iter().map(|one| one.lease.account_id).collect()
    };
    assert_eq!(ids(workers(1, 1)).await, [1004]);
    assert_eq!(ids(workers(1, 1)).await, [1003]);
    assert_eq!(ids(workers(4, 0)).await, [0; 0], "the last workers are kept");
    assert_eq!(ids(workers(4, 1)).await, [1002]);
    assert_eq!(ids(workers(4, 4)).await, [1001], "no poll takes a worker");
    // News that waits for minutes is not forgotten while others save.
    wake(&engine, &[1005], Urgency::News).await;
    sql(
        &engine,
        "UPDATE accounts SET next_run_at = now() - interval '6 minutes' WHERE id = 1005",
    )
    .await;
    wake(&engine, &[1006], Urgency::Saved).await;
    assert_eq!(ids(workers(1, 1)).await, [1005]);
    let polls = Places {
        polls: 3,
        ..Places::default()
    };
    let polled = claim_places(&engine, polls, polls).await;
    assert_eq!(polled.len(), 3, "polls go on while no worker is free");
    assert!(polled.iter().all(|one| one.urgency == Urgency::Poll));
}

/// First listings of as many mailboxes as there are workers leave some to what is saved.
#[tokio::test(flavor = "multi_thread")]
async fn lists_leave_workers_to_what_is_saved() {
    let (mut w, engine) = idle().await;
    let mut two = engine.clone();
    two.settings.workers = 2;
    let stop = tokio_util::sync::CancellationToken::new();
    let working = tokio::spawn(outlook_bridge::worker::work(two, stop.clone()));
    w.odoo.users.insert(9, CARLA.to_owned());
    w.odoo.connect(&w.stack, &w.service, 9).await.expect("Carla too");
    w.quiet().await;
    // Longer than the test for each page, so these runs do not end.
    let slow = |mailbox: &str| json!({"mailbox": mailbox, "path": "calendarView", "latency_ms": 60_000});
    w.stack
        .sim_call("PUT", "faults", json!([slow(ANN), slow(BEN)]))
        .await;
    sql(
        &engine,
        "UPDATE accounts SET delta_link = NULL, window_end = NULL, urgency = 3, next_run_at = now() WHERE odoo_user_id < 9",
    )
    .await;
    let listing = "accounts WHERE odoo_user_id < 9 AND lease_id IS NOT NULL";
    eventually("a list is under way", async || {
        (w.count(listing).await > 0).then_some(())
    })
    .await;
    let (start, end) = (odoo_time(2, "10:00:00"), odoo_time(2, "11:00:00"));
    w.odoo.create(9, "Saved meanwhile", &start, &end, &[]);
    w.odoo.sync(&w.service).await;
    eventually("it is in Outlook", async || {
        w.stack.event(CARLA, "Saved meanwhile").await.map(|_| ())
    })
    .await;
    assert_eq!(w.count(listing).await, 1, "the other worker was kept");
    stop.cancel();
    working.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_time_is_over_is_gone_on_with_where_it_was() {
    let (w, engine) = idle().await;
    for number in 0..120 {
        w.outlook_creates(ANN, &format!("Planning {number}"), &[]).await;
    }
    sql(
        &engine,
        "UPDATE accounts SET delta_link = NULL, window_end = NULL, state = CASE odoo_user_id WHEN 7 THEN state ELSE 'stopped' END",
    )
    .await;
    let lease = claim(&engine, 2).await[0];
    let mut runs = 0;
    loop {
        let account = account_of(&engine, lease).await;
        let conn = engine.store.get().await.expect("Postgres");
        let database = databases::by_id(&conn, account.database_id)
            .await
            .expect("a database");
        let token = logins::fresh_token(&engine, &account, &database)
            .await
            .expect("a token");
        drop(conn);
        // Its time is over when it begins, so it does one step and no more.
        let over = Instant::now();
        let before = w.count("meetings").await;
        let all = pull(&engine, &account, &token, over, &mut Effects::default())
            .await
            .expect("pulled");
        let stored = w.count("meetings").await - before;
        assert!(stored <= 50, "{stored} in one step");
        runs += 1;
        assert!(runs < 20, "it comes to an end");
        if all {
            break;
        }
    }
    assert!(runs >= 3, "{runs} runs");
    assert_eq!(w.count("meetings").await, 120);
}

/// While a mailbox with 10,000 events is listed, another one's event arrives in Odoo, with a single
/// worker.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: make test-long"]
async fn ten_thousand_events_keep_nobody_waiting() {
    let (mut w, engine) = idle().await;
    let many = serde_json::json!({"count": 10_000, "days": 300});
    w.stack
        .sim_call("POST", &format!("mailboxes/{ANN}/bulk"), many)
        .await;
    // As slow as Microsoft.
    let slow = serde_json::json!([{"path": "calendarView", "latency_ms": 300}]);
    w.stack.sim_call("PUT", "faults", slow).await;
    sql(
        &engine,
        "UPDATE accounts SET delta_link = NULL, window_end = NULL, pulled_once = odoo_user_id <> 7,
             next_run_at = CASE odoo_user_id WHEN 7 THEN now() ELSE now() + interval '5 seconds' END",
    )
    .await;
    let mut one = engine.clone();
    one.settings.workers = 1;
    let stop = tokio_util::sync::CancellationToken::new();
    let working = tokio::spawn(outlook_bridge::worker::work(one, stop.clone()));
    tokio::time::sleep(Duration::from_secs(3)).await;
    w.outlook_creates(BEN, "In a hurry", &[]).await;
    let asked = Instant::now();
    let mut longest_exchange = Duration::ZERO;
    while w.odoo.by_name("In a hurry").is_none() {
        let start = Instant::now();
        w.odoo.exchange(&w.service).await.expect("an exchange");
        longest_exchange = longest_exchange.max(start.elapsed());
        assert!(
            asked.elapsed() < Duration::from_secs(75),
            "it waits for the others"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let waited = asked.elapsed();
    let read = w.count("meetings").await;
    println!("waited {waited:?} while {read} events were read; the longest exchange {longest_exchange:?}");
    assert!(read < 10_000, "the large mailbox is not done");
    assert!(longest_exchange < Duration::from_secs(10), "Odoo gives up then");
    stop.cancel();
    working.await.expect("no panic");
}

/// A person waits for a mailbox that another process is running.
#[tokio::test(flavor = "multi_thread")]
async fn who_waits_hears_of_a_run_of_another_process() {
    let mut w = world().await;
    w.quiet().await;
    let other = w.stack.serve().await;
    w.service.stop_working().await;
    (w.odoo.waiting, w.odoo.wait_ms) = (Some(7), 2000);
    w.outlook_creates(ANN, "Just now", &[]).await;
    let mut longest = Duration::ZERO;
    for _ in 0..3 {
        let start = Instant::now();
        w.odoo.exchange(&w.service).await.expect("an exchange");
        longest = longest.max(start.elapsed());
    }
    assert!(longest < Duration::from_millis(1700), "{longest:?}");
    other.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_hears_of_work() {
    let (w, engine) = idle().await;
    let mut other = w.stack.serve().await;
    other.stop_working().await;
    let heard = std::sync::Arc::clone(&other.engine.work);
    // It listens only after a moment.
    super::stack::eventually("the other process hears", async || {
        engine.wake_workers();
        let soon = tokio::time::timeout(Duration::from_millis(500), heard.notified());
        soon.await.is_ok().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_odoo_is_poked_and_more_rarely_the_longer_it_is_silent() {
    let (_w, engine) = idle().await;
    let poked = async || {
        let mut conn = engine.store.get().await.expect("Postgres");
        let (silent, pause) = (TimeDelta::minutes(4), TimeDelta::minutes(1));
        let found = databases::silent(&mut conn, Utc::now(), silent, pause, 50).await;
        found.expect("looked").len()
    };
    let since = async |heard: &str, poked: &str| {
        let set = format!(
            "UPDATE databases SET heard_at = now() - interval '{heard}', poked_at = now() - interval '{poked}'"
        );
        sql(&engine, &set).await;
    };
    assert_eq!(poked().await, 0, "it has just called");
    sql(
        &engine,
        "UPDATE databases SET heard_at = now() - interval '5 minutes'",
    )
    .await;
    assert_eq!(poked().await, 1);
    assert_eq!(poked().await, 0, "it was poked");
    since("5 minutes", "90 seconds").await;
    assert_eq!(poked().await, 1, "again");
    since("2 hours", "20 minutes").await;
    assert_eq!(poked().await, 0, "it has been away for long");
    since("2 hours", "40 minutes").await;
    assert_eq!(poked().await, 1);
    since("30 days", "61 minutes").await;
    assert_eq!(poked().await, 1, "it is never given up");
    for shut in ["paused = true", "quarantined = 'x'", "key_hash = NULL"] {
        since("5 minutes", "1 day").await;
        sql(&engine, "UPDATE databases SET paused = false, quarantined = NULL").await;
        sql(&engine, &format!("UPDATE databases SET {shut}")).await;
        assert_eq!(poked().await, 0, "{shut}");
    }
}

/// Whoever holds the planning lock and stands still holds up the whole database.
#[tokio::test(flavor = "multi_thread")]
async fn the_lock_of_a_process_that_stands_still_ends_before_its_leases() {
    let w = world().await;
    let store = &w.service.engine.store;
    let mut still = store.get().await.expect("a connection");
    let mut other = store.get().await.expect("a connection");
    let id = databases::all(&mut other).await.expect("databases")[0].id;
    still
        .batch_execute("BEGIN")
        .await
        .expect("a transaction that nobody goes on with");
    let _held = databases::serialize(&mut still, id, Purpose::Pull)
        .await
        .expect("the lock");
    let patience = leases::LEASE.as_millis();
    other
        .batch_execute(&format!("SET lock_timeout = '{patience}ms'"))
        .await
        .expect("a setting");
    databases::serialize(&mut other, id, Purpose::Exchange)
        .await
        .map(drop)
        .expect("the lock is free before a lease has run out");
}
