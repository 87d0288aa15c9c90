//! Limits how many calls of one database are in progress, so that other databases get their share
//! of connections and time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use crate::measures;
use crate::odoo::OdooError;
use crate::words::say;

/// How many exchanges, other calls and large bodies of one database are in progress at once.
const EXCHANGES_AT_ONCE: usize = 2;
const CALLS_AT_ONCE: usize = 4;
const LARGE_AT_ONCE: usize = 2;
/// How many calls with people's keys.
const PEOPLES_AT_ONCE: usize = 2;
/// How many requests with notifications of one database are in progress at once.
const NOTIFICATIONS_AT_ONCE: usize = 8;
/// How long a call waits for its turn. It holds nothing meanwhile.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// The kind of turn that a call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Exchange,
    Other,
    /// A call with a person's key, which the add-on's calls do not wait for.
    Person,
    /// A call of either kind with a large body.
    Large,
    /// Notifications of Microsoft, passed on by Odoo or received here.
    Notification,
}

/// The turns of all databases.
#[derive(Clone, Debug, Default)]
pub struct Tenants(Arc<Mutex<HashMap<Uuid, Weak<Turns>>>>);

#[derive(Debug)]
struct Turns {
    exchanges: Arc<Semaphore>,
    calls: Arc<Semaphore>,
    large: Arc<Semaphore>,
    peoples: Arc<Semaphore>,
    notifications: Arc<Semaphore>,
}

/// A turn, which ends when it is dropped.
#[derive(Debug)]
pub struct Turn {
    _permit: OwnedSemaphorePermit,
    _turns: Arc<Turns>,
}

/// Returns the error for a caller whose turn did not come.
pub fn busy() -> OdooError {
    OdooError::Busy(say::refusal_busy().into())
}

impl Tenants {
    /// Waits for a turn of this database.
    ///
    /// # Errors
    /// `UserError` if none came.
    pub async fn enter(&self, database: Uuid, kind: Kind) -> Result<Turn, OdooError> {
        let turns = self.turns(database);
        let semaphore = match kind {
            Kind::Exchange => &turns.exchanges,
            Kind::Other => &turns.calls,
            Kind::Large => &turns.large,
            Kind::Person => &turns.peoples,
            Kind::Notification => &turns.notifications,
        };
        let waiting = tokio::time::timeout(LONGEST_WAIT, Arc::clone(semaphore).acquire_owned());
        let Ok(Ok(permit)) = waiting.await else {
            measures::BUSY.count();
            return Err(busy());
        };
        Ok(Turn {
            _permit: permit,
            _turns: turns,
        })
    }

    fn turns(&self, database: Uuid) -> Arc<Turns> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turns) = all.get(&database).and_then(Weak::upgrade) {
            return turns;
        }
        all.retain(|_, turns| turns.strong_count() > 0);
        let turns = Arc::new(Turns {
            exchanges: Arc::new(Semaphore::new(EXCHANGES_AT_ONCE)),
            calls: Arc::new(Semaphore::new(CALLS_AT_ONCE)),
            large: Arc::new(Semaphore::new(LARGE_AT_ONCE)),
            peoples: Arc::new(Semaphore::new(PEOPLES_AT_ONCE)),
            notifications: Arc::new(Semaphore::new(NOTIFICATIONS_AT_ONCE)),
        });
        all.insert(database, Arc::downgrade(&turns));
        turns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_database_waits_for_its_own_calls_alone() {
        let tenants = Tenants::default();
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut turns = Vec::new();
        for _ in 0..EXCHANGES_AT_ONCE {
            turns.push(tenants.enter(one, Kind::Exchange).await.unwrap());
        }
        let busy = tenants.enter(one, Kind::Exchange).await.unwrap_err();
        assert_eq!(busy.http_status(), 429, "it is told so, after a while");
        assert!(tenants.enter(one, Kind::Other).await.is_ok());
        assert!(tenants.enter(other, Kind::Exchange).await.is_ok());
        turns.pop();
        assert!(tenants.enter(one, Kind::Exchange).await.is_ok());
        drop(turns);
        tenants.enter(other, Kind::Exchange).await.unwrap();
        assert_eq!(
            tenants.0.lock().unwrap().len(),
            1,
            "who does not call is forgotten"
        );
    }
}
