//! Pokes Odoo with a signed request, as there is something to fetch. Nothing waits for the result:
//! a lost poke only costs time.

use std::collections::BTreeSet;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::ExposeSecret;
use serde_json::json;
use sha2::Sha256;
use uuid::Uuid;

use crate::engine::{Engine, now};
use crate::store::{databases, outbox};

const PATIENCE: Duration = Duration::from_secs(3);

impl Engine {
    /// Sends a poke in the background.
    pub fn poke(&self, database_id: Uuid, users: BTreeSet<i32>) {
        let engine = self.clone();
        tokio::spawn(async move {
            if let Err(error) = engine.send_poke(database_id, &users).await {
                tracing::info!(database.id = %database_id, error = format!("{error:#}"), "poke not delivered");
            }
        });
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

    async fn send_poke(&self, database_id: Uuid, users: &BTreeSet<i32>) -> anyhow::Result<()> {
        let database = {
            let mut conn = self.store.get().await?;
            databases::by_id(&mut conn, database_id).await?
        };
        let key = database.poke_key(&self.sealer)?;
        let body = json!({"uuid": database.uuid, "time": now().timestamp(), "users": users}).to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes())?;
        mac.update(body.as_bytes());
        let signature = hex::encode(mac.finalize().into_bytes());
        self.odoo
            .post(&format!("{}/microsoft_calendar_bridge/poke", database.base_url))?
            .header("Content-Type", "application/json")
            .header("X-Odoo-Database", &database.name)
            .header("X-Bridge-Signature", signature)
            .timeout(PATIENCE)
            .body(body)
            .send()
            .await?
            .error_for_status()?;
        Ok(())
    }
}
