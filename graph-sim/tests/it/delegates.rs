//! Delegates, and others with whom a calendar is shared: Ann is the owner, Ben the one who acts.

use crate::common::*;
use serde_json::{Value, json};

async fn let_in(w: &World, role: &str) {
    let permissions = json!({"permissions": {BEN: role}});
    w.sim("PATCH", &format!("/mailboxes/{ANN}"), permissions)
        .await
        .is(200);
}

/// Kind, sender, the one it is from, and recipient of all mails.
async fn letters(w: &World) -> Vec<[String; 4]> {
    let got = w.sim("GET", "/mails", Value::Null).await.body;
    let mails = got["value"].as_array().unwrap().clone();
    let line = |mail: Value| {
        ["kind", "sender", "from", "to"].map(|name| mail[name].as_str().unwrap_or_default().to_owned())
    };
    w.forget_mails().await;
    mails.into_iter().map(line).collect()
}

fn letter(kind: &str, sender: &str, from: &str, to: &str) -> [String; 4] {
    [kind, sender, from, to].map(str::to_owned)
}

#[tokio::test]
async fn what_a_delegate_does_is_the_owners_and_mailed_by_the_delegate() {
    let w = world().await;
    let_in(&w, "delegateWithoutPrivateEventAccess").await;
    let events = format!("/mailboxes/{ANN}/events");
    let body = event(json!({"subject": "Dinner", "attendees": guests(&[CARLA])}));
    let made = w.sim("POST", &format!("{events}?by={BEN}"), body).await.is(201);
    assert_eq!(made.body["isOrganizer"], true);
    assert_eq!(made.body["organizer"]["emailAddress"]["address"], ANN);
    assert_eq!(made.body["responseStatus"]["response"], "organizer");
    assert!(!made.body.to_string().contains(BEN), "nothing names the delegate");
    assert!(w.find(BEN, "Dinner").await.is_none());
    assert_eq!(letters(&w).await, [letter("invitation", BEN, ANN, CARLA)]);

    // Answers to it, and invitations of the owner's, are the delegate's to read.
    let carla = w.login(CARLA).await;
    let copy = w.find(CARLA, "Dinner").await.unwrap();
    let accept = format!("/me/events/{}/accept", copy["id"].as_str().unwrap());
    carla.send("POST", &accept, json!({})).await.is(202);
    assert_eq!(letters(&w).await, [letter("response", CARLA, CARLA, BEN)]);
    let hers = w.find(ANN, "Dinner").await.unwrap();
    assert_eq!(hers["attendees"][0]["status"]["response"], "accepted");
    carla
        .create(json!({"subject": "Review", "attendees": guests(&[ANN])}))
        .await
        .is(201);
    assert_eq!(letters(&w).await, [letter("invitation", CARLA, CARLA, BEN)]);
    let hers = w
        .find(ANN, "Review")
        .await
        .expect("it is in her calendar all the same");
    let respond = format!("{events}/{}/respond?by={BEN}", hers["id"].as_str().unwrap());
    w.sim("POST", &respond, json!({"response": "accept"}))
        .await
        .is(202);
    assert_eq!(letters(&w).await, [letter("response", BEN, ANN, CARLA)]);
    let hers = w.find(ANN, "Review").await.unwrap();
    assert_eq!(hers["responseStatus"]["response"], "accepted");

    // The owner may want them, too.
    for option in [
        "sendToDelegateAndPrincipal",
        "sendToDelegateAndInformationToPrincipal",
    ] {
        let wish = json!({"meeting_messages": option});
        w.sim("PATCH", &format!("/mailboxes/{ANN}"), wish).await.is(200);
        carla.create(json!({"attendees": guests(&[ANN])})).await.is(201);
        let to = |to| letter("invitation", CARLA, CARLA, to);
        assert_eq!(letters(&w).await, [to(BEN), to(ANN)], "{option}");
    }
}
