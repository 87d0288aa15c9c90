//! A site's settings for Odoo's built-in sync: rules of other add-ons about what goes to Outlook,
//! and its limits.

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

use super::stack::{ANN, eventually, id_of};
use super::world::{OUTSIDE, World, day, kinds, odoo_time, world};

impl World {
    async fn set(&self, values: Value) -> Result<Value, Value> {
        self.odoo
            .call(&self.service, 2, "res.config.settings", "set_values", values)
            .await
    }

    /// Returns the newest line of an event's journal.
    async fn says(&self, event: Value) -> String {
        let told = self
            .odoo
            .call(&self.service, 2, "outlook.bridge", "journal", event);
        let told = told.await.expect("a journal");
        told[0]["message"].as_str().unwrap_or_default().to_owned()
    }

    async fn outlook_has(&self, title: &str) -> bool {
        self.stack.event(ANN, title).await.is_some()
    }
}

fn at(days: i64) -> (String, String) {
    (odoo_time(days, "09:00:00"), odoo_time(days, "10:00:00"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rule_excludes_is_made_in_outlook_when_the_rule_lets_it_through() {
    let mut w = world().await;
    w.odoo.mailer = json!("odoo");
    let (start, stop) = at(2);
    let id = w.odoo.create(7, "Kept apart", &start, &stop, &[OUTSIDE]);
    w.odoo.excluded.insert(id);
    w.quiet().await;
    assert!(!w.outlook_has("Kept apart").await);
    assert_eq!(w.count("meetings").await, 0, "nothing of it is kept");

    w.odoo.excluded.remove(&id);
    w.odoo.write(id, json!({"privacy": "public"}));
    w.quiet().await;
    assert!(w.outlook_has("Kept apart").await);
    // Odoo has already invited the guest.
    assert_eq!(w.stack.mails().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rule_excludes_later_stays_in_outlook_and_hears_nothing_more_of_odoo() {
    let mut w = world().await;
    let (start, stop) = at(2);
    let id = w.odoo.create(7, "Review", &start, &stop, &[OUTSIDE]);
    w.quiet().await;
    w.forget_mails().await;

    w.odoo.excluded.insert(id);
    w.odoo
        .write(id, json!({"name": "Dismissal", "privacy": "private"}));
    w.quiet().await;
    let event = w.stack.event(ANN, "Review").await.expect("as it was");
    assert_eq!(event["sensitivity"], "normal");
    assert_eq!(w.stack.mails().await, []);

    // Changes in Outlook still reach Odoo.
    w.outlook_edits(ANN, &event, json!({"location": {"displayName": "Room 1"}}))
        .await;
    w.quiet().await;
    assert_eq!(w.odoo.records[&id]["location"], "Room 1");
    assert_eq!(w.odoo.records[&id]["name"], "Dismissal");
    assert!(w.outlook_has("Review").await);
    let says = w.says(json!({"res_id": id})).await;
    assert!(
        says.starts_with("it was changed in Odoo") && says.contains("a rule of this Odoo"),
        "{says}"
    );

    // When the rule lets it through again, everything that was saved meanwhile is sent.
    w.forget_mails().await;
    w.odoo.excluded.remove(&id);
    w.odoo.write(id, json!({"privacy": "public"}));
    w.quiet().await;
    let event = w.stack.event(ANN, "Dismissal").await.expect("under its new name");
    assert_eq!(event["location"]["displayName"], "Room 1");
    assert_eq!(kinds(&w.stack.mails().await), [("update", OUTSIDE)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_deletes_is_deleted_whatever_the_rule_says() {
    let mut w = world().await;
    let (start, stop) = at(2);
    let id = w.odoo.create(7, "Review", &start, &stop, &[]);
    w.quiet().await;
    w.odoo.excluded.insert(id);
    w.odoo.write(id, json!({"name": "Dismissal"}));
    w.quiet().await;
    assert!(w.outlook_has("Review").await);
    w.odoo.unlink(id);
    w.quiet().await;
    assert!(!w.outlook_has("Review").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_excluded_series_stays_as_it_is() {
    let mut w = world().await;
    let slot = odoo_time(5, "09:00:00");
    let new = w.odoo.create_weekly(7, "Kept apart", &slot, 4, &[]);
    w.odoo.excluded.insert(new);
    let known = w.odoo.create_weekly(7, "Stand-up", &slot, 4, &[OUTSIDE]);
    w.quiet().await;
    assert!(!w.outlook_has("Kept apart").await);
    w.forget_mails().await;

    w.odoo.excluded.insert(known);
    w.odoo.set_series(known, &json!({"name": "Dismissals"}));
    w.quiet().await;
    let master = w.stack.event(ANN, "Stand-up").await.expect("as it was");
    w.outlook_edits(ANN, &master, json!({"location": {"displayName": "Room 1"}}))
        .await;
    w.quiet().await;
    assert_eq!(w.odoo.records[&known]["template"]["location"], "Room 1");
    assert_eq!(w.odoo.records[&known]["template"]["name"], "Dismissals");
    assert!(w.outlook_has("Stand-up").await);
    let key = w.odoo.records[&known]["key"].clone();
    let says = w.says(json!({"key": key})).await;
    assert!(says.contains("a rule of this Odoo"), "{says}");

    w.odoo.excluded.clear();
    w.odoo.set_series(known, &json!({"privacy": "public"}));
    w.quiet().await;
    assert!(w.outlook_has("Dismissals").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_excluded_event_is_not_taken_for_lost_when_the_database_is_paired_again() {
    let mut w = world().await;
    let (start, stop) = at(2);
    let id = w.odoo.create(7, "Review", &start, &stop, &[]);
    w.quiet().await;
    w.odoo.excluded.insert(id);
    w.odoo.write(id, json!({"name": "Dismissal"}));
    w.quiet().await;
    w.odoo.pair_again(&w.service).await;
    w.quiet().await;
    w.quiet().await;
    assert_eq!(w.odoo.records.len(), 1, "{:#?}", w.odoo.records);
    assert!(w.outlook_has("Review").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_other_engine_had_linked_is_taken_over_and_not_written_to() {
    let mut w = world().await;
    let event = w.outlook_creates(ANN, "Doctor", &[]).await;
    let (start, stop) = at(3);
    let id = w.odoo.create(7, "Doctor", &start, &stop, &[]);
    w.odoo.link_by_stock(id, &event["id"], &event["iCalUId"]);
    w.odoo.excluded.insert(id);
    w.odoo.write(id, json!({"description": "<p>Not for Outlook</p>"}));
    w.quiet().await;
    assert_eq!(w.odoo.records.len(), 1, "no twin: {:#?}", w.odoo.records);
    let event = w.stack.event(ANN, "Doctor").await.expect("as it was");
    assert!(
        !event["body"]["content"]
            .as_str()
            .unwrap_or_default()
            .contains("Not for Outlook")
    );
    assert_eq!(id_of(&event), id_of(&w.stack.events(ANN).await[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_made_in_odoo_while_a_failing_rule_keeps_some_of_it_from_being_told() {
    let mut w = world().await;
    w.odoo.existing_left = vec![8];
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben");
    w.outlook_creates(super::stack::BEN, "His", &[]).await;
    w.worked(8).await;
    w.odoo.sync(&w.service).await;
    assert!(w.odoo.by_name("His").is_none(), "Odoo may have it");
    w.odoo.existing_left.clear();
    w.quiet().await;
    w.quiet().await;
    assert!(w.odoo.by_name("His").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_created_before_the_date_stays_in_odoo() {
    let mut w = world().await;
    let (start, stop) = at(2);
    let from = (Utc::now() + TimeDelta::days(1))
        .format("%Y-%m-%d %H:%M:%S")
        .to_string();
    let state = w.set(json!({"created_from": from})).await.expect("set");
    assert_eq!(state["created_from"], from);
    let id = w.odoo.create(7, "Of before", &start, &stop, &[]);
    w.quiet().await;
    assert!(!w.outlook_has("Of before").await);
    let says = w.says(json!({"res_id": id})).await;
    assert!(says.contains("created before the date"), "{says}");

    // When the limit is removed, the event is sent without being saved again.
    let state = w.set(json!({"created_from": ""})).await.expect("set");
    assert_eq!(state["created_from"], Value::Null);
    w.quiet().await;
    assert!(w.outlook_has("Of before").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ended_long_ago_is_not_sent() {
    let mut w = world().await;
    let (start, stop) = at(-20);
    let known = w.odoo.create(7, "Long ago", &start, &stop, &[OUTSIDE]);
    w.quiet().await;
    w.forget_mails().await;
    w.set(json!({"sent_back": 10})).await.expect("set");
    w.odoo.write(known, json!({"name": "Tidied up"}));
    let new = w.odoo.create(7, "Put in later", &start, &stop, &[]);
    let (start, stop) = at(-5);
    w.odoo.create(7, "Last week", &start, &stop, &[]);
    w.quiet().await;
    assert!(w.outlook_has("Long ago").await);
    assert!(!w.outlook_has("Put in later").await);
    assert!(w.outlook_has("Last week").await);
    assert_eq!(w.stack.mails().await, []);
    for id in [known, new] {
        let says = w.says(json!({"res_id": id})).await;
        assert!(says.contains("ended more than 10 days ago"), "{says}");
    }
    w.set(json!({"sent_back": 0})).await.expect("set");
    w.quiet().await;
    assert!(w.outlook_has("Tidied up").await && w.outlook_has("Put in later").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_has_a_window_of_its_own() {
    let mut w = world().await;
    w.set(json!({"days_back": 30, "days_ahead": 60}))
        .await
        .expect("set");
    let body = json!({"subject": "Next quarter",
        "start": {"dateTime": day(90, "10:00:00"), "timeZone": "UTC"},
        "end": {"dateTime": day(90, "11:00:00"), "timeZone": "UTC"}});
    w.quiet().await;
    w.stack
        .sim_call("POST", &format!("mailboxes/{ANN}/events"), body)
        .await;
    w.quiet().await;
    assert!(w.odoo.by_name("Next quarter").is_none());
    let state = w
        .set(json!({"days_back": 0, "days_ahead": 0}))
        .await
        .expect("set");
    assert_eq!(
        (&state["days_back"], &state["days_ahead"]),
        (&json!(0), &json!(0))
    );
    // If a larger window is read, Odoo is asked for more.
    assert_eq!(
        (&state["told_back"], &state["told_ahead"]),
        (&json!(365), &json!(730))
    );
    w.quiet().await;
    eventually("it is inside of the service's own window", async || {
        w.odoo.by_name("Next quarter").map(|_| ())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_event_of_before_the_connection_is_outside_of_a_narrow_window() {
    let mut w = world().await;
    w.set(json!({"days_back": 30, "days_ahead": 60}))
        .await
        .expect("set");
    for (name, days) in [("Long ago", -40), ("Far off", 70), ("Soon", 3)] {
        let (start, stop) = at(days);
        w.odoo.create(8, name, &start, &stop, &[]);
    }
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben");
    w.quiet().await;
    let has = async |name| w.stack.event(super::stack::BEN, name).await.is_some();
    assert!(has("Soon").await);
    assert!(!has("Long ago").await && !has("Far off").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_that_cannot_be_are_refused_in_words() {
    let w = world().await;
    for (values, words) in [
        (
            json!({"days_back": 801}),
            "at most 800 days back and 1000 days ahead",
        ),
        (json!({"days_ahead": -1}), "at most 800 days back"),
        (json!({"sent_back": -3}), "Old events"),
        (
            json!({"created_from": "yesterday"}),
            "“yesterday” is not a time like",
        ),
    ] {
        let error = w.set(values).await.expect_err("refused");
        assert_eq!(error["data"]["name"], "odoo.exceptions.UserError");
        let message = error["data"]["message"].as_str().expect("words");
        assert!(message.contains(words), "{message}");
    }
    let state = w.set(json!({})).await.expect("a state");
    assert_eq!(
        [&state["days_back"], &state["days_ahead"], &state["sent_back"]],
        [&json!(0), &json!(0), &json!(0)]
    );
}
