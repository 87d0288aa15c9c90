//! A guest's own calendar may show less than the organizer's, later, or otherwise. That removes no
//! guest.

use serde_json::{Value, json};

use super::stack::{ANN, BEN, eventually, id_of};
use super::world::{CARLA, OUTSIDE, World, day, kinds, world};

async fn both() -> World {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    w.quiet().await;
    w
}

fn guests(addresses: &[&str]) -> Value {
    let row =
        |address: &&str| json!({"type": "required", "emailAddress": {"name": address, "address": address}});
    addresses.iter().map(row).collect()
}

async fn outlook_makes(w: &World, person: &str, subject: &str, more: Value) -> Value {
    let mut body = json!({"subject": subject,
        "start": {"dateTime": day(2, "10:00:00"), "timeZone": "UTC"},
        "end": {"dateTime": day(2, "11:00:00"), "timeZone": "UTC"}});
    for (name, value) in more.as_object().expect("properties") {
        body[name] = value.clone();
    }
    w.stack
        .sim_call("POST", &format!("mailboxes/{person}/events"), body)
        .await
}

/// Returns the guests in Odoo, of a single event or of a whole series.
fn invited(w: &World, name: &str) -> Vec<String> {
    let of_series = w.odoo.series_by_name(name).map(|id| &w.odoo.records[&id]);
    let record = of_series.or_else(|| w.odoo.by_name(name)).expect("in Odoo");
    let list = record
        .get("attendees")
        .or_else(|| record["template"].get("attendees"));
    let list = list.and_then(Value::as_array).expect("attendees");
    let mut all: Vec<String> = list
        .iter()
        .map(|line| line["email"].as_str().unwrap_or_default().to_owned())
        .collect();
    all.sort();
    all
}

async fn listed(w: &World, person: &str, subject: &str) -> Vec<String> {
    let event = w.stack.event(person, subject).await.expect("in Outlook");
    let list = event["attendees"].as_array().expect("attendees").iter();
    list.map(|guest| {
        guest["emailAddress"]["address"]
            .as_str()
            .expect("an address")
            .to_owned()
    })
    .collect()
}

async fn at_rest(w: &mut World) {
    w.forget_mails().await;
    w.quiet().await;
    assert_eq!(w.stack.mails().await, [], "it has come to rest");
    assert!(w.odoo.is_idle());
}

fn weekly() -> Value {
    json!({"pattern": {"type": "daily", "interval": 1},
        "range": {"type": "numbered", "startDate": day(2, "")[..10], "numberOfOccurrences": 4}})
}

