//! Something that cannot be processed stops nothing else, and is processed once it can be.

use serde_json::{Value, json};

use super::stack::{ANN, BEN, eventually};
use super::world::{OUTSIDE, World, day, odoo_time, world};

const GOOD: usize = 200;

impl World {
    pub async fn sql(&self, statement: &str) {
        let mut conn = self.service.engine.store.get().await.expect("Postgres");
        diesel_async::RunQueryDsl::execute(diesel::sql_query(statement), &mut conn)
            .await
            .expect("done");
    }

    pub async fn faults(&self, faults: Value) {
        self.stack.sim_call("PUT", "faults", faults).await;
    }

    pub async fn heal(&self) {
        self.stack.sim_call("DELETE", "faults", Value::Null).await;
        self.stack
            .sim_call("PATCH", "switches", json!({"garbles_subject": ""}))
            .await;
        // Retries without waiting.
        self.sql("UPDATE put_aside SET next_at = now()").await;
        self.sql("UPDATE accounts SET next_run_at = now(), rest_until = NULL")
            .await;
    }

    pub async fn becomes(&self, what: &str, count: i64, from_where: &str) {
        eventually(what, async || {
            (self.count(from_where).await == count).then_some(())
        })
        .await;
    }

    pub async fn outlook_repeats(&self, subject: &str) -> Value {
        let body = json!({"subject": subject,
            "start": {"dateTime": day(4, "10:00:00"), "timeZone": "Europe/Brussels"},
            "end": {"dateTime": day(4, "11:00:00"), "timeZone": "Europe/Brussels"},
            "recurrence": {"pattern": {"type": "daily", "interval": 1},
                "range": {"type": "numbered", "startDate": day(4, ""). trim_end_matches('T'), "numberOfOccurrences": 3}}});
        self.stack
            .sim_call("POST", &format!("mailboxes/{ANN}/events"), body)
            .await
    }

    pub fn save_three(&mut self) {
        for name in ["One", "Two", "Three"] {
            let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
            self.odoo.create(7, name, &start, &stop, &[OUTSIDE]);
        }
    }

    pub async fn has_three_in_outlook(&mut self) {
        self.quiet().await;
        for name in ["One", "Two", "Three"] {
            assert!(self.stack.event(ANN, name).await.is_some(), "{name}");
        }
        assert_eq!(
            self.stack.mails().await.len(),
            3,
            "each guest was invited once, by Outlook"
        );
        assert_eq!(self.count("meetings WHERE set_aside IS NOT NULL").await, 0);
        assert_eq!(self.count("accounts WHERE reason IS NOT NULL").await, 0);
    }
}

