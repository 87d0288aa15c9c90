use crate::common::*;
use chrono::{DateTime, Utc};
use graph_sim::Options;
use serde_json::{Value, json};

#[tokio::test]
async fn a_person_in_outlook() {
    let w = world().await;
    assert_eq!(
        w.sim("GET", "/health", Value::Null).await.body,
        json!({"ok": true})
    );
    let events = format!("/mailboxes/{ANN}/events");
    let made = w
        .sim("POST", &events, event(json!({"attendees": guests(&[BEN])})))
        .await
        .is(201);
    assert_eq!(w.mails().await.len(), 1);
    let log = w.sim("GET", "/mails", Value::Null).await.body;
    assert_eq!(log["value"][0]["cause"]["via"], "outlook");
    w.sim(
        "PATCH",
        &format!("{events}/{}", made.id()),
        json!({"subject": "New"}),
    )
    .await
    .is(200);
    assert!(w.find(BEN, "New").await.is_some());
    w.sim(
        "PATCH",
        &format!("{events}/{}", made.id()),
        json!({"nonsense": 1}),
    )
    .await
    .is(400);
    w.sim("DELETE", &format!("{events}/{}", made.id()), Value::Null)
        .await
        .is(204);
    assert!(w.find(ANN, "New").await.is_none());
    w.sim("GET", "/mailboxes/nobody@nowhere.example/events", Value::Null)
        .await
        .is(404);
}

#[tokio::test]
async fn new_people_and_apps() {
    let w = world().await;
    w.sim(
        "POST",
        "/people",
        json!({"address": "zoe@new.example", "name": "Zoe"}),
    )
    .await
    .is(201);
    let app = json!({"client_id": "app-2", "secret": "s", "redirect_uris": ["http://localhost/x"]});
    w.sim("POST", "/apps", app).await.is(201);
    w.sim(
        "PATCH",
        "/apps/app-2",
        json!({"add_redirect_uri": "http://localhost/y"}),
    )
    .await
    .is(200);
    let code = w
        .code_with(
            "zoe@new.example",
            &[("client_id", "app-2"), ("redirect_uri", "http://localhost/y")],
        )
        .await;
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", "app-2"),
        ("client_secret", "s"),
        ("redirect_uri", "http://localhost/y"),
        ("code", code.as_str()),
        ("code_verifier", VERIFIER),
    ];
    w.token(&fields).await.is(200);
    w.switch(json!({"delta_masters": "initial"})).await;
    assert_eq!(
        w.sim("GET", "/switches", Value::Null).await.body["delta_masters"],
        "initial"
    );
    w.sim("PUT", "/switches", json!({"nonsense": true})).await.is(400);
    let dump = w.sim("GET", "/state", Value::Null).await.is(200).body;
    w.sim("POST", &format!("/mailboxes/{ANN}/bulk"), json!({"count": 5}))
        .await
        .is(201);
    assert!(w.find(ANN, "Bulk 5").await.is_some());
    w.sim("PUT", "/state", dump).await.is(204);
    assert!(w.find(ANN, "Bulk 5").await.is_none());
}

#[tokio::test]
async fn the_log_is_as_long_as_was_asked_and_says_when_requests_came() {
    let options = Options {
        log_length: 3,
        ..Options::default()
    };
    let w = world_with(options).await;
    let token = w.tokens(ANN).await;
    let me = Me {
        world: &w,
        token: token["access_token"].as_str().unwrap().to_owned(),
    };
    let slow = json!({"path": "/me/calendar", "latency_ms": 40});
    w.sim("POST", "/faults", slow).await.is(200);
    for _ in 0..5 {
        me.get("/me/calendar").await.is(200);
    }
    let log = w.sim("GET", "/requests", Value::Null).await.is(200).body;
    let lines = log["value"].as_array().unwrap();
    assert_eq!(lines.len(), 3);
    for pair in lines.windows(2) {
        let at =
            |line: &Value, name: &str| -> DateTime<Utc> { line[name].as_str().unwrap().parse().unwrap() };
        assert!(at(&pair[0], "begun") < at(&pair[0], "time"));
        assert!(
            at(&pair[0], "time") < at(&pair[1], "begun"),
            "one after the other"
        );
    }
}

