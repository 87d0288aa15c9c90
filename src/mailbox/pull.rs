//! From Outlook: follows a mailbox's delta and stores what the mailbox shows.
//!
//! A page's rows and the link to the next page are stored in one transaction, so a crash repeats a
//! page and loses none. `@removed` is only a hint, as Graph also sends it for events that left the
//! window. Outlook is asked before anything counts as deleted. An event that no calendar lists is
//! deleted, whatever a request for its id is answered (see [`crate::mailbox::shown`]).
//!
//! Further calendars that a person has chosen are followed in the same way ([`further`]).

pub mod further;
mod generations;
mod narrowing;
mod retries;
mod split_series;
mod views;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncConnection;
use secrecy::SecretString;
use tokio::time::Instant;
use uuid::Uuid;

use self::split_series::{SplitSeries, split_if_unsupported};
use crate::calendar::document::Document;
use crate::calendar::event::Answer;
use crate::engine::{Engine, now};
use crate::mailbox::bodies;
use crate::mailbox::error::PullError;
use crate::mailbox::presence::{self, Presence};
use crate::mailbox::trouble::{attribute_failure, backoff};
use crate::measures::Purpose;
use crate::odoo::mailboxes::Mailboxes;
use crate::odoo::record::Record;
use crate::odoo::snapshot::odoo_answer;
use crate::outlook::GraphError;
use crate::outlook::client::{DeltaPage, PageLink};
use crate::outlook::wire::{DeltaRow, WireEvent};
use crate::planning::observation::{copy_of, new_proposals, project, project_view};
use crate::planning::people::People;
use crate::planning::planner::{self, Effects};
use crate::store::accounts::{self, Account};
use crate::store::addresses::Mailbox;
use crate::store::calendars::{self, Calendar};
use crate::store::databases::PlanningLock;
use crate::store::journal::{self, Level, Line};
use crate::store::meetings::{self, Copy, Identities, Meeting};
use crate::store::people::Person;
use crate::store::reason::{Reason, Words};
use crate::store::stubs;
use crate::store::unit::UnitOfWork;
use crate::store::{Connection, databases, leases, put_aside, troubles};
use crate::words::{Said, say};

/// The window is renewed when it reaches less far ahead than its days ahead divided by this.
const RENEW_WINDOW_AT: i64 = 2;
/// How many meetings one transaction handles if there may be any number.
const MEETINGS_PER_TRANSACTION: i64 = 50;
/// How many forgotten events are requested before they are stored.
const EVENTS_PER_REQUEST: i64 = 20;
/// How often meetings are planned in several transactions before they are planned in one, if Odoo
/// sends more each time.
const MOST_PASSES: usize = 3;
/// How often Odoo is poked while many pages are read, so that it takes what is stored already.
const POKE_EVERY: Duration = Duration::from_secs(2);

/// The calendar that is read.
#[derive(Clone, Copy, Debug)]
enum Source<'a> {
    /// The user's own.
    Own,
    Further(&'a Calendar),
}

impl<'a> Source<'a> {
    /// Returns the id of a further calendar.
    fn calendar(self) -> Option<&'a str> {
        match self {
            Self::Own => None,
            Self::Further(calendar) => Some(&calendar.graph_id),
        }
    }
}

impl ResolvedRow {
    fn gone(id: String) -> Self {
        Self::Gone {
            id,
            is_cancelled: false,
        }
    }

    fn graph_id(&self) -> Option<&str> {
        match self {
            Self::Event(event) | Self::Series(event) => Some(&event.id),
            Self::SplitSeries(split) => Some(&split.master.id),
            Self::Gone { id, .. } | Self::Postponed(id) => Some(id),
            Self::Failed { id, .. } => id.as_deref(),
        }
    }

    /// Returns the descriptions that will be read.
    fn descriptions(&self) -> Vec<String> {
        let master = match self {
            Self::SplitSeries(split) => Some(split.master.as_ref()),
            _ => None,
        };
        let shown = self.events().iter().chain(master);
        shown.flat_map(WireEvent::descriptions).collect()
    }

    /// Returns the title; empty if there is none.
    fn title(&self) -> Words {
        self.events().first().map_or_else(|| Words::new(""), title_of)
    }

    /// Returns the events, each of which may be a meeting.
    fn events(&self) -> &[WireEvent] {
        match self {
            Self::Event(event) | Self::Series(event) => std::slice::from_ref(event.as_ref()),
            Self::SplitSeries(split) => &split.occurrences,
            Self::Gone { .. } | Self::Postponed(_) | Self::Failed { .. } => &[],
        }
    }
}

fn title_of(event: &WireEvent) -> Words {
    Words::new(event.subject.as_deref().unwrap_or(""))
}

/// A row of the delta, with the answers to the questions it raised.
#[derive(Clone)]
enum ResolvedRow {
    Event(Box<WireEvent>),
    /// A series in full.
    Series(Box<WireEvent>),
    /// A series that Odoo cannot repeat.
    SplitSeries(SplitSeries),
    /// No calendar shows it. It was cancelled by its organizer if it lies in Deleted Items as
    /// cancelled.
    Gone {
        id: String,
        is_cancelled: bool,
    },
    /// There was no time left to look at this id.
    Postponed(String),
    /// It could not be read.
    Failed {
        id: Option<String>,
        reason: Reason,
    },
}

