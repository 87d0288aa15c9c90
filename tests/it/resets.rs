//! Reset Account: what is deleted, what stays, who is mailed, and how it goes on afterwards.

use serde_json::{Value, json};

use super::convergence::service::command;
use super::stack::{ANN, BEN, Stack, eventually};
use super::world::{CARLA, OUTSIDE, World, kinds, odoo_time, world};

const WIZARD: &str = "microsoft.calendar.account.reset";

pub(super) async fn reset(w: &World, delete: &str, sync: &str) -> Result<Value, Value> {
    // The count that the wizard has shown.
    let told = w
        .odoo
        .call(&w.service, 2, WIZARD, "preview", json!({"user_id": 7}))
        .await;
    let mails = told.map_or(Value::Null, |told| told["outlook"]["cancellations"].clone());
    let kwargs = json!({"user_id": 7, "delete_policy": delete, "sync_policy": sync, "mails": mails});
    w.odoo.call(&w.service, 2, WIZARD, "reset_account", kwargs).await
}

async fn preview(w: &World) -> Value {
    w.odoo
        .call(&w.service, 2, WIZARD, "preview", json!({"user_id": 7}))
        .await
        .expect("a preview")
}

/// Exchanges until the user has this status. Returns the reason of the status.
pub(super) async fn has_status(w: &mut World, user: i64, status: &str) -> String {
    eventually(&format!("user {user} is {status}"), async || {
        w.odoo.sync(&w.service).await;
        let accounts = w.odoo.state["accounts"].as_array().cloned().unwrap_or_default();
        let account = accounts.into_iter().find(|a| a["user_id"] == user)?;
        (account["status"] == status).then(|| account["reason"].as_str().unwrap_or_default().to_owned())
    })
    .await
}

pub(super) fn at(day: i64) -> (String, String) {
    (odoo_time(day, "09:00:00"), odoo_time(day, "10:00:00"))
}

