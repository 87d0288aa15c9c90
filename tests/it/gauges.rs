//! The gauges: what waits, is held or in trouble, as the database has it.

use chrono::Utc;
use diesel_async::RunQueryDsl;
use outlook_bridge::engine::health::SAID_AFTER;
use outlook_bridge::store::gauges::{self, Gauges};
use serde_json::json;

use super::stack::{ANN, eventually};
use super::world::{World, day, odoo_time, world};

async fn gauges(w: &World) -> Gauges {
    let mut conn = w.service.engine.store.get().await.expect("a connection");
    gauges::read(&mut conn, Utc::now(), SAID_AFTER)
        .await
        .expect("the gauges")
}

async fn set(w: &World, statement: &str) {
    let mut conn = w.service.engine.store.get().await.expect("a connection");
    let done = diesel::sql_query(statement).execute(&mut conn).await;
    done.expect(statement);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_owed_is_counted_until_it_is_confirmed() {
    let mut w = world().await;
    let idle = gauges(&w).await;
    assert_eq!(
        (idle.paired, idle.synced, idle.odoo_owed, idle.outlook_owed),
        (1, 1, 0, 0)
    );
    assert_eq!((idle.odoo_longest, idle.outlook_longest), (None, None));

    let body = json!({"subject": "From Outlook",
        "start": {"dateTime": day(2, "10:00:00"), "timeZone": "UTC"},
        "end": {"dateTime": day(2, "11:00:00"), "timeZone": "UTC"}});
    w.stack
        .sim_call("POST", &format!("mailboxes/{ANN}/events"), body)
        .await;
    w.worked(7).await;
    let owed = eventually("the change for Odoo", async || {
        let now = gauges(&w).await;
        (now.odoo_owed == 1).then_some(now)
    })
    .await;
    assert!(
        owed.odoo_longest.is_some_and(|wait| (0.0..60.0).contains(&wait)),
        "{owed:?}"
    );
    w.odoo.sync(&w.service).await;
    assert_eq!(gauges(&w).await.odoo_owed, 0);

    w.service.stop_working().await;
    w.odoo.create(
        7,
        "From Odoo",
        &odoo_time(2, "09:00:00"),
        &odoo_time(2, "10:00:00"),
        &[],
    );
    w.odoo.sync(&w.service).await;
    let owed = gauges(&w).await;
    assert_eq!(owed.outlook_owed, 1);
    assert!(
        owed.outlook_longest
            .is_some_and(|wait| (0.0..60.0).contains(&wait)),
        "{owed:?}"
    );
    assert_eq!(owed.due, 1, "the mailbox waits for its run");

    set(&w, "UPDATE accounts SET state = 'need_auth'").await;
    let waiting = gauges(&w).await;
    assert_eq!(
        (waiting.outlook_owed, waiting.outlook_longest),
        (0, None),
        "it waits for a login"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_state_is_counted() {
    let mut w = world().await;
    w.service.stop_working().await;
    set(
        &w,
        "UPDATE accounts SET lease_id = NULL, next_run_at = now() - interval '2 minutes'",
    )
    .await;
    let now = gauges(&w).await;
    assert_eq!(now.due, 1);
    assert!(
        now.due_longest.is_some_and(|wait| (120.0..180.0).contains(&wait)),
        "{now:?}"
    );

    set(&w, "UPDATE accounts SET rest_until = now() + interval '1 hour', reason = 'words', waiting = 4, mails_held = 3").await;
    let now = gauges(&w).await;
    assert_eq!((now.due, now.resting, now.in_trouble, now.synced), (0, 1, 1, 0));
    assert_eq!((now.waiting, now.mails_held), (4, 3));

    set(&w, "UPDATE accounts SET state = 'stopped', rest_until = NULL").await;
    assert_eq!(gauges(&w).await.stopped, 1);
    set(&w, "UPDATE accounts SET state = 'need_auth'").await;
    assert_eq!(gauges(&w).await.need_auth, 1);

    set(&w, "UPDATE databases SET paused = true, exchange_failures = 3, quarantined = 'words', heard_at = now() - interval '1 hour'").await;
    let now = gauges(&w).await;
    assert_eq!(
        (now.paused, now.failing, now.quarantined, now.silent),
        (1, 1, 1, 1)
    );

    assert_eq!((now.refused, now.secret_ends), (0, None));
    set(&w, "UPDATE registrations SET problem = 'words', secret_expires_on = (now() AT TIME ZONE 'UTC')::date + 10").await;
    let now = gauges(&w).await;
    assert_eq!(now.refused, 1);
    let day = 86400.0;
    assert!(
        now.secret_ends
            .is_some_and(|left| (9.0 * day..=10.0 * day).contains(&left)),
        "{now:?}"
    );

    set(&w, "UPDATE databases SET key_hash = NULL").await;
    let none = gauges(&w).await;
    assert_eq!(
        (none.paired, none.need_auth, none.refused, none.secret_ends),
        (0, 0, 0, None)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_are_counted_by_their_state() {
    let w = world().await;
    set(&w, "DELETE FROM subscriptions").await;
    set(
        &w,
        "INSERT INTO subscriptions (account_id, graph_id, state_hash, url_hash, since, expires_at, due_at, failures, silent_since)
         SELECT id, 'x', 'x', 'x', now(), now() + interval '1 day', now() + interval '1 day', 0, NULL FROM accounts",
    )
    .await;
    let now = gauges(&w).await;
    assert_eq!((now.valid, now.unheard, now.unmade), (1, 0, 0));
    set(&w, "UPDATE subscriptions SET silent_since = now()").await;
    let now = gauges(&w).await;
    assert_eq!((now.valid, now.unheard, now.unmade), (0, 1, 0));
    set(
        &w,
        "UPDATE subscriptions SET expires_at = now() - interval '1 hour', failures = 2, silent_since = NULL",
    )
    .await;
    let now = gauges(&w).await;
    assert_eq!((now.valid, now.unheard, now.unmade), (0, 0, 1));
}
