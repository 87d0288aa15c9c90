//! Odoo databases that were paired with this service.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind;
use diesel::result::Error::DatabaseError;
use diesel::sql_types::{BigInt, Text};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use secrecy::SecretString;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::Connection;
use super::schema::databases::{self, dsl};
use super::seal::Sealer;
use super::text_enum::Stored;
use crate::calendar::merge::Policy;
use crate::odoo::api::Versions;

/// How long a call waits for the lock of its database.
const LONGEST_WAIT: Duration = Duration::from_secs(4);

/// The lock of a database did not come free.
#[derive(Debug, thiserror::Error)]
#[error("other work on this database is under way")]
pub struct Busy;

#[derive(Clone, Debug, Queryable, Selectable, Identifiable)]
#[diesel(table_name = databases)]
pub struct Database {
    pub id: Uuid,
    pub uuid: String,
    pub name: String,
    pub base_url: String,
    pub series: String,
    pub key_hash: Option<Vec<u8>>,
    pub poke_key: Vec<u8>,
    pub nonce: String,
    pub previous_nonce: Option<String>,
    pub paused: bool,
    pub quarantined: Option<String>,
    pub policy: Stored<Policy>,
    pub brake_over: i32,
    pub brake_percent: i32,
    pub mail_budget: i32,
    pub created_at: DateTime<Utc>,
    pub paired_at: DateTime<Utc>,
    pub next_key_hash: Option<Vec<u8>>,
    pub heard_at: DateTime<Utc>,
    /// The window of this database's mailboxes; `None`: as the service is configured.
    pub days_back: Option<i32>,
    pub days_ahead: Option<i32>,
    /// What ended more days ago is not sent to Outlook; `None`: no matter how long ago.
    pub sent_back: Option<i32>,
    /// What was created in Odoo before is not made in Outlook.
    pub created_from: Option<DateTime<Utc>>,
    /// The number of the call that was taken last, as Odoo counts them since it was paired.
    pub last_call: i64,
    /// Seconds to be added to Odoo's times to have ours.
    pub clock_behind: i64,
    /// How many exchanges in a row have failed here, since when, and why the last one did.
    pub exchange_failures: i32,
    pub failing_since: Option<DateTime<Utc>>,
    pub exchange_problem: Option<String>,
    /// More people outside than this are mailed for what others than the organizer saved, once the organizer said yes.
    pub others_outside: i32,
    /// A mailbox sends as many mails an hour without asking.
    pub mails_an_hour: i32,
    /// What changed when it was paired again, until somebody confirms it on the command line.
    pub moved: Option<String>,
    /// The versions of the exchange that the add-on understands, as it said last.
    pub api: Option<i32>,
    pub api_lowest: Option<i32>,
}

// Declared rather than written as SQL, which is prepared anew each time.
#[diesel::declare_sql_function]
extern "SQL" {
    fn hashtextextended(text: Text, seed: BigInt) -> BigInt;
    fn pg_advisory_xact_lock(key: BigInt);
}

/// Where the sealed key belongs.
pub fn poke_key_place(uuid: &str) -> String {
    format!("databases.poke_key:{uuid}")
}

impl Database {
    /// Where Microsoft sends a user back to; must be registered there.
    pub fn redirect_uri(&self) -> String {
        format!(
            "{}/microsoft_account/authentication",
            self.base_url.trim_end_matches('/')
        )
    }

    /// Whether this is the hash of its key, or of the one that takes its place as soon as it is used.
    pub fn has_key(&self, key_hash: Option<&[u8]>) -> bool {
        let Some(key_hash) = key_hash else {
            return false;
        };
        [&self.key_hash, &self.next_key_hash]
            .into_iter()
            .flatten()
            .any(|hash| hash.ct_eq(key_hash).into())
    }

    /// Why nothing is exchanged, and what ends it.
    pub fn shut_out(&self) -> Option<String> {
        if let Some(reason) = &self.quarantined {
            return Some(reason.clone());
        }
        let moved = self.moved.as_ref()?;
        Some(format!(
            "This database was paired again, and {moved}. Nothing is exchanged until whoever runs the Outlook bridge confirms \
             that it is the same one: outlook-bridge confirm {}",
            self.uuid
        ))
    }

    /// The versions of the exchange that the add-on understands; `None` before its first call.
    pub fn versions(&self) -> Option<Versions> {
        Versions::new(self.api_lowest?, self.api?)
    }

