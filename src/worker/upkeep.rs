//! What is done now and then for all mailboxes: asks after an Odoo that does not call, and ends
//! subscriptions that are not wanted any more.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::engine::{Engine, now};
use crate::mailbox::subscriptions;
use crate::store::databases;

const EVERY: Duration = Duration::from_secs(30);
/// How long an Odoo may be silent before it is poked: well below the time after which its mailboxes
/// are not worked any more (`HEARD_FOR`).
const SILENT: TimeDelta = TimeDelta::minutes(4);
/// How long until a silent one is poked again, at least. The longer it is silent, the longer.
const PAUSE: TimeDelta = TimeDelta::minutes(1);
/// How many silent ones are poked at a time; those first that were heard last.
const MOST_POKED: i64 = 50;

/// Works until told to stop.
pub async fn keep(engine: Engine, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(EVERY) => {}
        }
        if let Err(error) = once(&engine).await {
            tracing::warn!(error = format!("{error:#}"), "the upkeep failed");
        }
    }
}

/// # Errors
/// When Postgres fails.
pub async fn once(engine: &Engine) -> anyhow::Result<()> {
    let silent = {
        let mut conn = engine.store.get().await?;
        databases::silent(&mut conn, now(), SILENT, PAUSE, MOST_POKED).await?
    };
    for database in silent {
        engine.poke(database, BTreeSet::new());
    }
    subscriptions::end_unwanted(engine).await
}
