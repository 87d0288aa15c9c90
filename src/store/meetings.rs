//! Meetings, and their copies in mailboxes.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::dsl::{exists, not};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde_json::Value;
use uuid::Uuid;

use super::schema::copies::{self, dsl as c};
use super::schema::meetings::{self, dsl as m};
use super::schema::{odoo_outbox, outlook_outbox};
use super::{Connection, from_json};
use crate::calendar::event::Event;
use crate::calendar::merge::{Base, Group};
use crate::odoo::snapshot::Snapshot;

#[derive(Clone, Debug, Queryable, Selectable, Identifiable, AsChangeset)]
#[diesel(table_name = meetings, treat_none_as_null = true)]
pub struct Meeting {
    pub id: i64,
    pub database_id: Uuid,
    pub link: Uuid,
    pub odoo_id: Option<i32>,
    pub ical_uid: Option<String>,
    pub generation: i32,
    pub ended: bool,
    pub revived: bool,
    pub odoo_state: Option<Value>,
    pub odoo_gone: bool,
    pub odoo_times: Value,
    pub base_odoo: Option<Value>,
    pub base_outlook: Option<Value>,
    pub series: bool,
    pub set_aside: Option<String>,
    pub differs: bool,
    pub kept: bool,
    pub unconfirmed: bool,
}

impl Meeting {
    /// Odoo's last snapshot, if there has been one.
    ///
    /// # Errors
    /// When the stored snapshot cannot be read.
    pub fn snapshot(&self) -> anyhow::Result<Option<Snapshot>> {
        self.odoo_state
            .clone()
            .map(|value| from_json(value, "snapshot"))
            .transpose()
    }

    /// The states both sides last agreed on.
    ///
    /// # Errors
    /// When a stored state cannot be read.
    pub fn base(&self) -> anyhow::Result<Option<Base>> {
        let (Some(odoo), Some(outlook)) = (self.base_odoo.clone(), self.base_outlook.clone()) else {
            return Ok(None);
        };
        Ok(Some(Base {
            odoo: from_json(odoo, "base")?,
            outlook: from_json(outlook, "base")?,
        }))
    }

    pub fn set_base(&mut self, base: Option<&Base>) -> anyhow::Result<()> {
        self.base_odoo = base.map(|b| serde_json::to_value(&b.odoo)).transpose()?;
        self.base_outlook = base.map(|b| serde_json::to_value(&b.outlook)).transpose()?;
        Ok(())
    }

    /// When each group was last edited in Odoo.
    ///
    /// # Errors
    /// When the stored times cannot be read.
    pub fn edit_times(&self) -> anyhow::Result<BTreeMap<Group, DateTime<Utc>>> {
        from_json(self.odoo_times.clone(), "edit times")
    }

    pub fn set_edit_times(&mut self, times: &BTreeMap<Group, DateTime<Utc>>) -> anyhow::Result<()> {
        self.odoo_times = serde_json::to_value(times)?;
        Ok(())
    }

    /// The name by which a person knows it.
    pub fn title(&self) -> String {
        self.odoo_state
            .as_ref()
            .and_then(|s| s.get("name"))
            .or_else(|| self.base_outlook.as_ref().and_then(|s| s.get("title")))
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    }
}

#[derive(Clone, Debug, Queryable, Selectable, Identifiable, AsChangeset)]
#[diesel(table_name = copies, treat_none_as_null = true)]
pub struct Copy {
    pub id: i64,
    pub meeting_id: i64,
    pub account_id: i64,
    pub graph_id: String,
    pub change_key: Option<String>,
    pub is_organizer: bool,
    pub state: Value,
    pub wire: Value,
    pub modified_at: Option<DateTime<Utc>>,
    pub seen_at: DateTime<Utc>,
    pub gone: bool,
    pub cancelled: bool,
    pub answer: Option<String>,
    pub answer_base: Option<String>,
}

impl Copy {
    /// The event as Graph sent it last.
    ///
    /// # Errors
    /// When the stored event cannot be read.
    pub fn wire_event<T: serde::de::DeserializeOwned>(&self) -> anyhow::Result<T> {
        from_json(self.wire.clone(), "Graph event")
    }

    /// Outlook's state of the meeting in this mailbox.
    ///
    /// # Errors
    /// When the stored state cannot be read.
    pub fn event(&self) -> anyhow::Result<Event> {
        from_json(self.state.clone(), "Outlook state")
    }
}

/// A copy as a mailbox shows it.
#[derive(Insertable, AsChangeset)]
#[diesel(table_name = copies)]
pub struct SeenCopy<'a> {
    pub meeting_id: i64,
    pub account_id: i64,
    pub graph_id: &'a str,
    pub change_key: Option<&'a str>,
    pub is_organizer: bool,
    pub state: Value,
    pub wire: Value,
    pub modified_at: Option<DateTime<Utc>>,
    pub seen_at: DateTime<Utc>,
    pub gone: bool,
    pub cancelled: bool,
    pub answer: Option<&'a str>,
}

