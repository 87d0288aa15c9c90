//! Limits of callers that speak Odoo's dialect: how much and how often, and how they are told.

use diesel_async::RunQueryDsl;
use serde_json::{Value, json};

use super::dialect::{envelope, name_of};
use super::world::world;

#[tokio::test(flavor = "multi_thread")]
async fn the_limits_of_callers_without_a_key_apply_to_logins() {
    let w = world().await;
    let post = async |encoding: &str, body: Vec<u8>| {
        let request = reqwest::Client::new()
            .post(format!("{}/web/session/authenticate", w.service.url))
            .header("Content-Type", "application/json")
            .header("Content-Encoding", encoding)
            .body(body);
        request.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(post("gzip", vec![0x1f, 0x8b, 8, 0]).await, 415);
    assert_eq!(post("identity", vec![b' '; 70_000]).await, 413);
    let mut statuses = Vec::new();
    for wrong in 0..12 {
        let params = json!({"db": "odoo", "login": "admin", "password": format!("wrong {wrong}")});
        statuses.push(post("identity", envelope(&params).to_string().into_bytes()).await);
    }
    assert_eq!(statuses[..10], [200; 10], "answered as Odoo does");
    assert_eq!(statuses[10..], [429; 2], "too many wrong keys");
}

/// A call that waits in vain for other work on its database is to be made again: nothing was stored.
#[tokio::test(flavor = "multi_thread")]
async fn who_has_to_wait_too_long_is_told_when_to_call_again() {
    let w = world().await;
    let mut conn = w.service.engine.store.get().await.expect("Postgres");
    // The lock under which mailboxes are worked.
    diesel::sql_query("SELECT pg_advisory_lock(hashtextextended(id::text, 0)) FROM databases")
        .execute(&mut conn)
        .await
        .expect("locked");
    let sync = json!({"nonce": "a", "next_nonce": "b", "existing_left": []});
    let request = reqwest::Client::new()
        .post(format!("{}/json/2/calendar.event/sync", w.service.url))
        .bearer_auth(&w.odoo.key)
        .header("X-Odoo-Database", &w.odoo.uuid)
        .header("X-Odoo-User", "1")
        .json(&sync);
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.headers()["retry-after"], "1");
    let error: Value = answer.json().await.expect("JSON");
    assert_eq!(error["name"], "odoo.exceptions.UserError");
    assert_eq!(error["context"]["words"]["code"], "refusal_busy");
    let call = w.odoo.call(&w.service, 1, "calendar.event", "sync", sync);
    let error = call.await.expect_err("busy");
    assert_eq!(
        (&error["code"], name_of(&error)),
        (&json!(0), "odoo.exceptions.UserError")
    );
    diesel::sql_query("SELECT pg_advisory_unlock_all()")
        .execute(&mut conn)
        .await
        .expect("unlocked");
}
