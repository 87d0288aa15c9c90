//! Whom Outlook mails when a mailbox connects, when a sync resumes, and after a person's decision.

use serde_json::{Value, json};

use super::odoo::Odoo;
use super::stack::{ANN, BEN, Stack, eventually};
use super::world::{CARLA, OUTSIDE, World, day, kinds, odoo_time, world};

/// Ann has this many future and past events with guests, and connects.
async fn connected_with(future: i64, past: i64) -> World {
    let stack = Stack::start().await;
    let service = stack.serve().await;
    let mut odoo = Odoo::pair(&service).await;
    for number in 0..future {
        let (start, stop) = (
            odoo_time(3 + number, "09:00:00"),
            odoo_time(3 + number, "10:00:00"),
        );
        odoo.create(7, &format!("Future {number}"), &start, &stop, &[BEN, OUTSIDE]);
    }
    for number in 0..past {
        let (start, stop) = (
            odoo_time(-3 - number, "09:00:00"),
            odoo_time(-3 - number, "10:00:00"),
        );
        odoo.create(7, &format!("Past {number}"), &start, &stop, &[BEN, OUTSIDE]);
    }
    odoo.create(
        7,
        "Alone",
        &odoo_time(2, "09:00:00"),
        &odoo_time(2, "10:00:00"),
        &[],
    );
    for record in odoo.records.values_mut() {
        record["create_date"] = json!("2026-01-01 00:00:00");
    }
    let mut w = World { stack, service, odoo };
    w.odoo.sync(&w.service).await;
    w.odoo.connect(&w.stack, &w.service, 7).await.expect("connected");
    w.quiet().await;
    w
}

impl World {
    async fn preview(&self, one: Value) -> Value {
        let mut kwargs = json!({"user_id": 7});
        kwargs
            .as_object_mut()
            .unwrap()
            .extend(one.as_object().unwrap().clone());
        let call = self.odoo.call(&self.service, 7, "res.users", "preview", kwargs);
        call.await.expect("a preview")
    }

    async fn choose(&mut self, answer: Value) -> Result<Value, Value> {
        let mut kwargs = json!({"user_id": 7});
        kwargs
            .as_object_mut()
            .unwrap()
            .extend(answer.as_object().unwrap().clone());
        let call = self
            .odoo
            .call(&self.service, 7, "res.users", "answer_preview", kwargs);
        call.await
    }

    async fn stop_or_restart(&self, method: &str) {
        let call = self
            .odoo
            .call(&self.service, 7, "res.users", method, json!({"user_id": 7}));
        call.await.expect("stopped or restarted");
    }

    fn account(&self) -> &Value {
        &self.odoo.state["accounts"][0]
    }

    /// Exchanges, and waits until Odoo is told that this many mails wait.
    async fn held(&mut self, mails: i64) {
        eventually("it is held", async || {
            self.odoo.sync(&self.service).await;
            (self.account()["mails"] == mails).then_some(())
        })
        .await;
    }

