//! By what records are known: to this service, and to Odoo's built-in synchronization.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The `model` of a series on the wire.
pub const SERIES_MODEL: &str = "calendar.recurrence";

/// By what a record is known to the service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The event's id; of a series its base event's.
    pub odoo_id: Option<i32>,
    /// Of a series alone.
    pub key: Option<String>,
    pub link: Option<Uuid>,
}

/// The links of Odoo's own engine (`microsoft_calendar`), as they were when the database was paired.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockIds {
    /// Mutable, and of whichever mailbox that engine had seen it in first.
    #[serde(default)]
    pub microsoft_id: Option<String>,
    /// The iCalUId.
    #[serde(default)]
    pub uid: Option<String>,
    /// The description with the block of contact details that Odoo appends, which that engine sent along; absent where
    /// there is none.
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
