//! Why an event is not in Outlook, as its line in Odoo says it.

use serde_json::{Value, json};

use super::stack::{ANN, BEN, eventually};
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
    let excluded = json!({"res_id": 4711, "organizer_id": 7, "excluded": true});
    let said = standing(&w, excluded).await.expect("a rule's");
    assert!(said.contains("A rule of this Odoo"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_guest_s_mailbox_waits_for_is_not_its_organizers_matter() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    let (start, stop) = (odoo_time(3, "09:00:00"), odoo_time(3, "10:00:00"));
    let id = w.odoo.create(7, "With Ben", &start, &stop, &[BEN]);
    w.quiet().await;
    // Nobody learns what became of Ben's response, as he stops before his mailbox says it.
    let lost = json!([{"mailbox": BEN, "method": "POST", "path": "$batch", "cut": "after", "count": 1}]);
    w.faults(lost).await;
    w.odoo.answer(id, 8, "accepted");
    w.odoo.sync(&w.service).await;
    eventually("the response is sent", async || {
        (w.count("outlook_outbox WHERE in_flight_since IS NOT NULL").await == 1).then_some(())
    })
    .await;
    w.faults(json!([{"mailbox": BEN, "path": "/me", "status": 503}]))
        .await;
    let ben = json!({"user_id": 8});
    let stopped = w.odoo.call(&w.service, 1, "res.users", "stop", ben);
    stopped.await.expect("stopped");
    let about = json!({"res_id": id, "organizer_id": 7});
    assert_eq!(
        standing(&w, about.clone()).await,
        None,
        "Ann's meeting is in step"
    );
    // What Ann saves does not wait for him.
    w.odoo.write(id, json!({"location": "Room 1"}));
    w.odoo.sync(&w.service).await;
    w.worked(7).await;
    let shown = w.stack.event(ANN, "With Ben").await.expect("there");
    assert_eq!(shown["location"]["displayName"], "Room 1");
    assert_eq!(
        w.count("outlook_outbox WHERE in_flight_since IS NOT NULL").await,
        1
    );
    // Shut out, nothing is sent for anybody.
    pause(&w, true).await;
    w.odoo.write(id, json!({"location": "Room 2"}));
    w.odoo.sync(&w.service).await;
    w.sql("UPDATE databases SET quarantined = 'x', paused = false")
        .await;
    let said = standing(&w, about).await.expect("a line");
    assert!(said.contains("for safety"), "{said}");
    // Once he goes on, it is settled.
    w.sql("UPDATE databases SET quarantined = NULL").await;
    w.faults(json!([])).await;
    let ben = json!({"user_id": 8});
    let restarted = w.odoo.call(&w.service, 1, "res.users", "restart", ben);
    restarted.await.expect("restarted");
    w.quiet().await;
    assert_eq!(w.count("outlook_outbox").await, 0);
    let copy = w.stack.event(BEN, "With Ben").await.expect("Ben's");
    assert_eq!(copy["responseStatus"]["response"], "accepted");
    assert_eq!(
        super::world::answer_in_odoo(&w.odoo.records[&id], BEN),
        "accepted"
    );
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

    // Archived in Odoo: it leaves Outlook once the synchronization runs again, or has never been there.
    w.odoo.write(known, json!({"active": false}));
    w.odoo.sync(&w.service).await;
    let said = standing(&w, about(known)).await.expect("a line");
    assert!(said.contains("has stopped the synchronization"), "{said}");
    w.odoo.write(later, json!({"active": false}));
    w.odoo.sync(&w.service).await;
    let said = standing(&w, about(later)).await.expect("a line");
    assert!(said.contains("is archived in Odoo"), "{said}");
    assert!(w.stack.event(ANN, "Later").await.is_none());
    assert!(w.stack.event(BEN, "Later").await.is_none());
}
