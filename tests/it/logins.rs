//! Logging in at Microsoft: who may, once, and where to come back to.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::odoo::Odoo;
use super::stack::{ANN, BEN, CLIENT_ID, CLIENT_SECRET, Service, Stack, eventually};
use super::world::{CARLA, OUTSIDE, odoo_time};

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
async fn a_mailbox_taken_already_is_noticed() {
    let (stack, service, mut odoo) = start().await;
    odoo.connect(&stack, &service, 7).await.unwrap();
    odoo.users.insert(8, ANN.to_owned());
    let error = odoo.connect(&stack, &service, 8).await.unwrap_err();
    assert!(words(&error).contains("connected already"), "{error}");
    // Nor can it be switched to.
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
    // The first way on: the one who is expected. Microsoft lets people choose, and names her.
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
    // The second: the new one takes her place, after one more login.
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
    // A login that raised no question answers none.
    let switch = json!({"state": query["state"]});
    let error = odoo
        .call(&service, 7, "res.users", "switch_mailbox", switch)
        .await
        .unwrap_err();
    assert!(words(&error).contains("not asked you"), "{error}");
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

const OTHER_APP: &str = "99999999-2222-3333-4444-555555555555";

/// A second app: with a tenant for that one's accounts alone.
async fn add_app(stack: &Stack, tenant: Option<&str>) {
    let app = json!({"client_id": OTHER_APP, "secret": "other~secret", "name": "Other", "tenant": tenant,
        "redirect_uris": ["http://odoo.test:8069/microsoft_account/authentication"]});
    stack.sim_call("POST", "apps", app).await;
}

async fn set(service: &Service, odoo: &Odoo, values: Value) -> Result<Value, Value> {
    odoo.call(service, 2, "res.config.settings", "set_values", values)
        .await
}

fn contoso() -> &'static str {
    "aaaaaaaa-0000-4000-8000-00000000c0de"
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_of_a_single_tenant_is_asked_for_at_that_tenant() {
    let (stack, service, odoo) = start().await;
    add_app(&stack, Some(contoso())).await;
    let app = json!({"client_id": OTHER_APP, "client_secret": "other~secret"});
    set(&service, &odoo, app).await.unwrap();
    let url = odoo.authorize_url(&service, 7).await.unwrap();
    let page = stack.http.get(&url).send().await.unwrap();
    assert!(
        page.text().await.unwrap().contains("AADSTS50194"),
        "not at /common"
    );
    for bad in ["contoso", "https://login.example/x", "a b"] {
        let error = set(&service, &odoo, json!({"tenant": bad, "policy": "odoo"}))
            .await
            .unwrap_err();
        assert!(words(&error).starts_with("Tenant ID"), "{error}");
    }
    let state = set(&service, &odoo, json!({"tenant": contoso()})).await.unwrap();
    assert_eq!(state["registrations"][0]["tenant"], contoso());
    assert_eq!(state["policy"], "latest", "bad input changes nothing");
    stack
        .sim_call("PATCH", "switches", json!({"access_token_seconds": 60}))
        .await;
    odoo.connect(&stack, &service, 7).await.unwrap();
    eventually("tokens are renewed there, too", async || {
        let asked = stack
            .sim_call(
                "GET",
                &format!("requests?path={}/oauth2/v2.0/token", contoso()),
                Value::Null,
            )
            .await;
        (asked["value"].as_array().unwrap().len() > 2).then_some(())
    })
    .await;
    assert_eq!(account_of(&service, &odoo, 7).await.unwrap()["status"], "active");
    // Emptied, the app would be asked for at all tenants again.
    let state = set(&service, &odoo, json!({"tenant": ""})).await.unwrap();
    assert_eq!(state["registrations"][0]["tenant"], Value::Null);
    let reason = eventually("an admin is told", async || {
        let account = account_of(&service, &odoo, 7).await?;
        (account["status"] == "attention").then(|| account["reason"].as_str().unwrap().to_owned())
    })
    .await;
    assert!(reason.contains("refuses the Tenant ID"), "{reason}");
    set(&service, &odoo, json!({"tenant": "contoso.example"}))
        .await
        .unwrap();
    eventually("and nobody has to log in again", async || {
        (account_of(&service, &odoo, 7).await?["status"] == "active").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_company_has_an_app_registration_of_its_own() {
    let (stack, service, mut odoo) = start().await;
    stack
        .sim_call(
            "POST",
            "people",
            json!({"address": "fay@fabrikam.example", "name": "Fay", "tenant": "fabrikam.example"}),
        )
        .await;
    let people = stack.sim_call("GET", "state", Value::Null).await;
    let tenants = people["tenants"].as_array().unwrap();
    let fabrikam = tenants
        .iter()
        .find(|t| t["domain"] == "fabrikam.example")
        .unwrap()["id"]
        .clone();
    let fabrikam = fabrikam.as_str().unwrap();
    add_app(&stack, Some(fabrikam)).await;
    let state = set(
        &service,
        &odoo,
        json!({"company_id": 2, "client_id": OTHER_APP, "client_secret": "other~secret", "tenant": fabrikam}),
    )
    .await
    .unwrap();
    let told: Vec<_> = state["registrations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["company_id"].clone(), r["client_id"].clone()))
        .collect();
    assert_eq!(
        told,
        [(Value::Null, json!(CLIENT_ID)), (json!(2), json!(OTHER_APP))]
    );
    assert!(!state.to_string().contains("other~secret"));
    odoo.users.insert(8, "fay@fabrikam.example".to_owned());
    let url_of = async |user: i64, company: i64| {
        let kwargs = json!({"from_url": "/odoo", "company_id": company});
        let answer = odoo
            .call(&service, user, "res.users", "authorize_url", kwargs)
            .await
            .unwrap();
        answer["url"].as_str().unwrap().to_owned()
    };
    for (user, company, client, tenant) in [(7, 1, CLIENT_ID, "common"), (8, 2, OTHER_APP, fabrikam)] {
        let url = url_of(user, company).await;
        assert!(
            url.contains(client) && url.contains(&format!("/{tenant}/")),
            "{url}"
        );
        let query = stack.sign_in(&url, &odoo.users[&user], "accept").await;
        odoo.redeem(&service, user, &query).await.unwrap();
    }
    // Each company's problem is its own.
    stack
        .sim_call("PATCH", "switches", json!({"access_token_seconds": 60}))
        .await;
    stack
        .sim_call("POST", "people/fay@fabrikam.example/expire-tokens", Value::Null)
        .await;
    set(
        &service,
        &odoo,
        json!({"company_id": 2, "secret_expires_on": "2026-11-20"}),
    )
    .await
    .unwrap();
    stack
        .sim_call(
            "PATCH",
            &format!("apps/{OTHER_APP}"),
            json!({"secret_expired": true}),
        )
        .await;
    let reason = eventually("Fay's company is told", async || {
        let account = account_of(&service, &odoo, 8).await?;
        (account["status"] == "attention").then(|| account["reason"].as_str().unwrap().to_owned())
    })
    .await;
    for part in [
        "Client Secret",
        "expired",
        "2026-11-20",
        "company",
        "Settings, Calendar",
    ] {
        assert!(reason.contains(part), "{part}: {reason}");
    }
    assert_eq!(account_of(&service, &odoo, 7).await.unwrap()["status"], "active");
    // A new secret, without its date: the old one's says nothing about it.
    stack
        .sim_call(
            "PATCH",
            &format!("apps/{OTHER_APP}"),
            json!({"secret_expired": false, "secret": "newer~secret"}),
        )
        .await;
    let state = set(
        &service,
        &odoo,
        json!({"company_id": 2, "client_secret": "newer~secret"}),
    )
    .await
    .unwrap();
    assert_eq!(state["registrations"][1]["secret_expires_on"], Value::Null);
    eventually("no user has to log in again", async || {
        (account_of(&service, &odoo, 8).await?["status"] == "active").then_some(())
    })
    .await;
    // Without its own, the next login is the database's; the present consent is kept with what it was given to.
    set(
        &service,
        &odoo,
        json!({"company_id": 2, "remove_registration": true}),
    )
    .await
    .unwrap();
    assert!(url_of(8, 2).await.contains(CLIENT_ID));
    stack
        .sim_call("POST", "people/fay@fabrikam.example/expire-tokens", Value::Null)
        .await;
    let since = chrono::Utc::now();
    eventually("Fay is synced as before", async || {
        let mut conn = service.engine.store.get().await.ok()?;
        let database = outlook_bridge::store::databases::by_uuid(&mut conn, &odoo.uuid)
            .await
            .ok()??;
        let account = outlook_bridge::store::accounts::of_user(&mut conn, database.id, 8)
            .await
            .ok()??;
        (account.last_sync_at? > since).then_some(())
    })
    .await;
    for bad in [
        json!({"company_id": 0, "client_id": "x"}),
        json!({"remove_registration": true}),
    ] {
        assert!(words(&set(&service, &odoo, bad).await.unwrap_err()).contains("company_id"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_was_replaced_serves_those_who_consented_to_it() {
    let (stack, service, odoo) = start().await;
    stack
        .sim_call("PATCH", "switches", json!({"access_token_seconds": 60}))
        .await;
    odoo.connect(&stack, &service, 7).await.unwrap();
    add_app(&stack, None).await;
    let app =
        json!({"client_id": OTHER_APP, "client_secret": "other~secret", "secret_expires_on": "2027-05-01"});
    let state = set(&service, &odoo, app).await.unwrap();
    assert_eq!(
        state["registrations"].as_array().unwrap().len(),
        1,
        "the present one alone is shown"
    );
    assert_eq!(state["registrations"][0]["secret_expires_on"], "2027-05-01");
    odoo.connect(&stack, &service, 8).await.unwrap();
    let since = chrono::Utc::now();
    for user in [7, 8] {
        eventually("both are synced", async || {
            let mut conn = service.engine.store.get().await.ok()?;
            let database = outlook_bridge::store::databases::by_uuid(&mut conn, &odoo.uuid)
                .await
                .ok()??;
            let account = outlook_bridge::store::accounts::of_user(&mut conn, database.id, user)
                .await
                .ok()??;
            (account.last_sync_at? > since).then_some(())
        })
        .await;
    }
    // The old app is out of use: whoever consented to it logs in again, and no admin is bothered.
    stack
        .sim_call(
            "PATCH",
            &format!("apps/{CLIENT_ID}"),
            json!({"secret_expired": true}),
        )
        .await;
    eventually("Ann logs in again", async || {
        (account_of(&service, &odoo, 7).await?["status"] == "need_auth").then_some(())
    })
    .await;
    assert_eq!(account_of(&service, &odoo, 8).await.unwrap()["status"], "active");
    odoo.connect(&stack, &service, 7).await.unwrap();
    let mut conn = service.engine.store.get().await.unwrap();
    let database = outlook_bridge::store::databases::by_uuid(&mut conn, &odoo.uuid)
        .await
        .unwrap()
        .unwrap();
    let rows = outlook_bridge::store::registrations::of_database(&mut conn, database.id)
        .await
        .unwrap();
    assert_eq!(rows.len(), 1, "nobody needs the old one");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_date_of_a_secret_is_kept_with_it() {
    let (_stack, service, odoo) = start().await;
    let state = set(&service, &odoo, json!({"secret_expires_on": "2027-05-01"}))
        .await
        .unwrap();
    assert_eq!(state["registrations"][0]["secret_expires_on"], "2027-05-01");
    let error = set(&service, &odoo, json!({"secret_expires_on": "next May"}))
        .await
        .unwrap_err();
    assert!(words(&error).starts_with("Secret expires on"), "{error}");
    let state = set(&service, &odoo, json!({"secret_expires_on": ""}))
        .await
        .unwrap();
    assert_eq!(state["registrations"][0]["secret_expires_on"], Value::Null);
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

/// What the page that needs an administrator's approval sends back to Odoo.
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
    // Nobody else's word counts, nor does it for a login.
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
    // Nobody is asked for permission any more.
    let redeemed = odoo.log_in(&stack, &service, 7).await;
    assert!(redeemed.is_ok(), "{redeemed:?}");
    assert_eq!(account_of(&service, &odoo, 7).await.unwrap()["status"], "active");
}

/// Each of Microsoft's reasons ends in words for whom it is about, and nobody else is held up.
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
        stack
            .sim_call("PATCH", &person, json!({"token_error": null}))
            .await;
        odoo.log_in(&stack, &service, 7).await.expect("logs in again");
    }
    assert_eq!(account_of(&service, &odoo, 8).await.unwrap()["status"], "active");
}
