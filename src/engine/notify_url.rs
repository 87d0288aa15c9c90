//! The address to which Microsoft sends notifications about the mailboxes of a database.

use secrecy::SecretString;

use crate::engine::{Engine, poke};
use crate::store::databases::{Database, poke_key_place};
use crate::store::idle::Glance;

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
    let mut digits = poke::sign(poke_key, PURPOSE)?;
    digits.truncate(DIGITS);
    Ok(digits)
}

/// What the address of a database is made of.
#[derive(Clone, Copy, Debug)]
pub struct AddressOf<'a> {
    uuid: &'a str,
    base_url: &'a str,
    /// Sealed.
    poke_key: &'a [u8],
}

impl<'a> From<&'a Database> for AddressOf<'a> {
    fn from(database: &'a Database) -> Self {
        Self {
            uuid: &database.uuid,
            base_url: &database.base_url,
            poke_key: &database.poke_key,
        }
    }
}

impl<'a> From<&'a Glance> for AddressOf<'a> {
    fn from(glance: &'a Glance) -> Self {
        Self {
            uuid: &glance.database_uuid,
            base_url: &glance.database_base_url,
            poke_key: &glance.database_poke_key,
        }
    }
}

impl Engine {
    /// Returns the address for a database; `None` if there are no notifications. Microsoft sends
    /// none to an address without TLS, so such an address is used for a stand-in only.
    ///
    /// # Errors
    /// When the database's key cannot be opened.
    pub fn notify_url<'a>(&self, of: impl Into<AddressOf<'a>>) -> anyhow::Result<Option<String>> {
        let of = of.into();
        let base = match &self.notifications {
            Notifications::Off => return Ok(None),
            Notifications::ThroughOdoo => {
                let odoo = of.base_url.trim_end_matches('/');
                format!("{odoo}/microsoft_calendar_bridge/changes")
            }
            Notifications::Own(public) => format!("{public}/notifications/{}", of.uuid),
        };
        if !base.starts_with("https://") && self.graph.is_encrypted() {
            return Ok(None);
        }
        let key = self.sealer.open(&poke_key_place(of.uuid), of.poke_key)?;
        let secret = secret(&key)?;
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