/// Follows the delta to its end, or until the time `until`, and adds the effects to `effects`.
/// Returns whether the end was reached; if not, the next run continues.
///
/// # Errors
/// See [`PullError`]. What was stored before an error stays stored.
pub async fn pull(
    engine: &Engine,
    account: &Account,
    token: &SecretString,
    until: Instant,
    effects: &mut Effects,
) -> Result<bool, PullError> {
    let (mut halvings, halved_at, are_addresses_due) = {
        let mut conn = engine.store.get().await?;
        troubles::before_reading(&mut conn, account.id).await?
    };
    let link = match narrowing::widen(engine, account, halvings, halved_at).await? {
        Some(fewer) => {
            halvings = fewer;
            None
        }
        None => current_link(engine, account, halvings).await?,
    };
    if link.is_none() || are_addresses_due {
        refresh_addresses(engine, account, token).await?;
    }
    let mut resynced = false;
    // The series that were looked at in this round. Graph lists each of their occurrences.
    let mut series = BTreeSet::new();
    let mut poked: Option<Instant> = None;
    let (mut page, mut listing) = match link {
        Some(link) => (
            next_page(engine, token, &link).await,
            account.listing_since.is_some(),
        ),
        None => (first_page(engine, account, token, halvings).await, true),
    };
    // With its window, which may just have been opened.
    let account = {
        let mut conn = engine.store.get().await?;
        &leases::account(&mut conn, account.id, account.lease_id).await?
    };
    loop {
        let DeltaPage { rows, next } = match page {
            Ok(page) => page,
            // Graph may forget delta tokens at any time. Starting again compares with what is
            // known, and writes nothing.
            Err(PullError::Graph(GraphError::ResyncRequired)) if !resynced => {
                tracing::info!(account.id = account.id, "the delta token is gone, starting over");
                resynced = true;
                listing = true;
                page = first_page(engine, account, token, halvings).await;
                continue;
            }
            Err(error) => {
                narrowing::narrow(engine, account, token, halvings, &error).await?;
                return Err(error);
            }
        };
        let resolved_rows =
            resolve_rows(engine, account, token, Source::Own, rows, &mut series, until).await?;
        // The next page is requested while this one is stored.
        let stored = match next {
            PageLink::Next(link) if Instant::now() >= until => {
                effects.merge(store(engine, account, Source::Own, resolved_rows, Some(&link)).await?);
                return Ok(false);
            }
            PageLink::Next(link) => {
                let following = next_page(engine, token, &link);
                let (stored, following) = tokio::join!(
                    store(engine, account, Source::Own, resolved_rows, Some(&link)),
                    following
                );
                page = following;
                stored?
            }
            PageLink::Delta(link) => {
                effects.merge(store(engine, account, Source::Own, resolved_rows, Some(&link)).await?);
                // The run ends with a poke.
                break;
            }
        };
        let news = stored.poke_users.clone();
        effects.merge(stored);
        if !news.is_empty() && poked.is_none_or(|at| at.elapsed() > POKE_EVERY) {
            engine.poke(account.database_id, news);
            poked = Some(Instant::now());
        }
    }
    effects.merge(retries::request_again(engine, account, token, until).await?);
    if !read_forgotten_events(engine, account, token, until, effects).await? {
        return Ok(false);
    }
    if !account.pulled_once && retries::has_unread_items(engine, account).await? {
        // The first plan must see everything.
        return Ok(false);
    }
    if listing {
        let since = {
            let mut conn = engine.store.get().await?;
            let account = leases::account(&mut conn, account.id, account.lease_id).await?;
            account.listing_since
        };
        if let Some(since) = since
            && !ask_about_missing(engine, account, token, Source::Own, since, until, effects).await?
        {
            return Ok(false);
        }
    }
    if account.pulled_once {
        effects.merge(retries::replan_due(engine, account).await?);
    } else {
        // What was moved to a further calendar must not be made in the user's own again.
        if !further::pull_further(engine, account, token, until, effects).await? {
            return Ok(false);
        }
        effects.merge(finish_first_pull(engine, account).await?);
    }
    Ok(true)
}

/// Requests events that were forgotten as long past and are needed again. Returns `false` if
/// `until` has come and some are left.
async fn read_forgotten_events(
    engine: &Engine,
    account: &Account,
    token: &SecretString,
    until: Instant,
    effects: &mut Effects,
) -> Result<bool, PullError> {
    let mut asked = BTreeSet::new();
    loop {
        let mut unread = {
            let mut conn = engine.store.get().await?;
            stubs::unread_copies(&mut conn, account.id, EVENTS_PER_REQUEST).await?
        };
        // Each is requested once per run, whatever the answer.
        unread.retain(|id| asked.insert(id.clone()));
        if unread.is_empty() {
            return Ok(true);
        }
        let mut resolved_rows = Vec::with_capacity(unread.len());
        let uids = uids_of(engine, account, &unread).await?;
        for id in unread {
            let uid = uids.get(&id).map(String::as_str);
            resolved_rows.extend(resolve_id(engine, account, token, Source::Own, id.clone(), uid).await?);
        }
        effects.merge(store(engine, account, Source::Own, resolved_rows, None).await?);
        if Instant::now() >= until {
            return Ok(false);
        }
    }
}

/// Asks about missing events after a window was listed again, as a delta does not report deletions
/// from before it began. Returns `false` if `until` has come and some are left.
async fn ask_about_missing(
    engine: &Engine,
    account: &Account,
    token: &SecretString,
    source: Source<'_>,
    since: DateTime<Utc>,
    until: Instant,
    effects: &mut Effects,
) -> Result<bool, PullError> {
    let account = {
        let mut conn = engine.store.get().await?;
        leases::account(&mut conn, account.id, account.lease_id).await?
    };
    let (window_start, window_end) = match source {
        Source::Own => (account.window_start, account.window_end),
        Source::Further(calendar) => (calendar.window_start, calendar.window_end),
    };
    let aside = {
        let mut conn = engine.store.get().await?;
        put_aside::waiting_shown(&mut conn, account.id, now()).await?
    };
    let mut after = 0;
    loop {
        let missing = {
            let mut conn = engine.store.get().await?;
            let calendar = source.calendar();
            meetings::unseen_since(
                &mut conn,
                account.id,
                calendar,
                since,
                after,
                MEETINGS_PER_TRANSACTION,
            )
            .await?
        };
        let Some(last) = missing.last() else { break };
        after = last.id;
        let mut resolved_rows = Vec::new();
        let mut is_late = false;
        let ids: Vec<&str> = missing.iter().map(|copy| copy.graph_id.as_str()).collect();
        let uids = uids_of(engine, &account, &ids).await?;
        for copy in missing {
            // It is requested when it is due. Failed items must not use up the time for the others.
            if aside.contains(&copy.graph_id) {
                continue;
            }
            // Single events are asked for only if they are in the window, a series whatever its start
            // (one request covers it), and so is an event whose stored state cannot be read.
            let inside = match copy.document() {
                Ok(document) if document.is_single() => {
                    let time = &document.master.time;
                    window_start.is_none_or(|start| time.ends_at() > start)
                        && window_end.is_none_or(|end| time.starts_at() < end)
                }
                _ => true,
            };
            if inside {
                let uid = uids.get(&copy.graph_id).map(String::as_str);
                resolved_rows.extend(resolve_id(engine, &account, token, source, copy.graph_id, uid).await?);
                // Events that were looked at are not asked about in the next run.
                is_late = Instant::now() >= until;
                if is_late {
                    break;
                }
            }
        }
        effects.merge(store(engine, &account, source, resolved_rows, None).await?);
        if is_late || Instant::now() >= until {
            return Ok(false);
        }
    }
    let mut conn = engine.store.get().await?;
    conn.transaction::<_, PullError, _>(async |conn| {
        leases::hold(conn, &account).await?;
        match source {
            Source::Own => accounts::end_listing(conn, account.id).await?,
            Source::Further(calendar) => calendars::end_listing(conn, calendar.id).await?,
        };
        Ok(())
    })
    .await?;
    Ok(true)
}

