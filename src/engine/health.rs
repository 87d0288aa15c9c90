//! Reports a database that makes no progress: in the settings, in the journal, in
//! `outlook-bridge status` and in the health endpoints.

use crate::engine::{Engine, now};
use crate::store::databases::{self, Database};
use crate::store::journal::{self, Level, Line};
use crate::words::{Sentence, say};

/// How many exchanges in a row must fail before this is reported. Postgres may have been away for a
/// moment.
pub const SAID_AFTER: i32 = 3;

/// Returns why nothing is exchanged with a database, in words for an administrator.
pub fn problem(database: &Database) -> Option<Sentence> {
    let since = database.failing_since?;
    if database.exchange_failures < SAID_AFTER {
        return None;
    }
    Some(say::exchanges_fail(since, database.exchange_failures))
}

/// Stores that an exchange has failed in the service. If Postgres is the cause, this cannot be
/// stored.
pub async fn note_failure(engine: &Engine, database: &Database, error: &anyhow::Error) {
    let noted = async {
        let mut conn = engine.store.get().await?;
        let database = databases::note_failure(&mut conn, database.id, &format!("{error:#}"), now()).await?;
        if database.exchange_failures == SAID_AFTER
            && let Some(words) = problem(&database)
        {
            tracing::error!(database.uuid = %database.uuid, error = format!("{error:#}"), "every exchange fails");
            let line = Line::general(database.id, None, Level::Error, words);
            journal::write(&mut conn, line).await?;
        }
        anyhow::Ok(())
    };
    if let Err(error) = noted.await {
        tracing::warn!(database.uuid = %database.uuid, error = format!("{error:#}"), "a failure was not noted");
    }
}

/// Stores that an exchange was carried out and committed. If this cannot be stored, the exchange
/// has still succeeded.
pub async fn note_success(engine: &Engine, database: &Database) {
    if database.exchange_failures == 0 {
        return;
    }
    let noted = async {
        let mut conn = engine.store.get().await?;
        databases::forget_failures(&mut conn, database.id).await?;
        if problem(database).is_some() {
            let words = say::exchanges_succeed();
            journal::write(&mut conn, Line::general(database.id, None, Level::Info, words)).await?;
        }
        anyhow::Ok(())
    };
    if let Err(error) = noted.await {
        tracing::warn!(database.uuid = %database.uuid, error = format!("{error:#}"), "a success was not noted");
    }
}
