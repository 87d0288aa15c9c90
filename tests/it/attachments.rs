//! Attachments of an event in Outlook: files, and pictures in its body. Odoo has no field for
//! either.

use serde_json::{Value, json};

use super::stack::{ANN, BEN, id_of};
use super::world::{OUTSIDE, World, kinds, odoo_time, world};

impl World {
    async fn attaches(&self, person: &str, event: &Value, name: &str, content_id: Option<&str>) {
        let file = json!({"@odata.type": "#microsoft.graph.fileAttachment", "name": name, "contentBytes": "aGVsbG8=",
                          "isInline": content_id.is_some(), "contentId": content_id});
        let path = format!("mailboxes/{person}/events/{}/attachments", id_of(event));
        self.stack.sim_call("POST", &path, file).await;
    }

    /// Returns the names of the attachments in Outlook.
    async fn attached(&self, person: &str, subject: &str) -> Vec<String> {
        let event = self.stack.event(person, subject).await.expect("in Outlook");
        let all = event["attachments"].as_array().expect("attachments").iter();
        all.map(|one| one["name"].as_str().expect("a name").to_owned())
            .collect()
    }

    fn id_in_odoo(&self, name: &str) -> i64 {
        let record = self.odoo.by_name(name);
        record.expect("in Odoo")["id"].as_i64().expect("an id")
    }

    /// Returns the line about attachments in the journal that Odoo shows.
    async fn line(&self, event: Value) -> Option<String> {
        self.line_with(event, "has attachments in Outlook").await
    }

    async fn line_with(&self, event: Value, words: &str) -> Option<String> {
        let told = self
            .odoo
            .call(&self.service, 2, "outlook.bridge", "journal", event);
        let told = told.await.expect("a journal");
        let mut lines = told.as_array().expect("lines").iter();
        let line = lines.find(|line| line["message"].to_string().contains(words))?;
        Some(line["message"].as_str().expect("words").to_owned())
    }
}

fn html(inside: &str) -> Value {
    json!({"body": {"contentType": "html", "content": inside}})
}