#[tokio::test]
async fn state_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.json");
    let options = || Options {
        state: Some(file.clone()),
        ..Options::default()
    };
    let w = world_with(options()).await;
    let token = w.tokens(ANN).await;
    let me = Me {
        world: &w,
        token: token["access_token"].as_str().unwrap().to_owned(),
    };
    let id = me
        .create(json!({"subject": "Stays", "recurrence": {
        "pattern": {"type": "daily", "interval": 1}, "range": {"type": "noEnd", "startDate": "2031-03-10"}}}))
        .await
        .is(201)
        .id();
    let (_, link) = me.round(WINDOW, "").await;
    let bearer = me.token.clone();
    w.running.stop().await.unwrap();

    let w = world_with(options()).await;
    let me = Me {
        world: &w,
        token: bearer,
    };
    assert_eq!(
        me.get(&format!("/me/events/{id}")).await.is(200).body["subject"],
        "Stays"
    );
    let link = format!("{}{}", w.running.url(), &link[link.find("/v1.0").unwrap()..]);
    me.round(&link, "").await;
    let again = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token["refresh_token"].as_str().unwrap()),
    ];
    w.token(&again).await.is(200);
    w.running.stop().await.unwrap();
}

#[tokio::test]
async fn the_pages_do_what_outlook_does() {
    let w = world().await;
    let text = |path: String| {
        let request = w.http.get(w.url(&path)).send();
        async move { request.await.unwrap().text().await.unwrap() }
    };
    assert!(text("/".into()).await.contains("Ann Archer"));
    let form = [
        ("subject", "By <hand>"),
        ("start", "2026-11-23T09:30"),
        ("end", "2026-11-23T10:00"),
        ("attendees", BEN),
        ("location", "Desk"),
        ("showas", "busy"),
    ];
    let post =
        |path: String, form: Vec<(&'static str, &'static str)>| w.http.post(w.url(&path)).form(&form).send();
    let sent = post(format!("/mailbox/{ANN}/events"), form.to_vec())
        .await
        .unwrap();
    assert_eq!(sent.status(), 303);
    let made = w.find(ANN, "By <hand>").await.unwrap();
    assert_eq!(made["start"]["dateTime"], "2026-11-23T08:30:00.0000000");
    let page = format!("/mailbox/{ANN}/event/{}", made["id"].as_str().unwrap());
    let shown = text(page.clone()).await;
    assert!(
        shown.contains("By &lt;hand&gt;") && shown.contains("id=\"save\"") && shown.contains("id=\"delete\"")
    );
    assert!(text("/mails".into()).await.contains("invitation"));
    w.forget_mails().await;
    let mut same = form.to_vec();
    same.push(("action", "save"));
    post(page.clone(), same.clone()).await.unwrap();
    assert!(
        w.mails().await.is_empty(),
        "saving without a change changes nothing"
    );
    same[0].1 = "Renamed";
    post(page.clone(), same).await.unwrap();
    assert_eq!(w.mails().await.len(), 1);
    let his = w.find(BEN, "Renamed").await.unwrap();
    let answer = format!("/mailbox/{BEN}/event/{}", his["id"].as_str().unwrap());
    assert!(text(answer.clone()).await.contains("id=\"accept\""));
    post(answer, vec![("action", "accept")]).await.unwrap();
    assert_eq!(
        w.find(ANN, "Renamed").await.unwrap()["attendees"][0]["status"]["response"],
        "accepted"
    );
    post(page, vec![("action", "delete")]).await.unwrap();
    assert!(w.find(ANN, "Renamed").await.is_none());
    let wrong = post(
        format!("/mailbox/{ANN}/events"),
        vec![("subject", "x"), ("start", "never"), ("end", "")],
    )
    .await
    .unwrap();
    assert_eq!(wrong.status(), 400);
}

#[tokio::test]
async fn https_needs_a_certificate_that_can_be_read() {
    let tls = graph_sim::tls::Tls {
        listen: "127.0.0.1:0".into(),
        certificate: "/nowhere/server.pem".into(),
        key: "/nowhere/server.key".into(),
    };
    let options = Options {
        tls: Some(tls),
        ..Options::default()
    };
    let error = graph_sim::start(options).await.err().unwrap().to_string();
    assert!(error.contains("/nowhere/server.pem"), "{error}");
}
