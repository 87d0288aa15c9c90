//! A series whose occurrences were changed one by one, so that none of them is what Outlook's
//! master is. Odoo has no master.

use serde_json::{Value, json};

use super::series::writes_to_anns_calendar;
use super::stack::ANN;
use super::world::{OUTSIDE, World, kinds, world};

/// Makes two Mondays in Odoo and gives each of them another title in Outlook.
async fn two_of_their_own() -> (World, i64) {
    let mut w = world().await;
    let id = w
        .odoo
        .create_weekly(7, "Weekly", "2027-03-01 09:00:00", 2, &[OUTSIDE]);
    w.quiet().await;
    for (index, title) in ["One", "Two"].iter().enumerate() {
        let event = occurrences(&w).await[index].clone();
        w.outlook_edits(ANN, &event, json!({"subject": title})).await;
        w.quiet().await;
    }
    w.stack.sim_call("DELETE", "requests", Value::Null).await;
    (w, id)
}

async fn master(w: &World) -> Value {
    let all = w.stack.events(ANN).await;
    let is_series = |event: &&Value| event["type"] == "seriesMaster";
    all.iter().find(is_series).expect("a series").clone()
}

async fn occurrences(w: &World) -> Vec<Value> {
    master(w).await["occurrences"]
        .as_array()
        .expect("occurrences")
        .clone()
}

async fn titles_in_outlook(w: &World) -> Vec<String> {
    let all = occurrences(w).await;
    all.iter()
        .map(|event| event["subject"].as_str().expect("a title").to_owned())
        .collect()
}

fn titles_in_odoo(w: &World, id: i64) -> Vec<String> {
    let all = w.odoo.occurrences(id).into_iter();
    all.map(|(_, fields)| fields["name"].as_str().expect("a title").to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn further_occurrences_are_as_outlooks_master() {
    let (mut w, id) = two_of_their_own().await;
    let kept = json!({"end_change_drops_exceptions": false});
    w.stack.sim_call("PATCH", "switches", kept).await;
    let series = master(&w).await;
    let mut longer = series["recurrence"].clone();
    longer["range"] = json!({"type": "numbered", "startDate": "2027-03-01", "numberOfOccurrences": 4});
    w.outlook_edits(ANN, &series, json!({"recurrence": longer})).await;
    w.quiet().await;
    assert_eq!(titles_in_odoo(&w, id), ["One", "Two", "Weekly", "Weekly"]);
    assert_eq!(titles_in_outlook(&w).await, ["One", "Two", "Weekly", "Weekly"]);
    assert!(writes_to_anns_calendar(&w).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_title_of_all_in_outlook_changes_none_of_them() {
    let (mut w, id) = two_of_their_own().await;
    w.outlook_edits(ANN, &master(&w).await, json!({"subject": "Every Monday"}))
        .await;
    w.quiet().await;
    assert_eq!(titles_in_odoo(&w, id), ["One", "Two"]);
    assert_eq!(titles_in_outlook(&w).await, ["One", "Two"]);
    assert!(writes_to_anns_calendar(&w).await.is_empty());
    // What somebody sets for one of them in Odoo is sent for that one.
    w.forget_mails().await;
    w.odoo.set_one(id, 0, &json!({"name": "First"}));
    w.quiet().await;
    assert_eq!(titles_in_outlook(&w).await, ["First", "Two"]);
    assert_eq!(master(&w).await["subject"], "Every Monday");
    assert_eq!(kinds(&w.stack.mails().await), [("update", OUTSIDE)]);
}

/// Odoo writes a title of all to each of them, whatever it had of its own.
#[tokio::test(flavor = "multi_thread")]
async fn another_title_of_all_in_odoo_is_the_title_of_each() {
    for count in [2, 1] {
        let (mut w, id) = two_of_their_own().await;
        if count == 1 {
            w.stack
                .sim_call("PATCH", "switches", json!({"end_change_drops_exceptions": false}))
                .await;
            let series = master(&w).await;
            let mut shorter = series["recurrence"].clone();
            shorter["range"] =
                json!({"type": "numbered", "startDate": "2027-03-01", "numberOfOccurrences": 1});
            w.outlook_edits(ANN, &series, json!({"recurrence": shorter}))
                .await;
            w.quiet().await;
        }
        // By the second time, each has in Outlook what the master has, and has it of its own.
        for title in ["Every Monday", "Each Monday"] {
            w.odoo.set_series(id, &json!({"name": title}));
            w.quiet().await;
            assert_eq!(titles_in_odoo(&w, id), vec![title; count]);
            assert_eq!(titles_in_outlook(&w).await, vec![title; count]);
        }
    }
}
