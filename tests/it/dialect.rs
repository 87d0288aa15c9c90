//! Odoo's clients call the service as they call Odoo: with positional arguments, in sessions, with
//! keys of administrators and of users.

use std::collections::BTreeSet;

use diesel_async::RunQueryDsl;
use outlook_bridge::admin::keys::{self, Purpose};
use outlook_bridge::store::databases;
use outlook_bridge::web::table;
use serde_json::{Value, json};

use super::stack::{ANN, BEN};
use super::world::{World, odoo_time, world};

pub const ACCOUNT: &str = "outlook.bridge.account";
pub const RESET: &str = "microsoft.calendar.account.reset";
pub const SETTINGS: &str = "res.config.settings";

/// An administrator's key that may change things.
pub const ADMINISTRATOR: Purpose<'static> = Purpose {
    name: "a test",
    user_id: None,
    may_write: true,
    days: None,
};

pub fn of_user(user_id: i32) -> Purpose<'static> {
    Purpose {
        user_id: Some(user_id),
        ..ADMINISTRATOR
    }
}

/// Makes a key; returns its number and the key.
pub async fn key(w: &World, purpose: Purpose<'_>) -> (i64, String) {
    let mut conn = w.service.engine.store.get().await.expect("Postgres");
    let database = databases::by_uuid(&mut conn, &w.odoo.uuid)
        .await
        .expect("Postgres")
        .expect("it is paired");
    let made = keys::create(&mut conn, &database, &purpose).await.expect("a key");
    (made.id, made.key)
}

pub async fn sql(w: &World, statement: &str) {
    let mut conn = w.service.engine.store.get().await.expect("Postgres");
    diesel::sql_query(statement)
        .execute(&mut conn)
        .await
        .expect("carried out");
}

pub fn envelope(params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "method": "call", "id": 5, "params": params})
}

/// Returns the result, or the error.
fn outcome(mut answer: Value) -> Result<Value, Value> {
    assert_eq!(
        (&answer["jsonrpc"], &answer["id"]),
        (&json!("2.0"), &json!(5)),
        "{answer}"
    );
    match answer.get_mut("error") {
        Some(error) => Err(error.take()),
        None => Ok(answer["result"].take()),
    }
}

/// Calls a service of `/jsonrpc`.
async fn rpc(w: &World, service: &str, method: &str, args: Value) -> Result<Value, Value> {
    let body = envelope(&json!({"service": service, "method": method, "args": args}));
    let request = reqwest::Client::new()
        .post(format!("{}/jsonrpc", w.service.url))
        .json(&body);
    let response = request.send().await.expect("an answer");
    assert_eq!(response.status(), 200);
    outcome(response.json().await.expect("JSON"))
}

pub async fn execute(
    w: &World,
    (uid, key): (i32, &str),
    model: &str,
    method: &str,
    args: Value,
    kwargs: Value,
) -> Result<Value, Value> {
    let args = json!([w.odoo.uuid, uid, key, model, method, args, kwargs]);
    rpc(w, "object", "execute_kw", args).await
}

pub fn name_of(error: &Value) -> &str {
    error["data"]["name"].as_str().unwrap_or_default()
}

/// Posts to one of the addresses of Odoo's web client.
async fn web(
    w: &World,
    client: &reqwest::Client,
    path: &str,
    cookie: &str,
    params: Value,
) -> (Result<Value, Value>, Option<String>) {
    let request = client
        .post(format!("{}{path}", w.service.url))
        .header("Cookie", cookie)
        .json(&envelope(&params));
    let response = request.send().await.expect("an answer");
    assert_eq!(response.status(), 200, "{path}");
    let set = response.headers().get("Set-Cookie");
    let set = set.map(|line| line.to_str().expect("text").to_owned());
    (outcome(response.json().await.expect("JSON")), set)
}

