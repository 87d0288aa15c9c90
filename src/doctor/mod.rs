//! Finds out what is wrong with an installation, for `outlook-bridge doctor` and for *Check* in
//! Odoo's settings.
//!
//! | file | what it checks |
//! |---|---|
//! | [`code`] | nothing: it is the list of what can be found, with its meaning and remedy |
//! | [`report`] | nothing: what was found, as JSON and as text |
//! | [`machine`] | the data directory, the proxy, the trusted authorities |
//! | [`postgres`] | Postgres, its schema, the master key |
//! | [`microsoft`] | whether Microsoft answers, and both clocks |
//! | [`app`] | the app registration at Microsoft: consent, redirect URI, id, secret, tenant |
//! | [`odoo`] | both directions between Odoo and the service, Odoo's jobs, versions, clock |
//! | [`notifications`] | the address for change notifications, and the subscriptions |
//! | [`mailboxes`] | what is stopped, what waits for a person, mailboxes in trouble |
//!
//! **Invariant:** nothing is written, neither to Postgres nor to a disk. Each check has its own
//! limit of time, and none prevents another.

mod app;
pub mod code;
pub mod machine;
mod mailboxes;
mod microsoft;
mod notifications;
mod odoo;
pub mod postgres;
pub mod report;

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::time::timeout;

use crate::engine::Engine;
use crate::store::Connection;
use crate::store::accounts::Account;
use crate::store::databases::{self, Database};
use crate::store::refusals::{self, Refusal};
use crate::store::registrations::{self, Registration};
use crate::store::subscriptions::{self, Subscription};
use crate::store::told;
use crate::store::troubles::Troubles;

use code::{Check, Code};
pub use microsoft::Microsoft;
pub use odoo::OdooFacts;
use report::{Finding, Report};

/// How long one request may take.
const ONE_REQUEST: Duration = Duration::from_secs(6);
/// How long a check may take that makes several requests.
const LONGEST_CHECK: Duration = Duration::from_secs(14);
/// How long the whole check of a database may take that Odoo asked for: less than Odoo waits.
const LONGEST_FOR_ADMINISTRATORS: Duration = Duration::from_secs(18);
/// How many databases are checked at a time.
const DATABASES_AT_ONCE: usize = 8;

/// Who reads the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// Whoever runs the service.
    Operator,
    /// The administrators of the database. They are told nothing about the service's machine.
    Administrator,
}

/// A check that was begun.
type Running<'a> = BoxFuture<'a, Vec<Finding>>;

/// Runs a check within a limit of time. A check that fails or takes too long is a finding itself.
pub async fn limited(
    check: Check,
    limit: Duration,
    work: impl Future<Output = anyhow::Result<Vec<Finding>>>,
) -> Vec<Finding> {
    match timeout(limit, work).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => vec![Finding::of(check, Code::CheckFailed, format!("{error:#}"))],
        Err(_) => {
            let found = format!("There was no result after {} s.", limit.as_secs());
            vec![Finding::of(check, Code::CheckTimedOut, found)]
        }
    }
}

/// Waits for all checks, in whatever order they end.
async fn all(running: Vec<Running<'_>>) -> Vec<Finding> {
    let mut running: FuturesUnordered<_> = running.into_iter().collect();
    let mut found = Vec::new();
    while let Some(some) = running.next().await {
        found.extend(some);
    }
    found
}

/// What the service stores about a database, read once, so that no check waits for Postgres.
#[derive(Debug)]
pub struct Known {
    pub database: Database,
    registrations: Vec<Registration>,
    accounts: Vec<Account>,
    refusals: Vec<Refusal>,
    subscriptions: HashMap<i64, Subscription>,
    troubles: HashMap<i64, Troubles>,
}

impl Known {
    /// Reads it.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn read(conn: &mut Connection, database: Database) -> anyhow::Result<Self> {
        let mut accounts = Vec::new();
        let mut all_troubles = HashMap::new();
        for (account, troubles) in told::accounts(conn, database.id, None).await? {
            if let Some(troubles) = troubles {
                all_troubles.insert(account.id, troubles);
            }
            accounts.push(account);
        }
        let of_database = subscriptions::of_database(conn, database.id).await?;
        let all_subscriptions = of_database.into_iter().map(|one| (one.account_id, one));
        Ok(Self {
            registrations: registrations::of_database(conn, database.id).await?,
            refusals: refusals::of_database(conn, database.id).await?,
            accounts,
            subscriptions: all_subscriptions.collect(),
            troubles: all_troubles,
            database,
        })
    }
}

