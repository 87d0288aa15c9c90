//! Pending changes: writes to Outlook, and changes to Odoo.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::accounts::Account;
use super::schema::accounts;
use super::schema::odoo_outbox::{self, dsl as o};
use super::schema::outlook_outbox::{self, dsl as l};
use super::text_enum::text_enum;
use super::{Connection, from_json};
use crate::calendar::merge::Told;
use crate::traces;

/// A pending write to one mailbox.
#[derive(Clone, Debug, Default, Queryable, Selectable, Insertable)]
#[diesel(table_name = outlook_outbox)]
pub struct OutlookWrite {
    /// 0 if it is not stored yet.
    #[diesel(skip_insertion)]
    pub id: i64,
    pub account_id: i64,
    pub meeting_id: i64,
    pub kind: WriteKind,
    pub graph_id: Option<String>,
    pub change_key: Option<String>,
    pub body: Value,
    pub odoo_state: Option<Value>,
    pub groups: Value,
    pub attempts: i32,
    /// Long ago by default, so that it is due at once.
    pub next_attempt_at: DateTime<Utc>,
    pub in_flight_since: Option<DateTime<Utc>>,
    pub error: Option<String>,
    pub line: Option<Value>,
    /// Whether it is about a series; `graph_id` is then the master's.
    pub series: bool,
    /// The slot of the occurrence that it is about; `None` for the whole meeting.
    pub slot: Option<NaiveDate>,
    /// How many mails Outlook sends because of it.
    pub mails: i32,
    /// Whether the mail limit applies to it.
    pub collected: bool,
    /// A person asked for it, so no later planning removes it.
    pub stands: bool,
    /// See [`Told`].
    pub told: Option<Value>,
    /// Why it waits for approval, even if it causes few mails.
    pub asks: Option<AskFor>,
    /// The span that planned it, if traces are on.
    pub trace: Option<traces::Traceparent>,
}

impl OutlookWrite {
    /// Returns what it sends.
    ///
    /// # Errors
    /// When the row was written by another version of the service.
    pub fn told(&self) -> anyhow::Result<Told> {
        let told = self.told.clone().map(|told| from_json(told, "told"));
        Ok(told.transpose()?.unwrap_or_default())
    }
}

text_enum! {
    /// Why a write waits for approval, besides the mail limit (`outlook_outbox.asks`).
    pub enum AskFor {
        /// Somebody other than the organizer saved a change that mails many people outside.
        Others = "others",
        /// The mailbox has sent as many mails within the hour as it may.
        Hour = "hour",
    }
}

text_enum! {
    /// What a write does (`outlook_outbox.kind`).
    #[derive(Default, Serialize)]
    #[serde(rename_all = "snake_case")]
    pub enum WriteKind {
        Create = "create",
        #[default]
        Update = "update",
        Delete = "delete",
        /// Responds to an invitation.
        Respond = "respond",
    }
}

pub async fn outlook_of_all(conn: &mut Connection, meetings: &[i64]) -> QueryResult<Vec<OutlookWrite>> {
    l::outlook_outbox
        .filter(l::meeting_id.eq_any(meetings))
        .select(OutlookWrite::as_select())
        .order(l::id)
        .load(conn)
        .await
}

/// Which of a mailbox's writes wait for now, besides those that are not due.
#[derive(Clone, Copy, Debug, Default)]
pub struct WritesOnHold {
    /// Collected writes that cause mails wait for approval.
    pub collected: bool,
    /// Writes that mail somebody wait.
    pub mails: bool,
    /// Creations wait.
    pub creations: bool,
}

impl WritesOnHold {
    /// Returns the most mails that a write may cause, and the most that a collected write may
    /// cause.
    fn most_mails(self) -> (i32, i32) {
        let most = |waits| if waits { 0 } else { i32::MAX };
        (most(self.mails), most(self.mails || self.collected))
    }

    /// Returns the kinds that wait. A response is a mail too, but is not counted as one.
    fn kinds(self) -> Vec<WriteKind> {
        let answers = self.mails.then_some(WriteKind::Respond);
        answers
            .into_iter()
            .chain(self.creations.then_some(WriteKind::Create))
            .collect()
    }
}

