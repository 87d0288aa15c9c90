//! Pairing with one-time codes: of a new database, or of a known one, which needs its key or a code
//! that was made for it.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncConnection;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::clean_base_url;
use crate::engine::{Engine, now};
use crate::measures;
use crate::odoo::OdooError;
use crate::store::databases::{self, Database, Pairing, poke_key_place};
use crate::store::enrollments::{self, Purpose};
use crate::store::journal::Level;
use crate::store::journal::note;
use crate::store::leases::{self, Urgency};
use crate::store::seal::{digest, random_secret};
use crate::store::{Connection, accounts, api_keys};
use crate::words::{Said, Sentence, say};

/// How long an enrollment code is valid.
pub const ENROLLMENT_LIFE: TimeDelta = TimeDelta::hours(1);
/// The longest UUID, name and series that is stored.
const LONGEST_NAME: usize = 100;

/// The keyword arguments of `outlook.bridge.pair`.
#[derive(Debug, Deserialize)]
pub struct PairRequest {
    pub name: String,
    pub base_url: String,
    pub series: String,
    /// The present key of this database, which proves that a known database is the same one.
    #[serde(default)]
    pub present_key: Option<SecretString>,
}

/// What Odoo receives for a code.
#[derive(Serialize)]
pub struct PairAnswer {
    pub api_key: String,
    pub poke_key: String,
    pub nonce: String,
}

/// Makes a one-time code: 25 characters that are easy to tell apart, in groups of five. It pairs a
/// new database, or pairs the named one again, and nothing else.
///
/// # Errors
/// When Postgres fails.
pub async fn enroll(conn: &mut Connection, again: Option<&Database>) -> anyhow::Result<String> {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let mut bytes = [0u8; 25];
    rand::RngCore::fill_bytes(&mut rand::rng(), &mut bytes);
    let symbols: Vec<char> = bytes
        .iter()
        .map(|b| char::from(ALPHABET[usize::from(b % 32)]))
        .collect();
    let code = symbols
        .chunks(5)
        .map(|chunk| chunk.iter().collect::<String>())
        .collect::<Vec<_>>()
        .join("-");
    let purpose = Purpose {
        database_id: again.map(|database| database.id),
    };
    let ends = now() + ENROLLMENT_LIFE;
    enrollments::add(conn, &digest(&normal_code(&code)), ends, purpose).await?;
    Ok(code)
}

fn normal_code(code: &str) -> String {
    code.chars()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_ascii_uppercase()
}

/// The result of using a code.
enum Outcome {
    Paired {
        moved: bool,
    },
    /// The code is unknown, used or expired.
    NoCode,
    /// The code is valid, but not for this database. It is not used up.
    NotForIt,
}

/// Pairs an Odoo database. A known one keeps its accounts and links, gets new keys, and leaves its
/// quarantine. For that, it must send its present key with the code, or the code must have been
/// made for it.
///
/// # Errors
/// `AccessDenied` for a code that is wrong, used, expired, or not for this database; `UserError`
/// for an invalid address.
pub async fn pair(
    engine: &Engine,
    uuid: &str,
    code: &str,
    request: PairRequest,
) -> Result<PairAnswer, OdooError> {
    let base_url = clean_base_url(&request.base_url)?;
    if uuid.is_empty()
        || [uuid, &request.name, &request.series]
            .iter()
            .any(|text| text.len() > LONGEST_NAME)
    {
        return Err(OdooError::user(
            "the database's uuid is missing, or its name is too long",
        ));
    }
    // Both are shown in the log and on the operator's screen.
    if uuid.chars().chain(request.name.chars()).any(char::is_control) {
        return Err(OdooError::user(
            "the database's uuid or name has a character that cannot be shown",
        ));
    }
    let answer = PairAnswer {
        api_key: random_secret(),
        poke_key: random_secret(),
        nonce: random_secret(),
    };
    let poke_key = engine.sealer.seal(
        &poke_key_place(uuid),
        &SecretString::from(answer.poke_key.clone()),
    )?;
    let now = now();
    let pairing = Pairing {
        uuid,
        name: &request.name,
        base_url: &base_url,
        series: &request.series,
        key_hash: Some(digest(&answer.api_key)),
        poke_key,
        nonce: &answer.nonce,
        previous_nonce: None,
        quarantined: None,
        paired_at: now,
        next_key_hash: None,
        heard_at: now,
        last_call: 0,
    };
    let code_hash = digest(&normal_code(code));
    let present_key = request.present_key.map(|key| digest(key.expose_secret()));
    let mut conn = engine.store.get().await?;
    let outcome = conn
        .transaction::<_, anyhow::Error, _>(async |conn| {
            redeem(conn, &code_hash, present_key.as_deref(), &pairing, now).await
        })
        .await?;
    match outcome {
        Outcome::Paired { moved } => {
            tracing::info!(database.uuid = ?uuid, moved, "paired");
            Ok(answer)
        }
        Outcome::NoCode => {
            tracing::warn!(database.uuid = ?uuid, "refused: a pairing code that is wrong, used or too old");
            Err(OdooError::AccessDenied(
                "The pairing code is wrong, was used before, or is older than an hour. Get a new one with \
             'outlook-bridge enroll'."
                    .to_owned(),
            ))
        }
        Outcome::NotForIt => {
            tracing::warn!(database.uuid = ?uuid, "refused: a pairing code that is not for this database");
            Err(OdooError::AccessDenied(format!(
                "This pairing code is not for this database. The Outlook bridge may know the database already, and the key that \
             Odoo has for it does not show that it is the same one: it was unpaired, restored or copied, or its key was revoked. \
             Whoever runs the bridge makes a code for it with 'outlook-bridge enroll --again {}'. Nothing was changed, and the \
             code is not used up.",
                uuid.escape_debug()
            )))
        }
    }
}

