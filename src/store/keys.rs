//! Columns for the values inside stored JSON that queries look for. Only this module fills them,
//! whenever a row is written, so that no query names a field of the exchange or of Graph.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde_json::Value;

use super::meetings::{Copy, Meeting};
use super::outbox::OdooDebt;
use super::schema::{copies, meetings, odoo_outbox};
use super::stock::StockState;
use crate::odoo::time::OdooTime;

/// The columns of a meeting: from Odoo's record, and from the ids of Odoo's built-in sync.
#[derive(Debug, PartialEq, Insertable)]
#[diesel(table_name = meetings, treat_none_as_default_value = false)]
pub(super) struct MeetingKeys {
    organizer_id: Option<i32>,
    odoo_name: Option<String>,
    /// Also `true` if Odoo has sent no record.
    odoo_active: bool,
    /// When it begins, or its first occurrence.
    odoo_start: Option<DateTime<Utc>>,
    /// The users who are attendees of Odoo's record.
    attendee_user_ids: Vec<i32>,
    stock_state: Option<StockState>,
    stock_microsoft_id: Option<String>,
    stock_immutable_id: Option<String>,
    stock_translated: bool,
}

impl MeetingKeys {
    pub fn of(meeting: &Meeting) -> Self {
        // A row that another version has written is found by the parts that can be read.
        let attendees = meeting.template_in_odoo().and_then(|said| said.get("attendees"));
        let attendees = attendees.and_then(Value::as_array).into_iter().flatten();
        let active = meeting.odoo_state.as_ref().and_then(|said| said.get("active"));
        let link = meeting.stock_link().ok().flatten();
        Self {
            organizer_id: meeting.organizer_in_odoo(),
            odoo_name: meeting.name_in_odoo().map(str::to_owned),
            odoo_active: active.and_then(Value::as_bool).unwrap_or(true),
            odoo_start: meeting.template_in_odoo().and_then(start_of),
            attendee_user_ids: attendees.filter_map(user_of).collect(),
            stock_state: link.as_ref().map(|link| link.state),
            stock_translated: link.as_ref().is_some_and(|link| link.translated),
            stock_microsoft_id: link.as_ref().and_then(|link| link.ids.microsoft_id.clone()),
            stock_immutable_id: link.and_then(|link| link.immutable_id),
        }
    }
}

fn start_of(record: &Value) -> Option<DateTime<Utc>> {
    let start: OdooTime = serde_json::from_value(record.get("start")?.clone()).ok()?;
    Some(start.0)
}

fn user_of(attendee: &Value) -> Option<i32> {
    i32::try_from(attendee.get("user_id")?.as_i64()?).ok()
}

/// The columns of a mailbox's copy.
#[derive(Debug, PartialEq, Insertable)]
#[diesel(table_name = copies, treat_none_as_default_value = false)]
pub(super) struct CopyKeys {
    /// The series of which it is an occurrence.
    series_id: Option<String>,
    is_series: bool,
    ical_uid: Option<String>,
    title: Option<String>,
}

impl CopyKeys {
    pub fn of(copy: &Copy) -> Self {
        let shown = |name: &str| copy.wire.get(name).and_then(Value::as_str);
        Self {
            series_id: copy.series_id().map(str::to_owned),
            is_series: shown("type") == Some("seriesMaster"),
            ical_uid: shown("iCalUId").map(str::to_owned),
            title: copy.document().ok().map(|document| document.master.title),
        }
    }
}

/// The columns of a pending change to Odoo.
#[derive(Debug, PartialEq, Insertable)]
#[diesel(table_name = odoo_outbox, treat_none_as_default_value = false)]
pub(super) struct DebtKeys {
    /// `op` of the exchange.
    op: String,
}

impl DebtKeys {
    pub fn of(debt: &OdooDebt) -> Self {
        let op = debt.payload.get("op").and_then(Value::as_str);
        Self {
            op: op.unwrap_or_default().to_owned(),
        }
    }
}
