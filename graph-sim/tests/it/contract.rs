use crate::common::*;
use graph_sim::Options;
use serde_json::{Value, json};

async fn report(w: &World) -> Value {
    w.sim("GET", "/contract", Value::Null).await.is(200).body
}

#[tokio::test]
async fn without_a_schema_nothing_is_checked() {
    let w = unchecked_world(Options::default()).await;
    let me = w.login(ANN).await;
    me.get("/me/events?$filter=nonsense/any(x:x) eq 1").await.is(400);
    let none = json!({"schema": null, "violations": [], "omitted": 0,
                      "checked": {"requests": 0, "responses": 0, "untyped": 0}});
    assert_eq!(report(&w).await, none);
    w.sim("DELETE", "/contract", Value::Null).await.is(204);
    let missing = Options {
        schema: Some("no/such/schema.xml".into()),
        ..Options::default()
    };
    assert!(graph_sim::start(missing).await.is_err());
}

#[tokio::test]
async fn violations_are_recorded_and_change_nothing() {
    let Some(file) = schema() else {
        return;
    };
    let w = world().await;
    let me = w.login(ANN).await;
    assert_eq!(report(&w).await["schema"], json!(file));
    me.get("/me").await.is(200);
    me.create(json!({"subject": "Right"})).await.is(201);
    assert_eq!(
        report(&w).await["checked"],
        json!({"requests": 1, "responses": 1, "untyped": 1})
    );
    assert_eq!(report(&w).await["violations"], json!([]));

    // A request of which Graph would not read the body.
    me.create(json!({"showAs": "sleepy", "attendees": [{"emailAdress": {}}]}))
        .await
        .is(400);
    let found = report(&w).await["violations"].clone();
    let seen: Vec<_> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|v| {
            (
                v["side"].as_str().unwrap(),
                v["pointer"].as_str().unwrap(),
                v["status"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("request", "/attendees/0/emailAdress", 400),
            ("request", "/showAs", 400)
        ]
    );
    assert_eq!(
        (&found[0]["method"], &found[0]["path"]),
        (&json!("POST"), &json!("/v1.0/me/events"))
    );
    w.sim("DELETE", "/contract", Value::Null).await.is(204);
    assert_eq!(report(&w).await["violations"], json!([]));

    // The same inside a batch; the batch's own frame is in order.
    let step = json!({"id": "1", "method": "PATCH", "url": "/me/events/AAMk", "body": {"isAllDay": "yes"},
                      "headers": {"Content-Type": "application/json"}});
    me.send("POST", "/$batch", json!({"requests": [step]}))
        .await
        .is(200);
    let found = report(&w).await;
    assert_eq!(found["violations"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!(found["violations"][0]["pointer"], "/isAllDay");
    assert_eq!(found["checked"]["requests"], 2);
    w.sim("DELETE", "/contract", Value::Null).await.is(204);
}

#[tokio::test]
async fn an_answer_of_the_simulator_is_held_to_it() {
    if schema().is_none() {
        return;
    }
    let w = world().await;
    let me = w.login(ANN).await;
    let made = me.create(json!({"attendees": guests(&[BEN])})).await.is(201);
    // What the simulator would not make itself is put into its state.
    for mailbox in w.running.sim.world().mailboxes.values_mut() {
        for event in mailbox.events.values_mut() {
            event.content.importance = "urgent".into();
            event.content.locations = vec![json!({"displayName": 7})];
        }
    }
    me.get(&format!("/me/events/{}", made.id())).await.is(200);
    let got = report(&w).await;
    let mut pointers: Vec<_> = got["violations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| (v["side"].as_str().unwrap(), v["pointer"].as_str().unwrap()))
        .collect();
    pointers.sort_unstable();
    assert_eq!(
        pointers,
        [
            ("response", "/importance"),
            ("response", "/location/displayName"),
            ("response", "/locations/0/displayName"),
        ]
    );
    w.sim("DELETE", "/contract", Value::Null).await.is(204);
}
