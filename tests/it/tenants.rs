//! Calls of one database leave the others their share.

use futures_util::future::join_all;
use serde_json::json;
use tokio::net::TcpListener;
use uuid::Uuid;

use outlook_bridge::engine::odoo_client::{OdooClient, THIS_MACHINE};
use outlook_bridge::store::databases;

use super::odoo::Odoo;
use super::stack::Stack;

/// Forty exchanges of one database whose lock is held, and two connections for the calls of all
/// databases.
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
    let conn = service.engine.store.get().await.expect("a connection");
    let database = databases::by_id(&conn, id).await.unwrap();
    assert_eq!(database.exchange_failures, 0, "that was no failure");
}

/// Odoo's administrators choose an address that the service calls.
#[tokio::test(flavor = "multi_thread")]
async fn odoos_address_leads_to_no_inner_service() {
    let stack = Stack::start().await;
    let service = stack.serve().await;
    let odoo = Odoo::pair(&service).await;
    for bad in [
        "http://127.0.0.1:2375/containers/web/stop?t=0",
        "http://127.0.0.1:2375/containers/web/stop#",
        "http://:secret@odoo.example.com",
        "http://user@odoo.example.com",
    ] {
        let kwargs = json!({"base_url": bad});
        let error = odoo
            .call(&service, 1, "res.config.settings", "set_values", kwargs)
            .await
            .unwrap_err();
        assert_eq!(error["data"]["name"], "odoo.exceptions.UserError", "{bad}");
    }
    // By address in any spelling, and by a name that resolves to it when it is connected to.
    let inner = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = inner.local_addr().expect("an address").port();
    let closed = OdooClient::new(Vec::new()).expect("a client");
    for host in [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f.1",
        "[::ffff:127.0.0.1]",
        "0",
    ] {
        let error = closed
            .look(&format!("http://{host}:{port}/web/health"))
            .await
            .expect_err(host);
        assert!(
            format!("{error:#?}").contains("allow_odoo_on"),
            "{host}: {error:#?}"
        );
    }
    let came = tokio::time::timeout(std::time::Duration::from_millis(300), inner.accept()).await;
    assert!(came.is_err(), "somebody has connected");
    let open =
        OdooClient::new(THIS_MACHINE.iter().map(|net| net.parse().unwrap()).collect()).expect("a client");
    let allowed = format!("http://localhost:{port}/");
    let (answer, came) = tokio::join!(
        tokio::time::timeout(std::time::Duration::from_secs(1), open.look(&allowed)),
        tokio::time::timeout(std::time::Duration::from_secs(5), inner.accept())
    );
    drop(answer);
    assert!(came.is_ok(), "where it is allowed it is called");
}
