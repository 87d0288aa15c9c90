//! What a pairing code allows. A database's uuid is not a secret: knowing a known database's uuid
//! gives no access.

use diesel_async::RunQueryDsl;
use outlook_bridge::store::databases;
use outlook_bridge::store::journal::{self, Level, Line};
use serde_json::{Value, json};

use super::convergence::service::command;
use super::odoo::Odoo;
use super::stack::{ANN, ODOO_URL, Service, enroll, enroll_again, eventually};
use super::world::{World, world};

const DENIED: &str = "odoo.exceptions.AccessDenied";

async fn pair(odoo: &Odoo, service: &Service, code: &str, kwargs: Value) -> Result<Value, Value> {
    let mut caller = odoo.clone();
    caller.key = code.to_owned();
    let mut all = json!({"name": "odoo", "base_url": ODOO_URL, "series": "19.0"});
    for (name, value) in kwargs.as_object().expect("an object") {
        all[name] = value.clone();
    }
    caller.call(service, 2, "outlook.bridge", "pair", all).await
}

async fn status(odoo: &Odoo, service: &Service) -> Result<Value, Value> {
    odoo.call(service, 1, "outlook.bridge", "status", json!({})).await
}

fn denied(answer: Result<Value, Value>, words: &str) {
    let error = answer.expect_err("refused");
    assert_eq!(error["data"]["name"], DENIED, "{error}");
    let message = error["data"]["message"].as_str().expect("words");
    assert!(message.contains(words), "{message}");
}

