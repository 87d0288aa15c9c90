//! The app registration at Microsoft: consent, redirect URI, client id, secret, tenant, expiry.

use std::fmt::Write;
use std::time::Duration;

use chrono::{NaiveDate, TimeDelta, Utc};
use secrecy::ExposeSecret;
use url::{Host, Url};
use uuid::Uuid;

use super::code::{Check, Code};
use super::report::Finding;
use super::{Known, limited};
use crate::auth::consent;
use crate::engine::Engine;
use crate::outlook::login::trial::RedirectTrial;
use crate::outlook::login::words::{is_about_consent, number};
use crate::outlook::login::{App, LoginClient, LoginError, Setting};
use crate::store::registrations::Registration;

/// How long before its end a secret is worth a warning.
const ENDS_SOON: TimeDelta = TimeDelta::days(30);
/// How long one app may take.
const ONE_APP: Duration = Duration::from_secs(8);
/// How many people are named.
const MOST_NAMED: usize = 10;

/// Reads why Microsoft refused logins. A refusal counts until that user logs in, and one about
/// consent only until anybody does.
pub(super) async fn refused_logins(known: &Known) -> Vec<Finding> {
    let last_login = known
        .accounts
        .iter()
        .filter(|account| account.refresh_token.is_some())
        .map(|account| account.connected_at)
        .max();
    let mut of_consent = Vec::new();
    let mut of_rules = Vec::new();
    for refusal in &known.refusals {
        let is_of_consent = u32::try_from(refusal.number).is_ok_and(is_about_consent);
        let account = known
            .accounts
            .iter()
            .find(|account| account.odoo_user_id == refusal.odoo_user_id);
        // Who never logged in is known by Odoo's id alone.
        let who = account.map_or_else(
            || format!("the user with id {}", refusal.odoo_user_id),
            |account| account.login.clone(),
        );
        let line = format!("{who} on {} (AADSTS{})", refusal.at.format("%F"), refusal.number);
        if !is_of_consent {
            of_rules.push(line);
        } else if consent::is_missing(refusal, last_login) {
            of_consent.push(line);
        }
    }
    let mut found = Vec::new();
    for (code, lines) in [(Code::ConsentMissing, of_consent), (Code::LoginRefused, of_rules)] {
        if !lines.is_empty() {
            let words = format!("Microsoft refused the login of {}.", name_some(&lines));
            found.push(Finding::of(Check::Consent, code, words));
        }
    }
    if found.is_empty() {
        let words = match last_login {
            Some(at) => format!(
                "Microsoft has refused no login since the last one succeeded ({}).",
                at.format("%F")
            ),
            None => "Microsoft has refused no login; nobody has logged in yet.".to_owned(),
        };
        found.push(Finding::ok(Check::Consent, words));
    }
    found
}

pub(super) fn name_some(lines: &[String]) -> String {
    let mut text = lines
        .iter()
        .take(MOST_NAMED)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if let Some(more) = lines.len().checked_sub(MOST_NAMED).filter(|more| *more > 0) {
        let _infallible = write!(text, " and {more} more");
    }
    text
}

/// Returns which registration it is, in words.
fn whose(row: &Registration) -> String {
    match row.company_id {
        None => format!("The app {}", row.client_id),
        Some(company) => format!("The app {} of company {company}", row.client_id),
    }
}

/// Asks Microsoft for a token of each app, and looks at the dates.
pub(super) async fn registrations(engine: &Engine, known: &Known) -> Vec<Finding> {
    let rows: Vec<&Registration> = known.registrations.iter().filter(|row| !row.retired).collect();
    let own = rows.iter().find(|row| row.company_id.is_none());
    let mut found = Vec::new();
    if !own.is_some_and(|row| row.is_complete()) {
        let what = match own.map(|row| row.client_id.is_empty()) {
            Some(false) => "The Client Secret is missing.",
            _ => "The Client ID is missing.",
        };
        found.push(Finding::new(Code::ClientMissing, what));
    }
    let mut complete = Vec::new();
    for row in rows {
        if !row.is_complete() {
            if row.company_id.is_some() {
                found.push(Finding::new(
                    Code::ClientMissing,
                    format!("{} is not complete.", whose(row)),
                ));
            }
            continue;
        }
        found.push(check_expiry(row, Utc::now().date_naive()));
        complete.push(row);
    }
    for row in complete {
        let asked = limited(Check::App, ONE_APP, async {
            Ok(vec![try_app(engine, known, row).await?])
        });
        found.extend(asked.await);
    }
    found
}