/// Returns the link to continue from; none if the window has to be opened or moved.
async fn current_link(
    engine: &Engine,
    account: &Account,
    halvings: i32,
) -> Result<Option<String>, PullError> {
    let (_, days_ahead) = window(engine, account, halvings).await?;
    let link = account.delta_link.clone();
    Ok(link.filter(|_| reaches_far(account.window_end, days_ahead, now())))
}

/// Returns whether a window with this end, which is read so many days ahead, need not be renewed.
pub(super) fn reaches_far(end: Option<DateTime<Utc>>, days_ahead: i64, present: DateTime<Utc>) -> bool {
    let ahead = TimeDelta::days(days_ahead / RENEW_WINDOW_AT);
    end.is_some_and(|end| end > present + ahead)
}

/// A window that is listed from its beginning.
struct Opened {
    /// When the listing began.
    since: DateTime<Utc>,
    start: DateTime<Utc>,
    end: DateTime<Utc>,
    first_page: DeltaPage,
}

/// Asks for the first page of a window of so many days back and ahead, of the user's own calendar or
/// of a further one.
async fn open_window(
    engine: &Engine,
    token: &SecretString,
    calendar: Option<&str>,
    (days_back, days_ahead): (i64, i64),
) -> Result<Opened, PullError> {
    let since = now();
    let (start, end) = (
        since - TimeDelta::days(days_back),
        since + TimeDelta::days(days_ahead),
    );
    let delta = engine
        .graph
        .calendar_view_delta_start(token, calendar, start, end);
    Ok(Opened {
        since,
        start,
        end,
        first_page: delta.await?,
    })
}

async fn first_page(
    engine: &Engine,
    account: &Account,
    token: &SecretString,
    halvings: i32,
) -> Result<DeltaPage, PullError> {
    let days = window(engine, account, halvings).await?;
    // If the mailbox cannot be listed now, it keeps its old link.
    let opened = open_window(engine, token, None, days).await?;
    let mut conn = engine.store.get().await?;
    conn.transaction::<_, PullError, _>(async |conn| {
        leases::hold(conn, account).await?;
        accounts::open_window(conn, account.id, (opened.start, opened.end), opened.since).await?;
        Ok(())
    })
    .await?;
    Ok(opened.first_page)
}

/// Asks Microsoft for the mailbox's addresses. If Microsoft does not answer, the known ones stay,
/// and it is asked again later.
async fn refresh_addresses(
    engine: &Engine,
    account: &Account,
    token: &SecretString,
) -> Result<(), PullError> {
    let told = crate::auth::addresses::ask(engine, token).await;
    let mut conn = engine.store.get().await?;
    match told {
        Ok(told) => {
            conn.transaction::<_, PullError, _>(async |conn| {
                leases::hold(conn, account).await?;
                let is_news = told.store(conn, account.id).await?;
                troubles::addresses_told(conn, account.id).await?;
                if is_news {
                    // Some plans may use the old addresses.
                    accounts::plan_anew(conn, account.id).await?;
                }
                Ok(())
            })
            .await
        }
        // This is trouble of the whole mailbox, and is reported as such.
        Err(
            error @ (GraphError::Unauthorized
            | GraphError::Challenged { .. }
            | GraphError::Throttled { .. }
            | GraphError::MailboxMissing),
        ) => Err(error.into()),
        Err(error) => {
            tracing::warn!(account.id = account.id, %error, "the mailbox's addresses are not told");
            let wait = |failed| backoff(failed, TimeDelta::seconds(10), TimeDelta::hours(6));
            troubles::addresses_failed(&mut conn, account.id, wait).await?;
            Ok(())
        }
    }
}

async fn next_page(engine: &Engine, token: &SecretString, link: &str) -> Result<DeltaPage, PullError> {
    Ok(engine.graph.delta_next(token, link).await?)
}

/// Stores what was seen, and the link to continue from.
async fn store(
    engine: &Engine,
    account: &Account,
    source: Source<'_>,
    resolved_rows: Vec<ResolvedRow>,
    next: Option<&str>,
) -> Result<Effects, PullError> {
    let news_at = latest_change(&resolved_rows);
    let resolved_rows = &process_descriptions(resolved_rows).await;
    if resolved_rows.is_empty() && next.is_none() {
        return Ok(Effects::default());
    }
    let mut conn = engine.store.get().await?;
    if resolved_rows.is_empty() {
        return conn
            .transaction::<_, PullError, _>(async |conn| {
                leases::hold(conn, account).await?;
                store_next_link(conn, account, source, next, news_at).await?;
                Ok(Effects::default())
            })
            .await;
    }
    People::prepare(&mut conn, account.database_id).await?;
    let together = conn
        .transaction::<_, PullError, _>(async |conn| {
            let lock = databases::serialize(conn, account.database_id, Purpose::Pull).await?;
            leases::hold(conn, account).await?;
            let effects = store_page(conn, &lock, account, resolved_rows).await?;
            store_next_link(conn, account, source, next, news_at).await?;
            Ok(effects)
        })
        .await;
    let Err(error) = together else { return together };
    tracing::error!(
        account.id = account.id,
        error = format!("{error:#}"),
        "what was seen together was not stored, storing one by one"
    );
    // An event that cannot be stored must not keep the others from being stored.
    conn.transaction::<_, PullError, _>(async |conn| {
        let lock = databases::serialize(conn, account.database_id, Purpose::Pull).await?;
        leases::hold(conn, account).await?;
        let effects = retries::store_each(conn, &lock, account, resolved_rows).await?;
        store_next_link(conn, account, source, next, news_at).await?;
        Ok(effects)
    })
    .await
}

