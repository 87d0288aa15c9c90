//! Logging in at Microsoft: who may, that it works once, and where to return.

use std::collections::BTreeMap;

use outlook_bridge::store::{databases, refusals};
use serde_json::{Value, json};

use super::odoo::Odoo;
use super::stack::{ANN, BEN, CLIENT_ID, CLIENT_SECRET, Service, Stack, eventually};
use super::world::{CARLA, OUTSIDE, odoo_time};

pub(super) async fn start() -> (Stack, Service, Odoo) {
    let stack = Stack::start().await;
    let service = stack.serve().await;
    let odoo = Odoo::pair(&service).await;
    (stack, service, odoo)
}

pub(super) fn words(error: &Value) -> &str {
    error["data"]["message"].as_str().unwrap_or_default()
}

/// Returns the users whose login Microsoft refused, with its number of the reason.
async fn refusals(service: &Service) -> Vec<(i32, i32)> {
    let mut conn = service.engine.store.get().await.expect("a connection");
    let mut all = Vec::new();
    for database in databases::all(&mut conn).await.expect("the databases") {
        let of_database = refusals::of_database(&conn, database.id).await;
        all.extend(of_database.expect("the refusals"));
    }
    all.into_iter()
        .map(|one| (one.odoo_user_id, one.number))
        .collect()
}

/// Returns what Odoo is told of its database.
async fn status(service: &Service, odoo: &Odoo) -> Value {
    odoo.call(service, 1, "outlook.bridge", "status", json!({}))
        .await
        .expect("a state")
}

