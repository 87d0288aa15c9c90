//! Keys of people: who makes and revokes them is an administrator of the service.

use anyhow::ensure;
use chrono::TimeDelta;

use crate::engine::now;
use crate::store::api_keys::{self, NewKey};
use crate::store::databases::Database;
use crate::store::journal::{Level, note};
use crate::store::seal::{digest, random_secret};
use crate::store::{Connection, accounts};

/// The longest name of a key.
const LONGEST_NAME: usize = 100;
/// The longest time for which a key can be valid: ten years, as nobody remembers a longer one.
const LONGEST_DAYS: i64 = 3_650;

/// What a key is for.
#[derive(Clone, Copy, Debug)]
pub struct Purpose<'a> {
    /// By which people recognize it.
    pub name: &'a str,
    /// The user whose it is; `None` for an administrator's.
    pub user_id: Option<i32>,
    /// Whether it may change anything.
    pub may_write: bool,
    /// For how many days it is valid; `None` means until it is revoked.
    pub days: Option<i64>,
}

/// A key that was made. It is shown once, as only its hash is stored.
pub struct Made {
    pub id: i64,
    pub key: String,
}

/// Makes a key.
///
/// # Errors
/// When the database is not paired, the name or the number of days is out of bounds, or Postgres
/// fails.
pub async fn create(
    conn: &mut Connection,
    database: &Database,
    purpose: &Purpose<'_>,
) -> anyhow::Result<Made> {
    ensure!(
        database.key_hash.is_some(),
        "{} is not paired, so no key can open it: pair it first ('outlook-bridge enroll')",
        database.name
    );
    let name = purpose.name.trim();
    ensure!(
        !name.is_empty() && name.chars().count() <= LONGEST_NAME,
        "a key needs a name of at most {LONGEST_NAME} characters, by which you recognize it"
    );
    ensure!(
        purpose.days.is_none_or(|days| (1..=LONGEST_DAYS).contains(&days)),
        "a key is valid for 1 to {LONGEST_DAYS} days"
    );
    ensure!(
        purpose.user_id.is_none_or(|user_id| user_id > 0),
        "the id of a user in Odoo is a number above 0"
    );
    if let Some(user_id) = purpose.user_id {
        ensure!(
            accounts::is_connected(conn, database.id, user_id).await?,
            "the user {user_id} is not connected to Outlook, and a user's key works only while the user is: the user connects first"
        );
    }
    let key = random_secret();
    let stored = NewKey {
        database_id: database.id,
        key_hash: &digest(&key),
        name,
        odoo_user_id: purpose.user_id,
        may_write: purpose.may_write,
        expires_at: purpose.days.map(|days| now() + TimeDelta::days(days)),
    };
    let id = api_keys::add(conn, &stored).await?;
    let message = format!("a key for other programs was made: “{name}”, number {id}");
    note(conn, database, purpose.user_id, Level::Info, message).await?;
    Ok(Made { id, key })
}

/// Revokes a key; returns whether there was one. Its sessions end with it.
///
/// # Errors
/// When Postgres fails.
pub async fn revoke(conn: &mut Connection, database: &Database, id: i64) -> anyhow::Result<bool> {
    let was_there = api_keys::revoke(conn, database.id, id).await?;
    if was_there {
        let message = format!("the key for other programs with the number {id} was revoked");
        note(conn, database, None, Level::Info, message).await?;
    }
    Ok(was_there)
}
