//! A side that does not show what it is sent gets it once, and then nothing until somebody changes
//! something.

use serde_json::{Value, json};

use super::stack::{ANN, BEN, id_of};
use super::world::{CARLA, OUTSIDE, World, odoo_time, world};

async fn requests(w: &World, methods: &[&str]) -> usize {
    let all = w.stack.sim_call("GET", "requests", Value::Null).await;
    let all = all["value"].as_array().expect("requests").clone();
    let is_one = |r: &&Value| {
        methods.iter().any(|method| r["method"] == *method)
            && !r["path"].as_str().is_some_and(|p| p.ends_with("$batch"))
    };
    all.iter().filter(is_one).count()
}

async fn patches(w: &World) -> usize {
    requests(w, &["PATCH"]).await
}

async fn writes(w: &World) -> usize {
    requests(w, &["PATCH", "POST", "DELETE"]).await
}

impl World {
    /// Exchanges several times while nobody does anything: nothing is written to either side or set
    /// aside.
    async fn rests(&mut self) {
        let before = (writes(self).await, self.odoo.told);
        for _ in 0..3 {
            self.quiet().await;
        }
        assert_eq!(
            (writes(self).await, self.odoo.told),
            before,
            "nobody has changed anything"
        );
        assert_eq!(self.count("meetings WHERE set_aside IS NOT NULL").await, 0);
    }

    async fn invited_in_outlook(&self, title: &str) -> Vec<String> {
        let event = self.stack.event(ANN, title).await.expect("in Outlook");
        let guests = event["attendees"].as_array().cloned().unwrap_or_default();
        let address = |guest: &Value| guest["emailAddress"]["address"].as_str().map(str::to_owned);
        guests.iter().filter_map(address).collect()
    }
}