/// Each guest's mailbox shows only that guest.
#[tokio::test(flavor = "multi_thread")]
async fn guests_who_do_not_see_each_other_are_all_invited_in_odoo() {
    for more in [json!({}), json!({"recurrence": weekly()})] {
        let mut w = both().await;
        let mut hidden = json!({"hideAttendees": true, "attendees": guests(&[BEN, OUTSIDE])});
        let is_series = more.get("recurrence").is_some();
        for (name, value) in more.as_object().expect("properties") {
            hidden[name] = value.clone();
        }
        outlook_makes(&w, ANN, "Hidden", hidden.clone()).await;
        w.quiet().await;
        w.quiet().await;
        assert_eq!(listed(&w, BEN, "Hidden").await, [BEN]);
        assert_eq!(invited(&w, "Hidden"), [ANN, BEN, OUTSIDE]);
        at_rest(&mut w).await;

        // An edit in Odoo keeps them hidden, and removes nobody.
        if !is_series {
            let id = w.odoo.by_name("Hidden").expect("in Odoo")["id"]
                .as_i64()
                .expect("an id");
            w.odoo.change_guests(id, &[CARLA], &[]);
            w.odoo.write(id, json!({"location": "Room 1"}));
            w.quiet().await;
            let event = w.stack.event(ANN, "Hidden").await.expect("hers");
            assert_eq!(event["hideAttendees"], true);
            assert_eq!(event["location"]["displayName"], "Room 1");
            assert_eq!(listed(&w, ANN, "Hidden").await, [BEN, OUTSIDE, CARLA]);
            assert_eq!(listed(&w, BEN, "Hidden").await, [BEN]);
            assert_eq!(invited(&w, "Hidden"), [ANN, BEN, CARLA, OUTSIDE]);
            at_rest(&mut w).await;
        }

        // Both have a meeting from outside, and neither mailbox shows that the other person is
        // invited.
        hidden["attendees"] = guests(&[ANN, BEN]);
        outlook_makes(&w, CARLA, "Theirs", hidden).await;
        w.quiet().await;
        w.quiet().await;
        let there = invited(&w, "Theirs");
        assert!(
            there.contains(&ANN.to_owned()) && there.contains(&BEN.to_owned()),
            "{there:?}"
        );
        at_rest(&mut w).await;
        assert_eq!(invited(&w, "Theirs"), there);
        let answers = |w: &World| {
            w.odoo
                .by_name("Theirs")
                .map(|record| record["attendees"].to_string())
        };
        assert!(answers(&w).is_none_or(|answers| !answers.contains("declined")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_of_another_time_is_told_once_and_survives_an_edit() {
    let mut w = both().await;
    outlook_makes(&w, ANN, "When", json!({"attendees": guests(&[BEN, OUTSIDE])})).await;
    w.quiet().await;
    let his = w.stack.event(BEN, "When").await.expect("his");
    let at = |time| json!({"dateTime": day(2, time), "timeZone": "UTC"});
    let answer = json!({"response": "tentativelyAccept",
        "proposedNewTime": {"start": at("15:00:00"), "end": at("16:00:00")}});
    let path = format!("mailboxes/{BEN}/events/{}/respond", id_of(&his));
    w.stack.sim_call("POST", &path, answer).await;
    w.quiet().await;
    let id = w.odoo.by_name("When").expect("in Odoo")["id"]
        .as_i64()
        .expect("an id");
    w.odoo.change_guests(id, &[CARLA], &[]);
    w.odoo.write(id, json!({"location": "Room 1"}));
    w.quiet().await;
    let event = w.stack.event(ANN, "When").await.expect("hers");
    let proposed = event["attendees"].as_array().expect("guests").iter();
    let proposed: Vec<&Value> = proposed
        .filter_map(|guest| guest.get("proposedNewTime"))
        .collect();
    assert_eq!(proposed.len(), 1, "{event:#}");
    let kwargs = json!({"user_id": 7, "res_id": null, "key": null, "limit": 50});
    let journal = w
        .odoo
        .call(&w.service, 7, "outlook.bridge", "journal", kwargs)
        .await;
    let journal = journal.expect("a journal").to_string();
    assert_eq!(journal.matches("proposes another time").count(), 1, "{journal}");
    assert!(journal.contains("15:00"), "{journal}");
    at_rest(&mut w).await;
}

/// Invited to the whole series, or to one occurrence.
#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_of_another_time_for_a_series_is_told_once_too() {
    for to_one in [false, true] {
        let mut w = both().await;
        let more = json!({"attendees": guests(&[BEN, OUTSIDE]), "recurrence": weekly()});
        let event = outlook_makes(&w, ANN, "When", more).await;
        let second = event["occurrences"][1].clone();
        w.outlook_edits(ANN, &second, json!({"subject": "When exactly"}))
            .await;
        w.quiet().await;
        let his = w.stack.event(BEN, "When").await.expect("his");
        let asked = if to_one { &his["occurrences"][1] } else { &his };
        let at = |time| json!({"dateTime": day(3, time), "timeZone": "UTC"});
        let answer = json!({"response": "tentativelyAccept",
            "proposedNewTime": {"start": at("15:00:00"), "end": at("16:00:00")}});
        let path = format!("mailboxes/{BEN}/events/{}/respond", id_of(asked));
        w.stack.sim_call("POST", &path, answer).await;
        w.quiet().await;
        let id = w.odoo.series_by_name("When").expect("in Odoo");
        assert_eq!(w.odoo.answer_to_one(id, 1, 8), "tentative");
        let others = if to_one { "needsAction" } else { "tentative" };
        assert_eq!(w.odoo.answer_to_one(id, 2, 8), others);

        // Edits of the series and of the occurrence in Odoo leave the decision to the organizer.
        w.odoo.set_series(id, &json!({"location": "Room 1"}));
        w.odoo.invite_to_one(id, 1, CARLA);
        w.quiet().await;
        let event = w.stack.event(ANN, "When").await.expect("hers");
        let proposes = |event: &Value| {
            let list = event["attendees"].as_array().expect("guests");
            list.iter().any(|guest| guest.get("proposedNewTime").is_some())
        };
        assert_eq!(proposes(&event), !to_one, "{event:#}");
        assert!(proposes(&event["exceptions"][0]), "{event:#}");
        let kwargs = json!({"user_id": 7, "res_id": null, "key": null, "limit": 50});
        let journal = w
            .odoo
            .call(&w.service, 7, "outlook.bridge", "journal", kwargs)
            .await;
        let journal = journal.expect("a journal").to_string();
        assert_eq!(journal.matches("proposes another time").count(), 1, "{journal}");
        let whose = if to_one {
            "“When exactly”: "
        } else {
            "“When”: "
        };
        assert!(journal.contains(whose) && journal.contains("15:00"), "{journal}");
        at_rest(&mut w).await;
    }
}

/// A colleague forwards the invitation: the new guests have the meeting, and the organizer's list
/// lacks them.
#[tokio::test(flavor = "multi_thread")]
async fn a_forwarded_meeting_is_one_meeting_whatever_the_organizer_is_told() {
    let mut w = both().await;
    w.stack
        .sim_call("PUT", "switches", json!({"forwards_are_told": false}))
        .await;
    outlook_makes(&w, ANN, "Passed on", json!({"attendees": guests(&[CARLA])})).await;
    w.quiet().await;
    let hers = w.stack.event(CARLA, "Passed on").await.expect("hers");
    let forward = json!({"to": [BEN, OUTSIDE]});
    let path = format!("mailboxes/{CARLA}/events/{}/forward", id_of(&hers));
    w.stack.sim_call("POST", &path, forward).await;
    w.quiet().await;
    w.quiet().await;
    assert_eq!(listed(&w, ANN, "Passed on").await, [CARLA], "nobody is told");
    assert!(w.stack.event(BEN, "Passed on").await.is_some());
    assert_eq!(w.odoo.records.len(), 1, "no double");
    assert_eq!(invited(&w, "Passed on"), [ANN, BEN, CARLA]);
    at_rest(&mut w).await;

    // An edit in Odoo does not invite him again, and cancels nobody's invitation.
    let id = w.odoo.by_name("Passed on").expect("in Odoo")["id"]
        .as_i64()
        .expect("an id");
    w.odoo.change_guests(id, &["yan@outside.example"], &[]);
    w.quiet().await;
    assert_eq!(
        kinds(&w.stack.mails().await),
        [("invitation", "yan@outside.example")]
    );
    at_rest(&mut w).await;
    assert!(w.stack.event(BEN, "Passed on").await.is_some());

    // His response adds him to the list as the same person.
    w.odoo.answer(id, 8, "accepted");
    w.quiet().await;
    w.quiet().await;
    assert_eq!(w.odoo.records.len(), 1, "no double");
    assert_eq!(invited(&w, "Passed on"), [ANN, BEN, CARLA, "yan@outside.example"]);
    let answers = w.odoo.records[&id]["attendees"].to_string();
    assert!(!answers.contains("declined"), "{answers}");
    at_rest(&mut w).await;
}

/// The organizer, who is not a user of Odoo, hides the guests after they were known.
#[tokio::test(flavor = "multi_thread")]
async fn guests_who_are_hidden_later_stay_invited() {
    for more in [json!({}), json!({"recurrence": weekly()})] {
        let mut w = both().await;
        let mut theirs = more;
        theirs["attendees"] = guests(&[ANN, BEN, OUTSIDE]);
        let event = outlook_makes(&w, CARLA, "Theirs", theirs).await;
        let path = format!("mailboxes/{CARLA}/events/{}/respond", id_of(&event));
        let answer = json!({"response": "accept", "as": OUTSIDE});
        w.stack.sim_call("POST", &path, answer).await;
        w.quiet().await;
        let everybody = [ANN, BEN, OUTSIDE];
        assert_eq!(invited(&w, "Theirs"), everybody);
        let hidden = json!({"hideAttendees": true, "location": {"displayName": "Room 1"}});
        w.outlook_edits(CARLA, &event, hidden).await;
        w.quiet().await;
        w.quiet().await;
        assert_eq!(listed(&w, ANN, "Theirs").await, [ANN]);
        assert_eq!(invited(&w, "Theirs"), everybody);
        at_rest(&mut w).await;

        // A removed guest is recognized as removed when the guests are shown again.
        let shown = json!({"hideAttendees": false, "attendees": guests(&[ANN, BEN])});
        w.outlook_edits(CARLA, &event, shown).await;
        w.quiet().await;
        assert_eq!(invited(&w, "Theirs"), [ANN, BEN]);
        at_rest(&mut w).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_a_guests_mailbox_has_shown_is_deleted_by_its_organizer_later() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    w.quiet().await;
    // Ann's mailbox cannot be read for a while.
    let away = json!([{"mailbox": ANN, "path": "delta", "status": 503}]);
    w.stack.sim_call("PUT", "faults", away).await;
    w.outlook_creates(ANN, "Seen by Ben", &[BEN]).await;
    let id = eventually("it comes to Odoo by Ben's mailbox", async || {
        w.odoo.sync(&w.service).await;
        w.odoo.by_name("Seen by Ben").map(|r| r["id"].as_i64().unwrap())
    })
    .await;
    w.forget_mails().await;
    w.odoo.write(id, json!({"active": false}));
    w.odoo.sync(&w.service).await;
    w.stack.sim_call("DELETE", "faults", Value::Null).await;
    w.quiet().await;
    assert!(w.stack.event(ANN, "Seen by Ben").await.is_none());
    assert_eq!(kinds(&w.stack.mails().await), [("cancellation", BEN)]);
}