async fn try_app(engine: &Engine, known: &Known, row: &Registration) -> anyhow::Result<Finding> {
    let whose = whose(row);
    let Some(secret) = row.secret(&engine.sealer, &known.database.uuid)? else {
        return Ok(Finding::new(Code::ClientMissing, "The Client Secret is missing."));
    };
    if Uuid::parse_str(secret.expose_secret().trim()).is_ok() {
        let found = format!("{whose} has a secret that has the form of an id.");
        return Ok(Finding::new(Code::ClientSecretIsItsId, found));
    }
    let redirect_uri = known.database.redirect_uri();
    let app = App {
        client_id: &row.client_id,
        client_secret: &secret,
        redirect_uri: &redirect_uri,
    };
    Ok(match login_of(engine, row).try_app(app).await {
        Ok(()) => Finding::ok(
            Check::App,
            format!("{whose} is accepted by Microsoft, with its secret."),
        ),
        Err(LoginError::Temporary { message, .. }) => {
            let found = format!("Microsoft did not say whether it accepts the app: {message}.");
            Finding::skipped(Check::App, found)
        }
        Err(error) => {
            let code = code_of(&error);
            Finding::new(code, format!("{whose} is refused. {error}"))
        }
    })
}

/// Says what Microsoft's number means (page *reference-error-codes*).
fn code_of(error: &LoginError) -> Code {
    let number = number(&error.to_string());
    match (number, error) {
        (Some(7_000_215), _) => Code::ClientSecretRefused,
        (Some(7_000_222), _) => Code::ClientSecretExpired,
        (Some(700_016 | 700_038 | 90013 | 900_144), _) => Code::ClientIdRefused,
        (Some(50194), _) => Code::TenantMissing,
        (Some(90002 | 900_023), _) => Code::TenantUnknown,
        (Some(7_000_112 | 700_025 | 7_000_218), _) => Code::AppRefused,
        (None, LoginError::AdminProblem { setting, .. }) => match setting {
            Setting::ClientId => Code::ClientIdRefused,
            Setting::ClientSecret => Code::ClientSecretRefused,
            Setting::Tenant => Code::TenantUnknown,
        },
        _ => Code::AppUnclear,
    }
}

fn login_of(engine: &Engine, row: &Registration) -> LoginClient {
    engine.login.of_tenant(row.tenant.as_deref())
}

fn check_expiry(row: &Registration, today: NaiveDate) -> Finding {
    let whose = whose(row);
    let Some(date) = row.secret_expires_on else {
        let found = format!("{whose}: nobody has entered when its secret expires.");
        return Finding::new(Code::SecretEndUnknown, found);
    };
    let found = format!("{whose}: its secret was entered as expiring on {date}.");
    match date - today {
        left if left < TimeDelta::zero() => Finding::new(Code::SecretEnded, found),
        left if left <= ENDS_SOON => Finding::new(Code::SecretEndsSoon, found),
        _ => Finding::ok(Check::Secret, found),
    }
}

/// Returns whether Microsoft lets an app register this redirect URI (page *reply-url*).
fn is_acceptable(uri: &str) -> bool {
    let Ok(url) = Url::parse(uri) else {
        return false;
    };
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && is_here)
}

/// Looks at the redirect URI, and asks Microsoft whether each app has it.
pub(super) async fn redirect(engine: &Engine, known: &Known) -> Vec<Finding> {
    let uri = known.database.redirect_uri();
    if !is_acceptable(&uri) {
        return vec![Finding::new(
            Code::RedirectNotHttps,
            format!("The redirect URI is {uri}"),
        )];
    }
    let rows = known.registrations.iter();
    let rows: Vec<&Registration> = rows
        .filter(|row| !row.retired && !row.client_id.is_empty())
        .collect();
    if rows.is_empty() {
        return vec![Finding::skipped(
            Check::Redirect,
            "There is no app registration to ask about.",
        )];
    }
    let mut found = Vec::new();
    for row in rows {
        let asked = limited(Check::Redirect, ONE_APP, async {
            let asked = login_of(engine, row).try_redirect(&row.client_id, &uri).await;
            Ok(vec![judge_redirect(&whose(row), &uri, asked)])
        });
        found.extend(asked.await);
    }
    found
}

fn judge_redirect(whose: &str, uri: &str, asked: Result<RedirectTrial, LoginError>) -> Finding {
    match asked {
        Ok(RedirectTrial::Registered) => {
            Finding::ok(Check::Redirect, format!("{whose} has the redirect URI {uri}"))
        }
        Ok(RedirectTrial::Unregistered) => {
            let words = format!("{whose} does not have the redirect URI {uri}");
            Finding::new(Code::RedirectUnregistered, words)
        }
        Ok(RedirectTrial::Unclear { number }) => {
            let number = number.map(|n| format!(" (AADSTS{n})")).unwrap_or_default();
            let words = format!("Microsoft did not say whether {uri} is registered{number}.");
            Finding::skipped(Check::Redirect, words)
        }
        Err(error) => {
            let words = format!("Microsoft did not say whether {uri} is registered: {error}.");
            Finding::skipped(Check::Redirect, words)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_uri_is_https_or_of_this_machine() {
        for good in [
            "https://odoo.example/x",
            "http://localhost:8069/x",
            "http://127.0.0.1:8069/x",
        ] {
            assert!(is_acceptable(good), "{good}");
        }
        for bad in [
            "http://odoo.example/x",
            "http://10.0.0.1/x",
            "ftp://localhost/x",
            "odoo.example",
        ] {
            assert!(!is_acceptable(bad), "{bad}");
        }
    }
}
