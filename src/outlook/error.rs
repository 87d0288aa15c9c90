//! The errors of calls to Graph, divided by what the sync does about them.

use std::time::Duration;

use crate::words::{Said, say};

/// The error of a failed call. No variant contains a token. `message` is Microsoft's wording and
/// may contain addresses, so it is for the journal and not for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// 401: the access token is no longer accepted. Refresh it; if that does not help, the user
    /// must log in again.
    #[error("Microsoft no longer accepts the sign-in")]
    Unauthorized,
    /// 401 with a claims challenge: the next token has to prove `claims`, a JSON object.
    #[error("Microsoft wants the sign-in to prove more")]
    Challenged { claims: String },
    /// 403: logged in, but not allowed. Only another call shows whether this is about one event or
    /// the whole mailbox ([`super::client::GraphClient::check_reachable`]).
    #[error("Microsoft does not allow this ({code})")]
    Forbidden { code: String },
    /// 404 `ErrorItemNotFound`: this mailbox has no such event, or no longer.
    #[error("the event is not in this mailbox")]
    NotFound,
    /// Another 404: the requested object cannot be found now, which does not mean that it is gone.
    #[error("Microsoft cannot find the way to this now ({code})")]
    Unreachable { code: String },
    /// 403 or another 404 about the mailbox as a whole.
    #[error("Microsoft does not let the bridge into the mailbox ({code})")]
    MailboxClosed { code: String },
    /// Microsoft failed at the same write again and again, while the rest of the mailbox answered.
    #[error("Microsoft has failed at this each time ({reason})")]
    GaveUp { reason: String },
    /// 409 or 412: the event has changed meanwhile. Read it and merge again.
    #[error("the event was changed at the same time")]
    Conflict,
    /// The transaction id was used for an event with other content. `existing` is that event's id,
    /// if Graph names it.
    #[error("the event has been created before")]
    DuplicateTransaction { existing: Option<String> },
    /// The stored delta link is not valid any more (410, or 400/404 for the link). Start the delta
    /// again.
    #[error("Microsoft has forgotten where the sync was")]
    ResyncRequired,
    /// 429: too many calls. The call was not carried out.
    #[error("Microsoft asks to slow down")]
    Throttled {
        /// `None` if Microsoft named no time. Back off exponentially.
        retry_after: Option<Duration>,
    },
    /// The mailbox has reached a limit of its own. Its calendar accepts writes that the limit does
    /// not concern. The call was not carried out.
    #[error("{limit} ({code})")]
    Limited {
        limit: Limit,
        code: String,
        retry_after: Option<Duration>,
    },
    /// The network, a timeout, or a failure of Microsoft (5xx).
    #[error("Microsoft could not be reached or failed ({reason})")]
    Transient {
        /// Whether a write may have been carried out nevertheless. Check with a GET before
        /// repeating it.
        outcome_unknown: bool,
        retry_after: Option<Duration>,
        /// `connect`, `timeout`, `network`, `unreadable reply`, or the status and Graph's code.
        reason: String,
        /// The status of Microsoft's answer, if Microsoft failed.
        status: Option<u16>,
    },
    /// Refused for good: another 4xx. Repeating it unchanged does not help.
    #[error("Microsoft refused this ({status} {code})")]
    Invalid {
        status: u16,
        code: String,
        message: String,
    },
    /// The account has no mailbox that Graph can reach (no Exchange Online license, or a mailbox on premises).
    #[error("the account has no Outlook mailbox")]
    MailboxMissing,
}

/// What a mailbox may not do for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Send mail: too many messages or recipients, or an account under suspicion.
    Sending,
    /// Grow: it is full.
    Room,
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sending => "Microsoft lets this mailbox send no mail now",
            Self::Room => "the mailbox is full",
        })
    }
}

impl Limit {
    /// Returns the limit that a refusal is about, by its code, as reports differ in the status.
    /// Exchange's codes for accounts that may not send begin as here, and some continue
    /// (`…ShowTierUpgrade`). 507 is a full store (page *errors*).
    pub fn of(status: u16, code: &str) -> Option<Self> {
        const SENDING: [&str; 6] = [
            "ErrorMessageSubmissionBlocked",
            "ErrorExceededMessageLimit",
            "ErrorExceededHourlyMessageLimit",
            "ErrorExceededMaxRecipientLimit",
            "ErrorSubmissionQuotaExceeded",
            "ErrorAccountSuspend",
        ];
        if SENDING.iter().any(|known| code.starts_with(known)) {
            return Some(Self::Sending);
        }
        (status == 507 || code == "ErrorQuotaExceeded").then_some(Self::Room)
    }
}

