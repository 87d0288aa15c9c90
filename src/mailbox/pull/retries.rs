//! Items that a mailbox shows and that cannot be processed now: they are put aside and requested
//! again.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use diesel_async::AsyncConnection;
use secrecy::SecretString;
use tokio::time::Instant;

use super::{ResolvedRow, Source, resolve_id, store, store_page, uids_of};
use crate::engine::{Engine, now};
use crate::mailbox::error::PullError;
use crate::mailbox::trouble::backoff;
use crate::measures::Purpose;
use crate::planning::people::People;
use crate::planning::planner::{self, Effects};
use crate::store::accounts::Account;
use crate::store::databases::PlanningLock;
use crate::store::journal::{self, Level, Line};
use crate::store::put_aside::{self, Item};
use crate::store::reason::Reason;
use crate::store::{Connection, databases, leases, meetings};
use crate::words::say;

/// How many items are looked at again in one run.
const ITEMS_PER_RUN: i64 = 20;

/// Returns how long an unreadable item waits.
fn wait(attempts: i32) -> TimeDelta {
    backoff(attempts, TimeDelta::minutes(1), TimeDelta::days(1))
}

/// Returns how long an item waits for somebody else's creation, which ends within a minute.
fn wait_for_creation(attempts: i32) -> TimeDelta {
    backoff(attempts, TimeDelta::seconds(1), TimeDelta::seconds(15))
}

/// Puts aside the items that could not be stored, and forgets those that could.
pub(super) async fn record_failures(
    conn: &mut Connection,
    account: &Account,
    resolved_rows: &[ResolvedRow],
    aside: &BTreeMap<String, Option<Reason>>,
) -> Result<(), PullError> {
    let read = resolved_rows.iter().filter_map(ResolvedRow::graph_id);
    let read: Vec<&str> = read.filter(|id| !aside.contains_key(*id)).collect();
    put_aside::clear_shown(conn, account.id, &read).await?;
    for (id, reason) in aside {
        put(conn, account, id, reason.as_ref()).await?;
    }
    Ok(())
}

async fn put(
    conn: &mut Connection,
    account: &Account,
    id: &str,
    reason: Option<&Reason>,
) -> Result<(), PullError> {
    let is_complaint = put_aside::is_complaint(reason);
    let waits = if is_complaint { wait } else { wait_for_creation };
    let is_news = put_aside::put(conn, account.id, Item::Shown(id), reason, waits, now()).await?;
    if let (true, Some(reason)) = (is_news && is_complaint, reason) {
        // The title is only for the journal.
        tracing::warn!(
            account.id = account.id,
            graph.id = id,
            "put aside; the journal says why"
        );
        let message = say::cannot_be_read_now(reason.sentence());
        let (database, user) = (account.database_id, Some(account.odoo_user_id));
        journal::write(conn, Line::general(database, user, Level::Error, message)).await?;
    }
    Ok(())
}

/// Stores each item by itself, and puts aside those that fail. The caller holds the database's
/// lock, in a transaction.
pub(super) async fn store_each(
    conn: &mut Connection,
    lock: &PlanningLock,
    account: &Account,
    resolved_rows: &[ResolvedRow],
) -> Result<Effects, PullError> {
    let mut effects = Effects::default();
    for resolved in resolved_rows {
        let stored = conn
            .transaction::<_, PullError, _>(async |conn| {
                store_page(conn, lock, account, std::slice::from_ref(resolved)).await
            })
            .await;
        match (stored, resolved.graph_id()) {
            (Ok(stored), _) => effects.merge(stored),
            (Err(error), Some(id)) => {
                tracing::error!(
                    account.id = account.id,
                    graph.id = id,
                    error = format!("{error:#}"),
                    "not stored"
                );
                put(
                    conn,
                    account,
                    id,
                    Some(&Reason::NotStored {
                        title: resolved.title(),
                    }),
                )
                .await?;
            }
            (Err(error), None) => return Err(error),
        }
    }
    Ok(effects)
}

