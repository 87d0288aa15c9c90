//! Outlook stores less of some values than Odoo: they are written once as far as possible, and Odoo
//! keeps the whole.

use serde_json::{Value, json};

use super::stack::{ANN, BEN};
use super::world::{World, kinds, world};

async fn switch(w: &World, switches: Value) {
    w.stack.sim_call("PUT", "switches", switches).await;
}

/// Checks that nothing is written or sent any more.
async fn is_at_rest(w: &mut World, about: &str) {
    w.forget_mails().await;
    w.stack.sim_call("DELETE", "requests", Value::Null).await;
    for _ in 0..2 {
        w.quiet().await;
    }
    let requests = w.stack.sim_call("GET", "requests", Value::Null).await;
    let writes: Vec<&Value> = requests["value"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|r| r["method"] != "GET")
        .collect();
    assert!(writes.is_empty(), "{about}: {writes:?}");
    assert_eq!(w.stack.mails().await, [], "{about}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_title_and_a_long_place_stay_whole_in_odoo() {
    for cut in [true, false] {
        let mut w = world().await;
        switch(&w, json!({ "long_texts_are_cut": cut })).await;
        let (title, place) = (format!("T{}", "a".repeat(300)), format!("P{}", "b".repeat(300)));
        let id = w
            .odoo
            .create(7, &title, "2027-03-01 09:00:00", "2027-03-01 10:00:00", &[BEN]);
        w.odoo.write(id, json!({ "location": place }));
        w.quiet().await;
        let events = w.stack.events(ANN).await;
        assert_eq!(events.len(), 1, "{cut}");
        assert_eq!(
            events[0]["subject"].as_str().unwrap().chars().count(),
            255,
            "{cut}"
        );
        let there = events[0]["location"]["displayName"].as_str().unwrap();
        assert!(there.starts_with("Pbbb") && there.ends_with('…') && there.chars().count() == 255);
        is_at_rest(&mut w, "made").await;
        // A change of another property in Outlook leaves both sides unchanged.
        w.outlook_edits(ANN, &events[0], json!({"showAs": "free"})).await;
        w.quiet().await;
        let record = &w.odoo.records[&id];
        assert_eq!(
            (&record["name"], &record["location"]),
            (&json!(title), &json!(place))
        );
        // A longer value looks the same in Outlook.
        w.odoo.write(id, json!({"location": format!("{place}c")}));
        w.quiet().await;
        is_at_rest(&mut w, "longer").await;
        w.outlook_edits(ANN, &events[0], json!({"location": {"displayName": "Attic"}}))
            .await;
        w.quiet().await;
        assert_eq!(w.odoo.records[&id]["location"], "Attic");
        assert_eq!(w.odoo.records[&id]["name"], title);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_with_seconds_comes_to_rest() {
    for whole in [true, false] {
        let mut w = world().await;
        switch(&w, json!({ "series_in_whole_minutes": whole })).await;
        let id = w.odoo.create_weekly(7, "Odd", "2027-03-15 09:00:40", 4, &[BEN]);
        w.quiet().await;
        let event = w.stack.event(ANN, "Odd").await.expect("it is in Outlook");
        let kept = if whole {
            "2027-03-15T09:00:00"
        } else {
            "2027-03-15T09:00:40"
        };
        assert_eq!(event["start"]["dateTime"].as_str().unwrap()[..19], *kept);
        is_at_rest(&mut w, "made").await;
        w.odoo.set_series(id, &json!({"name": "Odder"}));
        w.quiet().await;
        let event = w.stack.event(ANN, "Odder").await.expect("renamed");
        assert_eq!(kinds(&w.stack.mails().await), [("update", BEN)]);
        w.outlook_edits(ANN, &event, json!({"location": {"displayName": "Attic"}}))
            .await;
        w.quiet().await;
        assert_eq!(w.odoo.records[&id]["template"]["location"], "Attic");
        assert_eq!(
            w.odoo.records[&id]["dtstart"], "2027-03-15 09:00:40",
            "Odoo keeps its seconds"
        );
        let one = event["occurrences"][1].clone();
        w.outlook_edits(ANN, &one, json!({"subject": "Special"})).await;
        w.quiet().await;
        let names: Vec<Value> = w
            .odoo
            .occurrences(id)
            .iter()
            .map(|(_, o)| o["name"].clone())
            .collect();
        assert_eq!(names, ["Odder", "Special", "Odder", "Odder"]);
        is_at_rest(&mut w, "renamed").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reminder_longer_than_outlook_has_is_its_longest() {
    let mut w = world().await;
    let id = w
        .odoo
        .create(7, "Far", "2027-03-01 09:00:00", "2027-03-01 10:00:00", &[]);
    w.odoo.write(id, json!({"reminder_minutes": [5_000_000]}));
    w.quiet().await;
    let event = w.stack.event(ANN, "Far").await.expect("it is in Outlook");
    assert_eq!(event["reminderMinutesBeforeStart"], 2_629_800);
    assert_eq!(w.odoo.records[&id]["reminder_minutes"], json!([5_000_000]));
    is_at_rest(&mut w, "made").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_whose_occurrences_overlap_is_told_to_be_none_for_outlook() {
    let mut w = world().await;
    let id = w.odoo.create_weekly(7, "Long", "2027-03-15 09:00:00", 4, &[BEN]);
    let template = &mut w.odoo.records.get_mut(&id).unwrap()["template"];
    template["stop"] = json!("2027-03-23 09:00:00");
    let other = w
        .odoo
        .create(7, "Other", "2027-03-01 09:00:00", "2027-03-01 10:00:00", &[]);
    w.quiet().await;
    assert!(w.stack.event(ANN, "Long").await.is_none());
    assert!(w.stack.event(ANN, "Other").await.is_some(), "{other}");
    let journal = w
        .odoo
        .call(&w.service, 7, "outlook.bridge", "journal", json!({"limit": 50}))
        .await
        .unwrap();
    assert!(
        journal.to_string().contains("ErrorOccurrenceTimeSpanTooBig"),
        "{journal}"
    );
    is_at_rest(&mut w, "set aside").await;
}

/// Changes that Outlook drops when the series is rewritten are written again, and excluded dates
/// stay excluded.
#[tokio::test(flavor = "multi_thread")]
async fn single_changes_outlive_every_rewrite() {
    for (end_drops, time_drops, closes) in [
        (true, true, true),
        (false, true, false),
        (true, false, true),
        (false, false, false),
    ] {
        let mut w = world().await;
        let switches = json!({"end_change_drops_exceptions": end_drops, "time_change_drops_exceptions": time_drops,
            "rewrites_bring_deleted_back": closes});
        switch(&w, switches.clone()).await;
        let id = w
            .odoo
            .create_weekly(7, "Weekly", "2027-03-01 09:00:00", 8, &[BEN]);
        w.odoo.set_one(id, 1, &json!({"location": "Attic"}));
        w.odoo.set_there(id, 3, false);
        w.quiet().await;
        let as_meant = async |w: &World, count: usize, hour: &str| {
            let event = w.stack.event(ANN, "Weekly").await.expect("in Outlook");
            let starts: Vec<&str> = event["occurrences"]
                .as_array()
                .unwrap()
                .iter()
                .map(|o| o["start"]["dateTime"].as_str().unwrap())
                .collect();
            assert_eq!(starts.len(), count, "{switches}: {starts:?}");
            assert!(starts[0].contains(hour), "{switches}: {starts:?}");
            assert!(
                !starts.iter().any(|at| at.starts_with("2027-03-22")),
                "{switches}: {starts:?}"
            );
            let exceptions = event["exceptions"].as_array().unwrap();
            assert_eq!(exceptions.len(), 1, "{switches}");
            assert_eq!(exceptions[0]["location"]["displayName"], "Attic");
            assert_eq!(
                exceptions[0]["originalStart"].as_str().unwrap()[..10],
                *"2027-03-08"
            );
        };
        as_meant(&w, 7, "T09:00").await;
        w.odoo.end_series(id, &json!({"count": 6}));
        w.quiet().await;
        as_meant(&w, 5, "T09:00").await;
        w.odoo.shift_series(id, 90);
        w.quiet().await;
        as_meant(&w, 5, "T10:30").await;
        is_at_rest(&mut w, "shifted").await;
    }
}
