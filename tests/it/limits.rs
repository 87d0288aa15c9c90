//! A mailbox that may send no mail or is full, and a login that needs more proof. Whatever can go
//! on goes on, nothing that waits is lost, and people read what to do.

use serde_json::{Value, json};

use super::stack::{ANN, CLIENT_ID, eventually, id_of};
use super::world::{OUTSIDE, World, kinds, odoo_time, world};

async fn mailbox(w: &World, change: Value) {
    w.stack
        .sim_call("PATCH", &format!("mailboxes/{ANN}"), change)
        .await;
}

async fn switch(w: &World, switches: Value) {
    w.stack.sim_call("PUT", "switches", switches).await;
}

async fn person(w: &World, change: Value) {
    w.stack.sim_call("PATCH", &format!("people/{ANN}"), change).await;
}

fn save(w: &mut World, name: &str, guests: &[&str]) -> i64 {
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    w.odoo.create(7, name, &start, &stop, guests)
}

/// Returns what Ann sees of her account.
async fn account(w: &World) -> Value {
    let call = w.odoo.call(&w.service, 1, "outlook.bridge", "status", json!({}));
    let state = call.await.expect("a state");
    let accounts = state["accounts"].as_array().expect("accounts").clone();
    accounts
        .into_iter()
        .find(|account| account["user_id"] == 7)
        .expect("Ann's")
}

async fn refusals(w: &World) -> usize {
    let log = w.stack.sim_call("GET", "requests", Value::Null).await;
    let lines = log["value"].as_array().expect("a log");
    let refused = |line: &&Value| line["method"] != "GET" && line["status"].as_u64() >= Some(400);
    lines.iter().filter(refused).count()
}

