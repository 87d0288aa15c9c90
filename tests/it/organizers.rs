//! A meeting is in the mailbox of its organizer, whoever saves it.

use serde_json::{Value, json};

use super::odoo::Odoo;
use super::stack::{ANN, BEN, Stack, eventually};
use super::world::{CARLA, OUTSIDE, World, kinds, odoo_time, world};

const TEAM: &str = "team@contoso.example";

impl World {
    /// Returns the journal of one event, newest first.
    async fn journal_of(&self, event: Value) -> Vec<String> {
        let told = self
            .odoo
            .call(&self.service, 2, "outlook.bridge", "journal", event)
            .await
            .expect("a journal");
        let lines = told.as_array().expect("lines").iter();
        let words = |line: &Value| {
            let now = if line["standing"] == true { "Now: " } else { "" };
            format!("{now}{}", line["message"].as_str().expect("words"))
        };
        lines.map(words).collect()
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

    // A change that she saves goes to his mailbox.
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

    // He is connected now. His event existed before and has guests, so it waits for his decision,
    // and nobody is mailed.
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

impl World {
    /// Gives a meeting to another user, as in Odoo's form.
    fn give(&mut self, id: i64, user: i64) {
        let organizer = self.odoo.organizer(user);
        if self.odoo.records[&id]["model"] == "calendar.recurrence" {
            self.odoo.set_series(id, &json!({"organizer": organizer}));
        } else {
            self.odoo.write(id, json!({"organizer": organizer}));
        }
    }

    async fn connect(&mut self, user: i64) {
        self.odoo
            .connect(&self.stack, &self.service, user)
            .await
            .expect("connected");
        self.quiet().await;
    }

    /// Counts the events with this subject in a mailbox: its own, and those as a guest.
    async fn shown(&self, person: &str, subject: &str) -> (usize, usize) {
        let events = self.stack.events(person).await;
        let named = events
            .iter()
            .filter(|e| e["subject"] == subject && e["isCancelled"] != true);
        let (own, others): (Vec<&Value>, Vec<&Value>) = named.partition(|e| e["isOrganizer"] == true);
        (own.len(), others.len())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_meeting_is_handed_over_to_its_new_organizer() {
    let mut w = world().await;
    w.connect(8).await;
    let (start, stop) = at(2);
    let id = w.odoo.create(7, "Handed", &start, &stop, &[BEN, OUTSIDE]);
    w.quiet().await;
    w.forget_mails().await;

    w.give(id, 8);
    w.quiet().await;
    assert_eq!(w.shown(BEN, "Handed").await, (1, 0));
    assert_eq!(w.shown(ANN, "Handed").await, (0, 1));
    let event = w.stack.event(BEN, "Handed").await.expect("in his mailbox");
    assert_eq!(guests_of(&event), [ANN, OUTSIDE]);
    let mut mails = w.stack.mails().await;
    mails.sort();
    assert_eq!(
        kinds(&mails),
        [
            ("cancellation", BEN),
            ("cancellation", OUTSIDE),
            ("invitation", ANN),
            ("invitation", OUTSIDE)
        ]
    );
    assert_eq!(w.odoo.records.len(), 1, "the record stays");
    let journal = w.journal_of(json!({"res_id": id})).await;
    assert!(
        journal.iter().any(|line| line.contains("handed over to ben@")),
        "{journal:?}"
    );

    // From now on the meeting is his, and both sides come to rest.
    w.forget_mails().await;
    w.odoo.write(id, json!({"location": "Room 1"}));
    w.quiet().await;
    let event = w.stack.event(BEN, "Handed").await.expect("in his mailbox");
    assert_eq!(event["location"]["displayName"], "Room 1");
    assert_eq!(
        kinds(&w.stack.mails().await),
        [("update", ANN), ("update", OUTSIDE)]
    );

    // And back to her.
    w.give(id, 7);
    w.quiet().await;
    assert_eq!(w.shown(ANN, "Handed").await, (1, 0));
    assert_eq!(w.shown(BEN, "Handed").await, (0, 1));
    assert_eq!(w.odoo.records.len(), 1);
}

/// A restored Odoo has the former organizer, but nobody has saved that. Nobody is told before
/// somebody saves it.
#[tokio::test(flavor = "multi_thread")]
async fn an_odoo_restored_to_before_a_hand_over_hands_nothing_over() {
    let mut w = world().await;
    w.connect(8).await;
    let (start, stop) = at(2);
    let id = w.odoo.create(7, "Handed", &start, &stop, &[BEN, OUTSIDE]);
    w.quiet().await;
    let backup = w.odoo.copy();
    w.give(id, 8);
    w.quiet().await;
    assert_eq!(w.shown(BEN, "Handed").await, (1, 0));
    w.forget_mails().await;

    w.odoo = backup;
    w.odoo.hand_over(&w.service).await.expect("an answer");
    w.odoo.pair_again(&w.service).await;
    for _ in 0..3 {
        w.quiet().await;
    }
    assert_eq!(w.stack.mails().await, Vec::new());
    assert_eq!(w.shown(BEN, "Handed").await, (1, 0), "it stays his");
    assert_eq!(w.odoo.records.len(), 1);
    let journal = w.journal_of(json!({"res_id": id})).await;
    assert!(
        journal.iter().any(|line| line.contains("Odoo was restored")),
        "{journal:?}"
    );

    w.give(id, 7);
    w.quiet().await;
    assert_eq!(
        w.shown(ANN, "Handed").await,
        (1, 0),
        "hers, as somebody has said so"
    );
    assert_eq!(w.shown(BEN, "Handed").await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_is_handed_over_with_its_changed_occurrences() {
    let mut w = world().await;
    w.connect(8).await;
    let id = w
        .odoo
        .create_weekly(7, "Weekly", &odoo_time(5, "09:00:00"), 4, &[BEN, OUTSIDE]);
    w.quiet().await;
    w.odoo.set_one(id, 2, &json!({"location": "Room 2"}));
    w.quiet().await;
    w.forget_mails().await;

    w.give(id, 8);
    w.quiet().await;
    w.quiet().await;
    assert_eq!(w.shown(BEN, "Weekly").await.0, 1);
    assert_eq!(w.shown(ANN, "Weekly").await.0, 0);
    let kept = w.odoo.records[&id]["slots"][0]["differences"]["location"].clone();
    assert_eq!(kept, "Room 2");
    let mails = w.stack.mails().await;
    let to_outside: Vec<&str> = kinds(&mails)
        .into_iter()
        .filter(|(_, to)| *to == OUTSIDE)
        .map(|(kind, _)| kind)
        .collect();
    assert_eq!(
        to_outside,
        ["cancellation", "cancellation", "invitation", "update"],
        "the changed occurrence is cancelled for itself, and the last is of it"
    );
    w.forget_mails().await;
    w.quiet().await;
    assert_eq!(w.stack.mails().await, [], "it has come to rest");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_occurrence_that_is_given_away_is_the_other_ones_event() {
    let mut w = world().await;
    w.connect(8).await;
    let id = w
        .odoo
        .create_weekly(7, "Weekly", &odoo_time(5, "09:00:00"), 4, &[BEN, OUTSIDE]);
    w.quiet().await;
    w.forget_mails().await;
    let ben = w.odoo.organizer(8);
    w.odoo.set_one(id, 2, &json!({"organizer": ben}));
    w.quiet().await;
    w.quiet().await;
    assert_eq!(
        w.shown(BEN, "Weekly").await,
        (1, 1),
        "one of his own, and the series"
    );
    assert_eq!(w.odoo.records[&id]["missing"].as_array().map(Vec::len), Some(1));
    let mails = w.stack.mails().await;
    let to_outside: Vec<&str> = kinds(&mails)
        .into_iter()
        .filter(|(_, to)| *to == OUTSIDE)
        .map(|(kind, _)| kind)
        .collect();
    assert_eq!(to_outside, ["cancellation", "invitation"]);
    w.forget_mails().await;
    w.quiet().await;
    assert_eq!(w.stack.mails().await, [], "it has come to rest");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_meeting_stays_where_it_is_while_its_new_organizer_is_not_connected() {
    let mut w = world().await;
    let (start, stop) = at(2);
    let id = w.odoo.create(7, "Stays", &start, &stop, &[OUTSIDE]);
    w.quiet().await;
    w.forget_mails().await;
    w.give(id, 8);
    w.quiet().await;
    assert_eq!(w.shown(ANN, "Stays").await, (1, 0));
    let journal = w.journal_of(json!({"res_id": id})).await;
    assert!(journal[0].contains("mailbox is not connected"), "{journal:?}");

    // A login alone mails nobody. A save hands the meeting over.
    w.connect(8).await;
    assert_eq!(w.shown(ANN, "Stays").await, (1, 0));
    assert_eq!(w.stack.mails().await, []);
    w.odoo.write(id, json!({"location": "Room 1"}));
    w.quiet().await;
    assert_eq!(w.shown(ANN, "Stays").await.0, 0);
    assert_eq!(w.shown(BEN, "Stays").await, (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_meeting_waits_for_a_new_organizer_who_has_stopped_syncing() {
    let mut w = world().await;
    w.connect(8).await;
    let (start, stop) = at(2);
    let id = w.odoo.create(7, "Waits", &start, &stop, &[OUTSIDE]);
    w.quiet().await;
    let odoo = &w.odoo;
    odoo.call(&w.service, 8, "res.users", "stop", json!({"user_id": 8}))
        .await
        .expect("stopped");
    w.forget_mails().await;
    w.give(id, 8);
    w.quiet().await;
    assert_eq!(w.shown(ANN, "Waits").await, (1, 0));
    assert_eq!(w.stack.mails().await, [], "nobody is told it is cancelled");

    let odoo = &w.odoo;
    odoo.call(&w.service, 8, "res.users", "restart", json!({"user_id": 8}))
        .await
        .expect("started");
    w.quiet().await;
    w.quiet().await;
    assert_eq!(w.shown(ANN, "Waits").await.0, 0);
    assert_eq!(w.shown(BEN, "Waits").await, (1, 0));
}

/// A notification of the organizer's mailbox may be lost, or come later than a guest's.
#[tokio::test(flavor = "multi_thread")]
async fn the_organizers_mailbox_is_read_when_a_guests_shows_a_meeting_first() {
    let stack = Stack::start().await;
    let an_hour = chrono::TimeDelta::hours(1);
    let service = stack.serve_by(&stack.sim.url(), 12, an_hour).await;
    let odoo = Odoo::pair(&service).await;
    let mut w = World { stack, service, odoo };
    for user in [7, 8] {
        w.odoo
            .connect(&w.stack, &w.service, user)
            .await
            .expect("connected");
    }
    w.odoo.sync(&w.service).await;
    eventually("both rest", async || {
        let busy = "accounts WHERE lease_id IS NOT NULL OR next_run_at < now() + interval '1 minute'";
        (w.count(busy).await == 0).then_some(())
    })
    .await;
    w.outlook_creates(ANN, "Together", &[BEN]).await;
    assert_eq!(w.count("copies").await, 0);
    w.sql("UPDATE accounts SET next_run_at = now() WHERE odoo_user_id = 8")
        .await;
    eventually("Ann's own copy", async || {
        (w.count("copies WHERE is_organizer").await == 1).then_some(())
    })
    .await;
}