    /// The opened key that pokes are signed with.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn poke_key(&self, sealer: &Sealer) -> anyhow::Result<SecretString> {
        sealer.open(&poke_key_place(&self.uuid), &self.poke_key)
    }
}

/// What pairing stores; a database that was paired before gets a new key and loses its quarantine.
#[derive(Insertable, AsChangeset)]
#[diesel(table_name = databases, treat_none_as_null = true)]
pub struct Pairing<'a> {
    pub uuid: &'a str,
    pub name: &'a str,
    pub base_url: &'a str,
    pub series: &'a str,
    pub key_hash: Option<Vec<u8>>,
    pub poke_key: Vec<u8>,
    pub nonce: &'a str,
    pub previous_nonce: Option<String>,
    pub quarantined: Option<String>,
    pub paired_at: DateTime<Utc>,
    pub next_key_hash: Option<Vec<u8>>,
    pub heard_at: DateTime<Utc>,
    pub last_call: i64,
}

pub async fn pair(conn: &mut Connection, pairing: &Pairing<'_>) -> QueryResult<Database> {
    diesel::insert_into(databases::table)
        .values(pairing)
        .on_conflict(dsl::uuid)
        .do_update()
        .set(pairing)
        .returning(Database::as_select())
        .get_result(conn)
        .await
}

/// Notes what changed when it was paired again; `None`: it is confirmed.
pub async fn note_moved(conn: &mut Connection, id: Uuid, moved: Option<&str>) -> QueryResult<usize> {
    diesel::update(dsl::databases.find(id))
        .set(dsl::moved.eq(moved))
        .execute(conn)
        .await
}

pub async fn by_key(conn: &mut Connection, key_hash: &[u8]) -> QueryResult<Option<Database>> {
    dsl::databases
        .filter(dsl::key_hash.eq(key_hash).or(dsl::next_key_hash.eq(key_hash)))
        .select(Database::as_select())
        .first(conn)
        .await
        .optional()
}

/// Notes a new key, which is good beside the old one until it is used.
pub async fn offer_key(conn: &mut Connection, id: Uuid, key_hash: &[u8]) -> QueryResult<usize> {
    diesel::update(dsl::databases.find(id))
        .set(dsl::next_key_hash.eq(Some(key_hash)))
        .execute(conn)
        .await
}

/// A new key was used: it is the only one now.
pub async fn take_key(conn: &mut Connection, id: Uuid, key_hash: &[u8]) -> QueryResult<usize> {
    diesel::update(dsl::databases.find(id).filter(dsl::next_key_hash.eq(key_hash)))
        .set((
            dsl::key_hash.eq(dsl::next_key_hash),
            dsl::next_key_hash.eq(None::<Vec<u8>>),
        ))
        .execute(conn)
        .await
}

/// The hashes of all keys that are good.
pub async fn key_hashes(conn: &mut Connection) -> QueryResult<Vec<Vec<u8>>> {
    type Hash = Option<Vec<u8>>;
    let found: Vec<(Hash, Hash)> = dsl::databases
        .select((dsl::key_hash, dsl::next_key_hash))
        .load(conn)
        .await?;
    let hashes = found.into_iter().flat_map(|(present, next)| [present, next]);
    Ok(hashes.flatten().collect())
}

pub async fn by_uuid(conn: &mut Connection, uuid: &str) -> QueryResult<Option<Database>> {
    dsl::databases
        .filter(dsl::uuid.eq(uuid))
        .select(Database::as_select())
        .first(conn)
        .await
        .optional()
}

pub async fn by_id(conn: &mut Connection, id: Uuid) -> QueryResult<Database> {
    dsl::databases
        .find(id)
        .select(Database::as_select())
        .first(conn)
        .await
}

/// Reads a database and holds it until the transaction ends: one exchange at a time.
pub async fn lock(conn: &mut Connection, id: Uuid) -> QueryResult<Database> {
    dsl::databases
        .find(id)
        .select(Database::as_select())
        .for_update()
        .first(conn)
        .await
}

/// [`serialize`] for a call, which does not wait with its connection for as long as the database's mailboxes may take.
///
/// # Errors
/// [`Busy`] after [`LONGEST_WAIT`].
pub async fn serialize_soon(conn: &mut Connection, id: Uuid) -> anyhow::Result<PlanningLock> {
    conn.batch_execute(&format!(
        "SET LOCAL lock_timeout = '{}ms'",
        LONGEST_WAIT.as_millis()
    ))
    .await?;
    let began = Instant::now();
    let lock = match serialize(conn, id).await {
        Ok(lock) => lock,
        // Postgres' words for a lock that did not come free are in the language of its server.
        Err(DatabaseError(DatabaseErrorKind::Unknown, _)) if began.elapsed() >= LONGEST_WAIT => {
            return Err(Busy.into());
        }
        Err(error) => return Err(error.into()),
    };
    conn.batch_execute("SET LOCAL lock_timeout = 0").await?;
    Ok(lock)
}