/// Reads a meeting and holds it until the transaction ends: it is merged by one at a time.
pub async fn lock(conn: &mut Connection, id: i64) -> QueryResult<Meeting> {
    m::meetings
        .find(id)
        .select(Meeting::as_select())
        .for_update()
        .first(conn)
        .await
}

pub async fn by_odoo_id(conn: &mut Connection, database_id: Uuid, odoo_id: i32) -> QueryResult<Option<i64>> {
    m::meetings
        .filter(m::database_id.eq(database_id).and(m::odoo_id.eq(Some(odoo_id))))
        .select(m::id)
        .first(conn)
        .await
        .optional()
}

pub async fn by_link(conn: &mut Connection, database_id: Uuid, link: Uuid) -> QueryResult<Option<i64>> {
    m::meetings
        .filter(m::database_id.eq(database_id).and(m::link.eq(link)))
        .select(m::id)
        .first(conn)
        .await
        .optional()
}

pub async fn by_ical_uid(conn: &mut Connection, database_id: Uuid, uid: &str) -> QueryResult<Option<i64>> {
    m::meetings
        .filter(m::database_id.eq(database_id).and(m::ical_uid.eq(Some(uid))))
        .select(m::id)
        .first(conn)
        .await
        .optional()
}

/// A new meeting, known from Odoo (`odoo_id`), from Outlook (`ical_uid`), or both.
pub async fn create(
    conn: &mut Connection,
    database_id: Uuid,
    odoo_id: Option<i32>,
    ical_uid: Option<&str>,
) -> QueryResult<i64> {
    diesel::insert_into(m::meetings)
        .values((
            m::database_id.eq(database_id),
            m::odoo_id.eq(odoo_id),
            m::ical_uid.eq(ical_uid),
        ))
        .returning(m::id)
        .get_result(conn)
        .await
}

pub async fn save(conn: &mut Connection, meeting: &Meeting) -> QueryResult<usize> {
    diesel::update(m::meetings.find(meeting.id))
        .set(meeting)
        .execute(conn)
        .await
}

pub async fn copies(conn: &mut Connection, meeting_id: i64) -> QueryResult<Vec<Copy>> {
    c::copies
        .filter(c::meeting_id.eq(meeting_id))
        .select(Copy::as_select())
        .order(c::id)
        .load(conn)
        .await
}

pub async fn copy_by_graph_id(
    conn: &mut Connection,
    account_id: i64,
    graph_id: &str,
) -> QueryResult<Option<Copy>> {
    c::copies
        .filter(c::account_id.eq(account_id).and(c::graph_id.eq(graph_id)))
        .select(Copy::as_select())
        .first(conn)
        .await
        .optional()
}

/// Stores what a mailbox shows. The base of the attendee's answer stays.
pub async fn see_copy(conn: &mut Connection, seen: &SeenCopy<'_>) -> QueryResult<Copy> {
    diesel::insert_into(c::copies)
        .values(seen)
        .on_conflict((c::account_id, c::graph_id))
        .do_update()
        .set(seen)
        .returning(Copy::as_select())
        .get_result(conn)
        .await
}

pub async fn save_copy(conn: &mut Connection, copy: &Copy) -> QueryResult<usize> {
    diesel::update(c::copies.find(copy.id))
        .set(copy)
        .execute(conn)
        .await
}

/// The meetings whose removal from Odoo waits for the end of a mailbox's sync, or for an admin.
pub async fn held_for(conn: &mut Connection, account_id: i64) -> QueryResult<Vec<Meeting>> {
    let held = odoo_outbox::table
        .filter(odoo_outbox::held_for.eq(Some(account_id)))
        .select(odoo_outbox::meeting_id);
    m::meetings
        .filter(m::id.eq_any(held))
        .select(Meeting::as_select())
        .order(m::id)
        .load(conn)
        .await
}

/// Deleted in Outlook, and Odoo keeps them.
pub async fn keep(conn: &mut Connection, ids: &[i64]) -> QueryResult<usize> {
    diesel::update(m::meetings.filter(m::id.eq_any(ids.to_vec())))
        .set(m::kept.eq(true))
        .execute(conn)
        .await
}

