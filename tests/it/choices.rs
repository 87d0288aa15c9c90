//! What a person chooses to sync: what is kept out never crosses, and nothing is deleted for it.

use serde_json::{Value, json};

use super::odoo::Odoo;
use super::stack::{ANN, BEN, id_of};
use super::world::{CARLA, OUTSIDE, World, day, odoo_time, world};

async fn choose(w: &World, user: Option<i32>, choices: Value) {
    let kwargs = json!({"user_id": user, "choices": choices});
    ask(w, "set", kwargs).await.expect("chosen");
}

async fn ask(w: &World, method: &str, kwargs: Value) -> Result<Value, Value> {
    w.odoo
        .call(&w.service, 7, "outlook.bridge.choices", method, kwargs)
        .await
}

fn at(hour: &str) -> String {
    odoo_time(3, hour)
}

fn create(w: &mut World, name: &str, guests: &[&str]) -> i64 {
    w.odoo.create(7, name, &at("09:00:00"), &at("10:00:00"), guests)
}

/// Makes an event in Ann's mailbox at once as it is to be, as it may be read at any time.
async fn outlook_event(w: &World, subject: &str, more: Value) -> Value {
    let mut event = json!({"subject": subject,
        "start": {"dateTime": day(3, "10:00:00"), "timeZone": "UTC"},
        "end": {"dateTime": day(3, "11:00:00"), "timeZone": "UTC"}});
    for (name, value) in more.as_object().into_iter().flatten() {
        event[name.as_str()] = value.clone();
    }
    let path = format!("mailboxes/{ANN}/events");
    w.stack.sim_call("POST", &path, event).await
}

fn in_odoo<'a>(odoo: &'a Odoo, name: &str) -> &'a Value {
    odoo.by_name(name)
        .unwrap_or_else(|| panic!("no {name} in {:#?}", odoo.records))
}

