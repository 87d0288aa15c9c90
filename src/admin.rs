//! Pairing, settings, and what the add-on shows about a database.

pub mod choices;
pub mod journal;
pub mod keys;
pub mod pairing;
pub mod progress;
pub mod put_back;
pub mod state;

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncConnection;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::auth::registrations::{self, Entered};
use crate::calendar::merge::Policy;
use crate::engine::{Engine, LONGEST_AHEAD, LONGEST_BACK, now};
use crate::odoo::OdooError;
use crate::odoo::time::OdooTime;
use crate::store::Connection;
use crate::store::accounts;
use crate::store::api_keys;
use crate::store::databases::{self, Database, Settings};
use crate::store::journal::{Level, note, said_since};
use crate::store::leases::{self, Urgency};
use crate::store::seal::{digest, random_secret};
use crate::store::text_enum::Stored;
use crate::words::{Said, say};

/// The largest value of `sent_back`, in days: a century.
const LONGEST_SENT_BACK: i32 = 36_500;

/// The keyword arguments of `res.config.settings.set_values`.
#[derive(Debug, Default, Deserialize)]
pub struct SettingsRequest {
    #[serde(default)]
    pub client_id: Option<String>,
    #[serde(default)]
    pub client_secret: Option<SecretString>,
    /// The tenant whose accounts may log in: its id or domain. Empty means as the service is
    /// configured.
    #[serde(default)]
    pub tenant: Option<String>,
    /// `YYYY-MM-DD`; empty if it is not known.
    #[serde(default)]
    pub secret_expires_on: Option<String>,
    /// The company whose app registration the four values above are about; if absent, the
    /// database's own.
    #[serde(default)]
    pub company_id: Option<i32>,
    /// Removes the company's own registration.
    #[serde(default)]
    pub remove_registration: bool,
    #[serde(default)]
    pub paused: Option<bool>,
    #[serde(default)]
    pub base_url: Option<String>,
    /// Which side wins if both changed the same: `latest`, `outlook` or `odoo`.
    #[serde(default)]
    pub policy: Option<String>,
    /// The removal limit: a sync that removes more events than this is stopped, if it also exceeds
    /// `brake_percent`.
    #[serde(default)]
    pub brake_over: Option<i32>,
    /// The removal limit as a percentage of the linked events.
    #[serde(default)]
    pub brake_percent: Option<i32>,
    /// More mails than this wait for approval, if nobody has just asked for them.
    #[serde(default)]
    pub mail_budget: Option<i32>,
    /// If others than the organizer save a change that mails more people outside than this, it
    /// waits for the organizer's approval.
    #[serde(default)]
    pub others_outside: Option<i32>,
    /// The mails per hour that a mailbox sends without approval.
    #[serde(default)]
    pub mails_an_hour: Option<i32>,
    /// The window of the database's mailboxes, in days; 0 means as the service is configured.
    #[serde(default)]
    pub days_back: Option<i32>,
    #[serde(default)]
    pub days_ahead: Option<i32>,
    /// Events that ended more days ago are not sent to Outlook; 0 means no limit.
    #[serde(default)]
    pub sent_back: Option<i32>,
    /// Events that were created in Odoo earlier are not made in Outlook; empty means no limit.
    #[serde(default)]
    pub created_from: Option<String>,
}

impl SettingsRequest {
    /// # Errors
    /// `UserError` for a number or a time that is out of bounds or invalid.
    fn check_limits(&self) -> Result<(), OdooError> {
        let bad = |n: Option<i32>, most: i64| n.is_some_and(|n| n < 0 || i64::from(n) > most);
        if bad(self.days_back, LONGEST_BACK) || bad(self.days_ahead, LONGEST_AHEAD) {
            return Err(OdooError::user(say::refusal_window(LONGEST_BACK, LONGEST_AHEAD)));
        }
        if bad(self.sent_back, i64::from(LONGEST_SENT_BACK)) {
            return Err(OdooError::user(say::refusal_sent_back(LONGEST_SENT_BACK)));
        }
        Ok(())
    }

