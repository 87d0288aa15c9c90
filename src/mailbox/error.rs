//! Why a mailbox is not read any further.

use crate::outlook::GraphError;

/// What ends a pull early.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    #[error(transparent)]
    Graph(#[from] GraphError),
    #[error(transparent)]
    Internal(#[from] anyhow::Error),
}

impl From<diesel::result::Error> for PullError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Internal(error.into())
    }
}
