//! Connected guests: what they answer on either side, and what their mailboxes show of a meeting.

use serde_json::{Value, json};

use super::stack::{ANN, BEN, eventually, id_of};
use super::world::{CARLA, OUTSIDE, World, answer_in_odoo, day, kinds, odoo_time, world};

async fn with_ben() -> World {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    w.quiet().await;
    w
}

pub fn answer_of_ben(record: &Value) -> String {
    answer_in_odoo(record, BEN)
}

/// Ben has declined Ann's *Review!*. She has renamed it since, so he is invited again. Returns her
/// event and Odoo's id.
async fn asked_anew() -> (World, Value, i64) {
    let mut w = with_ben().await;
    let event = w.outlook_creates(ANN, "Review", &[BEN]).await;
    w.quiet().await;
    let id = w.odoo.by_name("Review").expect("in Odoo")["id"].as_i64().unwrap();
    in_outlook_ben_says(&w, "Review", "decline").await;
    w.quiet().await;
    w.outlook_edits(ANN, &event, json!({"subject": "Review!"})).await;
    w.quiet().await;
    (w, event, id)
}

pub async fn in_outlook_ben_says(w: &World, subject: &str, response: &str) {
    let copy = w.stack.event(BEN, subject).await.expect("Ben's copy");
    let path = format!("mailboxes/{BEN}/events/{}/respond", id_of(&copy));
    w.stack
        .sim_call("POST", &path, json!({"response": response}))
        .await;
}

/// Stops reading a mailbox for a while.
async fn unread(w: &World, mailbox: &str) {
    let away = json!([{"mailbox": mailbox, "path": "delta", "status": 503}]);
    w.stack.sim_call("PUT", "faults", away).await;
}

