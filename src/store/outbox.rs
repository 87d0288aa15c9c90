//! What is still owed: writes to Outlook, and changes to Odoo.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use diesel::prelude::*;
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

/// A write owed to one mailbox.
#[derive(Clone, Debug, Default, Queryable, Selectable, Insertable)]
#[diesel(table_name = outlook_outbox)]
pub struct OutlookWrite {
    /// 0: not stored yet.
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
    /// By default long ago: due at once.
    pub next_attempt_at: DateTime<Utc>,
    pub in_flight_since: Option<DateTime<Utc>>,
    pub error: Option<String>,
    pub line: Option<Value>,
    /// Whether it is about a series; `graph_id` is the master's then.
    pub series: bool,
    /// The slot of the occurrence that it is about; `None`: the whole.
    pub slot: Option<NaiveDate>,
    /// How many mails Outlook sends for it.
    pub mails: i32,
    /// Whether it passes the mail budget first.
    pub collected: bool,
    /// What a person asked for, and no later news plans away.
    pub stands: bool,
    /// See [`Told`].
    pub told: Option<Value>,
    /// Why it waits for a yes however few its mails are.
    pub asks: Option<AskFor>,
}

impl OutlookWrite {
    /// What it tells.
    ///
    /// # Errors
    /// When the row was written by another version of the service.
    pub fn told(&self) -> anyhow::Result<Told> {
        let told = self.told.clone().map(|told| from_json(told, "told"));
        Ok(told.transpose()?.unwrap_or_default())
    }
}