/// Processes the descriptions before anything waits for them. Items that are not done in time are
/// put aside and requested again.
async fn process_descriptions(resolved_rows: Vec<ResolvedRow>) -> Vec<ResolvedRow> {
    let done = bodies::process_descriptions(&resolved_rows, ResolvedRow::descriptions).await;
    let late = |(resolved, is_done): (ResolvedRow, bool)| match (&resolved, resolved.graph_id()) {
        (ResolvedRow::Event(_) | ResolvedRow::Series(_) | ResolvedRow::SplitSeries(_), Some(id))
            if !is_done =>
        {
            ResolvedRow::Failed {
                id: Some(id.to_owned()),
                reason: Reason::TooSlowToRead {
                    title: resolved.title(),
                },
            }
        }
        _ => resolved,
    };
    resolved_rows.into_iter().zip(done).map(late).collect()
}

async fn store_next_link(
    conn: &mut Connection,
    account: &Account,
    source: Source<'_>,
    next: Option<&str>,
    news_at: Option<DateTime<Utc>>,
) -> Result<(), PullError> {
    match (source, next) {
        (_, None) => {}
        (Source::Own, Some(next)) => {
            accounts::set_delta(conn, account.id, next, news_at).await?;
        }
        // Microsoft's notifications do not announce its changes, so these say nothing about them.
        (Source::Further(calendar), Some(next)) => {
            calendars::set_delta(conn, calendar.id, next).await?;
        }
    }
    Ok(())
}

/// Returns Microsoft's time of the latest change that the rows show; `None` if they show no event.
fn latest_change(resolved_rows: &[ResolvedRow]) -> Option<DateTime<Utc>> {
    let events = resolved_rows.iter().flat_map(ResolvedRow::events);
    events.filter_map(|event| event.last_modified_date_time).max()
}

/// Returns how many days back and ahead the mailbox is read: as set for its database, or else as
/// the service is configured, then halved `halvings` times.
async fn window(engine: &Engine, account: &Account, halvings: i32) -> Result<(i64, i64), PullError> {
    let conn = engine.store.get().await?;
    let database = databases::by_id(&conn, account.database_id).await?;
    let days = |own: Option<i32>, common: i64| narrowing::halve_days(own.map_or(common, i64::from), halvings);
    Ok((
        days(database.days_back, engine.settings.days_back),
        days(database.days_ahead, engine.settings.days_ahead),
    ))
}

/// Asks Outlook about the events that a page reports as removed or present again, and about each
/// series that the page shows anything of: once per round, however many occurrences are listed. If
/// a request fails and `until` has come, the rest of the page is left for later, as each request
/// may take as long to fail.
async fn resolve_rows(
    engine: &Engine,
    account: &Account,
    token: &SecretString,
    source: Source<'_>,
    rows: Vec<DeltaRow>,
    series: &mut BTreeSet<String>,
    until: Instant,
) -> Result<Vec<ResolvedRow>, PullError> {
    let mut resolved_rows = Vec::with_capacity(rows.len());
    let mut is_slow = false;
    let asked = rows.iter().filter_map(|row| match row {
        DeltaRow::Event(event) => Some(event.id.as_str()),
        DeltaRow::Removed { id, .. } => Some(id.as_str()),
        DeltaRow::Unreadable { .. } => None,
    });
    let uids = uids_of(engine, account, &asked.collect::<Vec<_>>()).await?;
    let mut look = async |id: String, is_shown: bool| {
        if is_slow {
            return Ok(vec![ResolvedRow::Postponed(id)]);
        }
        let seen = if is_shown {
            read_series(engine, account, token, source, id)
                .await
                .map(|whole| vec![whole])
        } else {
            let uid = uids.get(&id).map(String::as_str);
            resolve_id(engine, account, token, source, id.clone(), uid).await
        };
        let has_failed =
            |seen: &Vec<ResolvedRow>| seen.iter().any(|one| matches!(one, ResolvedRow::Failed { .. }));
        is_slow = seen.as_ref().is_ok_and(has_failed) && Instant::now() >= until;
        seen
    };
    let shown: Vec<&str> = rows
        .iter()
        .filter_map(|row| match row {
            DeltaRow::Event(event) => Some(event.id.as_str()),
            DeltaRow::Unreadable { .. } | DeltaRow::Removed { .. } => None,
        })
        .collect();
    let removed: Vec<String> = rows
        .iter()
        .filter_map(|row| match row {
            DeltaRow::Removed { id, .. } => Some(id.clone()),
            DeltaRow::Event(_) | DeltaRow::Unreadable { .. } => None,
        })
        .collect();
    // What has ended, or was in another calendar: a row may be older than that.
    let uncertain = if shown.is_empty() {
        Vec::new()
    } else {
        let mut conn = engine.store.get().await?;
        meetings::ended_or_elsewhere(&mut conn, account.id, source.calendar(), shown).await?
    };
    for row in rows {
        match row {
            DeltaRow::Event(event) if event.is_recurring() => {
                let Some(id) = event.series_id().map(str::to_owned) else {
                    continue;
                };
                if series.insert(id.clone()) {
                    let is_shown = !uncertain.contains(&id);
                    resolved_rows.extend(look(id, is_shown).await?);
                }
            }
            // A row may be older than the deletion. A late row must not bring the event back.
            DeltaRow::Event(event) if uncertain.contains(&event.id) => {
                resolved_rows.extend(look(event.id, false).await?);
            }
            DeltaRow::Event(mut event) => {
                event.calendar = source.calendar().map(str::to_owned);
                resolved_rows.push(ResolvedRow::Event(event));
            }
            DeltaRow::Unreadable { id, problem } => {
                let reason = Reason::UnreadableRow(Words::new(problem));
                resolved_rows.push(ResolvedRow::Failed { id, reason });
            }
            DeltaRow::Removed { id, .. } => {
                if has_copy(engine, account, &id).await? {
                    resolved_rows.extend(look(id, false).await?);
                }
            }
        }
    }
    for id in find_unreported_deletions(engine, account, token, source, &removed).await? {
        resolved_rows.extend(look(id, false).await?);
    }
    Ok(resolved_rows)
}