/// How many of a mailbox's events are linked with one in Odoo; a series counts once.
pub async fn linked(conn: &mut Connection, account_id: i64) -> QueryResult<i64> {
    let in_mailbox = c::copies
        .filter(c::account_id.eq(account_id))
        .select(c::meeting_id);
    m::meetings
        .filter(m::id.eq_any(in_mailbox))
        .filter(m::odoo_id.is_not_null().and(m::odoo_gone.eq(false)))
        .filter(m::ended.eq(false).and(m::base_odoo.is_not_null()))
        .count()
        .get_result(conn)
        .await
}

/// Notes that a mailbox still shows a copy, unchanged.
pub async fn touch_copy(conn: &mut Connection, copy_id: i64, now: DateTime<Utc>) -> QueryResult<usize> {
    diesel::update(c::copies.find(copy_id))
        .set(c::seen_at.eq(now))
        .execute(conn)
        .await
}

/// The live copies of a mailbox that it has not shown since a time: the next `limit` after the copy `after`.
pub async fn unseen_since(
    conn: &mut Connection,
    account_id: i64,
    since: DateTime<Utc>,
    after: i64,
    limit: i64,
) -> QueryResult<Vec<Copy>> {
    c::copies
        .filter(
            c::account_id
                .eq(account_id)
                .and(c::gone.eq(false))
                .and(c::seen_at.lt(since))
                .and(c::id.gt(after)),
        )
        .select(Copy::as_select())
        .order(c::id)
        .limit(limit)
        .load(conn)
        .await
}

/// What a user organizes and Odoo has not shown again since the database was paired anew.
pub async fn unconfirmed_of(
    conn: &mut Connection,
    database_id: Uuid,
    account_id: i64,
    user_id: i32,
) -> QueryResult<Vec<i64>> {
    let ids = of_account(conn, database_id, account_id, user_id).await?;
    m::meetings
        .filter(m::id.eq_any(ids).and(m::unconfirmed.eq(true)))
        .select(m::id)
        .order(m::id)
        .load(conn)
        .await
}

/// Forgets what one mailbox had of a meeting.
pub async fn drop_copies_in(conn: &mut Connection, meeting_id: i64, account_id: i64) -> QueryResult<usize> {
    diesel::delete(c::copies.filter(c::meeting_id.eq(meeting_id).and(c::account_id.eq(account_id))))
        .execute(conn)
        .await
}

/// Forgets the copies of a meeting that is made anew.
pub async fn drop_copies(conn: &mut Connection, meeting_id: i64) -> QueryResult<usize> {
    diesel::delete(c::copies.filter(c::meeting_id.eq(meeting_id)))
        .execute(conn)
        .await
}

pub async fn mark_gone(conn: &mut Connection, copy_id: i64) -> QueryResult<usize> {
    diesel::update(c::copies.find(copy_id))
        .set(c::gone.eq(true))
        .execute(conn)
        .await
}

/// Meetings that a user's connection may have something to say about: those Odoo says the user organizes, and
/// those that have a copy in the mailbox.
pub async fn of_account(
    conn: &mut Connection,
    database_id: Uuid,
    account_id: i64,
    user_id: i32,
) -> QueryResult<Vec<i64>> {
    let with_copy = c::copies
        .filter(c::account_id.eq(account_id))
        .select(c::meeting_id);
    let organized = diesel::dsl::sql::<diesel::sql_types::Bool>("odoo_state #>> '{organizer,user_id}' = ")
        .bind::<diesel::sql_types::Text, _>(user_id.to_string());
    m::meetings
        .filter(m::database_id.eq(database_id))
        .filter(m::id.eq_any(with_copy).or(organized))
        .select(m::id)
        .order(m::id)
        .load(conn)
        .await
}

/// A meeting that Odoo knows, that the user organizes, that has no copy anywhere, and that has this title: one to
/// match an event of the mailbox with instead of doubling it.
pub async fn unlinked_with_title(
    conn: &mut Connection,
    database_id: Uuid,
    user_id: i32,
    title: &str,
) -> QueryResult<Vec<Meeting>> {
    m::meetings
        .filter(m::database_id.eq(database_id))
        .filter(m::odoo_id.is_not_null())
        .filter(m::odoo_gone.eq(false))
        .filter(m::ical_uid.is_null())
        .filter(
            diesel::dsl::sql::<diesel::sql_types::Bool>("odoo_state ->> 'name' = ")
                .bind::<diesel::sql_types::Text, _>(title),
        )
        .filter(
            diesel::dsl::sql::<diesel::sql_types::Bool>("odoo_state #>> '{organizer,user_id}' = ")
                .bind::<diesel::sql_types::Text, _>(user_id.to_string()),
        )
        .filter(not(exists(c::copies.filter(c::meeting_id.eq(m::id)))))
        .filter(not(exists(
            outlook_outbox::table.filter(outlook_outbox::meeting_id.eq(m::id)),
        )))
        .select(Meeting::as_select())
        .for_update()
        .load(conn)
        .await
}
