//! By which addresses a mailbox is reached. What its owner signs in with says nothing about that.

use std::time::Duration;

use secrecy::SecretString;
use tokio::time::timeout;

use crate::calendar::event::Address;
use crate::engine::Engine;
use crate::outlook::GraphError;
use crate::store::{Connection, addresses};

/// How long a person who has just signed in waits for it.
const LONGEST_AT_LOGIN: Duration = Duration::from_secs(5);

/// The address that mail is sent to, and the further ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    primary: Option<Address>,
    others: Vec<Address>,
}

impl Told {
    /// Stores them; returns whether they are news.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn store(&self, conn: &mut Connection, account_id: i64) -> diesel::QueryResult<bool> {
        addresses::set(conn, account_id, self.primary.as_ref(), &self.others).await
    }
}

/// Asks Microsoft. Of a personal account the directory tells what it was made with, which may be an address elsewhere; its calendar
/// tells the mailbox's.
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

/// The same for who has just signed in; `None`: they are asked for when the mailbox is read.
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
