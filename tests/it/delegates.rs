//! Delegates: a person who acts in another's calendar does what its owner could do. Nothing in the
//! calendar names delegates (Graph, page *outlook-create-event-in-shared-delegated-calendar*), and
//! they get the owner's meeting messages.

use serde_json::{Value, json};

use super::stack::{ANN, BEN, id_of};
use super::world::{CARLA, OUTSIDE, World, day, kinds, world};

/// Ann has made Ben her delegate. Both are connected, or only she.
async fn with_delegate(is_connected: bool) -> World {
    let mut w = world().await;
    let permissions = json!({"permissions": {BEN: "delegateWithPrivateEventAccess"}});
    w.stack
        .sim_call("PATCH", &format!("mailboxes/{ANN}"), permissions)
        .await;
    if is_connected {
        w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    }
    w.quiet().await;
    w
}

async fn ben_acts(w: &World, method: &str, path: &str, body: Value) -> Value {
    let path = format!("mailboxes/{ANN}/events{path}?by={BEN}");
    w.stack.sim_call(method, &path, body).await
}

fn meeting(subject: &str, guests: &[&str]) -> Value {
    let row = |guest: &&str| json!({"type": "required", "emailAddress": {"name": guest, "address": guest}});
    json!({"subject": subject, "attendees": guests.iter().map(row).collect::<Vec<_>>(),
        "start": {"dateTime": day(2, "10:00:00"), "timeZone": "UTC"},
        "end": {"dateTime": day(2, "11:00:00"), "timeZone": "UTC"}})
}

/// Returns the record's id and organizer, and its attendees with their responses.
fn shown(w: &World, name: &str) -> (i64, Option<i64>, Vec<(String, String)>) {
    let record = w.odoo.by_name(name).expect("in Odoo");
    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let lines = record["attendees"].as_array().expect("attendees").iter();
    let mut lines: Vec<_> = lines
        .map(|line| (text(line, "email"), text(line, "state")))
        .collect();
    lines.sort();
    let organizer = record["organizer"]["user_id"].as_i64();
    (record["id"].as_i64().expect("an id"), organizer, lines)
}

fn say(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(who, what): &(&str, &str)| ((*who).to_owned(), (*what).to_owned());
    expected.iter().map(owned).collect()
}

