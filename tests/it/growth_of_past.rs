//! Of a long past meeting only its ids are kept, and whatever happens to it later still works.

use outlook_bridge::engine::Engine;
use outlook_bridge::worker::pruning;
use serde_json::{Value, json};

use super::growth_of_stubs::{rows_that_say, run};
use super::stack::{ANN, BEN, id_of};
use super::world::{OUTSIDE, World, day, kinds, odoo_time, world};

const TITLE: &str = "Quartzmarker";
const PLACE: &str = "Feldsparroom";

/// Returns the service as if some weeks had passed, so that events of the next weeks are long past.
fn later(w: &World) -> Engine {
    let mut engine = w.service.engine.clone();
    engine.settings.journal_days = -60;
    engine
}

pub async fn forget(w: &World) {
    run(w, "UPDATE meetings SET look_at = NULL").await;
    // Another pruning may be running, as a service starts one when it starts.
    super::stack::eventually("all was looked at", async || {
        pruning::prune(&later(w)).await.unwrap();
        let left = w.count("meetings WHERE look_at IS NULL AND stub IS NULL AND odoo_state IS NOT NULL");
        (left.await == 0).then_some(())
    })
    .await;
}

async fn is_forgotten(w: &World) -> bool {
    for word in [TITLE, PLACE, OUTSIDE] {
        if rows_that_say(w, word).await > 0 {
            return false;
        }
    }
    w.count("meetings WHERE stub IS NOT NULL").await == 1
}

/// Returns an event of Ann's, on both sides, with a guest from outside, that the service has
/// forgotten.
async fn forgotten() -> (World, i64) {
    let mut w = world().await;
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    let id = w.odoo.create(7, TITLE, &start, &stop, &[OUTSIDE]);
    w.odoo
        .write(id, json!({"location": PLACE, "description": "<p>Agenda</p>"}));
    w.quiet().await;
    assert!(w.stack.event(ANN, TITLE).await.is_some());
    w.forget_mails().await;
    assert!(!is_forgotten(&w).await);
    forget(&w).await;
    assert!(is_forgotten(&w).await);
    (w, id)
}

/// Returns the same for a series of four weeks.
async fn forgotten_series() -> (World, i64) {
    let mut w = world().await;
    let start = odoo_time(2, "09:00:00");
    let id = w.odoo.create_weekly(7, TITLE, &start, 4, &[OUTSIDE]);
    w.quiet().await;
    assert!(w.stack.event(ANN, TITLE).await.is_some());
    w.forget_mails().await;
    forget(&w).await;
    assert!(is_forgotten(&w).await);
    (w, id)
}

