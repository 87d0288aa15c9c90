//! A guest's mailbox shows a meeting before its organizer's mailbox does, and somebody edits it in
//! Odoo meanwhile.

use serde_json::json;

use super::leases::sql;
use super::stack::{ANN, BEN};
use super::world::{World, day, odoo_time, world};

/// Ann has invited Ben in Outlook. Odoo has it from Ben's mailbox, as Ann's cannot be read.
async fn shown_by_ben() -> (World, i64) {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    w.quiet().await;
    rest(&w, "now() + interval '1 hour'").await;
    w.outlook_creates(ANN, "Review", &[BEN]).await;
    work(&mut w).await;
    let id = w.odoo.by_name("Review").expect("from Ben's mailbox")["id"].as_i64();
    (w, id.expect("an id"))
}

/// Lets Ann's mailbox rest until a time.
async fn rest(w: &World, until: &str) {
    let statement =
        format!("UPDATE accounts SET rest_until = {until}, next_run_at = now() WHERE odoo_user_id = 7");
    sql(&w.service.engine, &statement).await;
}

async fn work(w: &mut World) {
    for _ in 0..2 {
        w.worked(8).await;
        w.odoo.sync(&w.service).await;
    }
}

async fn read_again(w: &mut World) {
    rest(w, "NULL").await;
    w.quiet().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_edit_waits_for_the_organizers_mailbox() {
    let (mut w, id) = shown_by_ben().await;
    w.odoo.write(id, json!({"name": "Review of May"}));
    w.odoo.change_guests(id, &["carla@contoso.example"], &[]);
    w.odoo.sync(&w.service).await;
    work(&mut w).await;
    assert_eq!(w.odoo.records[&id]["name"], "Review of May");
    read_again(&mut w).await;
    assert_eq!(w.odoo.records[&id]["name"], "Review of May");
    let hers = w.stack.event(ANN, "Review of May").await.expect("written");
    assert_eq!(hers["attendees"].as_array().expect("a list").len(), 2);
    assert!(w.stack.event(BEN, "Review of May").await.is_some());
}

/// What is said while the mailbox is not read must not name it as one that is not connected.
async fn says_nothing_wrong(w: &World) {
    let lines = w.count("journal WHERE message LIKE '%not connected%'").await;
    assert_eq!(lines, 0, "the journal");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stays_when_the_organizer_edits_something_else() {
    let (mut w, id) = shown_by_ben().await;
    w.odoo.write(id, json!({"name": "Review of May"}));
    w.odoo.sync(&w.service).await;
    work(&mut w).await;
    let hers = w.stack.event(ANN, "Review").await.expect("hers");
    w.outlook_edits(ANN, &hers, json!({"location": {"displayName": "Room 7"}}))
        .await;
    work(&mut w).await;
    assert_eq!(w.odoo.records[&id]["name"], "Review of May");
    says_nothing_wrong(&w).await;
    read_again(&mut w).await;
    assert_eq!(w.odoo.records[&id]["name"], "Review of May");
    assert_eq!(w.odoo.records[&id]["location"], "Room 7");
    let hers = w.stack.event(ANN, "Review of May").await.expect("written");
    assert_eq!(hers["location"]["displayName"], "Room 7");
    says_nothing_wrong(&w).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_of_a_series_wait_too() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    w.quiet().await;
    rest(&w, "now() + interval '1 hour'").await;
    let body = json!({"subject": "Stand-up", "start": {"dateTime": "2027-03-01T09:00:00", "timeZone": "UTC"},
        "end": {"dateTime": "2027-03-01T09:15:00", "timeZone": "UTC"},
        "attendees": [{"type": "required", "emailAddress": {"address": BEN}}],
        "recurrence": {"range": {"type": "numbered", "startDate": "2027-03-01", "numberOfOccurrences": 4},
            "pattern": {"type": "weekly", "interval": 1, "daysOfWeek": ["monday"]}}});
    w.stack
        .sim_call("POST", &format!("mailboxes/{ANN}/events"), body)
        .await;
    work(&mut w).await;
    let id = w.odoo.series_by_name("Stand-up").expect("from Ben's mailbox");
    w.odoo.set_one(id, 1, &json!({"location": "Room 1"}));
    w.odoo.set_series(id, &json!({"name": "Daily"}));
    w.odoo.sync(&w.service).await;
    work(&mut w).await;
    says_nothing_wrong(&w).await;
    read_again(&mut w).await;
    assert_eq!(w.odoo.series_by_name("Daily"), Some(id));
    let hers = w.stack.event(ANN, "Daily").await.expect("written");
    assert_eq!(hers["type"], "seriesMaster");
    says_nothing_wrong(&w).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_time_waits_too() {
    let (mut w, id) = shown_by_ben().await;
    let (start, stop) = (odoo_time(3, "15:00:00"), odoo_time(3, "16:00:00"));
    w.odoo.write(id, json!({"start": start, "stop": stop}));
    w.odoo.sync(&w.service).await;
    work(&mut w).await;
    assert_eq!(w.odoo.records[&id]["start"], start.as_str());
    read_again(&mut w).await;
    assert_eq!(w.odoo.records[&id]["start"], start.as_str());
    let hers = w.stack.event(ANN, "Review").await.expect("there");
    assert!(
        hers["start"]["dateTime"]
            .as_str()
            .expect("a time")
            .contains("T15:00"),
        "{hers}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_organizers_choices_hold_though_a_guests_mailbox_is_read_first() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    let choices = json!({"without_categories": ["Family"], "without_titles": ["lunch"], "private": "busy",
        "busy_title": "Busy"});
    let kwargs = json!({"user_id": 7, "choices": choices});
    let chosen = w
        .odoo
        .call(&w.service, 7, "outlook.bridge.choices", "set", kwargs);
    chosen.await.expect("chosen");
    w.quiet().await;
    rest(&w, "now() + interval '1 hour'").await;
    let guests = json!([{"type": "required", "emailAddress": {"address": BEN}}]);
    let named = [
        ("Lunch", json!({})),
        ("School", json!({"categories": ["Family"]})),
        ("Clinic", json!({"sensitivity": "private"})),
        ("Review", json!({})),
    ];
    for (subject, mut more) in named {
        more["subject"] = json!(subject);
        more["attendees"] = guests.clone();
        more["start"] = json!({"dateTime": day(3, "10:00:00"), "timeZone": "UTC"});
        more["end"] = json!({"dateTime": day(3, "11:00:00"), "timeZone": "UTC"});
        w.stack
            .sim_call("POST", &format!("mailboxes/{ANN}/events"), more)
            .await;
    }
    work(&mut w).await;
    // Only Ben's mailbox has shown them. What Ann's might keep out waits for it.
    for subject in ["Lunch", "School", "Clinic"] {
        assert!(w.odoo.by_name(subject).is_none(), "{subject}");
    }
    read_again(&mut w).await;
    for subject in ["Lunch", "School", "Clinic"] {
        assert!(w.odoo.by_name(subject).is_none(), "{subject}");
        assert!(w.stack.event(ANN, subject).await.is_some(), "{subject}");
    }
    assert!(w.odoo.by_name("Review").is_some());
    assert!(w.odoo.by_name("Busy").is_some());
}