    async fn guests_in_outlook(&self, title: &str) -> usize {
        let event = self.stack.event(ANN, title).await.expect("in Outlook");
        event["attendees"].as_array().map_or(0, Vec::len)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_with_guests_wait_and_what_is_announced_is_what_is_sent() {
    // choice, invite → how many of 120 future and 80 past events are in Outlook and have guests
    // there, and mails
    let cases = [
        ("leave", false, 0, 0),
        ("future", true, 120, 240),
        ("future", false, 120, 0),
        ("all", true, 200, 240),
        ("all", false, 200, 0),
    ]
    .map(|(choice, invite, events, mails)| choice_case(choice, invite, events, mails));
    futures_util::future::join_all(cases).await;
}

async fn choice_case(choice: &str, invite: bool, events: usize, mails: usize) {
    let mut w = connected_with(120, 80).await;
    assert_eq!(w.stack.mails().await, [], "connecting mails nobody");
    assert_eq!(w.stack.events(ANN).await.len(), 1, "what has no guests");
    assert_eq!(w.account()["waiting"], 200);
    let preview = w.preview(json!({})).await;
    assert_eq!(preview["events"].as_array().unwrap().len(), 200);
    assert_eq!(preview["events"][199]["over"], true);
    assert_eq!(preview["people"][0]["email"], OUTSIDE, "those outside first");
    let announced = |name: &str| {
        let told = &preview[name];
        ["events", "past", "mails", "people", "outside"].map(|n| told[n].as_i64().unwrap())
    };
    assert_eq!(announced("future"), [120, 0, 240, 2, 1]);
    assert_eq!(announced("all"), [200, 80, 240, 2, 1]);
    let answer = json!({"choice": choice, "invite": invite, "invitations": if invite { 240 } else { 0 }});
    for _ in 0..2 {
        let state = w.choose(answer.clone()).await.expect("chosen");
        assert_eq!(
            state["accounts"][0]["waiting"], 0,
            "clicked twice is clicked once"
        );
    }
    w.quiet().await;
    let at = format!("{choice}, invite {invite}");
    assert_eq!(w.stack.events(ANN).await.len(), 1 + events, "{at}");
    let sent = w.stack.mails().await;
    assert_eq!(sent.len(), mails, "{at}");
    assert!(sent.iter().all(|(kind, _)| kind == "invitation"), "{at}");
    // After another sync, nobody was mailed or forgotten.
    w.quiet().await;
    assert_eq!(w.stack.mails().await.len(), mails, "{at}");
    let record = w.odoo.by_name("Future 3").expect("in Odoo");
    assert_eq!(record["attendees"].as_array().unwrap().len(), 3, "{at}");
    if events > 0 {
        assert_eq!(
            w.guests_in_outlook("Future 3").await,
            if invite { 2 } else { 0 },
            "{at}"
        );
        let mailer = if invite { json!("outlook") } else { Value::Null };
        assert_eq!(record["mailer"], mailer, "{at}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_was_announced_is_never_sent() {
    let mut w = connected_with(3, 0).await;
    let id = w.odoo.by_name("Future 0").unwrap()["id"].as_i64().unwrap();
    w.odoo.change_guests(id, &["new@contoso.example"], &[]);
    w.quiet().await;
    let refused = w
        .choose(json!({"choice": "all", "invite": true, "invitations": 6}))
        .await
        .unwrap_err();
    assert_eq!(refused["data"]["name"], "odoo.exceptions.UserError");
    assert!(
        refused.to_string().contains("7 invitations now, not 6"),
        "{refused}"
    );
    let stranger = w
        .odoo
        .call(&w.service, 2, "res.users", "preview", json!({"user_id": 99}))
        .await
        .unwrap_err();
    assert_eq!(stranger["data"]["name"], "odoo.exceptions.MissingError");
    w.quiet().await;
    assert_eq!(w.stack.mails().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn withheld_guests_survive_edits_on_both_sides_until_they_are_invited() {
    let mut w = connected_with(1, 0).await;
    w.choose(json!({"choice": "all", "invite": false}))
        .await
        .expect("chosen");
    w.quiet().await;
    let id = w.odoo.by_name("Future 0").unwrap()["id"].as_i64().unwrap();
    // Moved in Odoo, renamed in Outlook, and one guest more on each side.
    w.odoo.write(
        id,
        json!({"start": odoo_time(4, "13:00:00"), "stop": odoo_time(4, "14:00:00")}),
    );
    w.quiet().await;
    let event = w.stack.event(ANN, "Future 0").await.expect("in Outlook");
    assert!(
        event["start"]["dateTime"]
            .as_str()
            .unwrap()
            .starts_with(&day(4, "13:00"))
    );
    w.outlook_edits(ANN, &event, json!({"subject": "Renamed"})).await;
    w.odoo.change_guests(id, &["dora@contoso.example"], &[]);
    w.quiet().await;
    assert_eq!(w.stack.mails().await, []);
    assert_eq!(w.guests_in_outlook("Renamed").await, 0);
    let event = w.stack.event(ANN, "Renamed").await.unwrap();
    let eve =
        json!([{"type": "required", "emailAddress": {"name": "Eve", "address": "eve@contoso.example"}}]);
    w.outlook_edits(ANN, &event, json!({"attendees": eve})).await;
    w.forget_mails().await;
    w.quiet().await;
    let addresses = |record: &Value| {
        let lines = record["attendees"].as_array().unwrap();
        let mut all: Vec<String> = lines
            .iter()
            .map(|l| l["email"].as_str().unwrap().to_owned())
            .collect();
        all.sort();
        all
    };
    let everybody = [ANN, BEN, "dora@contoso.example", "eve@contoso.example", OUTSIDE].map(str::to_owned);
    assert_eq!(addresses(&w.odoo.records[&id]), everybody);
    assert_eq!(w.stack.mails().await, [], "whom Odoo tells, Outlook does not");

    // Now invited from Outlook, with a preview.
    let preview = w.preview(json!({"res_id": id})).await;
    assert_eq!(preview["events"][0]["state"], "withheld");
    assert_eq!(preview["all"]["mails"], 4);
    w.choose(json!({"choice": "all", "invite": true, "invitations": 4, "res_id": id}))
        .await
        .expect("invited");
    w.quiet().await;
    let invited = w.stack.mails().await;
    assert_eq!(
        kinds(&invited),
        [
            ("invitation", BEN),
            ("invitation", "dora@contoso.example"),
            ("invitation", OUTSIDE)
        ]
    );
    assert_eq!(w.odoo.records[&id]["mailer"], "outlook");
    let again = w
        .choose(json!({"choice": "all", "invite": true, "invitations": 4, "res_id": id}))
        .await
        .unwrap_err();
    assert_eq!(again["data"]["name"], "odoo.exceptions.MissingError");
    w.quiet().await;
    assert_eq!(w.stack.mails().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_odoo_has_invited_outlook_does_not_invite_again() {
    let mut w = world().await;
    let times = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    for (mailer, mails) in [("odoo", 0), ("nobody", 0), ("outlook", 1)] {
        w.forget_mails().await;
        w.odoo.mailer = json!(mailer);
        w.odoo.create(7, mailer, &times.0, &times.1, &[OUTSIDE]);
        w.quiet().await;
        assert_eq!(w.guests_in_outlook(mailer).await, mails, "{mailer}");
        assert_eq!(w.stack.mails().await.len(), mails, "{mailer}");
    }
    // Nobody is invited to a past event.
    w.forget_mails().await;
    w.odoo.create(
        7,
        "Over",
        &odoo_time(-2, "09:00:00"),
        &odoo_time(-2, "10:00:00"),
        &[OUTSIDE],
    );
    w.quiet().await;
    assert_eq!(w.guests_in_outlook("Over").await, 0);
    assert_eq!(w.stack.mails().await, []);
    // Outlook refuses it: Odoo, which had not mailed, invites the guest instead, once.
    let fault = json!({"mailbox": ANN, "method": "POST", "path": "/me/events", "nth": 1, "count": 1, "status": 400,
        "code": "ErrorInvalidRequest"});
    w.stack.sim_call("POST", "faults", fault).await;
    w.odoo.create(7, "Refused", &times.0, &times.1, &[OUTSIDE]);
    w.quiet().await;
    assert_eq!(w.odoo.invited, ["Refused"]);
    assert_eq!(w.odoo.by_name("Refused").unwrap()["mailer"], "odoo");
    let id = w.odoo.by_name("Refused").unwrap()["id"].as_i64().unwrap();
    w.odoo.write(id, json!({"location": "Elsewhere"}));
    w.quiet().await;
    assert_eq!(w.guests_in_outlook("Refused").await, 0);
    assert_eq!(w.odoo.invited.len(), 1);
    assert_eq!(w.stack.mails().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_twin_with_other_guests_is_linked_and_mails_nobody() {
    let stack = Stack::start().await;
    let service = stack.serve().await;
    let odoo = Odoo::pair(&service).await;
    let mut w = World { stack, service, odoo };
    let twin = w.outlook_creates(ANN, "Twin", &[BEN]).await;
    let at = |which: &str| twin[which]["dateTime"].as_str().unwrap()[..19].replace('T', " ");
    w.odoo
        .create(7, "Twin", &at("start"), &at("end"), &[BEN, OUTSIDE]);
    for record in w.odoo.records.values_mut() {
        record["create_date"] = json!("2026-01-01 00:00:00");
    }
    w.forget_mails().await;
    w.odoo.sync(&w.service).await;
    w.odoo.connect(&w.stack, &w.service, 7).await.expect("connected");
    w.quiet().await;
    assert_eq!(w.stack.mails().await, []);
    assert_eq!(w.guests_in_outlook("Twin").await, 1);
    let record = w.odoo.by_name("Twin").expect("one of each");
    assert_eq!(
        record["attendees"].as_array().unwrap().len(),
        3,
        "nobody is taken for removed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_mails_that_were_collected_wait_for_a_yes() {
    for send in [true, false] {
        let mut w = world().await;
        let guests: Vec<String> = (0..30).map(|n| format!("guest{n}@contoso.example")).collect();
        let guests: Vec<&str> = guests.iter().map(String::as_str).collect();
        let id = w.odoo.create(
            7,
            "Big",
            &odoo_time(2, "09:00:00"),
            &odoo_time(2, "10:00:00"),
            &guests,
        );
        w.quiet().await;
        assert_eq!(w.stack.mails().await.len(), 30, "a person's wish goes out");
        w.forget_mails().await;
        w.stop_or_restart("stop").await;
        w.odoo.write(
            id,
            json!({"start": odoo_time(3, "09:00:00"), "stop": odoo_time(3, "10:00:00")}),
        );
        let small = w.odoo.create(
            7,
            "Small",
            &odoo_time(2, "09:00:00"),
            &odoo_time(2, "10:00:00"),
            &[],
        );
        w.odoo.sync(&w.service).await;
        w.stop_or_restart("restart").await;
        w.held(30).await;
        w.worked(7).await;
        assert_eq!(w.stack.mails().await, [], "nothing of it was sent");
        assert!(
            w.stack.event(ANN, "Small").await.is_some(),
            "what mails nobody goes on"
        );
        let held = w.preview(json!({})).await["held"].clone();
        assert_eq!(
            (&held["mails"], &held["events"][0]["kind"]),
            (&json!(30), &json!("update"))
        );
        // A change that a person saves now is not part of it.
        w.odoo.change_guests(small, &[OUTSIDE], &[]);
        w.odoo.sync(&w.service).await;
        eventually("it is sent", async || {
            (w.stack.mails().await.len() == 1).then_some(())
        })
        .await;
        w.forget_mails().await;
        let answer = json!({"user_id": 7, "send": send, "mails": 30});
        let few = json!({"user_id": 7, "send": true, "mails": 29});
        let other = json!({"user_id": 7, "send": !send, "mails": 30});
        let call = |kwargs| w.odoo.call(&w.service, 7, "res.users", "answer_mails", kwargs);
        assert_eq!(
            call(few).await.unwrap_err()["data"]["name"],
            "odoo.exceptions.UserError"
        );
        call(answer.clone()).await.expect("answered");
        // Odoo repeats the call after a conflict of transactions.
        call(answer).await.expect("the same answer once more");
        let another = call(other).await.unwrap_err();
        assert_eq!(another["data"]["name"], "odoo.exceptions.MissingError");
        w.quiet().await;
        assert_eq!(w.account()["mails"], 0);
        assert_eq!(w.stack.mails().await.len(), if send { 30 } else { 0 });
        let start = |days| day(days, "09:00");
        let event = w.stack.event(ANN, "Big").await.expect("in Outlook");
        let at = event["start"]["dateTime"].as_str().unwrap();
        assert!(at.starts_with(&start(if send { 3 } else { 2 })), "{at}");
        assert!(
            w.odoo.records[&id]["start"]
                .as_str()
                .unwrap()
                .starts_with(&odoo_time(3, "09:00")),
            "Odoo keeps its own"
        );
        if !send {
            // Saved again, it counts as a person's wish.
            w.odoo.write(id, json!({"location": "Elsewhere"}));
            w.quiet().await;
            assert_eq!(w.stack.mails().await.len(), 30);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_that_would_cancel_much_waits_for_a_yes() {
    let mut w = world().await;
    let guests: Vec<String> = (0..30).map(|n| format!("guest{n}@contoso.example")).collect();
    let guests: Vec<&str> = guests.iter().map(String::as_str).collect();
    w.odoo.create(
        7,
        "Big",
        &odoo_time(2, "09:00:00"),
        &odoo_time(2, "10:00:00"),
        &guests,
    );
    w.quiet().await;
    w.forget_mails().await;
    let kwargs = json!({"user_id": 7, "delete_policy": "delete_microsoft", "sync_policy": "all"});
    let call = w.odoo.call(
        &w.service,
        2,
        "microsoft.calendar.account.reset",
        "reset_account",
        kwargs,
    );
    call.await.expect("reset");
    w.held(30).await;
    assert_eq!(w.stack.mails().await, []);
    let answer = json!({"user_id": 7, "send": true, "mails": 30});
    let call = w.odoo.call(&w.service, 2, "res.users", "answer_mails", answer);
    call.await.expect("answered");
    eventually("disconnected", async || {
        w.odoo.sync(&w.service).await;
        (w.account()["status"] == "need_auth").then_some(())
    })
    .await;
    assert_eq!(w.stack.mails().await.len(), 30);
    w.forget_mails().await;
    // After another connection it waits for a decision, as at the first one.
    w.odoo.connect(&w.stack, &w.service, 7).await.expect("again");
    w.quiet().await;
    assert_eq!(w.stack.mails().await, []);
    assert_eq!(w.account()["waiting"], 1);
    assert!(w.stack.event(ANN, "Big").await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_without_an_address_are_named_and_all_else_syncs() {
    let mut w = world().await;
    let id = w.odoo.create(
        7,
        "Mixed",
        &odoo_time(2, "09:00:00"),
        &odoo_time(2, "10:00:00"),
        &[OUTSIDE],
    );
    let mut attendees = w.odoo.records[&id]["attendees"].clone();
    attendees.as_array_mut().unwrap().push(
        json!({"id": 900, "partner_id": 900, "user_id": null, "email": null,
        "name": "Cy Nomail", "state": "needsAction"}),
    );
    w.odoo.write(id, json!({"attendees": attendees}));
    w.quiet().await;
    assert_eq!(kinds(&w.stack.mails().await), [("invitation", OUTSIDE)]);
    let kwargs = json!({"user_id": 7, "res_id": id, "limit": 50});
    let call = w.odoo.call(&w.service, 7, "outlook.bridge", "journal", kwargs);
    let journal = call.await.expect("a journal");
    assert!(
        journal.to_string().contains("Cy Nomail has no mail address"),
        "{journal}"
    );
    w.quiet().await;
    let record = &w.odoo.records[&id];
    assert_eq!(
        record["attendees"].as_array().unwrap().len(),
        3,
        "the guest stays in Odoo"
    );
}

async fn answer_mails(w: &World, send: bool, mails: i64) -> Result<Value, Value> {
    let kwargs = json!({"user_id": 7, "send": send, "mails": mails});
    w.odoo
        .call(&w.service, 7, "res.users", "answer_mails", kwargs)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_waits_with_all_that_its_first_write_brings_after_it() {
    let mut w = world().await;
    let guests: Vec<String> = (0..10).map(|n| format!("guest{n}@contoso.example")).collect();
    let guests: Vec<&str> = guests.iter().map(String::as_str).collect();
    let id = w
        .odoo
        .create_weekly(7, "Weekly", &odoo_time(2, "09:00:00"), 80, &guests);
    w.quiet().await;
    assert_eq!(w.stack.mails().await.len(), 10);
    w.forget_mails().await;
    w.stop_or_restart("stop").await;
    for number in 0..30 {
        w.odoo.set_one(id, number, &json!({"location": "Elsewhere"}));
    }
    w.odoo.set_there(id, 35, false);
    w.odoo.sync(&w.service).await;
    w.stop_or_restart("restart").await;
    w.held(310).await;
    w.worked(7).await;
    assert_eq!(w.stack.mails().await, [], "not even the first");
    answer_mails(&w, true, 309)
        .await
        .expect_err("more than announced");
    answer_mails(&w, true, 310).await.expect("a yes to all of it");
    w.quiet().await;
    assert_eq!(w.account()["mails"], 0, "nobody is asked again");
    assert_eq!(w.stack.mails().await.len(), 310);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_never_mails_more_than_was_announced() {
    let mut w = world().await;
    {
        let mut conn = w.service.engine.store.get().await.expect("Postgres");
        let none = diesel::sql_query("UPDATE databases SET mail_budget = 0");
        diesel_async::RunQueryDsl::execute(none, &mut conn)
            .await
            .expect("a budget");
    }
    let id = w
        .odoo
        .create_weekly(7, "Weekly", &odoo_time(2, "09:00:00"), 12, &[CARLA, OUTSIDE]);
    w.quiet().await;
    let everybody = ["a@x.example", "b@x.example", CARLA, OUTSIDE];
    let mut seed: u64 = 16;
    let mut dice = move |sides: usize| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap_or_default() % sides
    };
    let mut compared = 0;
    for round in 0..8 {
        w.forget_mails().await;
        w.stop_or_restart("stop").await;
        for edit in 0..=dice(4) {
            let words = format!("{round} {edit}");
            let lines: Vec<Value> = everybody[..=dice(4)]
                .iter()
                .map(|email| json!({"id": 1, "partner_id": 2000 + email.len(), "user_id": null, "email": email, "name": email, "state": "needsAction"}))
                .collect();
            match dice(8) {
                0 => w.odoo.set_series(id, &json!({"name": words})),
                // Another hour: occurrences that were changed or taken out may have to be mailed
                // again.
                6 | 7 => w.odoo.shift_series(id, 30),
                1 => w.odoo.set_series(id, &json!({"attendees": lines})),
                2 => w.odoo.set_there(id, 9 + dice(2), false),
                3 => w.odoo.set_one(id, dice(8), &json!({"attendees": lines})),
                _ => w.odoo.set_one(id, dice(8), &json!({"location": words})),
            }
        }
        w.odoo.sync(&w.service).await;
        w.stop_or_restart("restart").await;
        w.worked(7).await;
        w.odoo.sync(&w.service).await;
        let announced = w.account()["mails"].as_i64().unwrap_or_default();
        assert_eq!(w.stack.mails().await, [], "round {round}");
        if announced == 0 {
            continue;
        }
        answer_mails(&w, true, announced).await.expect("a yes");
        w.quiet().await;
        let mails = w.stack.mails().await;
        let sent = i64::try_from(mails.len()).expect("a number");
        assert!(
            sent > 0 && sent <= announced,
            "round {round}: {sent} of {announced}: {mails:?}"
        );
        assert_eq!(w.account()["mails"], 0, "round {round}: nobody is asked twice");
        compared += 1;
    }
    assert!(compared >= 4, "{compared}");
}