/// Counts the rows that pairing could change, without the codes.
async fn everything(w: &World) -> Vec<i64> {
    let rows = [
        "databases",
        "accounts",
        "meetings",
        "journal",
        "enrollments WHERE used_at IS NOT NULL",
    ];
    let mut found = Vec::new();
    for row in rows {
        found.push(w.count(row).await);
    }
    let same = format!(
        "databases WHERE uuid = '{}' AND quarantined IS NULL AND moved IS NULL",
        w.odoo.uuid
    );
    found.push(w.count(&same).await);
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_code_with_a_foreign_uuid_changes_nothing_and_is_not_used_up() {
    let w = world().await;
    let mine = Odoo::pair(&w.service).await;
    let code = enroll(&w.service).await;
    let before = everything(&w).await;
    for kwargs in [
        json!({}),
        json!({"present_key": null}),
        json!({"present_key": ""}),
        json!({"present_key": "guessed"}),
        json!({"present_key": mine.key}),
        json!({"name": "evil", "base_url": "https://evil.example"}),
    ] {
        denied(pair(&w.odoo, &w.service, &code, kwargs).await, "enroll --again");
    }
    assert_eq!(everything(&w).await, before);
    let state = status(&w.odoo, &w.service).await.expect("its key is good still");
    assert_eq!(state["accounts"][0]["login"], ANN);
    assert_eq!(state["quarantined"], Value::Null);
    // The code works for the database for which it was made.
    let mut new = mine.clone();
    new.uuid = "another-new-one".to_owned();
    assert!(pair(&new, &w.service, &code, json!({})).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_database_is_paired_again_with_its_present_key() {
    let mut w = world().await;
    let old = w.odoo.clone();
    let code = enroll(&w.service).await;
    let paired = pair(&old, &w.service, &code, json!({"present_key": old.key}))
        .await
        .expect("paired again");
    w.odoo.key = paired["api_key"].as_str().expect("a key").to_owned();
    let state = status(&w.odoo, &w.service).await.expect("the new key");
    assert_eq!(state["accounts"][0]["status"], "active", "its consents are kept");
    assert!(status(&old, &w.service).await.is_err(), "the old key is over");
    let code = enroll(&w.service).await;
    denied(
        pair(&old, &w.service, &code, json!({"present_key": old.key})).await,
        "enroll --again",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_was_made_for_a_database_is_for_it_alone() {
    let w = world().await;
    let other = Odoo::pair(&w.service).await;
    let code = enroll_again(&w.service, &w.odoo.uuid).await;
    denied(
        pair(&other, &w.service, &code, json!({"present_key": other.key})).await,
        "not for this database",
    );
    let mut unknown = other.clone();
    unknown.uuid = "unknown".to_owned();
    denied(
        pair(&unknown, &w.service, &code, json!({})).await,
        "not for this database",
    );
    w.odoo
        .call(&w.service, 1, "outlook.bridge", "unpair", json!({}))
        .await
        .expect("parted: there is no present key any more");
    assert!(pair(&w.odoo, &w.service, &code, json!({})).await.is_ok());
    denied(
        pair(&w.odoo, &w.service, &code, json!({})).await,
        "was used before",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_says_what_a_code_pairs_again() {
    let w = world().await;
    let printed = command(&w.stack)
        .args(["enroll", "--again", &w.odoo.uuid])
        .output();
    let printed = printed.await.expect("the program");
    let words = String::from_utf8_lossy(&printed.stderr);
    assert!(
        words.contains("re-pairs odoo") && words.contains("1 mailbox(es)"),
        "{words}"
    );
    let code = String::from_utf8_lossy(&printed.stdout).trim().to_owned();
    assert!(pair(&w.odoo, &w.service, &code, json!({})).await.is_ok());
    let unknown = command(&w.stack).args(["enroll", "--again", "nobody"]).output();
    assert!(!unknown.await.expect("the program").status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn paired_again_from_elsewhere_it_rests_until_that_is_confirmed() {
    let mut w = world().await;
    w.outlook_creates(ANN, "Secret", &[]).await;
    w.quiet().await;
    let code = enroll_again(&w.service, &w.odoo.uuid).await;
    let elsewhere = json!({"base_url": "https://elsewhere.example"});
    let paired = pair(&w.odoo, &w.service, &code, elsewhere.clone())
        .await
        .expect("paired");
    let take = |odoo: &mut Odoo, paired: &Value| odoo.take_pairing(paired);
    take(&mut w.odoo, &paired);
    let rests = async |w: &mut World| {
        let state = status(&w.odoo, &w.service).await.expect("it may look");
        let words = state["quarantined"].as_str().expect("shut out").to_owned();
        assert!(
            words.contains("outlook-bridge confirm") && words.contains("elsewhere.example"),
            "{words}"
        );
        let answer = w.odoo.hand_over(&w.service).await.expect("an answer");
        assert_eq!(answer["changes"], json!([]), "it is told nothing");
        let journal = json!({"user_id": 7, "res_id": null, "limit": 10});
        let read = w
            .odoo
            .call(&w.service, 7, "outlook.bridge", "journal", journal)
            .await;
        assert!(
            read.expect_err("refused")["data"]["message"]
                .as_str()
                .unwrap()
                .contains("confirm")
        );
        let due = "accounts WHERE last_sync_at > now() - interval '100 milliseconds'";
        assert_eq!(w.count(due).await, 0, "its mailbox rests");
    };
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    rests(&mut w).await;
    // Pairing again from there does not confirm that.
    let code = enroll(&w.service).await;
    let mut again = elsewhere;
    again["present_key"] = json!(w.odoo.key);
    let paired = pair(&w.odoo, &w.service, &code, again).await.expect("paired");
    take(&mut w.odoo, &paired);
    rests(&mut w).await;
    let confirmed = command(&w.stack)
        .args(["confirm", &w.odoo.uuid])
        .output()
        .await
        .expect("the program");
    assert!(
        String::from_utf8_lossy(&confirmed.stdout).contains("elsewhere.example"),
        "{confirmed:?}"
    );
    w.quiet().await;
    let state = status(&w.odoo, &w.service).await.expect("an answer");
    assert_eq!(state["quarantined"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn pairing_anew_waits_for_what_is_being_stored() {
    let w = world().await;
    let mut conn = w.service.engine.store.get().await.unwrap();
    let database = databases::all(&mut conn).await.unwrap().remove(0);
    let mut odoo = w.odoo.clone();
    let storing = async {
        diesel::sql_query("BEGIN").execute(&mut conn).await.unwrap();
        let _lock = databases::serialize(&mut conn, database.id, outlook_bridge::measures::Purpose::Button)
            .await
            .unwrap();
        eventually("the pairing waits", async || {
            (w.count("pg_locks WHERE NOT granted").await > 0).then_some(())
        })
        .await;
        let line = Line::general(database.id, None, Level::Info, "Stored meanwhile".to_owned());
        journal::write(&mut conn, line).await.expect("stored");
        diesel::sql_query("COMMIT").execute(&mut conn).await.unwrap();
    };
    tokio::join!(storing, odoo.pair_again(&w.service));
}
