use crate::common::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[tokio::test]
async fn singles_come_and_go() {
    let w = world().await;
    w.calm().await;
    let me = w.login(ANN).await;
    let id = me.create(json!({"subject": "In"})).await.is(201).id();
    let (rows, link) = me.round(WINDOW, "odata.maxpagesize=50").await;
    let row = rows.iter().find(|r| r["id"] == id.as_str()).unwrap();
    assert_eq!(row["subject"], "In");
    assert_eq!(row["@odata.type"], "#microsoft.graph.event");
    let outside = json!({"start": at("2032-03-10T09:00:00"), "end": at("2032-03-10T10:00:00")});
    let other = me.create(outside.clone()).await.is(201).id();
    let (rows, link) = me.round(&link, "").await;
    assert!(
        rows.iter()
            .any(|r| r["id"] == other.as_str() && r["@removed"]["reason"] == "deleted")
    );
    me.send("PATCH", &format!("/me/events/{id}"), outside)
        .await
        .is(200);
    let (rows, link) = me.round(&link, "").await;
    assert_eq!(rows.len(), 1);
    assert!(rows[0]["id"] == id.as_str() && rows[0].get("@removed").is_some());
    me.send("DELETE", &format!("/me/events/{id}"), Value::Null)
        .await
        .is(204);
    let (rows, link) = me.round(&link, "IdType=\"ImmutableId\"").await;
    assert_eq!(rows.len(), 1);
    assert_ne!(rows[0]["id"], id.as_str());
    let (rows, _) = me.round(&link, "").await;
    assert!(rows.is_empty());
}

#[tokio::test]
async fn bad_questions() {
    let w = world().await;
    let me = w.login(ANN).await;
    for path in [
        "/me/calendarView/delta".to_owned(),
        format!("{WINDOW}&$top=5"),
        format!("{WINDOW}&$select=subject"),
        "/me/calendarView/delta?$deltatoken=nonsense".to_owned(),
        "/me/calendarView/delta?startDateTime=&endDateTime=2031-01-01".to_owned(),
    ] {
        me.get(&path).await.is(400);
    }
    for spelling in ["delta()", "microsoft.graph.delta()"] {
        me.get(&WINDOW.replace("delta", spelling)).await.is(200);
    }
    let got = me.get(WINDOW).await;
    assert!(
        got.headers["preference-applied"]
            .to_str()
            .unwrap()
            .contains("odata.track-changes")
    );
}

#[tokio::test]
async fn a_forgotten_page_size_and_a_dead_token() {
    let w = world_with(graph_sim::Options {
        delta_page_size: Some(4),
        ..Default::default()
    })
    .await;
    w.calm().await;
    let me = w.login(ANN).await;
    let bulk = json!({"count": 30, "days": 10, "start": "2031-03-05T08:00:00Z"});
    w.sim("POST", &format!("/mailboxes/{ANN}/bulk"), bulk)
        .await
        .is(201);
    let first = me.get_with(WINDOW, "odata.maxpagesize=20").await.is(200);
    assert_eq!(first.body["value"].as_array().unwrap().len(), 20);
    let next = first.body["@odata.nextLink"].as_str().unwrap().to_owned();
    assert_eq!(me.get(&next).await.body["value"].as_array().unwrap().len(), 4);
    w.sim("POST", &format!("/mailboxes/{ANN}/delta-reset"), Value::Null)
        .await
        .is(200);
    assert_eq!(me.get(&next).await.is(410).code(), "SyncStateNotFound");
    w.switch(json!({"delta_token_death": "goneWithLocation"})).await;
    assert!(me.get(&next).await.is(410).headers.contains_key("location"));
}

