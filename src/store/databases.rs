//! Odoo databases that were paired with this service.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind;
use diesel::result::Error::DatabaseError;
use diesel::sql_types::{BigInt, Interval as SqlInterval, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use secrecy::SecretString;
use serde_json::Value;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::choices::StoredChoices;
use super::schema::databases::{self, dsl};
use super::seal::Sealer;
use super::text_enum::Stored;
use super::{Connection, interval};
use crate::calendar::merge::Policy;
use crate::measures::{self, Purpose};
use crate::odoo::api::Versions;
use crate::words::{Said, Sentence, say};

/// How long a call waits for its database's lock.
const LONGEST_WAIT: Duration = Duration::from_secs(4);

/// The lock of a database did not become free in time.
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
    /// The window of this database's mailboxes, in days; `None` means as the service is configured.
    pub days_back: Option<i32>,
    pub days_ahead: Option<i32>,
    /// Events that ended more days ago are not sent to Outlook; `None` means no limit.
    pub sent_back: Option<i32>,
    /// Events that were created in Odoo earlier are not made in Outlook.
    pub created_from: Option<DateTime<Utc>>,
    /// The number of the last accepted call. Odoo counts its calls since it was paired.
    pub last_call: i64,
    /// When that call was made, by Odoo's clock; `None` if Odoo has not said so.
    pub called_at: Option<DateTime<Utc>>,
    /// Seconds to add to Odoo's times to get ours.
    pub clock_behind: i64,
    /// How many exchanges in a row have failed here.
    pub exchange_failures: i32,
    pub failing_since: Option<DateTime<Utc>>,
    /// Why the last one failed.
    pub exchange_problem: Option<String>,
    /// If somebody other than the organizer saves a change that mails more people outside than
    /// this, it waits for the organizer's approval.
    pub others_outside: i32,
    /// How many mails a mailbox sends per hour without approval.
    pub mails_an_hour: i32,
    /// What differed when the database was paired again, until somebody confirms it on the command
    /// line.
    pub moved: Option<String>,
    /// The same as a sentence.
    pub moved_words: Option<Value>,
    /// The latest version of the exchange that the add-on said it understands.
    pub api: Option<i32>,
    pub api_lowest: Option<i32>,
    /// Until when no mailbox subscribes to change notifications, as Microsoft could not reach the
    /// address for them.
    pub notify_retry_at: Option<DateTime<Utc>>,
    /// Why it could not, in Microsoft's words.
    pub notify_problem: Option<String>,
    /// The least that is kept out for everybody.
    pub choices: StoredChoices,
}

// Declared rather than written as SQL, which would be prepared again each time.
#[diesel::declare_sql_function]
extern "SQL" {
    fn hashtextextended(text: Text, seed: BigInt) -> BigInt;
    fn pg_advisory_xact_lock(key: BigInt);
}

/// Returns the place to which the key is sealed.
pub fn poke_key_place(uuid: &str) -> String {
    format!("databases.poke_key:{uuid}")
}

impl Database {
    /// Returns the address to which Microsoft sends a user back. It must be registered at
    /// Microsoft.
    pub fn redirect_uri(&self) -> String {
        format!(
            "{}/microsoft_account/authentication",
            self.base_url.trim_end_matches('/')
        )
    }

    /// Returns whether this is the hash of the database's key, or of the new key that replaces it
    /// at its first use.
    pub fn has_key(&self, key_hash: Option<&[u8]>) -> bool {
        let Some(key_hash) = key_hash else {
            return false;
        };
        [&self.key_hash, &self.next_key_hash]
            .into_iter()
            .flatten()
            .any(|hash| hash.ct_eq(key_hash).into())
    }

    /// Returns why nothing is exchanged, and what ends it, as a sentence.
    pub fn shut_out(&self) -> Option<Said> {
        if let Some(reason) = &self.quarantined {
            // There is one cause of it.
            let known = Said::from(say::histories_differ());
            return Some(if known.message == *reason {
                known
            } else {
                reason.clone().into()
            });
        }
        let moved = self.why_moved()?;
        Some(say::shut_out_until_confirmed(moved, &self.uuid).into())
    }

