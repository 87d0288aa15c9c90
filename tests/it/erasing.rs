//! Stored personal data is handed out, and erased for good.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::convergence::service::command;
use super::stack::{ANN, BEN, eventually};
use super::world::{World, odoo_time, world};

async fn run(w: &World, arguments: &[&str]) -> Result<String, String> {
    let output = command(&w.stack)
        .args(arguments)
        .output()
        .await
        .expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    }
}

async fn export(w: &World, user: &str) -> Vec<Value> {
    run(w, &["export", "odoo", "--user", user])
        .await
        .expect("what is kept")
        .lines()
        .map(|line| serde_json::from_str(line).expect("a JSON document a line"))
        .collect()
}

/// Ann has an event of her own and one with Ben, and Ben has one of his own.
async fn two_people() -> World {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben, too");
    for (user, name, guests) in [
        (7, "Ann alone", vec![]),
        (7, "Ann and Ben", vec![BEN]),
        (8, "Ben alone", vec![]),
    ] {
        w.odoo.create(
            user,
            name,
            &odoo_time(3, "09:00:00"),
            &odoo_time(3, "10:00:00"),
            &guests,
        );
    }
    w.quiet().await;
    w
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_told_all_that_is_kept_and_no_secret() {
    let w = two_people().await;
    let documents = export(&w, "7").await;
    let of = |kind: &str| -> Vec<&Value> {
        let found = documents.iter().filter(|document| document["kind"] == kind);
        found.map(|document| &document["content"]).collect()
    };
    assert_eq!(of("account").len(), 1);
    assert_eq!(
        (&of("account")[0]["login"], &of("account")[0]["has_tokens"]),
        (&json!(ANN), &json!(true))
    );
    let mut titles: Vec<&str> = of("meeting")
        .iter()
        .filter_map(|m| m["odoo_state"]["name"].as_str())
        .collect();
    titles.sort_unstable();
    assert_eq!(titles, ["Ann alone", "Ann and Ben"]);
    assert!(
        of("meeting").iter().all(|m| m["copy"]["graph_id"].is_string()),
        "with what her mailbox shows"
    );
    assert!(!of("journal").is_empty());
    let text = serde_json::to_string(&documents).expect("text");
    assert!(!text.contains("\"refresh_token\"") && !text.contains("\"access_token\""));
    assert!(export(&w, "99").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_forgotten_alone_and_only_when_nothing_would_be_read_again() {
    let mut w = two_people().await;
    let refused = run(&w, &["forget", "odoo", "--user", "7"])
        .await
        .expect_err("connected");
    assert!(
        refused.contains("Reset Account") && refused.contains(ANN),
        "{refused}"
    );
    assert_eq!(w.count("accounts").await, 2, "nothing was erased");
    let kwargs = json!({"user_id": 7, "delete_policy": "dont_delete", "sync_policy": "new", "mails": 0});
    w.odoo
        .call(
            &w.service,
            2,
            "microsoft.calendar.account.reset",
            "reset_account",
            kwargs,
        )
        .await
        .expect("a state");
    eventually("she is disconnected", async || {
        (w.count("accounts WHERE odoo_user_id = 7 AND state = 'need_auth'")
            .await
            == 1)
            .then_some(())
    })
    .await;
    let mailed = w.stack.mails().await;
    let said = run(&w, &["forget", "odoo", "--user", "7"])
        .await
        .expect("forgotten");
    assert!(said.contains("1 account(s)"), "{said}");
    assert!(export(&w, "7").await.is_empty(), "nothing is left");
    assert_eq!(
        w.count("meetings WHERE odoo_state ->> 'name' = 'Ann alone'")
            .await,
        0
    );
    assert_eq!(
        w.count("meetings WHERE odoo_state ->> 'name' = 'Ann and Ben'")
            .await,
        1,
        "Ben's, too"
    );
    assert_eq!(w.count("accounts").await, 1);
    // A second run finds nothing, and the others are still synced.
    assert!(run(&w, &["forget", "odoo", "--user", "7"]).await.is_ok());
    w.odoo.create(
        8,
        "Ben goes on",
        &odoo_time(4, "09:00:00"),
        &odoo_time(4, "10:00:00"),
        &[],
    );
    w.quiet().await;
    assert!(w.stack.event(BEN, "Ben goes on").await.is_some());
    // Outlook and Odoo keep their events, and nobody is mailed. A user who logs in again has each
    // event once.
    assert!(w.stack.event(ANN, "Ann alone").await.is_some() && w.odoo.by_name("Ann alone").is_some());
    w.odoo.connect(&w.stack, &w.service, 7).await.expect("connected");
    w.quiet().await;
    assert_eq!(w.stack.mails().await, mailed);
    for name in ["Ann alone", "Ann and Ben"] {
        let shown = w
            .stack
            .events(ANN)
            .await
            .into_iter()
            .filter(|event| event["subject"] == name)
            .count();
        let kept = w
            .odoo
            .records
            .values()
            .filter(|record| record["name"] == name)
            .count();
        assert_eq!((shown, kept), (1, 1), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_forgotten_when_it_is_not_paired_any_more() {
    let w = two_people().await;
    let refused = run(&w, &["forget", "odoo"]).await.expect_err("paired");
    assert!(refused.contains("revoke"), "{refused}");
    assert_eq!(w.count("databases").await, 1, "nothing was erased");
    let url = w.odoo.authorize_url(&w.service, 8).await.expect("a page");
    let page = url::Url::parse(&url).expect("a URL");
    let mut query: BTreeMap<String, String> = page.query_pairs().into_owned().collect();
    query.retain(|name, _| name == "state");
    query.insert("error".into(), "access_denied".into());
    query.insert("error_description".into(), "AADSTS65004: declined".into());
    w.odoo.redeem(&w.service, 8, &query).await.expect_err("cancelled");
    assert_eq!(w.count("login_refusals WHERE number = 65004").await, 1);
    let exported = export(&w, "8").await;
    assert!(
        exported
            .iter()
            .any(|document| document["kind"] == "login_refusal")
    );
    w.odoo
        .call(&w.service, 2, "outlook.bridge", "unpair", json!({}))
        .await
        .expect("parted");
    assert_eq!(
        w.count("accounts WHERE num_nonnulls(access_token, refresh_token) > 0")
            .await,
        0,
        "no token outlives the pairing"
    );
    let said = run(&w, &["forget", "odoo"]).await.expect("forgotten");
    assert!(said.contains("2 account(s)"), "{said}");
    for table in [
        "databases",
        "accounts",
        "meetings",
        "copies",
        "journal",
        "registrations",
        "login_attempts",
        "login_refusals",
    ] {
        assert_eq!(w.count(table).await, 0, "{table}");
    }
    assert!(
        w.stack.event(ANN, "Ann alone").await.is_some(),
        "Outlook keeps what it has"
    );
}

/// Only a stub of the meeting is left, which still names its organizer.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_long_past_is_forgotten_with_its_organizer() {
    let mut w = two_people().await;
    w.odoo.departed = vec![json!({"user_id": 7, "deleted": true})];
    w.odoo.sync(&w.service).await;
    w.odoo.departed.clear();
    super::growth_of_past::forget(&w).await;
    let stubs = "meetings WHERE odoo_state IS NULL AND stub ->> 'organizer' = '7'";
    let hers = format!("{stubs} AND NOT EXISTS (SELECT FROM copies WHERE meeting_id = meetings.id)");
    assert_eq!(w.count(&hers).await, 1, "her own, in no mailbox any more");
    assert!(!export(&w, "7").await.is_empty());
    run(&w, &["forget", "odoo", "--user", "7"])
        .await
        .expect("forgotten");
    assert!(export(&w, "7").await.is_empty());
    assert_eq!(w.count(stubs).await, 1, "the one that is Ben's, too");
}