text_enum! {
    /// Why a write waits for a yes, beside the mail budget (`outlook_outbox.asks`).
    pub enum AskFor {
        /// Others than the organizer saved what mails many people outside.
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
        /// Answers an invitation.
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

/// What of a mailbox's writes stays behind for now, besides what is not due.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waits {
    /// Mails that were collected, for a person's yes.
    pub collected: bool,
    /// Whatever mails somebody.
    pub mails: bool,
    /// What is to be made.
    pub creations: bool,
}

impl Waits {
    /// The most mails that a write may cause; that a collected one may.
    fn most_mails(self) -> (i32, i32) {
        let most = |waits| if waits { 0 } else { i32::MAX };
        (most(self.mails), most(self.mails || self.collected))
    }

    /// The kinds that wait. An answer is a mail, which is not counted.
    fn kinds(self) -> Vec<WriteKind> {
        let answers = self.mails.then_some(WriteKind::Respond);
        answers
            .into_iter()
            .chain(self.creations.then_some(WriteKind::Create))
            .collect()
    }
}

/// Whether the mailbox has a write that is due, but for those named.
pub async fn is_outlook_due(
    conn: &mut Connection,
    account_id: i64,
    but_for: &[i64],
    now: DateTime<Utc>,
    waits: Waits,
) -> QueryResult<bool> {
    let due = l::outlook_outbox
        .filter(l::account_id.eq(account_id).and(l::next_attempt_at.le(now)))
        .filter(l::id.ne_all(but_for))
        .filter(may_leave(waits.most_mails(), waits.kinds()));
    diesel::select(diesel::dsl::exists(due)).get_result(conn).await
}

/// The mailbox's writes that are due, oldest first, but for those named. Held until the transaction ends.
pub async fn due_outlook(
    conn: &mut Connection,
    account_id: i64,
    but_for: Vec<i64>,
    now: DateTime<Utc>,
    limit: i64,
    waits: Waits,
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

/// What may be sent while others wait: what mails few enough, what a person has just saved, and what has left already.
#[diesel::dsl::auto_type(no_type_alias)]
fn may_leave(most: (i32, i32), but_for: Vec<WriteKind>) -> _ {
    let (of_all, of_collected): (i32, i32) = most;
    l::in_flight_since.is_not_null().or(l::mails
        .le(of_all)
        .and(l::kind.ne_all(but_for))
        .and(l::mails.le(of_collected).or(l::collected.eq(false))))
}

/// How many mails the mailbox's collected writes cause that have not left.
pub async fn collected_mails(conn: &mut Connection, account_id: i64) -> QueryResult<i64> {
    let mails: Option<i64> = l::outlook_outbox
        .filter(l::account_id.eq(account_id).and(l::collected.eq(true)))
        .filter(l::in_flight_since.is_null())
        .select(diesel::dsl::sum(l::mails))
        .first(conn)
        .await?;
    Ok(mails.unwrap_or_default())
}

/// The mailbox's collected writes that mail somebody and have not left.
pub async fn collected(conn: &mut Connection, account_id: i64) -> QueryResult<Vec<OutlookWrite>> {
    l::outlook_outbox
        .filter(l::account_id.eq(account_id).and(l::collected.eq(true)))
        .filter(l::in_flight_since.is_null().and(l::mails.gt(0)))
        .select(OutlookWrite::as_select())
        .order(l::id)
        .load(conn)
        .await
}

/// A person has said yes to what was collected.
pub async fn approve(conn: &mut Connection, account_id: i64) -> QueryResult<usize> {
    diesel::update(l::outlook_outbox.filter(l::account_id.eq(account_id)))
        .set((l::collected.eq(false), l::asks.eq(None::<String>)))
        .execute(conn)
        .await
}

/// These wait for a yes, as the mailbox has sent enough for this hour.
pub async fn hold_back(conn: &mut Connection, ids: Vec<i64>) -> QueryResult<usize> {
    diesel::update(l::outlook_outbox.filter(l::id.eq_any(ids)))
        .set((l::collected.eq(true), l::asks.eq(Some(AskFor::Hour))))
        .execute(conn)
        .await
}

/// How many new events Odoo is owed for a user, and how many the user's mailbox is.
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

/// When the mailbox's next write is due, if any is owed that does not wait.
pub async fn next_outlook_at(
    conn: &mut Connection,
    account_id: i64,
    waits: Waits,
) -> QueryResult<Option<DateTime<Utc>>> {
    l::outlook_outbox
        .filter(l::account_id.eq(account_id))
        .filter(may_leave(waits.most_mails(), waits.kinds()))
        .select(diesel::dsl::min(l::next_attempt_at))
        .first(conn)
        .await
}

/// How long a guest's news of an unknown meeting wait for a creation in the organizer's mailbox that may be it, and for how many
/// attempts.
const LONGEST_WAIT: TimeDelta = TimeDelta::seconds(60);
const MOST_WAITED_FOR: i32 = 3;

/// The mailboxes of a database that are owed a creation that left a moment ago. Nobody waits for one whose end is not known by now,
/// nor for a mailbox that is not worked.
pub async fn creations_in_flight(
    conn: &mut Connection,
    database_id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<BTreeSet<i64>> {
    let ids: Vec<i64> = l::outlook_outbox
        .inner_join(accounts::table.on(l::account_id.eq(accounts::id)))
        .filter(accounts::database_id.eq(database_id))
        .filter(l::kind.eq(WriteKind::Create))
        .filter(accounts::state.eq(super::accounts::SyncState::Active))
        .filter(l::in_flight_since.gt(now - LONGEST_WAIT))
        .filter(l::attempts.le(MOST_WAITED_FOR))
        .filter(accounts::failures.le(MOST_WAITED_FOR))
        .select(l::account_id)
        .distinct()
        .load(conn)
        .await?;
    Ok(ids.into_iter().collect())
}

/// Notes that requests are about to leave. Must be committed before they do.
pub async fn take_off(conn: &mut Connection, ids: Vec<i64>, now: DateTime<Utc>) -> QueryResult<usize> {
    diesel::update(l::outlook_outbox.filter(l::id.eq_any(ids)))
        .set((l::in_flight_since.eq(Some(now)), l::attempts.eq(l::attempts + 1)))
        .execute(conn)
        .await
}

/// How an attempt failed.
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    /// How long the next one waits.
    pub wait: TimeDelta,
    /// Whether it is known what became of the request: nothing.
    pub landed: bool,
    /// How many have failed by now.
    pub attempts: i32,
}

/// The request did not take effect (or may safely be repeated): try again later.
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
        // Set to what it is, unless it has landed.
        l::in_flight_since.eq(diesel::dsl::case_when(
            failure.landed.into_sql::<diesel::sql_types::Bool>(),
            None::<DateTime<Utc>>.into_sql::<diesel::sql_types::Nullable<diesel::sql_types::Timestamptz>>(),
        )
        .otherwise(l::in_flight_since)),
    ));
    failed.execute(conn).await
}

