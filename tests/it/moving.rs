//! Adoption from Odoo's built-in sync, and release to it, by its links, whatever titles and times
//! say.

use serde_json::{Value, json};

use super::odoo::Odoo;
use super::stack::{ANN, BEN, Service, Stack, id_of};
use super::world::{OUTSIDE, World, day, odoo_time};

/// Returns a paired Odoo in which nobody is connected yet.
async fn before() -> World {
    let stack = Stack::start().await;
    let service = stack.serve().await;
    let odoo = Odoo::pair(&service).await;
    World { stack, service, odoo }
}

/// Makes Ann's event in Outlook, and a record that the built-in sync had linked to it, with another
/// title and time.
async fn linked(world: &mut World, subject: &str, guests: &[&str]) -> (i64, Value) {
    let event = world.outlook_creates(ANN, subject, guests).await;
    let id = world.odoo.create(
        7,
        &format!("{subject} of old"),
        &odoo_time(9, "07:00:00"),
        &odoo_time(9, "08:00:00"),
        guests,
    );
    (id, event)
}

async fn connect(world: &mut World, user: i64) {
    world
        .odoo
        .connect(&world.stack, &world.service, user)
        .await
        .expect("connected");
    world.quiet().await;
}

async fn change_keys(stack: &Stack) -> Vec<Value> {
    let mut keys: Vec<Value> = stack
        .events(ANN)
        .await
        .iter()
        .map(|e| e["changeKey"].clone())
        .collect();
    keys.sort_by_key(Value::to_string);
    keys
}

