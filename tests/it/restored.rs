//! A restored Odoo gives ids out again, whichever meetings they stood for.

use diesel_async::RunQueryDsl;
use serde_json::{Value, json};

use super::odoo::{Odoo, next_second};
use super::stack::{ANN, BEN, eventually};
use super::world::{CARLA, World, active, odoo_time, world};

/// Exchanges once with the restored Odoo, which is quarantined, and pairs it again.
pub(super) async fn restore(w: &mut World, backup: Odoo) {
    // By the time at which it was made, a record is told apart from a later one with the same id.
    // Odoo's times are whole seconds, and a restore takes longer.
    next_second().await;
    w.odoo = backup;
    let answer = w.odoo.hand_over(&w.service).await.expect("an answer");
    assert!(answer["state"]["quarantined"].is_string());
    w.odoo.pair_again(&w.service).await;
}

pub(super) async fn settled(w: &mut World) {
    for _ in 0..3 {
        w.quiet().await;
    }
}

async fn sql(w: &World, statement: &str) {
    let mut conn = w.service.engine.store.get().await.expect("Postgres");
    let done = diesel::sql_query(statement).execute(&mut conn).await;
    done.expect("carried out");
}

pub(super) fn id_of(w: &World, name: &str) -> i64 {
    let record = w.odoo.by_name(name);
    let record = record.unwrap_or_else(|| panic!("no {name} in {:#?}", w.odoo.records));
    record["id"].as_i64().expect("an id")
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_are_given_out_again_whoever_organized_what_had_them() {
    let mut w = world().await;
    let at = |hour: &str| odoo_time(4, hour);
    let backup = w.odoo.copy();
    // Lost by the restore: an event from outside, an unconnected user's, a series, and Ann's.
    w.outlook_creates(CARLA, "Outside", &[ANN]).await;
    w.quiet().await;
    w.odoo.create(8, "Ben's", &at("11:00:00"), &at("12:00:00"), &[]);
    w.odoo.create_weekly(7, "Weekly", &at("15:00:00"), 3, &[]);
    w.outlook_creates(ANN, "Own", &[]).await;
    w.odoo
        .create(7, "Made here", &at("13:00:00"), &at("14:00:00"), &[CARLA]);
    w.quiet().await;
    let before = w.stack.events(ANN).await.len();
    assert_eq!(before, 4, "all but Ben's, who is not connected");
    w.forget_mails().await;

    restore(&mut w, backup).await;
    // Events that Outlook brings back get ids that others had before.
    let made = w
        .odoo
        .create(7, "New after all", &at("16:00:00"), &at("17:00:00"), &[]);
    settled(&mut w).await;
    for name in ["Outside", "Own", "Made here", "New after all"] {
        id_of(&w, name);
    }
    assert_eq!(id_of(&w, "New after all"), made);
    let weekly = w
        .odoo
        .records
        .values()
        .filter(|r| r["template"]["name"] == "Weekly");
    assert_eq!(weekly.count(), 1, "{:#?}", w.odoo.records);
    assert_eq!(w.stack.events(ANN).await.len(), before + 1);
    assert_eq!(w.stack.mails().await, []);
    // Each one stays a meeting of its own.
    let id = id_of(&w, "Own");
    w.odoo.write(id, json!({"name": "Own, renamed"}));
    w.odoo.write(made, json!({"location": "Room 1"}));
    w.quiet().await;
    assert!(w.stack.event(ANN, "Own, renamed").await.is_some());
    let event = w.stack.event(ANN, "New after all").await.expect("in Outlook");
    assert_eq!(event["location"]["displayName"], "Room 1");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_odoo_that_is_restored_again_and_again_is_told_each_time() {
    let mut w = world().await;
    let event = w.outlook_creates(ANN, "Plan", &[]).await;
    w.quiet().await;
    let id = id_of(&w, "Plan");
    let backup = w.odoo.copy();
    w.outlook_edits(ANN, &event, json!({"subject": "Plan B"})).await;
    w.quiet().await;
    for _ in 0..4 {
        assert_eq!(id_of(&w, "Plan B"), id);
        // The key in the backup is not valid any more.
        w.odoo = backup.copy();
        w.odoo.pair_again(&w.service).await;
        assert_eq!(id_of(&w, "Plan"), id, "as at the backup");
        settled(&mut w).await;
    }
    assert_eq!(id_of(&w, "Plan B"), id);
    assert_eq!(w.count("meetings WHERE set_aside IS NOT NULL").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_outsiders_organize_and_odoo_kept_stays_the_same_record() {
    let mut w = world().await;
    let event = w.outlook_creates(CARLA, "Outside", &[ANN]).await;
    let gone = w.outlook_creates(CARLA, "Deleted here", &[ANN]).await;
    w.quiet().await;
    let (id, deleted) = (id_of(&w, "Outside"), id_of(&w, "Deleted here"));
    let backup = w.odoo.copy();
    w.outlook_edits(CARLA, &event, json!({"subject": "Outside, renamed"}))
        .await;
    w.odoo.unlink(deleted);
    w.quiet().await;
    assert_eq!(id_of(&w, "Outside, renamed"), id);
    drop(gone);

    restore(&mut w, backup).await;
    settled(&mut w).await;
    assert_eq!(
        id_of(&w, "Outside, renamed"),
        id,
        "the very same, as Outlook has it"
    );
    assert_eq!(
        w.odoo.records.len(),
        2,
        "nothing is doubled: {:#?}",
        w.odoo.records
    );
}

/// After a restore of the service, Outlook is listed before Odoo sends its records.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_service_makes_no_twin_of_what_outlook_shows_before_odoo() {
    let mut w = world().await;
    w.back_up().await;
    let at = |hour: &str| odoo_time(4, hour);
    w.odoo
        .create(7, "Made in Odoo", &at("13:00:00"), &at("14:00:00"), &[CARLA]);
    w.odoo.create_weekly(7, "Weekly", &at("15:00:00"), 3, &[]);
    w.outlook_creates(ANN, "Made in Outlook", &[CARLA]).await;
    w.quiet().await;
    let (in_odoo, in_outlook) = (w.odoo.records.len(), w.stack.events(ANN).await.len());
    assert_eq!((in_odoo, in_outlook), (3, 3));
    w.forget_mails().await;

    w.restore().await;
    w.odoo.pair_again(&w.service).await;
    w.worked(7).await;
    settled(&mut w).await;
    assert_eq!(w.odoo.records.len(), in_odoo, "{:#?}", w.odoo.records);
    assert_eq!(w.stack.events(ANN).await.len(), in_outlook);
    assert_eq!(w.stack.mails().await, []);
    // Each is the same meeting on both sides.
    for name in ["Made in Odoo", "Made in Outlook"] {
        let id = id_of(&w, name);
        w.odoo.write(id, json!({"location": "Room 1"}));
        w.quiet().await;
        let event = w.stack.event(ANN, name).await.expect("in Outlook");
        assert_eq!(event["location"]["displayName"], "Room 1");
    }
}

/// The same if a guest's mailbox is read first, as the organizer has to sign in again.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_service_waits_for_an_organizer_who_has_to_sign_in_again() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben");
    w.quiet().await;
    w.back_up().await;
    w.odoo.create(
        7,
        "Review",
        &odoo_time(4, "09:00:00"),
        &odoo_time(4, "10:00:00"),
        &[BEN],
    );
    w.odoo.hand_over(&w.service).await.expect("taken");
    // Odoo does not hear that it is in Outlook.
    eventually("in Outlook", async || w.stack.event(BEN, "Review").await).await;
    w.forget_mails().await;

    w.restore().await;
    sql(
        &w,
        "UPDATE accounts SET state = 'need_auth', refresh_token = NULL, access_token = NULL WHERE odoo_user_id = 7",
    )
    .await;
    w.odoo.pair_again(&w.service).await;
    for _ in 0..2 {
        w.odoo.sync(&w.service).await;
        w.worked(8).await;
    }
    w.odoo.connect(&w.stack, &w.service, 7).await.expect("Ann");
    settled(&mut w).await;
    assert_eq!(w.odoo.records.len(), 1, "{:#?}", w.odoo.records);
    assert_eq!(w.stack.events(ANN).await.len(), 1);
    assert_eq!(w.stack.mails().await, []);
}

/// Created again after the service's backup; Odoo, restored as well, has another record.
#[tokio::test(flavor = "multi_thread")]
async fn what_both_restores_know_by_other_names_is_one_meeting() {
    for (outlook_first, same_id) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut w = world().await;
        let mut odoo = w.odoo.copy();
        let id = w.odoo.create(
            7,
            "Review",
            &odoo_time(4, "09:00:00"),
            &odoo_time(4, "10:00:00"),
            &[CARLA],
        );
        w.quiet().await;
        w.odoo.write(id, json!({"active": false}));
        w.quiet().await;
        w.back_up().await;
        // Odoo's times are whole seconds.
        next_second().await;
        w.odoo.write(id, json!({"active": true}));
        w.quiet().await;
        if !same_id {
            odoo.create(
                8,
                "Ben's",
                &odoo_time(5, "09:00:00"),
                &odoo_time(5, "10:00:00"),
                &[],
            );
        }
        restore(&mut w, odoo).await;
        settled(&mut w).await;
        let made = id_of(&w, "Review");
        assert_eq!(made == id, same_id, "Odoo gives its ids out again");
        w.forget_mails().await;

        w.restore().await;
        w.odoo.pair_again(&w.service).await;
        if outlook_first {
            w.worked(7).await;
        }
        settled(&mut w).await;
        let named = |r: &&Value| r["name"] == "Review";
        assert_eq!(
            w.odoo.records.values().filter(named).count(),
            1,
            "{:#?}",
            w.odoo.records
        );
        assert_eq!(id_of(&w, "Review"), made);
        let events = w.stack.events(ANN).await;
        assert_eq!(events.iter().filter(|e| e["subject"] == "Review").count(), 1);
        assert_eq!(w.stack.mails().await, []);
        w.odoo.write(made, json!({"location": "Room 1"}));
        w.quiet().await;
        let event = w.stack.event(ANN, "Review").await.expect("in Outlook");
        assert_eq!(event["location"]["displayName"], "Room 1");
    }
}

/// A run stores its link after the new pairing: the window is listed again nevertheless.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_under_way_at_the_new_pairing_hides_nothing() {
    let mut w = world().await;
    w.back_up().await;
    let at = |hour: &str| odoo_time(4, hour);
    w.odoo
        .create(7, "With a guest", &at("13:00:00"), &at("14:00:00"), &[CARLA]);
    w.odoo.create(7, "Alone", &at("15:00:00"), &at("16:00:00"), &[]);
    w.quiet().await;
    w.forget_mails().await;

    w.restore().await;
    // The restored service reads news before it knows that it is restored.
    w.worked(7).await;
    w.service.stop_working().await;
    sql(
        &w,
        "CREATE TABLE kept AS SELECT id AS account, delta_link AS link FROM accounts",
    )
    .await;
    w.odoo.pair_again(&w.service).await;
    sql(
        &w,
        "UPDATE accounts SET delta_link = link FROM kept WHERE id = account",
    )
    .await;
    w.restart().await;
    settled(&mut w).await;
    assert_eq!(w.stack.events(ANN).await.len(), 2, "nothing is made twice");
    assert_eq!(w.count("meetings WHERE set_aside IS NOT NULL").await, 0);
    assert_eq!(w.stack.mails().await, []);
}

