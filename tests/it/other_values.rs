//! The value of a conflict that was not kept: shown beside the other one, and to be had.

use serde_json::{Value, json};

use super::records::{JOURNAL, ask, rows};
use super::series::occurrence;
use super::stack::ANN;
use super::world::{World, world};

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_shows_both_values_and_the_other_one_can_be_had() {
    for (policy, kept, other) in [
        ("odoo", "Odoo’s", "Outlook’s"),
        ("outlook", "Outlook’s", "Odoo’s"),
    ] {
        let mut w = world().await;
        let chosen = json!({"policy": policy});
        ask(&w.odoo, &w.service, "res.config.settings", "set_values", chosen).await;
        let event = w.outlook_creates(ANN, "Both", &[]).await;
        w.quiet().await;
        let id = w.odoo.by_name("Both").expect("in Odoo")["id"].as_i64();
        let id = id.expect("an id");
        w.odoo.write(id, json!({"name": "Odoo’s"}));
        w.outlook_edits(ANN, &event, json!({"subject": "Outlook’s"}))
            .await;
        w.quiet().await;
        let conflicts = json!([["conflict_field", "!=", false]]);
        let found = rows(&w, JOURNAL, conflicts, &[]).await;
        assert_eq!(
            (
                &found[0]["conflict_field"],
                &found[0]["conflict_kept"],
                &found[0]["can_take_other"],
                &found[0]["can_take_by_occurrence"],
                &found[0]["res_id"],
            ),
            (
                &json!("title"),
                &json!(policy),
                &json!(true),
                &json!(true),
                &json!(id)
            )
        );
        assert_eq!(
            (&found[0]["conflict_odoo"], &found[0]["conflict_outlook"]),
            (&json!("Odoo’s"), &json!("Outlook’s"))
        );
        // An add-on that does not know the argument gets what it has always got.
        let line = json!({"line_id": found[0]["id"]});
        let told = ask(&w.odoo, &w.service, JOURNAL, "other_value", line).await;
        assert_eq!(
            (&told["res_id"], &told["values"]),
            (&json!(id), &json!({"name": other}))
        );
        // The user is told of it until the conflicts were looked at.
        let unseen = async |w: &World, method: &str, model: &str, kwargs: Value| {
            let state = ask(&w.odoo, &w.service, model, method, kwargs).await;
            state["accounts"]
                .as_array()
                .expect("accounts")
                .iter()
                .filter_map(|account| account["conflicts"].as_i64())
                .sum::<i64>()
        };
        assert_eq!(unseen(&w, "status", "outlook.bridge", json!({})).await, 1);
        assert_eq!(
            unseen(&w, "see_conflicts", "res.users", json!({"user_id": 7})).await,
            0
        );
        assert_eq!(unseen(&w, "status", "outlook.bridge", json!({})).await, 0);
        // Written in Odoo, it is a change like any other.
        assert!(w.stack.event(ANN, kept).await.is_some());
        w.odoo.write(id, told["values"].clone());
        w.quiet().await;
        assert!(w.stack.event(ANN, other).await.is_some());
        let none = w
            .odoo
            .call(&w.service, 2, JOURNAL, "other_value", json!({"line_id": 1}))
            .await;
        assert_eq!(
            none.expect_err("no conflict")["data"]["name"],
            "odoo.exceptions.MissingError"
        );
    }
}

/// Lets both sides change the same, and returns what is said of the value that was not kept. It is
/// one that only add-ons save that know `by_occurrence`.
async fn not_kept(w: &mut World, policy: &str) -> (Value, Value) {
    w.quiet().await;
    let conflicts = json!([["conflict_field", "!=", false]]);
    let found = rows(w, JOURNAL, conflicts, &[]).await;
    assert_eq!(
        found.as_array().map(Vec::len),
        Some(1),
        "it is said once: {found}"
    );
    let line = found[0].clone();
    assert_eq!(
        (
            &line["conflict_kept"],
            &line["can_take_other"],
            &line["can_take_by_occurrence"]
        ),
        (&json!(policy), &json!(false), &json!(true))
    );
    let asked = json!({"line_id": line["id"]});
    let refused = w.odoo.call(&w.service, 2, JOURNAL, "other_value", asked).await;
    let refused = refused.expect_err("an older add-on");
    assert_eq!(refused["data"]["name"], "odoo.exceptions.UserError");
    let said = refused["data"]["message"].as_str().expect("words");
    assert!(said.contains("upgrade the add-on"), "{said}");
    let asked = json!({"line_id": line["id"], "by_occurrence": true});
    let told = ask(&w.odoo, &w.service, JOURNAL, "other_value", asked).await;
    (line, told)
}

