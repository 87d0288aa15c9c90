//! One database's calls take turns, so that they leave the others their share of connections and time.

use crate::odoo::OdooError;

/// What a caller is told whose turn did not come.
pub fn busy() -> OdooError {
    OdooError::user(
        "The Outlook bridge is busy with other calls of this database. Nothing is lost: it is tried again.",
    )
}
