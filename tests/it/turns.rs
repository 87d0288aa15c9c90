//! Users take turns in what is sent to Odoo.

use serde_json::json;

use super::stack::{ANN, BEN, eventually};
use super::world::world;

/// The first listing of a large mailbox holds up nobody else's news.
#[tokio::test(flavor = "multi_thread")]
async fn news_passes_by_many_old_events_of_another_mailbox() {
    let mut w = world().await;
    w.odoo.connect(&w.stack, &w.service, 8).await.expect("Ben too");
    w.quiet().await;
    let many = json!({"count": 120, "days": 30});
    w.stack
        .sim_call("POST", &format!("mailboxes/{ANN}/bulk"), many)
        .await;
    eventually("Ann's events are to be sent", async || {
        (w.count("odoo_outbox WHERE user_id = 7").await == 120).then_some(())
    })
    .await;
    w.outlook_creates(BEN, "First", &[]).await;
    w.outlook_creates(BEN, "Second", &[]).await;
    eventually("so are Ben's", async || {
        (w.count("odoo_outbox WHERE user_id = 8").await == 2).then_some(())
    })
    .await;
    // A page of fifty.
    w.odoo.exchange(&w.service).await.expect("an exchange");
    assert!(w.odoo.by_name("First").is_some() && w.odoo.by_name("Second").is_some());
    assert_eq!(w.odoo.records.len(), 50, "the others are Ann's");
    w.quiet().await;
    assert_eq!(w.odoo.records.len(), 122);
}