/// Returns a fault for requests about one event.
pub fn of_event(event: &Value, mut fault: Value) -> Value {
    let id = event["immutableId"].as_str().expect("an id");
    let id = id.replace(|c: char| !c.is_ascii_alphanumeric(), "*");
    fault["path"] = json!(format!("/me/events/{id}?"));
    fault
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_mailbox_is_synced_but_for_what_is_poison() {
    let mut w = world().await;
    let old = w.outlook_creates(ANN, "Of another version", &[]).await;
    w.quiet().await;
    w.sql(r#"UPDATE meetings SET base_outlook = '{"version": 99}' WHERE odoo_state ->> 'name' = 'Of another version'"#)
        .await;
    // Nothing is read until everything is there, and then all at once.
    w.sql("UPDATE accounts SET rest_until = now() + interval '1 hour'")
        .await;
    for n in 0..GOOD {
        w.outlook_creates(ANN, &format!("Good {n}"), &[]).await;
    }
    w.outlook_edits(ANN, &old, json!({"location": {"displayName": "Room 1"}}))
        .await;
    w.outlook_creates(ANN, "Garbled", &[]).await;
    let (closed, broken) = (
        w.outlook_repeats("Closed").await,
        w.outlook_repeats("Broken").await,
    );
    let (odd, away) = (w.outlook_repeats("Odd").await, w.outlook_repeats("Away").await);
    w.stack
        .sim_call("PATCH", "switches", json!({"garbles_subject": "Garbled"}))
        .await;
    w.faults(json!([
        of_event(&closed, json!({"status": 403})),
        of_event(&broken, json!({"status": 500})),
        of_event(&odd, json!({"status": 400, "code": "ErrorInvalidRequest"})),
        of_event(&away, json!({"status": 404, "code": "ResourceNotFound"})),
    ]))
    .await;
    let begun = std::time::Instant::now();
    w.sql("UPDATE accounts SET rest_until = NULL").await;
    w.quiet().await;
    let good = |w: &World| {
        let names = w.odoo.records.values().filter_map(|r| r["name"].as_str());
        names.filter(|name| name.starts_with("Good ")).count()
    };
    assert_eq!(good(&w), GOOD, "all of the others are in Odoo");
    println!(
        "{GOOD} events beside six that cannot be read: {:?}",
        begun.elapsed()
    );
    assert_eq!(w.count("put_aside WHERE reason IS NOT NULL").await, 6);
    for words in [
        "(ErrorAccessDenied)",
        "(500 ",
        "(400 ",
        "(ResourceNotFound)",
        "not an event",
        "could not store",
    ] {
        let said = format!("journal WHERE level = 'error' AND message LIKE '%{words}%'");
        assert_eq!(w.count(&said).await, 1, "{words} has its line");
    }
    // Nothing is asked for endlessly, and nothing is written to the journal twice.
    w.quiet().await;
    assert_eq!(w.count("journal WHERE level = 'error'").await, 6);

    w.heal().await;
    w.sql("UPDATE meetings SET base_outlook = NULL, base_odoo = NULL WHERE odoo_state ->> 'name' = 'Of another version'")
        .await;
    w.becomes("everything can be read", 0, "put_aside").await;
    w.quiet().await;
    for name in ["Closed", "Broken", "Odd", "Away"] {
        let is_it = |record: &&Value| record["template"]["name"] == name;
        assert!(w.odoo.records.values().any(|r| is_it(&r)), "{name}");
    }
    assert!(w.odoo.by_name("Garbled").is_some());
    assert_eq!(
        w.odoo.by_name("Of another version").expect("still there")["location"],
        "Room 1"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_in_the_air_keeps_back_one_event_of_a_colleague_and_no_other() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben");
    w.quiet().await;
    w.faults(json!([{"mailbox": ANN, "method": "POST", "path": "/me/events", "status": 500}]))
        .await;
    w.odoo.create(
        7,
        "Stuck",
        &odoo_time(2, "09:00:00"),
        &odoo_time(2, "10:00:00"),
        &[],
    );
    w.odoo.sync(&w.service).await;
    w.becomes(
        "it is in the air",
        1,
        "outlook_outbox WHERE in_flight_since IS NOT NULL",
    )
    .await;
    // It stays on the way while this test looks at it.
    w.sql("UPDATE accounts SET rest_until = now() + interval '1 hour' WHERE odoo_user_id = 7")
        .await;
    w.becomes(
        "Ann rests",
        0,
        "accounts WHERE odoo_user_id = 7 AND lease_id IS NOT NULL",
    )
    .await;
    w.sql("UPDATE outlook_outbox SET in_flight_since = now() + interval '1 hour', attempts = 1")
        .await;
    w.outlook_creates(ANN, "Invited", &[BEN]).await;
    w.outlook_creates(BEN, "Own", &[]).await;
    w.worked(8).await;
    w.odoo.sync(&w.service).await;
    assert!(w.odoo.by_name("Own").is_some(), "Ben's own goes on");
    assert!(
        w.odoo.by_name("Invited").is_none(),
        "it may be the one in the air"
    );
    assert_eq!(w.count("put_aside WHERE reason IS NULL").await, 1);
    assert_eq!(
        w.count("journal WHERE level = 'error'").await,
        0,
        "that is no fault"
    );
    // But not forever.
    w.sql("UPDATE outlook_outbox SET in_flight_since = now() - interval '2 minutes'")
        .await;
    w.becomes("it is taken in", 0, "put_aside").await;
    w.odoo.sync(&w.service).await;
    assert!(w.odoo.by_name("Invited").is_some());

    // It is not asked for forever, either: it does not exist.
    w.sql("UPDATE outlook_outbox SET attempts = 20, next_attempt_at = now()")
        .await;
    w.sql("UPDATE accounts SET rest_until = NULL, next_run_at = now()")
        .await;
    w.becomes("it is given up", 0, "outlook_outbox").await;
    assert_eq!(
        w.count("meetings WHERE set_aside::text LIKE '%failed at this each time%'")
            .await,
        1
    );
    w.heal().await;
    eventually("it is tried again", async || w.stack.event(ANN, "Stuck").await).await;
    w.quiet().await;
    assert_eq!(w.count("meetings WHERE set_aside IS NOT NULL").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_that_is_answered_with_500_and_was_made_is_found_by_its_mark() {
    let mut w = world().await;
    w.faults(
        json!([{"mailbox": ANN, "method": "POST", "path": "/me/events", "status": 500, "took_effect": true}]),
    )
    .await;
    w.odoo.create(
        7,
        "Made",
        &odoo_time(2, "09:00:00"),
        &odoo_time(2, "10:00:00"),
        &[OUTSIDE],
    );
    w.odoo.sync(&w.service).await;
    w.becomes(
        "it is in the air",
        1,
        "outlook_outbox WHERE in_flight_since IS NOT NULL",
    )
    .await;
    w.becomes("the run is over", 0, "accounts WHERE lease_id IS NOT NULL")
        .await;
    w.sql("UPDATE outlook_outbox SET attempts = 20, next_attempt_at = now()")
        .await;
    w.sql("UPDATE accounts SET next_run_at = now()").await;
    w.becomes("it is settled", 0, "outlook_outbox").await;
    w.quiet().await;
    assert!(
        w.stack.event(ANN, "Made").await.is_some(),
        "and there is one of it"
    );
    assert_eq!(w.stack.mails().await.len(), 1);
    assert_eq!(w.count("meetings WHERE set_aside IS NOT NULL").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_nobody_is_let_into_keeps_what_was_edited() {
    let mut w = world().await;
    for closed in [
        json!([{"mailbox": ANN, "path": "/me", "status": 403}]),
        json!([{"mailbox": ANN, "path": "/me", "status": 404, "code": "ResourceNotFound"}]),
        // The mailbox can be read, but not written.
        json!([{"mailbox": ANN, "method": "POST", "path": "/me/events", "status": 403}]),
    ] {
        w.faults(closed).await;
        w.save_three();
        w.odoo.sync(&w.service).await;
        w.becomes(
            "the account says so",
            1,
            "accounts WHERE reason LIKE '%does not let the bridge into%'",
        )
        .await;
        w.odoo.sync(&w.service).await;
        assert_eq!(
            w.count("meetings WHERE set_aside IS NOT NULL").await,
            0,
            "it is no event's fault"
        );
        assert_eq!(w.count("outlook_outbox WHERE kind = 'create'").await, 3);
        assert_eq!(w.stack.mails().await.len(), 0, "nobody is told by anybody");
        w.heal().await;
        w.has_three_in_outlook().await;

        // An edit is not a removal.
        let ids: Vec<i64> = w.odoo.records.values().filter_map(|r| r["id"].as_i64()).collect();
        for id in ids {
            w.odoo.unlink(id);
        }
        w.quiet().await;
        w.forget_mails().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_found_for_a_while_is_not_taken_for_deleted() {
    let mut w = world().await;
    w.save_three();
    w.has_three_in_outlook().await;
    w.faults(json!([{"mailbox": ANN, "path": "/me", "status": 404, "code": "ResourceNotFound"}]))
        .await;
    let ids: Vec<i64> = w.odoo.records.values().filter_map(|r| r["id"].as_i64()).collect();
    for id in &ids {
        w.odoo.write(*id, json!({"location": "Room 1"}));
    }
    w.odoo.sync(&w.service).await;
    w.becomes(
        "the account says so",
        1,
        "accounts WHERE reason LIKE '%ResourceNotFound%'",
    )
    .await;
    w.odoo.sync(&w.service).await;
    assert_eq!(w.count("odoo_outbox").await, 0, "nothing is to be removed");
    w.heal().await;
    w.quiet().await;
    for id in &ids {
        assert_eq!(w.odoo.records[id]["active"], true);
    }
    let event = w.stack.event(ANN, "Two").await.expect("in Outlook");
    assert_eq!(event["location"]["displayName"], "Room 1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_refused_as_a_whole_goes_one_by_one() {
    let mut w = world().await;
    w.faults(json!([{"mailbox": ANN, "path": "$batch", "status": 400, "code": "BadRequest"}]))
        .await;
    w.save_three();
    w.has_three_in_outlook().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_microsoft_refuses_for_one_event_alone_is_tried_again_on_another_day() {
    let mut w = world().await;
    w.faults(json!([{"mailbox": ANN, "method": "POST", "path": "/me/events", "count": 1, "status": 403}]))
        .await;
    w.save_three();
    w.quiet().await;
    assert_eq!(w.stack.events(ANN).await.len(), 2);
    assert_eq!(
        w.count("meetings WHERE set_aside->>'code' = 'refused_for_now'")
            .await,
        1
    );
    assert_eq!(
        w.count("put_aside WHERE next_at > now() + interval '23 hours'")
            .await,
        1
    );
    w.heal().await;
    w.becomes("it is synced", 0, "meetings WHERE set_aside IS NOT NULL")
        .await;
    w.quiet().await;
    assert_eq!(w.stack.events(ANN).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_without_progress_says_so_and_whose_fault_it_is() {
    let w = world().await;
    let (attention, long) = (
        "accounts WHERE reason LIKE '%tried again by itself%'",
        "UPDATE accounts SET failures = 4, last_sync_at = now() - interval '1 hour', next_run_at = now()",
    );
    w.faults(json!([{"mailbox": ANN, "path": "/me", "status": 503}]))
        .await;
    w.sql(long).await;
    w.becomes("it is said", 1, attention).await;
    w.heal().await;
    w.becomes("and taken back", 0, "accounts WHERE reason IS NOT NULL")
        .await;
    // Microsoft's time to wait counts, whoever wakes the mailbox.
    w.faults(json!([{"mailbox": ANN, "path": "/me", "status": 503, "retry_after": 3600}]))
        .await;
    w.sql(long).await;
    w.becomes(
        "it rests",
        1,
        "accounts WHERE rest_until > now() + interval '50 minutes'",
    )
    .await;
}