/// Returns the series that the calendar no longer has, if a page reports unknown ids as removed.
/// These may be ids of occurrences. Once gone, such an id leads to no series, and nothing
/// guarantees that a deleted series is reported too.
async fn find_unreported_deletions(
    engine: &Engine,
    account: &Account,
    token: &SecretString,
    source: Source<'_>,
    removed: &[String],
) -> Result<BTreeSet<String>, PullError> {
    if removed.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut series = {
        let mut conn = engine.store.get().await?;
        let ids = removed.iter().map(String::as_str).collect();
        let known = meetings::known_ids(&mut conn, account.id, ids).await?;
        if removed.iter().all(|id| known.contains(id)) {
            return Ok(BTreeSet::new());
        }
        meetings::series_ids(&mut conn, account.id, source.calendar()).await?
    };
    if !series.is_empty() {
        let listed = match engine.graph.series_ids(token, source.calendar()).await {
            // Each of them is then asked about.
            Err(GraphError::Invalid { .. }) => BTreeSet::new(),
            listed => listed?,
        };
        series.retain(|id| !listed.contains(id) && !removed.contains(id));
    }
    Ok(series)
}

async fn has_copy(engine: &Engine, account: &Account, id: &str) -> Result<bool, PullError> {
    let mut conn = engine.store.get().await?;
    Ok(meetings::has_live_copy(&mut conn, account.id, id).await?)
}

/// Returns the last known `iCalUId`s of these ids.
async fn uids_of(
    engine: &Engine,
    account: &Account,
    ids: &[impl AsRef<str>],
) -> Result<BTreeMap<String, String>, PullError> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut conn = engine.store.get().await?;
    let ids = ids.iter().map(AsRef::as_ref).collect();
    Ok(meetings::uids_of(&mut conn, account.id, ids).await?)
}

/// Returns what a calendar shows for an id now, and under which id. For an occurrence this is its
/// series, unless the series is split into single events. `uid` is the last known `iCalUId`.
///
/// # Errors
/// When the mailbox as a whole is in trouble. A failure of this id alone is a [`ResolvedRow`] of
/// its own.
async fn resolve_id(
    engine: &Engine,
    account: &Account,
    token: &SecretString,
    source: Source<'_>,
    id: String,
    uid: Option<&str>,
) -> Result<Vec<ResolvedRow>, PullError> {
    let found = async {
        let presence = match source {
            Source::Own => presence::find_event(engine, token, &id, uid).await?,
            Source::Further(calendar) => {
                presence::find_event_in(engine, token, &calendar.graph_id, &id, uid).await?
            }
        };
        match presence {
            Presence::Present(event) => Ok(vec![classify(engine, account, token, &id, event).await?]),
            Presence::Moved(event) => {
                let other = event.id.clone();
                let seen = classify(engine, account, token, &other, event).await?;
                // In this order, so that the event is never nowhere.
                Ok(vec![seen, ResolvedRow::gone(id.clone())])
            }
            Presence::Gone(last) => Ok(vec![ResolvedRow::Gone {
                id: id.clone(),
                is_cancelled: last.is_some_and(|event| event.is_cancelled == Some(true)),
            }]),
        }
    };
    match found.await {
        Err(PullError::Graph(error)) => {
            let reason = attribute_failure(engine, token, error).await?;
            Ok(vec![ResolvedRow::Failed { id: Some(id), reason }])
        }
        found => found,
    }
}

/// Reads a series of which the calendar shows something.
async fn read_series(
    engine: &Engine,
    account: &Account,
    token: &SecretString,
    source: Source<'_>,
    id: String,
) -> Result<ResolvedRow, PullError> {
    let found = async {
        match engine.graph.get_series(token, &id).await? {
            Some(mut event) => {
                event.calendar = source.calendar().map(str::to_owned);
                classify(engine, account, token, &id, Box::new(event)).await
            }
            None => Ok(ResolvedRow::gone(id.clone())),
        }
    };
    match found.await {
        Err(PullError::Graph(error)) => {
            let reason = attribute_failure(engine, token, error).await?;
            Ok(ResolvedRow::Failed { id: Some(id), reason })
        }
        found => found,
    }
}

/// Classifies an event that exists.
async fn classify(
    engine: &Engine,
    account: &Account,
    token: &SecretString,
    id: &str,
    event: Box<WireEvent>,
) -> Result<ResolvedRow, PullError> {
    if event.is_series() {
        return split_if_unsupported(engine, account, token, ResolvedRow::Series(event)).await;
    }
    match event.series_master_id.as_deref() {
        Some(master) if !has_copy(engine, account, id).await? => {
            let master = engine.graph.get_series(token, master).await?;
            let master = master.map_or_else(
                || ResolvedRow::gone(id.to_owned()),
                |master| {
                    ResolvedRow::Series(Box::new(WireEvent {
                        calendar: event.calendar.clone(),
                        ..master
                    }))
                },
            );
            split_if_unsupported(engine, account, token, master).await
        }
        _ => Ok(ResolvedRow::Event(event)),
    }
}

