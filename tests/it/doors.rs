//! What comes to the doors uninvited: each refusal has Odoo's shape, and nothing changes.

use serde_json::{Value, json};

use super::odoo::Odoo;
use super::stack::{Service, Stack, enroll};

async fn post(service: &Service, path: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
    let request = reqwest::Client::new()
        .post(format!("{}{path}", service.url))
        .body(body);
    let response = request
        .header("Content-Type", "application/json")
        .send()
        .await
        .expect("an answer");
    (
        response.status().as_u16(),
        response.json().await.unwrap_or(Value::Null),
    )
}

fn name_of(error: &Value) -> &str {
    error["data"]["name"].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_get_json_rpcs_own_errors() {
    let stack = Stack::start().await;
    let service = stack.serve().await;
    for (body, code) in [("{", -32700), ("[]", -32600), ("{\"jsonrpc\":\"2.0\"}", -32600)] {
        let (status, answer) = post(&service, "/jsonrpc", body).await;
        assert_eq!(
            (status, answer["error"]["code"].as_i64()),
            (200, Some(code)),
            "{body}"
        );
    }
    let (status, answer) = post(&service, "/jsonrpc", vec![b' '; 20 * 1024 * 1024]).await;
    assert_eq!(
        (status, name_of(&answer["error"])),
        (413, "odoo.exceptions.UserError")
    );
    let version = json!({"jsonrpc": "2.0", "method": "call", "id": 3, "params": {"service": "common", "method": "version", "args": []}});
    let (_, answer) = post(&service, "/jsonrpc", version.to_string()).await;
    assert_eq!(
        (
            answer["id"].as_i64(),
            answer["result"]["protocol_version"].as_i64()
        ),
        (Some(3), Some(1))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_right_key_of_the_right_database_opens() {
    let stack = Stack::start().await;
    let service = stack.serve().await;
    let ann = Odoo::pair(&service).await;
    let other = Odoo::pair(&service).await;
    assert_eq!(
        ann.call(&service, 1, "outlook.bridge", "status", json!({}))
            .await
            .unwrap()["configured"],
        true
    );
    for (uuid, key) in [
        (&ann.uuid, "wrong"),
        (&ann.uuid, ""),
        (&ann.uuid, other.key.as_str()),
        (&"nobody".to_owned(), ann.key.as_str()),
    ] {
        let mut stranger = ann.clone();
        stranger.uuid.clone_from(uuid);
        stranger.key = key.to_owned();
        for (model, method, kwargs) in [
            ("outlook.bridge", "status", json!({})),
            ("outlook.bridge", "journal", json!({})),
            ("outlook.bridge", "unpair", json!({})),
            ("res.config.settings", "set_values", json!({"paused": true})),
            ("res.users", "authorize_url", json!({"from_url": "/"})),
            ("res.users", "redeem", json!({"state": "x", "code": "y"})),
            ("res.users", "stop", json!({"user_id": 7})),
            ("res.users", "restart", json!({"user_id": 7})),
            (
                "microsoft.calendar.account.reset",
                "reset_account",
                json!({"user_id": 7, "delete_policy": "delete_both", "sync_policy": "all"}),
            ),
            ("calendar.event", "sync", json!({"nonce": "a", "next_nonce": "b"})),
        ] {
            let error = stranger
                .call(&service, 1, model, method, kwargs)
                .await
                .unwrap_err();
            assert_eq!(
                name_of(&error),
                "odoo.exceptions.AccessDenied",
                "{model}.{method}: {error}"
            );
            assert_eq!(error["data"]["debug"], "");
        }
    }
    assert_eq!(
        ann.call(&service, 1, "outlook.bridge", "status", json!({}))
            .await
            .unwrap()["paused"],
        false
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_methods_and_bad_arguments_are_named() {
    let stack = Stack::start().await;
    let service = stack.serve().await;
    let odoo = Odoo::pair(&service).await;
    for (model, method) in [
        ("res.partner", "unlink"),
        ("calendar.event", "unlink"),
        ("outlook.bridge", "__class__"),
    ] {
        let error = odoo
            .call(&service, 1, model, method, json!({}))
            .await
            .unwrap_err();
        assert_eq!(
            (name_of(&error), error["code"].as_i64()),
            ("werkzeug.exceptions.NotFound", Some(404))
        );
        assert!(
            error["data"]["message"]
                .as_str()
                .unwrap()
                .contains(&format!("{model}.{method}"))
        );
    }
    let error = odoo
        .call(&service, 1, "res.users", "stop", json!({"user_id": "seven"}))
        .await
        .unwrap_err();
    assert_eq!(name_of(&error), "odoo.exceptions.UserError");
    let error = odoo
        .call(&service, 1, "res.users", "stop", json!({}))
        .await
        .unwrap_err();
    assert!(
        error["data"]["message"].as_str().unwrap().contains("user_id"),
        "{error}"
    );
    let error = odoo
        .call(
            &service,
            1,
            "res.config.settings",
            "set_values",
            json!({"client_id": "two words"}),
        )
        .await
        .unwrap_err();
    assert!(
        error["data"]["message"]
            .as_str()
            .unwrap()
            .starts_with("Client ID"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_pairs_one_database_once() {
    let stack = Stack::start().await;
    let service = stack.serve().await;
    let mut odoo = Odoo::pair(&service).await;
    let kwargs = json!({"name": "odoo", "base_url": "https://odoo.example.com", "series": "19.0"});
    for code in ["AAAAA-BBBBB-CCCCC-DDDDD-EEEEE", ""] {
        odoo.key = code.to_owned();
        let error = odoo
            .call(&service, 2, "outlook.bridge", "pair", kwargs.clone())
            .await
            .unwrap_err();
        assert_eq!(name_of(&error), "odoo.exceptions.AccessDenied");
    }
    odoo.key = enroll(&service).await.to_lowercase();
    let bad = json!({"name": "odoo", "base_url": "javascript:alert(1)", "series": "19.0"});
    let error = odoo
        .call(&service, 2, "outlook.bridge", "pair", bad)
        .await
        .unwrap_err();
    assert_eq!(name_of(&error), "odoo.exceptions.UserError");
    assert!(
        odoo.call(&service, 2, "outlook.bridge", "pair", kwargs.clone())
            .await
            .is_ok(),
        "a refused address uses no code up"
    );
    let error = odoo
        .call(&service, 2, "outlook.bridge", "pair", kwargs)
        .await
        .unwrap_err();
    assert_eq!(
        name_of(&error),
        "odoo.exceptions.AccessDenied",
        "a code is good once"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn json_2_is_the_same_door() {
    let stack = Stack::start().await;
    let service = stack.serve().await;
    let odoo = Odoo::pair(&service).await;
    let call = |key: &str, path: &str| {
        reqwest::Client::new()
            .post(format!("{}/json/2/{path}", service.url))
            .header("Authorization", format!("bearer {key}"))
            .header("X-Odoo-Database", &odoo.uuid)
            .json(&json!({}))
            .send()
    };
    let answer: Value = call(&odoo.key, "outlook.bridge/status")
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(answer["configured"], true);
    let refused = call("wrong", "outlook.bridge/status").await.unwrap();
    assert_eq!(refused.status(), 401);
    assert_eq!(
        refused.json::<Value>().await.unwrap()["name"],
        "odoo.exceptions.AccessDenied"
    );
    assert_eq!(call(&odoo.key, "no.model/method").await.unwrap().status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_says_what_is_not_ready() {
    let stack = Stack::start().await;
    let service = stack.serve().await;
    for (path, word) in [
        ("/health/live", "live"),
        ("/health/ready", "ready"),
        ("/metrics", ""),
    ] {
        let answer = reqwest::get(format!("{}{path}", service.url)).await.unwrap();
        assert!(answer.status().is_success());
        assert!(answer.text().await.unwrap().contains(word));
    }
}
