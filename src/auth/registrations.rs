//! The app registrations of a database and of its companies: which one a login uses, and what an
//! administrator enters.
//!
//! A consent is given to one app. Its tokens are renewed with that app, whatever is entered later.
//! So an app that was replaced is kept, retired, until the users who consented to it have logged in
//! again.

use chrono::NaiveDate;
use diesel_async::AsyncConnection;
use secrecy::{ExposeSecret, SecretString};

use crate::engine::Engine;
use crate::odoo::OdooError;
use crate::odoo::exchange::RegistrationState;
use crate::outlook::login::{App, LoginClient, LoginError};
use crate::store::Connection;
use crate::store::accounts::Account;
use crate::store::databases::Database;
use crate::store::journal::Level;
use crate::store::journal::note;
use crate::store::registrations::{self as store, Changes, Registration, secret_place};
use crate::words::{Said, say};

/// A registration with its opened secret.
pub struct Opened {
    pub row: Registration,
    secret: SecretString,
}

impl Opened {
    fn open(engine: &Engine, database: &Database, row: Registration) -> anyhow::Result<Option<Self>> {
        let secret = row.secret(&engine.sealer, &database.uuid)?;
        Ok(secret
            .filter(|_| !row.client_id.is_empty())
            .map(|secret| Self { row, secret }))
    }

    pub fn app<'a>(&'a self, redirect_uri: &'a str) -> App<'a> {
        App {
            client_id: &self.row.client_id,
            client_secret: &self.secret,
            redirect_uri,
        }
    }

    /// Returns Microsoft's login for the users of this registration.
    pub fn login(&self, engine: &Engine) -> LoginClient {
        engine.login.of_tenant(self.row.tenant.as_deref())
    }
}

/// Returns the registration that a user of this company logs in with: the company's own, or else
/// the database's.
///
/// # Errors
/// `UserError` if it is not complete.
pub async fn for_login(
    conn: &mut Connection,
    engine: &Engine,
    database: &Database,
    company_id: Option<i32>,
) -> Result<Opened, OdooError> {
    let present = present(conn, database, company_id).await?;
    let present = match (present, company_id) {
        (None, Some(_)) => self::present(conn, database, None).await?,
        (present, _) => present,
    };
    let opened = match present {
        Some(row) => Opened::open(engine, database, row)?,
        None => None,
    };
    opened.ok_or_else(not_configured)
}

/// Returns the registration that an account's tokens are renewed with, or that a started login is
/// ended with.
///
/// # Errors
/// When the store fails.
pub async fn of_consent(
    conn: &mut Connection,
    engine: &Engine,
    database: &Database,
    registration_id: Option<i64>,
) -> anyhow::Result<Option<Opened>> {
    let row = match registration_id {
        Some(id) => store::by_id(conn, id).await?,
        None => None,
    };
    match row {
        Some(row) => Opened::open(engine, database, row),
        // It was removed since. The database's own registration may be the same app.
        None => match present(conn, database, None).await? {
            Some(row) => Opened::open(engine, database, row),
            None => Ok(None),
        },
    }
}

pub fn not_configured() -> OdooError {
    OdooError::user(say::refusal_not_configured())
}

async fn present(
    conn: &mut Connection,
    database: &Database,
    company_id: Option<i32>,
) -> anyhow::Result<Option<Registration>> {
    let all = store::of_database(conn, database.id).await?;
    Ok(all
        .into_iter()
        .find(|row| !row.retired && row.company_id == company_id))
}

/// What an administrator entered. An absent value is unchanged.
#[derive(Debug, Default)]
pub struct Entered {
    pub client_id: Option<String>,
    pub client_secret: Option<SecretString>,
    /// Empty if the app is for every tenant.
    pub tenant: Option<String>,
    /// `YYYY-MM-DD`; empty if it is not known.
    pub secret_expires_on: Option<String>,
}

/// The entered values, checked and sealed.
pub struct Checked(Changes);

impl Entered {
    /// Checks everything that can be checked without Microsoft.
    ///
    /// # Errors
    /// `UserError` that names the setting.
    pub fn check(
        self,
        engine: &Engine,
        database: &Database,
        company_id: Option<i32>,
    ) -> Result<Checked, OdooError> {
        let client_id = self.client_id.map(|id| id.trim().to_owned());
        if let Some(id) = &client_id
            && (id.len() > 200 || id.chars().any(|c| c.is_whitespace() || c.is_control()))
        {
            return Err(OdooError::user(say::refusal_client_id()));
        }
        let tenant = self.tenant.map(|tenant| tenant.trim().to_owned());
        if let Some(tenant) = &tenant
            && !tenant.is_empty()
            && !is_tenant(tenant)
        {
            return Err(OdooError::user(say::refusal_tenant(tenant)));
        }
        let secret_expires_on = self
            .secret_expires_on
            .map(|date| match date.trim() {
                "" => Ok(None),
                date => date
                    .parse::<NaiveDate>()
                    .map(Some)
                    .map_err(|_| OdooError::user(say::refusal_date(date))),
            })
            .transpose()?;
        let secret = self
            .client_secret
            .filter(|secret| !secret.expose_secret().trim().is_empty());
        let client_secret = secret
            .map(|secret| {
                engine
                    .sealer
                    .seal(&secret_place(&database.uuid, company_id), &secret)
            })
            .transpose()?;
        Ok(Checked(Changes {
            client_id,
            // The expiry of the old secret does not apply to the new one.
            secret_expires_on: secret_expires_on.or(client_secret.as_ref().map(|_| None)),
            client_secret,
            tenant: tenant.map(|tenant| Some(tenant).filter(|tenant| !tenant.is_empty())),
            ..Changes::default()
        }))
    }
}

