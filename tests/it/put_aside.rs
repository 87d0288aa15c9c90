//! Something that Odoo sends and that cannot be stored is put aside with its reason, and everything
//! else goes on.

use std::time::Duration;

use diesel_async::AsyncConnection;
use outlook_bridge::store::databases;
use serde_json::{Value, json};

use super::stack::{ANN, BEN, eventually};
use super::world::{OUTSIDE, World, kinds, odoo_time, world};

/// A text that Postgres cannot store.
const POISON: &str = "Po\u{0}ison";

fn create(w: &mut World, name: &str) -> i64 {
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    w.odoo.create(7, name, &start, &stop, &[])
}

async fn sql(w: &World, statement: &str) {
    let mut conn = w.service.engine.store.get().await.expect("Postgres");
    diesel_async::RunQueryDsl::execute(diesel::sql_query(statement), &mut conn)
        .await
        .expect("a statement");
}

async fn journal(w: &World, about: Value) -> String {
    let journal = w.odoo.call(&w.service, 2, "outlook.bridge", "journal", about);
    journal.await.expect("a journal").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_change_that_cannot_be_taken_holds_nothing_up() {
    let mut w = world().await;
    let known = create(&mut w, "Known");
    w.quiet().await;
    w.odoo.write(known, json!({"location": "Room 1"}));
    w.odoo.broken.insert(known, json!({"description": POISON}));
    for number in 0..9 {
        let id = create(&mut w, &format!("Event {number}"));
        if number == 4 {
            w.odoo.broken.insert(id, json!({"name": POISON}));
        }
    }
    let gone = create(&mut w, "Gone again");
    w.odoo.unlink(gone);
    w.quiet().await;
    assert_eq!(w.stack.events(ANN).await.len(), 9, "all but the two");
    assert_eq!(w.odoo.rejected.len(), 2, "{:?}", w.odoo.rejected);
    let words = w.odoo.rejected.values().next().expect("words");
    assert!(words.contains("could not take over the last change"), "{words}");
    assert!(
        !words.contains("0x00"),
        "these are no words for a person: {words}"
    );
    let said = journal(&w, json!({"res_id": known})).await;
    assert!(
        said.contains("it is not synced. What Odoo has told of it last"),
        "{said}"
    );
    let said = journal(&w, json!({})).await;
    assert!(
        said.contains("could not be taken over from Odoo; it is tried again"),
        "{said}"
    );
    // It is sent again when somebody saves it.
    w.odoo.broken.clear();
    w.odoo.write(known, json!({"location": "Room 2"}));
    w.quiet().await;
    let event = w.stack.event(ANN, "Known").await.expect("in Outlook");
    assert_eq!(event["location"]["displayName"], "Room 2");
    let said = journal(&w, json!({"res_id": known})).await;
    assert!(!said.contains("\"standing\":true"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_result_that_cannot_be_taken_holds_nothing_up_and_is_asked_for_again() {
    let mut w = world().await;
    // The next id that Odoo gives.
    w.odoo.broken.insert(40, json!({"description": POISON}));
    w.outlook_creates(ANN, "First", &[]).await;
    w.quiet().await;
    w.outlook_creates(ANN, "Second", &[]).await;
    w.odoo.write_malformed_result();
    w.quiet().await;
    assert!(w.odoo.by_name("Second").is_some());
    assert_eq!(w.count("odoo_outbox WHERE not_before IS NOT NULL").await, 1);
    assert_eq!(
        w.count("meetings WHERE set_aside ->> 'code' = 'not_taken_over'")
            .await,
        1
    );
    let told = w.odoo.told;
    w.quiet().await;
    assert_eq!(w.odoo.told, told, "it is not asked for again and again");
    w.odoo.broken.clear();
    sql(&w, "UPDATE odoo_outbox SET not_before = now()").await;
    w.quiet().await;
    assert_eq!(w.count("odoo_outbox").await, 0);
    assert_eq!(w.odoo.records.len(), 2, "nothing is doubled");
    w.odoo.write(40, json!({"location": "Room 1"}));
    w.quiet().await;
    let event = w.stack.event(ANN, "First").await.expect("in Outlook");
    assert_eq!(event["location"]["displayName"], "Room 1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_version_has_stored_holds_nothing_up() {
    let mut w = world().await;
    let (state, base) = (create(&mut w, "State"), create(&mut w, "Base"));
    w.outlook_creates(ANN, "Owed", &[]).await;
    w.quiet().await;
    sql(
        &w,
        &format!("UPDATE meetings SET odoo_state = '{{\"of\": 2030}}' WHERE odoo_id = {state}"),
    )
    .await;
    sql(
        &w,
        &format!("UPDATE meetings SET base_odoo = '{{\"of\": 2030}}' WHERE odoo_id = {base}"),
    )
    .await;
    let event = w.stack.event(ANN, "Owed").await.expect("in Outlook");
    w.outlook_edits(ANN, &event, json!({"subject": "Owed, renamed"}))
        .await;
    eventually("a change is owed", async || {
        (w.count("odoo_outbox").await == 1).then_some(())
    })
    .await;
    sql(&w, "UPDATE odoo_outbox SET payload = '{\"op\": \"juggle\"}'").await;
    w.odoo.write(state, json!({"location": "Room 1"}));
    w.odoo.write(base, json!({"location": "Room 1"}));
    create(&mut w, "New");
    w.odoo.sync(&w.service).await;
    w.worked(7).await;
    w.odoo.sync(&w.service).await;
    assert!(w.stack.event(ANN, "New").await.is_some());
    assert!(w.odoo.by_name("Owed, renamed").is_some(), "planned anew");
    let event = w.stack.event(ANN, "State").await.expect("in Outlook");
    assert_eq!(
        event["location"]["displayName"], "Room 1",
        "what is told now is what counts"
    );
    assert_eq!(w.odoo.rejected.len(), 1, "{:?}", w.odoo.rejected);
    let said = journal(&w, json!({"res_id": base})).await;
    assert!(
        said.contains("it is not synced. What Odoo has told of it last"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_makes_no_progress_says_so() {
    let mut w = world().await;
    sql(&w, "ALTER TABLE odoo_outbox RENAME COLUMN not_before TO later").await;
    for _ in 0..3 {
        let failed = w.odoo.hand_over(&w.service).await.expect_err("it fails");
        assert!(failed.to_string().contains("internal error"), "{failed}");
    }
    let state = w.odoo.call(&w.service, 2, "outlook.bridge", "status", json!({}));
    let state = state.await.expect("a state");
    let problem = state["problem"].as_str().expect("a problem");
    assert!(problem.contains("fails each time (3 times)"), "{problem}");
    let ready = reqwest::get(format!("{}/health/ready", w.service.admin_url))
        .await
        .expect("an answer");
    let ready = ready.text().await.expect("text");
    assert!(ready.contains("1 of them make no progress"), "{ready}");
    let said = journal(&w, json!({})).await;
    assert!(
        said.contains("Nothing has been exchanged with this Odoo since"),
        "{said}"
    );
    sql(&w, "ALTER TABLE odoo_outbox RENAME COLUMN later TO not_before").await;
    w.quiet().await;
    assert_eq!(w.odoo.state["problem"], Value::Null);
    assert!(journal(&w, json!({})).await.contains("exchanges succeed again"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_counts_whatever_odoos_clock_says_and_a_late_call_does_not() {
    let mut w = world().await;
    let id = create(&mut w, "Review");
    w.quiet().await;
    // Odoo's Postgres was replaced by one whose clock is behind.
    w.odoo.write(id, json!({"location": "Room 1"}));
    w.odoo.records.get_mut(&id).expect("a record")["write_date"] = json!(odoo_time(-1, "00:00:00"));
    w.quiet().await;
    let event = w.stack.event(ANN, "Review").await.expect("in Outlook");
    assert_eq!(event["location"]["displayName"], "Room 1");
    // An answer is lost, and the first call is still on its way when its repetition is answered.
    w.odoo.write(id, json!({"location": "Room 2"}));
    w.odoo.hand_over(&w.service).await.expect("an answer");
    let mut late = w.odoo.copy();
    w.odoo.hand_over(&w.service).await.expect("an answer");
    w.odoo.write(id, json!({"location": "Room 3"}));
    w.odoo.exchange(&w.service).await.expect("an answer");
    let answer = late.hand_over(&w.service).await.expect("an answer");
    assert_eq!(answer["acked"], json!([]));
    assert_eq!(answer["state"]["quarantined"], Value::Null);
    w.quiet().await;
    let event = w.stack.event(ANN, "Review").await.expect("in Outlook");
    assert_eq!(event["location"]["displayName"], "Room 3");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_the_existing_events_of_others() {
    let mut w = world().await;
    w.odoo.existing_left = vec![8];
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben");
    w.odoo.sync(&w.service).await;
    w.odoo.users.insert(9, super::world::CARLA.to_owned());
    w.odoo.connect(&w.stack, &w.service, 9).await.expect("Carla");
    w.outlook_creates(super::world::CARLA, "Hers", &[]).await;
    w.outlook_creates(BEN, "His", &[]).await;
    w.quiet().await;
    w.quiet().await;
    assert!(w.odoo.by_name("Hers").is_some(), "all of hers was told");
    assert!(w.odoo.by_name("His").is_none(), "his may be among what is left");
    w.odoo.existing_left.clear();
    w.quiet().await;
    w.quiet().await;
    assert!(w.odoo.by_name("His").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_after_connecting_is_new_by_a_wrong_clock_too() {
    let mut w = world().await;
    w.odoo.clock = chrono::TimeDelta::hours(-2);
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    w.odoo.create(7, "New", &start, &stop, &[OUTSIDE]);
    w.quiet().await;
    assert!(
        w.stack.event(ANN, "New").await.is_some(),
        "nobody has to be asked"
    );
    assert_eq!(w.stack.mails().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_before_connecting_is_not_new_because_a_call_is_slow() {
    let mut w = world().await;
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    w.odoo.create(8, "Known", &start, &stop, &[OUTSIDE]);
    // The time in a call is as old as the call.
    w.odoo.clock = chrono::TimeDelta::seconds(-8);
    w.odoo.sync(&w.service).await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("connected");
    w.quiet().await;
    assert_eq!(kinds(&w.stack.mails().await), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_owed_in_the_name_of_who_is_deleted_is_owed_in_anothers() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben");
    w.quiet().await;
    let meeting = w.outlook_creates(ANN, "Meeting", &[BEN]).await;
    w.quiet().await;
    w.outlook_edits(ANN, &meeting, json!({"location": {"displayName": "Room 9"}}))
        .await;
    eventually("it is owed in Ann's name", async || {
        (w.count("odoo_outbox WHERE user_id = 7").await == 1).then_some(())
    })
    .await;
    w.odoo.departed = vec![json!({"user_id": 7, "deleted": true})];
    let answer = w.odoo.exchange(&w.service).await.expect("an exchange");
    for change in answer["changes"].as_array().expect("changes") {
        assert_eq!(change["user_id"], 8, "{change}");
    }
    w.odoo.departed.clear();
    assert_eq!(w.count("odoo_outbox WHERE user_id = 7").await, 0);
    w.quiet().await;
    assert_eq!(w.odoo.by_name("Meeting").expect("in Odoo")["location"], "Room 9");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_just_before_it_is_told_who_is_deleted_is_owed_in_anothers_name() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben");
    w.quiet().await;
    let meeting = w.outlook_creates(ANN, "Meeting", &[BEN]).await;
    w.quiet().await;
    w.outlook_edits(ANN, &meeting, json!({"location": {"displayName": "Room 9"}}))
        .await;
    eventually("it is owed in Ann's name", async || {
        (w.count("odoo_outbox WHERE user_id = 7").await == 1).then_some(())
    })
    .await;
    // It is delivered and refused before Odoo says which user does not exist any more.
    let answer = w.odoo.hand_over(&w.service).await.expect("an exchange");
    w.odoo.take(&answer);
    for result in &mut w.odoo.results {
        *result = json!({"id": result["id"], "result": "refused", "message": "There is no user 7"});
    }
    let id = w.odoo.by_name("Meeting").expect("in Odoo")["id"]
        .as_i64()
        .unwrap();
    w.odoo.records.get_mut(&id).expect("it")["location"] = serde_json::Value::Null;
    let answer = w.odoo.hand_over(&w.service).await.expect("an exchange");
    w.odoo.take(&answer);
    assert_eq!(
        w.count("meetings WHERE set_aside ->> 'code' = 'refused_by_odoo'")
            .await,
        1
    );
    w.odoo.departed = vec![json!({"user_id": 7, "deleted": true})];
    w.odoo.sync(&w.service).await;
    w.odoo.departed.clear();
    w.quiet().await;
    assert_eq!(w.odoo.by_name("Meeting").expect("in Odoo")["location"], "Room 9");
    assert_eq!(w.count("meetings WHERE set_aside IS NOT NULL").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn removals_held_for_who_is_deleted_are_decided_by_the_other_mailboxes() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben");
    w.quiet().await;
    let meeting = w.outlook_creates(ANN, "Meeting", &[BEN]).await;
    w.quiet().await;
    let brake = async |w: &World, most: i64| {
        let limits = json!({"brake_over": most, "brake_percent": most});
        let set = w
            .odoo
            .call(&w.service, 2, "res.config.settings", "set_values", limits);
        set.await.expect("set");
    };
    brake(&w, 0).await;
    w.outlook_deletes(ANN, &meeting).await;
    eventually("an administrator is asked", async || {
        (w.count("accounts WHERE odoo_user_id = 7 AND brake_at IS NOT NULL")
            .await
            == 1)
            .then_some(())
    })
    .await;
    brake(&w, 20).await;
    assert!(w.odoo.by_name("Meeting").is_some());
    w.odoo.departed = vec![json!({"user_id": 7, "deleted": true})];
    w.odoo.sync(&w.service).await;
    w.odoo.departed.clear();
    w.quiet().await;
    assert!(
        w.odoo.by_name("Meeting").is_none(),
        "Ben's calendar shows that it was cancelled"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_two_log_in_to_at_once_is_one_users() {
    let w = {
        let mut w = world().await;
        w.odoo.users.insert(8, super::world::CARLA.to_owned());
        w.odoo.users.insert(9, super::world::CARLA.to_owned());
        w
    };
    let (service, account) = (&w.service, super::world::CARLA);
    let eight = w.odoo.authorize_url(service, 8).await.expect("a URL");
    let nine = w.odoo.authorize_url(service, 9).await.expect("a URL");
    let eight = w.stack.sign_in(&eight, account, "accept").await;
    let nine = w.stack.sign_in(&nine, account, "accept").await;
    // Both have checked for another user of the mailbox before either is connected.
    let store = &service.engine.store;
    let mut conn = store.get().await.expect("Postgres");
    let id = databases::all(&mut conn).await.expect("databases")[0].id;
    let hold = conn.transaction::<_, diesel::result::Error, _>(async |conn| {
        let _lock = databases::serialize(conn, id, outlook_bridge::measures::Purpose::Pull).await?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        Ok(())
    });
    let (held, eight, nine) = tokio::join!(
        hold,
        w.odoo.redeem(service, 8, &eight),
        w.odoo.redeem(service, 9, &nine)
    );
    held.expect("held");
    let refused = match (eight, nine) {
        (Ok(_), Err(refused)) | (Err(refused), Ok(_)) => refused.to_string(),
        both => panic!("one of them: {both:?}"),
    };
    assert!(
        refused.contains("connected already, by another user"),
        "{refused}"
    );
    assert_eq!(w.count("accounts WHERE refresh_token IS NOT NULL").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_journal_is_written_in_parts() {
    use outlook_bridge::store::journal::{Level, Line, write_all};
    let w = world().await;
    let mut conn = w.service.engine.store.get().await.expect("Postgres");
    let id = databases::all(&mut conn).await.expect("databases")[0].id;
    // Each value counts as a parameter, but an empty one does not.
    let lines = (0..9_000).map(|n| Line {
        odoo_id: Some(n),
        content: Some(json!({"number": n})),
        series_key: Some("a series".to_owned()),
        ..Line::general(id, Some(7), Level::Info, format!("line {n}"))
    });
    let written = write_all(&mut conn, lines.collect()).await.expect("written");
    assert_eq!(written, 9_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_once_is_tried_at_once_again() {
    let mut w = world().await;
    let id = create(&mut w, "Review");
    w.quiet().await;
    // Fails like a conflict with another transaction.
    sql(&w, "CREATE SEQUENCE collisions").await;
    sql(
        &w,
        "CREATE FUNCTION collide() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('collisions') = 1 THEN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01'; END IF;
            RETURN NEW; END $$",
    )
    .await;
    sql(
        &w,
        "CREATE TRIGGER collide BEFORE UPDATE ON meetings FOR EACH ROW EXECUTE FUNCTION collide()",
    )
    .await;
    w.odoo.write(id, json!({"location": "Room 1"}));
    w.odoo.sync(&w.service).await;
    assert_eq!(w.odoo.rejected.len(), 0, "{:?}", w.odoo.rejected);
    w.quiet().await;
    let event = w.stack.event(ANN, "Review").await.expect("in Outlook");
    assert_eq!(event["location"]["displayName"], "Room 1");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_that_is_committed_succeeds_though_that_cannot_be_noted() {
    let mut w = world().await;
    sql(
        &w,
        "UPDATE databases SET exchange_failures = 1, failing_since = now()",
    )
    .await;
    sql(
        &w,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            RAISE EXCEPTION 'no space left'; END $$",
    )
    .await;
    sql(
        &w,
        "CREATE TRIGGER refuse BEFORE UPDATE OF failing_since ON databases FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    .await;
    w.odoo.hand_over(&w.service).await.expect("an answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_odoo_that_does_not_say_whose_events_are_left_is_refused() {
    let w = world().await;
    let kwargs = json!({"nonce": "a", "next_nonce": "b"});
    let refused = w.odoo.call(&w.service, 1, "calendar.event", "sync", kwargs).await;
    let words = refused.expect_err("it is of another version").to_string();
    assert!(words.contains("existing_left"), "{words}");
}
