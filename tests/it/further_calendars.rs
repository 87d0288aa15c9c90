//! Further calendars of a mailbox that a person has chosen: their events come to Odoo and follow
//! Outlook, nothing is ever written to them, and nobody is mailed.

use serde_json::{Value, json};

use super::odoo::Odoo;
use super::stack::{ANN, BEN, id_of, requests};
use super::world::{CARLA, OUTSIDE, World, active, day, odoo_time, world};

pub async fn call(w: &World, method: &str, kwargs: Value) -> Result<Value, Value> {
    w.odoo
        .call(&w.service, 7, "outlook.bridge.choices", method, kwargs)
        .await
}

pub async fn choose(w: &World, user: i32, calendars: &[&str]) {
    let kwargs = json!({"user_id": user, "choices": {"calendars": calendars}});
    call(w, "set", kwargs).await.expect("chosen");
}

/// Makes a calendar in a person's mailbox, and lets the service list it.
pub async fn calendar(w: &World, person: &str, user: i32, name: &str) -> String {
    let path = format!("mailboxes/{person}/calendars");
    let made = w.stack.sim_call("POST", &path, json!({"name": name})).await;
    let told = call(w, "calendars", json!({"user_id": user}))
        .await
        .expect("listed");
    let is_listed = |one: &Value| one["id"] == made["id"] && one["name"] == name;
    let listed = told["calendars"].as_array().expect("a list");
    assert!(listed.iter().any(is_listed), "{told:#}");
    made["id"].as_str().expect("an id").to_owned()
}

/// Makes an event in a calendar.
pub async fn event_in(w: &World, person: &str, calendar: &str, subject: &str, more: Value) -> Value {
    let mut event = json!({"subject": subject, "calendar": calendar,
        "start": {"dateTime": day(3, "10:00:00"), "timeZone": "UTC"},
        "end": {"dateTime": day(3, "11:00:00"), "timeZone": "UTC"}});
    for (name, value) in more.as_object().into_iter().flatten() {
        event[name.as_str()] = value.clone();
    }
    let path = format!("mailboxes/{person}/events");
    w.stack.sim_call("POST", &path, event).await
}

pub async fn moved(w: &World, person: &str, event: &Value, calendar: &str) -> Value {
    let path = format!("mailboxes/{person}/events/{}/move", id_of(event));
    w.stack
        .sim_call("POST", &path, json!({"calendar": calendar}))
        .await
}

async fn own_calendar(w: &World, person: &str) -> String {
    let mailboxes = w.stack.sim_call("GET", "mailboxes", Value::Null).await;
    let mut people = mailboxes["value"].as_array().expect("people").iter();
    let found = people.find(|one| one["address"] == person).expect("a person");
    let mut calendars = found["calendars"].as_array().expect("calendars").iter();
    let own = calendars.find(|one| one["default"] == true).expect("one's own");
    own["id"].as_str().expect("an id").to_owned()
}

pub fn active_with(odoo: &Odoo, name: &str) -> Vec<Value> {
    let is_it = |record: &&Value| record["name"] == name && record["active"] == true;
    odoo.records.values().filter(is_it).cloned().collect()
}

pub fn the_one(odoo: &Odoo, name: &str) -> Value {
    let found = active_with(odoo, name);
    assert_eq!(found.len(), 1, "{name}: {found:#?}");
    found[0].clone()
}

pub fn id_in_odoo(record: &Value) -> i64 {
    record["id"].as_i64().expect("an id")
}

/// Asserts that no request has written anything, and that nobody was mailed.
pub async fn nothing_was_written(w: &World) {
    for request in requests(&w.stack, "").await {
        let path = request["path"].as_str().expect("a path");
        let reads = request["method"] == "GET" || path.ends_with("/$batch") || !path.starts_with("/v1.0/");
        assert!(reads, "written: {request:#}");
    }
    assert_eq!(w.stack.mails().await, []);
}

pub async fn forget_requests(w: &World) {
    w.stack.sim_call("DELETE", "requests", Value::Null).await;
    w.forget_mails().await;
}

