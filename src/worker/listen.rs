//! Hears from other processes that there is work, and tells them: Postgres passes it on
//! (`LISTEN`, `NOTIFY`). Whoever hears nothing looks around every second all the same.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::store::channel;

/// How long to wait before a lost connection is replaced.
const PAUSE: Duration = Duration::from_secs(5);

/// How long wake-ups are collected before other processes are told: a `NOTIFY` takes a lock of the
/// whole cluster at its commit.
const COLLECT: Duration = Duration::from_millis(50);

/// Tells other processes of wake-ups until told to stop.
pub async fn tell(engine: Engine, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = engine.elsewhere.notified() => {}
        }
        sleep(COLLECT).await;
        let told = async {
            let mut conn = engine.store.reserved().await?;
            anyhow::Ok(channel::tell(&mut conn).await?)
        };
        if let Err(error) = told.await {
            tracing::debug!(error = format!("{error:#}"), "other processes were not told");
        }
    }
}

/// Listens until told to stop.
pub async fn keep(engine: Engine, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            ended = listen(&engine) => {
                if let Err(error) = ended {
                    tracing::warn!(error = format!("{error:#}"), "other processes are not heard: they are looked after every second");
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(PAUSE) => {}
        }
    }
}

async fn listen(engine: &Engine) -> anyhow::Result<()> {
    let mut conn = engine.store.alone().await?;
    channel::listen(&mut conn).await?;
    let mut heard = std::pin::pin!(conn.notifications_stream());
    while let Some(notification) = heard.next().await {
        notification?;
        engine.work.notify_one();
    }
    anyhow::bail!("the connection has ended")
}
