//! What is known about databases and mailboxes, for `status` and `accounts`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::admin;
use crate::engine::{Settings, now};
use crate::odoo::api::Versions;
use crate::odoo::exchange::{AccountState, AccountStatus, State};
use crate::store::databases::Database;
use crate::store::{Connection, accounts, leases, outbox, put_aside};

/// A database of Odoo.
#[derive(Debug, Serialize)]
pub struct DatabaseView {
    pub uuid: String,
    pub name: String,
    pub base_url: String,
    pub paired: bool,
    /// Whether it has a client id and a secret.
    pub configured: bool,
    pub paused: bool,
    /// When Odoo has exchanged last.
    pub heard_at: DateTime<Utc>,
    /// Changes that Odoo has not taken yet.
    pub owed_to_odoo: i64,
    /// Writes that Outlook has not got yet.
    pub owed_to_outlook: i64,
    /// Events that are set aside.
    pub set_aside: i64,
    pub mailboxes: usize,
    pub mailboxes_in_trouble: usize,
    /// What somebody should look at, in sentences.
    pub problems: Vec<String>,
}

/// A user's mailbox.
#[derive(Debug, Serialize)]
pub struct AccountView {
    pub database: String,
    pub user_id: i32,
    pub login: String,
    pub status: AccountStatus,
    pub last_sync: Option<DateTime<Utc>>,
    pub owed_to_outlook: i64,
    pub set_aside: i64,
    /// How many runs in a row have failed.
    pub failed_runs: i32,
    /// How many mails wait for approval.
    pub mails_held: i32,
    /// How many events with guests wait for the user's choice.
    pub waiting_for_choice: i64,
    pub reason: Option<String>,
}

impl AccountView {
    /// Returns whether somebody should look at it.
    pub fn is_in_trouble(&self) -> bool {
        let needs_somebody = matches!(self.status, AccountStatus::NeedAuth | AccountStatus::Attention);
        needs_somebody || self.failed_runs > 0 || self.set_aside > 0
    }

    /// Returns its state in a word.
    pub fn words(&self) -> &'static str {
        match self.status {
            _ if self.failed_runs > 0 => "FAILING",
            AccountStatus::Active => "active",
            AccountStatus::Stopped => "stopped",
            AccountStatus::NeedAuth => "needs login",
            AccountStatus::Attention => "attention",
            AccountStatus::Resetting => "being reset",
        }
    }
}

/// Returns a database and its mailboxes.
///
/// # Errors
/// When Postgres fails.
pub async fn of(
    conn: &mut Connection,
    configured: &Settings,
    database: &Database,
) -> anyhow::Result<(DatabaseView, Vec<AccountView>)> {
    let mut state = admin::state::state(conn, configured, database.id, None)
        .await
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    let told = std::mem::take(&mut state.accounts);
    let mailboxes = accounts_of(conn, database, told).await?;
    let view = DatabaseView {
        uuid: database.uuid.clone(),
        name: database.name.clone(),
        base_url: database.base_url.clone(),
        paired: database.key_hash.is_some(),
        configured: state.configured,
        paused: state.paused,
        heard_at: database.heard_at,
        owed_to_odoo: outbox::odoo_owed(conn, database.id).await?,
        owed_to_outlook: mailboxes.iter().map(|one| one.owed_to_outlook).sum(),
        set_aside: mailboxes.iter().map(|one| one.set_aside).sum(),
        mailboxes: mailboxes.len(),
        mailboxes_in_trouble: mailboxes.iter().filter(|one| one.is_in_trouble()).count(),
        problems: problems(database, &state),
    };
    Ok((view, mailboxes))
}

async fn accounts_of(
    conn: &mut Connection,
    database: &Database,
    told: Vec<AccountState>,
) -> anyhow::Result<Vec<AccountView>> {
    let mut told: BTreeMap<i32, AccountState> = told.into_iter().map(|one| (one.user_id, one)).collect();
    let mut views = Vec::new();
    for account in accounts::of_database(conn, database.id).await? {
        let Some(state) = told.remove(&account.odoo_user_id) else {
            continue;
        };
        views.push(AccountView {
            database: database.name.clone(),
            user_id: account.odoo_user_id,
            status: state.status,
            last_sync: account.last_sync_at,
            owed_to_outlook: outbox::outlook_owed(conn, account.id).await?,
            set_aside: put_aside::count(conn, account.id).await?,
            failed_runs: account.failures,
            mails_held: state.mails,
            waiting_for_choice: state.waiting,
            reason: state.reason,
            login: account.login,
        });
    }
    Ok(views)
}

/// Returns what is wrong with a database as a whole, the worst first.
fn problems(database: &Database, state: &State) -> Vec<String> {
    let mut problems = Vec::new();
    let misunderstood = database.versions().and_then(Versions::problem);
    for reason in state.quarantined.clone().into_iter().chain(misunderstood) {
        problems.push(format!("NOTHING IS EXCHANGED: {reason}"));
    }
    if database.key_hash.is_some() && now() - database.heard_at > leases::HEARD_FOR {
        problems.push(format!(
            "NOT HEARD FROM since {}: its mailboxes rest until Odoo calls again",
            database.heard_at.format("%F %T UTC")
        ));
    }
    if let (Some(since), Some(reason)) = (database.failing_since, &database.exchange_problem) {
        problems.push(format!(
            "NO EXCHANGE SUCCEEDS since {} ({} failed): {reason}",
            since.format("%F %T UTC"),
            database.exchange_failures
        ));
    }
    if !state.configured {
        problems.push("client id or secret missing: enter them in Odoo's settings".to_owned());
    }
    if let Some(problem) = &state.notify_problem {
        problems.push(format!(
            "POLLED, as Microsoft cannot notify of changes: {problem}"
        ));
    }
    problems
}
