//! Users of a database and the mailboxes behind them.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::case_when;
use diesel::prelude::*;
use diesel::sql_types::Timestamptz;
use diesel_async::RunQueryDsl;
use secrecy::SecretString;
use serde_json::Value;
use uuid::Uuid;

use super::choices::StoredChoices;
use super::schema::accounts::{self, dsl};
use super::schema::subscriptions;
use super::seal::Sealer;
use super::text_enum::text_enum;
use super::{Connection, interval};
use crate::words::Said;

#[derive(Clone, Debug, Queryable, QueryableByName, Selectable, Identifiable)]
#[diesel(table_name = accounts)]
pub struct Account {
    pub id: i64,
    pub database_id: Uuid,
    pub odoo_user_id: i32,
    pub tenant_id: String,
    pub object_id: String,
    pub login: String,
    pub access_token: Option<Vec<u8>>,
    pub refresh_token: Option<Vec<u8>>,
    pub access_expires_at: Option<DateTime<Utc>>,
    pub state: SyncState,
    pub reason: Option<String>,
    /// The reason as a sentence, if it is one.
    pub reason_words: Option<Value>,
    pub delta_link: Option<String>,
    pub window_start: Option<DateTime<Utc>>,
    pub window_end: Option<DateTime<Utc>>,
    pub pulled_once: bool,
    pub listing_since: Option<DateTime<Utc>>,
    pub existing: BackfillState,
    pub connected_at: DateTime<Utc>,
    pub ignore_before: Option<DateTime<Utc>>,
    pub resetting: bool,
    pub last_sync_at: Option<DateTime<Utc>>,
    pub next_run_at: DateTime<Utc>,
    pub failures: i32,
    pub brake_at: Option<DateTime<Utc>>,
    pub brake_removals: i32,
    pub brake_of: i32,
    pub rest_until: Option<DateTime<Utc>>,
    /// The number of mails that wait for approval; 0 if none do.
    pub mails_held: i32,
    /// The number of conflicts that the user has not looked at.
    pub unseen_conflicts: i32,
    /// The app registration that the user consented to.
    pub registration_id: Option<i64>,
    pub brake_earlier: i32,
    /// The run that works the mailbox. If a run has read its own account, this is that run's lease
    /// (see [`super::leases`]).
    pub lease_id: Option<Uuid>,
    pub lease_beats: i64,
    /// The latest decision about held removals; `None` while they wait.
    pub removals_answer: Option<Decision>,
    /// The latest decision about held mails; `None` while they wait.
    pub mails_answer: Option<Decision>,
    /// Microsoft's time of the latest change that the mailbox showed.
    pub news_at: Option<DateTime<Utc>>,
    /// Until when the user is expected to look at the calendar.
    pub watched_until: Option<DateTime<Utc>>,
    /// How many events with guests wait for the user's choice (see [`super::waiting`]).
    pub waiting: i64,
    /// What the user wants to sync.
    pub choices: StoredChoices,
}

text_enum! {
    /// A person's decision about held removals or mails (`accounts.removals_answer`,
    /// `accounts.mails_answer`).
    pub enum Decision {
        /// The held changes are carried out.
        Yes = "yes",
        /// Each side keeps its own.
        No = "no",
    }
}

impl Decision {
    pub fn of(is_approved: bool) -> Self {
        if is_approved { Self::Yes } else { Self::No }
    }
}

text_enum! {
    /// Whether a mailbox is synced (`accounts.state`).
    pub enum SyncState {
        Active = "active",
        /// The user stopped it.
        Stopped = "stopped",
        /// Nobody has consented yet, or the consent was withdrawn.
        NeedAuth = "need_auth",
    }
}

text_enum! {
    /// How far Odoo has sent the events that existed before the user connected
    /// (`accounts.existing`).
    pub enum BackfillState {
        Unasked = "unasked",
        Asked = "asked",
        /// Odoo sent the user's own events. Those that it did not send are compared in portions.
        Arrived = "arrived",
        /// Odoo sent the user's own events, and was asked for single records that others organize.
        AskedRecords = "asked_records",
        /// Odoo sent the events, but the ones that its built-in sync had linked are still to be
        /// found.
        Moving = "moving",
        Told = "told",
    }
}

