//! Lists and views of events, calendars, other people's mailboxes, and batches.

use crate::common::*;
use serde_json::{Value, json};

#[tokio::test]
async fn lists_and_views_are_paged() {
    let w = world().await;
    let me = w.login("pat@home.example").await;
    w.sim(
        "POST",
        "/mailboxes/pat@home.example/bulk",
        json!({"count": 25, "days": 25, "start": "2031-03-01T08:00:00Z"}),
    )
    .await
    .is(201);
    let page = me.get("/me/events?$orderby=start/dateTime%20desc").await.is(200);
    assert_eq!(page.body["value"].as_array().unwrap().len(), 10);
    assert_eq!(page.body["value"][0]["subject"], "Bulk 25");
    let next = me
        .get(page.body["@odata.nextLink"].as_str().unwrap())
        .await
        .is(200);
    assert_eq!(next.body["value"][0]["subject"], "Bulk 15");
    let view = "/me/calendarView?startDateTime=2031-03-02T00:00:00Z&endDateTime=2031-03-05T00:00:00Z&$top=50";
    let view = me.get(view).await.is(200);
    assert_eq!(view.body["value"].as_array().unwrap().len(), 3);
    assert!(view.body.get("@odata.nextLink").is_none());
    let made = me
        .create(json!({"isOnlineMeeting": true, "onlineMeetingProvider": "teamsForBusiness"}))
        .await
        .is(201);
    assert_eq!(
        made.body["isOnlineMeeting"], false,
        "personal mailboxes have no Teams"
    );
}

#[tokio::test]
async fn calendars() {
    let w = world().await;
    let me = w.login(ANN).await;
    let mut seen = Vec::new();
    for skip in 0..10 {
        let page = me
            .get(&format!("/me/calendars?$top=1&$skip={skip}"))
            .await
            .is(200)
            .body;
        seen.extend(page["value"].as_array().unwrap().clone());
        if page.get("@odata.nextLink").is_none() {
            break;
        }
    }
    let list = me.get("/me/calendars").await.is(200);
    assert_eq!(seen.len(), list.body["value"].as_array().unwrap().len());
    assert!(seen.len() > 1, "one a page");
    let calendars = list.body["value"].as_array().unwrap();
    let fixed = calendars.iter().find(|c| c["canEdit"] == false).unwrap()["id"]
        .as_str()
        .unwrap();
    let got = me
        .send("POST", &format!("/me/calendars/{fixed}/events"), event(json!({})))
        .await
        .is(403);
    assert_eq!(got.code(), "ErrorAccessDenied");
    let main = me.get("/me/calendar").await.is(200).body;
    let selected = me.get("/me/calendar?$select=name").await.is(200).body;
    assert_eq!((&selected["id"], &selected["name"]), (&main["id"], &main["name"]));
    assert_eq!(selected["canEdit"], Value::Null);
    assert_eq!(main["isDefaultCalendar"], true);
    me.get("/me/calendars/AAMkADnothing").await.is(404);
    assert!(
        me.get("/me/outlook/supportedTimeZones").await.is(200).body["value"]
            .as_array()
            .unwrap()
            .len()
            > 100
    );
}

#[tokio::test]
async fn batches() {
    let w = world().await;
    let me = w.login(ANN).await;
    let json = json!({"Content-Type": "application/json"});
    let requests = json!({"requests": [
        {"id": "1", "method": "POST", "url": "/me/events", "headers": json, "body": event(json!({}))},
        {"id": "2", "method": "GET", "url": "/me/calendar"},
        {"id": "3", "method": "PATCH", "url": "/me/events/AAMk", "headers": json, "body": {"subject": "x"}},
    ]});
    let got = me.send("POST", "/$batch", requests).await.is(200);
    let status = |id: &str| {
        got.body["responses"]
            .as_array()
            .unwrap()
            .iter()
            .find(|r| r["id"] == id)
            .unwrap()["status"]
            .clone()
    };
    assert_eq!(
        (status("1"), status("2"), status("3")),
        (json!(201), json!(200), json!(400))
    );
    let chain = json!({"requests": [
        {"id": "1", "method": "DELETE", "url": "/me/events/AAMk"},
        {"id": "2", "method": "GET", "url": "/me/calendar", "dependsOn": ["1"]},
    ]});
    let got = me.send("POST", "/$batch", chain).await.is(200);
    assert!(
        got.body["responses"]
            .as_array()
            .unwrap()
            .iter()
            .any(|r| r["id"] == "2" && r["status"] == 424)
    );
    let many: Vec<Value> = (0..21)
        .map(|i| json!({"id": i.to_string(), "method": "GET", "url": "/me/calendar"}))
        .collect();
    me.send("POST", "/$batch", json!({"requests": many}))
        .await
        .is(400);
    let twins = json!({"requests": [{"id": "a", "method": "GET", "url": "/me"}, {"id": "A", "method": "GET", "url": "/me"}]});
    me.send("POST", "/$batch", twins).await.is(400);
    let bare = json!({"requests": [{"id": "a", "method": "POST", "url": "/me/events", "body": {}}]});
    me.send("POST", "/$batch", bare).await.is(400);
}

