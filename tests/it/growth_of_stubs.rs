//! What has ended long ago is forgotten, and does no harm later.

use diesel_async::RunQueryDsl;
use outlook_bridge::worker::pruning;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, timeout};

use super::stack::{ANN, id_of};
use super::world::{OUTSIDE, World, kinds, world};

const TITLE: &str = "Quartzmarker";

pub async fn run(w: &World, statement: &str) {
    let mut conn = w.service.engine.store.get().await.unwrap();
    diesel::sql_query(statement).execute(&mut conn).await.unwrap();
}

/// Counts the rows of the service's tables that contain a word.
pub async fn rows_that_say(w: &World, word: &str) -> i64 {
    let mut found = 0;
    for table in [
        "meetings",
        "copies",
        "outlook_outbox",
        "odoo_outbox",
        "journal",
        "put_aside",
    ] {
        found += w.count(&format!("{table} t WHERE t::text LIKE '%{word}%'")).await;
    }
    found
}

/// Returns an event that Outlook deleted and the service has forgotten.
async fn forgotten(w: &mut World) -> (i64, Value) {
    let event = w.outlook_creates(ANN, TITLE, &[OUTSIDE]).await;
    w.quiet().await;
    let id = w.odoo.by_name(TITLE).expect("in Odoo")["id"].as_i64().unwrap();
    w.outlook_deletes(ANN, &event).await;
    w.quiet().await;
    w.forget_mails().await;
    pruning::prune(&w.service.engine).await.unwrap();
    assert!(rows_that_say(w, TITLE).await > 0, "it ended just now");
    run(w, "UPDATE meetings SET ended_at = ended_at - interval '91 days'").await;
    run(w, "UPDATE journal SET at = at - interval '91 days'").await;
    pruning::prune(&w.service.engine).await.unwrap();
    for word in [TITLE, OUTSIDE] {
        assert_eq!(rows_that_say(w, word).await, 0, "{word} is forgotten");
    }
    assert_eq!(w.count("meetings WHERE ended AND ended_at IS NOT NULL").await, 1);
    (id, event)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stub_is_known_when_its_mailbox_is_listed_again() {
    let mut w = world().await;
    let (id, _) = forgotten(&mut w).await;
    let records = w.odoo.records.len();
    run(&w, "UPDATE accounts SET delta_link = NULL").await;
    w.quiet().await;
    assert_eq!(w.odoo.records.len(), records);
    assert_eq!(w.odoo.records[&id]["active"], false);
    assert!(w.stack.event(ANN, TITLE).await.is_none());
    assert_eq!(kinds(&w.stack.mails().await), []);
    // Edited while it is archived.
    w.odoo.write(id, json!({"location": "Rue X"}));
    w.quiet().await;
    assert!(w.stack.event(ANN, TITLE).await.is_none());
    assert_eq!(kinds(&w.stack.mails().await), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stub_that_is_taken_back_in_outlook_is_in_odoo_once() {
    let mut w = world().await;
    let (_, event) = forgotten(&mut w).await;
    let path = format!("mailboxes/{ANN}/events/{}/restore", id_of(&event));
    w.stack.sim_call("POST", &path, json!({})).await;
    w.forget_mails().await;
    w.quiet().await;
    w.quiet().await;
    let active = w.odoo.records.values();
    let active = active.filter(|r| r["name"] == TITLE && r["active"] == true);
    assert_eq!(active.count(), 1);
    assert!(w.stack.event(ANN, TITLE).await.is_some());
    assert_eq!(kinds(&w.stack.mails().await), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_somebody_holds_is_left_and_nothing_waits() {
    let mut w = world().await;
    w.quiet().await;
    run(&w, "DELETE FROM journal").await;
    let old = "INSERT INTO journal (database_id, at, level, title, message)
               SELECT id, now() - interval '91 days', 'info', '', n::text FROM databases, generate_series(1, 1201) n";
    run(&w, old).await;
    let mut holder = w.service.engine.store.get().await.unwrap();
    for statement in ["BEGIN", "SELECT FROM journal WHERE message = '7' FOR UPDATE"] {
        diesel::sql_query(statement).execute(&mut holder).await.unwrap();
    }
    let pruned = timeout(Duration::from_secs(20), pruning::prune(&w.service.engine)).await;
    pruned.expect("it does not wait").unwrap();
    let old = "journal WHERE at < now() - interval '90 days'";
    assert_eq!(w.count(old).await, 1, "all but the one that is held");
    diesel::sql_query("ROLLBACK").execute(&mut holder).await.unwrap();
    pruning::prune(&w.service.engine).await.unwrap();
    assert_eq!(w.count(old).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_database_that_was_unpaired_nothing_is_left_after_a_while() {
    let mut w = world().await;
    w.outlook_creates(ANN, TITLE, &[OUTSIDE]).await;
    w.quiet().await;
    let unpaired = w.odoo.call(&w.service, 2, "outlook.bridge", "unpair", json!({}));
    unpaired.await.expect("unpaired");
    pruning::prune(&w.service.engine).await.unwrap();
    assert!(rows_that_say(&w, TITLE).await > 0, "it may be paired again");
    run(
        &w,
        "UPDATE databases SET unpaired_at = unpaired_at - interval '91 days'",
    )
    .await;
    pruning::prune(&w.service.engine).await.unwrap();
    for table in [
        "databases",
        "accounts",
        "meetings",
        "copies",
        "journal",
        "account_addresses",
    ] {
        assert_eq!(w.count(table).await, 0, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_aside_of_a_mailbox_that_nobody_logs_in_to_is_forgotten() {
    let mut w = world().await;
    w.quiet().await;
    w.service.stop_working().await;
    for statement in [
        "INSERT INTO put_aside (account_id, graph_id, reason, attempts, since, next_at)
         SELECT id, 'event', jsonb_build_object('code', 'not_planned'), 3, now() - interval '99 days', now() - interval '91 days' FROM accounts",
        "UPDATE accounts SET delta_link = NULL",
    ] {
        run(&w, statement).await;
    }
    pruning::prune(&w.service.engine).await.unwrap();
    assert_eq!(w.count("put_aside").await, 1, "it is tried again");
    run(&w, "UPDATE accounts SET state = 'need_auth'").await;
    pruning::prune(&w.service.engine).await.unwrap();
    assert_eq!(w.count("put_aside").await, 0);
}

/// Returns the size of the content in MB, without dead rows.
async fn megabytes(w: &World) -> i64 {
    for table in ["meetings", "copies"] {
        run(w, &format!("VACUUM (FULL, ANALYZE) {table}")).await;
    }
    let size = "pg_total_relation_size('meetings') + pg_total_relation_size('copies')";
    w.count(&format!("generate_series(1, ({size}) / 1000000)")).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: make test-long"]
async fn of_100_000_ended_events_little_is_left_and_nobody_waits() {
    let mut w = world().await;
    let event = w.outlook_creates(ANN, TITLE, &[OUTSIDE]).await;
    w.quiet().await;
    w.outlook_deletes(ANN, &event).await;
    w.quiet().await;
    for statement in [
        "INSERT INTO meetings SELECT (jsonb_populate_record(m, jsonb_build_object(
             'id', nextval(pg_get_serial_sequence('meetings', 'id')), 'link', gen_random_uuid(),
             'odoo_id', 1000000 + n, 'ical_uid', 'uid ' || n))).* FROM meetings m, generate_series(1, 99999) n",
        "INSERT INTO copies SELECT (jsonb_populate_record(c, jsonb_build_object(
             'id', nextval(pg_get_serial_sequence('copies', 'id')), 'meeting_id', m.id, 'graph_id', 'id ' || m.id))).*
         FROM copies c, meetings m WHERE m.odoo_id > 1000000",
        "UPDATE meetings SET ended_at = now() - interval '91 days'",
    ] {
        run(&w, statement).await;
    }
    let before = megabytes(&w).await;
    let engine = w.service.engine.clone();
    let began = Instant::now();
    let pruning = tokio::spawn(async move { pruning::prune(&engine).await });
    let (mut exchange, mut claim, mut rounds) = (Duration::ZERO, Duration::ZERO, 0);
    while !pruning.is_finished() {
        let start = Instant::now();
        w.odoo.sync(&w.service).await;
        exchange = exchange.max(start.elapsed());
        let start = Instant::now();
        w.worked(7).await;
        claim = claim.max(start.elapsed());
        rounds += 1;
    }
    pruning.await.unwrap().unwrap();
    let took = began.elapsed();
    let after = megabytes(&w).await;
    println!(
        "{before} MB before, {after} MB after, pruned in {took:?}; meanwhile {rounds} rounds, the longest \
         exchange {exchange:?}, the longest wait for two runs of a mailbox {claim:?}"
    );
    assert_eq!(rows_that_say(&w, OUTSIDE).await, 0);
    assert!(after * 2 < before, "{after} of {before} MB are left");
    assert!(exchange < Duration::from_secs(5) && claim < Duration::from_secs(10));
}