fn guest(address: &str) -> Value {
    json!({"type": "required", "emailAddress": {"address": address, "name": address}})
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outlook_that_drops_a_guest_is_told_once() {
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
    w.odoo.set_series(series, &json!({"attendees": guests}));
    w.quiet().await;
    assert_eq!(patches(&w).await, 2, "each once");
    w.rests().await;
    // The meeting is still synced, and so is a guest who is added later.
    w.odoo.write(id, json!({"location": "Room 1"}));
    w.odoo.change_guests(id, &["new@outside.example"], &[]);
    w.quiet().await;
    let event = w.stack.event(ANN, "Dropped").await.expect("in Outlook");
    assert_eq!(event["location"]["displayName"], "Room 1");
    assert_eq!(
        w.invited_in_outlook("Dropped").await,
        [OUTSIDE, "new@outside.example"]
    );
    w.rests().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_odoo_that_drops_a_guest_is_told_once() {
    let mut w = world().await;
    w.odoo.drops = Some(CARLA.to_owned());
    w.outlook_creates(ANN, "Dropped", &[OUTSIDE]).await;
    w.quiet().await;
    let id = w.odoo.by_name("Dropped").expect("in Odoo")["id"]
        .as_i64()
        .expect("an id");
    let before = w.odoo.told;
    let event = w.stack.event(ANN, "Dropped").await.expect("in Outlook");
    w.outlook_edits(ANN, &event, json!({"attendees": [guest(OUTSIDE), guest(CARLA)]}))
        .await;
    w.quiet().await;
    assert_eq!(w.odoo.told - before, 1);
    w.rests().await;
    let event = w.stack.event(ANN, "Dropped").await.expect("in Outlook");
    w.outlook_edits(ANN, &event, json!({"location": {"displayName": "Room 1"}}))
        .await;
    w.quiet().await;
    assert_eq!(w.odoo.records[&id]["location"], "Room 1");
    assert_eq!(w.invited_in_outlook("Dropped").await, [OUTSIDE, CARLA]);
    w.rests().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_with_the_organizers_own_address_is_no_endless_loop() {
    let mut w = world().await;
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    w.odoo.create(7, "Double", &start, &stop, &[ANN, OUTSIDE]);
    w.odoo
        .create_weekly(7, "Weekly", &odoo_time(5, "09:00:00"), 4, &[ANN, OUTSIDE]);
    w.quiet().await;
    for title in ["Double", "Weekly"] {
        assert_eq!(w.invited_in_outlook(title).await, [OUTSIDE]);
    }
    w.rests().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_exchange_resolves_to_another_one_is_one_guest() {
    const ALIAS: &str = "b.smith@contoso.example";
    let mut w = world().await;
    w.stack
        .sim_call("PATCH", &format!("people/{BEN}"), json!({"aliases": [ALIAS]}))
        .await;
    w.stack
        .sim_call("PUT", "switches", json!({"resolves_aliases": true}))
        .await;
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    let made = w.odoo.create(7, "Made", &start, &stop, &[ALIAS]);
    let edited = w.odoo.create(7, "Edited", &start, &stop, &[OUTSIDE]);
    let weekly = w
        .odoo
        .create_weekly(7, "Weekly", &odoo_time(5, "09:00:00"), 4, &[ALIAS]);
    w.quiet().await;
    w.odoo.change_guests(edited, &[ALIAS], &[]);
    w.quiet().await;
    for (title, guests) in [
        ("Made", &[BEN][..]),
        ("Weekly", &[BEN]),
        ("Edited", &[OUTSIDE, BEN]),
    ] {
        assert_eq!(w.invited_in_outlook(title).await, guests);
    }
    for id in [made, edited] {
        let lines = w.odoo.records[&id]["attendees"].as_array().expect("guests");
        assert!(
            lines.iter().all(|line| line["email"] != BEN),
            "no phantom: {lines:?}"
        );
    }
    w.rests().await;
    // A response of that guest counts for the guest whom Odoo knows.
    for title in ["Made", "Weekly", "Edited"] {
        let copy = w.stack.event(BEN, title).await.expect("an invitation");
        let path = format!("mailboxes/{BEN}/events/{}/respond", id_of(&copy));
        w.stack
            .sim_call("POST", &path, json!({"response": "accept"}))
            .await;
    }
    w.quiet().await;
    let template = |id: i64| {
        if id == weekly {
            "/template/attendees"
        } else {
            "/attendees"
        }
    };
    for id in [made, weekly, edited] {
        let lines = w.odoo.records[&id].pointer(template(id)).expect("guests");
        let lines = lines.as_array().expect("guests");
        let states = lines.iter().filter(|line| line["email"] == ALIAS);
        let states: Vec<&Value> = states.map(|line| &line["state"]).collect();
        assert_eq!(states, ["accepted"], "{lines:?}");
    }
    w.rests().await;
    // It stays so after a new pairing, which compares both sides.
    w.odoo.pair_again(&w.service).await;
    for _ in 0..3 {
        w.quiet().await;
    }
    for id in [made, weekly, edited] {
        let lines = w.odoo.records[&id].pointer(template(id)).expect("guests");
        let lines = lines.as_array().expect("guests");
        assert!(lines.iter().any(|line| line["email"] == ALIAS), "{lines:?}");
        assert!(lines.iter().all(|line| line["email"] != BEN), "{lines:?}");
    }
    // A guest removed in Odoo is removed, under whatever address.
    for id in [made, edited] {
        w.odoo.change_guests(id, &[], &[ALIAS]);
    }
    let mut guests = w.odoo.records[&weekly]["template"]["attendees"].clone();
    guests
        .as_array_mut()
        .expect("guests")
        .retain(|line| line["email"] != ALIAS);
    w.odoo.set_series(weekly, &json!({"attendees": guests}));
    w.quiet().await;
    for (title, guests) in [("Made", &[][..]), ("Weekly", &[]), ("Edited", &[OUTSIDE])] {
        assert_eq!(w.invited_in_outlook(title).await, guests, "{title}");
    }
    w.rests().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_organizers_address_in_odoo_that_outlook_invites_is_no_endless_loop() {
    let mut w = world().await;
    w.odoo.users.insert(7, "ann@home.example".to_owned());
    w.odoo.drops = Some("ann@home.example".to_owned());
    w.outlook_creates(ANN, "Home", &[OUTSIDE, "ann@home.example"])
        .await;
    w.quiet().await;
    assert!(w.odoo.by_name("Home").is_some());
    w.rests().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_occurrence_whose_own_title_outlook_does_not_keep_is_told_once() {
    let mut w = world().await;
    let series = w
        .odoo
        .create_weekly(7, "Weekly", &odoo_time(5, "09:00:00"), 4, &[OUTSIDE]);
    w.quiet().await;
    // Exchange stores 255 characters.
    let long = "x".repeat(255);
    w.odoo.set_series(series, &json!({"name": format!("{long}y")}));
    w.quiet().await;
    w.odoo.set_one(series, 1, &json!({"name": format!("{long}z")}));
    w.quiet().await;
    w.rests().await;
    let before = patches(&w).await;
    w.odoo.set_one(series, 1, &json!({"location": "Room 2"}));
    w.quiet().await;
    assert_eq!(
        patches(&w).await,
        before + 1,
        "what somebody changes is told, once"
    );
    w.rests().await;
}

/// Each attempt to take it out cancels it: that ends after the second attempt, and somebody is
/// told.
#[tokio::test(flavor = "multi_thread")]
async fn an_occurrence_that_outlook_keeps_is_taken_out_twice_at_most() {
    let mut w = world().await;
    let series = w
        .odoo
        .create_weekly(7, "Weekly", &odoo_time(5, "09:00:00"), 4, &[OUTSIDE]);
    w.quiet().await;
    w.stack
        .sim_call("PUT", "switches", json!({"keeps_taken_out": true}))
        .await;
    let before = requests(&w, &["DELETE"]).await;
    w.odoo.set_there(series, 1, false);
    for _ in 0..4 {
        w.quiet().await;
    }
    assert_eq!(requests(&w, &["DELETE"]).await, before + 2);
    assert_eq!(w.count("meetings WHERE set_aside IS NOT NULL").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_odoo_that_does_not_keep_who_mails_is_told_twice() {
    let mut w = world().await;
    w.odoo.forgets_mailer = true;
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    w.odoo.create(7, "Forgotten", &start, &stop, &[OUTSIDE]);
    for _ in 0..3 {
        w.quiet().await;
    }
    assert!(w.odoo.told <= 2, "{}", w.odoo.told);
    w.rests().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_odoo_whose_record_always_moves_on_is_left_alone_after_a_while() {
    let mut w = world().await;
    w.outlook_creates(ANN, "Moving", &[OUTSIDE]).await;
    w.quiet().await;
    w.odoo.moves_on = true;
    let event = w.stack.event(ANN, "Moving").await.expect("in Outlook");
    w.outlook_edits(ANN, &event, json!({"subject": "Moved"})).await;
    let before = w.odoo.told;
    for _ in 0..4 {
        w.quiet().await;
    }
    let told = w.odoo.told;
    assert!(told - before <= 8, "{}", told - before);
    w.quiet().await;
    assert_eq!(w.odoo.told, told);
    let late = "meetings WHERE set_aside ->> 'code' = 'came_too_late'";
    assert_eq!(w.count(late).await, 1, "and why is true");
    // When somebody saves it, it is sent again.
    w.odoo.moves_on = false;
    let id = *w.odoo.records.keys().next_back().expect("in Odoo");
    w.odoo.write(id, json!({"location": "Room 3"}));
    w.quiet().await;
    assert!(w.odoo.by_name("Moved").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_meeting_that_never_stands_still_waits_for_the_next_hour() {
    let mut w = world().await;
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    let id = w.odoo.create(7, "Busy", &start, &stop, &[]);
    w.quiet().await;
    {
        let mut conn = w.service.engine.store.get().await.expect("Postgres");
        let near = diesel::sql_query("UPDATE meetings SET hour_began = now(), hour_writes = 59");
        diesel_async::RunQueryDsl::execute(near, &mut conn)
            .await
            .expect("counted");
    }
    let before = patches(&w).await;
    w.odoo.write(id, json!({"location": "Room 1"}));
    w.quiet().await;
    for room in ["Room 2", "Room 3"] {
        w.odoo.write(id, json!({"location": room}));
        w.odoo.sync(&w.service).await;
        w.worked(7).await;
    }
    assert_eq!(patches(&w).await, before + 1, "the sixtieth, and no other");
    assert_eq!(w.count("journal WHERE message LIKE '%within an hour%'").await, 1);
    assert_eq!(w.count("meetings WHERE set_aside IS NOT NULL").await, 0);
    {
        let mut conn = w.service.engine.store.get().await.expect("Postgres");
        for over in [
            "UPDATE meetings SET hour_began = hour_began - interval '61 minutes'",
            "UPDATE outlook_outbox SET next_attempt_at = now()",
        ] {
            diesel_async::RunQueryDsl::execute(diesel::sql_query(over), &mut conn)
                .await
                .expect("later");
        }
    }
    w.quiet().await;
    let event = w.stack.event(ANN, "Busy").await.expect("in Outlook");
    assert_eq!(event["location"]["displayName"], "Room 3");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_matched_series_of_which_outlook_does_not_keep_all_is_told_once() {
    let mut w = world().await;
    let policy = json!({"policy": "odoo"});
    w.odoo
        .call(&w.service, 2, "res.config.settings", "set_values", policy)
        .await
        .expect("Odoo's side counts");
    w.stack
        .sim_call("PUT", "switches", json!({"drops_attendee": CARLA}))
        .await;
    let series = w
        .odoo
        .create_weekly(7, "Weekly", &odoo_time(5, "09:00:00"), 4, &[OUTSIDE, CARLA]);
    w.quiet().await;
    {
        // As after a match, the service does not know what both sides agreed on.
        let mut conn = w.service.engine.store.get().await.expect("Postgres");
        let forget = diesel::sql_query("UPDATE meetings SET base_odoo = NULL, base_outlook = NULL");
        diesel_async::RunQueryDsl::execute(forget, &mut conn)
            .await
            .expect("forgotten");
    }
    let before = patches(&w).await;
    w.odoo.set_series(series, &json!({"name": "Odoo's"}));
    w.quiet().await;
    assert_eq!(patches(&w).await, before + 1);
    assert!(w.stack.event(ANN, "Odoo's").await.is_some());
    w.rests().await;
}