async fn redeem(
    conn: &mut Connection,
    code_hash: &[u8],
    present_key: Option<&[u8]>,
    pairing: &Pairing<'_>,
    now: DateTime<Utc>,
) -> anyhow::Result<Outcome> {
    let Some(purpose) = enrollments::lock(conn, code_hash, now).await? else {
        return Ok(Outcome::NoCode);
    };
    let known = databases::by_uuid(conn, pairing.uuid).await?;
    let may = match (&known, purpose.database_id) {
        (None, None) => true,
        (Some(known), Some(id)) => known.id == id,
        (Some(known), None) => known.has_key(present_key),
        (None, Some(_)) => false,
    };
    if !may {
        return Ok(Outcome::NotForIt);
    }
    enrollments::use_up(conn, code_hash, now).await?;
    // Locked before its row, as in an exchange.
    let _lock = match &known {
        Some(known) => Some(databases::serialize(conn, known.id, measures::Purpose::Button).await?),
        None => None,
    };
    let database = databases::pair(conn, pairing).await?;
    let mut said = Said::from(say::was_paired(&database.name));
    let mut level = Level::Info;
    let moved = known.as_ref().and_then(|known| differences(known, &database));
    if known.is_some() {
        databases::rebaseline(conn, database.id, now).await?;
        said = say::was_paired_again(&database.name).into();
    }
    if let Some(moved) = &moved {
        databases::note_moved(conn, database.id, Some(moved)).await?;
        // In another Odoo, the ids of users may be other people's.
        api_keys::revoke_all(conn, database.id).await?;
        let uuid = database.uuid.to_string();
        said = say::wait_for_confirmation(said, moved.clone(), uuid).into();
        level = Level::Warning;
    }
    note(conn, &database, None, level, said).await?;
    Ok(Outcome::Paired {
        moved: moved.is_some(),
    })
}

/// Returns which of the values that identify an Odoo have changed, as a sentence.
fn differences(before: &Database, after: &Database) -> Option<Sentence> {
    let address = (before.base_url != after.base_url)
        .then(|| say::has_another_address(&after.base_url, &before.base_url));
    let name = (before.name != after.name).then(|| say::has_another_name(&after.name, &before.name));
    match (address, name) {
        (Some(address), Some(name)) => Some(say::listed(address, name)),
        (address, name) => address.or(name),
    }
}

/// Stores the operator's confirmation that a database which was paired again with other values is
/// the same one. Returns what had changed, if anything.
///
/// # Errors
/// When Postgres fails.
pub async fn confirm(conn: &mut Connection, database: &Database) -> anyhow::Result<Option<String>> {
    let Some(moved) = database.why_moved() else {
        return Ok(None);
    };
    databases::note_moved(conn, database.id, None).await?;
    note(
        conn,
        database,
        None,
        Level::Info,
        say::was_confirmed(moved.clone()),
    )
    .await?;
    let accounts = accounts::of_database(conn, database.id).await?;
    leases::wake(
        conn,
        accounts.iter().map(|account| account.id).collect(),
        Urgency::Rest,
    )
    .await?;
    Ok(Some(moved.message))
}

#[cfg(test)]
mod tests {
    use super::normal_code;

    #[test]
    fn codes_are_read_as_people_type_them() {
        assert_eq!(normal_code(" abcde-fgh23 "), "ABCDEFGH23");
    }
}
