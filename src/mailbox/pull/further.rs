//! Follows the further calendars of a mailbox that its owner has chosen, each with a delta and a
//! failure of its own: one that cannot be read holds up neither the mailbox nor the others.
//!
//! They are read after the user's own calendar, the one first that was not read for the longest time,
//! as far as the time of a run permits.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use diesel_async::AsyncConnection;
use secrecy::SecretString;
use tokio::time::Instant;

use super::retries;
use super::{Source, ask_about_missing, next_page, open_window, reaches_far, resolve_rows, store, window};
use crate::engine::{Engine, now};
use crate::mailbox::error::PullError;
use crate::mailbox::trouble::{FAILURES_BEFORE_REASON, attribute_failure, backoff};
use crate::measures::Purpose;
use crate::outlook::GraphError;
use crate::outlook::client::{DeltaPage, PageLink};
use crate::planning::people::People;
use crate::planning::planner::Effects;
use crate::store::accounts::{self, Account};
use crate::store::calendars::{self, Calendar, Named};
use crate::store::choices::{StoredChoices, take_calendar_out};
use crate::store::journal::{self, Level, Line};
use crate::store::{databases, leases, troubles};
use crate::words::{Said, Sentence, say};

/// How old the list of a mailbox's calendars may be.
const LISTED_EVERY: TimeDelta = TimeDelta::days(1);
/// How many events of a calendar that is gone are planned in one transaction.
const PLANNED_AT_ONCE: usize = 50;