/// Returns which of these subjects a mailbox has.
async fn in_outlook(stack: &Stack, person: &str, subjects: &[&'static str]) -> Vec<&'static str> {
    let events = stack.events(person).await;
    let live = |subject: &&&str| {
        events
            .iter()
            .any(|e| e["subject"] == **subject && e["isCancelled"] != true)
    };
    subjects.iter().filter(live).copied().collect()
}

pub(super) fn in_odoo(w: &World, subjects: &[&'static str]) -> Vec<&'static str> {
    let there = |subject: &&&str| w.odoo.by_name(subject).is_some();
    subjects.iter().filter(there).copied().collect()
}

pub(super) const ALL: [&str; 5] = ["Alone", "Meeting", "Hers", "Only in Odoo", "Only in Outlook"];

/// Ann organizes an event without guests and one with guests, of whom one is a connected user. She
/// is a guest of Ben's, and has an event on each side that was never linked.
pub(super) async fn furnished() -> World {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    let (start, stop) = at(2);
    w.odoo.create(7, "Alone", &start, &stop, &[]);
    w.odoo.create(7, "Meeting", &start, &stop, &[BEN, CARLA, OUTSIDE]);
    w.odoo.create(8, "Hers", &start, &stop, &[ANN]);
    w.quiet().await;
    // Far outside the window.
    let far = json!({"subject": "Only in Outlook",
        "start": {"dateTime": "2041-01-01T10:00:00", "timeZone": "UTC"},
        "end": {"dateTime": "2041-01-01T11:00:00", "timeZone": "UTC"}});
    w.stack
        .sim_call("POST", &format!("mailboxes/{ANN}/events"), far)
        .await;
    w
}

struct Case {
    delete: &'static str,
    sync: &'static str,
    odoo: &'static [&'static str],
    ann: &'static [&'static str],
    ben: &'static [&'static str],
    mails: &'static [(&'static str, &'static str)],
    /// Whether a rename in Odoo reaches Outlook afterwards: of the event without guests, and of the
    /// meeting.
    follows: (bool, bool),
}

const CANCELLED: &[(&str, &str)] = &[
    ("cancellation", BEN),
    ("cancellation", CARLA),
    ("cancellation", OUTSIDE),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_choice_leaves_both_sides_as_the_guide_says() {
    let everything: &[&str] = &["Alone", "Meeting", "Hers"];
    let hers: &[&str] = &["Hers"];
    let cases = [
        Case {
            delete: "dont_delete",
            sync: "new",
            odoo: everything,
            ann: everything,
            ben: &["Meeting", "Hers"],
            mails: &[],
            follows: (true, true),
        },
        Case {
            delete: "dont_delete",
            sync: "all",
            odoo: everything,
            ann: everything,
            ben: &["Meeting", "Hers"],
            mails: &[],
            follows: (true, true),
        },
        Case {
            delete: "delete_microsoft",
            sync: "new",
            odoo: everything,
            ann: hers,
            ben: hers,
            mails: CANCELLED,
            follows: (false, false),
        },
        Case {
            delete: "delete_microsoft",
            sync: "all",
            odoo: everything,
            ann: &["Alone", "Hers"],
            ben: hers,
            mails: CANCELLED,
            follows: (true, false),
        },
        Case {
            delete: "delete_odoo",
            sync: "new",
            odoo: hers,
            ann: everything,
            ben: &["Meeting", "Hers"],
            mails: &[],
            follows: (false, false),
        },
        Case {
            delete: "delete_odoo",
            sync: "all",
            odoo: everything,
            ann: everything,
            ben: &["Meeting", "Hers"],
            mails: &[],
            follows: (true, true),
        },
        Case {
            delete: "delete_both",
            sync: "new",
            odoo: hers,
            ann: hers,
            ben: hers,
            mails: CANCELLED,
            follows: (false, false),
        },
        Case {
            delete: "delete_both",
            sync: "all",
            odoo: hers,
            ann: hers,
            ben: hers,
            mails: CANCELLED,
            follows: (false, false),
        },
    ];
    for half in cases.chunks(4) {
        futures_util::future::join_all(half.iter().map(check)).await;
    }
}

async fn check(case: &Case) {
    let mut w = furnished().await;
    let name = format!("{}, {}", case.delete, case.sync);
    w.forget_mails().await;
    reset(&w, case.delete, case.sync).await.expect("reset");
    let reason = has_status(&mut w, 7, "need_auth").await;
    assert!(reason.contains("was reset"), "{name}: {reason}");
    w.odoo
        .connect(&w.stack, &w.service, 7)
        .await
        .expect("connected again");
    w.quiet().await;
    assert_eq!(in_odoo(&w, &ALL), case.odoo, "Odoo, {name}");
    let mut expected = case.ann.to_vec();
    expected.push("Only in Outlook");
    assert_eq!(in_outlook(&w.stack, ANN, &ALL).await, expected, "Ann, {name}");
    assert_eq!(in_outlook(&w.stack, BEN, &ALL).await, case.ben, "Ben, {name}");
    assert_eq!(kinds(&w.stack.mails().await), case.mails, "mails, {name}");
    // Later edits on both sides.
    for (subject, later, follows) in [
        ("Alone", "Alone, later", case.follows.0),
        ("Meeting", "Meeting, later", case.follows.1),
    ] {
        if let Some(id) = w.odoo.by_name(subject).and_then(|record| record["id"].as_i64()) {
            w.odoo.write(id, json!({"name": later}));
            w.quiet().await;
            assert_eq!(
                w.stack.event(ANN, later).await.is_some(),
                follows,
                "{subject} renamed in Odoo, {name}"
            );
        }
        if let Some(event) = w.stack.event(ANN, later).await {
            w.outlook_edits(ANN, &event, json!({"location": {"displayName": "Room 5"}}))
                .await;
            w.quiet().await;
            let record = w.odoo.by_name(later).expect("in Odoo");
            assert_eq!(record["location"], "Room 5", "{later} edited in Outlook, {name}");
        }
    }
    // A new event is synced, whatever was chosen.
    let (start, stop) = at(4);
    w.odoo.create(7, "New", &start, &stop, &[]);
    w.quiet().await;
    assert!(w.stack.event(ANN, "New").await.is_some(), "{name}");
}

/// The mailbox is listed again before Odoo has deleted what the reset deletes: these records match
/// no event.
#[tokio::test(flavor = "multi_thread")]
async fn who_logs_in_at_once_gets_back_what_is_deleted_from_odoo_only_then() {
    let mut w = furnished().await;
    let old = w.odoo.by_name("Alone").expect("in Odoo")["id"].as_i64().unwrap();
    w.forget_mails().await;
    reset(&w, "delete_odoo", "all").await.expect("reset");
    w.odoo.connect(&w.stack, &w.service, 7).await.expect("back");
    w.worked(7).await;
    w.quiet().await;
    let again = w.odoo.by_name("Alone").expect("back in Odoo")["id"].as_i64();
    assert_ne!(again, Some(old));
    assert_eq!(
        in_odoo(&w, &["Alone", "Meeting", "Hers"]),
        ["Alone", "Meeting", "Hers"]
    );
    assert_eq!(
        in_outlook(&w.stack, ANN, &ALL).await,
        ["Alone", "Meeting", "Hers", "Only in Outlook"]
    );
    assert_eq!(kinds(&w.stack.mails().await), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_new_leaves_alone_what_was_never_linked() {
    for (sync, is_sent) in [("new", false), ("all", true)] {
        let mut w = world().await;
        // Made while her sync is stopped, so neither side has sent it.
        w.odoo
            .call(&w.service, 7, "res.users", "stop", json!({"user_id": 7}))
            .await
            .expect("stopped");
        eventually("the run under way is over", async || {
            (w.count("accounts WHERE lease_id IS NOT NULL").await == 0).then_some(())
        })
        .await;
        let (start, stop) = at(2);
        w.odoo.create(7, "Only in Odoo", &start, &stop, &[]);
        w.odoo.sync(&w.service).await;
        w.outlook_creates(ANN, "Only in Outlook", &[]).await;
        // Creation times on both sides are whole seconds.
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        reset(&w, "dont_delete", sync).await.expect("reset");
        has_status(&mut w, 7, "need_auth").await;
        w.odoo.connect(&w.stack, &w.service, 7).await.expect("back");
        w.quiet().await;
        assert_eq!(
            w.stack.event(ANN, "Only in Odoo").await.is_some(),
            is_sent,
            "{sync}"
        );
        assert_eq!(w.odoo.by_name("Only in Outlook").is_some(), is_sent, "{sync}");
        // When they are edited later, they are still not synced.
        if let Some(event) = w.stack.event(ANN, "Only in Outlook").await {
            w.outlook_edits(ANN, &event, json!({"subject": "Only in Outlook, later"}))
                .await;
        }
        let id = w.odoo.by_name("Only in Odoo").unwrap()["id"].as_i64().unwrap();
        w.odoo.write(id, json!({"name": "Only in Odoo, later"}));
        w.quiet().await;
        assert_eq!(
            w.stack.event(ANN, "Only in Odoo, later").await.is_some(),
            is_sent,
            "{sync}"
        );
        assert_eq!(
            w.odoo.by_name("Only in Outlook, later").is_some(),
            is_sent,
            "{sync}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_preview_counts_what_the_reset_deletes_and_mails() {
    let mut w = furnished().await;
    let told = preview(&w).await;
    assert_eq!(
        told,
        json!({"login": ANN, "reachable": true,
            "outlook": {"events": 2, "series": 0, "cancellations": 3, "people": 3, "outside": 1},
            "odoo": {"events": 2, "series": 0}})
    );
    w.forget_mails().await;
    let before = w.odoo.records.len();
    reset(&w, "delete_both", "new").await.expect("reset");
    has_status(&mut w, 7, "need_auth").await;
    w.odoo.sync(&w.service).await;
    assert_eq!(w.stack.mails().await.len(), 3);
    assert_eq!(before - w.odoo.records.len(), 2);
    // Nothing is left to delete in Odoo, and nothing can be deleted from Outlook without a login.
    let told = preview(&w).await;
    assert_eq!(
        (&told["reachable"], &told["outlook"]["events"]),
        (&json!(false), &json!(0))
    );
    let error = reset(&w, "delete_microsoft", "new").await.unwrap_err();
    assert!(error.to_string().contains("log in again first"), "{error}");
    reset(&w, "dont_delete", "all").await.expect("that can be had");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_survives_kills_and_retries_and_deletes_nothing_twice() {
    let mut w = world().await;
    let (start, stop) = at(2);
    for number in 0..45 {
        w.odoo
            .create(7, &format!("Many {number}"), &start, &stop, &[OUTSIDE]);
    }
    w.quiet().await;
    w.forget_mails().await;
    // One answer is lost after the deletions took effect, one request before; the others are slow.
    w.stack
        .sim_call(
            "PUT",
            "faults",
            json!([
                {"mailbox": ANN, "method": "POST", "path": "$batch", "nth": 1, "count": 1, "cut": "after"},
                {"mailbox": ANN, "method": "POST", "path": "$batch", "nth": 2, "count": 1, "cut": "before"},
                {"mailbox": ANN, "method": "POST", "path": "$batch", "nth": 3, "latency_ms": 700}]),
        )
        .await;
    reset(&w, "delete_microsoft", "new").await.expect("reset");
    let reason = has_status(&mut w, 7, "resetting").await;
    assert!(
        reason.contains(" of 45 deletions in Outlook are left"),
        "{reason}"
    );
    // Neither a login nor a stop interferes.
    let error = w.odoo.connect(&w.stack, &w.service, 7).await.unwrap_err();
    assert!(error.to_string().contains("being reset"), "{error}");
    w.odoo
        .call(&w.service, 7, "res.users", "stop", json!({"user_id": 7}))
        .await
        .expect("no error");
    for _ in 0..2 {
        w.restart().await;
        // An administrator presses Confirm again, and somebody edits meanwhile.
        if reset(&w, "delete_microsoft", "new").await.is_err() {
            break;
        }
        let id = w.odoo.by_name("Many 44").unwrap()["id"].as_i64().unwrap();
        w.odoo.write(id, json!({"location": "Room 7"}));
        w.odoo.sync(&w.service).await;
    }
    has_status(&mut w, 7, "need_auth").await;
    assert!(w.stack.events(ANN).await.is_empty());
    let mails = w.stack.mails().await;
    assert_eq!(mails.len(), 45, "{mails:?}");
    assert_eq!(w.odoo.records.len(), 45);
    assert_eq!(
        w.count("journal WHERE message LIKE 'deleted from Outlook%' AND content -> 'master' ->> 'title' LIKE 'Many %'")
            .await,
        45,
        "what was deleted can be restored"
    );
    let output = command(&w.stack)
        .args(["deleted", "odoo", "--user", "7"])
        .output();
    let output = output.await.expect("the program runs");
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).expect("text");
    let lines: Vec<Value> = printed
        .lines()
        .map(|line| serde_json::from_str(line).expect("a JSON document a line"))
        .collect();
    assert_eq!(lines.len(), 45);
    assert!(
        lines
            .iter()
            .all(|line| line["content"]["master"]["attendees"].get(OUTSIDE).is_some()),
        "{}",
        lines[0]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_lost_during_a_reset_is_asked_for_and_the_reset_goes_on() {
    let mut w = world().await;
    let (start, stop) = at(2);
    for number in 0..3 {
        w.odoo.create(7, &format!("Few {number}"), &start, &stop, &[]);
    }
    w.quiet().await;
    w.stack
        .sim_call(
            "PUT",
            "faults",
            json!([{"mailbox": ANN, "method": "DELETE", "count": 3, "expire_token": true}]),
        )
        .await;
    w.stack
        .sim_call("POST", &format!("people/{ANN}/revoke"), Value::Null)
        .await;
    reset(&w, "delete_microsoft", "new").await.expect("reset");
    has_status(&mut w, 7, "need_auth").await;
    assert_eq!(w.stack.events(ANN).await.len(), 3);
    w.stack.sim_call("DELETE", "faults", Value::Null).await;
    // Another mailbox is not asked to delete these events.
    w.odoo.users.insert(7, CARLA.to_owned());
    let error = w.odoo.connect(&w.stack, &w.service, 7).await.unwrap_err();
    assert!(error.to_string().contains("once more"), "{error}");
    w.odoo.users.insert(7, ANN.to_owned());
    w.odoo.connect(&w.stack, &w.service, 7).await.expect("Ann again");
    eventually("the rest is deleted", async || {
        w.stack.events(ANN).await.is_empty().then_some(())
    })
    .await;
    has_status(&mut w, 7, "need_auth").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_reset_another_mailbox_begins_with_nothing_of_the_first() {
    for sync in ["new", "all"] {
        let mut w = furnished().await;
        reset(&w, "dont_delete", sync).await.expect("reset");
        has_status(&mut w, 7, "need_auth").await;
        w.forget_mails().await;
        let before = w.stack.events(ANN).await;
        w.odoo.users.insert(7, CARLA.to_owned());
        w.odoo.connect(&w.stack, &w.service, 7).await.expect("as Carla");
        w.quiet().await;
        assert_eq!(
            w.stack.event(CARLA, "Alone").await.is_some(),
            sync == "all",
            "{sync}"
        );
        // Nobody may write the events of Ann's mailbox.
        let id = w.odoo.by_name("Alone").unwrap()["id"].as_i64().unwrap();
        w.odoo.write(id, json!({"name": "Alone, later"}));
        w.odoo.answer(
            w.odoo.by_name("Hers").unwrap()["id"].as_i64().unwrap(),
            7,
            "declined",
        );
        w.quiet().await;
        assert_eq!(w.stack.events(ANN).await, before, "{sync}");
        assert_eq!(w.stack.mails().await, [], "{sync}");
    }
}
