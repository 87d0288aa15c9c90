//! Calls without permission: each refusal has Odoo's format, and nothing changes.

use outlook_bridge::web::table::{self, About, Effect, Keys};
use std::time::Duration;

use serde_json::{Value, json};

use super::odoo::Odoo;
use super::stack::{ANN, BEN, Service, Stack, enroll, eventually};

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

/// Methods about a user or a row that they name that are no error for one who has nothing here.
const NO_ERROR: &[&str] = &[
    "res.users.stop",
    "res.users.restart",
    "res.users.progress",
    "res.users.see_conflicts",
    "res.users.stop_microsoft_synchronization",
    "res.users.restart_microsoft_synchronization",
    "microsoft.calendar.account.reset.read",
];

/// Returns every method, with valid arguments.
fn all_methods() -> Vec<(&'static str, &'static str, Value, About)> {
    let with_subject = |(model, method, arguments)| {
        let listed =
            table::find(model, method).unwrap_or_else(|| panic!("{model}.{method} is not in the table"));
        (model, method, arguments, listed.about)
    };
    with_arguments().into_iter().map(with_subject).collect()
}

fn with_arguments() -> Vec<(&'static str, &'static str, Value)> {
    let user = json!({"user_id": 7});
    let ids = json!({"ids": [7]});
    let wizard = "microsoft.calendar.account.reset";
    let searched = [
        "outlook.bridge.account",
        "outlook.bridge.journal",
        "outlook.bridge.meeting",
        "outlook.bridge.trouble",
    ];
    let searches = [
        ("fields_get", json!({})),
        ("read", json!({"ids": [1, 2, 3]})),
        ("read_group", json!({})),
        ("search", json!({})),
        ("search_count", json!({})),
        ("search_read", json!({})),
    ];
    let lists = searched.into_iter().flat_map(|model| {
        let methods = searches.clone().into_iter();
        methods.map(move |(method, arguments)| (model, method, arguments))
    });
    let others = vec![
        (
            "outlook.bridge",
            "pair",
            json!({"name": "x", "base_url": "https://x.example", "series": "19.0"}),
        ),
        ("outlook.bridge", "unpair", json!({})),
        ("outlook.bridge", "renew_key", json!({})),
        ("outlook.bridge", "stock_links", json!({})),
        ("outlook.bridge", "status", json!({})),
        ("outlook.bridge", "signal", json!({})),
        ("outlook.bridge", "check", json!({})),
        ("outlook.bridge", "notified", json!({"value": []})),
        ("outlook.bridge", "journal", json!({"user_id": 7})),
        ("res.config.settings", "set_values", json!({"paused": true})),
        ("res.users", "authorize_url", json!({"from_url": "/"})),
        ("res.users", "redeem", json!({"state": "x", "code": "y"})),
        ("res.users", "switch_mailbox", json!({"state": "x"})),
        ("res.users", "stop", user.clone()),
        ("res.users", "restart", user.clone()),
        ("res.users", "progress", user.clone()),
        ("res.users", "removals", user.clone()),
        (
            "res.users",
            "answer_removals",
            json!({"user_id": 7, "remove": true}),
        ),
        ("res.users", "preview", user.clone()),
        (
            "res.users",
            "answer_preview",
            json!({"user_id": 7, "choice": "leave"}),
        ),
        ("res.users", "answer_mails", json!({"user_id": 7, "send": true})),
        ("res.users", "see_conflicts", json!({"user_id": 7})),
        (wizard, "preview", user.clone()),
        (
            wizard,
            "reset_account",
            json!({"user_id": 7, "delete_policy": "delete_both", "sync_policy": "all"}),
        ),
        (
            "calendar.event",
            "sync",
            json!({"nonce": "a", "next_nonce": "b", "existing_left": [], "departed": [{"user_id": 7, "deleted": true}]}),
        ),
        ("calendar.event", "preview", json!({"ids": [1]})),
        (
            "calendar.event",
            "answer_preview",
            json!({"ids": [1], "choice": "leave"}),
        ),
        ("outlook.bridge.journal", "other_value", json!({"line_id": 1})),
        (
            "outlook.bridge.meeting",
            "preview_put_back",
            json!({"meeting_id": 1}),
        ),
        (
            "outlook.bridge.meeting",
            "put_back",
            json!({"meeting_id": 1, "invited": []}),
        ),
        ("outlook.bridge.choices", "get", user.clone()),
        ("outlook.bridge.choices", "calendars", user),
        (
            "outlook.bridge.choices",
            "preview",
            json!({"user_id": 7, "choices": {}}),
        ),
        (
            "outlook.bridge.choices",
            "set",
            json!({"user_id": 7, "choices": {}}),
        ),
        ("outlook.bridge.trouble", "retry", json!({"ids": [1]})),
        ("ir.model", "fields_get", json!({})),
        ("ir.model", "search", json!({})),
        ("ir.model", "search_read", json!({})),
        ("res.users", "fields_get", json!({})),
        ("res.users", "context_get", json!({})),
        ("res.users", "check_calendar_credentials", json!({})),
        ("res.users", "check_synchronization_status", ids.clone()),
        ("res.users", "stop_microsoft_synchronization", ids.clone()),
        ("res.users", "restart_microsoft_synchronization", ids.clone()),
        ("res.users", "pause_microsoft_synchronization", ids.clone()),
        ("res.users", "unpause_microsoft_synchronization", ids.clone()),
        ("res.config.settings", "fields_get", json!({})),
        ("res.config.settings", "default_get", json!({})),
        ("res.config.settings", "get_values", json!({})),
        (
            "res.config.settings",
            "create",
            json!({"vals_list": {"cal_microsoft_sync_paused": true}}),
        ),
        ("res.config.settings", "execute", json!({"ids": [1]})),
        (wizard, "fields_get", json!({})),
        (wizard, "default_get", json!({})),
        (wizard, "create", json!({"vals_list": {"user_id": 7}})),
        (wizard, "read", json!({"ids": [1]})),
    ];
    lists.chain(others).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_is_in_the_table_of_who_may_call_it() {
    let stack = Stack::start().await;
    let service = stack.serve().await;
    let mut served = outlook_bridge::web::method_names(service.engine.clone()).expect("the methods");
    served.sort_unstable();
    let mut listed: Vec<String> = all_methods()
        .iter()
        .map(|(model, method, _, _)| format!("{model}.{method}"))
        .collect();
    listed.sort_unstable();
    assert_eq!(served, listed);
}

/// The table is generated; the document says how.
#[test]
fn the_documents_have_the_table() {
    const BEGIN: &str = "<!-- service: generated -->\n";
    const END: &str = "\n<!-- service: end -->";
    let mut lines = vec![
        "## Methods of the service".to_owned(),
        String::new(),
        "| model | method | who, with the database's own key and under its name | other keys |".to_owned(),
        "|---|---|---|---|".to_owned(),
    ];
    let mut methods = all_methods();
    methods.sort_by_key(|(model, method, ..)| (*model, *method));
    for (model, method, _, about) in methods {
        let who = match about {
            About::Database => "this database: the add-on asks who may",
            About::Named => "this database, about a user that it names: the add-on asks who may",
            About::Row => "this database, about a row that it names: the add-on asks who may",
            About::Caller => "the calling user of this database, about themselves",
            About::Stranger => "who has a code, in place of the key",
        };
        let listed = table::find(model, method).expect("it is in the table");
        let keys = match listed.keys {
            Keys::AddOn => "none",
            Keys::Administrator => "an administrator's",
            Keys::User => "an administrator's; a user's, about the user's own",
        };
        let scope = match (listed.keys, listed.effect) {
            (Keys::AddOn, _) | (_, Effect::Reads) => "",
            (_, Effect::Writes) => "; none for reading alone",
        };
        lines.push(format!("| `{model}` | `{method}` | {who} | {keys}{scope} |"));
    }
    let table = lines.join("\n");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/ACCESS.md");
    let document = std::fs::read_to_string(path).expect("the document");
    let (before, rest) = document.split_once(BEGIN).expect("a beginning");
    let (written, after) = rest.split_once(END).expect("an end");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, format!("{before}{BEGIN}{table}{END}{after}")).expect("written");
        return;
    }
    assert_eq!(written, table, "run it with UPDATE_DOCS=1");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_right_key_of_the_right_database_opens() {
    let stack = Stack::start().await;
    let service = stack.serve().await;
    let ann = Odoo::pair(&service).await;
    let other = Odoo::pair(&service).await;
    ann.connect(&stack, &service, 7).await.expect("Ann");
    let before = ann
        .call(&service, 1, "outlook.bridge", "status", json!({}))
        .await
        .unwrap();
    assert_eq!(before["configured"], true);
    for (uuid, key) in [
        (&ann.uuid, "wrong"),
        (&ann.uuid, ""),
        (&ann.uuid, other.key.as_str()),
        (&"nobody".to_owned(), ann.key.as_str()),
        (&other.uuid, ann.key.as_str()),
    ] {
        let mut stranger = ann.clone();
        stranger.uuid.clone_from(uuid);
        stranger.key = key.to_owned();
        for (model, method, kwargs, _) in all_methods() {
            let error = when_heard(async || stranger.call(&service, 7, model, method, kwargs.clone()).await)
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
    let after = when_heard(async || ann.call(&service, 1, "outlook.bridge", "status", json!({})).await)
        .await
        .unwrap();
    assert_eq!(settled(after), settled(before));
}

/// Repeats a call while the service listens to nobody from here, as too many wrong keys came.
async fn when_heard(mut call: impl AsyncFnMut() -> Result<Value, Value>) -> Result<Value, Value> {
    eventually("the service listens", async || {
        let answer = call().await;
        let is_deaf = answer
            .as_ref()
            .is_err_and(|error| error.to_string().contains("has been called too often"));
        (!is_deaf).then_some(answer)
    })
    .await
}

/// Returns a state without the values that change with time.
fn settled(mut state: Value) -> Value {
    for account in state["accounts"].as_array_mut().expect("accounts") {
        account["last_sync"] = Value::Null;
    }
    state["tag"] = Value::Null;
    state
}

/// The caller is another database's user with the same number, and with that database's own key.
#[tokio::test(flavor = "multi_thread")]
async fn no_method_reaches_into_another_database() {
    let stack = Stack::start().await;
    let service = stack.serve().await;
    let ann = Odoo::pair(&service).await;
    ann.connect(&stack, &service, 7).await.expect("Ann");
    let url = ann.authorize_url(&service, 7).await.unwrap();
    let login = stack.sign_in(&url, ANN, "accept").await;
    let before = ann
        .call(&service, 1, "outlook.bridge", "status", json!({}))
        .await
        .unwrap();
    for (model, method, mut kwargs, about) in all_methods() {
        // A caller without a key may call 20 times a second, and each pairing is such a call.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let other = Odoo::pair(&service).await;
        if kwargs.get("state").is_some() {
            kwargs = if method == "redeem" {
                json!(login)
            } else {
                json!({"state": login["state"]})
            };
        }
        let answer = other.call(&service, 7, model, method, kwargs).await;
        match about {
            About::Named | About::Row if !NO_ERROR.contains(&format!("{model}.{method}").as_str()) => {
                let name = "odoo.exceptions.MissingError";
                assert_eq!(name_of(&answer.unwrap_err()), name, "{model}.{method}");
            }
            About::Caller if method != "authorize_url" => {
                assert_eq!(
                    name_of(&answer.unwrap_err()),
                    "odoo.exceptions.UserError",
                    "{model}.{method}"
                );
            }
            About::Stranger => assert!(answer.is_err(), "{model}.{method}"),
            _ => {
                let answer = answer.unwrap_or_else(|e| panic!("{model}.{method}: {e}"));
                assert!(!answer.to_string().contains(ANN), "{model}.{method}: {answer}");
            }
        }
    }
    let after = ann
        .call(&service, 1, "outlook.bridge", "status", json!({}))
        .await
        .unwrap();
    assert_eq!(settled(after), settled(before));
    // The login that they tried to use still belongs to its owner.
    ann.redeem(&service, 7, &login).await.expect("hers");
}

/// The caller is of the right database, but uses another person's login, or nobody's.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_the_callers_own_is_nobody_elses() {
    let stack = Stack::start().await;
    let service = stack.serve().await;
    let odoo = Odoo::pair(&service).await;
    odoo.connect(&stack, &service, 7).await.expect("Ann");
    let url = odoo.authorize_url(&service, 7).await.unwrap();
    let login = stack.sign_in(&url, BEN, "accept").await;
    let question = odoo.redeem(&service, 7, &login).await.expect("a question");
    assert_eq!(question["question"]["actual"], BEN);
    let own: Vec<_> = all_methods()
        .into_iter()
        .filter(|(_, _, _, about)| *about == About::Caller)
        .collect();
    assert_eq!(own.len(), 3);
    for uid in [8, 1, 0, -7] {
        for (model, method, kwargs, _) in &own {
            let kwargs = match *method {
                "redeem" => json!(login),
                "switch_mailbox" => json!({"state": login["state"]}),
                _ => kwargs.clone(),
            };
            let answer = odoo.call(&service, uid, model, method, kwargs).await;
            match (*method, uid) {
                // Any user may begin a login of their own, but a call needs a user.
                ("authorize_url", 1..) => assert!(answer.is_ok(), "{uid}"),
                ("authorize_url", _) => {
                    assert_eq!(name_of(&answer.unwrap_err()), "odoo.exceptions.AccessDenied")
                }
                _ => {
                    let error = answer.unwrap_err();
                    assert_eq!(
                        name_of(&error),
                        "odoo.exceptions.UserError",
                        "{method} {uid}: {error}"
                    );
                }
            }
        }
    }
    let state = odoo
        .call(&service, 1, "outlook.bridge", "status", json!({}))
        .await
        .unwrap();
    assert_eq!(state["accounts"].as_array().unwrap().len(), 1);
    assert_eq!(state["accounts"][0]["login"], ANN);
    assert_eq!(state["accounts"][0]["status"], "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_methods_and_bad_arguments_are_named() {
    let stack = Stack::start().await;
    let service = stack.serve().await;
    let odoo = Odoo::pair(&service).await;
    for (model, method) in [
        ("res.partner", "unlink"),
        ("calendar.event", "unlink"),
        ("res.partner", "__class__"),
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
    // a plain code only pairs a database that is not known yet
    odoo.uuid = "another".to_owned();
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
    let request = |key: &str, path: &str| {
        reqwest::Client::new()
            .post(format!("{}/json/2/{path}", service.url))
            .header("Authorization", format!("bearer {key}"))
            .header("X-Odoo-Database", &odoo.uuid)
            .json(&json!({}))
    };
    let call = |key: &str, path: &str| request(key, path).header("X-Odoo-User", "7").send();
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
    // The add-on's key is everybody's: it is nobody's without a user.
    for (path, user) in [
        ("outlook.bridge/status", None),
        ("res.users/context_get", None),
        ("outlook.bridge/status", Some("Ann")),
        ("outlook.bridge/status", Some("")),
    ] {
        let request = request(&odoo.key, path);
        let request = match user {
            Some(user) => request.header("X-Odoo-User", user),
            None => request,
        };
        let refused = request.send().await.unwrap();
        assert_eq!(refused.status(), 422, "{path} {user:?}");
        let said: Value = refused.json().await.unwrap();
        assert_eq!(said["name"], "odoo.exceptions.UserError");
        assert!(
            said["message"].as_str().unwrap().contains("X-Odoo-User"),
            "{said}"
        );
    }
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
        let answer = reqwest::get(format!("{}{path}", service.admin_url))
            .await
            .unwrap();
        assert!(answer.status().is_success());
        let elsewhere = reqwest::get(format!("{}{path}", service.url)).await.unwrap();
        assert_eq!(
            elsewhere.status(),
            404,
            "where Odoo calls there is nothing of the kind"
        );
        assert!(answer.text().await.unwrap().contains(word));
    }
}
