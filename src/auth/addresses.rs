//! The addresses of a mailbox. The name that its owner logs in with does not tell them.

use std::time::Duration;

use secrecy::SecretString;
use tokio::time::timeout;

use crate::calendar::event::Address;
use crate::engine::Engine;
use crate::outlook::GraphError;
use crate::store::{Connection, addresses};

/// How long a person who has just logged in waits for the addresses.
const LONGEST_AT_LOGIN: Duration = Duration::from_secs(5);

/// The primary address, and the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    primary: Option<Address>,
    others: Vec<Address>,
}

impl Told {
    /// Stores them; returns whether they have changed.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn store(&self, conn: &mut Connection, account_id: i64) -> diesel::QueryResult<bool> {
        addresses::set(conn, account_id, self.primary.as_ref(), &self.others).await
    }
}

/// Asks Microsoft. For a personal account, the directory returns the address that it was created
/// with, which may belong to another mailbox. The calendar's owner is the mailbox's address.
///
/// # Errors
/// See [`GraphError`].
pub async fn ask(engine: &Engine, token: &SecretString) -> Result<Told, GraphError> {
    let me = engine.graph.me(token).await?;
    let (primary, mut others) = me.addresses();
    if me.proxy_addresses.iter().flatten().next().is_some() {
        return Ok(Told { primary, others });
    }
    let owner = engine.graph.calendar_owner(token).await?;
    let is_other = owner.is_some() && owner != primary;
    if is_other {
        others.extend(primary.clone());
        others.retain(|other| Some(other) != owner.as_ref());
    }
    Ok(Told {
        primary: if is_other { owner } else { primary },
        others,
    })
}

/// Does the same for a person who has just logged in; after `None` the addresses are requested when
/// the mailbox is read.
pub async fn ask_at_login(engine: &Engine, token: &SecretString) -> Option<Told> {
    match timeout(LONGEST_AT_LOGIN, ask(engine, token)).await {
        Ok(Ok(told)) => Some(told),
        Ok(Err(error)) => {
            tracing::info!(%error, "the mailbox's addresses are asked for later");
            None
        }
        Err(_) => {
            tracing::info!("the mailbox's addresses are asked for later, as Microsoft is slow");
            None
        }
    }
}