/// A write that [`take_off`] took, and that has not left, as it was before.
pub async fn give_back(conn: &mut Connection, before: &OutlookWrite) -> QueryResult<usize> {
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

/// How many writes to the mailbox a person has asked for.
pub async fn standing(conn: &mut Connection, account_id: i64) -> QueryResult<i64> {
    l::outlook_outbox
        .filter(l::account_id.eq(account_id).and(l::stands.eq(true)))
        .count()
        .get_result(conn)
        .await
}

/// A change owed to Odoo.
#[derive(Clone, Debug, Default, Queryable, Selectable, Insertable)]
#[diesel(table_name = odoo_outbox)]
pub struct OdooDebt {
    /// 0: not stored yet.
    #[diesel(skip_insertion)]
    pub id: i64,
    pub database_id: Uuid,
    pub meeting_id: i64,
    pub user_id: i32,
    pub payload: Value,
    pub outlook_state: Option<Value>,
    pub groups: Value,
    pub delivered_at: Option<DateTime<Utc>>,
    /// The mailbox whose removals pass the brake first.
    pub held_for: Option<i64>,
    pub line: Option<Value>,
    /// How often its result, or itself, could not be taken.
    pub attempts: i32,
    /// It waits until then.
    pub not_before: Option<DateTime<Utc>>,
}

pub async fn odoo_of_all(conn: &mut Connection, meetings: &[i64]) -> QueryResult<Vec<OdooDebt>> {
    o::odoo_outbox
        .filter(o::meeting_id.eq_any(meetings))
        .select(OdooDebt::as_select())
        .load(conn)
        .await
}

/// The meetings of which these changes are owed to a database.
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

/// The meetings of which a change is owed in a user's name.
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

/// How many removals wait for the end of a mailbox's sync, or for an admin.
pub async fn held_count(conn: &mut Connection, account_id: i64) -> QueryResult<i64> {
    o::odoo_outbox
        .filter(o::held_for.eq(Some(account_id)))
        .count()
        .get_result(conn)
        .await
}

/// Forgets a mailbox's removals that were not delivered.
pub async fn drop_held(conn: &mut Connection, account_id: i64) -> QueryResult<usize> {
    diesel::delete(o::odoo_outbox.filter(o::held_for.eq(Some(account_id))))
        .execute(conn)
        .await
}

/// Lets a mailbox's removals be delivered.
pub async fn release(conn: &mut Connection, account_id: i64) -> QueryResult<usize> {
    diesel::update(o::odoo_outbox.filter(o::held_for.eq(Some(account_id))))
        .set(o::held_for.eq(None::<i64>))
        .execute(conn)
        .await
}

/// What does not wait.
#[diesel::dsl::auto_type(no_type_alias)]
fn is_time() -> _ {
    let now = diesel::dsl::now.into_sql::<diesel::sql_types::Nullable<diesel::sql_types::Timestamptz>>();
    o::not_before.is_null().or(o::not_before.le(now))
}

/// The oldest changes owed to a database, a waiting user's first.
pub async fn odoo_page(
    conn: &mut Connection,
    database_id: Uuid,
    first_user: Option<i32>,
    limit: i64,
) -> QueryResult<Vec<OdooDebt>> {
    let debts = o::odoo_outbox
        .filter(o::database_id.eq(database_id))
        .filter(o::held_for.is_null())
        .filter(is_time())
        .select(OdooDebt::as_select())
        .limit(limit);
    match first_user {
        Some(user) => debts.order((o::user_id.ne(user), o::id)).load(conn).await,
        None => debts.order(o::id).load(conn).await,
    }
}

/// Delivers a change again later.
pub async fn put_off(conn: &mut Connection, id: i64, until: DateTime<Utc>) -> QueryResult<usize> {
    diesel::update(o::odoo_outbox.find(id))
        .set((o::not_before.eq(Some(until)), o::attempts.eq(o::attempts + 1)))
        .execute(conn)
        .await
}

/// How many changes can be delivered to a database now.
pub async fn odoo_owed(conn: &mut Connection, database_id: Uuid) -> QueryResult<i64> {
    o::odoo_outbox
        .filter(o::database_id.eq(database_id))
        .filter(o::held_for.is_null())
        .filter(is_time())
        .count()
        .get_result(conn)
        .await
}

pub async fn mark_delivered(conn: &mut Connection, ids: Vec<i64>, now: DateTime<Utc>) -> QueryResult<usize> {
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