/// Returns the place to which an account's tokens are sealed. A token copied to another account
/// cannot be opened.
pub fn token_place(kind: &str, database_id: Uuid, odoo_user_id: i32) -> String {
    format!("accounts.{kind}:{database_id}:{odoo_user_id}")
}

/// Sealed tokens, ready to be stored.
#[derive(Clone, Debug)]
pub struct SealedTokens {
    pub access: Vec<u8>,
    /// `None` if Microsoft sent none; the old one is kept.
    pub refresh: Option<Vec<u8>>,
    pub expires_at: DateTime<Utc>,
}

impl SealedTokens {
    /// Seals tokens for one account.
    ///
    /// # Errors
    /// When sealing fails.
    pub fn seal(
        sealer: &Sealer,
        database_id: Uuid,
        odoo_user_id: i32,
        access: &SecretString,
        refresh: Option<&SecretString>,
        expires_at: DateTime<Utc>,
    ) -> anyhow::Result<Self> {
        let place = |kind| token_place(kind, database_id, odoo_user_id);
        Ok(Self {
            access: sealer.seal(&place("access_token"), access)?,
            refresh: refresh
                .map(|token| sealer.seal(&place("refresh_token"), token))
                .transpose()?,
            expires_at,
        })
    }
}

impl Account {
    /// Returns whether the account was reset. Its next login may be anybody's, and starts from
    /// nothing.
    pub fn is_reset(&self) -> bool {
        self.object_id.is_empty()
    }

    /// Returns whether the mailbox is synced now, as far as the account's own state allows.
    pub fn is_active(&self) -> bool {
        self.state == SyncState::Active
    }

    /// Returns whether the account has a connected user, whether or not it is synced now.
    pub fn is_connected(&self) -> bool {
        self.state != SyncState::NeedAuth || self.refresh_token.is_some()
    }

    /// Returns whether the removal limit has stopped the mailbox until an administrator answers.
    pub fn is_braked(&self) -> bool {
        self.brake_at.is_some()
    }

    /// Returns whether collected mails wait for approval.
    pub fn holds_mails(&self) -> bool {
        self.mails_held > 0
    }

    /// Returns whether the service learns of changes in the mailbox.
    pub fn is_read(&self) -> bool {
        self.is_active() && !self.is_braked()
    }

    /// Opens the stored access token; returns it with the time when it expires.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn access_token(&self, sealer: &Sealer) -> anyhow::Result<Option<SecretString>> {
        self.open(sealer, "access_token", self.access_token.as_deref())
    }

    /// Opens the stored refresh token.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn refresh_token(&self, sealer: &Sealer) -> anyhow::Result<Option<SecretString>> {
        self.open(sealer, "refresh_token", self.refresh_token.as_deref())
    }

    fn open(
        &self,
        sealer: &Sealer,
        kind: &str,
        sealed: Option<&[u8]>,
    ) -> anyhow::Result<Option<SecretString>> {
        let place = token_place(kind, self.database_id, self.odoo_user_id);
        sealed.map(|s| sealer.open(&place, s)).transpose()
    }
}

pub async fn of_database(conn: &mut Connection, database_id: Uuid) -> QueryResult<Vec<Account>> {
    dsl::accounts
        .filter(dsl::database_id.eq(database_id))
        .select(Account::as_select())
        .order(dsl::odoo_user_id)
        .load(conn)
        .await
}

/// Returns whether a user has a connected account.
pub async fn is_connected(conn: &mut Connection, database_id: Uuid, user_id: i32) -> QueryResult<bool> {
    let account = of_user(conn, database_id, user_id).await?;
    Ok(account.is_some_and(|account| account.is_connected()))
}

pub async fn of_user(conn: &mut Connection, database_id: Uuid, user_id: i32) -> QueryResult<Option<Account>> {
    dsl::accounts
        .filter(
            dsl::database_id
                .eq(database_id)
                .and(dsl::odoo_user_id.eq(user_id)),
        )
        .select(Account::as_select())
        .first(conn)
        .await
        .optional()
}

pub async fn by_id(conn: &mut Connection, id: i64) -> QueryResult<Account> {
    dsl::accounts
        .find(id)
        .select(Account::as_select())
        .first(conn)
        .await
}

