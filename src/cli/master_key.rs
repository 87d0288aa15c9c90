//! Finds the master key that fits the database.

use std::path::PathBuf;

use anyhow::{Context, bail};
use secrecy::{ExposeSecret, SecretString};

use crate::config::Config;
use crate::store::Connection;
use crate::store::seal::Sealer;

/// A key, and where it was found.
pub struct MasterKey {
    pub text: SecretString,
    pub place: String,
    pub sealer: Sealer,
}

impl MasterKey {
    /// Reads a key; `place` says where it was found.
    ///
    /// # Errors
    /// When it is no key.
    pub fn parse(text: &SecretString, place: String) -> anyhow::Result<Self> {
        let sealer = Sealer::parse(text).with_context(|| place.clone())?;
        Ok(Self {
            text: SecretString::from(text.expose_secret().to_owned()),
            place,
            sealer,
        })
    }
}

/// Returns where the service keeps the key that it has made.
pub fn file(config: &Config) -> PathBuf {
    config.data_dir.join("master.key")
}

/// Returns the keys that the settings lead to: the configured one, or those in files.
///
/// # Errors
/// When one cannot be read, or is no key.
pub fn candidates(config: &Config) -> anyhow::Result<Vec<MasterKey>> {
    if let Some(text) = &config.master_key {
        return Ok(vec![MasterKey::parse(text, "setting master_key".to_owned())?]);
    }
    let mut found = Vec::new();
    let own = file(config);
    let is_there = own
        .try_exists()
        .with_context(|| format!("looking at {}", own.display()))?;
    if is_there {
        let text = Sealer::read_file(&own)?;
        found.push(MasterKey::parse(&text, own.display().to_string())?);
    }
    if let Some((path, text)) = &config.found.spare_key {
        found.push(MasterKey::parse(text, path.display().to_string())?);
    }
    Ok(found)
}

/// Returns the key with which the database was sealed.
///
/// # Errors
/// When none of the keys fits. The error names where they are. Nothing is changed.
pub async fn fitting(config: &Config, conn: &mut Connection) -> anyhow::Result<MasterKey> {
    let found = candidates(config)?;
    if found.is_empty() {
        bail!(
            "the master key is missing: this database was sealed with one. Put the key file back to {}, or set \
             OUTLOOK_BRIDGE_MASTER_KEY. As root, {} beside the configuration file is read as well",
            file(config).display(),
            "master.key"
        );
    }
    let places: Vec<String> = found.iter().map(|key| key.place.clone()).collect();
    let mut reason = None;
    for key in found {
        match key.sealer.verify(conn).await {
            Ok(()) => return Ok(key),
            Err(error) => reason = Some(error),
        }
    }
    let error = reason.context("no key")?;
    Err(error.context(format!("trying the key of {}", places.join(", then of "))))
}

/// Returns the service's own key, whatever the database was sealed with.
///
/// # Errors
/// When there is none yet, or it cannot be read.
pub async fn own(config: &Config, conn: &mut Connection) -> anyhow::Result<MasterKey> {
    if Sealer::is_sealed(conn).await?
        && let Ok(key) = fitting(config, conn).await
    {
        return Ok(key);
    }
    let first = candidates(config)?.into_iter().next();
    first.context(
        "this service has no master key yet: start it once, which makes one, stop it, and try again. Nothing was done",
    )
}
