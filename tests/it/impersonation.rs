//! Whoever saves in Odoo does not act in another's name: the attacks that were shown, and what must go on.

use serde_json::json;

use super::stack::ANN;
use super::world::{OUTSIDE, odoo_time, world};

const EVE: &str = "eve@evil.example";

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_says_it_was_anothers_is_not_given_that_ones_meeting() {
    let mut w = world().await;
    let private = w.odoo.create(
        7,
        "Board",
        &odoo_time(3, "09:00:00"),
        &odoo_time(3, "10:00:00"),
        &[OUTSIDE],
    );
    w.odoo.write(private, json!({"privacy": "private"}));
    w.quiet().await;
    w.forget_mails().await;

    // Of the same organizer, who is said to have been there before; and one that is deleted before anybody has seen it.
    let start = (odoo_time(4, "09:00:00"), odoo_time(4, "10:00:00"));
    let forged = w.odoo.create(7, "Forged", &start.0, &start.1, &[EVE]);
    let was = json!({"model": "calendar.event", "id": private, "key": null, "link": w.odoo.records[&private]["link"]});
    w.odoo.records.get_mut(&forged).expect("a record")["was"] = was.clone();
    let deleted = w.odoo.create(7, "Gone at once", &start.0, &start.1, &[]);
    w.odoo.records.get_mut(&deleted).expect("a record")["was"] = was.clone();
    w.odoo.unlink(deleted);
    w.quiet().await;

    let board = w.stack.event(ANN, "Board").await.expect("it is still there");
    assert_eq!(board["sensitivity"], "private");
    assert!(w.stack.event(ANN, "Forged").await.is_none());
    assert_eq!(w.stack.mails().await, []);
    let words: Vec<_> = w.odoo.rejected.values().collect();
    assert!(
        words.iter().all(|words| words.contains("which is still there")) && words.len() == 2,
        "{words:?}"
    );
    // Nothing is held against the meeting itself, whose news go on in both directions.
    w.odoo.write(private, json!({"name": "Board, moved"}));
    w.quiet().await;
    let board = w.stack.event(ANN, "Board, moved").await.expect("renamed");
    w.outlook_edits(ANN, &board, json!({"location": {"displayName": "Room 7"}}))
        .await;
    w.quiet().await;
    assert_eq!(w.odoo.records[&private]["location"], "Room 7");
    assert_eq!(w.odoo.records[&forged]["location"], serde_json::Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_what_another_was_once_that_one_is_gone_and_of_the_same_organizer() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    let mut once = Vec::new();
    for name in ["Mine", "Mine, too"] {
        let (start, stop) = (odoo_time(3, "09:00:00"), odoo_time(3, "10:00:00"));
        once.push(w.odoo.create(7, name, &start, &stop, &[]));
    }
    w.quiet().await;
    let uid = w.stack.event(ANN, "Mine").await.expect("made")["iCalUId"].clone();
    let (start, stop) = (odoo_time(4, "09:00:00"), odoo_time(4, "10:00:00"));
    for (user, id, name) in [(7, once[0], "Mine, again"), (8, once[1], "Bens")] {
        // Nobody told that it is gone, but that it is.
        w.odoo.records.remove(&id);
        let now = w.odoo.create(user, name, &start, &stop, &[]);
        let record = w.odoo.records.get_mut(&now).expect("a record");
        record["was"] = json!({"model": "calendar.event", "id": id, "key": null, "link": null});
        w.odoo.was_gone.insert(now);
    }
    w.quiet().await;
    let again = w
        .stack
        .event(ANN, "Mine, again")
        .await
        .expect("the very same meeting");
    assert_eq!(again["iCalUId"], uid);
    assert!(w.stack.event(ANN, "Mine").await.is_none());
    assert!(
        w.stack.event(ANN, "Mine, too").await.is_some(),
        "Ben has no say in it"
    );
    let words: Vec<_> = w.odoo.rejected.values().collect();
    assert!(
        words.len() == 1 && words[0].contains("another organizer"),
        "{words:?}"
    );
}