/// Checks that nothing more is written, mailed or pending.
async fn at_rest(w: &mut World) {
    w.forget_mails().await;
    w.stack.sim_call("DELETE", "requests", Value::Null).await;
    w.quiet().await;
    assert_eq!(w.stack.mails().await, [], "it has come to rest");
    assert!(w.odoo.is_idle());
    let asked = w.stack.sim_call("GET", "requests?path=events", Value::Null).await;
    let all = asked["value"].as_array().expect("requests").iter();
    assert_eq!(all.filter(|request| request["method"] != "GET").count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_delegate_makes_and_edits_is_the_owners() {
    for is_connected in [false, true] {
        let mut w = with_delegate(is_connected).await;
        let event = ben_acts(&w, "POST", "", meeting("Dinner", &[OUTSIDE, CARLA])).await;
        w.quiet().await;
        let everybody = [
            (ANN, "accepted"),
            (CARLA, "needsAction"),
            (OUTSIDE, "needsAction"),
        ];
        let (id, organizer, lines) = shown(&w, "Dinner");
        assert_eq!(organizer, Some(7), "Ann's, and not Ben's");
        assert_eq!(lines, say(&everybody));
        assert_eq!(w.odoo.records.len(), 1);
        let once = [("invitation", CARLA), ("invitation", OUTSIDE)];
        assert_eq!(kinds(&w.stack.mails().await), once, "Outlook mails them, once");
        at_rest(&mut w).await;

        let moved = json!({"start": {"dateTime": day(3, "10:00:00"), "timeZone": "UTC"},
            "end": {"dateTime": day(3, "11:00:00"), "timeZone": "UTC"}});
        ben_acts(&w, "PATCH", &format!("/{}", id_of(&event)), moved).await;
        w.quiet().await;
        let record = &w.odoo.records[&id];
        assert_eq!(record["start"], day(3, "10:00:00").replace('T', " "));
        let once = [("update", CARLA), ("update", OUTSIDE)];
        assert_eq!(kinds(&w.stack.mails().await), once);
        at_rest(&mut w).await;

        // The owner's edits in Odoo are synced as usual, and a response that only the delegate gets
        // is known.
        w.odoo.write(id, json!({"location": "Room 1"}));
        w.quiet().await;
        assert_eq!(kinds(&w.stack.mails().await), once);
        let hers = w.stack.event(CARLA, "Dinner").await.expect("Carla's");
        w.forget_mails().await;
        let respond = format!("mailboxes/{CARLA}/events/{}/respond", id_of(&hers));
        w.stack
            .sim_call("POST", &respond, json!({"response": "accept"}))
            .await;
        w.quiet().await;
        assert_eq!(kinds(&w.stack.mails().await), [("response", BEN)]);
        assert!(shown(&w, "Dinner").2.contains(&say(&[(CARLA, "accepted")])[0]));
        at_rest(&mut w).await;

        ben_acts(&w, "DELETE", &format!("/{}", id_of(&event)), Value::Null).await;
        w.quiet().await;
        assert_eq!(w.odoo.records[&id]["active"], false);
        let once = [("cancellation", CARLA), ("cancellation", OUTSIDE)];
        assert_eq!(kinds(&w.stack.mails().await), once);
        at_rest(&mut w).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_delegate_answers_is_the_owners_answer() {
    for is_connected in [false, true] {
        let mut w = with_delegate(is_connected).await;
        // The delegate is also invited, and has not responded for himself.
        w.stack
            .sim_call(
                "POST",
                &format!("mailboxes/{CARLA}/events"),
                meeting("Theirs", &[ANN, BEN]),
            )
            .await;
        w.quiet().await;
        let hers = w.stack.event(ANN, "Theirs").await.expect("hers");
        w.forget_mails().await;
        let accept = json!({"response": "accept"});
        ben_acts(&w, "POST", &format!("/{}/respond", id_of(&hers)), accept).await;
        w.quiet().await;
        let answered = |hers| say(&[(ANN, hers), (BEN, "needsAction")]);
        let (id, _, lines) = shown(&w, "Theirs");
        assert_eq!(lines, answered("accepted"));
        let mails = w.stack.mails().await;
        assert_eq!(kinds(&mails), [("response", CARLA)], "and nobody else");
        at_rest(&mut w).await;

        // The owner responds otherwise in Odoo. A later response by the delegate counts again.
        w.odoo.answer(id, 7, "tentative");
        w.quiet().await;
        let hers = w.stack.event(ANN, "Theirs").await.expect("hers");
        assert_eq!(hers["responseStatus"]["response"], "tentativelyAccepted");
        assert_eq!(kinds(&w.stack.mails().await), [("response", CARLA)]);
        at_rest(&mut w).await;
        let decline = json!({"response": "decline"});
        ben_acts(&w, "POST", &format!("/{}/respond", id_of(&hers)), decline).await;
        w.quiet().await;
        assert_eq!(shown(&w, "Theirs").2, answered("declined"));
        assert_eq!(kinds(&w.stack.mails().await), [("response", CARLA)]);
        at_rest(&mut w).await;
        assert_eq!(w.odoo.records[&id]["active"], true, "it stands for Ben");
        assert_eq!(w.odoo.records.len(), 1);
    }
}

/// Ben has Ann's calendar in his Outlook: the events in it are not his.
#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_that_a_delegate_deletes_is_declined_though_the_owners_calendar_shows_it() {
    let mut w = with_delegate(true).await;
    let event = w.outlook_creates(ANN, "Hers", &[BEN]).await;
    w.quiet().await;
    assert_eq!(
        kinds(&w.stack.mails().await),
        [("invitation", BEN)],
        "he is invited as anybody is"
    );
    let his = w.stack.event(BEN, "Hers").await.expect("his");
    w.forget_mails().await;
    w.outlook_deletes(BEN, &his).await;
    w.quiet().await;
    let (id, organizer, lines) = shown(&w, "Hers");
    assert_eq!(organizer, Some(7));
    assert_eq!(lines, say(&[(ANN, "accepted"), (BEN, "declined")]));
    at_rest(&mut w).await;

    w.outlook_deletes(ANN, &event).await;
    w.quiet().await;
    assert_eq!(w.odoo.records[&id]["active"], false);
    at_rest(&mut w).await;
}