/// Checks what concerns one database.
async fn check_known(
    engine: &Engine,
    known: &Known,
    told: Option<OdooFacts>,
    reader: Reader,
) -> Vec<Finding> {
    let database = &known.database;
    let mut found = if database.key_hash.is_none() {
        let words = format!("{} is not paired any more.", database.name);
        vec![Finding::new(Code::Unpaired, words)]
    } else {
        all(vec![
            Box::pin(app::refused_logins(known)),
            Box::pin(limited(Check::App, LONGEST_CHECK, async {
                Ok(app::registrations(engine, known).await)
            })),
            Box::pin(limited(Check::Redirect, LONGEST_CHECK, async {
                Ok(app::redirect(engine, known).await)
            })),
            Box::pin(odoo::check(engine, known, told, reader)),
            Box::pin(notifications::check(engine, known)),
            Box::pin(mailboxes::check(known)),
        ])
        .await
    };
    for finding in &mut found {
        finding.database = Some(database.into());
    }
    found
}

/// Checks all databases, for the operator.
pub async fn check_databases(engine: &Engine, all_known: &[Known]) -> Vec<Finding> {
    if all_known.is_empty() {
        let found = "No Odoo database is paired with this service.".to_owned();
        return vec![Finding::new(Code::NothingPaired, found)];
    }
    let checks = all_known
        .iter()
        .map(|known| check_known(engine, known, None, Reader::Operator));
    futures_util::stream::iter(checks)
        .buffer_unordered(DATABASES_AT_ONCE)
        .concat()
        .await
}

/// Checks one database, for its administrators. `told` is what its add-on sees, which counts if the
/// service cannot ask Odoo itself.
///
/// # Errors
/// When Postgres fails.
pub async fn check_for_administrators(
    engine: &Engine,
    database: &Database,
    told: Option<OdooFacts>,
) -> anyhow::Result<Report> {
    let work = async {
        let known = {
            let mut conn = engine.store.get().await?;
            // Read again: the call itself may have changed it.
            let database = databases::by_id(&conn, database.id).await?;
            Known::read(&mut conn, database)
                .await
                .context("reading what is stored about this database")?
        };
        let microsoft = Microsoft::of(engine);
        let found = all(vec![
            Box::pin(check_known(engine, &known, told, Reader::Administrator)),
            Box::pin(microsoft.check(Reader::Administrator)),
        ]);
        anyhow::Ok(found.await)
    };
    let found = match timeout(LONGEST_FOR_ADMINISTRATORS, work).await {
        Ok(found) => found?,
        Err(_) => {
            let words = format!(
                "There was no result after {} s.",
                LONGEST_FOR_ADMINISTRATORS.as_secs()
            );
            vec![Finding::of(Check::Service, Code::CheckTimedOut, words)]
        }
    };
    Ok(Report::new(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_check_that_fails_or_never_ends_is_a_finding_of_its_own_kind() {
        let fails = async { anyhow::bail!("the table is gone") };
        let failed = limited(Check::App, LONGEST_CHECK, fails).await;
        assert_eq!((failed[0].code, failed[0].check), ("check_failed", Check::App));
        assert!(failed[0].found.contains("the table is gone"), "{failed:?}");
        let hangs = std::future::pending();
        let hung = limited(Check::Redirect, LONGEST_CHECK, hangs).await;
        assert_eq!(
            (hung[0].code, hung[0].check),
            ("check_timed_out", Check::Redirect)
        );
        assert!(hung[0].found.contains("14 s"), "{hung:?}");
        // The others still have their results.
        let both = all(vec![
            Box::pin(limited(Check::App, LONGEST_CHECK, std::future::pending())),
            Box::pin(async { vec![Finding::ok(Check::Jobs, "well")] }),
        ]);
        let codes: Vec<&str> = both.await.iter().map(|one| one.code).collect();
        assert_eq!(codes, ["ok", "check_timed_out"]);
    }
}