/// Returns how an event of Ann's stands.
async fn standing(w: &World, id: i64) -> String {
    let about = json!({"user_id": 7, "res_id": id, "limit": 5});
    let lines = w
        .odoo
        .call(&w.service, 7, "outlook.bridge", "journal", about)
        .await
        .expect("the journal");
    assert_eq!(lines[0]["standing"], true, "{lines:#}");
    lines[0]["message"].as_str().expect("words").to_owned()
}

pub async fn journal(w: &World, about: Value) -> String {
    let lines = w
        .odoo
        .call(&w.service, 7, "outlook.bridge", "journal", about)
        .await;
    lines.expect("the journal").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn its_events_come_and_follow_and_nothing_goes_back() {
    let mut w = world().await;
    let family = calendar(&w, ANN, 7, "Family").await;
    let guests = json!({"attendees": [{"type": "required", "emailAddress": {"address": OUTSIDE}}]});
    let dinner = event_in(&w, ANN, &family, "Dinner", guests).await;
    let whole_day = json!({"isAllDay": true,
        "start": {"dateTime": day(4, "00:00:00"), "timeZone": "UTC"},
        "end": {"dateTime": day(5, "00:00:00"), "timeZone": "UTC"}});
    event_in(&w, ANN, &family, "Holiday", whole_day).await;
    w.quiet().await;
    assert!(w.odoo.by_name("Dinner").is_none(), "not chosen yet");
    forget_requests(&w).await;
    choose(&w, 7, &[&family]).await;
    w.quiet().await;
    let record = the_one(&w.odoo, "Dinner");
    assert_eq!(record["organizer"]["user_id"], 7);
    let guests: Vec<&str> = record["attendees"]
        .as_array()
        .expect("attendees")
        .iter()
        .filter_map(|attendee| attendee["email"].as_str())
        .collect();
    assert_eq!(
        guests,
        [ANN],
        "it is in her calendar, and nobody becomes a contact"
    );
    assert_eq!(the_one(&w.odoo, "Holiday")["allday"], true);
    // It follows.
    w.outlook_edits(ANN, &dinner, json!({"location": {"displayName": "Home"}}))
        .await;
    w.forget_mails().await;
    w.quiet().await;
    assert_eq!(the_one(&w.odoo, "Dinner")["location"], "Home");
    // What is done in Odoo stays there, whoever is added.
    let id = id_in_odoo(&record);
    w.odoo
        .write(id, json!({"description": "<p>Mine</p>", "name": "Dinner!"}));
    w.odoo.change_guests(id, &["new@outside.example"], &[]);
    w.quiet().await;
    assert!(w.stack.event(ANN, "Dinner!").await.is_none());
    assert_eq!(
        standing(&w, id).await,
        "it was changed in Odoo and is another one in Outlook, as it is in a further calendar of Outlook, which comes only to Odoo"
    );
    let holiday = id_in_odoo(&the_one(&w.odoo, "Holiday"));
    w.odoo.unlink(holiday);
    w.quiet().await;
    assert!(w.stack.event(ANN, "Holiday").await.is_some());
    assert_eq!(active_with(&w.odoo, "Holiday").len(), 0, "it does not come back");
    nothing_was_written(&w).await;
    // A deletion in Outlook comes.
    w.outlook_deletes(ANN, &dinner).await;
    w.forget_mails().await;
    w.quiet().await;
    assert_eq!(w.odoo.records[&id]["active"], false);
    // Who wants it back in Odoo has it there alone.
    w.odoo.write(id, json!({"active": true}));
    w.quiet().await;
    assert_eq!(w.odoo.records[&id]["active"], true);
    nothing_was_written(&w).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_comes_with_its_exceptions() {
    let mut w = world().await;
    let club = calendar(&w, ANN, 7, "Club").await;
    let recurrence = json!({"recurrence": {
        "pattern": {"type": "daily", "interval": 1},
        "range": {"type": "numbered", "startDate": day(3, "").trim_end_matches('T'), "numberOfOccurrences": 4}}});
    let series = event_in(&w, ANN, &club, "Training", recurrence).await;
    forget_requests(&w).await;
    choose(&w, 7, &[&club]).await;
    w.quiet().await;
    let starts = |w: &World| {
        let Some(id) = w.odoo.series_by_name("Training") else {
            return Vec::new();
        };
        let start = |(_, one): (_, Value)| one["start"].as_str().expect("a start").to_owned();
        w.odoo.occurrences(id).into_iter().map(start).collect::<Vec<_>>()
    };
    let daily: Vec<String> = (3..7).map(|days| odoo_time(days, "10:00:00")).collect();
    assert_eq!(starts(&w), daily);
    let path = format!("mailboxes/{ANN}/events/{}", id_of(&series));
    let shown = w.stack.sim_call("GET", &path, Value::Null).await;
    let second = shown["occurrences"][1].clone();
    let late = json!({"start": {"dateTime": day(4, "12:00:00"), "timeZone": "UTC"},
        "end": {"dateTime": day(4, "13:00:00"), "timeZone": "UTC"}});
    w.outlook_edits(ANN, &second, late).await;
    w.outlook_deletes(ANN, &shown["occurrences"][3]).await;
    w.quiet().await;
    let expected = [
        odoo_time(3, "10:00:00"),
        odoo_time(4, "12:00:00"),
        odoo_time(5, "10:00:00"),
    ];
    assert_eq!(starts(&w), expected);
    nothing_was_written(&w).await;
    w.outlook_deletes(ANN, &series).await;
    w.quiet().await;
    assert_eq!(starts(&w), Vec::<String>::new());
    nothing_was_written(&w).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_longer_chosen_stays_and_follows_again_once_it_is() {
    let mut w = world().await;
    let [family, club] = [
        calendar(&w, ANN, 7, "Family").await,
        calendar(&w, ANN, 7, "Club").await,
    ];
    let dinner = event_in(&w, ANN, &family, "Dinner", json!({})).await;
    let gone = event_in(&w, ANN, &family, "Gone meanwhile", json!({})).await;
    let match_ = event_in(&w, ANN, &club, "Match", json!({})).await;
    choose(&w, 7, &[&family, &club]).await;
    w.quiet().await;
    assert_eq!(active(&w), 3);
    let choices = json!({"user_id": 7, "choices": {"calendars": [club]}});
    let preview = call(&w, "preview", choices.clone()).await.expect("a preview");
    assert_eq!(preview["stays"]["count"], 2, "{preview:#}");
    assert_eq!(
        preview["stays"]["events"][0]["why"]["code"],
        "choice_calendar_not_chosen"
    );
    call(&w, "set", choices).await.expect("chosen");
    w.quiet().await;
    assert_eq!(active(&w), 3, "nothing is deleted for a choice");
    let line = journal(&w, json!({"user_id": 7})).await;
    assert!(
        line.contains("“Family” is no longer chosen: its events stay in Odoo (2)"),
        "{line}"
    );
    w.outlook_edits(ANN, &dinner, json!({"subject": "Supper"})).await;
    w.outlook_deletes(ANN, &gone).await;
    w.outlook_edits(ANN, &match_, json!({"subject": "Final"})).await;
    w.quiet().await;
    the_one(&w.odoo, "Dinner");
    the_one(&w.odoo, "Gone meanwhile");
    the_one(&w.odoo, "Final");
    choose(&w, 7, &[&family, &club]).await;
    w.quiet().await;
    the_one(&w.odoo, "Supper");
    the_one(&w.odoo, "Final");
    assert_eq!(active(&w), 2, "without a duplicate");
    // An administrator does not offer them any more.
    let nobody = json!({"user_id": null, "choices": {"without_calendars": true}});
    call(&w, "set", nobody).await.expect("for everybody");
    let told = call(&w, "calendars", json!({"user_id": 7}))
        .await
        .expect("listed");
    assert_eq!(
        (&told["offered"], &told["calendars"]),
        (&json!(false), &json!([]))
    );
    w.outlook_edits(ANN, &dinner, json!({"subject": "Feast"})).await;
    w.quiet().await;
    the_one(&w.odoo, "Supper");
    call(&w, "set", json!({"user_id": null, "choices": {}}))
        .await
        .expect("for everybody");
    w.quiet().await;
    the_one(&w.odoo, "Feast");
    nothing_was_written(&w).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_that_cannot_be_read_holds_up_nothing_else() {
    let mut w = world().await;
    let [closed, open, gone] = [
        calendar(&w, ANN, 7, "Closed").await,
        calendar(&w, ANN, 7, "Open").await,
        calendar(&w, ANN, 7, "Short-lived").await,
    ];
    event_in(&w, ANN, &closed, "Behind the door", json!({})).await;
    let kept = event_in(&w, ANN, &gone, "Kept", json!({})).await;
    let refused =
        json!([{"path": format!("/calendars/{closed}/"), "status": 403, "code": "ErrorAccessDenied"}]);
    w.stack.sim_call("PUT", "faults", refused).await;
    choose(&w, 7, &[&closed, &open, &gone]).await;
    w.quiet().await;
    event_in(&w, ANN, &open, "In the open", json!({})).await;
    let odd = json!({"garbles_subject": "Odd"});
    w.stack.sim_call("PUT", "switches", odd).await;
    event_in(&w, ANN, &open, "Odd", json!({})).await;
    w.outlook_creates(ANN, "Her own", &[]).await;
    w.quiet().await;
    for name in ["In the open", "Her own", "Kept"] {
        the_one(&w.odoo, name);
    }
    assert!(w.odoo.by_name("Odd").is_none());
    let line = journal(&w, json!({"user_id": 7})).await;
    assert!(
        line.contains("“Closed” cannot be read now: Microsoft does not permit it"),
        "{line}"
    );
    let told = call(&w, "calendars", json!({"user_id": 7}))
        .await
        .expect("listed");
    let mut listed = told["calendars"].as_array().expect("a list").iter();
    let shown = listed.find(|one| one["name"] == "Closed").expect("listed");
    assert_eq!(shown["problem"]["words"]["code"], "calendar_not_permitted");
    // Its delta tokens are forgotten, another is renamed, and one is deleted with its events.
    let of_ann = |rest: &str| format!("mailboxes/{ANN}/{rest}");
    w.stack
        .sim_call("POST", &of_ann("delta-reset"), Value::Null)
        .await;
    let renamed = json!({"name": "Wide open"});
    let path = of_ann(&format!("calendars/{open}"));
    w.stack.sim_call("PATCH", &path, renamed).await;
    let path = of_ann(&format!("calendars/{gone}"));
    w.stack.sim_call("DELETE", &path, Value::Null).await;
    w.stack.sim_call("DELETE", "switches", Value::Null).await;
    event_in(&w, ANN, &open, "Later", json!({})).await;
    w.quiet().await;
    w.quiet().await;
    the_one(&w.odoo, "Later");
    the_one(&w.odoo, "In the open");
    let record = the_one(&w.odoo, "Kept");
    let line = journal(&w, json!({"user_id": 7})).await;
    assert!(
        line.contains("“Short-lived” is no longer in Outlook: its events stay in Odoo (1)"),
        "{line}"
    );
    let own = call(&w, "get", json!({"user_id": 7})).await.expect("chosen")["own"].clone();
    assert_eq!(own["calendars"].as_array().expect("a list").len(), 2, "{own:#}");
    let stands = standing(&w, id_in_odoo(&record)).await;
    assert!(stands.contains("that is not chosen"), "{stands}");
    drop(kept);
    // It opens again.
    w.stack.sim_call("PUT", "faults", json!([])).await;
    choose(&w, 7, &[&open]).await;
    choose(&w, 7, &[&open, &closed]).await;
    w.quiet().await;
    the_one(&w.odoo, "Behind the door");
    nothing_was_written(&w).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_in_two_calendars_is_one_and_moves_with_its_owner() {
    let mut w = world().await;
    let family = calendar(&w, ANN, 7, "Family").await;
    choose(&w, 7, &[&family]).await;
    let own = own_calendar(&w, ANN).await;
    // From her own calendar to the further one: the same record, which is then only read.
    let plan = w.outlook_creates(ANN, "Plan", &[]).await;
    w.quiet().await;
    let record = id_in_odoo(&the_one(&w.odoo, "Plan"));
    let plan = moved(&w, ANN, &plan, &family).await;
    w.quiet().await;
    forget_requests(&w).await;
    assert_eq!(id_in_odoo(&the_one(&w.odoo, "Plan")), record);
    w.odoo.write(record, json!({"location": "Odoo's"}));
    w.outlook_edits(ANN, &plan, json!({"subject": "Plan B"})).await;
    w.quiet().await;
    assert_eq!(id_in_odoo(&the_one(&w.odoo, "Plan B")), record);
    nothing_was_written(&w).await;
    // And back: now what Odoo says goes to Outlook again.
    let plan = moved(&w, ANN, &plan, &own).await;
    w.quiet().await;
    w.odoo.write(record, json!({"location": "Room 1"}));
    w.quiet().await;
    assert_eq!(id_in_odoo(&the_one(&w.odoo, "Plan B")), record);
    let shown = w.stack.event(ANN, "Plan B").await.expect("there");
    assert_eq!(shown["location"]["displayName"], "Room 1");
    drop(plan);
    // What was born in the further calendar goes on as well.
    let picnic = event_in(&w, ANN, &family, "Picnic", json!({})).await;
    w.quiet().await;
    let record = id_in_odoo(&the_one(&w.odoo, "Picnic"));
    moved(&w, ANN, &picnic, &own).await;
    w.quiet().await;
    w.odoo.write(record, json!({"location": "Park"}));
    w.quiet().await;
    assert_eq!(id_in_odoo(&the_one(&w.odoo, "Picnic")), record);
    let shown = w.stack.event(ANN, "Picnic").await.expect("there");
    assert_eq!(shown["location"]["displayName"], "Park");
    // A colleague's meeting whose invitation she keeps in the further calendar is not there twice.
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    w.quiet().await;
    w.outlook_creates(BEN, "With Ann", &[ANN]).await;
    let invitation = w.stack.event(ANN, "With Ann").await.expect("invited");
    moved(&w, ANN, &invitation, &family).await;
    w.quiet().await;
    let record = the_one(&w.odoo, "With Ann");
    assert_eq!(record["organizer"]["user_id"], 8);
    forget_requests(&w).await;
    w.odoo.answer(id_in_odoo(&record), 7, "accepted");
    w.quiet().await;
    nothing_was_written(&w).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_user_has_a_view_of_their_own() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    w.quiet().await;
    let anns = calendar(&w, ANN, 7, "Projects").await;
    let bens = calendar(&w, BEN, 8, "Projects").await;
    // The same invitation from outside lies in a further calendar of both.
    w.outlook_creates(CARLA, "Fair", &[ANN, BEN]).await;
    for (person, calendar) in [(ANN, &anns), (BEN, &bens)] {
        let copy = w.stack.event(person, "Fair").await.expect("invited");
        moved(&w, person, &copy, calendar).await;
    }
    event_in(&w, BEN, &bens, "Ben's alone", json!({})).await;
    forget_requests(&w).await;
    choose(&w, 7, &[&anns]).await;
    choose(&w, 8, &[&bens]).await;
    w.quiet().await;
    let both = active_with(&w.odoo, "Fair");
    let mut users: Vec<i64> = both
        .iter()
        .map(|one| one["organizer"]["user_id"].as_i64().expect("a user"))
        .collect();
    users.sort_unstable();
    assert_eq!(users, [7, 8], "{both:#?}");
    assert_eq!(the_one(&w.odoo, "Ben's alone")["organizer"]["user_id"], 8);
    // One of them deletes theirs: the other's stays.
    let anns_view = both.iter().find(|one| one["organizer"]["user_id"] == 7);
    w.odoo.unlink(id_in_odoo(anns_view.expect("Ann's")));
    w.quiet().await;
    assert_eq!(the_one(&w.odoo, "Fair")["organizer"]["user_id"], 8);
    // Nobody chooses a calendar of somebody else.
    let of_ben = json!({"user_id": 7, "choices": {"calendars": [bens]}});
    call(&w, "set", of_ben).await.expect_err("not hers");
    nothing_was_written(&w).await;
}
