//! Forgets what is older than the journal is kept, beside the work.

use std::time::Duration;

use chrono::TimeDelta;
use diesel_async::pooled_connection::deadpool::Object;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Engine, now};
use crate::store::{pruning, try_lock, unlock};

const EVERY: Duration = Duration::from_secs(6 * 3600);
const AFTER_TROUBLE: Duration = Duration::from_secs(5 * 60);
/// Rows of a kind in a transaction: a fraction of a second.
const ROWS: i64 = 500;
/// Between two transactions others have their turn.
const BREATH: Duration = Duration::from_millis(20);

/// Prunes now and then until told to stop.
pub async fn keep_pruned(engine: Engine, stop: CancellationToken) {
    loop {
        let pruned = tokio::select! {
            () = stop.cancelled() => return,
            pruned = prune(&engine) => pruned,
        };
        let rest = match pruned {
            Ok(()) => EVERY,
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "what is old was not pruned; it is tried again in {AFTER_TROUBLE:?}"
                );
                AFTER_TROUBLE
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(rest) => {}
        }
    }
}

/// Prunes all there is, in small transactions; nothing, while another process does.
///
/// # Errors
/// When Postgres cannot be reached or refuses.
pub async fn prune(engine: &Engine) -> anyhow::Result<()> {
    // Taken out of the pool: where this is given up half-way, the lock ends with the connection.
    let mut conn = Object::take(engine.store.get().await?);
    if !try_lock(&mut conn, pruning::LOCK).await? {
        return Ok(());
    }
    let before = now() - TimeDelta::days(engine.settings.journal_days);
    while pruning::step(&mut conn, before, ROWS).await? > 0 {
        sleep(BREATH).await;
    }
    unlock(&mut conn, pruning::LOCK).await?;
    Ok(())
}
