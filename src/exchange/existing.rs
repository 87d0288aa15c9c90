//! The events that Odoo had before a user connected: Odoo is asked for them, and once all have
//! arrived, what it did not send is settled (`migration/baseline.rs`).

use std::collections::VecDeque;
use std::time::Duration;

use diesel_async::AsyncConnection;
use tokio::time::Instant;
use uuid::Uuid;

use super::parts;
use crate::engine::{Engine, now};
use crate::measures::Purpose;
use crate::migration::baseline::{self, Settled};
use crate::migration::moving;
use crate::odoo::exchange::{SyncRequest, WantedRecord};
use crate::planning::people::People;
use crate::store::Connection;
use crate::store::accounts::{self, BackfillState};
use crate::store::databases::{self, Busy, Database};
use crate::store::people::Person;
use crate::words::say;

/// How long one exchange settles what has arrived. The next one goes on.
const SETTLING: Duration = Duration::from_secs(2);

/// What Odoo is asked to send.
#[derive(Default)]
pub(super) struct Asked {
    pub users: Vec<i32>,
    pub records: Vec<WantedRecord>,
    /// Users whose events have arrived and are to be settled.
    pub arrived: Vec<i32>,
    /// Accounts whose events are complete.
    pub told: Vec<i64>,
}

/// Asks Odoo for the events of newly connected users, and notices when all have arrived, or the
/// single records that others organize. The add-on enqueues them when it stores the answer that
/// asks, and says with each call which users' events are not complete.
pub(super) async fn ask(
    conn: &mut Connection,
    people: &People,
    request: &SyncRequest,
    repeated: bool,
) -> anyhow::Result<Asked> {
    let mut asked = Asked::default();
    for account in people.backfilling() {
        let user = account.odoo_user_id;
        let have_come = !repeated && !request.existing_left.contains(&user);
        match account.existing {
            BackfillState::Unasked => {
                accounts::set_existing(conn, account.id, BackfillState::Asked).await?;
                asked.users.push(user);
            }
            BackfillState::Asked if repeated => asked.users.push(user),
            BackfillState::AskedRecords if repeated => {
                asked
                    .records
                    .extend(baseline::to_ask_for(conn, people, account).await?);
            }
            BackfillState::Asked if have_come => {
                accounts::note_arrival(conn, account.id).await?;
                asked.arrived.push(user);
            }
            BackfillState::Arrived => asked.arrived.push(user),
            BackfillState::AskedRecords if have_come => {
                all_have_come(conn, people.database.id, account).await?;
                asked.told.push(account.id);
            }
            BackfillState::Asked
            | BackfillState::AskedRecords
            | BackfillState::Moving
            | BackfillState::Told => {}
        }
    }
    Ok(asked)
}

/// What was settled.
#[derive(Default)]
pub(super) struct Outcome {
    /// Records to ask Odoo for.
    pub records: Vec<WantedRecord>,
    /// Accounts whose events are complete.
    pub told: Vec<i64>,
    /// Whether the next exchange has to go on.
    pub is_more: bool,
}

/// Settles what has arrived, in transactions of their own: each holds the planning lock for one
/// portion, so that nobody waits for a user with thousands of events.
pub(super) async fn settle(engine: &Engine, database: &Database, users: Vec<i32>) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    if users.is_empty() {
        return Ok(outcome);
    }
    let until = Instant::now() + SETTLING;
    let mut conn = engine.store.get().await?;
    let mut left: VecDeque<i32> = users.into();
    while let Some(user) = left.front().copied() {
        let settled = conn
            .transaction(async |conn| settle_some(conn, database.id, user).await)
            .await;
        match settled {
            Ok(Progress::Some) => {}
            Ok(Progress::All(account, records)) => {
                if records.is_empty() {
                    outcome.told.push(account);
                }
                outcome.records.extend(records);
                left.pop_front();
            }
            Ok(Progress::Nothing) => {
                left.pop_front();
            }
            Err(error) if error.is::<Busy>() => break,
            Err(error) => {
                let people = People::load(&mut conn, database.id, now()).await?;
                parts::say_once(&mut conn, &people, Some(user), say::events_not_compared, error).await?;
                left.pop_front();
            }
        }
        // After one portion at least, so that it comes to an end.
        if Instant::now() >= until {
            break;
        }
    }
    outcome.is_more = !left.is_empty();
    Ok(outcome)
}

enum Progress {
    /// The user's events are not to be settled, or not any more.
    Nothing,
    Some,
    /// All are settled: the account, and the records to ask Odoo for.
    All(i64, Vec<WantedRecord>),
}

async fn settle_some(conn: &mut Connection, database_id: Uuid, user: i32) -> anyhow::Result<Progress> {
    People::prepare(conn, database_id).await?;
    let lock = databases::serialize_soon(conn, database_id, Purpose::Exchange).await?;
    let people = People::load(conn, database_id, now()).await?;
    let account = people.account_of_user(user);
    let Some(account) = account.filter(|account| account.existing == BackfillState::Arrived) else {
        return Ok(Progress::Nothing);
    };
    let Settled::All(records) = baseline::settle_some(conn, &lock, &people, account).await? else {
        return Ok(Progress::Some);
    };
    if records.is_empty() {
        all_have_come(conn, database_id, account).await?;
    } else {
        accounts::set_existing(conn, account.id, BackfillState::AskedRecords).await?;
    }
    Ok(Progress::All(account.id, records))
}

async fn all_have_come(conn: &mut Connection, database_id: Uuid, account: &Person) -> anyhow::Result<()> {
    let next = moving::next_state(conn, database_id, account.odoo_user_id).await?;
    accounts::set_existing(conn, account.id, next).await?;
    accounts::plan_anew(conn, account.id).await?;
    Ok(())
}