    /// Returns what differed when the database was paired again, until somebody confirms it.
    pub fn why_moved(&self) -> Option<Said> {
        let moved = self.moved.clone()?;
        Some(Said::stored(moved, self.moved_words.clone()))
    }

    /// Returns the versions of the exchange that the add-on understands; `None` before its first
    /// call.
    pub fn versions(&self) -> Option<Versions> {
        Versions::new(self.api_lowest?, self.api?)
    }

    /// Opens the key that signs pokes.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn poke_key(&self, sealer: &Sealer) -> anyhow::Result<SecretString> {
        sealer.open(&poke_key_place(&self.uuid), &self.poke_key)
    }
}

/// The values that pairing stores. A database that was paired before gets a new key and leaves its
/// quarantine.
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

/// Stores what differed when the database was paired again; `None` confirms it.
pub async fn note_moved(conn: &mut Connection, id: Uuid, moved: Option<&Sentence>) -> QueryResult<usize> {
    diesel::update(dsl::databases.find(id))
        .set((
            dsl::moved.eq(moved.map(Sentence::to_string)),
            dsl::moved_words.eq(moved.map(Sentence::to_json)),
        ))
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

/// Stores a new key. The old one is valid until the new one is used.
pub async fn offer_key(conn: &mut Connection, id: Uuid, key_hash: &[u8]) -> QueryResult<usize> {
    diesel::update(dsl::databases.find(id))
        .set(dsl::next_key_hash.eq(Some(key_hash)))
        .execute(conn)
        .await
}

/// Makes a new key the only one, as it was used.
pub async fn take_key(conn: &mut Connection, id: Uuid, key_hash: &[u8]) -> QueryResult<usize> {
    diesel::update(dsl::databases.find(id).filter(dsl::next_key_hash.eq(key_hash)))
        .set((
            dsl::key_hash.eq(dsl::next_key_hash),
            dsl::next_key_hash.eq(None::<Vec<u8>>),
        ))
        .execute(conn)
        .await
}

/// Returns the hashes of all valid keys.
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

pub async fn by_id(conn: &Connection, id: Uuid) -> QueryResult<Database> {
    dsl::databases
        .find(id)
        .select(Database::as_select())
        .first(&mut &*conn)
        .await
}

/// Reads a database and locks its row until the transaction ends, so that one exchange runs at a
/// time.
pub async fn lock(conn: &Connection, id: Uuid) -> QueryResult<Database> {
    dsl::databases
        .find(id)
        .select(Database::as_select())
        .for_update()
        .first(&mut &*conn)
        .await
}

/// Does what [`serialize`] does for a call, which must not hold its connection for as long as the
/// database's mailboxes may take.
///
/// # Errors
/// [`Busy`] after `LONGEST_WAIT`.
pub async fn serialize_soon(conn: &Connection, id: Uuid, purpose: Purpose) -> anyhow::Result<PlanningLock> {
    let wait = LONGEST_WAIT.as_millis();
    // In one message, as every exchange does it.
    let statements = format!(
        "SET LOCAL lock_timeout = '{wait}ms';
         SELECT pg_advisory_xact_lock(hashtextextended('{id}', 0));
         SET LOCAL lock_timeout = 0"
    );
    let began = Instant::now();
    match (&mut &*conn).batch_execute(&statements).await {
        Ok(()) => Ok(PlanningLock::taken(id, purpose, began)),
        // Postgres reports this in the language of its server, so the text cannot be compared.
        Err(DatabaseError(DatabaseErrorKind::Unknown, _)) if began.elapsed() >= LONGEST_WAIT => {
            Err(Busy.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Proves that the current transaction holds the planning lock of a database. Postgres releases the
/// lock with the transaction, so the value must not outlive it.
#[derive(Debug)]
#[must_use = "it measures how long the lock is held"]
pub struct PlanningLock {
    database_id: Uuid,
    purpose: Purpose,
    since: Instant,
}

impl Drop for PlanningLock {
    fn drop(&mut self) {
        measures::LOCK_HELD.record(self.purpose.name(), self.since.elapsed().as_secs_f64());
    }
}

impl PlanningLock {
    /// Notes that a lock was taken that was waited for since `began`.
    fn taken(database_id: Uuid, purpose: Purpose, began: Instant) -> Self {
        let since = Instant::now();
        measures::LOCK_WAITED.record(purpose.name(), (since - began).as_secs_f64());
        Self {
            database_id,
            purpose,
            since,
        }
    }

    /// Returns the database that is locked.
    pub fn database_id(&self) -> Uuid {
        self.database_id
    }
}

/// Lets one transaction at a time plan the meetings of a database. Two mailboxes may show the same
/// new meeting; and locks on several meetings are never taken in two orders.
pub async fn serialize(conn: &mut Connection, id: Uuid, purpose: Purpose) -> QueryResult<PlanningLock> {
    let began = Instant::now();
    diesel::select(pg_advisory_xact_lock(hashtextextended(id.to_string(), 0)))
        .execute(conn)
        .await?;
    Ok(PlanningLock::taken(id, purpose, began))
}

pub async fn all(conn: &mut Connection) -> QueryResult<Vec<Database>> {
    dsl::databases
        .select(Database::as_select())
        .order(dsl::name)
        .load(conn)
        .await
}

/// An accepted call.
#[derive(AsChangeset)]
#[diesel(table_name = databases, treat_none_as_null = true)]
pub struct AcceptedCall {
    /// Its number.
    pub last_call: i64,
    /// When Odoo made it, by its own clock.
    pub called_at: Option<DateTime<Utc>>,
    /// By how many seconds that clock is behind ours.
    pub clock_behind: i64,
}

/// Stores an accepted call, which moves the nonce on.
pub async fn note_next_call(
    conn: &Connection,
    id: Uuid,
    call: &AcceptedCall,
    next: &str,
    previous: &str,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(dsl::databases.find(id))
        .set((
            call,
            dsl::nonce.eq(next),
            dsl::previous_nonce.eq(Some(previous)),
            dsl::heard_at.eq(now),
        ))
        .execute(&mut &*conn)
        .await
}

/// Stores an accepted call that repeats the nonces of the last one.
pub async fn note_repeated_call(conn: &Connection, id: Uuid, call: &AcceptedCall) -> QueryResult<usize> {
    let noted = dsl::last_call
        .eq(call.last_call)
        .and(dsl::clock_behind.eq(call.clock_behind))
        .and(dsl::called_at.is_not_distinct_from(call.called_at));
    diesel::update(dsl::databases.find(id).filter(diesel::dsl::not(noted)))
        .set(call)
        .execute(&mut &*conn)
        .await
}

/// Stores the versions of the exchange that the add-on understands.
pub async fn note_versions(conn: &mut Connection, id: Uuid, versions: Versions) -> QueryResult<usize> {
    diesel::update(dsl::databases.find(id))
        .set((
            dsl::api.eq(Some(versions.api())),
            dsl::api_lowest.eq(Some(versions.lowest())),
        ))
        .execute(conn)
        .await
}

/// Counts a failed exchange; returns the database as it is now.
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

/// Forgets failed exchanges, as one has succeeded.
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

/// Counts the databases whose exchanges have failed at least this often in a row.
pub async fn failing(conn: &mut Connection, times: i32) -> QueryResult<i64> {
    dsl::databases
        .filter(dsl::exchange_failures.ge(times).and(dsl::key_hash.is_not_null()))
        .count()
        .get_result(conn)
        .await
}

/// Stores until when no mailbox subscribes to notifications, and why; `None`: the address could be
/// reached.
pub async fn note_notify_problem(
    conn: &mut Connection,
    id: Uuid,
    problem: Option<(DateTime<Utc>, &str)>,
) -> QueryResult<usize> {
    diesel::update(dsl::databases.find(id))
        .set((
            dsl::notify_retry_at.eq(problem.map(|(at, _)| at)),
            dsl::notify_problem.eq(problem.map(|(_, why)| why)),
        ))
        .execute(conn)
        .await
}

/// Returns up to `most` databases with synced mailboxes whose Odoo has not called for `silent`, and
/// notes that they are poked now. A database is returned to one process, and again after a quarter
/// of its silence: at least `pause`, at most an hour.
pub async fn silent(
    conn: &mut Connection,
    present: DateTime<Utc>,
    silent: TimeDelta,
    pause: TimeDelta,
    most: i64,
) -> QueryResult<Vec<Uuid>> {
    let found: Vec<Id> = diesel::sql_query(
        "UPDATE databases SET poked_at = now()
         WHERE id IN (
             SELECT id FROM databases
             WHERE key_hash IS NOT NULL AND NOT paused AND quarantined IS NULL AND moved IS NULL AND heard_at < $1 - $2
               AND (poked_at IS NULL
                    OR poked_at < now() - least(greatest(($1 - heard_at) / 4, $3), interval '1 hour'))
               AND EXISTS (SELECT FROM accounts WHERE database_id = databases.id AND state = 'active')
             ORDER BY heard_at DESC LIMIT $4
             FOR UPDATE SKIP LOCKED)
         RETURNING id",
    )
    .bind::<Timestamptz, _>(present)
    .bind::<SqlInterval, _>(interval(silent))
    .bind::<SqlInterval, _>(interval(pause))
    .bind::<BigInt, _>(most)
    .load(conn)
    .await?;
    Ok(found.into_iter().map(|one| one.id).collect())
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

pub async fn quarantine(conn: &mut Connection, id: Uuid, reason: &str) -> QueryResult<usize> {
    diesel::update(dsl::databases.find(id))
        .set(dsl::quarantined.eq(Some(reason)))
        .execute(conn)
        .await
}

/// The settings that the settings page may change; `None` leaves a column unchanged.
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

/// Prepares a database that was paired again. Nothing is trusted until both sides have shown what
/// they have: both are listed again and compared, and a record that Odoo had and does not show does
/// not count as deleted. Pending changes to either side are planned again, as those of a restored
/// service are old.
pub async fn rebaseline(conn: &mut Connection, id: Uuid, now: DateTime<Utc>) -> QueryResult<()> {
    use super::schema::{
        accounts::dsl as a, meetings::dsl as m, odoo_outbox::dsl as o, outlook_outbox::dsl as l,
    };
    let of_database = a::accounts.filter(a::database_id.eq(id)).select(a::id);
    // Odoo may have made a record from a pending change, and the result was lost with the pairing.
    // Such a record shows the link.
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
    // Meetings that only Outlook has shown are found again: until now nobody could tell whether
    // Odoo knows them.
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
    super::calendars::list_anew(conn, id).await?;
    diesel::update(
        a::accounts
            .filter(a::database_id.eq(id))
            .filter(a::object_id.ne("")),
    )
    .set((
        // A run in progress may store a link of the old window. As the window has no end, that link
        // is not used.
        a::delta_link.eq(None::<String>),
        a::window_end.eq(None::<DateTime<Utc>>),
        a::pulled_once.eq(false),
        a::existing.eq(super::accounts::BackfillState::Unasked),
        a::connected_at.eq(now),
        a::next_run_at.eq(now),
        a::urgency.eq(super::leases::Urgency::Rest.rank()),
    ))
    .execute(conn)
    .await?;
    diesel::update(
        m::meetings
            .filter(m::database_id.eq(id))
            .filter(m::odoo_id.is_not_null().or(m::odoo_state.is_not_null()))
            .filter(m::ended.eq(false)),
    )
    // Odoo sends the times of unacknowledged edits again; the stored ones are from before the
    // pairing. Nor does it count what a restored Odoo was told earlier.
    .set((
        m::unconfirmed.eq(true),
        m::odoo_times.eq(serde_json::json!({})),
        m::told.eq(serde_json::json!({})),
    ))
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets the key, so that no call is accepted. Accounts and links are kept for a while, for a
/// later pairing.
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