async fn is_quiet(w: &World) {
    assert_eq!(kinds(&w.stack.mails().await), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stays_forgotten_while_nobody_touches_it() {
    let (mut w, _) = forgotten().await;
    let (records, requests) = (w.odoo.records.len(), "accounts WHERE delta_link IS NULL");
    run(&w, "UPDATE accounts SET delta_link = NULL").await;
    w.quiet().await;
    assert_eq!(w.count(requests).await, 0, "listed anew");
    w.odoo.pair_again(&w.service).await;
    w.quiet().await;
    w.quiet().await;
    assert!(is_forgotten(&w).await);
    assert_eq!(w.count("meetings WHERE unconfirmed OR unread").await, 0);
    assert_eq!(w.odoo.records.len(), records);
    assert_eq!(w.stack.events(ANN).await.len(), 1);
    is_quiet(&w).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_edited_in_odoo_follows_in_outlook() {
    let (mut w, id) = forgotten().await;
    w.odoo.write(id, json!({"location": "Rue X"}));
    w.quiet().await;
    let event = w.stack.event(ANN, TITLE).await.unwrap();
    assert_eq!(event["location"]["displayName"], "Rue X");
    assert_eq!(event["attendees"].as_array().unwrap().len(), 1);
    assert_eq!(kinds(&w.stack.mails().await), [("update", OUTSIDE)]);
    // It is synced as usual.
    w.forget_mails().await;
    w.outlook_edits(ANN, &event, json!({"subject": "Renamed"})).await;
    w.forget_mails().await;
    w.quiet().await;
    assert_eq!(w.odoo.by_name("Renamed").unwrap()["location"], "Rue X");
    is_quiet(&w).await;
    forget(&w).await;
    assert!(rows_that_say(&w, "Renamed").await == 0 && rows_that_say(&w, "Rue X").await == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_edited_in_outlook_follows_in_odoo() {
    let (mut w, id) = forgotten().await;
    let event = w.stack.event(ANN, TITLE).await.unwrap();
    let attendees = json!([{"type": "required", "emailAddress": {"name": "Z", "address": OUTSIDE}},
        {"type": "required", "emailAddress": {"name": "B", "address": BEN}}]);
    let changes = json!({"start": {"dateTime": day(5, "10:00:00"), "timeZone": "UTC"},
        "end": {"dateTime": day(5, "11:00:00"), "timeZone": "UTC"}, "attendees": attendees});
    w.outlook_edits(ANN, &event, changes).await;
    w.forget_mails().await;
    w.quiet().await;
    w.quiet().await;
    assert_eq!(w.odoo.records.len(), 1);
    let record = &w.odoo.records[&id];
    assert_eq!(record["start"], odoo_time(5, "10:00:00"));
    assert_eq!(
        (&record["location"], &record["name"]),
        (&json!(PLACE), &json!(TITLE))
    );
    assert_eq!(record["attendees"].as_array().unwrap().len(), 3);
    is_quiet(&w).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_on_each_side_is_merged() {
    let (mut w, id) = forgotten().await;
    let event = w.stack.event(ANN, TITLE).await.unwrap();
    w.outlook_edits(ANN, &event, json!({"subject": "Renamed"})).await;
    w.odoo.write(id, json!({"location": "Rue X"}));
    w.quiet().await;
    w.quiet().await;
    let event = w.stack.event(ANN, "Renamed").await.unwrap();
    assert_eq!(event["location"]["displayName"], "Rue X");
    let record = w.odoo.by_name("Renamed").unwrap();
    assert_eq!(record["location"], "Rue X");
    assert_eq!(w.odoo.records.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_in_odoo_is_deleted_in_outlook_and_kept_in_the_journal() {
    let (mut w, id) = forgotten().await;
    w.odoo.unlink(id);
    w.quiet().await;
    assert!(w.stack.event(ANN, TITLE).await.is_none());
    assert_eq!(kinds(&w.stack.mails().await), [("cancellation", OUTSIDE)]);
    let kept = format!("journal WHERE content::text LIKE '%{PLACE}%'");
    assert_eq!(w.count(&kept).await, 1, "what was deleted can be told");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_in_outlook_is_archived_in_odoo_and_can_be_had_again() {
    let (mut w, id) = forgotten().await;
    let event = w.stack.event(ANN, TITLE).await.unwrap();
    w.outlook_deletes(ANN, &event).await;
    w.forget_mails().await;
    w.quiet().await;
    assert_eq!(w.odoo.records[&id]["active"], false);
    is_quiet(&w).await;
    w.odoo.write(id, json!({"active": true}));
    w.quiet().await;
    assert!(w.stack.event(ANN, TITLE).await.is_some());
    assert_eq!(w.odoo.records.len(), 1);
    assert_eq!(kinds(&w.stack.mails().await), [("invitation", OUTSIDE)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_record_comes_back_from_outlook_and_nothing_is_deleted() {
    let (mut w, id) = forgotten().await;
    // Odoo was restored from a backup made before the event.
    w.odoo.records.remove(&id);
    w.odoo.pair_again(&w.service).await;
    for _ in 0..3 {
        w.quiet().await;
    }
    assert!(w.stack.event(ANN, TITLE).await.is_some());
    assert_eq!(w.odoo.by_name(TITLE).unwrap()["location"], PLACE);
    is_quiet(&w).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_given_out_again_is_another_events() {
    let (mut w, id) = forgotten().await;
    w.odoo.records.remove(&id);
    w.odoo.pair_again(&w.service).await;
    w.odoo.next_id = id;
    super::odoo::next_second().await;
    let (start, stop) = (odoo_time(3, "14:00:00"), odoo_time(3, "15:00:00"));
    assert_eq!(w.odoo.create(7, "Another", &start, &stop, &[]), id);
    for _ in 0..3 {
        w.quiet().await;
    }
    assert!(w.stack.event(ANN, "Another").await.is_some());
    assert_eq!(
        w.stack.event(ANN, TITLE).await.unwrap()["location"]["displayName"],
        PLACE
    );
    assert!(w.odoo.by_name("Another").is_some() && w.odoo.by_name(TITLE).is_some());
    is_quiet(&w).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_a_guest_in_odoo_reaches_the_organizer() {
    let mut w = world().await;
    let event = w.outlook_creates("carla@contoso.example", TITLE, &[ANN]).await;
    w.quiet().await;
    let id = w.odoo.by_name(TITLE).expect("in Odoo")["id"].as_i64().unwrap();
    w.forget_mails().await;
    forget(&w).await;
    assert_eq!(rows_that_say(&w, TITLE).await, 0);
    w.odoo.answer(id, 7, "accepted");
    w.quiet().await;
    let there = w.stack.event("carla@contoso.example", TITLE).await.unwrap();
    assert_eq!(id_of(&there), id_of(&event));
    assert_eq!(there["attendees"][0]["status"]["response"], "accepted");
    assert_eq!(w.odoo.records.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_is_extended_on_either_side() {
    let (mut w, id) = forgotten_series().await;
    w.odoo.end_series(id, &json!({"count": 6, "end_type": "count"}));
    w.quiet().await;
    let event = w.stack.event(ANN, TITLE).await.unwrap();
    assert_eq!(event["occurrences"].as_array().unwrap().len(), 6);
    forget(&w).await;
    assert_eq!(rows_that_say(&w, TITLE).await, 0);
    w.forget_mails().await;
    let mut pattern = event["recurrence"].clone();
    pattern["range"]["numberOfOccurrences"] = json!(7);
    w.outlook_edits(ANN, &event, json!({"recurrence": pattern})).await;
    w.forget_mails().await;
    w.quiet().await;
    w.quiet().await;
    let id = w.odoo.series_by_name(TITLE).unwrap();
    assert_eq!(w.odoo.dates(id).len(), 7);
    is_quiet(&w).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_stays_forgotten_while_nobody_touches_it() {
    let (mut w, _) = forgotten_series().await;
    run(&w, "UPDATE accounts SET delta_link = NULL").await;
    w.quiet().await;
    assert!(is_forgotten(&w).await, "after its mailbox was listed anew");
    w.odoo.pair_again(&w.service).await;
    w.quiet().await;
    w.quiet().await;
    assert!(is_forgotten(&w).await);
    is_quiet(&w).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_deletes_what_is_forgotten_and_announces_its_mails() {
    const WIZARD: &str = "microsoft.calendar.account.reset";
    let (mut w, id) = forgotten().await;
    let user = json!({"user_id": 7});
    let told = w.odoo.call(&w.service, 2, WIZARD, "preview", user).await.unwrap();
    let events: Vec<&Value> = vec![&told["outlook"]["events"], &told["odoo"]["events"]];
    assert_eq!(events, [&json!(1), &json!(1)]);
    assert_eq!(told["outlook"]["cancellations"], 1);
    let kwargs = json!({"user_id": 7, "delete_policy": "delete_both", "sync_policy": "new", "mails": 1});
    w.odoo
        .call(&w.service, 2, WIZARD, "reset_account", kwargs)
        .await
        .unwrap();
    super::stack::eventually("deleted from both", async || {
        w.odoo.sync(&w.service).await;
        let in_outlook = w.stack.event(ANN, TITLE).await;
        (in_outlook.is_none() && !w.odoo.records.contains_key(&id)).then_some(())
    })
    .await;
    assert_eq!(kinds(&w.stack.mails().await), [("cancellation", OUTSIDE)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_moves_out_is_given_the_links_of_what_is_forgotten() {
    let (w, id) = forgotten().await;
    let answer = w
        .odoo
        .call(&w.service, 2, "outlook.bridge", "stock_links", json!({}))
        .await
        .unwrap();
    let event = w.stack.event(ANN, TITLE).await.unwrap();
    let link = &answer["links"][0];
    assert_eq!((&link["res_id"], &link["uid"]), (&json!(id), &event["iCalUId"]));
    assert_eq!(
        (&link["microsoft_id"], &link["gone"]),
        (&event["id"], &json!(false))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_that_prune_at_once_forget_each_meeting_once() {
    let mut w = world().await;
    let second = w.stack.serve().await;
    for n in 0..60 {
        let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
        w.odoo.create(7, &format!("{TITLE} {n}"), &start, &stop, &[]);
    }
    w.quiet().await;
    let mut other = second.engine.clone();
    other.settings.journal_days = -60;
    run(&w, "UPDATE meetings SET look_at = NULL").await;
    let one = later(&w);
    let (first, second_one) = tokio::join!(pruning::prune(&one), pruning::prune(&other));
    first.unwrap();
    second_one.unwrap();
    forget(&w).await;
    assert_eq!(w.count("meetings WHERE stub IS NOT NULL").await, 60);
    assert_eq!(rows_that_say(&w, TITLE).await, 0);
    second.kill().await;
    w.quiet().await;
    assert_eq!((w.odoo.records.len(), w.stack.events(ANN).await.len()), (60, 60));
    is_quiet(&w).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_two_sides_do_not_agree_on_is_not_forgotten() {
    let mut w = world().await;
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    let id = w.odoo.create(7, TITLE, &start, &stop, &[OUTSIDE]);
    w.quiet().await;
    // Like a guest whom Outlook has not accepted: agreed on, but different.
    for side in ["odoo_state", "base_odoo"] {
        let path = if side == "odoo_state" {
            "{name}"
        } else {
            "{template,title}"
        };
        run(
            &w,
            &format!("UPDATE meetings SET {side} = jsonb_set({side}, '{path}', '\"Otherwise\"')"),
        )
        .await;
    }
    forget(&w).await;
    assert_eq!(w.count("meetings WHERE stub IS NOT NULL").await, 0);
    assert!(w.odoo.records.contains_key(&id));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_whose_who_has_left_is_forgotten_too() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben");
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    w.odoo.create(8, TITLE, &start, &stop, &[OUTSIDE]);
    w.odoo.create(7, "Ann's", &start, &stop, &[]);
    w.quiet().await;
    w.odoo.departed = vec![
        json!({"user_id": 7, "deleted": false}),
        json!({"user_id": 8, "deleted": true}),
    ];
    w.odoo.sync(&w.service).await;
    w.odoo.departed.clear();
    forget(&w).await;
    assert_eq!(rows_that_say(&w, TITLE).await, 0, "of a user who was deleted");
    assert_eq!(w.count("meetings WHERE odoo_state IS NOT NULL").await, 0);
    // A user who comes back finds it unchanged.
    w.forget_mails().await;
    w.odoo.connect(&w.stack, &w.service, 7).await.expect("Ann again");
    w.quiet().await;
    w.quiet().await;
    let event = w.stack.event(ANN, "Ann's").await.unwrap();
    w.outlook_edits(ANN, &event, json!({"location": {"displayName": PLACE}}))
        .await;
    w.quiet().await;
    w.quiet().await;
    assert_eq!(w.odoo.by_name("Ann's").unwrap()["location"], PLACE);
    assert_eq!((w.odoo.records.len(), w.stack.events(ANN).await.len()), (2, 1));
    is_quiet(&w).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_odoo_has_archived_of_somebody_elses_is_forgotten_and_can_be_had_again() {
    let mut w = world().await;
    w.outlook_creates("carla@contoso.example", TITLE, &[ANN]).await;
    w.quiet().await;
    let id = w.odoo.by_name(TITLE).expect("in Odoo")["id"].as_i64().unwrap();
    w.odoo.write(id, json!({"active": false}));
    w.quiet().await;
    w.forget_mails().await;
    forget(&w).await;
    assert_eq!(rows_that_say(&w, TITLE).await, 0);
    w.odoo.write(id, json!({"active": true}));
    w.quiet().await;
    w.quiet().await;
    assert_eq!(w.odoo.records.len(), 1);
    assert_eq!(w.odoo.by_name(TITLE).unwrap()["active"], true);
    assert!(w.stack.event(ANN, TITLE).await.is_some());
    is_quiet(&w).await;
}