pub(super) async fn account_of(service: &Service, odoo: &Odoo, user: i64) -> Option<Value> {
    let state = status(service, odoo).await;
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
    // Another user or another database cannot use the state.
    assert!(words(&odoo.redeem(&service, 8, &query).await.unwrap_err()).contains("was started elsewhere"));
    let other = Odoo::pair(&service).await;
    assert!(words(&other.redeem(&service, 7, &query).await.unwrap_err()).contains("was started elsewhere"));
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
        assert!(
            words(&odoo.redeem(&service, 7, &query).await.unwrap_err()).contains("was started elsewhere")
        );
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
async fn a_mailbox_taken_already_is_noticed() {
    let (stack, service, mut odoo) = start().await;
    odoo.connect(&stack, &service, 7).await.unwrap();
    odoo.users.insert(8, ANN.to_owned());
    let error = odoo.connect(&stack, &service, 8).await.unwrap_err();
    assert!(words(&error).contains("connected already"), "{error}");
    // Switching to it is not possible, either.
    odoo.users.insert(8, BEN.to_owned());
    odoo.connect(&stack, &service, 8).await.unwrap();
    odoo.users.insert(8, ANN.to_owned());
    let error = odoo.connect(&stack, &service, 8).await.unwrap_err();
    assert!(words(&error).contains("connected already"), "{error}");
    assert_eq!(account_of(&service, &odoo, 8).await.unwrap()["login"], BEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_person_than_before_is_asked_about() {
    let (stack, service, odoo) = start().await;
    odoo.connect(&stack, &service, 7).await.unwrap();
    let url = odoo.authorize_url(&service, 7).await.unwrap();
    let query = stack.sign_in(&url, BEN, "accept").await;
    for _ in 0..2 {
        let answer = odoo.redeem(&service, 7, &query).await.unwrap();
        assert_eq!(
            (&answer["question"]["expected"], &answer["question"]["actual"]),
            (&json!(ANN), &json!(BEN)),
            "Odoo repeats transactions"
        );
    }
    assert_eq!(
        account_of(&service, &odoo, 7).await.unwrap()["login"],
        ANN,
        "nothing was connected"
    );
    assert_eq!(account_of(&service, &odoo, 7).await.unwrap()["status"], "active");
    // First solution: the expected person logs in. Microsoft's page offers a choice and suggests
    // her.
    let answer = odoo.redeem(&service, 7, &query).await.unwrap();
    let url = answer["question"]["login_url"].as_str().unwrap();
    assert!(
        url.contains("prompt=select_account") && url.contains("login_hint=ann%40contoso.example"),
        "{url}"
    );
    let back = stack.sign_in(url, ANN, "accept").await;
    assert!(
        odoo.redeem(&service, 7, &back)
            .await
            .unwrap()
            .get("question")
            .is_none()
    );
    // Second solution: the new mailbox replaces hers, after another login.
    let switch = json!({"state": query["state"]});
    let url = odoo
        .call(&service, 7, "res.users", "switch_mailbox", switch)
        .await
        .unwrap()["url"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(url.contains("login_hint=ben%40contoso.example"), "{url}");
    assert_eq!(
        account_of(&service, &odoo, 7).await.unwrap()["status"],
        "need_auth"
    );
    let query = stack.sign_in(&url, BEN, "accept").await;
    odoo.redeem(&service, 7, &query).await.unwrap();
    let account = account_of(&service, &odoo, 7).await.unwrap();
    assert_eq!(
        (&account["login"], &account["status"]),
        (&json!(BEN), &json!("active"))
    );
    // A login without a question cannot be used to switch.
    let switch = json!({"state": query["state"]});
    let error = odoo
        .call(&service, 7, "res.users", "switch_mailbox", switch)
        .await
        .unwrap_err();
    assert!(words(&error).contains("was started elsewhere"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_mixes_nothing_of_the_two_mailboxes() {
    let mut w = super::world::world().await;
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    let own = w.odoo.create(7, "Hers", &start, &stop, &[OUTSIDE]);
    w.outlook_creates(CARLA, "Carla's", &[]).await;
    w.quiet().await;
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    w.forget_mails().await;
    let before = w.stack.events(ANN).await;
    let url = w.odoo.authorize_url(&w.service, 7).await.unwrap();
    let query = w.stack.sign_in(&url, CARLA, "accept").await;
    w.odoo.redeem(&w.service, 7, &query).await.unwrap();
    let switch = json!({"state": query["state"]});
    w.odoo
        .call(&w.service, 7, "res.users", "switch_mailbox", switch)
        .await
        .unwrap();
    w.odoo.users.insert(7, CARLA.to_owned());
    w.odoo.connect(&w.stack, &w.service, 7).await.unwrap();
    w.quiet().await;
    w.odoo.write(own, json!({"name": "Hers, later"}));
    w.odoo.create(7, "New", &start, &stop, &[]);
    w.outlook_creates(CARLA, "New in Outlook", &[]).await;
    w.quiet().await;
    assert_eq!(w.stack.events(ANN).await, before);
    assert!(w.odoo.by_name("Carla's").is_none() && w.odoo.by_name("New in Outlook").is_some());
    let subjects: Vec<Value> = w
        .stack
        .events(CARLA)
        .await
        .iter()
        .map(|e| e["subject"].clone())
        .collect();
    assert!(
        subjects.contains(&json!("New")) && !subjects.contains(&json!("Hers, later")),
        "{subjects:?}"
    );
    assert_eq!(w.stack.mails().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_consent_asks_its_user_alone() {
    let (stack, service, odoo) = start().await;
    // Access tokens stay valid after a consent is withdrawn, so these must be renewed in every run.
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

/// Returns what the page that needs an administrator's approval sends back to Odoo.
async fn go_back(stack: &Stack, url: &str, account: &str) -> BTreeMap<String, String> {
    let request = url::Url::parse(url)
        .unwrap()
        .query()
        .unwrap_or_default()
        .to_owned();
    let page = url.replace("/authorize?", "/select?");
    let answer = stack
        .http
        .post(page)
        .form(&[("request", request.as_str()), ("account", account)])
        .send()
        .await
        .unwrap();
    let html = answer.text().await.unwrap();
    let back = html
        .split("id=\"back\" href=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap_or_else(|| panic!("no way back: {html}"));
    let back = url::Url::parse(&back.replace("&amp;", "&")).unwrap();
    back.query_pairs().into_owned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_of_microsoft_365_allows_odoo_for_everybody() {
    let (stack, service, odoo) = start().await;
    let app = format!("apps/{CLIENT_ID}");
    stack
        .sim_call("PATCH", &app, json!({"admin_consent_required": true}))
        .await;
    stack
        .sim_call("PATCH", &format!("people/{BEN}"), json!({"admin": true}))
        .await;
    let url = odoo.authorize_url(&service, 7).await.unwrap();
    let back = go_back(&stack, &url, ANN).await;
    let refused = odoo.redeem(&service, 7, &back).await.unwrap_err();
    assert!(words(&refused).contains("Grant for everybody"), "{refused}");
    assert_eq!(refusals(&service).await, [(7, 65004)]);
    assert_eq!(status(&service, &odoo).await["needs_consent"], true);

    let kwargs = json!({"from_url": "/odoo/settings", "for_everybody": true});
    let ask = async || {
        let answer = odoo
            .call(&service, 2, "res.users", "authorize_url", kwargs.clone())
            .await;
        answer.expect("a page")["url"].as_str().expect("a URL").to_owned()
    };
    let decide = async |url: &str, account: &str| -> BTreeMap<String, String> {
        let page = url::Url::parse(url).unwrap();
        let request = page.query().unwrap().to_owned();
        let answer = stack
            .http
            .post(url.split('?').next().unwrap())
            .form(&[("request", request.as_str()), ("account", account)])
            .send()
            .await
            .unwrap();
        let to = url::Url::parse(answer.headers()["Location"].to_str().unwrap()).unwrap();
        to.query_pairs().into_owned().collect()
    };
    let cancelled = decide(&ask().await, "").await;
    let refused = odoo.redeem(&service, 2, &cancelled).await.unwrap_err();
    assert!(words(&refused).contains("Nothing was allowed"), "{refused}");

    let granted = decide(&ask().await, BEN).await;
    // Only the administrator who asked can use the answer, and it is not a login.
    assert!(odoo.redeem(&service, 7, &granted).await.is_err());
    let answer = odoo.redeem(&service, 2, &granted).await.expect("heard");
    assert!(
        answer["message"]
            .as_str()
            .unwrap()
            .contains("Everybody in your organization"),
        "{answer}"
    );
    assert!(
        account_of(&service, &odoo, 2).await.is_none(),
        "nobody is connected by it"
    );
    assert_eq!(refusals(&service).await, [], "the reason is gone for everybody");
    assert_eq!(status(&service, &odoo).await["needs_consent"], false);
    // Users are not asked for permission any more.
    let redeemed = odoo.log_in(&stack, &service, 7).await;
    assert!(redeemed.is_ok(), "{redeemed:?}");
    assert_eq!(account_of(&service, &odoo, 7).await.unwrap()["status"], "active");
}

/// Each of Microsoft's reasons is explained to the person whom it concerns, and delays nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn what_ends_a_login_is_told_in_words_that_say_who_can_help() {
    let (stack, service, odoo) = start().await;
    stack
        .sim_call("PATCH", "switches", json!({"access_token_seconds": 60}))
        .await;
    odoo.connect(&stack, &service, 7).await.unwrap();
    odoo.connect(&stack, &service, 8).await.unwrap();
    for (number, reason) in [
        (65001, "Grant for everybody"),
        (50076, "another proof of who you are"),
        (53003, "Conditional Access"),
        (50173, "has ended"),
    ] {
        let person = format!("people/{ANN}");
        stack
            .sim_call("PATCH", &person, json!({"token_error": number}))
            .await;
        eventually("Ann must log in again", async || {
            (account_of(&service, &odoo, 7).await?["status"] == "need_auth").then_some(())
        })
        .await;
        let account = account_of(&service, &odoo, 7).await.unwrap();
        assert!(account.to_string().contains(reason), "{number}: {account}");
        assert_eq!(refusals(&service).await, [(7, number)]);
        let needs_consent = status(&service, &odoo).await["needs_consent"] == true;
        assert_eq!(needs_consent, number == 65001, "{number}");
        stack
            .sim_call("PATCH", &person, json!({"token_error": null}))
            .await;
        odoo.log_in(&stack, &service, 7).await.expect("logs in again");
    }
    assert_eq!(account_of(&service, &odoo, 8).await.unwrap()["status"], "active");
}