async fn later(w: &World) {
    // A run that is under way would write down its own times afterwards.
    eventually("no run is under way", async || {
        (w.count("accounts WHERE lease_id IS NOT NULL").await == 0).then_some(())
    })
    .await;
    w.sql("UPDATE troubles SET limited_until = now() - interval '1 second'")
        .await;
    w.sql("UPDATE outlook_outbox SET next_attempt_at = now()").await;
    w.sql("UPDATE accounts SET next_run_at = now(), rest_until = NULL")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_send_nothing_keeps_syncing_what_mails_nobody() {
    let mut w = world().await;
    for code in ["ErrorMessageSubmissionBlocked", "ErrorExceededMessageLimit"] {
        mailbox(&w, json!({"sending_refused": code})).await;
        w.stack.sim_call("DELETE", "requests", Value::Null).await;
        w.forget_mails().await;
        let (meeting, alone) = (format!("Meeting, {code}"), format!("Alone, {code}"));
        save(&mut w, &meeting, &[OUTSIDE]);
        w.odoo.sync(&w.service).await;
        w.becomes("it is noted", 1, "troubles WHERE limited_by IS NOT NULL")
            .await;
        save(&mut w, &alone, &[]);
        w.odoo.sync(&w.service).await;
        eventually("what mails nobody goes on", async || {
            w.stack.event(ANN, &alone).await
        })
        .await;
        let from_outlook = format!("From Outlook, {code}");
        w.outlook_creates(ANN, &from_outlook, &[]).await;
        for _ in 0..3 {
            w.worked(7).await;
            w.odoo.sync(&w.service).await;
        }
        assert!(w.odoo.by_name(&from_outlook).is_some(), "and is read");
        assert_eq!(refusals(&w).await, 1, "asked once");
        let seen = account(&w).await;
        let words = seen["reason"].as_str().expect("words").to_owned();
        assert_eq!(seen["status"], "attention");
        assert!(
            words.contains(code) && words.contains("Nothing is lost") && words.contains("inbox"),
            "{words}"
        );
        assert!(!words.contains("  "), "{words}");
        // Another creation waits without being tried.
        save(&mut w, &format!("Second, {code}"), &[OUTSIDE]);
        w.odoo.sync(&w.service).await;
        w.worked(7).await;
        assert_eq!(refusals(&w).await, 1, "not before its time");
        assert_eq!(w.count("accounts WHERE failures > 0").await, 0);
        assert_eq!(w.count("meetings WHERE set_aside IS NOT NULL").await, 0);
        let said = "journal WHERE message LIKE '%Odoo invites%'";
        assert_eq!(w.count(said).await, 0, "Odoo does not invite in its stead");
        later(&w).await;
        w.becomes("the wait grows", 1, "troubles WHERE limited_times = 2")
            .await;
        mailbox(&w, json!({"sending_refused": ""})).await;
        later(&w).await;
        w.quiet().await;
        assert!(w.stack.event(ANN, &meeting).await.is_some());
        assert_eq!(
            kinds(&w.stack.mails().await),
            [("invitation", OUTSIDE), ("invitation", OUTSIDE)],
            "each once"
        );
        assert_eq!(w.count("troubles WHERE limited_by IS NOT NULL").await, 0);
        assert_eq!(account(&w).await["status"], "active");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_mailbox_waits_for_room() {
    let mut w = world().await;
    for (status, reads) in [(403, false), (507, true)] {
        switch(
            &w,
            json!({"full_mailbox_status": status, "full_mailbox_refuses_delta": !reads}),
        )
        .await;
        let old = save(&mut w, &format!("Old {status}"), &[]);
        w.quiet().await;
        mailbox(&w, json!({"full": true})).await;
        let name = format!("New {status}");
        save(&mut w, &name, &[]);
        w.odoo.write(old, json!({"location": "There"}));
        w.odoo.sync(&w.service).await;
        w.becomes("it is noted", 1, "troubles WHERE limited_by IS NOT NULL")
            .await;
        eventually("what needs no room goes on", async || {
            let old = w.stack.event(ANN, &format!("Old {status}")).await?;
            (old["location"]["displayName"] == "There").then_some(())
        })
        .await;
        eventually("Ann reads what to do", async || {
            let seen = account(&w).await;
            let words = seen["reason"].as_str()?;
            (words.contains("is full") && words.contains("Deleted Items")).then_some(())
        })
        .await;
        assert_eq!(w.count("meetings WHERE set_aside IS NOT NULL").await, 0);
        mailbox(&w, json!({"full": false})).await;
        later(&w).await;
        eventually("it is made", async || w.stack.event(ANN, &name).await).await;
        later(&w).await;
        w.quiet().await;
        assert_eq!(account(&w).await["status"], "active");
    }
}

fn wanted() -> Value {
    json!({"access_token": {"nbf": {"essential": true, "value": "1800000000"}}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claims_challenge_is_met_by_renewing_the_login_once() {
    let mut w = world().await;
    w.stack.sim_call("DELETE", "requests", Value::Null).await;
    person(&w, json!({"challenge": {"claims": wanted()}})).await;
    w.outlook_creates(ANN, "After the challenge", &[]).await;
    w.quiet().await;
    assert!(w.odoo.by_name("After the challenge").is_some());
    let log = w.stack.sim_call("GET", "requests", Value::Null).await;
    let lines = log["value"].as_array().expect("a log");
    let tokens = lines
        .iter()
        .filter(|l| l["path"].as_str().is_some_and(|path| path.contains("/token")));
    assert_eq!(tokens.count(), 1);
    assert_eq!(
        lines.iter().filter(|line| line["status"] == 401).count(),
        1,
        "refused once"
    );
    assert_eq!(account(&w).await["status"], "active");
    assert_eq!(w.count("troubles WHERE claims IS NOT NULL").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_that_wants_the_person_asks_for_a_login_with_its_claims() {
    let mut w = world().await;
    let challenge = json!({"challenge": {"claims": wanted(), "interactive": true}});
    person(&w, challenge).await;
    eventually("Ann is asked", async || {
        (account(&w).await["status"] == "need_auth").then_some(())
    })
    .await;
    let words = account(&w).await["reason"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(words.contains("log in to Outlook again"), "{words}");
    let url = w.odoo.authorize_url(&w.service, 7).await.expect("a page");
    assert!(
        url.contains("claims=%7B%22access_token%22") && url.contains(CLIENT_ID),
        "{url}"
    );
    let query = w.stack.sign_in(&url, ANN, "accept").await;
    w.odoo.redeem(&w.service, 7, &query).await.expect("logged in");
    w.outlook_creates(ANN, "Proven", &[]).await;
    w.quiet().await;
    assert!(w.odoo.by_name("Proven").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_that_no_token_meets_ends_with_the_person_and_in_no_loop() {
    let w = world().await;
    w.stack.sim_call("DELETE", "requests", Value::Null).await;
    // The login accepts the claims, but the calendar asks for others each time.
    let fault = json!([{"mailbox": ANN, "path": "/v1.0/me/", "challenge": wanted()}]);
    w.stack.sim_call("PUT", "faults", fault).await;
    eventually("Ann is asked", async || {
        (account(&w).await["status"] == "need_auth").then_some(())
    })
    .await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let log = w.stack.sim_call("GET", "requests", Value::Null).await;
    let lines = log["value"].as_array().expect("a log");
    let tokens = lines
        .iter()
        .filter(|l| l["path"].as_str().is_some_and(|path| path.contains("/token")));
    assert_eq!(tokens.count(), 1, "renewed once");
    let words = account(&w).await["reason"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(words.contains("Conditional Access"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_whose_last_occurrence_goes_is_over_in_odoo() {
    for ends in [false, true] {
        let mut w = world().await;
        switch(&w, json!({"last_occurrence_ends_series": ends})).await;
        let recurrence = json!({"pattern": {"type": "daily", "interval": 1},
            "range": {"type": "numbered", "startDate": super::world::day(3, ""), "numberOfOccurrences": 2}});
        let body = json!({"subject": "Short", "recurrence": with_date(recurrence),
            "start": {"dateTime": super::world::day(3, "10:00:00"), "timeZone": "Europe/Brussels"},
            "end": {"dateTime": super::world::day(3, "11:00:00"), "timeZone": "Europe/Brussels"}});
        let made = w
            .stack
            .sim_call("POST", &format!("mailboxes/{ANN}/events"), body)
            .await;
        w.quiet().await;
        assert!(w.odoo.series_by_name("Short").is_some(), "in Odoo");
        let path = format!("mailboxes/{ANN}/events/{}", id_of(&made));
        let whole = w.stack.sim_call("GET", &path, Value::Null).await;
        for one in whole["occurrences"].as_array().expect("occurrences") {
            let path = format!("mailboxes/{ANN}/events/{}", id_of(one));
            w.stack.sim_call("DELETE", &path, Value::Null).await;
        }
        w.quiet().await;
        w.quiet().await;
        let left = w.odoo.records.values().filter(|record| record["active"] != false);
        assert_eq!(left.count(), 0, "ends: {ends}, {:?}", w.odoo.records);
        assert_eq!(w.count("outlook_outbox").await, 0);
    }
}

/// Returns the recurrence whose start date has no trailing `T`.
fn with_date(mut recurrence: Value) -> Value {
    let start = recurrence["range"]["startDate"].as_str().unwrap_or_default();
    let start = start.trim_end_matches('T').to_owned();
    recurrence["range"]["startDate"] = json!(start);
    recurrence
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_outlook_for_windows_takes_apart_stays_odoos() {
    let mut w = world().await;
    let id = save(&mut w, "Listed", &[]);
    let text = "<p>Take <em>these</em>:</p><ul><li><strong>bread</strong></li><li>salt</li></ul>";
    w.odoo.write(id, json!({"description": text}));
    w.quiet().await;
    let before = w.odoo.records[&id]["description"].clone();
    let event = w.stack.event(ANN, "Listed").await.expect("in Outlook");
    w.outlook_edits(ANN, &event, json!({"location": {"displayName": "There"}}))
        .await;
    w.stack.sim_call("DELETE", "requests", Value::Null).await;
    w.quiet().await;
    w.quiet().await;
    let event = w.stack.event(ANN, "Listed").await.expect("in Outlook");
    let body = event["body"]["content"].as_str().unwrap_or_default().to_owned();
    assert!(body.contains("MsoListParagraph"), "rewritten: {body}");
    assert_eq!(w.odoo.records[&id]["location"], "There");
    assert_eq!(w.odoo.records[&id]["description"], before);
    let log = w.stack.sim_call("GET", "requests", Value::Null).await;
    let lines = log["value"].as_array().expect("a log");
    assert!(lines.iter().all(|line| line["method"] != "PATCH"), "no ping-pong");
}

#[tokio::test(flavor = "multi_thread")]
async fn years_that_outlook_counts_in_months_are_the_same_series() {
    for (kept, rrule_type, interval) in [("months", "yearly", 2), ("years", "monthly", 24)] {
        let mut w = world().await;
        switch(&w, json!({"long_patterns": kept})).await;
        let start = odoo_time(2, "09:00:00");
        let rule = json!({"rrule_type": rrule_type, "interval": interval, "end_type": "count", "count": 3});
        let id = w.odoo.create_series(7, "Seldom", &start, &rule, &[OUTSIDE]);
        w.quiet().await;
        let event = w.stack.event(ANN, "Seldom").await.expect("in Outlook");
        let other = if kept == "months" {
            ("absoluteMonthly", 24)
        } else {
            ("absoluteYearly", 2)
        };
        let pattern = &event["recurrence"]["pattern"];
        assert_eq!(
            (pattern["type"].as_str(), pattern["interval"].as_i64()),
            (Some(other.0), Some(other.1))
        );
        w.stack.sim_call("DELETE", "requests", Value::Null).await;
        w.outlook_edits(ANN, &event, json!({"location": {"displayName": "There"}}))
            .await;
        w.quiet().await;
        w.quiet().await;
        let series = &w.odoo.records[&id];
        assert_eq!(series["template"]["location"], "There");
        assert_eq!(
            series["rule"]["rrule_type"], rrule_type,
            "as it was saved in Odoo"
        );
        assert_eq!(series["rule"]["interval"], interval);
        let log = w.stack.sim_call("GET", "requests", Value::Null).await;
        let lines = log["value"].as_array().expect("a log");
        assert!(lines.iter().all(|line| line["method"] != "PATCH"), "no ping-pong");
    }
}