/// Finds another user of the database whose account is the same mailbox.
pub async fn with_identity(
    conn: &mut Connection,
    database_id: Uuid,
    tenant_id: &str,
    object_id: &str,
    not_user: i32,
) -> QueryResult<Option<Account>> {
    dsl::accounts
        .filter(dsl::database_id.eq(database_id))
        .filter(dsl::tenant_id.eq(tenant_id).and(dsl::object_id.eq(object_id)))
        .filter(dsl::odoo_user_id.ne(not_user))
        .select(Account::as_select())
        .first(conn)
        .await
        .optional()
}

/// Returns the accounts of a database that were not synced since a time.
pub async fn unused_since(
    conn: &mut Connection,
    database_id: Uuid,
    since: DateTime<Utc>,
) -> QueryResult<BTreeSet<i64>> {
    let is_unused = dsl::last_sync_at.is_null().or(dsl::last_sync_at.lt(since));
    let unused: Vec<i64> = dsl::accounts
        .filter(dsl::database_id.eq(database_id).and(is_unused))
        .select(dsl::id)
        .load(conn)
        .await?;
    Ok(unused.into_iter().collect())
}

/// The person and mailbox that logged in, as Microsoft identifies them.
pub struct Identity<'a> {
    pub tenant_id: &'a str,
    pub object_id: &'a str,
    pub login: &'a str,
}

/// Returns when the last mailbox was connected among those that still have a login.
pub async fn last_login(conn: &Connection, database_id: Uuid) -> QueryResult<Option<DateTime<Utc>>> {
    dsl::accounts
        .filter(
            dsl::database_id
                .eq(database_id)
                .and(dsl::refresh_token.is_not_null()),
        )
        .select(diesel::dsl::max(dsl::connected_at))
        .first(&mut &*conn)
        .await
}

/// Stores a consent: creates the account, or gives a known one its new tokens. `connected_at` is
/// when syncing begins for a new account or one that was reset; another login of a connected
/// account keeps the old time.
pub async fn connect(
    conn: &mut Connection,
    database_id: Uuid,
    user_id: i32,
    identity: &Identity<'_>,
    tokens: &SealedTokens,
    registration_id: Option<i64>,
    now: DateTime<Utc>,
) -> QueryResult<Account> {
    let consent = (
        dsl::tenant_id.eq(identity.tenant_id),
        dsl::object_id.eq(identity.object_id),
        dsl::login.eq(identity.login),
        dsl::access_token.eq(Some(&tokens.access)),
        dsl::refresh_token.eq(tokens.refresh.as_ref()),
        dsl::access_expires_at.eq(Some(tokens.expires_at)),
        dsl::state.eq(SyncState::Active),
        dsl::reason.eq(None::<String>),
        dsl::reason_words.eq(None::<Value>),
        dsl::failures.eq(0),
        dsl::next_run_at.eq(diesel::dsl::now),
        dsl::urgency.eq(super::leases::Urgency::News.rank()),
        dsl::rest_until.eq(None::<DateTime<Utc>>),
        dsl::registration_id.eq(registration_id),
        // Changes that waited for the login are planned at the end of the next pull.
        dsl::pulled_once.eq(false),
    );
    let begun = dsl::accounts.filter(
        dsl::database_id
            .eq(database_id)
            .and(dsl::odoo_user_id.eq(user_id)),
    );
    diesel::update(begun.filter(dsl::object_id.eq("")))
        .set(dsl::connected_at.eq(now))
        .execute(conn)
        .await?;
    // A subscription to another mailbox says nothing about this one.
    let is_other = dsl::tenant_id
        .ne(identity.tenant_id)
        .or(dsl::object_id.ne(identity.object_id));
    let others = begun.filter(is_other).select(dsl::id);
    diesel::delete(subscriptions::table.filter(subscriptions::account_id.eq_any(others)))
        .execute(conn)
        .await?;
    diesel::insert_into(dsl::accounts)
        .values((
            dsl::database_id.eq(database_id),
            dsl::odoo_user_id.eq(user_id),
            dsl::connected_at.eq(now),
            consent.clone(),
        ))
        .on_conflict((dsl::database_id, dsl::odoo_user_id))
        .do_update()
        .set(consent)
        .returning(Account::as_select())
        .get_result(conn)
        .await
}