    fn created_from(&self) -> Result<Option<Option<DateTime<Utc>>>, OdooError> {
        let read = |text: &str| match text.trim() {
            "" => Ok(None),
            text => serde_json::from_value::<OdooTime>(text.into())
                .map(|time| Some(time.0))
                .map_err(|_| OdooError::user(say::refusal_created_from(text))),
        };
        self.created_from.as_deref().map(read).transpose()
    }
}

/// What Odoo gets for its key.
#[derive(Serialize)]
pub struct RenewAnswer {
    pub api_key: String,
}

/// Makes a new key. The old one is valid until the new one is used, so nothing is lost if Odoo does
/// not receive this answer or cannot store it.
///
/// # Errors
/// `Internal` when Postgres fails.
pub async fn renew_key(engine: &Engine, database: &Database) -> Result<RenewAnswer, OdooError> {
    let answer = RenewAnswer {
        api_key: random_secret(),
    };
    let mut conn = engine.store.get().await?;
    databases::offer_key(&mut conn, database.id, &digest(&answer.api_key)).await?;
    let message = say::has_new_key();
    note(&mut conn, database, None, Level::Info, message).await?;
    tracing::info!(database.uuid = %database.uuid, "a new key was made");
    Ok(answer)
}

/// Revokes a database's keys: no call of it is accepted until it is paired again.
///
/// # Errors
/// When Postgres fails.
pub async fn revoke(conn: &mut Connection, database: &Database) -> anyhow::Result<()> {
    part(conn, database).await?;
    let message = say::key_was_revoked();
    note(conn, database, None, Level::Warning, message).await?;
    Ok(())
}

/// Notes a call with a database's key by a database of another name: a copy, or the database was
/// renamed. The journal of the paired database says so once a day.
///
/// # Errors
/// When Postgres fails.
pub async fn note_copy(conn: &mut Connection, database: &Database, name: &str) -> anyhow::Result<()> {
    let message = Said::from(say::copy_calls(name, &database.name));
    if !said_since(conn, database.id, &message.message, now() - TimeDelta::days(1)).await? {
        tracing::warn!(database.uuid = %database.uuid, copy = name, "a copy was shut out");
        note(conn, database, None, Level::Warning, message).await?;
    }
    Ok(())
}

/// Deletes the database's key, and every token that opens a mailbox for it.
async fn part(conn: &mut Connection, database: &Database) -> anyhow::Result<()> {
    let reason = say::log_in_after_unpairing().into();
    conn.transaction::<_, anyhow::Error, _>(async |conn| {
        databases::unpair(conn, database.id, now()).await?;
        api_keys::revoke_all(conn, database.id).await?;
        accounts::disconnect_all(conn, database.id, &reason).await?;
        Ok(())
    })
    .await
}

/// Forgets the database's key and its users' tokens.
///
/// # Errors
/// `Internal` when Postgres fails.
pub async fn unpair(engine: &Engine, database: &Database) -> Result<(), OdooError> {
    let mut conn = engine.store.get().await?;
    part(&mut conn, database).await?;
    note(&mut conn, database, None, Level::Info, say::was_unpaired()).await?;
    tracing::info!(database.uuid = %database.uuid, "unpaired");
    Ok(())
}