/// The service has the time of an edit that the restore has undone.
#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_before_the_restore_is_none_of_the_restored_record() {
    let mut w = world().await;
    let event = w.outlook_creates(ANN, "Meeting", &[CARLA]).await;
    w.quiet().await;
    let backup = w.odoo.copy();
    let place = json!({"location": {"displayName": "Room 2"}});
    w.outlook_edits(ANN, &event, place).await;
    w.quiet().await;
    w.forget_mails().await;
    sql(
        &w,
        "UPDATE meetings SET odoo_times = jsonb_build_object('location', now())",
    )
    .await;
    restore(&mut w, backup).await;
    settled(&mut w).await;
    assert_eq!(w.odoo.by_name("Meeting").expect("there")["location"], "Room 2");
    assert_eq!(w.stack.mails().await, []);
}

/// The event was archived at the backup and is in use again: nobody has archived it since.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_archived_at_the_backup_is_not_deleted_from_outlook() {
    let mut w = world().await;
    w.outlook_creates(ANN, "Meeting", &[CARLA]).await;
    w.quiet().await;
    let id = id_of(&w, "Meeting");
    w.odoo.write(id, json!({"active": false}));
    w.quiet().await;
    let backup = w.odoo.copy();
    w.odoo.write(id, json!({"active": true}));
    w.quiet().await;
    assert!(w.stack.event(ANN, "Meeting").await.is_some(), "made anew");
    w.forget_mails().await;
    restore(&mut w, backup).await;
    settled(&mut w).await;
    assert_eq!(w.stack.mails().await, []);
    assert!(w.stack.event(ANN, "Meeting").await.is_some());
    assert_ne!(id_of(&w, "Meeting"), id, "beside the one that is archived");
}

