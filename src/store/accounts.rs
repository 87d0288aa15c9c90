//! Users of a database and the mailboxes behind them.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::Timestamptz;
use diesel_async::RunQueryDsl;
use secrecy::SecretString;
use uuid::Uuid;

use super::schema::accounts::{self, dsl};
use super::seal::Sealer;
use super::text_enum::text_enum;
use super::{Connection, interval};

#[derive(Clone, Debug, Queryable, Selectable, Identifiable)]
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
    /// How many mails wait for a person's yes; 0: none is waited for.
    pub mails_held: i32,
    /// What the consent was given to.
    pub registration_id: Option<i64>,
    pub brake_earlier: i32,
    /// The run that works the mailbox; in what a run has read of its own account, that run (see [`super::leases`]).
    pub lease_id: Option<Uuid>,
    pub lease_beats: i64,
    /// What was decided about the removals that were held last; `None` while they wait.
    pub removals_answer: Option<Decision>,
    /// The same of the mails.
    pub mails_answer: Option<Decision>,
}

text_enum! {
    /// What a person decided about what was held (`accounts.removals_answer`, `accounts.mails_answer`).
    pub enum Decision {
        /// It is done.
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
        /// By its user.
        Stopped = "stopped",
        /// Nobody has consented yet, or the consent is gone.
        NeedAuth = "need_auth",
    }
}

text_enum! {
    /// How far Odoo has told the events that existed before the user connected (`accounts.existing`).
    pub enum BackfillState {
        Unasked = "unasked",
        Asked = "asked",
        /// The user's own were told, and single records that others organize were asked for.
        AskedRecords = "asked_records",
        /// Told, but what Odoo's own engine had linked is still to be found.
        Moving = "moving",
        Told = "told",
    }
}

/// Where an account's sealed tokens belong: a token copied to another account does not open.
pub fn token_place(kind: &str, database_id: Uuid, odoo_user_id: i32) -> String {
    format!("accounts.{kind}:{database_id}:{odoo_user_id}")
}

/// Sealed tokens, ready to be stored.
#[derive(Clone, Debug)]
pub struct SealedTokens {
    pub access: Vec<u8>,
    /// `None`: Microsoft sent none; the old one stays.
    pub refresh: Option<Vec<u8>>,
    pub expires_at: DateTime<Utc>,
}

impl SealedTokens {
    /// Seals for one account.
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
    /// Whether the account was reset: the next login may be anybody, and begins anew.
    pub fn is_reset(&self) -> bool {
        self.object_id.is_empty()
    }

    /// Whether the mailbox is synced now, as far as the account itself goes.
    pub fn is_active(&self) -> bool {
        self.state == SyncState::Active
    }

    /// Whether the account stands for a connected user, synced now or later.
    pub fn is_connected(&self) -> bool {
        self.state != SyncState::NeedAuth || self.refresh_token.is_some()
    }

    /// Whether an admin must say first whether many removals are meant.
    pub fn is_braked(&self) -> bool {
        self.brake_at.is_some()
    }

    /// Whether collected mails wait for a person's yes.
    pub fn holds_mails(&self) -> bool {
        self.mails_held > 0
    }

    /// Whether what happens in the mailbox comes to be known.
    pub fn is_read(&self) -> bool {
        self.is_active() && !self.is_braked()
    }

    /// The opened access token and when it ends, if one is stored.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn access_token(&self, sealer: &Sealer) -> anyhow::Result<Option<SecretString>> {
        self.open(sealer, "access_token", self.access_token.as_deref())
    }

    /// The opened refresh token, if one is stored.
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

/// Another user of the database whose account is this very mailbox.
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

/// Who logged in.
pub struct Identity<'a> {
    pub tenant_id: &'a str,
    pub object_id: &'a str,
    pub login: &'a str,
}

/// Stores a consent: makes the account, or gives a known one its new tokens. `connected_at` is when syncing
/// begins for a new account or one that was reset; a mere new login keeps it.
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
        dsl::failures.eq(0),
        dsl::next_run_at.eq(diesel::dsl::now),
        dsl::rest_until.eq(None::<DateTime<Utc>>),
        dsl::registration_id.eq(registration_id),
        // What waited for the login is planned at the end of the next pull.
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

/// Stores refreshed tokens, before the access token is used. `renewed` is the sealed refresh token that was redeemed; `false`: another one
/// has been stored since (the user logged in anew, or it was sealed anew), which stands.
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

/// Reads an account and holds it until the transaction ends.
pub async fn lock(conn: &mut Connection, id: i64) -> QueryResult<Account> {
    dsl::accounts
        .find(id)
        .select(Account::as_select())
        .for_update()
        .first(conn)
        .await
}