/// Proves that the transaction under way holds the planning lock of a database. Postgres releases the lock with the
/// transaction, so the value must not outlive it.
#[derive(Debug)]
pub struct PlanningLock {
    database_id: Uuid,
}

impl PlanningLock {
    /// Returns the database that is locked.
    pub fn database_id(&self) -> Uuid {
        self.database_id
    }
}

/// Lets one transaction at a time plan the meetings of a database: two mailboxes may bring the same new meeting,
/// and locks on several meetings are then never taken in two orders.
pub async fn serialize(conn: &mut Connection, id: Uuid) -> QueryResult<PlanningLock> {
    diesel::select(pg_advisory_xact_lock(hashtextextended(id.to_string(), 0)))
        .execute(conn)
        .await?;
    Ok(PlanningLock { database_id: id })
}

pub async fn all(conn: &mut Connection) -> QueryResult<Vec<Database>> {
    dsl::databases
        .select(Database::as_select())
        .order(dsl::name)
        .load(conn)
        .await
}

pub async fn rotate_nonce(
    conn: &mut Connection,
    id: Uuid,
    next: &str,
    previous: &str,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(dsl::databases.find(id))
        .set((
            dsl::nonce.eq(next),
            dsl::previous_nonce.eq(Some(previous)),
            dsl::heard_at.eq(now),
        ))
        .execute(conn)
        .await
}

/// Notes which call was taken, and by how many seconds Odoo's clock is behind ours.
pub async fn note_call(
    conn: &mut Connection,
    id: Uuid,
    last_call: i64,
    clock_behind: i64,
) -> QueryResult<usize> {
    let noted = dsl::last_call
        .eq(last_call)
        .and(dsl::clock_behind.eq(clock_behind));
    diesel::update(dsl::databases.find(id).filter(diesel::dsl::not(noted)))
        .set((dsl::last_call.eq(last_call), dsl::clock_behind.eq(clock_behind)))
        .execute(conn)
        .await
}

/// Notes which versions of the exchange the add-on understands.
pub async fn note_versions(conn: &mut Connection, id: Uuid, versions: Versions) -> QueryResult<usize> {
    diesel::update(dsl::databases.find(id))
        .set((
            dsl::api.eq(Some(versions.api())),
            dsl::api_lowest.eq(Some(versions.lowest())),
        ))
        .execute(conn)
        .await
}

/// An exchange has failed here; the database as it is now.
pub async fn note_failure(
    conn: &mut Connection,
    id: Uuid,
    problem: &str,
    now: DateTime<Utc>,
) -> QueryResult<Database> {
    let since = dsl::failing_since.is_null();
    diesel::update(dsl::databases.find(id).filter(since))
        .set(dsl::failing_since.eq(Some(now)))
        .execute(conn)
        .await?;
    diesel::update(dsl::databases.find(id))
        .set((
            dsl::exchange_failures.eq(dsl::exchange_failures + 1),
            dsl::exchange_problem.eq(Some(problem)),
        ))
        .returning(Database::as_select())
        .get_result(conn)
        .await
}

/// An exchange was carried out again.
pub async fn forget_failures(conn: &mut Connection, id: Uuid) -> QueryResult<usize> {
    diesel::update(dsl::databases.find(id))
        .set((
            dsl::exchange_failures.eq(0),
            dsl::failing_since.eq(None::<DateTime<Utc>>),
            dsl::exchange_problem.eq(None::<String>),
        ))
        .execute(conn)
        .await
}

/// How many databases' exchanges have failed at least so often in a row.
pub async fn failing(conn: &mut Connection, times: i32) -> QueryResult<i64> {
    dsl::databases
        .filter(dsl::exchange_failures.ge(times).and(dsl::key_hash.is_not_null()))
        .count()
        .get_result(conn)
        .await
}

pub async fn quarantine(conn: &mut Connection, id: Uuid, reason: &str) -> QueryResult<usize> {
    diesel::update(dsl::databases.find(id))
        .set(dsl::quarantined.eq(Some(reason)))
        .execute(conn)
        .await
}