#[tokio::test]
async fn a_series_comes_as_stubs() {
    let w = world().await;
    w.calm().await;
    let me = w.login(ANN).await;
    let recurrence = json!({"pattern": {"type": "daily", "interval": 1},
        "range": {"type": "numbered", "startDate": "2031-03-10", "numberOfOccurrences": 5}});
    let id = me.create(json!({"recurrence": recurrence})).await.is(201).id();
    w.switch(json!({"delta_masters": "never"})).await;
    let (rows, link) = me.round(WINDOW, "").await;
    let mine: Vec<&Value> = rows
        .iter()
        .filter(|r| r["seriesMasterId"] == id.as_str())
        .collect();
    assert_eq!(mine.len(), 5);
    assert!(
        mine.iter()
            .all(|r| r.get("subject").is_none() && r["type"] == "occurrence")
    );
    assert!(!rows.iter().any(|r| r["id"] == id.as_str()), "no master");
    let victim = mine[2]["id"].as_str().unwrap();
    me.send("DELETE", &format!("/me/events/{victim}"), Value::Null)
        .await
        .is(204);
    let (rows, link) = me.round(&link, "").await;
    assert_eq!(
        rows.len(),
        4,
        "the series again, without the slot and without @removed"
    );
    w.switch(json!({"delta_masters": "always", "delta_removed_for_occurrences": true}))
        .await;
    me.send("PATCH", &format!("/me/events/{id}"), json!({"subject": "New"}))
        .await
        .is(200);
    let (rows, link) = me.round(&link, "").await;
    assert!(
        rows.iter()
            .any(|r| r["id"] == id.as_str() && r["type"] == "seriesMaster")
    );
    assert!(
        rows.iter()
            .any(|r| r["id"] == victim && r.get("@removed").is_some())
    );
    me.send("DELETE", &format!("/me/events/{id}"), Value::Null)
        .await
        .is(204);
    let (rows, _) = me.round(&link, "").await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["id"], id.as_str());
}

/// Whatever the whims, who follows the delta ends with what a list shows.
#[tokio::test]
async fn delta_and_list_agree() {
    let w = world_with(graph_sim::Options {
        delta_page_size: Some(3),
        ..Default::default()
    })
    .await;
    let me = w.login(ANN).await;
    let mut known: BTreeMap<String, Value> = BTreeMap::new();
    let mut link = WINDOW.to_owned();
    let mut ids: Vec<String> = Vec::new();
    let mut seen_empty = false;
    for step in 0..40_usize {
        match step % 4 {
            0 | 1 => {
                let day = 1 + step % 28;
                let month = if step % 8 == 1 { "05" } else { "03" };
                let body = json!({"start": at(&format!("2031-{month}-{day:02}T09:00:00")), "end": at(&format!("2031-{month}-{day:02}T10:00:00"))});
                ids.push(me.create(body).await.is(201).id());
            }
            2 => {
                let id = &ids[step * 7 % ids.len()];
                me.send(
                    "PATCH",
                    &format!("/me/events/{id}"),
                    json!({"subject": format!("s{step}")}),
                )
                .await
                .is(200);
            }
            _ => {
                let id = ids.remove(step * 5 % ids.len());
                me.send("DELETE", &format!("/me/events/{id}"), Value::Null)
                    .await
                    .is(204);
            }
        }
        if step % 3 == 0 {
            loop {
                let got = me.get(&link).await.is(200);
                let rows = got.body["value"].as_array().unwrap();
                seen_empty |= rows.is_empty() && got.body.get("@odata.nextLink").is_some();
                for row in rows {
                    let id = row["id"].as_str().unwrap().to_owned();
                    if row.get("@removed").is_some() {
                        known.remove(&id)
                    } else {
                        known.insert(id, row.clone())
                    };
                }
                link = got.body["@odata.nextLink"]
                    .as_str()
                    .or(got.body["@odata.deltaLink"].as_str())
                    .unwrap()
                    .to_owned();
                if got.body.get("@odata.deltaLink").is_some() {
                    break;
                }
            }
            let view = "/me/calendarView?startDateTime=2031-03-01T00:00:00Z&endDateTime=2031-04-01T00:00:00Z&$top=1000";
            let list = me.get(view).await.is(200);
            let mut listed: Vec<(String, String)> = list.body["value"]
                .as_array()
                .unwrap()
                .iter()
                .map(|e| {
                    (
                        e["id"].as_str().unwrap().to_owned(),
                        e["subject"].as_str().unwrap().to_owned(),
                    )
                })
                .collect();
            listed.sort();
            let told: Vec<(String, String)> = known
                .iter()
                .map(|(id, r)| (id.clone(), r["subject"].as_str().unwrap().to_owned()))
                .collect();
            assert_eq!(told, listed, "after step {step}");
        }
    }
    assert!(seen_empty);
}

