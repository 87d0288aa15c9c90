//! Narrows the window of a calendar that Microsoft repeatedly fails to list while the mailbox
//! answers other requests: the window is too large for Microsoft (microsoft-graph-docs#6499, with
//! series that never end). A smaller window is read, and the whole one is tried again later.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncConnection;
use secrecy::SecretString;

use super::window;
use crate::engine::{Engine, now};
use crate::mailbox::error::PullError;
use crate::outlook::GraphError;
use crate::store::accounts::Account;
use crate::store::journal::{self, Level, Line};
use crate::store::{Connection, accounts, leases, troubles};
use crate::words::say;

/// A window of five years then becomes one of two months.
const MOST_HALVINGS: i32 = 5;
const FEWEST_DAYS: i64 = 7;
/// Failures in a row, over some minutes, after which the window is the cause.
const FAILURES_BEFORE_NARROWING: i32 = 8;
/// How long a smaller window is read before a larger one is tried.
const WIDEN_AFTER: TimeDelta = TimeDelta::days(1);

pub(super) fn halve_days(days: i64, halvings: i32) -> i64 {
    (days >> halvings.clamp(0, MOST_HALVINGS)).max(days.min(FEWEST_DAYS))
}

/// Lets the next run read half as much, if Microsoft has failed many times in a row at the listing
/// and at nothing else.
pub(super) async fn narrow(
    engine: &Engine,
    account: &Account,
    token: &SecretString,
    halvings: i32,
    error: &PullError,
) -> Result<(), PullError> {
    let PullError::Graph(GraphError::Transient { reason, status, .. }) = error else {
        return Ok(());
    };
    // A request that never reached Microsoft says nothing about the window.
    let is_microsofts = status.is_some_and(|status| status >= 500);
    if !is_microsofts
        || account.failures + 1 < FAILURES_BEFORE_NARROWING
        || engine.graph.check_reachable(token).await.is_err()
    {
        return Ok(());
    }
    if halvings < MOST_HALVINGS {
        let mut conn = engine.store.get().await?;
        store_halvings(engine, &mut conn, account, halvings + 1, Some(reason)).await?;
    }
    Ok(())
}

/// Returns how often the window is halved from now on. Tries a larger window if the smaller one has
/// been read for a while.
pub(super) async fn widen(
    engine: &Engine,
    account: &Account,
    halvings: i32,
    since: Option<DateTime<Utc>>,
) -> Result<Option<i32>, PullError> {
    let is_due = since.is_some_and(|since| since < now() - WIDEN_AFTER);
    if halvings == 0 || !is_due || account.failures > 0 || account.listing_since.is_some() {
        return Ok(None);
    }
    let mut conn = engine.store.get().await?;
    store_halvings(engine, &mut conn, account, halvings - 1, None).await?;
    Ok(Some(halvings - 1))
}

async fn store_halvings(
    engine: &Engine,
    conn: &mut Connection,
    account: &Account,
    halvings: i32,
    reason: Option<&str>,
) -> Result<(), PullError> {
    conn.transaction::<_, PullError, _>(async |conn| {
        leases::hold(conn, account).await?;
        troubles::set_halvings(conn, account.id, halvings, now()).await?;
        // The links that follow keep the window of the first one.
        accounts::forget_delta(conn, account.id).await?;
        Ok(())
    })
    .await?;
    let (back, ahead) = window(engine, account, halvings).await?;
    tracing::warn!(
        account.id = account.id,
        back,
        ahead,
        reason,
        "the window that is read is another one"
    );
    let message = match reason {
        Some(reason) => say::window_narrowed(reason, back, ahead),
        None => say::window_widened(back, ahead),
    };
    let (database, user) = (account.database_id, Some(account.odoo_user_id));
    journal::write(conn, Line::general(database, user, Level::Warning, message)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_never_less_than_a_week_nor_more_than_it_was() {
        assert_eq!(halve_days(730, 0), 730);
        assert_eq!(halve_days(730, 1), 365);
        assert_eq!(halve_days(730, 5), 22);
        assert_eq!(halve_days(730, 99), 22);
        assert_eq!(halve_days(30, 5), 7);
        assert_eq!(halve_days(3, 5), 3);
    }
}
