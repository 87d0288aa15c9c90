//! A connected guest responds in Odoo and changes their mind before both mailboxes were read.

use serde_json::{Value, json};

use super::series::{occurrence, weekly_with_ben};
use super::stack::{ANN, BEN, eventually};
use super::world::{World, answer_in_odoo, kinds, odoo_time, world};

/// Returns what Odoo has for Ben.
fn answer_of_ben(w: &World, id: i64) -> String {
    answer_in_odoo(&w.odoo.records[&id], BEN)
}

async fn meeting() -> (World, i64) {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    let id = w.odoo.create(7, "Review", &start, &stop, &[BEN]);
    w.quiet().await;
    (w, id)
}

async fn answer_is_sent(w: &World) {
    eventually("the answer is sent", async || {
        let mails = w.stack.mails().await;
        kinds(&mails).contains(&("response", ANN)).then_some(())
    })
    .await;
}

async fn fail(w: &World, mailbox: &str, path: &str) {
    let busy = json!([{"mailbox": mailbox, "path": path, "status": 503}]);
    w.stack.sim_call("PUT", "faults", busy).await;
}

async fn work(w: &mut World) {
    for _ in 0..2 {
        w.odoo.sync(&w.service).await;
        w.worked(7).await;
        w.worked(8).await;
    }
}

/// Checks that Ben has declined on both sides, now and once the faults are over.
async fn has_declined(w: &mut World, id: i64) {
    assert_eq!(answer_of_ben(w, id), "declined");
    w.stack.sim_call("DELETE", "faults", Value::Null).await;
    w.quiet().await;
    assert_eq!(answer_of_ben(w, id), "declined");
    assert!(w.stack.event(BEN, "Review").await.is_none(), "declined");
}

/// The service does not know what became of the first response, and Outlook brings it back by both
/// mailboxes.
#[tokio::test(flavor = "multi_thread")]
async fn it_is_not_undone_by_the_echo_of_a_response_without_a_result() {
    for is_read_between in [false, true] {
        let (mut w, id) = meeting().await;
        let lost = json!([{"mailbox": BEN, "method": "POST", "path": "$batch", "cut": "after", "count": 1}]);
        w.stack.sim_call("PUT", "faults", lost).await;
        w.odoo.answer(id, 8, "accepted");
        w.odoo.sync(&w.service).await;
        answer_is_sent(&w).await;
        fail(&w, BEN, "/accept").await;
        if is_read_between {
            work(&mut w).await;
        }
        w.odoo.answer(id, 8, "declined");
        work(&mut w).await;
        has_declined(&mut w, id).await;
    }
}

/// The organizer's mailbox is read only after the guest has changed their mind, and then brings the
/// first response.
#[tokio::test(flavor = "multi_thread")]
async fn it_is_not_undone_by_the_organizers_list() {
    let (mut w, id) = meeting().await;
    fail(&w, ANN, "delta").await;
    w.odoo.answer(id, 8, "accepted");
    w.odoo.sync(&w.service).await;
    answer_is_sent(&w).await;
    w.worked(8).await;
    fail(&w, BEN, "/decline").await;
    w.odoo.answer(id, 8, "declined");
    for _ in 0..2 {
        w.odoo.sync(&w.service).await;
        w.worked(7).await;
    }
    has_declined(&mut w, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_not_undone_for_one_occurrence() {
    let (mut w, id) = weekly_with_ben().await;
    fail(&w, ANN, "delta").await;
    w.odoo.answer_one(id, 1, 8, "accepted");
    w.odoo.sync(&w.service).await;
    answer_is_sent(&w).await;
    w.worked(8).await;
    fail(&w, BEN, "/decline").await;
    w.odoo.answer_one(id, 1, 8, "declined");
    for _ in 0..2 {
        w.odoo.sync(&w.service).await;
        w.worked(7).await;
    }
    assert_eq!(w.odoo.answer_to_one(id, 1, 8), "declined");
    w.stack.sim_call("DELETE", "faults", Value::Null).await;
    w.quiet().await;
    assert_eq!(w.odoo.answer_to_one(id, 1, 8), "declined");
    assert!(occurrence(&w, BEN, "2027-03-08").await.is_none(), "declined");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_not_undone_for_one_occurrence_by_the_echo_of_a_response_without_a_result() {
    let (mut w, id) = weekly_with_ben().await;
    let lost = json!([{"mailbox": BEN, "method": "POST", "path": "/accept", "cut": "after", "count": 1}]);
    w.stack.sim_call("PUT", "faults", lost).await;
    w.odoo.answer_one(id, 1, 8, "accepted");
    w.odoo.sync(&w.service).await;
    answer_is_sent(&w).await;
    w.odoo.answer_one(id, 1, 8, "declined");
    w.quiet().await;
    assert_eq!(w.odoo.answer_to_one(id, 1, 8), "declined");
    assert!(occurrence(&w, BEN, "2027-03-08").await.is_none(), "declined");
}

/// A meeting that was deleted in Odoo and put back invites its guests again. A guest responds in
/// Odoo before their mailbox has shown the new invitation.
#[tokio::test(flavor = "multi_thread")]
async fn it_is_not_undone_by_a_new_invitation_that_comes_late() {
    for change in [
        json!({"privacy": "private"}),
        json!({"location": "Room 2"}),
        json!(null),
    ] {
        let (mut w, id) = meeting().await;
        w.odoo.write(id, json!({"active": false}));
        w.quiet().await;
        fail(&w, BEN, "delta").await;
        w.odoo.write(id, json!({"active": true}));
        for _ in 0..3 {
            w.odoo.sync(&w.service).await;
            w.worked(7).await;
        }
        assert!(w.stack.event(ANN, "Review").await.is_some(), "made again");
        w.odoo.answer(id, 8, "accepted");
        if change.is_null() {
            w.odoo.change_guests(id, &[super::world::CARLA], &[]);
        } else {
            w.odoo.write(id, change.clone());
        }
        for _ in 0..3 {
            w.odoo.sync(&w.service).await;
            w.worked(7).await;
        }
        w.stack.sim_call("DELETE", "faults", Value::Null).await;
        w.quiet().await;
        assert_eq!(answer_of_ben(&w, id), "accepted", "{change}");
        let copy = w.stack.event(BEN, "Review").await.expect("Ben's copy");
        assert_eq!(copy["responseStatus"]["response"], "accepted", "{change}");
    }
}
