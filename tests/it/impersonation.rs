//! Saving in Odoo must not act in another person's name: known attacks fail, and normal use still
//! works.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::stack::{ANN, BEN};
use super::world::{OUTSIDE, World, day, odoo_time, world};

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

    // Two records claim to continue this meeting: one of the same organizer, and one that is
    // deleted before it was ever sent.
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
    assert_eq!(w.odoo.rejected.len(), 1, "{:?}", w.odoo.rejected);
    assert!(is_said(&w, "which is still there").await);
    // The meeting itself is not affected, and is synced in both directions.
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
        // The old record is gone without a message about it, as its end was never sent.
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
    assert_eq!(w.odoo.rejected.len(), 1, "{:?}", w.odoo.rejected);
    assert!(is_said(&w, "another organizer").await);
}

/// Whether the journal says this about a rejected change.
async fn is_said(w: &World, words: &str) -> bool {
    w.count(&format!(
        "journal WHERE level = 'error' AND message LIKE '%{words}%'"
    ))
    .await
        > 0
}

async fn journal(w: &World, id: i64) -> Vec<String> {
    let kwargs = json!({"user_id": 7, "res_id": id, "key": w.odoo.records[&id]["key"], "limit": 50});
    let lines = w
        .odoo
        .call(&w.service, 7, "outlook.bridge", "journal", kwargs)
        .await;
    let lines = lines.expect("the journal");
    let lines = lines.as_array().expect("lines").iter();
    lines
        .map(|line| line["message"].as_str().expect("words").to_owned())
        .collect()
}

fn by(uid: i64, is_admin: bool, by_link: bool) -> Value {
    json!({"uid": uid, "name": "Eve", "is_admin": is_admin, "by_link": by_link})
}

/// Sets Ben's response in Odoo as somebody else.
fn answer_for_ben(w: &mut World, id: i64, state: &str, by: &Value) {
    let mut attendees = w.odoo.records[&id]["attendees"].clone();
    for line in attendees.as_array_mut().expect("attendees") {
        if line["user_id"] == 8 {
            line["state"] = json!(state);
            line["answered_by"] = by.clone();
        }
    }
    w.odoo.write(id, json!({"attendees": attendees}));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_answers_from_a_colleagues_mailbox() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    let (start, stop) = (odoo_time(3, "09:00:00"), odoo_time(3, "10:00:00"));
    let id = w.odoo.create(7, "Review", &start, &stop, &[BEN, OUTSIDE]);
    w.quiet().await;
    w.forget_mails().await;
    let status = async |w: &World| {
        let copy = w.stack.event(BEN, "Review").await.expect("in Ben's calendar");
        copy["responseStatus"]["response"].as_str().map(str::to_owned)
    };

    answer_for_ben(&mut w, id, "declined", &by(9, false, false));
    w.quiet().await;
    assert_eq!(status(&w).await.as_deref(), Some("notResponded"));
    assert_eq!(w.stack.mails().await, []);
    assert_eq!(w.odoo.records[&id]["attendees"][1]["state"], "needsAction");
    let lines = journal(&w, id).await;
    let said: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("may not answer for them"))
        .collect();
    assert!(
        said.len() == 1 && said[0].contains("Eve set in Odoo that"),
        "{lines:?}"
    );

    // Ben, who opened the link of his invitation, and an administrator.
    for (state, by, said) in [
        ("tentative", by(8, false, false), "tentativelyAccepted"),
        ("accepted", by(4, false, true), "accepted"),
        ("tentative", by(2, true, false), "tentativelyAccepted"),
    ] {
        answer_for_ben(&mut w, id, state, &by);
        w.quiet().await;
        assert_eq!(status(&w).await.as_deref(), Some(said));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_to_one_occurrence() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    let start = odoo_time(3, "09:00:00");
    let id = w.odoo.create_weekly(7, "Weekly", &start, 4, &[BEN]);
    w.quiet().await;
    w.forget_mails().await;
    for (uid, answered) in [(9, "needsAction"), (8, "tentative")] {
        let mut attendees = w.odoo.attendees_of(id, 2);
        for line in &mut attendees {
            if line["user_id"] == 8 {
                line["state"] = json!("tentative");
                line["answered_by"] = by(uid, false, false);
            }
        }
        w.odoo.set_one(id, 2, &json!({"attendees": attendees}));
        w.quiet().await;
        let lines = journal(&w, id).await;
        assert_eq!(w.stack.mails().await.is_empty(), uid == 9, "{lines:?}");
        assert_eq!(w.odoo.answer_to_one(id, 2, 8), answered, "{lines:?}");
    }
    let lines = journal(&w, id).await;
    assert!(
        lines.iter().any(|line| line.contains("may not answer for them")),
        "{lines:?}"
    );
}

fn saver(uid: i64, name: &str, is_admin: bool) -> Value {
    json!({"uid": uid, "name": name, "is_admin": is_admin})
}

fn outside(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("guest{n}@outside.example")).collect()
}

