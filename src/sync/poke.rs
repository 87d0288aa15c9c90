//! Tells Odoo, in one signed word, that there is something to fetch. Fire and forget: a lost poke costs time alone.

use std::collections::BTreeSet;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::ExposeSecret;
use serde_json::json;
use sha2::Sha256;
use uuid::Uuid;

use super::{Engine, now};
use crate::store::databases;

const PATIENCE: Duration = Duration::from_secs(3);

impl Engine {
    /// Sends a poke in the background.
    pub fn poke(&self, database_id: Uuid, users: BTreeSet<i32>) {
        let engine = self.clone();
        tokio::spawn(async move {
            if let Err(error) = engine.send_poke(database_id, &users).await {
                tracing::debug!(database.id = %database_id, error = format!("{error:#}"), "poke not delivered");
            }
        });
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
        self.http
            .post(format!("{}/microsoft_calendar_bridge/poke", database.base_url))
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
