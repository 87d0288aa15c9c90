//! One database's calls leave the others their share.

use futures_util::future::join_all;
use serde_json::json;
use uuid::Uuid;

use outlook_bridge::store::databases;

use super::odoo::Odoo;
use super::stack::Stack;

/// Forty exchanges of one database, whose lock does not come free, and two connections for the calls of all.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_floods_the_service_waits_for_nobody_but_itself() {
    let stack = Stack::start().await;
    let service = stack.serve_with(3).await;
    let loud = Odoo::pair(&service).await;
    let quiet = Odoo::pair(&service).await;
    let mut holder = outlook_bridge::store::Store::new(&stack.database_url, 1)
        .expect("a pool")
        .get()
        .await
        .expect("a connection");
    let id = databases::by_uuid(&mut holder, &loud.uuid)
        .await
        .unwrap()
        .unwrap()
        .id;
    let lock = format!("BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('{id}', 0))");
    diesel_async::SimpleAsyncConnection::batch_execute(&mut *holder, &lock)
        .await
        .expect("its lock is held");
    let exchange = |n: i64| {
        let kwargs =
            json!({"nonce": "n", "next_nonce": Uuid::new_v4().to_string(), "call": n, "existing_left": []});
        loud.call(&service, 1, "calendar.event", "sync", kwargs)
    };
    let flood = join_all((0..40).map(exchange));
    let others = async {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        let status = || quiet.call(&service, 1, "outlook.bridge", "status", json!({}));
        join_all((0..5).map(|_| status())).await
    };
    let (flood, others) = tokio::join!(flood, others);
    for answer in others {
        answer.expect("another database is answered");
    }
    for answer in flood {
        let error = answer.expect_err("nobody has the lock");
        assert_eq!(error["data"]["name"], "odoo.exceptions.UserError", "{error}");
        assert!(
            error["data"]["message"].as_str().unwrap().contains("busy"),
            "{error}"
        );
    }
    diesel_async::SimpleAsyncConnection::batch_execute(&mut *holder, "ROLLBACK")
        .await
        .expect("free");
    let mut conn = service.engine.store.get().await.expect("a connection");
    let database = databases::by_id(&mut conn, id).await.unwrap();
    assert_eq!(database.exchange_failures, 0, "that was no failure");
}
