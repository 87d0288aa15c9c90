//! What the add-on caches about a database: its settings, and the states of its accounts.

use futures_util::future::try_join4;
use uuid::Uuid;

use crate::auth::{consent, registrations};
use crate::engine::{self, health};
use crate::guards::brake;
use crate::mailbox::trouble;
use crate::odoo::exchange::{AccountState, AccountStatus, State};
use crate::odoo::time::OdooTime;
use crate::reset;
use crate::store::accounts::{Account, SyncState};
use crate::store::{Connection, databases, registrations as stored, told};
use crate::words::{Said, Sentence, say};

/// The least number of days that Odoo sends, however few days its mailboxes are read for. The
/// comparison after a new pairing lies inside (`migration::baseline`).
const LEAST_TOLD_BACK: i64 = 365;
const LEAST_TOLD_AHEAD: i64 = 730;

/// Returns how many days Odoo sends: those that its mailboxes are read for, and at least `least`.
fn days_told(own: Option<i32>, configured: i64, least: i64) -> i64 {
    own.map_or(configured, i64::from).max(least)
}

/// Returns what the add-on caches. `known` is the tag of the state that it has, if it has one: then
/// only accounts that have changed since are in the answer, if that can be known.
///
/// # Errors
/// When Postgres fails.
pub async fn state(
    conn: &Connection,
    configured: &engine::Settings,
    database_id: Uuid,
    known: Option<&str>,
) -> anyhow::Result<State> {
    build(conn, configured, database_id, known, None).await
}

/// Returns the state with the account of one user only, as it is now.
///
/// # Errors
/// When Postgres fails.
pub async fn state_of(
    conn: &Connection,
    configured: &engine::Settings,
    database_id: Uuid,
    user_id: i32,
) -> anyhow::Result<State> {
    build(conn, configured, database_id, None, Some(user_id)).await
}

async fn build(
    conn: &Connection,
    configured: &engine::Settings,
    database_id: Uuid,
    known: Option<&str>,
    user_id: Option<i32>,
) -> anyhow::Result<State> {
    // First, so that a change meanwhile is told twice rather than never.
    let telling = told::telling(conn, database_id, known).await?;
    // Sent together, so that Postgres is waited for once.
    let (database, registrations, needs_consent, accounts) = try_join4(
        databases::by_id(conn, database_id),
        stored::of_database(conn, database_id),
        consent::is_needed(conn, database_id),
        async {
            match user_id {
                Some(user_id) => told::account(conn, database_id, user_id).await,
                None => told::accounts(conn, database_id, telling.since).await,
            }
        },
    )
    .await?;
    let resetting = accounts.iter().filter(|(account, _)| account.resetting);
    let resets = told::resets(conn, resetting.map(|(account, _)| account.id).collect()).await?;
    let mut states = Vec::new();
    for (account, troubles) in accounts {
        let reset = resets.get(&account.id);
        let progress = reset.map(|(left, total)| reset::progress(*left, *total));
        let problem = registrations::problem_of(&registrations, &account);
        let standing = troubles.and_then(|known| trouble::describe_lasting_limit(&known, &account));
        states.push(account_state(&account, problem, progress, standing));
    }
    let shut_out = database.shut_out();
    Ok(State {
        tag: user_id.is_none().then(|| telling.tag.to_string()),
        partial: user_id.is_some() || telling.since.is_some(),
        configured: registrations
            .iter()
            .any(|row| row.company_id.is_none() && !row.retired && row.is_complete()),
        paused: database.paused,
        quarantined_words: shut_out.as_ref().and_then(Said::to_json),
        quarantined: shut_out.map(|said| said.message),
        redirect_uri: database.redirect_uri(),
        policy: database.policy.0,
        brake_over: database.brake_over,
        brake_percent: database.brake_percent,
        mail_budget: database.mail_budget,
        others_outside: database.others_outside,
        mails_an_hour: database.mails_an_hour,
        days_back: database.days_back.unwrap_or_default(),
        days_ahead: database.days_ahead.unwrap_or_default(),
        told_back: days_told(database.days_back, configured.days_back, LEAST_TOLD_BACK),
        told_ahead: days_told(database.days_ahead, configured.days_ahead, LEAST_TOLD_AHEAD),
        sent_back: database.sent_back.unwrap_or_default(),
        created_from: database.created_from.map(OdooTime),
        problem_words: health::problem(&database).as_ref().map(Sentence::to_json),
        problem: health::problem(&database).as_ref().map(Sentence::to_string),
        needs_consent,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        signals: true,
        notify_problem: database.notify_problem,
        registrations: registrations::states(&registrations),
        accounts: states,
    })
}

/// Returns the state of an account.
///
/// * `problem`: what Microsoft rejects about its app registration.
/// * `progress`: how far its reset is.
/// * `standing`: a problem that lasts although its runs succeed.
fn account_state(
    account: &Account,
    problem: Option<Said>,
    progress: Option<Sentence>,
    standing: Option<Sentence>,
) -> AccountState {
    let stored = || {
        account
            .reason
            .clone()
            .map(|reason| Said::stored(reason, account.reason_words.clone()))
    };
    let (status, reason) = match account.state {
        SyncState::Stopped => (AccountStatus::Stopped, None),
        SyncState::NeedAuth => (AccountStatus::NeedAuth, stored()),
        SyncState::Active if progress.is_some() => {
            let said = [progress.map(Said::from), problem.or_else(stored)];
            let said = said.into_iter().flatten();
            (
                AccountStatus::Resetting,
                said.reduce(|progress, why| say::in_a_row(progress, why).into()),
            )
        }
        SyncState::Active if account.is_braked() => {
            (AccountStatus::Attention, brake::words(account).map(Said::from))
        }
        SyncState::Active => match problem.or_else(stored).or_else(|| standing.map(Said::from)) {
            Some(words) => (AccountStatus::Attention, Some(words)),
            None => (AccountStatus::Active, None),
        },
    };
    AccountState {
        user_id: account.odoo_user_id,
        status,
        reason_words: reason.as_ref().and_then(Said::to_json),
        reason: reason.map(|said| said.message),
        login: Some(account.login.clone()),
        last_sync: account.last_sync_at.map(OdooTime),
        connected_at: OdooTime(account.connected_at),
        removals: account.is_braked().then_some(account.brake_removals),
        waiting: account.waiting,
        mails: account.mails_held,
        conflicts: account.unseen_conflicts,
        is_reset: account.is_reset(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odoo_tells_of_the_days_that_mailboxes_are_read_for_and_a_year_at_least() {
        for (own, configured, expected) in [
            (None, 365, 365),
            (None, 30, 365),
            (None, 700, 700),
            (Some(30), 700, 365),
            (Some(800), 365, 800),
        ] {
            assert_eq!(
                days_told(own, configured, LEAST_TOLD_BACK),
                expected,
                "{own:?} {configured}"
            );
        }
    }
}