impl GraphError {
    /// Returns the error for people.
    pub fn words(&self) -> Said {
        let sentence = match self {
            Self::Forbidden { code } => say::microsoft_forbids(code),
            Self::NotFound => say::microsoft_misses_it(),
            Self::Unreachable { code } => say::microsoft_finds_no_way(code),
            Self::GaveUp { reason } => say::microsoft_gave_up(reason),
            Self::Conflict => say::microsoft_saw_a_change(),
            Self::DuplicateTransaction { .. } => say::microsoft_has_made_it(),
            Self::ResyncRequired => say::microsoft_has_forgotten(),
            Self::Throttled { .. } => say::microsoft_slows_down(),
            Self::Transient { reason, .. } => say::microsoft_failed(reason),
            // The status is a name, and not a number that languages write in their own ways.
            Self::Invalid { status, code, .. } => say::microsoft_refused(status.to_string(), code),
            // They concern the mailbox, whose account says what to do in sentences of its own.
            Self::Unauthorized
            | Self::Challenged { .. }
            | Self::MailboxClosed { .. }
            | Self::Limited { .. }
            | Self::MailboxMissing => return self.to_string().into(),
        };
        sentence.into()
    }

    /// Returns a word for the kind of error, for metrics and traces. It contains nothing that
    /// Microsoft has said.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Challenged { .. } => "challenged",
            Self::Forbidden { .. } => "forbidden",
            Self::NotFound => "not_found",
            Self::Unreachable { .. } => "unreachable",
            Self::MailboxClosed { .. } => "mailbox_closed",
            Self::GaveUp { .. } => "gave_up",
            Self::Conflict => "conflict",
            Self::DuplicateTransaction { .. } => "duplicate",
            Self::ResyncRequired => "resync_required",
            Self::Throttled { .. } => "throttled",
            Self::Limited { .. } => "limited",
            Self::Transient { .. } => "transient",
            Self::Invalid { .. } => "invalid",
            Self::MailboxMissing => "mailbox_missing",
        }
    }

    /// Returns whether the same call may succeed later although nobody does anything.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Throttled { .. } | Self::Transient { .. })
    }

    /// Returns whether a write with this error may have been carried out nevertheless.
    pub fn outcome_unknown(&self) -> bool {
        matches!(
            self,
            Self::Transient {
                outcome_unknown: true,
                ..
            }
        )
    }

    /// Returns whether the error may concern a single event, so that others may succeed.
    pub fn may_concern_one_event(&self) -> bool {
        matches!(
            self,
            Self::Forbidden { .. }
                | Self::Unreachable { .. }
                | Self::GaveUp { .. }
                | Self::Invalid { .. }
                | Self::DuplicateTransaction { .. }
        )
    }

    /// Returns whether the error concerns the mailbox as a whole, whatever was requested.
    pub fn concerns_mailbox(&self) -> bool {
        matches!(
            self,
            Self::Unauthorized
                | Self::Challenged { .. }
                | Self::Throttled { .. }
                | Self::MailboxClosed { .. }
                | Self::MailboxMissing
        )
    }

    /// Returns whether a mailbox that refuses a write with this error may be read nevertheless.
    pub fn allows_reading(&self) -> bool {
        matches!(
            self,
            Self::MailboxClosed { .. }
                | Self::Transient {
                    retry_after: None,
                    ..
                }
        )
    }

    /// Returns whether the same request may succeed some day although nobody changes it.
    pub fn may_succeed_later(&self) -> bool {
        matches!(
            self,
            Self::Forbidden { .. } | Self::Unreachable { .. } | Self::GaveUp { .. } | Self::Transient { .. }
        )
    }

    /// Converts the error into one about the mailbox as a whole, once that is known.
    #[must_use]
    pub fn into_mailbox_error(self) -> Self {
        match self {
            Self::Forbidden { code } | Self::Unreachable { code } => Self::MailboxClosed { code },
            other => other,
        }
    }

    /// Makes an error that says nothing about Microsoft's state, and after which nothing was
    /// carried out.
    pub fn without_effect(reason: impl Into<String>) -> Self {
        Self::Transient {
            outcome_unknown: false,
            retry_after: None,
            reason: reason.into(),
            status: None,
        }
    }

    /// Returns how long Microsoft asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after }
            | Self::Transient { retry_after, .. }
            | Self::Limited { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    pub(super) fn invalid_request(code: &str, message: &str) -> Self {
        Self::Invalid {
            status: 0,
            code: code.to_owned(),
            message: message.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measures::RUN_FAILURES;

    #[test]
    fn each_kind_is_counted_from_the_start() {
        let code = String::new;
        let all = [
            GraphError::Unauthorized,
            GraphError::Challenged { claims: code() },
            GraphError::Forbidden { code: code() },
            GraphError::NotFound,
            GraphError::Unreachable { code: code() },
            GraphError::MailboxClosed { code: code() },
            GraphError::GaveUp { reason: code() },
            GraphError::Conflict,
            GraphError::DuplicateTransaction { existing: None },
            GraphError::ResyncRequired,
            GraphError::Throttled { retry_after: None },
            GraphError::Limited {
                limit: Limit::Room,
                code: code(),
                retry_after: None,
            },
            GraphError::without_effect(""),
            GraphError::invalid_request("", ""),
            GraphError::MailboxMissing,
        ];
        for error in all {
            assert!(RUN_FAILURES.label.1.contains(&error.kind()), "{error:?}");
        }
    }
}
