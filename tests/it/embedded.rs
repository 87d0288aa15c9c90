//! The private Postgres of an installation that names no database.

use std::os::unix::fs::PermissionsExt;

use diesel_async::{AsyncConnection, AsyncPgConnection};
use outlook_bridge::store::embedded::Embedded;

async fn answers(cluster: &Embedded) -> bool {
    AsyncPgConnection::establish(&cluster.url).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_another_process_uses_goes_on() {
    let data = std::env::temp_dir().join(format!("embedded-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&data).unwrap();
    // Postgres runs as another user than root.
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755)).unwrap();
    let service = Embedded::start(&data).await.unwrap();
    let other = Embedded::start(&data).await.unwrap();
    service.stop().await;
    assert!(answers(&other).await, "the other one is not done");
    // Who has let go of it takes part again when it starts again.
    let again = Embedded::start(&data).await.unwrap();
    other.stop().await;
    assert!(answers(&again).await);
    again.stop().await;
    assert!(!answers(&again).await, "the last one stops it");
    let next = Embedded::start(&data).await.unwrap();
    assert!(answers(&next).await);
    // A process that was killed has let go, too.
    drop(again);
    drop(service);
    drop(other);
    next.stop().await;
    assert!(!answers(&next).await);
    std::fs::remove_dir_all(&data).unwrap();
}