/// Returns whether the mailbox has a due write that does not wait.
pub async fn is_outlook_due(
    conn: &mut Connection,
    account_id: i64,
    but_for: &[i64],
    now: DateTime<Utc>,
    waits: WritesOnHold,
) -> QueryResult<bool> {
    let due = l::outlook_outbox
        .filter(l::account_id.eq(account_id).and(l::next_attempt_at.le(now)))
        .filter(l::id.ne_all(but_for))
        .filter(may_leave(waits.most_mails(), waits.kinds()));
    diesel::select(diesel::dsl::exists(due)).get_result(conn).await
}

/// Reads the mailbox's due writes that do not wait, oldest first. Locks their rows until the
/// transaction ends.
pub async fn due_outlook(
    conn: &mut Connection,
    account_id: i64,
    but_for: Vec<i64>,
    now: DateTime<Utc>,
    limit: i64,
    waits: WritesOnHold,
) -> QueryResult<Vec<OutlookWrite>> {
    l::outlook_outbox
        .filter(l::account_id.eq(account_id).and(l::next_attempt_at.le(now)))
        .filter(l::id.ne_all(but_for))
        .filter(may_leave(waits.most_mails(), waits.kinds()))
        .select(OutlookWrite::as_select())
        .order(l::id)
        .limit(limit)
        .for_update()
        .load(conn)
        .await
}

/// Matches writes that may be sent while others wait: those that cause few enough mails, those that
/// a person has just saved, and those that were sent before.
#[diesel::dsl::auto_type(no_type_alias)]
fn may_leave(most: (i32, i32), but_for: Vec<WriteKind>) -> _ {
    let (of_all, of_collected): (i32, i32) = most;
    l::in_flight_since.is_not_null().or(l::mails
        .le(of_all)
        .and(l::kind.ne_all(but_for))
        .and(l::mails.le(of_collected).or(l::collected.eq(false))))
}

/// Counts the mails of the mailbox's collected writes that were not sent yet.
pub async fn collected_mails(conn: &mut Connection, account_id: i64) -> QueryResult<i64> {
    let mails: Option<i64> = l::outlook_outbox
        .filter(l::account_id.eq(account_id).and(l::collected.eq(true)))
        .filter(l::in_flight_since.is_null())
        .select(diesel::dsl::sum(l::mails))
        .first(conn)
        .await?;
    Ok(mails.unwrap_or_default())
}

/// Returns the mailbox's collected writes that mail somebody and were not sent yet.
pub async fn collected(conn: &mut Connection, account_id: i64) -> QueryResult<Vec<OutlookWrite>> {
    l::outlook_outbox
        .filter(l::account_id.eq(account_id).and(l::collected.eq(true)))
        .filter(l::in_flight_since.is_null().and(l::mails.gt(0)))
        .select(OutlookWrite::as_select())
        .order(l::id)
        .load(conn)
        .await
}

/// Marks collected writes as approved.
pub async fn approve(conn: &mut Connection, account_id: i64) -> QueryResult<usize> {
    diesel::update(l::outlook_outbox.filter(l::account_id.eq(account_id)))
        .set((l::collected.eq(false), l::asks.eq(None::<String>)))
        .execute(conn)
        .await
}

/// Lets writes wait for approval, as the mailbox has sent enough mails this hour.
pub async fn hold_back(conn: &mut Connection, ids: Vec<i64>) -> QueryResult<usize> {
    diesel::update(l::outlook_outbox.filter(l::id.eq_any(ids)))
        .set((l::collected.eq(true), l::asks.eq(Some(AskFor::Hour))))
        .execute(conn)
        .await
}

/// Counts the pending creations: in Odoo for a user, and in the user's mailbox.
pub async fn creations_owed(conn: &mut Connection, account: &Account) -> QueryResult<(i64, i64)> {
    let to_odoo = o::odoo_outbox
        .filter(
            o::database_id
                .eq(account.database_id)
                .and(o::user_id.eq(account.odoo_user_id)),
        )
        .filter(o::op.eq("create"))
        .count()
        .get_result(conn)
        .await?;
    let to_outlook = l::outlook_outbox
        .filter(l::account_id.eq(account.id).and(l::kind.eq(WriteKind::Create)))
        .count()
        .get_result(conn)
        .await?;
    Ok((to_odoo, to_outlook))
}