async fn store_page(
    conn: &mut Connection,
    lock: &PlanningLock,
    account: &Account,
    resolved_rows: &[ResolvedRow],
) -> Result<Effects, PullError> {
    let people = People::load(conn, account.database_id, now()).await?;
    let present = people.account(account.id).cloned();
    let present = present.unwrap_or_else(|| Person::from(account));
    let unit = load(conn, lock, &people, account, resolved_rows).await?;
    let mut page = Page {
        people: &people,
        account: &present,
        mailbox: people.mailbox_of(account),
        unit,
        touched: BTreeSet::new(),
        lines: Vec::new(),
        aside: BTreeMap::new(),
        wake: BTreeSet::new(),
        followed: people
            .choices(&present)
            .map(|choices| choices.calendars)
            .unwrap_or_default(),
    };
    for resolved in resolved_rows {
        page.store(resolved)?;
    }
    let Page {
        mut unit,
        touched,
        lines,
        aside,
        wake,
        ..
    } = page;
    let mut effects = planner::replan_all(&mut unit, &people, touched)?;
    effects.wake_accounts.extend(wake);
    unit.save(conn, people.now).await?;
    journal::write_all(conn, lines).await?;
    retries::record_failures(conn, account, resolved_rows, &aside).await?;
    Ok(effects)
}

/// Reads the meetings that a page may be about.
async fn load(
    conn: &mut Connection,
    lock: &PlanningLock,
    people: &People,
    account: &Account,
    resolved_rows: &[ResolvedRow],
) -> Result<UnitOfWork, PullError> {
    let mut unit = UnitOfWork::new(lock);
    let graph_ids = resolved_rows.iter().filter_map(ResolvedRow::graph_id).collect();
    unit.read_copies(conn, account.id, graph_ids).await?;
    let unknown: Vec<&WireEvent> = resolved_rows
        .iter()
        .flat_map(ResolvedRow::events)
        // An event that was lost may come back as another meeting.
        .filter(|event| {
            unit.copy(account.id, &event.id)
                .is_none_or(|copy| copy.gone || copy.cancelled)
        })
        .collect();
    views::load(conn, people, account, &mut unit, resolved_rows).await?;
    let unknown: Vec<&WireEvent> = unknown
        .into_iter()
        .filter(|event| event.calendar.is_none())
        .collect();
    if unknown.is_empty() {
        return Ok(unit);
    }
    let identities = Identities {
        links: unknown.iter().filter_map(|event| link_of(event)).collect(),
        uids: unknown
            .iter()
            .filter_map(|event| event.ical_uid.as_deref())
            .collect(),
        ..Identities::default()
    };
    unit.read_identities(conn, &identities).await?;
    unit.read_stock(conn, unknown.iter().map(|event| event.id.as_str()).collect())
        .await?;
    let (own, of_others): (Vec<_>, Vec<_>) = unknown
        .into_iter()
        .map(|event| {
            let is_own = event.is_organizer == Some(true);
            (is_own, event.subject.as_deref().unwrap_or_default())
        })
        .partition(|(is_own, _)| *is_own);
    let titles = |events: Vec<(bool, _)>| events.into_iter().map(|(_, title)| title).collect();
    if !of_others.is_empty() {
        unit.read_creating(conn, now(), titles(of_others)).await?;
    }
    if !own.is_empty() {
        unit.read_unlinked(conn, account.odoo_user_id, titles(own))
            .await?;
    }
    Ok(unit)
}

/// A page while it is stored.
struct Page<'a> {
    people: &'a People,
    account: &'a Person,
    mailbox: Mailbox,
    unit: UnitOfWork,
    touched: BTreeSet<i64>,
    lines: Vec<Line>,
    /// Items that cannot be stored now, by id, with the reason. An item without a reason merely
    /// waits.
    aside: BTreeMap<String, Option<Reason>>,
    /// Other accounts that have something to read.
    wake: BTreeSet<i64>,
    /// The further calendars that the mailbox's owner has chosen.
    followed: BTreeSet<String>,
}

