//! Large numbers: processes that start at once, connections, and years of events.

use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use outlook_bridge::store::Store;

use super::odoo::Odoo;
use super::own_database::OwnDatabase;
use super::stack::{ANN, BEN, Stack};
use super::world::{World, odoo_time};

/// If each of several tasks holds a connection and waits for a second one, all of them wait
/// forever.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_needs_a_second_connection_while_it_holds_one() {
    let stack = Stack::start().await;
    let service = stack.serve_with(1).await;
    let odoo = Odoo::pair(&service).await;
    let mut world = World { stack, service, odoo };
    for user in [7, 8] {
        world
            .odoo
            .connect(&world.stack, &world.service, user)
            .await
            .expect("a login with a single connection");
    }
    let at = |hour| odoo_time(5, hour);
    world
        .odoo
        .create(7, "From Odoo", &at("09:00:00"), &at("10:00:00"), &[BEN]);
    world.outlook_creates(ANN, "From Outlook", &[BEN]).await;
    world.quiet().await;
    assert!(world.stack.event(BEN, "From Odoo").await.is_some());
    assert!(world.odoo.by_name("From Outlook").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_at_once_migrate_one_after_the_other() {
    let database = OwnDatabase::new().await;
    let starts: Vec<_> = (0..4)
        .map(|_| {
            let store = Store::new(&database.url, 2).expect("a pool");
            tokio::spawn(async move { store.migrate().await })
        })
        .collect();
    let mut ran = Vec::new();
    for start in starts {
        let versions = start.await.expect("no panic").expect("every process starts");
        ran.extend((!versions.is_empty()).then_some(versions));
    }
    assert_eq!(ran.len(), 1, "one of them has migrated");
    // The lock is released.
    let mut conn = AsyncPgConnection::establish(&database.url)
        .await
        .expect("Postgres answers");
    diesel::sql_query("DROP TABLE __diesel_schema_migrations CASCADE")
        .execute(&mut conn)
        .await
        .expect("forgotten");
    let store = Store::new(&database.url, 1).expect("a pool");
    let error = store.migrate().await.expect_err("there is a schema already");
    assert!(format!("{error:#}").starts_with("migrating: "), "{error:#}");
    // The one that failed has released the lock, too.
    assert!(store.migrate().await.is_err());
}
