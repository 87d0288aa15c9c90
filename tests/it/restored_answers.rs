//! Responses that an Odoo has which was restored from a backup.

use serde_json::json;

use super::restored::{id_of, restore, settled};
use super::stack::{ANN, BEN};
use super::world::{answer_in_odoo, kinds, odoo_time, world};

/// A response in the backup to an earlier invitation is not sent as a response to a later one.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_answer_of_a_restored_odoo_is_not_sent() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("connected");
    let event = w.outlook_creates(ANN, "Review", &[BEN]).await;
    w.quiet().await;
    let series = w
        .odoo
        .create_weekly(7, "Weekly", &odoo_time(4, "09:00:00"), 4, &[BEN]);
    w.quiet().await;
    w.odoo.answer(id_of(&w, "Review"), 8, "declined");
    w.odoo.answer_one(series, 1, 8, "declined");
    w.quiet().await;
    let backup = w.odoo.copy();
    w.outlook_edits(ANN, &event, json!({"subject": "Review!"})).await;
    let weekly = w.stack.event(ANN, "Weekly").await.expect("in Outlook");
    w.outlook_edits(ANN, &weekly["occurrences"][1], json!({"subject": "Weekly!"}))
        .await;
    w.quiet().await;
    assert_eq!(
        answer_in_odoo(&w.odoo.records[&id_of(&w, "Review!")], BEN),
        "needsAction"
    );
    assert_eq!(w.odoo.answer_to_one(series, 1, 8), "needsAction");
    w.forget_mails().await;

    restore(&mut w, backup).await;
    settled(&mut w).await;
    assert_eq!(w.stack.mails().await, []);
    assert_eq!(
        answer_in_odoo(&w.odoo.records[&id_of(&w, "Review!")], BEN),
        "needsAction"
    );
    assert_eq!(w.odoo.answer_to_one(series, 1, 8), "needsAction");
    // A response given since is sent.
    w.odoo.answer(id_of(&w, "Review!"), 8, "accepted");
    w.odoo.answer_one(series, 1, 8, "accepted");
    w.quiet().await;
    assert_eq!(kinds(&w.stack.mails().await), [("response", ANN); 2]);
}