impl Page<'_> {
    fn store(&mut self, resolved: &ResolvedRow) -> Result<(), PullError> {
        match resolved {
            ResolvedRow::Event(event) => {
                let news = self.store_event(event)?;
                self.touched.extend(news);
            }
            ResolvedRow::Series(event) => {
                self.end_split_occurrences(&event.id)?;
                let news = self.store_event(event)?;
                self.touched.extend(news);
            }
            ResolvedRow::SplitSeries(split) => self.store_split_series(split)?,
            ResolvedRow::Gone { id, is_cancelled } => {
                self.end_split_occurrences(id)?;
                if !is_cancelled {
                    self.report_vanished(id)?;
                }
                self.end_copy(id, *is_cancelled)?;
            }
            ResolvedRow::Postponed(id) => {
                self.aside.insert(id.clone(), Some(Reason::NoTime));
            }
            ResolvedRow::Failed { id: Some(id), reason } => {
                self.aside.insert(id.clone(), Some(reason.clone()));
            }
            // There is no id to request again. When the event changes, it is shown again.
            ResolvedRow::Failed { id: None, reason } => self.add_warning(reason.sentence()),
        }
        Ok(())
    }

    /// Reports that a meeting has vanished whose organizer has no mailbox here. It leaves a guest's
    /// calendar if the guest deletes it and, in some mailboxes, if its organizer cancels it. If
    /// nothing distinguishes the two, it counts as declined, which is harmless in both cases.
    fn report_vanished(&mut self, graph_id: &str) -> Result<(), PullError> {
        let known = self.unit.copy(self.account.id, graph_id);
        let Some(copy) = known.filter(|copy| !copy.is_organizer && !copy.gone && !copy.cancelled) else {
            return Ok(());
        };
        let event = copy.event()?;
        let is_outside = event
            .organizer
            .is_none_or(|organizer| self.people.account_of_address(&organizer.address).is_none());
        if is_outside && copy.answer.as_deref() != Some(odoo_answer(Answer::Declined)) {
            let message = say::has_vanished(event.title);
            let (database, user) = (self.people.database.id, Some(self.account.odoo_user_id));
            self.lines
                .push(Line::general(database, user, Level::Info, message));
        }
        Ok(())
    }

    /// Handles an event of the mailbox that is gone.
    fn end_copy(&mut self, graph_id: &str, is_cancelled: bool) -> Result<(), PullError> {
        let known = self.unit.copy(self.account.id, graph_id);
        if let Some(id) = known.map(|copy| copy.meeting_id) {
            if let Some(copy) = self.unit.get(id)?.copy_mut(self.account.id, graph_id) {
                copy.gone = true;
                copy.cancelled |= is_cancelled;
                copy.unread = false;
            }
            self.touched.insert(id);
            self.show_views_again(id)?;
        }
        Ok(())
    }

    /// Puts aside an event that cannot be stored now, to be requested again; a series as a whole.
    fn put_aside(&mut self, event: &WireEvent, reason: Option<Reason>) {
        let id = event.series_id().unwrap_or(&event.id);
        self.aside.insert(id.to_owned(), reason);
    }

    fn add_warning(&mut self, message: Said) {
        let user_id = Some(self.account.odoo_user_id);
        self.lines.push(Line::general(
            self.people.database.id,
            user_id,
            Level::Error,
            message,
        ));
    }

    /// Stores what a mailbox shows of one event; returns the meeting that has news, if any.
    fn store_event(&mut self, event: &WireEvent) -> Result<Option<i64>, PullError> {
        let known = self.unit.copy(self.account.id, &event.id).cloned();
        if event.is_draft == Some(true) {
            return Ok(None);
        }
        let Some(calendar) = self.place_of(event, known.as_ref()) else {
            return Ok(None);
        };
        let event = &WireEvent {
            calendar,
            ..event.clone()
        };
        // Our own write coming back, or a repeated row. A copy that is marked to be read is read
        // all the same.
        if let Some(copy) = &known
            && !(copy.gone || copy.unread)
            && copy.calendar == event.calendar
            && (is_same_state(copy, event) || is_older(copy, event))
        {
            self.unit.touch(copy.id);
            return Ok(None);
        }
        if let Some(copy) = &known
            && self.stays_hidden(copy, event)?
        {
            return Ok(None);
        }
        let known = match known {
            Some(copy) if self.reappeared_after_end(&copy, event)? => {
                self.unit.part_with(&copy)?;
                None
            }
            Some(copy) if event.calendar.is_none() && self.leaves_view(&copy, event)? => None,
            known => known,
        };
        let is_view = match &known {
            Some(copy) => self.unit.get(copy.meeting_id)?.meeting.view_of.is_some(),
            None => event.calendar.is_some(),
        };
        let before = known.as_ref().filter(|copy| copy.stub.is_none());
        let project = if is_view { project_view } else { project };
        let shown = match project(event, &self.mailbox, before) {
            Ok(shown) => shown,
            Err(problem) => {
                let reason = Reason::UnreadableEvent {
                    title: title_of(event),
                    problem: problem.words(),
                };
                self.put_aside(event, Some(reason));
                return Ok(None);
            }
        };
        let meeting_id = match &known {
            Some(copy) => copy.meeting_id,
            None => match self.find_meeting_or_view(event, &shown.document)? {
                FoundMeeting::Meeting(id) => id,
                FoundMeeting::Nothing => return Ok(None),
                FoundMeeting::Postponed => {
                    self.put_aside(event, None);
                    return Ok(None);
                }
            },
        };
        if known.is_none() && !is_view {
            self.report_attendees_without_address(event);
        }
        if !is_view {
            self.report_proposals(event, before);
        }
        let mut seen = copy_of(meeting_id, self.account.id, event, &shown)?;
        if self.unit.get(meeting_id)?.meeting.view_of.is_some() {
            seen.is_organizer = true;
            // It is in Odoo already, as the user's own calendar shows it.
            seen.gone = known.as_ref().is_none_or(|copy| copy.gone || copy.unread)
                && self.is_shown_elsewhere(event)?;
        }
        // What Exchange rewrites by itself is not news, even if it counts as a change.
        if known.is_none_or(|known| {
            known.gone
                || known.stub.is_some()
                || known.state != seen.state
                || known.cancelled != seen.cancelled
        }) {
            self.unit.get(meeting_id)?.meeting.has_news();
        }
        self.unit.see_copy(seen)?;
        self.hide_views(meeting_id, event)?;
        Ok(Some(meeting_id))
    }

    /// Writes into the journal who proposes another time, as Odoo has no field for it.
    fn report_proposals(&mut self, event: &WireEvent, before: Option<&Copy>) {
        let before = before.and_then(|copy| copy.wire_event::<WireEvent>().ok());
        let user_id = Some(self.account.odoo_user_id);
        for words in new_proposals(event, before.as_ref()) {
            let line = Line::general(self.people.database.id, user_id, Level::Info, words);
            self.lines.push(line);
        }
    }

    /// Writes into the journal which guests Odoo does not get, as they have no internet address (an
    /// Exchange X.500 address, for example).
    fn report_attendees_without_address(&mut self, event: &WireEvent) {
        let guests = event.attendees_without_address();
        let names: Vec<&str> = guests
            .filter_map(|guest| guest.name.as_deref().or(guest.address.as_deref()))
            .collect();
        if names.is_empty() {
            return;
        }
        let title = event.subject.as_deref().unwrap_or("");
        let message = say::about_title(title, say::guests_without_address(names));
        let user_id = Some(self.account.odoo_user_id);
        let line = Line::general(self.people.database.id, user_id, Level::Warning, message);
        self.lines.push(line);
    }

    /// Finds the meeting of an unknown event: by our link, by Outlook's identity, by content if the
    /// user had it in Odoo before connecting; or makes a new one.
    fn find_meeting(&mut self, event: &WireEvent, state: &Document) -> Result<FoundMeeting, PullError> {
        if let Some(id) = link_of(event).and_then(|link| self.unit.by_link(link)) {
            let meeting = &mut self.unit.get(id)?.meeting;
            if meeting.ical_uid.is_none() {
                meeting.ical_uid.clone_from(&event.ical_uid);
            }
            // If the event has our link but another identity, somebody duplicated it in Outlook,
            // and it is a meeting of its own.
            if meeting.ical_uid == event.ical_uid || self.take_later_generation(id, event, state)? {
                return Ok(FoundMeeting::Meeting(id));
            }
        }
        // An absent id matches nothing.
        let Some(uid) = event.ical_uid.as_deref().filter(|uid| !uid.is_empty()) else {
            let title = title_of(event);
            self.put_aside(event, Some(Reason::WithoutUid { title }));
            return Ok(FoundMeeting::Nothing);
        };
        if let Some(id) = self.unit.by_ical_uid(uid) {
            return Ok(FoundMeeting::Meeting(id));
        }
        if let Some(id) = self.unit.by_stock_id(&event.id) {
            self.unit.get(id)?.meeting.ical_uid = Some(uid.to_owned());
            return Ok(FoundMeeting::Meeting(id));
        }
        if event.is_cancelled == Some(true) {
            return Ok(FoundMeeting::Nothing);
        }
        let is_own = event.is_organizer == Some(true);
        // The organizer's mailbox has the series, which includes this guest's single occurrence.
        if event.is_lone_occurrence()
            && let Some(organizer) = &state.master.organizer
            && self
                .people
                .account_of_address(&organizer.address)
                .is_some_and(Person::is_connected)
        {
            return Ok(FoundMeeting::Nothing);
        }
        if !is_own
            && let Some(organizer) = &state.master.organizer
            && let Some(organizer) = self.people.account_of_address(&organizer.address)
        {
            if self.unit.is_creating(organizer.id) || self.is_being_rebaselined(organizer) {
                return Ok(FoundMeeting::Postponed);
            }
            let stuck = self.unit.stuck_creations(organizer.id, &state.master.title);
            if let Some(id) = first_at_times_of(state, &stuck)? {
                self.unit.get(id)?.meeting.ical_uid = Some(uid.to_owned());
                return Ok(FoundMeeting::Meeting(id));
            }
        }
        let before = self.account.ignore_before;
        if before.is_some_and(|before| event.created_date_time.is_some_and(|created| created < before)) {
            return Ok(FoundMeeting::Nothing);
        }
        if is_own && let Some(id) = self.match_by_content(state)? {
            self.unit.get(id)?.meeting.ical_uid = Some(uid.to_owned());
            return Ok(FoundMeeting::Meeting(id));
        }
        Ok(FoundMeeting::Meeting(self.unit.create(None, Some(uid))))
    }

    /// Finds an event that the user has in both calendars and that was never linked: same title,
    /// same time.
    fn match_by_content(&self, state: &Document) -> anyhow::Result<Option<i64>> {
        let title = &state.master.title;
        let unlinked = self.unit.unlinked_with_title(self.account.odoo_user_id, title);
        first_at_times_of(state, &unlinked)
    }
}