/// Stores refreshed tokens, before the access token is used. `renewed` is the sealed refresh token
/// that was redeemed. Returns `false` if another one has been stored since (the user logged in
/// again, or it was sealed again); that one is kept.
pub async fn store_tokens(
    conn: &mut Connection,
    id: i64,
    renewed: Option<&Vec<u8>>,
    tokens: &SealedTokens,
) -> QueryResult<bool> {
    let is_same = dsl::refresh_token.is_not_distinct_from(renewed);
    let stored = diesel::update(dsl::accounts.find(id).filter(is_same))
        .set((
            dsl::access_token.eq(Some(&tokens.access)),
            dsl::access_expires_at.eq(Some(tokens.expires_at)),
            dsl::refresh_token.eq(tokens.refresh.as_ref().or(renewed)),
        ))
        .execute(conn)
        .await?;
    Ok(stored == 1)
}

/// Reads an account and locks its row until the transaction ends.
pub async fn lock(conn: &mut Connection, id: i64) -> QueryResult<Account> {
    dsl::accounts
        .find(id)
        .select(Account::as_select())
        .for_update()
        .first(conn)
        .await
}

/// Stores the same tokens, sealed again.
pub async fn reseal(
    conn: &mut Connection,
    id: i64,
    access: Option<Vec<u8>>,
    refresh: Option<Vec<u8>>,
) -> QueryResult<usize> {
    diesel::update(dsl::accounts.find(id))
        .set((dsl::access_token.eq(access), dsl::refresh_token.eq(refresh)))
        .execute(conn)
        .await
}

/// Forgets an access token that Microsoft no longer accepts.
pub async fn expire_access(conn: &mut Connection, id: i64) -> QueryResult<usize> {
    diesel::update(dsl::accounts.find(id))
        .set(dsl::access_expires_at.eq(None::<DateTime<Utc>>))
        .execute(conn)
        .await
}

/// The columns of an account whose user must log in again: no token is kept.
#[derive(AsChangeset)]
#[diesel(table_name = accounts, treat_none_as_null = true)]
struct LoggedOut<'a> {
    state: SyncState,
    reason: Option<&'a str>,
    reason_words: Option<Value>,
    access_token: Option<Vec<u8>>,
    refresh_token: Option<Vec<u8>>,
    access_expires_at: Option<DateTime<Utc>>,
}

impl<'a> LoggedOut<'a> {
    fn because(reason: &'a Said) -> Self {
        Self {
            state: SyncState::NeedAuth,
            reason: Some(&reason.message),
            reason_words: reason.to_json(),
            access_token: None,
            refresh_token: None,
            access_expires_at: None,
        }
    }
}

/// Disconnects an account because Microsoft withdrew the consent, or an administrator reset it. The
/// user must log in again.
pub async fn disconnect(conn: &mut Connection, id: i64, reason: &Said) -> QueryResult<usize> {
    diesel::update(dsl::accounts.find(id))
        .set(LoggedOut::because(reason))
        .execute(conn)
        .await
}

/// Disconnects all accounts of a database. Every user must log in again.
pub async fn disconnect_all(conn: &mut Connection, database_id: Uuid, reason: &Said) -> QueryResult<usize> {
    diesel::update(dsl::accounts.filter(dsl::database_id.eq(database_id)))
        .set(LoggedOut::because(reason))
        .execute(conn)
        .await
}

/// Disconnects an account because Microsoft withdrew the consent of this sealed refresh token. Does
/// nothing if the user has logged in again since.
pub async fn lose_consent(
    conn: &mut Connection,
    id: i64,
    refresh_token: Option<&Vec<u8>>,
    reason: &Said,
) -> QueryResult<bool> {
    let is_same = dsl::refresh_token.is_not_distinct_from(refresh_token);
    let lost = diesel::update(dsl::accounts.find(id).filter(is_same))
        .set(LoggedOut::because(reason))
        .execute(conn)
        .await?;
    Ok(lost == 1)
}

