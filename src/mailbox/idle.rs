//! The poll of a mailbox in which nothing is pending: its delta is all that there is to look at.

use chrono::{DateTime, Utc};

use crate::auth::accounts::has_fresh_token;
use crate::engine::{Engine, now};
use crate::mailbox::pull::further::follows_calendars;
use crate::mailbox::pull::reaches_far;
use crate::mailbox::subscriptions::{Hearing, Situation};
use crate::outlook::GraphError;
use crate::outlook::client::PageLink;
use crate::store::accounts::{Account, BackfillState};
use crate::store::leases::Claimed;
use crate::store::troubles::are_addresses_old;

/// How many empty pages of a delta a poll follows before a whole run does.
const MOST_EMPTY_PAGES: usize = 8;

/// The result of a poll.
#[derive(Debug)]
pub enum PollOutcome {
    /// Nothing has changed since `at`.
    Unchanged {
        at: DateTime<Utc>,
        delta_link: String,
        hearing: Hearing,
    },
    /// Something has changed or is pending, or nothing could be asked: the mailbox needs a whole run.
    NeedsSync,
    Failed(GraphError),
}

/// Reads the delta of a mailbox, if nothing else is to be done in it.
///
/// # Errors
/// When a secret cannot be opened.
pub async fn poll(engine: &Engine, claimed: &Claimed) -> anyhow::Result<PollOutcome> {
    let account = &claimed.account;
    let at = now();
    let Some(hearing) = hearing_if_idle(engine, claimed, at)? else {
        return Ok(PollOutcome::NeedsSync);
    };
    let (Some(token), Some(mut link)) = (account.access_token(&engine.sealer)?, account.delta_link.clone())
    else {
        return Ok(PollOutcome::NeedsSync);
    };
    // An empty page need not be the last one.
    for _ in 0..MOST_EMPTY_PAGES {
        let page = match engine.graph.delta_next(&token, &link).await {
            Ok(page) if page.rows.is_empty() => page,
            // A run knows what to do about these.
            Ok(_) | Err(GraphError::ResyncRequired | GraphError::Transient { .. }) => {
                return Ok(PollOutcome::NeedsSync);
            }
            Err(error) => return Ok(PollOutcome::Failed(error)),
        };
        match page.next {
            PageLink::Next(next) => link = next,
            PageLink::Delta(delta_link) => {
                return Ok(PollOutcome::Unchanged {
                    at,
                    delta_link,
                    hearing,
                });
            }
        }
    }
    Ok(PollOutcome::NeedsSync)
}

/// Returns how the changes of a mailbox become known in which nothing is pending; `None` if a run
/// has more to do than to read its delta.
///
/// # Errors
/// When the key of the database cannot be opened.
pub fn hearing_if_idle(
    engine: &Engine,
    claimed: &Claimed,
    present: DateTime<Utc>,
) -> anyhow::Result<Option<Hearing>> {
    let Claimed { account, glance, .. } = claimed;
    let days_ahead = glance
        .database_days_ahead
        .map_or(engine.settings.days_ahead, i64::from);
    if glance.has_pending
        || !is_settled(account)
        || !has_fresh_token(account)
        || !reaches_far(account.window_end, days_ahead, present)
        || are_addresses_old(glance.addresses_told_at, present)
        || follows_calendars(account)
    {
        return Ok(None);
    }
    let url = engine.notify_url(glance)?;
    let known = glance.subscription(account.id);
    let situation = Situation {
        known: known.as_ref(),
        url: url.as_deref(),
        retry_at: glance.database_notify_retry_at,
        news_at: account.news_at,
    };
    Ok(situation.at_rest(present))
}

/// Returns whether the account itself says that nothing is under way.
fn is_settled(account: &Account) -> bool {
    account.is_read()
        && !account.resetting
        && account.existing == BackfillState::Told
        && account.pulled_once
        && account.listing_since.is_none()
        && !account.holds_mails()
        && account.reason.is_none()
        && account.failures == 0
}