async fn stock_links(odoo: &Odoo, service: &Service, kwargs: Value) -> Vec<Value> {
    let answer = odoo
        .call(service, 2, "outlook.bridge", "stock_links", kwargs)
        .await
        .expect("links");
    assert_eq!(answer["next"], Value::Null);
    answer["links"].as_array().expect("a list").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_taken_over_whatever_titles_and_times_say() {
    let mut world = before().await;
    let (by_uid, first) = linked(&mut world, "By uid", &[OUTSIDE]).await;
    let (by_id, second) = linked(&mut world, "By id", &[OUTSIDE, BEN]).await;
    // The id of another mailbox, as the built-in sync stores the id of the user who synced first.
    let (strange, third) = linked(&mut world, "Of another mailbox", &[OUTSIDE]).await;
    world
        .odoo
        .link_by_stock(by_uid, &json!("AAMkOld"), &first["iCalUId"]);
    world.odoo.link_by_stock(by_id, &second["id"], &Value::Null);
    world.odoo.link_by_stock(
        strange,
        &second["id"].as_str().map(|id| id.to_lowercase()).into(),
        &third["iCalUId"],
    );
    world.forget_mails().await;
    let before = change_keys(&world.stack).await;
    connect(&mut world, 7).await;
    for (id, subject) in [
        (by_uid, "By uid"),
        (by_id, "By id"),
        (strange, "Of another mailbox"),
    ] {
        assert_eq!(world.odoo.by_name(subject).expect("Outlook's title")["id"], id);
    }
    assert_eq!(world.odoo.records.len(), 3, "no twin");
    assert_eq!(
        change_keys(&world.stack).await,
        before,
        "nothing was written to Outlook"
    );
    assert_eq!(world.stack.mails().await, []);
    // From now on they are synced like any other.
    world.odoo.write(by_id, json!({"name": "Renamed"}));
    world.quiet().await;
    assert!(world.stack.event(ANN, "Renamed").await.is_some());
    assert_eq!(world.stack.mails().await.len(), 2, "both guests hear of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_id_that_all_are_refused_for_is_found_by_halving() {
    let mut world = before().await;
    let mut ids = Vec::new();
    for n in 0..8 {
        let (id, event) = linked(&mut world, &format!("Linked {n}"), &[]).await;
        world.odoo.link_by_stock(id, &event["id"], &Value::Null);
        ids.push(id);
    }
    // Refuses all eight, then the first four, the first two, and the first one.
    let refused = json!([{"mailbox": ANN, "path": "translateExchangeIds", "count": 4, "status": 400, "code": "ErrorInvalidIdMalformed"}]);
    world.stack.sim_call("PUT", "faults", refused).await;
    connect(&mut world, 7).await;
    for (n, id) in ids.iter().enumerate().skip(1) {
        let title = format!("Linked {n}");
        assert_eq!(world.odoo.by_name(&title).expect("Outlook's title")["id"], *id);
    }
    let path = "requests?path=translateExchangeIds";
    let requests = world.stack.sim_call("GET", path, Value::Null).await;
    assert_eq!(requests["value"].as_array().map(Vec::len), Some(7));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_mailbox_has_not_stays_in_odoo_alone() {
    let mut world = before().await;
    let (gone, event) = linked(&mut world, "Gone", &[OUTSIDE]).await;
    world.odoo.link_by_stock(gone, &event["id"], &event["iCalUId"]);
    world.outlook_deletes(ANN, &event).await;
    world.forget_mails().await;
    connect(&mut world, 7).await;
    assert_eq!(world.odoo.records[&gone]["active"], true);
    assert_eq!(world.stack.events(ANN).await.len(), 0);
    assert_eq!(world.stack.mails().await, []);
    let kwargs = json!({"res_id": gone});
    let lines = world
        .odoo
        .call(&world.service, 2, "outlook.bridge", "journal", kwargs)
        .await
        .expect("lines");
    let said = lines[0]["message"].as_str().expect("a line");
    assert!(said.contains("not in the mailbox any more"), "{said}");
    // An edit invites nobody either, and a deletion ends it.
    world.odoo.write(gone, json!({"name": "Edited"}));
    world.quiet().await;
    assert_eq!(world.stack.events(ANN).await.len(), 0);
    world.odoo.unlink(gone);
    world.quiet().await;
    assert_eq!(world.stack.mails().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_and_deletions_since_the_pairing_count_as_such() {
    let mut world = before().await;
    let (edited, first) = linked(&mut world, "Edited", &[OUTSIDE]).await;
    let (deleted, second) = linked(&mut world, "Deleted", &[]).await;
    world.odoo.link_by_stock(edited, &first["id"], &first["iCalUId"]);
    world
        .odoo
        .link_by_stock(deleted, &second["id"], &second["iCalUId"]);
    world.odoo.write(edited, json!({"name": "Edited since"}));
    world.odoo.write(deleted, json!({"location": "Room"}));
    world.odoo.sync(&world.service).await;
    world.odoo.unlink(deleted);
    world.forget_mails().await;
    connect(&mut world, 7).await;
    let event = world
        .stack
        .event(ANN, "Edited since")
        .await
        .expect("the edit goes to the same event");
    assert_eq!(event["iCalUId"], first["iCalUId"]);
    assert!(
        event["start"]["dateTime"]
            .as_str()
            .expect("a time")
            .starts_with(&day(3, "")),
        "its time is Outlook's"
    );
    assert_eq!(world.stack.event(ANN, "Deleted").await, None);
    assert_eq!(
        world.stack.mails().await,
        [("update".to_owned(), OUTSIDE.to_owned())]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_gave_is_not_sent() {
    let mut world = before().await;
    // The built-in sync stores that its user has accepted, whatever Outlook says.
    let event = world.outlook_creates(BEN, "From Ben", &[ANN]).await;
    let id = world.odoo.create(
        8,
        "From Ben",
        &odoo_time(3, "09:00:00"),
        &odoo_time(3, "10:00:00"),
        &[ANN],
    );
    world.odoo.answer(id, 7, "accepted");
    world.odoo.link_by_stock(id, &event["id"], &event["iCalUId"]);
    world.forget_mails().await;
    connect(&mut world, 7).await;
    assert_eq!(world.odoo.records.len(), 1, "a guest's mailbox makes no twin");
    connect(&mut world, 8).await;
    assert_eq!(world.odoo.records.len(), 1);
    assert_eq!(world.stack.mails().await, []);
    world.odoo.answer(id, 7, "declined");
    world.quiet().await;
    assert_eq!(
        world.stack.mails().await,
        [("response".to_owned(), BEN.to_owned())],
        "a real answer is"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_event_is_asked_for_when_it_is_saved() {
    let mut world = before().await;
    let event = world.outlook_creates(ANN, "Long ago", &[OUTSIDE]).await;
    let past = json!({"start": {"dateTime": day(-800, "10:00:00"), "timeZone": "UTC"},
        "end": {"dateTime": day(-800, "11:00:00"), "timeZone": "UTC"}});
    world.outlook_edits(ANN, &event, past).await;
    connect(&mut world, 7).await;
    let id = world.odoo.create(
        7,
        "Long ago",
        &odoo_time(-800, "10:00:00"),
        &odoo_time(-800, "11:00:00"),
        &[OUTSIDE],
    );
    world.odoo.link_by_stock(id, &event["id"], &Value::Null);
    world.forget_mails().await;
    world.odoo.write(id, json!({"location": "Archive"}));
    world.quiet().await;
    let found = world.stack.event(ANN, "Long ago").await.expect("still one");
    assert_eq!(found["location"]["displayName"], "Archive");
    assert_eq!(world.odoo.records.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stock_engine_is_told_mutable_ids_of_everything() {
    let mut world = before().await;
    connect(&mut world, 7).await;
    let made = world.odoo.create(
        7,
        "Made in Odoo",
        &odoo_time(4, "10:00:00"),
        &odoo_time(4, "11:00:00"),
        &[],
    );
    let read = world.outlook_creates(ANN, "Made in Outlook", &[OUTSIDE]).await;
    let gone = world.outlook_creates(ANN, "Deleted in Outlook", &[]).await;
    world.quiet().await;
    let deleted = world.odoo.by_name("Deleted in Outlook").expect("a record")["id"].clone();
    world.outlook_deletes(ANN, &gone).await;
    world.quiet().await;
    let links = stock_links(&world.odoo, &world.service, json!({})).await;
    let of = |id: &Value| links.iter().find(|l| l["res_id"] == *id).expect("a link").clone();
    let event = world.stack.event(ANN, "Made in Odoo").await.expect("made");
    assert_eq!(
        (&of(&json!(made))["microsoft_id"], &of(&json!(made))["uid"]),
        (&event["id"], &event["iCalUId"])
    );
    let known = world.odoo.by_name("Made in Outlook").expect("a record")["id"].clone();
    assert_eq!(of(&known)["microsoft_id"], read["id"]);
    assert_eq!(
        (&of(&deleted)["gone"], &of(&deleted)["uid"]),
        (&json!(true), &Value::Null)
    );
    // Without asking Microsoft, there are only the uids.
    let unasked = stock_links(&world.odoo, &world.service, json!({"ask": false})).await;
    let link = unasked.iter().find(|l| l["res_id"] == known).expect("a link");
    assert_eq!(
        (&link["microsoft_id"], &link["uid"]),
        (&Value::Null, &read["iCalUId"])
    );
    assert!(!id_of(&read).is_empty());
}