/// Ends a reset: disconnects the account and forgets its progress, so that the next login starts
/// from nothing.
pub async fn forget_progress(
    conn: &mut Connection,
    id: i64,
    ignore_before: Option<DateTime<Utc>>,
) -> QueryResult<usize> {
    super::put_aside::forget(conn, id).await?;
    super::troubles::forget(conn, id).await?;
    super::calendars::list_anew_of(conn, id).await?;
    diesel::update(dsl::accounts.find(id))
        .set((
            dsl::delta_link.eq(None::<String>),
            dsl::window_start.eq(None::<DateTime<Utc>>),
            dsl::window_end.eq(None::<DateTime<Utc>>),
            dsl::pulled_once.eq(false),
            dsl::existing.eq(BackfillState::Unasked),
            dsl::ignore_before.eq(ignore_before),
            dsl::brake_at.eq(None::<DateTime<Utc>>),
            dsl::removals_answer.eq(None::<Decision>),
            dsl::mails_held.eq(0),
            dsl::mails_answer.eq(None::<Decision>),
            dsl::tenant_id.eq(""),
            dsl::object_id.eq(""),
        ))
        .execute(conn)
        .await
}

/// Marks that a reset has something to delete from Outlook, or is over.
pub async fn set_resetting(conn: &mut Connection, id: i64, resetting: bool) -> QueryResult<usize> {
    diesel::update(dsl::accounts.find(id))
        .set(dsl::resetting.eq(resetting))
        .execute(conn)
        .await
}

/// Continues the reset of a mailbox that had lost its consent and has a new one.
pub async fn resume(conn: &mut Connection, id: i64, registration_id: Option<i64>) -> QueryResult<usize> {
    diesel::update(dsl::accounts.find(id))
        .set((
            dsl::state.eq(SyncState::Active),
            dsl::reason.eq(None::<String>),
            dsl::reason_words.eq(None::<Value>),
            dsl::failures.eq(0),
            dsl::next_run_at.eq(diesel::dsl::now),
            dsl::urgency.eq(super::leases::Urgency::News.rank()),
            dsl::rest_until.eq(None::<DateTime<Utc>>),
            dsl::registration_id.eq(registration_id),
        ))
        .execute(conn)
        .await
}

/// Deletes an account, and what is known of its mailbox, because the user does not exist any more.
pub async fn remove(conn: &mut Connection, id: i64) -> QueryResult<usize> {
    diesel::delete(dsl::accounts.find(id)).execute(conn).await
}

/// Marks an account as stopped or restarted by its user.
pub async fn set_state(conn: &mut Connection, id: i64, to: SyncState) -> QueryResult<usize> {
    diesel::update(dsl::accounts.find(id))
        .set(dsl::state.eq(to))
        .execute(conn)
        .await
}

/// Stores the sentence that a run shows to the user while the account stays connected; `None` if
/// all is well. Changes nothing if the account was disconnected meanwhile, or another run works it:
/// then that one has set the reason.
pub async fn set_reason(conn: &mut Connection, run: &Account, reason: Option<&Said>) -> QueryResult<usize> {
    let words = reason.and_then(Said::to_json);
    let reason = reason.map(|said| said.message.as_str());
    diesel::update(
        dsl::accounts
            .find(run.id)
            .filter(dsl::state.eq(SyncState::Active))
            .filter(dsl::lease_id.is_not_distinct_from(run.lease_id))
            .filter(dsl::reason.is_distinct_from(reason)),
    )
    .set((dsl::reason.eq(reason), dsl::reason_words.eq(words)))
    .execute(conn)
    .await
}

/// Clears the sentence about the mailbox.
pub async fn clear_reason(conn: &mut Connection, id: i64) -> QueryResult<usize> {
    diesel::update(dsl::accounts.find(id))
        .set((
            dsl::reason.eq(None::<String>),
            dsl::reason_words.eq(None::<Value>),
        ))
        .execute(conn)
        .await
}

/// Counts the synced mailboxes that have a sentence about why they make no progress.
pub async fn in_trouble(conn: &mut Connection) -> QueryResult<i64> {
    dsl::accounts
        .filter(dsl::state.eq(SyncState::Active).and(dsl::reason.is_not_null()))
        .count()
        .get_result(conn)
        .await
}

pub async fn set_existing(conn: &mut Connection, id: i64, to: BackfillState) -> QueryResult<usize> {
    diesel::update(dsl::accounts.find(id))
        .set(dsl::existing.eq(to))
        .execute(conn)
        .await
}

