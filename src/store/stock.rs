//! The links of Odoo's built-in sync when a database was paired, until a mailbox shows the same
//! events; and the links that it gets back.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::meetings::Meeting;
use super::schema::meetings::dsl as m;
use super::text_enum::text_enum;
use super::{Connection, from_json};
use crate::odoo::identity::StockIds;

text_enum! {
    /// How far a link of Odoo's built-in sync has been adopted.
    #[derive(Default, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum StockState {
        /// No mailbox has shown the event yet.
        #[default]
        Waiting = "waiting",
        /// The mailbox that should have the event was asked, and does not have it.
        Missing = "missing",
        /// A mailbox has the event.
        Adopted = "adopted",
    }
}

/// The stored link (`meetings.stock`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockLink {
    #[serde(flatten)]
    pub ids: StockIds,
    /// The translation of `microsoft_id`.
    #[serde(default)]
    pub immutable_id: Option<String>,
    /// Whether Microsoft was asked for the translation.
    #[serde(default)]
    pub translated: bool,
    pub state: StockState,
}

impl Meeting {
    /// Returns the link of Odoo's built-in sync, if there was one.
    ///
    /// # Errors
    /// When what is stored cannot be read.
    pub fn stock_link(&self) -> anyhow::Result<Option<StockLink>> {
        self.stock
            .clone()
            .map(|value| from_json(value, "link of Odoo's own engine"))
            .transpose()
    }

    pub fn set_stock_link(&mut self, link: &StockLink) -> anyhow::Result<()> {
        self.stock = Some(serde_json::to_value(link)?);
        Ok(())
    }

    /// Returns whether this is the translation of the id by which Odoo's built-in sync knew the
    /// meeting.
    pub(super) fn is_stocks(&self, immutable_id: &str) -> bool {
        self.stock
            .as_ref()
            .and_then(|stock| stock.get("immutable_id")?.as_str())
            == Some(immutable_id)
    }
}

/// Returns the meetings that wait for a mailbox to show them, by their translated id.
pub async fn with_immutable_ids(
    conn: &mut Connection,
    database_id: Uuid,
    immutable_ids: Vec<&str>,
) -> QueryResult<Vec<i64>> {
    m::meetings
        .filter(m::database_id.eq(database_id))
        .filter(m::stock_state.ne(StockState::Adopted))
        .filter(m::stock_immutable_id.eq_any(immutable_ids))
        .select(m::id)
        .load(conn)
        .await
}

/// A meeting that Odoo's built-in sync had linked.
#[derive(Debug, QueryableByName)]
pub struct Waiting {
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    #[diesel(sql_type = Nullable<Text>)]
    pub microsoft_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub immutable_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub ical_uid: Option<String>,
}

/// Which of the waiting meetings to return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    All,
    /// Those that Microsoft is still to translate.
    Untranslated,
}

/// Returns the meetings that wait for a mailbox to show them, with this user as their organizer or,
/// if the organizer is not connected, as a guest.
pub async fn waiting_for(
    conn: &mut Connection,
    database_id: Uuid,
    user_id: i32,
    which: Awaited,
) -> QueryResult<Vec<Waiting>> {
    diesel::sql_query(
        "SELECT m.id, m.stock_microsoft_id AS microsoft_id, m.stock_immutable_id AS immutable_id, m.ical_uid
           FROM meetings m
          WHERE m.database_id = $1 AND m.stock_state <> 'adopted' -- as the index has it
            AND m.stock_state = 'waiting'
            AND NOT EXISTS (SELECT FROM copies c WHERE c.meeting_id = m.id)
            AND (NOT $3 OR NOT m.stock_translated AND m.stock_microsoft_id IS NOT NULL)
            AND (m.organizer_id = $2
                 OR $2 = ANY (m.attendee_user_ids)
                    AND NOT EXISTS (SELECT FROM accounts a WHERE a.database_id = m.database_id AND a.state = 'active'
                                       AND a.odoo_user_id = m.organizer_id))
          ORDER BY m.id",
    )
    .bind::<SqlUuid, _>(database_id)
    .bind::<diesel::sql_types::Integer, _>(user_id)
    .bind::<diesel::sql_types::Bool, _>(which == Awaited::Untranslated)
    .load(conn)
    .await
}

/// Deletes meetings of which nothing is left, as their copies belong to another meeting.
pub async fn drop_empty(conn: &mut Connection, ids: &[i64]) -> QueryResult<usize> {
    diesel::delete(
        m::meetings
            .filter(m::id.eq_any(ids.to_vec()))
            .filter(m::odoo_id.is_null().and(m::odoo_state.is_null())),
    )
    .execute(conn)
    .await
}

/// Clears an iCalUId that belongs to another meeting.
pub async fn give_up_uid(conn: &mut Connection, id: i64) -> QueryResult<usize> {
    diesel::update(m::meetings.find(id))
        .set(m::ical_uid.eq(None::<String>))
        .execute(conn)
        .await
}

/// Returns the next `limit` meetings with a present or former record in Odoo, after a given one.
pub async fn page_of_records(
    conn: &mut Connection,
    database_id: Uuid,
    after: i64,
    limit: i64,
) -> QueryResult<Vec<Meeting>> {
    m::meetings
        .filter(m::database_id.eq(database_id))
        .filter(m::id.gt(after))
        .filter(m::odoo_gone.eq(false))
        .filter(m::odoo_state.is_not_null().or(m::stub.is_not_null()))
        .select(Meeting::as_select())
        .order(m::id)
        .limit(limit)
        .load(conn)
        .await
}
