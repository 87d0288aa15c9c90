//! What is stopped, what waits for a person, and mailboxes in trouble.

use super::Known;
use super::app::name_some;
use super::code::{Check, Code};
use super::report::Finding;
use crate::mailbox::trouble::{FAILURES_BEFORE_REASON, describe_lasting_limit};
use crate::store::accounts::{Account, SyncState};

pub(super) async fn check(known: &Known) -> Vec<Finding> {
    let mut found = vec![halted(known)];
    let mut active = 0;
    let (mut troubled, mut lapsed, mut braked, mut held) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for account in &known.accounts {
        active += usize::from(account.is_read());
        if account.state == SyncState::NeedAuth && !account.is_reset() {
            lapsed.push(account.login.clone());
        }
        if account.is_braked() {
            braked.push(format!("{} ({} events)", account.login, account.brake_removals));
        }
        if account.holds_mails() {
            held.push(format!("{} ({} mails)", account.login, account.mails_held));
        }
        if let Some(reason) = trouble_of(known, account) {
            troubled.push(format!("{}: {reason}", account.login));
        }
    }
    for (code, lines) in [
        (Code::MailboxesInTrouble, troubled),
        (Code::LoginsLapsed, lapsed),
        (Code::RemovalsWait, braked),
        (Code::MailsWait, held),
    ] {
        if !lines.is_empty() {
            found.push(Finding::new(code, name_some(&lines)));
        }
    }
    if found.len() == 1 {
        let words = format!("{active} mailbox(es) are synced, and none is in trouble.");
        found.push(Finding::ok(Check::Mailboxes, words));
    }
    found
}

fn halted(known: &Known) -> Finding {
    let database = &known.database;
    match database.shut_out() {
        Some(reason) if database.quarantined.is_some() => Finding::new(Code::Quarantined, reason.message),
        Some(reason) => Finding::new(Code::MoveUnconfirmed, reason.message),
        None if database.paused => Finding::new(Code::Paused, "Synchronization is paused."),
        None => Finding::ok(Check::Halted, "Synchronization is on."),
    }
}

fn trouble_of(known: &Known, account: &Account) -> Option<String> {
    if !account.is_active() || account.is_braked() {
        return None;
    }
    let lasting = || {
        let troubles = known.troubles.get(&account.id)?;
        Some(describe_lasting_limit(troubles, account)?.to_string())
    };
    let failing = || {
        let is_failing = account.failures >= FAILURES_BEFORE_REASON;
        is_failing.then(|| format!("{} runs in a row have failed", account.failures))
    };
    account.reason.clone().or_else(lasting).or_else(failing)
}