pub async fn json2(w: &World, key: &str, path: &str, body: Value) -> (u16, Value) {
    let request = reqwest::Client::new()
        .post(format!("{}/json/2/{path}", w.service.url))
        .bearer_auth(key)
        .header("X-Odoo-Database", "odoo")
        .json(&body);
    let response = request.send().await.expect("an answer");
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or(Value::Null))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_logs_in_with_a_key_and_calls_with_positional_arguments() {
    let w = world().await;
    let (_, admin) = key(&w, ADMINISTRATOR).await;
    let (_, ann) = key(&w, of_user(7)).await;
    let version = rpc(&w, "common", "version", json!([])).await.expect("a version");
    assert_eq!(
        (&version["server_serie"], &version["server_version_info"][0]),
        (&json!("19.0"), &json!(19))
    );
    let about = rpc(&w, "common", "about", json!([true])).await.expect("told");
    assert_eq!(about[1], "19.0");
    for (database, login, key, expected) in [
        ("odoo", "admin", &admin, json!(1)),
        (w.odoo.uuid.as_str(), "admin", &admin, json!(1)),
        ("odoo", ANN, &ann, json!(7)),
        ("odoo", "ANN@contoso.example", &ann, json!(7)),
        ("odoo", "7", &ann, json!(7)),
        ("odoo", BEN, &ann, json!(false)),
        ("odoo", "admin", &ann, json!(false)),
        ("odoo", ANN, &admin, json!(false)),
        ("another", "admin", &admin, json!(false)),
        ("odoo", "admin", &"wrong".to_owned(), json!(false)),
    ] {
        for method in ["login", "authenticate"] {
            let mut args = vec![json!(database), json!(login), json!(key)];
            args.extend((method == "authenticate").then(|| json!({})));
            let uid = rpc(&w, "common", method, args.into()).await;
            assert_eq!(uid, Ok(expected.clone()), "{method} {database} {login}");
        }
    }

    let domain = json!([["state", "=", "active"]]);
    let found = execute(
        &w,
        (1, &admin),
        ACCOUNT,
        "search_read",
        json!([domain, ["login"], 0, false, false]),
        json!({"context": {"lang": "fr_FR"}}),
    )
    .await
    .expect("rows");
    assert_eq!(found[0]["login"], ANN);
    let id = &found[0]["id"];
    let args = json!(["odoo", 1, admin, ACCOUNT, "read", [id], ["user_id"]]);
    let read = rpc(&w, "object", "execute", args).await;
    assert_eq!(read, Ok(json!([{"id": id, "user_id": 7}])));
    // One id stands for a list of one.
    let read = execute(
        &w,
        (1, &admin),
        ACCOUNT,
        "read",
        json!([id, ["user_id"]]),
        json!({}),
    )
    .await;
    assert_eq!(read, Ok(json!([{"id": id, "user_id": 7}])));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_has_odoos_names() {
    let w = world().await;
    let (_, admin) = key(&w, ADMINISTRATOR).await;
    let (_, ann) = key(&w, of_user(7)).await;
    let name = async |who: (i32, &str), model: &str, method: &str, args: Value| {
        let error = execute(&w, who, model, method, args, json!({}))
            .await
            .expect_err("refused");
        assert_eq!(error["data"]["debug"], "");
        let code = error["code"].as_i64().expect("a code");
        (code, name_of(&error).to_owned())
    };
    let denied = (0, "odoo.exceptions.AccessDenied".to_owned());
    let forbidden = (0, "odoo.exceptions.AccessError".to_owned());
    let user_error = (0, "odoo.exceptions.UserError".to_owned());
    let missing = (0, "odoo.exceptions.MissingError".to_owned());
    let not_found = (404, "werkzeug.exceptions.NotFound".to_owned());
    let none = || json!([]);
    assert_eq!(name((1, "wrong"), ACCOUNT, "search", none()).await, denied);
    assert_eq!(name((1, ""), ACCOUNT, "search", none()).await, denied);
    // A key is one user's.
    assert_eq!(name((2, &admin), ACCOUNT, "search", none()).await, denied);
    assert_eq!(name((8, &ann), ACCOUNT, "search", none()).await, denied);
    assert_eq!(name((1, &admin), ACCOUNT, "_search", none()).await, forbidden);
    assert_eq!(
        name((1, &admin), ACCOUNT, "unlink", json!([[1]])).await,
        not_found
    );
    assert_eq!(
        name((1, &admin), "res.partner", "read", json!([[1]])).await,
        not_found
    );
    let too_many = json!([[], [], 0, 1, "id", 6]);
    assert_eq!(
        name((1, &admin), ACCOUNT, "search_read", too_many).await,
        user_error
    );
    assert_eq!(
        name((1, &admin), ACCOUNT, "search", json!([[["no", "=", 1]]])).await,
        user_error
    );
    let two = json!([[7, 8]]);
    assert_eq!(
        name((1, &admin), "res.users", "stop_microsoft_synchronization", two).await,
        user_error
    );
    assert_eq!(name((1, &admin), RESET, "preview", json!([[99]])).await, missing);
    // The exchange is the add-on's.
    for method in ["renew_key", "unpair"] {
        assert_eq!(
            name((1, &admin), "outlook.bridge", method, none()).await,
            forbidden,
            "{method}"
        );
    }
    let (status, error) = json2(&w, &ann, "outlook.bridge/status", json!({})).await;
    assert_eq!(
        (status, &error["name"]),
        (403, &json!("odoo.exceptions.AccessError"))
    );
    let (status, error) = json2(&w, "wrong", "outlook.bridge/status", json!({})).await;
    assert_eq!(
        (status, &error["name"]),
        (401, &json!("odoo.exceptions.AccessDenied"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_lasts_as_long_as_its_key_and_until_it_is_destroyed() {
    let w = world().await;
    let (number, admin) = key(&w, ADMINISTRATOR).await;
    let client = reqwest::Client::new();
    let log_in = json!({"db": "odoo", "login": "admin", "password": admin});
    let mut wrong = log_in.clone();
    wrong["password"] = json!("wrong");
    let (refused, set) = web(&w, &client, "/web/session/authenticate", "", wrong).await;
    let refused = refused.expect_err("refused");
    assert_eq!(
        (name_of(&refused), &refused["data"]["message"], set),
        ("odoo.exceptions.AccessDenied", &json!("Access Denied"), None)
    );
    let begin = async || {
        let (info, set) = web(&w, &client, "/web/session/authenticate", "", log_in.clone()).await;
        let info = info.expect("a session");
        assert_eq!(
            (&info["uid"], &info["db"], &info["is_system"], &info["username"]),
            (&json!(1), &json!("odoo"), &json!(true), &json!("admin"))
        );
        let set = set.expect("a cookie");
        assert!(set.contains("HttpOnly") && set.contains("SameSite=Lax"), "{set}");
        set.split(';').next().expect("a value").to_owned()
    };
    let cookie = begin().await;
    let (info, _) = web(&w, &client, "/web/session/get_session_info", &cookie, json!({})).await;
    assert_eq!(info.expect("told")["username"], "admin");
    let search =
        json!({"model": ACCOUNT, "method": "search_read", "args": [[], ["login"]], "kwargs": {"limit": 1}});
    for path in [
        "/web/dataset/call_kw",
        "/web/dataset/call_kw/outlook.bridge.account/search_read",
    ] {
        let (found, _) = web(&w, &client, path, &cookie, search.clone()).await;
        assert_eq!(found.expect("rows")[0]["login"], ANN, "{path}");
    }
    let (version, _) = web(&w, &client, "/web/webclient/version_info", "", json!({})).await;
    assert_eq!(version.expect("a version")["server_version"], "19.0");

    let expired = |outcome: Result<Value, Value>| {
        let error = outcome.expect_err("there is no session");
        assert_eq!(
            (&error["code"], &error["message"], name_of(&error)),
            (
                &json!(100),
                &json!("Odoo Session Expired"),
                "odoo.http.SessionExpiredException"
            )
        );
    };
    expired(
        web(
            &w,
            &client,
            "/web/dataset/call_kw",
            "session_id=made-up",
            search.clone(),
        )
        .await
        .0,
    );
    let (done, set) = web(&w, &client, "/web/session/destroy", &cookie, json!({})).await;
    assert_eq!(done, Ok(Value::Null));
    assert!(set.expect("the cookie ends").contains("Max-Age=0"));
    expired(
        web(&w, &client, "/web/dataset/call_kw", &cookie, search.clone())
            .await
            .0,
    );

    let cookie = begin().await;
    sql(&w, "UPDATE sessions SET expires_at = now()").await;
    expired(web(&w, &client, "/web/session/check", &cookie, json!({})).await.0);

    let cookie = begin().await;
    let mut conn = w.service.engine.store.get().await.expect("Postgres");
    let database = databases::by_uuid(&mut conn, &w.odoo.uuid)
        .await
        .expect("Postgres");
    let revoked = keys::revoke(&mut conn, &database.expect("known"), number).await;
    assert!(revoked.expect("Postgres"));
    expired(
        web(&w, &client, "/web/session/get_session_info", &cookie, json!({}))
            .await
            .0,
    );
}

/// A page of another site can make a browser post a form, with the cookie of this one.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_takes_nothing_but_json() {
    let w = world().await;
    let body = envelope(&json!({})).to_string();
    let request = reqwest::Client::new()
        .post(format!("{}/web/session/get_session_info", w.service.url))
        .header("Content-Type", "text/plain")
        .body(body);
    assert_eq!(request.send().await.expect("an answer").status(), 415);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_read_and_set_under_odoos_names() {
    let w = world().await;
    let (_, admin) = key(&w, ADMINISTRATOR).await;
    let call = async |model: &str, method: &str, args: Value| {
        let answer = execute(&w, (1, &admin), model, method, args.clone(), json!({})).await;
        answer.unwrap_or_else(|error| panic!("{model}.{method} {args}: {error}"))
    };
    let before = call(SETTINGS, "get_values", json!([])).await;
    assert_eq!(
        (
            &before["cal_microsoft_sync_paused"],
            &before["cal_microsoft_client_secret"]
        ),
        (&json!(false), &json!(false))
    );
    assert_eq!(
        call("res.users", "check_calendar_credentials", json!([])).await,
        json!({"microsoft_calendar": true})
    );
    let wizard = call(
        SETTINGS,
        "create",
        json!([{"cal_microsoft_sync_paused": true, "outlook_bridge_policy": "odoo", "outlook_bridge_days_back": 30}]),
    )
    .await;
    // Only what is executed is set.
    assert_eq!(call(SETTINGS, "get_values", json!([])).await, before);
    let done = call(SETTINGS, "execute", json!([[wizard]])).await;
    assert_eq!(done, json!({"type": "ir.actions.client", "tag": "reload"}));
    let names = [
        "cal_microsoft_sync_paused",
        "outlook_bridge_policy",
        "outlook_bridge_days_back",
    ];
    let after = call(SETTINGS, "default_get", json!([names])).await;
    assert_eq!(
        after,
        json!({"cal_microsoft_sync_paused": true, "outlook_bridge_policy": "odoo", "outlook_bridge_days_back": 30})
    );
    let status = call("res.users", "check_synchronization_status", json!([[7]])).await;
    assert_eq!(status["microsoft_calendar"], "sync_paused");
    call("res.users", "unpause_microsoft_synchronization", json!([[7]])).await;
    let status = call("res.users", "check_synchronization_status", json!([[7]])).await;
    assert_eq!(status["microsoft_calendar"], "sync_active");
    let several = call(SETTINGS, "create", json!([[{"outlook_bridge_days_back": false}]])).await;
    assert_eq!(call(SETTINGS, "set_values", json!([several])).await, Value::Null);
    let after = call(SETTINGS, "default_get", json!([names])).await;
    assert_eq!(after["outlook_bridge_days_back"], 0);
    for (args, words) in [
        (json!([{"no_such_field": 1}]), "no_such_field"),
        (json!([7]), "an object"),
    ] {
        let refused = execute(&w, (1, &admin), SETTINGS, "create", args, json!({})).await;
        assert!(
            refused.expect_err("refused")["data"]["message"]
                .to_string()
                .contains(words)
        );
    }
    // What was entered is sealed.
    let secret = json!([{"cal_microsoft_client_secret": "hunter2hunter2"}]);
    call(SETTINGS, "create", secret).await;
    assert_eq!(
        w.count("wizards WHERE position('hunter2'::bytea IN content) > 0")
            .await,
        0
    );
    sql(
        &w,
        "UPDATE wizards SET created_at = now() - interval '61 minutes'",
    )
    .await;
    let outdated = execute(&w, (1, &admin), SETTINGS, "execute", json!([[wizard]]), json!({})).await;
    assert_eq!(
        name_of(&outdated.expect_err("too old")),
        "odoo.exceptions.MissingError"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_is_previewed_and_run_by_a_wizard() {
    let mut w = world().await;
    let (start, stop) = (odoo_time(4, "09:00:00"), odoo_time(4, "10:00:00"));
    w.odoo.create(7, "Of Ann", &start, &stop, &[]);
    w.quiet().await;
    let (_, admin) = key(&w, ADMINISTRATOR).await;
    let call = async |method: &str, args: Value| {
        let answer = execute(&w, (1, &admin), RESET, method, args.clone(), json!({})).await;
        answer.unwrap_or_else(|error| panic!("{method} {args}: {error}"))
    };
    let choices = json!({"delete_policy": "dont_delete", "sync_policy": "new"});
    assert_eq!(
        call("default_get", json!([["delete_policy", "sync_policy"]])).await,
        choices
    );
    let wizard = call(
        "create",
        json!([{"user_id": 7, "delete_policy": "dont_delete", "sync_policy": "all"}]),
    )
    .await;
    let read = call("read", json!([[wizard], ["user_id", "sync_policy"]])).await;
    assert_eq!(read, json!([{"id": wizard, "user_id": 7, "sync_policy": "all"}]));
    let preview = call("preview", json!([[wizard]])).await;
    assert_eq!(
        (&preview["login"], &preview["odoo"]["events"]),
        (&json!(ANN), &json!(1))
    );
    assert_eq!(call("reset_account", json!([[wizard]])).await, Value::Null);
    let account = execute(&w, (1, &admin), ACCOUNT, "search_read", json!([[]]), json!({})).await;
    let account = account.expect("rows");
    assert!(
        account[0]["state"] == "need_auth" || account[0]["resetting"] == true,
        "{account}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_descriptions_list_each_method() {
    let w = world().await;
    let (_, admin) = key(&w, ADMINISTRATOR).await;
    let expected: BTreeSet<String> = table::all().map(table::Method::full_name).collect();
    let client = reqwest::Client::new();
    let discover = json!({"jsonrpc": "2.0", "method": "rpc.discover", "id": 5});
    let answer = client.post(format!("{}/jsonrpc", w.service.url)).json(&discover);
    let answer: Value = answer
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    let document = outcome(answer).expect("a document");
    assert!(document["openrpc"].as_str().expect("a version").starts_with("1."));
    let methods = document["methods"].as_array().expect("methods").iter();
    let named: BTreeSet<String> = methods
        .map(|one| one["name"].as_str().expect("a name").to_owned())
        .collect();
    assert_eq!(named, expected);

    let get = async |path: &str, key: &str| {
        let request = client
            .get(format!("{}{path}", w.service.url))
            .bearer_auth(key)
            .header("X-Odoo-Database", "odoo");
        let answer = request.send().await.expect("an answer");
        (
            answer.status().as_u16(),
            answer.json::<Value>().await.expect("JSON"),
        )
    };
    let (_, document) = get("/json/2/openapi.json", "").await;
    assert!(document["openapi"].as_str().expect("a version").starts_with("3."));
    let paths = document["paths"].as_object().expect("paths").keys();
    let named: BTreeSet<String> = paths
        .map(|path| path.trim_start_matches("/json/2/").replace('/', "."))
        .collect();
    assert_eq!(named, expected);

    let mut named = BTreeSet::new();
    for model in table::models() {
        let (status, document) = get(&format!("/doc-bearer/{model}.json"), &admin).await;
        assert_eq!(status, 200, "{model}");
        for (name, method) in document["methods"].as_object().expect("methods") {
            let of_records = !method["api"]
                .as_array()
                .expect("a list")
                .contains(&json!("model"));
            let listed = table::find(model, name).expect("it is listed");
            assert_eq!(of_records, listed.is_of_records(), "{model}.{name}");
            named.insert(format!("{model}.{name}"));
        }
    }
    assert_eq!(named, expected);
    assert_eq!(get("/doc-bearer/res.partner.json", &admin).await.0, 404);
    assert_eq!(
        get("/doc-bearer/outlook.bridge.account.json", "wrong").await.0,
        401
    );
    let (_, index) = get("/doc-bearer/index.json", &admin).await;
    assert_eq!(
        index["models"].as_array().map(Vec::len),
        Some(table::models().len())
    );
    let models = execute(
        &w,
        (1, &admin),
        "ir.model",
        "search_read",
        json!([[["model", "=", ACCOUNT]], ["model"]]),
        json!({}),
    );
    assert_eq!(models.await.expect("rows")[0]["model"], ACCOUNT);
    let page = execute(
        &w,
        (1, &admin),
        "ir.model",
        "search_read",
        json!([[], ["model"], 1, 2]),
        json!({}),
    );
    let page = page.await.expect("rows");
    let (first, second) = (table::models()[1], table::models()[2]);
    assert_eq!(
        page,
        json!([{"id": 2, "model": first}, {"id": 3, "model": second}])
    );
}