/// Stores the same tokens, sealed anew.
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

/// Forgets an access token that Microsoft does not accept any more.
pub async fn expire_access(conn: &mut Connection, id: i64) -> QueryResult<usize> {
    diesel::update(dsl::accounts.find(id))
        .set(dsl::access_expires_at.eq(None::<DateTime<Utc>>))
        .execute(conn)
        .await
}

/// Of an account whose user must log in again: no token is kept.
#[derive(AsChangeset)]
#[diesel(table_name = accounts, treat_none_as_null = true)]
struct LoggedOut<'a> {
    state: SyncState,
    reason: Option<&'a str>,
    access_token: Option<Vec<u8>>,
    refresh_token: Option<Vec<u8>>,
    access_expires_at: Option<DateTime<Utc>>,
}

impl<'a> LoggedOut<'a> {
    fn because(reason: &'a str) -> Self {
        Self {
            state: SyncState::NeedAuth,
            reason: Some(reason),
            access_token: None,
            refresh_token: None,
            access_expires_at: None,
        }
    }
}

/// Microsoft withdrew the consent, or an admin reset the account: the user must log in again.
pub async fn disconnect(conn: &mut Connection, id: i64, reason: &str) -> QueryResult<usize> {
    diesel::update(dsl::accounts.find(id))
        .set(LoggedOut::because(reason))
        .execute(conn)
        .await
}

/// Of a whole database: every user must log in again.
pub async fn disconnect_all(conn: &mut Connection, database_id: Uuid, reason: &str) -> QueryResult<usize> {
    diesel::update(dsl::accounts.filter(dsl::database_id.eq(database_id)))
        .set(LoggedOut::because(reason))
        .execute(conn)
        .await
}

/// Microsoft withdrew the consent that is in this refresh token, as it is sealed; nothing, if the user has logged in anew since.
pub async fn lose_consent(
    conn: &mut Connection,
    id: i64,
    refresh_token: Option<&Vec<u8>>,
    reason: &str,
) -> QueryResult<bool> {
    let is_same = dsl::refresh_token.is_not_distinct_from(refresh_token);
    let lost = diesel::update(dsl::accounts.find(id).filter(is_same))
        .set(LoggedOut::because(reason))
        .execute(conn)
        .await?;
    Ok(lost == 1)
}