async fn in_outlook(w: &World, name: &str) -> Value {
    let found = w.stack.event(ANN, name).await;
    found.unwrap_or_else(|| panic!("no {name} in Outlook"))
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_go_one_way_and_the_other_side_keeps_its_own() {
    let mut w = world().await;
    create(&mut w, "Both ways", &[]);
    w.quiet().await;
    choose(&w, Some(7), json!({"direction": "to_odoo"})).await;
    let id = create(&mut w, "Odoo's own", &[]);
    w.outlook_creates(ANN, "Outlook's own", &[]).await;
    let both = in_outlook(&w, "Both ways").await;
    w.outlook_edits(ANN, &both, json!({"location": {"displayName": "Room 1"}}))
        .await;
    w.quiet().await;
    assert!(w.stack.event(ANN, "Odoo's own").await.is_none());
    in_odoo(&w.odoo, "Outlook's own");
    assert_eq!(in_odoo(&w.odoo, "Both ways")["location"], "Room 1");
    // What is saved in Odoo stays there: also a deletion.
    let linked = in_odoo(&w.odoo, "Both ways")["id"].as_i64().expect("an id");
    w.odoo.write(linked, json!({"location": "Room 2"}));
    w.quiet().await;
    assert_eq!(
        in_outlook(&w, "Both ways").await["location"]["displayName"],
        "Room 1"
    );
    w.odoo.unlink(linked);
    w.quiet().await;
    in_outlook(&w, "Both ways").await;
    // The other choice: what only Odoo had goes, what was deleted meanwhile stays.
    choose(&w, Some(7), json!({"direction": "to_outlook"})).await;
    w.quiet().await;
    in_outlook(&w, "Odoo's own").await;
    in_outlook(&w, "Both ways").await;
    let own = in_outlook(&w, "Outlook's own").await;
    w.outlook_edits(ANN, &own, json!({"subject": "Renamed"})).await;
    w.outlook_creates(ANN, "Not for Odoo", &[]).await;
    w.quiet().await;
    let kept = in_odoo(&w.odoo, "Outlook's own")["id"].clone();
    assert!(w.odoo.by_name("Not for Odoo").is_none());
    let about = json!({"user_id": 7, "res_id": kept, "limit": 5});
    let lines = w
        .odoo
        .call(&w.service, 7, "outlook.bridge", "journal", about)
        .await;
    let standing = lines.expect("the journal")[0].clone();
    assert_eq!(
        standing["message"],
        "it was changed in Outlook and is another one in Odoo, as changes go only to Outlook"
    );
    // Deleted in Outlook: it stays in Odoo.
    let sent = in_outlook(&w, "Odoo's own").await;
    w.outlook_deletes(ANN, &sent).await;
    w.quiet().await;
    assert_eq!(w.odoo.records[&id]["active"], true);
    choose(&w, Some(7), json!({})).await;
    w.quiet().await;
    assert_eq!(
        w.odoo.records[&id]["active"], true,
        "nothing is deleted for a choice"
    );
    in_odoo(&w.odoo, "Not for Odoo");
    in_odoo(&w.odoo, "Renamed");
    assert!(w.stack.event(ANN, "Odoo's own").await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_event_shows_only_its_time_and_odoo_invites_its_guests() {
    let mut w = world().await;
    choose(&w, Some(7), json!({"private": "busy", "busy_title": "Occupé"})).await;
    let id = create(&mut w, "Interview", &[OUTSIDE]);
    w.odoo.write(
        id,
        json!({"privacy": "private", "description": "<p>Salary</p>", "location": "Home"}),
    );
    let body = json!({"contentType": "html", "content": "<p>Knee</p>"});
    outlook_event(&w, "Doctor", json!({"sensitivity": "private", "body": body})).await;
    w.quiet().await;
    let shown = in_outlook(&w, "Occupé").await;
    assert_eq!(shown["attendees"], json!([]));
    assert!(
        !shown.to_string().contains("Salary") && !shown.to_string().contains("Home"),
        "{shown:#}"
    );
    assert_eq!(w.stack.mails().await, []);
    assert_eq!(w.odoo.records[&id]["name"], "Interview");
    let stand_in = in_odoo(&w.odoo, "Occupé").clone();
    assert!(!stand_in.to_string().contains("Knee"), "{stand_in:#}");
    // Times follow their event; what stands for it does not change it.
    w.odoo
        .write(id, json!({"start": at("12:00:00"), "stop": at("13:00:00")}));
    let other = stand_in["id"].as_i64().expect("an id");
    w.odoo.write(
        other,
        json!({"name": "Mine now", "start": at("15:00:00"), "stop": at("16:00:00")}),
    );
    w.quiet().await;
    let shown = in_outlook(&w, "Occupé").await;
    assert_eq!(
        shown["start"]["dateTime"],
        format!("{}.0000000", day(3, "12:00:00"))
    );
    in_outlook(&w, "Doctor").await;
    assert!(w.stack.event(ANN, "Mine now").await.is_none());
    // A private event that nobody must see stays where it is.
    choose(&w, Some(7), json!({"private": "not_at_all"})).await;
    let hidden = create(&mut w, "Therapy", &[]);
    w.odoo.write(hidden, json!({"privacy": "private"}));
    w.quiet().await;
    assert!(w.stack.event(ANN, "Therapy").await.is_none());
    in_outlook(&w, "Occupé").await;
    // It is no longer private: now it crosses.
    w.odoo.write(hidden, json!({"privacy": "public"}));
    w.quiet().await;
    in_outlook(&w, "Therapy").await;
    assert_eq!(w.stack.mails().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_kept_out_by_category_title_availability_date_and_response() {
    let mut w = world().await;
    let first = chrono::Utc::now().date_naive() + chrono::TimeDelta::days(2);
    let choices = json!({"without_categories": ["Family"], "without_titles": ["lunch"], "without_free": true,
        "only_accepted": true, "from": first});
    choose(&w, Some(7), choices).await;
    let named = outlook_event(&w, "School", json!({"categories": ["FAMILY"]})).await;
    w.outlook_creates(ANN, "Team Lunch", &[]).await;
    let free = outlook_event(&w, "Holiday of others", json!({"showAs": "free"})).await;
    let invited = w.outlook_creates(CARLA, "Invitation", &[ANN]).await;
    w.odoo.create(
        7,
        "Tomorrow",
        &odoo_time(1, "09:00:00"),
        &odoo_time(1, "10:00:00"),
        &[],
    );
    let lunch = create(&mut w, "Lunch with Zoe", &[OUTSIDE]);
    let tagged = create(&mut w, "Dinner", &[OUTSIDE]);
    w.odoo.write(tagged, json!({"tags": ["Customers", "family"]}));
    let series = w
        .odoo
        .create_weekly(7, "Choir", &odoo_time(3, "18:00:00"), 3, &[]);
    w.odoo.records.get_mut(&series).expect("a series")["tags"] = json!(["Family"]);
    w.outlook_creates(ANN, "Review", &[]).await;
    create(&mut w, "Report", &[]);
    w.quiet().await;
    for name in ["School", "Team Lunch", "Holiday of others", "Invitation"] {
        assert!(w.odoo.by_name(name).is_none(), "{name}");
    }
    for name in ["Tomorrow", "Lunch with Zoe", "Dinner", "Choir"] {
        assert!(w.stack.event(ANN, name).await.is_none(), "{name}");
    }
    in_odoo(&w.odoo, "Review");
    in_outlook(&w, "Report").await;
    assert_eq!(
        w.stack
            .mails()
            .await
            .iter()
            .filter(|(_, to)| to == OUTSIDE)
            .count(),
        0
    );
    // Each comes once its reason is gone.
    w.outlook_edits(ANN, &named, json!({"categories": []})).await;
    w.outlook_edits(ANN, &free, json!({"showAs": "busy"})).await;
    let answer = w.stack.event(ANN, "Invitation").await.expect("in her mailbox");
    w.stack
        .sim_call(
            "POST",
            &format!("mailboxes/{ANN}/events/{}/respond", id_of(&answer)),
            json!({"response": "accept"}),
        )
        .await;
    w.odoo.write(lunch, json!({"name": "Talk with Zoe"}));
    w.odoo.write(tagged, json!({"tags": ["Customers"]}));
    w.quiet().await;
    for name in ["School", "Holiday of others", "Invitation"] {
        in_odoo(&w.odoo, name);
    }
    in_outlook(&w, "Talk with Zoe").await;
    in_outlook(&w, "Dinner").await;
    drop(invited);
    // What is kept out although both have it stays on both sides, whoever deletes it.
    let both = in_odoo(&w.odoo, "Review")["id"].as_i64().expect("an id");
    w.odoo.write(both, json!({"name": "Review lunch"}));
    w.quiet().await;
    let review = in_outlook(&w, "Review").await;
    w.outlook_deletes(ANN, &review).await;
    w.quiet().await;
    assert_eq!(w.odoo.records[&both]["active"], true);
    choose(&w, Some(7), json!({})).await;
    w.quiet().await;
    assert_eq!(w.odoo.records[&both]["active"], true);
    in_odoo(&w.odoo, "Team Lunch");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_comes_for_a_guest_who_wants_it_whatever_another_has_chosen() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    choose(&w, Some(7), json!({"direction": "to_outlook"})).await;
    w.quiet().await;
    w.outlook_creates(CARLA, "For both", &[ANN, BEN]).await;
    w.outlook_creates(CARLA, "For Ann", &[ANN]).await;
    w.quiet().await;
    in_odoo(&w.odoo, "For both");
    assert!(w.odoo.by_name("For Ann").is_none());
    // A preview knows the other guest, too, whoever of them chooses.
    choose(&w, Some(7), json!({})).await;
    w.quiet().await;
    in_odoo(&w.odoo, "For Ann");
    w.outlook_creates(CARLA, "For Ben", &[BEN]).await;
    w.quiet().await;
    for (user, alone) in [(7, "For Ann"), (8, "For Ben")] {
        let request = json!({"user_id": user, "choices": {"direction": "to_outlook"}});
        let preview = ask(&w, "preview", request).await.expect("a preview");
        let named: Vec<&Value> = preview["stays"]["events"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|event| &event["title"])
            .collect();
        assert_eq!(named, [alone], "{preview:#}");
        assert_eq!(preview["looked_at"], 2);
    }
    let for_all = ask(&w, "preview", json!({"choices": {"direction": "to_outlook"}})).await;
    assert_eq!(
        for_all.expect("a preview")["stays"]["count"],
        3,
        "nobody is left who wants it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn reminders_stay_where_they_were_set() {
    let mut w = world().await;
    choose(&w, Some(7), json!({"without_reminders": true})).await;
    let reminder = json!({"isReminderOn": true, "reminderMinutesBeforeStart": 30});
    let event = outlook_event(&w, "With reminder", reminder).await;
    w.quiet().await;
    let record = in_odoo(&w.odoo, "With reminder");
    assert_eq!(record["reminder_minutes"], json!([]), "{record:#}");
    w.outlook_edits(ANN, &event, json!({"reminderMinutesBeforeStart": 45}))
        .await;
    w.quiet().await;
    assert_eq!(
        in_outlook(&w, "With reminder").await["reminderMinutesBeforeStart"],
        45
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_bounds_everybody_and_a_preview_says_what_changes() {
    let mut w = world().await;
    create(&mut w, "Lunch", &[]);
    w.outlook_creates(ANN, "Review", &[]).await;
    w.quiet().await;
    let preview = ask(
        &w,
        "preview",
        json!({"user_id": 7, "choices": {"without_titles": ["lunch"]}}),
    )
    .await;
    let preview = preview.expect("a preview");
    assert_eq!(preview["looked_at"], 2, "{preview:#}");
    assert_eq!(preview["stays"]["count"], 1);
    assert_eq!(preview["stays"]["events"][0]["title"], "Lunch");
    assert_eq!(
        preview["stays"]["events"][0]["why"],
        json!({"code": "choice_title", "args": {"word": "lunch"}})
    );
    let for_all = ask(&w, "preview", json!({"choices": {"direction": "to_outlook"}})).await;
    assert_eq!(for_all.expect("a preview")["stays"]["count"], 2);
    choose(&w, None, json!({"direction": "to_outlook"})).await;
    choose(&w, Some(7), json!({"direction": "to_odoo"})).await;
    let present = ask(&w, "get", json!({"user_id": 7})).await.expect("the choices");
    assert_eq!(present["effective"]["direction"], "neither");
    w.outlook_creates(ANN, "Later", &[]).await;
    create(&mut w, "Later, too", &[]);
    w.quiet().await;
    assert!(w.odoo.by_name("Later").is_none());
    assert!(w.stack.event(ANN, "Later, too").await.is_none());
    choose(&w, None, json!({})).await;
    w.quiet().await;
    in_odoo(&w.odoo, "Later");
    // Bad choices change nothing.
    for choices in [
        json!({"without_titles": [" "]}),
        json!({"direction": "neither"}),
        json!({"shape": "round"}),
    ] {
        let error = ask(&w, "set", json!({"user_id": 7, "choices": choices}))
            .await
            .unwrap_err();
        assert_eq!(error["data"]["name"], "odoo.exceptions.UserError", "{error:#}");
    }
    assert!(
        ask(&w, "set", json!({"user_id": 99, "choices": {}}))
            .await
            .is_err()
    );
    let present = ask(&w, "get", json!({"user_id": 7})).await.expect("the choices");
    assert_eq!(present["own"]["direction"], "to_odoo");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_for_a_private_event_is_not_the_event() {
    let mut w = world().await;
    choose(&w, Some(7), json!({"private": "busy", "busy_title": "Busy"})).await;
    let body = json!({"contentType": "html", "content": "<p>Knee</p>"});
    let doctor = outlook_event(&w, "Doctor", json!({"sensitivity": "private", "body": body})).await;
    let dentist = json!({"contentType": "html", "content": "<p>Tooth</p>"});
    outlook_event(
        &w,
        "Dentist",
        json!({"sensitivity": "private", "body": dentist,
        "start": {"dateTime": day(4, "10:00:00"), "timeZone": "UTC"},
        "end": {"dateTime": day(4, "11:00:00"), "timeZone": "UTC"}}),
    )
    .await;
    let id = create(&mut w, "Interview", &[OUTSIDE]);
    w.odoo.write(
        id,
        json!({"privacy": "private", "description": "<p>Salary</p>", "mailer": "outlook"}),
    );
    w.quiet().await;
    assert_eq!(w.odoo.invited, ["Interview"], "Outlook does not know the guests");
    w.odoo
        .write(id, json!({"start": at("12:00:00"), "stop": at("13:00:00")}));
    w.quiet().await;
    assert_eq!(w.odoo.invited, ["Interview"], "once");
    assert_eq!(w.stack.mails().await, []);

    // Another title is for what is made from then on.
    choose(&w, Some(7), json!({"private": "busy", "busy_title": "Occupé"})).await;
    w.quiet().await;
    let stand_ins: Vec<i64> = w
        .odoo
        .records
        .values()
        .filter(|record| record["name"] == "Busy" && record["active"] == true)
        .filter_map(|record| record["id"].as_i64())
        .collect();
    assert_eq!(stand_ins.len(), 2);
    w.outlook_edits(
        ANN,
        &doctor,
        json!({"start": {"dateTime": day(5, "14:00:00"), "timeZone": "UTC"},
        "end": {"dateTime": day(5, "15:00:00"), "timeZone": "UTC"}}),
    )
    .await;
    w.quiet().await;
    let moved = stand_ins
        .iter()
        .find(|id| w.odoo.records[id]["start"] == odoo_time(5, "14:00:00"));
    let moved = *moved.expect("it follows the event");
    let other = stand_ins.iter().find(|id| **id != moved).expect("the dentist's");

    // Deleted in Odoo: the event stays. Deleted in Outlook: what stood for it goes.
    w.odoo.unlink(*other);
    w.outlook_deletes(ANN, &doctor).await;
    w.quiet().await;
    in_outlook(&w, "Dentist").await;
    assert_eq!(w.odoo.records[&moved]["active"], false);
    choose(&w, Some(7), json!({})).await;
    w.quiet().await;
    in_outlook(&w, "Dentist").await;
    assert_eq!(w.stack.mails().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_given_a_meeting_that_their_choices_keep_out() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    choose(&w, Some(8), json!({"without_titles": ["lunch"]})).await;
    let id = create(&mut w, "Lunch with Zoe", &[OUTSIDE]);
    w.quiet().await;
    in_outlook(&w, "Lunch with Zoe").await;
    w.forget_mails().await;
    let ben = w.odoo.organizer(8);
    w.odoo.write(id, json!({ "organizer": ben }));
    w.quiet().await;
    in_outlook(&w, "Lunch with Zoe").await;
    assert_eq!(w.stack.mails().await, [], "nothing is cancelled");
}

/// Makes a private weekly series in Ann's mailbox.
async fn private_series(w: &World, subject: &str) -> Value {
    let begin = chrono::Utc::now().date_naive() + chrono::TimeDelta::days(3);
    let weekday = begin.format("%A").to_string().to_lowercase();
    let recurrence = json!({"pattern": {"type": "weekly", "interval": 1, "daysOfWeek": [weekday]},
        "range": {"type": "numbered", "startDate": begin, "numberOfOccurrences": 4}});
    let body = json!({"contentType": "html", "content": "<p>Secret</p>"});
    outlook_event(
        w,
        subject,
        json!({"sensitivity": "private", "body": body, "recurrence": recurrence}),
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_series_shows_only_its_times_whatever_single_occurrences_have() {
    let mut w = world().await;
    choose(&w, Some(7), json!({"private": "busy", "busy_title": "Busy"})).await;
    let id = w.odoo.create_weekly(7, "Therapy", &at("09:00:00"), 4, &[]);
    w.odoo
        .set_series(id, &json!({"privacy": "private", "location": "Secret place"}));
    w.odoo.set_one(
        id,
        1,
        &json!({"name": "Therapy of Zoe", "location": "Secret room"}),
    );
    let course = private_series(&w, "Course").await;
    w.quiet().await;
    let shown = in_outlook(&w, "Busy").await;
    assert_eq!(shown["type"], "seriesMaster", "{shown:#}");
    let hour = |event: &Value| {
        let start = event["start"]["dateTime"].as_str().expect("a time");
        start[11..13].parse::<u32>().expect("an hour")
    };
    let before = hour(&shown);
    let all = json!(w.stack.events(ANN).await).to_string();
    assert!(
        !all.contains("Secret place") && !all.contains("Secret room") && !all.contains("Zoe"),
        "{all}"
    );
    let stand_in = w.odoo.series_by_name("Busy").expect("the course's times");
    assert!(!w.odoo.records[&stand_in].to_string().contains("Secret"));

    // Times follow: of all, of one, and of one that is taken out.
    w.odoo.shift_series(id, 60);
    w.odoo.set_there(id, 2, false);
    w.quiet().await;
    let shown = in_outlook(&w, "Busy").await;
    assert_eq!(hour(&shown), before + 1, "{shown:#}");
    assert_eq!(w.odoo.records[&id]["template"]["name"], "Therapy");
    assert_eq!(w.odoo.records[&id]["template"]["location"], "Secret place");
    let all = json!(w.stack.events(ANN).await).to_string();
    assert!(
        !all.contains("Secret place") && !all.contains("Secret room"),
        "{all}"
    );

    // What stands for the course is deleted in Odoo, and the therapy for good.
    w.odoo.archive_series(stand_in);
    w.odoo.archive_series(id);
    w.quiet().await;
    in_outlook(&w, "Course").await;
    assert!(w.stack.event(ANN, "Busy").await.is_none());
    choose(&w, Some(7), json!({})).await;
    w.quiet().await;
    in_outlook(&w, "Course").await;
    w.outlook_deletes(ANN, &course).await;
    w.quiet().await;
    assert_eq!(w.stack.mails().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_goes_one_way_with_its_occurrences() {
    let mut w = world().await;
    let id = w.odoo.create_weekly(7, "Weekly", &at("09:00:00"), 4, &[]);
    w.quiet().await;
    choose(&w, Some(7), json!({"direction": "to_odoo"})).await;
    w.odoo.set_one(id, 1, &json!({"name": "Only in Odoo"}));
    w.odoo.set_there(id, 2, false);
    w.odoo.create_weekly(7, "Odoo's own", &at("12:00:00"), 3, &[]);
    w.quiet().await;
    let all = json!(w.stack.events(ANN).await).to_string();
    assert!(
        !all.contains("Only in Odoo") && !all.contains("Odoo's own"),
        "{all}"
    );
    let master = in_outlook(&w, "Weekly").await;
    assert_eq!(
        master["cancelledOccurrences"].as_array().map_or(0, Vec::len),
        0,
        "{master:#}"
    );
    w.outlook_edits(ANN, &master, json!({"location": {"displayName": "Room 1"}}))
        .await;
    w.quiet().await;
    assert_eq!(w.odoo.records[&id]["template"]["location"], "Room 1");
    // The other way: the series is deleted in Outlook, and stays in Odoo.
    choose(&w, Some(7), json!({"direction": "to_outlook"})).await;
    w.quiet().await;
    in_outlook(&w, "Odoo's own").await;
    let all = json!(w.stack.events(ANN).await).to_string();
    assert!(all.contains("Only in Odoo"), "what waited goes now: {all}");
    w.outlook_deletes(ANN, &master).await;
    w.quiet().await;
    assert_eq!(w.odoo.records[&id]["active"], true);
    choose(&w, Some(7), json!({})).await;
    w.quiet().await;
    assert_eq!(w.odoo.records[&id]["active"], true);
    assert!(w.stack.event(ANN, "Weekly").await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn odoo_mails_the_guests_as_long_as_outlook_does_not_learn_of_them() {
    let mut w = world().await;
    let id = create(&mut w, "Meeting", &[OUTSIDE]);
    w.quiet().await;
    let mailer = |w: &World| w.odoo.records[&id]["mailer"].clone();
    assert_eq!(mailer(&w), "outlook");
    w.forget_mails().await;
    for choices in [
        json!({"direction": "to_odoo"}),
        json!({"without_titles": ["meet"]}),
    ] {
        choose(&w, Some(7), choices).await;
        w.quiet().await;
        assert_eq!(mailer(&w), "odoo");
        choose(&w, Some(7), json!({})).await;
        w.quiet().await;
        assert_eq!(mailer(&w), "outlook");
    }
    assert_eq!(w.stack.mails().await, []);
    assert!(
        w.odoo.invited.is_empty(),
        "who is invited already is not invited again"
    );
}
