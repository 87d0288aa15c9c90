//! Whose key a call has, and what it opens.

use chrono::{DateTime, Utc};

use super::table::{Effect, Keys, Method};
use crate::odoo::OdooError;
use crate::odoo::rpc::ADMINISTRATOR;
use crate::store::Connection;
use crate::store::databases::{self, Database};
use crate::store::{accounts, api_keys};

/// The login of an administrator's key, as Odoo's first administrator has it.
const ADMINISTRATORS_LOGIN: &str = "admin";

/// Whose key it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// The database's own key. The add-on has it, and says for whom it calls.
    AddOn,
    Administrator,
    User(i32),
}

/// A key that was recognized.
#[derive(Clone, Debug)]
pub struct Opened {
    pub database: Database,
    pub holder: Holder,
    pub may_write: bool,
}

impl Opened {
    /// Returns the key with this hash, if there is one and its database is paired.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn find(
        conn: &mut Connection,
        key_hash: &[u8],
        now: DateTime<Utc>,
    ) -> anyhow::Result<Option<Self>> {
        if let Some(database) = databases::by_key(conn, key_hash).await? {
            return Ok(Some(Self {
                database,
                holder: Holder::AddOn,
                may_write: true,
            }));
        }
        let Some(key) = api_keys::by_hash(conn, key_hash, now).await? else {
            return Ok(None);
        };
        let database = databases::by_id(conn, key.database_id).await?;
        if database.key_hash.is_none() {
            return Ok(None);
        }
        // Odoo says of connected users alone that they have left.
        if let Some(user_id) = key.odoo_user_id
            && !accounts::is_connected(conn, database.id, user_id).await?
        {
            return Ok(None);
        }
        Ok(Some(Self {
            database,
            holder: key.odoo_user_id.map_or(Holder::Administrator, Holder::User),
            may_write: key.may_write,
        }))
    }

    /// Returns whether a call names the key's database: by its UUID or its name.
    pub fn is_called(&self, name: &str) -> bool {
        self.database.uuid == name || self.database.name == name
    }

    /// Returns the user whom a login with this key is: Odoo's superuser for an administrator.
    pub fn uid(&self) -> i32 {
        match self.holder {
            Holder::AddOn | Holder::Administrator => ADMINISTRATOR,
            Holder::User(user_id) => user_id,
        }
    }

    /// Returns the user whose rows alone are seen; `None` if all are.
    pub fn only_user(&self) -> Option<i32> {
        match self.holder {
            Holder::AddOn | Holder::Administrator => None,
            Holder::User(user_id) => Some(user_id),
        }
    }

    /// Returns whether a login is this key's: `admin` for an administrator's; the user's id or the
    /// address of the mailbox for a user's.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn is_login(&self, conn: &mut Connection, login: &str) -> anyhow::Result<bool> {
        let Holder::User(user_id) = self.holder else {
            return Ok(login == ADMINISTRATORS_LOGIN || login == ADMINISTRATOR.to_string());
        };
        if login == user_id.to_string() {
            return Ok(true);
        }
        let account = accounts::of_user(conn, self.database.id, user_id).await?;
        Ok(account.is_some_and(|account| account.login.eq_ignore_ascii_case(login.trim())))
    }

    /// Checks whether a call may be in the name of this user.
    ///
    /// # Errors
    /// `AccessDenied`, as in Odoo, where a key is one user's.
    pub fn check_uid(&self, uid: i32) -> Result<(), OdooError> {
        if self.holder == Holder::AddOn || uid == self.uid() {
            return Ok(());
        }
        Err(OdooError::AccessDenied("Access Denied".to_owned()))
    }

    /// Checks whether the key opens a method.
    ///
    /// # Errors
    /// `AccessError` if it does not.
    pub fn check(&self, method: &Method) -> Result<(), OdooError> {
        let opens = match self.holder {
            Holder::AddOn => true,
            Holder::Administrator => method.keys >= Keys::Administrator,
            Holder::User(_) => method.keys == Keys::User,
        };
        let name = method.full_name();
        if !opens {
            let whose = match method.keys {
                Keys::AddOn => "the add-on of Odoo alone",
                Keys::Administrator | Keys::User => "administrators",
            };
            return Err(OdooError::Access(format!(
                "You are not allowed to call {name} with this key: it is for {whose}."
            )));
        }
        if method.effect == Effect::Writes && !self.may_write {
            return Err(OdooError::Access(format!(
                "You are not allowed to call {name} with this key: it is for reading alone."
            )));
        }
        Ok(())
    }

    /// Checks whether a call may be about this user.
    ///
    /// # Errors
    /// `AccessError` if the key is another user's.
    pub fn check_about(&self, user_id: i32) -> Result<(), OdooError> {
        match self.holder {
            Holder::User(own) if own != user_id => Err(OdooError::Access(
                "You are not allowed to access another user's account with this key.".to_owned(),
            )),
            _ => Ok(()),
        }
    }
}
