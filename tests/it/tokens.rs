//! Tokens: renewed by one worker, stored before use, and never lost to an outage, a crash or an
//! expired secret.

use std::time::Duration;

use outlook_bridge::store::accounts;
use serde_json::{Value, json};

use super::convergence::service::{Log, Process};
use super::odoo::Odoo;
use super::stack::{ANN, BEN, CLIENT_ID, CLIENT_SECRET, Doors, Stack, eventually};
use super::world::day;

async fn account(odoo: &Odoo, service: &impl Doors, user: i64) -> Option<Value> {
    let state = odoo
        .call(service, 1, "outlook.bridge", "status", json!({}))
        .await
        .ok()?;
    let mut accounts = state["accounts"].as_array()?.iter();
    accounts.find(|a| a["user_id"] == user).cloned()
}

/// Counts how often a token was renewed or a login redeemed.
async fn renewals(stack: &Stack) -> usize {
    let list = stack
        .sim_call("GET", "requests?method=POST&path=/token", Value::Null)
        .await;
    list["value"].as_array().map_or(0, Vec::len)
}

/// Makes each run renew the token, and makes a renewal with a former token end the consent.
/// (Microsoft is more tolerant: page *refresh-tokens*.)
async fn jealous(stack: &Stack) {
    let switches = json!({"access_token_seconds": 60, "refresh_rotation_revokes": true});
    stack.sim_call("PATCH", "switches", switches).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_renew_one_token_one_at_a_time() {
    let stack = Stack::start().await;
    jealous(&stack).await;
    let log = Log::default();
    let (one, two) = (
        Process::start(&stack, &log).await,
        Process::start(&stack, &log).await,
    );
    let mut odoo = Odoo::pair_with(&one, one.enroll(&stack).await).await;
    odoo.connect(&stack, &one, 7).await.expect("connected");
    let body = json!({"subject": "Known", "start": {"dateTime": day(3, "10:00:00"), "timeZone": "UTC"},
        "end": {"dateTime": day(3, "11:00:00"), "timeZone": "UTC"}});
    stack
        .sim_call("POST", &format!("mailboxes/{ANN}/events"), body)
        .await;
    eventually("Odoo has it", async || {
        odoo.sync(&two).await;
        odoo.by_name("Known").is_some().then_some(())
    })
    .await;
    // Microsoft answers slowly, so that the other process can interfere.
    stack
        .sim_call("POST", "faults", json!({"path": "/token", "latency_ms": 150}))
        .await;
    let before = renewals(&stack).await;
    eventually("many renewals", async || {
        for service in [&one, &two] {
            odoo.call(service, 7, "res.users", "restart", json!({"user_id": 7}))
                .await
                .ok()?;
            // The release to the built-in sync also asks for a token.
            odoo.call(service, 1, "outlook.bridge", "stock_links", json!({}))
                .await
                .ok()?;
        }
        let account = account(&odoo, &one, 7).await?;
        assert_eq!(account["status"], "active", "{account}");
        (renewals(&stack).await > before + 5).then_some(())
    })
    .await;
    assert_eq!(
        account(&odoo, &one, 7).await.expect("an account")["status"],
        "active"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_microsofts_answer_and_our_storing_it_asks_nobody_to_log_in() {
    let stack = Stack::start().await;
    stack
        .sim_call("PATCH", "switches", json!({"access_token_seconds": 60}))
        .await;
    let log = Log::default();
    let service = Process::start(&stack, &log).await;
    let odoo = Odoo::pair_with(&service, service.enroll(&stack).await).await;
    odoo.connect(&stack, &service, 7).await.expect("connected");
    eventually("a first run", async || {
        account(&odoo, &service, 7).await?["last_sync"]
            .as_str()
            .map(str::to_owned)
    })
    .await;
    // The token was renewed, and the answer is on its way until the process is killed.
    stack
        .sim_call(
            "POST",
            "faults",
            json!({"path": "/token", "slow_body_ms": 60_000}),
        )
        .await;
    let before = renewals(&stack).await;
    odoo.call(&service, 7, "res.users", "restart", json!({"user_id": 7}))
        .await
        .expect("woken");
    eventually("Microsoft has rotated it", async || {
        (renewals(&stack).await > before).then_some(())
    })
    .await;
    service.kill().await;
    stack.sim_call("DELETE", "faults", Value::Null).await;
    let service = Process::start(&stack, &log).await;
    let dead = chrono::Utc::now();
    // The mailbox rests until the killed worker's lease is over.
    let until = tokio::time::Instant::now() + Duration::from_secs(90);
    loop {
        let now = account(&odoo, &service, 7).await.expect("an account");
        assert_eq!(now["status"], "active", "{now}");
        let at = format!(
            "{}Z",
            now["last_sync"].as_str().expect("a time").replace(' ', "T")
        );
        if at.parse::<chrono::DateTime<chrono::Utc>>().expect("a time") > dead {
            break;
        }
        assert!(tokio::time::Instant::now() < until, "it never synced again");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_secret_is_replaced_and_nobody_logs_in_again() {
    let stack = Stack::start().await;
    stack
        .sim_call("PATCH", "switches", json!({"access_token_seconds": 60}))
        .await;
    let service = stack.serve().await;
    let odoo = Odoo::pair(&service).await;
    for user in [7, 8] {
        odoo.connect(&stack, &service, user).await.expect("connected");
    }
    stack
        .sim_call(
            "PATCH",
            &format!("apps/{CLIENT_ID}"),
            json!({"secret_expired": true}),
        )
        .await;
    for user in [7, 8] {
        let told = eventually("it is the admin's to put right", async || {
            account(&odoo, &service, user)
                .await
                .filter(|a| a["status"] == "attention")
        })
        .await;
        assert!(
            told["reason"]
                .as_str()
                .expect("a reason")
                .contains("Client Secret"),
            "{told}"
        );
    }
    let next = "another~secret";
    let app = json!({"secret": next, "secret_expired": false});
    stack.sim_call("PATCH", &format!("apps/{CLIENT_ID}"), app).await;
    odoo.call(
        &service,
        2,
        "res.config.settings",
        "set_values",
        json!({"client_secret": next}),
    )
    .await
    .expect("configured");
    for user in [7, 8] {
        eventually("everybody syncs again", async || {
            let now = account(&odoo, &service, user).await?;
            assert_ne!(now["status"], "need_auth");
            (now["status"] == "active").then_some(())
        })
        .await;
    }
    let app = json!({"secret": CLIENT_SECRET});
    stack.sim_call("PATCH", &format!("apps/{CLIENT_ID}"), app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_or_expired_grant_is_one_users_and_a_new_login_outlives_the_old_ones_end() {
    let stack = Stack::start().await;
    let service = stack.serve().await;
    let odoo = Odoo::pair(&service).await;
    for user in [7, 8] {
        odoo.connect(&stack, &service, user).await.expect("connected");
    }
    let known = async || {
        let mut conn = service.engine.store.get().await.expect("a connection");
        let databases = outlook_bridge::store::databases::all(&mut conn)
            .await
            .expect("databases");
        let account = accounts::of_user(&mut conn, databases[0].id, 7)
            .await
            .expect("a row");
        account.expect("an account")
    };
    let before = known().await;
    // While a renewal of the old consent fails, Ann logs in again: her new consent stays.
    odoo.connect(&stack, &service, 7).await.expect("connected again");
    let mut conn = service.engine.store.get().await.expect("a connection");
    let gone = "gone".into();
    let lost = accounts::lose_consent(&mut conn, before.id, before.refresh_token.as_ref(), &gone);
    assert!(!lost.await.expect("asked"));
    drop(conn);
    assert!(known().await.refresh_token.is_some());
    stack
        .sim_call("PATCH", "switches", json!({"access_token_seconds": 60}))
        .await;
    for (action, person, user) in [("expire-refresh-tokens", ANN, 7), ("revoke", BEN, 8)] {
        // The present access token is valid for an hour; the next one only for a minute.
        odoo.connect(&stack, &service, user).await.expect("connected");
        stack
            .sim_call("POST", &format!("people/{person}/{action}"), Value::Null)
            .await;
        eventually("that user must log in again", async || {
            (account(&odoo, &service, user).await?["status"] == "need_auth").then_some(())
        })
        .await;
        let other = if user == 7 { 8 } else { 7 };
        if user == 7 {
            assert_eq!(
                account(&odoo, &service, other).await.expect("an account")["status"],
                "active"
            );
        }
        assert_eq!(stack.mails().await, [], "nobody is mailed about it");
        odoo.connect(&stack, &service, user).await.expect("and can");
        assert_eq!(
            account(&odoo, &service, user).await.expect("an account")["status"],
            "active"
        );
    }
}
