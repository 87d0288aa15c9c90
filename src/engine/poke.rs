//! Pokes Odoo with a signed request, as there is something to fetch. Odoo exchanges in that very
//! request, so one poke of a database is in flight at a time. Nothing waits for the result: a lost
//! poke only costs time.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::bail;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::time::sleep;
use uuid::Uuid;

use crate::engine::{Engine, now};
use crate::store::databases::Database;
use crate::store::{databases, outbox};

/// How long a poke may take. Odoo begins no call after 8 s, and a call may take 10 s.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the next poke waits after one that failed.
const AFTER_A_FAILURE: Duration = Duration::from_secs(1);
/// How many pokes follow each other because Odoo says that there is more. Odoo's job does the rest.
const MOST_IN_A_ROW: usize = 20;

/// The databases of which a poke is in flight, and the users of the one that follows.
#[derive(Clone, Debug, Default)]
pub struct Pokes(Arc<Mutex<HashMap<Uuid, Option<BTreeSet<i32>>>>>);

impl Pokes {
    /// Returns whether the caller is to send a poke. Otherwise it is sent after the one in flight.
    fn begin(&self, database_id: Uuid, users: &BTreeSet<i32>) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get_mut(&database_id) {
            None => {
                all.insert(database_id, None);
                true
            }
            Some(following) => {
                following.get_or_insert_default().extend(users);
                false
            }
        }
    }

    fn forget(&self, database_id: Uuid) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&database_id);
    }

    /// Returns the users of the poke that follows; `None` if none does.
    fn next(&self, database_id: Uuid) -> Option<BTreeSet<i32>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let following = all.get_mut(&database_id).and_then(Option::take);
        if following.is_none() {
            all.remove(&database_id);
        }
        following
    }
}

/// Ends a poke that panics, so that the database is poked again.
struct Turn {
    pokes: Pokes,
    database_id: Uuid,
}

impl Drop for Turn {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.pokes.forget(self.database_id);
        }
    }
}

/// Returns the HMAC-SHA256 of a text with the key that Odoo has for pokes, in hexadecimal digits.
///
/// # Errors
/// When the key cannot be used.
pub(super) fn sign(key: &SecretString, text: &[u8]) -> anyhow::Result<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes())?;
    mac.update(text);
    Ok(hex::encode(mac.finalize().into_bytes()))
}

/// Odoo's answer to a poke.
#[derive(Debug, Deserialize)]
struct Poked {
    #[serde(default)]
    ok: bool,
    /// Odoo has exchanged, and there is more to exchange.
    #[serde(default)]
    more: bool,
}

impl Engine {
    /// Sends a poke in the background.
    pub fn poke(&self, database_id: Uuid, users: BTreeSet<i32>) {
        if !self.pokes.begin(database_id, &users) {
            return;
        }
        let engine = self.clone();
        tokio::spawn(async move {
            let _turn = Turn {
                pokes: engine.pokes.clone(),
                database_id,
            };
            let mut following = Some(users);
            while let Some(users) = following {
                engine.poke_to_the_end(database_id, &users).await;
                following = engine.pokes.next(database_id);
            }
        });
    }

    /// Sends a poke, and what follows it, and waits for the result.
    pub async fn poke_to_the_end(&self, database_id: Uuid, users: &BTreeSet<i32>) {
        for _ in 0..MOST_IN_A_ROW {
            match self.send_poke(database_id, users).await {
                Ok(Poked { more: true, .. }) => {}
                Ok(Poked { more: false, .. }) => return,
                Err(error) => {
                    tracing::info!(database.id = %database_id, error = format!("{error:#}"), "poke not delivered");
                    sleep(AFTER_A_FAILURE).await;
                    return;
                }
            }
        }
    }

    /// Pokes every paired Odoo, as the service is running again: what was saved meanwhile need not
    /// wait for a cron.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn poke_everybody(&self) -> anyhow::Result<()> {
        let databases = {
            let mut conn = self.store.get().await?;
            databases::all(&mut conn).await?
        };
        for database in databases.into_iter().filter(|d| d.key_hash.is_some()) {
            self.poke(database.id, BTreeSet::new());
        }
        Ok(())
    }

    pub(crate) async fn owes_odoo(&self, database_id: Uuid) -> anyhow::Result<bool> {
        let mut conn = self.store.get().await?;
        Ok(outbox::owes_odoo_more_than(&mut conn, database_id, 0).await?)
    }

    /// Prepares a poke that asks the add-on how Odoo is set up, and does nothing else.
    ///
    /// # Errors
    /// When the key cannot be opened, or requests to this address are not allowed.
    pub fn ask_set_up(&self, database: &Database) -> anyhow::Result<RequestBuilder> {
        let body = json!({"uuid": database.uuid, "time": now().timestamp(), "users": [], "check": true});
        self.signed(database, &body)
    }

    fn signed(&self, database: &Database, body: &Value) -> anyhow::Result<RequestBuilder> {
        let key = database.poke_key(&self.sealer)?;
        let body = body.to_string();
        let signature = sign(&key, body.as_bytes())?;
        let request = self
            .odoo
            .post(&format!("{}/microsoft_calendar_bridge/poke", database.base_url))?
            .header("Content-Type", "application/json")
            .header("X-Odoo-Database", &database.name)
            .header("X-Bridge-Signature", signature)
            .body(body);
        Ok(request)
    }

    async fn send_poke(&self, database_id: Uuid, users: &BTreeSet<i32>) -> anyhow::Result<Poked> {
        let database = {
            let conn = self.store.get().await?;
            databases::by_id(&conn, database_id).await?
        };
        let body =
            json!({"uuid": database.uuid, "time": now().timestamp(), "users": users, "exchange": true});
        let answer = self.signed(&database, &body)?.timeout(PATIENCE).send().await?;
        let status = answer.status();
        // Redirects are not followed, and a page is not the add-on's answer.
        match answer.json::<Poked>().await {
            Ok(poked) if status == StatusCode::OK && poked.ok => Ok(poked),
            _ => bail!(
                "not the add-on answers, but something with HTTP {}",
                status.as_u16()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_poke_is_in_flight_and_one_follows() {
        let pokes = Pokes::default();
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let users = |ids: &[i32]| ids.iter().copied().collect::<BTreeSet<_>>();
        assert!(pokes.begin(one, &users(&[1])));
        assert!(
            pokes.begin(other, &users(&[])),
            "databases do not wait for each other"
        );
        assert!(!pokes.begin(one, &users(&[2])));
        assert!(!pokes.begin(one, &users(&[3])));
        assert_eq!(pokes.next(one), Some(users(&[2, 3])));
        assert_eq!(pokes.next(one), None);
        assert!(pokes.begin(one, &users(&[4])), "the next one begins anew");
    }

    #[tokio::test]
    async fn a_panic_ends_its_poke() {
        let pokes = Pokes::default();
        let database_id = Uuid::from_u128(1);
        assert!(pokes.begin(database_id, &BTreeSet::new()));
        let turn = Turn {
            pokes: pokes.clone(),
            database_id,
        };
        let panicked = tokio::spawn(async move {
            let _turn = turn;
            panic!("as a poke might");
        });
        assert!(panicked.await.is_err());
        assert!(pokes.begin(database_id, &BTreeSet::new()));
    }
}
