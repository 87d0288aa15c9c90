//! Why an event is not in Outlook, as its line in Odoo says it.

use serde_json::{Value, json};

use super::stack::{ANN, BEN};
use super::world::{World, odoo_time, pause, world};

/// Returns the first line of an event's journal, if it says how the event stands.
async fn standing(w: &World, about: Value) -> Option<String> {
    let lines = w
        .odoo
        .call(&w.service, 7, "outlook.bridge", "journal", about)
        .await
        .expect("the journal");
    let first = lines.as_array().expect("a list").first()?;
    let said = first["message"].as_str()?.to_owned();
    (first["standing"] == true).then_some(said)
}

fn create(w: &mut World, name: &str) -> i64 {
    w.odoo
        .create(7, name, &odoo_time(3, "09:00:00"), &odoo_time(3, "10:00:00"), &[])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_never_sent_here_has_an_answer_all_the_same() {
    let w = world().await;
    let about = |organizer: Value| json!({"res_id": 4711, "organizer_id": organizer});
    let said = standing(&w, about(json!(7))).await.expect("Ann's");
    assert!(
        said.starts_with("it is in Odoo alone, as it is from before the connection"),
        "{said}"
    );
    let said = standing(&w, about(json!(99))).await.expect("somebody's");
    assert!(
        said.contains("its organizer is not connected to Outlook"),
        "{said}"
    );
    assert_eq!(standing(&w, about(Value::Null)).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_says_for_whom() {
    let mut w = world().await;
    let known = create(&mut w, "Known");
    w.quiet().await;
    let about = |id: i64| json!({"res_id": id, "organizer_id": 7});
    assert_eq!(standing(&w, about(known)).await, None, "it is in step");

    pause(&w, true).await;
    let new = create(&mut w, "New");
    w.odoo.write(known, json!({"location": "Room 1"}));
    w.odoo.sync(&w.service).await;
    for id in [known, new] {
        let said = standing(&w, about(id)).await.expect("a line");
        assert!(said.contains("an administrator has paused"), "{said}");
    }
    pause(&w, false).await;
    w.quiet().await;
    assert_eq!(standing(&w, about(new)).await, None);

    let stop = json!({"user_id": 7});
    w.odoo
        .call(&w.service, 1, "res.users", "stop", stop)
        .await
        .expect("stopped");
    let later = create(&mut w, "Later");
    w.odoo.write(known, json!({"location": "Room 2"}));
    w.odoo.sync(&w.service).await;
    for id in [known, later] {
        let said = standing(&w, about(id)).await.expect("a line");
        assert!(said.contains("has stopped the synchronization"), "{said}");
    }

    // Archived in Odoo: it leaves Outlook, or has never been there.
    w.odoo.write(later, json!({"active": false}));
    w.odoo.sync(&w.service).await;
    let said = standing(&w, about(later)).await.expect("a line");
    assert!(said.contains("is archived in Odoo"), "{said}");
    assert!(w.stack.event(ANN, "Later").await.is_none());
    assert!(w.stack.event(BEN, "Later").await.is_none());
}
