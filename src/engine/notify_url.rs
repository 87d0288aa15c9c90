//! The address to which Microsoft sends notifications about the mailboxes of a database.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use crate::engine::Engine;
use crate::store::databases::Database;

/// What the secret in the address is derived from, beside the key that signs pokes.
const PURPOSE: &[u8] = b"change notifications";
/// How many hexadecimal digits of it the address has.
const DIGITS: usize = 32;

/// Where Microsoft sends notifications.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Notifications {
    /// Nowhere: mailboxes are polled.
    #[default]
    Off,
    /// To Odoo's own address, where the add-on passes them on.
    ThroughOdoo,
    /// To this public address of the service, without a slash at its end.
    Own(String),
}

/// Returns the secret in a database's address for notifications. The add-on derives the same one.
///
/// # Errors
/// When the key cannot be used.
pub fn secret(poke_key: &SecretString) -> anyhow::Result<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(poke_key.expose_secret().as_bytes())?;
    mac.update(PURPOSE);
    let mut digits = hex::encode(mac.finalize().into_bytes());
    digits.truncate(DIGITS);
    Ok(digits)
}

impl Engine {
    /// Returns the address for a database; `None` if there are no notifications. Microsoft sends
    /// none to an address without TLS, so such an address is used for a stand-in only.
    ///
    /// # Errors
    /// When the database's key cannot be opened.
    pub fn notify_url(&self, database: &Database) -> anyhow::Result<Option<String>> {
        let base = match &self.notifications {
            Notifications::Off => return Ok(None),
            Notifications::ThroughOdoo => {
                let odoo = database.base_url.trim_end_matches('/');
                format!("{odoo}/microsoft_calendar_bridge/changes")
            }
            Notifications::Own(public) => format!("{public}/notifications/{}", database.uuid),
        };
        if !base.starts_with("https://") && self.graph.is_encrypted() {
            return Ok(None);
        }
        let secret = secret(&database.poke_key(&self.sealer)?)?;
        Ok(Some(format!("{base}/{secret}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_the_one_that_the_add_on_derives() {
        let key = SecretString::from("key");
        assert_eq!(secret(&key).unwrap(), "c4b4bce8ac1d1dce463f8b88b4eac51f");
    }
}
