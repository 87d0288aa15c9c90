//! Delegates, and others with whom a calendar is shared: Ann is the owner, Ben the one who acts.

use crate::common::*;
use serde_json::{Value, json};

async fn let_in(w: &World, role: &str) {
    let permissions = json!({"permissions": {BEN: role}});
    w.sim("PATCH", &format!("/mailboxes/{ANN}"), permissions)
        .await
        .is(200);
}

/// Signed in for shared calendars as well.
async fn ben(w: &World) -> Me<'_> {
    let scope = format!("{SCOPE} Calendars.ReadWrite.Shared");
    let code = w.code_with(BEN, &[("scope", &scope)]).await;
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("code_verifier", VERIFIER),
        ("scope", &scope),
    ];
    let token = w.token(&fields).await.is(200).body["access_token"].clone();
    Me {
        world: w,
        token: token.as_str().unwrap().to_owned(),
    }
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

#[tokio::test]
async fn who_may_do_what_in_a_shared_calendar() {
    for (role, reads, writes, answers, sees_private) in [
        ("limitedRead", false, false, false, false),
        ("read", true, false, false, false),
        ("write", true, true, false, false),
        ("delegateWithoutPrivateEventAccess", true, true, true, false),
        ("delegateWithPrivateEventAccess", true, true, true, true),
    ] {
        let w = world().await;
        let (ann, carla, ben) = (w.login(ANN).await, w.login(CARLA).await, ben(&w).await);
        let secret = json!({"subject": "Doctor", "sensitivity": "private"});
        let secret = ann.create(secret).await.is(201).id();
        carla
            .create(json!({"subject": "Review", "attendees": guests(&[ANN])}))
            .await
            .is(201);
        let theirs = w.find(ANN, "Review").await.unwrap()["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let_in(&w, role).await;
        let expect = |may: bool, status: u16| if may { status } else { 403 };
        let calendar = format!("/users/{ANN}/calendar");
        let list = ben
            .get(&format!("{calendar}/events?$select=subject&$top=100"))
            .await
            .is(expect(reads, 200));
        let text = list.body.to_string();
        assert_eq!(text.contains("Doctor"), sees_private, "{role}");
        assert_eq!(text.contains("Review"), reads, "{role}");
        ben.send("POST", &format!("{calendar}/events"), event(json!({})))
            .await
            .is(expect(writes, 201));
        let hidden = format!("{calendar}/events/{secret}");
        ben.send("PATCH", &hidden, json!({"subject": "Seen"}))
            .await
            .is(expect(sees_private, 200));
        let accept = format!("{calendar}/events/{theirs}/microsoft.graph.accept");
        ben.send("POST", &accept, json!({}))
            .await
            .is(expect(answers, 202));
        // A token for one's own calendars opens no other.
        w.login(BEN).await.get(&calendar).await.is(403);
        let subject = ann.get(&format!("/me/events/{secret}")).await.is(200).body["subject"].clone();
        assert_eq!(subject == "Doctor", !sees_private, "{role}: {subject}");

        // It is among the other's calendars as well.
        let all = ben.get("/me/calendars").await.is(200).body;
        let all = all["value"].as_array().unwrap();
        let shared = all.iter().find(|one| one["owner"]["address"] == ANN);
        assert_eq!(shared.is_some(), reads, "{role}");
        let Some(shared) = shared else { continue };
        assert_eq!(
            (
                &shared["canShare"],
                &shared["canEdit"],
                &shared["canViewPrivateItems"]
            ),
            (&json!(false), &json!(writes), &json!(sees_private)),
            "{role}"
        );
        let path = format!("/me/calendars/{}", shared["id"].as_str().unwrap());
        let one = ben.get(&path).await.is(200).body;
        assert_eq!((&one["id"], &one["owner"]), (&shared["id"], &shared["owner"]));
        let whole = ben.get(&calendar).await.is(200).body;
        assert_ne!(whole["id"], shared["id"], "that one is of the owner's mailbox");
        assert_eq!(whole["canEdit"], writes);
        let list = ben
            .get(&format!("{path}/events?$top=100"))
            .await
            .is(200)
            .body
            .to_string();
        assert!(list.contains("Review"), "{role}");
        w.forget_mails().await;
        let more = event(json!({"subject": "More", "attendees": guests(&[CARLA])}));
        let status = expect(writes, 201);
        ben.send("POST", &format!("{path}/events"), more).await.is(status);
        let sent = letters(&w).await;
        let expected = [letter("invitation", BEN, ANN, CARLA)];
        assert_eq!(sent, expected[..usize::from(writes)], "{role}");
    }
}