/// Ends a reset: the account is disconnected, and at the next login everything begins anew.
pub async fn forget_progress(
    conn: &mut Connection,
    id: i64,
    ignore_before: Option<DateTime<Utc>>,
) -> QueryResult<usize> {
    // The next login may be another mailbox's.
    super::addresses::forget(conn, id).await?;
    super::put_aside::forget(conn, id).await?;
    super::troubles::forget(conn, id).await?;
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

/// A reset has something to delete from Outlook, or is over.
pub async fn set_resetting(conn: &mut Connection, id: i64, resetting: bool) -> QueryResult<usize> {
    diesel::update(dsl::accounts.find(id))
        .set(dsl::resetting.eq(resetting))
        .execute(conn)
        .await
}

/// A mailbox that lost its consent during a reset has a new one.
pub async fn resume(conn: &mut Connection, id: i64, registration_id: Option<i64>) -> QueryResult<usize> {
    diesel::update(dsl::accounts.find(id))
        .set((
            dsl::state.eq(SyncState::Active),
            dsl::reason.eq(None::<String>),
            dsl::failures.eq(0),
            dsl::next_run_at.eq(diesel::dsl::now),
            dsl::rest_until.eq(None::<DateTime<Utc>>),
            dsl::registration_id.eq(registration_id),
        ))
        .execute(conn)
        .await
}

/// The user does not exist any more: neither does what is known of the mailbox.
pub async fn remove(conn: &mut Connection, id: i64) -> QueryResult<usize> {
    diesel::delete(dsl::accounts.find(id)).execute(conn).await
}

/// Stopped by the user, or restarted.
pub async fn set_state(conn: &mut Connection, id: i64, to: SyncState) -> QueryResult<usize> {
    diesel::update(dsl::accounts.find(id))
        .set(dsl::state.eq(to))
        .execute(conn)
        .await
}

/// A sentence of a run, shown to the user while the account stays connected; `None`: all is well. Whoever has disconnected it
/// meanwhile, or works it now, has said why.
pub async fn set_reason(conn: &mut Connection, run: &Account, reason: Option<&str>) -> QueryResult<usize> {
    diesel::update(
        dsl::accounts
            .find(run.id)
            .filter(dsl::state.eq(SyncState::Active))
            .filter(dsl::lease_id.is_not_distinct_from(run.lease_id))
            .filter(dsl::reason.is_distinct_from(reason)),
    )
    .set(dsl::reason.eq(reason))
    .execute(conn)
    .await
}

/// Nothing is to be said of the mailbox.
pub async fn clear_reason(conn: &mut Connection, id: i64) -> QueryResult<usize> {
    diesel::update(dsl::accounts.find(id))
        .set(dsl::reason.eq(None::<String>))
        .execute(conn)
        .await
}

/// How many mailboxes that are synced have something to say about why they make no progress.
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

/// Stops what the mailbox would remove, until an admin answers.
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

/// Microsoft asked for a pause: whoever wakes the mailbox, it is not worked before.
pub async fn rest(conn: &mut Connection, id: i64, wait: TimeDelta) -> QueryResult<usize> {
    let present = diesel::dsl::now.into_sql::<Timestamptz>();
    diesel::update(dsl::accounts.find(id))
        .set(dsl::rest_until.eq((present + interval(wait)).nullable()))
        .execute(conn)
        .await
}

/// Microsoft asked an app for a pause: none of its mailboxes is worked before, and then they come one after the other.
pub async fn rest_app(conn: &mut Connection, client_id: &str, wait: TimeDelta) -> QueryResult<usize> {
    diesel::sql_query(
        "UPDATE accounts SET rest_until = greatest(rest_until, now() + $2 * (1 + random() / 4)) \
         WHERE registration_id IN (SELECT id FROM registrations WHERE client_id = $1)",
    )
    .bind::<diesel::sql_types::Text, _>(client_id)
    .bind::<diesel::sql_types::Interval, _>(interval(wait))
    .execute(conn)
    .await
}

/// An admin has answered.
pub async fn release_brake(conn: &mut Connection, id: i64, decision: Decision) -> QueryResult<usize> {
    diesel::update(dsl::accounts.find(id))
        .set((
            dsl::brake_at.eq(None::<DateTime<Utc>>),
            dsl::removals_answer.eq(Some(decision)),
        ))
        .execute(conn)
        .await
}

/// Where the delta stands, stored together with the rows it brought.
pub async fn set_delta(conn: &mut Connection, id: i64, link: Option<&str>) -> QueryResult<usize> {
    diesel::update(dsl::accounts.find(id))
        .set(dsl::delta_link.eq(link))
        .execute(conn)
        .await
}

/// Begins to list a window anew.
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

/// The window was listed to its end, and what was missing was asked about.
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

/// Lets the next run plan all of a mailbox's meetings, as the first one did.
pub async fn plan_anew(conn: &mut Connection, id: i64) -> QueryResult<usize> {
    diesel::update(dsl::accounts.find(id))
        .set(dsl::pulled_once.eq(false))
        .execute(conn)
        .await
}

/// The same for all mailboxes of a database.
pub async fn plan_all_anew(conn: &mut Connection, database_id: Uuid) -> QueryResult<usize> {
    diesel::update(dsl::accounts.filter(dsl::database_id.eq(database_id)))
        .set(dsl::pulled_once.eq(false))
        .execute(conn)
        .await
}

/// Lets the next run of each of a database's mailboxes open its window anew, and list it. A run that is under way may store
/// the link of the window before; without an end that window is not gone on with.
pub async fn list_anew(conn: &mut Connection, database_id: Uuid) -> QueryResult<usize> {
    diesel::update(dsl::accounts.filter(dsl::database_id.eq(database_id)))
        .set((
            dsl::delta_link.eq(None::<String>),
            dsl::window_end.eq(None::<DateTime<Utc>>),
        ))
        .execute(conn)
        .await
}

/// So many mails that were collected wait for a person's yes; 0: none is waited for.
pub async fn hold_mails(conn: &mut Connection, id: i64, mails: i64) -> QueryResult<usize> {
    let mails = i32::try_from(mails).unwrap_or(i32::MAX);
    diesel::update(dsl::accounts.find(id))
        .set((dsl::mails_held.eq(mails), dsl::mails_answer.eq(None::<Decision>)))
        .execute(conn)
        .await
}

/// A person has decided about the mails that were held.
pub async fn release_mails(conn: &mut Connection, id: i64, decision: Decision) -> QueryResult<usize> {
    diesel::update(dsl::accounts.find(id))
        .set((dsl::mails_held.eq(0), dsl::mails_answer.eq(Some(decision))))
        .execute(conn)
        .await
}