/// Notes that Odoo has sent a user's own events. They are settled from the first meeting on.
pub async fn note_arrival(conn: &mut Connection, id: i64) -> QueryResult<usize> {
    diesel::update(dsl::accounts.find(id))
        .set((dsl::existing.eq(BackfillState::Arrived), dsl::settled_to.eq(0)))
        .execute(conn)
        .await
}

/// Returns the last meeting that was settled after the user's events had arrived; 0 before the
/// first.
pub async fn settled_to(conn: &mut Connection, id: i64) -> QueryResult<i64> {
    dsl::accounts.find(id).select(dsl::settled_to).first(conn).await
}

pub async fn set_settled_to(conn: &mut Connection, id: i64, meeting_id: i64) -> QueryResult<usize> {
    diesel::update(dsl::accounts.find(id))
        .set(dsl::settled_to.eq(meeting_id))
        .execute(conn)
        .await
}

/// Stops the mailbox's removals until an administrator answers.
pub async fn brake(
    conn: &mut Connection,
    id: i64,
    now: DateTime<Utc>,
    removals: i64,
    earlier: i64,
    of: i64,
) -> QueryResult<usize> {
    let count = |n: i64| i32::try_from(n).unwrap_or(i32::MAX);
    diesel::update(dsl::accounts.find(id))
        .set((
            dsl::brake_at.eq(Some(now)),
            dsl::removals_answer.eq(None::<Decision>),
            dsl::brake_removals.eq(count(removals)),
            dsl::brake_earlier.eq(count(earlier)),
            dsl::brake_of.eq(count(of)),
        ))
        .execute(conn)
        .await
}

/// Lets the mailbox rest because Microsoft asked for a pause. No wake-up shortens it.
pub async fn rest(conn: &mut Connection, id: i64, wait: TimeDelta) -> QueryResult<usize> {
    let present = diesel::dsl::now.into_sql::<Timestamptz>();
    diesel::update(dsl::accounts.find(id))
        .set(dsl::rest_until.eq((present + interval(wait)).nullable()))
        .execute(conn)
        .await
}

/// Lets all of an app's mailboxes of one tenant rest because Microsoft asked for a pause.
/// Afterwards they are worked one after the other.
pub async fn rest_tenant(
    conn: &mut Connection,
    client_id: &str,
    tenant_id: &str,
    wait: TimeDelta,
) -> QueryResult<usize> {
    diesel::sql_query(
        "UPDATE accounts SET rest_until = greatest(rest_until, now() + $3 * (1 + random() / 4)) \
         WHERE registration_id IN (SELECT id FROM registrations WHERE client_id = $1) AND tenant_id = $2",
    )
    .bind::<diesel::sql_types::Text, _>(client_id)
    .bind::<diesel::sql_types::Text, _>(tenant_id)
    .bind::<diesel::sql_types::Interval, _>(interval(wait))
    .execute(conn)
    .await
}

/// Stores an administrator's answer about the removals.
pub async fn release_brake(conn: &mut Connection, id: i64, decision: Decision) -> QueryResult<usize> {
    diesel::update(dsl::accounts.find(id))
        .set((
            dsl::brake_at.eq(None::<DateTime<Utc>>),
            dsl::removals_answer.eq(Some(decision)),
        ))
        .execute(conn)
        .await
}

/// Stores how far the delta was read, in the transaction that stores the rows; and `news_at`,
/// Microsoft's time of the latest change among them, unless a later one is known.
pub async fn set_delta(
    conn: &mut Connection,
    id: i64,
    link: &str,
    news_at: Option<DateTime<Utc>>,
) -> QueryResult<usize> {
    let account = dsl::accounts.find(id);
    let Some(news_at) = news_at else {
        return diesel::update(account)
            .set(dsl::delta_link.eq(Some(link)))
            .execute(conn)
            .await;
    };
    let later = case_when(dsl::news_at.gt(news_at), dsl::news_at).otherwise(Some(news_at).into_sql());
    diesel::update(account)
        .set((dsl::delta_link.eq(Some(link)), dsl::news_at.eq(later)))
        .execute(conn)
        .await
}

