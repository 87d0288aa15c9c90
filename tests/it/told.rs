//! Odoo is told only of accounts whose state has changed, and knows the state of all.

use std::collections::BTreeMap;

use diesel_async::{AsyncPgConnection, RunQueryDsl as _, SimpleAsyncConnection as _};
use outlook_bridge::admin::state::state;
use outlook_bridge::engine::Settings;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use uuid::Uuid;

use super::people::{Column, Writer, change, columns, still};
use super::stack::eventually;
use super::world::World;

/// Returns what an Odoo with the tag is told.
async fn told(conn: &mut AsyncPgConnection, settings: &Settings, database: Uuid, tag: Option<&str>) -> Value {
    let told = state(conn, settings, database, tag).await.unwrap();
    serde_json::to_value(told).unwrap()
}

/// Returns the accounts of an answer by user, without the time of their last sync, whose changes are
/// not told.
fn accounts_of(told: &Value) -> BTreeMap<i64, Value> {
    let accounts = told["accounts"].as_array().unwrap().iter().cloned();
    accounts
        .map(|mut account| {
            account["last_sync"] = json!(account["last_sync"].is_string());
            (account["user_id"].as_i64().unwrap(), account)
        })
        .collect()
}

/// What an Odoo knows.
#[derive(Default)]
struct Known {
    tag: Option<String>,
    accounts: BTreeMap<i64, Value>,
}

impl Known {
    /// Takes what it is told; returns how many accounts that were if it was not told all.
    fn take(&mut self, told: &Value) -> Option<usize> {
        self.tag = Some(told["tag"].as_str().unwrap().to_owned());
        let accounts = accounts_of(told);
        if told["partial"] == false {
            self.accounts = accounts;
            return None;
        }
        let count = accounts.len();
        self.accounts.extend(accounts);
        Some(count)
    }
}

