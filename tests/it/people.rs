//! What a process keeps of a database's people is what Postgres has, and is not read again.

use super::world::world;

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_another_cluster_are_forgotten_at_the_start() {
    let mut w = world().await;
    w.service.stop_working().await;
    w.sql("UPDATE accounts SET people_xid = '9999999999'").await;
    w.sql("UPDATE databases SET people_epoch = '9999999999'").await;
    w.service.engine.store.migrate().await.unwrap();
    assert_eq!(w.count("accounts WHERE people_xid = '0'").await, 1);
    assert_eq!(w.count("databases WHERE people_epoch = '0'").await, 1);
    w.sql("UPDATE accounts SET login = 'another'").await;
    assert_eq!(w.count("accounts WHERE people_xid > '0'").await, 1);
}