/// Odoo is asked to write to a record whose id another record has by now.
#[tokio::test(flavor = "multi_thread")]
async fn a_result_about_another_record_is_not_taken_for_the_meetings() {
    let mut w = world().await;
    let event = w.outlook_creates(CARLA, "Outside", &[ANN]).await;
    w.quiet().await;
    let id = id_of(&w, "Outside");
    w.outlook_edits(CARLA, &event, json!({"subject": "Outside, renamed"}))
        .await;
    w.worked(7).await;
    // Restored and in use meanwhile: another event has the id.
    let mut other = w.odoo.records.remove(&id).expect("a record");
    other["name"] = json!("Another");
    other["link"] = Value::Null;
    other["create_date"] = json!(odoo_time(0, "00:00:01"));
    other["organizer"] = w.odoo.organizer(7);
    w.odoo.records.insert(id, other);
    w.quiet().await;
    w.odoo.write(id, json!({"location": "Room 1"}));
    settled(&mut w).await;
    assert_eq!(id_of(&w, "Another"), id, "nobody has overwritten it");
    assert_ne!(
        id_of(&w, "Outside, renamed"),
        id,
        "and what was lost is there again"
    );
    let event = w
        .stack
        .event(ANN, "Another")
        .await
        .expect("it is an event of its own");
    assert_eq!(event["location"]["displayName"], "Room 1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_odoo_has_just_made_is_not_made_twice_by_a_new_pairing() {
    let mut w = world().await;
    w.outlook_creates(ANN, "Made", &[CARLA]).await;
    w.worked(7).await;
    w.odoo.exchange(&w.service).await.expect("an answer");
    let id = id_of(&w, "Made");
    // Its result has not been sent.
    w.odoo.pair_again(&w.service).await;
    settled(&mut w).await;
    assert_eq!(id_of(&w, "Made"), id, "and no other one");
    w.odoo.write(id, json!({"location": "Room 1"}));
    w.quiet().await;
    let event = w.stack.event(ANN, "Made").await.expect("in Outlook");
    assert_eq!(event["location"]["displayName"], "Room 1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_odoo_has_and_cannot_tell_is_not_taken_for_lost() {
    let mut w = world().await;
    let at = |hour: &str| odoo_time(4, hour);
    let malformed = w
        .odoo
        .create(7, "Malformed", &at("09:00:00"), &at("10:00:00"), &[]);
    let large = w.odoo.create(7, "Large", &at("11:00:00"), &at("12:00:00"), &[]);
    let weekly = w.odoo.create_weekly(7, "Weekly", &at("15:00:00"), 3, &[]);
    let series = w.odoo.create_weekly(7, "Large series", &at("17:00:00"), 3, &[]);
    w.quiet().await;
    let before = w.stack.events(ANN).await.len();
    let records = w.odoo.records.len();
    w.odoo.broken.insert(malformed, json!({"start": 5}));
    w.odoo.broken.insert(weekly, json!({"rule": 5}));
    w.odoo.too_large.extend([large, series]);
    w.odoo.pair_again(&w.service).await;
    settled(&mut w).await;
    assert_eq!(w.odoo.records.len(), records, "{:#?}", w.odoo.records);
    assert_eq!(w.stack.events(ANN).await.len(), before);
    // Once it can be sent, it is unchanged.
    w.odoo.broken.clear();
    w.odoo.too_large.clear();
    for id in [malformed, large] {
        w.odoo.write(id, json!({"location": "Room 1"}));
    }
    settled(&mut w).await;
    for name in ["Malformed", "Large"] {
        let event = w.stack.event(ANN, name).await.expect("in Outlook");
        assert_eq!(event["location"]["displayName"], "Room 1", "{name}");
    }
    assert_eq!(w.odoo.records.len(), records);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_odoo_gets_back_what_it_lost_and_mails_nobody() {
    let mut w = world().await;
    let at = |hour: &str| odoo_time(4, hour);
    w.odoo
        .create(7, "Kept", &at("09:00:00"), &at("10:00:00"), &[CARLA]);
    w.quiet().await;
    let backup = w.odoo.copy();
    // After the backup, one event is made and one is changed, on either side.
    w.odoo
        .create(7, "Lost", &at("11:00:00"), &at("12:00:00"), &[CARLA]);
    w.outlook_creates(ANN, "Fetched later", &[]).await;
    w.quiet().await;
    let kept = w.stack.event(ANN, "Kept").await.unwrap();
    w.outlook_edits(ANN, &kept, json!({"subject": "Kept, renamed"}))
        .await;
    w.quiet().await;
    w.forget_mails().await;
    let before: Vec<Value> = w.stack.events(ANN).await;

    restore(&mut w, backup).await;
    // Somebody goes on working, and the restored database gives the lost event's id out again.
    let reused = w
        .odoo
        .create(7, "New after all", &at("15:00:00"), &at("16:00:00"), &[]);
    w.quiet().await;
    w.quiet().await;
    for name in ["Lost", "Fetched later", "Kept, renamed", "New after all"] {
        assert!(w.odoo.by_name(name).is_some(), "{name}: {:#?}", w.odoo.records);
    }
    assert_eq!(w.odoo.by_name("New after all").unwrap()["id"], reused);
    assert_eq!(active(&w), 4);
    assert!(w.stack.event(ANN, "New after all").await.is_some());
    assert_eq!(w.stack.events(ANN).await.len(), before.len() + 1);
    assert!(w.stack.mails().await.is_empty(), "{:?}", w.stack.mails().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_odoo_invites_nobody_to_what_had_been_deleted() {
    let mut w = world().await;
    let at = |hour: &str| odoo_time(4, hour);
    let deleted = w
        .odoo
        .create(7, "Deleted", &at("09:00:00"), &at("10:00:00"), &[CARLA]);
    let alone = w.odoo.create(7, "Alone", &at("12:00:00"), &at("13:00:00"), &[]);
    let series = w.odoo.create_weekly(7, "Series", &at("15:00:00"), 4, &[CARLA]);
    w.quiet().await;
    let backup = w.odoo.copy();
    for id in [deleted, alone, series] {
        w.odoo.unlink(id);
    }
    w.quiet().await;
    assert_eq!(w.stack.events(ANN).await.len(), 0);
    w.forget_mails().await;

    w.odoo = backup;
    w.odoo.hand_over(&w.service).await.unwrap();
    w.odoo.pair_again(&w.service).await;
    w.quiet().await;
    w.quiet().await;
    assert_eq!(w.stack.mails().await, []);
    let subjects: Vec<Value> = w
        .stack
        .events(ANN)
        .await
        .iter()
        .map(|e| e["subject"].clone())
        .collect();
    assert_eq!(subjects, ["Alone"], "what mails nobody is as Odoo has it");
    for name in ["Deleted", "Alone", "Series"] {
        let is_it = |r: &&Value| r["name"] == name || r["template"]["name"] == name;
        let record = w.odoo.records.values().find(is_it).expect("in Odoo");
        assert_eq!(record["active"], true, "{name}");
    }
    let journal = w
        .odoo
        .call(
            &w.service,
            2,
            "outlook.bridge",
            "journal",
            json!({"res_id": deleted}),
        )
        .await
        .unwrap();
    assert!(
        journal[0]["message"].as_str().unwrap().contains("in Odoo again"),
        "{journal}"
    );
    // Its organizer must decide, and an edit is not a decision.
    w.odoo.write(deleted, json!({"location": "Room 1"}));
    w.quiet().await;
    assert_eq!(w.stack.mails().await, []);
    assert!(w.stack.event(ANN, "Deleted").await.is_none());
}

/// Created again in Outlook, it is the meeting that the restored service knows as ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_service_knows_its_later_generation_again() {
    know_again(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_service_waits_for_the_organizers_mailbox_to_know_it_again() {
    know_again(true).await;
}

async fn know_again(guest_first: bool) {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben");
    let at = |hour: &str| odoo_time(4, hour);
    let id = w
        .odoo
        .create(7, "Review", &at("09:00:00"), &at("10:00:00"), &[BEN, CARLA]);
    w.quiet().await;
    w.odoo.write(id, json!({"active": false}));
    w.quiet().await;
    assert!(w.stack.event(ANN, "Review").await.is_none());
    w.back_up().await;
    w.odoo.write(id, json!({"active": true}));
    w.quiet().await;
    let event = w.stack.event(ANN, "Review").await.expect("made anew");
    w.outlook_deletes(ANN, &event).await;
    w.quiet().await;
    w.odoo.write(id, json!({"active": true}));
    w.quiet().await;
    let event = w.stack.event(ANN, "Review").await.expect("made anew again");
    w.forget_mails().await;

    w.restore().await;
    if guest_first {
        let fault =
            json!({"mailbox": ANN, "method": "GET", "path": "calendarView/delta", "count": 4, "status": 503});
        w.stack.sim_call("POST", "faults", fault).await;
    }
    w.odoo.pair_again(&w.service).await;
    if guest_first {
        w.odoo.sync(&w.service).await;
        w.worked(8).await;
        w.odoo.sync(&w.service).await;
    }
    w.quiet().await;
    w.quiet().await;
    assert_eq!(active(&w), 1, "{:#?}", w.odoo.records);
    assert_eq!(w.odoo.records[&id]["active"], true);
    assert_eq!(w.stack.events(ANN).await.len(), 1);
    assert_eq!(w.stack.mails().await, []);
    // Both are the same meeting.
    w.outlook_edits(ANN, &event, json!({"subject": "Reviewed"})).await;
    w.quiet().await;
    assert_eq!(w.odoo.records[&id]["name"], "Reviewed");
    w.odoo.write(id, json!({"name": "Reviewed twice"}));
    w.quiet().await;
    assert!(w.stack.event(ANN, "Reviewed twice").await.is_some());
}