/// "Get event" page: an event leads to its calendar. "List calendarView" page: there two properties cannot be selected.
#[tokio::test]
async fn links_and_what_a_view_cannot_select() {
    let w = world().await;
    let ann = w.login(ANN).await;
    let made = ann.create(json!({})).await.is(201);
    assert_eq!(made.body["calendar@odata.navigationLink"], Value::Null);
    let path = format!("/me/events/{}?$select=createdDateTime", made.id());
    let got = ann.get(&path).await.is(200);
    assert!(got.body["createdDateTime"].is_string());
    let link = got.body["calendar@odata.navigationLink"].as_str().unwrap();
    assert_eq!(got.body["calendar@odata.associationLink"], format!("{link}/$ref"));
    let calendar = ann.get(link).await.is(200).id();
    assert_eq!(calendar, ann.get("/me/calendar").await.is(200).id());
    let listed = ann.get("/me/calendars").await.is(200);
    let own = listed.body["value"].as_array().unwrap();
    let own = own.iter().find(|c| c["id"] == calendar.as_str()).unwrap();
    assert_eq!(
        ann.get(own["@odata.id"].as_str().unwrap()).await.is(200).id(),
        calendar
    );

    let view = "/me/calendarView?startDateTime=2031-03-01T00:00:00Z&endDateTime=2031-04-01T00:00:00Z";
    let whole = ann.get(view).await.is(200);
    assert!(whole.body["value"][0]["lastModifiedDateTime"].is_string());
    let cut = format!("{view}&$select=subject,createdDateTime,lastModifiedDateTime");
    let cut = ann.get(&cut).await.is(200);
    assert_eq!(cut.body["value"][0]["subject"], "Test");
    assert_eq!(cut.body["value"][0]["createdDateTime"], Value::Null);
    assert_eq!(cut.body["value"][0]["lastModifiedDateTime"], Value::Null);
}

#[tokio::test]
async fn other_peoples_mailboxes() {
    let w = world().await;
    let me = w.login(ANN).await;
    let person = json!({"address": "eve@contoso.example", "name": "Eve", "mailbox": false});
    w.sim("POST", "/people", person).await.is(201);
    me.get(&format!("/users/{ANN}/calendar")).await.is(200);
    for (who, status, code) in [
        (BEN, 403, "ErrorAccessDenied"),
        ("eve@contoso.example", 404, "MailboxNotEnabledForRESTAPI"),
        ("nobody@contoso.example", 404, "ErrorInvalidUser"),
    ] {
        let got = me.get(&format!("/users/{who}/calendar/events")).await.is(status);
        assert_eq!(got.code(), code);
    }
    let eve = w.login("eve@contoso.example").await;
    assert_eq!(
        eve.get("/me/calendar").await.is(404).code(),
        "MailboxNotEnabledForRESTAPI"
    );
    // Read-only, and somebody else's: what a shared calendar looks like among one's own.
    let shared = json!({"name": "Ben's", "canEdit": false, "owner": BEN});
    let id = w
        .sim("POST", &format!("/mailboxes/{ANN}/calendars"), shared)
        .await
        .is(201)
        .id();
    let shown = me.get(&format!("/me/calendars/{id}")).await.is(200).body;
    assert_eq!(
        (&shown["owner"]["address"], &shown["canEdit"]),
        (&json!(BEN), &json!(false))
    );
    let got = me
        .send("POST", &format!("/me/calendars/{id}/events"), event(json!({})))
        .await
        .is(403);
    assert_eq!(got.code(), "ErrorAccessDenied");
    // Offered Teams or not, by mailbox; where not it is dropped without a word.
    w.sim("PATCH", &format!("/mailboxes/{ANN}"), json!({"providers": []}))
        .await
        .is(200);
    let calendar = me.get("/me/calendar").await.is(200).body;
    assert_eq!(calendar["allowedOnlineMeetingProviders"], json!([]));
    let made = me.create(json!({"isOnlineMeeting": true})).await.is(201).body;
    assert_eq!(
        (&made["isOnlineMeeting"], &made["onlineMeeting"]),
        (&json!(false), &Value::Null)
    );
}

#[tokio::test]
async fn a_further_calendar_is_renamed_followed_and_deleted() {
    let w = world().await;
    let me = w.login(ANN).await;
    let made = me.send("POST", "/me/calendars", json!({"name": "Family"})).await;
    let id = made.is(201).body["id"].as_str().unwrap().to_owned();
    let path = format!("/me/calendars/{id}");
    let taken = me.send("PATCH", &path, json!({"name": "calendar"})).await.is(409);
    assert_eq!(taken.code(), "ErrorFolderExists");
    let renamed = me
        .send("PATCH", &path, json!({"name": "Kids"}))
        .await
        .is(200)
        .body;
    assert_eq!((&renamed["name"], &renamed["id"]), (&json!("Kids"), &json!(id)));
    let window = "startDateTime=2031-01-01T00:00:00Z&endDateTime=2032-01-01T00:00:00Z";
    let events = format!("{path}/events");
    let inside = me.send("POST", &events, event(json!({}))).await.is(201).body;
    let mut own = Vec::new();
    for start in [
        format!("{path}/calendarView/delta?{window}"),
        format!("/me/calendarView/delta?{window}"),
    ] {
        let mut seen = Vec::new();
        let mut link = start;
        loop {
            let page = me.get(&link).await.is(200).body;
            seen.extend(page["value"].as_array().unwrap().clone());
            let next = page.get("@odata.nextLink").and_then(Value::as_str);
            let Some(next) = next else { break };
            link = next.to_owned();
        }
        own.push(seen.iter().any(|row| row["id"] == inside["id"]));
    }
    assert_eq!(own, [true, false], "each calendar has a delta of its own");
    me.send("DELETE", "/me/calendar", Value::Null).await.is(400);
    me.send("DELETE", &path, Value::Null).await.is(204);
    me.get(&format!("{path}/calendarView/delta?{window}"))
        .await
        .is(404);
    let left = me.get("/me/calendars").await.is(200).body;
    let mut names = left["value"].as_array().unwrap().iter();
    assert!(names.all(|one| one["id"] != json!(id)));
}
