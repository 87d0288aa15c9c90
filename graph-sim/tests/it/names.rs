//! Sign-in names, aliases, and mailboxes that get another address.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::common::*;

#[tokio::test]
async fn a_sign_in_name_is_no_address() {
    let w = world().await;
    let name = "a.smith@contoso.onmicrosoft.example";
    w.sim(
        "PATCH",
        &format!("/people/{ANN}"),
        json!({"upn": name, "aliases": ["ann.smith@contoso.example"]}),
    )
    .await
    .is(200);
    let tokens = w.tokens(name).await;
    let claims = tokens["id_token"].as_str().unwrap().split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    assert_eq!(claims["preferred_username"], name);
    let me = w.login(name).await;
    let who = me
        .get("/me?$select=mail,userPrincipalName,proxyAddresses")
        .await
        .is(200)
        .body;
    assert_eq!(
        (&who["mail"], &who["userPrincipalName"]),
        (&json!(ANN), &json!(name))
    );
    // Mail to the name reaches nobody; to an alias it does, and the guest is shown under the primary address.
    let ben = w.login(BEN).await;
    let guests =
        |address: &str| json!({"attendees": [{"emailAddress": {"address": address}, "type": "required"}]});
    ben.create(guests(name)).await.is(201);
    assert!(w.find(ANN, "Event").await.is_none());
    let made = ben.create(guests("ann.smith@contoso.example")).await.is(201).body;
    assert_eq!(made["attendees"][0]["emailAddress"]["address"], ANN);
}

#[tokio::test]
async fn a_mailbox_that_is_renamed_keeps_what_it_has() {
    let w = world().await;
    let ben = w.login(BEN).await;
    let guests = json!({"attendees": [{"emailAddress": {"address": ANN}, "type": "required"}]});
    let event = ben.create(guests).await.is(201).body;
    let to = "ann.jones@contoso.example";
    w.sim("POST", &format!("/people/{ANN}/rename"), json!({"address": BEN}))
        .await
        .is(400);
    w.sim("POST", &format!("/people/{ANN}/rename"), json!({"address": to}))
        .await
        .is(200);
    let path = format!("/me/events/{}", event["id"].as_str().unwrap());
    let shown = ben.get(&path).await.is(200).body;
    assert_eq!(shown["attendees"][0]["emailAddress"]["address"], to);
    let ann = w.login(to).await;
    let who = ann.get("/me?$select=mail,proxyAddresses").await.is(200).body;
    assert_eq!(who["mail"], to);
    assert!(
        who["proxyAddresses"]
            .as_array()
            .unwrap()
            .contains(&json!(format!("smtp:{ANN}")))
    );
    let calendar = ann.get("/me/calendar").await.is(200).body;
    assert_eq!(calendar["owner"]["address"], to);
}

#[tokio::test]
async fn a_mailbox_that_is_renamed_is_renamed_in_exceptions_too() {
    let w = world().await;
    let ben = w.login(BEN).await;
    let daily = json!({"pattern": {"type": "daily", "interval": 1},
        "range": {"type": "numbered", "startDate": "2031-03-10", "numberOfOccurrences": 3}});
    let made = ben
        .create(json!({"recurrence": daily, "attendees": guests(&[ANN])}))
        .await
        .is(201);
    let instances = format!(
        "/me/events/{}/instances?startDateTime=2031-03-01&endDateTime=2031-04-01",
        made.id()
    );
    let listed = ben.get(&instances).await.is(200).body;
    let second = format!("/me/events/{}", listed["value"][1]["id"].as_str().unwrap());
    ben.send(
        "PATCH",
        &second,
        json!({"attendees": guests(&[ANN, "x@out.example"])}),
    )
    .await
    .is(200);
    let to = "ann.jones@contoso.example";
    w.sim("POST", &format!("/people/{ANN}/rename"), json!({"address": to}))
        .await
        .is(200);
    let shown = ben.get(&second).await.is(200).body;
    assert_eq!(shown["attendees"][0]["emailAddress"]["address"], to);
}

#[tokio::test]
async fn a_guest_by_alias_and_by_address_is_listed_once() {
    const ALIAS: &str = "ann.smith@contoso.example";
    let w = world().await;
    w.sim("PATCH", &format!("/people/{ANN}"), json!({"aliases": [ALIAS]}))
        .await
        .is(200);
    let ben = w.login(BEN).await;
    let made = ben
        .create(json!({"subject": "Twice", "attendees": guests(&[ALIAS, ANN])}))
        .await
        .is(201);
    assert_eq!(made.body["attendees"].as_array().map(Vec::len), Some(1));
    assert_eq!(w.mails().await.len(), 1);
    let hers = w.find(ANN, "Twice").await.unwrap();
    let answer = format!("/me/events/{}/accept", hers["id"].as_str().unwrap());
    let ann = w.login(ANN).await;
    ann.send("POST", &answer, json!({})).await.is(202);
    w.forget_mails().await;
    // Who is written by an alias stays, with the answer.
    let path = format!("/me/events/{}", made.id());
    let patched = ben
        .send("PATCH", &path, json!({"attendees": guests(&[ALIAS])}))
        .await
        .is(200);
    assert_eq!(patched.body["attendees"][0]["emailAddress"]["address"], ANN);
    assert_eq!(patched.body["attendees"][0]["status"]["response"], "accepted");
    assert_eq!(w.mails().await, []);
}
