//! The removal limit: many removals at once that nobody asked for in Odoo wait for an
//! administrator.
//!
//! Removals from Odoo that come from Outlook are held until the mailbox's sync is over. Then they
//! are counted together with those of the last hour, as many removals may come in small portions.
//! If there are more than the database's limits allow, they are not carried out. Nothing more is
//! read from that mailbox, and an administrator is asked. What people save in Odoo still goes to
//! Outlook.

use chrono::TimeDelta;
use diesel_async::AsyncConnection;
use serde::{Deserialize, Serialize};

use crate::calendar::plan::Brake;
use crate::engine::{Engine, now};
use crate::measures::Purpose;
use crate::odoo::OdooError;
use crate::planning::people::People;
use crate::planning::planner;
use crate::store::accounts::{self, Account, Decision};
use crate::store::databases::{self, Database};
use crate::store::journal::Level;
use crate::store::journal::note;
use crate::store::leases::{self, Urgency};
use crate::store::{Connection, meetings, outbox, removals};
use crate::words::{Sentence, say};

/// The time within which removals count together.
const PERIOD: TimeDelta = TimeDelta::hours(1);

/// The keyword arguments of `res.users.removals` and, with `remove`, of `res.users.answer_removals`.
#[derive(Debug, Deserialize)]
pub struct RemovalsRequest {
    pub user_id: i32,
}

#[derive(Debug, Deserialize)]
pub struct AnswerRequest {
    pub user_id: i32,
    /// `true`: remove them from Odoo too; `false`: Odoo keeps them, and they are no longer synced.
    pub remove: bool,
}

/// An event that would be removed from Odoo.
#[derive(Debug, Serialize)]
pub struct Removal {
    pub res_id: Option<i32>,
    pub title: String,
}

/// Returns what an administrator is told about a mailbox's removals.
pub fn words(account: &Account) -> Option<Sentence> {
    account.brake_at?;
    let (waiting, earlier, of) = (account.brake_removals, account.brake_earlier, account.brake_of);
    Some(if earlier == 0 {
        say::removals_all(waiting, of)
    } else {
        say::removals_some(waiting.saturating_add(earlier), of, earlier, waiting)
    })
}

/// Permits a mailbox's removals, or stops all of them, when the mailbox's sync is over. Returns
/// whether Odoo has news.
///
/// # Errors
/// When Postgres fails.
pub async fn check(engine: &Engine, account: &Account) -> anyhow::Result<bool> {
    let mut conn = engine.store.get().await?;
    if outbox::held_count(&mut conn, account.id).await? == 0 {
        return Ok(false);
    }
    conn.transaction::<_, anyhow::Error, _>(async |conn| {
        let _lock = databases::serialize(conn, account.database_id, Purpose::Pull).await?;
        leases::hold(conn, account).await?;
        let database = databases::by_id(conn, account.database_id).await?;
        let account = accounts::by_id(conn, account.id).await?;
        if account.is_braked() {
            return Ok(false);
        }
        let held = outbox::held_count(conn, account.id).await?;
        removals::forget(conn, account.id, now() - PERIOD).await?;
        let earlier = removals::passed(conn, account.id, now() - PERIOD).await?;
        let linked = meetings::linked(conn, account.id).await? + earlier.done;
        let brake = Brake {
            over: database.brake_over.into(),
            percent: database.brake_percent.into(),
        };
        if !brake.stops(held + earlier.all, linked) {
            removals::note_held(conn, account.id, now()).await?;
            return Ok(outbox::release(conn, account.id).await? > 0);
        }
        accounts::brake(conn, account.id, now(), held, earlier.all, linked).await?;
        let account = accounts::by_id(conn, account.id).await?;
        tracing::warn!(
            account.id = account.id,
            held,
            earlier = earlier.all,
            linked,
            "the brake is on"
        );
        if let Some(message) = words(&account) {
            note(conn, &database, Some(account.odoo_user_id), Level::Error, message).await?;
        }
        // Odoo has to show the question.
        Ok(true)
    })
    .await
}

/// Returns the removals that wait for an administrator's answer.
///
/// # Errors
/// `MissingError` for a user who never connected; `Internal` when Postgres fails.
pub async fn removals(
    engine: &Engine,
    database: &Database,
    request: &RemovalsRequest,
) -> Result<Vec<Removal>, OdooError> {
    let mut conn = engine.store.get().await?;
    let account = braked(&mut conn, database, request.user_id).await?;
    let held = meetings::held_for(&mut conn, account.id).await?;
    let removals = held.iter().map(|meeting| Removal {
        res_id: meeting.odoo_id,
        title: meeting.title(),
    });
    Ok(removals.collect())
}

/// Carries out an administrator's answer. Does nothing if the same answer was given last, as Odoo
/// repeats a call whose transaction collided.
///
/// # Errors
/// `MissingError` if nothing waits, or another answer was given; `Internal` when Postgres fails.
pub async fn answer(engine: &Engine, database: &Database, request: &AnswerRequest) -> Result<(), OdooError> {
    let mut conn = engine.store.get().await?;
    let decision = Decision::of(request.remove);
    let done = conn
        .transaction::<_, anyhow::Error, _>(async |conn| {
            let lock = databases::serialize(conn, database.id, Purpose::Button).await?;
            let account = match accounts::of_user(conn, database.id, request.user_id).await? {
                Some(account) if account.is_braked() => account,
                Some(account) if account.removals_answer == Some(decision) => return Ok(Ok(None)),
                Some(_) | None => return Ok(Err(nothing_waits())),
            };
            let held = meetings::held_for(conn, account.id).await?;
            let message = if request.remove {
                outbox::release(conn, account.id).await?;
                say::removals_removed(held.len())
            } else {
                let ids: Vec<i64> = held.iter().map(|meeting| meeting.id).collect();
                meetings::keep(conn, &ids).await?;
                outbox::drop_held(conn, account.id).await?;
                let people = People::load(conn, database.id, now()).await?;
                // Each event's own journal says that it is set aside.
                planner::plan_meetings(conn, &lock, &people, &ids, |_| Ok(())).await?;
                say::removals_kept(held.len())
            };
            accounts::release_brake(conn, account.id, decision).await?;
            // Removals that an administrator has decided about are not counted again.
            removals::forget(conn, account.id, now()).await?;
            note(
                conn,
                database,
                Some(account.odoo_user_id),
                Level::Warning,
                message,
            )
            .await?;
            Ok(Ok(Some(account.id)))
        })
        .await?;
    let Some(account) = done? else { return Ok(()) };
    leases::wake(&mut conn, vec![account], Urgency::Person).await?;
    engine.wake_workers();
    if request.remove {
        engine.poke(database.id, [request.user_id].into());
    }
    Ok(())
}

async fn braked(conn: &mut Connection, database: &Database, user_id: i32) -> Result<Account, OdooError> {
    accounts::of_user(conn, database.id, user_id)
        .await?
        .filter(Account::is_braked)
        .ok_or_else(nothing_waits)
}

fn nothing_waits() -> OdooError {
    OdooError::missing(say::refusal_nothing_waits())
}
