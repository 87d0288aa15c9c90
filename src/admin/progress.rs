//! How far the first sync of a mailbox is.

use chrono::TimeDelta;
use serde::Serialize;

use crate::engine::{Engine, now};
use crate::odoo::OdooError;
use crate::store::accounts::{self, BackfillState};
use crate::store::databases::Database;
use crate::store::{meetings, outbox};

/// How long after a user connected what is pending still counts as their first sync.
const FIRST_SYNC: TimeDelta = TimeDelta::days(1);

/// What is left of a first sync.
#[derive(Debug, Serialize)]
pub struct Progress {
    /// Whether one of the two calendars has not been read to its end.
    pub reading: bool,
    /// How many events and series the mailbox has shown so far.
    pub found: i64,
    /// How many changes Odoo has not taken yet.
    pub left_in_odoo: i64,
    /// How many changes Outlook has not taken yet, without those that wait for approval.
    pub left_in_outlook: i64,
}

/// Returns what is left of a user's first sync; `None` if it is over, or the mailbox is not synced.
///
/// # Errors
/// `Internal` when Postgres fails.
pub async fn progress(
    engine: &Engine,
    database: &Database,
    user_id: i32,
) -> Result<Option<Progress>, OdooError> {
    let mut conn = engine.store.get().await?;
    let Some(account) = accounts::of_user(&mut conn, database.id, user_id)
        .await?
        .filter(|account| account.is_active() && account.connected_at > now() - FIRST_SYNC)
    else {
        return Ok(None);
    };
    let progress = Progress {
        reading: !account.pulled_once || account.existing != BackfillState::Told,
        found: meetings::count_shown(&mut conn, account.id).await?,
        left_in_odoo: outbox::left_in_odoo(&mut conn, database.id, user_id).await?,
        left_in_outlook: outbox::left_in_outlook(&mut conn, account.id).await?,
    };
    let is_over = !progress.reading && progress.left_in_odoo + progress.left_in_outlook == 0;
    Ok((!is_over).then_some(progress))
}