/// What the settings page may change; `None` leaves a column as it is.
#[derive(Default, PartialEq, AsChangeset)]
#[diesel(table_name = databases)]
pub struct Settings {
    pub paused: Option<bool>,
    pub base_url: Option<String>,
    pub poke_key: Option<Vec<u8>>,
    pub policy: Option<Stored<Policy>>,
    pub brake_over: Option<i32>,
    pub brake_percent: Option<i32>,
    pub mail_budget: Option<i32>,
    pub others_outside: Option<i32>,
    pub mails_an_hour: Option<i32>,
    pub days_back: Option<Option<i32>>,
    pub days_ahead: Option<Option<i32>>,
    pub sent_back: Option<Option<i32>>,
    pub created_from: Option<Option<DateTime<Utc>>>,
}

pub async fn configure(conn: &mut Connection, id: Uuid, settings: &Settings) -> QueryResult<usize> {
    if *settings == Settings::default() {
        return Ok(0);
    }
    diesel::update(dsl::databases.find(id))
        .set(settings)
        .execute(conn)
        .await
}

/// The database was paired anew: nothing is taken for granted until both sides have shown what they have. Both are
/// listed again and compared; what Odoo had then and does not show is not taken for deleted. What was owed to either side is
/// planned anew: in a restored service it is of yesterday.
pub async fn rebaseline(conn: &mut Connection, id: Uuid, now: DateTime<Utc>) -> QueryResult<()> {
    use super::schema::{
        accounts::dsl as a, meetings::dsl as m, odoo_outbox::dsl as o, outlook_outbox::dsl as l,
    };
    let of_database = a::accounts.filter(a::database_id.eq(id)).select(a::id);
    // Odoo may have made a record of what it was told, and its result was lost with the pairing: it shows it by its link.
    let maybe_in_odoo: Vec<i64> = o::odoo_outbox
        .filter(o::database_id.eq(id).and(o::delivered_at.is_not_null()))
        .select(o::meeting_id)
        .load(conn)
        .await?;
    diesel::delete(l::outlook_outbox.filter(l::account_id.eq_any(of_database)))
        .execute(conn)
        .await?;
    diesel::delete(o::odoo_outbox.filter(o::database_id.eq(id)))
        .execute(conn)
        .await?;
    // What only Outlook has shown is found anew: until now nobody could tell whether it is a meeting that Odoo knows.
    diesel::delete(
        m::meetings.filter(m::database_id.eq(id)).filter(
            m::id
                .ne_all(maybe_in_odoo)
                .and(m::odoo_id.is_null())
                .and(m::odoo_state.is_null())
                .and(m::series_key.is_null())
                .and(m::base_odoo.is_null())
                .and(m::ended.eq(false)),
        ),
    )
    .execute(conn)
    .await?;
    diesel::update(
        a::accounts
            .filter(a::database_id.eq(id))
            .filter(a::object_id.ne("")),
    )
    .set((
        // A run that is under way may store the link of the window before: without an end that window is not gone on with.
        a::delta_link.eq(None::<String>),
        a::window_end.eq(None::<DateTime<Utc>>),
        a::pulled_once.eq(false),
        a::existing.eq(super::accounts::BackfillState::Unasked),
        a::connected_at.eq(now),
        a::next_run_at.eq(now),
    ))
    .execute(conn)
    .await?;
    diesel::update(
        m::meetings
            .filter(m::database_id.eq(id))
            .filter(m::odoo_id.is_not_null().or(m::odoo_state.is_not_null()))
            .filter(m::ended.eq(false)),
    )
    // What was edited when is told again by whoever has not been heard: what was heard of is of the time before. Nor does
    // what a restored Odoo was told before count as having been told to it.
    .set((
        m::unconfirmed.eq(true),
        m::odoo_times.eq(serde_json::json!({})),
        m::told.eq(serde_json::json!({})),
    ))
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets the key: no call is accepted any more. Accounts and links stay for a while, for a later pairing.
pub async fn unpair(conn: &mut Connection, id: Uuid, now: DateTime<Utc>) -> QueryResult<usize> {
    diesel::update(dsl::databases.find(id))
        .set((
            dsl::unpaired_at.eq(Some(now)),
            dsl::key_hash.eq(None::<Vec<u8>>),
            dsl::next_key_hash.eq(None::<Vec<u8>>),
        ))
        .execute(conn)
        .await
}