/// Returns when the mailbox's next write is due, if any is pending that does not wait.
pub async fn next_outlook_at(
    conn: &mut Connection,
    account_id: i64,
    waits: WritesOnHold,
) -> QueryResult<Option<DateTime<Utc>>> {
    l::outlook_outbox
        .filter(l::account_id.eq(account_id))
        .filter(may_leave(waits.most_mails(), waits.kinds()))
        .select(diesel::dsl::min(l::next_attempt_at))
        .first(conn)
        .await
}

/// How long a guest's news of an unknown meeting waits for a creation in the organizer's mailbox
/// that may be the same meeting.
const LONGEST_WAIT: TimeDelta = TimeDelta::seconds(60);
/// After how many attempts nobody waits for such a creation any more.
const MOST_WAITED_FOR: i32 = 3;

/// Creations of a database that were sent, and whose outcome is not known.
#[derive(Clone, Debug, Default)]
pub struct Creations {
    /// The mailboxes of those that were sent a moment ago: their outcome will be known soon.
    pub fresh: BTreeSet<i64>,
    /// The meetings of all others, by mailbox: the mailbox is not synced or keeps failing, or the
    /// outcome should be known by now.
    pub stuck: BTreeMap<i64, Vec<i64>>,
}

/// Reads the creations of a database whose outcome is not known.
pub async fn creations_in_flight(
    conn: &mut Connection,
    database_id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<Creations> {
    let is_fresh = accounts::state
        .eq(super::accounts::SyncState::Active)
        .and(l::in_flight_since.gt(now - LONGEST_WAIT).assume_not_null())
        .and(l::attempts.le(MOST_WAITED_FOR))
        .and(accounts::failures.le(MOST_WAITED_FOR));
    let sent: Vec<(i64, i64, bool)> = l::outlook_outbox
        .inner_join(accounts::table.on(l::account_id.eq(accounts::id)))
        .filter(accounts::database_id.eq(database_id))
        .filter(
            l::kind
                .eq(WriteKind::Create)
                .and(l::in_flight_since.is_not_null()),
        )
        .select((l::account_id, l::meeting_id, is_fresh))
        .load(conn)
        .await?;
    let mut creations = Creations::default();
    for (account_id, meeting_id, is_fresh) in sent {
        if is_fresh {
            creations.fresh.insert(account_id);
        } else {
            creations.stuck.entry(account_id).or_default().push(meeting_id);
        }
    }
    Ok(creations)
}

/// Marks writes as in flight. Must be committed before they are sent.
pub async fn mark_in_flight(conn: &mut Connection, ids: Vec<i64>, now: DateTime<Utc>) -> QueryResult<usize> {
    diesel::update(l::outlook_outbox.filter(l::id.eq_any(ids)))
        .set((l::in_flight_since.eq(Some(now)), l::attempts.eq(l::attempts + 1)))
        .execute(conn)
        .await
}

/// A failed attempt.
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    /// How long to wait before the next attempt.
    pub wait: TimeDelta,
    /// Whether it is known that the request had no effect.
    pub had_no_effect: bool,
    /// The number of failed attempts, including this one.
    pub attempts: i32,
}

/// Tries a write again later, as the request had no effect, or may safely be repeated.
pub async fn postpone(
    conn: &mut Connection,
    id: i64,
    error: &str,
    failure: &Failure,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    let failed = diesel::update(l::outlook_outbox.find(id)).set((
        l::next_attempt_at.eq(now + failure.wait),
        l::error.eq(Some(error)),
        l::attempts.eq(failure.attempts),
        // Kept as it is if the outcome is unknown.
        l::in_flight_since.eq(diesel::dsl::case_when(
            failure.had_no_effect.into_sql::<diesel::sql_types::Bool>(),
            None::<DateTime<Utc>>.into_sql::<diesel::sql_types::Nullable<diesel::sql_types::Timestamptz>>(),
        )
        .otherwise(l::in_flight_since)),
    ));
    failed.execute(conn).await
}