#[tokio::test(flavor = "multi_thread")]
async fn attachments_are_told_as_long_as_there_are_some_and_are_no_change() {
    let mut w = world().await;
    let event = w.outlook_creates(ANN, "Papers", &[OUTSIDE]).await;
    w.quiet().await;
    let id = w.id_in_odoo("Papers");
    assert_eq!(w.line(json!({"res_id": id})).await, None);
    w.attaches(ANN, &event, "logo.png", Some("logo@example")).await;
    w.quiet().await;
    assert_eq!(w.line(json!({"res_id": id})).await, None, "a picture is none");

    let before = w.odoo.records[&id].clone();
    w.attaches(ANN, &event, "menu.txt", None).await;
    w.forget_mails().await;
    w.quiet().await;
    let line = w.line(json!({"res_id": id})).await.expect("a line");
    assert!(line.contains("https://outlook."), "{line}");
    assert_eq!(w.odoo.records[&id], before, "nothing is written to Odoo");

    // An edit in Odoo does not send them back, and does not change them.
    w.odoo.write(
        id,
        json!({"name": "Papers", "location": "Room 7", "description": "<p>Read them</p>"}),
    );
    w.quiet().await;
    let now = w.stack.event(ANN, "Papers").await.expect("in Outlook");
    assert_eq!(now["location"]["displayName"], "Room 7");
    let body = now["body"]["content"].as_str().expect("a body");
    assert!(
        body.contains("Read them") && !body.contains("attachments"),
        "{body}"
    );
    assert_eq!(kinds(&w.stack.mails().await), [("update", OUTSIDE)]);
    assert!(w.attached(ANN, "Papers").await.contains(&"menu.txt".to_owned()));

    for one in now["attachments"].as_array().expect("attachments") {
        let key = one["key"].as_str().expect("a key");
        let path = format!("mailboxes/{ANN}/events/{}/attachments/{key}", id_of(&now));
        w.stack.sim_call("DELETE", &path, Value::Null).await;
    }
    w.quiet().await;
    assert_eq!(w.line(json!({"res_id": id})).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_series_they_are_told_in_each_of_its_events() {
    let mut w = world().await;
    let id = w
        .odoo
        .create_weekly(7, "Stand-up", &odoo_time(5, "09:00:00"), 4, &[]);
    w.quiet().await;
    let key = w.odoo.records[&id]["key"].clone();
    let asked = json!({"res_id": 4711, "key": key});
    assert_eq!(w.line(asked.clone()).await, None);
    let series = w.stack.event(ANN, "Stand-up").await.expect("in Outlook");
    w.attaches(ANN, &series, "menu.txt", None).await;
    w.quiet().await;
    assert!(w.line(asked).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attached_picture_survives_every_edit_in_odoo() {
    let mut w = world().await;
    let picture = r#"<img width="30" src="cid:logo.png@example">"#;
    let event = w.outlook_creates(ANN, "Picture", &[OUTSIDE]).await;
    w.outlook_edits(ANN, &event, html(&format!("<p>Hello {picture}</p>")))
        .await;
    w.attaches(ANN, &event, "logo.png", Some("logo.png@example"))
        .await;
    w.quiet().await;
    let id = w.id_in_odoo("Picture");
    let description = |w: &World| {
        w.odoo.records[&id]["description"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let shown = description(&w);
    // No browser can show it, so a person reads what it is.
    assert!(
        shown.contains("[image: logo.png]") && !shown.contains("<img"),
        "{shown}"
    );

    let (start, stop) = (odoo_time(6, "09:00:00"), odoo_time(6, "10:00:00"));
    for values in [
        json!({"name": "Logo"}),
        json!({"start": start, "stop": stop}),
        json!({"description": shown.replace("Hello", "Good day")}),
        json!({"videocall_location": "https://meet.example/1", "location": "Room 7"}),
    ] {
        w.odoo.write(id, values.clone());
        w.quiet().await;
        assert_eq!(w.attached(ANN, "Logo").await, ["logo.png"], "{values}");
        let now = w.stack.event(ANN, "Logo").await.expect("in Outlook");
        let body = now["body"]["content"].as_str().expect("a body");
        assert!(body.contains(picture), "{values}: {body}");
    }
    w.odoo.set_guests(id, &[]);
    w.quiet().await;
    assert_eq!(w.attached(ANN, "Logo").await, ["logo.png"]);
    assert_eq!(
        description(&w),
        shown.replace("Hello", "Good day"),
        "nothing comes back"
    );

    // Removing the text in Odoo also removes the picture.
    w.odoo.write(id, json!({"description": "<p>Good day</p>"}));
    w.quiet().await;
    let now = w.stack.event(ANN, "Logo").await.expect("in Outlook");
    assert!(
        !now["body"]["content"].to_string().contains("cid:"),
        "{}",
        now["body"]
    );
    assert_eq!(w.attached(ANN, "Logo").await, [""; 0]);
    assert_eq!(description(&w), "<p>Good day</p>");
}

const PICTURE: &str = r#"<p>Hello <img width="30" src="cid:logo.png@example"></p>"#;

/// Checks the body of an event that was created without its attachments: text stands for the
/// picture.
fn in_words(event: &Value) {
    let body = event["body"]["content"].as_str().expect("a body");
    assert!(
        body.contains("Hello [image: logo.png]") && !body.contains("cid:"),
        "{body}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_handed_over_says_what_it_leaves_behind() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    let event = w.outlook_creates(ANN, "Handed", &[BEN]).await;
    w.outlook_edits(ANN, &event, html(PICTURE)).await;
    w.attaches(ANN, &event, "logo.png", Some("logo.png@example"))
        .await;
    w.attaches(ANN, &event, "menu.txt", None).await;
    w.quiet().await;
    let id = w.id_in_odoo("Handed");
    let shown = w.odoo.records[&id]["description"].clone();
    let organizer = w.odoo.organizer(8);
    w.odoo.write(id, json!({"organizer": organizer}));
    w.quiet().await;
    in_words(&w.stack.event(BEN, "Handed").await.expect("in his mailbox"));
    for words in ["without its attachments", "words stand for the pictures"] {
        assert!(
            w.line_with(json!({"res_id": id}), words).await.is_some(),
            "{words}"
        );
    }
    // Both sides come to rest, and an edit does not bring the missing picture to Outlook.
    assert_eq!(w.odoo.records[&id]["description"], shown);
    let edited = shown
        .as_str()
        .expect("a description")
        .replace("Hello", "Oh, Hello");
    w.odoo.write(id, json!({"description": edited}));
    w.quiet().await;
    let event = w.stack.event(BEN, "Handed").await.expect("in his mailbox");
    in_words(&event);
    assert!(event["body"]["content"].to_string().contains("Oh,"), "{event}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_that_is_split_says_that_its_attachments_stay() {
    let mut w = world().await;
    let start = odoo_time(5, "09:00:00");
    let id = w.odoo.create_weekly(7, "Stand-up", &start, 4, &[]);
    w.quiet().await;
    let series = w.stack.event(ANN, "Stand-up").await.expect("in Outlook");
    w.outlook_edits(ANN, &series, html(PICTURE)).await;
    w.attaches(ANN, &series, "logo.png", Some("logo.png@example"))
        .await;
    w.attaches(ANN, &series, "menu.txt", None).await;
    w.quiet().await;
    let key = w.odoo.records[&id]["key"].clone();
    w.odoo.split_series(id, 2, "Later");
    w.quiet().await;
    in_words(&w.stack.event(ANN, "Later").await.expect("in Outlook"));
    let asked = json!({"res_id": 4711, "key": key});
    let line = w
        .line_with(asked, "to which its attachments are not attached")
        .await;
    assert!(line.is_some());
    assert_eq!(w.attached(ANN, "Stand-up").await, ["logo.png", "menu.txt"]);
    let body = w.stack.event(ANN, "Stand-up").await.expect("in Outlook")["body"].to_string();
    assert!(body.contains("cid:logo.png@example"), "{body}");
}
