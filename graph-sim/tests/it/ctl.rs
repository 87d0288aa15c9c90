use crate::common::*;
use clap::Parser;
use graph_sim::ctl::{self, Ctl, CtlError};
use serde_json::{Value, json};

async fn ctl(w: &World, words: &[&str]) -> Result<Value, CtlError> {
    let url = w.running.url();
    let all = [["ctl", "--url", &url].as_slice(), words].concat();
    ctl::run(Ctl::try_parse_from(all).unwrap()).await
}

#[tokio::test]
async fn a_mailbox_from_a_file() {
    let w = world().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.json");
    let events = json!([
        event(json!({"subject": "One"})),
        event(json!({"subject": "Two", "attendees": guests(&[BEN])}))
    ]);
    std::fs::write(&file, events.to_string()).unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(ctl(&w, &["load", ANN, file]).await.unwrap()["count"], 2);
    assert!(w.find(ANN, "One").await.is_some() && w.find(BEN, "Two").await.is_some());
    let mails = ctl(&w, &["mails", "--kind", "invitation", "--to", BEN])
        .await
        .unwrap();
    assert_eq!(mails["value"][0]["subject"], "Two");
    ctl(&w, &["mails", "--clear"]).await.unwrap();
    assert_eq!(ctl(&w, &["mails"]).await.unwrap()["value"], json!([]));
    std::fs::write(file, json!([event(json!({"nonsense": 1}))]).to_string()).unwrap();
    let refused = ctl(&w, &["load", ANN, file]).await.unwrap_err();
    assert!(
        matches!(refused, CtlError::Refused { status: 400, .. }),
        "{refused}"
    );
}

#[tokio::test]
async fn people_at_work() {
    let w = world().await;
    let body = event(json!({"subject": "Talk", "attendees": guests(&[BEN])})).to_string();
    let made = ctl(&w, &["act", ANN, "create", &body]).await.unwrap();
    let id = made["id"].as_str().unwrap();
    let copy = w.find(BEN, "Talk").await.unwrap();
    let his = copy["id"].as_str().unwrap();
    ctl(&w, &["act", BEN, "respond", his, "accept", "--comment", "Yes"])
        .await
        .unwrap();
    let seen = ctl(&w, &["events", ANN, id]).await.unwrap();
    assert_eq!(seen["attendees"][0]["status"]["response"], "accepted");
    ctl(&w, &["act", ANN, "patch", id, "{\"subject\": \"Long talk\"}"])
        .await
        .unwrap();
    ctl(&w, &["act", ANN, "cancel", id, "--comment", "Sorry"])
        .await
        .unwrap();
    let gone = ctl(&w, &["events", ANN, id]).await.unwrap_err();
    assert!(matches!(gone, CtlError::Refused { status: 404, .. }), "{gone}");
    assert!(w.find(BEN, "Canceled: Long talk").await.is_some());
    ctl(&w, &["act", BEN, "delete", his]).await.unwrap();
    assert!(ctl(&w, &["act", BEN, "patch", his, "no JSON"]).await.is_err());
}

#[tokio::test]
async fn faults_switches_and_the_state() {
    let w = world().await;
    let me = w.login(ANN).await;
    let faults = ctl(
        &w,
        &[
            "fault",
            "{\"path\": \"/me/calendar\", \"status\": 503, \"count\": 1}",
        ],
    )
    .await
    .unwrap();
    assert_eq!(faults["value"].as_array().unwrap().len(), 1);
    me.get("/me/calendar").await.is(503);
    let none = ctl(&w, &["fault", "--clear"]).await.unwrap();
    assert_eq!(none["value"], json!([]));
    let log = ctl(&w, &["requests", "--mailbox", ANN, "--path", "/me/calendar"])
        .await
        .unwrap();
    assert_eq!(log["value"][0]["status"], 503);
    let set = ctl(&w, &["switch", "delta_masters=never", "delta_page_size=7"])
        .await
        .unwrap();
    assert_eq!(
        (&set["delta_masters"], &set["delta_page_size"]),
        (&json!("never"), &json!(7))
    );
    assert_eq!(
        ctl(&w, &["switch", "--defaults"]).await.unwrap()["delta_masters"],
        "always"
    );
    assert!(ctl(&w, &["switch", "nonsense=1"]).await.is_err());

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.json");
    let file = file.to_str().unwrap();
    me.create(json!({"subject": "Kept"})).await.is(201);
    ctl(&w, &["save", file]).await.unwrap();
    ctl(&w, &["reset"]).await.unwrap();
    assert!(w.find(ANN, "Kept").await.is_none());
    ctl(&w, &["restore", file]).await.unwrap();
    assert!(w.find(ANN, "Kept").await.is_some());
    ctl(&w, &["person", ANN, "{\"disabled\": true}"]).await.unwrap();
    me.get("/me/calendar").await.is(401);
}