/// Restores a write that [`mark_in_flight`] marked and that was not sent.
pub async fn restore_unsent(conn: &mut Connection, before: &OutlookWrite) -> QueryResult<usize> {
    diesel::update(l::outlook_outbox.find(before.id))
        .set((
            l::in_flight_since.eq(before.in_flight_since),
            l::attempts.eq(before.attempts),
        ))
        .execute(conn)
        .await
}

pub async fn settle_outlook(conn: &mut Connection, ids: Vec<i64>) -> QueryResult<usize> {
    if ids.is_empty() {
        return Ok(0);
    }
    diesel::delete(l::outlook_outbox.filter(l::id.eq_any(ids)))
        .execute(conn)
        .await
}

pub async fn outlook_owed(conn: &mut Connection, account_id: i64) -> QueryResult<i64> {
    l::outlook_outbox
        .filter(l::account_id.eq(account_id))
        .count()
        .get_result(conn)
        .await
}

/// Counts the writes to the mailbox that a person has asked for.
pub async fn standing(conn: &mut Connection, account_id: i64) -> QueryResult<i64> {
    l::outlook_outbox
        .filter(l::account_id.eq(account_id).and(l::stands.eq(true)))
        .count()
        .get_result(conn)
        .await
}

/// A pending change to Odoo.
#[derive(Clone, Debug, Default, Queryable, Selectable, Insertable)]
#[diesel(table_name = odoo_outbox)]
pub struct OdooDebt {
    /// 0 if it is not stored yet.
    #[diesel(skip_insertion)]
    pub id: i64,
    pub database_id: Uuid,
    pub meeting_id: i64,
    pub user_id: i32,
    pub payload: Value,
    pub outlook_state: Option<Value>,
    pub groups: Value,
    pub delivered_at: Option<DateTime<Utc>>,
    /// The mailbox whose removal limit applies to it first.
    pub held_for: Option<i64>,
    pub line: Option<Value>,
    /// How often the change, or its result, could not be processed.
    pub attempts: i32,
    /// The change waits until then.
    pub not_before: Option<DateTime<Utc>>,
    /// When it was stored; a change that is planned again is another one.
    #[diesel(skip_insertion)]
    pub since: DateTime<Utc>,
}

pub async fn odoo_of_all(conn: &mut Connection, meetings: &[i64]) -> QueryResult<Vec<OdooDebt>> {
    o::odoo_outbox
        .filter(o::meeting_id.eq_any(meetings))
        .select(OdooDebt::as_select())
        .load(conn)
        .await
}

/// Returns the meetings that these pending changes of a database belong to.
pub async fn meetings_of_debts(
    conn: &mut Connection,
    database_id: Uuid,
    ids: Vec<i64>,
) -> QueryResult<Vec<i64>> {
    o::odoo_outbox
        .filter(o::id.eq_any(ids).and(o::database_id.eq(database_id)))
        .select(o::meeting_id)
        .load(conn)
        .await
}

/// Returns the meetings with a pending change in a user's name.
pub async fn meetings_owed_to(
    conn: &mut Connection,
    database_id: Uuid,
    user_id: i32,
) -> QueryResult<Vec<i64>> {
    o::odoo_outbox
        .filter(o::database_id.eq(database_id).and(o::user_id.eq(user_id)))
        .select(o::meeting_id)
        .load(conn)
        .await
}

/// Counts the changes that Odoo is to make in a user's name, and that wait for nobody.
pub async fn left_in_odoo(conn: &mut Connection, database_id: Uuid, user_id: i32) -> QueryResult<i64> {
    o::odoo_outbox
        .filter(o::database_id.eq(database_id).and(o::user_id.eq(user_id)))
        .filter(o::held_for.is_null())
        .count()
        .get_result(conn)
        .await
}

/// Counts the writes to a mailbox that wait for nobody's approval.
pub async fn left_in_outlook(conn: &mut Connection, account_id: i64) -> QueryResult<i64> {
    l::outlook_outbox
        .filter(l::account_id.eq(account_id).and(l::collected.eq(false)))
        .count()
        .get_result(conn)
        .await
}

/// Counts the removals that wait for the end of a mailbox's sync, or for an administrator.
pub async fn held_count(conn: &mut Connection, account_id: i64) -> QueryResult<i64> {
    o::odoo_outbox
        .filter(o::held_for.eq(Some(account_id)))
        .count()
        .get_result(conn)
        .await
}