async fn in_conflict(policy: &str) -> World {
    let w = world().await;
    let chosen = json!({"policy": policy});
    ask(&w.odoo, &w.service, "res.config.settings", "set_values", chosen).await;
    w
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reminder_that_was_not_kept_can_be_had() {
    for (policy, other) in [("odoo", 45), ("outlook", 5)] {
        let mut w = in_conflict(policy).await;
        let event = w.outlook_creates(ANN, "Both", &[]).await;
        w.quiet().await;
        let id = w.odoo.by_name("Both").expect("in Odoo")["id"].as_i64();
        let id = id.expect("an id");
        w.odoo.write(id, json!({"reminder_minutes": [5]}));
        let later = json!({"reminderMinutesBeforeStart": 45, "isReminderOn": true});
        w.outlook_edits(ANN, &event, later).await;
        let (line, told) = not_kept(&mut w, policy).await;
        assert_eq!(line["conflict_field"], "reminder");
        assert_eq!(told["recurrence_update"], Value::Null);
        assert_eq!(told["values"], json!({"reminder_minutes": [other]}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_of_one_occurrence_that_was_not_kept_can_be_had() {
    for (policy, other) in [("odoo", "Outlook’s"), ("outlook", "Odoo’s")] {
        let mut w = in_conflict(policy).await;
        let id = w.odoo.create_weekly(7, "Weekly", "2027-03-01 09:00:00", 4, &[]);
        w.quiet().await;
        // The same group of another occurrence is changed on one side alone, and is no conflict.
        w.odoo.set_one(id, 2, &json!({"name": "Alone"}));
        w.odoo.set_one(id, 1, &json!({"name": "Odoo’s"}));
        let second = occurrence(&w, ANN, "2027-03-08").await.expect("an occurrence");
        w.outlook_edits(ANN, &second, json!({"subject": "Outlook’s"}))
            .await;
        let (line, told) = not_kept(&mut w, policy).await;
        assert_eq!(
            (&line["conflict_field"], &line["conflict_slot"]),
            (&json!("title"), &json!("2027-03-08"))
        );
        let said = line["message"].as_str().expect("a sentence");
        assert!(
            said.starts_with("title (occurrence of 2027-03-08) changed on both sides"),
            "{said}"
        );
        assert_eq!(told["recurrence_update"], "self_only");
        let record = &w.odoo.records[&id];
        let second = &w.odoo.slot(id, 1);
        let ids = record["records"].as_array().expect("records");
        let of_slot = ids.iter().find(|one| one[0] == *second).expect("a record");
        assert_eq!(told["res_id"], of_slot[1]);
        assert_eq!(told["values"], json!({"name": other}));
        w.odoo.set_one(id, 1, &told["values"]);
        w.quiet().await;
        let shown = occurrence(&w, ANN, "2027-03-08").await.expect("an occurrence");
        assert_eq!(shown["subject"], other);
        // Once the occurrence is gone, nothing can be saved.
        w.odoo.set_there(id, 1, false);
        w.quiet().await;
        let asked = json!({"line_id": line["id"], "by_occurrence": true});
        let none = w.odoo.call(&w.service, 2, JOURNAL, "other_value", asked).await;
        assert_eq!(
            none.expect_err("it is gone")["data"]["name"],
            "odoo.exceptions.MissingError"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repetition_that_was_not_kept_can_be_had() {
    for (policy, count) in [("odoo", 3), ("outlook", 6)] {
        let mut w = in_conflict(policy).await;
        let id = w.odoo.create_weekly(7, "Weekly", "2027-03-01 09:00:00", 4, &[]);
        w.quiet().await;
        w.odoo.end_series(id, &json!({"count": 6}));
        let series = w.stack.event(ANN, "Weekly").await.expect("a series");
        let mut shorter = series["recurrence"].clone();
        shorter["range"] = json!({"type": "numbered", "startDate": "2027-03-01", "numberOfOccurrences": 3});
        w.outlook_edits(ANN, &series, json!({"recurrence": shorter}))
            .await;
        let (line, told) = not_kept(&mut w, policy).await;
        assert_eq!(
            (&line["conflict_field"], &line["conflict_slot"]),
            (&json!("time"), &json!(false))
        );
        assert_eq!(told["recurrence_update"], "all_events");
        let values = &told["values"];
        assert_eq!(
            (
                &values["rule"]["end_type"],
                &values["rule"]["count"],
                &values["tz"]
            ),
            (&json!("count"), &json!(count), &json!("Europe/Brussels"))
        );
        assert_eq!(values["start"], "2027-03-01 09:00:00");
    }
}
