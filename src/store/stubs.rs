//! Stubs: what is kept of a meeting that is long past. A stub has the ids by which each side knows
//! the meeting, and no content. When there is news, the meeting is read again from both sides
//! (`planning/planner/stubs.rs`).

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::meetings::{Copy, Meeting};
use super::schema::copies::dsl as c;
use super::schema::meetings::dsl as m;
use super::schema::{accounts, copies, put_aside};
use super::stock::StockState;
use super::{Connection, from_json};
use crate::calendar::document::Document;
use crate::odoo::exchange::Place;
use crate::odoo::record::Record;
use crate::odoo::series::Slot;
use crate::odoo::time::OdooTime;

/// The stored stub (`meetings.stub`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stub {
    pub place: Place,
    /// The last known version of Odoo's record.
    pub version: String,
    pub create_date: OdooTime,
    /// The user who organizes it in Odoo.
    pub organizer: Option<i32>,
    /// How many people a cancellation would be sent to.
    pub mails: usize,
    /// Odoo's occurrences of a series.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<(Slot, i32)>,
}

impl Stub {
    pub fn of(record: &Record, organizer: Option<i32>, mails: usize) -> Self {
        Self {
            place: Place::of(record),
            version: record.version().to_owned(),
            create_date: record.create_date(),
            organizer,
            mails,
            records: record
                .series()
                .map(|series| series.records.clone())
                .unwrap_or_default(),
        }
    }
}

impl Meeting {
    /// Returns the stub, if the meeting is one.
    ///
    /// # Errors
    /// When what is stored cannot be read.
    pub fn stub(&self) -> anyhow::Result<Option<Stub>> {
        self.stub.clone().map(|stub| from_json(stub, "stub")).transpose()
    }

    /// Forgets Odoo's content and the agreed states.
    ///
    /// # Errors
    /// When the stub cannot be serialized.
    pub fn forget_content(&mut self, stub: &Stub) -> anyhow::Result<()> {
        self.stub = Some(serde_json::to_value(stub)?);
        self.odoo_state = None;
        self.set_base(None)?;
        self.odoo_times = json!({});
        self.has_news();
        if let Some(Value::Object(link)) = &mut self.stock {
            link.remove("description");
        }
        Ok(())
    }

    /// Returns whether nothing that Odoo's built-in sync had linked is still to be adopted.
    pub fn is_taken_over(&self) -> anyhow::Result<bool> {
        Ok(self
            .stock_link()?
            .is_none_or(|link| link.state == StockState::Adopted))
    }

    /// Returns whether Odoo has a record of it, as far as is known.
    pub fn has_record(&self) -> bool {
        !self.odoo_gone && (self.odoo_id.is_some() || self.series_key.is_some())
    }
}

impl Copy {
    /// Forgets all but its times.
    ///
    /// # Errors
    /// When what is stored cannot be read.
    pub fn forget_content(&mut self) -> anyhow::Result<()> {
        let times: Document = self.document()?.times_alone();
        self.stub = Some(digest(&self.wire));
        self.state = serde_json::to_value(times)?;
        let mut ids = self.wire.clone();
        if let Value::Object(ids) = &mut ids {
            ids.retain(|name, _| matches!(name.as_str(), "seriesMasterId" | "iCalUId"));
        }
        self.wire = ids;
        Ok(())
    }
}

/// Returns a digest that shows whether an event has changed.
pub fn digest(wire: &Value) -> String {
    hex::encode(Sha256::digest(wire.to_string()))
}

/// Returns the next meetings that are to be checked for being long past, by database.
///
/// # Errors
/// When Postgres fails.
pub async fn to_look_at(
    conn: &mut Connection,
    now: DateTime<Utc>,
    limit: i64,
) -> QueryResult<Vec<(Uuid, i64)>> {
    m::meetings
        .filter(m::stub.is_null().and(m::odoo_state.is_not_null()))
        .filter(m::look_at.is_null().or(m::look_at.le(now)))
        .select((m::database_id, m::id))
        .order(m::look_at.asc().nulls_first())
        .limit(limit)
        .load(conn)
        .await
}

/// Sets when to check a meeting again.
///
/// # Errors
/// When Postgres fails.
pub async fn look_at(conn: &mut Connection, id: i64, at: DateTime<Utc>) -> QueryResult<usize> {
    diesel::update(m::meetings.find(id))
        .set(m::look_at.eq(at))
        .execute(conn)
        .await
}

/// Returns some of the ids that a mailbox is to be asked for. Leaves out events that could not be
/// read, which are tried again later.
///
/// # Errors
/// When Postgres fails.
pub async fn unread_copies(conn: &mut Connection, account_id: i64, limit: i64) -> QueryResult<Vec<String>> {
    let is_aside = put_aside::table
        .filter(put_aside::account_id.eq(c::account_id))
        .filter(put_aside::graph_id.eq(c::graph_id.nullable()));
    c::copies
        .filter(c::account_id.eq(account_id).and(c::unread))
        .filter(diesel::dsl::not(diesel::dsl::exists(is_aside)))
        .select(c::graph_id)
        .order(c::id)
        .limit(limit)
        .load(conn)
        .await
}

/// Returns the stubs whose record is to be requested from Odoo, each with a user whose mailbox has
/// news of it.
///
/// # Errors
/// When Postgres fails.
pub async fn unread_records(
    conn: &Connection,
    database_id: Uuid,
    limit: i64,
) -> QueryResult<Vec<(i32, Value)>> {
    m::meetings
        .inner_join(copies::table.on(copies::meeting_id.eq(m::id)))
        .inner_join(accounts::table.on(accounts::id.eq(copies::account_id)))
        .filter(m::database_id.eq(database_id).and(m::unread))
        .filter(m::stub.is_not_null())
        .select((accounts::odoo_user_id, m::stub.assume_not_null()))
        .distinct_on(m::id)
        .order(m::id)
        .limit(limit)
        .load(&mut &*conn)
        .await
}