/// Makes a meeting of Ann's with this many guests from outside.
async fn meeting(w: &mut World, name: &str, guests: usize) -> i64 {
    let guests = outside(guests);
    let guests: Vec<&str> = guests.iter().map(String::as_str).collect();
    let id = w.odoo.create(
        7,
        name,
        &odoo_time(3, "09:00:00"),
        &odoo_time(3, "10:00:00"),
        &guests,
    );
    settled(w).await;
    id
}

/// Waits until everything that may be sent has been sent.
async fn settled(w: &mut World) {
    for _ in 0..2 {
        w.odoo.sync(&w.service).await;
        w.worked(7).await;
    }
    w.odoo.sync(&w.service).await;
}

async fn waiting(w: &World) -> Value {
    let state = w
        .odoo
        .call(&w.service, 2, "outlook.bridge", "status", json!({}))
        .await;
    state.expect("a state")["accounts"][0]["mails"].clone()
}

async fn answer(w: &mut World, send: bool) {
    let kwargs = json!({"user_id": 7, "send": send});
    let answered = w
        .odoo
        .call(&w.service, 7, "res.users", "answer_mails", kwargs)
        .await;
    answered.expect("answered");
    settled(w).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_colleague_saves_for_many_people_outside_waits_for_the_organizer() {
    let mut w = world().await;
    // A few mails need no approval, and neither do saves by the organizer or an administrator.
    w.odoo.savers = vec![saver(9, "Eve", false)];
    let few = meeting(&mut w, "Few", 5).await;
    assert_eq!(w.stack.mails().await.len(), 5);
    assert!(
        journal(&w, few)
            .await
            .iter()
            .any(|line| line.ends_with("saved by Eve"))
    );
    for own in [saver(7, "Ann", false), saver(2, "Admin", true)] {
        w.forget_mails().await;
        w.odoo.savers = vec![own];
        meeting(&mut w, "Own", 8).await;
        assert_eq!(w.stack.mails().await.len(), 8);
        assert_eq!(waiting(&w).await, 0);
    }

    w.forget_mails().await;
    w.odoo.savers = vec![saver(9, "Eve", false)];
    let many = meeting(&mut w, "Many", 6).await;
    assert_eq!(waiting(&w).await, 6);
    // A save by somebody else before or after it was sent does not approve it, either.
    w.odoo.savers.push(saver(7, "Ann", false));
    w.odoo.write(many, json!({"location": "Room 3"}));
    settled(&mut w).await;
    w.odoo.savers = vec![saver(7, "Ann", false)];
    w.odoo.write(many, json!({"location": "Room 4"}));
    settled(&mut w).await;
    assert_eq!(w.stack.mails().await, []);
    let kwargs = json!({"user_id": 7});
    let preview = w
        .odoo
        .call(&w.service, 7, "res.users", "preview", kwargs)
        .await
        .expect("told");
    assert_eq!(preview["held"]["events"][0]["saved_by"], json!(["Eve", "Ann"]));

    answer(&mut w, true).await;
    assert_eq!(w.stack.mails().await.len(), 6);
    assert_eq!(waiting(&w).await, 0);

    // Cancellations are mails, too. If the organizer declines, nobody is mailed.
    w.forget_mails().await;
    w.odoo.savers = vec![saver(9, "Eve", false)];
    w.odoo.unlink(many);
    settled(&mut w).await;
    assert_eq!(waiting(&w).await, 6);
    answer(&mut w, false).await;
    assert_eq!(w.stack.mails().await, []);
    assert!(w.stack.event(ANN, "Many").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_sends_so_many_mails_an_hour_without_asking() {
    let mut w = world().await;
    let kwargs = json!({"mails_an_hour": 12});
    let set = w
        .odoo
        .call(&w.service, 2, "res.config.settings", "set_values", kwargs)
        .await;
    assert_eq!(set.expect("set")["mails_an_hour"], 12);
    // Visitors of the website, who all use the public user, make one booking after the other.
    w.odoo.savers = vec![saver(4, "Public user", false)];
    for number in 0..4 {
        meeting(&mut w, &format!("Booking {number}"), 3).await;
    }
    assert_eq!(w.stack.mails().await.len(), 12);
    assert_eq!(waiting(&w).await, 0);
    // The organizer cannot send more, either.
    w.odoo.savers = vec![saver(7, "Ann", false)];
    meeting(&mut w, "One too many", 3).await;
    meeting(&mut w, "Another", 2).await;
    assert_eq!(w.stack.mails().await.len(), 12);
    assert_eq!(waiting(&w).await, 5);
    // Changes that mail nobody go on, and an approval covers only the mails that wait.
    meeting(&mut w, "Alone", 0).await;
    assert!(w.stack.event(ANN, "Alone").await.is_some());
    answer(&mut w, true).await;
    assert_eq!(w.stack.mails().await.len(), 17);
    meeting(&mut w, "And again", 1).await;
    assert_eq!(waiting(&w).await, 1);
}

/// Makes an invitation in Ben's mailbox that names Ann as the organizer, and of which her mailbox
/// knows nothing.
async fn forged(w: &World, subject: &str, guests: usize) -> Value {
    let guests: Vec<Value> = outside(guests)
        .iter()
        .map(|guest| json!({"type": "required", "emailAddress": {"name": guest, "address": guest}}))
        .collect();
    let body = json!({"subject": subject, "attendees": guests, "invited_by": ["Ann", ANN],
        "start": {"dateTime": day(3, "10:00:00"), "timeZone": "UTC"},
        "end": {"dateTime": day(3, "11:00:00"), "timeZone": "UTC"}});
    let event = w
        .stack
        .sim_call("POST", &format!("mailboxes/{BEN}/events"), body)
        .await;
    w.forget_mails().await;
    event
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_colleagues_mailbox_alone_shows_as_somebodys_is_not_made_in_that_ones() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    w.quiet().await;
    forged(&w, "Forged", 3).await;
    w.quiet().await;
    let record = w.odoo.by_name("Forged").expect("Ben's invitation is in Odoo");
    let id = record["id"].as_i64().expect("an id");
    assert_eq!(record["organizer"]["user_id"], 7);
    assert_eq!(w.stack.mails().await, []);
    // Ben is deleted in Odoo, so no mailbox shows the meeting any more. Then somebody saves it.
    w.odoo.departed = vec![json!({"user_id": 8, "deleted": true})];
    w.quiet().await;
    w.odoo.departed.clear();
    w.odoo.write(id, json!({"location": "Room 8"}));
    w.quiet().await;
    assert!(w.stack.event(ANN, "Forged").await.is_none());
    assert_eq!(w.stack.mails().await, []);
    let lines = journal(&w, id).await;
    assert!(
        lines.iter().any(|line| line.contains("has never shown it")),
        "{lines:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hands_a_meeting_to_a_colleague_mails_nobody_in_that_ones_name() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    w.quiet().await;
    let guests = outside(8);
    let guests: Vec<&str> = guests.iter().map(String::as_str).collect();
    let kinds = async |w: &World| -> BTreeSet<String> {
        let mails = w.stack.mails().await;
        mails.into_iter().map(|(kind, _)| kind).collect()
    };
    let (start, stop) = (odoo_time(3, "09:00:00"), odoo_time(3, "10:00:00"));
    w.odoo.savers = vec![saver(8, "Ben", false)];
    let id = w.odoo.create(8, "Offer", &start, &stop, &guests);
    w.quiet().await;
    assert!(w.stack.event(BEN, "Offer").await.is_some(), "his own");
    w.forget_mails().await;

    // It leaves his mailbox, as he wants that. It is created in hers only if she approves.
    let ann = w.odoo.organizer(7);
    w.odoo.write(id, json!({ "organizer": ann }));
    let left = async |w: &mut World, user: i32, person: &str| {
        // On a busy machine, a run may have begun before the exchange that it is to follow, or have
        // lost its lease after the request.
        let given_up = std::time::Instant::now() + std::time::Duration::from_secs(180);
        while w.stack.event(person, "Offer").await.is_some() && std::time::Instant::now() < given_up {
            w.odoo.sync(&w.service).await;
            w.worked(user).await;
        }
        w.odoo.sync(&w.service).await;
        let asked = json!({"user_id": null, "res_id": id, "limit": 50});
        let lines = w
            .odoo
            .call(&w.service, 2, "outlook.bridge", "journal", asked)
            .await;
        assert!(w.stack.event(person, "Offer").await.is_none(), "{lines:#?}");
    };
    left(&mut w, 8, BEN).await;
    settled(&mut w).await;
    assert_eq!(kinds(&w).await, BTreeSet::from(["cancellation".to_owned()]));
    assert!(w.stack.event(ANN, "Offer").await.is_none());
    assert_eq!(waiting(&w).await, 9);
    w.forget_mails().await;
    answer(&mut w, true).await;
    assert!(w.stack.event(ANN, "Offer").await.is_some());
    assert_eq!(kinds(&w).await, BTreeSet::from(["invitation".to_owned()]));

    // Eve gives Ann's meeting away: Ann must approve the cancellations, and Ben the invitations.
    w.forget_mails().await;
    w.odoo.savers = vec![saver(9, "Eve", false)];
    let ben = w.odoo.organizer(8);
    w.odoo.write(id, json!({ "organizer": ben }));
    settled(&mut w).await;
    assert_eq!(waiting(&w).await, 9);
    answer(&mut w, true).await;
    left(&mut w, 7, ANN).await;
    w.odoo.sync(&w.service).await;
    w.worked(8).await;
    assert_eq!(kinds(&w).await, BTreeSet::from(["cancellation".to_owned()]));
    assert!(w.stack.event(BEN, "Offer").await.is_none());
    assert_eq!(
        w.count("accounts WHERE odoo_user_id = 8 AND mails_held = 9")
            .await,
        1
    );
}
