//! Faults of our own. The caller learns nothing of their cause, so each is logged.

use crate::odoo::OdooError;

/// The cause of a fault that was logged where it was found.
#[derive(Debug, thiserror::Error)]
#[error("the cause is in an earlier line of the log")]
pub(super) struct Logged;

/// Logs the cause of a fault, once on its way to the caller.
pub(super) fn log_fault(error: OdooError) -> OdooError {
    match error {
        OdooError::Internal(cause) if !cause.is::<Logged>() => {
            tracing::error!(error = format!("{cause:#}"), "a call failed");
            OdooError::Internal(Logged.into())
        }
        error => error,
    }
}
