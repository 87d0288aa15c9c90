//! Forgets, in the background, what is older than the journal is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncConnection;
use diesel_async::pooled_connection::deadpool::Object;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::engine::{Engine, now};
use crate::measures::Purpose;
use crate::planning::people::People;
use crate::planning::planner::stubs::{over_at, stub_of};
use crate::store::databases::{self, Database};
use crate::store::unit::{Dossier, UnitOfWork};
use crate::store::{Connection, accounts, pruning, stubs, try_lock, unlock, waiting};

const EVERY: Duration = Duration::from_secs(6 * 3600);
const AFTER_TROUBLE: Duration = Duration::from_secs(5 * 60);
/// Rows of a kind per transaction, which takes a fraction of a second.
const ROWS: i64 = 500;
/// Meetings that are checked per transaction, which holds their database's lock.
const MEETINGS: i64 = 50;
/// The latest time to check a meeting again that is not over yet, or that is over and cannot be
/// forgotten yet.
const LATEST_LOOK: TimeDelta = TimeDelta::days(365);
const LOOK_AGAIN: TimeDelta = TimeDelta::days(30);
/// The pause between two transactions, for other work.
const BREATH: Duration = Duration::from_millis(20);

/// Prunes at intervals until told to stop.
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

/// Prunes everything, in small transactions. Does nothing while another process does.
///
/// # Errors
/// When Postgres cannot be reached or refuses.
pub async fn prune(engine: &Engine) -> anyhow::Result<()> {
    // Taken out of the pool: if pruning is aborted, the lock ends with the connection.
    let mut conn = Object::take(engine.store.get().await?);
    if !try_lock(&mut conn, pruning::LOCK).await? {
        return Ok(());
    }
    let before = now() - TimeDelta::days(engine.settings.journal_days);
    while pruning::step(&mut conn, before, ROWS).await? > 0 {
        sleep(BREATH).await;
    }
    while forget_past(&mut conn, before).await? {
        sleep(BREATH).await;
    }
    for database in databases::all(&mut conn).await? {
        recount(&mut conn, &database).await?;
        sleep(BREATH).await;
    }
    unlock(&mut conn, pruning::LOCK).await?;
    Ok(())
}

/// Corrects the numbers of waiting events. They are wrong only after a mistake, which somebody should
/// know of.
async fn recount(conn: &mut Connection, database: &Database) -> anyhow::Result<()> {
    let wrong = conn
        .transaction::<_, anyhow::Error, _>(async |conn| {
            let lock = databases::serialize(conn, database.id, Purpose::Prune).await?;
            Ok(waiting::recount(conn, &lock).await?)
        })
        .await
        .context("counting the events that wait for a choice")?;
    for one in wrong {
        tracing::warn!(
            database.uuid = %database.uuid,
            user.id = one.odoo_user_id,
            waiting = one.waiting,
            "the number of events that wait for a choice was wrong, and is corrected"
        );
    }
    Ok(())
}

/// Makes stubs of some of the meetings that ended before a time; returns `false` if there are no
/// more.
async fn forget_past(conn: &mut Connection, before: DateTime<Utc>) -> anyhow::Result<bool> {
    let mut by_database: BTreeMap<Uuid, Vec<i64>> = BTreeMap::new();
    for (database_id, id) in stubs::to_look_at(conn, now(), MEETINGS).await? {
        by_database.entry(database_id).or_default().push(id);
    }
    let are_there_more = !by_database.is_empty();
    for (database_id, ids) in by_database {
        conn.transaction::<_, anyhow::Error, _>(async |conn| {
            let lock = databases::serialize(conn, database_id, Purpose::Prune).await?;
            let people = People::load(conn, database_id, now()).await?;
            let mut unit = UnitOfWork::of(conn, &lock, &ids).await?;
            let unused = accounts::unused_since(conn, database_id, before).await?;
            let mut looks = Vec::new();
            for id in ids {
                let dossier = unit.get(id)?;
                let next = match forget_one(dossier, &people, before, &unused) {
                    Ok(next) => next,
                    Err(error) => {
                        let error = format!("{error:#}");
                        tracing::warn!(meeting.id = id, error, "whether it is long past cannot be told");
                        people.now + LOOK_AGAIN
                    }
                };
                looks.push((id, next));
            }
            unit.save(conn, people.now).await?;
            for (id, next) in looks {
                stubs::look_at(conn, id, next).await?;
            }
            Ok(())
        })
        .await
        .context("forgetting what is long past")?;
    }
    Ok(are_there_more)
}

/// Makes a stub of a meeting that is long past; returns when to check it again.
fn forget_one(
    dossier: &mut Dossier,
    people: &People,
    before: DateTime<Utc>,
    unused: &BTreeSet<i64>,
) -> anyhow::Result<DateTime<Utc>> {
    let latest = people.now + LATEST_LOOK;
    let Some(over) = over_at(dossier, people)? else {
        return Ok(latest);
    };
    if over >= before {
        return Ok(latest.min(people.now + (over - before) + TimeDelta::hours(1)));
    }
    if let Some(stub) = stub_of(dossier, people, before, unused)? {
        dossier.meeting.forget_content(&stub)?;
        for copy in &mut dossier.copies {
            copy.forget_content()?;
        }
    }
    Ok(people.now + LOOK_AGAIN)
}
