//! A side that never shows what it is told: it is told twice, and then there is rest, and a word.

use serde_json::{Value, json};

use super::stack::ANN;
use super::world::{CARLA, OUTSIDE, World, odoo_time, world};

async fn says(w: &World, id: i64, words: &str) {
    let journal = w
        .odoo
        .call(&w.service, 2, "outlook.bridge", "journal", json!({"res_id": id}))
        .await
        .expect("a journal");
    let lines = journal.as_array().expect("lines");
    let said = lines.iter().filter(|line| {
        let message = line["message"].as_str().unwrap_or_default();
        message.contains(words) && !message.starts_with("Now:")
    });
    assert_eq!(said.count(), 1, "said once: {journal}");
}

async fn patches(w: &World) -> usize {
    let all = w.stack.sim_call("GET", "requests", Value::Null).await;
    let all = all["value"].as_array().expect("requests").clone();
    all.iter().filter(|r| r["method"] == "PATCH").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outlook_that_drops_a_guest_is_told_twice() {
    let mut w = world().await;
    w.stack
        .sim_call("PUT", "switches", json!({"drops_attendee": CARLA}))
        .await;
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    let id = w.odoo.create(7, "Dropped", &start, &stop, &[OUTSIDE]);
    let series = w
        .odoo
        .create_weekly(7, "Weekly", &odoo_time(5, "09:00:00"), 4, &[OUTSIDE]);
    w.quiet().await;
    w.odoo.change_guests(id, &[CARLA], &[]);
    let mut guests = w.odoo.records[&series]["template"]["attendees"].clone();
    guests
        .as_array_mut()
        .expect("guests")
        .push(w.odoo.records[&id]["attendees"][2].clone());
    w.odoo.set_series(series, json!({"attendees": guests}));
    w.quiet().await;
    w.quiet().await;
    let asked = patches(&w).await;
    assert!(asked <= 4, "each twice: {asked}");
    w.quiet().await;
    assert_eq!(patches(&w).await, asked, "and then there is rest");
    says(&w, id, "told the same twice").await;
    // What somebody changes is told again.
    w.odoo.write(id, json!({"location": "Room 1"}));
    w.quiet().await;
    let event = w.stack.event(ANN, "Dropped").await.expect("in Outlook");
    assert_eq!(event["location"]["displayName"], "Room 1");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_odoo_that_drops_a_guest_is_told_twice() {
    let mut w = world().await;
    w.odoo.drops = Some(CARLA.to_owned());
    w.outlook_creates(ANN, "Dropped", &[OUTSIDE]).await;
    w.quiet().await;
    let id = w.odoo.by_name("Dropped").expect("in Odoo")["id"]
        .as_i64()
        .expect("an id");
    let before = w.odoo.told;
    let event = w.stack.event(ANN, "Dropped").await.expect("in Outlook");
    let guest = |address: &str| json!({"type": "required", "emailAddress": {"address": address}});
    w.outlook_edits(ANN, &event, json!({"attendees": [guest(OUTSIDE), guest(CARLA)]}))
        .await;
    w.quiet().await;
    w.quiet().await;
    let told = w.odoo.told - before;
    assert!(told <= 2, "told twice: {told}");
    says(&w, id, "told the same twice").await;
    let event = w.stack.event(ANN, "Dropped").await.expect("in Outlook");
    w.outlook_edits(ANN, &event, json!({"location": {"displayName": "Room 1"}}))
        .await;
    w.quiet().await;
    assert_eq!(w.odoo.records[&id]["location"], "Room 1");
}
