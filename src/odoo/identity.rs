//! The identities of records: for this service, and for Odoo's built-in sync.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The `model` of a series on the wire.
pub const SERIES_MODEL: &str = "calendar.recurrence";

/// The identity of a record for the service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The event's id; for a series, its base event's.
    pub odoo_id: Option<i32>,
    /// Only for a series.
    pub key: Option<String>,
    pub link: Option<Uuid>,
}

/// The links of Odoo's built-in sync (`microsoft_calendar`), as they were when the database was
/// paired.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockIds {
    /// A mutable id, of the mailbox in which the built-in sync had first seen the event.
    #[serde(default)]
    pub microsoft_id: Option<String>,
    /// The iCalUId.
    #[serde(default)]
    pub uid: Option<String>,
    /// The description with the block of contact details that Odoo appends and that the built-in
    /// sync sent along; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// The record that a series or an event was before, as the wire names it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Was {
    pub model: String,
    pub id: i32,
    #[serde(default)]
    pub key: Option<String>,
    #[serde(default)]
    pub link: Option<Uuid>,
}

impl Was {
    pub fn identity(&self) -> Identity {
        let is_series = self.model == SERIES_MODEL;
        Identity {
            odoo_id: (!is_series).then_some(self.id),
            key: self.key.clone(),
            link: self.link,
        }
    }
}