/// Forgets how far the delta was read, so that the window is listed again.
pub async fn forget_delta(conn: &mut Connection, id: i64) -> QueryResult<usize> {
    diesel::update(dsl::accounts.find(id))
        .set(dsl::delta_link.eq(None::<String>))
        .execute(conn)
        .await
}

/// Notes that a mailbox's user looks at the calendar for some time from now on.
pub async fn watch(conn: &mut Connection, id: i64, time: TimeDelta) -> QueryResult<usize> {
    let until = diesel::dsl::now.into_sql::<Timestamptz>() + interval(time);
    diesel::update(dsl::accounts.find(id))
        .set(dsl::watched_until.eq(until.nullable()))
        .execute(conn)
        .await
}

/// Begins to list a window again.
pub async fn open_window(
    conn: &mut Connection,
    id: i64,
    (start, end): (DateTime<Utc>, DateTime<Utc>),
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(dsl::accounts.find(id))
        .set((
            dsl::window_start.eq(Some(start)),
            dsl::window_end.eq(Some(end)),
            dsl::delta_link.eq(None::<String>),
            dsl::listing_since.eq(Some(now)),
        ))
        .execute(conn)
        .await
}

/// Marks that the window was listed to its end, and that the missing events were asked about.
pub async fn end_listing(conn: &mut Connection, id: i64) -> QueryResult<usize> {
    diesel::update(dsl::accounts.find(id))
        .set(dsl::listing_since.eq(None::<DateTime<Utc>>))
        .execute(conn)
        .await
}

pub async fn set_pulled_once(conn: &mut Connection, id: i64) -> QueryResult<usize> {
    diesel::update(dsl::accounts.find(id))
        .set(dsl::pulled_once.eq(true))
        .execute(conn)
        .await
}

/// Lets the next run plan all of a mailbox's meetings, as the first run did.
pub async fn plan_anew(conn: &mut Connection, id: i64) -> QueryResult<usize> {
    diesel::update(dsl::accounts.find(id))
        .set(dsl::pulled_once.eq(false))
        .execute(conn)
        .await
}

/// Does the same for all mailboxes of a database.
pub async fn plan_all_anew(conn: &mut Connection, database_id: Uuid) -> QueryResult<usize> {
    diesel::update(dsl::accounts.filter(dsl::database_id.eq(database_id)))
        .set(dsl::pulled_once.eq(false))
        .execute(conn)
        .await
}

/// Lets the next run of each mailbox of a database open its window again and list it. A run in
/// progress may still store a link of the old window; as the window has no end, that link is not
/// used.
pub async fn list_anew(conn: &mut Connection, database_id: Uuid) -> QueryResult<usize> {
    super::calendars::list_anew(conn, database_id).await?;
    diesel::update(dsl::accounts.filter(dsl::database_id.eq(database_id)))
        .set((
            dsl::delta_link.eq(None::<String>),
            dsl::window_end.eq(None::<DateTime<Utc>>),
        ))
        .execute(conn)
        .await
}

/// Notes how many collected mails wait for approval; 0 if none do.
pub async fn hold_mails(conn: &mut Connection, id: i64, mails: i64) -> QueryResult<usize> {
    let mails = i32::try_from(mails).unwrap_or(i32::MAX);
    diesel::update(dsl::accounts.find(id))
        .set((dsl::mails_held.eq(mails), dsl::mails_answer.eq(None::<Decision>)))
        .execute(conn)
        .await
}

/// Notes that a user has looked at the conflicts.
pub async fn see_conflicts(conn: &mut Connection, database_id: Uuid, user_id: i32) -> QueryResult<usize> {
    let own = dsl::database_id
        .eq(database_id)
        .and(dsl::odoo_user_id.eq(user_id));
    diesel::update(dsl::accounts.filter(own).filter(dsl::unseen_conflicts.ne(0)))
        .set(dsl::unseen_conflicts.eq(0))
        .execute(conn)
        .await
}

/// Stores a person's decision about the held mails.
pub async fn release_mails(conn: &mut Connection, id: i64, decision: Decision) -> QueryResult<usize> {
    diesel::update(dsl::accounts.find(id))
        .set((dsl::mails_held.eq(0), dsl::mails_answer.eq(Some(decision))))
        .execute(conn)
        .await
}