#[tokio::test]
async fn ten_thousand_events_in_pages_of_fifty() {
    let w = unchecked_world(graph_sim::Options::default()).await;
    w.calm().await;
    let me = w.login(ANN).await;
    let bulk = json!({"count": 10_000, "days": 25, "start": "2031-03-02T00:00:00Z"});
    w.sim("POST", &format!("/mailboxes/{ANN}/bulk"), bulk)
        .await
        .is(201);
    let (rows, _) = me.round(WINDOW, "odata.maxpagesize=50").await;
    let ids: std::collections::BTreeSet<&str> = rows.iter().filter_map(|r| r["id"].as_str()).collect();
    assert_eq!((rows.len(), ids.len()), (10_000, 10_000));
}

#[tokio::test]
async fn what_was_moved_away_and_back_is_removed_until_it_changes() {
    let w = world().await;
    w.calm().await;
    let me = w.login(ANN).await;
    let other = w
        .sim(
            "POST",
            &format!("/mailboxes/{ANN}/calendars"),
            json!({"name": "Other"}),
        )
        .await
        .is(201)
        .id();
    let rest = me.create(json!({"subject": "There and back"})).await.is(201).id();
    let lasting = "IdType=\"ImmutableId\"";
    let id = me
        .get_with(&format!("/me/events/{rest}"), lasting)
        .await
        .is(200)
        .id();
    let (_, link) = me.round(WINDOW, lasting).await;
    let own = me.get("/me/calendar").await.is(200).id();
    for calendar in [&other, &own] {
        let path = format!("/mailboxes/{ANN}/events/{id}/move");
        w.sim("POST", &path, json!({"calendar": calendar})).await.is(200);
    }
    let (rows, link) = me.round(&link, lasting).await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert!(rows[0]["id"] == id.as_str() && rows[0].get("@removed").is_some());
    me.get_with(&format!("/me/calendar/events/{id}"), lasting)
        .await
        .is(200);
    me.send("PATCH", &format!("/me/events/{id}"), json!({"subject": "Back"}))
        .await
        .is(200);
    let (rows, _) = me.round(&link, lasting).await;
    assert!(
        rows.iter()
            .any(|row| row["subject"] == "Back" && row["id"] == id.as_str())
    );
}

#[tokio::test]
async fn a_series_is_never_split() {
    let w = world().await;
    w.calm().await;
    let me = w.login(ANN).await;
    let recurrence = json!({"pattern": {"type": "daily", "interval": 1},
        "range": {"type": "numbered", "startDate": "2031-03-10", "numberOfOccurrences": 5}});
    me.create(json!({"recurrence": recurrence})).await.is(201);
    let page = me.get_with(WINDOW, "odata.maxpagesize=1").await.is(200);
    let rows = page.body["value"].as_array().unwrap();
    assert_eq!(rows.len(), 6, "the master and all that is in the window");
}

#[tokio::test]
async fn a_window_that_is_too_long_for_it() {
    let w = world().await;
    let me = w.login(ANN).await;
    w.switch(json!({"delta_longest_days": 3})).await;
    assert_eq!(me.get(WINDOW).await.is(504).code(), "UnknownError");
    let short = "/me/calendarView/delta?startDateTime=2031-03-01T00:00:00Z&endDateTime=2031-03-04T00:00:00Z";
    me.get(short).await.is(200);
}
