//! Failures: whether one is an item's or the mailbox's, how long to wait before the next attempt,
//! and what a person is told.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;

use crate::engine::{Engine, now};
use crate::outlook::GraphError;
use crate::outlook::error::Limit;
use crate::store::accounts::Account;
use crate::store::outbox::WritesOnHold;
use crate::store::reason::Reason;
use crate::store::troubles::Troubles;
use crate::words::{Said, Sentence, say};

/// A mailbox says why it fails after this many failures in a row, if `TIME_BEFORE_REASON` has
/// passed as well.
pub const FAILURES_BEFORE_REASON: i32 = 3;
/// How long a mailbox must have made no progress before it says why.
const TIME_BEFORE_REASON: TimeDelta = TimeDelta::minutes(5);
const SECOND: TimeDelta = TimeDelta::seconds(1);
const MINUTE: TimeDelta = TimeDelta::minutes(1);
const HOUR: TimeDelta = TimeDelta::hours(1);

/// Returns a wait that doubles with each attempt, from the shortest to the longest. Up to a quarter
/// is added at random, so that items that failed together do not retry together.
pub fn backoff(attempts: i32, shortest: TimeDelta, longest: TimeDelta) -> TimeDelta {
    let times = 2i32.saturating_pow(u32::try_from(attempts.clamp(0, 30)).unwrap_or(0));
    let wait = shortest
        .checked_mul(times)
        .map_or(longest, |wait| wait.min(longest));
    let extra = rand::random_range(0..=wait.num_milliseconds().max(0) / 4);
    wait + TimeDelta::milliseconds(extra)
}

/// Returns a pause that doubles with each attempt, up to five minutes. If Microsoft asks for a
/// pause, it is that long, up to six hours.
pub fn pause(attempts: i32, asked: Option<Duration>) -> TimeDelta {
    let asked = asked
        .and_then(|asked| TimeDelta::from_std(asked).ok())
        .unwrap_or_default();
    backoff(attempts, SECOND, MINUTE * 5).max(asked.min(HOUR * 6))
}

/// Returns how long a limit of a mailbox counts as unchanged. Such limits last hours or days, and
/// somebody may lift them earlier.
pub fn limit_pause(times: i32, asked: Option<Duration>) -> TimeDelta {
    let asked = asked.and_then(|asked| TimeDelta::from_std(asked).ok());
    backoff(times, MINUTE * 5, HOUR * 6).max(asked.unwrap_or_default().min(HOUR * 6))
}

/// Returns what the owner of a mailbox with such a limit is told.
pub fn describe_limit(limit: Limit, code: &str) -> Sentence {
    match limit {
        Limit::Sending => say::cannot_send(code),
        Limit::Room => say::is_full(code),
    }
}

/// Returns the limit for which a code was stored.
fn limit_of(code: &str) -> Limit {
    Limit::of(507, code).unwrap_or(Limit::Room)
}

/// Returns which of a mailbox's writes wait for now. `holds` says that collected mails wait for
/// approval.
pub fn writes_on_hold(known: &Troubles, holds: bool) -> WritesOnHold {
    let is_standing = known.limited_until.is_some_and(|until| until > now());
    let limit = known.limited_by.as_deref().filter(|_| is_standing).map(limit_of);
    WritesOnHold {
        collected: holds,
        mails: limit.is_some(),
        creations: limit == Some(Limit::Room),
    }
}

/// Returns what the owner is told while the limit lasts, though everything else is synced.
pub fn describe_lasting_limit(known: &Troubles, account: &Account) -> Option<Sentence> {
    if let Some(code) = &known.limited_by {
        return Some(describe_limit(limit_of(code), code));
    }
    let window = account.window_start.zip(account.window_end);
    let (start, end) = window.filter(|_| known.halvings > 0)?;
    Some(say::window_is_narrow(start.date_naive(), end.date_naive()))
}

/// Decides whose failure it was when one item was requested: the item's own, or the mailbox's,
/// which is returned as an error. If the failure itself does not say, the mailbox is asked for
/// something else.
///
/// # Errors
/// The mailbox's trouble.
pub async fn attribute_failure(
    engine: &Engine,
    token: &SecretString,
    error: GraphError,
) -> Result<Reason, GraphError> {
    match error {
        GraphError::Unauthorized
        | GraphError::Challenged { .. }
        | GraphError::Throttled { .. }
        | GraphError::MailboxClosed { .. }
        | GraphError::Limited { .. } => Err(error),
        GraphError::Invalid { .. } | GraphError::DuplicateTransaction { .. } | GraphError::GaveUp { .. } => {
            Ok(Reason::MicrosoftFails(error.words().into()))
        }
        error => {
            engine.graph.check_reachable(token).await?;
            Ok(Reason::MicrosoftFails(error.words().into()))
        }
    }
}

/// How a mailbox rests after a run that failed.
#[derive(Debug)]
pub struct Rest {
    pub wait: TimeDelta,
    /// Whether no wake-up ends the rest early: Microsoft has asked for it, or more requests would
    /// make it worse.
    pub ignores_wake_ups: bool,
    /// What its owner is told.
    pub reason: Option<Said>,
}

