//! Deleted events that are put back on both sides.

use diesel_async::RunQueryDsl;
use serde_json::{Value, json};

use super::convergence::service::command;
use super::machine::{refused, text};
use super::resets;
use super::stack::{ANN, BEN};
use super::world::{OUTSIDE, World, kinds, odoo_time, world};

/// Runs `put-back` and returns what it prints.
async fn put_back(w: &World, arguments: &[&str]) -> Value {
    let output = command(&w.stack)
        .arg("put-back")
        .args(arguments)
        .arg("--json")
        .output()
        .await
        .expect("the program");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Returns the number of a deleted event in the list.
async fn number(w: &World, title: &str) -> String {
    let all = put_back(w, &[]).await;
    let all = all.as_array().expect("a list");
    let found = all.iter().find(|one| one["title"] == title);
    found.expect("listed")["id"].to_string()
}

async fn why_not(w: &World, arguments: &[&str], words: &str) {
    let output = command(&w.stack)
        .arg("put-back")
        .args(arguments)
        .output()
        .await
        .expect("the program");
    refused(&output, words);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_in_odoo_is_back_on_both_sides_and_its_guests_are_invited() {
    let mut w = world().await;
    let (start, stop) = (odoo_time(4, "09:00:00"), odoo_time(4, "10:00:00"));
    let id = w.odoo.create(7, "Review", &start, &stop, &[OUTSIDE]);
    w.odoo.write(id, json!({"location": "Room 4"}));
    w.quiet().await;
    w.odoo.unlink(id);
    w.quiet().await;
    assert!(w.stack.event(ANN, "Review").await.is_none());
    w.forget_mails().await;

    let number = number(&w, "Review").await;
    let seen = put_back(&w, &[&number, "--dry-run"]).await;
    assert_eq!(seen["done"], false);
    assert_eq!(seen["preview"]["invited"], json!([OUTSIDE]));
    assert_eq!(seen["preview"]["record_is_new"], true);
    assert_eq!(seen["preview"]["mailbox"], ANN);
    // Without a word about the mails, nothing is done.
    assert_eq!(put_back(&w, &[&number]).await["done"], false);
    w.quiet().await;
    assert!(w.odoo.by_name("Review").is_none());

    assert_eq!(put_back(&w, &[&number, "--invite"]).await["done"], true);
    why_not(&w, &[&number, "--invite"], "that was asked for already").await;
    w.quiet().await;
    let record = w.odoo.by_name("Review").expect("in Odoo again").clone();
    assert_ne!(record["id"], id, "a new record");
    assert_eq!(
        (&record["start"], &record["location"]),
        (&json!(start), &json!("Room 4"))
    );
    let event = w.stack.event(ANN, "Review").await.expect("in Outlook again");
    assert_eq!(event["location"]["displayName"], "Room 4");
    assert_eq!(event["attendees"][0]["emailAddress"]["address"], OUTSIDE);
    assert_eq!(kinds(&w.stack.mails().await), [("invitation", OUTSIDE)]);
    assert_eq!(put_back(&w, &[]).await, json!([]), "nothing is lost any more");

    // It is synced like any other, and can be lost again.
    w.odoo
        .write(record["id"].as_i64().expect("an id"), json!({"name": "Review 2"}));
    w.quiet().await;
    let event = w.stack.event(ANN, "Review 2").await.expect("renamed");
    w.outlook_deletes(ANN, &event).await;
    w.quiet().await;
    self::number(&w, "Review 2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_in_outlook_is_active_again_and_made_anew() {
    let mut w = world().await;
    let event = w.outlook_creates(ANN, "Dentist", &[]).await;
    w.quiet().await;
    let id = w.odoo.by_name("Dentist").expect("in Odoo")["id"]
        .as_i64()
        .expect("an id");
    w.outlook_deletes(ANN, &event).await;
    w.quiet().await;
    assert_eq!(w.odoo.records[&id]["active"], false);
    w.forget_mails().await;

    let number = number(&w, "Dentist").await;
    let done = put_back(&w, &[&number]).await;
    assert_eq!(done["done"], true, "nobody is mailed, so nobody needs to agree");
    assert_eq!(done["preview"]["record_is_new"], false);
    w.quiet().await;
    assert_eq!(w.odoo.records[&id]["active"], true);
    let again = w.stack.event(ANN, "Dentist").await.expect("in Outlook again");
    assert_ne!(again["id"], event["id"]);
    assert_eq!(kinds(&w.stack.mails().await), []);
    let named = w
        .odoo
        .records
        .values()
        .filter(|record| record["name"] == "Dentist");
    assert_eq!(named.count(), 1, "no twin");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_is_back_with_its_exceptions_whichever_side_deleted_it() {
    for in_odoo in [true, false] {
        let mut w = world().await;
        let id = w
            .odoo
            .create_weekly(7, "Stand-up", &odoo_time(5, "09:00:00"), 4, &[BEN]);
        w.quiet().await;
        w.odoo
            .set_one(id, 1, &json!({"name": "Retrospective", "location": "Attic"}));
        w.odoo.set_there(id, 2, false);
        w.quiet().await;
        let before: Vec<_> = w.odoo.occurrences(id).into_iter().map(|(day, _)| day).collect();
        assert_eq!(before.len(), 3);
        if in_odoo {
            w.odoo.unlink(id);
        } else {
            let event = w.stack.event(ANN, "Stand-up").await.expect("in Outlook");
            w.outlook_deletes(ANN, &event).await;
        }
        w.quiet().await;
        assert!(w.stack.event(ANN, "Stand-up").await.is_none(), "lost");
        w.forget_mails().await;

        let number = number(&w, "Stand-up").await;
        let seen = put_back(&w, &[&number, "--invite"]).await;
        assert_eq!(seen["done"], true);
        w.quiet().await;
        w.quiet().await;
        let back = w.odoo.series_by_name("Stand-up").expect("in Odoo again");
        let occurrences = w.odoo.occurrences(back);
        let days: Vec<_> = occurrences.iter().map(|(day, _)| *day).collect();
        assert_eq!(days, before, "in Odoo: {in_odoo}");
        assert_eq!(occurrences[1].1["location"], "Attic");
        let event = w.stack.event(ANN, "Stand-up").await.expect("in Outlook again");
        let shown = event["occurrences"].as_array().expect("occurrences");
        let titles: Vec<_> = shown.iter().map(|one| &one["subject"]).collect();
        assert_eq!(
            titles,
            ["Stand-up", "Retrospective", "Stand-up"],
            "in Odoo: {in_odoo}"
        );
        let mails = w.stack.mails().await;
        let announced = seen["preview"]["invited"].as_array().expect("a list").len();
        assert!(
            !mails.is_empty() && mails.len() <= announced,
            "{mails:?} of {announced}"
        );
        assert!(mails.iter().all(|(_, whom)| whom == BEN), "{mails:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_deleted_before_it_is_active_again_is_made_a_second_time() {
    let mut w = world().await;
    let event = w.outlook_creates(ANN, "Dentist", &[]).await;
    w.quiet().await;
    let record = w.odoo.by_name("Dentist").expect("in Odoo")["id"].as_i64();
    let record = record.expect("an id");
    w.outlook_deletes(ANN, &event).await;
    w.quiet().await;
    let number = number(&w, "Dentist").await;
    assert_eq!(put_back(&w, &[&number]).await["preview"]["record_is_new"], false);
    // As a removal of many archived records does, whose tombstone comes later.
    w.odoo.records.remove(&record);
    w.quiet().await;
    let again = w.odoo.by_name("Dentist").expect("in Odoo again");
    assert_ne!(again["id"], record);
    assert!(w.stack.event(ANN, "Dentist").await.is_some(), "in Outlook again");
    assert_eq!(put_back(&w, &[]).await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_reset_leaves_in_odoo_is_not_lost() {
    let mut w = world().await;
    let (start, stop) = (odoo_time(4, "09:00:00"), odoo_time(4, "10:00:00"));
    w.odoo.create(7, "Review", &start, &stop, &[]);
    w.quiet().await;
    // Numbers are given from 1, and it is the first meeting.
    assert_eq!(w.count("meetings WHERE id = 1").await, 1);
    resets::reset(&w, "delete_microsoft", "new").await.expect("reset");
    resets::has_status(&mut w, 7, "need_auth").await;
    assert!(w.stack.event(ANN, "Review").await.is_none());
    assert_eq!(put_back(&w, &[]).await, json!([]));
    why_not(&w, &["1"], "it is not deleted").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_put_back_is_said() {
    let mut w = world().await;
    let (start, stop) = (odoo_time(4, "09:00:00"), odoo_time(4, "10:00:00"));
    let id = w.odoo.create(7, "Review", &start, &stop, &[]);
    w.quiet().await;
    why_not(&w, &["999999"], "This event was not deleted").await;
    let known = w.count("meetings").await;
    assert_eq!(known, 1);
    w.odoo.unlink(id);
    w.quiet().await;
    let number = number(&w, "Review").await;
    let lapsed = "UPDATE accounts SET state = 'need_auth', refresh_token = NULL, access_token = NULL";
    let mut conn = w.service.engine.store.get().await.expect("a connection");
    diesel::sql_query(lapsed)
        .execute(&mut conn)
        .await
        .expect("logged out");
    drop(conn);
    why_not(&w, &[&number], "has to log in to Outlook first").await;
    let listed = put_back(&w, &[]).await;
    let obstacle = listed[0]["obstacle"].as_str().expect("a reason");
    assert!(obstacle.contains("log in"), "{obstacle}");
    let output = command(&w.stack)
        .arg("put-back")
        .output()
        .await
        .expect("the program");
    let shown = text(&output.stdout);
    assert!(shown.contains("Review") && shown.contains("log in"), "{shown}");
}
