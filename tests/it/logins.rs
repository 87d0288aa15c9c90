//! Logging in at Microsoft: who may, once, and where to come back to.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::odoo::Odoo;
use super::stack::{ANN, BEN, CLIENT_ID, CLIENT_SECRET, Service, Stack, eventually};

async fn start() -> (Stack, Service, Odoo) {
    let stack = Stack::start().await;
    let service = stack.serve().await;
    let odoo = Odoo::pair(&service).await;
    (stack, service, odoo)
}

fn words(error: &Value) -> &str {
    error["data"]["message"].as_str().unwrap_or_default()
}

async fn account_of(service: &Service, odoo: &Odoo, user: i64) -> Option<Value> {
    let state = odoo
        .call(service, 1, "outlook.bridge", "status", json!({}))
        .await
        .expect("a state");
    state["accounts"]
        .as_array()
        .expect("accounts")
        .iter()
        .find(|a| a["user_id"] == user)
        .cloned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_connects_its_user_and_can_be_repeated_by_odoo_alone() {
    let (stack, service, odoo) = start().await;
    let url = odoo.authorize_url(&service, 7).await.unwrap();
    assert!(!url.contains(CLIENT_SECRET));
    let query = stack.sign_in(&url, ANN, "accept").await;
    // Another user's session, or another database, cannot use it.
    assert!(words(&odoo.redeem(&service, 8, &query).await.unwrap_err()).contains("not started by you"));
    let other = Odoo::pair(&service).await;
    assert!(words(&other.redeem(&service, 7, &query).await.unwrap_err()).contains("not started by you"));
    let first = odoo.redeem(&service, 7, &query).await.unwrap();
    assert_eq!(first["return_url"], "http://odoo.test:8069/odoo/calendar");
    assert_eq!(
        odoo.redeem(&service, 7, &query).await.unwrap()["return_url"],
        first["return_url"],
        "Odoo repeats transactions"
    );
    let mut replayed = query.clone();
    replayed.insert("code".into(), "another".into());
    assert!(
        odoo.redeem(&service, 7, &replayed).await.is_err(),
        "a state is good for one code"
    );
    let account = account_of(&service, &odoo, 7).await.expect("an account");
    assert_eq!(
        (account["status"].as_str(), account["login"].as_str()),
        (Some("active"), Some(ANN))
    );
    assert!(account_of(&service, &odoo, 8).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_states_cancelled_logins_and_foreign_pages_change_nothing() {
    let (stack, service, odoo) = start().await;
    for state in [
        "",
        "{}",
        "{\"d\":\"odoo\",\"s\":\"calendar\",\"b\":\"AAAA\"}",
        "not json",
    ] {
        let query = BTreeMap::from([
            ("state".to_owned(), state.to_owned()),
            ("code".to_owned(), "x".to_owned()),
        ]);
        assert!(words(&odoo.redeem(&service, 7, &query).await.unwrap_err()).contains("not started by you"));
    }
    let url = odoo.authorize_url(&service, 7).await.unwrap();
    let query = stack.sign_in(&url, ANN, "cancel").await;
    assert!(words(&odoo.redeem(&service, 7, &query).await.unwrap_err()).contains("cancelled"));
    for from_url in [
        "https://evil.example/",
        "//evil.example/x",
        "http://odoo.test:8069@evil.example/",
    ] {
        let error = odoo
            .call(
                &service,
                7,
                "res.users",
                "authorize_url",
                json!({"from_url": from_url}),
            )
            .await
            .unwrap_err();
        assert!(
            words(&error).contains("return to a page of"),
            "{from_url}: {error}"
        );
    }
    assert!(account_of(&service, &odoo, 7).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_the_admins_problem_and_keeps_everybodys_consent() {
    let (stack, service, odoo) = start().await;
    odoo.connect(&stack, &service, 7).await.unwrap();
    odoo.call(
        &service,
        2,
        "res.config.settings",
        "set_values",
        json!({"client_secret": "wrong~secret"}),
    )
    .await
    .unwrap();
    let url = odoo.authorize_url(&service, 8).await.unwrap();
    let query = stack.sign_in(&url, BEN, "accept").await;
    let error = odoo.redeem(&service, 8, &query).await.unwrap_err();
    assert!(
        words(&error).contains("Client Secret") && !words(&error).contains("wrong~secret"),
        "{error}"
    );
    let account = account_of(&service, &odoo, 7).await.unwrap();
    assert_eq!(account["status"], "attention");
    assert!(account["reason"].as_str().unwrap().contains("Client Secret"));
    odoo.call(
        &service,
        2,
        "res.config.settings",
        "set_values",
        json!({"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}),
    )
    .await
    .unwrap();
    eventually("Ann syncs again, without a login", async || {
        (account_of(&service, &odoo, 7).await?["status"] == "active").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_person_or_a_mailbox_taken_already_is_noticed() {
    let (stack, service, mut odoo) = start().await;
    odoo.connect(&stack, &service, 7).await.unwrap();
    odoo.users.insert(7, BEN.to_owned());
    let error = odoo.connect(&stack, &service, 7).await.unwrap_err();
    assert!(words(&error).contains("never mixed"), "{error}");
    odoo.users.insert(8, ANN.to_owned());
    let error = odoo.connect(&stack, &service, 8).await.unwrap_err();
    assert!(words(&error).contains("connected already"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_consent_asks_its_user_alone() {
    let (stack, service, odoo) = start().await;
    // Access tokens outlive a withdrawn consent; these must be renewed at every run.
    stack
        .sim_call("PATCH", "switches", json!({"access_token_seconds": 60}))
        .await;
    odoo.connect(&stack, &service, 7).await.unwrap();
    odoo.connect(&stack, &service, 8).await.unwrap();
    stack
        .sim_call("POST", &format!("people/{ANN}/revoke"), Value::Null)
        .await;
    eventually("Ann must log in again", async || {
        (account_of(&service, &odoo, 7).await?["status"] == "need_auth").then_some(())
    })
    .await;
    assert_eq!(account_of(&service, &odoo, 8).await.unwrap()["status"], "active");
    odoo.connect(&stack, &service, 7).await.expect("and can");
    assert_eq!(account_of(&service, &odoo, 7).await.unwrap()["status"], "active");
}
