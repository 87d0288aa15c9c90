//! App registrations at Microsoft: of a tenant, of a company, replaced ones, and the expiry date of
//! a secret.

use serde_json::{Value, json};

use super::logins::{account_of, start, words};
use super::odoo::Odoo;
use super::stack::{CLIENT_ID, Service, Stack, eventually};

const OTHER_APP: &str = "99999999-2222-3333-4444-555555555555";

/// Adds a second app; with a tenant, it is for accounts of that tenant only.
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
    // Without it, the app would be requested for all tenants again.
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
    // A problem of one company's registration does not affect the others.
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
    // The new secret has no date: the date of the old secret says nothing about it.
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
    // The next login uses the database's registration. The present consent stays with the one it
    // was given to.
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
    // The old app is not used any more: its users log in again, and administrators are not warned.
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
    let rows = outlook_bridge::store::registrations::of_database(&conn, database.id)
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