/// Returns whether the text is a tenant's id, one of its domains, or Microsoft's name for a group
/// of tenants.
fn is_tenant(text: &str) -> bool {
    let is_host = text.len() <= 253
        && text.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        });
    uuid::Uuid::parse_str(text).is_ok()
        || matches!(text, "common" | "organizations" | "consumers")
        || (is_host && text.contains('.'))
}

/// Stores what an administrator entered for the database or for one of its companies.
///
/// # Errors
/// When the store fails.
pub async fn put(
    conn: &mut Connection,
    database: &Database,
    company_id: Option<i32>,
    Checked(mut changes): Checked,
) -> anyhow::Result<()> {
    if changes == Changes::default() {
        return Ok(());
    }
    conn.transaction::<_, anyhow::Error, _>(async |conn| {
        let all = store::of_database(conn, database.id).await?;
        let own = |row: &&Registration| row.company_id == company_id;
        let Some(before) = all.iter().filter(own).find(|row| !row.retired) else {
            store::add(conn, database.id, company_id, &changes).await?;
            return Ok(());
        };
        let other_app = changes.client_id.clone().filter(|id| *id != before.client_id);
        if other_app.is_some() || changes.client_secret.is_some() || changes.tenant.is_some() {
            changes.problem = Some(None);
        }
        let Some(client_id) = other_app.filter(|id| !id.is_empty()) else {
            store::change(conn, before.id, &changes).await?;
            return Ok(());
        };
        if store::is_used(conn, before.id).await? {
            let retired = Changes {
                retired: Some(true),
                ..Changes::default()
            };
            store::change(conn, before.id, &retired).await?;
            let known = all.iter().filter(own).find(|row| row.client_id == client_id);
            if let Some(known) = known {
                changes.retired = Some(false);
                store::change(conn, known.id, &changes).await?;
            } else {
                // Another app has another secret. Until it is entered, a message asks for it.
                changes.tenant = changes.tenant.or(Some(before.tenant.clone()));
                store::add(conn, database.id, company_id, &changes).await?;
            }
        } else {
            store::change(conn, before.id, &changes).await?;
        }
        store::drop_unused(conn, database.id).await?;
        Ok(())
    })
    .await
}

/// Makes the company's users log in with the database's registration. Users who consented to the
/// company's own keep it until they log in again.
///
/// # Errors
/// When the store fails.
pub async fn remove(conn: &mut Connection, database: &Database, company_id: i32) -> anyhow::Result<()> {
    let Some(row) = present(conn, database, Some(company_id)).await? else {
        return Ok(());
    };
    let retired = Changes {
        retired: Some(true),
        ..Changes::default()
    };
    store::change(conn, row.id, &retired).await?;
    store::drop_unused(conn, database.id).await?;
    Ok(())
}

/// Notes that Microsoft does not accept what an administrator entered: on the registration, once in
/// the journal, and in words for the people concerned.
///
/// # Errors
/// When the store fails.
pub async fn note_problem(
    conn: &mut Connection,
    database: &Database,
    row: &Registration,
    error: &LoginError,
) -> anyhow::Result<Said> {
    let whose = row.company_id.map(|_| say::app_of_company());
    let expiry = row.secret_expires_on.map(say::app_secret_expires);
    let sentences = whose.into_iter().chain(expiry).chain([say::app_remedy()]);
    let words = sentences.fold(error.words(), |before, next| say::in_a_row(before, next).into());
    tracing::error!(database.uuid = %database.uuid, registration.id = row.id, %error, "Microsoft does not accept the app registration");
    if store::set_problem(conn, row.id, Some(&words)).await? > 0 {
        note(conn, database, None, Level::Error, words.clone()).await?;
    }
    Ok(words)
}

/// Returns what the add-on shows of them.
pub fn states(rows: &[Registration]) -> Vec<RegistrationState> {
    rows.iter()
        .filter(|row| !row.retired)
        .map(|row| RegistrationState {
            company_id: row.company_id,
            client_id: row.client_id.clone(),
            has_secret: row.client_secret.is_some(),
            tenant: row.tenant.clone(),
            secret_expires_on: row.secret_expires_on,
            problem: row.problem.clone(),
            problem_words: row.problem_words.clone(),
        })
        .collect()
}

/// Returns what Microsoft rejects about the registration that an account's consent belongs to.
pub fn problem_of(rows: &[Registration], account: &Account) -> Option<Said> {
    let row = match account.registration_id {
        Some(id) => rows.iter().find(|row| row.id == id),
        None => rows.iter().find(|row| row.company_id.is_none() && !row.retired),
    };
    let row = row?;
    let problem = row.problem.clone()?;
    Some(Said::stored(problem, row.problem_words.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_are_ids_and_domains() {
        for good in [
            "6babcaad-604b-40ac-a9d7-9fd97c0b779f",
            "6BABCAAD-604B-40AC-A9D7-9FD97C0B779F",
            "contoso.onmicrosoft.com",
            "organizations",
        ] {
            assert!(is_tenant(good), "{good}");
        }
        for bad in [
            "contoso",
            "..",
            "a/b.c",
            "https://login.example/",
            "two words.com",
            "-x.com",
            "6babcaad",
            "a.b?c=d",
        ] {
            assert!(!is_tenant(bad), "{bad}");
        }
    }
}