/// Deletes a mailbox's removals that were not delivered.
pub async fn drop_held(conn: &mut Connection, account_id: i64) -> QueryResult<usize> {
    diesel::delete(o::odoo_outbox.filter(o::held_for.eq(Some(account_id))))
        .execute(conn)
        .await
}

/// Permits the delivery of a mailbox's removals.
pub async fn release(conn: &mut Connection, account_id: i64) -> QueryResult<usize> {
    diesel::update(o::odoo_outbox.filter(o::held_for.eq(Some(account_id))))
        .set(o::held_for.eq(None::<i64>))
        .execute(conn)
        .await
}

/// Matches changes that do not wait.
#[diesel::dsl::auto_type(no_type_alias)]
fn is_time() -> _ {
    let now = diesel::dsl::now.into_sql::<diesel::sql_types::Nullable<diesel::sql_types::Timestamptz>>();
    o::not_before.is_null().or(o::not_before.le(now))
}

/// Returns pending changes of a database: a waiting user's first, then those of all users in turn,
/// each user's oldest first. So a mailbox that is read for the first time holds up nobody else's
/// news.
pub async fn odoo_page(
    conn: &mut Connection,
    database_id: Uuid,
    first_user: Option<i32>,
    limit: i64,
) -> QueryResult<Vec<OdooDebt>> {
    // Only the ids, which an index has in order, as there may be tens of thousands of changes.
    let turn = sql::<BigInt>("row_number() OVER (PARTITION BY user_id ORDER BY id)");
    let pending = o::odoo_outbox
        .filter(o::database_id.eq(database_id))
        .filter(o::held_for.is_null())
        .filter(is_time())
        .select(o::id)
        .limit(limit);
    let ids: Vec<i64> = match first_user {
        Some(user) => {
            pending
                .order((o::user_id.ne(user), turn, o::id))
                .load(conn)
                .await?
        }
        None => pending.order((turn, o::id)).load(conn).await?,
    };
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut debts: Vec<OdooDebt> = o::odoo_outbox
        .filter(o::id.eq_any(&ids))
        .select(OdooDebt::as_select())
        .load(conn)
        .await?;
    let place: HashMap<i64, usize> = ids.into_iter().zip(0..).collect();
    debts.sort_by_key(|debt| place.get(&debt.id).copied());
    Ok(debts)
}

/// Delivers a change again later.
pub async fn put_off(conn: &mut Connection, id: i64, until: DateTime<Utc>) -> QueryResult<usize> {
    diesel::update(o::odoo_outbox.find(id))
        .set((o::not_before.eq(Some(until)), o::attempts.eq(o::attempts + 1)))
        .execute(conn)
        .await
}

/// Counts the changes that can be delivered to a database now.
pub async fn odoo_owed(conn: &mut Connection, database_id: Uuid) -> QueryResult<i64> {
    o::odoo_outbox
        .filter(o::database_id.eq(database_id))
        .filter(o::held_for.is_null())
        .filter(is_time())
        .count()
        .get_result(conn)
        .await
}

/// Returns whether more than a number of changes can be delivered to a database now, without
/// counting all of them.
pub async fn owes_odoo_more_than(conn: &mut Connection, database_id: Uuid, number: i64) -> QueryResult<bool> {
    let next: Option<i64> = o::odoo_outbox
        .filter(o::database_id.eq(database_id))
        .filter(o::held_for.is_null())
        .filter(is_time())
        .select(o::id)
        .offset(number)
        .first(conn)
        .await
        .optional()?;
    Ok(next.is_some())
}

pub async fn mark_delivered(conn: &mut Connection, ids: Vec<i64>, now: DateTime<Utc>) -> QueryResult<usize> {
    if ids.is_empty() {
        return Ok(0);
    }
    diesel::update(o::odoo_outbox.filter(o::id.eq_any(ids)))
        .set(o::delivered_at.eq(Some(now)))
        .execute(conn)
        .await
}

pub async fn settle_odoo(conn: &mut Connection, ids: Vec<i64>) -> QueryResult<usize> {
    if ids.is_empty() {
        return Ok(0);
    }
    diesel::delete(o::odoo_outbox.filter(o::id.eq_any(ids)))
        .execute(conn)
        .await
}