/// The meeting that an event of a mailbox belongs to.
enum FoundMeeting {
    Meeting(i64),
    /// The event is not to be synced.
    Nothing,
    /// The event may be one whose creation is in flight in its organizer's mailbox, or one that the
    /// organizer's mailbox will show when it is listed again. This is known in a moment.
    Postponed,
}

/// Compares a series as a whole: its exceptions may change without its master.
fn is_same_state(copy: &Copy, event: &WireEvent) -> bool {
    if event.is_recurring() {
        let wire = serde_json::to_value(event);
        return wire.is_ok_and(|wire| match &copy.stub {
            Some(digest) => stubs::digest(&wire) == *digest,
            None => wire == copy.wire,
        });
    }
    copy.change_key.is_some() && copy.change_key == event.change_key
}

/// Returns whether the event is an old state that was reported again, late.
fn is_older(copy: &Copy, event: &WireEvent) -> bool {
    !event.is_recurring()
        && matches!((event.last_modified_date_time, copy.modified_at), (Some(told), Some(known)) if told < known)
}

/// Returns the link that we stored with the event.
pub(crate) fn link_of(event: &WireEvent) -> Option<Uuid> {
    event
        .link()
        .or_else(|| Some(generations::generation_of(event.transaction_id.as_deref()?)?.0))
}

/// Plans everything that waited until the mailbox is known (events that Odoo had before). Some
/// meetings at a time, as others wait for the same lock.
async fn finish_first_pull(engine: &Engine, account: &Account) -> Result<Effects, PullError> {
    let mut effects = Effects::default();
    let mut conn = engine.store.get().await?;
    let mut exchange = databases::by_id(&conn, account.database_id).await?.nonce;
    let mut ids =
        meetings::of_account(&mut conn, account.database_id, account.id, account.odoo_user_id).await?;
    for pass in 1.. {
        for some in ids.chunks(usize::try_from(MEETINGS_PER_TRANSACTION).unwrap_or(1)) {
            effects.merge(retries::plan_all(&mut conn, account, some).await?);
        }
        // This comes last, so that a crash repeats the planning.
        let missed = conn
            .transaction::<_, PullError, _>(async |conn| {
                let lock = databases::serialize(conn, account.database_id, Purpose::Pull).await?;
                leases::hold(conn, account).await?;
                let present = accounts::by_id(conn, account.id).await?;
                if present.existing != account.existing || present.window_end != account.window_end {
                    // Odoo has sent its events meanwhile, or the mailbox is to be listed again: the
                    // next run plans with that.
                    return Ok(None);
                }
                let last = databases::by_id(conn, account.database_id).await?.nonce;
                if last != exchange {
                    // An exchange planned meanwhile as if the mailbox were not known.
                    exchange = last;
                    let missed =
                        meetings::only_in_odoo(conn, account.database_id, account.id, account.odoo_user_id)
                            .await?;
                    if pass < MOST_PASSES
                        && i64::try_from(missed.len()).is_ok_and(|some| some > MEETINGS_PER_TRANSACTION)
                    {
                        return Ok(Some(missed));
                    }
                    effects.merge(retries::plan_under(conn, &lock, account, &missed).await?);
                }
                accounts::set_pulled_once(conn, account.id).await?;
                Ok(None)
            })
            .await?;
        match missed {
            Some(missed) => ids = missed,
            None => break,
        }
    }
    Ok(effects)
}

/// Returns the first of some meetings whose active record in Odoo has the times of an event.
fn first_at_times_of(event: &Document, meetings: &[&Meeting]) -> anyhow::Result<Option<i64>> {
    let nobody = Mailboxes::new();
    for meeting in meetings {
        let odoo = meeting
            .record()?
            .filter(Record::active)
            .and_then(|record| record.document(&nobody).ok().flatten());
        if odoo.is_some_and(|odoo| odoo.same_times(event)) {
            return Ok(Some(meeting.id));
        }
    }
    Ok(None)
}