/// Follows the chosen calendars to their ends, or until the time `until`, and adds the effects to
/// `effects`. Returns whether all were read; if not, the next run continues.
///
/// # Errors
/// What is wrong with the mailbox as a whole; see [`PullError`].
pub async fn pull_further(
    engine: &Engine,
    account: &Account,
    token: &SecretString,
    until: Instant,
    effects: &mut Effects,
) -> Result<bool, PullError> {
    let mut chosen = chosen(engine, account).await?;
    if chosen.is_empty() {
        return Ok(true);
    }
    let known = {
        let mut conn = engine.store.get().await?;
        calendars::of_account(&mut conn, account.id).await?
    };
    let is_old = |one: &Calendar| one.listed_at < now() - LISTED_EVERY;
    let is_named = |id: &String| known.iter().any(|one| one.graph_id == *id);
    let unnamed: Vec<String> = chosen.iter().filter(|id| !is_named(id)).cloned().collect();
    if (known.iter().any(is_old) || !unnamed.is_empty())
        && let Some(all) = list_again(engine, account, token).await?
    {
        for gone in unnamed.iter().filter(|id| !all.contains(*id)) {
            end(engine, account, gone, gone, effects).await?;
            chosen.remove(gone);
        }
    }
    let due = {
        let mut conn = engine.store.get().await?;
        calendars::due(&mut conn, account.id, &chosen, now()).await?
    };
    for calendar in due {
        if Instant::now() >= until {
            return Ok(false);
        }
        // With its window, which may just have been opened.
        let account = {
            let mut conn = engine.store.get().await?;
            leases::account(&mut conn, account.id, account.lease_id).await?
        };
        match read(engine, &account, token, &calendar, until, effects).await {
            Ok(true) => {
                let mut conn = engine.store.get().await?;
                calendars::note_read(&mut conn, calendar.id, now()).await?;
                if calendar.problem.is_some() {
                    let again = say::calendar_is_read_again(&calendar.name);
                    tell(&mut conn, &account, Level::Info, again).await?;
                }
            }
            Ok(false) => {
                let mut conn = engine.store.get().await?;
                calendars::note_tried(&mut conn, calendar.id, now()).await?;
                return Ok(false);
            }
            Err(PullError::Graph(error)) => {
                fail(engine, &account, token, &calendar, error, effects).await?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Returns the calendars that a person has chosen, as far as the administrator permits it; none if
/// nothing comes to Odoo at all.
async fn chosen(engine: &Engine, account: &Account) -> Result<BTreeSet<String>, PullError> {
    let own = account.choices.to_choices();
    if own.calendars.is_empty() {
        return Ok(BTreeSet::new());
    }
    let conn = engine.store.get().await?;
    let database = databases::by_id(&conn, account.database_id).await?;
    let effective = own.within(&database.choices.to_choices());
    Ok(if effective.direction.to_odoo() {
        effective.calendars
    } else {
        BTreeSet::new()
    })
}

/// Asks Outlook for the mailbox's further calendars, and stores their list. Those that others share
/// are left out. Returns the ids of all that Outlook has named.
///
/// # Errors
/// See [`PullError`]. The stored list then stays.
pub async fn list(
    engine: &Engine,
    account: &Account,
    token: &SecretString,
) -> Result<BTreeSet<String>, PullError> {
    let told = engine.graph.other_calendars(token).await?;
    let all = told.iter().map(|one| one.id.clone()).collect();
    let mut conn = engine.store.get().await?;
    let people = People::load(&mut conn, account.database_id, now()).await?;
    let mailbox = people.mailbox_of(account);
    let own = |address| mailbox.address.as_ref() == Some(&address) || mailbox.aliases.contains(&address);
    let listed_at = now();
    let named: Vec<Named> = told
        .into_iter()
        .filter(|one| one.owner().is_none_or(own))
        .map(|one| Named {
            account_id: account.id,
            name: one.name.unwrap_or_default(),
            can_edit: one.can_edit.unwrap_or(false),
            graph_id: one.id,
            listed_at,
        })
        .collect();
    conn.transaction::<_, PullError, _>(async |conn| {
        let chosen = accounts::by_id(conn, account.id)
            .await?
            .choices
            .to_choices()
            .calendars;
        calendars::store_list(conn, account.id, &named, &chosen).await?;
        Ok(())
    })
    .await?;
    Ok(all)
}

/// Lists the calendars again. Returns the ids that Outlook has named; `None` if it did not answer.
///
/// # Errors
/// What is wrong with the mailbox as a whole; see [`PullError`].
async fn list_again(
    engine: &Engine,
    account: &Account,
    token: &SecretString,
) -> Result<Option<BTreeSet<String>>, PullError> {
    match list(engine, account, token).await {
        Ok(all) => Ok(Some(all)),
        // The calendars may be read nevertheless.
        Err(PullError::Graph(error)) => {
            let reason = attribute_failure(engine, token, error).await?;
            tracing::warn!(
                account.id = account.id,
                reason = reason.to_string(),
                "the calendars are not listed"
            );
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Reads the delta of a calendar. Returns `false` if `until` has come and something is left.
async fn read(
    engine: &Engine,
    account: &Account,
    token: &SecretString,
    calendar: &Calendar,
    until: Instant,
    effects: &mut Effects,
) -> Result<bool, PullError> {
    let halvings = {
        let mut conn = engine.store.get().await?;
        troubles::of(&mut conn, account.id).await?.halvings
    };
    let days = window(engine, account, halvings).await?;
    let mut calendar = calendar.clone();
    let link = calendar.delta_link.clone();
    let link = link.filter(|_| reaches_far(calendar.window_end, days.1, now()));
    let mut page = match link {
        Some(link) => next_page(engine, token, &link).await,
        None => first_page(engine, account, token, &mut calendar, days).await,
    };
    let mut resynced = false;
    let mut series = BTreeSet::new();
    loop {
        let DeltaPage { rows, next } = match page {
            Err(PullError::Graph(GraphError::ResyncRequired)) if !resynced => {
                tracing::info!(
                    account.id = account.id,
                    "the delta token of a further calendar is gone"
                );
                resynced = true;
                page = first_page(engine, account, token, &mut calendar, days).await;
                continue;
            }
            page => page?,
        };
        let source = Source::Further(&calendar);
        let rows = resolve_rows(engine, account, token, source, rows, &mut series, until).await?;
        match next {
            PageLink::Next(link) => {
                effects.merge(store(engine, account, source, rows, Some(&link)).await?);
                if Instant::now() >= until {
                    return Ok(false);
                }
                page = next_page(engine, token, &link).await;
            }
            PageLink::Delta(link) => {
                effects.merge(store(engine, account, source, rows, Some(&link)).await?);
                break;
            }
        }
    }
    match calendar.listing_since {
        Some(since) => {
            let source = Source::Further(&calendar);
            ask_about_missing(engine, account, token, source, since, until, effects).await
        }
        None => Ok(true),
    }
}

async fn first_page(
    engine: &Engine,
    account: &Account,
    token: &SecretString,
    calendar: &mut Calendar,
    days: (i64, i64),
) -> Result<DeltaPage, PullError> {
    let opened = open_window(engine, token, Some(&calendar.graph_id), days).await?;
    let mut conn = engine.store.get().await?;
    conn.transaction::<_, PullError, _>(async |conn| {
        leases::hold(conn, account).await?;
        calendars::open_window(conn, calendar.id, (opened.start, opened.end), opened.since).await?;
        Ok(())
    })
    .await?;
    calendar.window_start = Some(opened.start);
    calendar.window_end = Some(opened.end);
    calendar.listing_since = Some(opened.since);
    Ok(opened.first_page)
}

/// Notes that a calendar cannot be read.
///
/// # Errors
/// The failure, if it is the mailbox's.
async fn fail(
    engine: &Engine,
    account: &Account,
    token: &SecretString,
    calendar: &Calendar,
    error: GraphError,
    effects: &mut Effects,
) -> Result<(), PullError> {
    if error == GraphError::NotFound
        && let Some(all) = list_again(engine, account, token).await?
        && !all.contains(&calendar.graph_id)
    {
        return end(engine, account, &calendar.graph_id, &calendar.name, effects).await;
    }
    let is_forbidden = matches!(error, GraphError::Forbidden { .. });
    let reason = attribute_failure(engine, token, error).await?;
    let why: Said = if is_forbidden {
        say::calendar_not_permitted().into()
    } else {
        reason.sentence()
    };
    tracing::warn!(
        account.id = account.id,
        calendar.id = calendar.id,
        "a further calendar cannot be read"
    );
    let is_lasting = is_forbidden || calendar.failures + 1 >= FAILURES_BEFORE_REASON;
    let wait = backoff(calendar.failures, TimeDelta::minutes(1), TimeDelta::hours(6));
    let mut conn = engine.store.get().await?;
    calendars::note_failure(&mut conn, calendar, is_lasting.then_some(&why), now(), wait).await?;
    if is_lasting && calendar.problem.is_none() {
        let words = say::calendar_cannot_be_read_now(&calendar.name, why);
        tell(&mut conn, account, Level::Warning, words).await?;
    }
    Ok(())
}

/// Ends a calendar that the mailbox does not have any more: Outlook neither names it nor finds it. Its
/// events stay in Odoo.
async fn end(
    engine: &Engine,
    account: &Account,
    graph_id: &str,
    name: &str,
    effects: &mut Effects,
) -> Result<(), PullError> {
    let mut conn = engine.store.get().await?;
    let ids = conn
        .transaction::<_, PullError, _>(async |conn| {
            let _lock = databases::serialize(conn, account.database_id, Purpose::Pull).await?;
            leases::hold(conn, account).await?;
            let mut choices = accounts::by_id(conn, account.id).await?.choices.to_choices();
            choices.calendars.remove(graph_id);
            take_calendar_out(conn, account.id, &StoredChoices::of(choices)).await?;
            calendars::forget(conn, account.id, graph_id).await?;
            let events = calendars::count_in_odoo(conn, account.id, graph_id).await?;
            tell(conn, account, Level::Warning, say::calendar_is_gone(name, events)).await?;
            let gone = BTreeSet::from([graph_id.to_owned()]);
            Ok(calendars::meetings_in(conn, account.id, &gone).await?)
        })
        .await?;
    for some in ids.chunks(PLANNED_AT_ONCE) {
        effects.merge(retries::plan_all(&mut conn, account, some).await?);
    }
    Ok(())
}

async fn tell(
    conn: &mut crate::store::Connection,
    account: &Account,
    level: Level,
    words: Sentence,
) -> Result<(), PullError> {
    let user = Some(account.odoo_user_id);
    journal::write(conn, Line::general(account.database_id, user, level, words)).await?;
    Ok(())
}

/// Returns whether a mailbox has chosen further calendars. Microsoft announces only the changes of the
/// user's own (microsoft-graph-docs#6595, #21978), so these are polled.
pub fn follows_calendars(account: &Account) -> bool {
    let own = account.choices.to_choices();
    own.direction.to_odoo() && !own.calendars.is_empty()
}