/// Returns a statement that may change the state of accounts.
fn act(rng: &mut StdRng, columns: &[Column], database: Uuid) -> String {
    let user = rng.random_range(0..6);
    let some = rng.random_range(0..3);
    let account = format!("(SELECT id FROM accounts WHERE odoo_user_id = {user})");
    match rng.random_range(0..16) {
        0 | 1 => format!(
            "INSERT INTO troubles (account_id, halvings, limited_by)
             SELECT id, {some}, CASE {some} WHEN 1 THEN 'ErrorQuotaExceeded' END FROM accounts WHERE odoo_user_id = {user}
             ON CONFLICT (account_id) DO UPDATE SET halvings = excluded.halvings, limited_by = excluded.limited_by"
        ),
        2 => format!("DELETE FROM troubles WHERE account_id = {account}"),
        3 => format!(
            "INSERT INTO registrations (database_id, company_id, client_id)
             VALUES ('{database}', {some}, 'app') ON CONFLICT DO NOTHING"
        ),
        4 => format!("UPDATE registrations SET problem = 'p{some}' WHERE company_id = {some}"),
        5 => format!("UPDATE registrations SET problem = 'p{some}' WHERE company_id IS NULL"),
        6 => format!("DELETE FROM registrations WHERE company_id = {some}"),
        7 => format!(
            "UPDATE accounts SET registration_id = (SELECT id FROM registrations WHERE company_id = {some}) WHERE id = {account}"
        ),
        8 => format!(
            "INSERT INTO meetings (database_id, organizer_id, guests, odoo_state) VALUES ('{database}', {user}, 'waiting', '{{}}')"
        ),
        9 => format!(
            "INSERT INTO resets (account_id, tenant_id, object_id, total)
             SELECT id, 't', 'o', {some} FROM accounts WHERE odoo_user_id = {user} ON CONFLICT DO NOTHING"
        ),
        _ => change(rng, columns, database),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_odoo_knows_is_what_is_stored() {
    let (w, database) = still().await;
    let store = &w.service.engine.store;
    let settings = &w.service.engine.settings;
    let mut observer = store.get().await.unwrap();
    let columns = columns(&mut observer).await;
    let mut writers = Vec::new();
    for _ in 0..3 {
        writers.push(Writer::of(store).await);
    }
    let mut odoos = [Known::default(), Known::default(), Known::default()];
    let (mut carried_out, mut partial, mut empty) = (0, 0, 0);
    for seed in 0..12 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut steps = Vec::new();
        for _ in 0..50 {
            let statement = act(&mut rng, &columns, database);
            let number = rng.random_range(0..writers.len());
            let step = writers[number].step(&mut rng, statement).await;
            carried_out += usize::from(step.ends_with("Ok(())"));
            steps.push(format!("{number}: {step}"));
            for odoo in &mut odoos {
                if rng.random_bool(0.3) {
                    let answer = told(&mut observer, settings, database, odoo.tag.as_deref()).await;
                    if let Some(count) = odoo.take(&answer) {
                        partial += 1;
                        empty += usize::from(count == 0);
                    }
                    let all = told(&mut observer, settings, database, None).await;
                    let said = steps.join("\n");
                    assert_eq!(odoo.accounts, accounts_of(&all), "after seed {seed}:\n{said}");
                }
            }
        }
    }
    for writer in &mut writers {
        writer.end("ROLLBACK").await;
    }
    assert!(carried_out > 100, "{carried_out} changes were carried out");
    assert!(
        partial > 100 && empty > 10,
        "{partial} in part, {empty} of nobody"
    );
}

/// Adds accounts to the database until there are so many.
async fn fill(conn: &mut AsyncPgConnection, database: Uuid, users: usize) {
    conn.batch_execute(&format!(
        "INSERT INTO accounts (database_id, odoo_user_id, tenant_id, object_id, login, state, existing)
         SELECT '{database}', n, 't', n, n || '@contoso.example', 'stopped', 'told' FROM generate_series(100, {}) n
         ON CONFLICT DO NOTHING;
         ANALYZE accounts",
        100 + users - 2
    ))
    .await
    .unwrap();
}

/// Exchanges until Odoo has all news. What another transaction of the cluster may have changed is told
/// again until that one ends.
async fn has_nothing_new(w: &mut World) {
    eventually("Odoo has all news", async || {
        let answer = w.odoo.exchange(&w.service).await.unwrap();
        let state = &answer["state"];
        (state["partial"] == true && state["accounts"] == json!([])).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_costs_the_same_with_few_accounts_and_with_a_thousand() {
    let (mut w, database) = still().await;
    let store = w.service.engine.store.clone();
    let mut conn = store.get().await.unwrap();
    let mut costs = Vec::new();
    for users in [3, 1000] {
        fill(&mut conn, database, users).await;
        has_nothing_new(&mut w).await;
        assert_eq!(w.odoo.state["accounts"].as_array().unwrap().len(), users);
        diesel::sql_query(
            "UPDATE accounts SET last_sync_at = now() + interval '1 minute' WHERE last_sync_at IS NOT NULL",
        )
        .execute(&mut conn)
        .await
        .unwrap();
        let before = store.statements.count();
        let answer = w.odoo.hand_over(&w.service).await.unwrap();
        costs.push(store.statements.count() - before);
        assert_eq!(answer["state"]["partial"], true);
        assert_eq!(answer["state"]["accounts"], json!([]), "with {users} users");
        assert_eq!(answer["state"]["tag"], w.odoo.state["tag"]);
        w.odoo.take(&answer);
    }
    // The key; a transaction with the lock, the database's row, the people, the call and what is to be
    // asked for; whether anything is pending; and five for the state.
    assert_eq!(costs, [14, 14]);
    // One of a thousand is told when it changes.
    conn.batch_execute("UPDATE accounts SET reason = 'x', state = 'need_auth' WHERE odoo_user_id = 500")
        .await
        .unwrap();
    let answer = w.odoo.exchange(&w.service).await.unwrap();
    let accounts = answer["state"]["accounts"].as_array().unwrap();
    assert_eq!(accounts.len(), 1, "{accounts:?}");
    assert_eq!(accounts[0]["reason"], "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_odoo_without_a_known_tag_is_told_all() {
    let (mut w, _) = still().await;
    has_nothing_new(&mut w).await;
    for unknown in [json!(null), json!("0123-99999999"), json!("nonsense")] {
        w.odoo.state["tag"] = unknown;
        let answer = w.odoo.exchange(&w.service).await.unwrap();
        assert_eq!(answer["state"]["partial"], false);
        assert_eq!(answer["state"]["accounts"].as_array().unwrap().len(), 1);
        has_nothing_new(&mut w).await;
    }
    // An app registration concerns all who use it.
    w.sql("UPDATE registrations SET problem = 'expired'").await;
    let answer = w.odoo.exchange(&w.service).await.unwrap();
    assert_eq!(answer["state"]["partial"], false);
    assert_eq!(w.odoo.state["accounts"][0]["reason"], "expired");
    has_nothing_new(&mut w).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_of_one_user_is_asked_for_alone() {
    let (w, database) = still().await;
    let mut conn = w.service.engine.store.get().await.unwrap();
    fill(&mut conn, database, 3).await;
    let status = |arguments: Value| w.odoo.call(&w.service, 7, "outlook.bridge", "status", arguments);
    let all = status(json!({})).await.unwrap();
    assert_eq!(all["accounts"].as_array().unwrap().len(), 3);
    assert!(all["tag"].is_string() && all["partial"] == false);
    let one = status(json!({"user_id": 7})).await.unwrap();
    assert_eq!(one["accounts"], json!([all["accounts"][0]]));
    assert!(one["tag"].is_null() && one["partial"] == true);
    let nobody = status(json!({"user_id": 8000})).await.unwrap();
    assert_eq!(nobody["accounts"], json!([]));
}
