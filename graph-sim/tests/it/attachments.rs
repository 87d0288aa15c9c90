//! What is attached to events, and the pictures inside their bodies.

use crate::common::*;
use serde_json::{Value, json};

const FILE: &str = "#microsoft.graph.fileAttachment";

fn file(name: &str) -> Value {
    json!({"@odata.type": FILE, "name": name, "contentBytes": "bWFjIGFuZCBjaGVlc2UgdG9kYXk="})
}

fn picture(content_id: &str) -> Value {
    json!({"@odata.type": FILE, "name": "logo.png", "contentType": "image/png", "contentBytes": "aGVsbG8=",
           "isInline": true, "contentId": content_id})
}

fn body(html: &str) -> Value {
    json!({"body": {"contentType": "html", "content": html}})
}

async fn names(me: &Me<'_>, event: &str) -> Vec<String> {
    let all = me
        .get(&format!("/me/events/{event}/attachments"))
        .await
        .is(200)
        .body;
    let all = all["value"].as_array().unwrap().iter();
    all.map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_file_is_attached_read_and_taken_off() {
    let w = world().await;
    let ann = w.login(ANN).await;
    let event = ann.create(json!({})).await.is(201);
    let path = format!("/me/events/{}", event.id());
    let list = format!("{path}/attachments");
    assert_eq!(event.body["hasAttachments"], false);
    let made = ann.send("POST", &list, file("menu.txt")).await.is(201);
    assert_eq!(made.body["@odata.type"], FILE);
    assert_eq!(made.body["size"], 20);
    assert_eq!(made.body["isInline"], false);
    let now = ann.get(&path).await.is(200).body;
    assert_eq!(now["hasAttachments"], true);
    assert_ne!(now["changeKey"], event.body["changeKey"]);

    let one = format!("{list}/{}", made.id());
    assert_eq!(
        ann.get(&one).await.is(200).body["contentBytes"],
        "bWFjIGFuZCBjaGVlc2UgdG9kYXk="
    );
    let few = ann.get(&format!("{list}?$select=name,size")).await.is(200).body;
    let few = few["value"][0].as_object().unwrap();
    assert!(
        few.contains_key("name") && !few.contains_key("contentBytes"),
        "{few:?}"
    );
    // The bytes are the derived type's.
    assert_eq!(
        ann.get(&format!("{list}?$select=contentBytes"))
            .await
            .is(400)
            .code(),
        "RequestBroker--ParseUri"
    );
    ann.get(&format!(
        "{list}?$select=microsoft.graph.fileAttachment/contentBytes"
    ))
    .await
    .is(200);
    let whole = ann.get(&format!("{path}?$expand=attachments")).await.is(200).body;
    assert_eq!(whole["attachments"][0]["name"], "menu.txt");

    ann.send("DELETE", &one, Value::Null).await.is(204);
    assert_eq!(
        ann.send("DELETE", &one, Value::Null).await.is(404).code(),
        "ErrorItemNotFound"
    );
    assert_eq!(ann.get(&path).await.is(200).body["hasAttachments"], false);
}

#[tokio::test]
async fn what_cannot_be_attached() {
    let w = world().await;
    let ann = w.login(ANN).await;
    let list = format!(
        "/me/events/{}/attachments",
        ann.create(json!({})).await.is(201).id()
    );
    for (wrong, code) in [
        (json!({"name": "a", "contentBytes": "AA=="}), "RequestBodyRead"),
        (
            json!({"@odata.type": FILE, "contentBytes": "AA=="}),
            "RequestBodyRead",
        ),
        (json!({"@odata.type": FILE, "name": "a"}), "RequestBodyRead"),
        (
            json!({"@odata.type": FILE, "name": "a", "contentBytes": "not base64"}),
            "RequestBodyRead",
        ),
        (
            json!({"@odata.type": FILE, "name": "a", "contentBytes": "AA==", "color": 1}),
            "RequestBodyRead",
        ),
        (
            json!({"@odata.type": "#microsoft.graph.referenceAttachment", "name": "a"}),
            "ErrorInvalidRequest",
        ),
    ] {
        assert_eq!(ann.send("POST", &list, wrong).await.is(400).code(), code);
    }
    let mut large = file("large.bin");
    large["contentBytes"] = "AAAA".repeat(1024 * 1024).into();
    ann.send("POST", &list, large).await.is(413);
}

#[tokio::test]
async fn guests_have_it_with_the_next_update() {
    let w = world().await;
    let ann = w.login(ANN).await;
    let made = ann.create(json!({"attendees": guests(&[BEN])})).await.is(201);
    let path = format!("/me/events/{}", made.id());
    w.forget_mails().await;
    ann.send("POST", &format!("{path}/attachments"), file("menu.txt"))
        .await
        .is(201);
    assert!(w.mails().await.is_empty(), "attaching mails nobody");
    let copy = w.find(BEN, "Test").await.unwrap();
    assert_eq!(copy["hasAttachments"], false);
    ann.send("PATCH", &path, json!({"location": {"displayName": "Room"}}))
        .await
        .is(200);
    let copy = w.find(BEN, "Test").await.unwrap();
    assert_eq!(copy["hasAttachments"], true);
    let ben = w.login(BEN).await;
    assert_eq!(names(&ben, copy["id"].as_str().unwrap()).await, ["menu.txt"]);

    // A person sends the update at once.
    let own = format!("/mailboxes/{ANN}/events/{}/attachments", made.id());
    w.forget_mails().await;
    w.sim("POST", &own, file("map.txt")).await.is(201);
    assert_eq!(w.mails().await.len(), 1);
    assert_eq!(
        names(&ben, copy["id"].as_str().unwrap()).await,
        ["menu.txt", "map.txt"]
    );
}

#[tokio::test]
async fn a_picture_is_no_attachment_and_lives_as_long_as_it_is_shown() {
    for dropped in [true, false] {
        let w = world().await;
        w.switch(json!({"drops_unused_pictures": dropped, "pictures_look_like_files": !dropped}))
            .await;
        let ann = w.login(ANN).await;
        let shown = body("<p>Hello <img src=\"cid:logo@example\"></p>");
        let made = ann.create(shown.clone()).await.is(201);
        let path = format!("/me/events/{}", made.id());
        let list = format!("{path}/attachments");
        ann.send("POST", &list, picture("logo@example")).await.is(201);
        ann.send("POST", &list, file("menu.txt")).await.is(201);
        let all = ann.get(&list).await.is(200).body;
        assert_eq!(all["value"][0]["isInline"], dropped);
        let menu = format!("{list}/{}", all["value"][1]["id"].as_str().unwrap());
        ann.send("DELETE", &menu, Value::Null).await.is(204);
        assert_eq!(
            ann.get(&path).await.is(200).body["hasAttachments"],
            false,
            "a picture is none"
        );
        for quiet in [json!({"subject": "Other"}), shown] {
            ann.send("PATCH", &path, quiet).await.is(200);
            assert_eq!(names(&ann, &made.id()).await, ["logo.png"]);
        }
        ann.send("PATCH", &path, body("<p>Hello</p>")).await.is(200);
        assert_eq!(names(&ann, &made.id()).await.is_empty(), dropped);
    }
}

#[tokio::test]
async fn an_occurrence_has_its_seriess_until_it_has_its_own() {
    let w = world().await;
    let ann = w.login(ANN).await;
    let rule = json!({"pattern": {"type": "daily", "interval": 1},
                      "range": {"type": "numbered", "startDate": "2031-03-10", "numberOfOccurrences": 3}});
    let made = ann.create(json!({"recurrence": rule})).await.is(201);
    let path = format!("/me/events/{}", made.id());
    ann.send("POST", &format!("{path}/attachments"), file("all.txt"))
        .await
        .is(201);
    let days =
        format!("{path}/instances?startDateTime=2031-03-01T00:00:00Z&endDateTime=2031-03-31T00:00:00Z");
    let days = ann.get(&days).await.is(200).body;
    let day = |n: usize| days["value"][n]["id"].as_str().unwrap().to_owned();
    assert_eq!(days["value"][2]["hasAttachments"], true);
    let one = format!("/me/events/{}/attachments", day(1));
    ann.send("POST", &one, file("one.txt")).await.is(201);
    assert_eq!(names(&ann, &day(1)).await, ["all.txt", "one.txt"]);
    ann.send("POST", &format!("{path}/attachments"), file("later.txt"))
        .await
        .is(201);
    assert_eq!(names(&ann, &day(1)).await, ["all.txt", "one.txt"]);
    assert_eq!(names(&ann, &day(2)).await, ["all.txt", "later.txt"]);
}
