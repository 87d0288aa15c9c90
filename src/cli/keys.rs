//! The commands about keys: Odoo's API keys, and the master key.

use anyhow::bail;
use diesel_async::AsyncConnection;
use uuid::Uuid;

use super::databases::called;
use super::output;
use super::start::Opened;
use crate::admin;
use crate::store::Connection;
use crate::store::accounts::{self, token_place};
use crate::store::databases::{self, Database, Settings, poke_key_place};
use crate::store::logins::{self, verifier_place};
use crate::store::registrations::{self, Changes, secret_place};
use crate::store::seal::Sealer;

/// How often to look for secrets that a running service has sealed meanwhile.
const ROUNDS: usize = 5;

/// Revokes a database's API key.
///
/// # Errors
/// When the database cannot be reached, or not exactly one has the given name.
pub async fn revoke(opened: &Opened, name: &str) -> anyhow::Result<()> {
    let mut conn = opened.store.get().await?;
    let database = &called(&mut conn, name).await?;
    if database.key_hash.is_none() {
        output::line(&format!("{} has no key: it is not paired", database.name))?;
        return Ok(());
    }
    admin::revoke(&mut conn, database).await?;
    output::line(&format!(
        "{}: its key opens nothing any more, and its users' tokens are dropped. What is linked stays linked for a new \
         pairing ('outlook-bridge enroll'), after which everybody logs in to Outlook again",
        database.name
    ))?;
    Ok(())
}

/// Seals every secret again with the first key. May run beside the service, which must know both
/// keys: each record is locked while it is sealed, so that a token that is renewed meanwhile is not
/// overwritten.
///
/// # Errors
/// When a secret cannot be opened. What was sealed before stays sealed with the first key.
pub async fn rotate_key(opened: &Opened) -> anyhow::Result<()> {
    let mut conn = opened.store.get().await?;
    let count = reseal(&mut conn, &opened.sealer).await?;
    output::line(&format!(
        "{count} record(s) sealed anew: the old key can be dropped"
    ))
}

/// Seals every secret again with the first key, and marks the database as sealed with it; returns the
/// number of records.
///
/// # Errors
/// When a secret cannot be opened. What was sealed before stays sealed with the first key.
pub async fn reseal(conn: &mut Connection, sealer: &Sealer) -> anyhow::Result<usize> {
    let mut count = 0;
    let mut rounds = 0;
    loop {
        let resealed = reseal_all(conn, sealer).await?;
        count += resealed;
        rounds += 1;
        if resealed == 0 {
            break;
        }
        if rounds == ROUNDS {
            bail!(
                "something goes on sealing with the old master key: give the running service both, the new one first \
                 (OUTLOOK_BRIDGE_MASTER_KEY=new,old), restart it, and run this again"
            );
        }
    }
    sealer.reseal_check(conn).await?;
    Ok(count)
}

/// Seals the records again that were not sealed with the first key; returns their number.
async fn reseal_all(conn: &mut Connection, sealer: &Sealer) -> anyhow::Result<usize> {
    let mut count = 0;
    for database in databases::all(conn).await? {
        count += reseal_database(conn, sealer, database.id).await?;
        for registration in registrations::of_database(conn, database.id).await? {
            count += reseal_registration(conn, sealer, &database, registration.id).await?;
        }
        for account in accounts::of_database(conn, database.id).await? {
            count += reseal_account(conn, sealer, account.id).await?;
        }
    }
    for id in logins::open(conn).await? {
        count += reseal_login(conn, sealer, id).await?;
    }
    Ok(count)
}

/// Returns the same secret, sealed with the first key; `None` if it is already.
fn anew(sealer: &Sealer, place: &str, sealed: Option<&[u8]>) -> anyhow::Result<Option<Vec<u8>>> {
    match sealed {
        Some(sealed) if !sealer.is_current(sealed) => {
            Ok(Some(sealer.seal(place, &sealer.open(place, sealed)?)?))
        }
        _ => Ok(None),
    }
}

async fn reseal_database(conn: &mut Connection, sealer: &Sealer, id: Uuid) -> anyhow::Result<usize> {
    conn.transaction::<_, anyhow::Error, _>(async |conn| {
        let database: Database = databases::lock(conn, id).await?;
        let settings = Settings {
            poke_key: anew(sealer, &poke_key_place(&database.uuid), Some(&database.poke_key))?,
            ..Settings::default()
        };
        Ok(databases::configure(conn, id, &settings).await?)
    })
    .await
}

async fn reseal_registration(
    conn: &mut Connection,
    sealer: &Sealer,
    database: &Database,
    id: i64,
) -> anyhow::Result<usize> {
    conn.transaction::<_, anyhow::Error, _>(async |conn| {
        let Some(registration) = registrations::lock(conn, id).await? else {
            return Ok(0);
        };
        let place = secret_place(&database.uuid, registration.company_id);
        let changes = Changes {
            client_secret: anew(sealer, &place, registration.client_secret.as_deref())?,
            ..Changes::default()
        };
        Ok(registrations::change(conn, id, &changes).await?)
    })
    .await
}

async fn reseal_account(conn: &mut Connection, sealer: &Sealer, id: i64) -> anyhow::Result<usize> {
    conn.transaction::<_, anyhow::Error, _>(async |conn| {
        let account = accounts::lock(conn, id).await?;
        let place = |kind| token_place(kind, account.database_id, account.odoo_user_id);
        let access = anew(sealer, &place("access_token"), account.access_token.as_deref())?;
        let refresh = anew(sealer, &place("refresh_token"), account.refresh_token.as_deref())?;
        if access.is_none() && refresh.is_none() {
            return Ok(0);
        }
        let (access, refresh) = (access.or(account.access_token), refresh.or(account.refresh_token));
        Ok(accounts::reseal(conn, id, access, refresh).await?)
    })
    .await
}

async fn reseal_login(conn: &mut Connection, sealer: &Sealer, id: Uuid) -> anyhow::Result<usize> {
    conn.transaction::<_, anyhow::Error, _>(async |conn| {
        let Some(login) = logins::lock(conn, id).await? else {
            return Ok(0);
        };
        match anew(sealer, &verifier_place(id), Some(&login.verifier))? {
            Some(verifier) => Ok(logins::reseal(conn, id, verifier).await?),
            None => Ok(0),
        }
    })
    .await
}
