//! Who organizes a meeting decides in whose mailbox it is, whoever saves it.

use serde_json::{Value, json};

use super::stack::{ANN, BEN};
use super::world::{CARLA, OUTSIDE, World, kinds, odoo_time, world};

const TEAM: &str = "team@contoso.example";

impl World {
    /// What the journal says of one event, newest first.
    async fn journal_of(&self, event: Value) -> Vec<String> {
        let told = self
            .odoo
            .call(&self.service, 2, "outlook.bridge", "journal", event)
            .await
            .expect("a journal");
        let lines = told.as_array().expect("lines").iter();
        lines
            .map(|line| line["message"].as_str().expect("words").to_owned())
            .collect()
    }

    fn id(&self, name: &str) -> i64 {
        let record = self.odoo.by_name(name);
        record.expect("in Odoo")["id"].as_i64().expect("an id")
    }
}

fn at(day: i64) -> (String, String) {
    (odoo_time(day, "09:00:00"), odoo_time(day, "10:00:00"))
}

fn guests_of(event: &Value) -> Vec<&str> {
    let list = event["attendees"].as_array().expect("attendees").iter();
    let mut all: Vec<&str> = list
        .filter_map(|guest| guest["emailAddress"]["address"].as_str())
        .collect();
    all.sort_unstable();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_made_for_a_colleague_is_in_the_colleagues_mailbox() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    w.quiet().await;
    let (start, stop) = at(2);
    w.odoo.actor = 7;
    let id = w.odoo.create(8, "His", &start, &stop, &[ANN, OUTSIDE]);
    w.quiet().await;
    let event = w.stack.event(BEN, "His").await.expect("in his mailbox");
    assert_eq!(event["isOrganizer"], true);
    let hers = w.stack.event(ANN, "His").await.expect("she is a guest");
    assert_eq!(hers["isOrganizer"], false);
    assert_eq!(
        kinds(&w.stack.mails().await),
        [("invitation", ANN), ("invitation", OUTSIDE)]
    );
    let journal = w.journal_of(json!({"res_id": id})).await;
    assert!(
        !journal.iter().any(|line| line.starts_with("Now:")),
        "{journal:?}"
    );

    // What she saves in it goes to his mailbox.
    w.forget_mails().await;
    w.odoo.write(id, json!({"location": "Room 1"}));
    w.quiet().await;
    let event = w.stack.event(BEN, "His").await.expect("in his mailbox");
    assert_eq!(event["location"]["displayName"], "Room 1");
    assert_eq!(
        kinds(&w.stack.mails().await),
        [("update", ANN), ("update", OUTSIDE)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_for_somebody_without_sync_stays_in_odoo_and_says_why() {
    let mut w = world().await;
    let (start, stop) = at(2);
    w.odoo.users.insert(9, CARLA.to_owned());
    w.odoo.mailer = json!("odoo");
    let id = w.odoo.create(9, "Hers", &start, &stop, &[ANN, OUTSIDE]);
    w.quiet().await;
    assert!(w.stack.event(ANN, "Hers").await.is_none());
    assert_eq!(w.stack.mails().await, []);
    let journal = w.journal_of(json!({"res_id": id})).await;
    assert!(
        journal[0].contains("is in Odoo alone") && journal[0].contains("User 9, is not connected to Outlook"),
        "{journal:?}"
    );

    // Connected now, with an event that existed and has guests: it waits for the choice, and nobody is mailed.
    w.odoo
        .connect(&w.stack, &w.service, 9)
        .await
        .expect("Carla is connected");
    w.quiet().await;
    assert!(w.stack.event(CARLA, "Hers").await.is_none());
    assert_eq!(w.stack.mails().await, []);
    let journal = w.journal_of(json!({"res_id": id})).await;
    assert!(
        journal[0].starts_with("Now: it is not synced. It existed before"),
        "{journal:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_has_its_lines_in_each_of_its_events() {
    let mut w = world().await;
    let id = w
        .odoo
        .create_weekly(7, "Stand-up", &odoo_time(5, "09:00:00"), 4, &[]);
    w.quiet().await;
    let key = w.odoo.records[&id]["key"].clone();
    let journal = w.journal_of(json!({"res_id": 4711, "key": key})).await;
    assert!(
        journal.iter().any(|line| line.starts_with("made in Outlook")),
        "{journal:?}"
    );
    let other = w.journal_of(json!({"res_id": 4711, "key": "another"})).await;
    assert_eq!(other, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_stays_the_group() {
    let mut w = world().await;
    w.outlook_creates(ANN, "All hands", &[TEAM]).await;
    w.quiet().await;
    let id = w.id("All hands");
    let emails = |w: &World| -> Vec<String> {
        let lines = w.odoo.records[&id]["attendees"]
            .as_array()
            .expect("attendees")
            .iter();
        lines
            .filter_map(|a| a["email"].as_str().map(str::to_owned))
            .collect()
    };
    assert_eq!(emails(&w), [ANN, TEAM]);
    w.forget_mails().await;
    w.odoo.change_guests(id, &[OUTSIDE], &[]);
    w.quiet().await;
    let event = w.stack.event(ANN, "All hands").await.expect("in Outlook");
    assert_eq!(guests_of(&event), [TEAM, OUTSIDE]);
    assert_eq!(kinds(&w.stack.mails().await), [("invitation", OUTSIDE)]);
    w.outlook_edits(ANN, &event, json!({"subject": "All hands!"}))
        .await;
    w.quiet().await;
    assert_eq!(w.odoo.records[&id]["name"], "All hands!");
    assert_eq!(emails(&w), [ANN, TEAM, OUTSIDE], "one line each, and no twin");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_outside_organizes_can_be_answered_and_is_never_written() {
    let mut w = world().await;
    let event = w.outlook_creates(CARLA, "Theirs", &[ANN, OUTSIDE]).await;
    w.quiet().await;
    let id = w.id("Theirs");
    assert_eq!(w.odoo.records[&id]["organizer"], Value::Null);
    w.forget_mails().await;
    w.odoo.answer(id, 7, "accepted");
    w.quiet().await;
    assert_eq!(kinds(&w.stack.mails().await), [("response", CARLA)]);

    w.forget_mails().await;
    w.odoo.write(id, json!({"location": "Elsewhere"}));
    w.odoo.change_guests(id, &[BEN], &[]);
    w.quiet().await;
    let now = w.stack.event(CARLA, "Theirs").await.expect("it stands");
    assert_eq!(
        (&now["location"], guests_of(&now)),
        (&event["location"], guests_of(&event))
    );
    assert_eq!(w.stack.mails().await, []);
    let journal = w.journal_of(json!({"res_id": id})).await;
    assert!(journal[0].contains("another one in Outlook"), "{journal:?}");
}