async fn read_again(w: &World) {
    w.stack.sim_call("DELETE", "faults", Value::Null).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_taken_off_a_meeting_that_only_their_mailbox_has_shown_ends_it_for_nobody() {
    for unlinked in [false, true] {
        let mut w = with_ben().await;
        if unlinked {
            // Stopped, so it is not read in the near future either.
            w.odoo
                .call(&w.service, 7, "res.users", "stop", json!({"user_id": 7}))
                .await
                .expect("stopped");
        } else {
            unread(&w, ANN).await;
        }
        let event = w.outlook_creates(ANN, "Seen by Ben", &[BEN, OUTSIDE]).await;
        eventually("it comes to Odoo by Ben's mailbox", async || {
            w.odoo.sync(&w.service).await;
            w.odoo.by_name("Seen by Ben").map(|_| ())
        })
        .await;
        let only_zoe = json!({"attendees": [{"type": "required", "emailAddress": {"name": OUTSIDE, "address": OUTSIDE}}]});
        w.outlook_edits(ANN, &event, only_zoe).await;
        w.worked(8).await;
        w.odoo.sync(&w.service).await;
        w.odoo.sync(&w.service).await;
        w.forget_mails().await;
        if unlinked {
            w.odoo
                .call(&w.service, 7, "res.users", "restart", json!({"user_id": 7}))
                .await
                .expect("restarted");
        } else {
            read_again(&w).await;
        }
        w.quiet().await;
        assert!(w.stack.event(ANN, "Seen by Ben").await.is_some(), "Ann's own");
        assert_eq!(w.stack.mails().await, []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_taken_off_and_invited_again_is_asked_anew() {
    let mut w = with_ben().await;
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    let id = w.odoo.create(7, "Review", &start, &stop, &[BEN]);
    w.quiet().await;
    in_outlook_ben_says(&w, "Review", "accept").await;
    w.quiet().await;
    assert_eq!(answer_of_ben(&w.odoo.records[&id]), "accepted");
    w.odoo.change_guests(id, &[], &[BEN]);
    w.quiet().await;
    w.forget_mails().await;
    w.odoo.change_guests(id, &[BEN], &[]);
    w.quiet().await;
    assert_eq!(answer_of_ben(&w.odoo.records[&id]), "needsAction");
    assert_eq!(kinds(&w.stack.mails().await), [("invitation", BEN)]);
    // The same response given again responds to this invitation.
    w.forget_mails().await;
    w.odoo.answer(id, 8, "accepted");
    w.quiet().await;
    assert_eq!(kinds(&w.stack.mails().await), [("response", ANN)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_odoo_has_by_the_organizers_mailbox_is_taken_back_by_the_guests_own() {
    let mut w = with_ben().await;
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    let id = w.odoo.create(7, "Review", &start, &stop, &[BEN]);
    w.odoo.sync(&w.service).await;
    // Odoo gets Ben's response from Ann's mailbox first, as Ben's own mailbox is not read.
    w.odoo
        .call(&w.service, 8, "res.users", "stop", json!({"user_id": 8}))
        .await
        .expect("stopped");
    eventually("Ben is invited", async || w.stack.event(BEN, "Review").await).await;
    in_outlook_ben_says(&w, "Review", "accept").await;
    w.quiet().await;
    assert_eq!(answer_of_ben(&w.odoo.records[&id]), "accepted");
    in_outlook_ben_says(&w, "Review", "tentativelyAccept").await;
    w.forget_mails().await;
    w.odoo
        .call(&w.service, 8, "res.users", "restart", json!({"user_id": 8}))
        .await
        .expect("restarted");
    w.worked(8).await;
    w.quiet().await;
    assert_eq!(answer_of_ben(&w.odoo.records[&id]), "tentative");
    assert_eq!(w.stack.mails().await, [], "nothing is answered for him");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_guest_answers_in_odoo_to_a_deleted_invitation_is_told_when_it_comes_back() {
    let mut w = with_ben().await;
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    let id = w.odoo.create(7, "Review", &start, &stop, &[BEN]);
    w.quiet().await;
    let copy = w.stack.event(BEN, "Review").await.expect("a copy");
    w.outlook_deletes(BEN, &copy).await;
    w.quiet().await;
    assert_eq!(answer_of_ben(&w.odoo.records[&id]), "declined");
    w.odoo.answer(id, 8, "accepted");
    w.forget_mails().await;
    w.quiet().await;
    assert_eq!(answer_of_ben(&w.odoo.records[&id]), "accepted");
    assert_eq!(w.stack.mails().await, [], "there is nothing to answer");
    w.odoo.write(id, json!({"location": "Room 2"}));
    w.quiet().await;
    let copy = w.stack.event(BEN, "Review").await.expect("back");
    assert_eq!(copy["responseStatus"]["response"], "accepted");
    assert_eq!(answer_of_ben(&w.odoo.records[&id]), "accepted");
    assert_eq!(
        kinds(&w.stack.mails().await),
        [("response", ANN), ("update", BEN)]
    );
}

/// The organizer's list keeps a guest's earlier response. The guest is invited again, and gives it
/// again in Odoo.
#[tokio::test(flavor = "multi_thread")]
async fn who_declines_again_in_odoo_what_came_back_has_declined_it_in_outlook() {
    let (mut w, _, id) = asked_anew().await;
    let list =
        w.stack.event(ANN, "Review!").await.expect("hers")["attendees"][0]["status"]["response"].clone();
    assert_eq!(list, "declined", "the organizer knows the first answer");
    assert!(w.stack.event(BEN, "Review!").await.is_some(), "asked anew");
    w.forget_mails().await;
    w.odoo.answer(id, 8, "declined");
    w.quiet().await;
    assert!(
        w.stack.event(BEN, "Review!").await.is_none(),
        "declined, as Outlook does it"
    );
    assert_eq!(kinds(&w.stack.mails().await), [("response", ANN)]);
}

/// Availability and reminder belong to each mailbox: those of a guest are not changes by the
/// organizer.
#[tokio::test(flavor = "multi_thread")]
async fn what_odoo_changes_of_a_meeting_known_from_a_guest_meets_no_change_of_the_organizer() {
    let mut w = with_ben().await;
    unread(&w, ANN).await;
    w.outlook_creates(ANN, "Review", &[BEN]).await;
    let id = eventually("it comes to Odoo by Ben's mailbox", async || {
        w.odoo.sync(&w.service).await;
        w.odoo.by_name("Review").map(|r| r["id"].as_i64().unwrap())
    })
    .await;
    w.worked(8).await;
    w.odoo.write(id, json!({"show_as": "free"}));
    w.odoo.sync(&w.service).await;
    w.forget_mails().await;
    read_again(&w).await;
    w.quiet().await;
    let event = w.stack.event(ANN, "Review").await.expect("hers");
    assert_eq!(event["showAs"], "free");
    assert_eq!(w.odoo.records[&id]["show_as"], "free");
    assert_eq!(
        event["reminderMinutesBeforeStart"],
        w.odoo.records[&id]["reminder_minutes"][0]
    );
    assert_eq!(w.stack.mails().await, []);
    let kwargs = json!({"res_id": id});
    let told = w
        .odoo
        .call(&w.service, 2, "outlook.bridge", "journal", kwargs)
        .await;
    let told = told.expect("a journal").to_string();
    assert!(!told.contains("changed on both sides"), "{told}");
}

/// The guest repeats an earlier response in Odoo while the mailbox cannot be read: it answers the
/// new invitation.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_given_again_while_nobody_is_logged_in_is_sent_afterwards() {
    let mut w = with_ben().await;
    let (start, stop) = (odoo_time(4, "09:00:00"), odoo_time(4, "10:00:00"));
    let id = w.odoo.create(7, "Review", &start, &stop, &[BEN]);
    w.quiet().await;
    w.odoo.answer(id, 8, "declined");
    w.quiet().await;
    w.odoo.write(id, json!({"location": "Room 1"}));
    w.quiet().await;
    assert_eq!(answer_of_ben(&w.odoo.records[&id]), "needsAction", "asked anew");
    w.forget_mails().await;

    let mut conn = w.service.engine.store.get().await.expect("Postgres");
    let lapsed = "UPDATE accounts SET state = 'need_auth', refresh_token = NULL, access_token = NULL WHERE odoo_user_id = 8";
    diesel_async::RunQueryDsl::execute(diesel::sql_query(lapsed), &mut conn)
        .await
        .expect("lapsed");
    drop(conn);
    w.odoo.answer(id, 8, "declined");
    for _ in 0..2 {
        w.odoo.sync(&w.service).await;
        w.worked(7).await;
    }
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben");
    w.quiet().await;
    assert_eq!(answer_of_ben(&w.odoo.records[&id]), "declined");
    let mails = w.stack.mails().await;
    assert_eq!(kinds(&mails), [("response", ANN)]);
}

/// Odoo applies a change by the organizer while a response given in Odoo waits to be sent. That
/// response stays Odoo's, though the organizer's list has the same response to an earlier
/// invitation.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_waits_to_be_sent_is_not_taken_for_one_that_outlook_brought() {
    let (mut w, event, id) = asked_anew().await;
    assert_eq!(answer_of_ben(&w.odoo.records[&id]), "needsAction", "asked anew");
    w.forget_mails().await;

    let busy = json!([{"mailbox": BEN, "path": "/decline", "status": 503}]);
    w.stack.sim_call("PUT", "faults", busy).await;
    w.outlook_edits(ANN, &event, json!({"location": {"displayName": "Room 1"}}))
        .await;
    w.worked(7).await;
    w.odoo.answer(id, 8, "declined");
    for _ in 0..3 {
        w.odoo.sync(&w.service).await;
    }
    assert_eq!(w.odoo.records[&id]["location"], "Room 1", "applied and told");
    read_again(&w).await;
    w.quiet().await;
    assert_eq!(answer_of_ben(&w.odoo.records[&id]), "declined");
    assert!(w.stack.event(BEN, "Review!").await.is_none(), "declined");
    let mails = w.stack.mails().await;
    assert_eq!(kinds(&mails), [("response", ANN), ("update", BEN)]);
}

/// The organizer cancels a meeting, and a guest responds in Odoo before the guest's mailbox was
/// read. Whether or not Outlook accepts the response, the meeting ends in Odoo, and nothing else
/// does.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_in_odoo_that_crosses_a_cancellation_holds_nothing_up() {
    for (which, is_taken) in [
        ("single", false),
        ("series", false),
        ("occurrence", false),
        ("series", true),
        ("occurrence", true),
    ] {
        let about = format!("{which} {is_taken}");
        let mut w = with_ben().await;
        let switches = json!({"cancelled_takes_answers": is_taken});
        w.stack.sim_call("PUT", "switches", switches).await;
        let mut body = json!({"subject": "Off",
            "attendees": [{"type": "required", "emailAddress": {"name": BEN, "address": BEN}}],
            "start": {"dateTime": day(2, "10:00:00"), "timeZone": "UTC"},
            "end": {"dateTime": day(2, "11:00:00"), "timeZone": "UTC"}});
        if which != "single" {
            body["recurrence"] = json!({"pattern": {"type": "daily", "interval": 1},
                "range": {"type": "numbered", "startDate": &day(2, "")[..10], "numberOfOccurrences": 4}});
        }
        let path = format!("mailboxes/{CARLA}/events");
        let event = w.stack.sim_call("POST", &path, body).await;
        w.quiet().await;
        let id = match w.odoo.series_by_name("Off") {
            Some(id) => id,
            None => w.odoo.by_name("Off").expect("in Odoo")["id"]
                .as_i64()
                .expect("an id"),
        };
        unread(&w, BEN).await;
        let (off, answered) = match which {
            "occurrence" => (&event["occurrences"][1], Some(1)),
            _ => (&event, None),
        };
        w.outlook_deletes(CARLA, off).await;
        w.forget_mails().await;
        match (which, answered) {
            (_, Some(number)) => w.odoo.answer_one(id, number, 8, "accepted"),
            ("series", _) => w.odoo.answer_all(id, 8, "accepted"),
            _ => w.odoo.answer(id, 8, "accepted"),
        }
        w.odoo.sync(&w.service).await;
        eventually("the answer was tried", async || {
            let owed = w.count("outlook_outbox").await;
            (owed == 0).then_some(())
        })
        .await;
        read_again(&w).await;
        w.quiet().await;

        if which == "occurrence" {
            let dates = w.odoo.occurrences(id).len();
            assert_eq!(dates, 3, "{about}: that one is taken out");
            assert_eq!(w.odoo.records[&id]["active"], true, "{about}");
        } else {
            assert_eq!(w.odoo.records[&id]["active"], false, "{about}");
        }
        assert_eq!(
            w.count("meetings WHERE set_aside IS NOT NULL").await,
            0,
            "{about}"
        );
        let kwargs = json!({"user_id": 8, "res_id": null, "key": null, "limit": 50});
        let journal = w
            .odoo
            .call(&w.service, 8, "outlook.bridge", "journal", kwargs)
            .await;
        let journal = journal.expect("a journal").to_string();
        assert!(!journal.contains("refused"), "{about}: {journal}");
        w.forget_mails().await;
        w.quiet().await;
        assert_eq!(w.stack.mails().await, [], "{about}: it has come to rest");
        assert!(w.odoo.is_idle(), "{about}");

        // The rest of the series is synced as before.
        if which == "occurrence" {
            w.outlook_edits(CARLA, &event, json!({"subject": "On"})).await;
            w.quiet().await;
            assert_eq!(w.odoo.series_by_name("On"), Some(id), "{about}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_connected_users_share_one_odoo_event_and_answer_for_themselves() {
    let mut w = world().await;
    w.odoo
        .connect(&w.stack, &w.service, 8)
        .await
        .expect("Ben is connected");
    w.quiet().await;
    let id = w.odoo.create(
        7,
        "Pairing",
        &odoo_time(2, "09:00:00"),
        &odoo_time(2, "10:00:00"),
        &[BEN],
    );
    w.quiet().await;
    assert!(w.odoo.by_name("Pairing").is_some(), "no twin from Ben's copy");
    w.forget_mails().await;

    w.odoo.answer(id, 8, "accepted");
    w.quiet().await;
    assert_eq!(kinds(&w.stack.mails().await), [("response", ANN)]);
    let copy = w.stack.event(BEN, "Pairing").await.unwrap();
    assert_eq!(copy["responseStatus"]["response"], "accepted");

    // Ben deletes the meeting from his own Outlook: he has declined, and the meeting stays.
    w.outlook_deletes(BEN, &copy).await;
    w.quiet().await;
    let record = w.odoo.by_name("Pairing").expect("still there");
    let ben = record["attendees"]
        .as_array()
        .unwrap()
        .iter()
        .find(|a| a["user_id"] == 8)
        .unwrap();
    assert_eq!(ben["state"], "declined");
    assert!(w.stack.event(ANN, "Pairing").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_copy_that_comes_back_is_not_declined_for_its_owner() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    let id = w.odoo.create(7, "Review", &start, &stop, &[BEN]);
    w.quiet().await;
    w.odoo.answer(id, 8, "declined");
    w.quiet().await;
    assert!(w.stack.event(BEN, "Review").await.is_none(), "as Outlook does it");
    w.forget_mails().await;
    w.odoo.write(id, json!({"location": "Room 2"}));
    w.quiet().await;
    assert_eq!(kinds(&w.stack.mails().await), [("update", BEN)]);
    assert!(w.stack.event(BEN, "Review").await.is_some(), "asked again");
    assert_eq!(answer_in_odoo(&w.odoo.records[&id], BEN), "needsAction");
    w.odoo.answer(id, 8, "accepted");
    w.quiet().await;
    let copy = w.stack.event(BEN, "Review").await.expect("a copy");
    assert_eq!(copy["responseStatus"]["response"], "accepted");
}

/// Ben accepts in Outlook while his own mailbox is not read, so Odoo hears of it from Ann's. Then
/// Ann moves the meeting in Outlook, or does not. Ben's mailbox is read next, before Odoo's news.
async fn accepted_behind_our_back(is_moved: bool) {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    let event = w.outlook_creates(ANN, "Review", &[BEN]).await;
    w.quiet().await;
    let of_ben = json!({"user_id": 8});
    w.odoo
        .call(&w.service, 8, "res.users", "stop", of_ben.clone())
        .await
        .expect("stopped");
    let copy = w.stack.event(BEN, "Review").await.expect("a copy");
    let path = format!("mailboxes/{BEN}/events/{}/respond", id_of(&copy));
    w.stack
        .sim_call("POST", &path, json!({"response": "accept"}))
        .await;
    w.quiet().await;
    let record = w.odoo.by_name("Review").expect("in Odoo");
    assert_eq!(answer_in_odoo(record, BEN), "accepted", "by Ann's mailbox");
    if is_moved {
        let at = |time| json!({"dateTime": day(4, time), "timeZone": "Europe/Brussels"});
        let moved = json!({"start": at("10:00:00"), "end": at("11:00:00")});
        w.outlook_edits(ANN, &event, moved).await;
        w.worked(7).await;
    }
    w.forget_mails().await;
    w.odoo
        .call(&w.service, 8, "res.users", "restart", of_ben)
        .await
        .expect("restarted");
    w.worked(8).await;
    w.quiet().await;
    assert_eq!(w.stack.mails().await, []);
    let record = w.odoo.by_name("Review").expect("in Odoo");
    let answer = if is_moved { "needsAction" } else { "accepted" };
    assert_eq!(answer_in_odoo(record, BEN), answer);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_the_organizer_has_is_not_sent_again() {
    accepted_behind_our_back(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_a_new_time_took_back_is_not_sent_again() {
    accepted_behind_our_back(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revived_meeting_asks_everybody_anew() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    let id = w.odoo.create(7, "Review", &start, &stop, &[BEN, OUTSIDE]);
    w.quiet().await;
    w.odoo.answer(id, 8, "accepted");
    let event = w.stack.event(ANN, "Review").await.expect("in Outlook");
    let path = format!("mailboxes/{ANN}/events/{}/respond", id_of(&event));
    w.stack
        .sim_call("POST", &path, json!({"response": "accept", "as": OUTSIDE}))
        .await;
    w.quiet().await;
    assert_eq!(answer_in_odoo(&w.odoo.records[&id], OUTSIDE), "accepted");
    w.odoo.write(id, json!({"active": false}));
    w.quiet().await;
    w.forget_mails().await;
    w.odoo.write(id, json!({"active": true}));
    w.quiet().await;
    assert_eq!(
        kinds(&w.stack.mails().await),
        [("invitation", BEN), ("invitation", OUTSIDE)],
        "and no answer that nobody gave"
    );
    for guest in [BEN, OUTSIDE] {
        assert_eq!(
            answer_in_odoo(&w.odoo.records[&id], guest),
            "needsAction",
            "{guest}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_whose_reply_was_lost_is_not_told_again_for_a_new_time() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    let id = w.odoo.create(7, "Review", &start, &stop, &[BEN]);
    w.quiet().await;
    w.forget_mails().await;
    let lost = json!([{"mailbox": BEN, "method": "POST", "path": "$batch", "cut": "after", "count": 1}]);
    w.stack.sim_call("PUT", "faults", lost).await;
    w.odoo.answer(id, 8, "accepted");
    w.odoo.sync(&w.service).await;
    eventually("the answer is told", async || {
        (kinds(&w.stack.mails().await) == [("response", ANN)]).then_some(())
    })
    .await;
    let event = w.stack.event(ANN, "Review").await.expect("in Outlook");
    let moved = json!({"start": {"dateTime": day(4, "10:00:00"), "timeZone": "UTC"},
        "end": {"dateTime": day(4, "11:00:00"), "timeZone": "UTC"}});
    w.outlook_edits(ANN, &event, moved).await;
    w.quiet().await;
    let mails = w.stack.mails().await;
    let told = kinds(&mails)
        .iter()
        .filter(|(kind, _)| *kind == "response")
        .count();
    assert_eq!(told, 1, "{mails:?}");
    assert_eq!(answer_in_odoo(&w.odoo.records[&id], BEN), "needsAction");
}
