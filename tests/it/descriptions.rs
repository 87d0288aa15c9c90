//! Descriptions that somebody outside has written to do harm.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::stack::ANN;
use super::world::{World, world};

async fn invited(w: &World, subject: &str, html: &str) {
    let event = w.outlook_creates(ANN, subject, &[]).await;
    let body = json!({"contentType": "html", "content": html});
    w.outlook_edits(ANN, &event, json!({ "body": body })).await;
}

fn description(w: &World, subject: &str) -> Option<String> {
    let mut records = w.odoo.records.values();
    let record = records.find(|record| record["name"] == subject)?;
    Some(record["description"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn crafted_descriptions_stall_nothing() {
    let mut w = world().await;
    let bytes = 200 * 1024;
    let traps = [
        "//teams.".repeat(bytes / 8),
        "<div>".repeat(30_000),
        "<b id=\"1\"><i><p>x".repeat(bytes / 18),
        format!("<p>{}</p>", "word ".repeat(600_000)),
    ];
    for (number, trap) in traps.iter().enumerate() {
        invited(&w, &format!("Trap {number}"), trap).await;
    }
    invited(&w, "Ordinary", "<p>Agenda</p>").await;
    let began = Instant::now();
    w.quiet().await;
    assert_eq!(description(&w, "Ordinary").as_deref(), Some("<p>Agenda</p>"));
    // A slow machine puts some of them aside for a while, and reads them later.
    for number in 0..traps.len() {
        let shown = loop {
            if let Some(shown) = description(&w, &format!("Trap {number}")) {
                break shown;
            }
            // The time limit, for what once took minutes for each description.
            assert!(began.elapsed() < Duration::from_secs(180), "not in three minutes");
            w.quiet().await;
        };
        assert!(shown.len() < 3 * 1024 * 1024, "{number}: {}", shown.len());
    }
    let longest = description(&w, "Trap 3").expect("in Odoo");
    assert!(longest.ends_with("[This description goes on in Outlook.]</p>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_of_others_come_as_links_and_go_back_as_pictures() {
    let mut w = world().await;
    let picture = r#"<img width="3" src="https://tracker.example/seen.gif">"#;
    let html = format!("<p>Hello {picture}<img src=\"/web/session/logout\"></p>");
    invited(&w, "Pictures", &html).await;
    w.quiet().await;
    let shown = description(&w, "Pictures").expect("in Odoo");
    assert!(!shown.contains("logout") && !shown.contains("<img"), "{shown}");
    assert!(
        shown.contains("[image: https://tracker.example/seen.gif]"),
        "{shown}"
    );
    let mut records = w.odoo.records.iter();
    let found = records.find(|(_, record)| record["name"] == "Pictures");
    let id = *found.expect("in Odoo").0;
    let before = w.stack.event(ANN, "Pictures").await.expect("in Outlook");
    w.odoo.write(id, json!({"location": "Room 7"}));
    w.quiet().await;
    let event: Value = w.stack.event(ANN, "Pictures").await.expect("in Outlook");
    assert_eq!(event["body"], before["body"], "as it was");
    w.odoo
        .write(id, json!({"description": shown.replace("Hello", "Good day")}));
    w.quiet().await;
    let event = w.stack.event(ANN, "Pictures").await.expect("in Outlook");
    let written = event["body"]["content"].as_str().expect("a body");
    assert!(
        written.contains("Good day") && written.contains(picture),
        "{written}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_what_odoo_has_the_beginning_of_is_not_dropped_in_silence() {
    let mut w = world().await;
    let long = format!("<p>{}</p>", "word ".repeat(600_000));
    invited(&w, "Minutes", &long).await;
    w.quiet().await;
    let find = |w: &World| {
        let mut records = w.odoo.records.iter();
        let found = records.find(|(_, record)| record["name"] == "Minutes");
        found.map(|(id, _)| *id)
    };
    while find(&w).is_none() {
        w.quiet().await;
    }
    let id = find(&w).expect("in Odoo");
    let before = w.stack.event(ANN, "Minutes").await.expect("in Outlook");
    for (times, values) in [
        json!({"description": "<p>Shorter</p>"}),
        json!({"description": "<p>Shorter still</p>", "location": "Room 7"}),
    ]
    .into_iter()
    .enumerate()
    {
        w.odoo.write(id, values);
        w.quiet().await;
        w.quiet().await;
        let kwargs = json!({"user_id": 7, "res_id": id, "key": null, "limit": 50});
        let lines = w.odoo.call(&w.service, 7, "outlook.bridge", "journal", kwargs);
        let lines = lines.await.expect("the journal").to_string();
        let said = lines.matches("is edited in Outlook alone").count();
        assert_eq!(
            said,
            times + 1,
            "{}",
            lines.chars().take(3000).collect::<String>()
        );
    }
    let after = w.stack.event(ANN, "Minutes").await.expect("in Outlook");
    assert_eq!(after["body"], before["body"]);
    assert_eq!(after["location"]["displayName"], "Room 7");
}