impl Rest {
    /// Returns the rest after a failure of the mailbox.
    pub fn after_graph(error: &GraphError, account: &Account) -> Self {
        let failures = account.failures;
        let known = |wait, words: Sentence| Self {
            wait,
            ignores_wake_ups: false,
            reason: Some(words.into()),
        };
        match error {
            // The token was revoked early. The next run renews it.
            GraphError::Unauthorized if failures < FAILURES_BEFORE_REASON => Self {
                wait: match failures {
                    0 => TimeDelta::zero(),
                    _ => pause(failures, None),
                },
                ignores_wake_ups: false,
                reason: None,
            },
            // The claims are stored. The next run renews the login with them.
            GraphError::Challenged { .. } => Self {
                wait: match failures {
                    0 => TimeDelta::zero(),
                    _ => pause(failures, None),
                },
                ignores_wake_ups: false,
                reason: None,
            },
            GraphError::Unauthorized => Self {
                // Each attempt renews the login first.
                ignores_wake_ups: true,
                ..known(
                    backoff(failures - FAILURES_BEFORE_REASON, MINUTE, HOUR),
                    say::calendar_refused(),
                )
            },
            GraphError::MailboxMissing => known(backoff(failures, MINUTE * 15, HOUR), say::no_mailbox()),
            GraphError::MailboxClosed { code }
            | GraphError::Forbidden { code }
            | GraphError::Unreachable { code } => {
                known(backoff(failures, SECOND * 5, HOUR), say::mailbox_closed(code))
            }
            GraphError::Limited {
                limit,
                code,
                retry_after,
            } => known(limit_pause(failures, *retry_after), describe_limit(*limit, code)),
            GraphError::Throttled { retry_after } | GraphError::Transient { retry_after, .. } => Self {
                wait: pause(failures, *retry_after),
                ignores_wake_ups: retry_after.is_some() || matches!(error, GraphError::Throttled { .. }),
                reason: is_lasting(account).then(|| say::tried_again(error.words()).into()),
            },
            other => Self {
                wait: backoff(failures, SECOND * 5, HOUR),
                ignores_wake_ups: false,
                reason: is_lasting(account).then(|| say::calendar_cannot_be_read(other.words()).into()),
            },
        }
    }

    /// Returns the rest after a failure of the bridge itself. Its details go to the log.
    pub fn after_internal_error(account: &Account) -> Self {
        Self {
            wait: backoff(account.failures, SECOND * 5, MINUTE * 15),
            ignores_wake_ups: false,
            reason: is_lasting(account).then(|| say::bridge_fails(account.id.to_string()).into()),
        }
    }

    /// Returns the rest while Microsoft rejects the app registration's settings. The database's
    /// state says so.
    pub fn after_settings(account: &Account) -> Self {
        Self {
            wait: backoff(account.failures, MINUTE * 5, HOUR),
            ignores_wake_ups: false,
            reason: None,
        }
    }

    /// Returns the rest after a login that could not be renewed now.
    pub fn after_login(account: &Account, asked: Option<Duration>, words: &Said) -> Self {
        Self {
            wait: pause(account.failures, asked),
            ignores_wake_ups: asked.is_some(),
            reason: is_lasting(account).then(|| say::tried_again(words.clone()).into()),
        }
    }

    /// Returns the rest after Microsoft has refused to renew a login for a reason that the protocol
    /// does not define.
    pub fn after_refusal(account: &Account, words: &Said) -> Self {
        Self {
            wait: backoff(account.failures, MINUTE * 5, HOUR),
            ignores_wake_ups: true,
            reason: Some(say::login_refused(words.clone()).into()),
        }
    }
}

/// Returns whether a mailbox has failed for some time. `account` is as it was before the last
/// failure.
fn is_lasting(account: &Account) -> bool {
    let stands = |last: DateTime<Utc>| last < now() - TIME_BEFORE_REASON;
    account.failures + 1 >= FAILURES_BEFORE_REASON && account.last_sync_at.is_none_or(stands)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_doubles_to_its_end_and_no_two_are_alike() {
        for attempts in [0, 1, 5, 8, 30, i32::MAX] {
            let least = (1i64 << attempts.min(8)).min(100);
            let wait = backoff(attempts, SECOND, SECOND * 100);
            let least = TimeDelta::seconds(least);
            assert!(wait >= least && wait <= least + least / 4, "{attempts}: {wait}");
        }
        let several: std::collections::BTreeSet<TimeDelta> =
            (0..20).map(|_| backoff(9, MINUTE, HOUR)).collect();
        assert!(several.len() > 10);
    }

    #[test]
    fn microsofts_wait_is_the_least() {
        assert!(pause(0, Some(Duration::from_secs(700))) >= TimeDelta::seconds(700));
        assert!(pause(3, Some(Duration::from_secs(2))) >= TimeDelta::seconds(8));
        assert!(pause(0, None) <= TimeDelta::seconds(2));
        assert_eq!(
            pause(0, Some(Duration::from_secs(1 << 40))),
            HOUR * 6,
            "within reason"
        );
    }
}