/// Requests the due items again. If a request fails and `until` has come, the rest waits for the
/// next run, as each request may take as long to fail.
pub(super) async fn request_again(
    engine: &Engine,
    account: &Account,
    token: &SecretString,
    until: Instant,
) -> Result<Effects, PullError> {
    let due = {
        let mut conn = engine.store.get().await?;
        put_aside::due_shown(&mut conn, account.id, now(), ITEMS_PER_RUN).await?
    };
    let mut resolved_rows = Vec::with_capacity(due.len());
    // Occurrences whose series was looked at instead.
    let mut replaced_by_series = Vec::new();
    let uids = uids_of(engine, account, &due).await?;
    for id in due {
        let uid = uids.get(&id).map(String::as_str);
        let seen = resolve_id(engine, account, token, Source::Own, id.clone(), uid).await?;
        let has_failed = seen.iter().any(|one| matches!(one, ResolvedRow::Failed { .. }));
        let is_slow = has_failed && Instant::now() >= until;
        if !seen.iter().any(|one| one.graph_id() == Some(&id)) {
            replaced_by_series.push(id);
        }
        resolved_rows.extend(seen);
        if is_slow {
            break;
        }
    }
    let effects = store(engine, account, Source::Own, resolved_rows, None).await?;
    if !replaced_by_series.is_empty() {
        let mut conn = engine.store.get().await?;
        let ids: Vec<&str> = replaced_by_series.iter().map(String::as_str).collect();
        put_aside::clear_shown(&mut conn, account.id, &ids).await?;
    }
    Ok(effects)
}

/// Returns whether the mailbox has shown an item that there was no time for.
pub(super) async fn has_unread_items(engine: &Engine, account: &Account) -> Result<bool, PullError> {
    let mut conn = engine.store.get().await?;
    Ok(put_aside::has_unread_items(&mut conn, account.id).await?)
}

/// Plans meetings again that were put aside for a while: those that only Microsoft refused, or that
/// the bridge could not read.
pub(super) async fn replan_due(engine: &Engine, account: &Account) -> Result<Effects, PullError> {
    let mut conn = engine.store.get().await?;
    let due = put_aside::due_meetings(&mut conn, account.id, now(), ITEMS_PER_RUN).await?;
    // Synced since, or no longer needed.
    let over: Vec<i64> = due.iter().filter(|m| m.is_over()).map(|m| m.id).collect();
    put_aside::clear_meetings(&mut conn, account.id, &over).await?;
    let again: Vec<i64> = due
        .iter()
        .filter(|m| m.set_aside.is_some())
        .map(|m| m.id)
        .collect();
    if again.is_empty() {
        return Ok(Effects::default());
    }
    put_aside::put_off(&mut conn, account.id, &again, now() + TimeDelta::days(1)).await?;
    plan_all(&mut conn, account, &again).await
}

/// Plans meetings again for a mailbox that is known now. A meeting that cannot be planned is put
/// aside.
pub(super) async fn plan_all(
    conn: &mut Connection,
    account: &Account,
    ids: &[i64],
) -> Result<Effects, PullError> {
    conn.transaction::<_, PullError, _>(async |conn| {
        let lock = databases::serialize(conn, account.database_id, Purpose::Pull).await?;
        leases::hold(conn, account).await?;
        plan_under(conn, &lock, account, ids).await
    })
    .await
}

/// Does what [`plan_all`] does, in a transaction that holds the planning lock and the lease.
pub(super) async fn plan_under(
    conn: &mut Connection,
    lock: &PlanningLock,
    account: &Account,
    ids: &[i64],
) -> Result<Effects, PullError> {
    let together = conn
        .transaction::<_, PullError, _>(async |conn| plan(conn, lock, account, ids).await)
        .await;
    let Err(error) = together else { return together };
    tracing::error!(
        account.id = account.id,
        error = format!("{error:#}"),
        "planning one by one"
    );
    let mut effects = Effects::default();
    for id in ids {
        let planned = conn
            .transaction::<_, PullError, _>(async |conn| plan(conn, lock, account, &[*id]).await)
            .await;
        match planned {
            Ok(planned) => effects.merge(planned),
            Err(error) => {
                tracing::error!(meeting.id = id, error = format!("{error:#}"), "not planned");
                give_up_planning(conn, account, *id).await?;
            }
        }
    }
    Ok(effects)
}

async fn plan(
    conn: &mut Connection,
    lock: &PlanningLock,
    account: &Account,
    ids: &[i64],
) -> Result<Effects, PullError> {
    let mut people = People::load(conn, account.database_id, now()).await?;
    people.mark_pulled(account.id);
    Ok(planner::plan_meetings(conn, lock, &people, ids, |_| Ok(())).await?)
}

async fn give_up_planning(conn: &mut Connection, account: &Account, id: i64) -> Result<(), PullError> {
    let (item, reason) = (Item::Meeting(id), Reason::NotPlanned);
    if put_aside::put(conn, account.id, item, Some(&reason), wait, now()).await?
        && let Some(meeting) = meetings::read_all(conn, &[id]).await?.first()
    {
        meetings::set_aside(conn, id, &reason).await?;
        let message = say::is_not_synced(reason.sentence());
        let user = Some(account.odoo_user_id);
        journal::write(conn, Line::of(meeting, user, Level::Error, message, None)).await?;
    }
    Ok(())
}