/// Stores what an administrator saved in Odoo's settings.
///
/// # Errors
/// `UserError` for an invalid client id or address.
pub async fn set_values(
    engine: &Engine,
    database: &Database,
    request: SettingsRequest,
) -> Result<(), OdooError> {
    let policy = request.policy.as_deref().map(|name| {
        Policy::parse(name).ok_or_else(|| {
            OdooError::user(format!(
                "Conflicts: '{name}' is none of latest, outlook and odoo."
            ))
        })
    });
    let policy = policy.transpose()?;
    let bad_number = |n: Option<i32>, most: i32| n.is_some_and(|n| n < 0 || n > most);
    if bad_number(request.brake_over, i32::MAX) || bad_number(request.brake_percent, 100) {
        return Err(OdooError::user(say::refusal_removals()));
    }
    let numbers = [request.mail_budget, request.others_outside, request.mails_an_hour];
    if numbers.into_iter().any(|number| bad_number(number, i32::MAX)) {
        return Err(OdooError::user(say::refusal_mails()));
    }
    if request.company_id.is_some_and(|id| id <= 0)
        || (request.remove_registration && request.company_id.is_none())
    {
        return Err(OdooError::user(
            "company_id: an app registration of a company's own needs the company it is for.",
        ));
    }
    request.check_limits()?;
    let created_from = request.created_from()?;
    let limit = |days: Option<i32>| days.map(|days| Some(days).filter(|days| *days > 0));
    let entered = Entered {
        client_id: request.client_id,
        client_secret: request.client_secret,
        tenant: request.tenant,
        secret_expires_on: request.secret_expires_on,
    };
    let entered = entered.check(engine, database, request.company_id)?;
    let base_url = request.base_url.map(|url| clean_base_url(&url)).transpose()?;
    let settings = Settings {
        paused: request.paused,
        base_url,
        poke_key: None,
        policy: policy.map(Stored),
        brake_over: request.brake_over,
        brake_percent: request.brake_percent,
        mail_budget: request.mail_budget,
        others_outside: request.others_outside,
        mails_an_hour: request.mails_an_hour,
        days_back: limit(request.days_back),
        days_ahead: limit(request.days_ahead),
        sent_back: limit(request.sent_back),
        created_from,
    };
    let mut conn = engine.store.get().await?;
    databases::configure(&mut conn, database.id, &settings).await?;
    let changed = databases::by_id(&conn, database.id).await?;
    if (changed.days_back, changed.days_ahead) != (database.days_back, database.days_ahead) {
        accounts::list_anew(&mut conn, database.id).await?;
    }
    if (changed.sent_back, changed.created_from) != (database.sent_back, database.created_from) {
        accounts::plan_all_anew(&mut conn, database.id).await?;
    }
    if changed.base_url != database.base_url {
        // Another address may be reached.
        databases::note_notify_problem(&mut conn, database.id, None).await?;
    }
    match request.company_id {
        Some(company) if request.remove_registration => {
            registrations::remove(&mut conn, database, company).await?;
        }
        company => registrations::put(&mut conn, database, company, entered).await?,
    }
    if let Some(paused) = request.paused.filter(|paused| *paused != database.paused) {
        let message = if paused { say::was_paused() } else { say::goes_on() };
        note(&mut conn, database, None, Level::Info, message).await?;
    }
    // After new credentials or a pause, every mailbox has to catch up.
    let ids: Vec<i64> = accounts::of_database(&mut conn, database.id)
        .await?
        .iter()
        .map(|a| a.id)
        .collect();
    leases::wake(&mut conn, ids, Urgency::News).await?;
    engine.wake_workers();
    Ok(())
}

/// Checks Odoo's own address: an http(s) origin, with an optional path.
fn clean_base_url(text: &str) -> Result<String, OdooError> {
    let bad = || OdooError::user(say::refusal_base_url(text));
    let url = Url::parse(text.trim()).map_err(|_| bad())?;
    let is_plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() || !is_plain {
        return Err(bad());
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_are_http_origins() {
        assert_eq!(
            clean_base_url(" https://odoo.example.com/ ").unwrap(),
            "https://odoo.example.com"
        );
        for bad in [
            "",
            "odoo.example.com",
            "ftp://x",
            "javascript:alert(1)",
            "https://user@x",
            "https://:password@x",
            "http://127.0.0.1:2375/containers/web/stop?t=0",
            "http://127.0.0.1:2375/containers/web/stop#",
        ] {
            assert!(clean_base_url(bad).is_err(), "{bad}");
        }
    }
}
