//! What a restored Odoo has lost is settled in portions.

use chrono::Utc;
use diesel_async::AsyncConnection as _;
use outlook_bridge::measures::Purpose;
use outlook_bridge::migration::baseline::{PORTION, Settled, settle_some};
use outlook_bridge::planning::people::People;
use outlook_bridge::store::databases;

use super::restored::{restore, settled};
use super::stack::ANN;
use super::world::{World, odoo_time, world};

const MORE: i64 = 30;

/// Settles the next portion of Ann's events, as an exchange does.
async fn portion(w: &World) -> Settled {
    let mut conn = w.service.engine.store.get().await.unwrap();
    let database = databases::all(&mut conn).await.unwrap()[0].id;
    conn.transaction::<_, anyhow::Error, _>(async |conn| {
        let lock = databases::serialize(conn, database, Purpose::Exchange).await?;
        let people = People::load(conn, database, Utc::now()).await?;
        let ann = people.account_of_user(7).expect("Ann");
        settle_some(conn, &lock, &people, ann).await
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portion_at_a_time_and_each_event_once() {
    let mut w = world().await;
    let backup = w.odoo.copy();
    let count = PORTION + MORE;
    for number in 0..count {
        let day = 1 + number % 300;
        w.odoo.create(
            7,
            &format!("Event {number}"),
            &odoo_time(day, "09:00:00"),
            &odoo_time(day, "10:00:00"),
            &[],
        );
    }
    w.quiet().await;
    assert_eq!(w.stack.events(ANN).await.len() as i64, count);

    restore(&mut w, backup).await;
    w.odoo.exchange(&w.service).await.unwrap();
    assert_eq!(w.count("accounts WHERE existing = 'asked'").await, 1);
    assert_eq!(w.count("meetings WHERE unconfirmed").await, count);
    w.sql("UPDATE accounts SET existing = 'arrived', settled_to = 0")
        .await;
    assert_eq!(portion(&w).await, Settled::Some);
    assert_eq!(w.count("meetings WHERE unconfirmed").await, MORE);
    // The next exchange goes on from there, whatever has become of the process.
    w.odoo.exchange(&w.service).await.unwrap();
    assert_eq!(w.count("meetings WHERE unconfirmed").await, 0);
    assert_eq!(w.count("accounts WHERE existing = 'told'").await, 1);
    settled(&mut w).await;
    assert_eq!(w.odoo.records.len() as i64, count);
    assert_eq!(w.stack.events(ANN).await.len() as i64, count);
    assert_eq!(w.stack.mails().await, []);
}
